//! Builds one column, value by value.
//!
//! Invariant: every push adds exactly one row; a failed push adds none.

use crate::error::{Error, ErrorCode, Result};
use crate::value::{Decimal, Interval, ValueRef};

use super::builder::Writer;
use super::column_type::value_type_name;
use super::contents::OpenColumn;
use super::layout::{self, BLOCK_BYTES_MAX, ColumnEntry};
use super::{ColumnKind, ColumnType};

mod again;

/// So many offsets find room in a new column.
const OFFSETS_AT_FIRST: usize = 8;

/// A bitmap, least significant bit first.
#[derive(Debug, Default)]
struct Bits {
    bytes: Vec<u8>,
    len: usize,
}

/// Builds one column.
#[derive(Debug)]
pub struct ColumnBuilder {
    ty: ColumnType,
    rows: usize,
    /// Made with the first null.
    validity: Option<Bits>,
    /// Made with the first withheld cell.
    withheld: Option<Bits>,
    values: Values,
}

#[derive(Debug)]
enum Values {
    Bool(Bits),
    Fixed { width: usize, bytes: Vec<u8> },
    Decimal { bytes: Vec<u8>, scales: Vec<u8>, scale: Option<u8>, mixed: bool },
    Text { offsets: Vec<u8>, bytes: Vec<u8> },
    List { offsets: Vec<u8>, elements: Box<ColumnBuilder> },
}

impl Bits {
    /// `len` bits that are all `bit`.
    fn filled(len: usize, bit: bool) -> Bits {
        let mut bytes = vec![if bit { 0xFF } else { 0 }; len.div_ceil(8)];
        // Bits behind the last row are zero, so that equal columns are equal bytes.
        if bit
            && !len.is_multiple_of(8)
            && let Some(last) = bytes.last_mut()
        {
            *last = (1u8 << (len % 8)) - 1;
        }
        Bits { bytes, len }
    }

    fn push(&mut self, bit: bool) {
        let at = self.len % 8;
        if at == 0 {
            self.bytes.push(0);
        }
        if bit && let Some(last) = self.bytes.last_mut() {
            *last |= 1 << at;
        }
        self.len += 1;
    }
}

/// The offset of the first row; of a column of few rows, those of the others find room behind it.
pub(super) fn first_offset() -> Vec<u8> {
    let mut offsets = Vec::with_capacity(OFFSETS_AT_FIRST * size_of::<u32>());
    offsets.extend_from_slice(&0u32.to_le_bytes());
    offsets
}

impl Values {
    fn of(ty: ColumnType) -> Values {
        match ty {
            ColumnType::List(kind) => Values::List {
                offsets: first_offset(),
                elements: Box::new(ColumnBuilder::new(ColumnType::Scalar(kind))),
            },
            ColumnType::Scalar(ColumnKind::Bool) => Values::Bool(Bits::default()),
            ColumnType::Scalar(ColumnKind::Decimal) => {
                Values::Decimal { bytes: Vec::new(), scales: Vec::new(), scale: None, mixed: false }
            }
            ColumnType::Scalar(kind) => match kind.width() {
                Some(width) => Values::Fixed { width, bytes: Vec::new() },
                None => Values::Text { offsets: first_offset(), bytes: Vec::new() },
            },
        }
    }

    /// Adds the bytes that stand where a row has no value.
    fn push_absent(&mut self) {
        match self {
            Values::Bool(bits) => bits.push(false),
            Values::Fixed { width, bytes } => bytes.resize(bytes.len() + *width, 0),
            Values::Decimal { bytes, scales, scale, .. } => {
                bytes.resize(bytes.len() + 16, 0);
                scales.push(scale.unwrap_or(0));
            }
            Values::Text { offsets, .. } | Values::List { offsets, .. } => {
                let last: Vec<u8> = offsets.last_chunk::<4>().copied().unwrap_or_default().to_vec();
                offsets.extend_from_slice(&last);
            }
        }
    }
}

