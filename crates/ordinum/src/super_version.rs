//! All that a family consists of at one moment: the memtable that is written, sealed memtables, tables.
//!
//! Invariant: newest first; an entry of a key in one part is newer than those in the parts behind it.

use std::sync::Arc;

use crate::cache::CacheUse;
use crate::error::Result;
use crate::iter::InternalIterator;
use crate::key::{self, Kind, SeqNo};
use crate::memtable::{Memtable, MemtableIter};
use crate::slice::Slice;
use crate::table;
use crate::version::{LEVELS, Levels, level_iter, user_range};

#[derive(Clone)]
pub(crate) struct SuperVersion {
    pub(crate) active: Arc<Memtable>,
    /// Newest first.
    pub(crate) sealed: Vec<Arc<Memtable>>,
    pub(crate) levels: Arc<Levels>,
}

impl SuperVersion {
    fn memtables(&self) -> impl Iterator<Item = &Arc<Memtable>> {
        std::iter::once(&self.active).chain(&self.sealed)
    }

    /// The newest entry of the key at or below `seqno`.
    pub(crate) fn get(&self, user_key: &[u8], seqno: SeqNo) -> Result<Option<(Kind, SeqNo, Slice)>> {
        let in_memory = self.memtables().find_map(|memtable| memtable.get(user_key, seqno));
        if in_memory.is_some() {
            return Ok(in_memory);
        }
        let trailer = key::seek_trailer(seqno);
        let hash = table::hash_key(user_key);
        for table in self.levels.level(0) {
            let (first, last) = user_range(table);
            if first <= user_key
                && user_key <= last
                && let Some(found) = table.reader()?.get(user_key, trailer, hash)?
            {
                return Ok(Some(found));
            }
        }
        for level in 1..LEVELS {
            if let Some(table) = self.levels.table_of(level, user_key)
                && let Some(found) = table.reader()?.get(user_key, trailer, hash)?
            {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// An iterator over each part, newest first.
    pub(crate) fn iterators(&self) -> Result<Vec<Box<dyn InternalIterator>>> {
        let mut all: Vec<Box<dyn InternalIterator>> = Vec::new();
        for memtable in self.memtables().filter(|memtable| !memtable.is_empty()) {
            all.push(Box::new(MemtableIter::new(Arc::clone(memtable))));
        }
        for table in self.levels.level(0) {
            all.push(Box::new(table.reader()?.iter(CacheUse::Fill)));
        }
        for level in 1..LEVELS {
            if !self.levels.level(level).is_empty() {
                all.push(Box::new(level_iter(self.levels.level(level).to_vec(), CacheUse::Fill)));
            }
        }
        Ok(all)
    }
}
