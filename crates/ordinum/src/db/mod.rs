//! The database: what callers hold.
//!
//! - `core.rs` the shared state, and reading;
//! - `commit.rs` the pipeline of a write, `publication.rs` what of it readers see, `syncing.rs` what of it is durable;
//! - `open.rs` opening, `recovery.rs` what it finds;
//! - `families.rs` creating and dropping column families;
//! - `family_options.rs` changes their options;
//! - `flush.rs` memtables to tables, and logs that are not needed any more;
//! - `ingest.rs` takes tables in that were written outside;
//! - `compact.rs` tables to deeper levels, and `compactions.rs` which of them run;
//! - `backpressure.rs` holds writers back while that is behind;
//! - `range_index.rs` lets go of range deletes that hide nothing more;
//! - `retention.rs` how far back can be read;
//! - `memory.rs` the budget of all memtables;
//! - `interval.rs` syncs of the log that are due at a time;
//! - `verify.rs` reads everything and checks it;
//! - `replica.rs` does what another database did;
//! - `checkpoint.rs` makes a directory of its own of what there is;
//! - `tailing.rs` follows the log, for tails;
//! - `background.rs` who does that, and who waits for it.
//!
//! Lock order: changes of families, flushing or the running compactions, the ordered section of commits, holding pins off, the manifest, the map of families.
//! The ordered section is not held while the log is synced, except where a log is closed.

mod background;
mod backpressure;
mod checkpoint;
mod commit;
mod compact;
mod compactions;
mod core;
mod families;
mod family_options;
mod flush;
mod ingest;
mod interval;
mod memory;
mod open;
mod publication;
mod range_index;
mod recovery;
mod replica;
mod retention;
#[cfg(test)]
pub(crate) mod sync_point;
mod syncing;
mod tailing;
mod verify;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

pub(crate) use backpressure::Pressure;
pub use commit::Commit;
use commit::Numbering;
pub(crate) use core::Core;
pub use recovery::Salvage;
pub(crate) use tailing::FollowedLog;
pub use verify::VerifyReport;

use crate::batch::Batch;
use crate::cursor::Cursor;
use crate::error::Result;
use crate::event::{Event, Ingested};
use crate::family::ColumnFamily;
use crate::history::{HistoryId, Position};
use crate::key::SeqNo;
use crate::options::{Background, Durability, FamilyOptions, Options};
use crate::reader::{KeyRange, Reader};
use crate::slice::Slice;
use crate::snapshot::Snapshot;
use crate::sorted_file::SortedFile;
use crate::stats::Stats;
use crate::transaction::{Transaction, TransactionOptions};

/// An open database. Clones are handles of the same one; it closes when the last handle, snapshot and transaction is gone.
///
/// ```
/// use ordinum::{Batch, Db, Durability, Options, Reader};
///
/// # fn main() -> ordinum::Result<()> {
/// # let directory = tempfile::tempdir().unwrap();
/// let path = directory.path().join("data");
/// let db = Db::open(&path, Options::default())?;
/// let family = db.default_column_family();
/// let mut batch = Batch::new();
/// batch.put(&family, b"ada", b"1815")?;
/// let seqno = db.write(batch, Durability::Synced)?;
///
/// // The second handle is of the same database, which the last one closes.
/// let other = db.clone();
/// drop(db);
/// assert_eq!(other.last_seqno(), seqno);
/// drop(other);
/// let db = Db::open(&path, Options::default())?;
/// assert_eq!(db.get(&db.default_column_family(), b"ada")?.as_deref(), Some(&b"1815"[..]));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Db {
    handle: Arc<Handle>,
}

/// The one owner of an open database: its drop closes it.
struct Handle {
    core: Arc<Core>,
    threads: background::Threads,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.threads.stop(&self.core);
        // Nobody is left to hear of an error; recovery does not depend on an orderly end.
        drop(self.core.close());
    }
}

impl fmt::Debug for Db {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Db({})", self.core().directory.display())
    }
}

impl Db {
    /// Opens the database in the directory, and recovers what was durable when it was last used.
    ///
    /// # Errors
    /// [`crate::Error::Locked`] if it is open already; [`crate::Error::Corrupt`] and
    /// [`crate::Error::MissingFile`] if what was durable is damaged; [`crate::Error::UnknownFormat`] if a newer version wrote it;
    /// [`crate::Error::InvalidArgument`] for options out of range, or if there is no database and none is to be created.
    pub fn open(directory: impl AsRef<Path>, options: Options) -> Result<Db> {
        let core = Arc::new(Core::open(directory.as_ref(), options)?);
        core.live_families().iter().for_each(|family| core.weigh(&family.family));
        core.weigh_active();
        core.weigh_sealed();
        let threads = background::Threads::start(&core);
        Ok(Db { handle: Arc::new(Handle { core, threads }) })
    }

