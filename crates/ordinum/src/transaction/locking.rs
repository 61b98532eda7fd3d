//! Locks of a transaction, and moving its snapshot forward.

use std::time::Duration;

use super::{Check, ReadSet, Transaction, Validation};
use crate::error::{Error, Result};
use crate::family::ColumnFamily;
use crate::key::SeqNo;
use crate::lock::{Interrupt, LockMode, TransactionId};
use crate::reader::KeyRange;
use crate::slice::Slice;

/// What a transaction does before it writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Concurrency {
    /// Nothing: conflicts are found when it commits.
    #[default]
    Optimistic,
    /// It locks what it writes, exclusively, and then looks whether a commit behind its snapshot changed it: who waited for
    /// another's commit is told at the write, not at the end. What was written past the locks is found at the commit.
    Pessimistic,
}

impl Transaction {
    /// Its number, by which errors of others name it.
    pub fn id(&self) -> TransactionId {
        self.held.owner
    }

    /// From now on locks are waited for no longer than this; zero: not at all.
    pub fn set_lock_wait_max(&mut self, wait: Duration) {
        self.options.lock_wait_max = wait;
    }

    /// From now on its waiting for locks ends with [`Error::Interrupted`] when this is raised.
    pub fn set_interrupt(&mut self, interrupt: Interrupt) {
        self.held.set_interrupt(interrupt);
    }

    /// Locks the key, present or absent, until the transaction ends or is rolled back to a savepoint before. A shared lock is
    /// upgraded by asking for the exclusive one.
    ///
    /// The lock alone says nothing of what was committed between the snapshot and the lock: the next write or
    /// [`Transaction::get_for_update`] of the key does, or [`Transaction::refresh_snapshot`] goes behind it.
    ///
    /// # Errors
    /// [`Error::LockTimeout`] if the lock was not given within [`super::TransactionOptions::lock_wait_max`];
    /// [`Error::Deadlock`] if it would never be; [`Error::LimitExceeded`], [`Error::FamilyDropped`], [`Error::Closed`]. Locks
    /// that it has stay, in each case.
    pub fn lock_key(&self, family: &ColumnFamily, key: &[u8], mode: LockMode) -> Result<()> {
        self.db.core().check_family(family)?;
        self.held.key(family, key, mode, self.options.lock_wait_max)
    }

    /// Locks the keys, one after the other, as [`Transaction::lock_key`] does.
    ///
    /// # Errors
    /// As [`Transaction::lock_key`], of the first that is not locked.
    pub fn lock_keys(&self, family: &ColumnFamily, keys: &[&[u8]], mode: LockMode) -> Result<()> {
        self.db.core().check_family(family)?;
        self.held.keys(family, keys, mode, self.options.lock_wait_max)
    }

    /// Locks every key of the range, the absent ones too, as [`Transaction::lock_key`] does.
    ///
    /// A lock holds off those who lock. Two transactions that share it, decide by what they read and then write are kept apart if
    /// they are pessimistic, or by validation of what was read; optimistic ones that validate only writes take an exclusive lock.
    ///
    /// # Errors
    /// As [`Transaction::lock_key`].
    pub fn lock_range(&self, family: &ColumnFamily, range: &KeyRange, mode: LockMode) -> Result<()> {
        self.db.core().check_family(family)?;
        self.held.range(family, range, mode, self.options.lock_wait_max)
    }

    /// Locks the key if that needs no waiting, and returns whether it is locked: who takes work from a queue skips what others
    /// work on.
    ///
    /// # Errors
    /// [`Error::LimitExceeded`], [`Error::FamilyDropped`], [`Error::Closed`].
    pub fn try_lock_key(&self, family: &ColumnFamily, key: &[u8], mode: LockMode) -> Result<bool> {
        self.db.core().check_family(family)?;
        locked(self.held.key(family, key, mode, Duration::ZERO))
    }

    /// Locks the range if that needs no waiting, and returns whether it is locked.
    ///
    /// # Errors
    /// As [`Transaction::try_lock_key`].
    pub fn try_lock_range(&self, family: &ColumnFamily, range: &KeyRange, mode: LockMode) -> Result<bool> {
        self.db.core().check_family(family)?;
        locked(self.held.range(family, range, mode, Duration::ZERO))
    }

    /// Locks the key exclusively, and returns its value. Whatever is validated otherwise, the commit is refused if another
    /// one changes the key past the lock.
    ///
    /// # Errors
    /// As [`Transaction::lock_key`]; [`Error::Conflict`] if a commit behind the snapshot changed the key.
    pub fn get_for_update(&self, family: &ColumnFamily, key: &[u8]) -> Result<Option<Slice>> {
        self.lock_key(family, key, LockMode::Exclusive)?;
        self.check_key_unchanged(family, key)?;
        self.reads.lock().add_key(family.family.id, key);
        Ok(self.read(family, key)?.map(|(value, _)| value))
    }

