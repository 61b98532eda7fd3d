//! Conversions of values: of constants to the type of their place, and of what an expression gives.
//!
//! Invariant: a conversion gives the value that was meant or an error; it never cuts off anything but digits behind
//! the point, which are rounded.

use std::str::FromStr;

use ormdb_proto::schema::{FieldType, ScalarType, Schema};
use ormdb_proto::value::{
    Decimal, Interval, PRECISION_MAX, ParseFloatError, ValueRef, canonical_json, format_float64,
    narrow_float32, parse_float64, temporal,
};
use ormdb_proto::{Error, ErrorCode, Result, Value};

use super::datum::Datum;
use super::types;

/// The type that a constant has by itself; none of null and of an array of nulls.
pub(super) fn own_type(value: &Value) -> Result<Option<FieldType>> {
    Ok(Some(FieldType::Scalar(match value {
        Value::Null => return Ok(None),
        Value::Bool(_) => ScalarType::Bool,
        Value::Int16(_) => ScalarType::Int16,
        Value::Int32(_) => ScalarType::Int32,
        Value::Int64(_) => ScalarType::Int64,
        Value::Float32(_) => ScalarType::Float32,
        Value::Float64(_) => ScalarType::Float64,
        Value::Decimal(v) => types::decimal(v.scale()),
        Value::String(_) | Value::Enum(_) => ScalarType::String { chars_max: None },
        Value::Bytes(_) => ScalarType::Bytes,
        Value::Uuid(_) => ScalarType::Uuid,
        Value::DateTime(_) => ScalarType::DateTime,
        Value::LocalDateTime(_) => ScalarType::LocalDateTime,
        Value::Date(_) => ScalarType::Date,
        Value::Time(_) => ScalarType::Time,
        Value::Interval(_) => ScalarType::Interval,
        Value::Json(_) => ScalarType::Json,
        Value::Array(items) => {
            for item in items {
                match own_type(item)? {
                    Some(FieldType::Scalar(scalar)) => return Ok(Some(FieldType::Array(scalar))),
                    Some(FieldType::Array(_)) => {
                        return Err(Error::new(
                            ErrorCode::TypeMismatch,
                            "arrays of arrays are not supported",
                        ));
                    }
                    None => {}
                }
            }
            return Ok(None);
        }
    })))
}

/// A constant as a value of the type of its place: text is read as what is wanted.
pub(super) fn bend(schema: &Schema, value: &Value, want: FieldType) -> Result<Datum<'static>> {
    let refuse = || {
        let given = value.to_text();
        let wanted = schema.type_name(want);
        Error::new(ErrorCode::TypeMismatch, format!("`{given}` ({}) is no {wanted}", value.type_name()))
    };
    match (want, value) {
        (_, Value::Null) => Ok(Datum::NULL),
        (FieldType::Array(element), Value::Array(items)) => {
            let items = items.iter().map(|item| bend(schema, item, FieldType::Scalar(element)));
            Ok(Datum::Array(items.collect::<Result<_>>()?))
        }
        (FieldType::Array(_), _) | (FieldType::Scalar(_), Value::Array(_)) => Err(refuse()),
        (FieldType::Scalar(ScalarType::Enum(_)), Value::String(label) | Value::Enum(label)) => {
            Datum::of_value(schema, &Value::Enum(label.clone()), want)
        }
        (FieldType::Scalar(ScalarType::String { .. }), Value::String(text)) => Ok(Datum::Text(text.clone())),
        (FieldType::Scalar(ScalarType::String { .. } | ScalarType::Enum(_)), _) => Err(refuse()),
        (FieldType::Scalar(scalar), value) => {
            let own = own_type(value)?;
            let of_text = own.is_some_and(types::is_text);
            let json = matches!(scalar, ScalarType::Json);
            if !of_text && !json && !own.is_some_and(|own| types::assignable(own, want)) {
                return Err(refuse());
            }
            if json && !of_text && !matches!(value, Value::Json(_)) {
                return Ok(Datum::Json(ormdb_proto::value::canonical_text(&value.to_json())));
            }
            let datum = Datum::of_value(schema, value, own.unwrap_or(want))?;
            Ok(cast(scalar, &datum.view())?.into_owned())
        }
    }
}

