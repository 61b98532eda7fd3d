//! Ordinum: a log-structured merge storage engine. Bytes in, bytes out.
//!
//! This file is the table of contents; docs/ARCHITECTURE.md tells how the parts join.

pub(crate) mod cache;
pub mod clock;
pub(crate) mod compaction;
pub(crate) mod error;
pub(crate) mod file_name;
pub mod fs;
#[doc(hidden)]
pub mod fuzz_targets;
pub(crate) mod iter;
pub(crate) mod key;
pub(crate) mod merge;

pub(crate) mod slice;
pub(crate) mod table;

pub(crate) mod varint;
pub(crate) mod version;

pub use error::{Error, ErrorKind, Result};
pub use key::{KEY_BYTES_MAX, SeqNo, VALUE_BYTES_MAX};
pub use slice::Slice;
pub use table::Compression;
