//! Values side by side, each reached in O(1) without decoding the others.
//!
//! Invariants: (1) what a tuple's types are stands in its layout, never in the tuple; (2) reading arbitrary bytes gives a
//! value or a typed error.
//!
//! ```text
//! | flags u8 | null bitmap | fixed-width part | end of each variable value | variable part |
//!   flags: bit 0: ends are u32, else u16; the other bits are zero
//!   null bitmap: bit i of byte i/8 says that value i is null; its fixed-width place is zero, its variable one empty
//!   fixed widths, little-endian: bool 1, int16 2, int32 4, int64 8, float32 4, float64 8, uuid 16, enum 4, date 4,
//!     datetime, local_datetime, time 8; interval 16: months i32, days i32, microseconds i64;
//!     decimal: scale u8, digits i64 (precision up to 18) or i128
//!   variable: text and JSON in UTF-8, bytes as they are
//!   array: | count varint | null bitmap | elements |, of fixed width or each with its length as a varint before it
//! ```

#![deny(clippy::indexing_slicing)]

use ormdb_proto::schema::{FieldType, ScalarType};
use ormdb_proto::value::{Decimal, Interval, ValueRef};
use ormdb_proto::{Error, ErrorCode, Result};

use super::{corrupt, varint};

mod patch;

const WIDE: u8 = 1;
/// The greatest precision whose digits fit into eight bytes.
pub(crate) const NARROW_PRECISION_MAX: u8 = 18;

/// The types of a tuple, and where each value lies.
#[derive(Clone, Debug)]
pub(crate) struct TupleLayout {
    columns: Vec<Column>,
    fixed_bytes: usize,
    variable_count: usize,
}

#[derive(Clone, Copy, Debug)]
struct Column {
    ty: FieldType,
    place: Place,
}

#[derive(Clone, Copy, Debug)]
enum Place {
    /// So many bytes behind the start of the fixed-width part.
    Fixed { at: usize },
    /// The how-manieth variable value.
    Variable { ordinal: usize },
}

/// A tuple whose parts were found to be there; values are checked as they are read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TupleView<'a> {
    layout: &'a TupleLayout,
    bitmap: &'a [u8],
    fixed: &'a [u8],
    ends: &'a [u8],
    variable: &'a [u8],
    wide: bool,
}

impl TupleLayout {
    /// The layout of values of these types.
    pub(crate) fn new(types: impl IntoIterator<Item = FieldType>) -> TupleLayout {
        let mut layout = TupleLayout { columns: Vec::new(), fixed_bytes: 0, variable_count: 0 };
        for ty in types {
            let place = match fixed_width(ty) {
                Some(width) => {
                    layout.fixed_bytes += width;
                    Place::Fixed { at: layout.fixed_bytes - width }
                }
                None => {
                    layout.variable_count += 1;
                    Place::Variable { ordinal: layout.variable_count - 1 }
                }
            };
            layout.columns.push(Column { ty, place });
        }
        layout
    }

    /// How many values it has.
    pub(crate) const fn len(&self) -> usize {
        self.columns.len()
    }

