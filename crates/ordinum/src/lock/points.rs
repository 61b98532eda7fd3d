//! The locks of keys in one shard.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::Bound;

use smallvec::SmallVec;

use super::{Granted, Interval, LockMode, Request, TransactionId};
use crate::family::FamilyId;
use crate::key::KeptKey;

/// Who holds a key, and how. One who upgraded has both, so that a rollback can take the stronger one away.
#[derive(Clone, Copy, Debug)]
struct Holder {
    owner: TransactionId,
    shared: bool,
    exclusive: bool,
}

impl Holder {
    fn mode(self) -> LockMode {
        if self.exclusive { LockMode::Exclusive } else { LockMode::Shared }
    }

    fn flag(&mut self, mode: LockMode) -> &mut bool {
        match mode {
            LockMode::Shared => &mut self.shared,
            LockMode::Exclusive => &mut self.exclusive,
        }
    }
}

/// Those who hold a key: mostly one.
type Holders = SmallVec<[Holder; 1]>;
/// The keys that are locked, and who holds them.
type Keys = BTreeMap<KeptKey, Holders>;

/// Some of the keys that are locked.
#[derive(Debug, Default)]
pub(super) struct Shard {
    families: BTreeMap<FamilyId, Keys>,
    /// How many requests for keys of this shard are in the queue.
    pub(super) waiting: usize,
}

impl Shard {
    pub(super) fn len(&self) -> usize {
        self.families.values().map(BTreeMap::len).sum()
    }

    fn holders(&self, family: FamilyId, key: &KeptKey) -> &[Holder] {
        self.families.get(&family).and_then(|keys| keys.get(key)).map_or(&[], SmallVec::as_slice)
    }

    /// Gives the lock, unless somebody holds what excludes it.
    pub(super) fn try_hold(&mut self, request: &Request, key: &KeptKey) -> Option<Granted> {
        // One search finds who holds the key, and the place of who does from now on.
        match self.families.entry(request.family).or_default().entry(key.clone()) {
            Entry::Vacant(place) => {
                add(place.insert(Holders::new()), request);
                Some(Granted::Now)
            }
            Entry::Occupied(mut held) => {
                let holders = held.get_mut();
                if holders.iter().any(|holder| excludes(request, *holder)) {
                    return None;
                }
                if holders.iter().any(|holder| means_as_much(request, *holder)) {
                    return Some(Granted::Before);
                }
                add(holders, request);
                Some(Granted::Now)
            }
        }
    }

    pub(super) fn has(&self, request: &Request, key: &KeptKey) -> bool {
        self.holders(request.family, key).iter().any(|holder| means_as_much(request, *holder))
    }

    pub(super) fn hold(&mut self, request: &Request, key: &KeptKey) {
        add(self.families.entry(request.family).or_default().entry(key.clone()).or_default(), request);
    }

    pub(super) fn let_go(&mut self, request: &Request, key: &KeptKey) {
        let Some(keys) = self.families.get_mut(&request.family) else { return };
        let Entry::Occupied(mut held) = keys.entry(key.clone()) else { return };
        let holders = held.get_mut();
        for holder in holders.iter_mut().filter(|holder| holder.owner == request.owner) {
            *holder.flag(request.mode) = false;
        }
        holders.retain(|holder| holder.shared || holder.exclusive);
        if holders.is_empty() {
            held.remove();
        }
        if keys.is_empty() {
            self.families.remove(&request.family);
        }
    }

    pub(super) fn holders_against(&self, request: &Request, key: &KeptKey, found: &mut Vec<TransactionId>) {
        let holders = self.holders(request.family, key).iter();
        found.extend(holders.filter(|holder| excludes(request, **holder)).map(|holder| holder.owner));
    }

    /// The holders of keys in the interval.
    pub(super) fn holders_in(&self, request: &Request, interval: &Interval, found: &mut Vec<TransactionId>) {
        let Some(keys) = self.families.get(&request.family) else { return };
        let end = interval.end.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let inside = keys.range::<[u8], _>((Bound::Included(interval.start.as_slice()), end));
        let holders = inside.flat_map(|(_, holders)| holders);
        found.extend(holders.filter(|holder| excludes(request, **holder)).map(|holder| holder.owner));
    }
}

/// Counts who asks among those who hold.
fn add(holders: &mut Holders, request: &Request) {
    let at = holders.iter().position(|holder| holder.owner == request.owner).unwrap_or_else(|| {
        holders.push(Holder { owner: request.owner, shared: false, exclusive: false });
        holders.len() - 1
    });
    *holders[at].flag(request.mode) = true;
}

/// Whether who asks has the lock already, or one that means more.
fn means_as_much(request: &Request, holder: Holder) -> bool {
    holder.owner == request.owner && holder.mode() >= request.mode
}

fn excludes(request: &Request, holder: Holder) -> bool {
    holder.owner != request.owner && request.mode.excludes(holder.mode())
}