/// A value as one of another type; text is read as what is wanted, and `string` is the text that is printed.
pub(super) fn cast<'a>(to: ScalarType, value: &ValueRef<'a>) -> Result<Datum<'a>> {
    use ScalarType as T;
    use ValueRef as V;
    let as_is = || Ok(Datum::Ref(value.clone()));
    Ok(Datum::Ref(match (to, value) {
        (_, V::Null) => V::Null,
        (T::Bool, V::Bool(_))
        | (T::Int16, V::Int16(_))
        | (T::Int32, V::Int32(_))
        | (T::Int64, V::Int64(_))
        | (T::Float32, V::Float32(_))
        | (T::Float64, V::Float64(_))
        | (T::String { .. }, V::String(_))
        | (T::Bytes, V::Bytes(_))
        | (T::Uuid, V::Uuid(_))
        | (T::DateTime, V::DateTime(_))
        | (T::LocalDateTime, V::LocalDateTime(_))
        | (T::Date, V::Date(_))
        | (T::Time, V::Time(_))
        | (T::Interval, V::Interval(_))
        | (T::Json, V::Json(_))
        | (T::Enum(_), V::Enum(_)) => return as_is(),
        (T::Int16, _) => V::Int16(narrow(integer(value)?)?),
        (T::Int32, _) => V::Int32(narrow(integer(value)?)?),
        (T::Int64, _) => V::Int64(narrow(integer(value)?)?),
        (T::Float64, _) => V::Float64(float(value)?),
        (T::Float32, _) => V::Float32(to_f32(float(value)?)?),
        (T::Decimal { precision, scale }, _) => {
            let number = decimal(value)?;
            if precision == PRECISION_MAX {
                V::Decimal(number)
            } else {
                let rounded = number.rescale(scale).filter(|d| d.digits() <= u32::from(precision));
                V::Decimal(rounded.ok_or_else(|| overflow(&number.to_string()))?)
            }
        }
        (T::Bool, V::String(text)) => match *text {
            "true" | "t" => V::Bool(true),
            "false" | "f" => V::Bool(false),
            _ => return Err(unreadable(text, "truth value", "write true or false")),
        },
        (T::Uuid, V::String(text)) => V::Uuid(
            *uuid::Uuid::try_parse(text)
                .map_err(|error| unreadable(text, "uuid", &error.to_string()))?
                .as_bytes(),
        ),
        (T::Bytes, V::String(text)) => return bytes(text).map(Datum::Bytes),
        (T::Json, V::String(text)) => {
            let json = canonical_json(text).map_err(|e| unreadable(text, "json document", &e.to_string()))?;
            return Ok(Datum::Json(json));
        }
        (T::DateTime, V::String(text)) => V::DateTime(readable(text, temporal::parse_datetime(text))?),
        (T::LocalDateTime, V::String(text)) => {
            V::LocalDateTime(readable(text, temporal::parse_local_datetime(text))?)
        }
        (T::Date, V::String(text)) => V::Date(readable(text, temporal::parse_date(text))?),
        (T::Time, V::String(text)) => V::Time(readable(text, temporal::parse_time(text))?),
        (T::Interval, V::String(text)) => V::Interval(readable(text, Interval::from_str(text))?),
        (T::DateTime, V::LocalDateTime(v)) => V::DateTime(*v),
        (T::LocalDateTime, V::DateTime(v)) => V::LocalDateTime(*v),
        (T::DateTime, V::Date(v)) => V::DateTime(i64::from(*v) * temporal::MICROS_PER_DAY),
        (T::LocalDateTime, V::Date(v)) => V::LocalDateTime(i64::from(*v) * temporal::MICROS_PER_DAY),
        (T::Date, V::DateTime(v) | V::LocalDateTime(v)) => {
            V::Date(narrow(v.div_euclid(temporal::MICROS_PER_DAY).into())?)
        }
        (T::Time, V::DateTime(v) | V::LocalDateTime(v)) => V::Time(v.rem_euclid(temporal::MICROS_PER_DAY)),
        (T::String { .. }, value) => return Ok(Datum::Text(text_of(value))),
        (T::Bool | T::Uuid | T::Bytes | T::Json | T::DateTime | T::LocalDateTime | T::Date | T::Time, _)
        | (T::Interval | T::Enum(_), _) => return Err(no_cast(value)),
    }))
}

/// Whether [`cast`] knows the way between two types.
pub(super) fn can_cast(from: FieldType, to: ScalarType) -> bool {
    use ScalarType as T;
    let FieldType::Scalar(from) = from else { return false };
    let same = std::mem::discriminant(&from) == std::mem::discriminant(&to);
    let numbers = types::is_numeric(FieldType::Scalar(from)) && types::is_numeric(FieldType::Scalar(to));
    let day = matches!(from, T::Date | T::DateTime | T::LocalDateTime);
    same || numbers
        || matches!(to, T::String { .. })
        || (matches!(from, T::String { .. }) && !matches!(to, T::Enum(_)))
        || (matches!(from, T::Bool) && matches!(to, T::Int32))
        || (day && matches!(to, T::Date | T::DateTime | T::LocalDateTime))
        || (day && !matches!(from, T::Date) && matches!(to, T::Time))
}

