//! Values of fields, parameters and literals.
//!
//! Invariants: (1) a value carries its own type, never a format of disk or wire; (2) instants, dates and times are
//! whole numbers of their unit, so that equal values are equal bits; (3) a decimal keeps its scale.

use rkyv::{Archive, Deserialize, Serialize};

mod compare;
mod decimal;
mod float;
mod interval;
mod json;
pub mod temporal;
mod value_ref;

pub use compare::{compare, compare_floats};
pub use decimal::{Decimal, PRECISION_MAX, ParseDecimalError, SCALE_MAX};
pub use float::{ParseFloatError, format_float32, format_float64, narrow_float32, parse_float64};
pub use interval::{Interval, ParseIntervalError};
pub use json::{canonical_json, canonical_text, object_json};
pub use value_ref::ValueRef;

/// One value. `Null` is the absent value of every type.
#[derive(Clone, Debug, PartialEq, Archive, Serialize, Deserialize, serde::Serialize, serde::Deserialize)]
#[rkyv(serialize_bounds(__S: rkyv::ser::Writer + rkyv::ser::Allocator, __S::Error: rkyv::rancor::Source))]
#[rkyv(deserialize_bounds(__D::Error: rkyv::rancor::Source))]
#[rkyv(bytecheck(bounds(__C: rkyv::validation::ArchiveContext, __C::Error: rkyv::rancor::Source)))]
pub enum Value {
    /// No value.
    Null,
    /// A truth value.
    Bool(bool),
    /// A 16-bit integer.
    Int16(i16),
    /// A 32-bit integer.
    Int32(i32),
    /// A 64-bit integer.
    Int64(i64),
    /// A binary floating-point number of 32 bits.
    Float32(f32),
    /// A binary floating-point number of 64 bits.
    Float64(f64),
    /// An exact decimal number.
    Decimal(Decimal),
    /// Text, UTF-8.
    String(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// A UUID, in the order that it is written in.
    Uuid([u8; 16]),
    /// An instant: microseconds since 1970-01-01T00:00:00Z.
    DateTime(i64),
    /// A date and time of no zone: microseconds since 1970-01-01T00:00:00.
    LocalDateTime(i64),
    /// A day: days since 1970-01-01.
    Date(i32),
    /// A time of day: microseconds since midnight.
    Time(i64),
    /// A span of months, days and microseconds.
    Interval(Interval),
    /// A JSON document, as its text in canonical form.
    Json(String),
    /// A label of an enum.
    Enum(String),
    /// Values of one type, in order; elements may be null.
    Array(#[rkyv(omit_bounds)] Vec<Value>),
}

impl Value {
    /// Whether this is the absent value.
    pub const fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }

    /// The name of the value's type in the schema language; `null` for the absent value.
    pub const fn type_name(&self) -> &'static str {
        match self {
            Value::Null => "null",
            Value::Bool(_) => "bool",
            Value::Int16(_) => "int16",
            Value::Int32(_) => "int32",
            Value::Int64(_) => "int64",
            Value::Float32(_) => "float32",
            Value::Float64(_) => "float64",
            Value::Decimal(_) => "decimal",
            Value::String(_) => "string",
            Value::Bytes(_) => "bytes",
            Value::Uuid(_) => "uuid",
            Value::DateTime(_) => "datetime",
            Value::LocalDateTime(_) => "local_datetime",
            Value::Date(_) => "date",
            Value::Time(_) => "time",
            Value::Interval(_) => "interval",
            Value::Json(_) => "json",
            Value::Enum(_) => "enum",
            Value::Array(_) => "array",
        }
    }
}

impl From<bool> for Value {
    fn from(v: bool) -> Self {
        Value::Bool(v)
    }
}
impl From<i32> for Value {
    fn from(v: i32) -> Self {
        Value::Int32(v)
    }
}
impl From<i64> for Value {
    fn from(v: i64) -> Self {
        Value::Int64(v)
    }
}
impl From<f64> for Value {
    fn from(v: f64) -> Self {
        Value::Float64(v)
    }
}
impl From<&str> for Value {
    fn from(v: &str) -> Self {
        Value::String(v.to_owned())
    }
}
impl From<String> for Value {
    fn from(v: String) -> Self {
        Value::String(v)
    }
}
impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(v: Option<T>) -> Self {
        v.map_or(Value::Null, Into::into)
    }
}
impl<T: Into<Value>> From<Vec<T>> for Value {
    fn from(v: Vec<T>) -> Self {
        Value::Array(v.into_iter().map(Into::into).collect())
    }
}
