//! A part of the cache: a table of blocks with a clock hand, behind one lock.
//!
//! Invariants:
//! (1) a block stands in the first free place at or behind the one that its hash names, round the table: between the two
//!     no place is free;
//! (2) at least a quarter of the places is free.
//!
//! The hand goes round the places, as in the clock caches of RocksDB: it takes a block with no credit left, and one credit
//! of any other. A new block has one, a used one two: what was read once goes before what is read again.
//!
//! A block that others would have to go for is let in when it is missed for the second time within a round: most of those that are
//! read once would push out what is read again, and cost an allocation and an eviction each. Which were missed stands in a filter of
//! bits that forgets all of them now and then, the doorkeeper of Einziger, Friedman and Manes, "TinyLFU: A Highly Efficient Cache
//! Admission Policy" (2017).
#![deny(clippy::indexing_slicing)]

use std::sync::Arc;

use super::{CacheStats, CacheUse};
use crate::file_name::FileNumber;
use crate::prefetch::prefetch;
use crate::sync::RwLock;
use crate::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use crate::table::Block;

/// The places of a table that is not empty, at first.
const PLACES_MIN: usize = 16;
/// The credit of a block that was put in.
const CREDIT_NEW: u8 = 1;
/// The credit of a block that was used since.
const CREDIT_USED: u8 = 2;

/// The bits of the doorkeeper for each place.
const BITS_A_PLACE: usize = 32;
/// The doorkeeper forgets when it has been told of so many misses for each block that is here.
const MISSES_A_BLOCK: usize = 2;

/// What a block is found by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BlockKey {
    pub(super) file: u64,
    pub(super) offset: u64,
}

