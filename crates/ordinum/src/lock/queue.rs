//! Those who wait for locks, and what each waits for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::ranges::Ranges;
use super::{Interrupt, LockTable, Place, Request, TransactionId};
use crate::sync::Condvar;
use crate::sync::atomic::Ordering;

/// One who waits.
#[derive(Debug)]
pub(super) struct Waiter {
    pub(super) request: Request,
    /// What came of it, and only the one who waited does not know it yet.
    pub(super) outcome: Option<Outcome>,
    pub(super) wake: Arc<Condvar>,
    /// What ends the waiting from outside.
    pub(super) interrupt: Interrupt,
}

/// What came of waiting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Granted,
    /// Others got locks in such an order that it would wait in this circle for ever.
    Circle(Vec<TransactionId>),
}

/// Whom a request passes that came later than others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Passing {
    Nobody,
    /// Those who wait for it themselves.
    WhoWaits,
}

/// Those who wait, in the order in which they came, and the ranges that are locked.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiters: BTreeMap<u64, Waiter>,
    next_ticket: u64,
    pub(super) ranges: Ranges,
}

impl Queue {
    pub(super) fn push(&mut self, waiter: Waiter) -> u64 {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        self.waiters.insert(ticket, waiter);
        ticket
    }

    pub(super) fn get(&self, ticket: u64) -> Option<&Waiter> {
        self.waiters.get(&ticket)
    }

    pub(super) fn remove(&mut self, ticket: u64) -> Option<Waiter> {
        self.waiters.remove(&ticket)
    }

    /// Tells the one who waits what came of it; it does not stand in the queue any more.
    pub(super) fn tell(&mut self, ticket: u64, outcome: Outcome) {
        if let Some(waiter) = self.waiters.get_mut(&ticket) {
            waiter.outcome = Some(outcome);
            waiter.wake.notify_one();
        }
    }

    pub(super) fn wake(&self, whom: impl Fn(&Waiter) -> bool) {
        self.waiters.values().filter(|waiter| whom(waiter)).for_each(|waiter| {
            waiter.wake.notify_one();
        });
    }

    /// Those that still wait, first come first.
    pub(super) fn tickets(&self) -> Vec<u64> {
        self.still_waiting().map(|(ticket, _)| ticket).collect()
    }

    pub(super) fn has_waiters(&self) -> bool {
        self.still_waiting().next().is_some()
    }

    pub(super) fn waiting(&self) -> usize {
        self.still_waiting().count()
    }

    pub(super) fn waiting_for_ranges(&self) -> usize {
        self.still_waiting().filter(|(_, request)| matches!(request.place, Place::Range(_))).count()
    }

    fn still_waiting(&self) -> impl Iterator<Item = (u64, &Request)> {
        let waiters = self.waiters.iter().filter(|(_, waiter)| waiter.outcome.is_none());
        waiters.map(|(ticket, waiter)| (*ticket, &waiter.request))
    }

    /// What the transaction waits for.
    fn requests_of(&self, owner: TransactionId) -> impl Iterator<Item = (u64, &Request)> {
        self.still_waiting().filter(move |(_, request)| request.owner == owner)
    }

    /// The others that came before `ticket`, and wait for what excludes the request.
    pub(super) fn waiters_against<'a>(
        &'a self,
        request: &'a Request,
        ticket: u64,
    ) -> impl Iterator<Item = TransactionId> + 'a {
        let earlier = self.still_waiting().take_while(move |(other, _)| *other < ticket);
        let against = earlier.filter(move |(_, other)| {
            other.owner != request.owner
                && other.family == request.family
                && other.mode.excludes(request.mode)
                && other.place.overlaps(&request.place)
        });
        against.map(|(_, other)| other.owner)
    }
}

impl LockTable {
    /// Whether `owner` waits, through locks that others hold, for `target`.
    pub(super) fn waits_for(&self, queue: &Queue, owner: TransactionId, target: TransactionId) -> bool {
        let (mut seen, mut next) = (BTreeSet::from([owner]), vec![owner]);
        while let Some(owner) = next.pop() {
            for (_, request) in queue.requests_of(owner) {
                for holder in self.holders_against(queue, request) {
                    if holder == target {
                        return true;
                    }
                    if seen.insert(holder) {
                        next.push(holder);
                    }
                }
            }
        }
        false
    }

    /// The circle of waiting that goes through the request, beginning with its owner, if there is one.
    pub(super) fn circle(&self, queue: &Queue, ticket: u64, passing: Passing) -> Option<Vec<TransactionId>> {
        let start = queue.get(ticket)?.request.owner;
        // A walk in depth: of each transaction on the path, those before it that are not looked at yet.
        let mut path = vec![(start, self.before(queue, start, passing))];
        let mut seen = BTreeSet::from([start]);
        while let Some((_, untried)) = path.last_mut() {
            match untried.pop() {
                None => drop(path.pop()),
                Some(next) if next == start => return Some(path.iter().map(|(owner, _)| *owner).collect()),
                Some(next) if seen.insert(next) => path.push((next, self.before(queue, next, passing))),
                Some(_) => {}
            }
        }
        None
    }

    /// Whom the transaction waits for, descending.
    fn before(&self, queue: &Queue, owner: TransactionId, passing: Passing) -> Vec<TransactionId> {
        let mut found = Vec::new();
        for (ticket, request) in queue.requests_of(owner) {
            found.extend(self.before_request(queue, ticket, request, passing));
        }
        found.sort_unstable_by(|a, b| b.cmp(a));
        found.dedup();
        found
    }

    /// Whom the request waits for.
    fn before_request(
        &self,
        queue: &Queue,
        ticket: u64,
        request: &Request,
        passing: Passing,
    ) -> Vec<TransactionId> {
        let mut found = self.holders_against(queue, request);
        let earlier = queue.waiters_against(request, ticket);
        found.extend(
            earlier.filter(|earlier| {
                passing == Passing::Nobody || !self.waits_for(queue, *earlier, request.owner)
            }),
        );
        found
    }

    /// Refuses what the transaction waits for in a circle: those who wait for what it was given wait for it now, and it may
    /// wait for one of them, on another thread. Whether there was any.
    pub(super) fn refuse_circles(&self, queue: &mut Queue, owner: TransactionId) -> bool {
        let mut refused = false;
        while let Some((ticket, cycle)) = self.circle_through(queue, owner) {
            if let Some(waiter) = queue.get(ticket) {
                self.withdraw(&waiter.request);
            }
            queue.tell(ticket, Outcome::Circle(cycle));
            self.deadlocks.fetch_add(1, Ordering::Relaxed);
            refused = true;
        }
        refused
    }

    /// A circle of waiting through the transaction, and which of its requests closes it.
    fn circle_through(&self, queue: &Queue, owner: TransactionId) -> Option<(u64, Vec<TransactionId>)> {
        let (any, _) = queue.requests_of(owner).next()?;
        let cycle = self.circle(queue, any, Passing::WhoWaits)?;
        let next = *cycle.get(1)?;
        let mut requests = queue.requests_of(owner);
        let closing = requests.find(|(ticket, request)| {
            self.before_request(queue, *ticket, request, Passing::WhoWaits).contains(&next)
        });
        closing.map(|(ticket, _)| (ticket, cycle))
    }
}
