//! Values, rows and errors in the notation of `conformance/README.md`.

use std::collections::HashSet;

use ormdb_proto::block::Cell;
use ormdb_proto::result::{Cardinality, EnumLabels, Row, ShapeNode};
use ormdb_proto::schema::PRESENCE_SIGN;
use ormdb_proto::value::{Interval, format_float32, format_float64, parse_float64, temporal};
use ormdb_proto::{Error, GraphResult, Value};
use serde_json::{Map, Value as Json, json};

/// A parameter.
pub(super) fn read_value(json: &Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(v) => Value::Bool(*v),
        Json::Number(v) => Value::Int64(v.as_i64().unwrap()),
        Json::String(v) => Value::String(v.clone()),
        Json::Object(tagged) if tagged.len() == 1 => {
            let (tag, value) = tagged.iter().next().unwrap();
            read_tagged(tag, value)
        }
        Json::Array(_) | Json::Object(_) => panic!("{json} is no parameter"),
    }
}

fn read_tagged(tag: &str, value: &Json) -> Value {
    let number = || value.as_i64().unwrap();
    let text = || value.as_str().unwrap();
    match tag {
        "$int16" => Value::Int16(number().try_into().unwrap()),
        "$int32" => Value::Int32(number().try_into().unwrap()),
        "$int64" => Value::Int64(text().parse().unwrap()),
        "$float32" => Value::Float32(text().parse().unwrap()),
        "$float64" => Value::Float64(parse_float64(text()).unwrap()),
        "$decimal" => Value::Decimal(text().parse().unwrap()),
        "$bytes" => {
            let digits = text();
            let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
            Value::Bytes((0..digits.len()).step_by(2).map(byte).collect())
        }
        "$uuid" => {
            let digits = text().replace('-', "");
            Value::Uuid(u128::from_str_radix(&digits, 16).unwrap().to_be_bytes())
        }
        "$datetime" => Value::DateTime(temporal::parse_datetime(text()).unwrap()),
        "$local_datetime" => Value::LocalDateTime(temporal::parse_local_datetime(text()).unwrap()),
        "$date" => Value::Date(temporal::parse_date(text()).unwrap()),
        "$time" => Value::Time(temporal::parse_time(text()).unwrap()),
        "$interval" => {
            let part = |at: usize| i32::try_from(value[at].as_i64().unwrap()).unwrap();
            let micros = value[2].as_str().unwrap().parse().unwrap();
            Value::Interval(Interval { months: part(0), days: part(1), micros })
        }
        "$json" => Value::Json(text().to_owned()),
        "$enum" => Value::Enum(text().to_owned()),
        "$array" => Value::Array(value.as_array().unwrap().iter().map(read_value).collect()),
        _ => panic!("`{tag}` is no type"),
    }
}

/// A value of an answer.
pub(super) fn write_value(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Bool(v) => json!(v),
        Value::Int16(v) => json!({ "$int16": v }),
        Value::Int32(v) => json!({ "$int32": v }),
        Value::Int64(v) if v.unsigned_abs() <= 1 << 53 => json!(v),
        Value::Int64(v) => json!({ "$int64": v.to_string() }),
        Value::Float32(v) => json!({ "$float32": format_float32(*v) }),
        Value::Float64(v) => json!({ "$float64": format_float64(*v) }),
        Value::Decimal(v) => json!({ "$decimal": v.to_string() }),
        Value::String(v) => json!(v),
        Value::Bytes(v) => json!({ "$bytes": v.iter().map(|b| format!("{b:02x}")).collect::<String>() }),
        Value::Uuid(_) => json!({ "$uuid": value.to_text() }),
        Value::DateTime(_) => json!({ "$datetime": value.to_text() }),
        Value::LocalDateTime(_) => json!({ "$local_datetime": value.to_text() }),
        Value::Date(_) => json!({ "$date": value.to_text() }),
        Value::Time(_) => json!({ "$time": value.to_text() }),
        Value::Interval(v) => json!({ "$interval": [v.months, v.days, v.micros.to_string()] }),
        Value::Json(v) => json!({ "$json": v }),
        Value::Enum(v) => json!({ "$enum": v }),
        Value::Array(v) => json!({ "$array": v.iter().map(write_value).collect::<Vec<_>>() }),
    }
}

/// The rows of an answer.
pub(super) fn write_rows(result: &GraphResult) -> Json {
    Json::Array(result.roots().unwrap().map(|row| write_row(&row)).collect())
}

