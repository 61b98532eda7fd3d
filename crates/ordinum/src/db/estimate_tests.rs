//! Approximate numbers of entries against true ones.

#![allow(clippy::cast_possible_truncation, reason = "test data")]

use std::ops::Bound;
use std::sync::Arc;

use super::*;
use crate::fs::MemoryFs;
use crate::options::Background;

/// The estimate is within this factor of the truth, beyond [`SLACK`].
const FACTOR: u64 = 2;
/// Entries of two blocks, for each of the few tables that a range may cut, and of half a sample's error.
const SLACK: u64 = 400;

fn open(family: FamilyOptions) -> Db {
    let fs = Arc::new(MemoryFs::new());
    let options =
        Options { fs, background: Background::Manual, family_defaults: family, ..Options::default() };
    Db::open("/db", options).unwrap()
}

fn small() -> FamilyOptions {
    FamilyOptions {
        level_base_bytes: 64 << 10,
        table_bytes_target: 32 << 10,
        block_bytes: 1024,
        ..FamilyOptions::default()
    }
}

/// Writes `count` keys with random numbers, and returns them.
fn fill(db: &Db, rng: &mut fastrand::Rng, count: usize) -> Vec<Vec<u8>> {
    let family = db.default_column_family();
    let keys: Vec<Vec<u8>> = (0..count).map(|_| rng.u64(..).to_be_bytes().to_vec()).collect();
    for keys in keys.chunks(500) {
        let mut batch = Batch::new();
        for key in keys {
            batch.put(&family, key, &vec![7; rng.usize(0..40)]).unwrap();
        }
        db.write(batch, Durability::Buffered).unwrap();
    }
    keys
}

fn check(reader: &dyn Reader, family: &ColumnFamily, keys: &[Vec<u8>], rng: &mut fastrand::Rng, what: &str) {
    for _ in 0..100 {
        let mut cut = [rng.u64(..), rng.u64(..)];
        cut.sort_unstable();
        let [start, end] = cut.map(u64::to_be_bytes);
        let range = match rng.u8(..4) {
            0 => KeyRange { start: Bound::Excluded(start.to_vec()), end: Bound::Unbounded },
            1 => KeyRange { start: Bound::Unbounded, end: Bound::Included(end.to_vec()) },
            _ => KeyRange::half_open(&start, &end),
        };
        let real = keys.iter().filter(|key| range.contains(key)).count() as u64;
        let told = reader.approximate_entries(family, &range).unwrap();
        let near = told <= real * FACTOR + SLACK && real <= told * FACTOR + SLACK;
        assert!(near, "{what}: {told} for {real} entries in {range:?}");
    }
}

#[test]
fn estimates_are_near_the_truth_wherever_the_entries_lie() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut rng = fastrand::Rng::with_seed(seed);
    let db = open(small());
    let family = db.default_column_family();
    let mut keys = fill(&db, &mut rng, 3000);
    let all = |db: &Db| db.approximate_entries(&family, &KeyRange::all()).unwrap();
    assert_eq!(all(&db), 3000, "few entries in memory are counted");
    check(&db, &family, &keys, &mut rng, "few in memory");
    keys.extend(fill(&db, &mut rng, 20_000));
    check(&db, &family, &keys, &mut rng, "many in memory");
    db.flush(&family).unwrap();
    assert_eq!(all(&db), 23_000, "whole tables are counted");
    check(&db, &family, &keys, &mut rng, "one table");
    keys.extend(fill(&db, &mut rng, 10_000));
    db.flush(&family).unwrap();
    keys.extend(fill(&db, &mut rng, 2000));
    check(&db.snapshot(), &family, &keys, &mut rng, "memory and level 0");
    db.compact_range(&family, KeyRange::all()).unwrap();
    assert!(db.stats().families[0].levels.iter().map(|level| level.files).sum::<usize>() > 4);
    assert_eq!(all(&db), 35_000);
    check(&db, &family, &keys, &mut rng, "many tables");
}

#[test]
fn a_small_range_of_a_big_table_is_small() {
    let db = open(small());
    let family = db.default_column_family();
    let mut batch = Batch::new();
    for n in 0..10_000u32 {
        batch.put(&family, &n.to_be_bytes(), b"value").unwrap();
    }
    db.write(batch, Durability::Buffered).unwrap();
    db.compact_range(&family, KeyRange::all()).unwrap();
    for n in [0u32, 1, 4_000, 7_777, 9_900] {
        for len in [10, 50, 100] {
            let range = KeyRange::half_open(&n.to_be_bytes(), &(n + len).to_be_bytes());
            let told = db.approximate_entries(&family, &range).unwrap();
            assert!(told <= u64::from(len) * 3 && u64::from(len) <= told * 3, "{told} for {len} from {n}");
        }
    }
}

#[test]
fn where_nothing_can_be_nothing_is_told() {
    let db = open(small());
    let family = db.default_column_family();
    let told = |reader: &dyn Reader, range: &KeyRange| reader.approximate_entries(&family, range).unwrap();
    assert_eq!(told(&db, &KeyRange::all()), 0);
    let mut rng = fastrand::Rng::with_seed(1);
    fill(&db, &mut rng, 1000);
    for _ in 0..2 {
        assert_eq!(told(&db, &KeyRange::half_open(b"b", b"b")), 0);
        assert_eq!(told(&db, &KeyRange::half_open(b"c", b"b")), 0);
        assert_eq!(told(&db, &KeyRange { start: Bound::Included(vec![0xff; 9]), end: Bound::Unbounded }), 0);
        db.flush(&family).unwrap();
    }
}

#[test]
fn deletions_and_own_writes_count() {
    let db = open(small());
    let family = db.default_column_family();
    let mut batch = Batch::new();
    batch.put(&family, b"a", b"1").unwrap();
    batch.put(&family, b"b", b"1").unwrap();
    db.write(batch, Durability::Buffered).unwrap();
    let mut batch = Batch::new();
    batch.delete(&family, b"a").unwrap();
    db.write(batch, Durability::Buffered).unwrap();
    let mut txn = db.transaction();
    txn.put(&family, b"c", b"1").unwrap();
    txn.put(&family, b"x", b"1").unwrap();
    assert_eq!(txn.approximate_entries(&family, &KeyRange::half_open(b"a", b"d")).unwrap(), 4);
    assert_eq!(db.approximate_entries(&family, &KeyRange::half_open(b"a", b"d")).unwrap(), 3);
    let start = Bound::Excluded(b"a".to_vec());
    let range = KeyRange { start, end: Bound::Included(b"b".to_vec()) };
    assert_eq!(db.approximate_entries(&family, &range).unwrap(), 1);
}
