//! Which commits readers see.
//!
//! Commits are applied beside each other and become visible in the order of their sequence numbers. Who has applied a commit
//! notes that in a ring, and makes visible what stands there without a gap: the one that closes a gap publishes for all behind
//! it, so that no commit waits for another to run before it can go on to its sync.
//!
//! Invariants:
//! (1) a commit is visible only if every commit before it is applied;
//! (2) the place of a commit is that of its predecessor's sequence number; the commits of a ring's length are on their way at
//!     most, so a note that is newer than what is visible is of the commit that comes next.

use crate::key::SeqNo;
use crate::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use crate::sync::{Condvar, Mutex};

/// The distance that sequence numbers on their way can have: a power of two.
const RING: u64 = 1024;
/// How often a commit looks whether it is visible before it sleeps.
const SPINS: u32 = 64;

/// The place of a commit in the order: its sequence number, and the one before it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turn {
    pub(super) before: SeqNo,
    pub(super) seqno: SeqNo,
}

/// The newest visible commit, and those who wait for one.
#[derive(Debug)]
pub(super) struct Publication {
    visible: AtomicU64,
    /// At the place of a sequence number: that of the commit behind it, once it is applied.
    applied: Box<[AtomicU64]>,
    waiting: AtomicUsize,
    lock: Mutex<()>,
    changed: Condvar,
}

impl Publication {
    pub(super) fn new(visible: SeqNo) -> Publication {
        Publication {
            visible: AtomicU64::new(visible.get()),
            applied: (0..RING).map(|_| AtomicU64::new(0)).collect(),
            waiting: AtomicUsize::new(0),
            lock: Mutex::new(()),
            changed: Condvar::new(),
        }
    }

    pub(super) fn visible(&self) -> SeqNo {
        SeqNo::new(self.visible.load(Ordering::Acquire)).unwrap_or(SeqNo::MAX)
    }

    /// Returns when a commit behind this one may be given its place: called in the ordered section, with the newest.
    pub(super) fn make_room(&self, newest: SeqNo) {
        let visible = self.visible.load(Ordering::Acquire);
        if newest.get().saturating_sub(visible) >= RING {
            self.wait_for(SeqNo::new(newest.get() - RING + 1).unwrap_or(SeqNo::ZERO));
        }
    }

    /// Says that the commit is applied. It is visible as soon as all before it are.
    pub(super) fn applied(&self, turn: Turn) {
        // Both this store and the load below take part in one order with those of others: of two that apply neighbours,
        // one sees the note of the other.
        self.place(turn.before.get()).store(turn.seqno.get(), Ordering::SeqCst);
        let mut advanced = false;
        let mut visible = self.visible.load(Ordering::SeqCst);
        loop {
            let next = self.place(visible).load(Ordering::SeqCst);
            if next <= visible {
                break;
            }
            match self.visible.compare_exchange(visible, next, Ordering::SeqCst, Ordering::SeqCst) {
                Ok(_) => {
                    advanced = true;
                    visible = next;
                }
                Err(now) => visible = now,
            }
        }
        if advanced && self.waiting.load(Ordering::SeqCst) > 0 {
            drop(self.lock.lock());
            self.changed.notify_all();
        }
    }

    /// Returns when the commit is visible.
    pub(super) fn wait_for(&self, seqno: SeqNo) {
        for _ in 0..SPINS {
            if self.visible() >= seqno {
                return;
            }
            std::hint::spin_loop();
        }
        let mut guard = self.lock.lock();
        self.waiting.fetch_add(1, Ordering::SeqCst);
        // Ordered behind the line above, as the exchange in `applied` is before its look at `waiting`.
        while self.visible.load(Ordering::SeqCst) < seqno.get() {
            self.changed.wait(&mut guard);
        }
        self.waiting.fetch_sub(1, Ordering::SeqCst);
    }

    /// Neighbours are on cache lines of their own.
    fn place(&self, seqno: u64) -> &AtomicU64 {
        const LINE: u64 = 8;
        let at = (seqno % (RING / LINE)) * LINE + (seqno / (RING / LINE)) % LINE;
        let at = usize::try_from(at).unwrap_or(0);
        &self.applied[at]
    }
}

#[cfg(test)]
mod tests;
