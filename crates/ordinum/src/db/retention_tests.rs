//! The horizon: what can be read of the past, and what is given up.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::clock::{Clock, ManualClock};
use crate::error::Error;
use crate::fs::{Fault, FaultFs, Fs, MemoryFs, PowerLoss};
use crate::options::{Background, RetentionWindow};

const MINUTE: Duration = Duration::from_secs(60);

fn options(fs: &Arc<dyn Fs>, clock: &Arc<ManualClock>) -> Options {
    Options {
        fs: Arc::clone(fs),
        clock: Arc::clone(clock) as Arc<dyn Clock>,
        background: Background::Manual,
        log_segment_bytes: 4 << 10,
        family_defaults: FamilyOptions {
            write_buffer_bytes: 4 << 10,
            level0_tables_trigger: 2,
            level_base_bytes: 8 << 10,
            table_bytes_target: 4 << 10,
            ..FamilyOptions::default()
        },
        ..Options::default()
    }
}

/// What every commit left.
type States = BTreeMap<SeqNo, BTreeMap<Vec<u8>, Vec<u8>>>;

struct Bed {
    db: Db,
    states: States,
    rng: fastrand::Rng,
}

impl Bed {
    fn open(options: Options, states: States, seed: u64) -> Bed {
        Bed { db: Db::open("/db", options).unwrap(), states, rng: fastrand::Rng::with_seed(seed) }
    }

    fn write(&mut self) -> Result<SeqNo> {
        let family = self.db.default_column_family();
        let mut state = self.states.last_key_value().map(|(_, state)| state.clone()).unwrap_or_default();
        let (key, value) = (vec![self.rng.u8(..20)], vec![self.rng.u8(..); self.rng.usize(..200)]);
        let mut batch = Batch::new();
        if self.rng.u8(..4) == 0 {
            batch.delete(&family, &key)?;
            state.remove(&key);
        } else {
            batch.put(&family, &key, &value)?;
            state.insert(key, value);
        }
        let seqno = self.db.write(batch, Durability::Synced)?;
        self.states.insert(seqno, state);
        Ok(seqno)
    }

    fn found(&self, reader: &dyn Reader) -> BTreeMap<Vec<u8>, Vec<u8>> {
        let mut cursor = reader.cursor(&self.db.default_column_family(), KeyRange::all()).unwrap();
        let mut found = BTreeMap::new();
        let mut more = cursor.first().unwrap();
        while more {
            found.insert(cursor.key().to_vec(), cursor.value().unwrap().to_vec());
            more = cursor.next().unwrap();
        }
        found
    }

    /// What is at or above the horizon is read as it was; what is below is refused with the oldest that is readable.
    fn check(&self) -> SeqNo {
        let oldest = self.db.stats().oldest_readable;
        for (&seqno, state) in &self.states {
            match self.db.snapshot_at(seqno) {
                Ok(snapshot) => {
                    assert!(seqno >= oldest);
                    assert!(self.found(&snapshot) == *state, "at {seqno}");
                }
                Err(Error::TooOld { asked, oldest: told }) => {
                    assert!(asked == seqno && told == oldest && seqno < oldest, "{asked} {told} {oldest}");
                }
                Err(error) => panic!("{error}"),
            }
        }
        oldest
    }
}

fn logs(fs: &Arc<dyn Fs>) -> usize {
    fs.list(Path::new("/db")).unwrap().iter().filter(|name| name.ends_with(".log")).count()
}

#[test]
fn without_retention_a_flush_gives_the_past_up_for_good() {
    let fs: Arc<dyn Fs> = Arc::new(MemoryFs::new());
    let clock = Arc::default();
    let mut bed = Bed::open(options(&fs, &clock), States::new(), 1);
    let first = bed.write().unwrap();
    let second = bed.write().unwrap();
    assert_eq!(bed.check(), SeqNo::ZERO, "nothing was dropped yet");
    assert!(matches!(bed.db.snapshot_at(SeqNo::MAX), Err(Error::InvalidArgument { .. })));
    let pinned = bed.db.snapshot_at(first).unwrap();
    bed.db.flush_all().unwrap();
    assert_eq!(bed.db.stats().oldest_readable, second);
    assert!(bed.db.snapshot_at(first).is_ok(), "it is pinned");
    drop(pinned);
    assert_eq!(bed.check(), second);
    drop(bed.db);
    let bed = Bed::open(options(&fs, &clock), bed.states, 1);
    assert_eq!(bed.check(), second);
}

#[test]
fn states_are_kept_for_their_age_through_flushes_compactions_and_openings() {
    let fs: Arc<dyn Fs> = Arc::new(MemoryFs::new());
    let clock = Arc::new(ManualClock::default());
    let options =
        || Options { retention: Some(RetentionWindow::of_age(60 * MINUTE)), ..options(&fs, &clock) };
    let mut bed = Bed::open(options(), States::new(), 2);
    let mut written_at = Vec::new();
    let mut last_horizon = SeqNo::ZERO;
    for minute in 0..180u32 {
        for _ in 0..5 {
            written_at.push((bed.write().unwrap(), minute));
        }
        clock.advance(MINUTE);
        if minute % 7 == 0 {
            while bed.db.run_background_step().unwrap() {}
        }
        if minute % 20 == 0 {
            bed.db.compact_range(&bed.db.default_column_family(), KeyRange::all()).unwrap();
        }
        if minute % 30 == 15 {
            bed.db.close().unwrap();
            bed = Bed::open(options(), bed.states, u64::from(minute));
        }
        if minute % 10 == 0 {
            let oldest = bed.check();
            assert!(oldest >= last_horizon);
            last_horizon = oldest;
            let young = written_at.iter().filter(|(_, at)| minute - at < 59);
            assert!(young.map(|(seqno, _)| *seqno).all(|seqno| seqno >= oldest), "minute {minute}");
        }
    }
    // Nothing much older than the window is kept, and no log of it.
    bed.db.flush_all().unwrap();
    let oldest = bed.check();
    let (_, minute) = written_at.iter().find(|(seqno, _)| *seqno >= oldest).unwrap();
    assert!((100..=121).contains(minute), "minute {minute}");
    let kept = logs(&fs);
    clock.advance(600 * MINUTE);
    bed.write().unwrap();
    bed.db.flush_all().unwrap();
    clock.advance(600 * MINUTE);
    bed.write().unwrap();
    bed.db.flush_all().unwrap();
    assert!(kept >= 8 && logs(&fs) <= 2, "{kept} logs, then {}", logs(&fs));
    assert!(bed.check() > oldest);
}

