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
    let shared = a.len().min(b.len());
    let (front_a, front_b) = (a.get(..shared).unwrap_or(a), b.get(..shared).unwrap_or(b));
    let fronts = match (front_a.last_chunk::<WORD>(), front_b.last_chunk::<WORD>()) {
        (Some(_), Some(_)) if shared > LONG => return a.cmp(b),
        (Some(last_a), Some(last_b)) => {
            let (words_a, words_b) = (front_a.as_chunks::<WORD>().0, front_b.as_chunks::<WORD>().0);
            for (word_a, word_b) in words_a.iter().zip(words_b) {
                if word_a != word_b {
                    return u64::from_be_bytes(*word_a).cmp(&u64::from_be_bytes(*word_b));
                }
            }
            // What the last words have in common with those before is equal.
            u64::from_be_bytes(*last_a).cmp(&u64::from_be_bytes(*last_b))
        }
        (None, _) | (_, None) => short(front_a).cmp(&short(front_b)),
    };
    fronts.then(a.len().cmp(&b.len()))
}

/// As `bytes.starts_with(prefix)`.
#[inline]
pub(crate) fn starts_with(bytes: &[u8], prefix: &[u8]) -> bool {
    bytes.get(..prefix.len()).is_some_and(|front| same(front, prefix))
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
