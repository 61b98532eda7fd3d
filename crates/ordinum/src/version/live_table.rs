//! A table of a version: its metadata, opened when it is first read, unlinked when nothing refers to it any more.
//!
//! Invariants:
//! (1) a table is read only while a version that has it, or a reader that came from one, is alive;
//! (2) the file of a table is unlinked only after [`LiveTable::mark_obsolete`], which its caller does once the edit
//!     that drops the table is durable, and only when the last reference goes.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use crate::cache::BlockCache;
use crate::error::Result;
use crate::file_name::{self, FileKind, FileNumber};
use crate::fs::{Fs, WritableFile};
use crate::listener::{Notice, Notices};
use crate::rate_limiter::{Haste, LimitedFile, RateLimiter};
use crate::table::{Compression, Origin, TableBuilder, TableOptions, TableReader};
use crate::value_log::{ValueLogReader, ValueLogWriter};
use crate::version::FileMeta;

/// Where the tables of a database lie, and the cache that their blocks share.
#[derive(Debug)]
pub(crate) struct TableStore {
    pub(crate) fs: Arc<dyn Fs>,
    pub(crate) directory: PathBuf,
    pub(crate) cache: Arc<BlockCache>,
    /// What tables may be written in a second, if that is limited.
    pub(crate) limiter: Option<Arc<RateLimiter>>,
    pub(crate) notices: Arc<Notices>,
    /// What was read of the value log.
    pub(crate) values_read: ValuesRead,
}

/// What was read of the value log since the database was opened.
#[derive(Debug, Default)]
pub(crate) struct ValuesRead {
    values: AtomicU64,
    bytes: AtomicU64,
}

impl ValuesRead {
    /// Counts a value.
    pub(crate) fn note(&self, bytes: usize) {
        self.values.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(u64::try_from(bytes).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// How many values, and their bytes.
    pub(crate) fn get(&self) -> (u64, u64) {
        (self.values.load(Ordering::Relaxed), self.bytes.load(Ordering::Relaxed))
    }
}

impl TableStore {
    /// The path of a table.
    pub(crate) fn path(&self, number: FileNumber) -> PathBuf {
        self.file(FileKind::Table, number)
    }

    /// The path of a file.
    pub(crate) fn file(&self, kind: FileKind, number: FileNumber) -> PathBuf {
        file_name::path(&self.directory, kind, number)
    }

    /// Removes a file that nobody needs. One that cannot be removed now is removed when the database is opened next: no version
    /// has it.
    pub(crate) fn remove(&self, kind: FileKind, number: FileNumber) {
        let file = self.file(kind, number);
        if self.fs.remove(&file).is_ok() {
            self.notices.add(|| Notice::FileDeleted { file });
        }
    }

    /// Drops the cached blocks of tables that a durable edit has dropped, all in one pass. What a reader that came before that
    /// edit still puts there goes as any other block that nobody asks for.
    pub(crate) fn forget<'t>(&self, tables: impl IntoIterator<Item = &'t Arc<LiveTable>>) {
        self.cache.forget(tables.into_iter().map(|table| table.meta.number).collect());
    }

    /// Opens a value-log file.
    pub(crate) fn open_values(&self, number: FileNumber) -> Result<ValueLogReader> {
        let path = self.file(FileKind::ValueLog, number);
        let file = self.fs.open(&path)?;
        ValueLogReader::open(file, number, path.into())
    }

    /// Begins a new value-log file.
    pub(crate) fn create_values(
        &self,
        number: FileNumber,
        compression: Compression,
        haste: Haste,
    ) -> Result<ValueLogWriter> {
        let file = self.create_file(FileKind::ValueLog, number, haste)?;
        Ok(ValueLogWriter::new(file, number, compression))
    }

    /// Opens a table.
    fn open(&self, meta: &FileMeta) -> Result<TableReader> {
        let path = self.path(meta.number);
        let file = self.fs.open(&path)?;
        let origin = meta.origin.unwrap_or(Origin::here(meta.number));
        TableReader::open_from(file, meta.number, origin, path.into(), Arc::clone(&self.cache))
    }

    /// Begins a new table.
    pub(crate) fn create(
        &self,
        number: FileNumber,
        options: &TableOptions,
        haste: Haste,
    ) -> Result<TableBuilder> {
        let file = self.create_file(FileKind::Table, number, haste)?;
        Ok(TableBuilder::new(file, number, options))
    }

    fn create_file(&self, kind: FileKind, number: FileNumber, haste: Haste) -> Result<Box<dyn WritableFile>> {
        let path = self.file(kind, number);
        let file = self.fs.create(&path)?;
        self.notices.add(|| Notice::FileCreated { file: path });
        Ok(match &self.limiter {
            Some(limiter) => Box::new(LimitedFile { file, limiter: Arc::clone(limiter), haste }),
            None => file,
        })
    }
}

/// A table of one or more versions.
#[derive(Debug)]
pub(crate) struct LiveTable {
    meta: FileMeta,
    store: Arc<TableStore>,
    reader: OnceLock<Arc<TableReader>>,
    obsolete: AtomicBool,
}

impl LiveTable {
    /// The table that `meta` tells of; its file is durable, and opened when it is first read.
    pub(crate) fn new(meta: FileMeta, store: Arc<TableStore>) -> Arc<LiveTable> {
        Arc::new(LiveTable { meta, store, reader: OnceLock::new(), obsolete: AtomicBool::new(false) })
    }

    /// What is known of the table without opening it.
    pub(crate) fn meta(&self) -> &FileMeta {
        &self.meta
    }

    /// The open table.
    pub(crate) fn reader(&self) -> Result<&Arc<TableReader>> {
        if let Some(reader) = self.reader.get() {
            return Ok(reader);
        }
        // Two threads may both open it; one reader stays.
        let reader = Arc::new(self.store.open(&self.meta)?);
        Ok(self.reader.get_or_init(|| reader))
    }

    /// Says that a key with this hash will be looked for, soon. A table that was not read yet is not opened for it.
    pub(crate) fn prefetch(&self, key_hash: u64) {
        if let Some(reader) = self.reader.get() {
            reader.prefetch(key_hash);
        }
    }

    /// Says that a durable edit has dropped the table: its file goes with the last reference.
    pub(crate) fn mark_obsolete(&self) {
        self.obsolete.store(true, Ordering::Release);
    }
}

impl Drop for LiveTable {
    fn drop(&mut self) {
        if self.obsolete.load(Ordering::Acquire) {
            self.store.remove(FileKind::Table, self.meta.number);
        }
    }
}
