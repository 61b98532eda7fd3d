//! Bends values to the types of fields.
//!
//! Invariants: (1) what comes out is a value of exactly the type, within its limits, in canonical form; (2) nothing is
//! lost silently but digits behind a decimal's scale, which are rounded as PostgreSQL rounds them; (3) every refusal
//! names the value, and the entity and field where there are any.

use ormdb_proto::schema::{Entity, EnumType, Field, FieldType, ScalarType, Schema};
use ormdb_proto::value::temporal::{self, MICROS_PER_DAY};
use ormdb_proto::value::{
    Decimal, Interval, ParseFloatError, ValueRef, canonical_json, canonical_text, narrow_float32,
    parse_float64,
};
use ormdb_proto::{Error, ErrorCode, Result, Value};

/// The longest text of a value in an error.
const QUOTED_CHARS_MAX: usize = 60;

/// Bends a value to the type of a field.
///
/// # Errors
/// `TypeMismatch`, `InvalidValue`, `NumericOverflow` or `StringTooLong`, naming entity and field.
pub(crate) fn to_field(schema: &Schema, entity: &Entity, field: &Field, value: Value) -> Result<Value> {
    bend(schema, field.ty, value).map_err(|mut error| {
        error.message = format!("{}.{}: {}", entity.name, field.name, error.message);
        error.entity(&entity.name).field(&field.name)
    })
}

/// Bends a value to a type; the absent value is of every type.
///
/// # Errors
/// `TypeMismatch`, `InvalidValue`, `NumericOverflow` or `StringTooLong`.
pub(crate) fn bend(schema: &Schema, ty: FieldType, value: Value) -> Result<Value> {
    match (ty, value) {
        (_, Value::Null) => Ok(Value::Null),
        (FieldType::Scalar(scalar), value) => bend_scalar(schema, scalar, value),
        (FieldType::Array(scalar), Value::Array(values)) => bend_elements(schema, scalar, values),
        (FieldType::Array(scalar), Value::Json(text)) => match serde_json::from_str(&text) {
            Ok(serde_json::Value::Array(items)) => {
                bend_elements(schema, scalar, items.iter().map(Value::from_json).collect())
            }
            _ => Err(mismatch(schema, ty, &Value::Json(text))),
        },
        (FieldType::Array(_), value) => Err(mismatch(schema, ty, &value)),
    }
}

/// A value with bytes of its own, an enum's position as its label.
pub(crate) fn owned(schema: &Schema, ty: FieldType, value: &ValueRef<'_>) -> Value {
    let found = match ty.scalar() {
        ScalarType::Enum(id) => schema.enum_by_id(id),
        _ => None,
    };
    value.to_value(&|position| found.and_then(|e: &EnumType| e.label(position)))
}

fn bend_elements(schema: &Schema, scalar: ScalarType, values: Vec<Value>) -> Result<Value> {
    let element = FieldType::Scalar(scalar);
    let values = values.into_iter().map(|v| bend(schema, element, v)).collect::<Result<_>>()?;
    Ok(Value::Array(values))
}

