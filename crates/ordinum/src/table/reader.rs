//! Reads a table: point lookups and iterators, through the block cache.
//!
//! The top index, the filter and the properties stay in memory while the table is open; index partitions and data
//! blocks go through the cache.
#![deny(clippy::indexing_slicing)]

use std::path::Path;
use std::sync::Arc;

use crate::cache::{BlockCache, CacheUse};
use crate::error::{Error, Result};
use crate::file_name::FileNumber;
use crate::fs::RandomAccessFile;
use crate::iter::InternalIterator;
use crate::key::{Kind, SeqNo, split_trailer};
use crate::slice::Slice;
use crate::table::block::{Block, BlockCursor, BlockIter};
use crate::table::block_file::BlockFile;
use crate::table::concat::{Concat, Opener};
use crate::table::filter::Filter;
use crate::table::footer::{FOOTER_BYTES, Footer};
use crate::table::handle::BlockHandle;
use crate::table::properties::Properties;

/// An open table.
#[derive(Debug)]
pub(crate) struct TableReader {
    pub(crate) blocks: BlockFile,
    pub(crate) footer: Footer,
    pub(crate) properties: Properties,
    pub(crate) filter: Option<Filter>,
    pub(crate) top_index: Arc<Block>,
    cache: Arc<BlockCache>,
}

impl TableReader {
    /// Opens table `number`, whose bytes are `file` at `path`; verifies everything but index partitions and data.
    pub(crate) fn open(
        file: Arc<dyn RandomAccessFile>,
        number: FileNumber,
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
        let footer = Footer::decode(&footer, number, footer_at, &path)?;
        let blocks = BlockFile { file, number, path, blocks_end: footer_at };
        let parse = |handle: BlockHandle| -> Result<Block> {
            Block::parse(blocks.read(handle)?, Arc::clone(&blocks.path), handle.offset)
        };
        let properties = Properties::decode(parse(footer.properties)?)?;
        let top_index = Arc::new(parse(footer.top_index)?);
        let filter = match footer.filter {
            Some(handle) => Filter::parse(blocks.read(handle)?),
            None => None,
        };
        Ok(TableReader { blocks, footer, properties, filter, top_index, cache })
    }

    /// The newest entry of `user_key` at or below `seek_trailer`; `key_hash` is its [`crate::table::hash_key`].
    pub(crate) fn get(
        &self,
        user_key: &[u8],
        seek_trailer: u64,
        key_hash: u64,
    ) -> Result<Option<(Kind, SeqNo, Slice)>> {
        if self.filter.as_ref().is_some_and(|filter| !filter.may_contain(key_hash)) {
            return Ok(None);
        }
        let mut cursor = BlockCursor::default();
        if !cursor.seek(&self.top_index, user_key, seek_trailer)? {
            return Ok(None);
        }
        let partition = self.block_at(&self.top_index, cursor.value(&self.top_index), CacheUse::Fill)?;
        if !cursor.seek(&partition, user_key, seek_trailer)? {
            return Ok(None);
        }
        let data = self.block_at(&partition, cursor.value(&partition), CacheUse::Fill)?;
        // A separator beyond its block's last entry is below every later entry of this user key or has none: a block
        // that ends before the target ends the search.
        if !cursor.seek(&data, user_key, seek_trailer)? || cursor.user_key() != user_key {
            return Ok(None);
        }
        let (seqno, kind) = split_trailer(cursor.trailer());
        match Kind::from_byte(kind) {
            Some(kind) => Ok(Some((kind, seqno, cursor.value_slice(&data)))),
            None => Err(data.malformed("a kind of entry that this version knows")),
        }
    }

    /// The block that the value of an index entry points to, through the cache.
    pub(crate) fn block_at(&self, index: &Block, handle: &[u8], cache_use: CacheUse) -> Result<Arc<Block>> {
        let Some(handle) = BlockHandle::parse(handle) else {
            return Err(index.malformed("an index of block handles"));
        };
        self.cache.get_or_load(cache_use, self.blocks.number, handle.offset, || {
            Block::parse(self.blocks.read(handle)?, Arc::clone(&self.blocks.path), handle.offset)
        })
    }

    /// An iterator over the entries.
    pub(crate) fn iter(self: &Arc<Self>, cache_use: CacheUse) -> TableIter {
        let opener = BlockOpener { table: Arc::clone(self), cache_use };
        let index = Concat::new(BlockIter::new(Arc::clone(&self.top_index)), opener.clone());
        Concat::new(index, opener)
    }
}

/// An iterator over the entries of a table.
pub(crate) type TableIter = Concat<Concat<BlockIter, BlockOpener>, BlockOpener>;

/// Opens the block under an index entry.
#[derive(Clone, Debug)]
pub(crate) struct BlockOpener {
    table: Arc<TableReader>,
    cache_use: CacheUse,
}

impl<O: InternalIterator> Opener<O> for BlockOpener {
    type Inner = BlockIter;

    fn open(&self, outer: &O) -> Result<BlockIter> {
        Ok(BlockIter::new(self.table.block_at(&self.table.top_index, outer.value(), self.cache_use)?))
    }
}
