//! An iterator over the entries of a table.
//!
//! Invariants: (1) while it stands on an entry, `data` is the block under entry `at` of `partition`, which is under entry
//! `top` of the top index; (2) what was read ahead is used as if it had been read then: each block is verified when it
//! is taken, and damage ahead of the iterator does not stop it before it is there.
#![deny(clippy::indexing_slicing)]

use std::ops::ControlFlow;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::cache::CacheUse;
use crate::error::Result;
use crate::iter::{InternalIterator, Stride, next_key_by_steps};
use crate::key::SeqNo;
use crate::slice::Slice;
use crate::table::block::Block;
use crate::table::block_iter::BlockIter;
use crate::table::handle::BlockHandle;
use crate::table::read_ahead::{Direction, ReadAhead};
use crate::table::reader::TableReader;

/// An iterator may put blocks into the cache until they are this part of it: a long scan does not wash the cache out.
const CACHE_PART_FILLED: u64 = 8;
/// A key of so many bytes is remembered without memory of its own.
const KEY_AT_HAND: usize = 32;

/// An iterator over the entries of a table.
#[derive(Debug)]
pub(crate) struct TableIter {
    table: Arc<TableReader>,
    cache_use: CacheUse,
    top: usize,
    partition: Option<Arc<Block>>,
    at: usize,
    data: Option<BlockIter>,
    /// Where the block of `data` lies.
    opened: Option<BlockHandle>,
    /// What was found of the key that is sought next.
    announced: Option<Announced>,
    standing: bool,
    stride: Stride,
    ahead: ReadAhead,
    /// How many bytes it may still put into the cache.
    fill_left: u64,
}

/// A key that is sought next, and the block of the present partition that it is sought in.
#[derive(Debug)]
struct Announced {
    user_key: SmallVec<[u8; KEY_AT_HAND]>,
    at: usize,
    handle: BlockHandle,
    block: Arc<Block>,
}

impl TableIter {
    /// An iterator that stands nowhere.
    pub(super) fn new(table: Arc<TableReader>, cache_use: CacheUse) -> TableIter {
        let ahead = match cache_use {
            CacheUse::Fill => ReadAhead::on_evidence(),
            CacheUse::Peek => ReadAhead::at_once(),
        };
        let fill_left = table.cache.bytes_max() / CACHE_PART_FILLED;
        let (partition, data, opened, announced) = (None, None, None, None);
        TableIter {
            table,
            cache_use,
            top: 0,
            partition,
            at: 0,
            data,
            opened,
            announced,
            standing: false,
            stride: Stride::new(),
            ahead,
            fill_left,
        }
    }

    /// To the partition with this number; whether there is one.
    fn enter_partition(&mut self, top: usize) -> Result<bool> {
        if top >= self.table.top_index.entries() {
            return Ok(false);
        }
        if self.partition.is_none() || self.top != top {
            self.partition = None;
            self.announced = None;
            self.partition = Some(self.table.partition(top)?);
            self.top = top;
        }
        Ok(true)
    }

    fn partition_entries(&self) -> usize {
        self.partition.as_ref().map_or(0, |partition| partition.entries())
    }

    /// The block under the present place in the index.
    fn open(&mut self, direction: Direction) -> Result<&mut BlockIter> {
        let handle = match &self.partition {
            Some(partition) => self.table.handle(partition, self.at)?,
            None => return Err(self.table.top_index.malformed("a partition")),
        };
        if self.opened != Some(handle) {
            let block = self.load(handle, direction)?;
            block.prefetch_heads();
            return self.enter(handle, block);
        }
        self.data.as_mut().ok_or_else(|| self.table.top_index.malformed("a block"))
    }

    /// Goes to another block, and stands nowhere in it.
    fn enter(&mut self, handle: BlockHandle, block: Arc<Block>) -> Result<&mut BlockIter> {
        match &mut self.data {
            Some(data) => data.reset(block),
            none => *none = Some(BlockIter::new(block)),
        }
        self.opened = Some(handle);
        self.data.as_mut().ok_or_else(|| self.table.top_index.malformed("a block"))
    }

