//! The memory of all memtables together, held to one budget.
//!
//! Invariants:
//! (1) memtables that are written have at most half of the budget, and one batch more: then the largest is sealed;
//! (2) while memtables that wait for their flush have more than the other half, writes wait;
//! (3) the sums are taken anew whenever a memtable is sealed, flushed or dropped, so that no error can gather in them.

use std::sync::atomic::{AtomicU64, Ordering};

use super::core::Core;
use crate::family::ColumnFamily;
use crate::sync::Mutex;

/// What memtables hold, in bytes.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// Those that are written. Grows in the ordered section of commits.
    active: AtomicU64,
    /// Those that wait for their flush.
    sealed: AtomicU64,
    /// Held from looking at the families until the sum is told.
    weighing: Mutex<()>,
}

impl Memory {
    /// Counts space that was given. In the ordered section.
    pub(super) fn give(&self, bytes: u64) {
        self.active.store(self.active.load(Ordering::Relaxed).saturating_add(bytes), Ordering::Relaxed);
    }
}

impl Core {
    /// Seals the largest memtable, if those that are written have reached their half. In the ordered section.
    pub(super) fn keep_budget(&self) {
        if self.memory.active.load(Ordering::Relaxed) <= self.options.write_buffer_budget_bytes / 2 {
            return;
        }
        let active = |family: &ColumnFamily| family.family.view.load().active.bytes();
        let largest = self.live_families().into_iter().max_by_key(active);
        if let Some(family) = largest {
            self.seal(&family.family, 0);
        }
    }

    /// Whether writes must wait until a memtable is flushed.
    pub(super) fn is_over_budget(&self) -> bool {
        self.memory.sealed.load(Ordering::Relaxed) > self.options.write_buffer_budget_bytes / 2
    }

    /// Takes the sum of what is written anew. In the ordered section.
    pub(super) fn weigh_active(&self) {
        let families = self.families.read();
        let bytes = families.values().map(|family| family.family.view.load().active.bytes()).sum();
        self.memory.active.store(bytes, Ordering::Relaxed);
    }

    /// Takes the sum of what waits for its flush anew.
    pub(super) fn weigh_sealed(&self) {
        let _weighing = self.memory.weighing.lock();
        let families = self.families.read();
        let sealed = |family: &ColumnFamily| {
            family.family.view.load().sealed.iter().map(|memtable| memtable.bytes()).sum::<u64>()
        };
        self.memory.sealed.store(families.values().map(sealed).sum(), Ordering::Relaxed);
    }
}
