//! Snapshots: a sequence number to read at, pinned until nobody holds it.
//!
//! Invariants:
//! (1) no version is dropped that a pinned sequence number sees, or one at or above the horizon. A pin is taken, and the
//!     horizon raised, under one lock;
//! (2) the horizon never goes back. It is raised here first, then versions are dropped, and the edit of the manifest that
//!     lets go of them makes the horizon durable.

use std::sync::Arc;

use crate::cursor::Cursor;
use crate::db::Db;
use crate::error::{Error, Result};
use crate::family::ColumnFamily;
use crate::key::SeqNo;
use crate::planted::{Bug, planted};
use crate::reader::{KeyRange, Reader};
use crate::slice::Slice;
use crate::sync::{Condvar, Mutex, MutexGuard};

/// Which sequence numbers can be read.
#[derive(Debug, Default)]
pub(crate) struct Pins {
    readable: Mutex<Readable>,
    let_in: Condvar,
}

/// While it is there, no pin is given.
#[derive(Debug)]
pub(crate) struct PinsHeldOff<'a> {
    pins: &'a Pins,
}

impl Drop for PinsHeldOff<'_> {
    fn drop(&mut self) {
        self.pins.readable.lock().is_held_off = false;
        self.pins.let_in.notify_all();
    }
}

#[derive(Debug, Default)]
struct Readable {
    /// Which sequence numbers are pinned, and how often; ascending. A list, which a pin that comes and goes alone takes no memory of.
    pins: Vec<(SeqNo, usize)>,
    /// Every sequence number from this one on can be read.
    oldest: SeqNo,
    /// Whether those who want a pin have to wait.
    is_held_off: bool,
}

impl Readable {
    /// Where the pins of a sequence number are counted, or would be.
    fn place(&self, seqno: SeqNo) -> std::result::Result<usize, usize> {
        // Most are of the newest.
        match self.pins.last() {
            Some((last, _)) if *last < seqno => Err(self.pins.len()),
            _ => self.pins.binary_search_by_key(&seqno, |(pinned, _)| *pinned),
        }
    }

    fn add(&mut self, seqno: SeqNo) {
        match self.place(seqno) {
            Ok(at) => self.pins[at].1 += 1,
            Err(at) => self.pins.insert(at, (seqno, 1)),
        }
    }

    fn remove(&mut self, seqno: SeqNo) {
        if let Ok(at) = self.place(seqno) {
            self.pins[at].1 -= 1;
            if self.pins[at].1 == 0 {
                self.pins.remove(at);
            }
        }
    }
}

impl Pins {
    /// Nothing is pinned, and everything from `oldest` on can be read.
    pub(crate) fn new(oldest: SeqNo) -> Pins {
        let readable = Readable { pins: Vec::new(), oldest, is_held_off: false };
        Pins { readable: Mutex::new(readable), let_in: Condvar::new() }
    }

    /// Pins the sequence number that `choose` returns.
    pub(crate) fn pin(self: &Arc<Self>, choose: impl FnOnce() -> SeqNo) -> Pin {
        let mut readable = self.readable.lock();
        self.let_in(&mut readable);
        let seqno = choose();
        readable.add(seqno);
        Pin { pins: Arc::clone(self), seqno }
    }

    /// Pins this sequence number, if it can be read still.
    pub(crate) fn pin_at(self: &Arc<Self>, asked: SeqNo) -> Result<Pin> {
        let mut readable = self.readable.lock();
        self.let_in(&mut readable);
        let oldest = readable.oldest;
        if asked < oldest && readable.place(asked).is_err() && !planted(Bug::ReadBelowHorizon) {
            return Err(Error::TooOld { asked, oldest });
        }
        readable.add(asked);
        Ok(Pin { pins: Arc::clone(self), seqno: asked })
    }

