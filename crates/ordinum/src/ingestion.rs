//! What an ingestion brings, as its record in the log tells it.
//!
//! ```text
//! payload of a log record of an ingestion
//!   varint  column family
//!   varint  number of tables, not zero, and for each, in the order of their keys:
//!     varint  number
//!     8       the number that the table was sealed with
//!     varint  length of the file
//!     varint  number of entries
//!     varint  length of the first user key, and the key
//!     varint  length of the last user key, and the key
//! ```

#![deny(clippy::indexing_slicing)]

use crate::family::FamilyId;
use crate::file_name::FileNumber;
use crate::key::{KEY_BYTES_MAX, Kind, SeqNo, push_internal, trailer};
use crate::table::Origin;
use crate::varint::{push_bytes, push_u32, push_u64, take_bytes, take_u32, take_u64};
use crate::version::{FileMeta, Tally};

/// A table that is ingested: puts, at most one of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct IngestedTable {
    pub(crate) number: FileNumber,
    pub(crate) sealed_as: FileNumber,
    pub(crate) bytes: u64,
    pub(crate) entries: u64,
    /// First and last user key.
    pub(crate) smallest: Vec<u8>,
    pub(crate) largest: Vec<u8>,
}

/// Tables that are ingested together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ingestion {
    pub(crate) family: FamilyId,
    /// In the order of their keys, which do not overlap.
    pub(crate) tables: Vec<IngestedTable>,
}

impl Ingestion {
    /// The payload of the record.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        push_u32(&mut out, self.family.0);
        push_u64(&mut out, self.tables.len() as u64);
        for table in &self.tables {
            push_u64(&mut out, table.number.0);
            out.extend_from_slice(&table.sealed_as.0.to_le_bytes());
            push_u64(&mut out, table.bytes);
            push_u64(&mut out, table.entries);
            push_bytes(&mut out, &table.smallest);
            push_bytes(&mut out, &table.largest);
        }
        out
    }

    /// The ingestion that the payload tells, or none if it does not tell one.
    pub(crate) fn decode(payload: &[u8]) -> Option<Ingestion> {
        let mut rest = payload;
        let input = &mut rest;
        let family = FamilyId(take_u32(input)?);
        let mut tables: Vec<IngestedTable> = Vec::new();
        for _ in 0..take_u64(input)? {
            let number = FileNumber(take_u64(input)?);
            let (sealed_as, behind) = input.split_first_chunk::<8>()?;
            *input = behind;
            let table = IngestedTable {
                number,
                sealed_as: FileNumber(u64::from_le_bytes(*sealed_as)),
                bytes: take_u64(input)?,
                entries: take_u64(input)?,
                smallest: take_bytes(input)?.to_vec(),
                largest: take_bytes(input)?.to_vec(),
            };
            let ascends = tables.last().is_none_or(|before| before.largest < table.smallest);
            let is_range = table.smallest <= table.largest && table.largest.len() <= KEY_BYTES_MAX;
            (ascends && is_range && table.entries > 0).then_some(())?;
            tables.push(table);
        }
        (rest.is_empty() && !tables.is_empty()).then_some(Ingestion { family, tables })
    }

    /// The first and the last user key of all.
    pub(crate) fn range(&self) -> (&[u8], &[u8]) {
        let first = self.tables.first().map_or(&[][..], |table| &table.smallest);
        (first, self.tables.last().map_or(&[][..], |table| &table.largest))
    }
}

impl IngestedTable {
    /// What the manifest knows of the table once it was ingested with this sequence number.
    pub(crate) fn meta(&self, seqno: SeqNo, written_unix_ms: u64) -> FileMeta {
        let internal = |user_key: &[u8]| {
            let mut key = Vec::new();
            push_internal(&mut key, user_key, trailer(seqno, Kind::Put));
            key
        };
        FileMeta {
            number: self.number,
            bytes: self.bytes,
            entries: self.entries,
            smallest: internal(&self.smallest),
            largest: internal(&self.largest),
            min_seqno: seqno,
            max_seqno: seqno,
            tally: Tally { written_unix_ms, ..Tally::default() },
            values: Vec::new(),
            range_tombstones: 0,
            origin: Some(Origin { sealed_as: self.sealed_as, seqno }),
        }
    }
}
