//! Entries that were asked for in blocks that had to leave the cache, kept by themselves.
//!
//! A block stays in the cache as a whole, for the sake of often no more than one of its entries. When it leaves, the entries
//! that were asked for in it stay a while longer, in a tenth or less of the memory, as in the row cache of RocksDB. How much
//! of the budget they have follows from what would be gained: both entries and blocks leave ghosts behind, for as much memory
//! each, and each block that has to be read moves the border by a step towards the part whose ghosts it meets (after
//! Megiddo and Modha, "ARC: a self-tuning, low overhead replacement cache", 2003). Where all blocks fit nothing leaves, and
//! no entry is kept.
//!
//! Invariants:
//! (1) an entry is the newest version of its user key in its table. It answers whoever may see it; who may not looks into
//!     the block;
//! (2) it is found by the number of its table and the user key itself. Numbers are never reused, so it never goes stale.
#![deny(clippy::indexing_slicing)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{RwLock, RwLockWriteGuard};

use super::clock_table::{ClockTable, Item};
use super::ghosts::Ghosts;
use super::shard::mix;
use crate::file_name::FileNumber;
use crate::padded::Padded;
use crate::slice::Slice;

/// The most that entries may have of the budget, in eighths.
const EIGHTHS_MAX: u64 = 7;
/// Ghosts are kept for this part of the budget.
const PART_GHOSTS: u64 = 4;
/// A ghost that is met moves the border by this part of the budget.
const PART_STEP: u64 = 4096;
/// What an entry is taken to have, where their number has to be said beforehand.
const ENTRY_BYTES_USUAL: u64 = 256;
/// What a block is taken to have.
const BLOCK_BYTES_USUAL: u64 = 4096;
/// Reference counts stand before the bytes.
const COUNTS_BYTES: usize = 16;

/// The entries, and what decides how many there are.
#[derive(Debug)]
pub(super) struct Entries {
    /// A power of two of them.
    shards: Box<[Padded<Shard>]>,
    /// What entries may take together.
    bytes_target: AtomicU64,
    step_bytes: u64,
    ghosts: Ghosts,
    block_ghosts: Ghosts,
}

#[derive(Debug, Default)]
struct Shard {
    table: RwLock<ClockTable<HeldEntry>>,
    /// What the table takes, told when its lock is let go.
    bytes: AtomicU64,
    hits: AtomicU64,
}

/// An entry in the cache.
#[derive(Debug)]
struct HeldEntry {
    hash: u64,
    file: u64,
    trailer: u64,
    /// The user key and the value.
    bytes: Arc<[u8]>,
    key_bytes: u32,
}

impl Item for HeldEntry {
    fn hash(&self) -> u64 {
        self.hash
    }

    fn bytes(&self) -> u64 {
        u64::try_from(self.bytes.len() + COUNTS_BYTES).unwrap_or(u64::MAX)
    }

    fn file(&self) -> u64 {
        self.file
    }
}

impl HeldEntry {
    fn is(&self, hash: u64, file: FileNumber, user_key: &[u8]) -> bool {
        self.hash == hash && self.file == file.0 && self.user_key() == user_key
    }

    fn key_end(&self) -> usize {
        usize::try_from(self.key_bytes).unwrap_or(usize::MAX)
    }

    fn user_key(&self) -> &[u8] {
        self.bytes.get(..self.key_end()).unwrap_or_default()
    }
}

/// What an entry is found by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EntryKey<'a> {
    /// The table that it is in.
    pub(crate) file: FileNumber,
    pub(crate) user_key: &'a [u8],
    /// The [`crate::table::hash_key`] of the user key.
    pub(crate) key_hash: u64,
}

impl EntryKey<'_> {
    fn hash(&self) -> u64 {
        mix(self.file.0, self.key_hash)
    }
}

impl Entries {
    /// None yet, in a cache of `bytes_max` bytes that has so many shards.
    pub(super) fn new(bytes_max: u64, shards: usize) -> Entries {
        let ghosts_bytes = bytes_max / PART_GHOSTS;
        Entries {
            shards: (0..shards).map(|_| Padded::default()).collect(),
            bytes_target: AtomicU64::new(0),
            step_bytes: bytes_max / PART_STEP,
            ghosts: Ghosts::new(ghosts_bytes / ENTRY_BYTES_USUAL),
            block_ghosts: Ghosts::new(ghosts_bytes / BLOCK_BYTES_USUAL),
        }
    }

    /// What the ghosts take.
    pub(super) fn ghosts_bytes(&self) -> usize {
        self.ghosts.bytes() + self.block_ghosts.bytes()
    }

    /// What the entries may take of `bytes` for both blocks and entries.
    pub(super) fn bytes_target(&self, bytes: u64) -> u64 {
        self.bytes_target.load(Ordering::Relaxed).min(bytes / 8 * EIGHTHS_MAX)
    }

