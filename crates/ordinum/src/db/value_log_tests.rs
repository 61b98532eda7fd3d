//! Values apart from their keys: what is read, what it costs, and when files come and go.

#![allow(clippy::cast_possible_truncation, reason = "test data")]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::clock::ManualClock;
use crate::compaction::{CompactionFilter, CompactionStyle, FilterDecision, FilteredEntry, Mood};
use crate::error::Error;
use crate::fs::{FaultFs, Fs, MemoryFs};
use crate::options::Background;
use crate::table::Compression;

const DIRECTORY: &str = "/db";

fn family_options() -> FamilyOptions {
    FamilyOptions {
        separate_values_from_bytes: Some(100),
        value_compression: Compression::None,
        block_bytes: 512,
        ..FamilyOptions::default()
    }
}

fn options(fs: &Arc<dyn Fs>, family_defaults: FamilyOptions) -> Options {
    Options { fs: Arc::clone(fs), background: Background::Manual, family_defaults, ..Options::default() }
}

fn memory() -> Arc<dyn Fs> {
    Arc::new(MemoryFs::new())
}

fn open(fs: &Arc<dyn Fs>, family_defaults: FamilyOptions) -> Db {
    Db::open(DIRECTORY, options(fs, family_defaults)).unwrap()
}

fn put(db: &Db, family: &ColumnFamily, key: u32, value: &[u8]) {
    let mut batch = Batch::new();
    batch.put(family, &key.to_be_bytes(), value).unwrap();
    db.write(batch, Durability::Buffered).unwrap();
}

fn value(key: u32, round: u32) -> Vec<u8> {
    let len = if key.is_multiple_of(4) { 20 } else { 100 + usize::try_from(key).unwrap() * 7 };
    format!("{key}.{round}.").bytes().cycle().take(len).collect()
}

fn fill(db: &Db, keys: std::ops::Range<u32>, round: u32) {
    let family = db.default_column_family();
    keys.for_each(|key| put(db, &family, key, &value(key, round)));
    db.flush_all().unwrap();
}

fn files(fs: &Arc<dyn Fs>, suffix: &str) -> Vec<String> {
    let names = fs.list(Path::new(DIRECTORY)).unwrap();
    names.into_iter().filter(|name| name.ends_with(suffix)).collect()
}

/// Every way to read finds the values of the round.
fn check(reader: &dyn Reader, family: &ColumnFamily, keys: std::ops::Range<u32>, round: u32) {
    let names: Vec<[u8; 4]> = keys.clone().map(u32::to_be_bytes).collect();
    let refs: Vec<&[u8]> = names.iter().map(|name| &name[..]).collect();
    let many = reader.multi_get(family, &refs).unwrap();
    let mut cursor = reader.cursor(family, KeyRange::all()).unwrap();
    let mut found = cursor.first().unwrap();
    for (key, of_many) in keys.clone().zip(many) {
        let expected = value(key, round);
        assert_eq!(
            reader.get(family, &key.to_be_bytes()).unwrap().as_deref(),
            Some(&expected[..]),
            "get {key}"
        );
        assert_eq!(of_many.as_deref(), Some(&expected[..]), "multi_get {key}");
        assert!(found);
        assert_eq!((cursor.key(), cursor.value().unwrap()), (&key.to_be_bytes()[..], &expected[..]));
        assert_eq!(*cursor.value_slice().unwrap(), *expected);
        found = cursor.next().unwrap();
    }
    assert!(!found);
    let mut found = cursor.last().unwrap();
    for key in keys.rev() {
        assert!(found);
        assert_eq!((cursor.key(), cursor.value().unwrap()), (&key.to_be_bytes()[..], &value(key, round)[..]));
        found = cursor.prev().unwrap();
    }
    assert!(!found);
}

