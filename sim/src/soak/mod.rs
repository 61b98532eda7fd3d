//! A long run on the disk of this machine: writers, readers, snapshots that are kept for a while, range deletes, large values,
//! compactions and checkpoints, with a look at memory, files and space again and again.
//!
//! Invariants: (1) the keys are so many and no more, so that what must be kept is bounded, and what is kept can be held against
//! it; (2) the bounds hold for every look behind the first third of the run.

mod plot;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use fastrand::Rng;
use ordinum::clock::{Clock, OsClock};
use ordinum::{Batch, ColumnFamily, Db, Durability, FamilyOptions, KeyRange, Options, Reader};

use crate::{Stop, ensure};
pub use plot::{Series, plot};

/// So many keys are written over and over.
const KEYS: u64 = 60_000;
/// Values have up to so many bytes; a few have ten times as many, and go to the value log.
const VALUE_BYTES_MAX: usize = 400;
/// What the database may hold in memory, all parts together.
const CACHE_BYTES: u64 = 16 << 20;
const WRITE_BUFFERS_BYTES: u64 = 16 << 20;
/// So many looks are taken.
const LOOKS: u32 = 180;

/// The memory of the process: cache, write buffers, and what else a process has.
const MEMORY_BYTES_MAX: u64 = CACHE_BYTES + 2 * WRITE_BUFFERS_BYTES + (96 << 20);
/// Files: tables, value logs, logs.
const FILES_MAX: u64 = 400;
/// The space on disk, of what the keys need at the most: values of half the length on average, snapshots, logs.
const SPACE_BYTES_MAX: u64 = 3 * KEYS * (VALUE_BYTES_MAX as u64) + (128 << 20);

/// What was seen at a moment.
#[derive(Clone, Copy, Debug, Default)]
pub struct Look {
    /// Seconds since the beginning.
    pub seconds: f64,
    /// Resident memory of the process in bytes.
    pub memory: u64,
    /// Files of the database.
    pub files: u64,
    /// Their bytes.
    pub space: u64,
    /// Commits so far.
    pub commits: u64,
}

/// What a run came to.
#[derive(Clone, Debug, Default)]
pub struct Soaked {
    /// All looks.
    pub looks: Vec<Look>,
    /// Reads that were compared.
    pub reads: u64,
    /// Checkpoints that were made, and opened.
    pub checkpoints: u64,
    /// Compactions.
    pub compactions: u64,
}

fn options() -> Options {
    Options {
        block_cache_bytes: CACHE_BYTES,
        write_buffer_budget_bytes: WRITE_BUFFERS_BYTES,
        log_segment_bytes: 4 << 20,
        family_defaults: FamilyOptions {
            write_buffer_bytes: 2 << 20,
            level_base_bytes: 8 << 20,
            table_bytes_target: 2 << 20,
            separate_values_from_bytes: Some(2_000),
            ..FamilyOptions::default()
        },
        ..Options::default()
    }
}

fn key(number: u64) -> [u8; 8] {
    number.to_be_bytes()
}

/// The value of a key by the commit that wrote it: readers can tell that it is whole.
fn value(rng: &mut Rng, number: u64) -> Vec<u8> {
    let len = rng.usize(16..VALUE_BYTES_MAX) * if rng.u8(..50) == 0 { 10 } else { 1 };
    let word = number.to_be_bytes();
    word.iter().copied().cycle().take(len).collect()
}

struct Soak {
    db: Db,
    family: ColumnFamily,
    stop: AtomicBool,
    reads: AtomicU64,
}

impl Soak {
    fn goes_on(&self) -> bool {
        !self.stop.load(Ordering::Relaxed)
    }

