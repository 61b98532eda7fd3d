//! All that a family consists of at one moment: the memtable that is written, sealed memtables, tables.
//!
//! Invariant: newest first; an entry of a key in one part is newer than those in the parts behind it.

use std::sync::Arc;

use crate::cache::CacheUse;
use crate::error::Result;
use crate::family::Family;
use crate::key::{self, Kind, SeqNo};
use crate::memtable::{Memtable, MemtableIter};
use crate::merge_operator::Chain;
use crate::part::Part;
use crate::range_delete::{Cover, RangeTombstone, RangeTombstones};
use crate::reader::KeyRange;
use crate::slice::Slice;
use crate::table::{Lookup, hash_key};
use crate::version::{Levels, TableStore};

/// Where readers look for range tombstones.
#[derive(Clone, Debug)]
pub(crate) enum RangeIndex {
    /// There are none.
    Nothing,
    /// Here: all of the family, or more than there are still.
    Here(Arc<RangeTombstones>),
    /// In every memtable and table: the family has no index.
    InParts,
}

impl RangeIndex {
    /// Whether readers do without an index.
    pub(crate) fn is_given_up(&self) -> bool {
        matches!(self, RangeIndex::InParts)
    }
}

#[derive(Clone)]
pub(crate) struct SuperVersion {
    pub(crate) active: Arc<Memtable>,
    /// Newest first.
    pub(crate) sealed: Vec<Arc<Memtable>>,
    pub(crate) levels: Arc<Levels>,
    pub(crate) range_index: RangeIndex,
}

impl SuperVersion {
    /// The memtables, newest first.
    pub(crate) fn memtables(&self) -> impl Iterator<Item = &Arc<Memtable>> {
        std::iter::once(&self.active).chain(&self.sealed)
    }

    /// With another memtable to write to; the one before is sealed, if there is anything in it.
    pub(crate) fn with_active(&self, active: Arc<Memtable>) -> SuperVersion {
        let used = (!self.active.is_empty()).then_some(&self.active);
        let sealed = used.into_iter().chain(&self.sealed).cloned().collect();
        let (levels, range_index) = (Arc::clone(&self.levels), self.range_index.clone());
        SuperVersion { active, sealed, levels, range_index }
    }

    /// With these range tombstones in the index; they are newer than those in it.
    pub(crate) fn with_range_tombstones(&self, tombstones: &[RangeTombstone]) -> SuperVersion {
        let mut next = self.clone();
        let mut all = match &self.range_index {
            RangeIndex::Nothing => RangeTombstones::default(),
            RangeIndex::Here(all) => RangeTombstones::clone(all),
            RangeIndex::InParts => return next,
        };
        tombstones.iter().for_each(|tombstone| all.insert(tombstone.clone()));
        next.range_index = RangeIndex::Here(Arc::new(all));
        next
    }

    /// The newest range tombstone at or below `seqno` that covers the key, or zero.
    pub(crate) fn newest_range_tombstone(&self, user_key: &[u8], seqno: SeqNo) -> Result<SeqNo> {
        match &self.range_index {
            RangeIndex::Nothing => Ok(SeqNo::ZERO),
            RangeIndex::Here(all) => Ok(all.newest(user_key, seqno)),
            RangeIndex::InParts => {
                let in_memory = self.memtables().filter_map(|memtable| memtable.range_tombstones());
                let newest = in_memory.map(|tombstones| tombstones.newest(user_key, seqno)).max();
                Ok(self.levels.newest_range_tombstone(user_key, seqno)?.max(newest.unwrap_or_default()))
            }
        }
    }

    /// The range tombstones as a cursor needs them.
    pub(crate) fn cover(&self, seqno: SeqNo) -> Result<Cover> {
        match &self.range_index {
            RangeIndex::Nothing => Ok(Cover::default()),
            RangeIndex::Here(all) => Ok(Cover::new(vec![Arc::clone(all)], seqno)),
            RangeIndex::InParts => {
                let mut all = self.levels.range_tombstones()?;
                all.extend(self.memtables().filter_map(|memtable| memtable.range_tombstones()));
                Ok(Cover::new(all, seqno))
            }
        }
    }

    /// How many range tombstones readers have to know of.
    pub(crate) fn range_tombstones(&self) -> u64 {
        match &self.range_index {
            RangeIndex::Nothing => 0,
            RangeIndex::Here(all) => all.len(),
            RangeIndex::InParts => self.range_tombstones_in_parts(),
        }
    }

    /// How many range tombstones memtables and tables have.
    pub(crate) fn range_tombstones_in_parts(&self) -> u64 {
        let in_memory: u64 = self.memtables().map(|memtable| memtable.range_tombstones_count()).sum();
        in_memory + self.levels.range_tombstones_count()
    }

    /// The newest entry of the key at or below `seqno`, unless a range tombstone hides it.
    #[inline]
    pub(crate) fn get(&self, user_key: &[u8], seqno: SeqNo) -> Result<Option<(Kind, SeqNo, Slice)>> {
        let newest = self.newest_entry(user_key, seqno);
        match (&self.range_index, &newest) {
            (RangeIndex::Nothing, _) | (_, Err(_) | Ok(None)) => newest,
            (_, Ok(Some((_, written, _)))) => {
                let is_hidden = self.newest_range_tombstone(user_key, seqno)? > *written;
                if is_hidden { Ok(None) } else { newest }
            }
        }
    }