impl ColumnBuilder {
    /// An empty column.
    pub fn new(ty: ColumnType) -> ColumnBuilder {
        ColumnBuilder { ty, rows: 0, validity: None, withheld: None, values: Values::of(ty) }
    }

    /// The type.
    pub const fn ty(&self) -> ColumnType {
        self.ty
    }

    /// Makes room for so many more rows.
    pub fn reserve(&mut self, rows: usize) {
        match &mut self.values {
            Values::Bool(bits) => bits.bytes.reserve(rows.div_ceil(8)),
            Values::Fixed { width, bytes } => bytes.reserve(rows.saturating_mul(*width)),
            Values::Decimal { bytes, scales, .. } => {
                bytes.reserve(rows.saturating_mul(16));
                scales.reserve(rows);
            }
            Values::Text { offsets, .. } | Values::List { offsets, .. } => {
                offsets.reserve(rows.saturating_mul(4));
            }
        }
    }

    /// Makes room for so many more bytes of text or bytes; nothing of other columns.
    pub fn reserve_text(&mut self, more: usize) {
        if let Values::Text { bytes, .. } = &mut self.values {
            bytes.reserve(more);
        }
    }

    /// How many rows were pushed.
    pub const fn len(&self) -> usize {
        self.rows
    }

    /// Whether no row was pushed.
    pub const fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// The bytes of the values so far.
    pub fn byte_len(&self) -> usize {
        match &self.values {
            Values::Bool(bits) => bits.bytes.len(),
            Values::Fixed { bytes, .. } => bytes.len(),
            Values::Decimal { bytes, scales, .. } => bytes.len() + scales.len(),
            Values::Text { offsets, bytes } => offsets.len() + bytes.len(),
            Values::List { offsets, elements } => offsets.len() + elements.byte_len(),
        }
    }

    /// How many bytes the column has in a block at most, its entries counted in.
    pub(super) fn bytes_max(&self) -> usize {
        let bitmaps =
            [&self.validity, &self.withheld].into_iter().flatten().map(|bits| bits.bytes.len()).sum();
        let (values, elements): (usize, usize) = match &self.values {
            Values::List { offsets, elements } => (offsets.len(), elements.bytes_max()),
            _ => (self.byte_len(), 0),
        };
        let entries =
            layout::ENTRY_LEN + layout::BUFFERS_PER_COLUMN_MAX * (layout::ENTRY_LEN + layout::ALIGNMENT);
        usize::saturating_add(bitmaps, values + elements + entries)
    }

    /// Adds a value; null adds a null.
    ///
    /// # Errors
    /// `Internal` if the value is of another type than the column; `LimitExceeded` if the column would outgrow a block.
    pub fn push(&mut self, value: &ValueRef<'_>) -> Result<()> {
        match (self.ty, value) {
            (_, ValueRef::Null) => {
                self.push_null();
                Ok(())
            }
            (ColumnType::List(_), ValueRef::Array(items)) => self.push_list(items),
            (ColumnType::Scalar(kind), value) => self.push_scalar(kind, value),
            (ColumnType::List(_), other) => Err(self.mismatch(value_type_name(other))),
        }
    }

