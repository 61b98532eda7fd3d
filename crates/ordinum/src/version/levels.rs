//! The tables of one column family, level by level.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::sync::Arc;

use crate::cache::CacheUse;
use crate::error::Result;
use crate::file_name::FileNumber;
use crate::key::{Kind, SeqNo, split_internal};
use crate::part::Part;
use crate::reader::KeyRange;
use crate::slice::Slice;
use crate::table::hash_key;
use crate::version::{LEVELS, LiveTable, level_iter};

/// The tables of one column family. The invariants are those of the module above.
#[derive(Clone, Debug, Default)]
pub(crate) struct Levels {
    /// `levels[0]` is newest first; each of the others ascends. A change copies the levels that it changes, and no other.
    levels: [Arc<Vec<Arc<LiveTable>>>; LEVELS],
}

/// First and last user key of a table.
pub(crate) fn user_range(table: &LiveTable) -> (&[u8], &[u8]) {
    let user_key = |internal| split_internal(internal).map_or(&[][..], |(user_key, _)| user_key);
    (user_key(&table.meta().smallest), user_key(&table.meta().largest))
}

impl Levels {
    /// The newest entry of the key at or below `seek_trailer`.
    pub(crate) fn get(&self, user_key: &[u8], seek_trailer: u64) -> Result<Option<(Kind, SeqNo, Slice)>> {
        let key_hash = hash_key(user_key);
        let may_hold = |table: &&Arc<LiveTable>| {
            let (first, last) = user_range(table);
            first <= user_key && user_key <= last
        };
        for table in self.level(0).iter().filter(may_hold) {
            if let Some(found) = table.reader()?.get(user_key, seek_trailer, key_hash)? {
                return Ok(Some(found));
            }
        }
        for table in (1..LEVELS).filter_map(|level| self.table_of(level, user_key)) {
            if let Some(found) = table.reader()?.get(user_key, seek_trailer, key_hash)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// About how many entries are in the range: tables that lie in it count whole, of those that it cuts the index is
    /// asked.
    pub(crate) fn approximate_entries(&self, range: &KeyRange) -> Result<u64> {
        let mut entries = 0u64;
        for table in self.tables() {
            let (first, last) = user_range(table);
            if range.behind(first) || range.before(last) {
                continue;
            }
            let whole = range.contains(first) && range.contains(last);
            let found =
                if whole { table.meta().entries } else { table.reader()?.approximate_entries(range)? };
            entries = entries.saturating_add(found);
        }
        Ok(entries)
    }

    /// Iterators that together yield every entry: one a table of level 0, one a deeper level.
    pub(crate) fn iterators(&self, cache_use: CacheUse) -> Result<Vec<Part>> {
        let mut iterators = Vec::new();
        for table in self.level(0) {
            iterators.push(Part::Table(table.reader()?.iter(cache_use)));
        }
        for tables in self.levels.iter().skip(1).filter(|tables| !tables.is_empty()) {
            iterators.push(Part::Level(level_iter(tables.to_vec(), cache_use)));
        }
        Ok(iterators)
    }

    /// Drops tables and adds others, each at its level, and keeps the order of the levels.
    pub(crate) fn apply(&mut self, dropped: &[(usize, FileNumber)], added: Vec<(usize, Arc<LiveTable>)>) {
        let mut changed = [false; LEVELS];
        let levels = dropped.iter().map(|(level, _)| *level).chain(added.iter().map(|(level, _)| *level));
        for level in levels {
            if let Some(slot) = changed.get_mut(level) {
                *slot = true;
            }
        }
        let gone: HashSet<(usize, FileNumber)> = dropped.iter().copied().collect();
        let mut added = added;
        added.sort_by_key(|(level, _)| *level);
        let mut added = added.into_iter().peekable();
        for (level, slot) in
            self.levels.iter_mut().enumerate().filter(|(level, _)| changed.get(*level) == Some(&true))
        {
            let kept = slot.iter().filter(|table| !gone.contains(&(level, table.meta().number)));
            let mut tables: Vec<Arc<LiveTable>> = kept.cloned().collect();
            while let Some((_, table)) = added.next_if(|(of, _)| *of == level) {
                tables.push(table);
            }
            match level {
                0 => tables.sort_by_key(|table| Reverse((table.meta().max_seqno, table.meta().number))),
                _ => tables.sort_by(|a, b| user_range(a).cmp(&user_range(b))),
            }
            *slot = Arc::new(tables);
        }
    }

    /// Whether every level keeps the invariants of the module above, as far as metadata tells.
    pub(crate) fn check(&self) -> std::result::Result<(), String> {
        for (level, tables) in self.levels.iter().enumerate().skip(1) {
            for [a, b] in tables.array_windows() {
                if user_range(a).1 >= user_range(b).0 {
                    let (a, b) = (a.meta().number, b.meta().number);
                    return Err(format!("tables {a} and {b} of level {level} overlap"));
                }
            }
        }
        Ok(())
    }

    /// The tables of a level.
    pub(crate) fn level(&self, level: usize) -> &[Arc<LiveTable>] {
        self.levels.get(level).map_or(&[], |tables| tables.as_slice())
    }

    /// Every table.
    pub(crate) fn tables(&self) -> impl Iterator<Item = &Arc<LiveTable>> {
        self.levels.iter().flat_map(|tables| tables.iter())
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
        let tables = self.level(level);
        if level == 0 {
            return tables.iter().filter(overlaps).cloned().collect();
        }
        let from = tables.partition_point(|table| user_range(table).1 < smallest);
        let overlapping = tables.iter().skip(from);
        overlapping.take_while(|table| user_range(table).0 <= largest).cloned().collect()
    }
}
