//! The cursor that callers move: live keys at one sequence number, in both directions.
//!
//! Invariants:
//! (1) it shows, of every key in its range, the newest version at or below its sequence number, unless that is a deletion;
//! (2) while it last moved forward, the entries below stand on the entry that it shows; while it last moved back, they
//!     stand before all versions of the key that it shows, and what it shows is kept aside;
//! (3) it holds the memtables and tables that it reads, and no lock.

use std::ops::Bound;

use crate::error::Result;
use crate::iter::{InternalIterator, STEPS_BEFORE_SEEK, next_key_by_steps};
use crate::key::{self, Kind, SeqNo};
use crate::merge::MergeIter;
use crate::part::Part;
use crate::reader::KeyRange;
use crate::slice::Slice;
use crate::transaction::RangeTracker;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stand {
    Nowhere,
    /// On the entry that the entries below stand on.
    Forward,
    /// On the entry that is kept aside.
    Back,
}

/// An entry that the entries below have left.
#[derive(Default)]
struct Aside {
    key: Vec<u8>,
    value: Slice,
    seqno: SeqNo,
}

/// A cursor over the keys of a range. It stands nowhere until it is moved.
///
/// Every move returns whether the cursor stands on a key then. What it shows is the state at the sequence number at which
/// it was opened, whatever is written meanwhile.
pub struct Cursor {
    entries: MergeIter<Part>,
    range: KeyRange,
    seqno: SeqNo,
    stand: Stand,
    aside: Aside,
    tracker: Option<RangeTracker>,
}

impl std::fmt::Debug for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cursor")
            .field("range", &self.range)
            .field("seqno", &self.seqno)
            .finish_non_exhaustive()
    }
}

impl Cursor {
    pub(crate) fn new(
        entries: MergeIter<Part>,
        range: KeyRange,
        seqno: SeqNo,
        tracker: Option<RangeTracker>,
    ) -> Cursor {
        Cursor { entries, range, seqno, stand: Stand::Nowhere, aside: Aside::default(), tracker }
    }

    /// To the first key of the range.
    pub fn first(&mut self) -> Result<bool> {
        let start = self.range.start.clone();
        let found = self.forward_from(as_ref(&start));
        self.track_forward(start, found)
    }

    /// To the last key of the range.
    pub fn last(&mut self) -> Result<bool> {
        let end = self.range.end.clone();
        let found = self.back_from(as_ref(&end));
        self.track_back(end, found)
    }

    /// To the first key of the range at or after `key`.
    pub fn seek(&mut self, key: &[u8]) -> Result<bool> {
        if self.range.before(key) {
            return self.first();
        }
        let found = self.forward_from(Bound::Included(key));
        self.track_forward(Bound::Included(key.to_vec()), found)
    }

    /// To the last key of the range at or before `key`.
    pub fn seek_back(&mut self, key: &[u8]) -> Result<bool> {
        if self.range.behind(key) {
            return self.last();
        }
        let found = self.back_from(Bound::Included(key));
        self.track_back(Bound::Included(key.to_vec()), found)
    }

    #[allow(clippy::should_implement_trait, reason = "a cursor lends what it stands on, and goes both ways")]
    /// To the next key of the range. A cursor that stands nowhere stays there.
    pub fn next(&mut self) -> Result<bool> {
        let found = match std::mem::replace(&mut self.stand, Stand::Nowhere) {
            Stand::Nowhere => return Ok(false),
            Stand::Forward => self.entries.next_key().and_then(|found| self.forward_to_visible(found)),
            Stand::Back => {
                let key = std::mem::take(&mut self.aside.key);
                self.forward_from(Bound::Excluded(&key))
            }
        };
        let found = found?;
        if let Some(tracker) = &self.tracker {
            let reached = if found { Bound::Included(self.key().to_vec()) } else { self.range.end.clone() };
            tracker.extend_end(reached);
        }
        Ok(found)
    }

    /// To the previous key of the range. A cursor that stands nowhere stays there.
    pub fn prev(&mut self) -> Result<bool> {
        let found = match std::mem::replace(&mut self.stand, Stand::Nowhere) {
            Stand::Nowhere => return Ok(false),
            Stand::Forward => {
                let key = self.entries.user_key().to_vec();
                self.back_from(Bound::Excluded(&key))
            }
            Stand::Back => self.back_to_visible(),
        };
        let found = found?;
        if let Some(tracker) = &self.tracker {
            let reached = if found { Bound::Included(self.key().to_vec()) } else { self.range.start.clone() };
            tracker.extend_start(reached);
        }
        Ok(found)
    }

    /// Whether the cursor stands on a key.
    pub fn valid(&self) -> bool {
        self.stand != Stand::Nowhere
    }

    /// The key; empty if the cursor stands nowhere.
    pub fn key(&self) -> &[u8] {
        match &self.stand {
            Stand::Nowhere => &[],
            Stand::Forward => self.entries.user_key(),
            Stand::Back => &self.aside.key,
        }
    }

    /// The value; empty if the cursor stands nowhere.
    ///
    /// # Errors
    /// [`crate::Error::Io`] and [`crate::Error::Corrupt`] if the value lies apart from its key and cannot be read.
    pub fn value(&self) -> Result<&[u8]> {
        Ok(match &self.stand {
            Stand::Nowhere => &[],
            Stand::Forward => self.entries.value(),
            Stand::Back => &self.aside.value,
        })
    }

