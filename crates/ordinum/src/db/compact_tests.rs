//! Compactions of a whole database: what each option of theirs does.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::*;
use crate::clock::{Clock, ManualClock, OsClock};
use crate::compaction::{CompactionFilter, CompactionStyle, FilterDecision, FilteredEntry};
use crate::fs::MemoryFs;
use crate::options::Background;
use crate::slice::Slice;
use crate::sync::{Condvar, Mutex};

fn options(family_defaults: FamilyOptions) -> (Arc<ManualClock>, Options) {
    let clock = Arc::new(ManualClock::default());
    let options = Options {
        fs: Arc::new(MemoryFs::new()),
        clock: Arc::<ManualClock>::clone(&clock),
        background: Background::Manual,
        family_defaults,
        ..Options::default()
    };
    (clock, options)
}

fn small() -> FamilyOptions {
    FamilyOptions {
        block_bytes: 512,
        level_base_bytes: 32 << 10,
        table_bytes_target: 8 << 10,
        ..FamilyOptions::default()
    }
}

fn put(db: &Db, key: u32, value: &[u8]) {
    let mut batch = Batch::new();
    batch.put(&db.default_column_family(), &key.to_be_bytes(), value).unwrap();
    db.write(batch, Durability::Buffered).unwrap();
}

fn get(db: &dyn Reader, family: &ColumnFamily, key: u32) -> Option<Slice> {
    db.get(family, &key.to_be_bytes()).unwrap()
}

/// A table of level 0 with the keys.
fn flush(db: &Db, keys: std::ops::Range<u32>, value: &[u8]) {
    keys.for_each(|key| put(db, key, value));
    db.flush_all().unwrap();
}

fn settle(db: &Db) {
    while db.run_background_step().unwrap() {}
}

fn files(db: &Db) -> Vec<usize> {
    db.stats().families[0].levels.iter().map(|level| level.files).collect()
}

fn noise(len: usize, seed: u64) -> Vec<u8> {
    let mut rng = fastrand::Rng::with_seed(seed);
    (0..len).map(|_| rng.u8(..)).collect()
}

#[test]
fn tables_of_a_queue_go_when_they_are_too_old_and_nobody_reads_them() {
    let time_to_live = Duration::from_secs(60);
    let (clock, options) =
        options(FamilyOptions { compaction_style: CompactionStyle::Fifo { time_to_live }, ..small() });
    let db = Db::open("/db", options.clone()).unwrap();
    let family = db.default_column_family();
    for minute in 0..4 {
        flush(&db, minute * 10..minute * 10 + 10, b"event");
        clock.advance(Duration::from_secs(30));
    }
    // Two are a minute old, and a snapshot sees them.
    let snapshot = db.snapshot();
    settle(&db);
    assert_eq!(files(&db)[0], 4);
    assert!(get(&snapshot, &family, 0).is_some());
    drop(snapshot);
    let cursor = {
        let mut cursor = db.cursor(&family, KeyRange::all()).unwrap();
        assert!(cursor.first().unwrap());
        cursor
    };
    settle(&db);
    assert_eq!(files(&db)[0], 1);
    assert!(get(&db, &family, 29).is_none());
    assert!(get(&db, &family, 30).is_some());
    // A cursor holds what it reads.
    let mut cursor = cursor;
    let mut seen = 1;
    while cursor.next().unwrap() {
        seen += 1;
    }
    assert_eq!(seen, 40);
    drop(cursor);
    // Their age outlives an opening.
    db.close().unwrap();
    drop(db);
    let db = Db::open("/db", options).unwrap();
    clock.advance(Duration::from_secs(30));
    settle(&db);
    assert_eq!(files(&db)[0], 0);
    assert_eq!(db.stats().last_compaction.unwrap().split(':').nth(1), Some(" older than 60 s"));
    assert!(db.verify().unwrap().damages.is_empty());
}

/// Removes what begins with the byte, and holds the compaction up while it is told to.
#[derive(Debug, Default)]
struct Removing {
    byte: u8,
    held: Mutex<bool>,
    changed: Condvar,
    asked: AtomicU64,
}

impl CompactionFilter for Removing {
    fn filter(&self, entry: &FilteredEntry<'_>) -> FilterDecision {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let mut held = self.held.lock();
        while *held {
            self.changed.wait(&mut held);
        }
        if entry.value.first() == Some(&self.byte) { FilterDecision::Remove } else { FilterDecision::Keep }
    }
}