    /// Appends a tuple.
    ///
    /// # Errors
    /// `Internal` if the values are not of the layout's types; `LimitExceeded` if they have more than 4 GiB.
    pub(crate) fn encode(&self, values: &[ValueRef<'_>], out: &mut Vec<u8>) -> Result<()> {
        if values.len() != self.columns.len() {
            return Err(Error::new(ErrorCode::Internal, "a row has the wrong number of values"));
        }
        let bitmap_len = bitmap_bytes(self.columns.len());
        let variable: usize = values.iter().map(bytes_of).sum();
        out.reserve(1 + bitmap_len + self.fixed_bytes + self.variable_count * 2 + variable);
        let flags_at = out.len();
        out.resize(flags_at + 1 + bitmap_len, 0);
        let (_, bitmap) = out.split_at_mut(flags_at + 1);
        for (at, _) in values.iter().enumerate().filter(|(_, value)| value.is_null()) {
            set_bit(bitmap, at);
        }
        for (column, value) in self.columns.iter().zip(values) {
            if let Place::Fixed { .. } = column.place {
                push_fixed(out, column.ty.scalar(), value)?;
            }
        }
        let ends_at = out.len();
        if !self.encode_variable::<2>(values, out)? {
            // Longer ones have wider ends.
            out.truncate(ends_at);
            if let Some(flags) = out.get_mut(flags_at) {
                *flags = WIDE;
            }
            self.encode_variable::<4>(values, out)?;
        }
        Ok(())
    }

    /// Appends the ends of the variable part, each so many bytes wide, and that part; says whether the width was enough.
    fn encode_variable<const WIDTH: usize>(
        &self,
        values: &[ValueRef<'_>],
        out: &mut Vec<u8>,
    ) -> Result<bool> {
        let ends_at = out.len();
        let variable_at = ends_at + self.variable_count * WIDTH;
        out.resize(variable_at, 0);
        for (column, value) in self.columns.iter().zip(values) {
            let Place::Variable { ordinal } = column.place else { continue };
            push_variable(out, column.ty, value)?;
            let end = u32::try_from(out.len() - variable_at).map_err(|_| too_large())?.to_le_bytes();
            let (end, above) = end.split_at(WIDTH);
            if above.iter().any(|byte| *byte != 0) {
                return Ok(false);
            }
            let at = ends_at + ordinal * WIDTH;
            if let Some(place) = out.get_mut(at..at + WIDTH) {
                place.copy_from_slice(end);
            }
        }
        Ok(true)
    }

    /// Where the value at a place stands, if it is a whole number.
    pub(crate) fn whole_number(&self, place: usize) -> Option<WholeNumber> {
        let column = self.columns.get(place)?;
        let Place::Fixed { at } = column.place else { return None };
        let whole = [ScalarType::Int16, ScalarType::Int32, ScalarType::Int64].map(FieldType::Scalar);
        let width = fixed_width(column.ty).filter(|_| whole.contains(&column.ty))?;
        Some(WholeNumber { place, at: 1 + bitmap_bytes(self.columns.len()) + at, width })
    }

    /// The parts of a tuple.
    ///
    /// # Errors
    /// `Corrupt` if a part is not there.
    pub(crate) fn view<'a>(&'a self, bytes: &'a [u8]) -> Result<TupleView<'a>> {
        let (&flags, rest) = bytes.split_first().ok_or_else(cut_short)?;
        if flags & !WIDE != 0 {
            return Err(corrupt(format!("a row has the unknown flags {flags:#x}")));
        }
        let wide = flags & WIDE != 0;
        let (bitmap, rest) = rest.split_at_checked(bitmap_bytes(self.columns.len())).ok_or_else(cut_short)?;
        let (fixed, rest) = rest.split_at_checked(self.fixed_bytes).ok_or_else(cut_short)?;
        let width = if wide { 4 } else { 2 };
        let (ends, variable) = rest.split_at_checked(self.variable_count * width).ok_or_else(cut_short)?;
        Ok(TupleView { layout: self, bitmap, fixed, ends, variable, wide })
    }
}

/// Where a whole number stands in the tuples of a layout.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WholeNumber {
    place: usize,
    at: usize,
    width: usize,
}

impl WholeNumber {
    /// The number in a tuple, or that it is null; none if the bytes are no such tuple.
    #[inline]
    pub(crate) fn read(&self, tuple: &[u8]) -> Option<Option<i64>> {
        let (&flags, bitmap) = tuple.split_first()?;
        if flags & !WIDE != 0 {
            return None;
        }
        let bytes = tuple.get(self.at..)?;
        let number = match self.width {
            2 => i64::from(i16::from_le_bytes(le(bytes)?)),
            4 => i64::from(i32::from_le_bytes(le(bytes)?)),
            _ => i64::from_le_bytes(le(bytes)?),
        };
        Some((!bit(bitmap, self.place)).then_some(number))
    }
}

impl<'a> TupleView<'a> {
    /// The value at a place.
    ///
    /// # Errors
    /// `Corrupt` if the bytes are no such value; `Internal` if the layout has no such place.
    pub(crate) fn get(&self, at: usize) -> Result<ValueRef<'a>> {
        let Some(column) = self.layout.columns.get(at) else { return Err(no_value()) };
        if bit(self.bitmap, at) {
            return Ok(ValueRef::Null);
        }
        match column.place {
            Place::Fixed { at } => {
                let bytes = self.fixed.get(at..).ok_or_else(cut_short)?;
                read_fixed(column.ty.scalar(), bytes).ok_or_else(|| damaged(column.ty))
            }
            Place::Variable { ordinal } => {
                let start = if ordinal == 0 { 0 } else { self.end_of(ordinal - 1)? };
                let bytes = self.variable.get(start..self.end_of(ordinal)?).ok_or_else(cut_short)?;
                match column.ty {
                    FieldType::Scalar(scalar) => {
                        read_variable(scalar, bytes).ok_or_else(|| damaged(column.ty))
                    }
                    FieldType::Array(scalar) => read_array(scalar, bytes).ok_or_else(|| damaged(column.ty)),
                }
            }
        }
    }