    fn push_scalar(&mut self, kind: ColumnKind, value: &ValueRef<'_>) -> Result<()> {
        match (kind, value) {
            (ColumnKind::Bool, ValueRef::Bool(v)) => self.push_bool(*v),
            (ColumnKind::Int16, ValueRef::Int16(v)) => self.push_i16(*v),
            (ColumnKind::Int32, ValueRef::Int32(v)) | (ColumnKind::Date, ValueRef::Date(v)) => {
                self.push_i32(*v)
            }
            (ColumnKind::Int64, ValueRef::Int64(v))
            | (ColumnKind::DateTime, ValueRef::DateTime(v))
            | (ColumnKind::LocalDateTime, ValueRef::LocalDateTime(v))
            | (ColumnKind::Time, ValueRef::Time(v)) => self.push_i64(*v),
            (ColumnKind::Float32, ValueRef::Float32(v)) => self.push_f32(*v),
            (ColumnKind::Float64, ValueRef::Float64(v)) => self.push_f64(*v),
            (ColumnKind::Decimal, ValueRef::Decimal(v)) => self.push_decimal(*v),
            (ColumnKind::String, ValueRef::String(v)) | (ColumnKind::Json, ValueRef::Json(v)) => {
                self.push_str(v)
            }
            (ColumnKind::Bytes, ValueRef::Bytes(v)) => self.push_bytes(v),
            (ColumnKind::Uuid, ValueRef::Uuid(v)) => self.push_uuid(*v),
            (ColumnKind::Interval, ValueRef::Interval(v)) => self.push_interval(*v),
            (ColumnKind::Enum, ValueRef::Enum(v)) => self.push_u32(*v),
            (_, other) => Err(self.mismatch(value_type_name(other))),
        }
    }

    /// Adds a null.
    pub fn push_null(&mut self) {
        let rows = self.rows;
        self.validity.get_or_insert_with(|| Bits::filled(rows, true)).push(false);
        if let Some(withheld) = &mut self.withheld {
            withheld.push(false);
        }
        self.values.push_absent();
        self.rows += 1;
    }

    /// Adds a cell whose value the session may not see, nor whether it has one.
    pub fn push_withheld(&mut self) {
        let rows = self.rows;
        self.validity.get_or_insert_with(|| Bits::filled(rows, true)).push(false);
        self.withheld.get_or_insert_with(|| Bits::filled(rows, false)).push(true);
        self.values.push_absent();
        self.rows += 1;
    }

    /// Adds a truth value.
    ///
    /// # Errors
    /// As [`push`](Self::push); so for every typed push below.
    pub fn push_bool(&mut self, v: bool) -> Result<()> {
        let Values::Bool(bits) = &mut self.values else { return Err(self.mismatch("bool")) };
        bits.push(v);
        self.added();
        Ok(())
    }

    /// Adds a 16-bit integer.
    pub fn push_i16(&mut self, v: i16) -> Result<()> {
        self.push_fixed(v.to_le_bytes())
    }

    /// Adds a 32-bit integer, or the days of a date.
    pub fn push_i32(&mut self, v: i32) -> Result<()> {
        self.push_fixed(v.to_le_bytes())
    }

    /// Adds the number of an enum's label, or a row number.
    pub fn push_u32(&mut self, v: u32) -> Result<()> {
        self.push_fixed(v.to_le_bytes())
    }

    /// Adds a 64-bit integer, or the microseconds of an instant or time.
    pub fn push_i64(&mut self, v: i64) -> Result<()> {
        self.push_fixed(v.to_le_bytes())
    }

    /// Adds a 32-bit floating-point number.
    pub fn push_f32(&mut self, v: f32) -> Result<()> {
        self.push_fixed(v.to_le_bytes())
    }

    /// Adds a 64-bit floating-point number.
    pub fn push_f64(&mut self, v: f64) -> Result<()> {
        self.push_fixed(v.to_le_bytes())
    }

    /// Adds a UUID.
    pub fn push_uuid(&mut self, v: [u8; 16]) -> Result<()> {
        self.push_fixed(v)
    }

    /// Adds a span of time.
    pub fn push_interval(&mut self, v: Interval) -> Result<()> {
        let mut bytes = [0; 16];
        let parts =
            v.months.to_le_bytes().into_iter().chain(v.days.to_le_bytes()).chain(v.micros.to_le_bytes());
        for (to, from) in bytes.iter_mut().zip(parts) {
            *to = from;
        }
        self.push_fixed(bytes)
    }

