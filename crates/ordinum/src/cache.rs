//! The block cache: verified, decompressed blocks of all tables of a database, and entries of blocks that had to leave,
//! bounded by their bytes together with those of the filters and indexes that open tables hold.
//!
//! Invariants:
//! (1) a block is keyed by file number and offset; numbers are never reused, so it never goes stale. Evicting a block
//!     that a slice or an iterator pins only forgets it; its memory lives until they let go;
//! (2) a hit takes one lock for readers, of one shard, and writes to it only if the block was not used since the hand came by.

mod clock_table;
mod entries;
mod ghosts;
mod shard;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use entries::Entries;
pub(crate) use entries::EntryKey;
use parking_lot::Mutex;
use shard::{BlockKey, HeldBlock, Shard};

use crate::error::Result;
use crate::file_name::FileNumber;
use crate::padded::Padded;
use crate::slice::Slice;
use crate::table::{Block, hash_key};

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
    /// Entries that were found although their block was not looked for.
    pub(crate) entry_hits: u64,
    /// Bytes of the blocks and entries that are in the cache now.
    pub(crate) bytes: u64,
    /// Of those: bytes of the entries.
    pub(crate) entry_bytes: u64,
    /// Bytes of filters and indexes that open tables hold now.
    pub(crate) pinned_bytes: u64,
}

/// Partitions of indexes are pinned until all that is pinned is this part of the budget.
const PART_PINNED: u64 = 4;
/// However much is pinned, this part of the budget stays for blocks.
const PART_FOR_BLOCKS: u64 = 8;
/// A shard has at least this part of the budget, as long as there are more than one.
const SHARD_BYTES_MIN: u64 = 1 << 20;
/// Tables that are no more are forgotten together, once they had this part of the budget, or so many are no more.
const PART_GONE: u64 = 2;
const FILES_GONE_MAX: usize = 1024;
/// The most shards.
const SHARDS_MAX: u64 = 64;

/// The cache; shared by all tables of a database.
#[derive(Debug)]
pub(crate) struct BlockCache {
    /// A power of two of them.
    shards: Box<[Padded<Shard>]>,
    entries: Entries,
    bytes_max: u64,
    /// Bytes of filters and indexes that open tables hold, and of what the cache itself needs.
    pinned: AtomicU64,
    gone: Mutex<Gone>,
}

/// Tables that are no more, of which blocks and entries may be here.
#[derive(Debug, Default)]
struct Gone {
    files: Vec<u64>,
    bytes: u64,
}

impl BlockCache {
    /// A cache of at most `bytes_max` bytes of blocks, entries, filters and indexes.
    pub(crate) fn new(bytes_max: u64) -> BlockCache {
        let shards = (bytes_max / SHARD_BYTES_MIN).clamp(1, SHARDS_MAX).next_power_of_two();
        let shards: Box<[_]> = (0..shards).map(|_| Padded::default()).collect();
        let entries = Entries::new(bytes_max, shards.len());
        let cache =
            BlockCache { shards, entries, bytes_max, pinned: AtomicU64::new(0), gone: Mutex::default() };
        cache.pin(cache.entries.ghosts_bytes());
        cache
    }

    /// The budget.
    pub(crate) fn bytes_max(&self) -> u64 {
        self.bytes_max
    }

    /// The block at `offset` of `file`, made by `load` if it is not here. `wanted` is the entry that is looked for in it, if
    /// it is one of which the newest version in its table is looked for.
    pub(crate) fn get_or_load<B: Into<Arc<Block>>>(
        &self,
        cache_use: CacheUse,
        file: FileNumber,
        offset: u64,
        wanted: Option<EntryKey<'_>>,
        load: impl FnOnce() -> Result<B>,
    ) -> Result<Arc<Block>> {
        let key = BlockKey { file: file.0, offset };
        let hash = key.hash();
        let shard = shard_of(&self.shards, hash);
        if let Some(block) = shard.get(key, hash, cache_use) {
            return Ok(block);
        }
        let block = load()?.into();
        if cache_use == CacheUse::Fill {
            self.fill(key, &block, wanted);
        }
        Ok(block)
    }

