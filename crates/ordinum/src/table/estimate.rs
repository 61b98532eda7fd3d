//! About how many entries of a table lie in a range of keys, told by the index alone.
//!
//! A key is given a position in the data blocks: that of its block, and in the block the point at which its bytes lie
//! between the separators around it. Entries are taken to be spread evenly over the bytes of the data blocks. So an
//! estimate is wrong by about two blocks at most, beyond what blocks differ in entries per byte.
#![deny(clippy::indexing_slicing)]

use std::ops::Bound;
use std::sync::Arc;

use crate::error::Result;
use crate::iter::InternalIterator;
use crate::key::{SeqNo, seek_trailer, split_internal};
use crate::reader::KeyRange;
use crate::table::block_iter::BlockIter;
use crate::table::reader::TableReader;

/// Positions are told in parts of a byte: this many bits of them.
const FRACTION_BITS: u32 = 16;

impl TableReader {
    /// About how many entries are in the range, which cuts the table: at least one. Reads an index partition for each
    /// end of the range.
    pub(crate) fn approximate_entries(&self, range: &KeyRange) -> Result<u64> {
        // Index partitions follow the last data block.
        let data_end = u128::from(self.handle(&self.top_index, 0)?.offset) << FRACTION_BITS;
        let start = match &range.start {
            Bound::Included(key) | Bound::Excluded(key) => self.position(key)?.unwrap_or(data_end),
            Bound::Unbounded => 0,
        };
        let end = match &range.end {
            Bound::Included(key) | Bound::Excluded(key) => self.position(key)?.unwrap_or(data_end),
            Bound::Unbounded => data_end,
        };
        let share = u128::from(self.properties.entries) * end.saturating_sub(start);
        let entries = share.div_ceil(data_end.max(1));
        Ok(u64::try_from(entries).unwrap_or(u64::MAX).clamp(1, self.properties.entries.max(1)))
    }

    /// Where about in the data blocks the key stands; none if it is behind them.
    fn position(&self, key: &[u8]) -> Result<Option<u128>> {
        let trailer = seek_trailer(SeqNo::MAX);
        let mut top = BlockIter::new(Arc::clone(&self.top_index));
        if !top.seek(key, trailer)? {
            return Ok(None);
        }
        let mut at = BlockIter::new(self.partition(top.index())?);
        if !at.seek(key, trailer)? {
            return Err(at.block().malformed("a last separator that is the one of the index above"));
        }
        let block = self.handle(at.block(), at.index())?;
        let high = at.user_key().to_vec();
        let low = if at.prev()? {
            at.user_key()
        } else if top.prev()? {
            top.user_key()
        } else {
            split_internal(&self.properties.smallest).map_or(&[][..], |(first, _)| first)
        };
        let inside = u128::from(block.payload_bytes) * u128::from(fraction(low, &high, key));
        Ok(Some((u128::from(block.offset) << FRACTION_BITS) + inside))
    }
}

/// Where the key lies between two others, from 0 to 1 in parts of [`FRACTION_BITS`] bits: told by the eight bytes behind
/// what the two have in common.
fn fraction(low: &[u8], high: &[u8], key: &[u8]) -> u64 {
    if key <= low {
        return 0;
    }
    if key >= high {
        return 1 << FRACTION_BITS;
    }
    let common = low.iter().zip(high).take_while(|(a, b)| a == b).count();
    let number = |key: &[u8]| {
        let bytes = key.iter().skip(common).chain(std::iter::repeat(&0)).take(8);
        bytes.fold(0u128, |number, byte| number << 8 | u128::from(*byte))
    };
    let (low, high, key) = (number(low), number(high), number(key));
    let width = high.saturating_sub(low).max(1);
    u64::try_from((key.saturating_sub(low) << FRACTION_BITS) / width).unwrap_or(0).min(1 << FRACTION_BITS)
}
