//! Blocks: columns of values in Arrow's memory layout, behind a header that says where each lies.
//!
//! Invariants: (1) opening a block looks at its header and directory only, never at data; (2) a buffer's checksum is
//! verified before its first value is given out; (3) what lies in a buffer (UTF-8, offsets, row numbers) is checked
//! where it is read; (4) a null cell and a withheld cell both have their validity bit clear, and a withheld cell also
//! has its withheld bit set; (5) buffers follow each other without gaps but the padding to a multiple of 8, which the
//! checksums cover, so that no byte of a block is unaccounted for.
//!
//! ```text
//! header, 32 bytes            column entry, 16 bytes        buffer entry, 16 bytes
//!  0 magic "OBLK"              0 u8  type                    0 u32 offset from the block's start
//!  4 u16 version               1 u8  flags                   4 u32 length without padding
//!  6 u8  kind                  2 u8  decimal scale           8 u32 CRC-32C of buffer and padding
//!  7 u8  flags, 0              3 u8  0                      12 u32 0
//!  8 u32 rows                  4 u32 rows
//! 12 u32 column entries        8 u32 first buffer entry
//! 16 u32 buffer entries       12 u32 0
//! 20 u32 slot
//! 24 u32 length of the block
//! 28 u32 CRC-32C of bytes 0..28 and the directory
//! ```
//!
//! All numbers are little-endian. The directory is the column entries, then the buffer entries; the buffers follow.
//! A list column is two entries: the list itself, then its elements. A column's buffers stand in this order: validity
//! bitmap (flag 1), withheld bitmap (flag 2), values (fixed width, or offsets then bytes; of a list offsets alone),
//! scales of decimals (flag 4, where they differ).

#![deny(clippy::indexing_slicing)]

mod builder;
mod column;
mod column_builder;
mod column_type;
mod contents;
mod edge;
mod layout;
mod reader;

pub(crate) use builder::LaidOut;
pub use builder::{BlockBuilder, EdgeBlockBuilder};
pub(crate) use column::bounds;
pub use column::{Cell, Column, ColumnValues};
pub use column_builder::ColumnBuilder;
pub use column_type::{ColumnKind, ColumnType};
pub(crate) use contents::header_crc;
pub use edge::{Children, Edges};
pub(crate) use layout::size;
pub use layout::{BLOCK_BYTES_MAX, BlockKind, COLUMNS_MAX};
pub use reader::Block;
pub(crate) use reader::block_length;

use crate::error::{Error, ErrorCode};

/// The error of bytes that are no valid block.
pub(crate) fn malformed(what: impl Into<String>) -> Error {
    Error::new(ErrorCode::ProtocolViolation, format!("malformed result: {}", what.into()))
}

#[cfg(test)]
mod tests;
