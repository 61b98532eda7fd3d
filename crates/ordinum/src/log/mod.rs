//! The write-ahead log: one record a commit, in the order of sequence numbers.
//!
//! Invariants:
//! (1) a checksum covers the log's number and the record's offset, so that bytes of another place never pass for a record;
//! (2) a record says up to which offset its log was durable when it was written. A bad record below any such offset is
//!     damage; one above all of them is where a crash cut the log, and replay ends there;
//! (3) a file may be longer than its records: behind them are zeros, or what another log left there, whose records do not
//!     pass for records of this one (1);
//! (4) a log is synced to its end before the next one is begun: only the last log can be cut.
//!
//! ```text
//! log      | file header, 64 bytes | record | record | ...
//! record
//!   0  4  CRC-32C of: log number (8 bytes), offset of this record (8 bytes), bytes 4..32 of this header
//!   4  4  length of the payload
//!   8  8  sequence number
//!  16  8  offset through which the log was known to be durable
//!  24  4  CRC-32C of the payload
//!  28  1  kind: 1 batch, 2 family created, 3 family dropped, 4 ingestion
//!  29  3  zero
//!  32     payload
//! ```

mod follower;
mod reader;
mod record;
mod writer;

pub(crate) use follower::{Followed, LogFollower};
pub(crate) use reader::{LogEnd, LogScan, Replayed, first_record, read_log, scan_log};
pub(crate) use record::{Payload, RecordKind};
pub(crate) use writer::{LogWriter, Segment, SpareLog};

use crate::file_header::FileType;

/// What logs begin with.
pub(crate) const LOG_FILE: FileType = FileType { magic: *b"ORDLOG\r\n", features: 0 };

#[cfg(test)]
mod tests;
