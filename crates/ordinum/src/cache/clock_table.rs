//! A table of what a cache holds, with a clock hand.
//!
//! Invariants:
//! (1) an item stands in the first free place at or behind the one that its hash names, round the table: between the two
//!     no place is free;
//! (2) at least a quarter of the places is free, and an eighth is taken, if there are more than at first.
//!
//! The hand goes round the places, as in the clock caches of RocksDB: it takes an item with no credit left, and one credit
//! of any other. A new item has one, a used one two: what was asked for once goes before what is asked for again.
#![deny(clippy::indexing_slicing)]

use std::sync::atomic::{AtomicU8, Ordering};

/// The places of a table that is not empty, at first.
const PLACES_MIN: usize = 16;
/// The credit of an item that was put in.
const CREDIT_NEW: u8 = 1;
/// The credit of an item that was used since.
const CREDIT_USED: u8 = 2;

/// What a table holds.
pub(super) trait Item {
    /// Where it stands; the same every time.
    fn hash(&self) -> u64;

    /// The bytes that it takes, but for its place.
    fn bytes(&self) -> u64;

    /// The number of the file that it is of.
    fn file(&self) -> u64;
}

/// An item in its place.
#[derive(Debug)]
pub(super) struct Held<T> {
    pub(super) item: T,
    credit: AtomicU8,
}

impl<T> Held<T> {
    /// Says that it was asked for. Writes nothing if that is known since the hand came by.
    pub(super) fn used(&self) {
        if self.credit.load(Ordering::Relaxed) != CREDIT_USED {
            self.credit.store(CREDIT_USED, Ordering::Relaxed);
        }
    }
}

#[derive(Debug)]
pub(super) struct ClockTable<T> {
    /// None, or a power of two of them.
    places: Vec<Option<Held<T>>>,
    held: usize,
    /// Of the items, without their places.
    bytes: u64,
    hand: usize,
}

impl<T> Default for ClockTable<T> {
    fn default() -> ClockTable<T> {
        ClockTable { places: Vec::new(), held: 0, bytes: 0, hand: 0 }
    }
}

impl<T: Item> ClockTable<T> {
    /// What the items and all places take.
    pub(super) fn bytes(&self) -> u64 {
        let places = self.places.len() * size_of::<Option<Held<T>>>();
        self.bytes + u64::try_from(places).unwrap_or(u64::MAX)
    }

    /// The item with this hash that `is` the one.
    pub(super) fn find(&self, hash: u64, is: impl Fn(&T) -> bool) -> Option<&Held<T>> {
        let mut at = self.home(hash);
        // Some place is free (invariant 2), and an empty table has none at all.
        while let Some(held) = self.places.get(at)?.as_ref() {
            if is(&held.item) {
                return Some(held);
            }
            at = (at + 1) & self.mask();
        }
        None
    }

    /// Puts an item in that is not there.
    pub(super) fn insert(&mut self, item: T) {
        self.bytes += item.bytes();
        if (self.held + 1) * 4 > self.places.len() * 3 {
            self.resize((self.places.len() * 2).max(PLACES_MIN));
        }
        self.put(Held { item, credit: AtomicU8::new(CREDIT_NEW) });
    }

    /// Takes the next item without credit out; none if there is no item.
    pub(super) fn evict(&mut self) -> Option<T> {
        if self.held == 0 {
            return None;
        }
        loop {
            let at = self.hand & self.mask();
            if let Some(held) = self.places.get_mut(at)? {
                match held.credit.get_mut() {
                    0 => {
                        let taken = self.take(at);
                        self.give_back_places();
                        return taken;
                    }
                    credit => *credit -= 1,
                }
            }
            self.hand = at + 1;
        }
    }

    /// Takes all items of these files out; the numbers ascend.
    pub(super) fn take_files(&mut self, files: &[u64]) -> Vec<T> {
        let mut taken = Vec::new();
        for at in 0..self.places.len() {
            // Another may have moved up to the place.
            while let Some(Some(held)) = self.places.get(at)
                && files.binary_search(&held.item.file()).is_ok()
            {
                taken.extend(self.take(at));
            }
        }
        self.give_back_places();
        taken
    }

    fn mask(&self) -> usize {
        self.places.len().wrapping_sub(1)
    }

    /// The place that the hash names.
    fn home(&self, hash: u64) -> usize {
        usize::try_from(hash & 0xffff_ffff).unwrap_or(0) & self.mask()
    }

    /// Keeps invariant 2 with fewer items.
    fn give_back_places(&mut self) {
        let mut places = self.places.len();
        while places > PLACES_MIN && self.held * 8 < places {
            places /= 2;
        }
        if places < self.places.len() {
            self.resize(places);
        }
    }

    /// Puts all items into so many places, which are enough.
    fn resize(&mut self, places: usize) {
        let before =
            std::mem::replace(&mut self.places, std::iter::repeat_with(|| None).take(places).collect());
        self.held = 0;
        before.into_iter().flatten().for_each(|held| self.put(held));
    }

    fn put(&mut self, held: Held<T>) {
        let mut at = self.home(held.item.hash());
        while self.places.get(at).is_some_and(Option::is_some) {
            at = (at + 1) & self.mask();
        }
        if let Some(place) = self.places.get_mut(at) {
            *place = Some(held);
            self.held += 1;
        }
    }

    /// Takes the item at a place out, and moves those behind it up, so that invariant 1 holds.
    fn take(&mut self, at: usize) -> Option<T> {
        let taken = self.places.get_mut(at)?.take()?.item;
        self.held -= 1;
        self.bytes -= taken.bytes();
        let mut free = at;
        let mut next = (at + 1) & self.mask();
        while let Some(held) = self.places.get(next)?.as_ref() {
            let home = self.home(held.item.hash());
            // It may move to the free place if that is not before its home, round the table.
            if (next.wrapping_sub(home) & self.mask()) >= (next.wrapping_sub(free) & self.mask()) {
                self.places.swap(free, next);
                free = next;
            }
            next = (next + 1) & self.mask();
        }
        Some(taken)
    }
}
