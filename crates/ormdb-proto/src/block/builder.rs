//! Builds blocks, column by column, and lays them out.

use rkyv::util::AlignedVec;

use crate::bytes::AlignedBytes;
use crate::error::{Error, ErrorCode, Result};

use super::column_builder::{count, first_offset, offset, too_large};
use super::contents::{Contents, OpenBuffer, OpenBuffers, OpenColumn, OpenColumns};
use super::layout::{self, BLOCK_BYTES_MAX, BlockKind, ColumnEntry, ENTRY_LEN, HEADER_LEN, padded};
use super::{Block, ColumnBuilder, ColumnKind, ColumnType};

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
    /// The end of each parent's children, little-endian, behind a zero.
    offsets: Vec<u8>,
    /// The numbers of the children, little-endian.
    children: Vec<u8>,
    parents: usize,
    open: Vec<u32>,
}

/// Where the buffers of a block are written, one behind the other.
pub(super) struct Writer<'a> {
    out: &'a mut AlignedVec<16>,
    /// Where the block's begin.
    start: usize,
    buffers: OpenBuffers,
}

/// A block that is laid out, from `start` to `end` of some bytes.
pub(crate) struct LaidOut {
    start: usize,
    end: usize,
    contents: Box<Contents>,
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

    /// The block as it lies on the wire; `slot` is the number of its node in the shape.
    ///
    /// # Errors
    /// `Internal` if columns differ in their rows; `LimitExceeded` if the block is too large.
    pub fn finish(&self, slot: u32) -> Result<AlignedBytes> {
        let mut out = AlignedVec::with_capacity(self.bytes_max());
        alone(self.lay_out(slot, &mut out)?, out)
    }

    /// Lays the block out behind others.
    pub(crate) fn lay_out(&self, slot: u32, out: &mut AlignedVec<16>) -> Result<LaidOut> {
        let rows = self.rows();
        if let Some(at) = self.columns.iter().position(|c| c.len() != rows) {
            let message = format!("column {at} of a block has not {rows} rows, as column 0");
            return Err(Error::new(ErrorCode::Internal, message));
        }
        let mut writer = Writer::behind(out);
        let mut columns = OpenColumns::with_capacity(self.columns.len());
        for column in &self.columns {
            columns.push(column.lay_out(&mut writer)?);
        }
        writer.end(BlockKind::Entity, slot, rows, columns)
    }

    /// How many bytes the block has at most.
    pub(crate) fn bytes_max(&self) -> usize {
        HEADER_LEN + self.columns.iter().map(ColumnBuilder::bytes_max).sum::<usize>()
    }

    /// Takes all rows out; memory for as many stays.
    pub(crate) fn clear(&mut self) {
        self.columns.iter_mut().for_each(ColumnBuilder::clear);
        self.rows = 0;
    }

    /// How much memory it has for rows, in bytes.
    pub(crate) fn capacity(&self) -> usize {
        self.columns.iter().map(ColumnBuilder::capacity).sum()
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
        EdgeBlockBuilder { offsets: first_offset(), children: Vec::new(), parents: 0, open: Vec::new() }
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
        let mut open = std::mem::take(&mut self.open);
        self.push_parent(&open)?;
        open.clear();
        self.open = open;
        Ok(())
    }

    /// Adds a parent row with all its child rows.
    ///
    /// # Errors
    /// As [`end_parent`](Self::end_parent).
    pub fn push_parent(&mut self, children: &[u32]) -> Result<()> {
        let end = offset(self.children.len() / size_of::<u32>() + children.len())?;
        self.children.reserve(size_of_val(children));
        children.iter().for_each(|child| self.children.extend_from_slice(&child.to_le_bytes()));
        self.offsets.extend_from_slice(&end);
        self.parents += 1;
        Ok(())
    }

    /// Makes room for so many more parents, with so many children together.
    pub fn reserve(&mut self, parents: usize, children: usize) {
        self.offsets.reserve(parents.saturating_mul(size_of::<u32>()));
        self.children.reserve(children.saturating_mul(size_of::<u32>()));
    }

    /// How many parents were ended.
    pub const fn parents(&self) -> usize {
        self.parents
    }

    /// The block as it lies on the wire; `slot` is the number of the edge in the shape.
    ///
    /// # Errors
    /// `Internal` if the last parent was not ended; `LimitExceeded` if the block is too large.
    pub fn finish(&self, slot: u32) -> Result<AlignedBytes> {
        let mut out = AlignedVec::with_capacity(self.bytes_max());
        alone(self.lay_out(slot, &mut out)?, out)
    }

