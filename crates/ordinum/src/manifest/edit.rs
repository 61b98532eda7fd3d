//! One change of what the database consists of, as bytes and back.
//!
//! ```text
//! edit       tag (1 byte), then its fields; numbers are varints, bytes have a varint length
//!  1  family created        id, name
//!  2  family dropped        id
//!  3  table added           family, level, number, bytes, entries, smallest, largest, min seqno, max seqno; read, and
//!                           not written any more
//!  4  table removed         family, level, number
//!  5  family flushed        family, seqno: every commit up to it is in tables
//!  6  log added             number, seqno before its first record
//!  7  log closed            number, offset where its records end
//!  8  log removed           number
//!  9  file numbers          the next one that was never given
//! 10  sequence numbers      none above this one was ever given
//! 11  horizon               the oldest sequence number that can be read without a pin; it never goes back
//! 12  mark                  seqno, when it was the newest: milliseconds since the Unix epoch, and bytes of log so far
//! 13  table added           the fields of 3, then deletions, shadowed entries, milliseconds since the Unix epoch
//! 14  history begun         16 bytes without a length, seqno: its commits are those behind it
//! 15  table added           the fields of 13, then the number of parts, and of each: its id (1 byte), and bytes
//!                           part 1: the shares of value-log files that the table points to
//!                           part 2: the number of its range tombstones
//!                           part 3: the number that it was sealed with (8 bytes), and the seqno of its entries, if it was
//!                           ingested
//! 16  value-log file added  family, number, bytes, records
//! 17  value-log file removed  family, number
//! 18  features              bits of the header that stand for what logs may hold
//! 19  merge operator        family, name: operands of the family may stand in logs and tables
//! 20  options               family, its options (options/stored.rs) as bytes
//! 21  retention             milliseconds, bytes of log: what the openings keep that say nothing of it
//! ```

#![deny(clippy::indexing_slicing)]

use std::time::Duration;

use super::state::Mark;
use super::{
    FEATURE_INGESTION, FEATURE_MERGE_OPERATORS, FEATURE_MORE_OPTIONS, FEATURE_OPTIONS, FEATURE_RANGE_DELETES,
    FEATURE_RETENTION, FEATURE_VALUE_LOG,
};
use crate::family::{FAMILY_NAME_BYTES_MAX, FamilyId};
use crate::file_name::FileNumber;
use crate::history::HistoryId;
use crate::key::SeqNo;
use crate::options::{FamilyOptions, RetentionWindow};
use crate::table::Origin;
use crate::value_log::{ValueLogMeta, push_shares, take_shares};
use crate::varint::{push_bytes, push_u32, push_u64, take_bytes, take_u32, take_u64};
use crate::version::{FileMeta, LEVELS, Tally};

/// A change of what the database consists of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Edit {
    CreateFamily { id: FamilyId, name: String },
    DropFamily { id: FamilyId },
    AddTable { family: FamilyId, level: usize, meta: FileMeta },
    RemoveTable { family: FamilyId, level: usize, number: FileNumber },
    Flushed { family: FamilyId, through: SeqNo },
    AddLog { number: FileNumber, base: SeqNo },
    CloseLog { number: FileNumber, end: u64 },
    RemoveLog { number: FileNumber },
    NextFile { number: u64 },
    ReserveSeqNos { through: SeqNo },
    RaiseHorizon { oldest: SeqNo },
    AddMark { seqno: SeqNo, mark: Mark },
    BeginHistory { id: HistoryId, behind: SeqNo },
    AddValueLog { family: FamilyId, meta: ValueLogMeta },
    RemoveValueLog { family: FamilyId, number: FileNumber },
    Use { features: u64 },
    SetMergeOperator { family: FamilyId, name: String },
    SetOptions { family: FamilyId, options: Vec<u8> },
    SetRetention { window: RetentionWindow },
}

/// The part of a table that tells its shares of value-log files.
const PART_VALUES: u8 = 1;
/// The part of a table that tells the number of its range tombstones.
const PART_RANGE_TOMBSTONES: u8 = 2;
/// The part of a table that tells where it was written.
const PART_ORIGIN: u8 = 3;

impl Edit {
    /// The feature bits that a manifest with this edit has, besides those that every one has.
    pub(super) fn features(&self) -> u64 {
        match self {
            Edit::AddTable { meta, .. } => {
                let values = if meta.values.is_empty() { 0 } else { FEATURE_VALUE_LOG };
                let ranges = if meta.range_tombstones == 0 { 0 } else { FEATURE_RANGE_DELETES };
                let origin = if meta.origin.is_some() { FEATURE_INGESTION } else { 0 };
                values | ranges | origin
            }
            Edit::AddValueLog { .. } | Edit::RemoveValueLog { .. } => FEATURE_VALUE_LOG,
            Edit::Use { features } => *features,
            Edit::SetMergeOperator { .. } => FEATURE_MERGE_OPERATORS,
            Edit::SetOptions { options, .. } => {
                let more = if FamilyOptions::stored_is_extended(options) { FEATURE_MORE_OPTIONS } else { 0 };
                FEATURE_OPTIONS | more
            }
            Edit::SetRetention { .. } => FEATURE_RETENTION,
            Edit::CreateFamily { .. }
            | Edit::DropFamily { .. }
            | Edit::RemoveTable { .. }
            | Edit::Flushed { .. }
            | Edit::AddLog { .. }
            | Edit::CloseLog { .. }
            | Edit::RemoveLog { .. }
            | Edit::NextFile { .. }
            | Edit::ReserveSeqNos { .. }
            | Edit::RaiseHorizon { .. }
            | Edit::AddMark { .. }
            | Edit::BeginHistory { .. } => 0,
        }
    }

