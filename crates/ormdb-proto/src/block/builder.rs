//! Builds blocks, column by column, and lays them out.

use rkyv::util::AlignedVec;
use smallvec::SmallVec;

use crate::bytes::AlignedBytes;
use crate::error::{Error, ErrorCode, Result};

use super::column_builder::{count, too_large};
use super::layout::{
    self, BLOCK_BYTES_MAX, BlockKind, BufferEntry, ColumnEntry, ENTRY_LEN, HEADER_CRC_AT, HEADER_LEN, padded,
};
use super::reader::OpenBuffer;
use super::{Block, ColumnBuilder, ColumnKind, ColumnType};

/// So many columns of a block are laid out without an allocation for each list of their parts.
const COLUMNS_AT_HAND: usize = 16;

/// Builds an entity block. Columns may be filled in any order; they must agree in their rows when the block is done.
#[derive(Debug)]
pub struct BlockBuilder {
    columns: Vec<ColumnBuilder>,
    /// The rows, where there is no column to count them.
    rows: usize,
}

/// Builds an edge block: for each parent row, in order, the numbers of its child rows, in the order asked for.
#[derive(Debug)]
pub struct EdgeBlockBuilder {
    lists: ColumnBuilder,
    open: Vec<u32>,
}

impl BlockBuilder {
    /// An empty block of columns of these types.
    pub fn new(types: impl IntoIterator<Item = ColumnType>) -> BlockBuilder {
        BlockBuilder { columns: types.into_iter().map(ColumnBuilder::new).collect(), rows: 0 }
    }

    /// The columns.
    pub const fn columns(&self) -> &Vec<ColumnBuilder> {
        &self.columns
    }

    /// The columns, to be filled.
    pub fn columns_mut(&mut self) -> &mut [ColumnBuilder] {
        &mut self.columns
    }

    /// A column, to be filled.
    ///
    /// # Errors
    /// `Internal` if there is no such column.
    pub fn column(&mut self, at: usize) -> Result<&mut ColumnBuilder> {
        self.columns
            .get_mut(at)
            .ok_or_else(|| Error::new(ErrorCode::Internal, format!("the block has no column {at}")))
    }

    /// Says how many rows a block without columns has.
    pub fn set_rows(&mut self, rows: usize) {
        self.rows = rows;
    }

    /// The rows that the first column has; of a block without columns, what was set.
    pub fn rows(&self) -> usize {
        self.columns.first().map_or(self.rows, ColumnBuilder::len)
    }

    /// Lays the block out; `slot` is the number of its node in the shape.
    ///
    /// # Errors
    /// `Internal` if columns differ in their rows; `LimitExceeded` if the block is too large.
    pub fn finish(&self, slot: u32) -> Result<AlignedBytes> {
        self.block(slot).map(Block::into_bytes)
    }

    /// As [`finish`](Self::finish), open.
    pub(crate) fn block(&self, slot: u32) -> Result<Block> {
        let rows = self.rows();
        if let Some(at) = self.columns.iter().position(|c| c.len() != rows) {
            let message = format!("column {at} of a block has not {rows} rows, as column 0");
            return Err(Error::new(ErrorCode::Internal, message));
        }
        lay_out(BlockKind::Entity, slot, rows, &self.columns)
    }
}

impl Default for EdgeBlockBuilder {
    fn default() -> EdgeBlockBuilder {
        EdgeBlockBuilder::new()
    }
}

impl EdgeBlockBuilder {
    /// An empty block.
    pub fn new() -> EdgeBlockBuilder {
        EdgeBlockBuilder {
            lists: ColumnBuilder::new(ColumnType::List(ColumnKind::RowNumber)),
            open: Vec::new(),
        }
    }

    /// Adds a child row of the parent at hand.
    pub fn push_child(&mut self, row: u32) {
        self.open.push(row);
    }

    /// Ends the parent at hand; the next child belongs to the next parent row.
    ///
    /// # Errors
    /// `LimitExceeded` if the block would be too large.
    pub fn end_parent(&mut self) -> Result<()> {
        self.lists.push_row_numbers(&self.open)?;
        self.open.clear();
        Ok(())
    }

