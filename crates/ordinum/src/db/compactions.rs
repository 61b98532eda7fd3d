//! The compactions that run, and whose turn is next.
//!
//! Invariants:
//! (1) the levels that a compaction is picked from are taken, and its claim is made, under one lock; the claim is given
//!     back after its result took effect: so no two work on the same tables or keys ([`Claim::conflicts`]);
//! (2) while somebody waits to compact a range of a family, nothing else of that family begins.

use std::sync::Arc;
use std::time::Duration;

use crate::compaction::{Claim, Compaction};
use crate::family::{ColumnFamily, FamilyId};
use crate::sync::atomic::Ordering;
use crate::sync::{Condvar, Mutex};
use crate::version::Levels;

/// Every family is looked at so often, whether it changed or not.
const ALL_EVERY: Duration = Duration::from_millis(200);

/// The compactions that run.
#[derive(Debug)]
pub(super) struct Compactions {
    running: Mutex<Running>,
    ended: Condvar,
}

#[derive(Debug)]
struct Running {
    claims: Vec<Ticket>,
    next_ticket: u64,
    /// The families of those who wait to compact a range.
    awaited: Vec<FamilyId>,
    /// The family that had the last turn.
    last_turn: FamilyId,
    /// When all families are looked at next, on the monotonic clock.
    next_look: Duration,
}

#[derive(Debug)]
struct Ticket {
    number: u64,
    family: FamilyId,
    claim: Claim,
}

/// A compaction that may run; dropping it gives its claim back.
pub(super) struct Turn<'a> {
    compactions: &'a Compactions,
    number: u64,
    pub(super) family: ColumnFamily,
    /// The levels that it was picked from.
    pub(super) levels: Arc<Levels>,
    pub(super) compaction: Compaction,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut running = self.compactions.running.lock();
        running.claims.retain(|ticket| ticket.number != self.number);
        // What it claimed may be compacted now.
        self.family.family.changed.store(true, Ordering::Release);
        drop(running);
        self.compactions.ended.notify_all();
    }
}

impl Compactions {
    pub(super) fn new() -> Compactions {
        let running = Running {
            claims: Vec::new(),
            next_ticket: 0,
            awaited: Vec::new(),
            last_turn: FamilyId(0),
            next_look: Duration::ZERO,
        };
        Compactions { running: Mutex::new(running), ended: Condvar::new() }
    }

    /// Does something while no compaction of the family begins or ends; it is told what those that run work on.
    pub(super) fn with_claims<T>(&self, family: &ColumnFamily, act: impl FnOnce(&[Claim]) -> T) -> T {
        let running = self.running.lock();
        act(&running.claims_of(family))
    }

    /// Whether every family is to be looked at, now that it is `now`.
    pub(super) fn is_time_for_all(&self, now: Duration) -> bool {
        let mut running = self.running.lock();
        let is_time = running.next_look <= now;
        if is_time {
            running.next_look = now.saturating_add(ALL_EVERY);
        }
        is_time
    }

    /// How many run.
    pub(super) fn count(&self) -> usize {
        self.running.lock().claims.len()
    }

    /// A compaction of the first of the families that has one; they take turns.
    pub(super) fn turn(
        &self,
        mut families: Vec<ColumnFamily>,
        pick: impl Fn(&ColumnFamily, &Levels, &[Claim]) -> Option<Compaction>,
    ) -> Option<Turn<'_>> {
        let mut running = self.running.lock();
        families.sort_unstable_by_key(|family| family.family.id);
        let behind = families.partition_point(|family| family.family.id <= running.last_turn);
        families.rotate_left(behind);
        families.retain(|family| !running.awaited.contains(&family.family.id));
        families.into_iter().find_map(|family| {
            // Before the levels are taken: a flush behind that has the family looked at again.
            family.family.changed.store(false, Ordering::Release);
            let levels = Arc::clone(&family.family.view.load().levels);
            let compaction = pick(&family, &levels, &running.claims_of(&family))?;
            // There may be more.
            family.family.changed.store(true, Ordering::Release);
            running.last_turn = family.family.id;
            Some(self.begin(&mut running, family, levels, compaction))
        })
    }

    /// A compaction of the family that is asked for: waits until nothing that runs conflicts with it. None if there is
    /// nothing to do.
    pub(super) fn turn_of<T>(
        &self,
        family: &ColumnFamily,
        pick: impl Fn(&Levels) -> Option<(Compaction, T)>,
    ) -> Option<(Turn<'_>, T)> {
        let mut running = self.running.lock();
        running.awaited.push(family.family.id);
        let picked = loop {
            let levels = Arc::clone(&family.family.view.load().levels);
            let Some((compaction, with)) = pick(&levels) else { break None };
            let claim = Claim::of(&compaction);
            if !running.claims_of(family).iter().any(|other| other.conflicts(&claim)) {
                break Some((self.begin(&mut running, family.clone(), levels, compaction), with));
            }
            self.ended.wait(&mut running);
        };
        if let Some(at) = running.awaited.iter().position(|id| *id == family.family.id) {
            running.awaited.swap_remove(at);
        }
        picked
    }

    fn begin(
        &self,
        running: &mut Running,
        family: ColumnFamily,
        levels: Arc<Levels>,
        compaction: Compaction,
    ) -> Turn<'_> {
        let number = running.next_ticket;
        running.next_ticket += 1;
        let claim = Claim::of(&compaction);
        running.claims.push(Ticket { number, family: family.family.id, claim });
        Turn { compactions: self, number, family, levels, compaction }
    }

    /// Returns when nothing runs.
    pub(super) fn wait_for_end(&self) {
        let mut running = self.running.lock();
        while !running.claims.is_empty() {
            self.ended.wait(&mut running);
        }
    }
}

impl Running {
    fn claims_of(&self, family: &ColumnFamily) -> Vec<Claim> {
        let of_family = self.claims.iter().filter(|ticket| ticket.family == family.family.id);
        of_family.map(|ticket| ticket.claim.clone()).collect()
    }
}

#[cfg(test)]
mod tests;