fn bend_scalar(schema: &Schema, ty: ScalarType, value: Value) -> Result<Value> {
    match ty {
        ScalarType::Bool => to_bool(value),
        ScalarType::Int16 => to_int(value).map(Value::Int16),
        ScalarType::Int32 => to_int(value).map(Value::Int32),
        ScalarType::Int64 => to_int(value).map(Value::Int64),
        ScalarType::Float32 => to_float32(&value),
        ScalarType::Float64 => to_float64(&value).map(Value::Float64),
        ScalarType::Decimal { precision, scale } => to_decimal(&value, precision, scale),
        ScalarType::String { chars_max } => to_string(value, chars_max),
        ScalarType::Bytes => to_bytes(value),
        ScalarType::Uuid => to_uuid(&value),
        ScalarType::DateTime => to_instant(&value, ty, temporal::parse_datetime).map(Value::DateTime),
        ScalarType::LocalDateTime => {
            to_instant(&value, ty, temporal::parse_local_datetime).map(Value::LocalDateTime)
        }
        ScalarType::Date => to_date(&value),
        ScalarType::Time => to_time(&value),
        ScalarType::Interval => to_interval(&value),
        ScalarType::Json => to_json(value),
        ScalarType::Enum(id) => {
            let found = schema.enum_by_id(id);
            let found =
                found.ok_or_else(|| Error::new(ErrorCode::Internal, format!("no enum has the id {id}")))?;
            to_label(found, value)
        }
    }
    .map_err(|refusal| match refusal {
        Refusal::Is(error) => error,
        Refusal::Mismatch(value) => mismatch(schema, FieldType::Scalar(ty), &value),
        Refusal::Invalid(value, why) => Error::new(
            ErrorCode::InvalidValue,
            format!("{} is no {}: {why}", quoted(&value), schema.type_text(FieldType::Scalar(ty))),
        ),
        Refusal::Overflow(value) => Error::new(
            ErrorCode::NumericOverflow,
            format!("{} is out of range for {}", quoted(&value), schema.type_text(FieldType::Scalar(ty))),
        ),
    })
}

/// Why a value does not bend.
enum Refusal {
    Is(Error),
    Mismatch(Value),
    Invalid(Value, String),
    Overflow(Value),
}

type Bent<T> = std::result::Result<T, Refusal>;

fn to_bool(value: Value) -> Bent<Value> {
    match &value {
        Value::Bool(_) => Ok(value),
        Value::String(text) => match text.as_str() {
            "true" => Ok(Value::Bool(true)),
            "false" => Ok(Value::Bool(false)),
            _ => Err(invalid(&value, "write true or false")),
        },
        _ => Err(Refusal::Mismatch(value)),
    }
}

fn to_int<T: TryFrom<i128>>(value: Value) -> Bent<T> {
    let whole = match &value {
        Value::Int16(v) => i128::from(*v),
        Value::Int32(v) => i128::from(*v),
        Value::Int64(v) => i128::from(*v),
        Value::Decimal(v) => whole(*v, &value)?,
        Value::Float32(_) | Value::Float64(_) => whole(decimal_of_float(&value)?, &value)?,
        Value::String(text) => {
            let decimal = text.parse::<Decimal>().map_err(|why| invalid(&value, why.to_string()))?;
            whole(decimal, &value)?
        }
        _ => return Err(Refusal::Mismatch(value)),
    };
    T::try_from(whole).map_err(|_| Refusal::Overflow(value))
}

fn whole(decimal: Decimal, value: &Value) -> Bent<i128> {
    let plain = decimal.normalized();
    if plain.scale() == 0 { Ok(plain.unscaled()) } else { Err(invalid(value, "it has a fraction")) }
}

fn decimal_of_float(value: &Value) -> Bent<Decimal> {
    let v = match value {
        Value::Float32(v) => f64::from(*v),
        Value::Float64(v) => *v,
        _ => return Err(Refusal::Mismatch(value.clone())),
    };
    if v.is_nan() {
        return Err(invalid(value, "it is not a number"));
    }
    Decimal::from_f64(v).ok_or_else(|| Refusal::Overflow(value.clone()))
}

fn to_float64(value: &Value) -> Bent<f64> {
    Ok(match value {
        Value::Float64(v) => *v,
        Value::Float32(v) => f64::from(*v),
        Value::Int16(v) => f64::from(*v),
        Value::Int32(v) => f64::from(*v),
        Value::Int64(v) => Decimal::from(*v).to_f64(),
        Value::Decimal(v) => v.to_f64(),
        Value::String(text) => match parse_float64(text) {
            Ok(parsed) => parsed,
            Err(ParseFloatError::Malformed) => return Err(invalid(value, "not a number")),
            Err(ParseFloatError::OutOfRange) => return Err(Refusal::Overflow(value.clone())),
        },
        _ => return Err(Refusal::Mismatch(value.clone())),
    })
}

