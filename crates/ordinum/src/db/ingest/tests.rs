#![allow(clippy::cast_possible_truncation, reason = "test data")]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::*;
use crate::event::Change;
use crate::fs::{Fault, FaultFs, Fs, MemoryFs, OsFs, PowerLoss};
use crate::sync::Mutex;
use crate::{Background, Batch, Durability, FamilyOptions, Options, RetentionWindow};

fn options(fs: impl Fs + 'static) -> Options {
    Options {
        fs: Arc::new(fs),
        background: Background::Manual,
        log_segment_bytes: 8 << 10,
        family_defaults: FamilyOptions {
            write_buffer_bytes: 8 << 10,
            level_base_bytes: 8 << 10,
            table_bytes_target: 4 << 10,
            ..FamilyOptions::default()
        },
        ..Options::default()
    }
}

fn put(db: &Db, key: &[u8], value: &[u8]) -> Result<SeqNo> {
    let mut batch = Batch::new();
    batch.put(&db.default_column_family(), key, value)?;
    db.write(batch, Durability::Synced)
}

/// A sorted file with this value for every one of the keys.
fn file(options: &Options, path: &str, keys: impl IntoIterator<Item = u32>, value: &[u8]) -> PathBuf {
    let mut writer = TableWriter::create(path, options, &options.family_defaults).unwrap();
    for key in keys {
        writer.put(&key.to_be_bytes(), value).unwrap();
    }
    writer.finish().unwrap().path().to_path_buf()
}

type Rows = BTreeMap<Vec<u8>, (Vec<u8>, SeqNo)>;

fn rows(db: &Db, reader: &dyn Reader) -> Rows {
    let family = db.default_column_family();
    let mut cursor = reader.cursor(&family, KeyRange::all()).unwrap();
    let mut rows = Rows::new();
    let mut more = cursor.first().unwrap();
    while more {
        let (value, seqno) = reader.get_versioned(&family, cursor.key()).unwrap().unwrap();
        assert_eq!((&value[..], seqno), (cursor.value().unwrap(), cursor.seqno()));
        rows.insert(cursor.key().to_vec(), (value.to_vec(), seqno));
        more = cursor.next().unwrap();
    }
    rows
}

#[test]
fn what_is_ingested_is_there_at_once_under_one_number() {
    let fs = MemoryFs::new();
    let options = || options(fs.clone());
    let db = Db::open("/db", options()).unwrap();
    let family = db.default_column_family();
    for key in (0..300u32).step_by(2) {
        put(&db, &key.to_be_bytes(), b"old").unwrap();
    }
    let (before, snapshot) = (rows(&db, &db), db.snapshot());
    let files =
        [file(&options(), "/b", 100..200, b"new"), file(&options(), "/a", (0..50).chain([90]), b"new")];
    let mut model = before.clone();
    let seqno = db.ingest(&family, &files).unwrap();
    assert_eq!(seqno, db.last_seqno());
    for key in (0..50).chain([90]).chain(100..200u32) {
        model.insert(key.to_be_bytes().to_vec(), (b"new".to_vec(), seqno));
    }
    assert_eq!(rows(&db, &db), model);
    assert_eq!(rows(&db, &snapshot), before, "a snapshot from before does not see it");
    // What comes later is newer, and the files themselves are not touched.
    let later = put(&db, &100u32.to_be_bytes(), b"later").unwrap();
    model.insert(100u32.to_be_bytes().to_vec(), (b"later".to_vec(), later));
    drop(snapshot);
    assert_eq!(rows(&db, &db), model);
    db.flush_all().unwrap();
    assert_eq!(rows(&db, &db), model);
    assert!(db.verify().unwrap().damages.is_empty());
    db.close().unwrap();
    let db = Db::open("/db", options()).unwrap();
    assert_eq!(rows(&db, &db), model);
    db.compact_range(&db.default_column_family(), KeyRange::all()).unwrap();
    assert_eq!(rows(&db, &db), model);
    let again = Db::open("/other", options()).unwrap();
    let seqno = again.ingest(&again.default_column_family(), &files).unwrap();
    assert_eq!((seqno.get(), rows(&again, &again).len()), (1, 151));
}

