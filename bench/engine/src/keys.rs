//! The keys and values of every workload, and the distributions that pick keys.
//!
//! Invariants: (1) entry `i` has the same key in every workload of a data set, and its value begins with `i`, so that a
//! read can tell whether it got what it asked for; (2) keys of two entries differ, and no entry has the key that
//! `missing` makes; (3) the second half of a value repeats the first, which is random.

use std::fmt;
use std::str::FromStr;

/// Bytes of a key.
pub(crate) const KEY_BYTES: usize = 16;

/// A key.
pub(crate) type Key = [u8; KEY_BYTES];

/// The smallest value that can carry the number of its entry.
pub(crate) const VALUE_BYTES_MIN: usize = 16;

/// Values that are drawn once and used again and again; more than any block or window of a compressor holds.
const VALUE_POOL: usize = 4096;
/// All of them have about so many bytes, at the most.
const VALUE_POOL_BYTES: usize = 16 << 20;

/// Entries from here on are never written.
const MISSING_FROM: u64 = 1 << 40;

/// How the keys of a data set look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyShape {
    /// Sixteen random bytes.
    Hashed,
    /// Eight bytes that all keys share, then a number out of a dense range, in random order.
    Dense,
}

impl FromStr for KeyShape {
    type Err = String;

    fn from_str(text: &str) -> Result<KeyShape, String> {
        match text {
            "hashed" => Ok(KeyShape::Hashed),
            "dense" => Ok(KeyShape::Dense),
            other => Err(format!("`{other}` is neither `hashed` nor `dense`")),
        }
    }
}

impl fmt::Display for KeyShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            KeyShape::Hashed => "hashed",
            KeyShape::Dense => "dense",
        })
    }
}

/// The entries of a data set.
#[derive(Clone, Debug)]
pub(crate) struct Entries {
    shape: KeyShape,
    keys: u64,
    value_bytes: usize,
    pool: Vec<u8>,
}

impl Entries {
    /// `keys` entries whose values have `value_bytes` bytes.
    pub(crate) fn new(shape: KeyShape, keys: u64, value_bytes: usize) -> Entries {
        let value_bytes = value_bytes.max(VALUE_BYTES_MIN);
        let mut random = fastrand::Rng::with_seed(7);
        let drawn = VALUE_POOL.min((VALUE_POOL_BYTES / value_bytes).max(1));
        let mut pool = vec![0; drawn * value_bytes];
        for value in pool.chunks_exact_mut(value_bytes) {
            let (first, second) = value.split_at_mut(value_bytes / 2);
            random.fill(first);
            for (to, from) in second.iter_mut().zip(first.iter().cycle()) {
                *to = *from;
            }
        }
        Entries { shape, keys, value_bytes, pool }
    }

    /// The values that were drawn.
    fn pool_values(&self) -> u64 {
        (self.pool.len() / self.value_bytes) as u64
    }

    /// How many entries a filled data set has.
    pub(crate) fn keys(&self) -> u64 {
        self.keys
    }

    /// Bytes of a value.
    pub(crate) fn value_bytes(&self) -> usize {
        self.value_bytes
    }

    /// The key of entry `index`; entries from 0 on come in random order.
    pub(crate) fn key(&self, index: u64) -> Key {
        match self.shape {
            KeyShape::Hashed => join(mix(index), mix(index ^ 0x5851_f42d_4c95_7f2d)),
            KeyShape::Dense => dense(2 * self.permuted(index)),
        }
    }

    /// A key that no entry has, among those that do.
    pub(crate) fn missing(&self, index: u64) -> Key {
        match self.shape {
            KeyShape::Hashed => self.key(MISSING_FROM + index),
            KeyShape::Dense => dense(2 * self.permuted(index) + 1),
        }
    }

    /// The value of entry `index` as its `version`-th write leaves it, in `buffer`.
    pub(crate) fn value<'a>(&self, index: u64, version: u64, buffer: &'a mut Vec<u8>) -> &'a [u8] {
        let slot = usize::try_from(mix(index.wrapping_add(version << 32)) % self.pool_values()).unwrap_or(0);
        let at = slot * self.value_bytes;
        buffer.clear();
        buffer.extend_from_slice(&self.pool[at..at + self.value_bytes]);
        buffer[..8].copy_from_slice(&index.to_le_bytes());
        buffer
    }

    /// Whether `value` is one of entry `index`.
    pub(crate) fn is_value_of(&self, index: u64, value: &[u8]) -> bool {
        value.len() == self.value_bytes && value.starts_with(&index.to_le_bytes())
    }

    /// A permutation of the filled entries; later ones stay where they are.
    fn permuted(&self, index: u64) -> u64 {
        if index >= self.keys {
            return index;
        }
        let half = (64 - (self.keys.max(4) - 1).leading_zeros()).div_ceil(2);
        let mask = (1 << half) - 1;
        let mut at = index;
        loop {
            let (mut left, mut right) = (at >> half, at & mask);
            for round in 1..=4 {
                (left, right) = (right, left ^ (mix(right + (round << 40)) & mask));
            }
            at = left << half | right;
            if at < self.keys {
                return at;
            }
        }
    }
}

/// The key of entry `index` where entries ascend.
pub(crate) fn ascending(index: u64) -> Key {
    join(index, 0)
}

fn join(high: u64, low: u64) -> Key {
    let mut key = [0; KEY_BYTES];
    key[..8].copy_from_slice(&high.to_be_bytes());
    key[8..].copy_from_slice(&low.to_be_bytes());
    key
}

fn dense(number: u64) -> Key {
    join(u64::from_be_bytes(*b"relation"), number)
}

/// The finalizer of SplitMix64: a bijection.
pub(crate) fn mix(mut x: u64) -> u64 {
    x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// Ranks 0..n, the small ones more often, with the exponent of YCSB; after Gray et al., "Quickly generating
/// billion-record synthetic databases".
#[derive(Clone, Debug)]
pub(crate) struct Zipfian {
    ranks: f64,
    zeta: f64,
    eta: f64,
}

/// YCSB's exponent.
const THETA: f64 = 0.99;

#[allow(clippy::cast_precision_loss, reason = "ranks are far below 2^52")]
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rank is within 0..ranks")]
impl Zipfian {
    pub(crate) fn new(ranks: u64) -> Zipfian {
        let ranks = ranks.max(2);
        let zeta: f64 = (1..=ranks).map(|rank| (rank as f64).powf(-THETA)).sum();
        let zeta_of_two = 1.0 + 0.5_f64.powf(THETA);
        let ranks = ranks as f64;
        let eta = (1.0 - (2.0 / ranks).powf(1.0 - THETA)) / (1.0 - zeta_of_two / zeta);
        Zipfian { ranks, zeta, eta }
    }

    pub(crate) fn rank(&self, random: &mut fastrand::Rng) -> u64 {
        let u = random.f64();
        let scaled = u * self.zeta;
        if scaled < 1.0 {
            return 0;
        }
        if scaled < 1.0 + 0.5_f64.powf(THETA) {
            return 1;
        }
        let rank = self.ranks * (self.eta * u - self.eta + 1.0).powf(1.0 / (1.0 - THETA));
        (rank as u64).min(self.ranks as u64 - 1)
    }
}

#[cfg(test)]
mod tests;