    /// Adds a decimal; it keeps its scale.
    pub fn push_decimal(&mut self, v: Decimal) -> Result<()> {
        let Values::Decimal { bytes, scales, scale, mixed } = &mut self.values else {
            return Err(self.mismatch("decimal"));
        };
        bytes.extend_from_slice(&v.unscaled().to_le_bytes());
        scales.push(v.scale());
        *mixed |= *scale.get_or_insert(v.scale()) != v.scale();
        self.added();
        Ok(())
    }

    /// Adds text, or the text of a JSON document.
    pub fn push_str(&mut self, v: &str) -> Result<()> {
        self.push_bytes(v.as_bytes())
    }

    /// Adds bytes.
    pub fn push_bytes(&mut self, v: &[u8]) -> Result<()> {
        let Values::Text { offsets, bytes } = &mut self.values else {
            return Err(self.mismatch("text or bytes"));
        };
        offsets.extend_from_slice(&offset(bytes.len() + v.len())?);
        bytes.extend_from_slice(v);
        self.added();
        Ok(())
    }

    /// Adds a list.
    pub fn push_list(&mut self, items: &[ValueRef<'_>]) -> Result<()> {
        let ColumnType::List(kind) = self.ty else { return Err(self.mismatch("array")) };
        // Looked at before anything is pushed, so that a failed push adds nothing.
        if let Some(wrong) = items.iter().find(|item| !accepts(kind, item)) {
            return Err(self.mismatch(value_type_name(wrong)));
        }
        let Values::List { offsets, elements } = &mut self.values else { return Err(self.mismatch("array")) };
        let end = offset(elements.len() + items.len())?;
        items.iter().try_for_each(|item| elements.push(item))?;
        offsets.extend_from_slice(&end);
        self.added();
        Ok(())
    }

    /// Adds a value as its bytes stand in a block: of a fixed width, little-endian, or of text or bytes. That text is UTF-8 is
    /// checked where it is read.
    ///
    /// # Errors
    /// `Internal` if it is not of the column's width, or the column has other values; `LimitExceeded` as [`push`](Self::push).
    #[inline]
    pub fn push_raw(&mut self, value: &[u8]) -> Result<()> {
        match &mut self.values {
            Values::Fixed { width, bytes } if *width == value.len() => match value.first_chunk::<8>() {
                Some(word) if *width == 8 => bytes.extend_from_slice(word),
                _ => bytes.extend_from_slice(value),
            },
            Values::Text { offsets, bytes } => {
                offsets.extend_from_slice(&offset(bytes.len() + value.len())?);
                bytes.extend_from_slice(value);
            }
            _ => return Err(self.mismatch("a value as its bytes")),
        }
        self.added();
        Ok(())
    }

    fn push_fixed<const N: usize>(&mut self, v: [u8; N]) -> Result<()> {
        match &mut self.values {
            Values::Fixed { width, bytes } if *width == N => bytes.extend_from_slice(&v),
            _ => {
                return Err(self.mismatch(match N {
                    2 => "a value of 2 bytes",
                    4 => "a value of 4 bytes",
                    8 => "a value of 8 bytes",
                    _ => "a value of 16 bytes",
                }));
            }
        }
        self.added();
        Ok(())
    }

    fn added(&mut self) {
        if let Some(validity) = &mut self.validity {
            validity.push(true);
        }
        if let Some(withheld) = &mut self.withheld {
            withheld.push(false);
        }
        self.rows += 1;
    }

    fn mismatch(&self, found: &str) -> Error {
        Error::new(ErrorCode::Internal, format!("{found} was pushed into a column of {:?}", self.ty))
    }

    /// Writes the buffers of the column; gives what stands in the directory.
    pub(super) fn lay_out(&self, writer: &mut Writer<'_>) -> Result<OpenColumn> {
        let entry = self.write(writer)?;
        let elements = match &self.values {
            Values::List { elements, .. } => Some(elements.write(writer)?),
            Values::Bool(_) | Values::Fixed { .. } | Values::Decimal { .. } | Values::Text { .. } => None,
        };
        Ok(OpenColumn { ty: self.ty, entry, elements })
    }

    /// The same without the elements of lists.
    fn write(&self, writer: &mut Writer<'_>) -> Result<ColumnEntry> {
        let first_buffer = writer.count()?;
        let mut flags = 0;
        if let Some(validity) = &self.validity {
            flags |= layout::FLAG_VALIDITY;
            writer.buffer(&validity.bytes)?;
        }
        if let Some(withheld) = &self.withheld {
            flags |= layout::FLAG_WITHHELD;
            writer.buffer(&withheld.bytes)?;
        }
        let code = match self.ty {
            ColumnType::Scalar(kind) => kind.code(),
            ColumnType::List(_) => layout::LIST_CODE,
        };
        let mut entry = ColumnEntry { code, flags, scale: 0, rows: count(self.rows)?, first_buffer };
        match &self.values {
            Values::Bool(bits) => writer.buffer(&bits.bytes)?,
            Values::Fixed { bytes, .. } => writer.buffer(bytes)?,
            Values::Decimal { bytes, scales, scale, mixed } => {
                writer.buffer(bytes)?;
                if *mixed {
                    entry.flags |= layout::FLAG_SCALES;
                    writer.buffer(scales)?;
                } else {
                    entry.scale = scale.unwrap_or(0);
                }
            }
            Values::Text { offsets, bytes } => {
                writer.buffer(offsets)?;
                writer.buffer(bytes)?;
            }
            Values::List { offsets, .. } => writer.buffer(offsets)?,
        }
        Ok(entry)
    }
}

/// Whether a cell of this kind may hold the value.
fn accepts(kind: ColumnKind, value: &ValueRef<'_>) -> bool {
    matches!(
        (kind, value),
        (_, ValueRef::Null)
            | (ColumnKind::Bool, ValueRef::Bool(_))
            | (ColumnKind::Int16, ValueRef::Int16(_))
            | (ColumnKind::Int32, ValueRef::Int32(_))
            | (ColumnKind::Int64, ValueRef::Int64(_))
            | (ColumnKind::Float32, ValueRef::Float32(_))
            | (ColumnKind::Float64, ValueRef::Float64(_))
            | (ColumnKind::Decimal, ValueRef::Decimal(_))
            | (ColumnKind::String, ValueRef::String(_))
            | (ColumnKind::Bytes, ValueRef::Bytes(_))
            | (ColumnKind::Uuid, ValueRef::Uuid(_))
            | (ColumnKind::DateTime, ValueRef::DateTime(_))
            | (ColumnKind::LocalDateTime, ValueRef::LocalDateTime(_))
            | (ColumnKind::Date, ValueRef::Date(_))
            | (ColumnKind::Time, ValueRef::Time(_))
            | (ColumnKind::Interval, ValueRef::Interval(_))
            | (ColumnKind::Json, ValueRef::Json(_))
            | (ColumnKind::Enum, ValueRef::Enum(_))
    )
}

/// An end offset as it stands in a block.
#[inline]
pub(super) fn offset(end: usize) -> Result<[u8; 4]> {
    if end > BLOCK_BYTES_MAX {
        return Err(too_large(end));
    }
    count(end).map(u32::to_le_bytes)
}

/// A count as it stands in a block.
pub(super) fn count(n: usize) -> Result<u32> {
    u32::try_from(n).map_err(|_| too_large(n))
}

/// The error of a block that outgrows [`BLOCK_BYTES_MAX`].
pub(super) fn too_large(bytes: usize) -> Error {
    let as_u64 = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    let mut error = Error::new(ErrorCode::LimitExceeded, "the result is too large for one block")
        .hint("ask for fewer rows, with a limit");
    error.detail.limit = Some(crate::error::Limit {
        name: "block_bytes_max".to_owned(),
        allowed: as_u64(BLOCK_BYTES_MAX),
        asked: as_u64(bytes),
    });
    error
}