fn to_float32(value: &Value) -> Bent<Value> {
    if let Value::Float32(v) = value {
        return Ok(Value::Float32(*v));
    }
    let narrow = narrow_float32(to_float64(value)?);
    narrow.map(Value::Float32).ok_or_else(|| Refusal::Overflow(value.clone()))
}

fn to_decimal(value: &Value, precision: u8, scale: u8) -> Bent<Value> {
    let decimal = match value {
        Value::Decimal(v) => *v,
        Value::Int16(v) => Decimal::from(i64::from(*v)),
        Value::Int32(v) => Decimal::from(i64::from(*v)),
        Value::Int64(v) => Decimal::from(*v),
        Value::Float32(v) => v.to_string().parse().map_err(|_| Refusal::Overflow(value.clone()))?,
        Value::Float64(_) => decimal_of_float(value)?,
        Value::String(text) => text
            .parse()
            .map_err(|why: ormdb_proto::value::ParseDecimalError| invalid(value, why.to_string()))?,
        _ => return Err(Refusal::Mismatch(value.clone())),
    };
    decimal
        .rescale(scale)
        .filter(|d| d.digits() <= u32::from(precision) || d.is_zero())
        .map(Value::Decimal)
        .ok_or_else(|| Refusal::Overflow(value.clone()))
}

fn to_string(value: Value, chars_max: Option<u32>) -> Bent<Value> {
    let Value::String(text) = &value else {
        return Err(Refusal::Mismatch(value));
    };
    let Some(max) = chars_max.and_then(|n| usize::try_from(n).ok()) else {
        return Ok(value);
    };
    // A text of no more bytes has no more characters.
    if text.len() <= max {
        return Ok(value);
    }
    let chars = text.chars().count();
    if chars <= max {
        return Ok(value);
    }
    let mut error = Error::new(
        ErrorCode::StringTooLong,
        format!("{} has {chars} characters; the field holds {max}", quoted(&value)),
    );
    error.detail.limit = Some(ormdb_proto::error::Limit {
        name: "string length".to_owned(),
        allowed: u64::try_from(max).unwrap_or(u64::MAX),
        asked: u64::try_from(chars).unwrap_or(u64::MAX),
    });
    Err(Refusal::Is(error))
}

