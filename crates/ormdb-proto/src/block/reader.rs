//! Opens blocks.
//!
//! Invariants: (1) opening costs O(columns) and reads no buffer; (2) every offset and length in the directory was
//! checked against the block when it is used.

use std::sync::OnceLock;

use crate::bytes::AlignedBytes;
use crate::error::{Error, ErrorCode, Result};

use super::column::{Column, ColumnValues};
use super::contents::{Contents, OpenBuffer, OpenBuffers, OpenColumn, OpenColumns, header_crc};
use super::edge::Edges;
use super::layout::{self, BlockKind, BufferEntry, ColumnEntry, ENTRY_LEN, HEADER_LEN, size};
use super::{ColumnKind, ColumnType, malformed};

/// An open block; its columns are read where they lie.
#[derive(Debug)]
pub struct Block {
    /// Its buffers, of one that came from outside behind its header and directory.
    bytes: AlignedBytes,
    contents: Box<Contents>,
    origin: Origin,
    /// Header and directory of one that was built here, once somebody asked for them.
    head: OnceLock<Vec<u8>>,
}

/// Where a block comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    /// From a wire or file: checksums are verified.
    Outside,
    /// This process.
    Built,
}

/// The fields of a header.
struct Header {
    kind: BlockKind,
    rows: u32,
    columns: usize,
    buffers: usize,
    slot: u32,
    length: usize,
}

/// The length of the block that `bytes` begin with, as its header says; the header is not verified.
pub(crate) fn block_length(bytes: &[u8]) -> Result<usize> {
    Ok(read_header(bytes)?.length)
}

fn read_header(bytes: &[u8]) -> Result<Header> {
    let header = bytes.first_chunk::<HEADER_LEN>().ok_or_else(|| malformed("a block ends in its header"))?;
    let [m0, m1, m2, m3, v0, v1, kind, flags, rest @ ..] = *header;
    if [m0, m1, m2, m3] != layout::MAGIC {
        return Err(malformed("a block does not begin with its magic"));
    }
    let version = u16::from_le_bytes([v0, v1]);
    if version != layout::VERSION {
        return Err(malformed(format!("blocks of version {version} are not known")));
    }
    let kind = BlockKind::from_code(kind).ok_or_else(|| malformed(format!("no block is of kind {kind}")))?;
    if flags != 0 {
        return Err(malformed(format!("unknown flags {flags:#x} of a block")));
    }
    let (words, _) = rest.as_chunks::<4>();
    let [rows, columns, buffers, slot, length, _crc] = words else {
        return Err(malformed("a block ends in its header"));
    };
    let word = |w: &[u8; 4]| u32::from_le_bytes(*w);
    Ok(Header {
        kind,
        rows: word(rows),
        columns: size(word(columns)),
        buffers: size(word(buffers)),
        slot: word(slot),
        length: size(word(length)),
    })
}

impl Block {
    /// Opens a block that came from outside. The bytes must be the block and nothing else.
    ///
    /// # Errors
    /// `ProtocolViolation` if header or directory are damaged or make no sense. Data are not looked at.
    pub fn open(bytes: AlignedBytes) -> Result<Block> {
        let header = read_header(&bytes)?;
        if header.length != bytes.len() {
            return Err(malformed(format!("a block of {} bytes says {}", bytes.len(), header.length)));
        }
        if header.columns > layout::COLUMNS_MAX
            || header.buffers > header.columns.saturating_mul(layout::BUFFERS_PER_COLUMN_MAX)
        {
            return Err(malformed(format!("{} columns, {} buffers", header.columns, header.buffers)));
        }
        let directory_len = (header.columns + header.buffers) * ENTRY_LEN;
        let directory = bytes
            .get(HEADER_LEN..HEADER_LEN + directory_len)
            .ok_or_else(|| malformed("a block ends in its directory"))?;
        let crc = bytes.get(layout::HEADER_CRC_AT..HEADER_LEN).and_then(|b| b.first_chunk::<4>());
        if crc.is_none_or(|crc| u32::from_le_bytes(*crc) != header_crc(&bytes, directory_len)) {
            return Err(malformed("the checksum of a block's header does not fit"));
        }
        let (entries, _) = directory.as_chunks::<ENTRY_LEN>();
        let (column_entries, buffer_entries) = entries
            .split_at_checked(header.columns)
            .ok_or_else(|| malformed("a block ends in its directory"))?;
        let buffers = open_buffers(buffer_entries, HEADER_LEN + directory_len, header.length)?;
        let columns = open_columns(column_entries, header.rows, &buffers)?;
        if header.kind == BlockKind::Edge
            && columns.iter().map(|c| c.ty).ne([ColumnType::List(ColumnKind::RowNumber)])
        {
            return Err(malformed("an edge block is one list of row numbers"));
        }
        let (kind, slot, rows) = (header.kind, header.slot, size(header.rows));
        let contents = Box::new(Contents { kind, slot, rows, columns, buffers });
        Ok(Block { bytes, contents, origin: Origin::Outside, head: OnceLock::new() })
    }

