//! A value that borrows from where it lies: a row, a block, a parameter.

use super::{Decimal, Interval, Value};

/// A borrowed value. An enum's label stands as its stable number; the schema or a column's dictionary has the label.
#[derive(Clone, Debug, PartialEq)]
pub enum ValueRef<'a> {
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
    /// Text.
    String(&'a str),
    /// Bytes.
    Bytes(&'a [u8]),
    /// A UUID.
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
    /// A JSON document, as its text.
    Json(&'a str),
    /// The stable number of an enum's label.
    Enum(u32),
    /// Values of one type, in order.
    Array(Vec<ValueRef<'a>>),
}

impl<'a> ValueRef<'a> {
    /// A view of `value`; `position` finds an enum's stable number by its label. None if a label has none.
    pub fn of(value: &'a Value, position: &dyn Fn(&str) -> Option<u32>) -> Option<ValueRef<'a>> {
        Some(match value {
            Value::Null => ValueRef::Null,
            Value::Bool(v) => ValueRef::Bool(*v),
            Value::Int16(v) => ValueRef::Int16(*v),
            Value::Int32(v) => ValueRef::Int32(*v),
            Value::Int64(v) => ValueRef::Int64(*v),
            Value::Float32(v) => ValueRef::Float32(*v),
            Value::Float64(v) => ValueRef::Float64(*v),
            Value::Decimal(v) => ValueRef::Decimal(*v),
            Value::String(v) => ValueRef::String(v),
            Value::Bytes(v) => ValueRef::Bytes(v),
            Value::Uuid(v) => ValueRef::Uuid(*v),
            Value::DateTime(v) => ValueRef::DateTime(*v),
            Value::LocalDateTime(v) => ValueRef::LocalDateTime(*v),
            Value::Date(v) => ValueRef::Date(*v),
            Value::Time(v) => ValueRef::Time(*v),
            Value::Interval(v) => ValueRef::Interval(*v),
            Value::Json(v) => ValueRef::Json(v),
            Value::Enum(v) => ValueRef::Enum(position(v)?),
            Value::Array(v) => {
                ValueRef::Array(v.iter().map(|e| ValueRef::of(e, position)).collect::<Option<_>>()?)
            }
        })
    }

    /// Whether this is the absent value.
    pub const fn is_null(&self) -> bool {
        matches!(self, ValueRef::Null)
    }

    /// The value with bytes of its own; `label` names the labels of an enum by their numbers.
    pub fn to_value<'l>(&self, label: &dyn Fn(u32) -> Option<&'l str>) -> Value {
        match self {
            ValueRef::Null => Value::Null,
            ValueRef::Bool(v) => Value::Bool(*v),
            ValueRef::Int16(v) => Value::Int16(*v),
            ValueRef::Int32(v) => Value::Int32(*v),
            ValueRef::Int64(v) => Value::Int64(*v),
            ValueRef::Float32(v) => Value::Float32(*v),
            ValueRef::Float64(v) => Value::Float64(*v),
            ValueRef::Decimal(v) => Value::Decimal(*v),
            ValueRef::String(v) => Value::String((*v).to_owned()),
            ValueRef::Bytes(v) => Value::Bytes(v.to_vec()),
            ValueRef::Uuid(v) => Value::Uuid(*v),
            ValueRef::DateTime(v) => Value::DateTime(*v),
            ValueRef::LocalDateTime(v) => Value::LocalDateTime(*v),
            ValueRef::Date(v) => Value::Date(*v),
            ValueRef::Time(v) => Value::Time(*v),
            ValueRef::Interval(v) => Value::Interval(*v),
            ValueRef::Json(v) => Value::Json((*v).to_owned()),
            ValueRef::Enum(v) => Value::Enum(label(*v).map_or_else(|| format!("#{v}"), str::to_owned)),
            ValueRef::Array(v) => Value::Array(v.iter().map(|e| e.to_value(label)).collect()),
        }
    }
}
