//! The life of logs: written over when they are not needed any more, full disks, damage and what is left of it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::*;
use crate::error::{Error, ErrorKind};
use crate::fs::{FaultFs, Fs, MemoryFs, OsFs, PowerLoss};
use crate::options::{Background, LogWriting, RecoveryMode};

fn options(fs: impl Fs + 'static) -> Options {
    Options {
        fs: Arc::new(fs),
        background: Background::Manual,
        log_segment_bytes: 8 << 10,
        ..Options::default()
    }
}

fn put(db: &Db, n: u32, durability: Durability) -> Result<SeqNo> {
    let mut batch = Batch::new();
    batch.put(&db.default_column_family(), &n.to_be_bytes(), &[b'v'; 100])?;
    db.write(batch, durability)
}

fn count(db: &Db) -> u32 {
    let mut cursor = db.cursor(&db.default_column_family(), KeyRange::all()).unwrap();
    let mut more = cursor.first().unwrap();
    let mut n = 0u32;
    while more {
        assert_eq!(cursor.key(), n.to_be_bytes());
        n += 1;
        more = cursor.next().unwrap();
    }
    n
}

fn logs(fs: &dyn Fs, directory: &Path) -> Vec<PathBuf> {
    let names = fs.list(directory).unwrap();
    names.iter().filter(|name| name.ends_with(".log")).map(|name| directory.join(name)).collect()
}

#[test]
fn a_log_that_is_written_over_shows_nothing_of_the_one_before() {
    for seed in 0..40u64 {
        let fs = MemoryFs::new();
        let db = Db::open("/db", options(fs.clone())).unwrap();
        let mut written = 0;
        // The third log lies in the place of the first, and so on.
        for _ in 0..=3 + seed % 3 {
            for _ in 0..70 {
                put(&db, written, Durability::Buffered).unwrap();
                written += 1;
            }
            // As the background does it: the log is not left before it is full.
            db.core().flush_family(&db.default_column_family()).unwrap();
        }
        let mut synced = written;
        for n in 0..seed {
            let durability = if n == seed / 2 { Durability::Synced } else { Durability::Buffered };
            put(&db, written, durability).unwrap();
            written += 1;
            if durability == Durability::Synced {
                synced = written;
            }
        }
        let longest =
            logs(&fs, Path::new("/db")).iter().map(|log| fs.open(log).unwrap().len().unwrap()).max();
        assert!(longest > Some(8 << 10), "the last log is written over another");
        let power = if seed % 3 == 0 { PowerLoss::LoseUnsynced } else { PowerLoss::Tear { seed } };
        fs.lose_power(power);
        drop(db);
        let db = Db::open("/db", options(fs.clone())).unwrap();
        assert!((synced..=written).contains(&count(&db)), "seed {seed}");
        assert!(db.verify().unwrap().damages.is_empty());
        drop(db);
        assert!(logs(&fs, Path::new("/db")).len() <= 4);
    }
}

#[test]
fn a_file_with_room_behind_its_records_is_read_to_their_end() {
    let directory = tempfile::tempdir().unwrap();
    let mut written = 0;
    for round in 0..3 {
        let db = Db::open(directory.path(), options(OsFs)).unwrap();
        assert_eq!(count(&db), written);
        for _ in 0..200 {
            put(&db, written, Durability::Buffered).unwrap();
            written += 1;
        }
        let log = logs(&OsFs, directory.path()).pop().unwrap();
        assert!(OsFs.open(&log).unwrap().len().unwrap() >= 64 << 10, "room is made ahead");
        if round == 1 {
            db.flush_all().unwrap();
        }
    }
    assert_eq!(count(&Db::open(directory.path(), options(OsFs)).unwrap()), written);
}

