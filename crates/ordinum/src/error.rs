//! What can go wrong, and what the caller should do about it.

use std::io;
use std::path::{Path, PathBuf};

use crate::history::{HistoryId, Position};
use crate::key::SeqNo;
use crate::lock::{LockTarget, TransactionId};

/// The result of an engine operation.
pub type Result<T> = std::result::Result<T, Error>;

/// What the caller should do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// Run the transaction again.
    Retry,
    /// The call itself is wrong.
    FixTheRequest,
    /// Close the database and open it again; the log tells what is durable.
    Reopen,
    /// Data on disk is damaged: restore a backup, or salvage.
    Restore,
    /// The environment refuses: permissions, space, another process.
    Unavailable,
    /// A bug of the engine: report it.
    Bug,
}

/// An error of the engine. It always says where.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused an operation on a file.
    #[error("cannot {operation} {path}: {source}", path = path.display())]
    Io {
        /// What was tried, as a verb.
        operation: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Bytes on disk are not what was written.
    #[error("{file} is damaged at byte {offset}: expected {expected}, found {found}", file = file.display())]
    Corrupt {
        /// The damaged file.
        file: PathBuf,
        /// Where in the file.
        offset: u64,
        /// What should stand there.
        expected: String,
        /// What stands there.
        found: String,
    },
    /// A file that the database refers to is missing.
    #[error("{file} is missing: {why}", file = file.display())]
    MissingFile {
        /// The missing file.
        file: PathBuf,
        /// Who refers to it.
        why: String,
    },
    /// There is no database in the directory, and none is to be created.
    #[error("there is no database at {directory}", directory = directory.display())]
    NoDatabase {
        /// The directory.
        directory: PathBuf,
    },
    /// The directory was written by a version with features that this one does not know.
    #[error("{file} needs a newer version: {what} (written by {written_by})", file = file.display())]
    UnknownFormat {
        /// The file that says so.
        file: PathBuf,
        /// Which version or feature bit.
        what: String,
        /// The version that wrote it.
        written_by: String,
    },
    /// Another process, or another handle of this one, has the directory open.
    #[error("{path} is already open in another process or handle", path = path.display())]
    Locked {
        /// The directory.
        path: PathBuf,
    },
    /// A key, value, batch or option is outside its named limit.
    #[error("{what} is {actual}; the limit is {limit}")]
    LimitExceeded {
        /// What is too large.
        what: &'static str,
        /// How large it is.
        actual: u64,
        /// How large it may be.
        limit: u64,
    },
    /// The call is wrong: an unknown column family, an option outside its range.
    #[error("{message}")]
    InvalidArgument {
        /// What is wrong and what to do.
        message: String,
    },
    /// The column family was dropped.
    #[error("column family {name:?} was dropped")]
    FamilyDropped {
        /// Its name.
        name: String,
    },
    /// An earlier failure left the log in an unknown state: no writes until the database is opened again.
    #[error("writes are stopped since {cause}; close the database and open it again")]
    Poisoned {
        /// The failure that stopped them.
        cause: String,
    },
    /// Writes wait for memory that background work cannot free: it fails, and is tried again. Nothing is lost, and writes go
    /// on once it succeeds.
    #[error("writes wait for background work that fails: {cause}")]
    Stopped {
        /// The failure, when it was last tried.
        cause: String,
    },
    /// The database was closed.
    #[error("the database is closed")]
    Closed,
    /// A commit after the transaction's snapshot changed what it read.
    #[error("another commit ({newer}) changed what this transaction read at {read_at}; run it again")]
    Conflict {
        /// The snapshot of the transaction.
        read_at: SeqNo,
        /// The commit that conflicts.
        newer: SeqNo,
    },
    /// The merge operator of the family could not make a value of what was written.
    #[error("key \"{}\" of column family {family:?} has no value: {message}; put or delete it", key.escape_ascii())]
    MergeFailed {
        /// The column family.
        family: String,
        /// The key.
        key: Vec<u8>,
        /// What the operator said.
        message: String,
    },
    /// The column family was written with another merge operator.
    #[error("column family {family:?} was written with the merge operator {written:?}, and is opened with {}", given.as_ref().map_or_else(|| "none".to_owned(), |name| format!("{name:?}")))]
    MergeOperatorMismatch {
        /// The column family.
        family: String,
        /// The name of the operator that it was written with.
        written: String,
        /// The name of the operator that it was opened with.
        given: Option<String>,
    },
    /// A lock was not given in time.
    #[error(
        "{target} of column family {family:?} is locked by transaction {holder}, and was waited for in vain; run it again"
    )]
    LockTimeout {
        /// The column family.
        family: String,
        /// What was to be locked.
        target: LockTarget,
        /// One that holds it, or waited for it before.
        holder: TransactionId,
    },
    /// The waiting for a lock was ended from outside ([`crate::Interrupt`]).
    #[error("the waiting for {target} of column family {family:?} was interrupted")]
    Interrupted {
        /// The column family.
        family: String,
        /// What was to be locked.
        target: LockTarget,
    },
    /// Waiting for a lock would have closed a circle of transactions that wait for each other.
    #[error(
        "waiting for {target} of column family {family:?} would never end: transactions {} wait for each other; roll back and run it again",
        list(cycle)
    )]
    Deadlock {
        /// The column family.
        family: String,
        /// What was to be locked.
        target: LockTarget,
        /// The transaction that asked, and then each that the one before it waits for; the last one waits for the first.
        cycle: Vec<TransactionId>,
    },
    /// The position lies before what is retained.
    #[error("sequence number {asked} is no longer readable; the oldest is {oldest}")]
    TooOld {
        /// The sequence number asked for.
        asked: SeqNo,
        /// The oldest that can be read.
        oldest: SeqNo,
    },
    /// The position is none of this database: it is in another history, or was lost with what was not durable here. Whoever
    /// comes from there has to begin anew, with a checkpoint or a copy.
    #[error("this database never was at {asked}; its history is {history}, durable through {durable}")]
    Diverged {
        /// The position.
        asked: Position,
        /// The history of this database.
        history: HistoryId,
        /// The newest durable sequence number.
        durable: SeqNo,
    },
    /// An entry of a sorted file is not behind the one before.
    #[error("the key of entry {entries} of {file} is not behind the one before", file = file.display())]
    Unsorted {
        /// The file.
        file: PathBuf,
        /// How many entries it has.
        entries: u64,
    },
    /// The file cannot be ingested.
    #[error("{file} cannot be ingested: {why}", file = file.display())]
    NotIngestible {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A commit was to have a sequence number that is not above the newest one.
    #[error("sequence number {asked} does not come behind {newest}, the newest one")]
    OutOfOrder {
        /// The sequence number asked for.
        asked: SeqNo,
        /// The newest one.
        newest: SeqNo,
    },
    /// A bug of the engine.
    #[error("bug in the storage engine: {message}; please report it")]
    Bug {
        /// What should never happen.
        message: String,
    },
}

