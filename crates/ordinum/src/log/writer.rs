//! Appending to the log.

use std::path::Path;
use std::sync::Arc;

use super::LOG_FILE;
use super::record::{Payload, RecordHeader};
use crate::error::Result;
use crate::file_header::{FileHeader, HEADER_BYTES};
use crate::file_name::{self, FileKind, FileNumber};
use crate::fs::{Fs, WritableFile};
use crate::key::SeqNo;
use crate::options::LogWriting;
use crate::planted::{Bug, planted};
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// The least and the most room that is made at a time.
const ROOM_BYTES_MIN: u64 = 64 << 10;
const ROOM_BYTES_MAX: u64 = 4 << 20;
/// How much of a log is mapped at a time.
const MAPPED_BYTES: u64 = 512 << 10;
/// A log that is synced record by record is filled with zeros by so many bytes.
const FILLED_BYTES: u64 = 32 << 10;
/// The longest record that it is filled for: of others, the zeros would be as much to write.
const FILLED_FOR_BYTES_MAX: u64 = 4 << 10;
/// Records are gathered up to this many bytes before they are handed to the file system.
const GATHERED_BYTES_MAX: usize = 64 * 1024;

/// A log file that is written. It is synced by whoever leads a group of commits, beside the writer.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) number: FileNumber,
    file: Box<dyn WritableFile>,
    durable: AtomicU64,
    closed: AtomicBool,
}

impl Segment {
    /// Makes durable what was handed to the file system.
    pub(crate) fn sync(&self) -> Result<()> {
        if planted(Bug::SkipLogSync) {
            return Ok(());
        }
        self.file.sync()
    }

    /// Says that everything before this offset is durable: readers of the log are told of it from then on.
    pub(crate) fn attest(&self, end: u64) {
        self.durable.fetch_max(end, Ordering::AcqRel);
    }

    /// The offset through which everything is durable.
    pub(crate) fn durable(&self) -> u64 {
        self.durable.load(Ordering::Acquire)
    }

    /// Says that the log was closed, where it is durable: records go to the next one from now on.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    /// Whether the log was closed. It is durable to its end then.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }
}

/// The end of the log. Used in the ordered section of a commit only.
#[derive(Debug)]
pub(crate) struct LogWriter {
    segment: Arc<Segment>,
    /// The offset behind everything, gathered bytes included.
    end: u64,
    gathered: Vec<u8>,
    /// The offset up to which the file has room.
    room: u64,
    /// The offset up to which it was filled with zeros.
    filled: u64,
    mapping: Mapping,
}

/// Whether the log is mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mapping {
    /// It is not to be, or it cannot be.
    Never,
    /// Up to this offset.
    Through(u64),
}

/// A log file that nothing is needed of any more: another can be written in its place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SpareLog {
    pub(crate) number: FileNumber,
    /// At least so long is the file.
    pub(crate) bytes: u64,
}

impl LogWriter {
    /// Creates the log file with its header, and makes both durable. A spare one is written over.
    pub(crate) fn create(
        fs: &dyn Fs,
        directory: &Path,
        number: FileNumber,
        base: SeqNo,
        spare: Option<SpareLog>,
        writing: LogWriting,
    ) -> Result<LogWriter> {
        let path = file_name::path(directory, FileKind::Log, number);
        let file = match spare {
            Some(spare) => fs.reuse(&file_name::path(directory, FileKind::Log, spare.number), &path)?,
            None => fs.create(&path)?,
        };
        file.append(&FileHeader { number, base }.encode(LOG_FILE, LOG_FILE.features))?;
        file.sync()?;
        fs.sync_dir(directory)?;
        let end = HEADER_BYTES as u64;
        let segment = Segment { number, file, durable: AtomicU64::new(end), closed: AtomicBool::new(false) };
        let room = spare.map_or(end, |spare| spare.bytes);
        let mapping = match writing {
            LogWriting::Calls => Mapping::Never,
            LogWriting::Mapped => Mapping::Through(0),
        };
        Ok(LogWriter { segment: Arc::new(segment), end, gathered: Vec::new(), room, filled: end, mapping })
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

    /// Makes room for a record of this many bytes. An error leaves the log as it was.
    pub(crate) fn make_room(&mut self, bytes: u64) -> Result<()> {
        let needed = self.end.saturating_add(bytes);
        if needed > self.room {
            let room = needed.saturating_add(self.end.clamp(ROOM_BYTES_MIN, ROOM_BYTES_MAX));
            self.segment.file.make_room(room)?;
            self.room = room;
        }
        self.fill(needed)?;
        self.map(needed)
    }

    /// Fills the file behind the records, if those before this short one are durable: the next ones will be synced as well, and a
    /// sync writes what a file system knows of a block, beside the block, where it is the first one in it.
    fn fill(&mut self, needed: u64) -> Result<()> {
        let is_alone = self.segment.durable() == self.end && needed - self.end <= FILLED_FOR_BYTES_MAX;
        if needed > self.filled && is_alone && self.mapping == Mapping::Never {
            let filled = needed.saturating_add(FILLED_BYTES).min(self.room);
            self.segment.file.fill(filled)?;
            self.filled = filled;
        }
        Ok(())
    }

    /// Maps the file behind the records, if it is to be mapped and ends before `needed`.
    fn map(&mut self, needed: u64) -> Result<()> {
        match self.mapping {
            Mapping::Through(mapped) if mapped < needed => {
                // The file must have all that is before the map.
                self.hand_over()?;
                let end = needed.saturating_add(MAPPED_BYTES).min(self.room);
                self.mapping =
                    if self.segment.file.map(end) { Mapping::Through(end) } else { Mapping::Never };
                Ok(())
            }
            Mapping::Through(_) | Mapping::Never => Ok(()),
        }
    }

    /// Appends a record, for which there is room. After an error the end of the log is unknown: nothing may be appended any more.
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
        let at_once = self.mapping != Mapping::Never;
        if at_once || self.gathered.len() >= GATHERED_BYTES_MAX {
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
