use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::error::Error;
use crate::file_name::{self, FileKind, FileNumber};
use crate::fs::{Fs, MemoryFs, read_whole};
use crate::options::Background;

fn options(fs: &MemoryFs, range_index: bool) -> Options {
    let family_defaults = FamilyOptions { range_index, ..FamilyOptions::default() };
    let background = Background::Manual;
    Options { fs: Arc::new(fs.clone()), background, family_defaults, ..Options::default() }
}

fn open(fs: &MemoryFs, range_index: bool) -> (Db, ColumnFamily) {
    let db = Db::open("/db", options(fs, range_index)).unwrap();
    let family = db.default_column_family();
    (db, family)
}

fn put(db: &Db, family: &ColumnFamily, keys: std::ops::Range<u32>) {
    let mut batch = Batch::new();
    for key in keys {
        batch.put(family, &name(key), b"value").unwrap();
    }
    db.write(batch, Durability::Buffered).unwrap();
}

fn name(key: u32) -> Vec<u8> {
    format!("key{key:04}").into_bytes()
}

fn count(reader: &dyn Reader, family: &ColumnFamily) -> (usize, usize) {
    let mut cursor = reader.cursor(family, KeyRange::all()).unwrap();
    let (mut forward, mut back) = (0, 0);
    let mut more = cursor.first().unwrap();
    while more {
        forward += 1;
        more = cursor.next().unwrap();
    }
    more = cursor.last().unwrap();
    while more {
        back += 1;
        more = cursor.prev().unwrap();
    }
    (forward, back)
}

fn work(db: &Db) {
    while db.run_background_step().unwrap() {}
}

fn tables(db: &Db) -> Vec<u64> {
    let view = db.default_column_family().family.view.load();
    view.levels.tables().map(|table| table.meta().number.0).collect()
}

#[test]
fn the_order_inside_a_batch_decides() {
    for range_index in [true, false] {
        let fs = MemoryFs::new();
        let (db, family) = open(&fs, range_index);
        db.write(
            {
                let mut batch = Batch::new();
                for key in [b"a", b"b", b"c", b"d"] {
                    batch.put(&family, key, b"old").unwrap();
                }
                batch
            },
            Durability::Buffered,
        )
        .unwrap();
        let mut batch = Batch::new();
        batch.put(&family, b"a", b"before").unwrap();
        batch.delete_range(&family, b"a", b"d").unwrap();
        batch.put(&family, b"b", b"behind").unwrap();
        batch.delete_range(&family, b"b", b"b").unwrap();
        assert!(matches!(batch.delete_range(&family, b"b", b"a"), Err(Error::InvalidArgument { .. })));
        assert_eq!(batch.len(), 3);
        db.write(batch, Durability::Buffered).unwrap();
        let check = |db: &Db| {
            let family = db.default_column_family();
            let get = |key: &[u8]| db.get(&family, key).unwrap().map(|value| value.to_vec());
            let found = [get(b"a"), get(b"b"), get(b"c"), get(b"d")];
            assert_eq!(found, [None, Some(b"behind".to_vec()), None, Some(b"old".to_vec())]);
            assert_eq!(count(db, &family), (2, 2));
        };
        check(&db);
        db.close().unwrap();
        let (db, family) = open(&fs, range_index);
        check(&db);
        db.flush(&family).unwrap();
        check(&db);
        db.close().unwrap();
        let (db, family) = open(&fs, !range_index);
        check(&db);
        db.compact_range(&family, KeyRange::all()).unwrap();
        check(&db);
        assert_eq!(db.stats().families[0].range_tombstones, 0, "nothing is left to hide");
        assert!(db.verify().unwrap().damages.is_empty());
    }
}

/// Nobody reads a table that range deletes cover: it may be damaged, and goes all the same.
#[test]
fn a_covered_table_goes_without_being_read() {
    for range_index in [true, false] {
        let fs = MemoryFs::new();
        let (db, family) = open(&fs, range_index);
        put(&db, &family, 0..1000);
        db.compact_range(&family, KeyRange::all()).unwrap();
        let [table] = tables(&db)[..] else { panic!("one table") };
        let snapshot = db.snapshot();
        db.delete_range(&family, b"key", b"key~", Durability::Buffered).unwrap();
        put(&db, &family, 2000..2001);
        db.flush(&family).unwrap();
        work(&db);
        assert_eq!(count(&snapshot, &family), (1000, 1000));
        assert_eq!(db.stats().tables_dropped_unread, 0, "a snapshot sees it");
        drop(snapshot);
        db.close().unwrap();

        let (db, family) = open(&fs, range_index);
        let path = file_name::path(Path::new("/db"), FileKind::Table, FileNumber(table));
        let is_there = fs.exists(&path).unwrap();
        if is_there {
            drop(fs.create(&path).unwrap());
        }
        db.compact_range(&family, KeyRange::all()).unwrap();
        assert_eq!(db.stats().tables_dropped_unread, u64::from(is_there));
        assert_eq!(count(&db, &family), (1, 1));
        assert_eq!(db.stats().families[0].range_tombstones, 0);
        assert!(!fs.exists(&path).unwrap());
        assert!(db.verify().unwrap().damages.is_empty());
    }
}