    /// Locks the key exclusively for a write of it that comes next, and returns its value, as the snapshot and the own writes have
    /// it. A key that is absent is not remembered as read: as a write it is validated all the same. So whoever finds it absent
    /// writes it, or gives the transaction up.
    ///
    /// # Errors
    /// As [`Transaction::get_for_update`].
    pub fn get_to_write(&self, family: &ColumnFamily, key: &[u8]) -> Result<Option<Slice>> {
        self.lock_key(family, key, LockMode::Exclusive)?;
        let found = self.read(family, key)?;
        // A write that is undone leaves behind that the key was absent.
        let is_decided = found.is_some() || self.writes.has_savepoint();
        if is_decided && self.tracks() && !self.is_own(family, key) {
            self.reads.lock().add_key(family.family.id, key);
        }
        // Who wrote it already holds it since; what was read is as it was then.
        self.check_key_unchanged(family, key)?;
        Ok(found.map(|(value, _)| value))
    }

    /// Has the commit, and each [`Transaction::refresh_snapshot`], refused if another one changes the key, whatever is
    /// validated otherwise.
    ///
    /// # Errors
    /// [`Error::FamilyDropped`].
    pub fn depend_on(&self, family: &ColumnFamily, key: &[u8]) -> Result<()> {
        self.db.core().check_family(family)?;
        self.reads.lock().add_key(family.family.id, key);
        Ok(())
    }

    /// The value of the key as of the newest commit, or as the transaction wrote it. Whoever locked the key before knows that
    /// it stays so among those that lock.
    ///
    /// # Errors
    /// As [`Reader::get`].
    pub fn get_latest(&self, family: &ColumnFamily, key: &[u8]) -> Result<Option<Slice>> {
        if self.writes.get(family, key).is_some() {
            return Ok(self.read(family, key)?.map(|(value, _)| value));
        }
        self.db.core().check_family(family)?;
        let (pin, _open) = self.db.core().open_transaction();
        Ok(self.db.core().get_at(family, key, pin.seqno)?.map(|(value, _)| value))
    }

    /// Whether there is no commit behind the snapshot: then nothing has changed of what the transaction locked before.
    pub fn is_newest(&self) -> bool {
        self.db.core().last_commit() == self.pin.seqno
    }

    /// Refuses if a commit behind the snapshot changed the key. Whoever locked it before knows then that what the snapshot
    /// has of it is the newest, among those that lock.
    ///
    /// # Errors
    /// [`Error::Conflict`] if so.
    pub fn check_key_unchanged(&self, family: &ColumnFamily, key: &[u8]) -> Result<()> {
        self.db.core().check_key_unchanged(family, key, self.pin.seqno)
    }

    /// As [`Transaction::check_key_unchanged`], of every key in the range, the absent ones too.
    ///
    /// # Errors
    /// As [`Transaction::check_key_unchanged`].
    pub fn check_range_unchanged(&self, family: &ColumnFamily, range: &KeyRange) -> Result<()> {
        self.check_unchanged(family, range)
    }

    /// Moves the snapshot to the newest commit, and returns its sequence number. Writes, locks and savepoints stay. It costs
    /// what this transaction depends on, and the smaller of what it wrote and what others committed since the snapshot; where
    /// others committed so much that it is not remembered, what it depends on is read again and compared. A
    /// transaction that does so before each statement reads what is committed then, and with
    /// [`Validation::Snapshot`] only its writes have to stay as they were.
    ///
    /// # Errors
    /// [`Error::Conflict`] if a commit since the snapshot changed what this transaction depends on so far. The snapshot is as
    /// before then.
    pub fn refresh_snapshot(&mut self) -> Result<SeqNo> {
        let check = Check { read_at: self.pin.seqno, reads: self.reads.get_mut() };
        let newer = self.db.core().move_transaction(&check, &self.writes)?;
        if let Some(newer) = newer {
            (self.pin, self.open) = newer;
        }
        Ok(self.pin.seqno)
    }

    /// Begins again at the newest commit: what was read and written is forgotten, and savepoints are, but locks stay. Whoever
    /// waited for a lock and found a conflict does not have to wait for it again.
    pub fn begin_again(&mut self) {
        *self.reads.get_mut() = ReadSet::default();
        self.writes.clear();
        self.held.forget_savepoints();
        (self.pin, self.open) = self.db.core().open_transaction();
    }

    /// What a pessimistic transaction does before it writes the key.
    pub(super) fn before_write(&self, family: &ColumnFamily, key: &[u8]) -> Result<()> {
        match self.options.concurrency {
            Concurrency::Optimistic => Ok(()),
            Concurrency::Pessimistic => {
                self.lock_key(family, key, LockMode::Exclusive)?;
                // Who wrote it already knows.
                if self.writes.get(family, key).is_some() {
                    return Ok(());
                }
                self.check_key_unchanged(family, key)
            }
        }
    }

    /// What a pessimistic transaction does before it deletes the range.
    pub(super) fn before_range_write(&self, family: &ColumnFamily, range: &KeyRange) -> Result<()> {
        match self.options.concurrency {
            Concurrency::Optimistic => Ok(()),
            Concurrency::Pessimistic => {
                self.lock_range(family, range, LockMode::Exclusive)?;
                self.check_unchanged(family, range)
            }
        }
    }

    /// Refuses if a commit behind the snapshot changed something in the range.
    fn check_unchanged(&self, family: &ColumnFamily, range: &KeyRange) -> Result<()> {
        self.db.core().check_unchanged(family, range, self.pin.seqno)
    }

    pub(super) fn tracks(&self) -> bool {
        self.options.validation == Validation::Serializable
    }
}

/// Whether a lock was given that was not waited for.
fn locked(result: Result<()>) -> Result<bool> {
    match result {
        Ok(()) => Ok(true),
        Err(Error::LockTimeout { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests;
