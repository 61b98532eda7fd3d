//! Tables that range deletes cover as a whole: they go without being read.
//!
//! Invariant: only what is hidden from everybody by range deletes that are in tables themselves, so that no crash can lose
//! them. A table that has hidden something goes on doing so while it is there; what it hid is covered by the newer ones.

use std::sync::Arc;

use super::{Picking, compaction};
use crate::compaction::{Compaction, Method};
use crate::version::{LEVELS, LiveTable, user_range};

/// The covered tables of the first level that has any.
pub(super) fn pick(picking: &Picking<'_>) -> Option<Compaction> {
    let (tombstones, through) = picking.hidden_by?;
    let is_hidden = |table: &&Arc<LiveTable>| {
        let meta = table.meta();
        let (first, last) = user_range(table);
        let reader = picking.retention.first_reader(meta.min_seqno).min(through);
        !picking.is_claimed(table) && tombstones.cover_all(first, last, reader, meta.max_seqno)
    };
    (0..LEVELS).find_map(|level| {
        let hidden: Vec<_> = picking.levels.level(level).iter().filter(is_hidden).cloned().collect();
        if hidden.is_empty() {
            return None;
        }
        picking.free(compaction(level, level, hidden, Vec::new(), Method::DropHidden, "range deletes cover"))
    })
}
