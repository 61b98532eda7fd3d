//! The manifest: which families, tables and logs the database consists of, as a history of edits.
//!
//! Invariants:
//! (1) a record is a group of edits that take effect together, and is durable before its effect is relied on: before a
//!     file that it drops is removed, and before a log that it adds is written to;
//! (2) CURRENT names the live manifest, and is replaced by renaming; every opening writes a manifest of its own, which
//!     begins with the whole state, so that a torn end is never appended to;
//! (3) the header tells every feature that a record, or a log, needs: where one comes that needs more, a new manifest is begun;
//! (4) a record is synced before its seal is appended, and the seal stands before the next record: a damaged record with a seal
//!     was durable, and is damage; one without was never whole, or the seal that a power loss took said nothing that files and
//!     logs do not say too ([`State::is_told_nowhere_else`]).
//!
//! ```text
//! manifest  | file header, 64 bytes | record | seal | record | seal | ...
//! record
//!   0  4  CRC-32C of: manifest number (8 bytes), offset of this record (8 bytes), bytes 4.. of this record
//!   4  4  length of the payload
//!   8     payload: edits, one after another, each a tag and its fields (edit.rs)
//! seal      a record whose payload is the edit 18 of no features; manifests of older versions have none
//!
//! CURRENT, one line of text
//!   ordinum 1 MANIFEST-000003 1a2b3c4d\n      the last word is the CRC-32C of what stands before it
//! ```

mod current;
mod edit;
mod file;
mod intact;
mod state;
mod undo;
mod words;

pub(crate) use current::{read_current, write_current};
pub(crate) use edit::{Edit, take_name};
pub(crate) use file::{Manifest, ManifestScan, SEAL, read_edits, read_manifest, record, scan_manifest};
pub(crate) use intact::{IntactRecord, intact_records};
pub(crate) use state::{FamilyState, LogState, Mark, State};

use crate::file_header::FileType;

/// What manifests begin with.
pub(crate) const MANIFEST_FILE: FileType =
    FileType { magic: *b"ORDMAN\r\n", features: FEATURES_ALWAYS | FEATURES_IN_USE };
/// There may be edits of the horizon (bit 0), tables are added with their tallies (bit 1), histories are named (bit 2).
const FEATURES_ALWAYS: u64 = 7;
/// There may be value-log files, and tables that point into them.
const FEATURE_VALUE_LOG: u64 = 1 << 3;
/// There may be range deletes in logs, and range tombstones in tables.
pub(crate) const FEATURE_RANGE_DELETES: u64 = 1 << 4;
/// There may be ingestions in logs, and tables that were written outside.
pub(crate) const FEATURE_INGESTION: u64 = 1 << 5;
/// There may be merge operators, and operands in logs and tables.
const FEATURE_MERGE_OPERATORS: u64 = 1 << 6;
/// There may be options of families.
const FEATURE_OPTIONS: u64 = 1 << 7;
/// Options of families may tell the style of compaction and whether there is an index of range deletes.
const FEATURE_MORE_OPTIONS: u64 = 1 << 8;
/// There may be a retention that openings keep.
const FEATURE_RETENTION: u64 = 1 << 9;
/// What manifests tell of once it is used.
const FEATURES_IN_USE: u64 = FEATURE_VALUE_LOG
    | FEATURE_RANGE_DELETES
    | FEATURE_INGESTION
    | FEATURE_MERGE_OPERATORS
    | FEATURE_OPTIONS
    | FEATURE_MORE_OPTIONS
    | FEATURE_RETENTION;

#[cfg(test)]
mod tests;
