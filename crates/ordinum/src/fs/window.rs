//! A part of a file in memory, shared with everybody who reads the file: what is copied into it is in the file.
//!
//! Invariants:
//! (1) the file has blocks for the whole window before it is mapped, on a file system that does not move blocks when they
//!     are written over, so that a copy never needs space;
//! (2) every page was made ready for writing by a call that reports what the disk refuses; [`Window::refresh`] makes those
//!     ready again that a sync has taken.

#![allow(unsafe_code, reason = "a file is mapped")]

use std::os::fd::AsFd;
use std::ptr::{self, NonNull};

use rustix::fs::FsWord;
use rustix::io::Errno;
use rustix::mm::{Advice, MapFlags, ProtFlags};

/// A page is no longer than this.
const PAGE_BYTES_MAX: u64 = 64 << 10;
/// File systems that write over blocks where they lie: ext4 (and its elders), tmpfs.
pub(super) const IN_PLACE: [FsWord; 2] = [0xef53, 0x0102_1994];

/// A window on a file.
#[derive(Debug)]
pub(super) struct Window {
    start: NonNull<u8>,
    /// Where in the file it begins and ends.
    from: u64,
    end: u64,
}

// SAFETY: it owns its mapping, which no thread is bound to.
unsafe impl Send for Window {}

impl Window {
    /// A window from the page of `from` on to `end`, for which the file has blocks; none where that cannot be had.
    pub(super) fn open(file: impl AsFd, from: u64, end: u64) -> Option<Window> {
        if !IN_PLACE.contains(&rustix::fs::fstatfs(&file).ok()?.f_type) {
            return None;
        }
        let from = from - from % PAGE_BYTES_MAX;
        let len = usize::try_from(end.checked_sub(from)?).ok().filter(|len| *len > 0)?;
        // SAFETY: a new mapping at an address of the system's choice changes no other memory.
        let start = unsafe {
            rustix::mm::mmap(
                ptr::null_mut(),
                len,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::SHARED,
                &file,
                from,
            )
        };
        let window = Window { start: NonNull::new(start.ok()?.cast())?, from, end };
        window.make_ready(from, end).ok()?;
        Some(window)
    }

    /// Makes the pages of this part of the file ready for writing.
    fn make_ready(&self, from: u64, end: u64) -> Result<(), Errno> {
        let from = (from - from % PAGE_BYTES_MAX).max(self.from);
        let (Some(skip), Some(len)) = (offset(from, self.from), offset(end.min(self.end), from)) else {
            return Ok(());
        };
        // SAFETY: the range lies in the mapping and begins at a page, and its contents are not changed.
        unsafe { rustix::mm::madvise(self.start.as_ptr().add(skip).cast(), len, Advice::LinuxPopulateWrite) }
    }

    /// Makes the page at this offset ready again, behind a sync; whether it is.
    pub(super) fn refresh(&self, at: u64) -> bool {
        self.make_ready(at, at.saturating_add(1)).is_ok()
    }

    /// Copies the bytes to this offset of the file; whether they fit the window.
    pub(super) fn write(&mut self, at: u64, bytes: &[u8]) -> bool {
        let fits = at.checked_add(bytes.len() as u64).is_some_and(|end| end <= self.end);
        let (Some(skip), true) = (offset(at, self.from), fits) else { return false };
        // SAFETY: the range lies in the mapping (checked above), nothing of this process borrows from it, and it is
        // written by the one who holds the window.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), self.start.as_ptr().add(skip), bytes.len()) };
        true
    }
}

fn offset(at: u64, from: u64) -> Option<usize> {
    usize::try_from(at.checked_sub(from)?).ok()
}

impl Drop for Window {
    fn drop(&mut self) {
        let len = offset(self.end, self.from).unwrap_or_default();
        // SAFETY: the mapping was made with this length, and nobody borrows from it.
        let unmapped = unsafe { rustix::mm::munmap(self.start.as_ptr().cast(), len) };
        // Nothing would follow of a failure, but that the addresses stay taken.
        unmapped.unwrap_or_default();
    }
}