    fn write(&self, seed: u64) -> Result<(), Stop> {
        let mut rng = Rng::with_seed(seed);
        while self.goes_on() {
            let mut batch = Batch::new();
            for _ in 0..rng.u8(1..8) {
                let number = rng.u64(..KEYS);
                match rng.u8(..12) {
                    0 => batch.delete(&self.family, &key(number))?,
                    1 if rng.u8(..8) == 0 => {
                        batch.delete_range(&self.family, &key(number), &key(number + rng.u64(1..50)))?;
                    }
                    _ => batch.put(&self.family, &key(number), &value(&mut rng, number))?,
                }
            }
            let durability = if rng.u8(..20) == 0 { Durability::Synced } else { Durability::Buffered };
            self.db.write(batch, durability)?;
        }
        Ok(())
    }

    /// Reads points and ranges, at a snapshot that is kept for a while: what it shows stays as it was.
    fn read(&self, seed: u64) -> Result<(), Stop> {
        let mut rng = Rng::with_seed(seed);
        while self.goes_on() {
            let snapshot = self.db.snapshot();
            let watched: Vec<u64> = (0..20).map(|_| rng.u64(..KEYS)).collect();
            let before = self.all(&snapshot, &watched)?;
            for _ in 0..rng.u32(1..200) {
                if !self.goes_on() {
                    break;
                }
                let from = rng.u64(..KEYS);
                let range = KeyRange {
                    start: std::ops::Bound::Included(key(from).to_vec()),
                    end: std::ops::Bound::Excluded(key(from + 100).to_vec()),
                };
                let mut cursor = snapshot.cursor(&self.family, range)?;
                let mut there = cursor.first()?;
                while there {
                    let value = cursor.value()?;
                    let is_whole = cursor.key().iter().cycle().zip(value).all(|(a, b)| a == b);
                    ensure!(is_whole, "a value is not that of its key");
                    self.reads.fetch_add(1, Ordering::Relaxed);
                    there = cursor.next()?;
                }
            }
            ensure!(self.all(&snapshot, &watched)? == before, "a snapshot has changed");
        }
        Ok(())
    }

    fn all(&self, reader: &impl Reader, numbers: &[u64]) -> Result<Vec<Option<Vec<u8>>>, Stop> {
        let mut found = Vec::new();
        for number in numbers {
            found.push(reader.get(&self.family, &key(*number))?.map(|value| value.to_vec()));
            self.reads.fetch_add(1, Ordering::Relaxed);
        }
        Ok(found)
    }
}

/// Runs for so long in a directory of its own below `directory`, which is removed.
///
/// # Errors
/// What is wrong.
pub fn soak(directory: &Path, time: Duration, told: &mut dyn FnMut(&Look)) -> Result<Soaked, Stop> {
    let place = directory.join(format!("ormdb-soak-{}", std::process::id()));
    let done = soak_in(&place, time, told);
    // What cannot be removed is left to whoever cleans up.
    drop(std::fs::remove_dir_all(&place));
    done
}

fn soak_in(place: &Path, time: Duration, told: &mut dyn FnMut(&Look)) -> Result<Soaked, Stop> {
    let database = place.join("database");
    let db = Db::open(&database, options())?;
    let family = db.default_column_family();
    let soak = Soak { db, family, stop: AtomicBool::new(false), reads: AtomicU64::new(0) };
    let clock = OsClock::default();
    let mut soaked = Soaked::default();
    let ended: Result<(), Stop> = std::thread::scope(|scope| {
        let (writer, other, reader) =
            (scope.spawn(|| soak.write(1)), scope.spawn(|| soak.write(2)), scope.spawn(|| soak.read(3)));
        let looked = look_after(&soak, (&database, place), time, &clock, &mut soaked, told);
        soak.stop.store(true, Ordering::Relaxed);
        let ended = [writer, other, reader].map(|thread| {
            thread.join().unwrap_or_else(|_| Err(Stop::Wrong("a thread has panicked".to_owned())))
        });
        looked.and_then(|()| ended.into_iter().collect())
    });
    ended?;
    soaked.reads = soak.reads.load(Ordering::Relaxed);
    soaked.compactions = soak.db.stats().compactions;
    let damages = soak.db.verify()?.damages;
    ensure!(damages.is_empty(), "{damages:?}");
    soak.db.close()?;
    within_bounds(&soaked)?;
    Ok(soaked)
}

