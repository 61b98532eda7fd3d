use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::*;
use crate::clock::ManualClock;
use crate::fs::{Fault, FaultFs, MemoryFs, OsFs, PowerLoss};
use crate::{
    Background, Batch, Db, Durability, FamilyOptions, KeyRange, Options, Position, Reader, RetentionWindow,
    TransactionOptions,
};

fn options(fs: impl Fs + 'static) -> Options {
    Options {
        fs: Arc::new(fs),
        background: Background::Manual,
        log_segment_bytes: 8 << 10,
        family_defaults: FamilyOptions {
            write_buffer_bytes: 8 << 10,
            separate_values_from_bytes: Some(64),
            level_base_bytes: 8 << 10,
            table_bytes_target: 4 << 10,
            ..FamilyOptions::default()
        },
        ..Options::default()
    }
}

fn put(db: &Db, key: u64, durability: Durability) -> Result<SeqNo> {
    let mut batch = Batch::new();
    batch.put(&db.default_column_family(), &key.to_be_bytes(), &[b'v'; 100])?;
    db.write(batch, durability)
}

fn entries(db: &Db) -> BTreeMap<Vec<u8>, SeqNo> {
    let family = db.default_column_family();
    let mut cursor = db.cursor(&family, KeyRange::all()).unwrap();
    let mut found = BTreeMap::new();
    let mut more = cursor.first().unwrap();
    while more {
        let seqno = db.get_versioned(&family, cursor.key()).unwrap().unwrap().1;
        found.insert(cursor.key().to_vec(), seqno);
        more = cursor.next().unwrap();
    }
    found
}

#[test]
fn a_checkpoint_has_exactly_the_commits_up_to_its_number() {
    let fs = MemoryFs::new();
    let db = Db::open("/db", options(fs.clone())).unwrap();
    let family = db.create_column_family("other", FamilyOptions::default()).unwrap();
    for n in 0..400 {
        put(&db, n, Durability::Buffered).unwrap();
        if n % 100 == 50 {
            while db.run_background_step().unwrap() {}
        }
    }
    let last = db.checkpoint("/copy").unwrap();
    let before = entries(&db);
    assert_eq!(last, db.last_seqno());
    // Both go on, each for itself.
    for n in 400..600 {
        put(&db, n, Durability::Synced).unwrap();
        while db.run_background_step().unwrap() {}
    }
    db.drop_column_family(&family).unwrap();
    let copy = Db::open("/copy", options(fs.clone())).unwrap();
    assert!(copy.column_family("other").is_some());
    assert_eq!(entries(&copy), before);
    assert_eq!(copy.last_seqno(), last);
    assert!(copy.verify().unwrap().damages.is_empty());
    assert!(copy.tail_from(Position { history: db.history(), seqno: last }).is_ok());
    assert_ne!(copy.history(), db.history());
    for n in 1000..1300 {
        put(&copy, n, Durability::Synced).unwrap();
        while copy.run_background_step().unwrap() {}
    }
    let lost = copy.tail_from(Position { history: db.history(), seqno: db.last_seqno() });
    assert!(matches!(lost, Err(Error::Diverged { .. })));
    assert_eq!(entries(&db).len(), 600);
    assert_eq!(entries(&copy).len(), 700);
    assert!(matches!(db.checkpoint("/copy"), Err(Error::InvalidArgument { .. })), "there is something in it");
}

#[test]
fn a_checkpoint_can_stay_in_the_history_as_a_replica() {
    let fs = MemoryFs::new();
    let clock = Arc::new(ManualClock::default());
    let retaining = Options {
        retention: Some(RetentionWindow::of_age(Duration::from_secs(3600))),
        clock,
        ..options(fs.clone())
    };
    let db = Db::open("/db", retaining).unwrap();
    for n in 0..100 {
        put(&db, n, Durability::Synced).unwrap();
    }
    let last = db.checkpoint("/replica").unwrap();
    for n in 100..300 {
        put(&db, n, Durability::Synced).unwrap();
    }
    let following = || Options { history: Some(db.history()), ..options(fs.clone()) };
    for _ in 0..2 {
        let replica = Db::open("/replica", following()).unwrap();
        assert_eq!(replica.history(), db.history());
        let mut tail = db.tail_from(replica.position()).unwrap();
        while let Some(event) = tail.try_next().unwrap() {
            assert!(event.seqno > last);
            replica.apply(&event, Durability::Synced).unwrap();
        }
        assert_eq!(entries(&replica), entries(&db));
    }
}

