//! How long operations take, as histograms that are cheap to write.
//!
//! Invariants: (1) a duration is told at most a sixteenth too long: within a power of two there are sixteen buckets;
//! (2) recording is three additions to shared memory, without a lock; what is read beside may lack the newest.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Bits of a duration that tell its bucket within a power of two.
const FINE_BITS: u32 = 4;
const FINE: usize = 1 << FINE_BITS;
/// Durations below 16 ns have a bucket each; above, each of the 60 powers of two has 16.
const BUCKETS: usize = FINE * (64 - FINE_BITS as usize + 1);

/// How long operations of one kind took.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Latency {
    /// How many were measured.
    pub count: u64,
    /// How long they took together.
    pub sum: Duration,
    /// Half of them took no longer.
    pub p50: Duration,
    /// 99 of 100 took no longer.
    pub p99: Duration,
    /// 999 of 1000 took no longer.
    pub p999: Duration,
    /// The longest.
    pub max: Duration,
}

/// How long the operations of a database took since it was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Latencies {
    /// Reads of one key; none unless [`crate::Options::measure_latency`] asks for it.
    pub get: Latency,
    /// Commits, from the call until they are in the log and the memtables, what held them back included; none unless
    /// [`crate::Options::measure_latency`] asks for it.
    pub commit: Latency,
    /// Syncs of the log.
    pub sync: Latency,
    /// Flushes.
    pub flush: Latency,
    /// Compactions.
    pub compaction: Latency,
}

/// Durations of one kind.
pub(crate) struct Histogram {
    buckets: Box<[AtomicU64]>,
    sum_ns: AtomicU64,
    max_ns: AtomicU64,
}

impl Default for Histogram {
    fn default() -> Histogram {
        let buckets = (0..BUCKETS).map(|_| AtomicU64::new(0)).collect();
        Histogram { buckets, sum_ns: AtomicU64::new(0), max_ns: AtomicU64::new(0) }
    }
}

impl std::fmt::Debug for Histogram {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.read().fmt(f)
    }
}

impl Histogram {
    pub(crate) fn record(&self, took: Duration) {
        let ns = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        if let Some(bucket) = self.buckets.get(bucket_of(ns)) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        self.sum_ns.fetch_add(ns, Ordering::Relaxed);
        self.max_ns.fetch_max(ns, Ordering::Relaxed);
    }

    pub(crate) fn read(&self) -> Latency {
        let counts: Vec<u64> = self.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed)).collect();
        let count: u64 = counts.iter().sum();
        let max = self.max_ns.load(Ordering::Relaxed);
        let percentile = |thousandths: u64| {
            // The first bucket through which at least that part of them is.
            let wanted = (count.saturating_mul(thousandths)).div_ceil(1000);
            let mut seen = 0;
            let found = counts.iter().position(|bucket| {
                seen += bucket;
                seen >= wanted && wanted > 0
            });
            Duration::from_nanos(found.map_or(0, longest_of).min(max))
        };
        Latency {
            count,
            sum: Duration::from_nanos(self.sum_ns.load(Ordering::Relaxed)),
            p50: percentile(500),
            p99: percentile(990),
            p999: percentile(999),
            max: Duration::from_nanos(max),
        }
    }
}

fn bucket_of(ns: u64) -> usize {
    let small = usize::try_from(ns).unwrap_or(usize::MAX);
    if small < FINE {
        return small;
    }
    let power = ns.ilog2();
    let fine = usize::try_from((ns >> (power - FINE_BITS)) & (FINE as u64 - 1)).unwrap_or(0);
    FINE * (power - FINE_BITS + 1) as usize + fine
}

/// The longest duration of a bucket.
fn longest_of(bucket: usize) -> u64 {
    if bucket < FINE {
        return bucket as u64;
    }
    let power = u32::try_from(bucket / FINE - 1).unwrap_or(0);
    let first = ((FINE + bucket % FINE) as u64).checked_shl(power).unwrap_or(u64::MAX);
    first.saturating_add((1_u64 << power) - 1)
}

/// The histograms of a database.
#[derive(Debug, Default)]
pub(crate) struct Histograms {
    pub(crate) get: Histogram,
    pub(crate) commit: Histogram,
    pub(crate) sync: Histogram,
    pub(crate) flush: Histogram,
    pub(crate) compaction: Histogram,
}

impl Histograms {
    pub(crate) fn read(&self) -> Latencies {
        Latencies {
            get: self.get.read(),
            commit: self.commit.read(),
            sync: self.sync.read(),
            flush: self.flush.read(),
            compaction: self.compaction.read(),
        }
    }
}

#[cfg(test)]
mod tests;