    /// The bytes of the value at a place, as blocks of a result have those of [such a type](is_raw); none of a null.
    ///
    /// # Errors
    /// `Corrupt` if they are not there; `Internal` if the layout has no such place.
    #[inline]
    pub(crate) fn raw(&self, at: usize) -> Result<Option<&'a [u8]>> {
        let Some(column) = self.layout.columns.get(at) else { return Err(no_value()) };
        if bit(self.bitmap, at) {
            return Ok(None);
        }
        let bytes = match column.place {
            Place::Fixed { at } => {
                let width = fixed_width(column.ty).unwrap_or(0);
                self.fixed.get(at..at + width)
            }
            Place::Variable { ordinal } => {
                let start = if ordinal == 0 { 0 } else { self.end_of(ordinal - 1)? };
                self.variable.get(start..self.end_of(ordinal)?)
            }
        };
        bytes.map(Some).ok_or_else(cut_short)
    }

    #[inline]
    fn end_of(&self, ordinal: usize) -> Result<usize> {
        let end = if self.wide {
            self.ends.get(ordinal * 4..).and_then(le::<4>).map(u32::from_le_bytes)
        } else {
            self.ends.get(ordinal * 2..).and_then(le::<2>).map(|b| u32::from(u16::from_le_bytes(b)))
        };
        end.and_then(|end| usize::try_from(end).ok()).ok_or_else(cut_short)
    }
}

/// Whether the bytes of a type's values are the same in a tuple and in a block of a result.
pub(crate) const fn is_raw(ty: FieldType) -> bool {
    match ty {
        FieldType::Array(_) => false,
        FieldType::Scalar(scalar) => match scalar {
            // A bit in a block, and a scale apart.
            ScalarType::Bool | ScalarType::Decimal { .. } => false,
            ScalarType::Int16
            | ScalarType::Int32
            | ScalarType::Int64
            | ScalarType::Float32
            | ScalarType::Float64
            | ScalarType::String { .. }
            | ScalarType::Bytes
            | ScalarType::Uuid
            | ScalarType::DateTime
            | ScalarType::LocalDateTime
            | ScalarType::Date
            | ScalarType::Time
            | ScalarType::Interval
            | ScalarType::Json
            | ScalarType::Enum(_) => true,
        },
    }
}

/// The width of a type whose values all have one.
const fn fixed_width(ty: FieldType) -> Option<usize> {
    match ty {
        FieldType::Array(_) => None,
        FieldType::Scalar(scalar) => match scalar {
            ScalarType::Bool => Some(1),
            ScalarType::Int16 => Some(2),
            ScalarType::Int32 | ScalarType::Float32 | ScalarType::Date | ScalarType::Enum(_) => Some(4),
            ScalarType::Int64
            | ScalarType::Float64
            | ScalarType::DateTime
            | ScalarType::LocalDateTime
            | ScalarType::Time => Some(8),
            ScalarType::Uuid | ScalarType::Interval => Some(16),
            ScalarType::Decimal { precision, .. } if precision <= NARROW_PRECISION_MAX => Some(9),
            ScalarType::Decimal { .. } => Some(17),
            ScalarType::String { .. } | ScalarType::Bytes | ScalarType::Json => None,
        },
    }
}

/// The bytes of a text, or of bytes.
fn bytes_of(value: &ValueRef<'_>) -> usize {
    match value {
        ValueRef::String(v) | ValueRef::Json(v) => v.len(),
        ValueRef::Bytes(v) => v.len(),
        _ => 0,
    }
}

