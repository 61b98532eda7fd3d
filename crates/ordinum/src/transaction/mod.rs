//! Transactions: they read at a snapshot, gather writes, and are validated when they commit. Pessimistic ones lock what they
//! write before, and any may lock keys and ranges ([`locking`]).
//!
//! Invariants:
//! (1) validation, the sequence number and the place in the log are given in one ordered section, so no commit slips
//!     between the check and the write;
//! (2) validation sees every commit that was sequenced after the snapshot, applied or not ([`RecentWrites`] begins to
//!     remember in the ordered section in which the snapshot is chosen);
//! (3) what is read is remembered before it is returned: absent keys as much as present ones, and of a range as much as
//!     a cursor went over;
//! (4) locks are given back once the commit has its place: who waited for one finds the commit, for it waits until its
//!     snapshot is visible.

mod held;
mod keys;
mod locking;
mod overlay;
mod read_set;
mod recent;
mod versions;

use std::fmt;
use std::time::Duration;

use crate::batch::{Batch, check_merge, check_range};
use crate::cursor::Cursor;
use crate::db::{Commit, Db};
use crate::error::{Error, Result};
use crate::family::ColumnFamily;
use crate::key::{KEY_BYTES_MAX, Kind, SeqNo, VALUE_BYTES_MAX};
use crate::merge_operator::Chain;
use crate::options::Durability;
use crate::reader::{KeyRange, Reader};
use crate::slice::Slice;
use crate::snapshot::Pin;
use crate::sync::Mutex;
use held::Held;
pub use locking::Concurrency;
use overlay::Written;
pub(crate) use overlay::{Overlay, OwnWrites};
pub(crate) use read_set::{RangeTracker, ReadSet};
pub(crate) use recent::{OpenTransaction, RecentWrites, Since};
pub(crate) use versions::Versions;

/// What a commit is checked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Validation {
    /// Nothing that the transaction read or writes was changed by a later commit: as if it ran alone.
    #[default]
    Serializable,
    /// Nothing that the transaction writes was changed by a later commit (first committer wins).
    Snapshot,
}

/// Options of a transaction.
#[derive(Clone, Copy, Debug)]
pub struct TransactionOptions {
    /// What the commit is checked for.
    pub validation: Validation,
    /// Whether writes take locks.
    pub concurrency: Concurrency,
    /// How long a lock is waited for; zero: not at all.
    pub lock_wait_max: Duration,
}

impl Default for TransactionOptions {
    /// Serializable and optimistic; locks are waited for a second.
    fn default() -> TransactionOptions {
        TransactionOptions {
            validation: Validation::default(),
            concurrency: Concurrency::default(),
            lock_wait_max: Duration::from_secs(1),
        }
    }
}

/// A point in a transaction to which its writes can be rolled back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Savepoint(u64);

/// A transaction. Dropping it, on any thread, rolls it back and gives back its locks.
///
/// It reads at its snapshot, and over that its own writes.
///
/// ```
/// use ordinum::{Batch, Db, Durability, LockMode, Options, Reader};
///
/// # fn main() -> ordinum::Result<()> {
/// # let directory = tempfile::tempdir().unwrap();
/// # let db = Db::open(directory.path().join("data"), Options::default())?;
/// # let family = db.default_column_family();
/// let mut batch = Batch::new();
/// batch.put(&family, b"job/1", b"waiting")?;
/// batch.put(&family, b"job/2", b"waiting")?;
/// db.write(batch, Durability::Synced)?;
///
/// // Each worker takes a job that nobody works on, and waits for nobody.
/// let (mut one, mut two) = (db.transaction(), db.transaction());
/// assert!(one.try_lock_key(&family, b"job/1", LockMode::Exclusive)?);
/// assert!(!two.try_lock_key(&family, b"job/1", LockMode::Exclusive)?);
/// assert!(two.try_lock_key(&family, b"job/2", LockMode::Exclusive)?);
///
/// // What does not work out is taken back to where it began.
/// one.put(&family, b"job/1", b"done")?;
/// let before = one.savepoint();
/// one.put(&family, b"mail/1", b"half a letter")?;
/// one.rollback_to(before)?;
/// one.commit(Durability::Synced)?;
/// assert_eq!(db.get(&family, b"job/1")?.as_deref(), Some(&b"done"[..]));
/// assert_eq!(db.get(&family, b"mail/1")?, None);
/// // The other one is dropped: its job is free again.
/// drop(two);
/// # Ok(())
/// # }
/// ```
pub struct Transaction {
    db: Db,
    pin: Pin,
    open: OpenTransaction,
    options: TransactionOptions,
    reads: Mutex<ReadSet>,
    writes: Overlay,
    held: Held,
    header: Vec<u8>,
}

