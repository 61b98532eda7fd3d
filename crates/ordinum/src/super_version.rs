//! All that a family consists of at one moment: the memtable that is written, sealed memtables, tables.
//!
//! Invariant: newest first; an entry of a key in one part is newer than those in the parts behind it.

use std::sync::Arc;

use crate::cache::CacheUse;
use crate::error::Result;
use crate::key::{self, Kind, SeqNo};
use crate::memtable::{Memtable, MemtableIter};
use crate::part::Part;
use crate::reader::KeyRange;
use crate::slice::Slice;
use crate::table::{Lookup, hash_key};
use crate::version::{Levels, TableStore};

#[derive(Clone)]
pub(crate) struct SuperVersion {
    pub(crate) active: Arc<Memtable>,
    /// Newest first.
    pub(crate) sealed: Vec<Arc<Memtable>>,
    pub(crate) levels: Arc<Levels>,
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
        SuperVersion { active, sealed, levels: Arc::clone(&self.levels) }
    }

    /// The newest entry of the key at or below `seqno`.
    pub(crate) fn get(&self, user_key: &[u8], seqno: SeqNo) -> Result<Option<(Kind, SeqNo, Slice)>> {
        // One hash serves every filter on the way.
        let key_hash = hash_key(user_key);
        let in_memory = self.memtables().find_map(|memtable| memtable.get(user_key, key_hash, seqno));
        if in_memory.is_some() {
            return Ok(in_memory);
        }
        self.levels.get(user_key, key::seek_trailer(seqno), key_hash)
    }

    /// The value of an entry that was found, and when it was written; none if the key is absent.
    pub(crate) fn live(
        &self,
        found: Option<(Kind, SeqNo, Slice)>,
        store: &TableStore,
    ) -> Result<Option<(Slice, SeqNo)>> {
        match found {
            Some((Kind::Put, seqno, value)) => Ok(Some((value, seqno))),
            Some((Kind::Pointer, seqno, pointer)) => {
                Ok(Some((self.levels.values().read(&pointer, store)?, seqno)))
            }
            Some((Kind::Delete, ..)) | None => Ok(None),
        }
    }

    /// What [`SuperVersion::get`] finds of each key; the keys ascend.
    pub(crate) fn multi_get(&self, lookups: &mut [Lookup<'_>], seqno: SeqNo) -> Result<()> {
        for lookup in lookups.iter_mut() {
            let Lookup { user_key, key_hash, .. } = *lookup;
            lookup.found = self.memtables().find_map(|memtable| memtable.get(user_key, key_hash, seqno));
        }
        self.levels.multi_get(lookups, key::seek_trailer(seqno))
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