fn push_fixed(out: &mut Vec<u8>, ty: ScalarType, value: &ValueRef<'_>) -> Result<()> {
    match (ty, value) {
        (_, ValueRef::Null) => {
            let width = fixed_width(FieldType::Scalar(ty)).unwrap_or(0);
            out.resize(out.len() + width, 0);
        }
        (ScalarType::Bool, ValueRef::Bool(v)) => out.push(u8::from(*v)),
        (ScalarType::Int16, ValueRef::Int16(v)) => out.extend_from_slice(&v.to_le_bytes()),
        (ScalarType::Int32, ValueRef::Int32(v)) | (ScalarType::Date, ValueRef::Date(v)) => {
            out.extend_from_slice(&v.to_le_bytes());
        }
        (ScalarType::Int64, ValueRef::Int64(v))
        | (ScalarType::DateTime, ValueRef::DateTime(v))
        | (ScalarType::LocalDateTime, ValueRef::LocalDateTime(v))
        | (ScalarType::Time, ValueRef::Time(v)) => out.extend_from_slice(&v.to_le_bytes()),
        (ScalarType::Float32, ValueRef::Float32(v)) => out.extend_from_slice(&v.to_le_bytes()),
        (ScalarType::Float64, ValueRef::Float64(v)) => out.extend_from_slice(&v.to_le_bytes()),
        (ScalarType::Uuid, ValueRef::Uuid(v)) => out.extend_from_slice(v),
        (ScalarType::Enum(_), ValueRef::Enum(v)) => out.extend_from_slice(&v.to_le_bytes()),
        (ScalarType::Interval, ValueRef::Interval(v)) => {
            out.extend_from_slice(&v.months.to_le_bytes());
            out.extend_from_slice(&v.days.to_le_bytes());
            out.extend_from_slice(&v.micros.to_le_bytes());
        }
        (ScalarType::Decimal { precision, .. }, ValueRef::Decimal(v)) => {
            out.push(v.scale());
            if precision <= NARROW_PRECISION_MAX {
                let digits = i64::try_from(v.unscaled()).map_err(|_| mismatch(ty, value))?;
                out.extend_from_slice(&digits.to_le_bytes());
            } else {
                out.extend_from_slice(&v.unscaled().to_le_bytes());
            }
        }
        _ => return Err(mismatch(ty, value)),
    }
    Ok(())
}

fn push_variable(out: &mut Vec<u8>, ty: FieldType, value: &ValueRef<'_>) -> Result<()> {
    match (ty, value) {
        (_, ValueRef::Null) => {}
        (FieldType::Scalar(ScalarType::String { .. }), ValueRef::String(v))
        | (FieldType::Scalar(ScalarType::Json), ValueRef::Json(v)) => out.extend_from_slice(v.as_bytes()),
        (FieldType::Scalar(ScalarType::Bytes), ValueRef::Bytes(v)) => out.extend_from_slice(v),
        (FieldType::Array(element), ValueRef::Array(values)) => push_array(out, element, values)?,
        _ => return Err(mismatch(ty.scalar(), value)),
    }
    Ok(())
}

