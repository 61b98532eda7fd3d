//! The groups that rows were in lately, by the bytes of the field that tells groups apart.
//!
//! Rows of few groups come in any order: what their fields have in common is found here without being encoded and hashed. A field
//! whose bytes are the same is of the same group; of other bytes nothing is said, for a value may have several forms.

#![deny(clippy::indexing_slicing)]

/// How many groups are remembered: a power of two.
const PLACES: usize = 64;
/// Bits of a place.
const PLACE_BITS: u32 = PLACES.trailing_zeros();

/// Groups by bytes, each in the one place that its bytes lead to.
pub(super) struct Lately {
    places: [Option<(u64, usize)>; PLACES],
}

impl Lately {
    pub(super) const fn new() -> Lately {
        Lately { places: [None; PLACES] }
    }

    /// The bytes of a field as a number, if they are those of a field of eight bytes or four; a field has one width.
    #[inline]
    pub(super) fn number(bytes: &[u8]) -> Option<u64> {
        match bytes.len() {
            8 => bytes.first_chunk().map(|bytes| u64::from_le_bytes(*bytes)),
            4 => bytes.first_chunk().map(|bytes| u64::from(u32::from_le_bytes(*bytes))),
            _ => None,
        }
    }

    /// The group of a number, if it is remembered.
    #[inline]
    pub(super) fn find(&self, number: u64) -> Option<usize> {
        let (of, group) = (*self.places.get(place(number))?)?;
        (of == number).then_some(group)
    }

    /// Remembers the group of a number, and forgets another that was in its place.
    pub(super) fn put(&mut self, number: u64, group: usize) {
        if let Some(place) = self.places.get_mut(place(number)) {
            *place = Some((number, group));
        }
    }
}

/// The upper bits of a product, which all bits of the number have a part in (Fibonacci hashing: Knuth, "The Art of Computer Programming", 3, 6.4).
#[inline]
fn place(number: u64) -> usize {
    (number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (u64::BITS - PLACE_BITS)) as usize
}
