//! Builds blocks, column by column, and lays them out.

use rkyv::util::AlignedVec;
use smallvec::SmallVec;

use crate::bytes::AlignedBytes;
use crate::error::{Error, ErrorCode, Result};

use super::column_builder::{count, first_offset, offset, too_large};
use super::layout::{
    self, BLOCK_BYTES_MAX, BlockKind, BufferEntry, ColumnEntry, ENTRY_LEN, HEADER_CRC_AT, HEADER_LEN, padded,
};
use super::reader::{OpenBuffer, OpenBuffers, OpenColumn, OpenColumns};
use super::{Block, ColumnBuilder, ColumnKind, ColumnType};

/// So many columns of a block are laid out without an allocation for each list of their parts.
const COLUMNS_AT_HAND: usize = 8;

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

/// What a block is made of: its header and directory, and the buffers behind them.
pub(crate) struct Parts<'a> {
    kind: BlockKind,
    rows: usize,
    types: SmallVec<[ColumnType; COLUMNS_AT_HAND]>,
    columns: SmallVec<[ColumnEntry; COLUMNS_AT_HAND]>,
    buffers: SmallVec<[&'a [u8]; 2 * COLUMNS_AT_HAND]>,
    /// The bytes of the block.
    length: usize,
}

/// A block that is laid out, from `start` to `end` of some bytes.
pub(crate) struct LaidOut {
    start: usize,
    end: usize,
    kind: BlockKind,
    slot: u32,
    rows: usize,
    columns: OpenColumns,
    buffers: OpenBuffers,
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
        self.parts()?.alone(slot)
    }

    /// What the block is made of.
    pub(crate) fn parts(&self) -> Result<Parts<'_>> {
        let rows = self.rows();
        if let Some(at) = self.columns.iter().position(|c| c.len() != rows) {
            let message = format!("column {at} of a block has not {rows} rows, as column 0");
            return Err(Error::new(ErrorCode::Internal, message));
        }
        let mut parts = Parts::new(BlockKind::Entity, rows);
        for column in &self.columns {
            parts.types.push(column.ty());
            column.collect(&mut parts.columns, &mut parts.buffers)?;
        }
        parts.measure()?;
        Ok(parts)
    }

    /// How many bytes the block has at most.
    pub(crate) fn bytes_max(&self) -> usize {
        HEADER_LEN + self.columns.iter().map(ColumnBuilder::bytes_max).sum::<usize>()
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

    /// Lays the block out; `slot` is the number of the edge in the shape.
    ///
    /// # Errors
    /// `Internal` if the last parent was not ended; `LimitExceeded` if the block is too large.
    pub fn finish(&self, slot: u32) -> Result<AlignedBytes> {
        self.parts()?.alone(slot)
    }

    /// What the block is made of.
    pub(crate) fn parts(&self) -> Result<Parts<'_>> {
        if !self.open.is_empty() {
            return Err(Error::new(ErrorCode::Internal, "the last parent of an edge block was not ended"));
        }
        let mut parts = Parts::new(BlockKind::Edge, self.parents);
        let children = self.children.len() / size_of::<u32>();
        parts.types.push(ColumnType::List(ColumnKind::RowNumber));
        let entry = |code, rows, first_buffer| {
            Ok::<_, Error>(ColumnEntry { code, flags: 0, scale: 0, rows: count(rows)?, first_buffer })
        };
        parts.columns.push(entry(layout::LIST_CODE, self.parents, 0)?);
        parts.columns.push(entry(ColumnKind::RowNumber.code(), children, 1)?);
        parts.buffers.extend([self.offsets.as_slice(), &self.children]);
        parts.measure()?;
        Ok(parts)
    }

    /// How many bytes the block has at most.
    pub(crate) fn bytes_max(&self) -> usize {
        let buffers = [&self.offsets, &self.children].map(|buffer| ENTRY_LEN + padded(buffer.len()));
        HEADER_LEN + 2 * ENTRY_LEN + buffers.iter().sum::<usize>()
    }
}