/// With the index, covered tables go at once, without a merge.
#[test]
fn covered_tables_go_as_soon_as_the_range_delete_is_in_a_table() {
    let fs = MemoryFs::new();
    let (db, family) = open(&fs, true);
    for part in 0..3 {
        put(&db, &family, part * 100..part * 100 + 100);
        db.compact_range(&family, KeyRange::half_open(&name(part * 100), &name(part * 100 + 100))).unwrap();
    }
    assert_eq!(tables(&db).len(), 3);
    db.delete_range(&family, b"k", b"l", Durability::Buffered).unwrap();
    put(&db, &family, 500..502);
    work(&db);
    assert_eq!(db.stats().tables_dropped_unread, 0, "the log may be lost still");
    db.flush(&family).unwrap();
    let read = db.stats().compaction_bytes_read;
    assert!(db.run_background_step().unwrap());
    let stats = db.stats();
    assert_eq!((stats.tables_dropped_unread, stats.compaction_bytes_read), (3, read));
    assert!(stats.last_compaction.unwrap().contains("range deletes cover"));
    assert_eq!(count(&db, &family), (2, 2));
}

fn manifest_features(fs: &MemoryFs) -> u64 {
    let manifests = fs.list(Path::new("/db")).unwrap();
    let newest = manifests.iter().filter(|name| name.starts_with("MANIFEST")).max().unwrap();
    let bytes = read_whole(fs, &Path::new("/db").join(newest)).unwrap();
    u64::from_le_bytes(bytes[12..20].try_into().unwrap())
}

/// A directory stays as older versions know it until a range is deleted, and from then on tells them.
#[test]
fn the_manifest_tells_of_range_deletes_once_there_are_some() {
    let fs = MemoryFs::new();
    let (db, family) = open(&fs, true);
    put(&db, &family, 0..10);
    db.flush(&family).unwrap();
    assert_eq!(manifest_features(&fs), 7);
    db.delete_range(&family, b"a", b"z", Durability::Buffered).unwrap();
    assert_eq!(manifest_features(&fs), 7 | 16);
    db.close().unwrap();
    let (db, family) = open(&fs, true);
    assert_eq!(manifest_features(&fs), 7 | 16);
    assert_eq!(count(&db, &family), (0, 0));
}

/// An index forgets what compactions have dropped, and a family without range deletes has none.
#[test]
fn an_index_lets_go() {
    let fs = MemoryFs::new();
    let (db, family) = open(&fs, true);
    let index = || family.family.view.load().range_tombstones();
    put(&db, &family, 0..1000);
    let snapshot = db.snapshot();
    for key in 0..500 {
        db.delete_range(&family, &name(2 * key), &name(2 * key + 1), Durability::Buffered).unwrap();
    }
    assert_eq!(index(), 500);
    db.compact_range(&family, KeyRange::all()).unwrap();
    assert_eq!(index(), 500);
    assert_eq!((count(&db, &family), count(&snapshot, &family)), ((500, 500), (1000, 1000)));
    drop(snapshot);
    db.compact_range(&family, KeyRange::all()).unwrap();
    assert_eq!(index(), 0);
    assert_eq!(count(&db, &family), (500, 500));
}

/// Going back over a key with many versions, a cursor seeks the one that it sees; it took that for visible although a range
/// delete hid it.
#[test]
fn a_hidden_version_under_many_newer_ones_stays_hidden_on_the_way_back() {
    for newer in 0..40 {
        let (db, family) = open(&MemoryFs::new(), true);
        put(&db, &family, 0..1);
        db.delete_range(&family, &name(0), &name(1), Durability::Buffered).unwrap();
        let deleted = db.snapshot();
        let mut batch = Batch::new();
        batch.delete_range(&family, &name(0), &name(1)).unwrap();
        batch.put(&family, &name(0), b"behind the range delete of its batch").unwrap();
        db.write(batch, Durability::Buffered).unwrap();
        let there = db.snapshot();
        (0..newer).for_each(|_| put(&db, &family, 0..1));
        assert_eq!(count(&deleted, &family), (0, 0), "under {newer} versions");
        assert_eq!(count(&there, &family), (1, 1), "under {newer} versions");
    }
}