#[test]
fn checkpoints_are_whole_while_others_write_rotate_and_compact() {
    for linked in [true, false] {
        let directory = tempfile::tempdir().unwrap();
        let options = || Options { background: Background::Threads, ..options(OsFs) };
        let db = Db::open(directory.path().join("db"), options()).unwrap();
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    // Each commit adds one to the sum of a counter and the entries.
                    let family = db.default_column_family();
                    while !stop.load(Ordering::Relaxed) {
                        let mut txn = db.transaction_with(TransactionOptions::default());
                        let next = txn.get(&family, b"next").unwrap();
                        let next = next.map_or(0, |next| u64::from_be_bytes(next[..].try_into().unwrap()));
                        txn.put(&family, &next.to_be_bytes(), &[b'v'; 300]).unwrap();
                        txn.put(&family, b"next", &(next + 1).to_be_bytes()).unwrap();
                        drop(txn.commit(Durability::Buffered));
                    }
                });
            }
            for round in 0..6u64 {
                let to = directory.path().join(format!("copy{round}"));
                let seen = db.last_seqno();
                let last = db.checkpoint(&to).unwrap();
                assert!(last >= seen);
                if !linked {
                    // As if the other directory stood on another file system.
                    for name in OsFs.list(&to).unwrap() {
                        let (file, copy) = (to.join(&name), to.join("bytes"));
                        std::fs::copy(&file, &copy).unwrap();
                        OsFs.rename(&copy, &file).unwrap();
                    }
                }
                let copy = Db::open(&to, options()).unwrap();
                assert_eq!(copy.last_seqno(), last);
                let found = entries(&copy);
                let newest = found.values().max().copied().unwrap_or_default();
                assert_eq!(newest, last, "the newest commit is the one that was told");
                assert_eq!(found.len() as u64, if last == SeqNo::ZERO { 0 } else { last.get() + 1 });
                assert!(copy.verify().unwrap().damages.is_empty());
                put(&copy, u64::MAX, Durability::Synced).unwrap();
            }
            stop.store(true, Ordering::Relaxed);
        });
        assert!(db.verify().unwrap().damages.is_empty());
    }
}

#[test]
fn a_crash_in_the_middle_leaves_no_wrong_database() {
    let mut refused = 0;
    for at in 1..80u64 {
        let memory = MemoryFs::new();
        let faults = FaultFs::new(Arc::new(memory.clone()));
        let db = Db::open("/db", options(faults.clone())).unwrap();
        for n in 0..120 {
            put(&db, n, Durability::Synced).unwrap();
            while n % 40 == 7 && db.run_background_step().unwrap() {}
        }
        faults.fail_after(at, Fault::PowerCut);
        let made = db.checkpoint("/copy");
        drop(db);
        faults.clear();
        let power = if at % 2 == 0 { PowerLoss::LoseUnsynced } else { PowerLoss::Tear { seed: at } };
        memory.lose_power(power);
        let existing = Options { create_if_missing: false, ..options(faults.clone()) };
        match Db::open("/copy", existing.clone()) {
            Ok(copy) => assert_eq!((copy.last_seqno().get(), entries(&copy).len()), (120, 120), "at {at}"),
            Err(error) => {
                assert!(made.is_err(), "at {at}: {error}");
                assert!(matches!(error, Error::MissingFile { .. } | Error::NoDatabase { .. }), "{error}");
                let is_begun = memory.exists(Path::new("/copy/CHECKPOINT")).unwrap();
                refused += u64::from(is_begun);
                if is_begun {
                    // Nor is it taken for a new one.
                    let error = Db::open("/copy", options(faults.clone())).unwrap_err();
                    assert!(matches!(error, Error::MissingFile { .. }), "{error}");
                }
                let db = Db::open("/db", existing).unwrap();
                assert!(db.checkpoint("/copy").unwrap().get() >= 120);
                assert_eq!(entries(&Db::open("/copy", options(faults)).unwrap()).len(), 120, "at {at}");
            }
        }
    }
    assert!(refused > 3, "{refused}");
}

#[test]
fn a_checkpoint_that_fails_leaves_nothing_and_can_be_made_again() {
    for at in 1..40 {
        let faults = FaultFs::new(Arc::new(MemoryFs::new()));
        let db = Db::open("/db", options(faults.clone())).unwrap();
        for n in 0..120 {
            put(&db, n, Durability::Synced).unwrap();
            while n % 40 == 7 && db.run_background_step().unwrap() {}
        }
        faults.fail_after(at, Fault::DiskFull);
        let made = db.checkpoint("/copy");
        faults.clear();
        put(&db, 120, Durability::Synced).unwrap();
        if made.is_err() {
            assert_eq!(db.checkpoint("/copy").unwrap().get(), 121, "at {at}");
        }
        let copy = Db::open("/copy", options(faults)).unwrap();
        assert_eq!(entries(&copy).len() as u64, copy.last_seqno().get());
    }
}
