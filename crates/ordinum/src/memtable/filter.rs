//! Tells that a memtable does not hold a user key, without a walk through it.
//!
//! Invariant: the bits of a key are set before the first node with it is linked. Whoever can see a commit got to know of it
//! by an acquire, so that it sees the bits of every key of it too.

use std::sync::atomic::{AtomicU64, Ordering};

use super::arena::Mapping;
use crate::prefetch::prefetch;
use crate::sync::step;

/// For so many bytes of a memtable there is one bit: about 18 for an entry of 150 bytes, 5 for one of 40.
const BYTES_PER_BIT: u64 = 8;

/// Bits of user keys: each key has four, in one word.
pub(super) struct Filter {
    /// A power of two of them.
    words: Mapping,
}

impl Filter {
    /// The filter of a memtable of so many bytes.
    pub(super) fn new(bytes: u64) -> Filter {
        let words = (bytes / BYTES_PER_BIT / u64::from(u64::BITS)).max(1).next_power_of_two();
        let words = usize::try_from(words).unwrap_or(1);
        Filter { words: Mapping::new(words) }
    }

    fn word(&self, key_hash: u64) -> &AtomicU64 {
        step();
        let at = usize::try_from(key_hash >> 32).unwrap_or(0) & (self.words.len() - 1);
        &self.words[at]
    }

    /// Adds a user key, by its hash.
    pub(super) fn add(&self, key_hash: u64) {
        let (word, bits) = (self.word(key_hash), bits(key_hash));
        if word.load(Ordering::Relaxed) & bits != bits {
            word.fetch_or(bits, Ordering::Relaxed);
        }
    }

    /// Asks the processor to fetch what tells of a user key, by its hash.
    pub(super) fn prefetch(&self, key_hash: u64) {
        prefetch(self.word(key_hash));
    }

    /// Whether a user key with this hash may have been added; false is certain.
    pub(super) fn may_contain(&self, key_hash: u64) -> bool {
        let bits = bits(key_hash);
        self.word(key_hash).load(Ordering::Relaxed) & bits == bits
    }
}

/// Four bits, chosen by the lower half of the hash, of which the word takes nothing.
fn bits(key_hash: u64) -> u64 {
    [0, 6, 12, 18].iter().fold(0, |bits, shift| bits | 1 << ((key_hash >> shift) & 63))
}