    #[inline]
    fn newest_entry(&self, user_key: &[u8], seqno: SeqNo) -> Result<Option<(Kind, SeqNo, Slice)>> {
        // One hash serves every filter on the way.
        let key_hash = hash_key(user_key);
        let in_memory = self.memtables().find_map(|memtable| memtable.get(user_key, key_hash, seqno));
        if in_memory.is_some() {
            return Ok(in_memory);
        }
        self.levels.get(user_key, key::seek_trailer(seqno), key_hash)
    }

    /// The value of an entry that was found, and when it was written; none if the key is absent.
    #[inline]
    pub(crate) fn live(
        &self,
        family: &Family,
        user_key: &[u8],
        found: Option<(Kind, SeqNo, Slice)>,
        store: &TableStore,
    ) -> Result<Option<(Slice, SeqNo)>> {
        match found {
            Some((Kind::Put, seqno, value)) => Ok(Some((value, seqno))),
            Some((Kind::Pointer, seqno, pointer)) => {
                Ok(Some((self.levels.values().read(&pointer, store)?, seqno)))
            }
            Some((Kind::Merge, seqno, value)) => {
                self.merged(family, user_key, seqno, value, store).map(|value| Some((value, seqno)))
            }
            Some((Kind::Delete | Kind::RangeDelete, ..)) | None => Ok(None),
        }
    }

    /// The value that a merge entry, written at `seqno`, and what stands below it come to.
    #[cold]
    fn merged(
        &self,
        family: &Family,
        user_key: &[u8],
        seqno: SeqNo,
        value: Slice,
        store: &TableStore,
    ) -> Result<Slice> {
        let operator = family.operator();
        let mut chain = Chain::new(operator, user_key, value)?;
        let mut at = seqno;
        while !chain.is_complete() {
            let below = at.get().checked_sub(1).and_then(SeqNo::new).unwrap_or(SeqNo::ZERO);
            // One of the same commit hides what stands below.
            let hidden = self.newest_range_tombstone(user_key, at)?;
            match self.newest_entry(user_key, below)?.filter(|(_, older, _)| *older >= hidden) {
                None => chain.end(),
                Some((kind, older, value)) => {
                    let value = match kind {
                        Kind::Pointer => self.levels.values().read(&value, store)?,
                        Kind::Put | Kind::Delete | Kind::Merge | Kind::RangeDelete => value,
                    };
                    chain.add(operator, user_key, kind, value)?;
                    at = older;
                }
            }
        }
        chain.value(operator, user_key)
    }

    /// What [`SuperVersion::get`] finds of each key, in any order.
    pub(crate) fn multi_get(&self, lookups: &mut [Lookup<'_>], seqno: SeqNo) -> Result<()> {
        self.memtables().for_each(|memtable| memtable.multi_get(lookups, seqno));
        self.multi_get_in_tables(lookups, key::seek_trailer(seqno))?;
        if matches!(self.range_index, RangeIndex::Nothing) {
            return Ok(());
        }
        for lookup in lookups.iter_mut() {
            if let Some((_, written, _)) = &lookup.found
                && self.newest_range_tombstone(lookup.user_key, seqno)? > *written
            {
                lookup.found = None;
            }
        }
        Ok(())
    }

    /// Looks up in tables what was not found yet, in ascending order, so that neighbours share blocks.
    fn multi_get_in_tables(&self, lookups: &mut [Lookup<'_>], seek_trailer: u64) -> Result<()> {
        if lookups.is_sorted_by(|a, b| a.user_key <= b.user_key) {
            return self.levels.multi_get(lookups, seek_trailer);
        }
        let missing = lookups.iter_mut().filter(|lookup| lookup.found.is_none());
        let mut missing: Vec<&mut Lookup<'_>> = missing.collect();
        missing.sort_unstable_by_key(|lookup| lookup.user_key);
        let mut sorted: Vec<Lookup<'_>> =
            missing.iter().map(|lookup| Lookup { found: None, ..**lookup }).collect();
        self.levels.multi_get(&mut sorted, seek_trailer)?;
        for (lookup, sorted) in missing.into_iter().zip(sorted) {
            lookup.found = sorted.found;
        }
        Ok(())
    }

    /// About how many entries are in the range, of every sequence number.
    pub(crate) fn approximate_entries(&self, range: &KeyRange) -> Result<u64> {
        if range.is_empty() {
            return Ok(0);
        }
        let in_memory = self.memtables().map(|memtable| memtable.approximate_entries(range));
        Ok(in_memory.fold(self.levels.approximate_entries(range)?, u64::saturating_add))
    }

    /// An iterator over each part, newest first.
    pub(crate) fn iterators(&self) -> Result<Vec<Part>> {
        let mut all = Vec::new();
        for memtable in self.memtables().filter(|memtable| !memtable.is_empty()) {
            all.push(Part::Memtable(MemtableIter::new(Arc::clone(memtable))));
        }
        all.extend(self.levels.iterators(CacheUse::Fill)?);
        Ok(all)
    }
}
