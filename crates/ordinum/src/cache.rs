//! The block cache: verified, decompressed blocks of all tables of a database, bounded by their bytes together with
//! those of the filters and indexes that open tables hold.
//!
//! Invariant: a block is keyed by file number and offset; numbers are never reused, so an entry never goes stale.
//! Evicting a block that a slice or an iterator pins only forgets it; its memory lives until they let go.

use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{OptionsBuilder, Weighter};

use crate::error::{Error, Result};
use crate::file_name::FileNumber;
use crate::table::Block;

/// A guess at the size of a block, which sizes the tables of the cache.
const BLOCK_BYTES_GUESS: u64 = 4096;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct BlockKey {
    file: u64,
    offset: u64,
}

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
}

/// Partitions of indexes are pinned until all that is pinned is this part of the budget.
const PART_PINNED: u64 = 4;
/// However much is pinned, this part of the budget stays for blocks.
const PART_FOR_BLOCKS: u64 = 8;
/// The capacity for blocks follows what is pinned in steps of this size.
const CAPACITY_STEP_BYTES: u64 = 256 * 1024;

/// The cache; shared by all tables of a database.
#[derive(Debug)]
pub(crate) struct BlockCache {
    blocks: Cache<BlockKey, Arc<Block>, BlockWeight, MixState>,
    bytes_max: u64,
    /// Bytes of filters and indexes that open tables hold.
    pinned: AtomicU64,
}

impl BlockCache {
    /// A cache of at most `bytes_max` bytes of blocks, filters and indexes.
    pub(crate) fn new(bytes_max: u64) -> Result<BlockCache> {
        let blocks = usize::try_from(bytes_max / BLOCK_BYTES_GUESS).unwrap_or(usize::MAX).max(1);
        let options = OptionsBuilder::new()
            .estimated_items_capacity(blocks)
            .weight_capacity(bytes_max)
            .build()
            .map_err(|reason| Error::InvalidArgument { message: format!("block cache: {reason}") })?;
        Ok(BlockCache {
            blocks: Cache::with_options(options, BlockWeight, MixState, DefaultLifecycle::default()),
            bytes_max,
            pinned: AtomicU64::new(0),
        })
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
        match cache_use {
            CacheUse::Fill => {
                if let Some(block) = self.blocks.get(&key) {
                    return Ok(block);
                }
                let block = load()?.into();
                self.blocks.insert(key, Arc::clone(&block));
                Ok(block)
            }
            CacheUse::Peek => match self.blocks.peek(&key) {
                Some(block) => Ok(block),
                None => Ok(load()?.into()),
            },
        }
    }

    /// Counts memory that an open table holds whatever the budget says.
    pub(crate) fn pin(&self, bytes: usize) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let before = self.pinned.fetch_add(bytes, Ordering::Relaxed);
        self.follow(before, before.saturating_add(bytes));
    }

    /// Counts memory that a table would like to hold, if the budget has room for it.
    pub(crate) fn pin_if_room(&self, bytes: usize) -> bool {
        let room = self.bytes_max / PART_PINNED;
        let bytes64 = u64::try_from(bytes).unwrap_or(u64::MAX);
        let fits = self.pinned.load(Ordering::Relaxed).saturating_add(bytes64) <= room;
        if fits {
            self.pin(bytes);
        }
        fits
    }

    /// Gives back what was counted.
    pub(crate) fn unpin(&self, bytes: usize) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let before = self.pinned.fetch_sub(bytes, Ordering::Relaxed);
        self.follow(before, before.saturating_sub(bytes));
    }

    /// Blocks have what is not pinned.
    fn follow(&self, before: u64, pinned: u64) {
        if before / CAPACITY_STEP_BYTES == pinned / CAPACITY_STEP_BYTES {
            return;
        }
        let rest = self.bytes_max.saturating_sub(pinned);
        self.blocks.set_capacity(rest.max(self.bytes_max / PART_FOR_BLOCKS));
    }

    /// Hits, misses and bytes.
    pub(crate) fn stats(&self) -> CacheStats {
        CacheStats { hits: self.blocks.hits(), misses: self.blocks.misses(), bytes: self.blocks.weight() }
    }
}

#[derive(Clone, Debug)]
struct BlockWeight;

impl Weighter<BlockKey, Arc<Block>> for BlockWeight {
    fn weight(&self, _key: &BlockKey, block: &Arc<Block>) -> u64 {
        u64::try_from(block.bytes()).unwrap_or(u64::MAX)
    }
}

/// Hashes the two numbers of a key; they come from us, so nobody can choose them to collide.
#[derive(Clone, Copy, Debug, Default)]
struct MixState;

impl BuildHasher for MixState {
    type Hasher = Mix;

    fn build_hasher(&self) -> Mix {
        Mix(0)
    }
}

#[derive(Debug)]
struct Mix(u64);

impl Hasher for Mix {
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(u64::from(byte));
        }
    }

    fn write_u64(&mut self, number: u64) {
        // The finalizer of SplitMix64.
        let mut mixed = (self.0 ^ number).wrapping_add(0x9e37_79b9_7f4a_7c15);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        self.0 = mixed ^ (mixed >> 31);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
