//! Keys whose bytes sort as their values do.
//!
//! Invariants: (1) for two values of one type, the order of their encodings is `ormdb_proto::value::compare`'s, or the
//! reverse where the column descends; equal values have equal encodings; (2) no encoding is a prefix of another of
//! the same type, so that columns stand one behind the other with nothing between.
//!
//! ```text
//! column     | flag 1 | value |   or   | flag 2 |           a null, behind every value; primary keys have no flag
//! descending                      every byte of the column complemented: nulls come first
//! bool       1 byte
//! intN       8 bytes: as i64 big-endian, sign bit flipped: one width, so that widening rewrites nothing
//! floatN     8 bytes: as f64 big-endian; negative: complemented, else sign bit flipped; -0 as 0, NaN last
//! decimal    | sign 1 -, 2 zero, 3 + | exponent + 128 | pairs of digits + 1 … | 0 |   0.d1d2d3… * 10^exponent; zeros at
//!            the end are dropped; of a negative number all behind the sign is complemented
//! text, bytes, json   bytes, 0 as | 0 | 255 |, then | 0 | 1 |
//! uuid       16 bytes
//! datetime, local_datetime, time   8 bytes as int64; date 4 bytes alike
//! interval   16 bytes: its comparable length as i128, sign bit flipped (loses the parts: the row has them)
//! enum       4 bytes big-endian: the stable position
//! array      | 1 | element |  or  | 2 |  per element, then | 0 |
//! ```

#![deny(clippy::indexing_slicing)]

use ormdb_proto::schema::{FieldType, ScalarType};
use ormdb_proto::value::{Decimal, ValueRef};
use ormdb_proto::{Error, ErrorCode, Result};

use super::corrupt;

const VALUE: u8 = 1;
const NULL: u8 = 2;
const END: u8 = 0;
const ESCAPE: u8 = 0;
/// Bytes of an encoded integer or instant.
const WORD_BYTES: usize = 8;
const ESCAPED_ZERO: u8 = 0xff;
const TEXT_END: u8 = 1;
const DECIMAL_NEGATIVE: u8 = 1;
const DECIMAL_ZERO: u8 = 2;
const DECIMAL_POSITIVE: u8 = 3;
const DECIMAL_EXPONENT_BIAS: i32 = 128;

/// Which way a column of a key sorts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// The least value first, nulls last.
    Ascending,
    /// Nulls first, then the greatest value.
    Descending,
}

/// Appends a column of an index: a flag, and the value.
pub(crate) fn push_column(out: &mut Vec<u8>, value: &ValueRef<'_>, direction: Direction) {
    let start = out.len();
    push_flagged(out, value);
    if direction == Direction::Descending {
        for byte in out.iter_mut().skip(start) {
            *byte = !*byte;
        }
    }
}

/// Appends a column of an index from the bytes of its value, as they stand in another key that sorts in `from`; of a primary key, ascending.
pub(crate) fn push_encoded_column(out: &mut Vec<u8>, value: &[u8], from: Direction, to: Direction) {
    out.push(VALUE ^ mask_of(to));
    push_masked(out, value, mask_of(from) ^ mask_of(to));
}

/// Appends a field of a primary key from the bytes of its value, as [`push_encoded_column`] does.
pub(crate) fn push_encoded_key_field(out: &mut Vec<u8>, value: &[u8], from: Direction) {
    push_masked(out, value, mask_of(from));
}

fn push_masked(out: &mut Vec<u8>, value: &[u8], mask: u8) {
    match mask {
        0 => match value.first_chunk::<WORD_BYTES>() {
            // As most are: no call is needed to copy it.
            Some(word) if value.len() == WORD_BYTES => out.extend_from_slice(word),
            _ => out.extend_from_slice(value),
        },
        mask => out.extend(value.iter().map(|byte| byte ^ mask)),
    }
}

/// Appends a field of a primary key, which has no flag.
///
/// # Errors
/// `Internal` of a null.
pub(crate) fn push_key_field(out: &mut Vec<u8>, value: &ValueRef<'_>) -> Result<()> {
    if value.is_null() {
        return Err(Error::new(ErrorCode::Internal, "a field of a primary key is null"));
    }
    push_value(out, value);
    Ok(())
}

fn push_flagged(out: &mut Vec<u8>, value: &ValueRef<'_>) {
    if value.is_null() {
        out.push(NULL);
    } else {
        out.push(VALUE);
        push_value(out, value);
    }
}