    /// Appends the edit to `out`.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Edit::CreateFamily { id, name } => {
                out.push(1);
                push_u32(out, id.0);
                push_bytes(out, name.as_bytes());
            }
            Edit::DropFamily { id } => {
                out.push(2);
                push_u32(out, id.0);
            }
            Edit::AddTable { family, level, meta } => {
                let parts = encode_parts(meta);
                out.push(if parts.is_empty() { 13 } else { 15 });
                push_u32(out, family.0);
                push_u64(out, *level as u64);
                push_u64(out, meta.number.0);
                push_u64(out, meta.bytes);
                push_u64(out, meta.entries);
                push_bytes(out, &meta.smallest);
                push_bytes(out, &meta.largest);
                push_u64(out, meta.min_seqno.get());
                push_u64(out, meta.max_seqno.get());
                push_u64(out, meta.tally.deletions);
                push_u64(out, meta.tally.shadowed);
                push_u64(out, meta.tally.written_unix_ms);
                if !parts.is_empty() {
                    push_u64(out, parts.len() as u64);
                    for (id, part) in parts {
                        out.push(id);
                        push_bytes(out, &part);
                    }
                }
            }
            Edit::RemoveTable { family, level, number } => {
                out.push(4);
                push_u32(out, family.0);
                push_u64(out, *level as u64);
                push_u64(out, number.0);
            }
            Edit::Flushed { family, through } => {
                out.push(5);
                push_u32(out, family.0);
                push_u64(out, through.get());
            }
            Edit::AddLog { number, base } => {
                out.push(6);
                push_u64(out, number.0);
                push_u64(out, base.get());
            }
            Edit::CloseLog { number, end } => {
                out.push(7);
                push_u64(out, number.0);
                push_u64(out, *end);
            }
            Edit::RemoveLog { number } => {
                out.push(8);
                push_u64(out, number.0);
            }
            Edit::NextFile { number } => {
                out.push(9);
                push_u64(out, *number);
            }
            Edit::ReserveSeqNos { through } => {
                out.push(10);
                push_u64(out, through.get());
            }
            Edit::RaiseHorizon { oldest } => {
                out.push(11);
                push_u64(out, oldest.get());
            }
            Edit::AddMark { seqno, mark } => {
                out.push(12);
                push_u64(out, seqno.get());
                push_u64(out, mark.unix_millis);
                push_u64(out, mark.log_bytes);
            }
            Edit::BeginHistory { id, behind } => {
                out.push(14);
                out.extend_from_slice(&id.to_bytes());
                push_u64(out, behind.get());
            }
            Edit::AddValueLog { family, meta } => {
                out.push(16);
                push_u32(out, family.0);
                push_u64(out, meta.number.0);
                push_u64(out, meta.bytes);
                push_u64(out, meta.entries);
            }
            Edit::RemoveValueLog { family, number } => {
                out.push(17);
                push_u32(out, family.0);
                push_u64(out, number.0);
            }
            Edit::Use { features } => {
                out.push(18);
                push_u64(out, *features);
            }
            Edit::SetMergeOperator { family, name } => {
                out.push(19);
                push_u32(out, family.0);
                push_bytes(out, name.as_bytes());
            }
            Edit::SetOptions { family, options } => {
                out.push(20);
                push_u32(out, family.0);
                push_bytes(out, options);
            }
            Edit::SetRetention { window } => {
                out.push(21);
                push_u64(out, window.age_ms());
                push_u64(out, window.bytes);
            }
        }
    }

    /// Takes an edit off the front of `input`, or none if it is not one.
    pub(crate) fn decode(input: &mut &[u8]) -> Option<Edit> {
        let (&tag, rest) = input.split_first()?;
        *input = rest;
        Some(match tag {
            1 => Edit::CreateFamily { id: family(input)?, name: take_name(input)? },
            2 => Edit::DropFamily { id: family(input)? },
            3 => Edit::AddTable { family: family(input)?, level: level(input)?, meta: meta(input)? },
            4 => Edit::RemoveTable { family: family(input)?, level: level(input)?, number: file(input)? },
            5 => Edit::Flushed { family: family(input)?, through: seqno(input)? },
            6 => Edit::AddLog { number: file(input)?, base: seqno(input)? },
            7 => Edit::CloseLog { number: file(input)?, end: take_u64(input)? },
            8 => Edit::RemoveLog { number: file(input)? },
            9 => Edit::NextFile { number: take_u64(input)? },
            10 => Edit::ReserveSeqNos { through: seqno(input)? },
            11 => Edit::RaiseHorizon { oldest: seqno(input)? },
            12 => {
                let seqno = seqno(input)?;
                let mark = Mark { unix_millis: take_u64(input)?, log_bytes: take_u64(input)? };
                Edit::AddMark { seqno, mark }
            }
            13 => {
                let (family, level, meta) = (family(input)?, level(input)?, meta(input)?);
                Edit::AddTable { family, level, meta: FileMeta { tally: tally(input)?, ..meta } }
            }
            14 => {
                let (id, rest) = input.split_first_chunk::<16>()?;
                *input = rest;
                Edit::BeginHistory { id: HistoryId::from_bytes(*id), behind: seqno(input)? }
            }
            15 => {
                let (family, level, meta) = (family(input)?, level(input)?, meta(input)?);
                let meta = FileMeta { tally: tally(input)?, ..meta };
                Edit::AddTable { family, level, meta: parts(input, meta)? }
            }
            16 => {
                let (family, number) = (family(input)?, file(input)?);
                let (bytes, entries) = (take_u64(input)?, take_u64(input)?);
                Edit::AddValueLog { family, meta: ValueLogMeta { number, bytes, entries } }
            }
            17 => Edit::RemoveValueLog { family: family(input)?, number: file(input)? },
            18 => Edit::Use { features: take_u64(input)? },
            // The names of operators and of families have the same limit.
            19 => Edit::SetMergeOperator { family: family(input)?, name: take_name(input)? },
            20 => Edit::SetOptions { family: family(input)?, options: take_bytes(input)?.to_vec() },
            21 => {
                let age = Duration::from_millis(take_u64(input)?);
                Edit::SetRetention { window: RetentionWindow { age, bytes: take_u64(input)? } }
            }
            _ => return None,
        })
    }
}