#[test]
fn separated_values_are_read_in_every_way_and_after_compaction_and_reopening() {
    let fs = memory();
    let db = open(&fs, family_options());
    let family = db.default_column_family();
    fill(&db, 0..60, 0);
    let before = db.snapshot();
    fill(&db, 0..60, 1);
    check(&db, &family, 0..60, 1);
    check(&before, &family, 0..60, 0);
    assert_eq!(db.stats().families[0].value_log_files, 2);
    db.compact_range(&family, KeyRange::all()).unwrap();
    assert_eq!(
        db.stats().value_bytes_moved,
        0,
        "pointers are kept: nothing is garbage while the snapshot is there"
    );
    check(&db, &family, 0..60, 1);
    check(&before, &family, 0..60, 0);
    assert!(db.verify().unwrap().damages.is_empty());
    drop(before);
    db.close().unwrap();
    let db = open(&fs, family_options());
    check(&db, &db.default_column_family(), 0..60, 1);
    assert!(db.verify().unwrap().damages.is_empty());
}

#[test]
fn a_scan_of_keys_reads_nothing_of_the_value_log() {
    let fs = memory();
    let db = open(&fs, family_options());
    let family = db.default_column_family();
    fill(&db, 0..60, 0);
    let mut cursor = db.cursor(&family, KeyRange::all()).unwrap();
    let mut found = cursor.first().unwrap();
    let mut keys = 0;
    while found {
        keys += 1;
        found = cursor.next().unwrap();
    }
    let mut found = cursor.last().unwrap();
    while found {
        keys += 1;
        found = cursor.prev().unwrap();
    }
    assert_eq!((keys, db.stats().values_read), (120, 0));
    // A value that is asked for twice is read once; one that stands in the table is not read here.
    for (key, reads) in [(1u32, 1), (4, 1), (5, 2)] {
        assert!(cursor.seek(&key.to_be_bytes()).unwrap());
        assert_eq!(cursor.value().unwrap(), value(key, 0));
        assert_eq!(*cursor.value_slice().unwrap(), *value(key, 0));
        assert_eq!(db.stats().values_read, reads);
    }
    assert!(db.stats().value_bytes_read > 200);
}

#[test]
fn values_are_separated_from_the_length_on_that_the_option_says() {
    let longest = [99, 100, 101].map(|len| vec![b'v'; len]);
    for (from, separated) in [(None, 0), (Some(99), 3), (Some(100), 2), (Some(102), 0)] {
        let fs = memory();
        let db = open(&fs, FamilyOptions { separate_values_from_bytes: from, ..family_options() });
        let family = db.default_column_family();
        longest.iter().zip(0..).for_each(|(value, key)| put(&db, &family, key, value));
        db.flush_all().unwrap();
        for key in 0..3u32 {
            db.get(&family, &key.to_be_bytes()).unwrap().unwrap();
        }
        assert_eq!(db.stats().values_read, separated, "{from:?}");
        assert_eq!(files(&fs, ".val").len(), usize::from(separated > 0));
    }
}

#[test]
fn values_are_compressed_as_the_option_says() {
    let bytes = |value_compression| {
        let db = open(&memory(), FamilyOptions { value_compression, ..family_options() });
        put(&db, &db.default_column_family(), 1, &[b'v'; 10_000]);
        db.flush_all().unwrap();
        assert_eq!(
            *db.get(&db.default_column_family(), &1u32.to_be_bytes()).unwrap().unwrap(),
            [b'v'; 10_000]
        );
        db.stats().families[0].value_log_bytes
    };
    assert!(bytes(Compression::None) > 10_000);
    assert!(bytes(Compression::Lz4) < 1_000);
    assert!(bytes(Compression::Zstd) < 1_000);
}

#[test]
fn options_out_of_range_are_refused() {
    for family_defaults in [
        FamilyOptions { separate_values_from_bytes: Some(3), ..FamilyOptions::default() },
        FamilyOptions { value_garbage_percent: 0, ..FamilyOptions::default() },
        FamilyOptions { value_garbage_percent: 100, ..FamilyOptions::default() },
    ] {
        let opened = Db::open(DIRECTORY, options(&memory(), family_defaults));
        assert!(matches!(opened, Err(Error::InvalidArgument { .. })));
    }
}

