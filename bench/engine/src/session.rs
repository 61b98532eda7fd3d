//! One engine on one data set in this process: runs threads against it and measures them.

use std::path::{Path, PathBuf};
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::engines::{Engine, EngineName, Result, Tuning};
use crate::histogram::Histogram;
use crate::keys::{Entries, KEY_BYTES};
use crate::measurement::Measurement;
use crate::options::Sizes;
use crate::process::{self, HARNESS_BYTES, MemoryWatch, Used};

/// An engine is settled when it says that it is idle and the process used less CPU than this share...
const IDLE_CPU_SHARE: f64 = 0.03;
/// ...in this many looks one after another...
const IDLE_LOOKS: u32 = 3;
/// ...that are this far apart.
const IDLE_LOOK_EVERY: Duration = Duration::from_millis(150);

/// The thread that starts the others, and the one that watches the memory.
const HARNESS_THREADS: u64 = 2;

/// What a thread of a workload counts.
#[derive(Default)]
pub(crate) struct Recorder {
    histogram: Histogram,
    timed_every: u32,
    until_timed: u32,
    pub(crate) ops: u64,
    pub(crate) written_entries: u64,
    pub(crate) misses: u64,
}

impl Recorder {
    /// Counts an operation; times it if it is its turn.
    pub(crate) fn op<T>(&mut self, operation: impl FnOnce() -> Result<T>) -> Result<T> {
        self.ops += 1;
        if self.until_timed > 0 {
            self.until_timed -= 1;
            return operation();
        }
        self.until_timed = self.timed_every.saturating_sub(1);
        let started = Instant::now();
        let returned = operation();
        self.histogram.record(u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX));
        returned
    }
}

/// Where the threads of a workload wait for each other before the clock starts.
pub(crate) struct Start<'a>(&'a Barrier);

impl Start<'_> {
    /// To be called once by each thread, when all is prepared.
    pub(crate) fn wait(&self) {
        self.0.wait();
    }
}

/// How a workload is run.
pub(crate) struct Shape {
    pub(crate) threads: usize,
    /// Each so many operations one is timed; 1 for all.
    pub(crate) timed_every: u32,
    /// Whether the bytes written are of interest, so that the engine settles before they are read.
    pub(crate) settles_after: bool,
}

/// Work of one thread.
pub(crate) type Body<'a> = dyn Fn(usize, &Start<'_>, &mut Recorder) -> Result<()> + Sync + 'a;

/// An open engine and its data set.
pub(crate) struct Session {
    pub(crate) engine: Box<dyn Engine>,
    pub(crate) entries: Entries,
    pub(crate) sizes: Sizes,
    /// The number of the next entry that is inserted beyond the filled ones.
    pub(crate) inserted: AtomicU64,
    /// The number of the next pass of overwrites.
    pub(crate) version: AtomicU64,
    /// The most bytes of files, logs left out, that a workload saw.
    peak_disk_bytes: AtomicU64,
    name: EngineName,
    round: u32,
    budget_bytes: u64,
    directory: PathBuf,
    pub(crate) watch: MemoryWatch,
}

impl Session {
    pub(crate) fn open(
        name: EngineName,
        round: u32,
        directory: &Path,
        sizes: &Sizes,
        tuning: &Tuning,
    ) -> Result<Session> {
        std::fs::create_dir_all(directory)?;
        Ok(Session::of(name, round, directory, sizes, tuning, name.open(directory, tuning)?))
    }

    /// An engine that was opened.
    pub(crate) fn of(
        name: EngineName,
        round: u32,
        directory: &Path,
        sizes: &Sizes,
        tuning: &Tuning,
        engine: Box<dyn Engine>,
    ) -> Session {
        let watch = MemoryWatch::start();
        let entries = Entries::new(sizes.key_shape, sizes.keys, sizes.value_bytes);
        Session {
            engine,
            inserted: AtomicU64::new(entries.keys()),
            version: AtomicU64::new(1),
            peak_disk_bytes: AtomicU64::new(0),
            entries,
            sizes: sizes.clone(),
            name,
            round,
            budget_bytes: tuning.cache_bytes + tuning.write_buffer_bytes * tuning.write_buffers as u64,
            directory: directory.to_owned(),
            watch,
        }
    }

