#![allow(clippy::indexing_slicing, reason = "a failed step is a failed test")]

use std::path::PathBuf;

use fastrand::Rng;

use super::*;
use crate::cache::BlockCache;
use crate::file_name::FileNumber;
use crate::fs::MemoryFs;
use crate::iter::model::random_key;
use crate::key::{SeqNo, push_internal};
use crate::version::{FileMeta, TableStore, Tally, ValuesRead};

fn table(smallest: &[u8], largest: &[u8]) -> Arc<LiveTable> {
    let store = TableStore {
        notices: Arc::new(crate::listener::Notices::new(None)),
        fs: Arc::new(MemoryFs::new()),
        directory: PathBuf::from("/db"),
        cache: Arc::new(BlockCache::new(0)),
        limiter: None,
        values_read: ValuesRead::default(),
    };
    let internal = |user_key: &[u8], trailer| {
        let mut internal = Vec::new();
        push_internal(&mut internal, user_key, trailer);
        internal
    };
    let meta = FileMeta {
        number: FileNumber(1),
        bytes: 1,
        entries: 1,
        smallest: internal(smallest, 9 << 8),
        largest: internal(largest, 5 << 8),
        min_seqno: SeqNo::ZERO,
        max_seqno: SeqNo::MAX,
        tally: Tally::default(),
        values: Vec::new(),
        range_tombstones: 0,
        origin: None,
    };
    LiveTable::new(meta, Arc::new(store))
}

/// What the heads say is what the bounds say, whatever prefix the keys share.
#[test]
fn heads_find_what_bounds_find() {
    for seed in 0..300 {
        println!("seed {seed}");
        let mut rng = Rng::with_seed(seed);
        let prefix = vec![b'p'; rng.usize(..10)];
        let key = |rng: &mut Rng| match rng.u8(..8) {
            0 => random_key(rng),
            1 => prefix.get(..rng.usize(..=prefix.len())).unwrap().to_vec(),
            _ => [&prefix[..], &random_key(rng)].concat(),
        };
        let mut keys: Vec<Vec<u8>> =
            (0..2 * rng.usize(..12)).map(|_| [&prefix[..], &random_key(&mut rng)].concat()).collect();
        keys.sort();
        keys.dedup();
        let tables: Vec<_> = keys.chunks(2).map(|pair| table(&pair[0], pair.last().unwrap())).collect();
        let level = Level::new(tables.clone());
        for _ in 0..200 {
            let key = key(&mut rng);
            let holds =
                |table: &&Arc<LiveTable>| user_range(table).0 <= &key[..] && &key[..] <= user_range(table).1;
            let expected: Vec<_> = tables.iter().filter(holds).map(Arc::as_ptr).collect();
            assert_eq!(level.holding(&key).map(Arc::as_ptr).collect::<Vec<_>>(), expected);
            assert_eq!(level.only_holding(&key).map(Arc::as_ptr), expected.first().copied());
            let trailer = rng.u64(..8) << 8;
            let before = tables.partition_point(|table| compare(largest(table), (&key, trailer)).is_lt());
            assert_eq!(level.ending_before(&key, trailer), before);
        }
    }
}
