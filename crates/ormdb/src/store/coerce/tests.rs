use ormdb_proto::schema::{EnumId, EnumLabel};

use super::*;

fn schema() -> Schema {
    let labels = ["draft", "live"];
    let labels =
        labels.iter().zip([10, 20]).map(|(n, position)| EnumLabel { position, name: (*n).to_owned() });
    let of = EnumType { id: EnumId(1), name: "State".to_owned(), doc: None, labels: labels.collect() };
    Schema { enums: vec![of], ..Schema::empty() }
}

fn bent(ty: ScalarType, value: impl Into<Value>) -> Result<Value> {
    bend(&schema(), FieldType::Scalar(ty), value.into())
}

fn code(ty: ScalarType, value: impl Into<Value>) -> ErrorCode {
    bent(ty, value).unwrap_err().code
}

#[test]
fn numbers_bend_where_nothing_is_lost() {
    assert_eq!(bent(ScalarType::Int16, 7i64), Ok(Value::Int16(7)));
    assert_eq!(code(ScalarType::Int16, 70_000i64), ErrorCode::NumericOverflow);
    assert_eq!(bent(ScalarType::Int64, 3.0), Ok(Value::Int64(3)));
    assert_eq!(code(ScalarType::Int64, 3.5), ErrorCode::InvalidValue);
    assert_eq!(bent(ScalarType::Int32, "42"), Ok(Value::Int32(42)));
    let money = ScalarType::Decimal { precision: 5, scale: 2 };
    assert_eq!(bent(money, "1.005").unwrap().to_text(), "1.01");
    assert_eq!(bent(money, 7i64).unwrap().to_text(), "7.00");
    assert_eq!(bent(money, 0.1).unwrap().to_text(), "0.10");
    assert_eq!(code(money, 1000i64), ErrorCode::NumericOverflow);
    assert_eq!(code(money, true), ErrorCode::TypeMismatch);
    assert_eq!(bent(ScalarType::Float64, 1i64), Ok(Value::Float64(1.0)));
    assert_eq!(code(ScalarType::Float32, 1e300), ErrorCode::NumericOverflow);
    assert_eq!(code(ScalarType::Float64, "1e999"), ErrorCode::NumericOverflow);
}

#[test]
fn text_bends_to_what_it_says() {
    assert_eq!(bent(ScalarType::Date, "1970-01-02"), Ok(Value::Date(1)));
    assert_eq!(bent(ScalarType::DateTime, "1970-01-01T00:00:01Z"), Ok(Value::DateTime(1_000_000)));
    assert_eq!(code(ScalarType::Date, "soon"), ErrorCode::InvalidValue);
    assert_eq!(bent(ScalarType::Bytes, "\\x00FF"), Ok(Value::Bytes(vec![0, 255])));
    assert_eq!(code(ScalarType::Bytes, "\\x0"), ErrorCode::InvalidValue);
    assert_eq!(bent(ScalarType::Json, " [1, 2] "), Ok(Value::Json("[1,2]".to_owned())));
    assert_eq!(code(ScalarType::Json, "{"), ErrorCode::InvalidValue);
    assert_eq!(bent(ScalarType::Enum(EnumId(1)), "live"), Ok(Value::Enum("live".to_owned())));
    assert!(matches!(bent(ScalarType::Uuid, "0190163d-8694-739b-aea5-966c26f8ad90"), Ok(Value::Uuid(_))));
    assert_eq!(bent(ScalarType::Bool, "true"), Ok(Value::Bool(true)));
}

#[test]
fn refusals_say_what_is_wrong() {
    let error = bent(ScalarType::Enum(EnumId(1)), "drfat").unwrap_err();
    assert_eq!(error.detail.suggestion.as_deref(), Some("draft"));
    assert_eq!(error.detail.hint.as_deref(), Some("its labels are draft, live"));
    let short = ScalarType::String { chars_max: Some(3) };
    assert_eq!(bent(short, "äöü"), Ok(Value::from("äöü")));
    assert_eq!(code(short, "äöüx"), ErrorCode::StringTooLong);
    assert_eq!(bent(ScalarType::Int32, "x").unwrap_err().message, "\"x\" is no int32: not a decimal number");
    let mismatch = bent(ScalarType::Uuid, 5i64).unwrap_err();
    assert_eq!(mismatch.message, "expected uuid, found int64 5");
}

#[test]
fn hostile_values_are_outside_the_range() {
    assert_eq!(code(ScalarType::Date, Value::Date(i32::MAX)), ErrorCode::InvalidValue);
    assert_eq!(code(ScalarType::DateTime, Value::DateTime(i64::MIN)), ErrorCode::InvalidValue);
    assert_eq!(code(ScalarType::DateTime, Value::Date(i32::MAX)), ErrorCode::InvalidValue);
    assert_eq!(code(ScalarType::Time, Value::Time(-1)), ErrorCode::InvalidValue);
    let spaced = bent(ScalarType::Json, Value::Json("{ \"b\":1, \"a\":2}".to_owned()));
    assert_eq!(spaced, Ok(Value::Json("{\"a\":2,\"b\":1}".to_owned())));
}

#[test]
fn arrays_bend_by_element() {
    let ty = FieldType::Array(ScalarType::Int16);
    let value = Value::from(vec![Some(1i64), None]);
    assert_eq!(bend(&schema(), ty, value), Ok(Value::Array(vec![Value::Int16(1), Value::Null])));
    assert_eq!(bend(&schema(), ty, Value::from(1i64)).unwrap_err().code, ErrorCode::TypeMismatch);
    let labels = FieldType::Array(ScalarType::Enum(EnumId(1)));
    let bent = bend(&schema(), labels, Value::from(vec!["live"])).unwrap();
    let view = ValueRef::Array(vec![ValueRef::Enum(20)]);
    assert_eq!(owned(&schema(), labels, &view), bent);
}
