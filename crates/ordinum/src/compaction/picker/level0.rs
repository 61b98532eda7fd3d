//! What leaves level 0, and what is merged inside it.
//!
//! The tables of level 0 are runs over about the whole key space, so each merge into the base level rewrites most of
//! that level. While much is written it pays to gather more of them first: they are merged among themselves, small with
//! small, until what goes down is a fair part of what it meets there. While little is written they go down early, and until then
//! those of about one size are merged in twos, as every range that is read is sought in each of them.

use std::sync::Arc;

use super::{
    Mood, Picking, URGENT, are_disjoint, compaction, hull, overlapping_all, size, total_bytes, values,
};
use crate::compaction::targets::Targets;
use crate::compaction::{Compaction, Method};
use crate::version::{Levels, LiveTable, user_range};

/// While much is written, level 0 goes down once it has this part of the bytes that it meets in the base level.
const CHEAP_PART: u64 = 3;
/// While little is written, once it has this part.
const STALE_PART: u64 = 5;
/// So many tables of level 0, at the least, are merged among themselves while much is written.
const MERGED_IN_PLACE_MIN: usize = 4;
/// And while little is written.
const MERGED_IN_QUIET_MIN: usize = 2;
/// So many, at the most.
const MERGED_IN_PLACE_MAX: usize = 16;
/// So many, at the most, go down in one merge: a queue of tables that becomes levels leaves thousands.
const DOWN_MAX: usize = 64;
/// Level 0 is small while all of it has this part of the bytes of a full table.
const SMALL_PART: u64 = 8;

/// How urgent level 0 is.
pub(super) fn urgency(picking: &Picking<'_>, targets: &Targets) -> u64 {
    let tables = picking.levels.level(0);
    let free = tables.iter().filter(|table| !picking.is_claimed(table)).count();
    let by_count = as_u64(free).saturating_mul(URGENT) / as_u64(trigger(picking).max(1));
    match picking.mood {
        Mood::Busy | Mood::Quiet if uncovers_garbage(picking, targets).is_some() => by_count.max(URGENT),
        Mood::Quiet if free > 0 && goes_down(picking) => by_count.max(URGENT),
        Mood::Quiet if in_place(picking).is_some() => by_count.max(URGENT),
        Mood::Busy | Mood::Quiet => by_count,
    }
}

fn trigger(picking: &Picking<'_>) -> usize {
    match picking.mood {
        Mood::Busy => picking.options.level0_tables_busy,
        Mood::Quiet => picking.options.level0_tables_trigger,
    }
}

/// Whether level 0 goes down while little is written.
fn goes_down(picking: &Picking<'_>) -> bool {
    picking.levels.level(0).len() >= trigger(picking) || is_stale(picking) || has_garbage(picking)
}

/// Whether level 0 may shadow more of the levels below than it should while there is time to merge.
fn is_stale(picking: &Picking<'_>) -> bool {
    let tables = picking.levels.level(0);
    let below: u64 = (1..crate::version::LEVELS).map(|level| picking.levels.bytes(level)).sum();
    tables.len() > 1 && total_bytes(tables).saturating_mul(STALE_PART) >= below
}

fn has_garbage(picking: &Picking<'_>) -> bool {
    let limit = u64::from(picking.options.garbage_percent);
    let droppable = |table: &Arc<LiveTable>| {
        super::garbage_percent(table) >= limit && picking.retention.is_settled(table.meta().max_seqno)
    };
    picking.levels.level(0).iter().any(droppable)
}

/// The way down, if it is cheap and may tell of more dead values than the value log may have.
fn uncovers_garbage(picking: &Picking<'_>, targets: &Targets) -> Option<Compaction> {
    if !values::may_hide_garbage(picking) {
        return None;
    }
    down(picking, targets).filter(values::is_cheap)
}

/// What to do about level 0.
pub(super) fn pick(picking: &Picking<'_>, targets: &Targets) -> Option<Compaction> {
    if let Some(down) = uncovers_garbage(picking, targets) {
        return Some(down);
    }
    let down = down(picking, targets);
    let Some(down) = down else { return in_place(picking) };
    let met = total_bytes(&down.overlapping);
    let is_cheap = met <= total_bytes(&down.inputs).saturating_mul(CHEAP_PART);
    match picking.mood {
        Mood::Busy if !is_cheap => in_place(picking).or(Some(down)),
        Mood::Quiet if !is_cheap && !goes_down(picking) => in_place(picking),
        Mood::Busy | Mood::Quiet => Some(down),
    }
}

