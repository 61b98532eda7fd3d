#![allow(clippy::cast_possible_truncation, reason = "test data")]

use std::collections::HashMap;
use std::path::Path;

use fastrand::Rng;

use super::*;
use crate::table::tests::block_of;

fn block(rng: &mut Rng) -> Arc<Block> {
    Arc::new(block_of(&[(b"key", 1, &vec![7; rng.usize(..3000)])], Path::new("/t")))
}

fn get(cache: &BlockCache, file: u64, offset: u64) -> Option<Arc<Block>> {
    let absent = || Err::<Arc<Block>, _>(crate::Error::Closed);
    cache.get_or_load(CacheUse::Peek, FileNumber(file), offset, None, absent).ok()
}

/// What is here is what was put in, within the bound, whatever was dropped before.
#[test]
fn blocks_are_found_until_they_are_dropped() {
    for seed in 0..20 {
        println!("seed {seed}");
        let mut rng = Rng::with_seed(seed);
        let bytes_max = rng.u64(..300_000);
        let cache = BlockCache::new(bytes_max);
        let mut model: HashMap<(u64, u64), Arc<Block>> = HashMap::new();
        for _ in 0..3000 {
            let (file, offset) = (rng.u64(..4), rng.u64(..300));
            let fresh = block(&mut rng);
            let held = cache
                .get_or_load(CacheUse::Fill, FileNumber(file), offset, None, || Ok(Arc::clone(&fresh)))
                .unwrap();
            if Arc::ptr_eq(&held, &fresh) {
                model.insert((file, offset), fresh);
            } else {
                assert!(Arc::ptr_eq(&held, &model[&(file, offset)]));
            }
            let stats = cache.stats();
            assert!(stats.bytes <= bytes_max);
        }
        let mut bytes = 0;
        for ((file, offset), block) in &model {
            if let Some(held) = get(&cache, *file, *offset) {
                assert!(Arc::ptr_eq(&held, block));
                bytes += held.bytes() as u64;
            }
        }
        assert!(bytes <= bytes_max);
        // A cache that holds a few blocks does hold some.
        assert!(bytes_max < 10_000 || bytes > bytes_max / 2, "{bytes} of {bytes_max}");
    }
}

/// Blocks that are read again stay while many pass that are read once.
#[test]
fn what_is_used_outlives_what_passes() {
    let mut rng = Rng::with_seed(1);
    let cache = BlockCache::new(1 << 20);
    let block = block(&mut rng);
    let mut misses = 0;
    for n in 0..100_000_u64 {
        let (file, offset) = if n % 2 == 0 { (1, n / 2 % 50) } else { (2, n) };
        cache
            .get_or_load(CacheUse::Fill, FileNumber(file), offset, None, || {
                misses += u64::from(file == 1);
                Ok(Arc::clone(&block))
            })
            .unwrap();
    }
    assert_eq!(misses, 50);
}

#[test]
fn what_is_pinned_takes_from_the_blocks() {
    let mut rng = Rng::with_seed(2);
    let cache = BlockCache::new(1 << 20);
    cache.pin(900_000);
    assert!(!cache.pin_if_room(1));
    for n in 0..1000 {
        let block = block(&mut rng);
        cache.get_or_load(CacheUse::Fill, FileNumber(1), n, None, || Ok(Arc::clone(&block))).unwrap();
    }
    assert!(cache.stats().bytes <= (1 << 20) - 900_000);
    cache.unpin(900_000);
    assert!(cache.pin_if_room(1));
}

/// Blocks of a table of so many keys, as a table reads them: what is asked for is noted.
struct Blocks {
    cache: BlockCache,
    blocks: u64,
    loaded: u64,
}

/// Entries of a block.
const IN_BLOCK: u64 = 30;
const FILE: FileNumber = FileNumber(7);

fn key_of(entry: u64) -> [u8; 8] {
    entry.to_be_bytes()
}

impl Blocks {
    fn new(cache_bytes: u64, blocks: u64) -> Blocks {
        Blocks { cache: BlockCache::new(cache_bytes), blocks, loaded: 0 }
    }

    /// A block as it comes from a file: nothing was asked for in it.
    fn load(number: u64) -> Arc<Block> {
        let keys: Vec<_> = (number * IN_BLOCK..(number + 1) * IN_BLOCK).map(key_of).collect();
        let value = [1; 100];
        let entries: Vec<_> = keys.iter().map(|key| (&key[..], 5, &value[..])).collect();
        Arc::new(block_of(&entries, Path::new("/t")))
    }

