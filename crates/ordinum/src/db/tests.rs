use std::sync::Arc;

use super::*;
use crate::error::Error;
use crate::fs::{Fault, FaultFs, Fs, MemoryFs};
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
                assert_eq!(cursor.value().unwrap()[4..], 3u32.to_be_bytes());
                assert_eq!(
                    db.get(&family, &n.to_be_bytes()).unwrap().as_deref(),
                    Some(cursor.value().unwrap())
                );
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

fn path(name: &str) -> std::path::PathBuf {
    Path::new("/db").join(name)
}

fn refused(fs: &MemoryFs) -> Error {
    match Db::open("/db", options(fs)) {
        Ok(_) => panic!("a damaged database was opened"),
        Err(error) => error,
    }
}

#[test]
fn a_directory_is_opened_once() {
    let directory = tempfile::tempdir().unwrap();
    let options = || Options { background: Background::Manual, ..Options::default() };
    let db = Db::open(directory.path(), options()).unwrap();
    let error = Db::open(directory.path(), options()).unwrap_err();
    assert!(matches!(error, Error::Locked { .. }));
    let family = db.default_column_family();
    db.close().unwrap();
    assert!(matches!(db.get(&family, b"a"), Err(Error::Closed)));
    let again = Db::open(directory.path(), options()).unwrap();
    assert!(
        matches!(again.get(&family, b"a"), Err(Error::InvalidArgument { .. })),
        "a handle of the first opening"
    );
}

#[test]
fn nothing_is_created_unless_asked_for() {
    let fs = MemoryFs::new();
    fs.create(&path("notes.txt")).unwrap();
    let options = Options { create_if_missing: false, ..options(&fs) };
    assert!(matches!(Db::open("/db", options), Err(Error::NoDatabase { .. })));
    assert_eq!(fs.list(Path::new("/db")).unwrap(), ["notes.txt"]);
}

#[test]
fn a_missing_log_or_table_refuses_to_open() {
    for suffix in [".log", ".sst", "CURRENT"] {
        let fs = MemoryFs::new();
        let db = Db::open("/db", options(&fs)).unwrap();
        let family = db.default_column_family();
        put(&db, &family, b"a", b"1");
        db.flush(&family).unwrap();
        put(&db, &family, b"b", b"2");
        db.close().unwrap();
        let names = fs.list(Path::new("/db")).unwrap();
        let victim = names.iter().find(|name| name.ends_with(suffix)).unwrap();
        fs.remove(&path(victim)).unwrap();
        let error = refused(&fs);
        assert!(matches!(&error, Error::MissingFile { file, .. } if *file == path(victim)), "{error}");
    }
}

#[test]
fn a_log_that_nothing_names_is_never_taken_for_a_new_database() {
    let fs = MemoryFs::new();
    let db = Db::open("/db", options(&fs)).unwrap();
    put(&db, &db.default_column_family(), b"a", b"1");
    db.close().unwrap();
    let names = fs.list(Path::new("/db")).unwrap();
    fs.remove(&path("CURRENT")).unwrap();
    assert!(matches!(refused(&fs), Error::MissingFile { file, .. } if file == path("CURRENT")));
    let left: Vec<String> = names.into_iter().filter(|name| name != "CURRENT").collect();
    assert_eq!(fs.list(Path::new("/db")).unwrap(), left);
}

#[test]
fn what_a_crash_left_of_the_creation_is_no_database() {
    let fs = MemoryFs::new();
    Db::open("/db", options(&fs)).unwrap().close().unwrap();
    fs.remove(&path("CURRENT")).unwrap();
    Db::open("/db", options(&fs)).unwrap().close().unwrap();
}

#[test]
fn damage_in_what_was_durable_is_named_with_file_and_offset() {
    let fs = MemoryFs::new();
    let db = Db::open("/db", options(&fs)).unwrap();
    let family = db.default_column_family();
    for n in 0..3u8 {
        let mut batch = Batch::new();
        batch.put(&family, &[n], &[b'v'; 100]).unwrap();
        db.write(batch, Durability::Synced).unwrap();
    }
    let log = fs.list(Path::new("/db")).unwrap().into_iter().find(|name| name.ends_with(".log")).unwrap();
    fs.flip_byte(&path(&log), 120).unwrap();
    let report = db.verify().unwrap();
    assert!(matches!(&report.damages[..], [Error::Corrupt { file, offset: 64, .. }] if *file == path(&log)));
    drop(db);
    assert!(matches!(refused(&fs), Error::Corrupt { file, offset: 64, .. } if file == path(&log)));
}

