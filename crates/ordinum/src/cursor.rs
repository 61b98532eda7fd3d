//! The cursor that callers move: live keys at one sequence number, in both directions.
//!
//! Invariants:
//! (1) it shows, of every key in its range, the newest version at or below its sequence number, unless that is a deletion or
//!     a range delete hides it;
//! (2) while it last moved forward, the entries below stand on the entry that it shows; while it last moved back, they
//!     stand before all versions of the key that it shows, and what it shows is kept aside;
//! (3) a value that lies in the value log is read when it is asked for, and not before;
//! (4) it holds the memtables and tables that it reads, and no lock.

use std::ops::Bound;
use std::sync::OnceLock;

use crate::error::Result;
use crate::family::ColumnFamily;
use crate::iter::{InternalIterator, STEPS_BEFORE_SEEK, next_key_by_steps};
use crate::key::{self, Kind, SeqNo};
use crate::merge::MergeIter;
use crate::part::Part;
use crate::planted::{Bug, planted};
use crate::range_delete::Cover;
use crate::reader::KeyRange;
use crate::slice::Slice;
use crate::transaction::RangeTracker;
use crate::version::SeparatedValues;

mod each_value;
mod merging;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stand {
    Nowhere,
    /// On the entry that the entries below stand on.
    Forward,
    /// On the entry that is kept aside.
    Back,
    /// On what was merged and is kept aside; the entries below stand on the last one that it took, or behind it.
    Merged,
}

/// An entry that the entries below have left.
#[derive(Default)]
struct Aside {
    key: Vec<u8>,
    /// As it stands in the entry: a value or a pointer to one.
    value: Slice,
    seqno: SeqNo,
    kind: u8,
}

/// The newest visible version of a key, as it stands in its entry.
struct Newest {
    seqno: SeqNo,
    kind: u8,
    value: Slice,
}