fn family(input: &mut &[u8]) -> Option<FamilyId> {
    take_u32(input).map(FamilyId)
}

fn file(input: &mut &[u8]) -> Option<FileNumber> {
    take_u64(input).map(FileNumber)
}

fn seqno(input: &mut &[u8]) -> Option<SeqNo> {
    take_u64(input).and_then(SeqNo::new)
}

fn level(input: &mut &[u8]) -> Option<usize> {
    usize::try_from(take_u64(input)?).ok().filter(|level| *level < LEVELS)
}

/// Takes the name of a family.
pub(crate) fn take_name(input: &mut &[u8]) -> Option<String> {
    let name = take_bytes(input).filter(|name| name.len() <= FAMILY_NAME_BYTES_MAX)?;
    String::from_utf8(name.to_vec()).ok()
}

fn meta(input: &mut &[u8]) -> Option<FileMeta> {
    Some(FileMeta {
        number: file(input)?,
        bytes: take_u64(input)?,
        entries: take_u64(input)?,
        smallest: take_bytes(input)?.to_vec(),
        largest: take_bytes(input)?.to_vec(),
        min_seqno: seqno(input)?,
        max_seqno: seqno(input)?,
        tally: Tally::default(),
        values: Vec::new(),
        range_tombstones: 0,
        origin: None,
    })
}

/// The parts of the table that not every one has.
fn encode_parts(meta: &FileMeta) -> Vec<(u8, Vec<u8>)> {
    let mut parts = Vec::new();
    if !meta.values.is_empty() {
        let mut shares = Vec::new();
        push_shares(&mut shares, &meta.values);
        parts.push((PART_VALUES, shares));
    }
    if meta.range_tombstones > 0 {
        let mut count = Vec::new();
        push_u64(&mut count, meta.range_tombstones);
        parts.push((PART_RANGE_TOMBSTONES, count));
    }
    if let Some(origin) = meta.origin {
        let mut part = origin.sealed_as.0.to_le_bytes().to_vec();
        push_u64(&mut part, origin.seqno.get());
        parts.push((PART_ORIGIN, part));
    }
    parts
}

/// Takes the parts of a table that not every one has.
fn parts(input: &mut &[u8], mut meta: FileMeta) -> Option<FileMeta> {
    for _ in 0..take_u64(input)? {
        let (&id, rest) = input.split_first()?;
        *input = rest;
        let mut part = take_bytes(input)?;
        match id {
            PART_VALUES => meta.values = take_shares(&mut part)?,
            PART_RANGE_TOMBSTONES => meta.range_tombstones = take_u64(&mut part)?,
            PART_ORIGIN => {
                let (sealed_as, rest) = part.split_first_chunk::<8>()?;
                part = rest;
                let sealed_as = FileNumber(u64::from_le_bytes(*sealed_as));
                meta.origin = Some(Origin { sealed_as, seqno: seqno(&mut part)? });
            }
            _ => return None,
        }
        if !part.is_empty() {
            return None;
        }
    }
    Some(meta)
}

fn tally(input: &mut &[u8]) -> Option<Tally> {
    Some(Tally { deletions: take_u64(input)?, shadowed: take_u64(input)?, written_unix_ms: take_u64(input)? })
}