#[test]
fn every_damaged_table_is_reported() {
    let fs = MemoryFs::new();
    let db = Db::open("/db", options(&fs)).unwrap();
    let family = db.default_column_family();
    for n in 0..2u8 {
        put(&db, &family, &[n], b"value");
        db.flush(&family).unwrap();
    }
    let names = fs.list(Path::new("/db")).unwrap();
    let tables: Vec<&String> = names.iter().filter(|name| name.ends_with(".sst")).collect();
    tables.iter().for_each(|name| fs.flip_byte(&path(name), 3).unwrap());
    let damages = db.verify().unwrap().damages;
    assert_eq!(damages.len(), tables.len());
    assert!(damages.iter().all(|damage| matches!(damage, Error::Corrupt { .. })));
}

#[test]
fn writers_that_wait_share_a_sync() {
    let fs = MemoryFs::new();
    let db = Db::open("/db", options(&fs)).unwrap();
    let family = db.default_column_family();
    let before = db.stats();
    let commits: Vec<Commit> = std::thread::scope(|scope| {
        let write = |thread: u8| {
            let (db, family) = (&db, &family);
            scope.spawn(move || {
                let commits = (0..50u8).map(|n| {
                    let mut batch = Batch::new();
                    batch.put(family, &[thread, n], b"value").unwrap();
                    let commit = db.write_unsynced(batch).unwrap();
                    assert!(db.last_seqno() >= commit.seqno(), "a writer sees its own commit");
                    commit
                });
                commits.collect::<Vec<_>>()
            })
        };
        let threads: Vec<_> = (0..4).map(write).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let mut seqnos: Vec<u64> = commits.iter().map(|commit| commit.wait().unwrap().get()).collect();
    seqnos.sort_unstable();
    assert!(seqnos.array_windows().all(|[a, b]| a + 1 == *b));
    let after = db.stats();
    assert_eq!(after.commits - before.commits, 200);
    assert_eq!(after.syncs - before.syncs, 1, "the first to wait syncs for all");
}

#[test]
fn reads_see_commits_in_order_and_whole() {
    let fs = MemoryFs::new();
    let db = Db::open("/db", options(&fs)).unwrap();
    let first = db.default_column_family();
    let second = db.create_column_family("second", FamilyOptions::default()).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..2u8 {
            let (db, first, second) = (&db, &first, &second);
            scope.spawn(move || {
                for n in 0..500u32 {
                    let mut batch = Batch::new();
                    batch.put(first, &[thread], &n.to_be_bytes()).unwrap();
                    batch.put(second, &[thread], &n.to_be_bytes()).unwrap();
                    db.write(batch, Durability::Buffered).unwrap();
                }
            });
        }
        let mut last = db.last_seqno();
        for _ in 0..500 {
            let snapshot = db.snapshot();
            assert!(snapshot.seqno() >= last);
            last = snapshot.seqno();
            for thread in 0..2u8 {
                let a = snapshot.get_versioned(&first, &[thread]).unwrap();
                assert_eq!(a, snapshot.get_versioned(&second, &[thread]).unwrap());
                assert!(a.is_none_or(|(_, seqno)| seqno <= last));
            }
        }
    });
}

#[test]
fn a_dropped_family_gives_its_space_back_when_its_readers_end() {
    let fs = MemoryFs::new();
    let db = Db::open("/db", options(&fs)).unwrap();
    let family = db.create_column_family("doomed", FamilyOptions::default()).unwrap();
    put(&db, &family, b"a", b"1");
    put(&db, &family, b"b", b"2");
    db.flush(&family).unwrap();
    let mut cursor = db.cursor(&family, KeyRange::all()).unwrap();
    assert!(cursor.first().unwrap());
    db.drop_column_family(&family).unwrap();
    let tables = || fs.list(Path::new("/db")).unwrap().iter().filter(|name| name.ends_with(".sst")).count();
    assert!(matches!(db.get(&family, b"a"), Err(Error::FamilyDropped { .. })));
    assert!(matches!(
        Batch::new().put(&family, b"a", b"1").map(|()| db.drop_column_family(&family)),
        Ok(Err(_))
    ));
    assert!(cursor.next().unwrap());
    assert_eq!(cursor.value().unwrap(), b"2");
    drop(cursor);
    assert_eq!(tables(), 0);
    let again = db.create_column_family("doomed", FamilyOptions::default()).unwrap();
    assert!(again.id() > family.id());
    assert_eq!(db.get(&again, b"a").unwrap(), None);
    assert!(db.create_column_family("doomed", FamilyOptions::default()).is_err());
    assert!(db.drop_column_family(&db.default_column_family()).is_err());
    drop(db);
    let db = Db::open("/db", options(&fs)).unwrap();
    assert_eq!(db.column_families(), ["default", "doomed"]);
}

