//! The memory of a memtable: one mapping, addressed by words of eight bytes, so that an offset takes 32 bits.
//!
//! The system gives pages when they are touched: an arena costs what is in it, not what it could hold. From two megabytes
//! on it may give large ones, which spare most misses of the address cache.
//!
//! Invariants:
//! (1) the bytes of a node are written once, before the node is linked with a release store, by the one writer to whom
//!     the range was given; readers reach them only through an acquire load of such a link;
//! (2) numbers (links, lengths, trailers) are atomics, so that no access to them needs more than a bounds check.

#![allow(
    unsafe_code,
    reason = "bytes are shared between one writer and, once they are published, any reader"
)]

use std::alloc::{Layout, handle_alloc_error};
use std::ops::Deref;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::prefetch::prefetch;
use crate::sync::step;

use rustix::mm::{Advice, MapFlags, ProtFlags};

/// An offset into an arena, in words. Zero is nowhere.
pub(super) type At = u32;

/// Bytes of a word.
pub(super) const WORD_BYTES: usize = 8;
/// Up to here an arena has small pages, so that many small memtables stay small.
const SMALL_PAGES_BYTES: usize = 2 << 20;

pub(super) struct Arena {
    words: Mapping,
}

impl Arena {
    /// An arena of `words` zero words.
    pub(super) fn new(words: u32) -> Arena {
        Arena { words: Mapping::new(words as usize) }
    }

    pub(super) fn word(&self, at: At) -> &AtomicU64 {
        step();
        &self.words[at as usize]
    }

    pub(super) fn get(&self, at: At) -> u64 {
        self.word(at).load(Ordering::Relaxed)
    }

    pub(super) fn set(&self, at: At, value: u64) {
        self.word(at).store(value, Ordering::Relaxed);
    }

    /// Asks the processor to fetch what stands there, for a use that comes soon.
    #[inline]
    pub(super) fn prefetch(&self, at: At) {
        prefetch(self.word(at));
    }

    /// The `len` bytes that start `skip` bytes behind `at`.
    ///
    /// # Safety
    /// They were written by [`Arena::write`] before the node they belong to was published to this thread.
    #[inline]
    pub(super) unsafe fn bytes(&self, at: At, skip: usize, len: usize) -> &[u8] {
        let range = &self.words[at as usize..][..(skip + len).div_ceil(WORD_BYTES)];
        // SAFETY: the range check above keeps the bytes inside the allocation; the caller promises that they are
        // published, and after that nobody writes them (invariant 1).
        unsafe { std::slice::from_raw_parts(range.as_ptr().cast::<u8>().add(skip), len) }
    }

    /// Writes `bytes`, starting `skip` bytes behind `at`.
    ///
    /// # Safety
    /// The range belongs to the calling writer, and no node in it is published.
    #[inline]
    pub(super) unsafe fn write(&self, at: At, skip: usize, bytes: &[u8]) {
        let range = &self.words[at as usize..][..(skip + bytes.len()).div_ceil(WORD_BYTES)];
        let target = range.as_ptr().cast::<u8>().cast_mut();
        // SAFETY: the range check above keeps the copy inside the allocation; atomics allow writes through a shared
        // reference, and the caller promises that nobody else touches the range.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), target.add(skip), bytes.len()) };
    }
}

/// Zeroed memory of its own, in whole pages.
pub(super) struct Mapping {
    start: NonNull<AtomicU64>,
    words: usize,
}

// SAFETY: it owns its memory as a box does, and what is in it may be used from any thread.
unsafe impl Send for Mapping {}
// SAFETY: as above; through a shared reference it lends atomics only.
unsafe impl Sync for Mapping {}

impl Mapping {
    pub(super) fn new(words: usize) -> Mapping {
        let bytes = words.max(1) * WORD_BYTES;
        // SAFETY: a new private mapping at an address of the system's choice changes no other memory.
        let mapped = unsafe {
            rustix::mm::mmap_anonymous(
                ptr::null_mut(),
                bytes,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::PRIVATE | MapFlags::NORESERVE,
            )
        };
        let Some(start) = mapped.ok().and_then(NonNull::new) else {
            handle_alloc_error(Layout::new::<AtomicU64>())
        };
        if bytes > SMALL_PAGES_BYTES {
            // SAFETY: the range lies in the mapping, at a page's start, and the advice changes none of its contents.
            let advised = unsafe {
                let large = start.as_ptr().byte_add(SMALL_PAGES_BYTES);
                rustix::mm::madvise(large, bytes - SMALL_PAGES_BYTES, Advice::LinuxHugepage)
            };
            // A system without large pages gives small ones.
            advised.unwrap_or_default();
        }
        Mapping { start: start.cast(), words }
    }
}

impl Deref for Mapping {
    type Target = [AtomicU64];

    fn deref(&self) -> &[AtomicU64] {
        // SAFETY: the mapping has so many words, aligned as pages are, and zero bytes are valid atomics; it lives as long
        // as the borrow.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.words) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping was made with this length, and nobody borrows it any more.
        let unmapped =
            unsafe { rustix::mm::munmap(self.start.as_ptr().cast(), self.words.max(1) * WORD_BYTES) };
        // Nothing would follow of a failure, but that the memory stays.
        unmapped.unwrap_or_default();
    }
}
