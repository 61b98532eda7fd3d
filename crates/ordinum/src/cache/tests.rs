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
    cache.get_or_load(CacheUse::Peek, FileNumber(file), offset, absent).ok()
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
                .get_or_load(CacheUse::Fill, FileNumber(file), offset, || Ok(Arc::clone(&fresh)))
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
            .get_or_load(CacheUse::Fill, FileNumber(file), offset, || {
                misses += u64::from(file == 1);
                Ok(Arc::clone(&block))
            })
            .unwrap();
    }
    assert_eq!(misses, 50);
}

/// What is read once does not push out what is there; what is missed again soon comes in.
#[test]
fn a_full_cache_lets_in_what_is_missed_twice() {
    let mut rng = Rng::with_seed(3);
    let cache = BlockCache::new(1 << 20);
    let block = block(&mut rng);
    let read = |file, offset| {
        cache.get_or_load(CacheUse::Fill, FileNumber(file), offset, || Ok(Arc::clone(&block))).unwrap();
    };
    let here = |file: u64, offsets: u64| (0..offsets).filter(|at| get(&cache, file, *at).is_some()).count();
    (0..10_000).for_each(|offset| read(1, offset));
    let held = here(1, 10_000);
    assert!(held > 100);
    // Some bits of the doorkeeper are shared, so that a few come in at once.
    (0..10_000).for_each(|offset| read(2, offset));
    assert!(here(1, 10_000) > held / 2, "{} of {held}", here(1, 10_000));
    (0..10).for_each(|_| (0..20).for_each(|offset| read(3, offset)));
    assert_eq!(here(3, 20), 20);
}

#[test]
fn the_blocks_of_a_file_that_is_gone_are_dropped() {
    let mut rng = Rng::with_seed(4);
    let cache = BlockCache::new(4 << 20);
    for _ in 0..1000 {
        let block = block(&mut rng);
        let (file, offset) = (rng.u64(..5), rng.u64(..300));
        cache.get_or_load(CacheUse::Fill, FileNumber(file), offset, || Ok(block)).unwrap();
    }
    let here = |file| (0..300).filter(|offset| get(&cache, file, *offset).is_some()).collect::<Vec<_>>();
    let before: Vec<_> = (0..5).map(here).collect();
    assert!(before.iter().all(|blocks| blocks.len() > 50));
    cache.forget(vec![FileNumber(7), FileNumber(2)]);
    for (file, blocks) in (0..).zip(&before) {
        assert_eq!(here(file), if file == 2 { Vec::new() } else { blocks.clone() });
    }
    let bytes: usize = (0..5)
        .flat_map(|file| here(file).into_iter().map(move |offset| (file, offset)))
        .filter_map(|(file, offset)| get(&cache, file, offset))
        .map(|block| block.bytes())
        .sum();
    let counted = usize::try_from(cache.stats().bytes).unwrap();
    assert!(counted >= bytes && counted < bytes + 1000 * 100, "{counted} for {bytes}");
}

#[test]
fn what_is_pinned_takes_from_the_blocks() {
    let mut rng = Rng::with_seed(2);
    let cache = BlockCache::new(1 << 20);
    cache.pin(900_000);
    assert!(!cache.pin_if_room(1));
    for n in 0..1000 {
        let block = block(&mut rng);
        cache.get_or_load(CacheUse::Fill, FileNumber(1), n, || Ok(Arc::clone(&block))).unwrap();
    }
    assert!(cache.stats().bytes <= (1 << 20) - 900_000);
    cache.unpin(900_000);
    assert!(cache.pin_if_room(1));
}
