//! What one workload of one engine in one round came to: a line of JSON.

use serde::{Deserialize, Serialize};

use crate::engines::EngineName;

/// One measurement.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Measurement {
    /// The workload's name.
    pub(crate) workload: String,
    /// The engine.
    pub(crate) engine: EngineName,
    /// The round, from 1 on.
    pub(crate) round: u32,
    /// Entries of the data set.
    pub(crate) keys: u64,
    /// What was done: puts, gets, seeks, scanned entries, commits.
    pub(crate) ops: u64,
    /// From the first operation to the end of the last.
    pub(crate) seconds: f64,
    /// Of all threads of the process, to the end of settling for workloads that write.
    pub(crate) cpu_seconds: f64,
    /// How long the background work took after the last operation; the wait that finds it idle is not counted.
    pub(crate) settle_seconds: f64,
    /// Nanoseconds of an operation (of a whole scan, for scans).
    pub(crate) p50_ns: u64,
    /// Nanoseconds.
    pub(crate) p99_ns: u64,
    /// Nanoseconds.
    pub(crate) p999_ns: u64,
    /// Nanoseconds.
    pub(crate) max_ns: u64,
    /// Bytes of keys and values that the workload wrote.
    pub(crate) user_bytes: u64,
    /// Bytes of pages made dirty (`write_bytes` of the kernel), to the end of settling.
    pub(crate) disk_written_bytes: u64,
    /// Bytes given to write calls (`wchar` of the kernel), to the end of settling.
    pub(crate) call_written_bytes: u64,
    /// Allocated bytes of the engine's files at the end.
    pub(crate) disk_bytes: u64,
    /// The largest anonymous memory seen, the prepared key streams taken off.
    pub(crate) peak_anonymous_bytes: u64,
    /// The memory that the engine was given: block cache and memtables.
    pub(crate) budget_bytes: u64,
    /// Calls of fsync, fdatasync, msync and sync_file_range.
    pub(crate) syncs: u64,
    /// Of the bytes that went to the disk, those of the log, where the engine tells.
    #[serde(default)]
    pub(crate) log_bytes: Option<u64>,
    /// The most allocated bytes of its files, logs left out, that were seen while it was written to; 0 if nobody looked.
    #[serde(default)]
    pub(crate) peak_disk_bytes: u64,
    /// Bytes of a key and a value of each entry of the data set.
    #[serde(default)]
    pub(crate) live_bytes: u64,
    /// Files of the engine at the end.
    #[serde(default)]
    pub(crate) files: u64,
    /// Threads of the process at the end, those of the harness taken off.
    #[serde(default)]
    pub(crate) threads: u64,
    /// Reads that found nothing although something else may have been there.
    pub(crate) misses: u64,
}

#[allow(clippy::cast_precision_loss, reason = "counts far below 2^52")]
impl Measurement {
    pub(crate) fn ops_per_second(&self) -> f64 {
        self.ops as f64 / self.seconds.max(1e-9)
    }

    pub(crate) fn cpu_us_per_op(&self) -> f64 {
        self.cpu_seconds * 1e6 / (self.ops as f64).max(1.0)
    }

    /// Bytes that went to the disk for each byte that the caller wrote.
    pub(crate) fn write_amplification(&self) -> f64 {
        self.disk_written_bytes as f64 / (self.user_bytes as f64).max(1.0)
    }

    /// The same, what went to the log left out; an engine that does not tell has logged what it was given.
    pub(crate) fn write_amplification_without_log(&self) -> f64 {
        let log_bytes = self.log_bytes.unwrap_or(self.user_bytes);
        self.disk_written_bytes.saturating_sub(log_bytes) as f64 / (self.user_bytes as f64).max(1.0)
    }

    /// The most bytes on disk for each byte that is alive, logs left out.
    pub(crate) fn peak_space(&self) -> f64 {
        self.peak_disk_bytes as f64 / (self.live_bytes as f64).max(1.0)
    }

    pub(crate) fn syncs_per_op(&self) -> f64 {
        self.syncs as f64 / (self.ops as f64).max(1.0)
    }
}