impl Error {
    /// Damage in `file` at `offset`.
    pub(crate) fn corrupt(file: &Path, offset: u64, expected: &str, found: &str) -> Error {
        let (expected, found) = (expected.to_owned(), found.to_owned());
        Error::Corrupt { file: file.to_path_buf(), offset, expected, found }
    }

    /// What the caller should do.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Error::Io { .. } | Error::Locked { .. } | Error::Stopped { .. } => ErrorKind::Unavailable,
            Error::Corrupt { .. } | Error::MissingFile { .. } => ErrorKind::Restore,
            Error::UnknownFormat { .. }
            | Error::LimitExceeded { .. }
            | Error::InvalidArgument { .. }
            | Error::NoDatabase { .. }
            | Error::FamilyDropped { .. }
            | Error::MergeFailed { .. }
            | Error::MergeOperatorMismatch { .. }
            | Error::TooOld { .. }
            | Error::Diverged { .. }
            | Error::OutOfOrder { .. }
            | Error::Unsorted { .. }
            | Error::NotIngestible { .. } => ErrorKind::FixTheRequest,
            Error::Poisoned { .. } | Error::Closed => ErrorKind::Reopen,
            Error::Conflict { .. }
            | Error::LockTimeout { .. }
            | Error::Interrupted { .. }
            | Error::Deadlock { .. } => ErrorKind::Retry,
            Error::Bug { .. } => ErrorKind::Bug,
        }
    }
}

fn list(transactions: &[TransactionId]) -> String {
    let numbers: Vec<String> = transactions.iter().map(ToString::to_string).collect();
    numbers.join(", ")
}
