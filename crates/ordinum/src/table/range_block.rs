//! The block of the range tombstones of a table.
//!
//! Invariants: (1) starts ascend, and of one start the newest tombstone comes first; (2) every range has keys.
//!
//! ```text
//! entry   user key = start, trailer = sequence number and kind 3, value = end (exclusive)
//! ```
#![deny(clippy::indexing_slicing)]

use std::sync::Arc;

use crate::error::Result;
use crate::iter::InternalIterator;
use crate::key::{KEY_BYTES_MAX, Kind, compare, split_trailer, trailer};
use crate::range_delete::RangeTombstone;
use crate::table::block::Block;
use crate::table::block_builder::BlockBuilder;
use crate::table::block_iter::BlockIter;

/// A bound may be the key right behind the longest one: where a compaction cuts.
const BOUND_BYTES_MAX: usize = KEY_BYTES_MAX + 1;

/// The trailer that a tombstone has in its block.
pub(super) fn trailer_of(tombstone: &RangeTombstone) -> u64 {
    trailer(tombstone.seqno, Kind::RangeDelete)
}

/// The bytes of the block of these tombstones, of which there is one at the least.
pub(super) fn encode(tombstones: &[RangeTombstone]) -> Vec<u8> {
    let mut builder = BlockBuilder::new();
    for tombstone in tombstones {
        builder.add(&tombstone.start, trailer_of(tombstone), &tombstone.end);
    }
    builder.finish().to_vec()
}

/// Reads the block.
pub(crate) fn decode(block: Block) -> Result<Vec<RangeTombstone>> {
    let mut iter = BlockIter::new(Arc::new(block));
    let mut tombstones: Vec<RangeTombstone> = Vec::new();
    let mut more = iter.first()?;
    while more {
        let (start, end, (seqno, kind)) = (iter.user_key(), iter.value(), split_trailer(iter.trailer()));
        let ascends = tombstones
            .last()
            .is_none_or(|last| compare((&last.start, trailer_of(last)), (start, iter.trailer())).is_lt());
        let has_keys = start < end && start.len().max(end.len()) <= BOUND_BYTES_MAX;
        if kind != Kind::RangeDelete as u8 || !ascends || !has_keys {
            return Err(iter.block().malformed("range tombstones in order"));
        }
        tombstones.push(RangeTombstone::new(start, end, seqno));
        more = iter.next()?;
    }
    Ok(tombstones)
}

/// The first and the last of internal keys.
type Bounds<'a> = ((&'a [u8], u64), (&'a [u8], u64));

/// The smallest and the largest key of a table with these bounds of its entries and these tombstones, as internal keys.
pub(super) fn hull<'a>(entries: Bounds<'a>, tombstones: &'a [RangeTombstone]) -> Bounds<'a> {
    let (mut smallest, mut largest) = entries;
    for tombstone in tombstones {
        let (first, last) =
            ((&*tombstone.start, trailer_of(tombstone)), (tombstone.last_key(), trailer_of(tombstone)));
        if compare(first, smallest).is_lt() {
            smallest = first;
        }
        if compare(last, largest).is_gt() {
            largest = last;
        }
    }
    (smallest, largest)
}