#[test]
fn an_opening_that_says_nothing_keeps_the_retention_of_the_one_before() {
    let fs: Arc<dyn Fs> = Arc::new(MemoryFs::new());
    let clock = Arc::default();
    let open = |retention, states| Bed::open(Options { retention, ..options(&fs, &clock) }, states, 1);
    let age = Duration::from_nanos(3_600_000_000_001);
    let mut bed = open(Some(RetentionWindow { age, bytes: 1 << 30 }), States::new());
    let kept = RetentionWindow { age: Duration::from_millis(3_600_001), bytes: 1 << 30 };
    let first = bed.write().unwrap();
    for _ in 0..3 {
        for _ in 0..200 {
            bed.write().unwrap();
            while bed.db.run_background_step().unwrap() {}
        }
        bed.db.flush_all().unwrap();
        bed.db.compact_range(&bed.db.default_column_family(), KeyRange::all()).unwrap();
        assert_eq!(bed.db.stats().retention, kept);
        assert!(bed.check() <= first);
        bed.db.checkpoint(Path::new("/copy")).unwrap();
        let copy = Db::open("/copy", options(&fs, &clock)).unwrap();
        assert_eq!(copy.stats().retention, kept, "a checkpoint has it too");
        drop(copy);
        let names = fs.list(Path::new("/copy")).unwrap();
        names.iter().for_each(|name| fs.remove(&Path::new("/copy").join(name)).unwrap());
        bed.db.close().unwrap();
        bed = open(None, bed.states);
    }
    // It ends when an opening says so, for those behind it too.
    bed.db.close().unwrap();
    bed = open(Some(RetentionWindow::NONE), bed.states);
    bed.write().unwrap();
    bed.db.flush_all().unwrap();
    assert!(bed.check() > first);
    bed.db.close().unwrap();
    bed = open(None, bed.states);
    assert_eq!(bed.db.stats().retention, RetentionWindow::NONE);
}

#[test]
fn bytes_bound_what_is_kept_before_its_age() {
    let fs: Arc<dyn Fs> = Arc::new(MemoryFs::new());
    let clock = Arc::new(ManualClock::default());
    let window = |age| Some(RetentionWindow { age, bytes: 20 << 10 });
    let options = || Options { retention: window(1000 * MINUTE), ..options(&fs, &clock) };
    let mut bed = Bed::open(options(), States::new(), 3);
    for round in 0..4u64 {
        for _ in 0..300 {
            bed.write().unwrap();
            while bed.db.run_background_step().unwrap() {}
        }
        bed.db.flush_all().unwrap();
        let oldest = bed.check();
        let kept = bed.states.range(oldest..).count();
        assert!((100..400).contains(&kept), "{kept} states");
        bed.db.close().unwrap();
        bed = Bed::open(options(), bed.states, 4 + round);
    }
    bed.check();
    // Other options from now on: the horizon does not go back.
    let oldest = bed.db.stats().oldest_readable;
    drop(bed.db);
    let bed = Bed::open(Options { retention: window(5000 * MINUTE), ..options() }, bed.states, 9);
    assert_eq!(bed.check(), oldest);
}

#[test]
fn a_crash_anywhere_leaves_every_state_that_the_horizon_promises() {
    for seed in 0..60u64 {
        let memory = MemoryFs::new();
        let faults = FaultFs::new(Arc::new(memory.clone()));
        let fs: Arc<dyn Fs> = Arc::new(faults.clone());
        let clock = Arc::new(ManualClock::default());
        let age = if seed % 4 == 0 { Duration::ZERO } else { 20 * MINUTE };
        let said = Some(RetentionWindow::of_age(age));
        let mut bed = Bed::open(Options { retention: said, ..options(&fs, &clock) }, States::new(), seed);
        // Every other database is told once, and keeps it.
        let retention = said.filter(|_| seed % 2 == 0);
        let options = || Options { retention, ..options(&fs, &clock) };
        let mut written = Vec::new();
        for life in 0..3u64 {
            faults.fail_after(50 + seed * 13 % 400, Fault::PowerCut);
            loop {
                clock.advance(MINUTE / 4);
                match bed.write() {
                    Ok(seqno) => written.push((seqno, clock.monotonic())),
                    Err(_) => break,
                }
                if bed.db.run_background_step().is_err() {
                    break;
                }
            }
            faults.clear();
            memory.lose_power(PowerLoss::Tear { seed: seed ^ life << 8 });
            bed = Bed::open(options(), bed.states, seed ^ life);
            let horizon = bed.check();
            let mut young = written.iter().filter(|(_, at)| clock.monotonic() - *at < age);
            assert!(young.all(|(seqno, _)| *seqno >= horizon), "seed {seed}");
            // The commit that failed may be there or not.
            let now = bed.found(&bed.db);
            bed.states.insert(bed.db.last_seqno(), now);
        }
    }
}