fn to_bytes(value: Value) -> Bent<Value> {
    match &value {
        Value::Bytes(_) => Ok(value),
        Value::String(text) => text
            .strip_prefix("\\x")
            .and_then(from_hex)
            .map(Value::Bytes)
            .ok_or_else(|| invalid(&value, "write bytes as \\x and pairs of hexadecimal digits")),
        _ => Err(Refusal::Mismatch(value)),
    }
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |b: u8| char::from(b).to_digit(16).and_then(|d| u8::try_from(d).ok());
    let mut pairs = text.as_bytes().chunks_exact(2);
    let bytes = pairs
        .by_ref()
        .map(|pair| match pair {
            [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
            _ => None,
        })
        .collect::<Option<_>>();
    if pairs.remainder().is_empty() { bytes } else { None }
}

fn to_uuid(value: &Value) -> Bent<Value> {
    match value {
        Value::Uuid(v) => Ok(Value::Uuid(*v)),
        Value::String(text) => uuid::Uuid::try_parse(text.trim())
            .map(|v| Value::Uuid(v.into_bytes()))
            .map_err(|_| invalid(value, "write it like 0190163d-8694-739b-aea5-966c26f8ad90")),
        Value::Bytes(bytes) => {
            bytes.as_slice().try_into().map(Value::Uuid).map_err(|_| invalid(value, "a uuid has 16 bytes"))
        }
        _ => Err(Refusal::Mismatch(value.clone())),
    }
}

fn to_instant(
    value: &Value,
    ty: ScalarType,
    parse: fn(&str) -> std::result::Result<i64, temporal::ParseTemporalError>,
) -> Bent<i64> {
    let micros = match (value, ty) {
        (Value::DateTime(v), ScalarType::DateTime) | (Value::LocalDateTime(v), ScalarType::LocalDateTime) => {
            *v
        }
        (Value::Date(days), _) => i64::from(*days).saturating_mul(MICROS_PER_DAY),
        (Value::String(text), _) => parse(text).map_err(|why| invalid(value, why.to_string()))?,
        _ => return Err(Refusal::Mismatch(value.clone())),
    };
    if (temporal::DATETIME_MIN..=temporal::DATETIME_MAX).contains(&micros) {
        Ok(micros)
    } else {
        Err(invalid(value, "outside the years 0001 to 9999"))
    }
}

fn to_date(value: &Value) -> Bent<Value> {
    let days = match value {
        Value::Date(v) => *v,
        Value::String(text) => temporal::parse_date(text).map_err(|why| invalid(value, why.to_string()))?,
        _ => return Err(Refusal::Mismatch(value.clone())),
    };
    if (temporal::DATE_MIN..=temporal::DATE_MAX).contains(&days) {
        Ok(Value::Date(days))
    } else {
        Err(invalid(value, "outside the years 0001 to 9999"))
    }
}

fn to_time(value: &Value) -> Bent<Value> {
    let micros = match value {
        Value::Time(v) => *v,
        Value::String(text) => temporal::parse_time(text).map_err(|why| invalid(value, why.to_string()))?,
        _ => return Err(Refusal::Mismatch(value.clone())),
    };
    if (0..MICROS_PER_DAY).contains(&micros) {
        Ok(Value::Time(micros))
    } else {
        Err(invalid(value, "a day ends before 24:00"))
    }
}

fn to_interval(value: &Value) -> Bent<Value> {
    match value {
        Value::Interval(v) => Ok(Value::Interval(*v)),
        Value::String(text) => {
            text.parse::<Interval>().map(Value::Interval).map_err(|why| invalid(value, why.to_string()))
        }
        _ => Err(Refusal::Mismatch(value.clone())),
    }
}

fn to_json(value: Value) -> Bent<Value> {
    match &value {
        Value::Json(text) | Value::String(text) => {
            canonical_json(text).map(Value::Json).map_err(|why| invalid(&value, why.to_string()))
        }
        Value::Bool(_)
        | Value::Int16(_)
        | Value::Int32(_)
        | Value::Int64(_)
        | Value::Decimal(_)
        | Value::Array(_) => Ok(Value::Json(canonical_text(&value.to_json()))),
        Value::Float32(v) if v.is_finite() => Ok(Value::Json(canonical_text(&value.to_json()))),
        Value::Float64(v) if v.is_finite() => Ok(Value::Json(canonical_text(&value.to_json()))),
        _ => Err(Refusal::Mismatch(value)),
    }
}

fn to_label(labels: &EnumType, value: Value) -> Bent<Value> {
    let (Value::Enum(label) | Value::String(label)) = &value else {
        return Err(Refusal::Mismatch(value));
    };
    if labels.position(label).is_some() {
        return Ok(Value::Enum(label.clone()));
    }
    let known = || labels.labels.iter().map(|l| l.name.as_str());
    let error =
        Error::new(ErrorCode::InvalidValue, format!("{} is no label of `{}`", quoted(&value), labels.name));
    let all = known().collect::<Vec<_>>().join(", ");
    Err(Refusal::Is(error.suggest(label, known()).hint(format!("its labels are {all}"))))
}

fn invalid(value: &Value, why: impl Into<String>) -> Refusal {
    Refusal::Invalid(value.clone(), why.into())
}

fn mismatch(schema: &Schema, ty: FieldType, value: &Value) -> Error {
    Error::new(
        ErrorCode::TypeMismatch,
        format!("expected {}, found {} {}", schema.type_text(ty), value.type_name(), quoted(value)),
    )
}

/// A value as an error shows it: text in quotes, and not all of a long one.
pub(crate) fn quoted(value: &Value) -> String {
    let text = value.to_text();
    let mut shown: String = text.chars().take(QUOTED_CHARS_MAX).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    match value {
        Value::String(_) | Value::Enum(_) => format!("{shown:?}"),
        _ => shown,
    }
}

#[cfg(test)]
mod tests;
