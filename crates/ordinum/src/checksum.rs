//! CRC-32C of short inputs.
//!
//! The checksums are those of the crate `crc32c`, which is made for long inputs: it takes three streams side by side, and
//! goes byte by byte up to where they begin. A log record is shorter than that. Here the processor's instruction takes
//! eight bytes at a time, where it has one.

#![deny(clippy::indexing_slicing)]
#![allow(unsafe_code, reason = "calls a function that needs instructions which not every processor has")]

/// Longer inputs are faster in three streams.
#[cfg(target_arch = "x86_64")]
const SHORT_BYTES_MAX: usize = 512;

/// The checksum of `bytes`.
pub(crate) fn crc32c(bytes: &[u8]) -> u32 {
    crc32c_append(0, bytes)
}

/// The checksum of `bytes` behind others whose checksum is `sum`.
#[inline]
pub(crate) fn crc32c_append(sum: u32, bytes: &[u8]) -> u32 {
    #[cfg(target_arch = "x86_64")]
    if bytes.len() <= SHORT_BYTES_MAX && std::arch::is_x86_feature_detected!("sse4.2") {
        // SAFETY: the processor has the instructions.
        return unsafe { one_stream(sum, bytes) };
    }
    crc32c::crc32c_append(sum, bytes)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "sse4.2")]
fn one_stream(sum: u32, bytes: &[u8]) -> u32 {
    use std::arch::x86_64::{_mm_crc32_u8, _mm_crc32_u32, _mm_crc32_u64};
    let (words, rest) = bytes.as_chunks::<8>();
    let state =
        words.iter().fold(u64::from(!sum), |state, word| _mm_crc32_u64(state, u64::from_le_bytes(*word)));
    let (halves, rest) = rest.as_chunks::<4>();
    // The upper half of the state is zero.
    let state = (state & 0xffff_ffff) as u32;
    let state = halves.iter().fold(state, |state, half| _mm_crc32_u32(state, u32::from_le_bytes(*half)));
    !rest.iter().fold(state, |state, byte| _mm_crc32_u8(state, *byte))
}

#[cfg(test)]
mod tests;
