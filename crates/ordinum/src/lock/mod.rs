//! Locks of transactions: shared and exclusive, on keys and on ranges of keys, gaps included.
//!
//! Invariants:
//! (1) two transactions never hold locks that overlap unless both are shared;
//! (2) who asks does not pass those who asked before for something that excludes it, so that nobody starves; only those who
//!     wait for it themselves, for a lock that it holds, are passed;
//! (3) there is never a circle of waiting: whoever would close one is refused, and nothing changes for the others. A lock that
//!     is given can close one too, if several threads wait for one transaction: then the one of them that closes it is refused;
//! (4) while nobody waits for a key of a shard, and no range is locked or waited for, a lock of a key costs the mutex of its
//!     shard; everything else happens under the mutex of the queue. Who joins the queue says so first, then looks at the
//!     shards: a lock that is given meanwhile is seen, and one that is given back later finds the word of the one who waits.
//!
//! Locks exclude each other, and nothing else: writes outside of transactions, and those of optimistic ones, take none. What
//! they change is found when a commit is validated.
//!
//! Lock order: the queue, a shard.

mod interrupt;
mod place;
mod points;
mod queue;
mod ranges;

use std::fmt;
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Clock;
use crate::family::FamilyId;
use crate::padded::Padded;
use crate::planted::{Bug, planted};
use crate::reader::KeyRange;
use crate::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use crate::sync::{Condvar, Mutex, MutexGuard};
pub use interrupt::Interrupt;
pub(crate) use place::{HashedKey, Interval, Place};
use points::Shard;
use queue::{Outcome, Queue, Waiter};

/// The parts that the locks of keys are spread over.
const SHARDS: usize = 16;

/// What a lock excludes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LockMode {
    /// Exclusive locks of others.
    Shared,
    /// All locks of others.
    Exclusive,
}

impl LockMode {
    fn excludes(self, other: LockMode) -> bool {
        self == LockMode::Exclusive || other == LockMode::Exclusive
    }
}

/// The number of a transaction: given once in the life of an open database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransactionId(pub(crate) u64);

impl TransactionId {
    /// The number itself.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for TransactionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// What is locked in a family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LockTarget {
    /// A key, present or absent.
    Key(Vec<u8>),
    /// All keys of a range, present or absent.
    Range(KeyRange),
}

impl fmt::Display for LockTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LockTarget::Key(key) => write!(f, "key \"{}\"", key.escape_ascii()),
            LockTarget::Range(range) => {
                let bound = |bound: &Bound<Vec<u8>>| match bound {
                    Bound::Included(key) | Bound::Excluded(key) => format!("\"{}\"", key.escape_ascii()),
                    Bound::Unbounded => String::new(),
                };
                let end = if matches!(range.end, Bound::Included(_)) { "..=" } else { ".." };
                write!(f, "keys {}{end}{}", bound(&range.start), bound(&range.end))
            }
        }
    }
}

/// The locks of a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct LockStats {
    /// Keys that are locked now.
    pub keys: usize,
    /// Ranges that are locked now.
    pub ranges: usize,
    /// Transactions that wait for a lock now.
    pub waiting: usize,
    /// Locks that had to be waited for.
    pub waits: u64,
    /// Of those: given up because the time was over.
    pub timeouts: u64,
    /// Locks that were refused because waiting for them would have closed a circle.
    pub deadlocks: u64,
}

/// A lock: who asks or has it, for what, and how.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) owner: TransactionId,
    pub(crate) family: FamilyId,
    pub(crate) place: Place,
    pub(crate) mode: LockMode,
}

/// Why a lock was not given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The time is over; this transaction holds, or waits for, what excludes it.
    TimeOver { holder: TransactionId },
    /// Each waits for the next, and the last for the first.
    Circle { cycle: Vec<TransactionId> },
    /// The waiting was ended from outside.
    Interrupted,
    /// The database was closed.
    Closed,
}

/// What came of asking for a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Granted {
    /// The lock was given; it must be given back.
    Now,
    /// The transaction had it already, or one that means more.
    Before,
}

/// All locks of an open database.
#[derive(Debug)]
pub(crate) struct LockTable {
    shards: [Padded<Mutex<Shard>>; SHARDS],
    /// Ranges that are locked or waited for: while there are some, every lock passes by the queue.
    ranges: Padded<AtomicUsize>,
    queue: Mutex<Queue>,
    clock: Arc<dyn Clock>,
    closed: AtomicBool,
    next_owner: AtomicU64,
    waits: AtomicU64,
    timeouts: AtomicU64,
    deadlocks: AtomicU64,
}

impl LockTable {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> LockTable {
        LockTable {
            shards: Default::default(),
            ranges: Padded::default(),
            queue: Mutex::default(),
            clock,
            closed: AtomicBool::new(false),
            next_owner: AtomicU64::new(1),
            waits: AtomicU64::new(0),
            timeouts: AtomicU64::new(0),
            deadlocks: AtomicU64::new(0),
        }
    }

