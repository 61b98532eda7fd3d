//! Reads a whole table past the cache and checks it: every checksum, the order, the index, the filter, the counts.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::iter::InternalIterator;
use crate::key::{Kind, compare, push_internal, split_trailer};
use crate::table::block_file::TAIL_BYTES;
use crate::table::block_iter::BlockIter;
use crate::table::filter::hash_key;
use crate::table::handle::BlockHandle;
use crate::table::range_block;
use crate::table::reader::TableReader;
use crate::value_log::{self, ValuePointer, ValueShare};

/// What a walk over the table has seen so far.
#[derive(Default)]
struct Walk {
    handles: Vec<BlockHandle>,
    entries: u64,
    deletions: u64,
    data_blocks: u64,
    values: Vec<ValueShare>,
    first: Option<(Vec<u8>, u64)>,
    last: Option<(Vec<u8>, u64)>,
}

impl TableReader {
    /// Reads every block and checks it; returns the bytes that it read.
    ///
    /// # Errors
    /// The first damage.
    pub(crate) fn verify(&self) -> Result<u64> {
        let mut walk = Walk::default();
        walk.handles.extend([self.footer.top_index, self.footer.properties]);
        walk.handles.extend(self.footer.filter);
        walk.handles.extend(self.properties.range_tombstones.map(|(_, handle)| handle));
        if let Some(filter) = self.footer.filter {
            self.blocks.read(filter)?;
        }
        let mut top = BlockIter::new(Arc::new(self.blocks.block(self.footer.top_index)?));
        self.blocks.block(self.footer.properties)?;
        let mut more = top.first()?;
        while more {
            let partition = self.child(&top)?;
            walk.handles.push(partition);
            self.verify_partition(&mut walk, partition, (top.user_key(), top.trailer()))?;
            more = top.next()?;
        }
        self.verify_totals(walk)
    }

    fn verify_partition(&self, walk: &mut Walk, handle: BlockHandle, upper: (&[u8], u64)) -> Result<()> {
        let mut partition = BlockIter::new(Arc::new(self.blocks.block(handle)?));
        let mut more = partition.first()?;
        while more {
            let separator = (partition.user_key(), partition.trailer());
            if compare(separator, upper).is_gt() {
                return Err(partition.block().malformed("separators at or before the one above"));
            }
            let data = self.child(&partition)?;
            walk.handles.push(data);
            self.verify_data(walk, data, separator)?;
            more = partition.next()?;
        }
        Ok(())
    }

    fn verify_data(&self, walk: &mut Walk, handle: BlockHandle, separator: (&[u8], u64)) -> Result<()> {
        let mut data = BlockIter::new(Arc::new(self.blocks.block(handle)?));
        let mut more = data.first()?;
        while more {
            let (user_key, trailer) = (data.user_key(), data.trailer());
            let (seqno, kind) = split_trailer(trailer);
            let kind = Kind::from_byte(kind)
                .ok_or_else(|| data.block().malformed("kinds of entries that this version knows"))?;
            let ascends = walk.last.as_ref().is_none_or(|(last, last_trailer)| {
                compare((last, *last_trailer), (user_key, trailer)).is_lt()
            });
            if !ascends || compare((user_key, trailer), separator).is_gt() {
                return Err(data.block().malformed("entries in order, at or before their separator"));
            }
            let found = data.block().find(user_key, trailer, hash_key(user_key))?;
            if found.is_none_or(|found| found.trailer != trailer) {
                return Err(data.block().malformed("entries that a lookup finds"));
            }
            let known = (self.properties.min_seqno..=self.properties.max_seqno).contains(&seqno);
            if !known || self.filter.as_ref().is_some_and(|filter| !filter.may_contain(hash_key(user_key))) {
                return Err(data.block().malformed("entries that filter and properties know of"));
            }
            if walk.last.is_none() {
                walk.first = Some((user_key.to_vec(), trailer));
            }
            walk.entries += 1;
            walk.deletions += u64::from(kind == Kind::Delete);
            if kind == Kind::Pointer {
                let pointer = ValuePointer::parse(data.value());
                let malformed = || data.block().malformed("pointers into the value log");
                value_log::count(&mut walk.values, pointer.ok_or_else(malformed)?);
            }
            walk.last = Some((user_key.to_vec(), trailer));
            more = data.next()?;
        }
        walk.data_blocks += 1;
        Ok(())
    }

    /// The blocks must cover the file up to the footer, and the counts must be those of the properties.
    fn verify_totals(&self, mut walk: Walk) -> Result<u64> {
        walk.handles.sort_unstable();
        let mut at = 0;
        for handle in &walk.handles {
            if handle.offset != at {
                let found = format!("one at {}", handle.offset);
                return Err(Error::corrupt(&self.blocks.path, at, "a block", &found));
            }
            at = handle.offset + handle.payload_bytes + u64::try_from(TAIL_BYTES).unwrap_or(u64::MAX);
        }
        let (first, last) = (walk.first.unwrap_or_default(), walk.last.unwrap_or_default());
        self.verify_bounds((&first.0, first.1), (&last.0, last.1))?;
        let found = (walk.entries, walk.deletions, walk.data_blocks);
        let said = (self.properties.entries, self.properties.deletions, self.properties.data_blocks);
        if walk.values != self.properties.values {
            let said = format!("shares of the value log {:?}", self.properties.values);
            let found = format!("{:?}", walk.values);
            return Err(Error::corrupt(&self.blocks.path, self.footer.properties.offset, &said, &found));
        }
        if at != self.blocks.blocks_end || found != said {
            let offset = self.footer.properties.offset;
            let said = format!("(entries, deletions, data blocks) = {said:?}");
            return Err(Error::corrupt(&self.blocks.path, offset, &said, &format!("{found:?}")));
        }
        Ok(self.blocks.blocks_end)
    }

    /// Reads the range tombstones; with the entries they must have the bounds of the properties.
    fn verify_bounds(&self, first: (&[u8], u64), last: (&[u8], u64)) -> Result<()> {
        let tombstones = self.read_range_tombstones()?;
        let known = self.properties.min_seqno..=self.properties.max_seqno;
        let count = u64::try_from(tombstones.len()).ok();
        if count != Some(self.properties.range_tombstones.map_or(0, |(count, _)| count))
            || tombstones.iter().any(|tombstone| !known.contains(&tombstone.seqno))
        {
            let offset = self.footer.properties.offset;
            let expected = "range tombstones as the properties tell of them";
            return Err(Error::corrupt(&self.blocks.path, offset, expected, "others"));
        }
        let (smallest, largest) = range_block::hull((first, last), &tombstones);
        self.check_key("smallest", &self.properties.smallest, smallest.0, smallest.1)?;
        self.check_key("largest", &self.properties.largest, largest.0, largest.1)
    }

    fn check_key(&self, which: &str, said: &[u8], user_key: &[u8], trailer: u64) -> Result<()> {
        let mut found = Vec::new();
        push_internal(&mut found, user_key, trailer);
        if found == said {
            return Ok(());
        }
        let said = format!("{which} key \"{}\"", said.escape_ascii());
        let found = format!("\"{}\"", found.escape_ascii());
        Err(Error::corrupt(&self.blocks.path, self.footer.properties.offset, &said, &found))
    }

    fn child(&self, index: &BlockIter) -> Result<BlockHandle> {
        self.handle(index.block(), index.index())
    }
}