/// The text that is printed of a value.
pub(super) fn text_of(value: &ValueRef<'_>) -> String {
    value.to_value(&|_| None).to_text()
}

fn integer(value: &ValueRef<'_>) -> Result<i128> {
    Ok(match value {
        ValueRef::Bool(v) => i128::from(*v),
        ValueRef::Int16(v) => i128::from(*v),
        ValueRef::Int32(v) => i128::from(*v),
        ValueRef::Int64(v) => i128::from(*v),
        ValueRef::Decimal(v) => v.rounded(),
        ValueRef::Float32(v) => whole(f64::from(*v))?,
        ValueRef::Float64(v) => whole(*v)?,
        ValueRef::String(text) => {
            i128::from_str(text.trim()).map_err(|_| unreadable(text, "whole number", "write digits only"))?
        }
        other => return Err(no_cast(other)),
    })
}

/// The nearest whole number, halves to even, as PostgreSQL rounds floats.
pub(super) fn whole(v: f64) -> Result<i128> {
    let rounded = v.round_ties_even();
    if rounded.abs() < 1e19 {
        #[expect(clippy::cast_possible_truncation, reason = "the bound above keeps it far inside i128")]
        return Ok(rounded as i128);
    }
    Err(overflow(&format_float64(v)))
}

pub(super) fn float(value: &ValueRef<'_>) -> Result<f64> {
    Ok(match value {
        ValueRef::Float32(v) => f64::from(*v),
        ValueRef::Float64(v) => *v,
        ValueRef::String(text) => match parse_float64(text) {
            Ok(read) => read,
            Err(ParseFloatError::Malformed) => {
                return Err(unreadable(text, "number", "write it as 1.5 or 1e10"));
            }
            Err(ParseFloatError::OutOfRange) => return Err(overflow(text)),
        },
        other => decimal(other)?.to_f64(),
    })
}

/// The nearest float of 32 bits; an error where a finite number has none.
pub(super) fn to_f32(v: f64) -> Result<f32> {
    narrow_float32(v).ok_or_else(|| overflow(&format_float64(v)))
}

pub(super) fn decimal(value: &ValueRef<'_>) -> Result<Decimal> {
    let from_float = |v: f64| Decimal::from_f64(v).ok_or_else(|| overflow(&format_float64(v)));
    match value {
        ValueRef::Int16(v) => Ok(Decimal::from(i64::from(*v))),
        ValueRef::Int32(v) => Ok(Decimal::from(i64::from(*v))),
        ValueRef::Int64(v) => Ok(Decimal::from(*v)),
        ValueRef::Decimal(v) => Ok(*v),
        ValueRef::Float32(v) => from_float(f64::from(*v)),
        ValueRef::Float64(v) => from_float(*v),
        ValueRef::String(text) => readable(text, Decimal::from_str(text.trim())),
        other => Err(no_cast(other)),
    }
}

fn bytes(text: &str) -> Result<Vec<u8>> {
    let wrong = || unreadable(text, "bytes", "write \\x and pairs of hexadecimal digits");
    let digits = text.strip_prefix("\\x").ok_or_else(wrong)?;
    let nibbles = digits.chars().map(|c| c.to_digit(16).and_then(|d| u8::try_from(d).ok()));
    let nibbles = nibbles.collect::<Option<Vec<u8>>>().ok_or_else(wrong)?;
    let (pairs, []) = nibbles.as_chunks::<2>() else { return Err(wrong()) };
    Ok(pairs.iter().map(|[high, low]| high << 4 | low).collect())
}

fn narrow<T: TryFrom<i128>>(v: i128) -> Result<T> {
    T::try_from(v).map_err(|_| overflow(&v.to_string()))
}

fn readable<T, E: std::fmt::Display>(text: &str, read: std::result::Result<T, E>) -> Result<T> {
    read.map_err(|error| Error::new(ErrorCode::InvalidValue, format!("`{text}` cannot be read: {error}")))
}

fn unreadable(text: &str, wanted: &str, hint: &str) -> Error {
    Error::new(ErrorCode::InvalidValue, format!("`{text}` cannot be read as a {wanted}")).hint(hint)
}

pub(super) fn overflow(number: &str) -> Error {
    Error::new(ErrorCode::NumericOverflow, format!("{number} is outside the range of its type"))
}

fn no_cast(value: &ValueRef<'_>) -> Error {
    let value = value.to_value(&|_| None);
    Error::new(
        ErrorCode::TypeMismatch,
        format!("a value of type {} does not convert to that", value.type_name()),
    )
}