/// A cursor over the keys of a range. It stands nowhere until it is moved.
///
/// Every move returns whether the cursor stands on a key then. What it shows is the state at the sequence number at which
/// it was opened, whatever is written meanwhile.
///
/// ```
/// use ordinum::{Batch, Db, Durability, KeyRange, Options, Reader};
/// # let directory = tempfile::tempdir().unwrap();
/// # let db = Db::open(directory.path().join("data"), Options::default())?;
/// # let family = db.default_column_family();
/// let mut batch = Batch::new();
/// [b"a1", b"a3", b"b1"].iter().try_for_each(|key| batch.put(&family, *key, b""))?;
/// db.write(batch, Durability::Buffered)?;
/// let mut cursor = db.cursor(&family, KeyRange::prefix(b"a"))?;
/// assert!(cursor.seek(b"a2")? && cursor.key() == b"a3" && !cursor.next()?);
/// assert!(cursor.seek_back(b"a2")? && cursor.key() == b"a1");
/// # Ok::<(), ordinum::Error>(())
/// ```
pub struct Cursor {
    entries: MergeIter<Part>,
    range: KeyRange,
    seqno: SeqNo,
    cover: Cover,
    stand: Stand,
    aside: Aside,
    tracker: Option<RangeTracker>,
    /// Whose operator merges operands.
    merging: Option<ColumnFamily>,
    /// Where values that entries point to are found.
    values: Option<SeparatedValues>,
    /// The value that the entry under the cursor points to, once it was asked for.
    separated: OnceLock<Slice>,
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
        merging: Option<ColumnFamily>,
        values: Option<SeparatedValues>,
        range: KeyRange,
        seqno: SeqNo,
        cover: Cover,
        tracker: Option<RangeTracker>,
    ) -> Cursor {
        let (stand, aside, separated) = (Stand::Nowhere, Aside::default(), OnceLock::new());
        Cursor { entries, range, seqno, cover, stand, aside, tracker, merging, values, separated }
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
        if self.tracker.is_none() {
            return found;
        }
        self.track_forward(Bound::Included(key.to_vec()), found)
    }

    /// As [`Cursor::seek`], for who goes forward only: the keys that it sought before are not behind this one, and the cursor was moved
    /// by nothing else. Where it stands at or behind `key` already, it stays.
    ///
    /// # Errors
    /// As [`Cursor::seek`].
    #[inline]
    pub fn seek_ahead(&mut self, key: &[u8]) -> Result<bool> {
        if self.tracker.is_some() || self.stand != Stand::Forward {
            return self.seek(key);
        }
        if key::order(key, self.entries.user_key()).is_le() {
            return Ok(true);
        }
        self.leave();
        let found = self.entries.seek_on(key, u64::MAX)?;
        self.forward_to_visible(found)
    }

    /// To the last key of the range at or before `key`.
    pub fn seek_back(&mut self, key: &[u8]) -> Result<bool> {
        if self.range.behind(key) {
            return self.last();
        }
        let found = self.back_from(Bound::Included(key));
        if self.tracker.is_none() {
            return found;
        }
        self.track_back(Bound::Included(key.to_vec()), found)
    }

    #[allow(clippy::should_implement_trait, reason = "a cursor lends what it stands on, and goes both ways")]
    /// To the next key of the range. A cursor that stands nowhere stays there.
    pub fn next(&mut self) -> Result<bool> {
        let found = match self.leave() {
            Stand::Nowhere => return Ok(false),
            Stand::Forward => self.entries.next_key().and_then(|found| self.forward_to_visible(found)),
            Stand::Back => {
                let key = std::mem::take(&mut self.aside.key);
                self.forward_from(Bound::Excluded(&key))
            }
            Stand::Merged => self.forward_from_merged(),
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
        let found = match self.leave() {
            Stand::Nowhere => return Ok(false),
            Stand::Forward => {
                let key = self.entries.user_key().to_vec();
                self.back_from(Bound::Excluded(&key))
            }
            Stand::Back => self.back_to_visible(),
            Stand::Merged => {
                let key = std::mem::take(&mut self.aside.key);
                self.back_from(Bound::Excluded(&key))
            }
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

    /// Whether the cursor stands on a key that begins with these bytes.
    pub fn is_within(&self, prefix: &[u8]) -> bool {
        self.valid() && key::starts_with(self.key(), prefix)
    }

    /// The key; empty if the cursor stands nowhere.
    #[inline]
    pub fn key(&self) -> &[u8] {
        match &self.stand {
            Stand::Nowhere => &[],
            Stand::Forward => self.entries.user_key(),
            Stand::Back | Stand::Merged => &self.aside.key,
        }
    }

    /// The value; empty if the cursor stands nowhere.
    ///
    /// # Errors
    /// [`crate::Error::Io`] and [`crate::Error::Corrupt`] if the value lies apart from its key and cannot be read.
    #[inline]
    pub fn value(&self) -> Result<&[u8]> {
        if self.points() {
            return self.separated_value().map(|value| &**value);
        }
        Ok(match &self.stand {
            Stand::Nowhere => &[],
            Stand::Forward => self.entries.value(),
            Stand::Back | Stand::Merged => &self.aside.value,
        })
    }

    /// The value, to be kept beyond the next move, with the block or memtable it lies in, unless it is [detached](Slice::detached).
    ///
    /// # Errors
    /// As [`Cursor::value`].
    pub fn value_slice(&self) -> Result<Slice> {
        if self.points() {
            return self.separated_value().cloned();
        }
        Ok(match &self.stand {
            Stand::Nowhere => Slice::from(&[][..]),
            Stand::Forward => self.entries.value_slice(),
            Stand::Back | Stand::Merged => self.aside.value.clone(),
        })
    }

    /// Whether what stands in the entry is a pointer to its value.
    #[inline]
    fn points(&self) -> bool {
        self.values.is_some() && {
            let kind = match &self.stand {
                Stand::Nowhere => return false,
                Stand::Forward => key::split_trailer(self.entries.trailer()).1,
                Stand::Back | Stand::Merged => self.aside.kind,
            };
            kind == Kind::Pointer as u8
        }
    }

    /// The value that the entry points to: read when it is first asked for, and kept until the cursor moves.
    #[cold]
    fn separated_value(&self) -> Result<&Slice> {
        if let Some(value) = self.separated.get() {
            return Ok(value);
        }
        let pointer = match &self.stand {
            Stand::Nowhere | Stand::Forward => self.entries.value(),
            Stand::Back | Stand::Merged => &self.aside.value,
        };
        let read = self.values.as_ref().map(|values| values.read(pointer)).transpose()?;
        Ok(self.separated.get_or_init(|| read.unwrap_or_default()))
    }

    /// The cursor is about to leave the entry.
    #[inline]
    fn leave(&mut self) -> Stand {
        if self.values.is_some() {
            self.separated.take();
        }
        std::mem::replace(&mut self.stand, Stand::Nowhere)
    }

    /// The sequence number of the commit that wrote the value; [`SeqNo::MAX`] for a transaction's own write.
    pub fn seqno(&self) -> SeqNo {
        match &self.stand {
            Stand::Nowhere => SeqNo::ZERO,
            Stand::Forward => key::split_trailer(self.entries.trailer()).0,
            Stand::Back | Stand::Merged => self.aside.seqno,
        }
    }

    fn visible(&self, seqno: SeqNo) -> bool {
        seqno <= self.seqno || seqno == SeqNo::MAX
    }

    fn forward_from(&mut self, start: Bound<&[u8]>) -> Result<bool> {
        let stood = self.leave();
        let is_ahead = |cursor: &Cursor, key| {
            stood == Stand::Forward && key::order(key, cursor.entries.user_key()).is_gt()
        };
        let found = match start {
            Bound::Included(key) if is_ahead(self, key) => self.entries.seek_on(key, u64::MAX)?,
            Bound::Included(key) => self.entries.seek(key, u64::MAX)?,
            Bound::Excluded(key) => self.entries.seek(key, 0)? && next_key_by_steps(&mut self.entries, key)?,
            Bound::Unbounded => self.entries.first()?,
        };
        self.forward_to_visible(found)
    }

    /// From the entry below, if there is one, forward to the first that is shown.
    #[inline]
    fn forward_to_visible(&mut self, mut found: bool) -> Result<bool> {
        let mut steps = 0;
        while found {
            let key = self.entries.user_key();
            if self.range.behind(key) {
                return Ok(false);
            }
            let hidden = self.cover.newest(key);
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
            } else if hidden > seqno {
                found = self.entries.skip_on(self.cover.end(), self.cover.seqno())?;
                steps = 0;
            } else if kind == Kind::Delete as u8 {
                found = self.entries.next_key()?;
                steps = 0;
            } else if kind == Kind::Merge as u8 {
                self.merge()?;
                self.stand = Stand::Merged;
                return Ok(true);
            } else {
                self.stand = Stand::Forward;
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn back_from(&mut self, end: Bound<&[u8]>) -> Result<bool> {
        self.leave();
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
        while self.entries.valid() {
            let here = self.entries.user_key();
            if self.range.before(here) {
                break;
            }
            let hidden = self.cover.newest(here);
            if hidden > SeqNo::ZERO && key::split_trailer(self.entries.trailer()).0 < hidden {
                self.entries.skip_back(self.cover.start(), hidden)?;
                continue;
            }
            let mut key = std::mem::take(&mut self.aside.key);
            key.clear();
            key.extend_from_slice(self.entries.user_key());
            let newest = self.take_newest(&key);
            self.aside.key = key;
            if let Some(Newest { seqno, kind, value }) = newest?
                && kind != Kind::Delete as u8
            {
                if kind == Kind::Merge as u8 {
                    self.merge_back(seqno)?;
                    self.stand = Stand::Back;
                    return Ok(true);
                }
                (self.aside.value, self.aside.seqno, self.aside.kind) = (value, seqno, kind);
                self.stand = Stand::Back;
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The newest visible version of `key`, on whose oldest version the entries stand; they stand before all of its
    /// versions then.
    fn take_newest(&mut self, key: &[u8]) -> Result<Option<Newest>> {
        let mut newest = None;
        let mut steps = 0;
        while self.entries.valid() && key::same(self.entries.user_key(), key) {
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

    /// The newest visible version of the key, unless a range delete hides it.
    fn seek_newest(&mut self, key: &[u8]) -> Result<Option<Newest>> {
        let hidden = if planted(Bug::ShowHidden) { SeqNo::ZERO } else { self.cover.newest(key) };
        // An own write stands before every version.
        for from in [SeqNo::MAX, self.seqno] {
            if self.entries.seek(key, key::seek_trailer(from))?
                && key::same(self.entries.user_key(), key)
                && let Some(newest) = self.visible_here()
            {
                return Ok((newest.seqno >= hidden).then_some(newest));
            }
        }
        Ok(None)
    }

    /// The version that the entries stand on, if it is visible.
    fn visible_here(&self) -> Option<Newest> {
        let (seqno, kind) = key::split_trailer(self.entries.trailer());
        self.visible(seqno).then(|| Newest { seqno, kind, value: self.entries.value_slice() })
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
