//! What a table says about itself: a block whose keys are names and whose values are numbers or bytes.
//!
//! Names that a reader does not know are skipped, so that later versions may add some.
//!
//! ```text
//! entry   user key = name, trailer = 0, value = u64 little-endian, the bytes of an internal key, shares, or a family
//! family  | id varint | name |
//! ```
#![deny(clippy::indexing_slicing)]

use std::sync::Arc;

use crate::error::Result;
use crate::family::{FAMILY_NAME_BYTES_MAX, FamilyId};
use crate::iter::InternalIterator;
use crate::key::{SeqNo, split_internal};
use crate::table::block::Block;
use crate::table::block_builder::BlockBuilder;
use crate::table::block_iter::BlockIter;
use crate::table::handle::BlockHandle;
use crate::table::origin::Origin;
use crate::value_log::{ValueShare, push_shares, take_shares};
use crate::varint;

/// What a table says about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Properties {
    /// Number of entries.
    pub(crate) entries: u64,
    /// Number of entries that are deletions.
    pub(crate) deletions: u64,
    /// Number of data blocks.
    pub(crate) data_blocks: u64,
    /// Bytes of the user keys.
    pub(crate) key_bytes: u64,
    /// Bytes of the values.
    pub(crate) value_bytes: u64,
    /// The smallest sequence number.
    pub(crate) min_seqno: SeqNo,
    /// The largest sequence number.
    pub(crate) max_seqno: SeqNo,
    /// The first internal key.
    pub(crate) smallest: Vec<u8>,
    /// The last internal key.
    pub(crate) largest: Vec<u8>,
    /// What of which value-log files the entries point to. Not there if there is nothing.
    pub(crate) values: Vec<ValueShare>,
    /// Number of range tombstones, and their block; none if there are none.
    pub(crate) range_tombstones: Option<(u64, BlockHandle)>,
    /// The column family that it was written for: for a rescue, which may have no manifest that says so. Not there in tables
    /// of older versions, and in those that are ingested.
    pub(crate) family: Option<TableFamily>,
}

/// The column family that a table was written for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TableFamily {
    pub(crate) id: FamilyId,
    pub(crate) name: String,
}

impl TableFamily {
    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        varint::push_u32(&mut out, self.id.0);
        out.extend_from_slice(self.name.as_bytes());
        out
    }

    fn decode(mut value: &[u8]) -> Option<TableFamily> {
        let id = FamilyId(varint::take_u32(&mut value)?);
        let name = Some(value).filter(|name| name.len() <= FAMILY_NAME_BYTES_MAX)?;
        Some(TableFamily { id, name: String::from_utf8(name.to_vec()).ok()? })
    }
}

impl Properties {
    /// The bytes of the block.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut builder = BlockBuilder::new();
        let number = |number: u64| number.to_le_bytes().to_vec();
        let (mut ranges, mut ranges_at) = (Vec::new(), Vec::new());
        if let Some((count, handle)) = self.range_tombstones {
            ranges = number(count);
            handle.push(&mut ranges_at);
        }
        // Names ascend.
        for (name, value) in [
            ("data_blocks", number(self.data_blocks)),
            ("deletions", number(self.deletions)),
            ("entries", number(self.entries)),
            ("family", self.family.as_ref().map(TableFamily::encode).unwrap_or_default()),
            ("key_bytes", number(self.key_bytes)),
            ("largest", self.largest.clone()),
            ("max_seqno", number(self.max_seqno.get())),
            ("min_seqno", number(self.min_seqno.get())),
            ("range_tombstone_block", ranges_at),
            ("range_tombstones", ranges),
            ("smallest", self.smallest.clone()),
            ("value_bytes", number(self.value_bytes)),
        ] {
            if !value.is_empty() {
                builder.add(name.as_bytes(), 0, &value);
            }
        }
        if !self.values.is_empty() {
            let mut shares = Vec::new();
            push_shares(&mut shares, &self.values);
            builder.add(b"values", 0, &shares);
        }
        builder.finish().to_vec()
    }

    /// Adds what is added to the trailers of the table.
    pub(crate) fn raise_trailers(&mut self, origin: Origin) {
        for key in [&mut self.smallest, &mut self.largest] {
            if let Some((_, trailer)) = key.split_last_chunk_mut::<8>() {
                *trailer = u64::from_le_bytes(*trailer).wrapping_add(origin.raise()).to_le_bytes();
            }
        }
        for seqno in [&mut self.min_seqno, &mut self.max_seqno] {
            *seqno = SeqNo::new(seqno.get().wrapping_add(origin.seqno.get())).unwrap_or(SeqNo::MAX);
        }
    }

    /// Reads the block.
    pub(crate) fn decode(block: Block) -> Result<Properties> {
        let mut iter = BlockIter::new(Arc::new(block));
        let mut found = Properties::default();
        let mut seen = 0;
        let mut more = iter.first()?;
        while more {
            match found.take(iter.user_key(), iter.value()) {
                Some(required) => seen += required,
                None => return Err(iter.block().malformed("properties of a table")),
            }
            more = iter.next()?;
        }
        let keys_fit = split_internal(&found.smallest).is_some() && split_internal(&found.largest).is_some();
        let ranges_fit = found.range_tombstones.is_none_or(|(count, _)| count > 0);
        if seen != 9 || !keys_fit || !ranges_fit {
            return Err(iter.block().malformed("every property of a table"));
        }
        Ok(found)
    }

    /// Takes one property; returns 1 if it is one that every table has, none if its value does not fit.
    fn take(&mut self, name: &[u8], value: &[u8]) -> Option<u32> {
        let number = || Some(u64::from_le_bytes(*value.as_array::<8>()?));
        match name {
            b"data_blocks" => self.data_blocks = number()?,
            b"deletions" => self.deletions = number()?,
            b"entries" => self.entries = number()?,
            b"family" => {
                self.family = Some(TableFamily::decode(value)?);
                return Some(0);
            }
            b"key_bytes" => self.key_bytes = number()?,
            b"largest" => self.largest = value.to_vec(),
            b"max_seqno" => self.max_seqno = SeqNo::new(number()?)?,
            b"min_seqno" => self.min_seqno = SeqNo::new(number()?)?,
            // The block comes first.
            b"range_tombstone_block" => {
                self.range_tombstones = Some((0, BlockHandle::parse(value)?));
                return Some(0);
            }
            b"range_tombstones" => {
                self.range_tombstones.as_mut()?.0 = number().filter(|count| *count > 0)?;
                return Some(0);
            }
            b"smallest" => self.smallest = value.to_vec(),
            b"value_bytes" => self.value_bytes = number()?,
            b"values" => {
                let mut rest = value;
                self.values = take_shares(&mut rest).filter(|_| rest.is_empty())?;
                return Some(0);
            }
            _ => return Some(0),
        }
        Some(1)
    }
}
