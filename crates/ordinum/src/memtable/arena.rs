//! The memory of a memtable: one allocation, addressed by words of four bytes, so that an offset takes 32 bits.
//!
//! Invariants:
//! (1) the bytes of a node are written once, before the node is linked with a release store, by the one writer to whom
//!     the range was given; readers reach them only through an acquire load of such a link;
//! (2) numbers (links, lengths, trailers) are atomics, so that no access to them needs more than a bounds check.

#![allow(
    unsafe_code,
    reason = "bytes are shared between one writer and, once they are published, any reader"
)]

use std::sync::atomic::{AtomicU32, Ordering};

/// An offset into an arena, in words. Zero is nowhere.
pub(super) type At = u32;

/// Bytes of a word.
pub(super) const WORD_BYTES: usize = 4;

pub(super) struct Arena {
    words: Box<[AtomicU32]>,
}

impl Arena {
    /// An arena of `words` zero words. The system gives the pages when they are touched.
    pub(super) fn new(words: u32) -> Arena {
        let zeroed = Box::<[AtomicU32]>::new_zeroed_slice(words as usize);
        // SAFETY: zero bytes are a valid AtomicU32.
        Arena { words: unsafe { zeroed.assume_init() } }
    }

    pub(super) fn word(&self, at: At) -> &AtomicU32 {
        &self.words[at as usize]
    }

    pub(super) fn get(&self, at: At) -> u32 {
        self.word(at).load(Ordering::Relaxed)
    }

    pub(super) fn set(&self, at: At, value: u32) {
        self.word(at).store(value, Ordering::Relaxed);
    }

    pub(super) fn get_u64(&self, at: At) -> u64 {
        u64::from(self.get(at)) | u64::from(self.get(at + 1)) << 32
    }

    pub(super) fn set_u64(&self, at: At, value: u64) {
        let [a, b, c, d, e, f, g, h] = value.to_le_bytes();
        self.set(at, u32::from_le_bytes([a, b, c, d]));
        self.set(at + 1, u32::from_le_bytes([e, f, g, h]));
    }

    /// The `len` bytes that start `skip` bytes behind `at`.
    ///
    /// # Safety
    /// They were written by [`Arena::write`] before the node they belong to was published to this thread.
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
    pub(super) unsafe fn write(&self, at: At, skip: usize, bytes: &[u8]) {
        let range = &self.words[at as usize..][..(skip + bytes.len()).div_ceil(WORD_BYTES)];
        let target = range.as_ptr().cast::<u8>().cast_mut();
        // SAFETY: the range check above keeps the copy inside the allocation; atomics allow writes through a shared
        // reference, and the caller promises that nobody else touches the range.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), target.add(skip), bytes.len()) };
    }
}
