//! Snapshots: a sequence number to read at, pinned until nobody holds it.
//!
//! Invariant: no version that a pinned sequence number sees is dropped. A pin is taken, and the horizon of a compaction
//! computed, under one lock.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::cursor::Cursor;
use crate::db::Db;
use crate::error::Result;
use crate::family::ColumnFamily;
use crate::key::SeqNo;
use crate::reader::{KeyRange, Reader};
use crate::slice::Slice;

/// Which sequence numbers are pinned, and how often.
#[derive(Debug, Default)]
pub(crate) struct Pins {
    pins: Mutex<BTreeMap<SeqNo, usize>>,
}

impl Pins {
    /// Pins the sequence number that `choose` returns.
    pub(crate) fn pin(self: &Arc<Self>, choose: impl FnOnce() -> SeqNo) -> Pin {
        let mut pins = self.pins.lock();
        let seqno = choose();
        *pins.entry(seqno).or_default() += 1;
        Pin { pins: Arc::clone(self), seqno }
    }

    /// The sequence numbers that are read at: the pinned ones, and from the one that `newest` returns on, any.
    pub(crate) fn readable(&self, newest: impl FnOnce() -> SeqNo) -> (Vec<SeqNo>, SeqNo) {
        let pins = self.pins.lock();
        let newest = newest();
        (pins.keys().copied().collect(), newest)
    }

    /// How many pins there are.
    pub(crate) fn count(&self) -> usize {
        self.pins.lock().values().sum()
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
        let mut pins = self.pins.pins.lock();
        if let Some(count) = pins.get_mut(&self.seqno) {
            *count -= 1;
            if *count == 0 {
                pins.remove(&self.seqno);
            }
        }
    }
}

/// The database as it was at one sequence number. Clones share the pin.
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
