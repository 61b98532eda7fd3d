//! The tables of one column family, level by level.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::sync::Arc;

use crate::cache::CacheUse;
use crate::error::Result;
use crate::file_name::FileNumber;
use crate::key::{Kind, SeqNo};
use crate::part::Part;
use crate::range_delete::{RangeTombstone, RangeTombstones};
use crate::reader::KeyRange;
use crate::slice::Slice;
use crate::table::{Lookup, look_up_all};
use crate::version::{LEVELS, Level, LiveTable, LiveValueLog, ValueLogs, level_iter, user_range};

/// The tables of one column family. The invariants are those of the module above.
#[derive(Clone, Debug, Default)]
pub(crate) struct Levels {
    /// `levels[0]` is newest first; each of the others ascends. A change copies the levels that it changes, and no other.
    levels: [Arc<Level>; LEVELS],
    /// The value-log files that the tables point into.
    values: Arc<ValueLogs>,
}

impl Levels {
    /// The newest entry of the key, whose hash is `key_hash`, at or below `seek_trailer`.
    pub(crate) fn get(
        &self,
        user_key: &[u8],
        seek_trailer: u64,
        key_hash: u64,
    ) -> Result<Option<(Kind, SeqNo, Slice)>> {
        let [level0, deeper @ ..] = &self.levels;
        for table in level0.holding(user_key) {
            if let Some(found) = table.reader()?.get(user_key, seek_trailer, key_hash)? {
                return Ok(Some(found));
            }
        }
        // Each filter is a miss of the processor's caches: all of them are asked for before the first is waited for.
        let mut on_the_way = [const { None }; LEVELS - 1];
        for (slot, level) in on_the_way.iter_mut().zip(deeper) {
            *slot = level.only_holding(user_key).inspect(|table| table.prefetch(key_hash));
        }
        for table in on_the_way.into_iter().flatten() {
            if let Some(found) = table.reader()?.get(user_key, seek_trailer, key_hash)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// What [`Levels::get`] finds of each key that nothing is found of yet. The keys ascend: neighbours in a block share one
    /// look at it.
    pub(crate) fn multi_get(&self, lookups: &mut [Lookup<'_>], seek_trailer: u64) -> Result<()> {
        let [level0, deeper @ ..] = &self.levels;
        for table in level0.iter() {
            let (first, last) = user_range(table);
            let may_be_here = |lookup: &&mut Lookup<'_>| {
                lookup.found.is_none() && first <= lookup.user_key && lookup.user_key <= last
            };
            let places = lookups.iter_mut().filter(may_be_here).map(|lookup| (lookup, table.reader()));
            look_up_all(places, seek_trailer)?;
        }
        for level in deeper.iter().filter(|level| !level.is_empty()) {
            let places = lookups.iter_mut().filter(|lookup| lookup.found.is_none()).filter_map(|lookup| {
                let table = level.only_holding(lookup.user_key)?;
                Some((lookup, table.reader()))
            });
            look_up_all(places, seek_trailer)?;
        }
        Ok(())
    }

    /// The newest range tombstone at or below `seqno` that covers the key, or zero.
    pub(crate) fn newest_range_tombstone(&self, user_key: &[u8], seqno: SeqNo) -> Result<SeqNo> {
        let mut newest = SeqNo::ZERO;
        for level in self.levels.iter().filter(|level| level.range_tombstones() > 0) {
            for table in level.holding(user_key).filter(|table| table.meta().range_tombstones > 0) {
                newest = newest.max(table.reader()?.range_tombstones()?.newest(user_key, seqno));
            }
        }
        Ok(newest)
    }

    fn with_range_tombstones(&self) -> impl Iterator<Item = &Arc<LiveTable>> {
        let levels = self.levels.iter().filter(|level| level.range_tombstones() > 0);
        levels.flat_map(|level| level.iter()).filter(|table| table.meta().range_tombstones > 0)
    }

    /// The range tombstones of each table that has some.
    pub(crate) fn range_tombstones(&self) -> Result<Vec<Arc<RangeTombstones>>> {
        let tables = self.with_range_tombstones();
        tables.map(|table| Ok(Arc::clone(table.reader()?.range_tombstones()?))).collect()
    }

    /// All range tombstones, as they stand in the tables. Reads their blocks.
    pub(crate) fn read_range_tombstones(&self) -> Result<Vec<RangeTombstone>> {
        let mut all = Vec::new();
        for table in self.with_range_tombstones() {
            all.extend(table.reader()?.read_range_tombstones()?);
        }
        Ok(all)
    }

    /// How many range tombstones there are.
    pub(crate) fn range_tombstones_count(&self) -> u64 {
        self.levels.iter().map(|level| level.range_tombstones()).sum()
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
            iterators.push(Part::Level(level_iter(Arc::clone(tables), cache_use)));
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
            let (leaving, kept): (Vec<_>, Vec<_>) =
                slot.iter().cloned().partition(|table| gone.contains(&(level, table.meta().number)));
            for table in leaving.iter().filter(|table| !table.meta().values.is_empty()) {
                Arc::make_mut(&mut self.values).discount(&table.meta().values);
            }
            let mut tables = kept;
            while let Some((_, table)) = added.next_if(|(of, _)| *of == level) {
                if !table.meta().values.is_empty() {
                    Arc::make_mut(&mut self.values).count(&table.meta().values);
                }
                tables.push(table);
            }
            match level {
                0 => tables.sort_by_key(|table| Reverse((table.meta().max_seqno, table.meta().number))),
                _ => tables.sort_by(|a, b| user_range(a).cmp(&user_range(b))),
            }
            *slot = Arc::new(Level::new(tables));
        }
    }

    /// Adds value-log files, for tables that are added next.
    pub(crate) fn add_values(&mut self, files: impl IntoIterator<Item = Arc<LiveValueLog>>) {
        for file in files {
            Arc::make_mut(&mut self.values).add(file);
        }
    }

    /// Takes out the value-log files that no table points into any more.
    pub(crate) fn take_dead_values(&mut self) -> Vec<Arc<LiveValueLog>> {
        if self.values.is_empty() { Vec::new() } else { Arc::make_mut(&mut self.values).take_dead() }
    }

    /// The value-log files that the tables point into.
    pub(crate) fn values(&self) -> &Arc<ValueLogs> {
        &self.values
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
        self.tables().try_for_each(|table| self.values.check(table.meta().number, &table.meta().values))
    }

    /// The tables of a level.
    pub(crate) fn level(&self, level: usize) -> &[Arc<LiveTable>] {
        self.levels.get(level).map_or(&[], |tables| tables)
    }

    /// Every table.
    pub(crate) fn tables(&self) -> impl Iterator<Item = &Arc<LiveTable>> {
        self.levels.iter().flat_map(|tables| tables.iter())
    }

    /// The bytes of a level.
    pub(crate) fn bytes(&self, level: usize) -> u64 {
        self.level(level).iter().map(|table| table.meta().bytes).sum()
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
