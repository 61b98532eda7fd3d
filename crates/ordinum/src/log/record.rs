//! The header of a record, as bytes and back.

#![deny(clippy::indexing_slicing)]

use crate::checksum::{crc32c, crc32c_append};
use crate::error::{Error, Result};
use crate::file_name::FileNumber;
use crate::key::SeqNo;

/// The length of a record header.
pub(super) const RECORD_HEADER_BYTES: usize = 32;

/// What a record holds. The numbers are a disk format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum RecordKind {
    /// The operations of a batch.
    Batch = 1,
    /// A column family was created.
    CreateFamily = 2,
    /// A column family was dropped.
    DropFamily = 3,
    /// Tables that were written outside became part of a family.
    Ingest = 4,
}

impl RecordKind {
    fn from_byte(byte: u8) -> Option<RecordKind> {
        match byte {
            1 => Some(RecordKind::Batch),
            2 => Some(RecordKind::CreateFamily),
            3 => Some(RecordKind::DropFamily),
            4 => Some(RecordKind::Ingest),
            _ => None,
        }
    }
}

/// The bytes of a record, measured and summed before its place in the log is known.
pub(crate) struct Payload<'a> {
    pub(crate) kind: RecordKind,
    pub(super) parts: [&'a [u8]; 4],
    pub(super) len: u32,
    checksum: u32,
}

impl<'a> Payload<'a> {
    /// The payload that is `parts` joined.
    pub(crate) fn new(kind: RecordKind, parts: [&'a [u8]; 4]) -> Result<Payload<'a>> {
        let len = parts.iter().map(|part| part.len() as u64).sum::<u64>();
        let limit = u64::from(u32::MAX);
        let len32 = u32::try_from(len);
        let len32 = len32.map_err(|_| Error::LimitExceeded { what: "a log record", actual: len, limit })?;
        let checksum = parts.iter().fold(0, |sum, part| crc32c_append(sum, part));
        Ok(Payload { kind, parts, len: len32, checksum })
    }

    /// The bytes that the record takes in the log.
    pub(crate) fn record_bytes(&self) -> u64 {
        u64::from(self.len) + RECORD_HEADER_BYTES as u64
    }
}

/// A record header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RecordHeader {
    pub(super) kind: RecordKind,
    pub(super) seqno: SeqNo,
    pub(super) durable: u64,
    pub(super) len: u32,
    pub(super) checksum: u32,
}

impl RecordHeader {
    pub(super) fn new(payload: &Payload<'_>, seqno: SeqNo, durable: u64) -> RecordHeader {
        RecordHeader { kind: payload.kind, seqno, durable, len: payload.len, checksum: payload.checksum }
    }

    pub(super) fn encode(&self, log: FileNumber, offset: u64) -> [u8; RECORD_HEADER_BYTES] {
        let mut out = [0; RECORD_HEADER_BYTES];
        if let Some((sum, body)) = out.split_first_chunk_mut::<4>() {
            let mut rest: &mut [u8] = body;
            put(&mut rest, self.len.to_le_bytes());
            put(&mut rest, self.seqno.get().to_le_bytes());
            put(&mut rest, self.durable.to_le_bytes());
            put(&mut rest, self.checksum.to_le_bytes());
            put(&mut rest, [self.kind as u8]);
            *sum = header_checksum(log, offset, body).to_le_bytes();
        }
        out
    }

    /// The header that `bytes` begin with, or none if there is no intact one.
    pub(super) fn decode(bytes: &[u8], log: FileNumber, offset: u64) -> Option<RecordHeader> {
        let (sum, rest) = bytes.split_first_chunk::<4>()?;
        let body: &[u8; RECORD_HEADER_BYTES - 4] = rest.first_chunk()?;
        let (len, rest) = body.split_first_chunk::<4>()?;
        let (seqno, rest) = rest.split_first_chunk::<8>()?;
        let (durable, rest) = rest.split_first_chunk::<8>()?;
        let (checksum, rest) = rest.split_first_chunk::<4>()?;
        let (&kind, zeros) = rest.split_first()?;
        let seqno = SeqNo::new(u64::from_le_bytes(*seqno))?;
        let kind = RecordKind::from_byte(kind)?;
        if zeros != [0; 3] || header_checksum(log, offset, body) != u32::from_le_bytes(*sum) {
            return None;
        }
        Some(RecordHeader {
            kind,
            seqno,
            durable: u64::from_le_bytes(*durable),
            len: u32::from_le_bytes(*len),
            checksum: u32::from_le_bytes(*checksum),
        })
    }
}

/// Puts the bytes at the front of `out`, and leaves what is behind them.
fn put<const N: usize>(out: &mut &mut [u8], bytes: [u8; N]) {
    if let Some((place, rest)) = std::mem::take(out).split_first_chunk_mut::<N>() {
        *place = bytes;
        *out = rest;
    }
}

fn header_checksum(log: FileNumber, offset: u64, body: &[u8]) -> u32 {
    let mut place = [0; 16];
    let mut rest: &mut [u8] = &mut place;
    put(&mut rest, log.0.to_le_bytes());
    put(&mut rest, offset.to_le_bytes());
    crc32c_append(crc32c(&place), body)
}
