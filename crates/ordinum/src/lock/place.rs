//! What a lock is on: a key, or the keys of a half-open range.
//!
//! Invariant: an interval has keys.

use std::ops::Bound;

use crate::key::KeptKey;
use crate::reader::KeyRange;

/// A place that can be locked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Key(KeptKey),
    Range(Interval),
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