    fn get(&mut self, entry: u64) {
        let user_key = key_of(entry);
        let key_hash = crate::table::hash_key(&user_key);
        let key = EntryKey { file: FILE, user_key: &user_key, key_hash };
        if self.cache.keeps_entries()
            && let Some((trailer, value)) = self.cache.entry(key, u64::MAX)
        {
            assert_eq!((trailer, &*value), (5, &[1; 100][..]));
            return;
        }
        let number = entry / IN_BLOCK;
        let loaded = &mut self.loaded;
        let load = || {
            *loaded += 1;
            Ok(Blocks::load(number))
        };
        let block = self.cache.get_or_load(CacheUse::Fill, FILE, number, Some(key), load).unwrap();
        block.ask(&user_key);
    }

    /// The part of so many gets, in thousandths, that loaded a block.
    fn loads(&mut self, gets: u64, mut pick: impl FnMut() -> u64) -> u64 {
        let before = self.loaded;
        (0..gets).for_each(|_| self.get(pick()));
        (self.loaded - before) * 1000 / gets
    }
}

/// One hot entry in each of two thousand blocks, of which a seventh fits: the entries fit.
#[test]
fn entries_that_are_asked_for_outlive_their_blocks() {
    let mut rng = Rng::with_seed(3);
    let mut table = Blocks::new(1 << 20, 2000);
    let mut hot = || rng.u64(..2000) * IN_BLOCK + 11;
    let at_first = table.loads(2000, &mut hot);
    table.loads(60_000, &mut hot);
    let later = table.loads(10_000, &mut hot);
    assert!(at_first > 700, "{at_first}");
    assert!(later < 150, "{later}");
    let stats = table.cache.stats();
    assert!(stats.entry_hits > 50_000, "{stats:?}");
    assert!(stats.bytes + stats.pinned_bytes <= (1 << 20) + (1 << 15), "{stats:?}");

    // When all entries of the blocks are asked for alike, blocks are worth more again.
    let mut any = || rng.u64(..300 * IN_BLOCK);
    table.loads(60_000, &mut any);
    let blocks_again = table.loads(20_000, &mut any);
    let mut blocks_only = Blocks::new(1 << 20, 300);
    blocks_only.loads(60_000, &mut any);
    let as_ever = blocks_only.loads(20_000, &mut any);
    assert!(blocks_again < as_ever + 50, "{blocks_again} {as_ever}");
}

/// Nothing leaves a cache that is large enough: no entry is kept by itself, and no get asks for one.
#[test]
fn where_all_blocks_fit_no_entry_is_kept() {
    let mut rng = Rng::with_seed(4);
    let mut table = Blocks::new(4 << 20, 300);
    let entries = table.blocks * IN_BLOCK;
    table.loads(20_000, || rng.u64(..entries));
    let stats = table.cache.stats();
    assert_eq!((table.loaded, stats.entry_hits, stats.entry_bytes), (300, 0, 0));
}

/// Who may not see the newest version does not get it.
#[test]
fn an_entry_is_not_for_those_who_look_below_it() {
    let cache = BlockCache::new(1 << 20);
    let key = EntryKey { file: FILE, user_key: b"key", key_hash: 9 };
    cache.entries.grow_for_test();
    cache.entries.keep(key, 5 << 8, b"keyvalue", 1 << 20);
    assert_eq!(
        cache.entry(key, 5 << 8).map(|(trailer, value)| (trailer, value.to_vec())),
        Some((5 << 8, b"value".to_vec()))
    );
    assert_eq!(cache.entry(key, 4 << 8), None);
    assert_eq!(cache.entry(EntryKey { file: FileNumber(8), ..key }, u64::MAX), None);
    assert_eq!(cache.entry(EntryKey { user_key: b"kez", ..key }, u64::MAX), None);
}

/// What is of tables that are no more goes, and leaves its room to others.
#[test]
fn what_is_of_tables_that_are_gone_goes() {
    let mut rng = Rng::with_seed(5);
    let mut table = Blocks::new(1 << 20, 2000);
    table.loads(60_000, || rng.u64(..2000) * IN_BLOCK + 11);
    let cache = &table.cache;
    let empty = BlockCache::new(1 << 20).stats();
    assert!(cache.stats().entry_bytes > 200_000, "{:?}", cache.stats());
    cache.table_gone(FileNumber(8), 1 << 30);
    assert!(cache.stats().entry_bytes > 200_000, "{:?}", cache.stats());
    cache.table_gone(FILE, 1 << 10);
    assert!(cache.stats().entry_bytes > 200_000, "{:?}", cache.stats());
    cache.table_gone(FileNumber(9), 1 << 19);
    let stats = cache.stats();
    assert_eq!((stats.pinned_bytes, stats.entry_bytes > 2000), (empty.pinned_bytes, false), "{stats:?}");
    assert!(stats.bytes < 4000, "{stats:?}");
}

/// A cache of any size costs little until it is used.
#[test]
fn a_large_budget_costs_little() {
    assert!(BlockCache::new(1 << 44).stats().pinned_bytes < 16 << 20);
}