#[test]
fn a_file_goes_with_the_last_reader_of_the_last_version_that_points_into_it() {
    let fs = memory();
    let db = open(&fs, family_options());
    let family = db.default_column_family();
    fill(&db, 0..60, 0);
    let mut cursor = db.cursor(&family, KeyRange::all()).unwrap();
    fill(&db, 0..60, 1);
    assert_eq!(files(&fs, ".val").len(), 2);
    db.compact_range(&family, KeyRange::all()).unwrap();
    assert_eq!(files(&fs, ".val").len(), 2, "the cursor may still read it");
    assert_eq!(db.stats().families[0].value_log_files, 1, "no version has it");
    assert!(cursor.seek(&7u32.to_be_bytes()).unwrap());
    assert_eq!(cursor.value().unwrap(), value(7, 0));
    drop(cursor);
    assert_eq!(files(&fs, ".val").len(), 1);
    check(&db, &family, 0..60, 1);
}

#[test]
fn the_files_of_a_family_go_with_it() {
    let fs = memory();
    let db = open(&fs, family_options());
    let other = db.create_column_family("other", family_options()).unwrap();
    (0..20).for_each(|key| put(&db, &other, key, &value(key, 0)));
    db.flush_all().unwrap();
    let cursor = db.cursor(&other, KeyRange::all()).unwrap();
    assert_eq!(files(&fs, ".val").len(), 1);
    db.drop_column_family(&other).unwrap();
    assert_eq!(files(&fs, ".val").len(), 1);
    drop((cursor, other));
    assert!(files(&fs, ".val").is_empty());
}

#[test]
fn files_that_no_manifest_names_are_removed_and_a_missing_one_is_told() {
    let fs = memory();
    let db = open(&fs, family_options());
    fill(&db, 0..20, 0);
    db.close().unwrap();
    drop(db);
    let stray = Path::new(DIRECTORY).join("000900.val");
    fs.create(&stray).unwrap().append(b"cut off").unwrap();
    let db = open(&fs, family_options());
    assert!(!fs.exists(&stray).unwrap());
    db.close().unwrap();
    drop(db);
    let live = Path::new(DIRECTORY).join(&files(&fs, ".val")[0]);
    fs.remove(&live).unwrap();
    match Db::open(DIRECTORY, options(&fs, family_options())) {
        Err(Error::MissingFile { file, .. }) => assert_eq!(file, live),
        other => panic!("{other:?}"),
    }
}

/// The feature bits of the manifest that CURRENT names.
fn manifest_features(fs: &Arc<dyn Fs>) -> u8 {
    let names = files(fs, "");
    let manifests: Vec<&String> = names.iter().filter(|name| name.starts_with("MANIFEST")).collect();
    assert_eq!(manifests.len(), 1, "{names:?}");
    crate::fs::read_whole(&**fs, &Path::new(DIRECTORY).join(manifests[0])).unwrap()[12]
}

#[test]
fn the_manifest_needs_a_newer_reader_only_once_values_are_separated() {
    let fs = memory();
    let db = open(&fs, family_options());
    put(&db, &db.default_column_family(), 1, b"short");
    db.flush_all().unwrap();
    let without = manifest_features(&fs);
    put(&db, &db.default_column_family(), 2, &[1; 500]);
    db.flush_all().unwrap();
    let with = manifest_features(&fs);
    assert_eq!(with & !without, 8);
    db.close().unwrap();
    drop(db);
    let db = open(&fs, family_options());
    assert_eq!(manifest_features(&fs), with);
    assert_eq!(*db.get(&db.default_column_family(), &2u32.to_be_bytes()).unwrap().unwrap(), [1; 500]);
    assert!(db.verify().unwrap().damages.is_empty());
}

