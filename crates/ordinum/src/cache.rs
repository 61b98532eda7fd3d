//! The block cache: verified, decompressed blocks of all tables of a database, bounded by their bytes together with
//! those of the filters and indexes that open tables hold.
//!
//! Invariants:
//! (1) a block is keyed by file number and offset; numbers are never reused, so an entry never goes stale. Evicting a block
//!     that a slice or an iterator pins only forgets it; its memory lives until they let go;
//! (2) a hit takes one lock for readers, of one shard, and writes to it only if the block was not used since the hand came by.

mod shard;

use std::sync::Arc;

use shard::{BlockKey, Shard};

use crate::error::Result;
use crate::file_name::FileNumber;
use crate::padded::Padded;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::table::Block;

/// What a reader does to the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CacheUse {
    /// Blocks that it reads stay for the next one.
    Fill,
    /// It takes what is there and leaves nothing: it reads much, once.
    Peek,
}

/// Hits and misses since the cache was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct CacheStats {
    /// Blocks that were found.
    pub(crate) hits: u64,
    /// Blocks that were read from a file.
    pub(crate) misses: u64,
    /// Bytes of the blocks that are in the cache now.
    pub(crate) bytes: u64,
    /// Bytes of filters and indexes that open tables hold now.
    pub(crate) pinned_bytes: u64,
}

/// Partitions of indexes are pinned until all that is pinned is this part of the budget. They would be in the cache otherwise, where
/// each get looks for one.
const PART_PINNED: u64 = 2;
/// However much is pinned, this part of the budget stays for blocks.
const PART_FOR_BLOCKS: u64 = 8;
/// A shard has at least this part of the budget, as long as there are more than one.
const SHARD_BYTES_MIN: u64 = 1 << 20;
/// The most shards.
const SHARDS_MAX: u64 = 64;

/// The cache; shared by all tables of a database.
#[derive(Debug)]
pub(crate) struct BlockCache {
    /// A power of two of them.
    shards: Box<[Padded<Shard>]>,
    bytes_max: u64,
    /// Bytes of filters and indexes that open tables hold.
    pinned: AtomicU64,
}

impl BlockCache {
    /// A cache of at most `bytes_max` bytes of blocks, filters and indexes.
    pub(crate) fn new(bytes_max: u64) -> BlockCache {
        let shards = (bytes_max / SHARD_BYTES_MIN).clamp(1, SHARDS_MAX).next_power_of_two();
        let shards = (0..shards).map(|_| Padded::default()).collect();
        BlockCache { shards, bytes_max, pinned: AtomicU64::new(0) }
    }

    /// The budget.
    pub(crate) fn bytes_max(&self) -> u64 {
        self.bytes_max
    }

    /// The block at `offset` of `file`, made by `load` if it is not here.
    pub(crate) fn get_or_load<B: Into<Arc<Block>>>(
        &self,
        cache_use: CacheUse,
        file: FileNumber,
        offset: u64,
        load: impl FnOnce() -> Result<B>,
    ) -> Result<Arc<Block>> {
        let key = BlockKey { file: file.0, offset };
        let hash = key.hash();
        let shard = self.shard(hash);
        if let Some(block) = shard.get(key, hash, cache_use) {
            return Ok(block);
        }
        let block = load()?.into();
        if cache_use == CacheUse::Fill {
            let shards = u64::try_from(self.shards.len()).unwrap_or(1);
            shard.insert(key, hash, Arc::clone(&block), self.bytes_for_blocks() / shards);
        }
        Ok(block)
    }

    /// Asks the processor for the place of a block that will be asked for, soon.
    pub(crate) fn prefetch(&self, file: FileNumber, offset: u64) {
        let hash = BlockKey { file: file.0, offset }.hash();
        self.shard(hash).prefetch(hash);
    }

    /// The block at `offset` of `file`, if it is here. That it is not here is no miss: nobody has asked for it yet.
    pub(crate) fn get_if_here(&self, file: FileNumber, offset: u64) -> Option<Arc<Block>> {
        let key = BlockKey { file: file.0, offset };
        let hash = key.hash();
        self.shard(hash).get_if_here(key, hash)
    }

    fn shard(&self, hash: u64) -> &Shard {
        // The upper bits choose the shard, the lower ones the place in it.
        let at = usize::try_from(hash >> 32).unwrap_or(0) & (self.shards.len() - 1);
        &self.shards[at]
    }

    /// Blocks have what is not pinned.
    fn bytes_for_blocks(&self) -> u64 {
        let rest = self.bytes_max.saturating_sub(self.pinned.load(Ordering::Relaxed));
        rest.max(self.bytes_max / PART_FOR_BLOCKS)
    }

    /// Drops the blocks of files that are gone: nobody asks for them any more. It looks at every place once, however many files
    /// there are, if there is one.
    pub(crate) fn forget(&self, mut files: Vec<FileNumber>) {
        files.sort_unstable();
        if !files.is_empty() {
            self.shards.iter().for_each(|shard| shard.forget(&files));
        }
    }

    /// Counts memory that an open table holds whatever the budget says.
    pub(crate) fn pin(&self, bytes: usize) {
        self.pinned.fetch_add(u64::try_from(bytes).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Counts memory that a table would like to hold, if the budget has room for it.
    pub(crate) fn pin_if_room(&self, bytes: usize) -> bool {
        let more = u64::try_from(bytes).unwrap_or(u64::MAX);
        let fits = self.pinned.load(Ordering::Relaxed).saturating_add(more) <= self.bytes_max / PART_PINNED;
        if fits {
            self.pin(bytes);
        }
        fits
    }

    /// Whether [`BlockCache::pin_if_room`] is worth asking.
    pub(crate) fn has_room_to_pin(&self) -> bool {
        self.pinned.load(Ordering::Relaxed) < self.bytes_max / PART_PINNED
    }

    /// Gives back what was counted.
    pub(crate) fn unpin(&self, bytes: usize) {
        self.pinned.fetch_sub(u64::try_from(bytes).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Hits, misses and bytes.
    pub(crate) fn stats(&self) -> CacheStats {
        let none = CacheStats { pinned_bytes: self.pinned.load(Ordering::Relaxed), ..CacheStats::default() };
        self.shards.iter().fold(none, |sum, shard| {
            let CacheStats { hits, misses, bytes, pinned_bytes: _ } = shard.stats();
            CacheStats { hits: sum.hits + hits, misses: sum.misses + misses, bytes: sum.bytes + bytes, ..sum }
        })
    }
}

#[cfg(test)]
mod tests;
