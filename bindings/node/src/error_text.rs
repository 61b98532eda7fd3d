//! Errors as JSON: `{"code", "sqlstate", "kind", "message", "detail"}`, the detail without what does not apply.

use ormdb_bindings::Error;
use serde_json::{Map, Value, json};

/// The text of an error.
pub(crate) fn of(error: &Error) -> String {
    let json = |value: Result<Value, serde_json::Error>| value.unwrap_or(Value::Null);
    let detail: Map<String, Value> = match json(serde_json::to_value(&*error.detail)) {
        Value::Object(members) => members.into_iter().filter(|(_, value)| !value.is_null()).collect(),
        _ => Map::new(),
    };
    json!({
        "code": error.code.name(),
        "sqlstate": error.sqlstate(),
        "kind": json(serde_json::to_value(error.kind())),
        "message": error.message,
        "detail": detail,
    })
    .to_string()
}

/// The exception that a function throws: its message is the text of the error.
pub(crate) fn thrown(error: &Error) -> napi::Error {
    napi::Error::from_reason(of(error))
}
