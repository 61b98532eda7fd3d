//! The bytes of a block's header and directory; the diagram stands in the module above.

use crate::error::Result;

use super::malformed;

/// The most bytes of one block.
pub const BLOCK_BYTES_MAX: usize = 1 << 30;
/// The most column entries of one block.
pub const COLUMNS_MAX: usize = 4096;
/// The most buffers of one column entry.
pub(super) const BUFFERS_PER_COLUMN_MAX: usize = 5;

pub(super) const MAGIC: [u8; 4] = *b"OBLK";
pub(super) const VERSION: u16 = 1;
pub(super) const HEADER_LEN: usize = 32;
pub(super) const HEADER_CRC_AT: usize = 28;
pub(super) const ENTRY_LEN: usize = 16;
/// Buffers begin at multiples of this.
pub(super) const ALIGNMENT: usize = 8;

/// The number of a list column in its entry; the entry of its elements follows.
pub(super) const LIST_CODE: u8 = 32;

/// Flag of a column entry: it has a validity bitmap.
pub(super) const FLAG_VALIDITY: u8 = 1;
/// Flag of a column entry: it has a withheld bitmap.
pub(super) const FLAG_WITHHELD: u8 = 2;
/// Flag of a column entry: each decimal has its own scale.
pub(super) const FLAG_SCALES: u8 = 4;

/// What a block holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum BlockKind {
    /// Rows of one node of the result's shape.
    Entity = 1,
    /// For each parent row the numbers of its child rows.
    Edge = 2,
}

impl BlockKind {
    pub(super) const fn code(self) -> u8 {
        match self {
            BlockKind::Entity => 1,
            BlockKind::Edge => 2,
        }
    }

    pub(super) const fn from_code(code: u8) -> Option<BlockKind> {
        match code {
            1 => Some(BlockKind::Entity),
            2 => Some(BlockKind::Edge),
            _ => None,
        }
    }
}

/// An entry of the column directory.
#[derive(Clone, Copy, Debug)]
pub(super) struct ColumnEntry {
    pub(super) code: u8,
    pub(super) flags: u8,
    pub(super) scale: u8,
    pub(super) rows: u32,
    pub(super) first_buffer: u32,
}

/// An entry of the buffer directory.
#[derive(Clone, Copy, Debug)]
pub(super) struct BufferEntry {
    pub(super) offset: u32,
    pub(super) length: u32,
    pub(super) crc: u32,
}

impl ColumnEntry {
    pub(super) fn write(self, out: &mut [u8; ENTRY_LEN]) {
        *out = [0; ENTRY_LEN];
        let [code, flags, scale, _, rest @ ..] = out;
        (*code, *flags, *scale) = (self.code, self.flags, self.scale);
        let (words, _) = rest.as_chunks_mut::<4>();
        if let [rows, first_buffer, ..] = words {
            (*rows, *first_buffer) = (self.rows.to_le_bytes(), self.first_buffer.to_le_bytes());
        }
    }

    pub(super) fn read(entry: &[u8; ENTRY_LEN]) -> Result<ColumnEntry> {
        let [code, flags, scale, 0, r0, r1, r2, r3, b0, b1, b2, b3, 0, 0, 0, 0] = *entry else {
            return Err(malformed("reserved bytes of a column entry are set"));
        };
        Ok(ColumnEntry {
            code,
            flags,
            scale,
            rows: u32::from_le_bytes([r0, r1, r2, r3]),
            first_buffer: u32::from_le_bytes([b0, b1, b2, b3]),
        })
    }
}

impl BufferEntry {
    pub(super) fn write(self, out: &mut [u8; ENTRY_LEN]) {
        let words = [self.offset, self.length, self.crc, 0];
        for (to, word) in out.as_chunks_mut::<4>().0.iter_mut().zip(words) {
            *to = word.to_le_bytes();
        }
    }

    pub(super) fn read(entry: &[u8; ENTRY_LEN]) -> Result<BufferEntry> {
        let [o0, o1, o2, o3, l0, l1, l2, l3, c0, c1, c2, c3, 0, 0, 0, 0] = *entry else {
            return Err(malformed("reserved bytes of a buffer entry are set"));
        };
        Ok(BufferEntry {
            offset: u32::from_le_bytes([o0, o1, o2, o3]),
            length: u32::from_le_bytes([l0, l1, l2, l3]),
            crc: u32::from_le_bytes([c0, c1, c2, c3]),
        })
    }
}

/// The next multiple of [`ALIGNMENT`].
pub(super) const fn padded(length: usize) -> usize {
    length.next_multiple_of(ALIGNMENT)
}

/// A length or count from the wire as a size of memory.
pub(crate) fn size(n: u32) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

/// A size of memory that is below [`BLOCK_BYTES_MAX`], for the wire.
pub(super) fn saved(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}
