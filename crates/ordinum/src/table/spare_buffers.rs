//! Buffers of blocks that nobody holds any more, kept by the thread that let go of the last of them.
//!
//! A read that misses the cache makes a block and evicts another, of about the same size: it takes the buffer that the read
//! before it gave back, instead of an allocation that has to be cleared. It also keeps the blocks of a cache, which threads free
//! that did not allocate them, from wandering through the arenas of an allocator.
//!
//! Invariant: a thread keeps at most [`BUFFERS_MAX`] buffers of at most [`BUFFER_BYTES_MAX`] bytes each.

use std::cell::RefCell;

/// The most buffers that a thread keeps.
const BUFFERS_MAX: usize = 8;
/// The longest buffer that is kept.
const BUFFER_BYTES_MAX: usize = 32 * 1024;
/// Buffers are allocated in multiples of this, so that one fits many blocks.
const STEP_BYTES: usize = 128;

thread_local! {
    static SPARE: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// `len` bytes, whatever they hold.
pub(super) fn take(len: usize) -> Vec<u8> {
    let fits = |spare: &Vec<u8>| spare.capacity() >= len && spare.capacity() <= len.saturating_mul(2);
    let spare = SPARE.with_borrow_mut(|spares| {
        let at = spares.iter().rposition(fits)?;
        Some(spares.swap_remove(at))
    });
    match spare {
        // Only what the last block was shorter is cleared.
        Some(mut spare) => {
            spare.resize(len, 0);
            spare
        }
        None => {
            let mut fresh = vec![0; len.next_multiple_of(STEP_BYTES)];
            fresh.truncate(len);
            fresh
        }
    }
}

/// Keeps the buffer for a later block, if there is room.
pub(super) fn give_back(buffer: Vec<u8>) {
    if !(STEP_BYTES..=BUFFER_BYTES_MAX).contains(&buffer.capacity()) {
        return;
    }
    let keep = |spares: &RefCell<Vec<Vec<u8>>>| {
        let mut spares = spares.borrow_mut();
        if spares.len() < BUFFERS_MAX {
            spares.push(buffer);
        }
    };
    // A thread that ends has let go of its spares already; the buffer goes with them then.
    SPARE.try_with(keep).unwrap_or_default();
}

#[cfg(test)]
mod tests;
