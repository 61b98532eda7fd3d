//! The ranges that are locked: the key space of a family, cut where a range begins or ends.
//!
//! Invariants:
//! (1) a segment reaches from its first key to that of the next; before the first one nothing is locked;
//! (2) neighbours differ, so that there are at most twice as many segments as ranges that are locked.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::{Interval, LockMode, Request, TransactionId};
use crate::family::FamilyId;

/// How often somebody holds a segment: ranges of one transaction may overlap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Holder {
    owner: TransactionId,
    shared: u32,
    exclusive: u32,
}

impl Holder {
    fn mode(self) -> LockMode {
        if self.exclusive > 0 { LockMode::Exclusive } else { LockMode::Shared }
    }

    fn count(&mut self, mode: LockMode) -> &mut u32 {
        match mode {
            LockMode::Shared => &mut self.shared,
            LockMode::Exclusive => &mut self.exclusive,
        }
    }
}

/// Who holds a segment, ascending.
type Holders = Vec<Holder>;

#[derive(Debug, Default)]
pub(super) struct Ranges {
    families: BTreeMap<FamilyId, BTreeMap<Vec<u8>, Holders>>,
}

impl Ranges {
    pub(super) fn hold(&mut self, request: &Request, interval: &Interval) {
        let segments = self.families.entry(request.family).or_default();
        cut(segments, &interval.start);
        if let Some(end) = &interval.end {
            cut(segments, end);
        }
        for (_, holders) in segments.range_mut::<[u8], _>(bounds(interval)) {
            let at = holders.partition_point(|holder| holder.owner < request.owner);
            if holders.get(at).is_none_or(|holder| holder.owner != request.owner) {
                holders.insert(at, Holder { owner: request.owner, shared: 0, exclusive: 0 });
            }
            *holders[at].count(request.mode) += 1;
        }
    }

    pub(super) fn let_go(&mut self, request: &Request, interval: &Interval) {
        let Some(segments) = self.families.get_mut(&request.family) else { return };
        for (_, holders) in segments.range_mut::<[u8], _>(bounds(interval)) {
            for holder in holders.iter_mut().filter(|holder| holder.owner == request.owner) {
                let count = holder.count(request.mode);
                *count = count.saturating_sub(1);
            }
            holders.retain(|holder| holder.shared > 0 || holder.exclusive > 0);
        }
        join(segments, interval);
        if segments.is_empty() {
            self.families.remove(&request.family);
        }
    }

    /// Whether the transaction holds every key of the interval, at least so.
    pub(super) fn covers(&self, request: &Request, interval: &Interval) -> bool {
        let Some(segments) = self.families.get(&request.family) else { return false };
        let covered = |holders: &Holders| {
            holders.iter().any(|holder| holder.owner == request.owner && holder.mode() >= request.mode)
        };
        let first = segments.range::<[u8], _>(up_to(&interval.start)).next_back();
        let behind = (Bound::Excluded(interval.start.as_slice()), bounds(interval).1);
        first.is_some_and(|(_, holders)| covered(holders))
            && segments.range::<[u8], _>(behind).all(|(_, holders)| covered(holders))
    }

    pub(super) fn covers_key(&self, request: &Request, key: &[u8]) -> bool {
        self.at(request.family, key)
            .iter()
            .any(|holder| holder.owner == request.owner && holder.mode() >= request.mode)
    }

    pub(super) fn holders_against(
        &self,
        request: &Request,
        interval: &Interval,
        found: &mut Vec<TransactionId>,
    ) {
        found.extend(against(request, self.at(request.family, &interval.start)));
        let Some(segments) = self.families.get(&request.family) else { return };
        let behind = (Bound::Excluded(interval.start.as_slice()), bounds(interval).1);
        for (_, holders) in segments.range::<[u8], _>(behind) {
            found.extend(against(request, holders));
        }
    }

    pub(super) fn holders_against_key(&self, request: &Request, key: &[u8], found: &mut Vec<TransactionId>) {
        found.extend(against(request, self.at(request.family, key)));
    }

    /// Who holds the segment that the key is in.
    fn at(&self, family: FamilyId, key: &[u8]) -> &[Holder] {
        let segments = self.families.get(&family);
        let segment = segments.and_then(|segments| segments.range::<[u8], _>(up_to(key)).next_back());
        segment.map_or(&[], |(_, holders)| holders.as_slice())
    }

    #[cfg(test)]
    pub(super) fn segments(&self) -> usize {
        self.families.values().map(BTreeMap::len).sum()
    }
}

fn against<'a>(request: &'a Request, holders: &'a [Holder]) -> impl Iterator<Item = TransactionId> + 'a {
    let others = holders.iter().filter(|holder| holder.owner != request.owner);
    others.filter(|holder| request.mode.excludes(holder.mode())).map(|holder| holder.owner)
}

fn bounds(interval: &Interval) -> (Bound<&[u8]>, Bound<&[u8]>) {
    let end = interval.end.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
    (Bound::Included(interval.start.as_slice()), end)
}

fn up_to(key: &[u8]) -> (Bound<&[u8]>, Bound<&[u8]>) {
    (Bound::Unbounded, Bound::Included(key))
}

/// Makes a segment begin at the key.
fn cut(segments: &mut BTreeMap<Vec<u8>, Holders>, at: &[u8]) {
    let before = segments.range::<[u8], _>(up_to(at)).next_back();
    if before.is_some_and(|(start, _)| start == at) {
        return;
    }
    let holders = before.map(|(_, holders)| holders.clone()).unwrap_or_default();
    segments.insert(at.to_vec(), holders);
}

/// Joins the segments from the start of the interval through its end with those before them that have the same holders.
fn join(segments: &mut BTreeMap<Vec<u8>, Holders>, interval: &Interval) {
    let start = Bound::Excluded(interval.start.as_slice());
    let mut before =
        segments.range::<[u8], _>((Bound::Unbounded, Bound::Excluded(interval.start.as_slice())));
    let mut left = before.next_back().map(|(_, holders)| holders.clone()).unwrap_or_default();
    let end = interval.end.as_deref().map_or(Bound::Unbounded, Bound::Included);
    let mut superfluous = Vec::new();
    let first = segments.get_key_value(interval.start.as_slice());
    for (key, holders) in first.into_iter().chain(segments.range::<[u8], _>((start, end))) {
        if *holders == left {
            superfluous.push(key.clone());
        } else {
            left.clone_from(holders);
        }
    }
    for key in superfluous {
        segments.remove(&key);
    }
}
