//! Random values of every type, for tests; small ones and extremes are likely, so that equal pairs occur.

use ormdb_proto::Value;
use ormdb_proto::schema::{FieldType, ScalarType};
use ormdb_proto::value::{Decimal, Interval, ValueRef, canonical_json};

/// A random value; one in eight is null. The label of an enum is the text of its position.
pub(crate) fn random_value(rng: &mut fastrand::Rng, ty: FieldType) -> Value {
    if rng.u8(0..8) == 0 {
        return Value::Null;
    }
    match ty {
        FieldType::Scalar(scalar) => random_scalar(rng, scalar),
        FieldType::Array(scalar) => {
            let element = FieldType::Scalar(scalar);
            Value::Array((0..rng.usize(0..4)).map(|_| random_value(rng, element)).collect())
        }
    }
}

/// A view of a random value.
pub(crate) fn scalar_ref(value: &Value) -> ValueRef<'_> {
    ValueRef::of(value, &|label| label.parse().ok()).unwrap()
}

fn random_scalar(rng: &mut fastrand::Rng, ty: ScalarType) -> Value {
    let text = |rng: &mut fastrand::Rng| -> String {
        let alphabet = ['\0', '\u{1}', 'a', 'b', 'ÿ', '\u{10ffff}', '€'];
        (0..rng.usize(0..5)).map(|_| alphabet[rng.usize(0..alphabet.len())]).collect()
    };
    let long = |rng: &mut fastrand::Rng| match rng.u8(0..4) {
        0 => rng.i64(-3..4),
        1 => [i64::MIN, i64::MAX, 0][rng.usize(0..3)],
        _ => rng.i64(..) >> rng.u32(0..60),
    };
    let float = |rng: &mut fastrand::Rng| match rng.u8(0..4) {
        0 => [0.0, -0.0, f64::NAN, -f64::NAN, f64::INFINITY, f64::NEG_INFINITY][rng.usize(0..6)],
        1 => f64::from(rng.i8(..)) / 4.0,
        _ => f64::from_bits(rng.u64(..)),
    };
    match ty {
        ScalarType::Bool => Value::Bool(rng.bool()),
        ScalarType::Int16 => Value::Int16(rng.i16(..) >> rng.u32(0..15)),
        ScalarType::Int32 => Value::Int32(rng.i32(..) >> rng.u32(0..31)),
        ScalarType::Int64 => Value::Int64(long(rng)),
        #[allow(clippy::cast_possible_truncation, reason = "test data")]
        ScalarType::Float32 => Value::Float32(float(rng) as f32),
        ScalarType::Float64 => Value::Float64(float(rng)),
        ScalarType::Decimal { precision, scale } => {
            let limit = 10i128.pow(u32::from(precision));
            let digits = rng.i128(-limit + 1..limit) / 10i128.pow(rng.u32(0..u32::from(precision)));
            let zeros = 10i128.pow(rng.u32(0..3));
            Value::Decimal(Decimal::new(digits / zeros * zeros, scale).unwrap())
        }
        ScalarType::String { .. } => Value::String(text(rng)),
        ScalarType::Bytes => {
            Value::Bytes((0..rng.usize(0..4)).map(|_| [0, 1, 254, 255][rng.usize(0..4)]).collect())
        }
        ScalarType::Uuid => {
            let byte = rng.u8(..);
            Value::Uuid([byte; 16])
        }
        ScalarType::DateTime => Value::DateTime(long(rng)),
        ScalarType::LocalDateTime => Value::LocalDateTime(long(rng)),
        ScalarType::Date => Value::Date(rng.i32(..) >> rng.u32(0..31)),
        ScalarType::Time => Value::Time(long(rng)),
        ScalarType::Interval => {
            Value::Interval(Interval { months: rng.i32(-2..3), days: rng.i32(-40..40), micros: long(rng) })
        }
        ScalarType::Json => {
            let document = [r#"{"a":1}"#, "[1,2]", "null", "\"x\""][rng.usize(0..4)];
            Value::Json(canonical_json(document).unwrap())
        }
        ScalarType::Enum(_) => Value::Enum(rng.u32(0..5).to_string()),
    }
}