fn push_value(out: &mut Vec<u8>, value: &ValueRef<'_>) {
    match value {
        ValueRef::Null => {}
        ValueRef::Bool(v) => out.push(u8::from(*v)),
        ValueRef::Int16(v) => push_i64(out, i64::from(*v)),
        ValueRef::Int32(v) => push_i64(out, i64::from(*v)),
        ValueRef::Int64(v) | ValueRef::DateTime(v) | ValueRef::LocalDateTime(v) | ValueRef::Time(v) => {
            push_i64(out, *v);
        }
        ValueRef::Float32(v) => push_f64(out, f64::from(*v)),
        ValueRef::Float64(v) => push_f64(out, *v),
        ValueRef::Decimal(v) => push_decimal(out, *v),
        ValueRef::String(v) | ValueRef::Json(v) => push_bytes(out, v.as_bytes()),
        ValueRef::Bytes(v) => push_bytes(out, v),
        ValueRef::Uuid(v) => out.extend_from_slice(v),
        ValueRef::Date(v) => out.extend_from_slice(&(v.cast_unsigned() ^ (1 << 31)).to_be_bytes()),
        ValueRef::Interval(v) => {
            out.extend_from_slice(&(v.comparable().cast_unsigned() ^ (1 << 127)).to_be_bytes());
        }
        ValueRef::Enum(v) => out.extend_from_slice(&v.to_be_bytes()),
        ValueRef::Array(v) => {
            for element in v {
                push_flagged(out, element);
            }
            out.push(END);
        }
    }
}

fn push_i64(out: &mut Vec<u8>, v: i64) {
    out.extend_from_slice(&(v.cast_unsigned() ^ (1 << 63)).to_be_bytes());
}

fn push_f64(out: &mut Vec<u8>, v: f64) {
    let v = if v.is_nan() {
        f64::NAN
    } else if v == 0.0 {
        0.0
    } else {
        v
    };
    let bits = v.to_bits() & if v.is_nan() { !(1 << 63) } else { u64::MAX };
    let sortable = if bits >> 63 == 1 { !bits } else { bits ^ (1 << 63) };
    out.extend_from_slice(&sortable.to_be_bytes());
}

fn push_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    out.reserve(bytes.len() + 2);
    let mut pieces = bytes.split(|byte| *byte == ESCAPE);
    if let Some(first) = pieces.next() {
        out.extend_from_slice(first);
    }
    for piece in pieces {
        out.extend_from_slice(&[ESCAPE, ESCAPED_ZERO]);
        out.extend_from_slice(piece);
    }
    out.extend_from_slice(&[ESCAPE, TEXT_END]);
}

fn push_decimal(out: &mut Vec<u8>, v: Decimal) {
    if v.is_zero() {
        out.push(DECIMAL_ZERO);
        return;
    }
    let digits = v.unscaled().unsigned_abs().to_string();
    let exponent = i32::try_from(digits.len()).unwrap_or(0) - i32::from(v.scale());
    let negative = v.unscaled() < 0;
    out.push(if negative { DECIMAL_NEGATIVE } else { DECIMAL_POSITIVE });
    let start = out.len();
    // The exponent lies between -37 and 38.
    out.push(u8::try_from(exponent + DECIMAL_EXPONENT_BIAS).unwrap_or(u8::MAX));
    for pair in digits.trim_end_matches('0').as_bytes().chunks(2) {
        let digit = |at: usize| pair.get(at).map_or(0, |d| d - b'0');
        out.push(digit(0) * 10 + digit(1) + 1);
    }
    out.push(END);
    if negative {
        for byte in out.iter_mut().skip(start) {
            *byte = !*byte;
        }
    }
}

/// A value that was decoded from a key.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum KeyValue {
    /// A value that needs no bytes of its own.
    Plain(ValueRef<'static>),
    /// Text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// A JSON document.
    Json(String),
}

impl KeyValue {
    /// The value.
    pub(crate) fn as_ref(&self) -> ValueRef<'_> {
        match self {
            KeyValue::Plain(v) => v.clone(),
            KeyValue::Text(v) => ValueRef::String(v),
            KeyValue::Bytes(v) => ValueRef::Bytes(v),
            KeyValue::Json(v) => ValueRef::Json(v),
        }
    }
}

/// Whether a key has all of a value of this type, so that it can be read from there: not of floats (-0), intervals
/// (their parts) and arrays.
pub(crate) const fn is_lossless(ty: FieldType) -> bool {
    match ty {
        FieldType::Array(_)
        | FieldType::Scalar(ScalarType::Float32 | ScalarType::Float64 | ScalarType::Interval) => false,
        FieldType::Scalar(_) => true,
    }
}

/// Takes columns off the front of a key.
#[derive(Clone, Debug)]
pub(crate) struct KeyReader<'a> {
    rest: &'a [u8],
    /// What every byte is combined with: 255 in a descending column.
    mask: u8,
}

