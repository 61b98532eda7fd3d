//! The order of values, as SQL's comparisons and every sort and key have it.
//!
//! Invariants: (1) a total order of the non-null values of one type, the same that encoded keys have; (2) numbers of
//! different types compare by value; (3) text by code point; false before true; NaN equal to itself and greater than
//! every number; -0 equal to 0; enums by the order of their labels; in arrays a null is greater than every value.

use std::cmp::Ordering;

use super::{Decimal, ValueRef};

/// The order of two values; none if one is null or their types do not compare.
pub fn compare(a: &ValueRef<'_>, b: &ValueRef<'_>) -> Option<Ordering> {
    use ValueRef as V;
    Some(match (a, b) {
        (V::Bool(a), V::Bool(b)) => a.cmp(b),
        (V::Int64(a), V::Int64(b))
        | (V::DateTime(a), V::DateTime(b))
        | (V::LocalDateTime(a), V::LocalDateTime(b))
        | (V::Time(a), V::Time(b)) => a.cmp(b),
        (V::String(a), V::String(b)) | (V::Json(a), V::Json(b)) => a.cmp(b),
        (V::Bytes(a), V::Bytes(b)) => a.cmp(b),
        (V::Uuid(a), V::Uuid(b)) => a.cmp(b),
        (V::Date(a), V::Date(b)) => a.cmp(b),
        (V::Interval(a), V::Interval(b)) => a.comparable().cmp(&b.comparable()),
        (V::Enum(a), V::Enum(b)) => a.cmp(b),
        (V::Array(a), V::Array(b)) => return compare_arrays(a, b),
        _ => return compare_numbers(Number::of(a)?, Number::of(b)?),
    })
}

/// The order of two floating-point numbers: NaN last and equal to itself, -0 equal to 0.
pub fn compare_floats(a: f64, b: f64) -> Ordering {
    match (a.is_nan(), b.is_nan()) {
        (false, false) => a.partial_cmp(&b).unwrap_or(Ordering::Equal),
        (a_nan, b_nan) => a_nan.cmp(&b_nan),
    }
}

#[derive(Clone, Copy)]
enum Number {
    Int(i64),
    Float(f64),
    Decimal(Decimal),
}

impl Number {
    fn of(value: &ValueRef<'_>) -> Option<Number> {
        Some(match value {
            ValueRef::Int16(v) => Number::Int(i64::from(*v)),
            ValueRef::Int32(v) => Number::Int(i64::from(*v)),
            ValueRef::Int64(v) => Number::Int(*v),
            ValueRef::Float32(v) => Number::Float(f64::from(*v)),
            ValueRef::Float64(v) => Number::Float(*v),
            ValueRef::Decimal(v) => Number::Decimal(*v),
            ValueRef::Null
            | ValueRef::Bool(_)
            | ValueRef::String(_)
            | ValueRef::Bytes(_)
            | ValueRef::Uuid(_)
            | ValueRef::DateTime(_)
            | ValueRef::LocalDateTime(_)
            | ValueRef::Date(_)
            | ValueRef::Time(_)
            | ValueRef::Interval(_)
            | ValueRef::Json(_)
            | ValueRef::Enum(_)
            | ValueRef::Array(_) => return None,
        })
    }

    fn float(self) -> f64 {
        match self {
            Number::Int(v) => Decimal::from(v).to_f64(),
            Number::Float(v) => v,
            Number::Decimal(v) => v.to_f64(),
        }
    }
}

fn compare_numbers(a: Number, b: Number) -> Option<Ordering> {
    Some(match (a, b) {
        (Number::Int(a), Number::Int(b)) => a.cmp(&b),
        (Number::Int(a), Number::Decimal(b)) => Decimal::from(a).cmp(&b),
        (Number::Decimal(a), Number::Int(b)) => a.cmp(&Decimal::from(b)),
        (Number::Decimal(a), Number::Decimal(b)) => a.cmp(&b),
        (Number::Float(_), _) | (_, Number::Float(_)) => compare_floats(a.float(), b.float()),
    })
}

fn compare_arrays(a: &[ValueRef<'_>], b: &[ValueRef<'_>]) -> Option<Ordering> {
    for (a, b) in a.iter().zip(b) {
        let order = match (a.is_null(), b.is_null()) {
            (false, false) => compare(a, b)?,
            (a_null, b_null) => a_null.cmp(&b_null),
        };
        if order != Ordering::Equal {
            return Some(order);
        }
    }
    Some(a.len().cmp(&b.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_different_types_compare_by_value() {
        let decimal = ValueRef::Decimal(Decimal::new(150, 2).unwrap());
        assert_eq!(compare(&ValueRef::Int16(1), &ValueRef::Int64(1)), Some(Ordering::Equal));
        assert_eq!(compare(&ValueRef::Int32(2), &decimal), Some(Ordering::Greater));
        assert_eq!(compare(&decimal, &ValueRef::Float64(1.5)), Some(Ordering::Equal));
        assert_eq!(compare(&ValueRef::Int64(1), &ValueRef::String("1")), None);
        assert_eq!(compare(&ValueRef::Null, &ValueRef::Int64(1)), None);
    }

    #[test]
    fn odd_floats_and_arrays_have_a_place() {
        assert_eq!(compare(&ValueRef::Float64(-0.0), &ValueRef::Float64(0.0)), Some(Ordering::Equal));
        let (nan, infinity) = (ValueRef::Float64(f64::NAN), ValueRef::Float64(f64::INFINITY));
        assert_eq!(compare(&nan, &infinity), Some(Ordering::Greater));
        assert_eq!(compare(&nan, &nan), Some(Ordering::Equal));
        let array = |v: &[Option<i64>]| {
            ValueRef::Array(v.iter().map(|v| v.map_or(ValueRef::Null, ValueRef::Int64)).collect())
        };
        assert_eq!(compare(&array(&[Some(1)]), &array(&[Some(1), Some(0)])), Some(Ordering::Less));
        assert_eq!(compare(&array(&[None]), &array(&[Some(9)])), Some(Ordering::Greater));
    }
}
