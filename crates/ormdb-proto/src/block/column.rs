//! Reads one column where it lies.

use crate::error::Result;
use crate::value::{Decimal, Interval, ValueRef};

use super::layout::size;
use super::{ColumnType, malformed};

/// A column of an open block. Checksums were verified; contents are checked as they are read.
#[derive(Clone, Debug)]
pub struct Column<'a> {
    ty: ColumnType,
    rows: usize,
    validity: Option<&'a [u8]>,
    withheld: Option<&'a [u8]>,
    values: ColumnValues<'a>,
}

/// One cell.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell<'a> {
    /// A value; an absent one is `ValueRef::Null`.
    Value(ValueRef<'a>),
    /// The session may not see the value, nor whether there is one.
    Withheld,
}

/// The buffers of a column's values, little-endian. Where a row has no value, its bytes mean nothing.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the variants are those of ColumnKind, which documents them")]
pub enum ColumnValues<'a> {
    Bool(&'a [u8]),
    Int16(&'a [[u8; 2]]),
    Int32(&'a [[u8; 4]]),
    Int64(&'a [[u8; 8]]),
    Float32(&'a [[u8; 4]]),
    Float64(&'a [[u8; 8]]),
    Decimal { values: &'a [[u8; 16]], scale: u8, scales: Option<&'a [u8]> },
    String { offsets: &'a [[u8; 4]], bytes: &'a [u8] },
    Bytes { offsets: &'a [[u8; 4]], bytes: &'a [u8] },
    Json { offsets: &'a [[u8; 4]], bytes: &'a [u8] },
    Uuid(&'a [[u8; 16]]),
    DateTime(&'a [[u8; 8]]),
    LocalDateTime(&'a [[u8; 8]]),
    Date(&'a [[u8; 4]]),
    Time(&'a [[u8; 8]]),
    Interval(&'a [[u8; 16]]),
    Enum(&'a [[u8; 4]]),
    RowNumber(&'a [[u8; 4]]),
    List { offsets: &'a [[u8; 4]], elements: Box<Column<'a>> },
}

impl<'a> Column<'a> {
    pub(super) const fn new(
        ty: ColumnType,
        rows: usize,
        validity: Option<&'a [u8]>,
        withheld: Option<&'a [u8]>,
        values: ColumnValues<'a>,
    ) -> Column<'a> {
        Column { ty, rows, validity, withheld, values }
    }

    /// The type.
    pub const fn ty(&self) -> ColumnType {
        self.ty
    }

    /// How many rows there are.
    pub const fn len(&self) -> usize {
        self.rows
    }

    /// Whether there is no row.
    pub const fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// The buffers of the values.
    pub const fn values(&self) -> &ColumnValues<'a> {
        &self.values
    }

    pub(crate) fn into_values(self) -> ColumnValues<'a> {
        self.values
    }

    /// The validity bitmap, least significant bit first; none where every row has a value.
    pub const fn validity(&self) -> Option<&'a [u8]> {
        self.validity
    }

    /// Whether the row has a value.
    pub fn is_valid(&self, row: usize) -> bool {
        row < self.rows && self.validity.is_none_or(|bits| bit(bits, row))
    }

    /// Whether the session may not see the row's value.
    pub fn is_withheld(&self, row: usize) -> bool {
        self.withheld.is_some_and(|bits| bit(bits, row))
    }

    /// The cell of a row.
    ///
    /// # Errors
    /// `ProtocolViolation` if what stands there is no value of the type, or there is no such row.
    pub fn cell(&self, row: usize) -> Result<Cell<'a>> {
        if self.is_withheld(row) {
            return Ok(Cell::Withheld);
        }
        self.get(row).map(Cell::Value)
    }

    /// The value of a row; null where there is none or it is withheld.
    ///
    /// # Errors
    /// As [`cell`](Self::cell).
    pub fn get(&self, row: usize) -> Result<ValueRef<'a>> {
        if row >= self.rows {
            return Err(malformed(format!("row {row} of a column of {} rows", self.rows)));
        }
        if self.validity.is_some_and(|bits| !bit(bits, row)) {
            return Ok(ValueRef::Null);
        }
        Ok(match &self.values {
            ColumnValues::Bool(bits) => ValueRef::Bool(bit(bits, row)),
            ColumnValues::Int16(v) => ValueRef::Int16(i16::from_le_bytes(at(v, row)?)),
            ColumnValues::Int32(v) => ValueRef::Int32(i32::from_le_bytes(at(v, row)?)),
            ColumnValues::Int64(v) => ValueRef::Int64(i64::from_le_bytes(at(v, row)?)),
            ColumnValues::Float32(v) => ValueRef::Float32(f32::from_le_bytes(at(v, row)?)),
            ColumnValues::Float64(v) => ValueRef::Float64(f64::from_le_bytes(at(v, row)?)),
            ColumnValues::Decimal { values, scale, scales } => {
                let scale = match scales {
                    Some(scales) => {
                        scales.get(row).copied().ok_or_else(|| malformed("a scale is missing"))?
                    }
                    None => *scale,
                };
                let unscaled = i128::from_le_bytes(at(values, row)?);
                let decimal = Decimal::new(unscaled, scale);
                ValueRef::Decimal(decimal.ok_or_else(|| malformed("a decimal has too many digits"))?)
            }
            ColumnValues::String { offsets, bytes } => ValueRef::String(text(offsets, bytes, row)?),
            ColumnValues::Bytes { offsets, bytes } => ValueRef::Bytes(range(offsets, bytes, row)?),
            ColumnValues::Json { offsets, bytes } => ValueRef::Json(text(offsets, bytes, row)?),
            ColumnValues::Uuid(v) => ValueRef::Uuid(at(v, row)?),
            ColumnValues::DateTime(v) => ValueRef::DateTime(i64::from_le_bytes(at(v, row)?)),
            ColumnValues::LocalDateTime(v) => ValueRef::LocalDateTime(i64::from_le_bytes(at(v, row)?)),
            ColumnValues::Date(v) => ValueRef::Date(i32::from_le_bytes(at(v, row)?)),
            ColumnValues::Time(v) => ValueRef::Time(i64::from_le_bytes(at(v, row)?)),
            ColumnValues::Interval(v) => ValueRef::Interval(interval(at(v, row)?)),
            ColumnValues::Enum(v) | ColumnValues::RowNumber(v) => {
                ValueRef::Enum(u32::from_le_bytes(at(v, row)?))
            }
            ColumnValues::List { offsets, elements } => {
                let (start, end) = bounds(offsets, row)?;
                if end > elements.len() {
                    return Err(malformed("a list ends behind its elements"));
                }
                ValueRef::Array((start..end).map(|i| elements.get(i)).collect::<Result<_>>()?)
            }
        })
    }

    /// The values of all rows in order.
    pub fn iter(&self) -> impl Iterator<Item = Result<ValueRef<'a>>> {
        (0..self.rows).map(|row| self.get(row))
    }
}

/// The bit of a row; false behind the end.
pub(super) fn bit(bits: &[u8], row: usize) -> bool {
    bits.get(row / 8).is_some_and(|byte| byte >> (row % 8) & 1 == 1)
}

fn at<const N: usize>(values: &[[u8; N]], row: usize) -> Result<[u8; N]> {
    values.get(row).copied().ok_or_else(|| malformed("a column ends too early"))
}

/// The start and end that two neighbouring offsets give.
pub(crate) fn bounds(offsets: &[[u8; 4]], row: usize) -> Result<(usize, usize)> {
    let start = size(u32::from_le_bytes(at(offsets, row)?));
    let end = size(u32::from_le_bytes(at(offsets, row + 1)?));
    if start > end { Err(malformed("offsets descend")) } else { Ok((start, end)) }
}

fn range<'a>(offsets: &[[u8; 4]], bytes: &'a [u8], row: usize) -> Result<&'a [u8]> {
    let (start, end) = bounds(offsets, row)?;
    bytes.get(start..end).ok_or_else(|| malformed("a value ends behind its column"))
}

fn text<'a>(offsets: &[[u8; 4]], bytes: &'a [u8], row: usize) -> Result<&'a str> {
    std::str::from_utf8(range(offsets, bytes, row)?).map_err(|_| malformed("a text is not UTF-8"))
}

fn interval(bytes: [u8; 16]) -> Interval {
    let [m0, m1, m2, m3, d0, d1, d2, d3, micros @ ..] = bytes;
    Interval {
        months: i32::from_le_bytes([m0, m1, m2, m3]),
        days: i32::from_le_bytes([d0, d1, d2, d3]),
        micros: i64::from_le_bytes(micros),
    }
}