#[test]
fn a_failed_sync_stops_writes_until_the_database_is_opened_again() {
    let memory = MemoryFs::new();
    let fs = FaultFs::new(Arc::new(memory.clone()));
    let faulty = Options { fs: Arc::new(fs.clone()), ..options(&memory) };
    let db = Db::open("/db", faulty).unwrap();
    let family = db.default_column_family();
    put(&db, &family, b"a", b"1");
    fs.fail_after(1, Fault::FailedSync);
    let mut batch = Batch::new();
    batch.put(&family, b"b", b"2").unwrap();
    assert!(matches!(db.write(batch.clone(), Durability::Synced), Err(Error::Io { .. })));
    fs.clear();
    assert!(matches!(db.write(batch, Durability::Buffered), Err(Error::Poisoned { .. })));
    assert!(db.stats().poisoned.is_some());
    assert_eq!(db.get(&family, b"a").unwrap().as_deref(), Some(&b"1"[..]));
    drop(db);
    let db = Db::open("/db", options(&memory)).unwrap();
    put(&db, &db.default_column_family(), b"c", b"3");
}

#[test]
fn options_out_of_range_and_things_too_long_are_refused() {
    let fs = MemoryFs::new();
    let wrong = Options { log_segment_bytes: 1, ..options(&fs) };
    assert!(matches!(Db::open("/db", wrong), Err(Error::InvalidArgument { .. })));
    let db = Db::open("/db", options(&fs)).unwrap();
    let family = db.default_column_family();
    let mut batch = Batch::new();
    assert!(matches!(batch.put(&family, &[0; 1 << 16], b""), Err(Error::LimitExceeded { .. })));
    assert!(batch.is_empty());
    let name = "x".repeat(256);
    assert!(matches!(
        db.create_column_family(&name, FamilyOptions::default()),
        Err(Error::LimitExceeded { .. })
    ));
    batch.set_header(b"only a header".to_vec()).unwrap();
    let seqno = db.write(batch, Durability::Synced).unwrap();
    assert_eq!(db.write(Batch::new(), Durability::Synced).unwrap(), seqno);
}

#[test]
fn a_family_that_is_seldom_written_to_keeps_no_logs_for_ever() {
    let fs = MemoryFs::new();
    let options = Options { log_segment_bytes: 4 << 10, closed_logs_max: 2, ..options(&fs) };
    let db = Db::open("/db", options.clone()).unwrap();
    let idle = db.create_column_family("idle", FamilyOptions::default()).unwrap();
    put(&db, &idle, b"a", b"1");
    for n in 0..200u8 {
        put(&db, &db.default_column_family(), &[n], &[n; 200]);
        while db.run_background_step().unwrap() {}
        let logs = fs.list(Path::new("/db")).unwrap().iter().filter(|name| name.ends_with(".log")).count();
        assert!(logs <= 4, "{logs} logs");
    }
    db.close().unwrap();
    let db = Db::open("/db", options).unwrap();
    assert_eq!(db.get(&db.column_family("idle").unwrap(), b"a").unwrap().as_deref(), Some(&b"1"[..]));
}

#[test]
fn a_buffered_write_survives_the_end_of_the_process() {
    let fs = MemoryFs::new();
    let db = Db::open("/db", options(&fs)).unwrap();
    let family = db.default_column_family();
    put(&db, &family, b"a", b"1");
    let mut transaction = db.transaction();
    transaction.put(&family, b"b", b"2").unwrap();
    let seqno = transaction.commit(Durability::Buffered).unwrap();
    fs.kill_process();
    drop(db);
    let db = Db::open("/db", options(&fs)).unwrap();
    let family = db.default_column_family();
    assert_eq!(db.get(&family, b"a").unwrap().as_deref(), Some(&b"1"[..]));
    assert_eq!(db.get_versioned(&family, b"b").unwrap(), Some((Slice::from(&b"2"[..]), seqno)));
}

