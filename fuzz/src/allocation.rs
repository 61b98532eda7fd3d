//! A global allocator that counts, so that an input which makes a decoder allocate too much is a finding.
//!
//! Invariants: `live` is what the process holds; `peak` is the largest `live` since the last `restart`. Both count
//! the bytes that were asked for. The counters are shared by all threads; the worker runs one input at a time.

#![allow(
    unsafe_code,
    reason = "GlobalAlloc is an unsafe trait; every call is handed to the system's allocator"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

/// The system's allocator with two counters.
pub struct Counting;

// SAFETY: every call is passed on unchanged, so `System` upholds the contract; counting touches atomics only.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        grow(layout.size());
        // SAFETY: the caller upholds alloc's contract for `layout`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        grow(layout.size());
        // SAFETY: the caller upholds alloc_zeroed's contract for `layout`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller hands back a block of this allocator, and every block of it is one of `System`.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        grow(bytes);
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller hands in a block of this allocator, and every block of it is one of `System`.
        unsafe { System.realloc(pointer, layout, bytes) }
    }
}

fn grow(bytes: usize) {
    let live = LIVE.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
    PEAK.fetch_max(live, Ordering::Relaxed);
}

/// Begins a new measurement and returns the bytes that are live now.
pub fn restart() -> usize {
    let live = LIVE.load(Ordering::Relaxed);
    PEAK.store(live, Ordering::Relaxed);
    live
}

/// The largest number of live bytes since the last `restart`.
pub fn peak() -> usize {
    PEAK.load(Ordering::Relaxed)
}
