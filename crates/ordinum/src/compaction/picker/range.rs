//! The steps of compacting a range that was asked for.

use std::sync::Arc;

use super::{compaction, level0, overlapping_all};
use crate::compaction::targets::Targets;
use crate::compaction::{Compaction, CompactionOptions, Method};
use crate::version::{LEVELS, Levels, LiveTable, user_range};

/// The next step of compacting a whole range, from level `from` on, and the level to go on from; none if no table from
/// there on has keys of the range. `meets` tells whether the range has keys between two, ends included. The last step
/// rewrites the deepest level of the range, so that nothing stays in it that could be dropped.
pub(crate) fn pick_range(
    levels: &Levels,
    options: &CompactionOptions,
    from: usize,
    meets: &dyn Fn(&[u8], &[u8]) -> bool,
) -> Option<(Compaction, usize)> {
    let in_range = |level: usize| -> Vec<Arc<LiveTable>> {
        let tables = levels.level(level).iter();
        tables
            .filter(|table| {
                let (smallest, largest) = user_range(table);
                meets(smallest, largest)
            })
            .cloned()
            .collect()
    };
    let used: Vec<usize> = (from..LEVELS).filter(|level| !in_range(*level).is_empty()).collect();
    let (&level, &deepest) = (used.first()?, used.last()?);
    let why = "the range was asked for";
    if level == deepest && level > 0 {
        let rewrite = compaction(level, level, in_range(level), Vec::new(), Method::Merge, why);
        return Some((rewrite, level + 1));
    }
    let (inputs, output_level) = match level {
        // Tables of level 0 overlap: those go that are older than all that stay, whatever their keys.
        0 => (level0::oldest(levels), Targets::of(levels, options).base_level),
        _ => (in_range(level), level + 1),
    };
    let mut overlapping = overlapping_all(levels, output_level, &inputs);
    if level == 0 && inputs.len() < levels.level(0).len() {
        return Some((compaction(level, output_level, inputs, overlapping, Method::Merge, why), level));
    }
    if output_level < deepest {
        return Some((
            compaction(level, output_level, inputs, overlapping, Method::Merge, why),
            output_level,
        ));
    }
    for table in in_range(output_level) {
        if !overlapping.iter().any(|known| Arc::ptr_eq(known, &table)) {
            overlapping.push(table);
        }
    }
    overlapping.sort_by(|a, b| user_range(a).cmp(&user_range(b)));
    Some((compaction(level, output_level, inputs, overlapping, Method::Merge, why), output_level + 1))
}
