//! Background work that fails: nothing is lost, writers learn the cause, and all goes on when the cause is gone.

use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::clock::ManualClock;
use crate::error::{Error, ErrorKind};
use crate::fs::{FaultFs, Fs, MemoryFs};
use crate::options::Background;

fn options(fs: &FaultFs, background: Background) -> Options {
    Options {
        fs: Arc::new(fs.clone()),
        clock: Arc::new(ManualClock::default()),
        background,
        family_defaults: FamilyOptions {
            write_buffer_bytes: 8 << 10,
            immutable_memtables_max: 2,
            level0_tables_trigger: 2,
            level0_tables_slowdown: 3,
            level0_tables_max: 4,
            ..FamilyOptions::default()
        },
        ..Options::default()
    }
}

fn put(db: &Db, n: u32) -> Result<SeqNo> {
    let mut batch = Batch::new();
    batch.put(&db.default_column_family(), &n.to_be_bytes(), &[b'v'; 100])?;
    db.write(batch, Durability::Buffered)
}

/// How often a test looks whether a thread has done what it is about to do.
const MOMENTS_MAX: u32 = 1_000_000;

/// Writes until writes are stopped, and returns how many there were.
fn write_until_stopped(db: &Db, from: u32) -> u32 {
    for n in from.. {
        match put(db, n) {
            Ok(_) => assert!(n < from + 10_000, "writes are never stopped"),
            Err(error) => {
                assert!(matches!(&error, Error::Stopped { cause } if cause.contains(".sst")), "{error}");
                assert_eq!(error.kind(), ErrorKind::Unavailable);
                return n;
            }
        }
    }
    unreachable!("the numbers end")
}

fn check(db: &Db, written: u32) {
    for n in 0..written {
        assert!(db.get(&db.default_column_family(), &n.to_be_bytes()).unwrap().is_some(), "{n}");
    }
    assert!(db.verify().unwrap().damages.is_empty());
}

fn write_on(db: &Db, mut written: u32) -> u32 {
    let end = written + 500;
    while written < end {
        // A thread may be in its pause: it has not found out yet that there is space.
        match put(db, written) {
            Ok(_) => written += 1,
            Err(Error::Stopped { .. }) => std::thread::yield_now(),
            Err(error) => panic!("{error}"),
        }
    }
    written
}

#[test]
fn a_full_disk_in_a_flush_stops_writes_until_there_is_space() {
    for background in [Background::Manual, Background::Threads] {
        let memory = MemoryFs::new();
        let fs = FaultFs::new(Arc::new(memory.clone()));
        let db = Db::open("/db", options(&fs, background)).unwrap();
        let mut written = 0;
        for _ in 0..3 {
            // A thread that is still merging would stop writes before there is anything to flush.
            assert!(
                (0..MOMENTS_MAX)
                    .map(|_| std::thread::yield_now())
                    .any(|()| db.stats().compactions_running == 0)
            );
            fs.fill_for(".sst");
            written = write_until_stopped(&db, written);
            assert!(db.stats().background_failure.is_some_and(|cause| cause.contains(".sst")));
            assert_eq!(db.stats().poisoned, None);
            assert!(db.flush_all().is_err());
            check(&db, written);
            fs.clear();
            written = write_on(&db, written);
            db.flush_all().unwrap();
            while db.run_background_step().unwrap() {}
            assert_eq!(db.stats().background_failure, None);
        }
        check(&db, written);
        let counts = || {
            let live: usize = db.stats().families[0].levels.iter().map(|level| level.files).sum();
            let names = memory.list(Path::new("/db")).unwrap();
            (live, names.iter().filter(|name| name.ends_with(".sst")).count())
        };
        // A thread may be about to unlink what it has merged.
        let is_gone = |(live, tables)| live == tables;
        let seen = (0..MOMENTS_MAX).map(|_| std::thread::yield_now()).any(|()| is_gone(counts()));
        assert!(seen, "what was begun is not gone: {:?}", counts());
        drop(db);
        check(&Db::open("/db", options(&fs, background)).unwrap(), written);
    }
}

#[test]
fn a_compaction_that_fails_stops_writes_until_it_succeeds() {
    for background in [Background::Manual, Background::Threads] {
        let memory = MemoryFs::new();
        let fs = FaultFs::new(Arc::new(memory.clone()));
        let db = Db::open("/db", options(&fs, background)).unwrap();
        let mut written = write_on(&db, 0);
        db.flush_all().unwrap();
        while db.run_background_step().unwrap() {}
        // What a compaction would read cannot be read, and it is not in the cache either: neither the tables of now, nor
        // those that a thread is about to add.
        let break_tables = || {
            for name in memory.list(Path::new("/db")).unwrap().iter().filter(|name| name.ends_with(".sst")) {
                fs.fail_reads_of(&Path::new("/db").join(name));
            }
        };
        // The same keys again, so that the tables overlap.
        let mut refused = None;
        for n in 0..10_000 {
            if n % 50 == 0 {
                break_tables();
            }
            if let Err(error) = put(&db, n % written) {
                refused = Some(error);
                break;
            }
        }
        let refused = refused.unwrap();
        assert!(matches!(&refused, Error::Stopped { cause } if cause.contains(".sst")), "{refused}");
        assert_eq!(db.stats().poisoned, None);
        fs.clear();
        written = write_on(&db, written);
        while db.run_background_step().unwrap() {}
        assert_eq!(db.stats().background_failure, None);
        check(&db, written);
        drop(db);
        check(&Db::open("/db", options(&fs, background)).unwrap(), written);
    }
}
