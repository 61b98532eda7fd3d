//! A key that is kept, without memory of its own where it is short: a map of keys compares what lies in its nodes.
//!
//! Invariant: kept keys sort as their bytes do.
//!
//! ```text
//! short  | words of 8 bytes: the key from the front on, and zeros | length, 1 byte |
//! ```

#![deny(clippy::indexing_slicing)]

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::fmt;
use std::ops::Deref;

/// Bytes that are compared at once.
const WORD_BYTES: usize = 8;
/// Words of a short key: room for an id, two numbers and the sixteen bytes of a key behind them.
const WORDS: usize = 5;

type Words = [[u8; WORD_BYTES]; WORDS];

/// The bytes of a key.
#[derive(Clone)]
pub(crate) struct KeptKey(Bytes);

#[derive(Clone)]
enum Bytes {
    Short { words: Words, len: u8 },
    Long(Box<[u8]>),
}

impl KeptKey {
    /// The key of these bytes.
    #[inline]
    pub(crate) fn new(key: &[u8]) -> KeptKey {
        let mut words = [[0; WORD_BYTES]; WORDS];
        match (words.as_flattened_mut().get_mut(..key.len()), u8::try_from(key.len())) {
            (Some(bytes), Ok(len)) => {
                bytes.copy_from_slice(key);
                KeptKey(Bytes::Short { words, len })
            }
            _ => KeptKey(Bytes::Long(Box::from(key))),
        }
    }
}

/// Which of two short keys comes first. The zeros behind a key stand for nothing: of two with equal words one is what the other
/// begins with.
#[inline]
fn compare_short(a: (&Words, u8), b: (&Words, u8)) -> Ordering {
    let differing = a.0.iter().zip(b.0).find(|(a, b)| a != b);
    match differing {
        Some((a, b)) => u64::from_be_bytes(*a).cmp(&u64::from_be_bytes(*b)),
        None => a.1.cmp(&b.1),
    }
}

impl Deref for KeptKey {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match &self.0 {
            Bytes::Short { words, len } => words.as_flattened().get(..usize::from(*len)).unwrap_or_default(),
            Bytes::Long(bytes) => bytes,
        }
    }
}

impl Borrow<[u8]> for KeptKey {
    fn borrow(&self) -> &[u8] {
        self
    }
}

impl Ord for KeptKey {
    #[inline]
    fn cmp(&self, other: &KeptKey) -> Ordering {
        match (&self.0, &other.0) {
            (Bytes::Short { words: a, len: a_len }, Bytes::Short { words: b, len: b_len }) => {
                compare_short((a, *a_len), (b, *b_len))
            }
            (Bytes::Long(_), _) | (_, Bytes::Long(_)) => (**self).cmp(other),
        }
    }
}

impl PartialOrd for KeptKey {
    #[inline]
    fn partial_cmp(&self, other: &KeptKey) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for KeptKey {
    #[inline]
    fn eq(&self, other: &KeptKey) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for KeptKey {}

impl fmt::Debug for KeptKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.escape_ascii())
    }
}

#[cfg(test)]
mod tests;
