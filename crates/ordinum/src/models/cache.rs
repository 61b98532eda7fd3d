//! A shard of the block cache: what is put in, found and dropped at the same time.

use std::path::Path;
use std::sync::Arc;

use shuttle::thread;

use super::check;
use crate::cache::{BlockCache, CacheUse};
use crate::file_name::FileNumber;
use crate::table::Block;
use crate::table::tests::block_of;

const BYTES_MAX: u64 = 1_200;

fn block(offset: u64) -> Arc<Block> {
    // Each of another length.
    Arc::new(block_of(&[(&vec![7; 200 + 50 * offset as usize], 1, b"v")], Path::new("/t")))
}

/// Three ask for the same few blocks, of which some fit: each gets the one of its place, and no more than fits is kept.
fn asked_for_at_once() {
    let cache = Arc::new(BlockCache::new(BYTES_MAX));
    let threads: Vec<_> = (0..3_u64)
        .map(|turn| {
            let cache = Arc::clone(&cache);
            thread::spawn(move || {
                for at in 0..4 {
                    let offset = (at + turn) % 4;
                    let load = || Ok(block(offset));
                    let found = cache.get_or_load(CacheUse::Fill, FileNumber(1), offset, load).unwrap();
                    assert_eq!(found.bytes(), block(offset).bytes(), "the block of another place");
                    assert!(cache.stats().bytes <= BYTES_MAX, "more is kept than fits");
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    let stats = cache.stats();
    assert_eq!(stats.hits + stats.misses, 12);
}

#[test]
fn blocks_are_asked_for_at_once() {
    check(asked_for_at_once);
}
