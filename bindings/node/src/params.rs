//! Reads the parameters that JavaScript wrote (`lib/params.js`).
//!
//! Invariant: the bytes come from the package's own writer, but are checked as if they did not.
//!
//! ```text
//! parameters   (length u16, name, value) …
//! value        tag u8: the number of the value's type in `Value`, then
//!   bool u8 · int16 i16 · int32 i32 · int64, datetime, local_datetime, time i64 · float32 f32 · float64 f64
//!   decimal unscaled i128, scale u8 · string, bytes, json, enum: length u32, bytes · uuid 16 bytes · date i32
//!   interval months i32, days i32, micros i64 · array: count u32, values
//! tag | 0x40   the same type as text: length u32, bytes
//! ```

#![deny(clippy::indexing_slicing)]

use ormdb_bindings::{Error, ErrorCode, Params, Value};
use ormdb_proto::Result;
use ormdb_proto::value::{Decimal, Interval, canonical_json, narrow_float32, parse_float64, temporal};

use crate::error_text::thrown;

/// How deep arrays nest that are read; the database takes fewer.
const DEPTH_MAX: u8 = 8;
/// Set in the tag of a value that stands as text.
const AS_TEXT: u8 = 0x40;

/// The parameters of these bytes, of a statement that is begun.
pub(crate) fn given(bytes: &[u8]) -> napi::Result<Params> {
    read(bytes).map_err(|error| thrown(&error))
}

/// The parameters of these bytes.
pub(crate) fn read(bytes: &[u8]) -> Result<Params> {
    let mut reader = Reader { bytes };
    let mut params = Params::none();
    while !reader.bytes.is_empty() {
        let length = u16::from_le_bytes(reader.array()?);
        let name = reader.text(usize::from(length))?.to_owned();
        let value = reader.value(0).map_err(|error| error.field(&name))?;
        params.0.push((name, value));
    }
    Ok(params)
}

struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.bytes.split_at_checked(length).ok_or_else(malformed)?;
        self.bytes = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        self.take(N)?.first_chunk().copied().ok_or_else(malformed)
    }

    fn text(&mut self, length: usize) -> Result<&'a str> {
        let invalid = |_| Error::new(ErrorCode::InvalidValue, "a text is not UTF-8");
        std::str::from_utf8(self.take(length)?).map_err(invalid)
    }

    fn length(&mut self) -> Result<usize> {
        usize::try_from(u32::from_le_bytes(self.array()?)).map_err(|_| malformed())
    }

    fn long_text(&mut self) -> Result<&'a str> {
        let length = self.length()?;
        self.text(length)
    }

    fn long(&mut self) -> Result<i64> {
        Ok(i64::from_le_bytes(self.array()?))
    }

    fn value(&mut self, depth: u8) -> Result<Value> {
        let [tag] = self.array()?;
        if tag & AS_TEXT != 0 {
            return of_text(tag & !AS_TEXT, self.long_text()?);
        }
        Ok(match tag {
            0 => Value::Null,
            1 => Value::Bool(self.array()? != [0]),
            2 => Value::Int16(i16::from_le_bytes(self.array()?)),
            3 => Value::Int32(i32::from_le_bytes(self.array()?)),
            4 => Value::Int64(self.long()?),
            5 => Value::Float32(f32::from_le_bytes(self.array()?)),
            6 => Value::Float64(f64::from_le_bytes(self.array()?)),
            7 => {
                let unscaled = i128::from_le_bytes(self.array()?);
                let [scale] = self.array()?;
                Value::Decimal(Decimal::new(unscaled, scale).ok_or_else(malformed)?)
            }
            8 => Value::String(self.long_text()?.to_owned()),
            9 => {
                let length = self.length()?;
                Value::Bytes(self.take(length)?.to_vec())
            }
            10 => Value::Uuid(self.array()?),
            11 => Value::DateTime(self.long()?),
            12 => Value::LocalDateTime(self.long()?),
            13 => Value::Date(i32::from_le_bytes(self.array()?)),
            14 => Value::Time(self.long()?),
            15 => {
                let (months, days) = (i32::from_le_bytes(self.array()?), i32::from_le_bytes(self.array()?));
                Value::Interval(Interval { months, days, micros: self.long()? })
            }
            16 => of_text(16, self.long_text()?)?,
            17 => Value::Enum(self.long_text()?.to_owned()),
            18 if depth < DEPTH_MAX => {
                // Each element has at least its tag, so the count cannot ask for more than there is.
                let count = Some(self.length()?).filter(|n| *n <= self.bytes.len()).ok_or_else(malformed)?;
                Value::Array((0..count).map(|_| self.value(depth + 1)).collect::<Result<_>>()?)
            }
            _ => return Err(malformed()),
        })
    }
}

/// The value of a type that is written as text.
fn of_text(tag: u8, text: &str) -> Result<Value> {
    fn read<T, E: std::fmt::Display>(what: &str, text: &str, read: std::result::Result<T, E>) -> Result<T> {
        read.map_err(|error| {
            let shown: String = text.chars().take(64).collect();
            Error::new(ErrorCode::InvalidValue, format!("`{shown}` is no {what}: {error}"))
        })
    }
    Ok(match tag {
        2 => Value::Int16(read("int16", text, text.parse())?),
        3 => Value::Int32(read("int32", text, text.parse())?),
        4 => Value::Int64(read("int64", text, text.parse())?),
        5 => {
            // Read at its own width: by way of 64 bits it would be rounded twice.
            let wide = read("float32", text, parse_float64(text))?;
            read("float32", text, narrow_float32(wide).ok_or("it is out of range"))?;
            Value::Float32(read("float32", text, text.trim().parse())?)
        }
        6 => Value::Float64(read("float64", text, parse_float64(text))?),
        7 => Value::Decimal(read("decimal", text, text.parse())?),
        8 => Value::String(text.to_owned()),
        10 => Value::Uuid(read("uuid", text, uuid::Uuid::parse_str(text))?.into_bytes()),
        11 => Value::DateTime(read("datetime", text, temporal::parse_datetime(text))?),
        12 => Value::LocalDateTime(read("local_datetime", text, temporal::parse_local_datetime(text))?),
        13 => Value::Date(read("date", text, temporal::parse_date(text))?),
        14 => Value::Time(read("time", text, temporal::parse_time(text))?),
        15 => Value::Interval(read("interval", text, text.parse())?),
        16 => Value::Json(read("JSON document", text, canonical_json(text))?),
        17 => Value::Enum(text.to_owned()),
        _ => return Err(malformed()),
    })
}

fn malformed() -> Error {
    Error::new(ErrorCode::Internal, "the parameters are not as the package writes them")
}
