//! Any byte of a closed database may change: it is found when the database is opened, verified or read, and no read
//! ever returns what was not written.
//!
//! Blocks and records have tests of their own that change each byte; this one takes samples of whole files.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::cast_possible_truncation,
    reason = "test"
)]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use ordinum::fs::{Fs, MemoryFs};
use ordinum::{
    Background, Batch, ColumnFamily, Db, Durability, ErrorKind, FamilyOptions, KeyRange, Options, Reader,
    Result,
};

/// One byte in so many is changed.
const STRIDE: u64 = 11;

fn options(fs: &MemoryFs) -> Options {
    Options {
        fs: Arc::new(fs.clone()),
        background: Background::Manual,
        block_cache_bytes: 64 << 10,
        create_if_missing: false,
        family_defaults: FamilyOptions {
            block_bytes: 256,
            separate_values_from_bytes: Some(32),
            level_base_bytes: 4 << 10,
            table_bytes_target: 4 << 10,
            ..FamilyOptions::default()
        },
        ..Options::default()
    }
}

fn copy(fs: &MemoryFs) -> MemoryFs {
    let copy = MemoryFs::new();
    for name in fs.list(Path::new("/db")).unwrap() {
        let path = Path::new("/db").join(name);
        let file = fs.open(&path).unwrap();
        let mut bytes = vec![0; usize::try_from(file.len().unwrap()).unwrap()];
        file.read_at(0, &mut bytes).unwrap();
        copy.create(&path).unwrap().append(&bytes).unwrap();
    }
    copy
}

/// A closed database of a few tables on two levels and an empty log, and what it holds.
fn closed() -> (MemoryFs, BTreeMap<Vec<u8>, Vec<u8>>) {
    let fs = MemoryFs::new();
    let db = Db::open("/db", Options { create_if_missing: true, ..options(&fs) }).unwrap();
    let family = db.default_column_family();
    let mut rows = BTreeMap::new();
    for round in 0..3_u32 {
        for n in 0..60_u32 {
            let (key, value) = (
                format!("key{}", n * (round + 1)),
                format!("{n} of {round}").repeat(if n % 4 == 0 { 9 } else { 1 }),
            );
            let mut batch = Batch::new();
            batch.put(&family, key.as_bytes(), value.as_bytes()).unwrap();
            db.write(batch, Durability::Buffered).unwrap();
            rows.insert(key.into_bytes(), value.into_bytes());
        }
        match round {
            0 | 1 => db.compact_range(&family, KeyRange::all()).unwrap(),
            _ => db.flush(&family).unwrap(),
        }
    }
    db.close().unwrap();
    drop(db);
    // Opened once more, so that the log is a new and empty one.
    Db::open("/db", options(&fs)).unwrap().close().unwrap();
    (fs, rows)
}

/// Every row that can be read is right; returns whether all could be read.
fn read_all(db: &Db, family: &ColumnFamily, rows: &BTreeMap<Vec<u8>, Vec<u8>>) -> Result<()> {
    for (key, value) in rows {
        if let Ok(found) = db.get(family, key) {
            assert_eq!(found.as_deref(), Some(value.as_slice()));
        }
    }
    let mut cursor = db.cursor(family, KeyRange::all())?;
    let mut expected = rows.iter();
    let mut more = cursor.first()?;
    while more {
        assert_eq!((cursor.key(), cursor.value()?), expected.next().map(|(k, v)| (&k[..], &v[..])).unwrap());
        more = cursor.next()?;
    }
    assert!(expected.next().is_none());
    Ok(())
}

#[test]
fn every_changed_byte_is_found() {
    let (fs, rows) = closed();
    let names = fs.list(Path::new("/db")).unwrap();
    assert!(names.iter().filter(|name| name.ends_with(".sst")).count() > 1);
    assert!(names.iter().filter(|name| name.ends_with(".val")).count() > 1);
    let mut found_at_opening = 0;
    let mut found_later = 0;
    for name in names {
        let path = Path::new("/db").join(&name);
        let len = fs.open(&path).unwrap().len().unwrap();
        for offset in (name.len() as u64 % STRIDE..len).step_by(STRIDE as usize) {
            let fs = copy(&fs);
            fs.flip_byte(&path, offset).unwrap();
            match Db::open("/db", options(&fs)) {
                Err(error) => {
                    let kind = error.kind();
                    assert!(
                        matches!(kind, ErrorKind::Restore | ErrorKind::FixTheRequest),
                        "{name} at {offset}: {error}"
                    );
                    found_at_opening += 1;
                }
                Ok(db) => {
                    let damages = db.verify().unwrap().damages;
                    let read = read_all(&db, &db.default_column_family(), &rows);
                    match damages.first() {
                        Some(damage) => {
                            assert!(damage.to_string().contains(&name), "{name} at {offset}: {damage}");
                            found_later += 1;
                        }
                        // The last record of a manifest or a log is taken for one that was never whole: what it said
                        // must not be missed.
                        None => read.unwrap_or_else(|error| panic!("{name} at {offset}: {error}")),
                    }
                }
            }
        }
    }
    println!("{found_at_opening} found at opening, {found_later} by verification");
}

#[test]
fn every_missing_file_is_named() {
    let (fs, _) = closed();
    for name in fs.list(Path::new("/db")).unwrap().iter().filter(|name| *name != "LOCK") {
        let fs = copy(&fs);
        fs.remove(&Path::new("/db").join(name)).unwrap();
        let error = Db::open("/db", options(&fs)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Restore, "{name}: {error}");
        assert!(error.to_string().contains(name), "{name}: {error}");
    }
}