impl<'a> KeyReader<'a> {
    /// A reader of the columns of `bytes`.
    pub(crate) const fn new(bytes: &'a [u8]) -> KeyReader<'a> {
        KeyReader { rest: bytes, mask: 0 }
    }

    /// What is left.
    pub(crate) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Takes a column of an index.
    ///
    /// # Errors
    /// `Corrupt` if the bytes are no such column; `Internal` of a type whose keys lose values.
    pub(crate) fn column(&mut self, ty: FieldType, direction: Direction) -> Result<KeyValue> {
        self.mask = mask_of(direction);
        match self.byte()? {
            NULL => Ok(KeyValue::Plain(ValueRef::Null)),
            VALUE => self.value(ty),
            other => Err(corrupt(format!("a column of a key begins with {other}"))),
        }
    }

    /// Takes a field of a primary key.
    ///
    /// # Errors
    /// As of [`KeyReader::column`].
    pub(crate) fn key_field(&mut self, ty: FieldType) -> Result<KeyValue> {
        self.mask = 0;
        self.value(ty)
    }

    /// Passes over a column of an index; says whether it is null.
    ///
    /// # Errors
    /// `Corrupt` if the bytes are no such column.
    pub(crate) fn skip_column(&mut self, ty: FieldType, direction: Direction) -> Result<bool> {
        self.mask = mask_of(direction);
        match self.byte()? {
            NULL => Ok(true),
            VALUE => self.skip_value(ty).map(|()| false),
            other => Err(corrupt(format!("a column of a key begins with {other}"))),
        }
    }

    /// Passes over a field of a primary key.
    ///
    /// # Errors
    /// As of [`KeyReader::skip_column`].
    pub(crate) fn skip_key_field(&mut self, ty: FieldType) -> Result<()> {
        self.mask = 0;
        self.skip_value(ty)
    }

    fn value(&mut self, ty: FieldType) -> Result<KeyValue> {
        let FieldType::Scalar(scalar) = ty else {
            return Err(Error::new(ErrorCode::Internal, "an array cannot be read from a key"));
        };
        Ok(KeyValue::Plain(match scalar {
            ScalarType::Bool => ValueRef::Bool(self.byte()? != 0),
            ScalarType::Int16 => ValueRef::Int16(narrow(self.i64()?)?),
            ScalarType::Int32 => ValueRef::Int32(narrow(self.i64()?)?),
            ScalarType::Int64 => ValueRef::Int64(self.i64()?),
            ScalarType::DateTime => ValueRef::DateTime(self.i64()?),
            ScalarType::LocalDateTime => ValueRef::LocalDateTime(self.i64()?),
            ScalarType::Time => ValueRef::Time(self.i64()?),
            ScalarType::Decimal { scale, .. } => ValueRef::Decimal(self.decimal(scale)?),
            ScalarType::String { .. } => return self.text().map(KeyValue::Text),
            ScalarType::Json => return self.text().map(KeyValue::Json),
            ScalarType::Bytes => return self.bytes().map(KeyValue::Bytes),
            ScalarType::Uuid => ValueRef::Uuid(self.array()?),
            ScalarType::Date => ValueRef::Date((u32::from_be_bytes(self.array()?) ^ (1 << 31)).cast_signed()),
            ScalarType::Enum(_) => ValueRef::Enum(u32::from_be_bytes(self.array()?)),
            ScalarType::Float32 | ScalarType::Float64 | ScalarType::Interval => {
                return Err(Error::new(ErrorCode::Internal, "the key does not have all of the value"));
            }
        }))
    }

    fn skip_value(&mut self, ty: FieldType) -> Result<()> {
        let FieldType::Scalar(scalar) = ty else {
            return self.skip_array(ty.scalar());
        };
        match scalar {
            ScalarType::Bool => self.byte().map(|_| ()),
            ScalarType::Int16
            | ScalarType::Int32
            | ScalarType::Int64
            | ScalarType::Float32
            | ScalarType::Float64
            | ScalarType::DateTime
            | ScalarType::LocalDateTime
            | ScalarType::Time => self.array::<8>().map(|_| ()),
            ScalarType::Decimal { .. } => self.decimal_parts().map(|_| ()),
            ScalarType::String { .. } | ScalarType::Json | ScalarType::Bytes => self.bytes().map(|_| ()),
            ScalarType::Uuid | ScalarType::Interval => self.array::<16>().map(|_| ()),
            ScalarType::Date | ScalarType::Enum(_) => self.array::<4>().map(|_| ()),
        }
    }

    fn skip_array(&mut self, element: ScalarType) -> Result<()> {
        loop {
            match self.byte()? {
                END => return Ok(()),
                NULL => {}
                VALUE => self.skip_value(FieldType::Scalar(element))?,
                other => return Err(corrupt(format!("an element of an array in a key begins with {other}"))),
            }
        }
    }

    fn byte(&mut self) -> Result<u8> {
        let (&byte, rest) = self.rest.split_first().ok_or_else(cut_short)?;
        self.rest = rest;
        Ok(byte ^ self.mask)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (bytes, rest) = self.rest.split_first_chunk::<N>().ok_or_else(cut_short)?;
        self.rest = rest;
        let mut bytes = *bytes;
        for byte in &mut bytes {
            *byte ^= self.mask;
        }
        Ok(bytes)
    }

    fn i64(&mut self) -> Result<i64> {
        Ok((u64::from_be_bytes(self.array()?) ^ (1 << 63)).cast_signed())
    }

    fn bytes(&mut self) -> Result<Vec<u8>> {
        let mut out = Vec::new();
        loop {
            let byte = self.byte()?;
            if byte != ESCAPE {
                out.push(byte);
                continue;
            }
            match self.byte()? {
                ESCAPED_ZERO => out.push(0),
                TEXT_END => return Ok(out),
                other => return Err(corrupt(format!("a text in a key has the escape {other}"))),
            }
        }
    }

    fn text(&mut self) -> Result<String> {
        String::from_utf8(self.bytes()?).map_err(|_| corrupt("a text in a key is not UTF-8"))
    }

    /// The sign, the exponent, and the digits as a number and their count.
    fn decimal_parts(&mut self) -> Result<(i128, i32, i32)> {
        let sign = match self.byte()? {
            DECIMAL_ZERO => return Ok((0, 0, 0)),
            DECIMAL_NEGATIVE => -1,
            DECIMAL_POSITIVE => 1,
            other => return Err(corrupt(format!("a decimal in a key has the sign {other}"))),
        };
        let turn = if sign < 0 { u8::MAX } else { 0 };
        let exponent = i32::from(self.byte()? ^ turn) - DECIMAL_EXPONENT_BIAS;
        let mut digits = 0i128;
        let mut count = 0i32;
        loop {
            match self.byte()? ^ turn {
                END => return Ok((sign * digits, exponent, count)),
                pair @ 1..=100 => {
                    digits = digits
                        .checked_mul(100)
                        .and_then(|d| d.checked_add(i128::from(pair - 1)))
                        .ok_or_else(|| corrupt("a decimal in a key has too many digits"))?;
                    count += 2;
                }
                other => return Err(corrupt(format!("a decimal in a key has the digits {other}"))),
            }
        }
    }

    fn decimal(&mut self, scale: u8) -> Result<Decimal> {
        let (mut digits, exponent, mut count) = self.decimal_parts()?;
        // digits * 10^(exponent - count)
        if digits % 10 == 0 && count > 0 {
            digits /= 10;
            count -= 1;
        }
        let behind_point = count - exponent;
        let decimal = if behind_point < 0 {
            let factor = 10i128.checked_pow(behind_point.unsigned_abs());
            factor.and_then(|f| digits.checked_mul(f)).and_then(|d| Decimal::new(d, 0))
        } else {
            u8::try_from(behind_point).ok().and_then(|s| Decimal::new(digits, s))
        };
        let decimal = decimal.ok_or_else(|| corrupt("a decimal in a key is out of range"))?;
        Ok(decimal.rescale(scale).filter(|d| *d == decimal).unwrap_or(decimal))
    }
}

const fn mask_of(direction: Direction) -> u8 {
    match direction {
        Direction::Ascending => 0,
        Direction::Descending => u8::MAX,
    }
}

fn narrow<T: TryFrom<i64>>(v: i64) -> Result<T> {
    T::try_from(v).map_err(|_| corrupt("an integer in a key is too large for its field"))
}

fn cut_short() -> Error {
    corrupt("a key is cut short")
}

/// Reads arbitrary bytes as columns of every type.
pub(crate) fn fuzz(bytes: &[u8]) {
    for scalar in super::row::every_scalar() {
        for direction in [Direction::Ascending, Direction::Descending] {
            for ty in [FieldType::Scalar(scalar), FieldType::Array(scalar)] {
                let mut reader = KeyReader::new(bytes);
                while !reader.rest().is_empty() && reader.skip_column(ty, direction).is_ok() {}
                let mut reader = KeyReader::new(bytes);
                while !reader.rest().is_empty() && reader.column(ty, direction).is_ok() {}
                let mut reader = KeyReader::new(bytes);
                while !reader.rest().is_empty() && reader.key_field(ty).is_ok() {}
            }
        }
    }
}

#[cfg(test)]
mod tests;
