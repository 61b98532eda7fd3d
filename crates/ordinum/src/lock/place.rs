//! What a lock is on: a key, or the keys of a half-open range.
//!
//! Invariant: an interval has keys.

use std::hash::{Hash, Hasher};
use std::ops::{Bound, Deref};

use crate::key::KeptKey;
use crate::reader::KeyRange;
use crate::table::hash_key;

/// A place that can be locked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Key(HashedKey),
    Range(Interval),
}

/// A key with its hash: it is looked for when it is locked, and again when its lock is given back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HashedKey {
    hash: u64,
    key: KeptKey,
}

impl HashedKey {
    /// The key of these bytes.
    #[inline]
    pub(crate) fn new(key: &[u8]) -> HashedKey {
        HashedKey { hash: hash_key(key), key: KeptKey::new(key) }
    }

    /// Its hash.
    #[inline]
    pub(super) const fn hash(&self) -> u64 {
        self.hash
    }
}

impl Deref for HashedKey {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        &self.key
    }
}

impl Hash for HashedKey {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

/// The keys from `start` on and before `end`; all from `start` on, if there is no end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Interval {
    pub(super) start: Vec<u8>,
    pub(super) end: Option<Vec<u8>>,
}

impl Interval {
    /// The same keys, or none if there are none.
    pub(crate) fn of(range: &KeyRange) -> Option<Interval> {
        let behind = |key: &[u8]| [key, &[0]].concat();
        let start = match &range.start {
            Bound::Included(key) => key.clone(),
            Bound::Excluded(key) => behind(key),
            Bound::Unbounded => Vec::new(),
        };
        let end = match &range.end {
            Bound::Included(key) => Some(behind(key)),
            Bound::Excluded(key) => Some(key.clone()),
            Bound::Unbounded => None,
        };
        end.as_ref().is_none_or(|end| start < *end).then_some(Interval { start, end })
    }

    pub(super) fn contains(&self, key: &[u8]) -> bool {
        self.start.as_slice() <= key && self.end.as_ref().is_none_or(|end| key < end.as_slice())
    }

    pub(super) fn overlaps(&self, other: &Interval) -> bool {
        let begins_in_time = |a: &Interval, b: &Interval| b.end.as_ref().is_none_or(|end| a.start < *end);
        begins_in_time(self, other) && begins_in_time(other, self)
    }
}

impl Place {
    pub(super) fn overlaps(&self, other: &Place) -> bool {
        match (self, other) {
            (Place::Key(a), Place::Key(b)) => a == b,
            (Place::Key(key), Place::Range(range)) | (Place::Range(range), Place::Key(key)) => {
                range.contains(key)
            }
            (Place::Range(a), Place::Range(b)) => a.overlaps(b),
        }
    }
}
