//! Where in the value log a value lies: what the entry of a table has in its place.

#![deny(clippy::indexing_slicing)]

use super::{LENGTH_BYTES, ValueShare};
use crate::file_name::FileNumber;
use crate::table::{BlockHandle, TAIL_BYTES};
use crate::varint;

/// Where in the value log a value lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ValuePointer {
    pub(crate) file: FileNumber,
    pub(crate) handle: BlockHandle,
}

impl ValuePointer {
    /// The pointer as bytes.
    pub(crate) fn encode(self) -> Vec<u8> {
        let mut out = Vec::with_capacity(16);
        varint::push_u64(&mut out, self.file.0);
        self.handle.push(&mut out);
        out
    }

    /// The pointer that `bytes` are, or none.
    pub(crate) fn parse(mut bytes: &[u8]) -> Option<ValuePointer> {
        let file = FileNumber(varint::take_u64(&mut bytes)?);
        let handle = BlockHandle::parse(bytes)?;
        Some(ValuePointer { file, handle })
    }

    /// Bytes of the record that it points to.
    pub(crate) fn record_bytes(self) -> u64 {
        let around = LENGTH_BYTES.saturating_add(u64::try_from(TAIL_BYTES).unwrap_or(u64::MAX));
        self.handle.payload_bytes.saturating_add(around)
    }
}

/// Counts the pointer in the share of its file; shares ascend by file.
pub(crate) fn count(shares: &mut Vec<ValueShare>, pointer: ValuePointer) {
    let (file, bytes) = (pointer.file, pointer.record_bytes());
    match shares.binary_search_by_key(&file, |share| share.file) {
        Ok(at) => {
            if let Some(share) = shares.get_mut(at) {
                share.entries += 1;
                share.bytes = share.bytes.saturating_add(bytes);
            }
        }
        Err(at) => shares.insert(at, ValueShare { file, entries: 1, bytes }),
    }
}

/// Appends the shares to `out`.
///
/// ```text
/// shares    | number of them varint | file varint, pointers varint, bytes varint | … |
/// ```
pub(crate) fn push_shares(out: &mut Vec<u8>, shares: &[ValueShare]) {
    varint::push_u64(out, shares.len() as u64);
    for share in shares {
        varint::push_u64(out, share.file.0);
        varint::push_u64(out, share.entries);
        varint::push_u64(out, share.bytes);
    }
}

/// Takes shares off the front of `input`, or none if they are cut short or out of order.
pub(crate) fn take_shares(input: &mut &[u8]) -> Option<Vec<ValueShare>> {
    let count = varint::take_u64(input)?;
    let mut shares: Vec<ValueShare> = Vec::new();
    for _ in 0..count {
        let file = FileNumber(varint::take_u64(input)?);
        let (entries, bytes) = (varint::take_u64(input)?, varint::take_u64(input)?);
        if shares.last().is_some_and(|last| last.file >= file) {
            return None;
        }
        shares.push(ValueShare { file, entries, bytes });
    }
    Some(shares)
}