    /// A number for a transaction.
    pub(crate) fn new_owner(&self) -> TransactionId {
        TransactionId(self.next_owner.fetch_add(1, Ordering::Relaxed))
    }

    /// Gives the lock, at once or when those who stand before have given theirs back; refuses after `wait`, or when the
    /// interrupt is raised.
    pub(crate) fn acquire(
        &self,
        request: &Request,
        wait: Duration,
        interrupt: &Interrupt,
    ) -> Result<Granted, Refused> {
        match self.acquire_at_once(request) {
            Some(granted) => Ok(granted),
            None => self.acquire_in_queue(request.clone(), wait, interrupt),
        }
    }

    /// Gives the lock if that takes no more than a look at the key.
    pub(crate) fn acquire_at_once(&self, request: &Request) -> Option<Granted> {
        let Place::Key(key) = &request.place else { return None };
        let mut shard = self.shard(key).lock();
        let is_quiet = shard.waiting == 0 && self.ranges.load(Ordering::SeqCst) == 0;
        if is_quiet { shard.try_hold(request, key) } else { None }
    }

    fn acquire_in_queue(
        &self,
        request: Request,
        wait: Duration,
        interrupt: &Interrupt,
    ) -> Result<Granted, Refused> {
        let mut queue = self.queue.lock();
        if self.closed.load(Ordering::Acquire) {
            return Err(Refused::Closed);
        }
        if self.has(&queue, &request) {
            return Ok(Granted::Before);
        }
        let wake = Arc::new(Condvar::new());
        if !planted(Bug::WaitUnannounced) {
            self.announce(&request);
        }
        let ticket = queue.push(Waiter {
            request,
            outcome: None,
            wake: Arc::clone(&wake),
            interrupt: interrupt.clone(),
        });
        let is_granted = self.grant_if_ready(&mut queue, ticket);
        if planted(Bug::WaitUnannounced)
            && let Some(waiter) = queue.get(ticket)
        {
            self.announce(&waiter.request);
        }
        if is_granted {
            queue.remove(ticket);
            return Ok(Granted::Now);
        }
        if wait.is_zero() {
            return Err(Refused::TimeOver { holder: self.give_up(&mut queue, ticket) });
        }
        if self.circle(&queue, ticket, queue::Passing::Nobody).is_some() {
            // Perhaps one that is broken when somebody passes those who wait for it.
            if let Some(cycle) = self.circle(&queue, ticket, queue::Passing::WhoWaits) {
                self.give_up(&mut queue, ticket);
                self.deadlocks.fetch_add(1, Ordering::Relaxed);
                return Err(Refused::Circle { cycle });
            }
            self.grant_ready(&mut queue);
        }
        self.waits.fetch_add(1, Ordering::Relaxed);
        if let Some(tell) = interrupt.tells() {
            MutexGuard::unlocked(&mut queue, tell);
        }
        self.wait(&mut queue, ticket, &wake, (wait, interrupt))
    }

    fn wait(
        &self,
        queue: &mut MutexGuard<'_, Queue>,
        ticket: u64,
        wake: &Condvar,
        (wait, interrupt): (Duration, &Interrupt),
    ) -> Result<Granted, Refused> {
        let until = self.clock.monotonic().saturating_add(wait);
        loop {
            if queue.get(ticket).is_none_or(|waiter| waiter.outcome.is_some()) {
                return match queue.remove(ticket).and_then(|waiter| waiter.outcome) {
                    Some(Outcome::Circle(cycle)) => Err(Refused::Circle { cycle }),
                    Some(Outcome::Granted) | None => Ok(Granted::Now),
                };
            }
            if self.closed.load(Ordering::Acquire) {
                self.give_up(queue, ticket);
                return Err(Refused::Closed);
            }
            if interrupt.is_raised() {
                self.leave(queue, ticket);
                return Err(Refused::Interrupted);
            }
            let left = until.saturating_sub(self.clock.monotonic());
            if left.is_zero() {
                self.timeouts.fetch_add(1, Ordering::Relaxed);
                let holder = self.leave(queue, ticket);
                return Err(Refused::TimeOver { holder });
            }
            wake.wait_for(queue, left.min(self.clock.patience()));
        }
    }

    /// Waits no longer, and returns somebody who stood before. Those behind may go on; and those who passed its transaction,
    /// because it waited here, may not any more.
    fn leave(&self, queue: &mut Queue, ticket: u64) -> TransactionId {
        let owner = queue.get(ticket).map(|waiter| waiter.request.owner);
        let before = self.give_up(queue, ticket);
        if let Some(owner) = owner {
            self.refuse_circles(queue, owner);
        }
        self.grant_ready(queue);
        before
    }

    /// Takes the request out of the queue, and returns somebody who stood before it.
    fn give_up(&self, queue: &mut Queue, ticket: u64) -> TransactionId {
        let before = queue.get(ticket).map(|waiter| {
            let request = &waiter.request;
            let hard = self.holders_against(queue, request);
            let first = hard.first().copied();
            (request.owner, first.or_else(|| queue.waiters_against(request, ticket).next()))
        });
        if let Some(waiter) = queue.remove(ticket) {
            self.withdraw(&waiter.request);
        }
        before.map_or(TransactionId(0), |(owner, before)| before.unwrap_or(owner))
    }

