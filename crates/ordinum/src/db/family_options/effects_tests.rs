//! Each option takes effect when it is changed while the database is open: the same is done with the option as it was and with
//! another one, and what is seen differs.

#![allow(clippy::cast_possible_truncation, reason = "test data")]

use std::time::Duration;

use super::*;
use crate::clock::{Clock, ManualClock};
use crate::compaction::CompactionStyle;
use crate::compaction::Mood;
use crate::fs::{FaultFs, Fs, MemoryFs};
use crate::options::Background;
use crate::super_version::RangeIndex;
use crate::super_version::SuperVersion;
use crate::version::Levels;
use crate::{Batch, Compression, Db, Durability, KeyRange, Reader};

const RATE: u64 = 1 << 20;

struct Bed {
    db: Db,
    family: ColumnFamily,
    clock: Arc<ManualClock>,
    fs: MemoryFs,
}

/// The options that are changed: little is written to see what they do.
fn before() -> FamilyOptions {
    FamilyOptions {
        write_buffer_bytes: 64 << 10,
        compression: [Compression::None; 7],
        level_base_bytes: 1 << 20,
        ..FamilyOptions::default()
    }
}

impl Bed {
    /// A database whose family was opened with [`before`] and then changed.
    fn new(change: impl FnOnce(&mut FamilyOptions)) -> Bed {
        let (fs, clock) = (MemoryFs::new(), Arc::new(ManualClock::default()));
        let options = Options {
            fs: Arc::new(fs.clone()),
            clock: Arc::<ManualClock>::clone(&clock),
            background: Background::Manual,
            delayed_write_bytes_per_second: RATE,
            family_defaults: before(),
            ..Options::default()
        };
        let db = Db::open("/db", options).unwrap();
        let family = db.default_column_family();
        let mut changed = before();
        change(&mut changed);
        db.set_family_options(&family, changed).unwrap();
        Bed { db, family, clock, fs }
    }

    fn put(&self, key: u32, bytes: usize) {
        let mut batch = Batch::new();
        batch.put(&self.family, &key.to_be_bytes(), &vec![b'v'; bytes]).unwrap();
        self.db.write(batch, Durability::Buffered).unwrap();
    }

    fn delete_range(&self, first: u32, end: u32) {
        let (first, end) = (first.to_be_bytes(), end.to_be_bytes());
        self.db.delete_range(&self.family, &first, &end, Durability::Buffered).unwrap();
    }

    /// Puts the keys and makes a table of them, which stays in level 0.
    fn table(&self, keys: impl IntoIterator<Item = u32>) {
        keys.into_iter().for_each(|key| self.put(key, 100));
        self.db.flush(&self.family).unwrap();
    }

    /// Compacts what there is to compact.
    fn settle(&self, mood: Mood) -> &Bed {
        while self.db.core().compact_step(mood).unwrap() {}
        self
    }

    fn tables(&self, level: usize) -> usize {
        self.family.family.view.load().levels.level(level).len()
    }

    fn pressure(&self) -> u32 {
        self.db.stats().families[0].pressure
    }

    fn tables_on_disk(&self) -> usize {
        let names = self.fs.list(Path::new("/db")).unwrap();
        names.iter().filter(|name| name.ends_with(".sst")).count()
    }
}

#[test]
fn value_compression() {
    let bytes = |compression| {
        let bed = Bed::new(|options| {
            options.separate_values_from_bytes = Some(100);
            options.value_compression = compression;
        });
        bed.put(1, 50_000);
        bed.db.flush(&bed.family).unwrap();
        bed.db.stats().families[0].value_log_bytes
    };
    assert!(bytes(Compression::None) > 50_000);
    assert!(bytes(Compression::Lz4) < 2_000);
    assert!(bytes(Compression::Zstd) < 2_000);
}

#[test]
fn value_garbage_percent() {
    let garbage = |percent| {
        let bed = Bed::new(|options| {
            options.separate_values_from_bytes = Some(100);
            options.value_compression = Compression::None;
            options.value_garbage_percent = percent;
        });
        (0..40).for_each(|key| bed.put(key, 1000));
        bed.db.flush(&bed.family).unwrap();
        (0..12).for_each(|key| bed.put(key, 1000));
        bed.db.flush(&bed.family).unwrap();
        bed.db.compact_range(&bed.family, KeyRange::all()).unwrap();
        bed.settle(Mood::Busy).db.stats().families[0].value_log_garbage_bytes
    };
    assert!(garbage(60) > 11_000);
    assert_eq!(garbage(5), 0);
}

