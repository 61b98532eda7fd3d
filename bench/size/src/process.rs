//! What this process used, and what a directory holds.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::time::{ClockId, clock_gettime};

use crate::Result;

/// Seconds of processors, all threads of the process.
pub(crate) fn cpu_seconds() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// Has the kernel look for the most resident memory anew, from now on.
pub(crate) fn forget_peak_memory() -> Result<()> {
    fs::write("/proc/self/clear_refs", "5").map_err(|error| format!("/proc/self/clear_refs: {error}").into())
}

/// The most resident memory since [`forget_peak_memory`], in bytes.
pub(crate) fn peak_memory_bytes() -> Result<u64> {
    memory_bytes("VmHWM:")
}

/// The resident memory now, in bytes.
pub(crate) fn resident_bytes() -> Result<u64> {
    memory_bytes("VmRSS:")
}

fn memory_bytes(name: &str) -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let kib =
        status.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse().ok());
    kib.map(|kib: u64| kib << 10).ok_or_else(|| format!("/proc/self/status tells no {name}").into())
}

/// The bytes that files below a directory take on the disk.
pub(crate) fn disk_bytes(directory: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let metadata = match entry.metadata() {
            Ok(metadata) => metadata,
            // A compaction has put another file in its place.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error.into()),
        };
        // Blocks of files are counted in 512 bytes, whatever the file system's are.
        bytes += if metadata.is_dir() { disk_bytes(&entry.path())? } else { metadata.blocks() * 512 };
    }
    Ok(bytes)
}
