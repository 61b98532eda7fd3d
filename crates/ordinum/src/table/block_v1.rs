//! Blocks of the first table format, rewritten in the present form when they are read.
//!
//! ```text
//! block   | entry … | restart offset u32 … | number of restarts u32 |
//! entry   | shared varint | unshared varint | value bytes varint | trailer u64 | key suffix | value |
//! ```
//! `shared` counts the leading bytes of the user key that are those of the entry before. Restart offsets tell where keys
//! stand whole; a walk over all entries does not need them.
#![deny(clippy::indexing_slicing)]

use crate::table::block_builder::BlockBuilder;
use crate::varint;

/// The block in the present form; none if it is not one.
pub(crate) fn rewrite(bytes: &[u8]) -> Option<Vec<u8>> {
    let (rest, restarts) = bytes.split_last_chunk::<4>()?;
    let restarts = usize::try_from(u32::from_le_bytes(*restarts)).ok()?;
    let mut entries = rest.get(..rest.len().checked_sub(restarts.checked_mul(4)?)?)?;
    if restarts == 0 || entries.is_empty() {
        return None;
    }
    let mut builder = BlockBuilder::new();
    let mut user_key = Vec::new();
    while !entries.is_empty() {
        let shared = take_len(&mut entries)?;
        let unshared = take_len(&mut entries)?;
        let value_bytes = take_len(&mut entries)?;
        let (trailer, rest) = entries.split_first_chunk::<8>()?;
        let (suffix, rest) = rest.split_at_checked(unshared)?;
        let (value, rest) = rest.split_at_checked(value_bytes)?;
        if shared > user_key.len() {
            return None;
        }
        user_key.truncate(shared);
        user_key.extend_from_slice(suffix);
        builder.add(&user_key, u64::from_le_bytes(*trailer), value);
        entries = rest;
    }
    Some(builder.finish().to_vec())
}

fn take_len(input: &mut &[u8]) -> Option<usize> {
    usize::try_from(varint::take_u64(input)?).ok()
}