    /// A block that was built a moment ago, with the bytes of its buffers.
    pub(super) const fn built(bytes: AlignedBytes, contents: Box<Contents>) -> Block {
        Block { bytes, contents, origin: Origin::Built, head: OnceLock::new() }
    }

    /// What the block holds.
    pub fn kind(&self) -> BlockKind {
        self.contents.kind
    }

    /// The number of its node or edge in the shape.
    pub fn slot(&self) -> u32 {
        self.contents.slot
    }

    /// How many rows it has; of an edge block, parents.
    pub fn rows(&self) -> usize {
        self.contents.rows
    }

    /// The types of its columns.
    pub fn column_types(&self) -> impl ExactSizeIterator<Item = ColumnType> {
        self.contents.columns.iter().map(|c| c.ty)
    }

    /// The block as it lies on the wire: what stands in front of the buffers, if this process has made it, and the rest.
    pub fn parts(&self) -> [&[u8]; 2] {
        match self.origin {
            Origin::Outside => [&[], &self.bytes],
            Origin::Built => [self.head.get_or_init(|| self.contents.head(&self.bytes)), &self.bytes],
        }
    }

    /// How many bytes it has on the wire.
    pub fn byte_len(&self) -> usize {
        match self.origin {
            Origin::Outside => self.bytes.len(),
            Origin::Built => self.contents.head_len() + self.bytes.len(),
        }
    }

