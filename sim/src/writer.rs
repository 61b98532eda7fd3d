//! A process that writes until it is ended from outside, and tells of each commit on its standard output once it is
//! acknowledged: the journal that is checked against what is found.

use std::io::Write as _;
use std::path::Path;

use ordinum::{Batch, ColumnFamily, Db, Durability, Error, FamilyOptions, Options, Reader, Result};

use crate::{Stop, ensure};

/// So many keys are written over and over.
const KEYS: u64 = 300;
/// The second column family that each commit writes to.
const SECOND: &str = "second";
/// The key that has the number of the newest commit.
const NEWEST: &[u8] = b"newest";

/// Small buffers, so that everything happens often.
fn options() -> Options {
    Options {
        log_segment_bytes: 64 << 10,
        family_defaults: FamilyOptions {
            write_buffer_bytes: 32 << 10,
            separate_values_from_bytes: Some(512),
            level_base_bytes: 128 << 10,
            table_bytes_target: 32 << 10,
            ..FamilyOptions::default()
        },
        ..Options::default()
    }
}

fn open(directory: &Path) -> Result<(Db, [ColumnFamily; 2])> {
    let db = Db::open(directory, options())?;
    let second = match db.column_family(SECOND) {
        Some(second) => second,
        None => db.create_column_family(SECOND, options().family_defaults)?,
    };
    let families = [db.default_column_family(), second];
    Ok((db, families))
}

fn key(number: u64) -> Vec<u8> {
    format!("key{}", number % KEYS).into_bytes()
}

fn value(number: u64) -> Vec<u8> {
    let len = usize::try_from(number * 7919 % 1000).unwrap_or(0);
    let word = format!("{number}.").into_bytes();
    word.iter().copied().cycle().take(word.len() + len).collect()
}

/// The number of the newest commit.
fn newest(db: &Db, family: &ColumnFamily) -> std::result::Result<u64, Stop> {
    let Some(found) = db.get(family, NEWEST)? else { return Ok(0) };
    let number = std::str::from_utf8(&found).ok().and_then(|text| text.parse().ok());
    number.ok_or_else(|| Stop::Wrong(format!("the newest commit is \"{}\"", found.escape_ascii())))
}

/// Writes until an error, which is returned. What is told on the output is acknowledged.
///
/// # Errors
/// What ended it.
pub fn write_for_ever(directory: &Path, durability: Durability) -> std::result::Result<(), Stop> {
    let (db, families) = open(directory)?;
    let mut output = std::io::stdout().lock();
    let from = newest(&db, &families[0])? + 1;
    for number in from.. {
        let mut batch = Batch::new();
        for family in &families {
            batch.put(family, &key(number), &value(number))?;
        }
        if number.is_multiple_of(50) {
            // A range of no consequence: it lies behind all keys.
            batch.delete_range(&families[0], b"z", format!("z{number}").as_bytes())?;
        }
        batch.put(&families[0], NEWEST, number.to_string().as_bytes())?;
        db.write(batch, durability)?;
        let told = writeln!(output, "{number}").and_then(|()| output.flush());
        told.map_err(|error| Stop::Wrong(format!("nobody listens: {error}")))?;
    }
    Ok(())
}

/// Opens what such a process left: everything up to one commit is there, whole, and `acknowledged` is not behind it. Returns the
/// number of that commit.
///
/// # Errors
/// What is wrong.
pub fn check(directory: &Path, acknowledged: u64) -> std::result::Result<u64, Stop> {
    let (db, families) = open(directory)?;
    let newest = newest(&db, &families[0])?;
    ensure!(newest >= acknowledged, "{acknowledged} was acknowledged, and {newest} is the newest");
    ensure!(newest <= acknowledged + 1, "{newest} is there, and {acknowledged} was the last to be told");
    for number in newest.saturating_sub(KEYS - 1).max(1)..=newest {
        for (place, family) in families.iter().enumerate() {
            let found = db.get(family, &key(number))?;
            ensure!(
                found.as_deref() == Some(value(number).as_slice()),
                "commit {number} of {newest} lacks its write to family {place}"
            );
        }
    }
    let damages = db.verify()?.damages;
    ensure!(damages.is_empty(), "{damages:?}");
    db.close()?;
    Ok(newest)
}

/// Tells of an error as a line that a test reads: the kind, and what it says.
pub fn line_of(stop: &Stop) -> String {
    match stop {
        Stop::Engine(error) => format!("error {:?} {}: {error}", error.kind(), is_io(error)),
        Stop::Database(error) => format!("error {:?}: {error}", error.code),
        Stop::Wrong(what) => format!("wrong: {what}"),
    }
}

fn is_io(error: &Error) -> &'static str {
    if matches!(error, Error::Io { .. }) { "io" } else { "told" }
}
