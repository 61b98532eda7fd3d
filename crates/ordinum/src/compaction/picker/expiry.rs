//! Tables that have outlived their time.
//!
//! Invariant: a table goes only if nothing older of its keys stays behind, or an older version would come back.

use std::sync::Arc;
use std::time::Duration;

use super::{Picking, compaction};
use crate::compaction::{Compaction, Method};
use crate::version::{LEVELS, LiveTable, user_range};

/// The expired tables of the deepest level that has any: what is deeper is older, and goes first.
pub(super) fn pick(picking: &Picking<'_>, time_to_live: Duration) -> Option<Compaction> {
    let time_to_live_ms = u64::try_from(time_to_live.as_millis()).unwrap_or(u64::MAX);
    let is_expired = |table: &LiveTable| {
        let written = table.meta().tally.written_unix_ms;
        written.saturating_add(time_to_live_ms) <= picking.unix_ms
            && picking.retention.may_expire(table.meta().max_seqno)
            && !picking.retention.is_pinned_since(table.meta().min_seqno)
            && !picking.is_claimed(table)
    };
    let mut all: Vec<(usize, &Arc<LiveTable>)> = (0..LEVELS)
        .flat_map(|level| picking.levels.level(level).iter().map(move |table| (level, table)))
        .collect();
    all.sort_by_key(|(level, table)| (std::cmp::Reverse(*level), table.meta().max_seqno));
    // Oldest first. What stays so far may not hold anything older of the keys of what goes.
    let mut staying: Vec<&Arc<LiveTable>> = Vec::new();
    let mut going: Vec<(usize, &Arc<LiveTable>)> = Vec::new();
    for (level, table) in all {
        let is_bared = staying.iter().any(|older| {
            let (a, b) = (user_range(older), user_range(table));
            a.0 <= b.1 && b.0 <= a.1
        });
        if is_expired(table) && !is_bared { going.push((level, table)) } else { staying.push(table) }
    }
    let level = going.first()?.0;
    let tables = going.into_iter().filter(|(of, _)| *of == level).map(|(_, table)| Arc::clone(table));
    let why = format!("older than {} s", time_to_live.as_secs());
    picking.free(compaction(level, level, tables.collect(), Vec::new(), Method::Drop, &why))
}
