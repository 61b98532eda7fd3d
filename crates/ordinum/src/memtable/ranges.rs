//! The range tombstones of a memtable, beside its entries.
//!
//! Invariant: they are added in the ordered section of commits, in the order of their sequence numbers, before the commit is
//! visible; who reads takes what is there, and sees of it what is at or below its own number. Where a family has an index, nobody
//! asks before the flush: the map is made of them when somebody does.

use std::sync::Arc;

use crate::range_delete::{RangeTombstone, RangeTombstones};
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicU64, Ordering};

/// The range tombstones of a memtable.
#[derive(Debug, Default)]
pub(super) struct Ranges {
    /// So that who meets none takes no lock.
    count: AtomicU64,
    tombstones: Mutex<Tombstones>,
}

#[derive(Debug, Default)]
struct Tombstones {
    mapped: Arc<RangeTombstones>,
    /// Behind those: not in the map yet.
    added: Vec<RangeTombstone>,
}

impl Ranges {
    /// Adds tombstones that are newer than those before. Called in the ordered section only.
    pub(super) fn add(&self, tombstones: &[RangeTombstone]) {
        self.tombstones.lock().added.extend_from_slice(tombstones);
        self.count.fetch_add(tombstones.len() as u64, Ordering::Release);
    }

    /// How many there are.
    pub(super) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// Those that are there now, or none if there are none.
    pub(super) fn load(&self) -> Option<Arc<RangeTombstones>> {
        // A commit that the reader sees was published after its tombstones were added.
        if self.count() == 0 {
            return None;
        }
        let mut all = self.tombstones.lock();
        let Tombstones { mapped, added } = &mut *all;
        if !added.is_empty() {
            let mapped = Arc::make_mut(mapped);
            added.drain(..).for_each(|tombstone| mapped.insert(tombstone));
        }
        Some(Arc::clone(mapped))
    }
}