impl fmt::Debug for Transaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transaction").field("seqno", &self.pin.seqno).finish_non_exhaustive()
    }
}

impl Transaction {
    pub(crate) fn new(db: Db, pin: Pin, open: OpenTransaction, options: TransactionOptions) -> Transaction {
        let held = Held::new(&db.core().locks);
        Transaction {
            db,
            pin,
            open,
            options,
            reads: Mutex::default(),
            writes: Overlay::default(),
            held,
            header: Vec::new(),
        }
    }

    /// Gives the key a value.
    ///
    /// # Errors
    /// [`Error::LimitExceeded`] if the key or the value is too long; [`Error::FamilyDropped`]. If the transaction is
    /// pessimistic, as [`Transaction::get_for_update`] besides.
    pub fn put(&mut self, family: &ColumnFamily, key: &[u8], value: &[u8]) -> Result<()> {
        self.db.core().check_family(family)?;
        within("a key", key.len(), KEY_BYTES_MAX)?;
        within("a value", value.len(), VALUE_BYTES_MAX)?;
        self.before_write(family, key)?;
        self.writes.set(family, key, Written::Put(Slice::from(value)));
        Ok(())
    }

    /// Sets the value of a key that nobody writes without writing another key too, which this transaction writes in the
    /// ordinary way: the lock of that one guards both, and this one is not locked. The commit is validated as always.
    ///
    /// # Errors
    /// As [`Transaction::put`], but for those of locks.
    pub fn put_beside(&mut self, family: &ColumnFamily, key: &[u8], value: impl Into<Slice>) -> Result<()> {
        let value = value.into();
        self.db.core().check_family(family)?;
        within("a key", key.len(), KEY_BYTES_MAX)?;
        within("a value", value.len(), VALUE_BYTES_MAX)?;
        self.writes.set(family, key, Written::Put(value));
        Ok(())
    }

    /// Makes a key absent of which [`Transaction::put_beside`] tells.
    ///
    /// # Errors
    /// As [`Transaction::put_beside`].
    pub fn delete_beside(&mut self, family: &ColumnFamily, key: &[u8]) -> Result<()> {
        self.db.core().check_family(family)?;
        within("a key", key.len(), KEY_BYTES_MAX)?;
        self.writes.set(family, key, Written::Delete);
        Ok(())
    }

    /// Has the operator of the family change the value of the key, whatever it is when the transaction commits. It is a write
    /// like others: of two transactions that change one key so at the same time, one conflicts.
    ///
    /// # Errors
    /// As [`Transaction::put`]; [`Error::LimitExceeded`] also if what the transaction gives the key, operands and value together,
    /// is longer than [`crate::VALUE_BYTES_MAX`]: its writes are as before then. [`Error::InvalidArgument`] if the family has no operator.
    pub fn merge(&mut self, family: &ColumnFamily, key: &[u8], operand: &[u8]) -> Result<()> {
        self.db.core().check_family(family)?;
        check_merge(family, operand)?;
        within("a key", key.len(), KEY_BYTES_MAX)?;
        self.before_write(family, key)?;
        self.writes.merge(family, key, operand)
    }

    /// Makes the key absent.
    ///
    /// # Errors
    /// As [`Transaction::put`].
    pub fn delete(&mut self, family: &ColumnFamily, key: &[u8]) -> Result<()> {
        self.db.core().check_family(family)?;
        within("a key", key.len(), KEY_BYTES_MAX)?;
        self.before_write(family, key)?;
        self.writes.set(family, key, Written::Delete);
        Ok(())
    }

    /// Makes the keys from `start` on and before `end` absent, at the cost of one operation: those that the transaction wrote
    /// too, and those that others commit before it only if it is told of them as a conflict. From `start` to `start`
    /// there is nothing, and nothing happens.
    ///
    /// # Errors
    /// As [`Transaction::put`], and [`Error::InvalidArgument`] if `end` is before `start`.
    pub fn delete_range(&mut self, family: &ColumnFamily, start: &[u8], end: &[u8]) -> Result<()> {
        self.db.core().check_family(family)?;
        check_range(start, end)?;
        if start < end {
            self.before_range_write(family, &KeyRange::half_open(start, end))?;
            self.writes.delete_range(family, start, end);
        }
        Ok(())
    }

    /// Sets the bytes that stand in the log beside the writes.
    pub fn set_header(&mut self, header: Vec<u8>) {
        self.header = header;
    }