#[test]
fn a_disk_that_is_full_for_values_leaves_nothing_behind_and_is_tried_again() {
    let fault = FaultFs::new(memory());
    let fs: Arc<dyn Fs> = Arc::new(fault.clone());
    let db = open(&fs, family_options());
    let family = db.default_column_family();
    (0..60).for_each(|key| put(&db, &family, key, &value(key, 0)));
    fault.fill_for(".val");
    for _ in 0..2 {
        assert!(matches!(db.flush_all(), Err(Error::Io { path, .. }) if path.extension().unwrap() == "val"));
        assert!(files(&fs, ".val").is_empty() && files(&fs, ".sst").is_empty());
        check(&db, &family, 0..60, 0);
    }
    fault.clear();
    db.flush_all().unwrap();
    check(&db, &family, 0..60, 0);
    assert_eq!((files(&fs, ".val").len(), files(&fs, ".sst").len()), (1, 1));
    assert!(db.verify().unwrap().damages.is_empty());
}

#[test]
fn a_damaged_value_is_told_with_its_place_by_reads_and_by_verify() {
    let memory = MemoryFs::new();
    let fs: Arc<dyn Fs> = Arc::new(memory.clone());
    let db = open(&fs, family_options());
    let family = db.default_column_family();
    fill(&db, 0..20, 0);
    let path = Path::new(DIRECTORY).join(&files(&fs, ".val")[0]);
    // The first record is that of key 1; its payload begins at 68.
    memory.flip_byte(&path, 80).unwrap();
    let is_it = |error: &Error| matches!(error, Error::Corrupt { file, offset: 68, .. } if *file == path);
    assert!(is_it(&db.get(&family, &1u32.to_be_bytes()).unwrap_err()));
    assert!(is_it(&db.multi_get(&family, &[&1u32.to_be_bytes()]).unwrap_err()));
    let mut cursor = db.cursor(&family, KeyRange::all()).unwrap();
    assert!(cursor.seek(&1u32.to_be_bytes()).unwrap());
    assert!(is_it(&cursor.value().unwrap_err()));
    assert!(is_it(&cursor.value_slice().unwrap_err()));
    assert!(cursor.next().unwrap(), "others are not concerned");
    assert_eq!(cursor.value().unwrap(), value(2, 0));
    let damages = db.verify().unwrap().damages;
    assert!(damages.len() == 1 && is_it(&damages[0]), "{damages:?}");
}

/// What a run of overwrites cost: bytes written for each byte of the caller, and the most bytes of files for each byte that
/// is alive, each in hundredths; the log is left out of both.
#[derive(Debug)]
struct Cost {
    fill: u64,
    overwrite: u64,
    space: u64,
}

/// Fills a database with values of a length, and overwrites them at random, `rounds` times as many as there are.
fn cost_of_overwrites(value_bytes: usize, keys: u32, rounds: u32, garbage_percent: u32) -> Cost {
    let fs = memory();
    let family_defaults = FamilyOptions {
        separate_values_from_bytes: Some(1024),
        value_compression: Compression::None,
        value_garbage_percent: garbage_percent,
        write_buffer_bytes: u64::from(keys) * value_bytes as u64 / 32,
        ..FamilyOptions::default()
    };
    let db = open(&fs, family_defaults);
    let family = db.default_column_family();
    let mut rng = fastrand::Rng::with_seed(7);
    let live = u64::from(keys) * (value_bytes as u64 + 16);
    let mut most = 0;
    let written = |db: &Db| {
        let stats = db.stats();
        stats.flush_bytes + stats.compaction_bytes_written
    };
    let mut write = |key: u32, fill: u8| {
        let mut batch = Batch::new();
        // Keys in no order.
        let name = u128::from(key.wrapping_mul(0x9e37_79b1)).to_be_bytes();
        batch.put(&family, &name, &vec![fill; value_bytes]).unwrap();
        db.write(batch, Durability::Buffered).unwrap();
        while db.core().flush_step().unwrap() || db.core().compact_step(Mood::Busy).unwrap() {
            let of = |name: &String| fs.open(&Path::new(DIRECTORY).join(name)).unwrap().len().unwrap();
            let bytes: u64 =
                [".val", ".sst"].iter().flat_map(|suffix| files(&fs, suffix)).map(|name| of(&name)).sum();
            most = most.max(bytes);
        }
    };
    (0..keys).for_each(|key| write(key, 0));
    let filled = written(&db);
    for round in 0..keys * rounds {
        write(rng.u32(0..keys), (round % 250) as u8);
    }
    let all = written(&db);
    assert!(db.verify().unwrap().damages.is_empty());
    Cost {
        fill: filled * 100 / live,
        overwrite: (all - filled) * 100 / (live * u64::from(rounds)),
        space: most * 100 / live,
    }
}