#[test]
fn a_filter_removes_what_no_snapshot_sees() {
    let filter = Arc::new(Removing { byte: b'x', ..Removing::default() });
    let (_, options) =
        options(FamilyOptions { compaction_filter: Some(Arc::<Removing>::clone(&filter) as _), ..small() });
    let db = Db::open("/db", options).unwrap();
    let family = db.default_column_family();
    flush(&db, 0..10, b"xenon");
    flush(&db, 5..6, b"argon");
    let snapshot = db.snapshot();
    flush(&db, 10..20, b"xylem");
    db.compact_range(&family, KeyRange::all()).unwrap();
    assert!((0..10).all(|key| get(&db, &family, key).is_some()), "the snapshot sees them");
    assert!((10..20).all(|key| get(&db, &family, key).is_none()));
    drop(snapshot);
    db.compact_range(&family, KeyRange::all()).unwrap();
    assert_eq!((0..20).filter(|key| get(&db, &family, *key).is_some()).collect::<Vec<_>>(), [5]);
    assert_eq!(db.stats().entries_filtered, 19);
}

#[test]
fn a_snapshot_that_comes_while_a_filter_works_keeps_what_it_sees() {
    let filter = Arc::new(Removing { byte: b'x', held: Mutex::new(true), ..Removing::default() });
    let (_, options) =
        options(FamilyOptions { compaction_filter: Some(Arc::<Removing>::clone(&filter) as _), ..small() });
    let db = Db::open("/db", options).unwrap();
    let family = db.default_column_family();
    flush(&db, 0..10, b"xenon");
    let snapshot = std::thread::scope(|scope| {
        let compaction = scope.spawn(|| db.compact_range(&family, KeyRange::all()).unwrap());
        while filter.asked.load(Ordering::SeqCst) == 0 {
            std::thread::yield_now();
        }
        let snapshot = db.snapshot();
        assert!(get(&snapshot, &family, 3).is_some());
        *filter.held.lock() = false;
        filter.changed.notify_all();
        compaction.join().unwrap();
        snapshot
    });
    assert!((0..10).all(|key| get(&snapshot, &family, key).is_some()));
    assert!(get(&db, &family, 3).is_some());
    drop(snapshot);
    db.compact_range(&family, KeyRange::all()).unwrap();
    assert!((0..10).all(|key| get(&db, &family, key).is_none()));
}

/// Pins are held off while what a filter removed goes, and whoever opens a transaction waits for that in the ordered section of
/// commits. The index of range deletes was made anew while they were held off, for which the ordered section is needed: the
/// database stood still for good.
#[test]
fn pins_are_not_held_off_from_who_is_in_the_ordered_section() {
    let filter = Arc::new(Removing { byte: b'x', held: Mutex::new(true), ..Removing::default() });
    let (_, options) =
        options(FamilyOptions { compaction_filter: Some(Arc::<Removing>::clone(&filter) as _), ..small() });
    let db = Db::open("/db", options).unwrap();
    let family = db.default_column_family();
    flush(&db, 0..10, b"xenon");
    // A range delete that hides nothing: the merge drops it, and nothing of the index is needed then.
    db.delete_range(&family, &[1], &[2], Durability::Buffered).unwrap();
    db.flush_all().unwrap();
    let clock = OsClock::default();
    std::thread::scope(|scope| {
        scope.spawn(|| db.compact_range(&family, KeyRange::all()).unwrap());
        while filter.asked.load(Ordering::SeqCst) == 0 {
            std::thread::yield_now();
        }
        let core = db.core();
        let commits = core.commits.lock();
        *filter.held.lock() = false;
        filter.changed.notify_all();
        let is_merged = || files(&db)[0] == 0 && !core.pins.are_held_off();
        while !is_merged() && clock.monotonic() < Duration::from_secs(10) {
            clock.wait(Duration::from_millis(1));
        }
        assert!(is_merged(), "pins are held off until somebody leaves the ordered section");
        drop(commits);
    });
    assert_eq!(db.stats().families[0].range_tombstones, 0);
    assert_eq!(db.transaction().seqno(), db.last_seqno());
}