    /// Lays the block out behind others.
    pub(crate) fn lay_out(&self, slot: u32, out: &mut AlignedVec<16>) -> Result<LaidOut> {
        if !self.open.is_empty() {
            return Err(Error::new(ErrorCode::Internal, "the last parent of an edge block was not ended"));
        }
        let mut writer = Writer::behind(out);
        let entry = |code, rows, first_buffer| {
            Ok::<_, Error>(ColumnEntry { code, flags: 0, scale: 0, rows: count(rows)?, first_buffer })
        };
        let children = self.children.len() / size_of::<u32>();
        let mut columns = OpenColumns::new();
        columns.push(OpenColumn {
            ty: ColumnType::List(ColumnKind::RowNumber),
            entry: entry(layout::LIST_CODE, self.parents, 0)?,
            elements: Some(entry(ColumnKind::RowNumber.code(), children, 1)?),
        });
        writer.buffer(&self.offsets)?;
        writer.buffer(&self.children)?;
        writer.end(BlockKind::Edge, slot, self.parents, columns)
    }

    /// How many bytes the block has at most.
    pub(crate) fn bytes_max(&self) -> usize {
        let buffers = [&self.offsets, &self.children].map(|buffer| ENTRY_LEN + padded(buffer.len()));
        HEADER_LEN + 2 * ENTRY_LEN + buffers.iter().sum::<usize>()
    }

    /// Takes all parents out; memory for as many stays.
    pub(crate) fn clear(&mut self) {
        self.offsets.truncate(size_of::<u32>());
        self.children.clear();
        self.open.clear();
        self.parents = 0;
    }

    /// How much memory it has for rows, in bytes.
    pub(crate) fn capacity(&self) -> usize {
        self.offsets.capacity() + self.children.capacity() + self.open.capacity() * size_of::<u32>()
    }
}

impl<'a> Writer<'a> {
    fn behind(out: &'a mut AlignedVec<16>) -> Writer<'a> {
        Writer { start: out.len(), out, buffers: OpenBuffers::new() }
    }

    /// How many buffers there are.
    pub(super) fn count(&self) -> Result<u32> {
        count(self.buffers.len())
    }

    /// Writes a buffer.
    ///
    /// # Errors
    /// `LimitExceeded` if the block would be too large.
    pub(super) fn buffer(&mut self, bytes: &[u8]) -> Result<()> {
        let at = self.out.len();
        let length = (at - self.start).saturating_add(bytes.len());
        if length > BLOCK_BYTES_MAX {
            return Err(too_large(length));
        }
        self.out.extend_from_slice(bytes);
        let padding = padded(bytes.len()) - bytes.len();
        self.out.extend_from_slice([0; layout::ALIGNMENT].get(..padding).unwrap_or_default());
        self.buffers.push(OpenBuffer::built(at - self.start, bytes.len()));
        Ok(())
    }

    fn end(self, kind: BlockKind, slot: u32, rows: usize, columns: OpenColumns) -> Result<LaidOut> {
        let (start, end) = (self.start, self.out.len());
        let contents = Box::new(Contents { kind, slot, rows, columns, buffers: self.buffers });
        let entries = contents.column_entries();
        if entries > layout::COLUMNS_MAX {
            return Err(Error::new(ErrorCode::LimitExceeded, "the result has too many columns")
                .hint(format!("a node of a result has at most {} columns", layout::COLUMNS_MAX)));
        }
        let length = contents.head_len() + (end - start);
        if length > BLOCK_BYTES_MAX { Err(too_large(length)) } else { Ok(LaidOut { start, end, contents }) }
    }
}

impl LaidOut {
    /// The block, whose bytes are among these; none if they are not.
    pub(crate) fn open(self, all: &AlignedBytes) -> Option<Block> {
        Some(Block::built(all.slice(self.start, self.end)?, self.contents))
    }
}

/// A block by itself, as it lies on the wire, of which the buffers are written.
fn alone(block: LaidOut, buffers: AlignedVec<16>) -> Result<AlignedBytes> {
    let buffers = AlignedBytes::from(buffers);
    let outside = || Error::new(ErrorCode::Internal, "a block lies outside its bytes");
    let block = block.open(&buffers).ok_or_else(outside)?;
    let mut out = AlignedVec::with_capacity(block.byte_len());
    block.parts().into_iter().for_each(|part| out.extend_from_slice(part));
    Ok(AlignedBytes::from(out))
}
