//! A part of the cache: blocks behind one lock.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::RwLock;

use super::CacheUse;
use super::clock_table::{ClockTable, Item};
use crate::table::Block;

/// What a block is found by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BlockKey {
    pub(super) file: u64,
    pub(super) offset: u64,
}

impl BlockKey {
    /// Mixes the two numbers; they come from us, so nobody can choose them to collide.
    pub(super) fn hash(self) -> u64 {
        mix(self.file, self.offset)
    }
}

/// The finalizer of SplitMix64, over a file and a number of something in it.
pub(super) fn mix(file: u64, number: u64) -> u64 {
    let mut mixed = file.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ number;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// A part of the cache.
#[derive(Debug, Default)]
pub(super) struct Shard {
    table: RwLock<ClockTable<HeldBlock>>,
    hits: AtomicU64,
    misses: AtomicU64,
}

/// A block in the cache.
#[derive(Debug)]
pub(super) struct HeldBlock {
    pub(super) key: BlockKey,
    pub(super) block: Arc<Block>,
}

impl Item for HeldBlock {
    fn hash(&self) -> u64 {
        self.key.hash()
    }

    fn bytes(&self) -> u64 {
        u64::try_from(self.block.bytes()).unwrap_or(u64::MAX)
    }

    fn file(&self) -> u64 {
        self.key.file
    }
}

impl Shard {
    /// The block, if it is here.
    pub(super) fn get(&self, key: BlockKey, hash: u64, cache_use: CacheUse) -> Option<Arc<Block>> {
        let found = {
            let table = self.table.read();
            table.find(hash, |held| held.key == key).map(|held| {
                if cache_use == CacheUse::Fill {
                    held.used();
                }
                Arc::clone(&held.item.block)
            })
        };
        if cache_use == CacheUse::Fill {
            let counter = if found.is_some() { &self.hits } else { &self.misses };
            counter.fetch_add(1, Ordering::Relaxed);
        }
        found
    }

    /// Puts the block in, and takes others out until no more than `bytes_max` bytes are here; gives those. Whoever drops
    /// them does so without the lock.
    pub(super) fn insert(&self, key: BlockKey, block: Arc<Block>, bytes_max: u64) -> Vec<HeldBlock> {
        let mut dropped = Vec::new();
        let mut table = self.table.write();
        if table.find(key.hash(), |held| held.key == key).is_some() {
            return dropped;
        }
        table.insert(HeldBlock { key, block });
        while table.bytes() > bytes_max
            && let Some(held) = table.evict()
        {
            dropped.push(held);
        }
        dropped
    }

    /// Lets all blocks of these files go; the numbers ascend.
    pub(super) fn forget(&self, files: &[u64]) {
        // What is dropped is freed without the lock.
        let dropped = self.table.write().take_files(files);
        drop(dropped);
    }

    /// Blocks that were found, blocks that were not, and the bytes of those that are here.
    pub(super) fn stats(&self) -> (u64, u64, u64) {
        let bytes = self.table.read().bytes();
        (self.hits.load(Ordering::Relaxed), self.misses.load(Ordering::Relaxed), bytes)
    }
}
