//! Shared bytes that begin at a multiple of 16, so that buffers within them are aligned for Arrow and need no copy.
//!
//! Invariants: (1) the bytes never change once shared; (2) a slice keeps the whole allocation alive.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use rkyv::util::AlignedVec;

/// Immutable shared bytes; a clone and a slice share the allocation.
#[derive(Clone)]
pub struct AlignedBytes {
    whole: Arc<AlignedVec<16>>,
    start: usize,
    end: usize,
}

impl AlignedBytes {
    /// A copy of `bytes`, aligned.
    pub fn copy_of(bytes: &[u8]) -> AlignedBytes {
        let mut whole = AlignedVec::with_capacity(bytes.len());
        whole.extend_from_slice(bytes);
        AlignedBytes::from(whole)
    }

    /// The bytes from `start` to `end` of these, without a copy; none where they do not lie within.
    pub fn slice(&self, start: usize, end: usize) -> Option<AlignedBytes> {
        let (from, to) = (self.start.checked_add(start)?, self.start.checked_add(end)?);
        (from <= to && to <= self.end).then(|| AlignedBytes {
            whole: Arc::clone(&self.whole),
            start: from,
            end: to,
        })
    }
}

impl From<AlignedVec<16>> for AlignedBytes {
    fn from(whole: AlignedVec<16>) -> AlignedBytes {
        let end = whole.len();
        AlignedBytes { whole: Arc::new(whole), start: 0, end }
    }
}

impl Deref for AlignedBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.whole.get(self.start..self.end).unwrap_or_default()
    }
}

impl fmt::Debug for AlignedBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AlignedBytes({} bytes)", self.len())
    }
}
