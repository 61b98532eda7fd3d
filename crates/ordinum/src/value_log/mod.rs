//! The value log: large values apart from their keys, in files that tables point into.
//!
//! Invariants:
//! (1) a record is immutable, and is found through an entry of a table that points to it: the entry has key and sequence
//!     number, the record has the value and nothing else;
//! (2) a file is durable before an edit names it, and its records cover it without a gap;
//! (3) a file is live while a table of a version points into it, and is named by the manifest exactly so long.
//!
//! ```text
//! file      | header, 64 bytes, magic "ORDVAL\r\n" | record … |
//!
//! record    | payload bytes u32 | payload | compression u8 | checksum u32 |
//! checksum  CRC-32C of: file number u64, offset of the payload in the file u64, payload, compression
//!
//! pointer   | file number varint | offset of the payload varint | payload bytes varint |
//! ```
//!
//! Payload, compression and checksum are those of a block of a table. The length before them is for those who walk over the
//! file; a pointer has it too, so that a value takes one read.

mod pointer;
mod reader;
mod separation;
mod writer;

pub(crate) use pointer::{ValuePointer, count, push_shares, take_shares};
pub(crate) use reader::ValueLogReader;
pub(crate) use separation::Separation;
pub(crate) use writer::ValueLogWriter;

use crate::file_header::FileType;
use crate::file_name::FileNumber;
use crate::table::Compression;

/// What value-log files begin with.
pub(crate) const VALUE_LOG_FILE: FileType = FileType { magic: *b"ORDVAL\r\n", features: 0 };
/// Bytes of a record before its payload.
const LENGTH_BYTES: u64 = 4;

/// What is known of a value-log file without opening it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ValueLogMeta {
    pub(crate) number: FileNumber,
    /// Length of the file.
    pub(crate) bytes: u64,
    /// Number of records.
    pub(crate) entries: u64,
}

/// What of a value-log file the entries of a table point to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ValueShare {
    pub(crate) file: FileNumber,
    /// Number of pointers.
    pub(crate) entries: u64,
    /// Bytes of the records.
    pub(crate) bytes: u64,
}

/// Which values of a family are separated, and when the space of those that are dead is taken back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ValueOptions {
    /// Values of at least so many bytes go to the value log; none does if there is no number.
    pub(crate) from_bytes: Option<u32>,
    /// How each of them is compressed.
    pub(crate) compression: Compression,
    /// No more than this part of the bytes of the value log is to be garbage, in percent.
    pub(crate) garbage_percent: u32,
}

impl ValueOptions {
    /// Whether a value of this length is separated.
    pub(crate) fn separates(&self, value_bytes: usize) -> bool {
        self.from_bytes.is_some_and(|from| usize::try_from(from).is_ok_and(|from| value_bytes >= from))
    }
}

#[cfg(test)]
mod tests;
