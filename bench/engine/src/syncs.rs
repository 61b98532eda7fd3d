//! Counts what every engine in the process asks the disk to make durable.
//!
//! The functions here stand before those of the C library: the linker binds the calls of Rust's standard library, of C
//! code and of shared libraries to them. Each counts and makes the system call.
//!
//! Invariant: each function does what the one it stands before does, errno included.

#![allow(unsafe_code, reason = "the C library's functions have C's signatures")]

use std::sync::atomic::{AtomicU64, Ordering};

use libc::{c_int, c_long, c_uint, c_void, off64_t, size_t};

static SYNCS: AtomicU64 = AtomicU64::new(0);

/// The calls so far.
pub(crate) fn count() -> u64 {
    SYNCS.load(Ordering::Relaxed)
}

fn result_of(returned: c_long) -> c_int {
    // A system call that syncs returns 0, or -1 with errno set.
    if returned == 0 { 0 } else { -1 }
}

#[unsafe(no_mangle)]
extern "C" fn fsync(fd: c_int) -> c_int {
    SYNCS.fetch_add(1, Ordering::Relaxed);
    // SAFETY: fsync takes a descriptor and touches no memory of the process.
    result_of(unsafe { libc::syscall(libc::SYS_fsync, fd) })
}

#[unsafe(no_mangle)]
extern "C" fn fdatasync(fd: c_int) -> c_int {
    SYNCS.fetch_add(1, Ordering::Relaxed);
    // SAFETY: fdatasync takes a descriptor and touches no memory of the process.
    result_of(unsafe { libc::syscall(libc::SYS_fdatasync, fd) })
}

#[unsafe(no_mangle)]
extern "C" fn sync_file_range(fd: c_int, offset: off64_t, bytes: off64_t, flags: c_uint) -> c_int {
    SYNCS.fetch_add(1, Ordering::Relaxed);
    // SAFETY: sync_file_range takes numbers and touches no memory of the process.
    result_of(unsafe { libc::syscall(libc::SYS_sync_file_range, fd, offset, bytes, flags) })
}

#[unsafe(no_mangle)]
extern "C" fn msync(at: *mut c_void, bytes: size_t, flags: c_int) -> c_int {
    SYNCS.fetch_add(1, Ordering::Relaxed);
    // SAFETY: the caller's range is handed on; the kernel refuses one that is not mapped.
    result_of(unsafe { libc::syscall(libc::SYS_msync, at, bytes, flags) })
}