/// Looks, and now and then compacts or makes a checkpoint, until the time is over.
fn look_after(
    soak: &Soak,
    (database, place): (&Path, &Path),
    time: Duration,
    clock: &OsClock,
    soaked: &mut Soaked,
    told: &mut dyn FnMut(&Look),
) -> Result<(), Stop> {
    let begun = clock.monotonic();
    for number in 1..=LOOKS {
        let due = begun + time * number / LOOKS;
        clock.wait(due.saturating_sub(clock.monotonic()));
        if number.is_multiple_of(40) {
            soak.db.compact_range(&soak.family, KeyRange::all())?;
        }
        if number.is_multiple_of(60) {
            let copy = place.join(format!("checkpoint-{number}"));
            soak.db.checkpoint(&copy)?;
            Db::open(&copy, options())?.close()?;
            remove(&copy)?;
            soaked.checkpoints += 1;
        }
        let (files, space) = files_of(database)?;
        let seconds = clock.monotonic().saturating_sub(begun).as_secs_f64();
        let look = Look { seconds, memory: memory(), files, space, commits: soak.db.stats().commits };
        told(&look);
        soaked.looks.push(look);
    }
    Ok(())
}

fn remove(directory: &Path) -> Result<(), Stop> {
    std::fs::remove_dir_all(directory)
        .map_err(|error| Stop::Wrong(format!("{}: {error}", directory.display())))
}

/// How many files a directory has, and their bytes.
fn files_of(directory: &Path) -> Result<(u64, u64), Stop> {
    let of = |error: std::io::Error| Stop::Wrong(format!("{}: {error}", directory.display()));
    let (mut files, mut space) = (0, 0);
    for entry in std::fs::read_dir(directory).map_err(of)? {
        // A file that is removed meanwhile has no length.
        if let Ok(metadata) = entry.map_err(of)?.metadata() {
            files += 1;
            space += metadata.len();
        }
    }
    Ok((files, space))
}

/// The resident memory of this process in bytes; 0 where the system does not tell.
fn memory() -> u64 {
    const PAGE_BYTES: u64 = 4096;
    let told = std::fs::read_to_string(PathBuf::from("/proc/self/statm")).unwrap_or_default();
    told.split_whitespace().nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * PAGE_BYTES
}

fn within_bounds(soaked: &Soaked) -> Result<(), Stop> {
    for look in soaked.looks.iter().skip(soaked.looks.len() / 3) {
        let at = look.seconds;
        ensure!(look.memory <= MEMORY_BYTES_MAX, "{at:.0} s: {} bytes of memory", look.memory);
        ensure!(look.files <= FILES_MAX, "{at:.0} s: {} files", look.files);
        ensure!(look.space <= SPACE_BYTES_MAX, "{at:.0} s: {} bytes on disk", look.space);
    }
    Ok(())
}

/// The looks as pictures with their bounds: memory, files, space, commits a second.
pub fn series(soaked: &Soaked) -> Vec<Series> {
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let of = |value: &dyn Fn(&Look) -> f64| -> Vec<(f64, f64)> {
        soaked.looks.iter().map(|look| (look.seconds / 60.0, value(look))).collect()
    };
    let pairs = soaked.looks.windows(2).filter_map(|pair| match pair {
        [a, b] if b.seconds > a.seconds => {
            Some((b.seconds / 60.0, (b.commits - a.commits) as f64 / (b.seconds - a.seconds)))
        }
        _ => None,
    });
    vec![
        Series {
            name: "memory, MiB",
            bound: Some(mib(MEMORY_BYTES_MAX)),
            points: of(&|look| mib(look.memory)),
        },
        Series { name: "files", bound: Some(FILES_MAX as f64), points: of(&|look| look.files as f64) },
        Series { name: "space, MiB", bound: Some(mib(SPACE_BYTES_MAX)), points: of(&|look| mib(look.space)) },
        Series { name: "commits a second", bound: None, points: pairs.collect() },
    ]
}
