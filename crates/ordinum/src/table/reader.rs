//! Reads a table: point lookups and iterators.
//!
//! The top index, the filter and the properties stay in memory while the table is open, and so do the index partitions
//! that were used, as long as the budget of the block cache has room to pin them. The other partitions, and data
//! blocks, go through the cache.
#![deny(clippy::indexing_slicing)]

use std::path::Path;
use std::sync::{Arc, OnceLock};

use crate::cache::{BlockCache, CacheUse};
use crate::error::{Error, Result};
use crate::file_name::FileNumber;
use crate::fs::RandomAccessFile;
use crate::iter::InternalIterator;
use crate::key::{Kind, SeqNo, split_trailer};
use crate::range_delete::{RangeTombstone, RangeTombstones};
use crate::slice::Slice;
use crate::table::block::Block;
use crate::table::block_file::BlockFile;
use crate::table::block_iter::BlockIter;
use crate::table::filter::Filter;
use crate::table::footer::{FEATURE_RANGE_TOMBSTONES, FOOTER_BYTES, Footer};
use crate::table::handle::BlockHandle;
use crate::table::origin::Origin;
use crate::table::properties::Properties;
use crate::table::range_block;
use crate::table::table_iter::TableIter;

/// An open table.
#[derive(Debug)]
pub(crate) struct TableReader {
    pub(crate) blocks: BlockFile,
    pub(crate) footer: Footer,
    pub(crate) properties: Properties,
    pub(crate) filter: Option<Filter>,
    pub(crate) top_index: Arc<Block>,
    /// The partitions that are pinned, one place for each entry of the top index.
    partitions: Box<[OnceLock<Arc<Block>>]>,
    /// The range tombstones, once they were asked for.
    range_tombstones: OnceLock<Arc<RangeTombstones>>,
    pub(super) cache: Arc<BlockCache>,
}

impl TableReader {
    /// Opens table `number`, whose bytes are `file` at `path`; verifies everything but index partitions and data.
    pub(crate) fn open(
        file: Arc<dyn RandomAccessFile>,
        number: FileNumber,
        path: Arc<Path>,
        cache: Arc<BlockCache>,
    ) -> Result<TableReader> {
        TableReader::open_from(file, number, Origin::here(number), path, cache)
    }

    /// The number that the checksums of a table bind, as its footer tells it; nothing is verified.
    pub(crate) fn sealed_as(file: &dyn RandomAccessFile, path: &Path) -> Result<FileNumber> {
        let len = file.len()?;
        let mut footer = vec![0; FOOTER_BYTES];
        let at = len.checked_sub(u64::try_from(FOOTER_BYTES).unwrap_or(u64::MAX));
        let at = at.ok_or_else(|| Error::corrupt(path, 0, "a table", &format!("{len} bytes")))?;
        file.read_at(at, &mut footer)?;
        Footer::file_number(&footer).ok_or_else(|| Error::corrupt(path, at, "a footer", "too few bytes"))
    }

    /// Opens table `number`, as [`TableReader::open`], wherever it was written.
    pub(crate) fn open_from(
        file: Arc<dyn RandomAccessFile>,
        number: FileNumber,
        origin: Origin,
        path: Arc<Path>,
        cache: Arc<BlockCache>,
    ) -> Result<TableReader> {
        let len = file.len()?;
        let footer_bytes = u64::try_from(FOOTER_BYTES).unwrap_or(u64::MAX);
        let Some(footer_at) = len.checked_sub(footer_bytes) else {
            return Err(Error::corrupt(&path, 0, "a table", &format!("{len} bytes")));
        };
        let mut footer = vec![0; FOOTER_BYTES];
        file.read_at(footer_at, &mut footer)?;
        let footer = Footer::decode(&footer, origin.sealed_as, footer_at, &path)?;
        let blocks = BlockFile { file, number, origin, path, blocks_end: footer_at, format: footer.format };
        let mut properties = Properties::decode(blocks.block(footer.properties)?)?;
        properties.raise_trailers(origin);
        let top_index = Arc::new(blocks.block(footer.top_index)?);
        let filter = match footer.filter {
            Some(handle) => Filter::parse(blocks.read(handle)?),
            None => None,
        };
        let partitions = (0..top_index.entries()).map(|_| OnceLock::new()).collect();
        cache.pin(top_index.bytes() + filter.as_ref().map_or(0, Filter::bytes));
        let has_ranges = footer.features & FEATURE_RANGE_TOMBSTONES != 0;
        if has_ranges != properties.range_tombstones.is_some() {
            let offset = footer.properties.offset;
            let (said, found) = ("a block of range tombstones if the footer says so", "something else");
            return Err(Error::corrupt(&blocks.path, offset, said, found));
        }
        let range_tombstones = OnceLock::new();
        Ok(TableReader { blocks, footer, properties, filter, top_index, partitions, range_tombstones, cache })
    }

    /// The newest entry of `user_key` at or below `seek_trailer`; `key_hash` is its [`crate::table::hash_key`].
    pub(crate) fn get(
        &self,
        user_key: &[u8],
        seek_trailer: u64,
        key_hash: u64,
    ) -> Result<Option<(Kind, SeqNo, Slice)>> {
        if !self.may_contain(key_hash) {
            return Ok(None);
        }
        match self.block_of(user_key, seek_trailer)? {
            Some(handle) => {
                let block = self.data_block(handle)?;
                self.get_in(block, user_key, seek_trailer, key_hash)
            }
            None => Ok(None),
        }
    }