    /// A path beside the data set, on the same file system.
    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.directory.with_extension(name)
    }

    /// Runs `body` on every thread and measures from the moment at which all are prepared.
    pub(crate) fn measure(&self, workload: &str, shape: &Shape, body: &Body<'_>) -> Result<Measurement> {
        let barrier = Barrier::new(shape.threads + 1);
        let log_bytes = self.engine.log_bytes();
        let (recorders, before, seconds) = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..shape.threads)
                .map(|thread| {
                    let barrier = &barrier;
                    scope.spawn(move || {
                        let mut recorder = Recorder { timed_every: shape.timed_every, ..Recorder::default() };
                        body(thread, &Start(barrier), &mut recorder).map(|()| recorder)
                    })
                })
                .collect();
            barrier.wait();
            self.watch.take_peak();
            let before = Used::now();
            let started = Instant::now();
            let mut recorders = Vec::new();
            for thread in threads {
                recorders.push(thread.join().map_err(|_| "a thread of the workload panicked")?);
            }
            Ok::<_, crate::engines::Error>((recorders, before, started.elapsed().as_secs_f64()))
        })?;
        let settle_seconds = if shape.settles_after { self.settle()? } else { 0.0 };
        let used = Used::now().since(&before);
        let mut sum = Recorder::default();
        for recorder in recorders {
            let recorder = recorder?;
            sum.histogram.add(&recorder.histogram);
            sum.ops += recorder.ops;
            sum.written_entries += recorder.written_entries;
            sum.misses += recorder.misses;
        }
        HARNESS_BYTES.store(0, Ordering::Relaxed);
        Ok(Measurement {
            workload: workload.to_owned(),
            engine: self.name,
            round: self.round,
            keys: self.entries.keys(),
            ops: sum.ops,
            seconds,
            cpu_seconds: used.cpu_seconds,
            settle_seconds,
            p50_ns: sum.histogram.at_per_mille(500),
            p99_ns: sum.histogram.at_per_mille(990),
            p999_ns: sum.histogram.at_per_mille(999),
            max_ns: sum.histogram.max(),
            user_bytes: sum.written_entries * (KEY_BYTES + self.entries.value_bytes()) as u64,
            disk_written_bytes: used.disk_written_bytes,
            call_written_bytes: used.call_written_bytes,
            disk_bytes: process::disk_bytes(&self.directory),
            peak_anonymous_bytes: self.watch.take_peak(),
            budget_bytes: self.budget_bytes,
            syncs: used.syncs,
            log_bytes: log_bytes.zip(self.engine.log_bytes()).map(|(before, after)| after - before),
            peak_disk_bytes: self.peak_disk_bytes.swap(0, Ordering::Relaxed),
            live_bytes: self.entries.keys() * (KEY_BYTES + self.entries.value_bytes()) as u64,
            files: process::files(&self.directory),
            threads: process::threads().saturating_sub(HARNESS_THREADS),
            misses: sum.misses,
        })
    }

    /// Looks how much the engine's files take now, logs left out.
    pub(crate) fn look_at_disk(&self) {
        self.peak_disk_bytes.fetch_max(process::data_bytes(&self.directory), Ordering::Relaxed);
    }

    /// Flushes, and waits until the engine's background work has ended; how long that took.
    pub(crate) fn settle(&self) -> Result<f64> {
        let started = Instant::now();
        self.engine.flush()?;
        let mut busy_until = started.elapsed();
        let mut idle_looks = 0;
        while idle_looks < IDLE_LOOKS {
            let before = process::cpu_seconds();
            std::thread::sleep(IDLE_LOOK_EVERY);
            let share = (process::cpu_seconds() - before) / IDLE_LOOK_EVERY.as_secs_f64();
            if self.engine.is_busy() || share > IDLE_CPU_SHARE {
                idle_looks = 0;
                busy_until = started.elapsed();
            } else {
                idle_looks += 1;
            }
        }
        Ok(busy_until.as_secs_f64())
    }
}

/// A stream of entry numbers that is prepared before the clock starts.
pub(crate) fn prepared(count: u64, next: impl FnMut() -> u64) -> Result<Vec<u32>> {
    let stream: std::result::Result<Vec<u32>, _> =
        std::iter::repeat_with(next).take(usize::try_from(count)?).map(u32::try_from).collect();
    let stream = stream?;
    HARNESS_BYTES.fetch_add(4 * stream.capacity() as u64, Ordering::Relaxed);
    Ok(stream)
}
