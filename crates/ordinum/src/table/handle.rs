//! Where a block lies in its file.
//!
//! ```text
//! handle  | offset varint | payload bytes varint |
//! ```
#![deny(clippy::indexing_slicing)]

use crate::varint;

/// Where a block lies in its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct BlockHandle {
    /// Offset of the first byte of the payload.
    pub(crate) offset: u64,
    /// Length of the payload, without compression byte and checksum.
    pub(crate) payload_bytes: u64,
}

impl BlockHandle {
    /// Appends the handle to `out`.
    pub(crate) fn push(self, out: &mut Vec<u8>) {
        varint::push_u64(out, self.offset);
        varint::push_u64(out, self.payload_bytes);
    }

    /// The handle that `bytes` are, or none.
    pub(crate) fn parse(mut bytes: &[u8]) -> Option<BlockHandle> {
        let offset = varint::take_u64(&mut bytes)?;
        let payload_bytes = varint::take_u64(&mut bytes)?;
        bytes.is_empty().then_some(BlockHandle { offset, payload_bytes })
    }
}
