//! What this process has used: CPU time of all its threads, bytes that it wrote, anonymous memory, syncs; and what a
//! directory holds.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use crate::syncs;

/// How often the memory is looked at.
const SAMPLE_EVERY: Duration = Duration::from_millis(10);

/// Bytes of prepared key streams, which are not the engine's.
pub(crate) static HARNESS_BYTES: AtomicU64 = AtomicU64::new(0);

/// Counters of the process since its start; each only grows.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Used {
    /// CPU time of all threads, those that ended included.
    pub(crate) cpu_seconds: f64,
    /// Bytes of pages that were made dirty and so go to the disk, whether by a call or through a mapping.
    pub(crate) disk_written_bytes: u64,
    /// Bytes that were handed to write calls.
    pub(crate) call_written_bytes: u64,
    /// Calls of fsync, fdatasync, msync and sync_file_range.
    pub(crate) syncs: u64,
}

impl Used {
    pub(crate) fn now() -> Used {
        let io = fs::read_to_string("/proc/self/io").unwrap_or_default();
        Used {
            cpu_seconds: cpu_seconds(),
            disk_written_bytes: field(&io, "write_bytes:"),
            call_written_bytes: field(&io, "wchar:"),
            syncs: syncs::count(),
        }
    }

    pub(crate) fn since(&self, earlier: &Used) -> Used {
        Used {
            cpu_seconds: self.cpu_seconds - earlier.cpu_seconds,
            disk_written_bytes: self.disk_written_bytes - earlier.disk_written_bytes,
            call_written_bytes: self.call_written_bytes - earlier.call_written_bytes,
            syncs: self.syncs - earlier.syncs,
        }
    }
}

/// CPU seconds of all threads of the process.
#[allow(clippy::cast_precision_loss, reason = "seconds and nanoseconds of one process")]
pub(crate) fn cpu_seconds() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// Anonymous memory without what the harness prepared.
fn engine_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let anonymous = 1024 * field(&status, "RssAnon:");
    anonymous.saturating_sub(HARNESS_BYTES.load(Ordering::Relaxed))
}

/// The threads of the process.
pub(crate) fn threads() -> u64 {
    field(&fs::read_to_string("/proc/self/status").unwrap_or_default(), "Threads:")
}

/// The files in `directory`.
pub(crate) fn files(directory: &Path) -> u64 {
    fs::read_dir(directory).map_or(0, |children| children.count() as u64)
}

/// The number that follows `name` at the beginning of a line.
fn field(text: &str, name: &str) -> u64 {
    text.lines()
        .find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse().ok())
        .unwrap_or(0)
}

/// The allocated bytes of all files below `directory`.
pub(crate) fn disk_bytes(directory: &Path) -> u64 {
    bytes_of(directory, &|_| true)
}

/// The allocated bytes of all files below `directory`, logs left out.
pub(crate) fn data_bytes(directory: &Path) -> u64 {
    bytes_of(directory, &|path| path.extension().is_none_or(|extension| extension != "log"))
}

fn bytes_of(directory: &Path, counts: &dyn Fn(&Path) -> bool) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let Ok(children) = fs::read_dir(directory) else { return 0 };
    children
        .flatten()
        .map(|child| match child.metadata() {
            Ok(metadata) if metadata.is_dir() => bytes_of(&child.path(), counts),
            Ok(metadata) if counts(&child.path()) => metadata.blocks() * 512,
            Ok(_) | Err(_) => 0,
        })
        .sum()
}

/// A thread that watches the anonymous memory of the process.
pub(crate) struct MemoryWatch {
    peak: Arc<AtomicU64>,
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl MemoryWatch {
    pub(crate) fn start() -> MemoryWatch {
        let peak = Arc::new(AtomicU64::new(0));
        let ended = Arc::new(AtomicBool::new(false));
        let (to, until) = (peak.clone(), ended.clone());
        let thread = std::thread::spawn(move || {
            while !until.load(Ordering::Relaxed) {
                to.fetch_max(engine_bytes(), Ordering::Relaxed);
                std::thread::park_timeout(SAMPLE_EVERY);
            }
        });
        MemoryWatch { peak, ended, thread: Some(thread) }
    }

    /// The largest amount since the last call, or the amount now.
    pub(crate) fn take_peak(&self) -> u64 {
        self.peak.swap(0, Ordering::Relaxed).max(engine_bytes())
    }
}

impl Drop for MemoryWatch {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // The watch only reads; how it ended changes no result.
            drop(thread.join());
        }
    }
}