#[test]
fn overwriting_large_values_costs_little_and_takes_no_more_than_twice_the_space() {
    for (value_bytes, keys) in [(4096, 4000), (65536, 600)] {
        for rounds in [1, 4] {
            let percent = FamilyOptions::default().value_garbage_percent;
            let cost = cost_of_overwrites(value_bytes, keys, rounds, percent);
            assert!(cost.fill <= 110, "{value_bytes}, {rounds}: {cost:?}");
            assert!(cost.overwrite <= 155, "{value_bytes}, {rounds}: {cost:?}");
            assert!(cost.space <= 185, "{value_bytes}, {rounds}: {cost:?}");
        }
    }
}

#[test]
fn less_garbage_is_allowed_for_more_writing() {
    let (little, much) = (cost_of_overwrites(4096, 2000, 3, 20), cost_of_overwrites(4096, 2000, 3, 60));
    assert!(little.space < 150 && much.space > 180, "{little:?} {much:?}");
    assert!(little.overwrite > much.overwrite, "{little:?} {much:?}");
}

#[test]
fn values_that_move_keep_their_sequence_numbers() {
    let fs = memory();
    let db = open(&fs, FamilyOptions { value_garbage_percent: 10, ..family_options() });
    let family = db.default_column_family();
    fill(&db, 0..60, 0);
    let written: Vec<SeqNo> =
        (0..60u32).map(|key| db.get_versioned(&family, &key.to_be_bytes()).unwrap().unwrap().1).collect();
    (0..60).filter(|key| key % 3 != 0).for_each(|key| put(&db, &family, key, &value(key, 1)));
    db.flush_all().unwrap();
    // The first merge finds out what is dead, the second moves the rest.
    db.compact_range(&family, KeyRange::all()).unwrap();
    while db.run_background_step().unwrap() {}
    let stats = db.stats();
    assert!(stats.value_bytes_moved > 0);
    assert_eq!((stats.families[0].value_log_files, stats.families[0].value_log_garbage_bytes), (2, 0));
    for key in 0..60u32 {
        let (found, seqno) = db.get_versioned(&family, &key.to_be_bytes()).unwrap().unwrap();
        let is_old = key % 3 == 0;
        assert_eq!(*found, *value(key, u32::from(!is_old)));
        assert_eq!(seqno == written[key as usize], is_old, "{key}");
    }
    assert!(db.verify().unwrap().damages.is_empty());
}

