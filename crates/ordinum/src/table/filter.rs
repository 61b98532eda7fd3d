//! The filter of a table: a Bloom filter in blocks of one cache line, after Putze, Sanders and Singler, "Cache-, hash-
//! and space-efficient Bloom filters" (2007).
//!
//! Invariant: a key whose hash was added is never reported absent.
//!
//! ```text
//! filter  | kind u8 = 1 | probes u8 | block of 64 bytes … |
//! ```
//! The upper half of the hash chooses the block, the lower half the bits in it. A reader that does not know the kind
//! takes the table as one without a filter.
#![deny(clippy::indexing_slicing)]

use xxhash_rust::xxh3::xxh3_64;

use crate::prefetch::prefetch;
use crate::table::key_hashes::KeyHashes;

const KIND_BLOCKED_BLOOM: u8 = 1;
const HEADER_BYTES: usize = 2;
const LINE_BYTES: usize = 64;
const LINE_BITS_LOG2: u32 = 9;
const PROBES_MAX: u32 = 24;

/// The hash of a user key that every filter on the way of a lookup shares.
pub(crate) fn hash_key(user_key: &[u8]) -> u64 {
    xxh3_64(user_key)
}

/// The bytes of a filter for these hashes.
pub(super) fn build(hashes: &KeyHashes, bits_per_key: u32) -> Vec<u8> {
    // ln 2 of the bits are the best number of probes in a plain Bloom filter; blocks shift it by too little to matter.
    let probes = (bits_per_key.saturating_mul(69) / 100).clamp(1, PROBES_MAX);
    let bits_per_key = usize::try_from(bits_per_key).unwrap_or(usize::MAX);
    let lines = hashes.len().saturating_mul(bits_per_key).div_ceil(LINE_BYTES * 8).max(1);
    let mut out = vec![0; HEADER_BYTES + lines * LINE_BYTES];
    if let Some((header, body)) = out.split_first_chunk_mut::<HEADER_BYTES>() {
        *header = [KIND_BLOCKED_BLOOM, u8::try_from(probes).unwrap_or(1)];
        let (lines, _) = body.as_chunks_mut::<LINE_BYTES>();
        let count = lines.len();
        for hash in hashes.iter() {
            if let Some(line) = lines.get_mut(line_of(hash, count)) {
                for (byte, mask) in probe_bits(hash, probes) {
                    if let Some(byte) = line.get_mut(byte) {
                        *byte |= mask;
                    }
                }
            }
        }
    }
    out
}

/// A filter that was read.
#[derive(Debug)]
pub(crate) struct Filter {
    bytes: Vec<u8>,
    lines: usize,
    probes: u32,
}

impl Filter {
    /// Takes the bytes of a filter; none if they are not one that this version knows.
    pub(crate) fn parse(bytes: Vec<u8>) -> Option<Filter> {
        let (&[kind, probes], body) = bytes.split_first_chunk::<HEADER_BYTES>()?;
        let probes = u32::from(probes);
        let lines = body.len() / LINE_BYTES;
        let fits = lines > 0 && body.len() % LINE_BYTES == 0 && (1..=PROBES_MAX).contains(&probes);
        (kind == KIND_BLOCKED_BLOOM && fits).then_some(Filter { bytes, lines, probes })
    }

    /// What the filter occupies in memory.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.len()
    }

    fn line(&self, hash: u64) -> Option<&[u8; LINE_BYTES]> {
        let at = HEADER_BYTES + line_of(hash, self.lines) * LINE_BYTES;
        self.bytes.get(at..)?.first_chunk()
    }

    /// Says that [`Filter::may_contain`] will be asked of this hash.
    pub(crate) fn prefetch(&self, hash: u64) {
        self.line(hash).into_iter().for_each(prefetch);
    }

    /// Whether a key with this hash may have been added; false is certain.
    pub(crate) fn may_contain(&self, hash: u64) -> bool {
        let Some(line) = self.line(hash) else { return true };
        // Without an early end there is nothing for the processor to guess.
        let set = |(byte, mask)| line.get(byte).is_some_and(|byte: &u8| byte & mask != 0);
        probe_bits(hash, self.probes).fold(true, |all, probe| all & set(probe))
    }
}

fn line_of(hash: u64, lines: usize) -> usize {
    let lines = u128::try_from(lines).unwrap_or(u128::MAX);
    usize::try_from((u128::from(hash >> 32) * lines) >> 32).unwrap_or(0)
}

/// Byte and mask of each probe inside a line.
fn probe_bits(hash: u64, probes: u32) -> impl Iterator<Item = (usize, u8)> {
    let [a, b, c, d, ..] = hash.to_le_bytes();
    let mut mixed = u32::from_le_bytes([a, b, c, d]);
    (0..probes).map(move |_| {
        mixed = mixed.wrapping_mul(0x9e37_79b9);
        let bit = mixed >> (u32::BITS - LINE_BITS_LOG2);
        (usize::try_from(bit / 8).unwrap_or(0), 1_u8 << (bit % 8))
    })
}
