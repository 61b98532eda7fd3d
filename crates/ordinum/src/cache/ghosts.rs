//! What left a part of the cache lately: enough of it to say that more room would have kept something.
//!
//! A place for each item that so much room would hold; a later one takes the place of an earlier one of the same hash. A
//! place holds 32 bits of a hash: now and then it takes one for another, which costs a small step in the wrong direction.

use std::sync::atomic::{AtomicU32, Ordering};

/// However large the cache is, this many say enough about what would be gained.
const PLACES_MAX: u64 = 1 << 20;

/// The hashes of what left.
#[derive(Debug)]
pub(super) struct Ghosts(Box<[AtomicU32]>);

impl Ghosts {
    /// Room for so many, but no more than [`PLACES_MAX`].
    pub(super) fn new(places: u64) -> Ghosts {
        Ghosts((0..places.min(PLACES_MAX)).map(|_| AtomicU32::new(0)).collect())
    }

    /// Something with this hash left.
    pub(super) fn put(&self, hash: u64) {
        if let Some((place, mark)) = self.place(hash) {
            place.store(mark, Ordering::Relaxed);
        }
    }

    /// Whether something with this hash left lately; it is forgotten.
    pub(super) fn take(&self, hash: u64) -> bool {
        let Some((place, mark)) = self.place(hash) else { return false };
        let is_here = place.load(Ordering::Relaxed) == mark;
        if is_here {
            place.store(0, Ordering::Relaxed);
        }
        is_here
    }

    /// What the places take.
    pub(super) fn bytes(&self) -> usize {
        size_of_val(&*self.0)
    }

    fn place(&self, hash: u64) -> Option<(&AtomicU32, u32)> {
        let places = u64::try_from(self.0.len()).ok()?;
        let (low, high) = (hash & 0xffff_ffff, hash >> 32);
        let at = usize::try_from((low * places) >> 32).ok()?;
        let mark = u32::try_from(high).ok()?.max(1);
        self.0.get(at).map(|place| (place, mark))
    }
}
