//! Sorted files: tables that are written outside of a database, to be ingested.
//!
//! Invariants:
//! (1) keys ascend strictly; every entry is a put with the sequence number 0, which no commit has: the ingestion gives its own
//!     to all of them, without a change to the file;
//! (2) a file is sealed with a random number in place of its own, which it gets when it is ingested.

#![deny(clippy::indexing_slicing)]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::file_name::FileNumber;
use crate::key::{KEY_BYTES_MAX, Kind, SeqNo, VALUE_BYTES_MAX, trailer};
use crate::options::{FamilyOptions, Options};
use crate::table::TableBuilder;
use crate::version::LEVELS;

/// Writes a sorted file: a table that [`crate::Db::ingest`] takes.
///
/// ```
/// use ordinum::{Db, Options, Reader, TableWriter};
///
/// # fn main() -> ordinum::Result<()> {
/// # let directory = tempfile::tempdir().unwrap();
/// let options = Options::default();
/// let mut writer = TableWriter::create(directory.path().join("names"), &options, &options.family_defaults)?;
/// for (key, value) in [(b"0001", "Ada"), (b"0002", "Grace")] {
///     writer.put(key, value.as_bytes())?;
/// }
/// let file = writer.finish()?;
///
/// let db = Db::open(directory.path().join("data"), options)?;
/// let family = db.default_column_family();
/// db.ingest(&family, &[file.path()])?;
/// assert_eq!(db.get(&family, b"0002")?.as_deref(), Some(&b"Grace"[..]));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct TableWriter {
    builder: TableBuilder,
    path: PathBuf,
    last_key: Vec<u8>,
    entries: u64,
}

/// A sorted file that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SortedFile {
    path: PathBuf,
    entries: u64,
    bytes: u64,
}

impl SortedFile {
    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How many entries it has.
    pub fn entries(&self) -> u64 {
        self.entries
    }

    /// How long it is.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl TableWriter {
    /// Begins a file, in the file system of `options`; an existing one is emptied. The options of the family say how long
    /// blocks are, how they are compressed (as in the last level), and what its filter is like.
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be created; [`Error::InvalidArgument`] for an option out of range.
    pub fn create(path: impl AsRef<Path>, options: &Options, family: &FamilyOptions) -> Result<TableWriter> {
        family.check()?;
        let mut number = [0; 8];
        options.entropy.fill(&mut number)?;
        let table = family.compaction().table_options(LEVELS - 1);
        let file = Arc::clone(&options.fs).create(path.as_ref())?;
        let builder = TableBuilder::new(file, FileNumber(u64::from_le_bytes(number)), &table);
        Ok(TableWriter { builder, path: path.as_ref().to_path_buf(), last_key: Vec::new(), entries: 0 })
    }

    /// Appends an entry.
    ///
    /// # Errors
    /// [`Error::Unsorted`] if the key is not behind the one before; [`Error::LimitExceeded`] if the key or the value is too
    /// long. The file can go on then. After [`Error::Io`] it cannot.
    pub fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        for (what, actual, limit) in
            [("a key", key.len(), KEY_BYTES_MAX), ("a value", value.len(), VALUE_BYTES_MAX)]
        {
            if actual > limit {
                return Err(Error::LimitExceeded { what, actual: actual as u64, limit: limit as u64 });
            }
        }
        if self.entries > 0 && key <= self.last_key.as_slice() {
            return Err(Error::Unsorted { file: self.path.clone(), entries: self.entries });
        }
        self.builder.add(key, trailer(SeqNo::ZERO, Kind::Put), value)?;
        self.last_key.clear();
        self.last_key.extend_from_slice(key);
        self.entries += 1;
        Ok(())
    }

    /// Finishes the file, and makes what is in it durable. Its name becomes durable where it is ingested.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if there is no entry.
    pub fn finish(self) -> Result<SortedFile> {
        if self.entries == 0 {
            let message = format!("{} has no entries", self.path.display());
            return Err(Error::InvalidArgument { message });
        }
        let bytes = self.builder.finish()?.bytes;
        Ok(SortedFile { path: self.path, entries: self.entries, bytes })
    }
}