#[test]
fn values_that_move_go_where_the_options_ask_for_by_then() {
    let fs = memory();
    let db = open(&fs, family_options());
    fill(&db, 0..60, 0);
    (0..60)
        .filter(|key| key % 3 != 0)
        .for_each(|key| put(&db, &db.default_column_family(), key, &value(key, 1)));
    db.close().unwrap();
    drop(db);
    // Everything that moves goes to the tables, and nothing new is separated.
    let off =
        FamilyOptions { separate_values_from_bytes: None, value_garbage_percent: 10, ..family_options() };
    let db = open(&fs, off);
    let family = db.default_column_family();
    db.compact_range(&family, KeyRange::all()).unwrap();
    while db.run_background_step().unwrap() {}
    assert!(files(&fs, ".val").is_empty());
    for key in 0..60u32 {
        let expected = value(key, u32::from(key % 3 != 0));
        assert_eq!(db.get(&family, &key.to_be_bytes()).unwrap().as_deref(), Some(&expected[..]));
    }
    assert_eq!(db.stats().values_read, db.stats().value_bytes_moved.min(1) * 15);
    assert!(db.verify().unwrap().damages.is_empty());
}

#[test]
fn deleted_values_give_their_space_back() {
    let fs = memory();
    let db = open(&fs, family_options());
    let family = db.default_column_family();
    fill(&db, 0..60, 0);
    for key in 0..60u32 {
        let mut batch = Batch::new();
        batch.delete(&family, &key.to_be_bytes()).unwrap();
        db.write(batch, Durability::Buffered).unwrap();
    }
    db.compact_range(&family, KeyRange::all()).unwrap();
    assert!(files(&fs, ".val").is_empty() && files(&fs, ".sst").is_empty());
    db.close().unwrap();
    drop(db);
    assert!(open(&fs, family_options()).verify().unwrap().damages.is_empty());
}

/// Removes what was written in round 0, told by the value.
#[derive(Debug)]
struct RemoveRoundZero;

impl CompactionFilter for RemoveRoundZero {
    fn filter(&self, entry: &FilteredEntry<'_>) -> FilterDecision {
        let key = u32::from_be_bytes(entry.key.try_into().unwrap());
        if entry.value == value(key, 0) { FilterDecision::Remove } else { FilterDecision::Keep }
    }
}

#[test]
fn a_compaction_filter_sees_the_values_themselves() {
    let fs = memory();
    let filtered = FamilyOptions { compaction_filter: Some(Arc::new(RemoveRoundZero)), ..family_options() };
    let db = open(&fs, filtered);
    let family = db.default_column_family();
    fill(&db, 0..40, 0);
    fill(&db, 20..40, 1);
    db.compact_range(&family, KeyRange::all()).unwrap();
    check(&db, &family, 20..40, 1);
    assert_eq!(files(&fs, ".val").len(), 1, "nothing points into the other one");
}

#[test]
fn expired_tables_take_their_values_along() {
    let fs = memory();
    let clock = Arc::new(ManualClock::default());
    let fifo = CompactionStyle::Fifo { time_to_live: Duration::from_secs(10) };
    let family_defaults = FamilyOptions { compaction_style: fifo, ..family_options() };
    let clock_seam = Arc::<ManualClock>::clone(&clock);
    let db = Db::open(DIRECTORY, Options { clock: clock_seam, ..options(&fs, family_defaults) }).unwrap();
    let family = db.default_column_family();
    fill(&db, 0..20, 0);
    clock.advance(Duration::from_secs(6));
    fill(&db, 20..40, 0);
    clock.advance(Duration::from_secs(6));
    assert_eq!(files(&fs, ".val").len(), 2);
    while db.run_background_step().unwrap() {}
    assert_eq!(files(&fs, ".val").len(), 1);
    check(&db, &family, 20..40, 0);
}

#[test]
fn the_mover_of_tables_keeps_what_they_point_to() {
    let fs = memory();
    let db = open(&fs, FamilyOptions { table_bytes_target: 4 << 10, ..family_options() });
    let family = db.default_column_family();
    for part in 0..6 {
        fill(&db, part * 100..part * 100 + 100, 0);
        while db.run_background_step().unwrap() {}
    }
    assert!(db.stats().families[0].levels[0].files < 6, "tables went down");
    assert_eq!(db.stats().families[0].value_log_files, 6);
    check(&db, &family, 0..600, 0);
    assert!(db.verify().unwrap().damages.is_empty());
}