fn why(picking: &Picking<'_>) -> String {
    let (tables, trigger) = (picking.levels.level(0), trigger(picking));
    let n = tables.len();
    if n >= trigger {
        format!("level 0 has {n} tables of {trigger}")
    } else if is_stale(picking) {
        format!("level 0 has {} while little is written", size(total_bytes(tables)))
    } else if values::may_hide_garbage(picking) {
        "level 0 may hide dead values".to_owned()
    } else if has_garbage(picking) {
        "level 0 has garbage while little is written".to_owned()
    } else {
        format!("level 0 has {n} tables while little is written")
    }
}

/// Level 0 of no more bytes than this is small.
fn tiny(picking: &Picking<'_>) -> u64 {
    picking.options.table_bytes_target / SMALL_PART
}

/// The tables of level 0 from the oldest on that nobody works on, some at a time, into the base level. What is small is not moved but
/// merged, with its small neighbours there: or flushes of a few ascending keys would leave a table each, for ever.
fn down(picking: &Picking<'_>, targets: &Targets) -> Option<Compaction> {
    let (levels, base_level) = (picking.levels, targets.base_level);
    let free = levels.level(0).iter().rev().take_while(|table| !picking.is_claimed(table));
    let mut inputs: Vec<Arc<LiveTable>> = free.take(DOWN_MAX).cloned().collect();
    inputs.reverse();
    if inputs.is_empty() {
        return None;
    }
    let mut overlapping = overlapping_all(levels, base_level, &inputs);
    let small = tiny(picking);
    let is_small = total_bytes(&inputs) <= small;
    if is_small {
        let room = small.saturating_sub(total_bytes(&inputs) + total_bytes(&overlapping));
        add_neighbours(levels.level(base_level), &inputs, &mut overlapping, room);
    }
    let stays_apart =
        overlapping.is_empty() && are_disjoint(&inputs) && picking.may_move(&inputs, 0, base_level);
    let gathers = is_small && inputs.len() > 1;
    let method = if stays_apart && !gathers { Method::Move } else { Method::Merge };
    picking.free(compaction(0, base_level, inputs, overlapping, method, &why(picking)))
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
    let Some((smallest, largest)) = hull(inputs) else { return };
    let before = level.iter().rev().skip_while(|table| user_range(table).1 >= smallest);
    for table in before.take_while(&mut fits) {
        overlapping.insert(0, Arc::clone(table));
    }
    let behind = level.iter().skip_while(|table| user_range(table).0 <= largest);
    overlapping.extend(behind.take_while(&mut fits).cloned());
}

/// Neighbours of level 0 that are about as large as one another, merged into one table that takes their place.
fn in_place(picking: &Picking<'_>) -> Option<Compaction> {
    let tables = picking.levels.level(0);
    let window =
        (0..tables.len()).map(|from| window(picking, tables, from)).max_by_key(|window| window.len())?;
    let enough = match picking.mood {
        Mood::Busy => window.len() >= MERGED_IN_PLACE_MIN,
        // Of small ones, blocks and filters are in memory.
        Mood::Quiet => window.len() >= MERGED_IN_QUIET_MIN && total_bytes(window) > tiny(picking),
    };
    if !enough {
        return None;
    }
    picking.free(compaction(0, 0, window.to_vec(), Vec::new(), Method::Merge, &why(picking)))
}

/// From table `from` on, towards older ones, as many as may be merged.
fn window<'t>(picking: &Picking<'_>, tables: &'t [Arc<LiveTable>], from: usize) -> &'t [Arc<LiveTable>] {
    let rest = tables.get(from..).unwrap_or_default();
    let tiny = tiny(picking);
    let (mut least, mut total) = (u64::MAX, 0u64);
    let fits = rest.iter().take(MERGED_IN_PLACE_MAX).take_while(|table| {
        let bytes = table.meta().bytes;
        least = least.min(bytes.max(tiny));
        total = total.saturating_add(bytes);
        bytes <= least.saturating_mul(2)
            && total <= picking.options.level_base_bytes
            && !picking.is_claimed(table)
    });
    let len = fits.count();
    rest.get(..len).unwrap_or_default()
}

/// The oldest tables of level 0, all of them if they are not too many for one merge: for those who want all of them gone.
pub(super) fn oldest(levels: &Levels) -> Vec<Arc<LiveTable>> {
    let tables = levels.level(0);
    tables.get(tables.len().saturating_sub(DOWN_MAX)..).unwrap_or_default().to_vec()
}

fn as_u64(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}
