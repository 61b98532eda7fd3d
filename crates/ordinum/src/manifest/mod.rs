//! The manifest: which families, tables and logs the database consists of, as a history of edits.
//!
//! Invariants:
//! (1) a record is a group of edits that take effect together, and is durable before its effect is relied on: before a
//!     file that it drops is removed, and before a log that it adds is written to;
//! (2) CURRENT names the live manifest, and is replaced by renaming; every opening writes a manifest of its own, which
//!     begins with the whole state, so that a torn end is never appended to;
//! (3) a record is synced before the next one is appended, so only the last one can be torn.
//!
//! ```text
//! manifest  | file header, 64 bytes | record | record | ...
//! record
//!   0  4  CRC-32C of: manifest number (8 bytes), offset of this record (8 bytes), bytes 4.. of this record
//!   4  4  length of the payload
//!   8     payload: edits, one after another, each a tag and its fields (edit.rs)
//!
//! CURRENT, one line of text
//!   ordinum 1 MANIFEST-000003 1a2b3c4d\n      the last word is the CRC-32C of what stands before it
//! ```

mod current;
mod edit;
mod file;
mod state;
mod undo;

pub(crate) use current::{read_current, write_current};
pub(crate) use edit::{Edit, take_name};
pub(crate) use file::{Manifest, read_manifest};
pub(crate) use state::{FamilyState, LogState, Mark, State};

use crate::file_header::FileType;

/// What manifests begin with. Feature bit 0: there may be edits of the horizon; bit 1: tables are added with their tallies;
/// bit 2: histories are named.
pub(crate) const MANIFEST_FILE: FileType = FileType { magic: *b"ORDMAN\r\n", features: 7 };

#[cfg(test)]
mod tests;
