//! Types of expressions: which can be compared, calculated with, and converted into which.

use ormdb_proto::schema::{FieldType, ScalarType};
use ormdb_proto::value::PRECISION_MAX;

use super::node::Arithmetic;

pub(super) const BOOL: FieldType = FieldType::Scalar(ScalarType::Bool);
pub(super) const INT32: FieldType = FieldType::Scalar(ScalarType::Int32);
pub(super) const INT64: FieldType = FieldType::Scalar(ScalarType::Int64);
pub(super) const FLOAT64: FieldType = FieldType::Scalar(ScalarType::Float64);
pub(super) const TEXT: FieldType = FieldType::Scalar(ScalarType::String { chars_max: None });
pub(super) const INTERVAL: FieldType = FieldType::Scalar(ScalarType::Interval);

/// A decimal of the most digits and this scale.
pub(super) const fn decimal(scale: u8) -> ScalarType {
    ScalarType::Decimal { precision: PRECISION_MAX, scale }
}

/// The least scale of a quotient, as PostgreSQL has at least 16 significant digits.
pub(super) const QUOTIENT_SCALE_MIN: u8 = 16;

/// Where a numeric type stands: two numbers are calculated with in the higher one.
const fn rank(scalar: ScalarType) -> Option<u8> {
    match scalar {
        ScalarType::Int16 => Some(1),
        ScalarType::Int32 => Some(2),
        ScalarType::Int64 => Some(3),
        ScalarType::Decimal { .. } => Some(4),
        ScalarType::Float32 => Some(5),
        ScalarType::Float64 => Some(6),
        ScalarType::Bool
        | ScalarType::String { .. }
        | ScalarType::Bytes
        | ScalarType::Uuid
        | ScalarType::DateTime
        | ScalarType::LocalDateTime
        | ScalarType::Date
        | ScalarType::Time
        | ScalarType::Interval
        | ScalarType::Json
        | ScalarType::Enum(_) => None,
    }
}

pub(super) const fn is_numeric(ty: FieldType) -> bool {
    matches!(ty, FieldType::Scalar(scalar) if rank(scalar).is_some())
}

pub(super) const fn is_integer(ty: FieldType) -> bool {
    matches!(ty, FieldType::Scalar(ScalarType::Int16 | ScalarType::Int32 | ScalarType::Int64))
}

pub(super) const fn is_text(ty: FieldType) -> bool {
    matches!(ty, FieldType::Scalar(ScalarType::String { .. }))
}

const fn scale_of(scalar: ScalarType) -> u8 {
    match scalar {
        ScalarType::Decimal { scale, .. } => scale,
        _ => 0,
    }
}

/// The type that two numbers are brought to before they are calculated with.
pub(super) fn common_number(left: FieldType, right: FieldType) -> Option<FieldType> {
    let (FieldType::Scalar(l), FieldType::Scalar(r)) = (left, right) else { return None };
    let (rl, rr) = (rank(l)?, rank(r)?);
    let (high, low) = if rl >= rr { (l, r) } else { (r, l) };
    Some(FieldType::Scalar(match high {
        ScalarType::Decimal { .. } => decimal(scale_of(l).max(scale_of(r))),
        ScalarType::Float32 if low != ScalarType::Float32 => ScalarType::Float64,
        other => other,
    }))
}

/// The type of the result of arithmetic on numbers.
pub(super) fn arithmetic(op: Arithmetic, left: FieldType, right: FieldType) -> Option<FieldType> {
    let common = common_number(left, right)?;
    let ScalarType::Decimal { scale, .. } = common.scalar() else { return Some(common) };
    let scale = match op {
        Arithmetic::Add | Arithmetic::Subtract | Arithmetic::Remainder => scale,
        Arithmetic::Multiply => (scale_of(left.scalar()) + scale_of(right.scalar())).min(PRECISION_MAX),
        Arithmetic::Divide => scale.max(QUOTIENT_SCALE_MIN),
    };
    Some(FieldType::Scalar(decimal(scale)))
}

/// One type for both, where they can stand for each other: of branches, list elements, compared operands.
pub(super) fn common(left: FieldType, right: FieldType) -> Option<FieldType> {
    match (left, right) {
        (
            FieldType::Scalar(ScalarType::String { chars_max: a }),
            FieldType::Scalar(ScalarType::String { chars_max: b }),
        ) => {
            let chars_max = if a == b { a } else { None };
            Some(FieldType::Scalar(ScalarType::String { chars_max }))
        }
        (FieldType::Array(l), FieldType::Array(r)) => {
            common(FieldType::Scalar(l), FieldType::Scalar(r)).map(|ty| FieldType::Array(ty.scalar()))
        }
        (left, right) if left == right => Some(left),
        (left, right) => common_number(left, right),
    }
}

/// Whether a value of one type may be written where the other is wanted, converted with checks.
pub(super) fn assignable(from: FieldType, to: FieldType) -> bool {
    match (from, to) {
        (FieldType::Scalar(f), FieldType::Scalar(t)) => {
            common(from, to).is_some()
                || matches!(
                    (f, t),
                    (ScalarType::Date, ScalarType::LocalDateTime | ScalarType::DateTime)
                        | (ScalarType::DateTime, ScalarType::LocalDateTime)
                        | (ScalarType::LocalDateTime, ScalarType::DateTime)
                )
        }
        (FieldType::Array(f), FieldType::Array(t)) => assignable(FieldType::Scalar(f), FieldType::Scalar(t)),
        (FieldType::Scalar(_), FieldType::Array(_)) | (FieldType::Array(_), FieldType::Scalar(_)) => false,
    }
}

pub(super) const fn is_instant(ty: FieldType) -> bool {
    matches!(
        ty,
        FieldType::Scalar(
            ScalarType::DateTime
                | ScalarType::LocalDateTime
                | ScalarType::Date
                | ScalarType::Time
                | ScalarType::Interval
        )
    )
}

/// The type of a sum or difference of times, as PostgreSQL has them.
pub(super) const fn time_arithmetic(op: Arithmetic, left: FieldType, right: FieldType) -> Option<FieldType> {
    use ScalarType as T;
    let (FieldType::Scalar(left), FieldType::Scalar(right)) = (left, right) else { return None };
    let ty = match (op, left, right) {
        (
            Arithmetic::Add | Arithmetic::Subtract,
            T::DateTime | T::LocalDateTime | T::Time | T::Interval,
            T::Interval,
        ) => left,
        (Arithmetic::Add, T::Interval, T::DateTime | T::LocalDateTime | T::Time) => right,
        (Arithmetic::Add | Arithmetic::Subtract, T::Date, T::Interval) => T::LocalDateTime,
        (Arithmetic::Add, T::Interval, T::Date) => T::LocalDateTime,
        (Arithmetic::Subtract, T::DateTime, T::DateTime)
        | (Arithmetic::Subtract, T::LocalDateTime, T::LocalDateTime)
        | (Arithmetic::Subtract, T::Time, T::Time) => T::Interval,
        (Arithmetic::Subtract, T::Date, T::Date) => T::Int32,
        (Arithmetic::Add | Arithmetic::Subtract, T::Date, T::Int16 | T::Int32 | T::Int64) => T::Date,
        (Arithmetic::Add, T::Int16 | T::Int32 | T::Int64, T::Date) => T::Date,
        (Arithmetic::Multiply | Arithmetic::Divide, T::Interval, number) if rank(number).is_some() => {
            T::Interval
        }
        (Arithmetic::Multiply, number, T::Interval) if rank(number).is_some() => T::Interval,
        _ => return None,
    };
    Some(FieldType::Scalar(ty))
}