    /// Tells the listener what happened in a call, where no thread does.
    fn told<T>(&self, done: T) -> T {
        match self.core().options.background {
            Background::Manual => self.core().store.notices.tell(),
            Background::Threads => {}
        }
        done
    }

    pub(crate) fn core(&self) -> &Arc<Core> {
        &self.handle.core
    }

    /// Creates a column family, durably.
    ///
    /// # Errors
    /// [`crate::Error::InvalidArgument`] if the name is taken, or an option is out of range.
    pub fn create_column_family(&self, name: &str, options: FamilyOptions) -> Result<ColumnFamily> {
        self.core().create_family(name, options, Numbering::Own, None)
    }

    /// Drops a column family, durably. Its space is given back when the readers that are at work have finished.
    ///
    /// # Errors
    /// [`crate::Error::FamilyDropped`] if it was dropped before; [`crate::Error::InvalidArgument`] for the default one.
    pub fn drop_column_family(&self, family: &ColumnFamily) -> Result<()> {
        self.core().drop_family(family, Numbering::Own)
    }

    /// Changes the options of the family, durably and while it is used. What is written to tables from then on has them; tables
    /// that are there stay as they are until they are merged. Another `compaction_style` rules what is compacted next; an index of
    /// range deletes is built, or given up, before the call returns. Later openings have the options too, unless
    /// [`Options::families`] names the family.
    ///
    /// A compaction filter and a merge operator are code, and stay what the opening was given.
    ///
    /// # Errors
    /// [`crate::Error::InvalidArgument`] for an option out of range; [`crate::Error::FamilyDropped`]; [`crate::Error::Io`] if the
    /// change cannot be made durable. If tables cannot be read for an index of range deletes, the options are those that were
    /// asked for, and readers do without the index until it is asked for again, or the next opening.
    pub fn set_family_options(&self, family: &ColumnFamily, options: FamilyOptions) -> Result<()> {
        self.core().set_family_options(family, options)
    }

    /// The column family with this name.
    pub fn column_family(&self, name: &str) -> Option<ColumnFamily> {
        self.core().find_family(name)
    }

    /// The names of the column families, in the order of their creation.
    pub fn column_families(&self) -> Vec<String> {
        self.core().live_families().iter().map(|family| family.name().to_owned()).collect()
    }

    /// The family that every database has.
    pub fn default_column_family(&self) -> ColumnFamily {
        self.core().default_family.clone()
    }

    /// Applies the batch: all of it or nothing. Returns its sequence number, when it is as durable as asked for.
    /// A batch without operations and header does nothing, and returns the newest sequence number.
    ///
    /// # Errors
    /// [`crate::Error::FamilyDropped`]; [`crate::Error::LimitExceeded`] if it has too many operands on one key ([`Batch::merge`]);
    /// [`crate::Error::Io`] or [`crate::Error::Poisoned`] if the log failed, now or before: it is not known then whether the
    /// batch is durable.
    pub fn write(&self, batch: Batch, durability: Durability) -> Result<SeqNo> {
        self.core().write(&batch, durability, Numbering::Own)
    }

    /// Applies the batch: it is visible, and has its place in the log, when this returns; [`Commit::wait`] makes it durable.
    /// Until then, or until a later commit takes it along, even the end of the process may lose it.
    ///
    /// # Errors
    /// As [`Db::write`].
    pub fn write_unsynced(&self, batch: Batch) -> Result<Commit> {
        Db::commit(self, &batch, None).map(Commit::visible)
    }

    /// Applies the batch with this sequence number, which another database gave: for replicas. Numbers must ascend; there may be
    /// gaps. Even an empty batch takes its number.
    ///
    /// # Errors
    /// As [`Db::write`], and [`crate::Error::OutOfOrder`] if the number is not above the newest one: the batch was
    /// applied before, or this database has commits of its own.
    pub fn write_at(&self, seqno: SeqNo, batch: Batch, durability: Durability) -> Result<SeqNo> {
        self.core().write(&batch, durability, Numbering::At(seqno))
    }

    /// Does what the event of another database tells, with its sequence number: for replicas, which began empty, or as a
    /// checkpoint of that database. Families have the numbers that they have there, and the options that they have here.
    ///
    /// # Errors
    /// As [`Db::write_at`]; [`crate::Error::InvalidArgument`] if the event does not fit what is here.
    pub fn apply(&self, event: &Event<'_>, durability: Durability) -> Result<()> {
        self.core().apply_event(event, durability)
    }

