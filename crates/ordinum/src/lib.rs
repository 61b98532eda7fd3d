//! A log-structured merge storage engine: bytes in, bytes out. This file is the table of contents;
//! docs/ARCHITECTURE.md tells how the parts join.
#![doc = include_str!("../README.md")]

pub mod clock;
pub mod entropy;
pub mod fs;
#[doc(hidden)]
pub mod fuzz_targets;
pub mod inspect;
#[doc(hidden)]
pub mod planted;
pub mod rescue;

pub(crate) mod batch;
pub(crate) mod cache;
pub(crate) mod checksum;
pub(crate) mod compaction;
pub(crate) mod cursor;
pub(crate) mod db;
pub(crate) mod error;
pub(crate) mod event;
pub(crate) mod family;
pub(crate) mod few;
pub(crate) mod file_header;
pub(crate) mod file_name;
pub(crate) mod history;
pub(crate) mod ingestion;
pub(crate) mod iter;
pub(crate) mod key;
pub(crate) mod latency;
pub(crate) mod listener;
pub(crate) mod lock;
pub(crate) mod log;
pub(crate) mod manifest;
pub(crate) mod memtable;
pub(crate) mod merge;
pub(crate) mod merge_operator;
#[cfg(all(test, feature = "shuttle"))]
mod models;
pub(crate) mod options;
pub(crate) mod padded;
pub(crate) mod part;
pub(crate) mod prefetch;
pub(crate) mod published;
pub(crate) mod range_delete;
pub(crate) mod rate_limiter;
pub(crate) mod reader;
pub(crate) mod slice;
pub(crate) mod snapshot;
pub(crate) mod sorted_file;
pub(crate) mod stats;
pub(crate) mod super_version;
pub(crate) mod sync;
pub(crate) mod table;
pub(crate) mod tail;
pub(crate) mod transaction;
pub(crate) mod value_log;
pub(crate) mod varint;
pub(crate) mod version;

pub use batch::{BATCH_BYTES_MAX, Batch, OPERAND_BYTES_MAX};
pub use compaction::{CompactionFilter, CompactionStyle, FilterDecision, FilteredEntry};
pub use cursor::Cursor;
pub use db::{Commit, Db, Salvage, VerifyReport};
pub use error::{Error, ErrorKind, Result};
pub use event::{Change, Event, Ingested, TailedBatch, Write};
pub use family::{ColumnFamily, DEFAULT_FAMILY, FAMILY_NAME_BYTES_MAX};
pub use history::{HistoryId, Position};
pub use key::{KEY_BYTES_MAX, SeqNo, VALUE_BYTES_MAX};
pub use latency::{Latencies, Latency};
pub use listener::{Listener, Notice, Stall};
pub use lock::{Interrupt, LockMode, LockStats, LockTarget, TransactionId};
pub use merge_operator::{MERGE_OPERATOR_NAME_BYTES_MAX, MergeFailed, MergeOperator};
pub use options::{
    Background, Durability, FamilyOptions, LogWriting, Options, RecoveryMode, RetentionWindow,
};
pub use reader::{KeyRange, Reader};
pub use slice::Slice;
pub use snapshot::Snapshot;
pub use sorted_file::{SortedFile, TableWriter};
pub use stats::{FamilyStats, LevelStats, Stats};
pub use table::Compression;
pub use tail::Tail;
pub use transaction::{Concurrency, Savepoint, Transaction, TransactionOptions, Validation};
pub use version::LEVELS;
