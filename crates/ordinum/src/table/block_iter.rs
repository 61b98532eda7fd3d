//! A cursor over the entries of a block.
//!
//! Invariant: while it stands on an entry, `user_key` is the whole user key of it.
#![deny(clippy::indexing_slicing)]

use std::ops::Range;
use std::sync::Arc;

use crate::error::Result;
use crate::iter::InternalIterator;
use crate::slice::Slice;
use crate::table::block::{Block, RawEntry};

/// No entry has this number.
const NOWHERE: usize = usize::MAX;

/// A cursor over the entries of a block that it holds.
#[derive(Debug)]
pub(crate) struct BlockIter {
    block: Arc<Block>,
    /// The entry that it stands on, or [`NOWHERE`].
    index: usize,
    user_key: Vec<u8>,
    trailer: u64,
    value: Range<usize>,
}

impl BlockIter {
    /// A cursor that stands nowhere.
    pub(crate) fn new(block: Arc<Block>) -> BlockIter {
        BlockIter { user_key: block.prefix().to_vec(), block, index: NOWHERE, trailer: 0, value: 0..0 }
    }

    /// Goes to another block, and stands nowhere.
    pub(crate) fn reset(&mut self, block: Arc<Block>) {
        self.block = block;
        self.index = NOWHERE;
        self.user_key.clear();
        self.user_key.extend_from_slice(self.block.prefix());
    }

    /// The block itself.
    pub(crate) fn block(&self) -> &Arc<Block> {
        &self.block
    }

    /// The number of the entry that it stands on.
    pub(crate) fn index(&self) -> usize {
        self.index
    }

    /// To the entry with this number, or nowhere if there is none.
    pub(crate) fn go(&mut self, index: usize) -> Result<bool> {
        self.index = NOWHERE;
        if index >= self.block.entries() {
            return Ok(false);
        }
        let entry = self.block.entry(index)?;
        self.stand(index, entry)
    }

    #[inline]
    fn stand(&mut self, index: usize, entry: RawEntry) -> Result<bool> {
        self.user_key.truncate(self.block.prefix().len());
        self.user_key.extend_from_slice(entry.head());
        if entry.shared > 0 {
            self.user_key.extend_from_slice(self.block.shared_tail(index, &entry)?);
        }
        self.user_key.extend_from_slice(self.block.range(&entry.tail));
        self.trailer = entry.trailer;
        self.value = entry.value;
        self.index = index;
        Ok(true)
    }

    /// The value, without a copy.
    fn pinned(&self) -> Slice {
        Arc::clone(&self.block).pin(self.value.clone())
    }
}

impl InternalIterator for BlockIter {
    fn first(&mut self) -> Result<bool> {
        self.go(0)
    }

    fn last(&mut self) -> Result<bool> {
        self.go(self.block.entries() - 1)
    }

    fn seek(&mut self, user_key: &[u8], trailer: u64) -> Result<bool> {
        self.index = NOWHERE;
        self.go(self.block.lower_bound(user_key, trailer)?)
    }

    fn seek_before(&mut self, user_key: &[u8], trailer: u64) -> Result<bool> {
        self.index = NOWHERE;
        self.go(self.block.lower_bound(user_key, trailer)?.checked_sub(1).unwrap_or(NOWHERE))
    }

    #[inline]
    fn next(&mut self) -> Result<bool> {
        let index = self.index.saturating_add(1);
        self.index = NOWHERE;
        if index >= self.block.entries() {
            return Ok(false);
        }
        let entry = self.block.entry_behind(index, &self.value)?;
        self.stand(index, entry)
    }

    #[inline]
    fn next_key(&mut self) -> Result<bool> {
        let mut index = self.index.saturating_add(1);
        while self.block.same_key(index.wrapping_sub(1), index)? {
            index += 1;
        }
        if index == self.index.saturating_add(1) { self.next() } else { self.go(index) }
    }

    #[inline]
    fn prev(&mut self) -> Result<bool> {
        self.go(if self.index == NOWHERE { NOWHERE } else { self.index.checked_sub(1).unwrap_or(NOWHERE) })
    }

    fn valid(&self) -> bool {
        self.index != NOWHERE
    }

    #[inline]
    fn user_key(&self) -> &[u8] {
        &self.user_key
    }

    #[inline]
    fn trailer(&self) -> u64 {
        self.trailer
    }

    #[inline]
    fn value(&self) -> &[u8] {
        self.block.range(&self.value)
    }

    fn value_slice(&self) -> Slice {
        self.pinned()
    }
}
