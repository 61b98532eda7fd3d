//! Levels above their target, and tables full of garbage.

use std::sync::Arc;

use super::{
    GRANDPARENT_TABLES_MAX, Picking, compaction, garbage_percent, hull, overlapping_all, size, total_bytes,
};
use crate::compaction::targets::{DEEPEST, Targets};
use crate::compaction::{Compaction, Method};
use crate::version::{LEVELS, LiveTable, user_range};

/// Of the tables of the level that nobody works on: the one that drags along the least of the next level for its size.
pub(super) fn over_target(picking: &Picking<'_>, targets: &Targets, level: usize) -> Option<Compaction> {
    let why = format!(
        "level {level} has {} of {}",
        size(picking.levels.bytes(level)),
        size(targets.of_level(level))
    );
    let mut tables: Vec<(u64, &Arc<LiveTable>)> = picking
        .levels
        .level(level)
        .iter()
        .filter(|table| !picking.is_claimed(table))
        .map(|table| (cost(picking, table, level), table))
        .collect();
    tables.sort_unstable_by_key(|(cost, table)| (*cost, table.meta().number));
    tables.into_iter().find_map(|(_, table)| picking.free(one_down(picking, table, level, &why)))
}

/// How much of the next level a table drags along for its size, in percent.
fn cost(picking: &Picking<'_>, table: &LiveTable, level: usize) -> u64 {
    let (smallest, largest) = user_range(table);
    let overlap = total_bytes(&picking.levels.overlapping(level + 1, smallest, largest));
    overlap.saturating_mul(100) / table.meta().bytes.max(1)
}

/// The table into the next level, with the neighbours that come along for nothing.
fn one_down(picking: &Picking<'_>, table: &Arc<LiveTable>, level: usize, why: &str) -> Compaction {
    let mut inputs = vec![Arc::clone(table)];
    let overlapping = overlapping_all(picking.levels, level + 1, &inputs);
    if overlapping.is_empty() && picking.may_move(&inputs, level, level + 1) {
        return compaction(level, level + 1, inputs, overlapping, Method::Move, why);
    }
    if let Some((smallest, largest)) = hull(&overlapping) {
        let room = picking.options.table_bytes_target.saturating_mul(GRANDPARENT_TABLES_MAX);
        let inside = picking.levels.level(level).iter().filter(|other| {
            let (first, last) = user_range(other);
            smallest <= first && last <= largest && !picking.is_claimed(other)
        });
        let wider: Vec<Arc<LiveTable>> = inside.cloned().collect();
        let has_it = wider.iter().any(|other| Arc::ptr_eq(other, table));
        if has_it && total_bytes(&wider) + total_bytes(&overlapping) <= room {
            inputs = wider;
        }
    }
    compaction(level, level + 1, inputs, overlapping, Method::Merge, why)
}

/// A table below level 0 that is mostly garbage which nobody reads any more: deletions, and versions that were kept for
/// a pin. It goes down to what its deletions hide; where nothing lies below, it is rewritten in place.
pub(super) fn garbage(picking: &Picking<'_>) -> Option<Compaction> {
    let limit = u64::from(picking.options.garbage_percent);
    let mut found: Vec<(u64, usize, &Arc<LiveTable>)> = (1..LEVELS)
        .flat_map(|level| picking.levels.level(level).iter().map(move |table| (level, table)))
        .filter(|(_, table)| picking.retention.is_settled(table.meta().max_seqno))
        .map(|(level, table)| (garbage_percent(table), level, table))
        .filter(|(percent, _, table)| *percent >= limit.max(1) && !picking.is_claimed(table))
        .collect();
    found.sort_by_key(|(percent, ..)| std::cmp::Reverse(*percent));
    found.into_iter().find_map(|(percent, level, table)| {
        let why = format!("table {} of level {level} has {percent}% garbage", table.meta().number);
        let (smallest, largest) = user_range(table);
        let below = (level + 1..LEVELS)
            .any(|deeper| !picking.levels.overlapping(deeper, smallest, largest).is_empty());
        let picked = if below && level < DEEPEST {
            one_down(picking, table, level, &why)
        } else {
            compaction(level, level, vec![Arc::clone(table)], Vec::new(), Method::Merge, &why)
        };
        picking.free(picked)
    })
}