    /// The value, to be kept beyond the next move.
    ///
    /// # Errors
    /// As [`Cursor::value`].
    pub fn value_slice(&self) -> Result<Slice> {
        Ok(match &self.stand {
            Stand::Nowhere => Slice::from(&[][..]),
            Stand::Forward => self.entries.value_slice(),
            Stand::Back => self.aside.value.clone(),
        })
    }

    /// The sequence number of the commit that wrote the value; [`SeqNo::MAX`] for a transaction's own write.
    pub fn seqno(&self) -> SeqNo {
        match &self.stand {
            Stand::Nowhere => SeqNo::ZERO,
            Stand::Forward => key::split_trailer(self.entries.trailer()).0,
            Stand::Back => self.aside.seqno,
        }
    }

    fn visible(&self, seqno: SeqNo) -> bool {
        seqno <= self.seqno || seqno == SeqNo::MAX
    }

    fn forward_from(&mut self, start: Bound<&[u8]>) -> Result<bool> {
        self.stand = Stand::Nowhere;
        let found = match start {
            Bound::Included(key) => self.entries.seek(key, u64::MAX)?,
            Bound::Excluded(key) => self.entries.seek(key, 0)? && next_key_by_steps(&mut self.entries, key)?,
            Bound::Unbounded => self.entries.first()?,
        };
        self.forward_to_visible(found)
    }

    /// From the entry below, if there is one, forward to the first that is shown.
    fn forward_to_visible(&mut self, mut found: bool) -> Result<bool> {
        let mut steps = 0;
        while found {
            if self.range.behind(self.entries.user_key()) {
                return Ok(false);
            }
            let (seqno, kind) = key::split_trailer(self.entries.trailer());
            if !self.visible(seqno) {
                steps += 1;
                found = if steps <= STEPS_BEFORE_SEEK {
                    self.entries.next()?
                } else {
                    steps = 0;
                    let key = self.entries.user_key().to_vec();
                    self.entries.seek(&key, key::seek_trailer(self.seqno))?
                };
            } else if kind == Kind::Delete as u8 {
                found = self.entries.next_key()?;
                steps = 0;
            } else {
                self.stand = Stand::Forward;
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn back_from(&mut self, end: Bound<&[u8]>) -> Result<bool> {
        self.stand = Stand::Nowhere;
        match end {
            Bound::Included(key) => {
                // Before the first entry of the smallest key above `key`.
                let mut above = key.to_vec();
                above.push(0);
                self.entries.seek_before(&above, u64::MAX)?
            }
            Bound::Excluded(key) => self.entries.seek_before(key, u64::MAX)?,
            Bound::Unbounded => self.entries.last()?,
        };
        self.back_to_visible()
    }

    /// From the entry below backward: gathers the newest visible version of each key, until one is to be shown.
    fn back_to_visible(&mut self) -> Result<bool> {
        while self.entries.valid() && !self.range.before(self.entries.user_key()) {
            let mut key = std::mem::take(&mut self.aside.key);
            key.clear();
            key.extend_from_slice(self.entries.user_key());
            let newest = self.take_newest(&key);
            self.aside.key = key;
            if let Some((seqno, Some(value))) = newest? {
                (self.aside.value, self.aside.seqno) = (value, seqno);
                self.stand = Stand::Back;
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The newest visible version of `key`, on whose oldest version the entries stand; they stand before all of its
    /// versions then. A deletion has no value.
    fn take_newest(&mut self, key: &[u8]) -> Result<Option<(SeqNo, Option<Slice>)>> {
        let mut newest = None;
        let mut steps = 0;
        while self.entries.valid() && self.entries.user_key() == key {
            if steps == STEPS_BEFORE_SEEK {
                newest = self.seek_newest(key)?;
                self.entries.seek_before(key, u64::MAX)?;
                break;
            }
            newest = self.visible_here().or(newest);
            self.entries.prev()?;
            steps += 1;
        }
        Ok(newest)
    }

    fn seek_newest(&mut self, key: &[u8]) -> Result<Option<(SeqNo, Option<Slice>)>> {
        // An own write stands before every version.
        for from in [SeqNo::MAX, self.seqno] {
            if self.entries.seek(key, key::seek_trailer(from))?
                && self.entries.user_key() == key
                && let Some(newest) = self.visible_here()
            {
                return Ok(Some(newest));
            }
        }
        Ok(None)
    }

    /// The version that the entries stand on, if it is visible.
    fn visible_here(&self) -> Option<(SeqNo, Option<Slice>)> {
        let (seqno, kind) = key::split_trailer(self.entries.trailer());
        let value = (kind == Kind::Put as u8).then(|| self.entries.value_slice());
        self.visible(seqno).then_some((seqno, value))
    }

    fn track_forward(&self, start: Bound<Vec<u8>>, found: Result<bool>) -> Result<bool> {
        let found = found?;
        if let Some(tracker) = &self.tracker {
            let end = if found { Bound::Included(self.key().to_vec()) } else { self.range.end.clone() };
            tracker.begin(KeyRange { start, end });
        }
        Ok(found)
    }

    fn track_back(&self, end: Bound<Vec<u8>>, found: Result<bool>) -> Result<bool> {
        let found = found?;
        if let Some(tracker) = &self.tracker {
            let start = if found { Bound::Included(self.key().to_vec()) } else { self.range.start.clone() };
            tracker.begin(KeyRange { start, end });
        }
        Ok(found)
    }
}

fn as_ref(bound: &Bound<Vec<u8>>) -> Bound<&[u8]> {
    match bound {
        Bound::Included(key) => Bound::Included(key),
        Bound::Excluded(key) => Bound::Excluded(key),
        Bound::Unbounded => Bound::Unbounded,
    }
}