#[test]
fn level0_tables_trigger() {
    let left = |trigger| {
        let bed = Bed::new(|options| options.level0_tables_trigger = trigger);
        // What is below is so much that level 0 is not stale, and goes down by its number only.
        bed.table(0..500);
        bed.db.compact_range(&bed.family, KeyRange::all()).unwrap();
        (0..3).for_each(|key| bed.table([key]));
        bed.settle(Mood::Quiet).tables(0)
    };
    assert_eq!((left(4), left(3)), (3, 0));
}

#[test]
fn level0_tables_busy() {
    let left = |busy| {
        let bed = Bed::new(|options| {
            options.level0_tables_trigger = 2;
            options.level0_tables_busy = busy;
        });
        (0..3).for_each(|key| bed.table([key]));
        bed.settle(Mood::Busy).tables(0)
    };
    assert_eq!((left(4), left(3)), (3, 0));
}

#[test]
fn level0_tables_slowdown_and_max() {
    let pressure = |slowdown, max| {
        let bed = Bed::new(|options| {
            options.level0_tables_slowdown = slowdown;
            options.level0_tables_max = max;
        });
        (0..6).for_each(|key| bed.table([key]));
        let pressure = bed.pressure();
        let (stalls, compactions) = (bed.db.stats().stalls, bed.db.stats().compactions);
        bed.put(9, 100);
        let stats = bed.db.stats();
        assert_eq!(
            (stats.stalls > stalls, stats.compactions > compactions),
            (pressure == 1000, pressure == 1000)
        );
        pressure
    };
    assert_eq!(pressure(16, 36), 0);
    assert_eq!(pressure(4, 8), 500);
    assert_eq!(pressure(4, 12), 250);
    assert_eq!(pressure(4, 6), 1000, "writes wait");
}

/// Half a mebibyte more than its target is in a level that is not the deepest.
fn behind(change: impl FnOnce(&mut FamilyOptions)) -> (u32, Duration) {
    let bed = Bed::new(|options| {
        // Nothing goes down by itself, so that what is behind stays.
        (options.level0_tables_trigger, options.level0_tables_busy) = (15, 15);
        options.level_base_bytes = 4 << 10;
        change(options);
    });
    // A table in the deepest level, and a larger one above it.
    bed.table(0..10);
    bed.db.compact_range(&bed.family, KeyRange::all()).unwrap();
    let levels = Arc::clone(&bed.family.family.view.load().levels);
    let deep = Arc::clone(&levels.level(6)[0]);
    let number = deep.meta().number;
    let mut moved = Levels::clone(&levels);
    moved.apply(&[(6, number)], vec![(4, deep)]);
    bed.family.family.view.update(|view| SuperVersion { levels: Arc::new(moved), ..view.clone() });
    bed.db.core().weigh(&bed.family.family);
    let before = bed.clock.monotonic();
    (0..10).for_each(|key| bed.put(key, 1000));
    (bed.pressure(), bed.clock.monotonic() - before)
}

#[test]
fn pending_bytes_slowdown_and_max() {
    let (none, took) = behind(|_| {});
    assert_eq!((none, took), (0, Duration::ZERO));
    let (low, took) = behind(|options| {
        options.pending_bytes_slowdown = 1;
        options.pending_bytes_max = 4 << 10;
    });
    assert!(low > 0 && low < 1000 && took > Duration::ZERO, "{low} {took:?}");
    let (high, _) = behind(|options| {
        options.pending_bytes_slowdown = 1;
        options.pending_bytes_max = 2;
    });
    assert_eq!(high, 999);
    let (later, _) = behind(|options| options.pending_bytes_slowdown = 1 << 20);
    assert_eq!(later, 0);
}

#[test]
fn garbage_percent() {
    let entries = |percent| {
        let bed = Bed::new(|options| options.garbage_percent = percent);
        bed.table(0..100);
        let snapshot = bed.db.snapshot();
        bed.table(0..40);
        // Both versions are kept side by side, for the snapshot.
        bed.db.compact_range(&bed.family, KeyRange::all()).unwrap();
        drop(snapshot);
        bed.settle(Mood::Busy);
        let levels = Arc::clone(&bed.family.family.view.load().levels);
        levels.tables().map(|table| table.meta().entries).sum::<u64>()
    };
    assert_eq!((entries(50), entries(20)), (140, 100));
}

#[test]
fn level_base_bytes() {
    let levels = |bytes| {
        let bed = Bed::new(|options| {
            options.level_base_bytes = bytes;
            options.table_bytes_target = 4 << 10;
        });
        for part in 0..40u32 {
            bed.table((0..500).map(|key| key * 40 + part));
            bed.settle(Mood::Busy);
        }
        (1..7).filter(|level| bed.tables(*level) > 0).count()
    };
    let (one, several) = (levels(64 << 20), levels(4 << 10));
    assert!(one == 1 && several > 1, "{one} {several}");
}

