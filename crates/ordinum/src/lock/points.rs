//! The locks of keys in one shard.
//!
//! They are hashed, as a transaction may lock a key or two for every row that it writes, and ranges are locked seldom: who asks for
//! one looks at all keys that are locked.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasherDefault, Hasher};

use smallvec::SmallVec;

use super::place::HashedKey;
use super::{Granted, Interval, LockMode, Place, Request, TransactionId};
use crate::family::FamilyId;

/// Room for so many keys is kept while fewer are locked.
const ROOM_KEPT: usize = 112;
/// A map gives room back of which it uses less than one part of so many.
const ROOM_PARTS: usize = 8;

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
type Keys = HashMap<HashedKey, Holders, BuildHasherDefault<Hashed>>;

/// What was hashed before.
#[derive(Default)]
struct Hashed(u64);

impl Hasher for Hashed {
    fn write(&mut self, bytes: &[u8]) {
        unreachable!("{} bytes that were not hashed", bytes.len())
    }

    #[inline]
    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    #[inline]
    fn finish(&self) -> u64 {
        self.0
    }
}

/// Some of the keys that are locked.
#[derive(Debug, Default)]
pub(super) struct Shard {
    /// A few: those in which nothing is locked go when one comes.
    families: Vec<(FamilyId, Keys)>,
    /// How many requests for keys of this shard are in the queue.
    pub(super) waiting: usize,
}

impl Shard {
    pub(super) fn len(&self) -> usize {
        self.families.iter().map(|(_, keys)| keys.len()).sum()
    }

    #[cfg(test)]
    pub(super) fn room(&self) -> usize {
        self.families.iter().map(|(_, keys)| keys.capacity()).sum()
    }

    fn keys(&self, family: FamilyId) -> Option<&Keys> {
        self.families.iter().find(|(known, _)| *known == family).map(|(_, keys)| keys)
    }

    fn keys_mut(&mut self, family: FamilyId) -> &mut Keys {
        let at = self.families.iter().position(|(known, _)| *known == family).unwrap_or_else(|| {
            self.families.retain(|(_, keys)| !keys.is_empty());
            self.families.push((family, Keys::default()));
            self.families.len() - 1
        });
        &mut self.families[at].1
    }

    fn holders(&self, family: FamilyId, key: &HashedKey) -> &[Holder] {
        self.keys(family).and_then(|keys| keys.get(key)).map_or(&[], SmallVec::as_slice)
    }

    /// Gives the lock, unless somebody holds what excludes it.
    pub(super) fn try_hold(&mut self, request: &Request, key: &HashedKey) -> Option<Granted> {
        // One search finds who holds the key, and the place of who does from now on.
        match self.keys_mut(request.family).entry(key.clone()) {
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

    pub(super) fn has(&self, request: &Request, key: &HashedKey) -> bool {
        self.holders(request.family, key).iter().any(|holder| means_as_much(request, *holder))
    }

    pub(super) fn hold(&mut self, request: &Request, key: &HashedKey) {
        add(self.keys_mut(request.family).entry(key.clone()).or_default(), request);
    }

    /// Gives the lock of a key back.
    pub(super) fn let_go(&mut self, request: Request) {
        let Place::Key(key) = request.place else { return };
        let keys = self.keys_mut(request.family);
        // One search finds who holds the key, and takes it out.
        let Entry::Occupied(mut held) = keys.entry(key) else { return };
        let holders = held.get_mut();
        for holder in holders.iter_mut().filter(|holder| holder.owner == request.owner) {
            *holder.flag(request.mode) = false;
        }
        holders.retain(|holder| holder.shared || holder.exclusive);
        if holders.is_empty() {
            held.remove();
            let room = keys.capacity();
            if room > ROOM_KEPT && keys.len() < room / ROOM_PARTS {
                keys.shrink_to(ROOM_KEPT);
            }
        }
    }

    pub(super) fn holders_against(&self, request: &Request, key: &HashedKey, found: &mut Vec<TransactionId>) {
        let holders = self.holders(request.family, key).iter();
        found.extend(holders.filter(|holder| excludes(request, **holder)).map(|holder| holder.owner));
    }

    /// The holders of keys in the interval.
    pub(super) fn holders_in(&self, request: &Request, interval: &Interval, found: &mut Vec<TransactionId>) {
        let Some(keys) = self.keys(request.family) else { return };
        let inside = keys.iter().filter(|(key, _)| interval.contains(key));
        for holder in inside.flat_map(|(_, holders)| holders).filter(|holder| excludes(request, **holder)) {
            // One transaction may hold most of them.
            if found.last() != Some(&holder.owner) {
                found.push(holder.owner);
            }
        }
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
