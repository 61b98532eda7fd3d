//! Reading a log back.

#![deny(clippy::indexing_slicing)]

use std::ops::Range;
use std::path::Path;

use super::LOG_FILE;
use super::record::{RECORD_HEADER_BYTES, RecordHeader, RecordKind};
use crate::checksum::crc32c;
use crate::error::{Error, Result};
use crate::file_header::{FileHeader, HEADER_BYTES};
use crate::file_name::FileNumber;
use crate::fs::RandomAccessFile;
use crate::key::SeqNo;
use crate::planted::{Bug, planted};

/// Where a log must end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogEnd {
    /// At this offset: the log was closed, and bytes behind it do not count.
    At(u64),
    /// Wherever the crash cut it.
    Cut,
}

/// A record of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Replayed {
    pub(crate) offset: u64,
    pub(crate) seqno: SeqNo,
    pub(crate) kind: RecordKind,
    /// Where in the file its payload lies.
    pub(crate) payload: Range<usize>,
}

/// What a log has.
#[derive(Debug)]
pub(crate) struct LogScan {
    pub(crate) records: Vec<Replayed>,
    /// The offset where the intact records end.
    pub(crate) end: u64,
    /// What is wrong there, if the log does not end there.
    pub(crate) damage: Option<Error>,
}

/// The records of the log whose bytes these are, and the offset where they end.
///
/// # Errors
/// [`Error::Corrupt`] with the offset of the first record that is damaged although it was durable once.
pub(crate) fn read_log(
    bytes: &[u8],
    number: FileNumber,
    path: &Path,
    end: LogEnd,
) -> Result<(Vec<Replayed>, u64)> {
    let scan = scan_log(bytes, number, path, end)?;
    scan.damage.map_or(Ok((scan.records, scan.end)), Err)
}

/// The records of the log whose bytes these are, up to the first damage.
///
/// # Errors
/// [`Error::Corrupt`] if its header is damaged, and [`Error::UnknownFormat`].
pub(crate) fn scan_log(bytes: &[u8], number: FileNumber, path: &Path, end: LogEnd) -> Result<LogScan> {
    let damaged = |offset: usize, expected: String, found: &str| Error::Corrupt {
        file: path.to_path_buf(),
        offset: offset as u64,
        expected,
        found: found.to_owned(),
    };
    let header = FileHeader::decode(bytes, LOG_FILE, number, path)?;
    let limit = match end {
        LogEnd::At(end) => usize::try_from(end).unwrap_or(usize::MAX).min(bytes.len()),
        LogEnd::Cut => bytes.len(),
    };
    let bytes = bytes.get(..limit).unwrap_or_default();
    let mut records = Vec::new();
    let mut attested = HEADER_BYTES as u64;
    let mut last = header.base;
    let mut at = HEADER_BYTES;
    while let Some((header, payload)) = record_at(bytes, number, at) {
        if header.seqno <= last {
            let found = format!("{}", header.seqno);
            let damage = damaged(at, format!("a sequence number above {last}"), &found);
            return Ok(LogScan { records, end: at as u64, damage: Some(damage) });
        }
        last = header.seqno;
        attested = attested.max(header.durable);
        records.push(Replayed {
            offset: at as u64,
            seqno: header.seqno,
            kind: header.kind,
            payload: payload.clone(),
        });
        at = payload.end;
    }
    let reached = at as u64;
    let expected = match end {
        _ if planted(Bug::CutAttested) => None,
        LogEnd::At(end) => (reached != end).then(|| format!("a record of a log that was closed at {end}")),
        LogEnd::Cut => {
            attested = attested.max(attested_behind(bytes, number, at));
            (reached < attested).then(|| format!("a record: the log was durable up to {attested}"))
        }
    };
    let damage = expected.map(|expected| damaged(at, expected, "none that is intact"));
    Ok(LogScan { records, end: reached, damage })
}

/// Where the first record of the log stands, and its sequence number; none if the log has none that is intact. No more than
/// the header and that record is read.
///
/// # Errors
/// [`Error::Io`].
pub(crate) fn first_record(
    file: &dyn RandomAccessFile,
    number: FileNumber,
    path: &Path,
) -> Result<Option<(u64, SeqNo)>> {
    let len = usize::try_from(file.len()?).unwrap_or(usize::MAX);
    let mut bytes = vec![0; len.min(HEADER_BYTES + RECORD_HEADER_BYTES)];
    file.read_at(0, &mut bytes)?;
    let Ok(header) = FileHeader::decode(&bytes, LOG_FILE, number, path) else { return Ok(None) };
    let at = HEADER_BYTES as u64;
    let record = bytes.get(HEADER_BYTES..).and_then(|rest| RecordHeader::decode(rest, number, at));
    let end = record.and_then(|record| usize::try_from(record.len).ok()?.checked_add(bytes.len()));
    let Some(end) = end.filter(|end| *end <= len) else { return Ok(None) };
    let behind_header = bytes.len();
    bytes.resize(end, 0);
    file.read_at(behind_header as u64, bytes.get_mut(behind_header..).unwrap_or_default())?;
    let record = record_at(&bytes, number, HEADER_BYTES).filter(|(record, _)| record.seqno > header.base);
    Ok(record.map(|(record, _)| (at, record.seqno)))
}

fn record_at(bytes: &[u8], number: FileNumber, at: usize) -> Option<(RecordHeader, Range<usize>)> {
    let header = RecordHeader::decode(bytes.get(at..)?, number, at as u64)?;
    let start = at + RECORD_HEADER_BYTES;
    let end = start.checked_add(usize::try_from(header.len).ok()?)?;
    let payload = bytes.get(start..end)?;
    let is_intact = crc32c(payload) == header.checksum || planted(Bug::IgnoreLogChecksum);
    is_intact.then_some((header, start..end))
}

/// The largest durable offset that an intact header behind `at` names. Every offset is tried, because the length of the
/// bad record is not to be trusted.
fn attested_behind(bytes: &[u8], number: FileNumber, at: usize) -> u64 {
    let mut attested = 0;
    let mut at = at;
    while let Some(rest) = bytes.get(at..).filter(|rest| rest.len() >= RECORD_HEADER_BYTES) {
        if let Some(header) = RecordHeader::decode(rest, number, at as u64) {
            attested = attested.max(header.durable);
        }
        at += 1;
    }
    attested
}