    /// Raises the horizon to what `horizon` returns, unless it is there already. Returns the pinned sequence numbers, and
    /// the horizon.
    pub(crate) fn raise(&self, horizon: impl FnOnce() -> SeqNo) -> (Vec<SeqNo>, SeqNo) {
        let mut readable = self.readable.lock();
        readable.oldest = readable.oldest.max(horizon());
        (readable.pins.iter().map(|(seqno, _)| *seqno).collect(), readable.oldest)
    }

    /// The horizon: every sequence number from it on can be read.
    pub(crate) fn oldest(&self) -> SeqNo {
        self.readable.lock().oldest
    }

    /// Keeps pins from being given until the returned value is dropped, unless something is pinned at or above `seqno`:
    /// for those who take away what only the newest readers see.
    pub(crate) fn hold_off(&self, seqno: SeqNo) -> Option<PinsHeldOff<'_>> {
        let mut readable = self.readable.lock();
        self.let_in(&mut readable);
        if readable.pins.last().is_some_and(|(last, _)| *last >= seqno) {
            return None;
        }
        readable.is_held_off = true;
        Some(PinsHeldOff { pins: self })
    }

    fn let_in(&self, readable: &mut MutexGuard<'_, Readable>) {
        while readable.is_held_off {
            self.let_in.wait(readable);
        }
    }

    #[cfg(test)]
    pub(crate) fn are_held_off(&self) -> bool {
        self.readable.lock().is_held_off
    }

    /// How many pins there are.
    pub(crate) fn count(&self) -> usize {
        self.readable.lock().pins.iter().map(|(_, count)| *count).sum()
    }
}

/// A pinned sequence number; dropping it gives the pin back.
#[derive(Debug)]
pub(crate) struct Pin {
    pins: Arc<Pins>,
    pub(crate) seqno: SeqNo,
}

impl Drop for Pin {
    fn drop(&mut self) {
        self.pins.readable.lock().remove(self.seqno);
    }
}

/// The database as it was at one sequence number. Clones share the pin.
///
/// ```
/// use std::time::Duration;
///
/// use ordinum::{Batch, Db, Durability, Options, Reader, RetentionWindow};
///
/// # fn main() -> ordinum::Result<()> {
/// # let directory = tempfile::tempdir().unwrap();
/// let an_hour = RetentionWindow::of_age(Duration::from_secs(3600));
/// let options = Options { retention: Some(an_hour), ..Options::default() };
/// let db = Db::open(directory.path().join("data"), options)?;
/// let family = db.default_column_family();
/// let mut written = Vec::new();
/// for value in ["first", "third"] {
///     let mut batch = Batch::new();
///     batch.put(&family, b"draft", value.as_bytes())?;
///     written.push(db.write(batch, Durability::Buffered)?);
/// }
/// // What was overwritten can be read for an hour, as it was behind a commit.
/// let then = db.snapshot_at(written[0])?;
/// assert_eq!(then.get(&family, b"draft")?.as_deref(), Some(&b"first"[..]));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Snapshot {
    db: Db,
    pin: Arc<Pin>,
}

impl Snapshot {
    pub(crate) fn new(db: Db, pin: Pin) -> Snapshot {
        Snapshot { db, pin: Arc::new(pin) }
    }
}

impl Reader for Snapshot {
    fn get_versioned(&self, family: &ColumnFamily, key: &[u8]) -> Result<Option<(Slice, SeqNo)>> {
        self.db.core().get_at(family, key, self.pin.seqno)
    }

    fn multi_get(&self, family: &ColumnFamily, keys: &[&[u8]]) -> Result<Vec<Option<Slice>>> {
        self.db.core().multi_get_at(family, keys, self.pin.seqno)
    }

    fn cursor(&self, family: &ColumnFamily, range: KeyRange) -> Result<Cursor> {
        self.db.core().cursor_at(family, range, self.pin.seqno)
    }

    fn approximate_entries(&self, family: &ColumnFamily, range: &KeyRange) -> Result<u64> {
        self.db.core().approximate_entries(family, range)
    }

    fn seqno(&self) -> SeqNo {
        self.pin.seqno
    }
}
