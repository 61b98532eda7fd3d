//! Threads that have read and sleep keep no memtable and no table.

use std::path::Path;
use std::sync::{Arc, Barrier, Weak};

use super::*;
use crate::error::Error;
use crate::fs::{Fs, MemoryFs};
use crate::memtable::Memtable;
use crate::options::Background;

fn put(db: &Db, family: &ColumnFamily, key: &[u8]) {
    let mut batch = Batch::new();
    batch.put(family, key, b"value").unwrap();
    db.write(batch, Durability::Buffered).unwrap();
}

fn tables(fs: &MemoryFs) -> Vec<String> {
    fs.list(Path::new("/db")).unwrap().into_iter().filter(|name| name.ends_with(".sst")).collect()
}

const IDLE: usize = 100;

/// Runs `work` while a hundred threads that have read from both families sleep, and then lets them read once more.
fn beside_idle_threads(db: &Db, families: &[ColumnFamily; 2], work: impl FnOnce()) {
    let (read, worked) = (Barrier::new(IDLE + 1), Barrier::new(IDLE + 1));
    std::thread::scope(|scope| {
        for n in 0..IDLE {
            let (read, worked) = (&read, &worked);
            scope.spawn(move || {
                for family in families {
                    assert!(db.get(family, b"a").unwrap().is_some());
                    assert!(n % 2 == 0 || db.snapshot().get(family, b"missing").unwrap().is_none());
                }
                read.wait();
                worked.wait();
                assert!(db.get(&families[0], b"a").unwrap().is_some());
            });
        }
        read.wait();
        work();
        worked.wait();
    });
}

#[test]
fn idle_threads_keep_nothing_after_a_flush_a_compaction_and_a_drop() {
    for background in [Background::Manual, Background::Threads] {
        let fs = MemoryFs::new();
        let options = Options { fs: Arc::new(fs.clone()), background, ..Options::default() };
        let db = Db::open("/db", options).unwrap();
        let second = db.create_column_family("second", FamilyOptions::default()).unwrap();
        let families = [db.default_column_family(), second];
        for family in &families {
            put(&db, family, b"a");
            db.flush(family).unwrap();
            put(&db, family, b"a");
        }
        let memtables: Vec<Weak<Memtable>> =
            families.iter().map(|family| Arc::downgrade(&family.family.view.load().active)).collect();

        beside_idle_threads(&db, &families, || db.flush_all().unwrap());
        assert!(memtables.iter().all(|memtable| memtable.strong_count() == 0), "after a flush");

        let before = tables(&fs);
        beside_idle_threads(&db, &families, || {
            for family in &families {
                db.compact_range(family, KeyRange::all()).unwrap();
            }
            let after = tables(&fs);
            assert!(
                before.iter().all(|name| !after.contains(name)),
                "after a compaction: {before:?} {after:?}"
            );
        });

        put(&db, &families[1], b"b");
        let memtable = Arc::downgrade(&families[1].family.view.load().active);
        beside_idle_threads(&db, &families, || {
            db.drop_column_family(&families[1]).unwrap();
            assert_eq!(memtable.strong_count(), 0, "after a drop");
            assert_eq!(tables(&fs).len(), 1, "after a drop");
        });
        assert!(matches!(db.get(&families[1], b"a"), Err(Error::FamilyDropped { .. })));
    }
}

#[test]
fn a_database_is_closed_while_threads_live_that_have_read_from_it() {
    let fs = MemoryFs::new();
    let options =
        || Options { fs: Arc::new(fs.clone()), background: Background::Manual, ..Options::default() };
    let other = Db::open("/other", options()).unwrap();
    for _ in 0..3 {
        let db = Db::open("/db", options()).unwrap();
        let family = db.default_column_family();
        put(&db, &family, b"a");
        put(&other, &other.default_column_family(), b"a");
        let memtable = Arc::downgrade(&family.family.view.load().active);
        beside_idle_threads(&other, &[other.default_column_family(), other.default_column_family()], || {
            std::thread::scope(|scope| {
                for _ in 0..8 {
                    scope.spawn(|| assert!(db.get(&family, b"a").unwrap().is_some()));
                }
            });
            assert!(db.get(&family, b"a").unwrap().is_some());
            db.close().unwrap();
            assert!(matches!(db.get(&family, b"a"), Err(Error::Closed)));
            drop((db, family));
        });
        assert_eq!(memtable.strong_count(), 0);
    }
}
