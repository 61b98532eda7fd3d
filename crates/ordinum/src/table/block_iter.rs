//! A cursor over the entries of a block.
//!
//! Invariants: (1) while it stands on an entry, `user_key` is the whole user key of it; (2) `group_tail` is the tail of the first
//! key of the group that begins with the entry `group`.
#![deny(clippy::indexing_slicing)]

use std::ops::{ControlFlow, Range};
use std::sync::Arc;

use crate::error::Result;
use crate::iter::InternalIterator;
use crate::key::{self, Kind, SeqNo, split_trailer};
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
    /// The first entry of the group that was last looked into, or [`NOWHERE`].
    group: usize,
    group_tail: Range<usize>,
}

impl BlockIter {
    /// A cursor that stands nowhere.
    pub(crate) fn new(block: Arc<Block>) -> BlockIter {
        let user_key = block.prefix().to_vec();
        let (index, group) = (NOWHERE, NOWHERE);
        BlockIter { user_key, block, index, trailer: 0, value: 0..0, group, group_tail: 0..0 }
    }

    /// Goes to another block, and stands nowhere.
    pub(crate) fn reset(&mut self, block: Arc<Block>) {
        self.block = block;
        self.index = NOWHERE;
        self.group = NOWHERE;
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
            self.look_into_group(index)?;
            self.user_key.extend_from_slice(shared_tail(&self.block, &self.group_tail, &entry)?);
        }
        self.user_key.extend_from_slice(self.block.range(&entry.tail));
        self.trailer = entry.trailer;
        self.value = entry.value;
        self.index = index;
        Ok(true)
    }

    /// Finds the tail of the first key of an entry's group, unless it was the last one that was found.
    #[inline]
    fn look_into_group(&mut self, index: usize) -> Result<()> {
        let group = self.block.group_of(index);
        if self.group != group {
            self.group_tail = self.block.entry(group)?.tail;
            self.group = group;
        }
        Ok(())
    }

    /// Whether an entry has the key of the one that this stands on.
    #[inline]
    fn has_this_key(&mut self, index: usize, entry: &RawEntry) -> Result<bool> {
        let prefix_bytes = self.block.prefix().len();
        let rest = self.user_key.get(prefix_bytes..).unwrap_or_default();
        let Some(tail) = rest.strip_prefix(entry.head()).filter(|_| rest.len() == entry.rest_bytes()) else {
            return Ok(false);
        };
        // Keys that are alike mostly differ at their ends.
        let Some(shared) = tail.strip_suffix(self.block.range(&entry.tail)) else { return Ok(false) };
        if shared.is_empty() {
            return Ok(true);
        }
        let shared = shared.len();
        self.look_into_group(index)?;
        let tail_at = prefix_bytes + entry.head().len();
        Ok(self.user_key.get(tail_at..tail_at + shared)
            == Some(shared_tail(&self.block, &self.group_tail, entry)?))
    }

    /// Steps on to the first entry at or behind a key that lies ahead; whether that was no more than so many steps away, in this block. If
    /// not, it stands anywhere in the block, or nowhere.
    pub(super) fn step_to(&mut self, user_key: &[u8], steps: u32) -> Result<bool> {
        for _ in 0..steps {
            if !self.next()? {
                return Ok(false);
            }
            if key::order(&self.user_key, user_key).is_ge() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The value, without a copy.
    fn pinned(&self) -> Slice {
        Arc::clone(&self.block).pin(self.value.clone())
    }
}

/// What the key of an entry shares with the first of its group, which has this tail.
fn shared_tail<'b>(block: &'b Block, of_first: &Range<usize>, entry: &RawEntry) -> Result<&'b [u8]> {
    let shared = block.range(of_first).get(..entry.shared);
    shared.ok_or_else(|| block.malformed("an entry that shares no more than there is"))
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
        let (mut index, mut before) = (self.index.saturating_add(1), self.value.clone());
        self.index = NOWHERE;
        while index < self.block.entries() {
            let entry = self.block.entry_behind(index, &before)?;
            if !self.has_this_key(index, &entry)? {
                return self.stand(index, entry);
            }
            before = entry.value;
            index += 1;
        }
        Ok(false)
    }

    fn show_on(
        &mut self,
        end: &[u8],
        newest: SeqNo,
        see: &mut impl FnMut(&[u8]) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>> {
        let behind = self.block.lower_bound(end, u64::MAX)?;
        let mut before = self.block.entry(self.index)?;
        let (mut last, mut shown) = (self.index, ControlFlow::Continue(()));
        for index in self.index.saturating_add(1)..behind {
            let entry = self.block.entry_behind(index, &before.value)?;
            let is_alike = if self.block.group_of(index) == index {
                None
            } else {
                self.block.are_alike(&before, &entry)
            };
            let is_same = match is_alike {
                Some(is_same) => is_same,
                None => {
                    self.go(index - 1)?;
                    self.has_this_key(index, &entry)?
                }
            };
            if !is_same {
                let (seqno, kind) = split_trailer(entry.trailer);
                if seqno > newest || kind != Kind::Put as u8 {
                    break;
                }
                last = index;
                shown = see(self.block.range(&entry.value));
                if shown.is_break() {
                    break;
                }
            }
            before = entry;
        }
        if last != self.index {
            self.go(last)?;
        }
        Ok(shown)
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