    /// The block of this partition that a key which lies ahead is sought in, if it is in the cache; a search in it is prepared.
    fn find_ahead(&self, user_key: &[u8]) -> Option<Announced> {
        let is_used = self.standing && self.cache_use == CacheUse::Fill;
        let partition = self.partition.as_ref().filter(|_| is_used)?;
        let at = partition.lower_bound(user_key, u64::MAX).ok().filter(|at| *at < partition.entries())?;
        let handle = self.table.handle(partition, at).ok()?;
        let block = self.table.cache.get_if_here(self.table.blocks.number, handle.offset)?;
        block.prefetch_heads();
        Some(Announced { user_key: SmallVec::from_slice(user_key), at, handle, block })
    }

    fn load(&mut self, handle: BlockHandle, direction: Direction) -> Result<Arc<Block>> {
        let TableReader { cache, blocks, .. } = &*self.table;
        let fills = self.cache_use == CacheUse::Fill && self.fill_left > 0;
        let cache_use = if fills { CacheUse::Fill } else { CacheUse::Peek };
        let mut loaded = 0;
        let ahead = &mut self.ahead;
        let block = cache.get_or_load(cache_use, blocks.number, handle.offset, || {
            let block = Arc::new(ahead.block(blocks, handle, direction)?);
            loaded = u64::try_from(block.bytes()).unwrap_or(u64::MAX);
            Ok(block)
        })?;
        if fills {
            self.fill_left = self.fill_left.saturating_sub(loaded);
        }
        ahead.passed(blocks, handle)?;
        Ok(block)
    }

    /// To the first entry of the next block.
    fn forward(&mut self) -> Result<bool> {
        self.standing = false;
        if self.at + 1 < self.partition_entries() {
            self.at += 1;
        } else if self.enter_partition(self.top + 1)? {
            self.at = 0;
        } else {
            return Ok(false);
        }
        self.standing = self.open(Direction::Forward)?.first()?;
        Ok(self.standing)
    }

    /// To the last entry of the block before.
    fn backward(&mut self) -> Result<bool> {
        self.standing = false;
        if let Some(at) = self.at.checked_sub(1) {
            self.at = at;
        } else if let Some(top) = self.top.checked_sub(1) {
            self.enter_partition(top)?;
            self.at = self.partition_entries().saturating_sub(1);
        } else {
            return Ok(false);
        }
        self.standing = self.open(Direction::Backward)?.last()?;
        Ok(self.standing)
    }

    /// To the place in the index of the first block that may hold something at or after the target.
    fn seek_index(&mut self, user_key: &[u8], trailer: u64) -> Result<bool> {
        self.standing = false;
        let top = self.table.top_index.lower_bound(user_key, trailer)?;
        if !self.enter_partition(top)? {
            return Ok(false);
        }
        self.at = match &self.partition {
            Some(partition) => partition.lower_bound(user_key, trailer)?,
            None => 0,
        };
        if self.at < self.partition_entries() {
            return Ok(true);
        }
        Err(self.table.top_index.malformed("separators that are the last of their partitions"))
    }
}

impl InternalIterator for TableIter {
    fn first(&mut self) -> Result<bool> {
        self.standing = false;
        self.enter_partition(0)?;
        self.at = 0;
        self.standing = self.open(Direction::Forward)?.first()?;
        Ok(self.standing)
    }

    fn last(&mut self) -> Result<bool> {
        self.standing = false;
        self.enter_partition(self.table.top_index.entries() - 1)?;
        self.at = self.partition_entries().saturating_sub(1);
        self.standing = self.open(Direction::Backward)?.last()?;
        Ok(self.standing)
    }

    fn seek(&mut self, user_key: &[u8], trailer: u64) -> Result<bool> {
        if !self.seek_index(user_key, trailer)? {
            return Ok(false);
        }
        self.standing = self.open(Direction::Forward)?.seek(user_key, trailer)?;
        if self.standing { Ok(true) } else { self.forward() }
    }

