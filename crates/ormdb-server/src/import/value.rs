//! Values as files write them.

use ormdb_proto::Value;
use ormdb_proto::schema::ScalarType;
use ormdb_proto::value::{Decimal, canonical_text, parse_float64};
use serde_json::Value as Json;

use crate::model::StoredField;

/// The value of a cell of a CSV file. Where nothing is in it: null if the field may be null, or else none, for the
/// default, if the row may leave the field out; but the empty text if the field has texts and the cell stands in quotes.
/// The error says what is wrong.
pub(super) fn of_cell(field: &StoredField<'_>, text: &str, quoted: bool) -> Result<Option<Value>, String> {
    let is_text =
        matches!(field.scalar(), ScalarType::String { .. } | ScalarType::Bytes) && !field.is_array();
    if text.is_empty() && !(is_text && quoted) {
        if field.is_optional() {
            return Ok(Some(Value::Null));
        }
        if field.may_be_absent() || !is_text {
            return Ok(None);
        }
    }
    if field.is_array() {
        let json: Json = serde_json::from_str(text).map_err(|_| format!("`{text}` is no JSON array"))?;
        return of_json(field, &json).map(Some);
    }
    let scalar = field.scalar();
    let trimmed = text.trim();
    let value = match scalar {
        ScalarType::Bool => match trimmed.to_ascii_lowercase().as_str() {
            "true" | "t" | "yes" | "1" => Some(Value::Bool(true)),
            "false" | "f" | "no" | "0" => Some(Value::Bool(false)),
            _ => None,
        },
        ScalarType::Int16 | ScalarType::Int32 | ScalarType::Int64 => trimmed.parse().ok().map(Value::Int64),
        ScalarType::Float32 | ScalarType::Float64 => {
            let float = parse_float64(trimmed).map_err(|error| format!("`{text}` {error}"))?;
            Some(Value::Float64(float))
        }
        ScalarType::Decimal { .. } => trimmed.parse::<Decimal>().ok().map(Value::Decimal),
        ScalarType::Json => {
            serde_json::from_str(text).ok().map(|json: Json| Value::Json(canonical_text(&json)))
        }
        ScalarType::String { .. }
        | ScalarType::Bytes
        | ScalarType::Uuid
        | ScalarType::DateTime
        | ScalarType::LocalDateTime
        | ScalarType::Date
        | ScalarType::Time
        | ScalarType::Interval
        | ScalarType::Enum(_) => Some(Value::String(text.to_owned())),
    };
    value.map(Some).ok_or_else(|| format!("`{text}` is no {}", kind(scalar)))
}

/// The value of a member of a JSON object. The error says what is wrong.
pub(super) fn of_json(field: &StoredField<'_>, json: &Json) -> Result<Value, String> {
    if json.is_null() {
        return Ok(Value::Null);
    }
    if field.is_array() {
        let Json::Array(items) = json else { return Err("an array is expected".to_owned()) };
        return items.iter().map(|item| element(field, item)).collect::<Result<_, _>>().map(Value::Array);
    }
    element(field, json)
}

fn element(field: &StoredField<'_>, json: &Json) -> Result<Value, String> {
    match (field.scalar(), json) {
        (_, Json::Null) => Ok(Value::Null),
        (ScalarType::Json, json) => Ok(Value::Json(canonical_text(json))),
        (_, Json::Object(_)) => Err("an object fits no field but one of type json".to_owned()),
        (_, Json::Array(_)) => Err("an array does not fit a field of one value".to_owned()),
        (ScalarType::Float32 | ScalarType::Float64, Json::Number(number)) => {
            number.as_f64().map(Value::Float64).ok_or_else(|| format!("{number} is no float64"))
        }
        (_, json) => Ok(Value::from_json(json)),
    }
}

const fn kind(scalar: ScalarType) -> &'static str {
    match scalar {
        ScalarType::Bool => "bool",
        ScalarType::Int16 | ScalarType::Int32 | ScalarType::Int64 => "whole number",
        ScalarType::Float32 | ScalarType::Float64 => "number",
        ScalarType::Decimal { .. } => "decimal",
        ScalarType::Json => "JSON document",
        ScalarType::String { .. }
        | ScalarType::Bytes
        | ScalarType::Uuid
        | ScalarType::DateTime
        | ScalarType::LocalDateTime
        | ScalarType::Date
        | ScalarType::Time
        | ScalarType::Interval
        | ScalarType::Enum(_) => "value of its type",
    }
}