    /// Adds a parent row with all its child rows.
    ///
    /// # Errors
    /// As [`end_parent`](Self::end_parent).
    pub fn push_parent(&mut self, children: &[u32]) -> Result<()> {
        self.lists.push_row_numbers(children)
    }

    /// How many parents were ended.
    pub const fn parents(&self) -> usize {
        self.lists.len()
    }

    /// Lays the block out; `slot` is the number of the edge in the shape.
    ///
    /// # Errors
    /// `Internal` if the last parent was not ended; `LimitExceeded` if the block is too large.
    pub fn finish(&self, slot: u32) -> Result<AlignedBytes> {
        self.block(slot).map(Block::into_bytes)
    }

    /// As [`finish`](Self::finish), open.
    pub(crate) fn block(&self, slot: u32) -> Result<Block> {
        if !self.open.is_empty() {
            return Err(Error::new(ErrorCode::Internal, "the last parent of an edge block was not ended"));
        }
        lay_out(BlockKind::Edge, slot, self.lists.len(), std::slice::from_ref(&self.lists))
    }
}

fn lay_out(kind: BlockKind, slot: u32, rows: usize, builders: &[ColumnBuilder]) -> Result<Block> {
    let mut columns: SmallVec<[ColumnEntry; COLUMNS_AT_HAND]> = SmallVec::new();
    let mut buffers: SmallVec<[&[u8]; 2 * COLUMNS_AT_HAND]> = SmallVec::new();
    for builder in builders {
        builder.collect(&mut columns, &mut buffers)?;
    }
    if columns.len() > layout::COLUMNS_MAX {
        return Err(Error::new(ErrorCode::LimitExceeded, "the result has too many columns")
            .hint(format!("a node of a result has at most {} columns", layout::COLUMNS_MAX)));
    }
    let directory_len = (columns.len() + buffers.len()) * ENTRY_LEN;
    let length = HEADER_LEN + directory_len + buffers.iter().map(|b| padded(b.len())).sum::<usize>();
    if length > BLOCK_BYTES_MAX {
        return Err(too_large(length));
    }

    let mut out: AlignedVec<16> = AlignedVec::with_capacity(length);
    out.extend_from_slice(&layout::MAGIC);
    out.extend_from_slice(&layout::VERSION.to_le_bytes());
    out.extend_from_slice(&[kind.code(), 0]);
    for word in [count(rows)?, count(columns.len())?, count(buffers.len())?, slot, count(length)?, 0] {
        out.extend_from_slice(&word.to_le_bytes());
    }
    let mut entry = [0; ENTRY_LEN];
    for column in &columns {
        column.write(&mut entry);
        out.extend_from_slice(&entry);
    }
    let buffers_at = out.len();
    out.resize(HEADER_LEN + directory_len, 0);
    let mut entries: Vec<OpenBuffer> = Vec::with_capacity(buffers.len());
    for (at, buffer) in buffers.iter().enumerate() {
        let offset = out.len();
        out.extend_from_slice(buffer);
        out.resize(padded(out.len()), 0);
        let crc = crc32c::crc32c(out.get(offset..).unwrap_or_default());
        let written = BufferEntry { offset: count(offset)?, length: count(buffer.len())?, crc };
        let directory = out.get_mut(buffers_at..HEADER_LEN + directory_len).unwrap_or_default();
        if let Some(place) = directory.as_chunks_mut::<ENTRY_LEN>().0.get_mut(at) {
            written.write(place);
        }
        entries.push(OpenBuffer::written(written));
    }
    let crc = header_crc(&out, directory_len);
    if let Some(at) = out.get_mut(HEADER_CRC_AT..HEADER_LEN) {
        at.copy_from_slice(&crc.to_le_bytes());
    }
    let types = builders.iter().map(ColumnBuilder::ty);
    Ok(Block::built(AlignedBytes::from(out), (kind, slot, rows), types, &columns, entries))
}

/// The checksum over a block's header, but for the checksum itself, and its directory.
pub(crate) fn header_crc(block: &[u8], directory_len: usize) -> u32 {
    let header = crc32c::crc32c(block.get(..HEADER_CRC_AT).unwrap_or_default());
    let directory = block.get(HEADER_LEN..HEADER_LEN.saturating_add(directory_len)).unwrap_or_default();
    crc32c::crc32c_append(header, directory)
}