    /// Gives locks back.
    pub(crate) fn release(&self, requests: impl Iterator<Item = Request>) {
        let mut somebody_waits = false;
        for request in requests {
            match &request.place {
                Place::Key(key) => {
                    let mut shard = self.shard(key).lock();
                    shard.let_go(request);
                    somebody_waits |= shard.waiting > 0;
                }
                Place::Range(interval) => {
                    let mut queue = self.queue.lock();
                    queue.ranges.let_go(&request, interval);
                    self.ranges.fetch_sub(1, Ordering::SeqCst);
                    somebody_waits |= queue.has_waiters();
                }
            }
        }
        if somebody_waits || self.ranges.load(Ordering::SeqCst) > 0 {
            self.grant_ready(&mut self.queue.lock());
        }
    }

    /// Wakes those who wait with this interrupt.
    fn wake(&self, interrupt: &Interrupt) {
        self.queue.lock().wake(|waiter| waiter.interrupt.is(interrupt));
    }

    /// Ends all waiting: the database closes.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.queue.lock().wake(|_| true);
    }

    pub(crate) fn stats(&self) -> LockStats {
        let queue = self.queue.lock();
        LockStats {
            keys: self.shards.iter().map(|shard| shard.lock().len()).sum(),
            ranges: self.ranges.load(Ordering::SeqCst) - queue.waiting_for_ranges(),
            waiting: queue.waiting(),
            waits: self.waits.load(Ordering::Relaxed),
            timeouts: self.timeouts.load(Ordering::Relaxed),
            deadlocks: self.deadlocks.load(Ordering::Relaxed),
        }
    }

    fn shard(&self, key: &HashedKey) -> &Mutex<Shard> {
        // Bits of the hash by which the map of a shard does not spread its keys. The remainder is below the number of shards,
        // which fits.
        let at = usize::try_from((key.hash() >> 32) % SHARDS as u64).unwrap_or(0);
        &self.shards[at]
    }

    /// Says that the request is in the queue: invariant (4).
    fn announce(&self, request: &Request) {
        match &request.place {
            Place::Key(key) => self.shard(key).lock().waiting += 1,
            Place::Range(_) => drop(self.ranges.fetch_add(1, Ordering::SeqCst)),
        }
    }

    fn withdraw(&self, request: &Request) {
        match &request.place {
            Place::Key(key) => self.shard(key).lock().waiting -= 1,
            Place::Range(_) => drop(self.ranges.fetch_sub(1, Ordering::SeqCst)),
        }
    }

    /// Whether the transaction has the lock already, or one that means more.
    fn has(&self, queue: &Queue, request: &Request) -> bool {
        match &request.place {
            Place::Key(key) => {
                self.shard(key).lock().has(request, key) || queue.ranges.covers_key(request, key)
            }
            Place::Range(interval) => queue.ranges.covers(request, interval),
        }
    }

    /// The others that hold what excludes the request, ascending.
    fn holders_against(&self, queue: &Queue, request: &Request) -> Vec<TransactionId> {
        let mut found = Vec::new();
        match &request.place {
            Place::Key(key) => {
                self.shard(key).lock().holders_against(request, key, &mut found);
                queue.ranges.holders_against_key(request, key, &mut found);
            }
            Place::Range(interval) => {
                for shard in &self.shards {
                    shard.lock().holders_in(request, interval, &mut found);
                }
                queue.ranges.holders_against(request, interval, &mut found);
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Gives the lock to the waiting request, if nobody stands before it.
    fn grant_if_ready(&self, queue: &mut Queue, ticket: u64) -> bool {
        let Some(request) = queue.get(ticket).map(|waiter| &waiter.request) else { return false };
        if !self.holders_against(queue, request).is_empty() {
            return false;
        }
        let is_passed = |waiter| self.waits_for(queue, waiter, request.owner);
        if !queue.waiters_against(request, ticket).all(is_passed) {
            return false;
        }
        let request = request.clone();
        match &request.place {
            Place::Key(key) => {
                let mut shard = self.shard(key).lock();
                shard.hold(&request, key);
                shard.waiting -= 1;
            }
            // It stays counted, as a range that is locked.
            Place::Range(interval) => queue.ranges.hold(&request, interval),
        }
        queue.tell(ticket, Outcome::Granted);
        true
    }

    /// Gives locks to all who wait and can have them now, in the order in which they came.
    fn grant_ready(&self, queue: &mut Queue) {
        let mut again = true;
        while std::mem::take(&mut again) {
            for ticket in queue.tickets() {
                let owner = queue.get(ticket).map(|waiter| waiter.request.owner);
                if self.grant_if_ready(queue, ticket)
                    && let Some(owner) = owner
                {
                    // Who stood behind a request that is refused may go on, whether it was looked at already or not.
                    again |= self.refuse_circles(queue, owner);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
