//! Unsigned 32-bit integers in one to five bytes: seven bits a byte, low bits first, the high bit set on all but the
//! last.

#![deny(clippy::indexing_slicing)]

/// Appends `n`.
pub(super) fn push_u32(out: &mut Vec<u8>, mut n: u32) {
    while n >= 0x80 {
        out.push(n.to_le_bytes()[0] | 0x80);
        n >>= 7;
    }
    out.push(n.to_le_bytes()[0]);
}

/// Takes a number off the front of `input`; none if it is cut short or does not fit.
pub(super) fn take_u32(input: &mut &[u8]) -> Option<u32> {
    let mut n = 0u32;
    for shift in (0..32).step_by(7) {
        let (&byte, rest) = input.split_first()?;
        *input = rest;
        let bits = u32::from(byte & 0x7f);
        if shift == 28 && bits > 0xf {
            return None;
        }
        n |= bits << shift;
        if byte & 0x80 == 0 {
            return Some(n);
        }
    }
    None
}

/// Takes a length and that many bytes off the front of `input`; none if it is cut short.
pub(super) fn take_bytes<'a>(input: &mut &'a [u8]) -> Option<&'a [u8]> {
    let len = usize::try_from(take_u32(input)?).ok()?;
    let (bytes, rest) = input.split_at_checked(len)?;
    *input = rest;
    Some(bytes)
}
