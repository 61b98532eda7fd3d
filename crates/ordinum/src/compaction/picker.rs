//! Decides what to merge next.
//!
//! Levels have targets that follow the size of the deepest, as in RocksDB's dynamic level bytes: each is a tenth of the
//! one below, up to the first that is no larger than the base. Above it levels stay empty, and level 0 is merged into
//! it directly. So the deepest level always holds most of the data, and little space goes to old versions.

use std::sync::Arc;

use super::{Compaction, CompactionOptions, Method};
use crate::version::{LEVELS, Levels, LiveTable, user_range};

/// How many times larger than the level above a level may be.
const LEVEL_SIZE_RATIO: u64 = 10;
const DEEPEST: usize = LEVELS - 1;
/// Level 0 is small while all of it has this part of the bytes of a full table.
const SMALL_PART: u64 = 8;

/// What each level may hold, and where level 0 goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Targets {
    bytes: [u64; LEVELS],
    base_level: usize,
}

impl Targets {
    fn of(levels: &Levels, options: &CompactionOptions) -> Targets {
        let largest = (1..LEVELS).map(|level| levels.bytes(level)).max().unwrap_or(0);
        let mut target = largest.max(options.level_base_bytes);
        let mut bytes = [0; LEVELS];
        let mut base_level = 1;
        for (level, slot) in bytes.iter_mut().enumerate().skip(1).rev() {
            *slot = target.max(1);
            if target <= options.level_base_bytes {
                base_level = level;
                break;
            }
            target /= LEVEL_SIZE_RATIO;
        }
        // Levels above the base that still have tables drain: their target is nothing, and level 0 may not jump them.
        let first_used = (1..LEVELS).find(|level| !levels.level(*level).is_empty());
        Targets { bytes, base_level: base_level.min(first_used.unwrap_or(base_level)) }
    }
}

/// The most urgent compaction, or none if every level is within its target.
pub(crate) fn pick(levels: &Levels, options: &CompactionOptions) -> Option<Compaction> {
    let targets = Targets::of(levels, options);
    let trigger = u64::try_from(options.level0_tables_trigger.max(1)).unwrap_or(u64::MAX);
    let tables = u64::try_from(levels.level(0).len()).unwrap_or(u64::MAX);
    let mut most_urgent = (tables.saturating_mul(100) / trigger, 0);
    for (level, target) in targets.bytes.iter().enumerate().take(DEEPEST).skip(1) {
        let bytes = levels.bytes(level);
        let urgency = match (bytes, *target) {
            (0, _) => 0,
            // A level that drains is as urgent as one just above its target.
            (_, 0) => 101,
            (bytes, target) => bytes.saturating_mul(100) / target,
        };
        // A level that is full exactly to its target may stay.
        if urgency > most_urgent.0.max(100) {
            most_urgent = (urgency, level);
        }
    }
    match most_urgent {
        (urgency, 0) if urgency >= 100 => {
            let why = format!("level 0 has {tables} tables of {trigger}");
            Some(level0(levels, &targets, options, &why))
        }
        (urgency, level) if level > 0 && urgency > 100 => {
            let target = targets.bytes.get(level).copied().unwrap_or(0);
            let why = format!("level {level} has {} of {}", size(levels.bytes(level)), size(target));
            one_table(levels, level, &why)
        }
        _ => None,
    }
}

/// All of level 0 into the base level. What is small is not moved but merged, with its small neighbours there: or
/// flushes of a few ascending keys would leave a table each, for ever.
fn level0(levels: &Levels, targets: &Targets, options: &CompactionOptions, why: &str) -> Compaction {
    let inputs = levels.level(0).to_vec();
    let mut overlapping = overlapping_all(levels, targets.base_level, &inputs);
    let small = options.table_bytes_target / SMALL_PART;
    let bytes = |tables: &[Arc<LiveTable>]| tables.iter().map(|table| table.meta().bytes).sum::<u64>();
    let is_small = bytes(&inputs) <= small;
    if is_small {
        let room = small.saturating_sub(bytes(&inputs) + bytes(&overlapping));
        add_neighbours(levels.level(targets.base_level), &inputs, &mut overlapping, room);
    }
    let stays_apart = overlapping.is_empty() && are_disjoint(&inputs);
    let method = if stays_apart && !(is_small && inputs.len() > 1) { Method::Move } else { Method::Merge };
    compaction(0, targets.base_level, inputs, overlapping, method, why)
}

