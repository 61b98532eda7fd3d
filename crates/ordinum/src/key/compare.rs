//! Bytes compared a word at a time, where they stand.
//!
//! Most keys are a few words long: a call of the C library's `memcmp` costs more than what it does for them.

use std::cmp::Ordering;

/// Bytes of a word.
const WORD: usize = 8;
/// Longer bytes are left to `memcmp`, which goes on with wider registers.
const LONG: usize = 64;

/// As `a == b`.
#[inline]
pub(crate) fn same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    match (a.last_chunk::<WORD>(), b.last_chunk::<WORD>()) {
        (Some(last_a), Some(last_b)) if a.len() <= LONG => {
            // The ends first: keys that stand side by side begin alike.
            let (words_a, words_b) = (a.as_chunks::<WORD>().0, b.as_chunks::<WORD>().0);
            last_a == last_b && words_a.iter().zip(words_b).all(|(word_a, word_b)| word_a == word_b)
        }
        (Some(_), Some(_)) => a == b,
        (None, _) | (_, None) => short(a) == short(b),
    }
}

/// As `a.cmp(b)`.
#[inline]
pub(crate) fn order(a: &[u8], b: &[u8]) -> Ordering {
    if a.len() > LONG && b.len() > LONG {
        return a.cmp(b);
    }
    let ((words_a, rest_a), (words_b, rest_b)) = (a.as_chunks::<WORD>(), b.as_chunks::<WORD>());
    for (word_a, word_b) in words_a.iter().zip(words_b) {
        let (word_a, word_b) = (u64::from_be_bytes(*word_a), u64::from_be_bytes(*word_b));
        if word_a != word_b {
            return word_a.cmp(&word_b);
        }
    }
    // Zeros stand where the shorter one has nothing; if that makes them equal, it is what the other begins with.
    let words = words_a.len().min(words_b.len());
    let rest = |all: &[u8], words_of: usize, rest: &[u8]| match words_of > words {
        true => all.get(words * WORD..).map_or(0, front),
        false => ending(all, rest),
    };
    rest(a, words_a.len(), rest_a).cmp(&rest(b, words_b.len(), rest_b)).then(a.len().cmp(&b.len()))
}

/// As `bytes.starts_with(prefix)`.
#[inline]
pub(crate) fn starts_with(bytes: &[u8], prefix: &[u8]) -> bool {
    bytes.get(..prefix.len()).is_some_and(|front| same(front, prefix))
}

/// The first word of bytes that have one.
#[inline]
fn front(bytes: &[u8]) -> u64 {
    bytes.first_chunk::<WORD>().map_or(0, |word| u64::from_be_bytes(*word))
}

/// The last bytes of some, less than a word, as the front of a word.
#[inline]
fn ending(all: &[u8], rest: &[u8]) -> u64 {
    match all.last_chunk::<WORD>() {
        _ if rest.is_empty() => 0,
        Some(last) => u64::from_be_bytes(*last) << (8 * (WORD - rest.len())),
        None => short(rest),
    }
}

/// Less than a word, as the front of one.
#[inline]
fn short(bytes: &[u8]) -> u64 {
    let word = match (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        (Some(first), Some(last)) => {
            let (first, last) = (u64::from(u32::from_be_bytes(*first)), u64::from(u32::from_be_bytes(*last)));
            // The two overlap in what both have.
            return first << 32 | (last << (8 * (WORD - bytes.len()))) & 0xffff_ffff;
        }
        _ => bytes.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)),
    };
    if bytes.is_empty() { 0 } else { word << (8 * (WORD - bytes.len())) }
}

#[cfg(test)]
mod tests;