fn write_row(row: &Row<'_>) -> Json {
    let node = row.node();
    let mut object = Map::new();
    let mut absent = HashSet::new();
    for at in 0..=node.columns.len() {
        for (number, edge) in node.edges.iter().enumerate() {
            let last = at == node.columns.len() && edge.columns_before as usize > at;
            if edge.columns_before as usize == at || last {
                let mut children = row.edge(number).unwrap().map(|child| write_row(&child));
                let related = match edge.cardinality {
                    Cardinality::Many => Json::Array(children.collect()),
                    Cardinality::One => children.next().unwrap_or(Json::Null),
                };
                assert!(object.insert(edge.alias.clone(), related).is_none());
            }
        }
        if at < node.columns.len() {
            put_column(&mut object, row, node, at, &mut absent);
        }
    }
    Json::Object(object)
}

/// Puts a column in its place, which is inside of a struct where its name has points.
fn put_column<'a>(
    object: &mut Map<String, Json>,
    row: &Row<'_>,
    node: &'a ShapeNode,
    at: usize,
    absent: &mut HashSet<&'a str>,
) {
    let column = &node.columns[at];
    let cell = write_cell(row.cell(&column.name).unwrap(), &column.labels);
    let (path, value) = match column.name.strip_suffix(PRESENCE_SIGN) {
        Some(_) if !cell.is_null() => return,
        Some(path) => {
            absent.insert(path);
            (path, Json::Null)
        }
        None => (column.name.as_str(), cell),
    };
    let within_absent =
        path.char_indices().any(|(end, c)| c == '.' && absent.contains(path.get(..end).unwrap()));
    if within_absent {
        return;
    }
    let (structs, name) = path.rsplit_once('.').unwrap_or(("", path));
    let mut around = object;
    for name in structs.split('.').filter(|name| !name.is_empty()) {
        let inner = around.entry(name).or_insert_with(|| Json::Object(Map::new()));
        around = inner.as_object_mut().unwrap();
    }
    assert!(around.insert(name.to_owned(), value).is_none());
}

fn write_cell(cell: Cell<'_>, labels: &EnumLabels) -> Json {
    match cell {
        Cell::Withheld => json!({ "$withheld": true }),
        Cell::Value(value) => write_value(&value.to_value(&|position| labels.get(position))),
    }
}

/// What is compared of an error.
pub(super) fn write_error(error: &Error) -> Json {
    assert!(!error.message.is_empty());
    let detail = &error.detail;
    let mut told = Map::new();
    told.insert("code".to_owned(), json!(error.code.name()));
    let texts = [
        ("entity", &detail.entity),
        ("field", &detail.field),
        ("constraint", &detail.constraint),
        ("key", &detail.key),
        ("suggestion", &detail.suggestion),
    ];
    for (name, text) in texts {
        if let Some(text) = text {
            told.insert(name.to_owned(), json!(text));
        }
    }
    if let Some(span) = &detail.span {
        told.insert("span".to_owned(), json!([span.start, span.end, span.line, span.column]));
    }
    if let Some(limit) = &detail.limit {
        told.insert("limit".to_owned(), json!([limit.name, limit.allowed, limit.asked]));
    }
    if let Some(maybe) = detail.maybe_executed {
        told.insert("maybe_executed".to_owned(), json!(maybe));
    }
    Json::Object(told)
}

/// Where what was found is not what was expected.
pub(super) fn difference(expected: &Json, found: &Json, at: &str) -> Option<String> {
    let differs = || Some(format!("at {at}: expected {expected}, found {found}"));
    match (expected, found) {
        (Json::Object(wanted), _) if wanted.contains_key("$any") => {
            let tag = format!("${}", wanted["$any"].as_str().unwrap());
            let is = match tag.as_str() {
                "$string" => found.is_string(),
                "$bool" => found.is_boolean(),
                "$int64" => found.is_i64() || found.get(&tag).is_some(),
                _ => found.get(&tag).is_some(),
            };
            if is { None } else { differs() }
        }
        (Json::String(any), found) if any == "$any" && !found.is_null() => None,
        (Json::Object(expected), Json::Object(found)) => {
            if expected.keys().ne(found.keys()) {
                return differs();
            }
            expected.iter().zip(found).find_map(|((key, e), (_, f))| difference(e, f, &format!("{at}.{key}")))
        }
        (Json::Array(expected), Json::Array(found)) => {
            if expected.len() != found.len() {
                return differs();
            }
            let mut pairs = expected.iter().zip(found).enumerate();
            pairs.find_map(|(number, (e, f))| difference(e, f, &format!("{at}[{number}]")))
        }
        _ if expected == found => None,
        _ => differs(),
    }
}
