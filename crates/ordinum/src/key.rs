//! Sequence numbers, entry kinds and the internal key that joins them to a user key.
//!
//! Invariants:
//! (1) internal keys ascend by (user key bytewise, sequence number descending, kind descending);
//! (2) a sequence number is never zeroed, so a read can always tell when its value was written;
//! (3) two entries of one family never share (user key, sequence number): a flush folds the operations of one
//!     batch on one key to the last of them.
//!
//! ```text
//! internal key   | user key, any length up to KEY_BYTES_MAX | trailer, 8 bytes little-endian |
//! trailer        | sequence number, 56 bits | kind, 8 bits |
//! ```

#![deny(clippy::indexing_slicing)]

mod compare;
mod kept;

use std::cmp::Ordering;
use std::fmt;

pub(crate) use compare::{order, same, starts_with};
pub(crate) use kept::KeptKey;

/// The longest user key, in bytes.
pub const KEY_BYTES_MAX: usize = 64 * 1024 - 1;
/// The longest value, in bytes.
pub const VALUE_BYTES_MAX: usize = 1 << 30;
/// Bytes of the trailer behind a user key.
pub(crate) const TRAILER_BYTES: usize = 8;

/// The sequence number of a commit: one per committed batch, ascending, never reused, 56 bits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct SeqNo(u64);

impl SeqNo {
    /// Before every commit.
    pub const ZERO: SeqNo = SeqNo(0);
    /// After every commit.
    pub const MAX: SeqNo = SeqNo((1 << 56) - 1);

    /// The sequence number `n`, or none if it needs more than 56 bits.
    pub const fn new(n: u64) -> Option<SeqNo> {
        if n <= Self::MAX.0 { Some(SeqNo(n)) } else { None }
    }

    /// The number itself.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The number after this one, or none at the end of the numbers.
    pub const fn next(self) -> Option<SeqNo> {
        Self::new(self.0 + 1)
    }

    /// The number before this one; zero has none but itself.
    pub(crate) const fn before(self) -> SeqNo {
        SeqNo(self.0.saturating_sub(1))
    }
}

impl fmt::Debug for SeqNo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

impl fmt::Display for SeqNo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// What an entry does. The numbers are a disk format: they are never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub(crate) enum Kind {
    /// The key is absent from this sequence number on.
    Delete = 0,
    /// The key has the value.
    Put = 1,
    /// What the family's operator makes of the value below and of operands.
    Merge = 2,
    /// The keys from this one on and before the one that is the value are absent. Never an entry beside others: memtables
    /// and tables keep it apart.
    RangeDelete = 3,
    /// The key has the value that stands where the entry points to in the value log. In tables only.
    Pointer = 4,
}

impl Kind {
    /// The kind with this number, or none if this version does not know it.
    pub(crate) const fn from_byte(byte: u8) -> Option<Kind> {
        match byte {
            0 => Some(Kind::Delete),
            1 => Some(Kind::Put),
            2 => Some(Kind::Merge),
            3 => Some(Kind::RangeDelete),
            4 => Some(Kind::Pointer),
            _ => None,
        }
    }
}

/// The trailer of (`seqno`, `kind`).
pub(crate) const fn trailer(seqno: SeqNo, kind: Kind) -> u64 {
    (seqno.0 << 8) | kind as u64
}

/// The trailer of (`seqno`, `kind`), the kind as it stands in another trailer.
pub(crate) const fn trailer_of(seqno: SeqNo, kind: u8) -> u64 {
    (seqno.0 << 8) | kind as u64
}

/// The largest trailer at `seqno`: a seek to it finds the newest entry at or below `seqno`.
pub(crate) const fn seek_trailer(seqno: SeqNo) -> u64 {
    (seqno.0 << 8) | 0xff
}

/// Sequence number and kind byte of a trailer.
pub(crate) const fn split_trailer(trailer: u64) -> (SeqNo, u8) {
    (SeqNo(trailer >> 8), (trailer & 0xff) as u8)
}

/// Appends the internal key to `out`.
pub(crate) fn push_internal(out: &mut Vec<u8>, user_key: &[u8], trailer: u64) {
    out.extend_from_slice(user_key);
    out.extend_from_slice(&trailer.to_le_bytes());
}

/// User key and trailer of an internal key, or none if it is shorter than a trailer.
pub(crate) fn split_internal(internal: &[u8]) -> Option<(&[u8], u64)> {
    let (user_key, trailer) = internal.split_last_chunk::<TRAILER_BYTES>()?;
    Some((user_key, u64::from_le_bytes(*trailer)))
}

/// The order of (user key, trailer) pairs: invariant (1).
pub(crate) fn compare(a: (&[u8], u64), b: (&[u8], u64)) -> Ordering {
    order(a.0, b.0).then_with(|| b.1.cmp(&a.1))
}