    /// A column; its checksums are verified the first time.
    ///
    /// # Errors
    /// `ProtocolViolation` if a checksum does not fit; `Internal` if there is no such column.
    pub fn column(&self, at: usize) -> Result<Column<'_>> {
        let column = self
            .contents
            .columns
            .get(at)
            .ok_or_else(|| Error::new(ErrorCode::Internal, format!("the block has no column {at}")))?;
        let elements = match &column.elements {
            Some(entry) => {
                Some(Box::new(self.read_column(ColumnType::Scalar(column.ty.kind()), entry, None)?))
            }
            None => None,
        };
        self.read_column(column.ty, &column.entry, elements)
    }

    /// The edges of an edge block; their checksums are verified the first time.
    ///
    /// # Errors
    /// As [`column`](Self::column).
    pub fn edges(&self) -> Result<Edges<'_>> {
        match self.column(0)?.into_values() {
            ColumnValues::List { offsets, elements } => match elements.into_values() {
                ColumnValues::RowNumber(rows) => Ok(Edges::new(offsets, rows)),
                _ => Err(malformed("the children of an edge block are not row numbers")),
            },
            _ => Err(malformed("an edge block is one list of row numbers")),
        }
    }

    /// How many children an edge block has over all parents.
    pub fn edge_count(&self) -> usize {
        self.contents.columns.first().and_then(|c| c.elements.as_ref()).map_or(0, |e| size(e.rows))
    }

    fn read_column<'a>(
        &'a self,
        ty: ColumnType,
        entry: &ColumnEntry,
        elements: Option<Box<Column<'a>>>,
    ) -> Result<Column<'a>> {
        let mut at = size(entry.first_buffer);
        let mut next = || {
            let buffer = self.buffer(at)?;
            at += 1;
            Ok::<_, Error>(buffer)
        };
        let validity = if entry.flags & layout::FLAG_VALIDITY != 0 { Some(next()?) } else { None };
        let withheld = if entry.flags & layout::FLAG_WITHHELD != 0 { Some(next()?) } else { None };
        let values = if let Some(elements) = elements {
            ColumnValues::List { offsets: words(next()?), elements }
        } else {
            let kind = ty.kind();
            match kind {
                ColumnKind::Bool => ColumnValues::Bool(next()?),
                ColumnKind::Int16 => ColumnValues::Int16(words(next()?)),
                ColumnKind::Int32 => ColumnValues::Int32(words(next()?)),
                ColumnKind::Int64 => ColumnValues::Int64(words(next()?)),
                ColumnKind::Float32 => ColumnValues::Float32(words(next()?)),
                ColumnKind::Float64 => ColumnValues::Float64(words(next()?)),
                ColumnKind::Decimal => {
                    let values = words(next()?);
                    let scales = if entry.flags & layout::FLAG_SCALES != 0 { Some(next()?) } else { None };
                    ColumnValues::Decimal { values, scale: entry.scale, scales }
                }
                ColumnKind::String => ColumnValues::String { offsets: words(next()?), bytes: next()? },
                ColumnKind::Bytes => ColumnValues::Bytes { offsets: words(next()?), bytes: next()? },
                ColumnKind::Json => ColumnValues::Json { offsets: words(next()?), bytes: next()? },
                ColumnKind::Uuid => ColumnValues::Uuid(words(next()?)),
                ColumnKind::DateTime => ColumnValues::DateTime(words(next()?)),
                ColumnKind::LocalDateTime => ColumnValues::LocalDateTime(words(next()?)),
                ColumnKind::Date => ColumnValues::Date(words(next()?)),
                ColumnKind::Time => ColumnValues::Time(words(next()?)),
                ColumnKind::Interval => ColumnValues::Interval(words(next()?)),
                ColumnKind::Enum => ColumnValues::Enum(words(next()?)),
                ColumnKind::RowNumber => ColumnValues::RowNumber(words(next()?)),
            }
        };
        Ok(Column::new(ty, size(entry.rows), validity, withheld, values))
    }

    /// The bytes of a buffer without padding, verified.
    fn buffer(&self, at: usize) -> Result<&[u8]> {
        let buffer =
            self.contents.buffers.get(at).ok_or_else(|| malformed("a column has too few buffers"))?;
        let whole = buffer.whole(&self.bytes).ok_or_else(|| malformed("a buffer lies outside its block"))?;
        if !buffer.verify(whole) {
            return Err(malformed(format!("the checksum of the buffer at {} does not fit", buffer.start)));
        }
        whole.get(..buffer.len).ok_or_else(|| malformed("a buffer lies outside its block"))
    }
}

fn words<const N: usize>(bytes: &[u8]) -> &[[u8; N]] {
    bytes.as_chunks().0
}

fn open_buffers(entries: &[[u8; ENTRY_LEN]], first: usize, length: usize) -> Result<OpenBuffers> {
    let mut expected = first;
    let mut buffers = OpenBuffers::with_capacity(entries.len());
    for entry in entries {
        let entry = BufferEntry::read(entry)?;
        if size(entry.offset) != expected {
            return Err(malformed(format!("a buffer begins at {} and not at {expected}", entry.offset)));
        }
        expected = size(entry.length)
            .checked_next_multiple_of(layout::ALIGNMENT)
            .and_then(|len| expected.checked_add(len))
            .filter(|end| *end <= length)
            .ok_or_else(|| malformed("a buffer lies outside its block"))?;
        buffers.push(OpenBuffer::outside(size(entry.offset), size(entry.length), entry.crc));
    }
    if expected != length {
        return Err(malformed("bytes follow the last buffer of a block"));
    }
    Ok(buffers)
}