    fn seek_on(&mut self, user_key: &[u8], trailer: u64) -> Result<bool> {
        let announced =
            self.announced.take().filter(|next| next.user_key.as_slice() == user_key && trailer == u64::MAX);
        if announced.is_none()
            && trailer == u64::MAX
            && let Some(data) = self.data.as_mut().filter(|_| self.standing)
        {
            let reached = data.step_to(user_key, self.stride.steps());
            self.standing = reached.is_ok();
            let reached = reached?;
            self.stride.took(reached);
            if reached {
                return Ok(true);
            }
        }
        let Some(partition) = self.partition.as_ref().filter(|_| self.standing) else {
            return self.seek(user_key, trailer);
        };
        let at = match &announced {
            Some(next) => next.at,
            None => partition.lower_bound(user_key, trailer)?,
        };
        if at >= partition.entries() {
            return self.seek(user_key, trailer);
        }
        self.standing = false;
        self.at = at;
        let data = match announced {
            Some(next) => self.enter(next.handle, next.block)?,
            None => self.open(Direction::Forward)?,
        };
        self.standing = data.seek(user_key, trailer)?;
        if self.standing { Ok(true) } else { self.forward() }
    }

    fn announce(&mut self, user_key: &[u8]) {
        self.announced = self.find_ahead(user_key);
    }

    fn seek_before(&mut self, user_key: &[u8], trailer: u64) -> Result<bool> {
        if !self.seek_index(user_key, trailer)? {
            return self.last();
        }
        self.standing = self.open(Direction::Backward)?.seek_before(user_key, trailer)?;
        if self.standing { Ok(true) } else { self.backward() }
    }

    #[inline]
    fn next(&mut self) -> Result<bool> {
        match &mut self.data {
            Some(data) if self.standing => {
                if data.next()? {
                    Ok(true)
                } else {
                    self.forward()
                }
            }
            _ => Ok(false),
        }
    }

    #[inline]
    fn next_key(&mut self) -> Result<bool> {
        match &mut self.data {
            Some(data) if self.standing => {
                if data.next_key()? {
                    return Ok(true);
                }
                let left = data.user_key().to_vec();
                Ok(self.forward()? && next_key_by_steps(self, &left)?)
            }
            _ => Ok(false),
        }
    }

    #[inline]
    fn show_on(
        &mut self,
        end: &[u8],
        newest: SeqNo,
        see: &mut impl FnMut(&[u8]) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>> {
        match &mut self.data {
            Some(data) if self.standing => data.show_on(end, newest, see),
            _ => Ok(ControlFlow::Continue(())),
        }
    }

    fn skip_on(&mut self, end: Option<&[u8]>, seqno: SeqNo) -> Result<bool> {
        if self.table.properties.max_seqno >= seqno {
            return self.next();
        }
        self.standing = false;
        end.map_or(Ok(false), |end| self.seek(end, u64::MAX))
    }

    fn skip_back(&mut self, start: &[u8], seqno: SeqNo) -> Result<bool> {
        if self.table.properties.max_seqno >= seqno { self.prev() } else { self.seek_before(start, u64::MAX) }
    }

    #[inline]
    fn prev(&mut self) -> Result<bool> {
        match &mut self.data {
            Some(data) if self.standing => {
                if data.prev()? {
                    Ok(true)
                } else {
                    self.backward()
                }
            }
            _ => Ok(false),
        }
    }

    fn valid(&self) -> bool {
        self.standing && self.data.as_ref().is_some_and(InternalIterator::valid)
    }

    #[inline]
    fn user_key(&self) -> &[u8] {
        self.data.as_ref().map_or(&[], InternalIterator::user_key)
    }

    #[inline]
    fn trailer(&self) -> u64 {
        self.data.as_ref().map_or(0, InternalIterator::trailer)
    }

    #[inline]
    fn value(&self) -> &[u8] {
        self.data.as_ref().map_or(&[], InternalIterator::value)
    }

    fn value_slice(&self) -> Slice {
        self.data.as_ref().map_or_else(Slice::default, InternalIterator::value_slice)
    }
}