    /// Makes the keys of the family from `start` on and before `end` absent, in one short record: see [`Batch::delete_range`].
    ///
    /// # Errors
    /// As [`Batch::delete_range`] and [`Db::write`].
    pub fn delete_range(
        &self,
        family: &ColumnFamily,
        start: &[u8],
        end: &[u8],
        durability: Durability,
    ) -> Result<SeqNo> {
        let mut batch = Batch::new();
        batch.delete_range(family, start, end)?;
        self.write(batch, durability)
    }

    /// A snapshot of the newest state.
    pub fn snapshot(&self) -> Snapshot {
        let core = self.core();
        Snapshot::new(self.clone(), core.pins.pin(|| core.visible()))
    }

    /// A snapshot of the state as it was behind the commit with this sequence number, as far back as [`Options::retention`]
    /// keeps it, or while it is pinned by another snapshot.
    ///
    /// # Errors
    /// [`crate::Error::TooOld`], which names the oldest sequence number that can be read;
    /// [`crate::Error::InvalidArgument`] for one that is not there yet; [`crate::Error::Closed`].
    pub fn snapshot_at(&self, seqno: SeqNo) -> Result<Snapshot> {
        Ok(Snapshot::new(self.clone(), self.core().pin_past(seqno)?))
    }

    /// The history of this database: random, made with the database and durable. A sequence number means something in its
    /// history only.
    pub fn history(&self) -> HistoryId {
        self.core().history_id()
    }

    /// Where this database is: its history, and the newest sequence number that is durable and that reads see. A commit in the log may
    /// be synced by another one's sync before it is in the memtables.
    pub fn position(&self) -> Position {
        let core = self.core();
        Position { history: self.history(), seqno: core.newest_durable() }
    }

    /// A serializable transaction.
    pub fn transaction(&self) -> Transaction {
        self.transaction_with(TransactionOptions::default())
    }

    /// A transaction.
    pub fn transaction_with(&self, options: TransactionOptions) -> Transaction {
        let (pin, open) = self.core().open_transaction();
        Transaction::new(self.clone(), pin, open, options)
    }

    /// Writes what the family has in memory to tables.
    ///
    /// # Errors
    /// [`crate::Error::Io`] if that fails.
    pub fn flush(&self, family: &ColumnFamily) -> Result<()> {
        self.told(self.core().flush(family))
    }

    /// Writes what all families have in memory to tables.
    ///
    /// # Errors
    /// [`crate::Error::Io`] if that fails.
    pub fn flush_all(&self) -> Result<()> {
        self.core().live_families().iter().try_for_each(|family| self.flush(family))
    }

    /// Flushes the family, and merges what it has in the range into one level, where only versions stay that somebody
    /// can still see.
    ///
    /// # Errors
    /// [`crate::Error::Io`] if that fails; [`crate::Error::Corrupt`] if a table is damaged.
    pub fn compact_range(&self, family: &ColumnFamily, range: KeyRange) -> Result<()> {
        self.told(self.core().compact_range(family, &range))
    }

    /// Makes sorted files ([`crate::TableWriter`]) a part of the family, all of them at once and under one sequence number, which is
    /// returned when it is durable. They are not written again: they get a second name where the file system allows that, and
    /// are copied elsewhere. The files that were given stay, and must not be changed any more. What the family has in memory is flushed.
    ///
    /// Transactions that are open conflict if they read or write in the range of keys of one of the files.
    ///
    /// # Errors
    /// [`crate::Error::NotIngestible`] if a file is none, or the keys of two overlap; [`crate::Error::Corrupt`] if one is
    /// damaged: nothing has happened then. As [`Db::write`] otherwise.
    pub fn ingest(&self, family: &ColumnFamily, files: &[impl AsRef<Path>]) -> Result<SeqNo> {
        let files: Vec<&Path> = files.iter().map(AsRef::as_ref).collect();
        self.core().ingest(family, &files, Numbering::Own)
    }

    /// Ingests files with this sequence number, which another database gave: for replicas.
    ///
    /// # Errors
    /// As [`Db::ingest`], and [`crate::Error::OutOfOrder`].
    pub fn ingest_at(
        &self,
        seqno: SeqNo,
        family: &ColumnFamily,
        files: &[impl AsRef<Path>],
    ) -> Result<SeqNo> {
        let files: Vec<&Path> = files.iter().map(AsRef::as_ref).collect();
        self.core().ingest(family, &files, Numbering::At(seqno))
    }