    /// Says that [`TableReader::may_contain`] will be asked of this hash, soon.
    pub(crate) fn prefetch(&self, key_hash: u64) {
        self.filter.iter().for_each(|filter| filter.prefetch(key_hash));
    }

    /// Whether the table may have a user key with this hash; false is certain.
    pub(crate) fn may_contain(&self, key_hash: u64) -> bool {
        self.filter.as_ref().is_none_or(|filter| filter.may_contain(key_hash))
    }

    /// The only data block that a lookup of (`user_key`, `seek_trailer`) has to look into, if there is one.
    ///
    /// A separator beyond its block's last entry belongs to a later user key, or stands behind all versions of its own: so
    /// a block that ends before the target ends the search.
    pub(crate) fn block_of(&self, user_key: &[u8], seek_trailer: u64) -> Result<Option<BlockHandle>> {
        let top = self.top_index.lower_bound(user_key, seek_trailer)?;
        if top >= self.top_index.entries() {
            return Ok(None);
        }
        let cached;
        let partition = match self.pinned_partition(top) {
            Some(pinned) => pinned,
            None => {
                cached = self.partition(top)?;
                &cached
            }
        };
        let at = partition.lower_bound(user_key, seek_trailer)?;
        if at >= partition.entries() {
            return Ok(None);
        }
        self.handle(partition, at).map(Some)
    }

    /// What [`TableReader::get`] finds in the block that [`TableReader::block_of`] named.
    pub(crate) fn get_in(
        &self,
        block: Arc<Block>,
        user_key: &[u8],
        seek_trailer: u64,
        key_hash: u64,
    ) -> Result<Option<(Kind, SeqNo, Slice)>> {
        let Some(found) = block.find(user_key, seek_trailer, key_hash)? else { return Ok(None) };
        let (seqno, kind) = split_trailer(found.trailer);
        match Kind::from_byte(kind) {
            Some(kind) => Ok(Some((kind, seqno, block.pin(found.value)))),
            None => Err(block.malformed("a kind of entry that this version knows")),
        }
    }

    /// A data block, through the cache.
    pub(crate) fn data_block(&self, handle: BlockHandle) -> Result<Arc<Block>> {
        self.cache
            .get_or_load(CacheUse::Fill, self.blocks.number, handle.offset, || self.blocks.block(handle))
    }

    /// Says that [`TableReader::data_block`] will be asked for this one, soon.
    pub(crate) fn prefetch_block(&self, handle: BlockHandle) {
        self.cache.prefetch(self.blocks.number, handle.offset);
    }

    fn pinned_partition(&self, index: usize) -> Option<&Arc<Block>> {
        self.partitions.get(index)?.get()
    }

    /// The index partition with this number.
    pub(crate) fn partition(&self, index: usize) -> Result<Arc<Block>> {
        if let Some(pinned) = self.pinned_partition(index) {
            return Ok(Arc::clone(pinned));
        }
        let handle = self.handle(&self.top_index, index)?;
        let number = self.blocks.number;
        let load = || self.blocks.block(handle);
        if !self.cache.has_room_to_pin() {
            return self.cache.get_or_load(CacheUse::Fill, number, handle.offset, load);
        }
        let block = self.cache.get_or_load(CacheUse::Peek, number, handle.offset, load)?;
        if let Some(place) = self.partitions.get(index)
            && self.cache.pin_if_room(block.bytes())
        {
            if place.set(Arc::clone(&block)).is_err() {
                // Another thread pinned it at the same time.
                self.cache.unpin(block.bytes());
            }
            return Ok(block);
        }
        self.cache.get_or_load(CacheUse::Fill, number, handle.offset, || Ok(Arc::clone(&block)))
    }

    /// The handle that an index entry has for its value.
    pub(crate) fn handle(&self, index: &Block, entry: usize) -> Result<BlockHandle> {
        BlockHandle::parse(index.value(entry)?).ok_or_else(|| index.malformed("an index of block handles"))
    }

    /// Keys, ascending, that have about the same bytes of the table between them: the last is at or after its last key.
    /// Reads nothing.
    pub(crate) fn anchors(&self) -> Result<Vec<Vec<u8>>> {
        let mut keys = Vec::new();
        let mut top = BlockIter::new(Arc::clone(&self.top_index));
        let mut more = top.first()?;
        while more {
            keys.push(top.user_key().to_vec());
            more = top.next()?;
        }
        Ok(keys)
    }

    /// The range tombstones as they stand in the table. Reads their block.
    pub(crate) fn read_range_tombstones(&self) -> Result<Vec<RangeTombstone>> {
        match self.properties.range_tombstones {
            Some((_, handle)) => range_block::decode(self.blocks.block(handle)?),
            None => Ok(Vec::new()),
        }
    }

    /// The range tombstones. Their block is read once.
    pub(crate) fn range_tombstones(&self) -> Result<&Arc<RangeTombstones>> {
        if let Some(tombstones) = self.range_tombstones.get() {
            return Ok(tombstones);
        }
        let tombstones = Arc::new(RangeTombstones::of(self.read_range_tombstones()?));
        Ok(self.range_tombstones.get_or_init(|| tombstones))
    }

    /// An iterator over the entries.
    pub(crate) fn iter(self: &Arc<Self>, cache_use: CacheUse) -> TableIter {
        TableIter::new(Arc::clone(self), cache_use)
    }
}

impl Drop for TableReader {
    fn drop(&mut self) {
        let partitions = self.partitions.iter().filter_map(OnceLock::get).map(|block| block.bytes());
        let filter = self.filter.as_ref().map_or(0, Filter::bytes);
        self.cache.unpin(self.top_index.bytes() + filter + partitions.sum::<usize>());
    }
}