    /// The number of keys that the commit will write, and of ranges that it will delete.
    pub fn len(&self) -> usize {
        self.writes.len()
    }

    /// About how much memory the writes hold, and what undoes them.
    pub const fn write_bytes(&self) -> usize {
        self.writes.bytes()
    }

    /// Whether the transaction wrote nothing.
    pub fn is_empty(&self) -> bool {
        self.writes.len() == 0
    }

    /// A point to which the writes can be rolled back.
    pub fn savepoint(&mut self) -> Savepoint {
        let id = self.writes.savepoint();
        self.held.savepoint(id);
        Savepoint(id)
    }

    /// Undoes the writes since the savepoint, which stays usable, and gives back the locks that were taken since; later
    /// savepoints are gone. What was read stays remembered: it may have decided what was done.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if the savepoint is of another transaction, or was rolled back over or released.
    pub fn rollback_to(&mut self, savepoint: Savepoint) -> Result<()> {
        self.writes.rollback_to(savepoint.0)?;
        self.held.rollback_to(savepoint.0);
        Ok(())
    }

    /// As [`Transaction::rollback_to`], but the locks that were taken since stay, until the savepoint is rolled back to or the
    /// transaction ends: who found that it waited for others' writes does the same again, without waiting again.
    ///
    /// # Errors
    /// As [`Transaction::rollback_to`].
    pub fn undo_to(&mut self, savepoint: Savepoint) -> Result<()> {
        self.writes.rollback_to(savepoint.0)?;
        self.held.forget_behind(savepoint.0);
        Ok(())
    }

    /// Forgets the savepoint and those after it; the writes stay.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] as [`Transaction::rollback_to`].
    pub fn release(&mut self, savepoint: Savepoint) -> Result<()> {
        self.writes.release(savepoint.0)?;
        self.held.release(savepoint.0);
        Ok(())
    }

    /// Whether there is a savepoint to which writes and locks can be rolled back.
    pub fn has_savepoint(&self) -> bool {
        self.writes.has_savepoint()
    }

    /// As [`Reader::get`], but the read is not validated at commit.
    pub fn get_untracked(&self, family: &ColumnFamily, key: &[u8]) -> Result<Option<Slice>> {
        Ok(self.read(family, key)?.map(|(value, _)| value))
    }

    /// As [`Reader::multi_get`], but the reads are not validated at commit.
    ///
    /// # Errors
    /// As [`Reader::multi_get`].
    pub fn multi_get_untracked(&self, family: &ColumnFamily, keys: &[&[u8]]) -> Result<Vec<Option<Slice>>> {
        let own: Vec<Option<&Written>> = keys.iter().map(|key| self.writes.get(family, key)).collect();
        self.read_each(family, keys, &own)
    }

    /// As [`Reader::cursor`], but what it goes over is not validated at commit.
    pub fn cursor_untracked(&self, family: &ColumnFamily, range: KeyRange) -> Result<Cursor> {
        self.open_cursor(family, range, None)
    }

    /// Commits, and returns when the commit is as durable as asked for: its sequence number, or the snapshot of a
    /// transaction that wrote nothing (which is always consistent and is not validated).
    ///
    /// # Errors
    /// [`Error::Conflict`] if a commit after the snapshot changed what this transaction depends on. Nothing is written then;
    /// run it again.
    pub fn commit(self, durability: Durability) -> Result<SeqNo> {
        self.order()?.reach(durability)
    }

    /// Commits: applied, visible and ordered in the log. [`Commit::wait`] makes it durable.
    ///
    /// # Errors
    /// As [`Transaction::commit`].
    pub fn commit_unsynced(self) -> Result<Commit> {
        self.order().map(Commit::visible)
    }

    /// Validates, orders, logs and applies what was written.
    fn order(mut self) -> Result<Commit> {
        if self.writes.len() == 0 {
            return Ok(Commit::nothing_written(self.db.clone(), self.pin.seqno));
        }
        let mut batch = self.batch()?;
        batch.set_header(std::mem::take(&mut self.header))?;
        loop {
            let check = Check { read_at: self.pin.seqno, reads: self.reads.get_mut() };
            let commit = Db::commit(&self.db, &batch, Some(&check));
            let has_forgotten = || self.db.core().has_forgotten(self.pin.seqno);
            if matches!(commit, Err(Error::Conflict { .. })) && has_forgotten() {
                // It is old, and nobody knows what changed: what it depends on is compared, without holding up others.
                self.refresh_snapshot()?;
                continue;
            }
            drop((self.open, self.held));
            return commit;
        }
    }