    /// Puts a block in that had to be read.
    fn fill(&self, key: BlockKey, block: &Arc<Block>, wanted: Option<EntryKey<'_>>) {
        let hash = key.hash();
        let bytes = self.bytes_for_blocks();
        self.entries.missed(hash, wanted, bytes);
        let entry_bytes = self.entries.shrink(hash, self.entries.bytes_target(bytes));
        // Blocks have what entries could have and have not.
        let shards = u64::try_from(self.shards.len()).unwrap_or(1);
        let bytes_max = (bytes / shards).saturating_sub(entry_bytes);
        let dropped = shard_of(&self.shards, hash).insert(key, Arc::clone(block), bytes_max);
        dropped.iter().for_each(|held| self.keep_entries(held, bytes));
    }

    /// Whether any entry may be kept by itself.
    #[inline]
    pub(crate) fn keeps_entries(&self) -> bool {
        self.entries.is_in_use()
    }

    /// An entry that is the newest version in its table of what it is found by, if it is here, and at or below `trailer`:
    /// its trailer and its value.
    pub(crate) fn entry(&self, key: EntryKey<'_>, trailer: u64) -> Option<(u64, Slice)> {
        self.entries.get(key, trailer)
    }

    /// Keeps what was asked for in a block that left.
    fn keep_entries(&self, held: &HeldBlock, bytes: u64) {
        self.entries.block_left(held.key.hash());
        held.block.for_each_asked(|entry, key_bytes, trailer| {
            // An entry that is most of its block is worth no more by itself.
            if entry.len() < held.block.bytes() / 4 {
                let user_key = entry.get(..key_bytes).unwrap_or_default();
                let key =
                    EntryKey { file: FileNumber(held.key.file), user_key, key_hash: hash_key(user_key) };
                self.entries.keep(key, trailer, entry, bytes);
            }
        });
    }

    /// A table of so many bytes is no more. What is here of such tables goes as soon as they are a part of the budget together.
    pub(crate) fn table_gone(&self, file: FileNumber, bytes: u64) {
        let mut files = {
            let mut gone = self.gone.lock();
            gone.files.push(file.0);
            gone.bytes = gone.bytes.saturating_add(bytes);
            if gone.bytes < self.bytes_max / PART_GONE && gone.files.len() < FILES_GONE_MAX {
                return;
            }
            std::mem::take(&mut *gone).files
        };
        files.sort_unstable();
        self.shards.iter().for_each(|shard| shard.forget(&files));
        self.entries.forget(&files);
    }

    /// Blocks and entries have what is not pinned.
    fn bytes_for_blocks(&self) -> u64 {
        let rest = self.bytes_max.saturating_sub(self.pinned.load(Ordering::Relaxed));
        rest.max(self.bytes_max / PART_FOR_BLOCKS)
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

    /// Gives back what was counted.
    pub(crate) fn unpin(&self, bytes: usize) {
        self.pinned.fetch_sub(u64::try_from(bytes).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Hits, misses and bytes.
    pub(crate) fn stats(&self) -> CacheStats {
        let (entry_hits, entry_bytes) = self.entries.stats();
        let pinned_bytes = self.pinned.load(Ordering::Relaxed);
        let none =
            CacheStats { entry_hits, entry_bytes, bytes: entry_bytes, pinned_bytes, ..CacheStats::default() };
        self.shards.iter().fold(none, |sum, shard| {
            let (hits, misses, bytes) = shard.stats();
            CacheStats { hits: sum.hits + hits, misses: sum.misses + misses, bytes: sum.bytes + bytes, ..sum }
        })
    }
}

/// The shard of a hash: its upper bits choose the shard, the lower ones the place in it.
fn shard_of<T>(shards: &[Padded<T>], hash: u64) -> &T {
    let at = usize::try_from(hash >> 32).unwrap_or(0) & (shards.len() - 1);
    &shards[at]
}

#[cfg(test)]
mod tests;
