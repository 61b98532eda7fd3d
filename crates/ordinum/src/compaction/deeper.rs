//! What lies below a merge.

use std::sync::Arc;

use super::job::Shared;
use crate::version::{LEVELS, LiveTable, user_range};

/// The tables that may hold older versions of the keys of the merge: those of deeper levels, and those of level 0 that are
/// older than its inputs and stay there.
pub(super) struct Deeper {
    /// Of each level, what is not before the last key that was asked about.
    levels: Vec<(Vec<Arc<LiveTable>>, usize)>,
    older: Vec<Arc<LiveTable>>,
}

impl Deeper {
    pub(super) fn of(shared: &Shared<'_>) -> Deeper {
        let (compaction, levels) = (shared.job.compaction, shared.job.levels);
        let deeper = (compaction.output_level + 1..LEVELS).map(|level| (levels.level(level).to_vec(), 0));
        let oldest = compaction.inputs.iter().map(|table| table.meta().min_seqno).min();
        let is_input = |table: &LiveTable| {
            compaction.inputs.iter().any(|input| input.meta().number == table.meta().number)
        };
        let older = levels.level(0).iter().filter(|table| {
            compaction.level == 0 && Some(table.meta().min_seqno) < oldest && !is_input(table)
        });
        Deeper {
            levels: deeper.filter(|(tables, _)| !tables.is_empty()).collect(),
            older: older.cloned().collect(),
        }
    }

    /// Whether one of them may hold the key. Keys ascend from call to call.
    pub(super) fn may_hold(&mut self, user_key: &[u8]) -> bool {
        let holds = |table: &Arc<LiveTable>| {
            let (first, last) = user_range(table);
            first <= user_key && user_key <= last
        };
        let below = self.levels.iter_mut().any(|(tables, at)| {
            while tables.get(*at).is_some_and(|table| user_range(table).1 < user_key) {
                *at += 1;
            }
            tables.get(*at).is_some_and(holds)
        });
        below || self.older.iter().any(holds)
    }

    /// Whether one of them may hold a key from `start` on and before `end`.
    pub(super) fn may_hold_any(&self, start: &[u8], end: &[u8]) -> bool {
        let below = self.levels.iter().any(|(tables, _)| {
            let at = tables.partition_point(|table| user_range(table).1 < start);
            tables.get(at).is_some_and(|table| user_range(table).0 < end)
        });
        let meets = |table: &Arc<LiveTable>| user_range(table).0 < end && start <= user_range(table).1;
        below || self.older.iter().any(meets)
    }
}