    /// The writes.
    fn batch(&self) -> Result<Batch> {
        let mut batch = Batch::with_capacity(self.writes.operation_bytes());
        for (family, start, end) in self.writes.ranges() {
            batch.delete_range(family, &start, &end)?;
        }
        for (family, key, value) in self.writes.iter() {
            value.push(&mut batch, family, key)?;
        }
        Ok(batch)
    }

    fn read(&self, family: &ColumnFamily, key: &[u8]) -> Result<Option<(Slice, SeqNo)>> {
        self.db.core().check_family(family)?;
        match self.writes.get(family, key) {
            Some(Written::Put(value)) => Ok(Some((value.clone(), SeqNo::MAX))),
            Some(Written::Delete) => Ok(None),
            Some(Written::Merge(entry)) => {
                self.merged(family, key, entry.clone()).map(|value| Some((value, SeqNo::MAX)))
            }
            None => self.db.core().get_at(family, key, self.pin.seqno),
        }
    }

    /// The values of the keys, of which it wrote these.
    fn read_each(
        &self,
        family: &ColumnFamily,
        keys: &[&[u8]],
        own: &[Option<&Written>],
    ) -> Result<Vec<Option<Slice>>> {
        let mut values = self.db.core().multi_get_at(family, keys, self.pin.seqno)?;
        for ((value, key), _) in values.iter_mut().zip(keys).zip(own).filter(|(_, own)| own.is_some()) {
            *value = self.read(family, key)?.map(|(value, _)| value);
        }
        Ok(values)
    }

    /// Whether what the transaction reads of the key is its own alone.
    fn is_own(&self, family: &ColumnFamily, key: &[u8]) -> bool {
        self.writes.get(family, key).is_some_and(Written::is_whole)
    }

    /// The value that the own operands come to.
    fn merged(&self, family: &ColumnFamily, key: &[u8], entry: Slice) -> Result<Slice> {
        let operator = family.family.operator();
        let mut chain = Chain::new(operator, key, entry)?;
        if !chain.is_complete() {
            match self.db.core().get_at(family, key, self.pin.seqno)? {
                Some((value, _)) => chain.add(operator, key, Kind::Put, value)?,
                None => chain.end(),
            }
        }
        chain.value(operator, key)
    }

    fn open_cursor(
        &self,
        family: &ColumnFamily,
        range: KeyRange,
        tracker: Option<RangeTracker>,
    ) -> Result<Cursor> {
        let own = self.writes.entries(family, &range);
        self.db.core().cursor_over(family, range, self.pin.seqno, own, tracker)
    }
}

impl Reader for Transaction {
    fn get_versioned(&self, family: &ColumnFamily, key: &[u8]) -> Result<Option<(Slice, SeqNo)>> {
        if self.tracks() && !self.is_own(family, key) {
            self.reads.lock().add_key(family.family.id, key);
        }
        self.read(family, key)
    }

    fn multi_get(&self, family: &ColumnFamily, keys: &[&[u8]]) -> Result<Vec<Option<Slice>>> {
        let own: Vec<Option<&Written>> = keys.iter().map(|key| self.writes.get(family, key)).collect();
        if self.tracks() {
            let mut reads = self.reads.lock();
            let others = keys.iter().zip(&own).filter(|(_, own)| !own.is_some_and(Written::is_whole));
            others.for_each(|(key, _)| reads.add_key(family.family.id, key));
        }
        self.read_each(family, keys, &own)
    }

    fn cursor(&self, family: &ColumnFamily, range: KeyRange) -> Result<Cursor> {
        let tracker = self.tracks().then(|| self.reads.lock().track_range(family.family.id));
        self.open_cursor(family, range, tracker)
    }

    fn approximate_entries(&self, family: &ColumnFamily, range: &KeyRange) -> Result<u64> {
        let committed = self.db.core().approximate_entries(family, range)?;
        Ok(committed.saturating_add(self.writes.count(family, range)))
    }

    fn seqno(&self) -> SeqNo {
        self.pin.seqno
    }
}

/// What a commit depends on.
pub(crate) struct Check<'a> {
    pub(crate) read_at: SeqNo,
    pub(crate) reads: &'a ReadSet,
}

fn within(what: &'static str, actual: usize, limit: usize) -> Result<()> {
    if actual <= limit {
        return Ok(());
    }
    Err(Error::LimitExceeded { what, actual: actual as u64, limit: limit as u64 })
}

#[cfg(test)]
mod tests;