#[test]
fn as_many_compactions_run_as_there_are_threads_for_them() {
    for threads in [1, 3] {
        let filter = Arc::new(Removing { byte: b'x', held: Mutex::new(true), ..Removing::default() });
        let family_defaults = FamilyOptions {
            compaction_filter: Some(Arc::<Removing>::clone(&filter) as _),
            level0_tables_trigger: 1,
            level0_tables_busy: 1,
            ..small()
        };
        let options = Options {
            fs: Arc::new(MemoryFs::new()),
            background: Background::Threads,
            compaction_threads: threads,
            family_defaults,
            ..Options::default()
        };
        let db = Db::open("/db", options).unwrap();
        let families: Vec<ColumnFamily> = (0..5)
            .map(|n| {
                db.create_column_family(&n.to_string(), db.core().options.family_defaults.clone()).unwrap()
            })
            .collect();
        // Two tables that overlap, so that they are merged, and the filter is asked.
        for _ in 0..2 {
            for family in &families {
                let mut batch = Batch::new();
                batch.put(family, b"a", b"v").unwrap();
                batch.put(family, b"b", b"v").unwrap();
                db.write(batch, Durability::Buffered).unwrap();
                db.flush(family).unwrap();
            }
        }
        while filter.asked.load(Ordering::SeqCst) < threads as u64 {
            std::thread::yield_now();
        }
        assert_eq!(db.stats().compactions_running, threads);
        *filter.held.lock() = false;
        filter.changed.notify_all();
        db.close().unwrap();
    }
}

#[test]
fn a_large_merge_is_cut_into_as_many_slices_as_allowed() {
    for (background, slices_max, expected) in
        [(Background::Threads, 1, 1), (Background::Threads, 3, 3), (Background::Manual, 3, 1)]
    {
        let (_, options) = options(FamilyOptions { block_bytes: 256, ..small() });
        let options = Options { background, compaction_slices_max: slices_max, ..options };
        let db = Db::open("/db", options).unwrap();
        let family = db.default_column_family();
        flush(&db, 0..6000, &noise(100, 1));
        for key in 0..6000 {
            put(&db, key, &noise(100, u64::from(key)));
        }
        // Threads may have merged some of it before. Then all is in one level, which nobody else touches, and is rewritten.
        db.compact_range(&family, KeyRange::all()).unwrap();
        let before = db.stats().compaction_slices;
        db.compact_range(&family, KeyRange::all()).unwrap();
        assert_eq!(db.stats().compaction_slices - before, expected);
        assert!((0..6000).all(|key| get(&db, &family, key).unwrap()[..] == noise(100, u64::from(key))));
    }
}

#[test]
fn background_work_keeps_to_its_rate() {
    let took = |background_bytes_per_second| {
        let (clock, options) = options(small());
        let db = Db::open("/db", Options { background_bytes_per_second, ..options }).unwrap();
        for key in 0..1000 {
            put(&db, key % 500, &noise(100, u64::from(key)));
        }
        db.compact_range(&db.default_column_family(), KeyRange::all()).unwrap();
        let stats = db.stats();
        (clock.monotonic(), stats.flush_bytes + stats.compaction_bytes_written)
    };
    assert_eq!(took(0).0, Duration::ZERO);
    let (time, bytes) = took(10_000);
    let owed = Duration::from_millis(bytes / 10);
    assert!(time <= owed && time + Duration::from_secs(3) > owed, "{time:?} for {bytes} bytes");
}

#[test]
fn tables_full_of_deletions_are_compacted_when_the_option_says_so() {
    let left = |garbage_percent| {
        let (_, options) = options(FamilyOptions { garbage_percent, ..small() });
        let db = Db::open("/db", options).unwrap();
        let family = db.default_column_family();
        flush(&db, 0..100, b"value");
        let snapshot = db.snapshot();
        let mut batch = Batch::new();
        (0..100u32).for_each(|key| batch.delete(&family, &key.to_be_bytes()).unwrap());
        db.write(batch, Durability::Buffered).unwrap();
        db.compact_range(&family, KeyRange::all()).unwrap();
        settle(&db);
        assert_eq!(files(&db)[1..].iter().sum::<usize>(), 1, "the snapshot sees what the deletions hide");
        drop(snapshot);
        settle(&db);
        files(&db).iter().sum::<usize>()
    };
    assert_eq!(left(50), 0);
    assert_eq!(left(101), 1);
}

#[test]
fn level_0_waits_for_more_tables_while_much_is_written() {
    for busy in [3, 6] {
        let (_, options) = options(FamilyOptions {
            level0_tables_trigger: 2,
            level0_tables_busy: busy,
            level0_tables_slowdown: 7,
            ..small()
        });
        let db = Db::open("/db", options).unwrap();
        let mut tables = 0;
        while !db.core().compact_step(crate::compaction::Mood::Busy).unwrap() {
            tables += 1;
            flush(&db, 0..10, b"value");
        }
        assert_eq!(tables, busy);
        flush(&db, 0..10, b"value");
        flush(&db, 0..10, b"value");
        assert!(db.core().compact_step(crate::compaction::Mood::Quiet).unwrap());
        assert_eq!(files(&db)[0], 0);
    }
}