    /// Whether entries may be here.
    pub(super) fn is_in_use(&self) -> bool {
        self.bytes_target.load(Ordering::Relaxed) > 0
    }

    /// The trailer and the value of an entry at or below `trailer`, if it is here.
    pub(super) fn get(&self, key: EntryKey<'_>, trailer: u64) -> Option<(u64, Slice)> {
        let (hash, EntryKey { file, user_key, .. }) = (key.hash(), key);
        let shard = self.shard(hash);
        let found = {
            let table = shard.table.read();
            let held = table.find(hash, |entry| entry.is(hash, file, user_key))?;
            held.used();
            let entry = &held.item;
            (entry.trailer <= trailer).then(|| (entry.trailer, Arc::clone(&entry.bytes)))
        };
        let (found, bytes) = found?;
        shard.hits.fetch_add(1, Ordering::Relaxed);
        Some((found, Slice::part(bytes, user_key.len())))
    }

    /// A block had to be read for the entry, of those two hashes: whose ghosts it meets gets more of the budget.
    pub(super) fn missed(&self, block_hash: u64, entry: Option<EntryKey<'_>>, bytes: u64) {
        let for_blocks = self.block_ghosts.take(block_hash);
        let for_entries = entry.is_some_and(|entry| self.ghosts.take(entry.hash()));
        if for_blocks == for_entries {
            return;
        }
        let before = self.bytes_target(bytes);
        let after = match for_entries {
            true => (before + self.step_bytes).min(bytes / 8 * EIGHTHS_MAX),
            false => before.saturating_sub(self.step_bytes),
        };
        // Of two threads at once one step may be lost.
        self.bytes_target.store(after, Ordering::Relaxed);
    }

    /// A block left the cache.
    pub(super) fn block_left(&self, block_hash: u64) {
        self.block_ghosts.put(block_hash);
    }

    /// The block of this entry left the cache: keeps it, or its ghost. `entry` is the user key and the value.
    pub(super) fn keep(&self, key: EntryKey<'_>, trailer: u64, entry: &[u8], bytes: u64) {
        let (hash, EntryKey { file, user_key, .. }) = (key.hash(), key);
        let target = self.bytes_target(bytes);
        let Some(key_bytes) = u32::try_from(user_key.len()).ok().filter(|_| target > 0) else {
            return self.ghosts.put(hash);
        };
        let kept = HeldEntry { hash, file: file.0, trailer, bytes: entry.into(), key_bytes };
        let shard = self.shard(hash);
        let mut table = shard.table.write();
        if table.find(hash, |entry| entry.is(hash, file, user_key)).is_none() {
            table.insert(kept);
        }
        self.shrink_to(self.part(target), shard, table);
    }

    /// Lets entries go until the shard of this hash has its part of `target` at the most, and gives what it takes then.
    pub(super) fn shrink(&self, hash: u64, target: u64) -> u64 {
        let (bytes_max, shard) = (self.part(target), self.shard(hash));
        if shard.bytes.load(Ordering::Relaxed) > bytes_max {
            self.shrink_to(bytes_max, shard, shard.table.write());
        }
        shard.bytes.load(Ordering::Relaxed)
    }

    fn part(&self, bytes: u64) -> u64 {
        bytes / u64::try_from(self.shards.len()).unwrap_or(1)
    }

    fn shrink_to(
        &self,
        bytes_max: u64,
        shard: &Shard,
        mut table: RwLockWriteGuard<'_, ClockTable<HeldEntry>>,
    ) {
        let mut dropped = Vec::new();
        while table.bytes() > bytes_max
            && let Some(entry) = table.evict()
        {
            self.ghosts.put(entry.hash);
            dropped.push(entry);
        }
        shard.bytes.store(table.bytes(), Ordering::Relaxed);
        // What is dropped is freed without the lock.
        drop(table);
    }

    /// Lets all entries of these files go; the numbers ascend.
    pub(super) fn forget(&self, files: &[u64]) {
        for shard in &self.shards {
            let mut table = shard.table.write();
            let dropped = table.take_files(files);
            shard.bytes.store(table.bytes(), Ordering::Relaxed);
            drop(table);
            drop(dropped);
        }
    }

    /// Entries that were found, and the bytes of those that are here.
    pub(super) fn stats(&self) -> (u64, u64) {
        self.shards.iter().fold((0, 0), |(hits, bytes), shard| {
            (hits + shard.hits.load(Ordering::Relaxed), bytes + shard.bytes.load(Ordering::Relaxed))
        })
    }

    /// Gives entries half a megabyte.
    #[cfg(test)]
    pub(super) fn grow_for_test(&self) {
        self.bytes_target.store(1 << 19, Ordering::Relaxed);
    }

    fn shard(&self, hash: u64) -> &Shard {
        super::shard_of(&self.shards, hash)
    }
}