#[test]
fn buffered_writers_share_a_write_of_the_log() {
    let memory = MemoryFs::new();
    let fs = FaultFs::new(Arc::new(memory.clone()));
    let db = Db::open("/db", Options { fs: Arc::new(fs.clone()), ..options(&memory) }).unwrap();
    let family = db.default_column_family();
    // The first commit of its own reserves sequence numbers.
    put(&db, &family, b"first", b"value");
    let before = fs.operations();
    for n in 0..9u8 {
        let mut batch = Batch::new();
        batch.put(&family, &[n], b"value").unwrap();
        drop(db.write_unsynced(batch).unwrap());
    }
    put(&db, &family, b"last", b"value");
    assert_eq!(fs.operations() - before, 1, "the one that hands over takes all along");
}

#[test]
fn openings_leave_a_bounded_number_of_files() {
    let backgrounds = [Background::Manual, Background::Threads];
    // Keys that ascend, and keys that go round.
    for (background, step) in
        backgrounds.into_iter().flat_map(|background| [(background, 1), (background, 37)])
    {
        let fs = MemoryFs::new();
        let options = Options { background, ..options(&fs) };
        for n in 0..100u8 {
            let db = Db::open("/db", options.clone()).unwrap();
            put(&db, &db.default_column_family(), &[n.wrapping_mul(step)], &[n]);
            if n % 3 == 0 {
                // The end of the process, as often as an orderly one.
                fs.kill_process();
            }
            drop(db);
            let names = fs.list(Path::new("/db")).unwrap();
            let count = |suffix: &str| names.iter().filter(|name| name.contains(suffix)).count();
            assert!(count(".log") <= 6, "{names:?}");
            assert!(count(".sst") <= 13, "{names:?}");
            assert_eq!(count("MANIFEST"), 1, "{names:?}");
        }
        let db = Db::open("/db", options.clone()).unwrap();
        for n in 0..100u8 {
            let found = db.get(&db.default_column_family(), &[n.wrapping_mul(step)]).unwrap();
            assert_eq!(found.as_deref(), Some(&[n][..]));
        }
        assert!(db.verify().unwrap().damages.is_empty());
    }
}

#[test]
fn openings_without_writes_leave_no_files() {
    let fs = MemoryFs::new();
    let db = Db::open("/db", options(&fs)).unwrap();
    put(&db, &db.default_column_family(), b"a", b"1");
    drop(db);
    let files = || fs.list(Path::new("/db")).unwrap().len();
    drop(Db::open("/db", options(&fs)).unwrap());
    let before = files();
    for _ in 0..9 {
        let db = Db::open("/db", options(&fs)).unwrap();
        assert_eq!(db.get(&db.default_column_family(), b"a").unwrap().as_deref(), Some(&b"1"[..]));
        drop(db);
        assert_eq!(files(), before);
    }
}

/// Keys that stand side by side share the look at their block, and the stats say so.
#[test]
fn several_keys_at_once_read_fewer_blocks() {
    let fs = MemoryFs::new();
    let options = Options { fs: Arc::new(fs), background: Background::Manual, ..Options::default() };
    let db = Db::open("/db", options).unwrap();
    let family = db.default_column_family();
    let key = |n: u32| n.to_be_bytes();
    for part in [0, 1] {
        let mut batch = Batch::new();
        for n in (0..4000).filter(|n| part == 0 || n % 7 == 0) {
            batch.put(&family, &key(n), format!("{part} {n:0100}").as_bytes()).unwrap();
        }
        db.write(batch, Durability::Buffered).unwrap();
        db.flush(&family).unwrap();
    }
    let wanted: Vec<[u8; 4]> = (0..400).map(|n| key(n * 7919 % 1000)).collect();
    let wanted: Vec<&[u8]> = wanted.iter().map(|key| &key[..]).chain([&b"absent"[..]]).collect();
    let blocks = |db: &Db| db.stats().cache_hits + db.stats().cache_misses;
    let before = blocks(&db);
    let one_by_one: Vec<_> = wanted.iter().map(|key| db.get(&family, key).unwrap()).collect();
    let between = blocks(&db);
    assert_eq!(db.multi_get(&family, &wanted).unwrap(), one_by_one);
    let (one_by_one, at_once) = (between - before, blocks(&db) - between);
    assert!(one_by_one >= 400, "{one_by_one}");
    assert!(at_once <= 60, "{at_once}");
}