/// Adds the tables of `level` beside the keys of `inputs`, in order and without a gap, as long as `room` has bytes for them.
fn add_neighbours(
    level: &[Arc<LiveTable>],
    inputs: &[Arc<LiveTable>],
    overlapping: &mut Vec<Arc<LiveTable>>,
    mut room: u64,
) {
    let mut fits = |table: &&Arc<LiveTable>| {
        let left = room.checked_sub(table.meta().bytes);
        room = left.unwrap_or(room);
        left.is_some()
    };
    let smallest = inputs.iter().map(|table| user_range(table).0).min();
    let largest = inputs.iter().map(|table| user_range(table).1).max();
    let (Some(smallest), Some(largest)) = (smallest, largest) else { return };
    let before = level.iter().rev().skip_while(|table| user_range(table).1 >= smallest);
    for table in before.take_while(&mut fits) {
        overlapping.insert(0, Arc::clone(table));
    }
    let behind = level.iter().skip_while(|table| user_range(table).0 <= largest);
    overlapping.extend(behind.take_while(&mut fits).cloned());
}

/// The table of the level that drags along the least of the next level for its size.
fn one_table(levels: &Levels, level: usize, why: &str) -> Option<Compaction> {
    let cost = |table: &&Arc<LiveTable>| {
        let (smallest, largest) = user_range(table);
        let overlap: u64 =
            levels.overlapping(level + 1, smallest, largest).iter().map(|table| table.meta().bytes).sum();
        (overlap.saturating_mul(100) / table.meta().bytes.max(1), table.meta().number)
    };
    let input = levels.level(level).iter().min_by_key(cost)?;
    let inputs = vec![Arc::clone(input)];
    let overlapping = overlapping_all(levels, level + 1, &inputs);
    let method = if overlapping.is_empty() { Method::Move } else { Method::Merge };
    Some(compaction(level, level + 1, inputs, overlapping, method, why))
}

/// The next step of compacting a whole range, from level `from` on, and the level to go on from; none if no table from
/// there on has keys of the range. `meets` tells whether the range has keys between two, ends included. The last step rewrites the deepest level of the range, so that nothing stays in it
/// that could be dropped.
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
        // Tables of level 0 overlap: all of them go, or an older one would stay above a newer.
        0 => (levels.level(0).to_vec(), Targets::of(levels, options).base_level),
        _ => (in_range(level), level + 1),
    };
    let mut overlapping = overlapping_all(levels, output_level, &inputs);
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

fn compaction(
    level: usize,
    output_level: usize,
    inputs: Vec<Arc<LiveTable>>,
    overlapping: Vec<Arc<LiveTable>>,
    method: Method,
    why: &str,
) -> Compaction {
    let total = |tables: &[Arc<LiveTable>]| {
        let bytes = tables.iter().map(|table| table.meta().bytes).sum();
        let numbers: Vec<String> = tables.iter().map(|table| table.meta().number.to_string()).collect();
        format!("{} ({})", numbers.join(" "), size(bytes))
    };
    let what = match method {
        Method::Move => format!("move {} to level {output_level}", total(&inputs)),
        Method::Merge if level == output_level => format!("rewrite {}", total(&inputs)),
        Method::Merge if overlapping.is_empty() => {
            format!("merge {} to level {output_level}", total(&inputs))
        }
        Method::Merge => {
            format!("merge {} with {} of level {output_level}", total(&inputs), total(&overlapping))
        }
    };
    Compaction { level, output_level, inputs, overlapping, method, reason: format!("{why}: {what}") }
}

/// The tables of `level` whose keys lie between the smallest and the largest of `inputs`.
fn overlapping_all(levels: &Levels, level: usize, inputs: &[Arc<LiveTable>]) -> Vec<Arc<LiveTable>> {
    let smallest = inputs.iter().map(|table| user_range(table).0).min();
    let largest = inputs.iter().map(|table| user_range(table).1).max();
    match (smallest, largest) {
        (Some(smallest), Some(largest)) => levels.overlapping(level, smallest, largest),
        _ => Vec::new(),
    }
}

fn are_disjoint(tables: &[Arc<LiveTable>]) -> bool {
    let mut ranges: Vec<_> = tables.iter().map(|table| user_range(table)).collect();
    ranges.sort_unstable();
    ranges.array_windows().all(|[a, b]| a.1 < b.0)
}

/// A size for people.
fn size(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..1_048_576 => format!("{} KiB", bytes / 1024),
        _ => format!("{} MiB", bytes / 1_048_576),
    }
}
