//! One budget for the memtables of all families.

use std::sync::Arc;

use super::*;
use crate::error::Error;
use crate::fs::{FaultFs, MemoryFs};
use crate::options::Background;

fn options(fs: &FaultFs, budget: u64) -> Options {
    Options {
        fs: Arc::new(fs.clone()),
        background: Background::Manual,
        write_buffer_budget_bytes: budget,
        ..Options::default()
    }
}

fn put(db: &Db, family: &ColumnFamily, n: u32) -> Result<SeqNo> {
    let mut batch = Batch::new();
    batch.put(family, &n.to_be_bytes(), &[b'v'; 100])?;
    db.write(batch, Durability::Buffered)
}

fn fill(db: &Db, entries: u32) {
    for n in 0..entries {
        put(db, &db.default_column_family(), n).unwrap();
    }
}

fn in_memory(db: &Db) -> u64 {
    let stats = db.stats();
    stats.families.iter().map(|family| family.memtable_bytes).sum()
}

#[test]
fn all_families_together_keep_to_the_budget() {
    let fs = FaultFs::new(Arc::new(MemoryFs::new()));
    let db = Db::open("/db", options(&fs, 64 << 10)).unwrap();
    let families: Vec<ColumnFamily> = (0..10)
        .map(|n| db.create_column_family(&format!("family{n}"), FamilyOptions::default()).unwrap())
        .collect();
    let mut random = fastrand::Rng::with_seed(1);
    for n in 0..5000 {
        // Some families are written to more than others.
        let family = &families[random.usize(..families.len()).min(random.usize(..families.len()))];
        put(&db, family, n).unwrap();
        assert!(in_memory(&db) <= (64 << 10) + (36 << 10), "{}", in_memory(&db));
    }
    let stats = db.stats();
    assert!(stats.flushes > 10, "no family fills a memtable of its own");
    for family in &families {
        db.drop_column_family(family).unwrap();
    }
    let default = db.default_column_family();
    for n in 0..1000 {
        put(&db, &default, n).unwrap();
    }
    assert!(in_memory(&db) <= 100 << 10);
}

#[test]
fn writes_wait_for_the_flush_that_brings_memory_back() {
    let fs = FaultFs::new(Arc::new(MemoryFs::new()));
    let db = Db::open("/db", options(&fs, 64 << 10)).unwrap();
    let family = db.default_column_family();
    fs.fill_for(".sst");
    let refused = (0..5000).find_map(|n| put(&db, &family, n).err()).unwrap();
    assert!(matches!(refused, Error::Stopped { .. }), "{refused}");
    assert!(in_memory(&db) <= 100 << 10, "{}", in_memory(&db));
    fs.clear();
    fill(&db, 5000);
    db.close().unwrap();
    // What is replayed counts, too.
    let db = Db::open("/db", options(&fs, 16 << 10)).unwrap();
    fill(&db, 500);
    assert!(in_memory(&db) <= 30 << 10, "{}", in_memory(&db));
}

#[test]
fn a_thousand_empty_families_take_hardly_any_memory() {
    let fs = FaultFs::new(Arc::new(MemoryFs::new()));
    let db = Db::open("/db", options(&fs, 64 << 20)).unwrap();
    let resident = || {
        let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
        pages.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
    };
    let before = resident();
    let families: Vec<ColumnFamily> = (0..1000)
        .map(|n| db.create_column_family(&format!("family{n}"), FamilyOptions::default()).unwrap())
        .collect();
    for family in &families {
        put(&db, family, 1).unwrap();
    }
    let taken = resident() - before;
    assert!(taken < 64 << 20, "{} KiB", taken >> 10);
    assert_eq!(db.stats().flushes, 0);
}
