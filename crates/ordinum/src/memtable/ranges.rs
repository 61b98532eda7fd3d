//! The range tombstones of a memtable, beside its entries.
//!
//! Invariant: they are added in the ordered section of commits, in the order of their sequence numbers, before the commit is
//! visible; who reads takes what is there, and sees of it what is at or below its own number.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use crate::range_delete::{RangeTombstone, RangeTombstones};

/// The range tombstones of a memtable.
#[derive(Debug, Default)]
pub(super) struct Ranges {
    /// So that who meets none takes no lock.
    any: AtomicBool,
    tombstones: Mutex<Arc<RangeTombstones>>,
}

impl Ranges {
    /// Adds tombstones that are newer than those before. Called in the ordered section only.
    pub(super) fn add(&self, tombstones: &[RangeTombstone]) {
        let mut all = self.tombstones.lock();
        let changed = Arc::make_mut(&mut all);
        tombstones.iter().for_each(|tombstone| changed.insert(tombstone.clone()));
        self.any.store(!changed.is_empty(), Ordering::Release);
    }

    /// Those that are there now, or none if there are none.
    pub(super) fn load(&self) -> Option<Arc<RangeTombstones>> {
        // A commit that the reader sees was published after its tombstones were added.
        self.any.load(Ordering::Relaxed).then(|| Arc::clone(&self.tombstones.lock()))
    }
}
