use std::sync::Arc;

use super::*;
use crate::fs::{Fs, MemoryFs};
use crate::options::Background;

fn options(fs: &MemoryFs) -> Options {
    Options { fs: Arc::new(fs.clone()), background: Background::Manual, ..Options::default() }
}

#[test]
fn what_is_written_is_read_and_survives_reopening() {
    let fs = MemoryFs::new();
    let db = Db::open("/db", options(&fs)).unwrap();
    let rows = db.create_column_family("rows", FamilyOptions::default()).unwrap();
    let default = db.default_column_family();
    let mut batch = Batch::new();
    batch.put(&rows, b"a", b"1").unwrap();
    batch.put(&default, b"b", b"2").unwrap();
    batch.put(&rows, b"c", b"3").unwrap();
    batch.delete(&rows, b"c").unwrap();
    let seqno = db.write(batch, Durability::Synced).unwrap();
    assert_eq!(db.get_versioned(&rows, b"a").unwrap(), Some((Slice::from(&b"1"[..]), seqno)));
    assert_eq!(db.get(&rows, b"b").unwrap(), None);
    assert_eq!(db.get(&rows, b"c").unwrap(), None);
    drop(db);

    let db = Db::open("/db", options(&fs)).unwrap();
    assert_eq!(db.last_seqno(), seqno);
    assert_eq!(db.column_families(), ["default", "rows"]);
    let rows = db.column_family("rows").unwrap();
    assert_eq!(db.get_versioned(&rows, b"a").unwrap(), Some((Slice::from(&b"1"[..]), seqno)));
    assert_eq!(db.get(&db.default_column_family(), b"b").unwrap().as_deref(), Some(&b"2"[..]));
    let mut cursor = db.cursor(&rows, KeyRange::all()).unwrap();
    assert!(cursor.first().unwrap());
    assert_eq!(cursor.key(), b"a");
    assert!(!cursor.next().unwrap());
    db.flush_all().unwrap();
    assert_eq!(db.get_versioned(&rows, b"a").unwrap(), Some((Slice::from(&b"1"[..]), seqno)));
    drop((db, cursor));
    let db = Db::open("/db", options(&fs)).unwrap();
    let rows = db.column_family("rows").unwrap();
    assert_eq!(db.get_versioned(&rows, b"a").unwrap(), Some((Slice::from(&b"1"[..]), seqno)));
}

fn small() -> FamilyOptions {
    FamilyOptions {
        write_buffer_bytes: 8 << 10,
        level0_tables_trigger: 2,
        level0_tables_slowdown: 4,
        level0_tables_max: 6,
        level_base_bytes: 32 << 10,
        table_bytes_target: 8 << 10,
        block_bytes: 512,
        ..FamilyOptions::default()
    }
}

fn put(db: &Db, family: &ColumnFamily, key: &[u8], value: &[u8]) -> SeqNo {
    let mut batch = Batch::new();
    batch.put(family, key, value).unwrap();
    db.write(batch, Durability::Buffered).unwrap()
}

#[test]
fn levels_take_what_memtables_cannot_hold() {
    for background in [Background::Manual, Background::Threads] {
        let fs = MemoryFs::new();
        let options =
            Options { background, family_defaults: small(), log_segment_bytes: 16 << 10, ..options(&fs) };
        let db = Db::open("/db", options.clone()).unwrap();
        let family = db.default_column_family();
        for round in 0..4u32 {
            for n in 0..1000u32 {
                put(
                    &db,
                    &family,
                    &(n * 7 % 1000).to_be_bytes(),
                    &[&n.to_be_bytes()[..], &round.to_be_bytes()].concat(),
                );
            }
        }
        while db.run_background_step().unwrap() {}
        let check = |db: &Db| {
            let family = db.default_column_family();
            let mut cursor = db.cursor(&family, KeyRange::all()).unwrap();
            let mut more = cursor.first().unwrap();
            for n in 0..1000u32 {
                assert!(more);
                assert_eq!(cursor.key(), n.to_be_bytes());
                assert_eq!(cursor.value()[4..], 3u32.to_be_bytes());
                assert_eq!(db.get(&family, &n.to_be_bytes()).unwrap().as_deref(), Some(cursor.value()));
                more = cursor.next().unwrap();
            }
            assert!(!more);
            let report = db.verify().unwrap();
            assert!(report.damages.is_empty(), "{:?}", report.damages);
            assert!(report.files > 2);
        };
        check(&db);
        let stats = db.stats();
        assert!(stats.flushes > 4);
        assert!(stats.compactions > 1);
        let logs = fs.list(Path::new("/db")).unwrap().iter().filter(|name| name.ends_with(".log")).count();
        assert!(logs <= 3, "{:?}", fs.list(Path::new("/db")));
        db.close().unwrap();
        let db = Db::open("/db", options).unwrap();
        check(&db);
        db.compact_range(&db.default_column_family(), KeyRange::all()).unwrap();
        check(&db);
        let live: usize = db.stats().families[0].levels.iter().map(|level| level.files).sum();
        let tables = fs.list(Path::new("/db")).unwrap().iter().filter(|name| name.ends_with(".sst")).count();
        assert_eq!(live, tables);
    }
}
