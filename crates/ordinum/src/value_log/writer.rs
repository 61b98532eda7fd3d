//! Writes a value-log file, record by record.

use super::{LENGTH_BYTES, VALUE_LOG_FILE, ValueLogMeta, ValuePointer};
use crate::error::{Error, Result};
use crate::file_header::FileHeader;
use crate::file_name::FileNumber;
use crate::fs::WritableFile;
use crate::key::SeqNo;
use crate::table::{Compression, push_block};

/// Records are gathered up to this many bytes before they go to the file.
const APPEND_BYTES: usize = 256 * 1024;

/// Writes one value-log file.
#[derive(Debug)]
pub(crate) struct ValueLogWriter {
    file: Box<dyn WritableFile>,
    number: FileNumber,
    compression: Compression,
    /// Records that are not in the file yet.
    pending: Vec<u8>,
    /// Where in the file `pending` begins.
    appended_bytes: u64,
    entries: u64,
}

impl ValueLogWriter {
    /// Begins value-log file `number` in an empty file.
    pub(crate) fn new(
        file: Box<dyn WritableFile>,
        number: FileNumber,
        compression: Compression,
    ) -> ValueLogWriter {
        let pending = FileHeader { number, base: SeqNo::ZERO }.encode(VALUE_LOG_FILE, 0);
        ValueLogWriter { file, number, compression, pending, appended_bytes: 0, entries: 0 }
    }

    /// Appends a value; it can be read where the pointer says once the file is finished.
    pub(crate) fn add(&mut self, value: &[u8]) -> Result<ValuePointer> {
        let at = self.pending.len();
        self.pending.extend_from_slice(&[0; 4]);
        let offset = self.bytes();
        let handle = push_block(&mut self.pending, value, self.compression, self.number, offset);
        let length = u32::try_from(handle.payload_bytes).map_err(|_| Error::LimitExceeded {
            what: "a value in the value log",
            actual: handle.payload_bytes,
            limit: u64::from(u32::MAX),
        })?;
        if let Some(place) = self.pending.get_mut(at..).and_then(<[u8]>::first_chunk_mut) {
            *place = length.to_le_bytes();
        }
        self.entries += 1;
        if self.pending.len() >= APPEND_BYTES {
            self.append_pending()?;
        }
        Ok(ValuePointer { file: self.number, handle })
    }

    /// How long the file is so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.appended_bytes + u64::try_from(self.pending.len()).unwrap_or(u64::MAX)
    }

    /// Makes the file durable. Its name is the caller's to sync.
    pub(crate) fn finish(mut self) -> Result<ValueLogMeta> {
        self.append_pending()?;
        self.file.sync()?;
        Ok(ValueLogMeta { number: self.number, bytes: self.appended_bytes, entries: self.entries })
    }

    fn append_pending(&mut self) -> Result<()> {
        self.file.append(&self.pending)?;
        self.appended_bytes = self.bytes();
        self.pending.clear();
        Ok(())
    }
}

/// Bytes of a record whose payload has this many.
pub(super) fn record_end(offset: u64, payload_bytes: u64) -> Option<u64> {
    let tail = u64::try_from(crate::table::TAIL_BYTES).ok()?;
    offset.checked_add(LENGTH_BYTES)?.checked_add(payload_bytes)?.checked_add(tail)
}
