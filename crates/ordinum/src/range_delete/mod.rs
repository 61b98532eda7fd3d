//! Range deletes: what a range tombstone is, and which one hides a version.
//!
//! A range tombstone (start, end, number) says that every version of a key in `start..end` that is older than the number is
//! gone for whoever reads at the number or later. It is one record of the log; a memtable keeps it beside its entries,
//! and a table in a block of its own. These are the truth. The index of a family ([`RangeTombstones`] again, over all of its
//! tombstones) is made from them, and tells the same: a lookup asks it once, instead of every memtable and table.
//!
//! Invariants:
//! (1) a version is hidden from a reader if the newest tombstone at or below the reader's number that covers its key is
//!     newer than the version. With the number of the same batch it is not: what a batch deletes of its own writes is
//!     left out when it is applied ([`Folding`]), so that the order inside a batch ends there;
//! (2) tombstones of one batch and family do not overlap;
//! (3) a tombstone that hides nothing more from anybody may be there or not: answers are the same. So an index may be
//!     behind in letting go of tombstones, never in getting them.
//!
//! - `skyline.rs` the newest tombstone of every key;
//! - `history.rs` the same at older sequence numbers;
//! - `folding.rs` the order inside a batch;
//! - `cover.rs` what a cursor is told;
//! - `kept.rs` what flush and compaction keep.

mod cover;
mod folding;
mod history;
mod kept;
mod skyline;

use std::ops::Bound;
use std::sync::Arc;

pub(crate) use cover::Cover;
pub(crate) use folding::Folding;
use history::History;
pub(crate) use kept::KeptTombstones;
use skyline::Skyline;

use crate::key::SeqNo;
use crate::reader::KeyRange;

/// Deletes the keys from `start` on and before `end`, as far as they were written before `seqno`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RangeTombstone {
    pub(crate) start: Arc<[u8]>,
    pub(crate) end: Arc<[u8]>,
    pub(crate) seqno: SeqNo,
}

impl RangeTombstone {
    pub(crate) fn new(start: &[u8], end: &[u8], seqno: SeqNo) -> RangeTombstone {
        RangeTombstone { start: Arc::from(start), end: Arc::from(end), seqno }
    }

    /// The last key that it may be said to reach to: of an end that has a key right before it that key, else the end
    /// itself, which it does not cover.
    pub(crate) fn last_key(&self) -> &[u8] {
        match self.end.split_last() {
            Some((0, before)) => before,
            _ => &self.end,
        }
    }
}

/// Keys from `start` on and before `end` that one tombstone is the newest of; the number is zero if none covers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span<'a> {
    pub(crate) start: &'a [u8],
    /// None: without end.
    pub(crate) end: Option<&'a [u8]>,
    pub(crate) seqno: SeqNo,
}

impl<'a> Span<'a> {
    /// All keys, and no tombstone.
    pub(crate) const NOTHING: Span<'static> = Span { start: &[], end: None, seqno: SeqNo::ZERO };

    /// Keeps what it shares with another span around the same key, with the newer number.
    fn narrow(&mut self, other: &Span<'a>) {
        self.start = self.start.max(other.start);
        self.end = match (self.end, other.end) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        self.seqno = self.seqno.max(other.seqno);
    }
}

/// Range tombstones of one family, or of a part of it. A copy costs little and stays as it is.
#[derive(Clone, Debug, Default)]
pub(crate) struct RangeTombstones {
    skyline: Skyline,
    history: History,
    count: u64,
    newest: SeqNo,
}

impl RangeTombstones {
    /// These tombstones, in any order.
    pub(crate) fn of(mut tombstones: Vec<RangeTombstone>) -> RangeTombstones {
        tombstones.sort_by_key(|tombstone| tombstone.seqno);
        let mut all = RangeTombstones::default();
        tombstones.into_iter().for_each(|tombstone| all.insert(tombstone));
        all
    }

    /// Adds a tombstone that is not older than those before.
    pub(crate) fn insert(&mut self, tombstone: RangeTombstone) {
        self.skyline.assign(&tombstone.start, &tombstone.end, tombstone.seqno);
        self.newest = self.newest.max(tombstone.seqno);
        self.count += 1;
        self.history.push(tombstone);
    }

    /// How many there are.
    pub(crate) fn len(&self) -> u64 {
        self.count
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The newest tombstone at or below `seqno` that covers the key, or zero.
    pub(crate) fn newest(&self, key: &[u8], seqno: SeqNo) -> SeqNo {
        self.span(key, seqno).seqno
    }

    /// The same, with the keys around for which it is so.
    pub(crate) fn span(&self, key: &[u8], seqno: SeqNo) -> Span<'_> {
        let newest = self.skyline.span(key);
        if newest.seqno <= seqno { newest } else { self.history.span(key, seqno) }
    }

    /// The keys that tombstones cover, as ranges that do not touch, ascending: start and end.
    pub(crate) fn union(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        self.skyline.union()
    }

    /// Calls `visit` with every tombstone, oldest first.
    pub(crate) fn for_each(&self, visit: impl FnMut(&RangeTombstone)) {
        self.history.for_each(visit);
    }

    /// A tombstone that is newer than `seqno` and covers a key of the range, if there is one.
    pub(crate) fn newer_in(&self, range: &KeyRange, seqno: SeqNo) -> Option<SeqNo> {
        let first = match &range.start {
            Bound::Included(start) => start.clone(),
            Bound::Excluded(before) => [before.as_slice(), &[0]].concat(),
            Bound::Unbounded => Vec::new(),
        };
        let mut span = self.span(&first, SeqNo::MAX);
        while span.seqno <= seqno {
            let next = span.end.filter(|end| !range.behind(end))?;
            span = self.span(next, SeqNo::MAX);
        }
        (!range.behind(&first)).then_some(span.seqno)
    }

    /// The number of the newest, or zero.
    pub(crate) fn newest_of_all(&self) -> SeqNo {
        self.newest
    }

    /// Calls `visit` with every tombstone behind `seqno`, oldest first.
    pub(crate) fn for_each_newer(&self, seqno: SeqNo, mut visit: impl FnMut(&RangeTombstone)) {
        self.history.for_each(|tombstone| {
            if tombstone.seqno > seqno {
                visit(tombstone);
            }
        });
    }

    /// Whether tombstones that are newer than `seqno`, and visible at `at`, cover every key from `first` through `last`.
    pub(crate) fn cover_all(&self, first: &[u8], last: &[u8], at: SeqNo, seqno: SeqNo) -> bool {
        let mut span = self.span(first, at);
        while span.seqno > seqno {
            match span.end {
                Some(end) if end <= last => span = self.span(end, at),
                _ => return true,
            }
        }
        false
    }
}

#[cfg(test)]
mod tests;