#[test]
fn compaction_style() {
    let fifo = CompactionStyle::Fifo { time_to_live: Duration::from_secs(10) };
    let fill = |bed: &Bed| {
        (0..6).for_each(|key| bed.table([key]));
        bed.settle(Mood::Quiet);
    };
    // From levels to a queue: nothing is merged any more, and tables of every level expire.
    let bed = Bed::new(|_| {});
    fill(&bed);
    assert_eq!((bed.tables(0), bed.tables(6)), (0, 1));
    bed.db.set_family_options(&bed.family, FamilyOptions { compaction_style: fifo, ..before() }).unwrap();
    bed.clock.advance(Duration::from_secs(6));
    fill(&bed);
    assert_eq!((bed.tables(0), bed.tables(6)), (6, 1));
    bed.clock.advance(Duration::from_secs(6));
    bed.settle(Mood::Busy);
    assert_eq!((bed.tables(0), bed.tables(6), bed.tables_on_disk()), (6, 0, 6));
    // And back: what was a queue is merged, and nothing expires.
    bed.db.set_family_options(&bed.family, before()).unwrap();
    bed.clock.advance(Duration::from_secs(60));
    bed.settle(Mood::Quiet);
    assert_eq!((bed.tables(0), bed.tables(6)), (0, 1));
    assert_eq!(bed.db.get(&bed.family, &3u32.to_be_bytes()).unwrap().unwrap().len(), 100);
    // A time to live that is shorter takes effect on what is there.
    let bed = Bed::new(|options| options.compaction_style = fifo);
    fill(&bed);
    bed.clock.advance(Duration::from_secs(5));
    assert_eq!(bed.settle(Mood::Busy).tables(0), 6);
    let shorter = CompactionStyle::Fifo { time_to_live: Duration::from_secs(5) };
    bed.db.set_family_options(&bed.family, FamilyOptions { compaction_style: shorter, ..before() }).unwrap();
    assert_eq!(bed.settle(Mood::Busy).tables(0), 0);
}

/// A long queue does not become levels in one merge that reads all of it.
#[test]
fn a_queue_becomes_levels_some_tables_at_a_time() {
    let fifo = CompactionStyle::Fifo { time_to_live: Duration::from_secs(1000) };
    let bed = Bed::new(|options| options.compaction_style = fifo);
    for round in 0..150usize {
        bed.put(1, 100 + round);
        bed.put(2 + round as u32, 10);
        bed.db.flush(&bed.family).unwrap();
    }
    assert_eq!(bed.settle(Mood::Quiet).tables(0), 150);
    bed.db.set_family_options(&bed.family, before()).unwrap();
    let mut left = vec![bed.tables(0)];
    while bed.db.core().compact_step(Mood::Quiet).unwrap() {
        left.push(bed.tables(0));
        assert_eq!(bed.db.get(&bed.family, &1u32.to_be_bytes()).unwrap().unwrap().len(), 249);
    }
    assert_eq!(left[..4], [150, 86, 22, 0]);
    for key in 2..152u32 {
        assert!(bed.db.get(&bed.family, &key.to_be_bytes()).unwrap().is_some(), "{key}");
    }
}

/// Which keys below 100 there are, found one by one and by a cursor.
fn present(reader: &dyn Reader, family: &ColumnFamily) -> Vec<u32> {
    let by_get: Vec<u32> =
        (0..100u32).filter(|key| reader.get(family, &key.to_be_bytes()).unwrap().is_some()).collect();
    let mut cursor = reader.cursor(family, KeyRange::all()).unwrap();
    let mut by_cursor = Vec::new();
    let mut found = cursor.first().unwrap();
    while found {
        by_cursor.push(u32::from_be_bytes(cursor.key().try_into().unwrap()));
        found = cursor.next().unwrap();
    }
    assert_eq!(by_get, by_cursor);
    by_get
}