    /// Writes what an ingestion with this sequence number brought to a sorted file: for replicas, which learn of it from a
    /// [`Tail`].
    ///
    /// # Errors
    /// [`crate::Error::TooOld`] if it cannot be read any more; [`crate::Error::InvalidArgument`] if the family was dropped;
    /// [`crate::Error::NotIngestible`] if a compaction filter took a part of it away.
    pub fn export_ingested(
        &self,
        seqno: SeqNo,
        ingested: &Ingested,
        to: impl AsRef<Path>,
    ) -> Result<SortedFile> {
        self.core().export_ingested(self, seqno, ingested, to.as_ref())
    }

    /// Makes a checkpoint: a directory that can be opened as a database of its own, with exactly the commits up to the sequence
    /// number that is returned. Everything in it is durable then. Tables and closed logs get second names where the
    /// file system allows that, and take no space until they are dropped here; the log that is written is copied. Others read and
    /// write meanwhile.
    ///
    /// The checkpoint begins a history of its own, in which positions of this one are good up to there. Opened with
    /// [`Options::history`] it stays in this one, as a replica.
    ///
    /// The directory must be empty, or not be there. After a crash in the middle it cannot be opened: remove it, or make the
    /// checkpoint again.
    ///
    /// # Errors
    /// [`crate::Error::InvalidArgument`] if there is something else in the directory; [`crate::Error::Io`] if a file cannot be
    /// brought.
    pub fn checkpoint(&self, directory: impl AsRef<Path>) -> Result<SeqNo> {
        self.core().checkpoint(directory.as_ref())
    }

    /// Reads every block of every table, the logs and the manifest, and checks them.
    ///
    /// # Errors
    /// [`crate::Error::Closed`] or [`crate::Error::Poisoned`] if the log cannot be looked at. Damages are no errors of
    /// the call: they are in the report, all of them.
    pub fn verify(&self) -> Result<VerifyReport> {
        self.core().verify()
    }

    /// What the database consists of, and what it has done since it was opened.
    pub fn stats(&self) -> Stats {
        self.core().stats()
    }

    /// Does one piece of background work, and returns whether there was any. For [`crate::Background::Manual`];
    /// beside threads it is harmless.
    ///
    /// # Errors
    /// The error of the work. It changed nothing then, and the next call tries it again, unless writes are poisoned.
    pub fn run_background_step(&self) -> Result<bool> {
        self.told(self.core().run_step())
    }

    /// The newest sequence number that reads see.
    pub fn last_seqno(&self) -> SeqNo {
        self.core().visible()
    }

    /// What this opening cut off behind a damaged place, if it did: see [`crate::RecoveryMode::Salvage`].
    pub fn salvage(&self) -> Option<&Salvage> {
        self.core().salvage.as_ref()
    }

    /// Makes everything written durable, and closes the database. Every other handle gets [`crate::Error::Closed`] from then on.
    ///
    /// # Errors
    /// [`crate::Error::Io`] or [`crate::Error::Poisoned`] if writes could not be made durable.
    pub fn close(&self) -> Result<()> {
        self.handle.threads.stop(self.core());
        self.core().close()
    }
}

impl Reader for Db {
    fn get_versioned(&self, family: &ColumnFamily, key: &[u8]) -> Result<Option<(Slice, SeqNo)>> {
        self.core().get_newest(family, key)
    }

    fn multi_get(&self, family: &ColumnFamily, keys: &[&[u8]]) -> Result<Vec<Option<Slice>>> {
        self.core().multi_get_newest(family, keys)
    }

    fn cursor(&self, family: &ColumnFamily, range: KeyRange) -> Result<Cursor> {
        self.core().cursor_newest(family, range)
    }

    fn approximate_entries(&self, family: &ColumnFamily, range: &KeyRange) -> Result<u64> {
        self.core().approximate_entries(family, range)
    }

    fn seqno(&self) -> SeqNo {
        self.core().visible()
    }
}

#[cfg(test)]
mod compact_tests;
#[cfg(test)]
mod estimate_tests;
#[cfg(test)]
mod failure_tests;
#[cfg(test)]
mod idle_tests;
#[cfg(test)]
mod interval_tests;
#[cfg(test)]
mod log_tests;
#[cfg(test)]
mod memory_tests;
#[cfg(test)]
mod range_delete_tests;
#[cfg(test)]
mod read_path_tests;
#[cfg(test)]
mod retention_tests;
#[cfg(test)]
mod sequenced_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod value_log_tests;
