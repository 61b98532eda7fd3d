//! Unsigned integers in one to ten bytes: seven bits a byte, low bits first, the high bit set on all but the last.

#![deny(clippy::indexing_slicing)]

/// Appends `n`.
pub(crate) fn push_u64(out: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        out.push(n.to_le_bytes()[0] | 0x80);
        n >>= 7;
    }
    out.push(n.to_le_bytes()[0]);
}

/// A number as bytes, where they are not to be appended to anything.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Varint {
    bytes: [u8; 10],
    len: usize,
}

impl Varint {
    pub(crate) fn new(mut n: u64) -> Varint {
        let mut varint = Varint::default();
        for byte in &mut varint.bytes {
            varint.len += 1;
            *byte = n.to_le_bytes()[0] & 0x7f;
            n >>= 7;
            if n == 0 {
                break;
            }
            *byte |= 0x80;
        }
        varint
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

/// Appends `n`.
pub(crate) fn push_u32(out: &mut Vec<u8>, n: u32) {
    push_u64(out, u64::from(n));
}

/// Appends the length of `bytes`, and `bytes`.
pub(crate) fn push_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    push_u64(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Takes a number off the front of `input`, or none if it is cut short or does not fit.
pub(crate) fn take_u64(input: &mut &[u8]) -> Option<u64> {
    let mut n = 0u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = input.split_first()?;
        *input = rest;
        let bits = u64::from(byte & 0x7f);
        if shift == 63 && bits > 1 {
            return None;
        }
        n |= bits << shift;
        if byte & 0x80 == 0 {
            return Some(n);
        }
    }
    None
}

/// Takes a number off the front of `input`, or none if it is cut short or does not fit.
pub(crate) fn take_u32(input: &mut &[u8]) -> Option<u32> {
    u32::try_from(take_u64(input)?).ok()
}

/// Takes a length and that many bytes off the front of `input`, or none if it is cut short.
pub(crate) fn take_bytes<'a>(input: &mut &'a [u8]) -> Option<&'a [u8]> {
    let len = usize::try_from(take_u64(input)?).ok()?;
    let (bytes, rest) = input.split_at_checked(len)?;
    *input = rest;
    Some(bytes)
}

#[cfg(test)]
mod tests;
