//! The value-log files of a family: which of them its tables point into, and how much of each is alive.
//!
//! Invariants:
//! (1) of each file, what is alive is the sum of the shares that the tables of the version have of it; the rest is garbage;
//! (2) a file is read only while a version that has it, or a reader that came from one, is alive;
//! (3) a file is unlinked only after [`LiveValueLog::mark_obsolete`], which its caller does once the edit that drops it is
//!     durable, and only when the last reference goes.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use crate::error::{Error, Result};
use crate::file_header::HEADER_BYTES;
use crate::file_name::{FileKind, FileNumber};
use crate::planted::{Bug, planted};
use crate::slice::Slice;
use crate::value_log::{ValueLogMeta, ValueLogReader, ValuePointer, ValueShare};
use crate::version::TableStore;

/// A value-log file of one or more versions.
#[derive(Debug)]
pub(crate) struct LiveValueLog {
    meta: ValueLogMeta,
    store: Arc<TableStore>,
    reader: OnceLock<ValueLogReader>,
    obsolete: AtomicBool,
}

impl LiveValueLog {
    /// The file that `meta` tells of; it is durable, and opened when it is first read.
    pub(crate) fn new(meta: ValueLogMeta, store: Arc<TableStore>) -> Arc<LiveValueLog> {
        Arc::new(LiveValueLog { meta, store, reader: OnceLock::new(), obsolete: AtomicBool::new(false) })
    }

    /// What is known of the file without opening it.
    pub(crate) fn meta(&self) -> &ValueLogMeta {
        &self.meta
    }

    fn reader(&self) -> Result<&ValueLogReader> {
        if let Some(reader) = self.reader.get() {
            return Ok(reader);
        }
        // Two threads may both open it; one reader stays.
        let reader = self.store.open_values(self.meta.number)?;
        Ok(self.reader.get_or_init(|| reader))
    }

    /// Checks the whole file; returns the bytes that it read.
    pub(crate) fn verify(&self) -> Result<u64> {
        self.reader()?.verify(&self.meta)
    }

    /// Says that a durable edit has dropped the file: it goes with the last reference.
    pub(crate) fn mark_obsolete(&self) {
        self.obsolete.store(true, Ordering::Release);
    }
}

impl Drop for LiveValueLog {
    fn drop(&mut self) {
        if self.obsolete.load(Ordering::Acquire) {
            self.store.remove(FileKind::ValueLog, self.meta.number);
        }
    }
}

/// Where a reader of a version finds its separated values.
#[derive(Clone, Debug)]
pub(crate) struct SeparatedValues {
    pub(crate) logs: Arc<ValueLogs>,
    pub(crate) store: Arc<TableStore>,
}

impl SeparatedValues {
    /// The value that a table's entry points to.
    pub(crate) fn read(&self, pointer: &[u8]) -> Result<Slice> {
        self.logs.read(pointer, &self.store)
    }
}

/// A file, and how much of it is alive.
#[derive(Clone, Debug)]
pub(crate) struct InUse {
    pub(crate) file: Arc<LiveValueLog>,
    /// The records that tables point to.
    pub(crate) entries: u64,
    /// Their bytes.
    pub(crate) bytes: u64,
}

impl InUse {
    /// The bytes of records that no table points to.
    pub(crate) fn garbage_bytes(&self) -> u64 {
        self.file.meta.bytes.saturating_sub(HEADER_BYTES as u64).saturating_sub(self.bytes)
    }
}

/// The value-log files of a version of a family.
#[derive(Clone, Debug, Default)]
pub(crate) struct ValueLogs {
    files: BTreeMap<FileNumber, InUse>,
}

impl ValueLogs {
    /// The files, by number.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &InUse> {
        self.files.values()
    }

    /// Whether there is no file.
    pub(crate) fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// Their bytes.
    pub(crate) fn bytes(&self) -> u64 {
        self.iter().map(|used| used.file.meta.bytes).sum()
    }

    /// Of those, the bytes of records that no table points to.
    pub(crate) fn garbage_bytes(&self) -> u64 {
        self.iter().map(InUse::garbage_bytes).sum()
    }

    /// The value that a table's entry points to.
    pub(crate) fn read(&self, pointer: &[u8], store: &TableStore) -> Result<Slice> {
        let pointer = ValuePointer::parse(pointer).ok_or_else(|| {
            let found = format!("\"{}\"", pointer.escape_ascii());
            Error::corrupt(&store.directory, 0, "a pointer into the value log", &found)
        })?;
        let Some(InUse { file, .. }) = self.files.get(&pointer.file) else {
            let file = store.file(FileKind::ValueLog, pointer.file);
            return Err(Error::MissingFile { file, why: "a table points into it".to_owned() });
        };
        let value = file.reader()?.read(pointer.handle)?;
        store.values_read.note(value.len());
        Ok(value)
    }

    /// Adds a file of which nothing is alive yet.
    pub(super) fn add(&mut self, file: Arc<LiveValueLog>) {
        self.files.insert(file.meta.number, InUse { file, entries: 0, bytes: 0 });
    }

    /// Counts what a table that comes points to.
    pub(super) fn count(&mut self, shares: &[ValueShare]) {
        for share in shares {
            if let Some(used) = self.files.get_mut(&share.file) {
                used.entries = used.entries.saturating_add(share.entries);
                used.bytes = used.bytes.saturating_add(share.bytes);
            }
        }
    }

    /// Takes back what a table that goes points to.
    pub(super) fn discount(&mut self, shares: &[ValueShare]) {
        for share in shares {
            if let Some(used) = self.files.get_mut(&share.file) {
                used.entries = used.entries.saturating_sub(share.entries);
                used.bytes = used.bytes.saturating_sub(share.bytes);
            }
        }
    }

    /// Takes out the files that no table points into any more.
    pub(super) fn take_dead(&mut self) -> Vec<Arc<LiveValueLog>> {
        let dead: Vec<FileNumber> = self
            .files
            .iter()
            .filter(|(_, used)| used.entries <= u64::from(planted(Bug::DropValuesTooEarly)))
            .map(|(number, _)| *number)
            .collect();
        dead.iter().filter_map(|number| self.files.remove(number)).map(|used| used.file).collect()
    }

    /// Whether the table points into known files only, and no file has more alive than it has.
    pub(super) fn check(&self, number: FileNumber, shares: &[ValueShare]) -> std::result::Result<(), String> {
        for share in shares {
            let Some(used) = self.files.get(&share.file) else {
                return Err(format!("table {number} points into the value-log file {}", share.file));
            };
            if used.bytes > used.file.meta.bytes || used.entries > used.file.meta.entries {
                return Err(format!("tables point to more than value-log file {} has", share.file));
            }
        }
        Ok(())
    }
}
