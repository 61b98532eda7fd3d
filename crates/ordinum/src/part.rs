//! One of the iterators that a cursor or a compaction merges. An enumeration, so that a step calls no function through a
//! table of them.

use std::ops::ControlFlow;

use crate::error::Result;
use crate::iter::InternalIterator;
use crate::key::SeqNo;
use crate::memtable::MemtableIter;
use crate::slice::Slice;
use crate::table::TableIter;
use crate::transaction::OwnWrites;
use crate::version::LevelIter;

/// One of the iterators that are merged.
pub(crate) enum Part {
    /// The writes of a transaction.
    Own(OwnWrites),
    /// A memtable.
    Memtable(MemtableIter),
    /// A table of level 0.
    Table(TableIter),
    /// A deeper level.
    Level(LevelIter),
}

macro_rules! each {
    ($part:expr, $inner:ident => $body:expr) => {
        match $part {
            Part::Own($inner) => $body,
            Part::Memtable($inner) => $body,
            Part::Table($inner) => $body,
            Part::Level($inner) => $body,
        }
    };
}

impl InternalIterator for Part {
    fn first(&mut self) -> Result<bool> {
        each!(self, inner => inner.first())
    }

    fn last(&mut self) -> Result<bool> {
        each!(self, inner => inner.last())
    }

    fn seek(&mut self, user_key: &[u8], trailer: u64) -> Result<bool> {
        each!(self, inner => inner.seek(user_key, trailer))
    }

    #[inline]
    fn seek_on(&mut self, user_key: &[u8], trailer: u64) -> Result<bool> {
        each!(self, inner => inner.seek_on(user_key, trailer))
    }

    fn announce(&mut self, user_key: &[u8]) {
        each!(self, inner => inner.announce(user_key));
    }

    fn announce_each(&mut self, user_keys: &[&[u8]]) {
        each!(self, inner => inner.announce_each(user_keys));
    }

    fn seek_before(&mut self, user_key: &[u8], trailer: u64) -> Result<bool> {
        each!(self, inner => inner.seek_before(user_key, trailer))
    }

    #[inline]
    fn next(&mut self) -> Result<bool> {
        each!(self, inner => inner.next())
    }

    #[inline]
    fn next_key(&mut self) -> Result<bool> {
        each!(self, inner => inner.next_key())
    }

    #[inline]
    fn show_on(
        &mut self,
        end: &[u8],
        newest: SeqNo,
        see: &mut impl FnMut(&[u8]) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>> {
        each!(self, inner => inner.show_on(end, newest, see))
    }

    fn skip_on(&mut self, end: Option<&[u8]>, seqno: SeqNo) -> Result<bool> {
        each!(self, inner => inner.skip_on(end, seqno))
    }

    fn skip_back(&mut self, start: &[u8], seqno: SeqNo) -> Result<bool> {
        each!(self, inner => inner.skip_back(start, seqno))
    }

    #[inline]
    fn prev(&mut self) -> Result<bool> {
        each!(self, inner => inner.prev())
    }

    #[inline]
    fn valid(&self) -> bool {
        each!(self, inner => inner.valid())
    }

    #[inline(always)]
    fn user_key(&self) -> &[u8] {
        each!(self, inner => inner.user_key())
    }

    #[inline(always)]
    fn trailer(&self) -> u64 {
        each!(self, inner => inner.trailer())
    }

    #[inline(always)]
    fn value(&self) -> &[u8] {
        each!(self, inner => inner.value())
    }

    fn value_slice(&self) -> Slice {
        each!(self, inner => inner.value_slice())
    }
}
