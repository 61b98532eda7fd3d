//! Reading a log from its start, record by record, in bounded memory, while it may still be written.
//!
//! Invariants:
//! (1) nothing behind the limit that the caller gives is looked at: the caller knows that everything before it is whole;
//! (2) what is held is one window, or one record if that is longer.

#![deny(clippy::indexing_slicing)]

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use super::LOG_FILE;
use super::record::{RECORD_HEADER_BYTES, RecordHeader, RecordKind};
use crate::checksum::crc32c;
use crate::error::{Error, Result};
use crate::file_header::{FileHeader, HEADER_BYTES};
use crate::file_name::FileNumber;
use crate::fs::RandomAccessFile;
use crate::key::SeqNo;

/// How much is read at a time.
const WINDOW_BYTES: usize = 64 << 10;
/// A window that a long record has made longer than this is given back behind it.
const KEPT_BYTES_MAX: usize = 1 << 20;

/// The header of a record that was read, and where it lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Followed {
    pub(crate) offset: u64,
    pub(crate) seqno: SeqNo,
    pub(crate) kind: RecordKind,
}

/// A reader that follows a log.
#[derive(Debug)]
pub(crate) struct LogFollower {
    file: Arc<dyn RandomAccessFile>,
    number: FileNumber,
    path: PathBuf,
    /// The sequence number before the first record.
    base: SeqNo,
    /// That of the record that was read last.
    last: SeqNo,
    /// That of the one before it.
    before: SeqNo,
    /// Where the next record begins.
    offset: u64,
    window: Vec<u8>,
    /// Where in the file the window begins.
    window_at: u64,
    /// Where in the window the payload lies that was read last.
    payload: Range<usize>,
}

impl LogFollower {
    /// Begins at the first record. The header of the file must be there.
    pub(crate) fn open(
        file: Arc<dyn RandomAccessFile>,
        number: FileNumber,
        path: PathBuf,
    ) -> Result<LogFollower> {
        let mut header = [0; HEADER_BYTES];
        file.read_at(0, &mut header)?;
        let base = FileHeader::decode(&header, LOG_FILE, number, &path)?.base;
        let offset = HEADER_BYTES as u64;
        let (window, window_at, payload) = (Vec::new(), offset, 0..0);
        Ok(LogFollower {
            file,
            number,
            path,
            base,
            last: base,
            before: base,
            offset,
            window,
            window_at,
            payload,
        })
    }

    pub(crate) fn number(&self) -> FileNumber {
        self.number
    }

    pub(crate) fn path(&self) -> &PathBuf {
        &self.path
    }

    /// The sequence number before the first record.
    pub(crate) fn base(&self) -> SeqNo {
        self.base
    }

    /// The sequence number of the record that was read last, or the one before the first.
    pub(crate) fn last(&self) -> SeqNo {
        self.last
    }

    /// Where the next record begins.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// The payload of the record that was read last.
    pub(crate) fn payload(&self) -> &[u8] {
        self.window.get(self.payload.clone()).unwrap_or_default()
    }

    /// Reads the next record, of a log that is whole up to `limit`, which is behind its start.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if there is no intact record.
    pub(crate) fn read(&mut self, limit: u64) -> Result<Followed> {
        let at = self.offset;
        let header = self.fill(RECORD_HEADER_BYTES, limit)?;
        let bytes = self.window.get(header.clone()).unwrap_or_default();
        let header = RecordHeader::decode(bytes, self.number, at).ok_or_else(|| self.damaged())?;
        let len = usize::try_from(header.len).map_err(|_| self.damaged())?;
        let whole = len.checked_add(RECORD_HEADER_BYTES).ok_or_else(|| self.damaged())?;
        let record = self.fill(whole, limit)?;
        let payload = record.start + RECORD_HEADER_BYTES..record.end;
        if self.window.get(payload.clone()).map(crc32c) != Some(header.checksum) {
            return Err(self.damaged());
        }
        if header.seqno <= self.last {
            let expected = format!("a sequence number above {}", self.last);
            return Err(Error::corrupt(&self.path, at, &expected, &header.seqno.to_string()));
        }
        self.payload = payload;
        self.before = self.last;
        self.last = header.seqno;
        self.offset = at + whole as u64;
        Ok(Followed { offset: at, seqno: header.seqno, kind: header.kind })
    }

    #[cfg(test)]
    pub(crate) fn held_bytes(&self) -> usize {
        self.window.capacity()
    }

    /// Goes back before the record that was read last.
    pub(crate) fn step_back(&mut self, record: &Followed) {
        (self.offset, self.last) = (record.offset, self.before);
    }

    /// Makes the window cover this many bytes from the offset on, and returns where in it they lie.
    fn fill(&mut self, bytes: usize, limit: u64) -> Result<Range<usize>> {
        let left = limit.saturating_sub(self.offset);
        if bytes as u64 > left {
            return Err(self.damaged());
        }
        let skip = usize::try_from(self.offset.saturating_sub(self.window_at)).unwrap_or(usize::MAX);
        if let Some(end) = skip.checked_add(bytes).filter(|end| *end <= self.window.len()) {
            return Ok(skip..end);
        }
        let len = usize::try_from(left).unwrap_or(usize::MAX).min(WINDOW_BYTES.max(bytes));
        if self.window.capacity() > KEPT_BYTES_MAX {
            self.window = Vec::new();
        }
        self.window_at = self.offset;
        self.window.clear();
        self.window.resize(len, 0);
        let read = self.file.read_at(self.offset, &mut self.window);
        if read.is_err() {
            self.window.clear();
        }
        read.map(|()| 0..bytes)
    }

    fn damaged(&self) -> Error {
        let expected = "a record: the log is whole to behind this place";
        Error::corrupt(&self.path, self.offset, expected, "none that is intact")
    }
}
