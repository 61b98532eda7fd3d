//! Appending to the log.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::LOG_FILE;
use super::record::{Payload, RecordHeader};
use crate::error::Result;
use crate::file_header::{FileHeader, HEADER_BYTES};
use crate::file_name::{self, FileKind, FileNumber};
use crate::fs::{Fs, WritableFile};
use crate::key::SeqNo;

/// Records are gathered up to this many bytes before they are handed to the file system.
const GATHERED_BYTES_MAX: usize = 64 * 1024;

/// A log file that is written. It is synced by whoever leads a group of commits, beside the writer.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) number: FileNumber,
    file: Box<dyn WritableFile>,
    durable: AtomicU64,
}

impl Segment {
    /// Makes durable what was handed to the file system; `end` is the offset of that.
    pub(crate) fn sync(&self, end: u64) -> Result<()> {
        self.file.sync()?;
        self.durable.fetch_max(end, Ordering::AcqRel);
        Ok(())
    }
}

/// The end of the log. Used in the ordered section of a commit only.
#[derive(Debug)]
pub(crate) struct LogWriter {
    segment: Arc<Segment>,
    /// The offset behind everything, gathered bytes included.
    end: u64,
    gathered: Vec<u8>,
}

impl LogWriter {
    /// Creates the log file with its header, and makes both durable.
    pub(crate) fn create(
        fs: &dyn Fs,
        directory: &Path,
        number: FileNumber,
        base: SeqNo,
    ) -> Result<LogWriter> {
        let file = fs.create(&file_name::path(directory, FileKind::Log, number))?;
        file.append(&FileHeader { number, base }.encode(LOG_FILE))?;
        file.sync()?;
        fs.sync_dir(directory)?;
        let end = HEADER_BYTES as u64;
        let segment = Segment { number, file, durable: AtomicU64::new(end) };
        Ok(LogWriter { segment: Arc::new(segment), end, gathered: Vec::new() })
    }

    pub(crate) fn segment(&self) -> &Arc<Segment> {
        &self.segment
    }

    pub(crate) fn number(&self) -> FileNumber {
        self.segment.number
    }

    pub(crate) fn end(&self) -> u64 {
        self.end
    }

    /// Appends a record. After an error the end of the log is unknown: nothing may be appended any more.
    pub(crate) fn append(&mut self, payload: &Payload<'_>, seqno: SeqNo) -> Result<()> {
        let durable = self.segment.durable.load(Ordering::Acquire);
        let header = RecordHeader::new(payload, seqno, durable).encode(self.number(), self.end);
        self.gathered.extend_from_slice(&header);
        for part in payload.parts {
            if part.len() >= GATHERED_BYTES_MAX {
                self.hand_over()?;
                self.segment.file.append(part)?;
            } else {
                self.gathered.extend_from_slice(part);
            }
        }
        self.end += payload.record_bytes();
        if self.gathered.len() >= GATHERED_BYTES_MAX {
            self.hand_over()?;
        }
        Ok(())
    }

    /// Whether there are bytes that the file system does not have yet.
    pub(crate) fn has_gathered(&self) -> bool {
        !self.gathered.is_empty()
    }

    /// Hands the gathered bytes to the file system; a sync of the segment covers them then.
    pub(crate) fn hand_over(&mut self) -> Result<()> {
        if !self.gathered.is_empty() {
            self.segment.file.append(&self.gathered)?;
            self.gathered.clear();
        }
        Ok(())
    }
}