#[test]
fn a_file_goes_to_the_deepest_level_where_nothing_is_above_it() {
    let fs = MemoryFs::new();
    let options = || options(fs.clone());
    let db = Db::open("/db", options()).unwrap();
    let family = db.default_column_family();
    let tables = || -> Vec<usize> {
        let view = family.family.view.load();
        (0..LEVELS).map(|level| view.levels.level(level).len()).collect()
    };
    db.ingest(&family, &[file(&options(), "/1", 0..10, b"1")]).unwrap();
    db.ingest(&family, &[file(&options(), "/2", 10..20, b"2")]).unwrap();
    assert_eq!(tables(), [0, 0, 0, 0, 0, 0, 2]);
    db.ingest(&family, &[file(&options(), "/3", 5..15, b"3"), file(&options(), "/4", 30..40, b"4")]).unwrap();
    assert_eq!(tables(), [0, 0, 0, 0, 0, 1, 3]);
    put(&db, &7u32.to_be_bytes(), b"5").unwrap();
    db.ingest(&family, &[file(&options(), "/6", 6..9, b"6")]).unwrap();
    assert_eq!(tables(), [2, 0, 0, 0, 0, 1, 3]);
    let values: Vec<u8> = rows(&db, &db).values().map(|(value, _)| value[0]).collect();
    assert_eq!(values, *b"111113666333333222224444444444");
}

#[test]
fn what_cannot_be_ingested_is_refused_and_changes_nothing() {
    let fs = MemoryFs::new();
    let options = options(fs.clone());
    let db = Db::open("/db", options.clone()).unwrap();
    let family = db.default_column_family();
    put(&db, b"key", b"value").unwrap();
    db.flush_all().unwrap();
    let last = db.last_seqno();

    let mut writer = TableWriter::create("/unsorted", &options, &options.family_defaults).unwrap();
    writer.put(b"b", b"").unwrap();
    for key in [&b"b"[..], b"a"] {
        assert!(matches!(writer.put(key, b""), Err(Error::Unsorted { entries: 1, .. })));
    }
    writer.put(b"c", b"").unwrap();
    assert_eq!(writer.finish().unwrap().entries(), 2);
    let empty = TableWriter::create("/empty", &options, &options.family_defaults).unwrap();
    assert!(matches!(empty.finish(), Err(Error::InvalidArgument { .. })));

    let (a, b) = (file(&options, "/x", 0..10, b"v"), file(&options, "/y", 9..20, b"v"));
    let refused = db.ingest(&family, &[&a, &b]).unwrap_err();
    assert!(matches!(&refused, Error::NotIngestible { file, .. } if *file == b), "{refused}");
    let own = fs.list(Path::new("/db")).unwrap().into_iter().find(|name| name.ends_with(".sst")).unwrap();
    let refused = db.ingest(&family, &[Path::new("/db").join(own)]).unwrap_err();
    assert!(matches!(refused, Error::NotIngestible { .. }), "{refused}");
    fs.create(Path::new("/text")).unwrap().append(&[b'x'; 300]).unwrap();
    assert!(matches!(db.ingest(&family, &["/text"]), Err(Error::Corrupt { .. })));
    assert!(matches!(db.ingest(&family, &["/nothing"]), Err(Error::Io { .. })));
    assert!(matches!(db.ingest(&family, &[] as &[&Path]), Err(Error::InvalidArgument { .. })));
    let bytes = fs.open(&a).unwrap().len().unwrap();
    for at in 0..bytes {
        fs.flip_byte(&a, at).unwrap();
        assert!(db.ingest(&family, &[&a]).is_err(), "byte {at}");
        fs.flip_byte(&a, at).unwrap();
    }
    let other = db.create_column_family("other", FamilyOptions::default()).unwrap();
    db.drop_column_family(&other).unwrap();
    assert!(matches!(db.ingest(&other, &[&a]), Err(Error::FamilyDropped { .. })));
    assert_eq!((db.last_seqno().get(), rows(&db, &db).len()), (last.get() + 2, 1));
    let tables = fs.list(Path::new("/db")).unwrap().iter().filter(|name| name.ends_with(".sst")).count();
    assert_eq!(tables, 1, "nothing is left behind");
    db.ingest(&family, &[a]).unwrap();
}

