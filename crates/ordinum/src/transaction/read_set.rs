//! What a transaction read: keys, and the ranges that its cursors went over.
//!
//! Invariant: the set only grows, and a range in it is never smaller than what was gone over.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use crate::family::FamilyId;
use crate::key::KeptKey;
use crate::reader::KeyRange;
use crate::sync::Mutex;

/// A cursor that jumps more often than this is taken to have read everything between its jumps.
const RANGES_PER_CURSOR_MAX: usize = 1024;

/// The keys and ranges that were read.
#[derive(Debug, Default)]
pub(crate) struct ReadSet {
    keys: BTreeMap<FamilyId, BTreeSet<KeptKey>>,
    ranges: Vec<(FamilyId, RangeTracker)>,
}

impl ReadSet {
    pub(super) fn add_key(&mut self, family: FamilyId, key: &[u8]) {
        // Most are read once: to look before would cost as much again.
        self.keys.entry(family).or_default().insert(KeptKey::new(key));
    }

    /// The tracker of a new cursor.
    pub(super) fn track_range(&mut self, family: FamilyId) -> RangeTracker {
        let tracker = RangeTracker::default();
        self.ranges.push((family, tracker.clone()));
        tracker
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = (FamilyId, &[u8])> {
        self.keys.iter().flat_map(|(family, keys)| keys.iter().map(|key| (*family, &**key)))
    }

    /// What `find` returns for the first range for which it returns something.
    pub(super) fn find_range<T>(&self, mut find: impl FnMut(FamilyId, &KeyRange) -> Option<T>) -> Option<T> {
        self.ranges.iter().find_map(|(family, tracker)| {
            let ranges = tracker.ranges.lock();
            ranges.iter().find_map(|range| find(*family, range))
        })
    }
}

/// Where a cursor told, and tells, what it went over.
#[derive(Clone, Debug, Default)]
pub(crate) struct RangeTracker {
    ranges: Arc<Mutex<Vec<KeyRange>>>,
}

impl RangeTracker {
    /// The cursor jumped, and went over `range`.
    pub(crate) fn begin(&self, range: KeyRange) {
        let mut ranges = self.ranges.lock();
        if let Some(last) = ranges.last_mut().filter(|last| touches(last, &range)) {
            join(last, range);
            return;
        }
        ranges.push(range);
        if ranges.len() > RANGES_PER_CURSOR_MAX {
            let all = ranges.drain(..).reduce(|mut all, next| {
                join(&mut all, next);
                all
            });
            ranges.extend(all);
        }
    }

    /// The cursor went on forward, to `end`.
    pub(crate) fn extend_end(&self, end: Bound<Vec<u8>>) {
        if let Some(last) = self.ranges.lock().last_mut() {
            join_end(last, end);
        }
    }

    /// The cursor went on backward, to `start`.
    pub(crate) fn extend_start(&self, start: Bound<Vec<u8>>) {
        if let Some(last) = self.ranges.lock().last_mut() {
            join_start(last, start);
        }
    }
}

/// Whether the ranges overlap.
fn touches(a: &KeyRange, b: &KeyRange) -> bool {
    let apart = |left: &KeyRange, right: &KeyRange| match (&left.end, &right.start) {
        (Bound::Unbounded, _) | (_, Bound::Unbounded) => false,
        (Bound::Included(end) | Bound::Excluded(end), Bound::Included(start) | Bound::Excluded(start)) => {
            end < start
        }
    };
    !apart(a, b) && !apart(b, a)
}

/// Grows `all` until it holds `range` too.
fn join(all: &mut KeyRange, range: KeyRange) {
    join_start(all, range.start);
    join_end(all, range.end);
}

fn join_start(all: &mut KeyRange, start: Bound<Vec<u8>>) {
    let smaller = match (&start, &all.start) {
        (_, Bound::Unbounded) => false,
        (Bound::Unbounded, _) => true,
        (Bound::Included(new), Bound::Excluded(old)) => new <= old,
        (Bound::Included(new) | Bound::Excluded(new), Bound::Included(old) | Bound::Excluded(old)) => {
            new < old
        }
    };
    if smaller {
        all.start = start;
    }
}

fn join_end(all: &mut KeyRange, end: Bound<Vec<u8>>) {
    let larger = match (&end, &all.end) {
        (_, Bound::Unbounded) => false,
        (Bound::Unbounded, _) => true,
        (Bound::Included(new), Bound::Excluded(old)) => new >= old,
        (Bound::Included(new) | Bound::Excluded(new), Bound::Included(old) | Bound::Excluded(old)) => {
            new > old
        }
    };
    if larger {
        all.end = end;
    }
}
