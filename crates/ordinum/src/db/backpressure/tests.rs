use std::sync::Arc;

use super::*;
use crate::clock::{Clock, ManualClock};
use crate::db::Db;
use crate::fs::MemoryFs;
use crate::options::{Durability, Options};

#[test]
fn the_rate_falls_steadily_down_to_a_thousandth() {
    let rates: Vec<u64> = (0..=STOPPED).map(|pressure| bytes_per_second(64 << 20, pressure)).collect();
    assert!(rates.is_sorted_by(|a, b| a >= b));
    assert!(rates[500] > 15 << 20 && rates[500] < 17 << 20);
    assert_eq!(rates[SLOWEST as usize], (64 << 20) / 1000);
}

#[test]
fn delays_keep_the_rate_and_none_is_long() {
    let pace = Pace::default();
    let (mut now, start) = (Duration::from_secs(5), Duration::from_secs(5));
    for _ in 0..10_000 {
        let delay = pace.delay(now, Duration::from_micros(10));
        assert!(delay.is_zero() || delay >= DELAY_MIN);
        assert!(delay <= DELAY_MIN * 2);
        now += delay;
    }
    let took = now - start;
    assert!((99_000..101_000).contains(&took.as_micros()), "{took:?}");
    assert_eq!(pace.delay(now, Duration::from_secs(100)), DELAY_MAX, "however much is written at once");
}

fn options(clock: &Arc<ManualClock>) -> Options {
    Options {
        fs: Arc::new(MemoryFs::new()),
        clock: Arc::<ManualClock>::clone(clock),
        background: Background::Manual,
        delayed_write_bytes_per_second: 1 << 20,
        family_defaults: FamilyOptions {
            write_buffer_bytes: 16 << 10,
            level0_tables_trigger: 2,
            level0_tables_busy: 2,
            level0_tables_slowdown: 2,
            level0_tables_max: 6,
            ..FamilyOptions::default()
        },
        ..Options::default()
    }
}

fn put(db: &Db, n: u32) {
    let mut batch = Batch::new();
    batch.put(&db.default_column_family(), &n.to_be_bytes(), &[7; 1000]).unwrap();
    db.write(batch, Durability::Buffered).unwrap();
}

/// Level 0 has `tables` tables, then a hundred writes of a kilobyte take so long.
fn time_of_writes(options: &Options, clock: &ManualClock, tables: u32) -> Duration {
    let db = Db::open("/db", Options { fs: Arc::new(MemoryFs::new()), ..options.clone() }).unwrap();
    for n in 0..tables {
        put(&db, n);
        db.flush_all().unwrap();
    }
    let pressure = db.stats().families[0].pressure;
    assert_eq!(pressure > 0, tables as usize > options.family_defaults.level0_tables_slowdown);
    let (before, stats) = (clock.monotonic(), db.stats());
    for n in 0..10 {
        put(&db, n);
    }
    let took = clock.monotonic() - before;
    assert_eq!(db.stats().slowdowns > stats.slowdowns, pressure > 0);
    assert_eq!(db.stats().delayed - stats.delayed, took);
    took
}

#[test]
fn writes_slow_down_step_by_step_as_level_0_grows() {
    let clock = Arc::new(ManualClock::default());
    let times: Vec<Duration> =
        (0..6).map(|tables| time_of_writes(&options(&clock), &clock, tables)).collect();
    assert_eq!(times[..3], [Duration::ZERO; 3]);
    assert!(times[2..].is_sorted_by(|a, b| a < b), "{times:?}");
    // 750 thousandths of the way: a sixteenth of a mebibyte in a second.
    assert!((140..180).contains(&times[5].as_millis()), "{times:?}");
    assert!(times[5] <= DELAY_MAX * 10);
}

#[test]
fn the_options_of_delays_are_kept_to() {
    let clock = Arc::new(ManualClock::default());
    let slow = time_of_writes(&options(&clock), &clock, 5);
    let twice = Options { delayed_write_bytes_per_second: 2 << 20, ..options(&clock) };
    let fast = time_of_writes(&twice, &clock, 5);
    assert!(fast * 3 < slow * 2, "{fast:?} {slow:?}");
    let mut later = options(&clock);
    later.family_defaults.level0_tables_slowdown = 5;
    assert_eq!(time_of_writes(&later, &clock, 5), Duration::ZERO);
}

#[test]
fn sealed_memtables_and_work_that_is_behind_press_too() {
    let clock = Arc::new(ManualClock::default());
    let mut options = options(&clock);
    options.family_defaults.immutable_memtables_max = 8;
    let db = Db::open("/db", options.clone()).unwrap();
    let mut pressures = vec![];
    for n in 0..120 {
        put(&db, n);
        pressures.push(db.stats().families[0].pressure);
    }
    pressures.dedup();
    assert!(pressures.len() > 3 && pressures.is_sorted(), "{pressures:?}");

    assert_eq!(between(0u64, 100, 200), 0);
    assert_eq!(between(150u64, 100, 200), 500);
    assert_eq!(between(u64::MAX, 100, 200), SLOWEST);
}

#[test]
fn a_queue_of_tables_is_not_held_back_by_its_length() {
    let clock = Arc::new(ManualClock::default());
    let mut options = options(&clock);
    options.family_defaults.compaction_style =
        CompactionStyle::Fifo { time_to_live: Duration::from_secs(1_000_000) };
    let db = Db::open("/db", options).unwrap();
    for n in 0..20 {
        put(&db, n);
        db.flush_all().unwrap();
    }
    assert_eq!(db.stats().families[0].levels[0].files, 20);
    assert_eq!(db.stats().families[0].pressure, 0);
}