#[test]
fn range_index() {
    let bed = Bed::new(|_| {});
    let index = || match &bed.family.family.view.load().range_index {
        RangeIndex::Nothing => Some(0),
        RangeIndex::Here(all) => Some(all.len()),
        RangeIndex::InParts => None,
    };
    let set = |range_index| {
        bed.db.set_family_options(&bed.family, FamilyOptions { range_index, ..before() }).unwrap();
    };
    bed.table(0..100);
    bed.delete_range(10, 20);
    bed.db.flush(&bed.family).unwrap();
    let early = bed.db.snapshot();
    bed.delete_range(30, 40);
    assert_eq!(index(), Some(2));
    let (at_early, now) = (present(&early, &bed.family), present(&bed.db, &bed.family));
    assert_eq!((at_early.len(), now.len()), (90, 80));

    set(false);
    assert_eq!(index(), None, "readers look into every part");
    assert_eq!((present(&early, &bed.family), present(&bed.db, &bed.family)), (at_early.clone(), now));
    bed.delete_range(50, 60);
    bed.put(55, 10);
    assert_eq!(index(), None);
    let now = present(&bed.db, &bed.family);
    assert_eq!(now.len(), 71);

    set(true);
    assert_eq!(index(), Some(3), "of a table, and of memory");
    assert_eq!((present(&early, &bed.family), present(&bed.db, &bed.family)), (at_early.clone(), now));
    bed.delete_range(70, 80);
    assert_eq!(index(), Some(4));
    assert_eq!((present(&early, &bed.family), present(&bed.db, &bed.family).len()), (at_early, 61));

    let none = Bed::new(|options| options.range_index = false);
    none.db.set_family_options(&none.family, before()).unwrap();
    assert!(matches!(none.family.family.view.load().range_index, RangeIndex::Nothing));
}

/// A table could not be read for the index: the option said that there was one from then on, and asking again did nothing.
#[test]
fn an_index_that_could_not_be_built_is_built_when_it_is_asked_for_again() {
    let memory = MemoryFs::new();
    let faults = FaultFs::new(Arc::new(memory));
    let without = FamilyOptions { range_index: false, ..before() };
    let options = Options {
        fs: Arc::new(faults.clone()),
        background: Background::Manual,
        family_defaults: without,
        block_cache_bytes: 0,
        ..Options::default()
    };
    let db = Db::open("/db", options).unwrap();
    let family = db.default_column_family();
    let mut batch = Batch::new();
    (0..100u32).for_each(|key| batch.put(&family, &key.to_be_bytes(), b"value").unwrap());
    db.write(batch, Durability::Buffered).unwrap();
    let (first, end) = (10u32.to_be_bytes(), 20u32.to_be_bytes());
    db.delete_range(&family, &first, &end, Durability::Buffered).unwrap();
    db.flush(&family).unwrap();
    let names = faults.list(Path::new("/db")).unwrap();
    let tables: Vec<&String> = names.iter().filter(|name| name.ends_with(".sst")).collect();
    tables.iter().for_each(|name| faults.fail_reads_of(&Path::new("/db").join(name)));
    // The other options are in use all the same.
    let mut batch = Batch::new();
    batch.put(&family, &5u32.to_be_bytes(), b"value").unwrap();
    db.write(batch, Durability::Buffered).unwrap();
    let smaller = FamilyOptions { write_buffer_bytes: 32 << 10, ..before() };
    assert!(matches!(db.set_family_options(&family, smaller), Err(Error::Io { .. })));
    assert!(family.family.view.load().range_index.is_given_up());
    assert_eq!(family.family.view.load().sealed.len(), 1);
    faults.clear();
    assert_eq!(present(&db, &family).len(), 90);
    db.set_family_options(&family, before()).unwrap();
    assert!(!family.family.view.load().range_index.is_given_up());
    assert_eq!(present(&db, &family).len(), 90);
}

/// Range deletes are committed, flushed and compacted while the index comes and goes; readers see what the model has.
#[test]
fn the_range_index_changes_while_ranges_are_deleted() {
    for seed in 0..6 {
        println!("seed {seed}");
        let mut rng = fastrand::Rng::with_seed(seed);
        let bed = Bed::new(|_| {});
        let mut model = std::collections::BTreeSet::new();
        for step in 0..120 {
            match rng.u8(..10) {
                0..4 => {
                    let key = rng.u32(..100);
                    bed.put(key, 10);
                    model.insert(key);
                }
                4..7 => {
                    let first = rng.u32(..100);
                    let end = first + rng.u32(1..20);
                    bed.delete_range(first, end);
                    model.retain(|key| !(first..end).contains(key));
                }
                7 => bed.db.flush(&bed.family).unwrap(),
                8 => drop(bed.settle(Mood::Quiet)),
                _ => {
                    let range_index = rng.bool();
                    let options = FamilyOptions { range_index, ..before() };
                    bed.db.set_family_options(&bed.family, options).unwrap();
                }
            }
            let expected: Vec<u32> = model.iter().copied().filter(|key| *key < 100).collect();
            assert_eq!(present(&bed.db, &bed.family), expected, "step {step}");
        }
    }
}
