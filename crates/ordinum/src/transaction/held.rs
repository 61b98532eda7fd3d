//! The locks that a transaction holds.
//!
//! Invariant: what was given is recorded in the order in which it was given, so that a rollback gives back what came behind
//! its savepoint; dropping the record gives everything back.

use std::sync::Arc;
use std::time::Duration;

use super::within;
use crate::error::{Error, Result};
use crate::family::ColumnFamily;
use crate::key::KEY_BYTES_MAX;
use crate::lock::{
    Granted, HashedKey, Interrupt, Interval, LockMode, LockTable, LockTarget, Place, Refused, Request,
    TransactionId,
};
use crate::reader::KeyRange;
use crate::sync::{Mutex, MutexGuard};

/// The most locks of a transaction.
const LOCKS_MAX: usize = 1 << 22;

pub(super) struct Held {
    table: Arc<LockTable>,
    pub(super) owner: TransactionId,
    interrupt: Interrupt,
    locks: Mutex<Vec<Request>>,
    /// Live savepoints: id, and how many locks there were.
    savepoints: Vec<(u64, usize)>,
}

impl Held {
    pub(super) fn new(table: &Arc<LockTable>) -> Held {
        let owner = table.new_owner();
        Held {
            table: Arc::clone(table),
            owner,
            interrupt: Interrupt::default(),
            locks: Mutex::default(),
            savepoints: Vec::new(),
        }
    }

    pub(super) fn set_interrupt(&mut self, interrupt: Interrupt) {
        interrupt.watch(&self.table);
        self.interrupt = interrupt;
    }

    pub(super) fn key(
        &self,
        family: &ColumnFamily,
        key: &[u8],
        mode: LockMode,
        wait: Duration,
    ) -> Result<()> {
        self.keys(family, &[key], mode, wait)
    }

    /// Locks the keys in their order.
    pub(super) fn keys(
        &self,
        family: &ColumnFamily,
        keys: &[&[u8]],
        mode: LockMode,
        wait: Duration,
    ) -> Result<()> {
        let mut locks = self.locks.lock();
        if keys.len() > 1 {
            locks.reserve(keys.len());
        }
        for key in keys {
            within("a key", key.len(), KEY_BYTES_MAX)?;
            let target = || LockTarget::Key(key.to_vec());
            let request = self.request(family, Place::Key(HashedKey::new(key)), mode);
            let left = self.lock_at_once(&mut locks, request);
            if let Some(request) = left.map_err(|refused| told(refused, family, target))? {
                MutexGuard::unlocked(&mut locks, || self.lock(request, wait))
                    .map_err(|refused| told(refused, family, target))?;
            }
        }
        Ok(())
    }

    pub(super) fn range(
        &self,
        family: &ColumnFamily,
        range: &KeyRange,
        mode: LockMode,
        wait: Duration,
    ) -> Result<()> {
        let Some(interval) = Interval::of(range) else { return Ok(()) };
        let request = self.request(family, Place::Range(interval), mode);
        let left = self.lock_at_once(&mut self.locks.lock(), request);
        let locked = left.and_then(|left| left.map_or(Ok(()), |request| self.lock(request, wait)));
        locked.map_err(|refused| told(refused, family, || LockTarget::Range(range.clone())))
    }

    fn request(&self, family: &ColumnFamily, place: Place, mode: LockMode) -> Request {
        Request { owner: self.owner, family: family.family.id, place, mode }
    }

    /// Takes the lock, unless it is to be waited for: then the request is given back.
    fn lock_at_once(
        &self,
        locks: &mut Vec<Request>,
        request: Request,
    ) -> std::result::Result<Option<Request>, NotLocked> {
        if locks.len() >= LOCKS_MAX {
            return Err(NotLocked::TooMany);
        }
        match self.table.acquire_at_once(&request) {
            Some(Granted::Now) => locks.push(request),
            Some(Granted::Before) => {}
            None => return Ok(Some(request)),
        }
        Ok(None)
    }

    fn lock(&self, request: Request, wait: Duration) -> std::result::Result<(), NotLocked> {
        let granted = self.table.acquire(&request, wait, &self.interrupt);
        if granted.map_err(NotLocked::Refused)? == Granted::Now {
            self.locks.lock().push(request);
        }
        Ok(())
    }

    pub(super) fn savepoint(&mut self, id: u64) {
        let locks = self.locks.get_mut().len();
        self.savepoints.push((id, locks));
    }

    /// Gives back the locks that were taken since the savepoint.
    pub(super) fn rollback_to(&mut self, id: u64) {
        self.savepoints.retain(|(savepoint, _)| *savepoint <= id);
        if let Some((_, locks)) = self.savepoints.last() {
            let behind = self.locks.get_mut().split_off(*locks);
            self.table.release(behind.into_iter().rev());
        }
    }

    /// Forgets all savepoints; the locks stay.
    pub(super) fn forget_savepoints(&mut self) {
        self.savepoints.clear();
    }

    /// Forgets the savepoints after this one; the locks stay.
    pub(super) fn forget_behind(&mut self, id: u64) {
        self.savepoints.retain(|(savepoint, _)| *savepoint <= id);
    }

    /// Forgets the savepoint and those after it; the locks stay.
    pub(super) fn release(&mut self, id: u64) {
        self.savepoints.retain(|(savepoint, _)| *savepoint < id);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.table.release(std::mem::take(self.locks.get_mut()).into_iter().rev());
    }
}

enum NotLocked {
    Refused(Refused),
    TooMany,
}

fn told(refused: NotLocked, family: &ColumnFamily, target: impl FnOnce() -> LockTarget) -> Error {
    let family = family.name().to_owned();
    match refused {
        NotLocked::Refused(Refused::TimeOver { holder }) => {
            Error::LockTimeout { family, target: target(), holder }
        }
        NotLocked::Refused(Refused::Circle { cycle }) => Error::Deadlock { family, target: target(), cycle },
        NotLocked::Refused(Refused::Interrupted) => Error::Interrupted { family, target: target() },
        NotLocked::Refused(Refused::Closed) => Error::Closed,
        NotLocked::TooMany => {
            let limit = LOCKS_MAX as u64;
            Error::LimitExceeded { what: "the locks of a transaction", actual: limit + 1, limit }
        }
    }
}