/// What an open transaction reads or writes, and whether an ingestion of the keys 10 and 20 conflicts with it.
#[test]
fn a_transaction_that_is_open_conflicts_if_it_depends_on_the_range_of_a_table() {
    let key = u32::to_be_bytes;
    let range = |first: u32, end: u32| KeyRange::half_open(&key(first), &key(end));
    type Depend<'a> = &'a dyn Fn(&mut crate::Transaction, &ColumnFamily, &ColumnFamily);
    let scan = |transaction: &mut crate::Transaction, family: &ColumnFamily, range: KeyRange| {
        let mut cursor = transaction.cursor(family, range).unwrap();
        let mut found = cursor.first().unwrap();
        while found {
            found = cursor.next().unwrap();
        }
    };
    let cases: [(bool, Depend<'_>); 14] = [
        (true, &|transaction, family, _| drop(transaction.get(family, &key(10)).unwrap())),
        (true, &|transaction, family, _| drop(transaction.get(family, &key(15)).unwrap())),
        (true, &|transaction, family, _| drop(transaction.get(family, &key(20)).unwrap())),
        (true, &|transaction, family, _| scan(transaction, family, range(5, 11))),
        (true, &|transaction, family, _| scan(transaction, family, range(20, 30))),
        (true, &|transaction, family, _| transaction.put(family, &key(12), b"own").unwrap()),
        (true, &|transaction, family, _| transaction.delete_range(family, &key(1), &key(11)).unwrap()),
        (false, &|transaction, family, _| drop(transaction.get(family, &key(9)).unwrap())),
        (false, &|transaction, family, _| drop(transaction.get(family, &key(21)).unwrap())),
        (false, &|transaction, family, _| scan(transaction, family, range(5, 10))),
        (false, &|transaction, family, _| scan(transaction, family, range(21, 30))),
        (false, &|transaction, family, _| transaction.put(family, &key(9), b"own").unwrap()),
        (false, &|transaction, family, _| transaction.delete_range(family, &key(21), &key(40)).unwrap()),
        (false, &|transaction, _, other| drop(transaction.get(other, &key(15)).unwrap())),
    ];
    for (at, (conflicts, depend)) in cases.into_iter().enumerate() {
        let options = options(MemoryFs::new());
        let db = Db::open("/db", options.clone()).unwrap();
        let family = db.default_column_family();
        let other = db.create_column_family("other", FamilyOptions::default()).unwrap();
        let path = file(&options, "/sorted", [10, 20], b"ingested");
        let mut transaction = db.transaction();
        depend(&mut transaction, &family, &other);
        transaction.put(&family, &key(1000), b"own").unwrap();
        let seqno = db.ingest(&family, &[&path]).unwrap();
        match transaction.commit(Durability::Buffered) {
            Err(Error::Conflict { newer, .. }) => assert!(conflicts && newer == seqno, "{at}"),
            other => assert!(!conflicts && other.is_ok(), "{at}: {other:?}"),
        }
        // One that begins behind it does not.
        let mut transaction = db.transaction();
        depend(&mut transaction, &family, &other);
        transaction.put(&family, &key(1000), b"own").unwrap();
        transaction.commit(Durability::Buffered).unwrap();
    }
}

#[test]
fn a_crash_anywhere_leaves_all_of_it_or_nothing_and_no_later_commit_without_it() {
    let mut without = [0; 2];
    for seed in 0..200u64 {
        let memory = MemoryFs::new();
        let faults = FaultFs::new(Arc::new(memory.clone()));
        let options = || options(faults.clone());
        let db = Db::open("/db", options()).unwrap();
        let family = db.default_column_family();
        for key in 0..40u32 {
            put(&db, &key.to_be_bytes(), b"old").unwrap();
        }
        let files = [file(&options(), "/a", 10..30, b"new"), file(&options(), "/b", 35..60, b"new")];
        let mut model = rows(&db, &db);
        faults.fail_after(1 + seed % 50, Fault::PowerCut);
        let ingested = db.ingest(&family, &files);
        let later = ingested.is_ok().then(|| put(&db, &20u32.to_be_bytes(), b"later")).transpose();
        drop(db);
        faults.clear();
        let power = if seed % 3 == 0 { PowerLoss::LoseUnsynced } else { PowerLoss::Tear { seed } };
        memory.lose_power(power);
        for life in 0..3 {
            // A life that ends while it repeats what the log has.
            faults.fail_after(if life == 0 { 1 + seed % 23 } else { u64::MAX / 2 }, Fault::PowerCut);
            let db = match Db::open("/db", options()) {
                Ok(db) => db,
                Err(error) => {
                    assert_eq!(life, 0, "seed {seed}: {error}");
                    faults.clear();
                    memory.lose_power(PowerLoss::LoseUnsynced);
                    continue;
                }
            };
            faults.clear();
            let now = rows(&db, &db);
            let has_it = now.contains_key(&50u32.to_be_bytes()[..]);
            assert!(has_it || ingested.is_err(), "seed {seed}");
            without[usize::from(has_it)] += 1;
            if has_it {
                let seqno = now[&50u32.to_be_bytes()[..]].1;
                for key in (10..30).chain(35..60u32) {
                    model.insert(key.to_be_bytes().to_vec(), (b"new".to_vec(), seqno));
                }
            }
            let key = 20u32.to_be_bytes();
            let found = now[&key[..]].clone();
            if found.0 == b"later" || matches!(later, Ok(Some(_))) {
                assert_eq!(found.0, b"later", "seed {seed}");
                model.insert(key.to_vec(), found);
            }
            assert_eq!(now, model, "seed {seed}");
            drop(db.close());
            drop(db);
            if life == 0 {
                memory.lose_power(PowerLoss::LoseUnsynced);
            }
        }
        let db = Db::open("/db", options()).unwrap();
        assert_eq!(rows(&db, &db), model, "seed {seed}");
        assert!(db.verify().unwrap().damages.is_empty());
        let known: usize = family_tables(&db);
        let names = memory.list(Path::new("/db")).unwrap();
        assert_eq!(names.iter().filter(|name| name.ends_with(".sst")).count(), known, "seed {seed}");
    }
    assert!(without.iter().all(|times| *times > 50), "{without:?}");
}

fn family_tables(db: &Db) -> usize {
    db.default_column_family().family.view.load().levels.tables().count()
}

#[test]
fn a_replica_is_told_of_an_ingestion_and_gets_its_entries() {
    let fs = MemoryFs::new();
    let retaining = Options {
        retention: Some(RetentionWindow::of_age(Duration::from_secs(3600))),
        ..options(fs.clone())
    };
    let db = Db::open("/db", retaining.clone()).unwrap();
    let replica = Db::open("/replica", Options { history: Some(db.history()), ..retaining.clone() }).unwrap();
    let family = db.default_column_family();
    put(&db, &3u32.to_be_bytes(), b"old").unwrap();
    db.ingest(&family, &[file(&retaining, "/x", 0..10, b"v"), file(&retaining, "/y", 20..25, b"v")]).unwrap();
    for key in 5..30u32 {
        put(&db, &key.to_be_bytes(), b"later").unwrap();
    }
    db.compact_range(&family, KeyRange::all()).unwrap();
    let mut tail = db.tail(SeqNo::ZERO).unwrap();
    let mut ingestions = 0;
    while let Some(event) = tail.try_next().unwrap() {
        let Change::Ingested(ingested) = &event.change else {
            replica.apply(&event, Durability::Buffered).unwrap();
            continue;
        };
        ingestions += 1;
        let (first, last) = (0u32.to_be_bytes(), 24u32.to_be_bytes());
        assert_eq!(
            (ingested.family(), ingested.entries(), ingested.range()),
            (0, 15, (&first[..], &last[..]))
        );
        assert!(matches!(replica.apply(&event, Durability::Buffered), Err(Error::InvalidArgument { .. })));
        let exported = db.export_ingested(event.seqno, ingested, "/exported").unwrap();
        replica.ingest_at(event.seqno, &replica.default_column_family(), &[exported.path()]).unwrap();
    }
    assert_eq!(ingestions, 1);
    assert_eq!(rows(&replica, &replica), rows(&db, &db));
}

#[test]
fn ingestions_and_writes_and_compactions_at_the_same_time() {
    let directory = tempfile::tempdir().unwrap();
    let options = Options { background: Background::Threads, ..options(OsFs) };
    let db = Db::open(directory.path().join("db"), options.clone()).unwrap();
    let family = db.default_column_family();
    let newest: Mutex<BTreeMap<u32, (SeqNo, Vec<u8>)>> = Mutex::default();
    let told = |seqno: SeqNo, keys: &[u32], value: &[u8]| {
        let mut newest = newest.lock();
        for key in keys {
            let entry = newest.entry(*key).or_default();
            if entry.0 < seqno {
                *entry = (seqno, value.to_vec());
            }
        }
    };
    let rounds = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for thread in 0..2u64 {
            let (db, family, told, options, rounds) = (&db, &family, &told, &options, &rounds);
            scope.spawn(move || {
                let mut rng = fastrand::Rng::with_seed(thread);
                while rounds.load(Ordering::Relaxed) < 30 {
                    let value = vec![rng.u8(..); rng.usize(1..300)];
                    let first = rng.u32(..500);
                    if thread == 0 {
                        let keys: Vec<u32> = (first..first + rng.u32(1..100)).collect();
                        let path = format!("{}/file", db.core().directory.parent().unwrap().display());
                        let path = file(options, &path, keys.iter().copied(), &value);
                        let seqno = db.ingest(family, &[&path]).unwrap();
                        OsFs.remove(&path).unwrap();
                        told(seqno, &keys, &value);
                        rounds.fetch_add(1, Ordering::Relaxed);
                    } else {
                        let seqno = put(db, &first.to_be_bytes(), &value).unwrap();
                        told(seqno, &[first], &value);
                    }
                }
            });
        }
    });
    for _ in 0..2 {
        let found: BTreeMap<u32, (SeqNo, Vec<u8>)> = rows(&db, &db)
            .into_iter()
            .map(|(key, (value, seqno))| (u32::from_be_bytes(key.try_into().unwrap()), (seqno, value)))
            .collect();
        assert!(found == *newest.lock());
        assert!(db.verify().unwrap().damages.is_empty());
        db.compact_range(&family, KeyRange::all()).unwrap();
    }
}

/// The log tells of an ingestion that the manifest has lost, and the table is gone since: an opening said only that a file cannot
/// be opened, and that behind a new manifest.
#[test]
fn an_ingestion_without_its_table_is_a_missing_file() {
    let fs = MemoryFs::new();
    let db = Db::open("/db", options(fs.clone())).unwrap();
    let ingested = file(&options(fs.clone()), "/sorted", 0..10, b"value");
    db.ingest(&db.default_column_family(), &[ingested]).unwrap();
    drop(db);
    let names = fs.list(std::path::Path::new("/db")).unwrap();
    let of =
        |is: &dyn Fn(&str) -> bool| PathBuf::from("/db").join(names.iter().find(|name| is(name)).unwrap());
    let (manifest, table) =
        (of(&|name: &str| name.starts_with("MANIFEST")), of(&|name: &str| name.ends_with(".sst")));
    let end = fs.open(&manifest).unwrap().len().unwrap();
    fs.flip_byte(&manifest, end - 1).unwrap();
    fs.remove(&table).unwrap();
    let refused = Db::open("/db", options(fs)).unwrap_err();
    assert!(matches!(&refused, Error::MissingFile { file, .. } if *file == table), "{refused}");
}
