//! What a tail tells: a commit, an ingestion, a created or dropped family, as they stand in the log.

#![deny(clippy::indexing_slicing)]

use crate::batch::{Operation, Operations};
use crate::ingestion::Ingestion;
use crate::key::{Kind, SeqNo};
use crate::log::RecordKind;
use crate::varint;

/// One record of the log. It lends what it tells from the tail.
#[derive(Clone, Debug)]
pub struct Event<'a> {
    /// Its sequence number.
    pub seqno: SeqNo,
    /// What happened.
    pub change: Change<'a>,
}

/// What happened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Change<'a> {
    /// A batch was committed.
    Batch(TailedBatch<'a>),
    /// Sorted files were ingested.
    Ingested(Ingested),
    /// A column family was created.
    FamilyCreated {
        /// Its number, which operations name it by.
        id: u32,
        /// Its name.
        name: &'a str,
    },
    /// A column family was dropped.
    FamilyDropped {
        /// Its number.
        id: u32,
    },
}

/// An ingestion. What it brought stands in no log: [`crate::Db::export_ingested`] writes it to a file again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ingested {
    ingestion: Ingestion,
}

impl Ingested {
    /// The number of the column family.
    pub fn family(&self) -> u32 {
        self.ingestion.family.0
    }

    /// How many entries it brought.
    pub fn entries(&self) -> u64 {
        self.ingestion.tables.iter().map(|table| table.entries).sum()
    }

    /// The first and the last key.
    pub fn range(&self) -> (&[u8], &[u8]) {
        self.ingestion.range()
    }
}

/// A batch that was committed.
#[derive(Clone, Debug)]
pub struct TailedBatch<'a> {
    header: &'a [u8],
    operations: Operations<'a>,
}

/// An operation of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Write<'a> {
    /// The key has the value from now on.
    Put {
        /// The number of the column family.
        family: u32,
        /// The key.
        key: &'a [u8],
        /// The value.
        value: &'a [u8],
    },
    /// The operator of the family changes the value of the key.
    Merge {
        /// The number of the column family.
        family: u32,
        /// The key.
        key: &'a [u8],
        /// What the operator is given.
        operand: &'a [u8],
    },
    /// The key is absent from now on.
    Delete {
        /// The number of the column family.
        family: u32,
        /// The key.
        key: &'a [u8],
    },
    /// The keys of a range are absent from now on.
    DeleteRange {
        /// The number of the column family.
        family: u32,
        /// The first key.
        start: &'a [u8],
        /// The end of the range, which is not in it.
        end: &'a [u8],
    },
}

impl<'a> TailedBatch<'a> {
    /// The bytes of the caller that stand beside the operations.
    pub fn header(&self) -> &'a [u8] {
        self.header
    }

    /// The operations in order. The family of one may have been dropped since.
    pub fn writes(&self) -> impl Iterator<Item = Write<'a>> + use<'a> {
        self.operations().filter_map(|Operation { kind, family, key, value }| match kind {
            Kind::Put => Some(Write::Put { family: family.0, key, value }),
            Kind::Merge => Some(Write::Merge { family: family.0, key, operand: value }),
            Kind::Delete => Some(Write::Delete { family: family.0, key }),
            Kind::RangeDelete => Some(Write::DeleteRange { family: family.0, start: key, end: value }),
            // Tables have them; a batch that has one was refused when it was decoded.
            Kind::Pointer => None,
        })
    }

    pub(crate) fn operations(&self) -> impl Iterator<Item = Operation<'a>> + use<'a> {
        let mut operations = self.operations.clone();
        // They were decoded once, when the event was.
        std::iter::from_fn(move || operations.next_operation().and_then(Result::ok))
    }
}

impl<'a> Event<'a> {
    /// The event that the payload of a record tells, or none if it does not tell any.
    pub(crate) fn decode(kind: RecordKind, seqno: SeqNo, payload: &'a [u8]) -> Option<Event<'a>> {
        let mut rest = payload;
        let change = match kind {
            RecordKind::Batch => {
                let operations = Operations::decode(payload)?;
                let mut walked = operations.clone();
                while let Some(operation) = walked.next_operation() {
                    operation.ok()?;
                }
                Change::Batch(TailedBatch { header: varint::take_bytes(&mut rest)?, operations })
            }
            RecordKind::Ingest => Change::Ingested(Ingested { ingestion: Ingestion::decode(payload)? }),
            RecordKind::CreateFamily => {
                let id = varint::take_u32(&mut rest)?;
                let name = std::str::from_utf8(varint::take_bytes(&mut rest)?).ok()?;
                rest.is_empty().then_some(Change::FamilyCreated { id, name })?
            }
            RecordKind::DropFamily => {
                let id = varint::take_u32(&mut rest)?;
                rest.is_empty().then_some(Change::FamilyDropped { id })?
            }
        };
        Some(Event { seqno, change })
    }
}
