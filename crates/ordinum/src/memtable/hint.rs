//! Hints: four bytes of a key, as a big-endian number, that mostly tell which of two keys comes first.
//!
//! Invariant: of two keys that begin with the same bytes, as many as are left out, the lesser never has the greater hint.

#![deny(clippy::indexing_slicing)]

use super::arena::At;
use crate::key;

/// Bytes of a hint.
const HINT_BYTES: usize = 4;

/// How many bytes that all keys of a place begin with are left out of its hints; of none it is what the memtable leaves out.
pub(super) type Skip = u16;

/// How the hints of a place are made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Lens {
    /// So many bytes are left out.
    pub(super) skip: Skip,
    /// The node of the list whose key tells what these are, and keys that begin otherwise have a hint that only says on which side
    /// of those they come; 0 where all keys that may come into the place begin alike.
    pub(super) pivot: At,
}

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

    /// The hint of a key in a place where all begin alike.
    #[inline]
    pub(super) fn hint_behind(&self, key: &[u8], skip: Skip) -> u32 {
        match skip {
            0 => self.hint(key),
            skip => first_bytes(key.get(usize::from(skip)..).unwrap_or_default()),
        }
    }
}

/// The hint of a key in a place where many begin as the pivot does.
#[inline]
pub(super) fn hint_beside(key: &[u8], pivot: &[u8], skip: Skip) -> u32 {
    let shared = pivot.get(..usize::from(skip)).unwrap_or(pivot);
    match key.get(shared.len()..) {
        Some(rest) if key::starts_with(key, shared) => first_bytes(rest),
        _ if key < shared => 0,
        _ => u32::MAX,
    }
}

/// How many bytes that two keys begin with, and so all between them, are left out of their hints: no more than leave enough for one.
pub(super) fn skip(a: &[u8], b: &[u8]) -> usize {
    shared_bytes(a, b).min(a.len().min(b.len()).saturating_sub(HINT_BYTES))
}

/// How many bytes two keys, and so all between them, have in common at their beginning.
fn shared_bytes(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

#[inline]
fn first_bytes(rest: &[u8]) -> u32 {
    match rest.first_chunk::<HINT_BYTES>() {
        Some(first) => u32::from_be_bytes(*first),
        None => (0..HINT_BYTES).fold(0, |hint, at| hint << 8 | u32::from(rest.get(at).copied().unwrap_or(0))),
    }
}
