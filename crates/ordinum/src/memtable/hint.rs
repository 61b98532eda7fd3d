//! Hints: four bytes of a key, as a big-endian number, that mostly tell which of two keys comes first.
//!
//! Invariant: of two keys that begin with the same bytes, as many as are left out, the lesser never has the greater hint.

#![deny(clippy::indexing_slicing)]

use crate::key;

/// Bytes of a hint.
const HINT_BYTES: usize = 4;

/// How many bytes that all keys of a place begin with are left out of its hints; of none it is what the memtable leaves out.
pub(super) type Skip = u16;

/// What the keys of the memtable before all began with.
#[derive(Clone, Default)]
pub(super) struct Shared(Box<[u8]>);

impl Shared {
    /// What two keys, and so all between them, begin with.
    pub(super) fn of(first: &[u8], last: &[u8]) -> Shared {
        Shared(first.iter().take(shared_bytes(first, last)).copied().collect())
    }

    /// The hint of any key: 0 before those that begin as the keys before did, and the largest number behind them.
    #[inline]
    pub(super) fn hint(&self, key: &[u8]) -> u32 {
        match key.get(self.0.len()..) {
            Some(rest) if key::starts_with(key, &self.0) => first_bytes(rest),
            _ if *key < *self.0 => 0,
            _ => u32::MAX,
        }
    }

    /// The hint of a key in a place that leaves so many bytes out.
    #[inline]
    pub(super) fn hint_behind(&self, key: &[u8], skip: Skip) -> u32 {
        match skip {
            0 => self.hint(key),
            skip => first_bytes(key.get(usize::from(skip)..).unwrap_or_default()),
        }
    }
}

/// How many bytes two keys, and so all between them, have in common at their beginning.
pub(super) fn shared_bytes(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

#[inline]
fn first_bytes(rest: &[u8]) -> u32 {
    match rest.first_chunk::<HINT_BYTES>() {
        Some(first) => u32::from_be_bytes(*first),
        None => (0..HINT_BYTES).fold(0, |hint, at| hint << 8 | u32::from(rest.get(at).copied().unwrap_or(0))),
    }
}