#[test]
fn what_is_buffered_is_in_the_file_whether_it_is_mapped_or_not() {
    for log_writing in [LogWriting::Calls, LogWriting::Mapped] {
        let directory = tempfile::tempdir().unwrap();
        let [here, there] = ["here", "there"].map(|name| directory.path().join(name));
        let options = || Options { log_writing, log_segment_bytes: 1 << 20, ..options(OsFs) };
        let db = Db::open(&here, options()).unwrap();
        let mut written = 0;
        for round in 0..4 {
            for n in 0..3000 {
                let durability = if n % 1000 == 0 { Durability::Synced } else { Durability::Buffered };
                put(&db, written, durability).unwrap();
                written += 1;
            }
            // As another process would find it if this one ended now.
            let there = there.join(round.to_string());
            std::fs::create_dir_all(&there).unwrap();
            for name in OsFs.list(&here).unwrap() {
                std::fs::copy(here.join(&name), there.join(&name)).unwrap();
            }
            let copy = Db::open(&there, options()).unwrap();
            assert_eq!(count(&copy), written, "{log_writing:?}, round {round}");
            assert!(copy.verify().unwrap().damages.is_empty());
            if round == 1 {
                // Logs that are written over are mapped, too.
                db.flush_all().unwrap();
            }
        }
        assert!(db.verify().unwrap().damages.is_empty());
    }
}

#[test]
fn a_file_with_another_name_is_not_written_over() {
    let directory = tempfile::tempdir().unwrap();
    let [old, link, new] = ["old", "link", "new"].map(|name| directory.path().join(name));
    OsFs.create(&old).unwrap().append(b"kept by the link").unwrap();
    std::fs::hard_link(&old, &link).unwrap();
    OsFs.reuse(&old, &new).unwrap().append(b"new").unwrap();
    assert_eq!(crate::fs::read_whole(&OsFs, &link).unwrap(), b"kept by the link");
    assert_eq!(crate::fs::read_whole(&OsFs, &new).unwrap(), b"new");
    assert!(!OsFs.exists(&old).unwrap());
}