impl BlockKey {
    /// Mixes the two numbers; they come from us, so nobody can choose them to collide.
    pub(super) fn hash(self) -> u64 {
        // The finalizer of SplitMix64.
        let mut mixed = self.file.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ self.offset;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

/// A part of the cache.
#[derive(Debug, Default)]
pub(super) struct Shard {
    table: RwLock<Table>,
    hits: AtomicU64,
    misses: AtomicU64,
}

#[derive(Debug)]
struct Held {
    key: BlockKey,
    block: Arc<Block>,
    credit: AtomicU8,
}

#[derive(Debug, Default)]
struct Table {
    /// None, or a power of two of them.
    places: Vec<Option<Held>>,
    held: usize,
    bytes: u64,
    hand: usize,
    /// One bit for the hashes of blocks that were missed lately.
    missed: Vec<u64>,
    misses: usize,
}

impl Shard {
    /// The block, if it is here.
    pub(super) fn get(&self, key: BlockKey, hash: u64, cache_use: CacheUse) -> Option<Arc<Block>> {
        let found = self.find(key, hash, cache_use);
        if cache_use == CacheUse::Fill {
            let counter = if found.is_some() { &self.hits } else { &self.misses };
            counter.fetch_add(1, Ordering::Relaxed);
        }
        found
    }

    /// As [`Shard::get`] for who fills the cache, but that it is no miss if the block is not here.
    pub(super) fn get_if_here(&self, key: BlockKey, hash: u64) -> Option<Arc<Block>> {
        self.find(key, hash, CacheUse::Fill).inspect(|_| {
            self.hits.fetch_add(1, Ordering::Relaxed);
        })
    }

    fn find(&self, key: BlockKey, hash: u64, cache_use: CacheUse) -> Option<Arc<Block>> {
        let table = self.table.read();
        table.find(key, hash).map(|held| {
            if cache_use == CacheUse::Fill && held.credit.load(Ordering::Relaxed) != CREDIT_USED {
                held.credit.store(CREDIT_USED, Ordering::Relaxed);
            }
            Arc::clone(&held.block)
        })
    }

    /// Asks the processor for the place that the hash of a block names.
    pub(super) fn prefetch(&self, hash: u64) {
        let table = self.table.read();
        table.places.get(table.home(hash)).into_iter().for_each(prefetch);
    }

    /// Puts the block in, and drops others until no more than `bytes_max` bytes are here.
    pub(super) fn insert(&self, key: BlockKey, hash: u64, block: Arc<Block>, bytes_max: u64) {
        // What is dropped is freed without the lock.
        let mut dropped = Vec::new();
        let mut table = self.table.write();
        if table.find(key, hash).is_some() {
            return;
        }
        if table.bytes + weight(&block) <= bytes_max || table.was_missed(hash) {
            table.bytes += weight(&block);
            table.make_room();
            table.put(Held { key, block, credit: AtomicU8::new(CREDIT_NEW) }, hash);
        }
        while table.bytes > bytes_max
            && let Some(held) = table.evict()
        {
            dropped.push(held);
        }
        drop(table);
    }

    /// Drops the blocks of these files, whose numbers ascend. Readers wait while they are taken out, not while they are looked for.
    pub(super) fn forget(&self, files: &[FileNumber]) {
        let is_gone = |held: &&Held| files.binary_search(&FileNumber(held.key.file)).is_ok();
        let gone: Vec<BlockKey> = {
            let table = self.table.read();
            table.places.iter().flatten().filter(is_gone).map(|held| held.key).collect()
        };
        if gone.is_empty() {
            return;
        }
        // What is dropped is freed without the lock.
        let mut dropped = Vec::with_capacity(gone.len());
        let mut table = self.table.write();
        for key in gone {
            // One may have been evicted meanwhile.
            let at = table.find_place(key, key.hash()).map(|(at, _)| at);
            dropped.extend(at.and_then(|at| table.take(at)));
        }
        drop(table);
    }

    pub(super) fn stats(&self) -> CacheStats {
        CacheStats {
            hits: self.hits.load(Ordering::Relaxed),
            misses: self.misses.load(Ordering::Relaxed),
            bytes: self.table.read().bytes,
            pinned_bytes: 0,
        }
    }
}

fn weight(block: &Block) -> u64 {
    u64::try_from(block.bytes() + size_of::<Option<Held>>()).unwrap_or(u64::MAX)
}

impl Table {
    fn mask(&self) -> usize {
        self.places.len().wrapping_sub(1)
    }

    /// The place that the hash names.
    fn home(&self, hash: u64) -> usize {
        usize::try_from(hash & 0xffff_ffff).unwrap_or(0) & self.mask()
    }

    fn find(&self, key: BlockKey, hash: u64) -> Option<&Held> {
        self.find_place(key, hash).map(|(_, held)| held)
    }

    /// The block, and its place.
    fn find_place(&self, key: BlockKey, hash: u64) -> Option<(usize, &Held)> {
        let mut at = self.home(hash);
        // Some place is free (invariant 2), and an empty table has none at all.
        while let Some(held) = self.places.get(at)?.as_ref() {
            if held.key == key {
                return Some((at, held));
            }
            at = (at + 1) & self.mask();
        }
        None
    }

    /// Keeps invariant 2 with one more block.
    fn make_room(&mut self) {
        if (self.held + 1) * 4 <= self.places.len() * 3 {
            return;
        }
        let places = (self.places.len() * 2).max(PLACES_MIN);
        let before =
            std::mem::replace(&mut self.places, std::iter::repeat_with(|| None).take(places).collect());
        self.held = 0;
        for held in before.into_iter().flatten() {
            let hash = held.key.hash();
            self.put(held, hash);
        }
    }

    /// Whether a block with this hash was missed lately; it was now.
    fn was_missed(&mut self, hash: u64) -> bool {
        let bits = self.places.len() * BITS_A_PLACE;
        if self.misses >= self.held * MISSES_A_BLOCK || self.missed.len() * 64 != bits {
            self.missed.clear();
            self.missed.resize(bits / 64, 0);
            self.misses = 0;
        }
        self.misses += 1;
        // Bits that name neither the shard nor the place.
        let bit = usize::try_from(hash >> 40).unwrap_or(0) & (bits.wrapping_sub(1));
        let Some(word) = self.missed.get_mut(bit / 64) else { return true };
        let was = *word & (1 << (bit % 64)) != 0;
        *word |= 1 << (bit % 64);
        was
    }

    fn put(&mut self, held: Held, hash: u64) {
        let mut at = self.home(hash);
        while self.places.get(at).is_some_and(Option::is_some) {
            at = (at + 1) & self.mask();
        }
        if let Some(place) = self.places.get_mut(at) {
            *place = Some(held);
            self.held += 1;
        }
    }

    /// Takes the next block without credit out; none if there is no block.
    fn evict(&mut self) -> Option<Held> {
        if self.held == 0 {
            return None;
        }
        loop {
            let at = self.hand & self.mask();
            if let Some(held) = self.places.get_mut(at)? {
                match held.credit.get_mut() {
                    0 => return self.take(at),
                    credit => *credit -= 1,
                }
            }
            self.hand = at + 1;
        }
    }

    /// Takes the block at a place out, and moves those behind it up, so that invariant 1 holds.
    fn take(&mut self, at: usize) -> Option<Held> {
        let taken = self.places.get_mut(at)?.take()?;
        self.held -= 1;
        self.bytes -= weight(&taken.block);
        let mut free = at;
        let mut next = (at + 1) & self.mask();
        while let Some(held) = self.places.get(next)?.as_ref() {
            let home = self.home(held.key.hash());
            // It may move to the free place if that is not before its home, round the table.
            if (next.wrapping_sub(home) & self.mask()) >= (next.wrapping_sub(free) & self.mask()) {
                self.places.swap(free, next);
                free = next;
            }
            next = (next + 1) & self.mask();
        }
        Some(taken)
    }
}