fn open_columns(entries: &[[u8; ENTRY_LEN]], rows: u32, buffers: &[OpenBuffer]) -> Result<OpenColumns> {
    let mut columns = OpenColumns::with_capacity(entries.len());
    let mut next_buffer = 0;
    let mut entries = entries.iter();
    while let Some(entry) = entries.next() {
        let entry = ColumnEntry::read(entry)?;
        if entry.rows != rows {
            return Err(malformed(format!("a column of {} rows in a block of {rows}", entry.rows)));
        }
        if entry.code == layout::LIST_CODE {
            check_buffers(&entry, None, buffers, &mut next_buffer)?;
            let elements = entries.next().ok_or_else(|| malformed("a list column has no elements"))?;
            let elements = ColumnEntry::read(elements)?;
            let kind = check_column(&elements, buffers, &mut next_buffer)?;
            columns.push(OpenColumn { ty: ColumnType::List(kind), entry, elements: Some(elements) });
        } else {
            let kind = check_column(&entry, buffers, &mut next_buffer)?;
            columns.push(OpenColumn { ty: ColumnType::Scalar(kind), entry, elements: None });
        }
    }
    if next_buffer != buffers.len() {
        return Err(malformed("a block has buffers of no column"));
    }
    Ok(columns)
}

fn check_column(entry: &ColumnEntry, buffers: &[OpenBuffer], next_buffer: &mut usize) -> Result<ColumnKind> {
    let kind = ColumnKind::from_code(entry.code)
        .ok_or_else(|| malformed(format!("no column is of type {}", entry.code)))?;
    check_buffers(entry, Some(kind), buffers, next_buffer)?;
    Ok(kind)
}

/// Checks that a column has the buffers that its type and flags say, each of the right length; `kind` is none for
/// the entry of a list itself.
fn check_buffers(
    entry: &ColumnEntry,
    kind: Option<ColumnKind>,
    buffers: &[OpenBuffer],
    next_buffer: &mut usize,
) -> Result<()> {
    let is_decimal = kind == Some(ColumnKind::Decimal);
    let scales = entry.flags & layout::FLAG_SCALES != 0;
    let known =
        layout::FLAG_VALIDITY | layout::FLAG_WITHHELD | if is_decimal { layout::FLAG_SCALES } else { 0 };
    if entry.flags & !known != 0 {
        return Err(malformed(format!("unknown flags {:#x} of a column", entry.flags)));
    }
    let scale_max = if is_decimal && !scales { crate::value::SCALE_MAX } else { 0 };
    if entry.scale > scale_max {
        return Err(malformed(format!("the scale {} of a column", entry.scale)));
    }
    let withheld = entry.flags & layout::FLAG_WITHHELD != 0;
    let validity = entry.flags & layout::FLAG_VALIDITY != 0;
    if withheld && !validity {
        return Err(malformed("a column has withheld cells and no validity bitmap"));
    }
    if size(entry.first_buffer) != *next_buffer {
        return Err(malformed("the buffers of columns are not in order"));
    }
    let rows = size(entry.rows);
    let mut expect = |len: Option<usize>| {
        let buffer = buffers.get(*next_buffer).ok_or_else(|| malformed("a column has too few buffers"))?;
        *next_buffer += 1;
        match len {
            Some(len) if len != buffer.len => {
                Err(malformed(format!("a buffer of {} bytes where {len} belong", buffer.len)))
            }
            _ => Ok(()),
        }
    };
    let bitmap = rows.div_ceil(8);
    let of = |width: usize| rows.checked_mul(width).ok_or_else(|| malformed("too many rows"));
    if validity {
        expect(Some(bitmap))?;
    }
    if withheld {
        expect(Some(bitmap))?;
    }
    let offsets =
        rows.checked_add(1).and_then(|n| n.checked_mul(4)).ok_or_else(|| malformed("too many rows"))?;
    match kind {
        None => expect(Some(offsets)),
        Some(ColumnKind::Bool) => expect(Some(bitmap)),
        Some(kind) => match kind.width() {
            Some(width) => {
                expect(Some(of(width)?))?;
                if scales { expect(Some(rows)) } else { Ok(()) }
            }
            None => {
                expect(Some(offsets))?;
                expect(None)
            }
        },
    }
}