#[test]
fn a_full_disk_refuses_writes_to_the_log_and_poisons_nothing() {
    let memory = MemoryFs::new();
    let fs = FaultFs::new(Arc::new(memory));
    let db = Db::open("/db", Options { log_segment_bytes: 1 << 20, ..options(fs.clone()) }).unwrap();
    let mut written = 0;
    for _ in 0..3 {
        fs.fill_for(".log");
        let error = loop {
            match put(&db, written, Durability::Buffered) {
                Ok(_) => written += 1,
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        assert_eq!(db.stats().poisoned, None);
        assert_eq!(count(&db), written);
        fs.clear();
        for _ in 0..100 {
            put(&db, written, Durability::Synced).unwrap();
            written += 1;
        }
    }
    drop(db);
    assert_eq!(count(&Db::open("/db", options(fs)).unwrap()), written);
}

/// A database of several logs, and what is in it.
fn of_many_logs(fs: &MemoryFs) -> Vec<PathBuf> {
    let db = Db::open("/db", options(fs.clone())).unwrap();
    for n in 0..250 {
        put(&db, n, Durability::Synced).unwrap();
    }
    let logs = logs(fs, Path::new("/db"));
    assert!(logs.len() > 3);
    fs.kill_process();
    logs
}

fn salvage(fs: &MemoryFs) -> Db {
    assert!(Db::open("/db", options(fs.clone())).is_err(), "the strict opening refuses");
    Db::open("/db", Options { recovery: RecoveryMode::Salvage, ..options(fs.clone()) }).unwrap()
}

#[test]
fn salvaging_goes_back_to_the_commit_before_the_damage() {
    for (at, part) in [(0, 2000), (1, 64), (1, 3), (2, 5000)] {
        let fs = MemoryFs::new();
        let logs = of_many_logs(&fs);
        fs.flip_byte(&logs[at], part).unwrap();
        let db = salvage(&fs);
        let cut = db.salvage().unwrap().clone();
        assert_eq!(cut.file, logs[at]);
        assert_eq!(cut.logs_cut, logs[at + 1..]);
        assert!(cut.offset <= part.max(64) && cut.bytes_cut > 0, "{cut:?}");
        let left = count(&db);
        assert_eq!(cut.last.get(), u64::from(left), "a commit each");
        assert!((u32::try_from(at).unwrap() * 50..250).contains(&left), "{left}");
        put(&db, left, Durability::Synced).unwrap();
        assert!(db.last_seqno().get() > 250, "numbers of lost commits are not given again");
        drop(db);
        let db = Db::open("/db", options(fs.clone())).unwrap();
        assert_eq!(db.salvage(), None);
        assert_eq!(count(&db), left + 1);
        assert!(db.verify().unwrap().damages.is_empty());
    }
}

#[test]
fn a_missing_log_ends_the_history_before_it() {
    let fs = MemoryFs::new();
    let logs = of_many_logs(&fs);
    fs.remove(&logs[1]).unwrap();
    let db = salvage(&fs);
    let cut = db.salvage().unwrap();
    assert_eq!((&cut.file, &cut.logs_cut[..]), (&logs[1], &logs[2..]));
    let left = count(&db);
    assert!((50..90).contains(&left));
    drop(db);
    assert_eq!(count(&Db::open("/db", options(fs)).unwrap()), left);
}

#[test]
fn nothing_is_salvaged_if_tables_have_what_would_be_cut() {
    let fs = MemoryFs::new();
    let db = Db::open("/db", options(fs.clone())).unwrap();
    let other = db.create_column_family("other", FamilyOptions::default()).unwrap();
    for n in 0..20 {
        let mut batch = Batch::new();
        batch.put(&other, &[n], b"v").unwrap();
        db.write(batch, Durability::Synced).unwrap();
        put(&db, u32::from(n), Durability::Synced).unwrap();
    }
    db.flush(&other).unwrap();
    fs.kill_process();
    drop(db);
    fs.flip_byte(&logs(&fs, Path::new("/db"))[0], 300).unwrap();
    for recovery in [RecoveryMode::Strict, RecoveryMode::Salvage] {
        let error = Db::open("/db", Options { recovery, ..options(fs.clone()) }).unwrap_err();
        assert!(matches!(error, Error::Corrupt { .. }), "{error}");
    }
}

#[test]
fn salvaging_cuts_nothing_that_is_sound() {
    let fs = MemoryFs::new();
    of_many_logs(&fs);
    let db = Db::open("/db", Options { recovery: RecoveryMode::Salvage, ..options(fs) }).unwrap();
    assert_eq!((db.salvage(), count(&db)), (None, 250));
}

/// The bytes of all logs.
fn log_bytes(fs: &dyn Fs) -> u64 {
    logs(fs, Path::new("/db")).iter().map(|log| fs.open(log).unwrap().len().unwrap()).sum()
}

#[test]
fn logs_give_their_space_back_once_everything_is_in_tables() {
    let fs = MemoryFs::new();
    let db = Db::open("/db", options(fs.clone())).unwrap();
    let second = db.create_column_family("second", FamilyOptions::default()).unwrap();
    for round in 0..3 {
        for n in 0..300 {
            put(&db, round * 300 + n, Durability::Buffered).unwrap();
        }
        let mut batch = Batch::new();
        batch.put(&second, b"k", b"v").unwrap();
        db.write(batch, Durability::Buffered).unwrap();
        assert!(log_bytes(&fs) > 24 << 10);
        // As long as another family needs the log, it stays.
        db.flush(&db.default_column_family()).unwrap();
        let needed = log_bytes(&fs);
        db.flush(&second).unwrap();
        assert!(log_bytes(&fs) < needed);
        assert!(log_bytes(&fs) < 1 << 10, "{}", log_bytes(&fs));
    }
    db.close().unwrap();
    drop(db);
    let db = Db::open("/db", options(fs)).unwrap();
    assert_eq!(count(&db), 900);
}

/// The manifest names a log before the first record of it is written. If the end of the manifest is damaged afterwards, what is in
/// that log was lost without a word: the last record of a manifest is taken for one that was never whole.
#[test]
fn a_log_that_the_manifest_has_lost_is_missed() {
    let fs = MemoryFs::new();
    let db = Db::open("/db", options(fs.clone())).unwrap();
    let first = logs(&fs, Path::new("/db"));
    let mut written = 0;
    while logs(&fs, Path::new("/db")) == first {
        put(&db, written, Durability::Synced).unwrap();
        written += 1;
    }
    // The last one is in the new log, and the process ends without another edit of the manifest.
    fs.kill_process();
    drop(db);
    damage_manifest(&fs);
    let refused = Db::open("/db", options(fs.clone())).unwrap_err();
    assert!(matches!(refused, Error::Corrupt { .. }), "{refused}");
    let db = Db::open("/db", Options { recovery: RecoveryMode::Salvage, ..options(fs) }).unwrap();
    assert!(db.salvage().is_some_and(|salvage| salvage.bytes_cut > 100));
    assert_eq!(count(&db), written - 1);
}

/// Damages the last record of the manifest, and its seal as if the power had taken that.
fn damage_manifest(fs: &MemoryFs) {
    let names = fs.list(Path::new("/db")).unwrap();
    let manifest = Path::new("/db").join(names.iter().find(|name| name.starts_with("MANIFEST")).unwrap());
    let end = fs.open(&manifest).unwrap().len().unwrap();
    fs.flip_byte(&manifest, end - 1).unwrap();
    fs.flip_byte(&manifest, end - 11).unwrap();
}

/// A family is dropped, its tables are gone, and the edit that says so is lost: the database is not opened as if they were there,
/// nor without them, but says which file is missing.
#[test]
fn a_drop_that_the_manifest_has_lost_names_what_is_missing() {
    let fs = MemoryFs::new();
    let db = Db::open("/db", options(fs.clone())).unwrap();
    let family = db.create_column_family("gone", FamilyOptions::default()).unwrap();
    let mut batch = Batch::new();
    batch.put(&family, b"key", b"value").unwrap();
    db.write(batch, Durability::Synced).unwrap();
    db.flush(&family).unwrap();
    db.drop_column_family(&family).unwrap();
    drop(family);
    fs.kill_process();
    drop(db);
    damage_manifest(&fs);
    match Db::open("/db", options(fs)) {
        Ok(db) => assert!(db.column_family("gone").is_none(), "it was dropped"),
        Err(Error::MissingFile { file, .. } | Error::Corrupt { file, .. }) => {
            assert!(file.starts_with("/db"), "{}", file.display());
        }
        Err(other) => panic!("{other}"),
    }
}

/// The live manifest.
fn manifest(fs: &MemoryFs) -> PathBuf {
    let names = fs.list(Path::new("/db")).unwrap();
    Path::new("/db").join(names.iter().rfind(|name| name.starts_with("MANIFEST")).unwrap())
}

/// Options of a family stand nowhere but in the manifest: a bit that flips in their record is told, and salvaged.
#[test]
fn options_are_not_taken_back_without_a_word() {
    let fs = MemoryFs::new();
    let db = Db::open("/db", options(fs.clone())).unwrap();
    let family = db.default_column_family();
    put(&db, 0, Durability::Synced).unwrap();
    let changed = FamilyOptions { filter_bits_per_key: 3, ..(*family.options()).clone() };
    db.set_family_options(&family, changed).unwrap();
    // Its seal is as durable as the record.
    fs.lose_power(PowerLoss::LoseUnsynced);
    drop((family, db));
    let manifest = manifest(&fs);
    let end = fs.open(&manifest).unwrap().len().unwrap();
    fs.flip_byte(&manifest, end - 11).unwrap();
    let db = salvage(&fs);
    let cut = db.salvage().unwrap();
    assert_eq!((&cut.file, cut.last >= SeqNo::new(1).unwrap()), (&manifest, true));
    assert_eq!(count(&db), 1);
}

#[test]
fn a_salvage_finds_the_manifest_without_current() {
    let fs = MemoryFs::new();
    of_many_logs(&fs);
    fs.flip_byte(Path::new("/db/CURRENT"), 12).unwrap();
    let db = salvage(&fs);
    assert_eq!(db.salvage().unwrap().file, Path::new("/db/CURRENT"));
    assert_eq!(count(&db), 250);
    drop(db);
    fs.kill_process();
    fs.remove(Path::new("/db/CURRENT")).unwrap();
    assert_eq!(count(&salvage(&fs)), 250);
}