impl<'a> Parts<'a> {
    fn new(kind: BlockKind, rows: usize) -> Parts<'a> {
        let (types, columns, buffers) = (SmallVec::new(), SmallVec::new(), SmallVec::new());
        Parts { kind, rows, types, columns, buffers, length: 0 }
    }

    /// Finds out how long the block is.
    fn measure(&mut self) -> Result<()> {
        if self.columns.len() > layout::COLUMNS_MAX {
            return Err(Error::new(ErrorCode::LimitExceeded, "the result has too many columns")
                .hint(format!("a node of a result has at most {} columns", layout::COLUMNS_MAX)));
        }
        let buffers = self.buffers.iter().map(|buffer| padded(buffer.len())).sum::<usize>();
        self.length = HEADER_LEN + self.directory_len() + buffers;
        if self.length > BLOCK_BYTES_MAX { Err(too_large(self.length)) } else { Ok(()) }
    }

    fn directory_len(&self) -> usize {
        (self.columns.len() + self.buffers.len()) * ENTRY_LEN
    }

    /// The bytes of the block, by themselves.
    fn alone(&self, slot: u32) -> Result<AlignedBytes> {
        let mut out = AlignedVec::with_capacity(self.length);
        self.lay_out(slot, &mut out)?;
        Ok(AlignedBytes::from(out))
    }

    /// Lays the block out behind others.
    pub(crate) fn lay_out(&self, slot: u32, out: &mut AlignedVec<16>) -> Result<LaidOut> {
        let start = out.len();
        out.extend_from_slice(&layout::MAGIC);
        out.extend_from_slice(&layout::VERSION.to_le_bytes());
        out.extend_from_slice(&[self.kind.code(), 0]);
        let (rows, columns, buffers) = (self.rows, self.columns.len(), self.buffers.len());
        for word in [count(rows)?, count(columns)?, count(buffers)?, slot, count(self.length)?, 0] {
            out.extend_from_slice(&word.to_le_bytes());
        }
        let mut entry = [0; ENTRY_LEN];
        for column in &self.columns {
            column.write(&mut entry);
            out.extend_from_slice(&entry);
        }
        let (buffers_at, directory_len) = (out.len(), self.directory_len());
        let directory_end = start + HEADER_LEN + directory_len;
        out.resize(directory_end, 0);
        let mut entries = OpenBuffers::with_capacity(buffers);
        for (at, buffer) in self.buffers.iter().enumerate() {
            let at_buffer = out.len();
            out.extend_from_slice(buffer);
            out.resize(at_buffer + padded(buffer.len()), 0);
            let crc = crc32c::crc32c(out.get(at_buffer..).unwrap_or_default());
            let written =
                BufferEntry { offset: count(at_buffer - start)?, length: count(buffer.len())?, crc };
            let directory = out.get_mut(buffers_at..directory_end).unwrap_or_default();
            if let Some(place) = directory.as_chunks_mut::<ENTRY_LEN>().0.get_mut(at) {
                written.write(place);
            }
            entries.push(OpenBuffer::written(written));
        }
        let block = out.get_mut(start..).unwrap_or_default();
        let crc = header_crc(block, directory_len);
        if let Some(at) = block.get_mut(HEADER_CRC_AT..HEADER_LEN) {
            at.copy_from_slice(&crc.to_le_bytes());
        }
        let columns = OpenColumn::written(&self.types, &self.columns);
        let (end, kind) = (out.len(), self.kind);
        Ok(LaidOut { start, end, kind, slot, rows, columns, buffers: entries })
    }
}

impl LaidOut {
    /// The block, whose bytes are among these; none if they are not.
    pub(crate) fn open(self, all: &AlignedBytes) -> Option<Block> {
        let LaidOut { start, end, kind, slot, rows, columns, buffers } = self;
        Some(Block::built(all.slice(start, end)?, (kind, slot, rows), columns, buffers))
    }
}

/// The checksum over a block's header, but for the checksum itself, and its directory.
pub(crate) fn header_crc(block: &[u8], directory_len: usize) -> u32 {
    let header = crc32c::crc32c(block.get(..HEADER_CRC_AT).unwrap_or_default());
    let directory = block.get(HEADER_LEN..HEADER_LEN.saturating_add(directory_len)).unwrap_or_default();
    crc32c::crc32c_append(header, directory)
}