fn push_array(out: &mut Vec<u8>, element: ScalarType, values: &[ValueRef<'_>]) -> Result<()> {
    varint::push_u32(out, u32::try_from(values.len()).map_err(|_| too_large())?);
    let mut bitmap = vec![0u8; bitmap_bytes(values.len())];
    for (at, _) in values.iter().enumerate().filter(|(_, v)| v.is_null()) {
        set_bit(&mut bitmap, at);
    }
    out.extend_from_slice(&bitmap);
    let ty = FieldType::Scalar(element);
    let mut bytes = Vec::new();
    for value in values {
        if fixed_width(ty).is_some() {
            push_fixed(out, element, value)?;
        } else {
            bytes.clear();
            push_variable(&mut bytes, ty, value)?;
            varint::push_u32(out, u32::try_from(bytes.len()).map_err(|_| too_large())?);
            out.extend_from_slice(&bytes);
        }
    }
    Ok(())
}

fn read_fixed<'a>(ty: ScalarType, bytes: &[u8]) -> Option<ValueRef<'a>> {
    Some(match ty {
        ScalarType::Bool => ValueRef::Bool(*bytes.first()? != 0),
        ScalarType::Int16 => ValueRef::Int16(i16::from_le_bytes(le(bytes)?)),
        ScalarType::Int32 => ValueRef::Int32(i32::from_le_bytes(le(bytes)?)),
        ScalarType::Int64 => ValueRef::Int64(i64::from_le_bytes(le(bytes)?)),
        ScalarType::Float32 => ValueRef::Float32(f32::from_le_bytes(le(bytes)?)),
        ScalarType::Float64 => ValueRef::Float64(f64::from_le_bytes(le(bytes)?)),
        ScalarType::Uuid => ValueRef::Uuid(le(bytes)?),
        ScalarType::Enum(_) => ValueRef::Enum(u32::from_le_bytes(le(bytes)?)),
        ScalarType::Date => ValueRef::Date(i32::from_le_bytes(le(bytes)?)),
        ScalarType::DateTime => ValueRef::DateTime(i64::from_le_bytes(le(bytes)?)),
        ScalarType::LocalDateTime => ValueRef::LocalDateTime(i64::from_le_bytes(le(bytes)?)),
        ScalarType::Time => ValueRef::Time(i64::from_le_bytes(le(bytes)?)),
        ScalarType::Interval => ValueRef::Interval(Interval {
            months: i32::from_le_bytes(le(bytes)?),
            days: i32::from_le_bytes(le(bytes.get(4..)?)?),
            micros: i64::from_le_bytes(le(bytes.get(8..)?)?),
        }),
        ScalarType::Decimal { precision, .. } => {
            let (&scale, digits) = bytes.split_first()?;
            let digits = if precision <= NARROW_PRECISION_MAX {
                i128::from(i64::from_le_bytes(le(digits)?))
            } else {
                i128::from_le_bytes(le(digits)?)
            };
            ValueRef::Decimal(Decimal::new(digits, scale)?)
        }
        ScalarType::String { .. } | ScalarType::Bytes | ScalarType::Json => return None,
    })
}

fn read_variable(ty: ScalarType, bytes: &[u8]) -> Option<ValueRef<'_>> {
    Some(match ty {
        ScalarType::String { .. } => ValueRef::String(std::str::from_utf8(bytes).ok()?),
        ScalarType::Json => ValueRef::Json(std::str::from_utf8(bytes).ok()?),
        ScalarType::Bytes => ValueRef::Bytes(bytes),
        _ => return None,
    })
}

fn read_array(element: ScalarType, mut bytes: &[u8]) -> Option<ValueRef<'_>> {
    let count = usize::try_from(varint::take_u32(&mut bytes)?).ok()?;
    let (bitmap, mut bytes) = bytes.split_at_checked(bitmap_bytes(count))?;
    let width = fixed_width(FieldType::Scalar(element));
    // Every element has at least one byte, so that the count sizes no allocation beyond the bytes at hand.
    if bytes.len() < count {
        return None;
    }
    let mut values = Vec::with_capacity(count);
    for at in 0..count {
        let element_bytes = match width {
            Some(width) => {
                let (element, rest) = bytes.split_at_checked(width)?;
                bytes = rest;
                element
            }
            None => varint::take_bytes(&mut bytes)?,
        };
        values.push(match width {
            _ if bit(bitmap, at) => ValueRef::Null,
            Some(_) => read_fixed(element, element_bytes)?,
            None => read_variable(element, element_bytes)?,
        });
    }
    bytes.is_empty().then_some(ValueRef::Array(values))
}

fn le<const N: usize>(bytes: &[u8]) -> Option<[u8; N]> {
    bytes.first_chunk::<N>().copied()
}

const fn bitmap_bytes(count: usize) -> usize {
    count.div_ceil(8)
}

fn bit(bitmap: &[u8], at: usize) -> bool {
    bitmap.get(at / 8).is_some_and(|byte| byte >> (at % 8) & 1 == 1)
}

fn set_bit(bitmap: &mut [u8], at: usize) {
    if let Some(byte) = bitmap.get_mut(at / 8) {
        *byte |= 1 << (at % 8);
    }
}

#[cold]
fn no_value() -> Error {
    Error::new(ErrorCode::Internal, "a row has no such value")
}

#[cold]
fn cut_short() -> Error {
    corrupt("a row is cut short")
}

fn damaged(ty: FieldType) -> Error {
    corrupt(format!("a row has bytes that are no {ty:?}"))
}

fn too_large() -> Error {
    Error::new(ErrorCode::LimitExceeded, "a row has more than 4 GiB")
}

fn mismatch(ty: ScalarType, value: &ValueRef<'_>) -> Error {
    Error::new(ErrorCode::Internal, format!("a row's place for {ty:?} was given {value:?}"))
}
