//! The tables of one column family, level by level.

use std::sync::Arc;

use crate::key::split_internal;
use crate::version::{LEVELS, LiveTable};

/// The tables of one column family. The invariants are those of the module above.
#[derive(Clone, Debug, Default)]
pub(crate) struct Levels {
    /// `levels[0]` is newest first; each of the others ascends.
    pub(crate) levels: [Vec<Arc<LiveTable>>; LEVELS],
}

/// First and last user key of a table.
pub(crate) fn user_range(table: &LiveTable) -> (&[u8], &[u8]) {
    let user_key = |internal| split_internal(internal).map_or(&[][..], |(user_key, _)| user_key);
    (user_key(&table.meta().smallest), user_key(&table.meta().largest))
}

impl Levels {
    /// The tables of a level.
    pub(crate) fn level(&self, level: usize) -> &[Arc<LiveTable>] {
        self.levels.get(level).map_or(&[], Vec::as_slice)
    }

    /// The bytes of a level.
    pub(crate) fn bytes(&self, level: usize) -> u64 {
        self.level(level).iter().map(|table| table.meta().bytes).sum()
    }

    /// The one table of a level below the first that may hold `user_key`.
    pub(crate) fn table_of(&self, level: usize, user_key: &[u8]) -> Option<&Arc<LiveTable>> {
        let tables = self.level(level);
        let at = tables.partition_point(|table| user_range(table).1 < user_key);
        tables.get(at).filter(|table| user_range(table).0 <= user_key)
    }

    /// The tables of a level that may hold a key in `smallest..=largest`, in the order of the level.
    pub(crate) fn overlapping(&self, level: usize, smallest: &[u8], largest: &[u8]) -> Vec<Arc<LiveTable>> {
        let overlaps = |table: &&Arc<LiveTable>| {
            let (first, last) = user_range(table);
            first <= largest && smallest <= last
        };
        self.level(level).iter().filter(overlaps).cloned().collect()
    }
}
