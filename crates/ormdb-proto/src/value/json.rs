//! JSON documents in canonical form, and values as JSON.
//!
//! Invariants: (1) two documents of equal meaning have one canonical text: no blanks, keys ascending by code point, of
//! equal keys the last, decimal numbers of up to 38 digits in plain notation with no superfluous zeros;
//! (2) 64-bit integers and decimals are JSON numbers with all their digits.

use serde_json::{Map, Number, Value as Json};

use super::{Decimal, Value, format_float32, format_float64, temporal};

/// The canonical text of a JSON document; the error says what is wrong with the text and where.
pub fn canonical_json(text: &str) -> Result<String, serde_json::Error> {
    serde_json::from_str::<Json>(text).map(|document| canonical_text(&document))
}

/// The canonical text of a JSON document.
pub fn canonical_text(document: &Json) -> String {
    let mut out = String::new();
    write_canonical(document, &mut out);
    out
}

// The depth is bounded by that of the parsed document (serde_json: 128).
fn write_canonical(document: &Json, out: &mut String) {
    match document {
        Json::Null => out.push_str("null"),
        Json::Bool(true) => out.push_str("true"),
        Json::Bool(false) => out.push_str("false"),
        Json::Number(number) => out.push_str(&canonical_number(number)),
        Json::String(text) => write_text(text, out),
        Json::Array(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write_canonical(item, out);
            }
            out.push(']');
        }
        Json::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_unstable_by_key(|(key, _)| *key);
            out.push('{');
            for (at, (key, value)) in members.into_iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write_text(key, out);
                out.push(':');
                write_canonical(value, out);
            }
            out.push('}');
        }
    }
}

fn write_text(text: &str, out: &mut String) {
    out.push_str(&Json::String(text.to_owned()).to_string());
}

fn canonical_number(number: &Number) -> String {
    let text = number.as_str();
    match text.parse::<Decimal>() {
        Ok(decimal) => decimal.normalized().to_string(),
        Err(_) => text.replace('E', "e").replace("e+", "e"),
    }
}

impl Value {
    /// The value as JSON, for people and for programs: numbers as numbers with all digits, dates and times as ISO 8601
    /// text, UUIDs and enums as text, bytes as `\x` and hexadecimal digits, numbers that JSON lacks (NaN) as text.
    pub fn to_json(&self) -> Json {
        match self {
            Value::Null => Json::Null,
            Value::Bool(v) => Json::Bool(*v),
            Value::Int16(v) => Json::from(*v),
            Value::Int32(v) => Json::from(*v),
            Value::Int64(v) => Json::from(*v),
            Value::Float32(v) => float_json(format_float32(*v), v.is_finite()),
            Value::Float64(v) => float_json(format_float64(*v), v.is_finite()),
            Value::Decimal(v) => Json::Number(Number::from_string_unchecked(v.to_string())),
            Value::Json(v) => serde_json::from_str(v).unwrap_or_else(|_| Json::String(v.clone())),
            Value::Array(v) => Json::Array(v.iter().map(Value::to_json).collect()),
            Value::String(v) | Value::Enum(v) => Json::String(v.clone()),
            Value::Bytes(_)
            | Value::Uuid(_)
            | Value::DateTime(_)
            | Value::LocalDateTime(_)
            | Value::Date(_)
            | Value::Time(_)
            | Value::Interval(_) => Json::String(self.to_text()),
        }
    }

    /// The value that a JSON value says without a type to bend to: a whole number that fits is an int64, any other
    /// number of up to 38 digits a decimal, an array an array, an object a JSON document.
    pub fn from_json(json: &Json) -> Value {
        match json {
            Json::Null => Value::Null,
            Json::Bool(v) => Value::Bool(*v),
            Json::Number(number) => {
                if let Some(v) = number.as_i64() {
                    return Value::Int64(v);
                }
                let text = number.as_str();
                match text.parse::<Decimal>() {
                    Ok(decimal) => Value::Decimal(decimal),
                    Err(_) => text.parse().map_or(Value::Null, Value::Float64),
                }
            }
            Json::String(v) => Value::String(v.clone()),
            Json::Array(items) if items.iter().any(|item| item.is_object() || item.is_array()) => {
                Value::Json(canonical_text(json))
            }
            Json::Array(items) => Value::Array(items.iter().map(Value::from_json).collect()),
            Json::Object(_) => Value::Json(canonical_text(json)),
        }
    }

    /// The value as plain text, as a table shows it; the absent value is `null`.
    pub fn to_text(&self) -> String {
        match self {
            Value::Null => "null".to_owned(),
            Value::Bool(v) => v.to_string(),
            Value::Int16(v) => v.to_string(),
            Value::Int32(v) => v.to_string(),
            Value::Int64(v) => v.to_string(),
            Value::Float32(v) => format_float32(*v),
            Value::Float64(v) => format_float64(*v),
            Value::Decimal(v) => v.to_string(),
            Value::String(v) | Value::Enum(v) | Value::Json(v) => v.clone(),
            Value::Bytes(v) => {
                let mut out = String::with_capacity(2 + v.len() * 2);
                out.push_str("\\x");
                for byte in v {
                    out.push_str(&format!("{byte:02x}"));
                }
                out
            }
            Value::Uuid(v) => uuid::Uuid::from_bytes(*v).to_string(),
            Value::DateTime(v) => temporal::format_datetime(*v),
            Value::LocalDateTime(v) => temporal::format_local_datetime(*v),
            Value::Date(v) => temporal::format_date(*v),
            Value::Time(v) => temporal::format_time(*v),
            Value::Interval(v) => v.to_string(),
            Value::Array(_) => self.to_json().to_string(),
        }
    }
}

/// A JSON object of named values, in order.
pub fn object_json<'a>(members: impl IntoIterator<Item = (&'a str, &'a Value)>) -> Json {
    let members: Map<String, Json> =
        members.into_iter().map(|(name, value)| (name.to_owned(), value.to_json())).collect();
    Json::Object(members)
}

fn float_json(text: String, finite: bool) -> Json {
    if finite { Json::Number(Number::from_string_unchecked(text)) } else { Json::String(text) }
}

#[cfg(test)]
mod tests;
