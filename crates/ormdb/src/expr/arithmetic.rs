//! Arithmetic on numbers, times and intervals, and the sums of aggregates. Nothing wraps.

use jiff::Span as Calendar;
use ormdb_proto::schema::{FieldType, ScalarType};
use ormdb_proto::value::{Decimal, Interval, ValueRef, format_float64, temporal};
use ormdb_proto::{Error, ErrorCode, Result};

use super::cast;
use super::datum::Datum;
use super::node::Arithmetic;

/// `left op right` as a value of `ty`; null if an operand is.
pub(super) fn calculate(
    op: Arithmetic,
    ty: FieldType,
    left: &ValueRef<'_>,
    right: &ValueRef<'_>,
) -> Result<Datum<'static>> {
    if left.is_null() || right.is_null() {
        return Ok(Datum::NULL);
    }
    let value = match ty.scalar() {
        ScalarType::Int16 => ValueRef::Int16(narrow(whole(op, int(left)?, int(right)?)?)?),
        ScalarType::Int32 if !matches!(left, ValueRef::Date(_)) => {
            ValueRef::Int32(narrow(whole(op, int(left)?, int(right)?)?)?)
        }
        ScalarType::Int64 => ValueRef::Int64(narrow(whole(op, int(left)?, int(right)?)?)?),
        ScalarType::Float32 => {
            ValueRef::Float32(cast::to_f32(floats(op, cast::float(left)?, cast::float(right)?)?)?)
        }
        ScalarType::Float64 => ValueRef::Float64(floats(op, cast::float(left)?, cast::float(right)?)?),
        ScalarType::Decimal { .. } => {
            ValueRef::Decimal(decimals(op, cast::decimal(left)?, cast::decimal(right)?)?)
        }
        _ => times(op, left, right)?,
    };
    Ok(Datum::Ref(value))
}

/// A number or interval with the other sign.
pub(super) fn negate(value: &ValueRef<'_>) -> Result<Datum<'static>> {
    let overflow = || cast::overflow(&format!("-({})", cast::text_of(value)));
    Ok(Datum::Ref(match value {
        ValueRef::Null => ValueRef::Null,
        ValueRef::Int16(v) => ValueRef::Int16(v.checked_neg().ok_or_else(overflow)?),
        ValueRef::Int32(v) => ValueRef::Int32(v.checked_neg().ok_or_else(overflow)?),
        ValueRef::Int64(v) => ValueRef::Int64(v.checked_neg().ok_or_else(overflow)?),
        ValueRef::Float32(v) => ValueRef::Float32(-v),
        ValueRef::Float64(v) => ValueRef::Float64(-v),
        ValueRef::Decimal(v) => ValueRef::Decimal(v.negated()),
        ValueRef::Interval(v) => ValueRef::Interval(v.checked_neg().ok_or_else(overflow)?),
        _ => return Err(unexpected(value)),
    }))
}

fn int(value: &ValueRef<'_>) -> Result<i64> {
    match value {
        ValueRef::Int16(v) => Ok(i64::from(*v)),
        ValueRef::Int32(v) => Ok(i64::from(*v)),
        ValueRef::Int64(v) => Ok(*v),
        _ => Err(unexpected(value)),
    }
}

fn whole(op: Arithmetic, left: i64, right: i64) -> Result<i128> {
    let (l, r) = (i128::from(left), i128::from(right));
    Ok(match op {
        Arithmetic::Add => l + r,
        Arithmetic::Subtract => l - r,
        Arithmetic::Multiply => l * r,
        Arithmetic::Divide => l.checked_div(r).ok_or_else(division_by_zero)?,
        Arithmetic::Remainder => l.checked_rem(r).ok_or_else(division_by_zero)?,
    })
}

fn narrow<T: TryFrom<i128>>(v: i128) -> Result<T> {
    T::try_from(v).map_err(|_| cast::overflow(&v.to_string()))
}

fn floats(op: Arithmetic, left: f64, right: f64) -> Result<f64> {
    let result = match op {
        Arithmetic::Add => left + right,
        Arithmetic::Subtract => left - right,
        Arithmetic::Multiply => left * right,
        Arithmetic::Divide | Arithmetic::Remainder if right == 0.0 => return Err(division_by_zero()),
        Arithmetic::Divide => left / right,
        Arithmetic::Remainder => left % right,
    };
    if result.is_infinite() && left.is_finite() && right.is_finite() {
        return Err(cast::overflow(&format_float64(result)));
    }
    Ok(result)
}

fn decimals(op: Arithmetic, left: Decimal, right: Decimal) -> Result<Decimal> {
    let result = match op {
        Arithmetic::Add => left.checked_add(right),
        Arithmetic::Subtract => left.checked_sub(right),
        Arithmetic::Multiply => left.checked_mul(right),
        Arithmetic::Divide | Arithmetic::Remainder if right.is_zero() => return Err(division_by_zero()),
        Arithmetic::Divide => left.checked_div(right),
        Arithmetic::Remainder => left.checked_rem(right),
    };
    result.ok_or_else(|| {
        Error::new(
            ErrorCode::NumericOverflow,
            format!("the result of {left} and {right} has more than 38 digits"),
        )
    })
}

fn times(op: Arithmetic, left: &ValueRef<'_>, right: &ValueRef<'_>) -> Result<ValueRef<'static>> {
    use ValueRef as V;
    let overflow =
        || Error::new(ErrorCode::NumericOverflow, "the result is outside the range of dates and times");
    let signed = |interval: &Interval| match op {
        Arithmetic::Subtract => interval.checked_neg().ok_or_else(overflow),
        _ => Ok(*interval),
    };
    let micros = |from: i64, to: i64| -> Result<V<'static>> {
        let micros = from.checked_sub(to).ok_or_else(overflow)?;
        let day = temporal::MICROS_PER_DAY;
        let days = i32::try_from(micros / day).map_err(|_| overflow())?;
        Ok(V::Interval(Interval { months: 0, days, micros: micros % day }))
    };
    let midnight = |days: i32| i64::from(days) * temporal::MICROS_PER_DAY;
    let days = |date: i32, by: &V<'_>| -> Result<V<'static>> {
        let by = if op == Arithmetic::Subtract { -i128::from(int(by)?) } else { i128::from(int(by)?) };
        let day = i32::try_from(i128::from(date) + by).map_err(|_| overflow())?;
        temporal::civil_date(day).map(|_| V::Date(day)).ok_or_else(overflow)
    };
    Ok(match (left, right) {
        (V::Interval(by), factor) if matches!(op, Arithmetic::Multiply | Arithmetic::Divide) => {
            V::Interval(scaled(op, *by, cast::float(factor)?)?)
        }
        (factor, V::Interval(by)) if op == Arithmetic::Multiply => {
            V::Interval(scaled(op, *by, cast::float(factor)?)?)
        }
        (V::DateTime(at), V::Interval(by)) => V::DateTime(shift(*at, signed(by)?)?),
        (V::LocalDateTime(at), V::Interval(by)) => V::LocalDateTime(shift(*at, signed(by)?)?),
        (V::Date(day), V::Interval(by)) => V::LocalDateTime(shift(midnight(*day), signed(by)?)?),
        (V::Interval(by), V::DateTime(at)) => V::DateTime(shift(*at, *by)?),
        (V::Interval(by), V::LocalDateTime(at)) => V::LocalDateTime(shift(*at, *by)?),
        (V::Interval(by), V::Date(day)) => V::LocalDateTime(shift(midnight(*day), *by)?),
        (V::Time(at), V::Interval(by)) => {
            let by = signed(by)?.micros % temporal::MICROS_PER_DAY;
            V::Time((at + by).rem_euclid(temporal::MICROS_PER_DAY))
        }
        (V::Interval(by), V::Time(at)) => {
            V::Time((at + by.micros % temporal::MICROS_PER_DAY).rem_euclid(temporal::MICROS_PER_DAY))
        }
        (V::Interval(a), V::Interval(b)) => V::Interval(a.checked_add(signed(b)?).ok_or_else(overflow)?),
        (V::DateTime(a), V::DateTime(b)) | (V::LocalDateTime(a), V::LocalDateTime(b)) => micros(*a, *b)?,
        (V::Time(a), V::Time(b)) => V::Interval(Interval { months: 0, days: 0, micros: a - b }),
        (V::Date(a), V::Date(b)) => V::Int32(a.checked_sub(*b).ok_or_else(overflow)?),
        (V::Date(day), by) => days(*day, by)?,
        (by, V::Date(day)) => days(*day, by)?,
        _ => return Err(unexpected(left)),
    })
}

/// An interval times a number, or divided by one, as PostgreSQL has it: what is left of a month is days of it, 30 in each, what
/// is left of a day is microseconds, and a month never comes of days.
fn scaled(op: Arithmetic, by: Interval, factor: f64) -> Result<Interval> {
    const DAYS: f64 = 30.0;
    const SECONDS: f64 = 86_400.0;
    if op == Arithmetic::Divide && factor == 0.0 {
        return Err(division_by_zero());
    }
    let of = |part: f64| if op == Arithmetic::Divide { part / factor } else { part * factor };
    // What is left is known to a microsecond.
    let round = |part: f64| (part * 1e6).round_ties_even() / 1e6;
    let (months, days) = (of(f64::from(by.months)), of(f64::from(by.days)));
    let days_of_month = round((months - months.trunc()) * DAYS);
    let mut seconds = round((days - days.trunc() + days_of_month - days_of_month.trunc()) * SECONDS);
    let mut days = days.trunc();
    if seconds.abs() >= SECONDS {
        days += (seconds / SECONDS).trunc();
        seconds -= (seconds / SECONDS).trunc() * SECONDS;
    }
    let micros = of(Decimal::from(by.micros).to_f64()) + seconds * 1e6;
    Ok(Interval {
        months: narrow(cast::whole(months.trunc())?)?,
        days: narrow(cast::whole(days + days_of_month.trunc())?)?,
        micros: narrow(cast::whole(micros)?)?,
    })
}

/// A time moved by an interval: first by its months, kept inside the month, then by its days, then by the rest.
fn shift(at: i64, by: Interval) -> Result<i64> {
    let overflow =
        || Error::new(ErrorCode::NumericOverflow, "the result is outside the range of dates and times");
    let day = temporal::MICROS_PER_DAY;
    let date = i32::try_from(at.div_euclid(day)).ok().and_then(temporal::civil_date).ok_or_else(overflow)?;
    // One after the other: the parts of a calendar's span have one sign, those of an interval each their own.
    let months = Calendar::new().try_months(by.months).map_err(|_| overflow())?;
    let days = Calendar::new().try_days(by.days).map_err(|_| overflow())?;
    let moved = date.checked_add(months).and_then(|date| date.checked_add(days)).map_err(|_| overflow())?;
    let between = date.until((jiff::Unit::Day, moved)).map_err(|_| overflow())?;
    at.checked_add(i64::from(between.get_days()) * day)
        .and_then(|at| at.checked_add(by.micros))
        .filter(|at| temporal::civil_datetime(*at).is_some())
        .ok_or_else(overflow)
}

fn division_by_zero() -> Error {
    Error::new(ErrorCode::DivisionByZero, "division by zero")
}

fn unexpected(value: &ValueRef<'_>) -> Error {
    let value = value.to_value(&|_| None);
    Error::new(ErrorCode::Internal, format!("arithmetic met a value of type {}", value.type_name()))
}

/// A sum of numbers, wide enough not to overflow before it is read: int16 and int32 sum to int64, int64 to decimal.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Sum {
    /// Of whole numbers.
    Whole(i128),
    /// Of decimals.
    Exact(Decimal),
    /// Of floats.
    Float(f64),
}

impl Sum {
    /// The type of the sum of values of this type.
    pub(crate) const fn ty(of: FieldType) -> Option<FieldType> {
        let FieldType::Scalar(scalar) = of else { return None };
        Some(FieldType::Scalar(match scalar {
            ScalarType::Int16 | ScalarType::Int32 => ScalarType::Int64,
            ScalarType::Int64 => super::types::decimal(0),
            ScalarType::Decimal { scale, .. } => super::types::decimal(scale),
            ScalarType::Float32 => ScalarType::Float32,
            ScalarType::Float64 => ScalarType::Float64,
            _ => return None,
        }))
    }

    /// The sum of nothing but this value.
    pub(crate) fn of(value: &ValueRef<'_>) -> Result<Sum> {
        Ok(match value {
            ValueRef::Int16(_) | ValueRef::Int32(_) | ValueRef::Int64(_) => {
                Sum::Whole(i128::from(int(value)?))
            }
            ValueRef::Decimal(v) => Sum::Exact(*v),
            ValueRef::Float32(_) | ValueRef::Float64(_) => Sum::Float(cast::float(value)?),
            _ => return Err(unexpected(value)),
        })
    }

    /// With one more value.
    pub(crate) fn add(self, value: &ValueRef<'_>) -> Result<Sum> {
        self.and(Sum::of(value)?)
    }

    /// With the values of another sum, of the same kind.
    pub(crate) fn and(self, other: Sum) -> Result<Sum> {
        let overflow = || Error::new(ErrorCode::NumericOverflow, "the sum is outside the range of its type");
        Ok(match (self, other) {
            (Sum::Whole(a), Sum::Whole(b)) => Sum::Whole(a.checked_add(b).ok_or_else(overflow)?),
            (Sum::Exact(a), Sum::Exact(b)) => Sum::Exact(a.checked_add(b).ok_or_else(overflow)?),
            (Sum::Float(a), Sum::Float(b)) => Sum::Float(floats(Arithmetic::Add, a, b)?),
            (Sum::Whole(_) | Sum::Exact(_) | Sum::Float(_), _) => {
                return Err(Error::new(ErrorCode::Internal, "a sum met numbers of another kind"));
            }
        })
    }

    /// The sum as a value of its type.
    pub(crate) fn value(self, ty: FieldType) -> Result<ValueRef<'static>> {
        let overflow = || Error::new(ErrorCode::NumericOverflow, "the sum is outside the range of its type");
        Ok(match (self, ty.scalar()) {
            (Sum::Whole(v), ScalarType::Int64) => ValueRef::Int64(narrow(v)?),
            (Sum::Whole(v), _) => ValueRef::Decimal(Decimal::new(v, 0).ok_or_else(overflow)?),
            (Sum::Exact(v), _) => ValueRef::Decimal(v),
            (Sum::Float(v), ScalarType::Float32) => ValueRef::Float32(cast::to_f32(v)?),
            (Sum::Float(v), _) => ValueRef::Float64(v),
        })
    }
}

/// A mean of numbers: decimal for exact types, float64 for floats.
pub(crate) struct Average;

impl Average {
    /// The type of the mean of values of this type.
    pub(crate) const fn ty(of: FieldType) -> Option<FieldType> {
        let FieldType::Scalar(scalar) = of else { return None };
        Some(FieldType::Scalar(match scalar {
            ScalarType::Int16 | ScalarType::Int32 | ScalarType::Int64 => {
                super::types::decimal(super::types::QUOTIENT_SCALE_MIN)
            }
            ScalarType::Decimal { scale, .. } => {
                let least = super::types::QUOTIENT_SCALE_MIN;
                super::types::decimal(if scale > least { scale } else { least })
            }
            ScalarType::Float32 | ScalarType::Float64 => ScalarType::Float64,
            _ => return None,
        }))
    }

    /// The mean of `count` values of this sum.
    pub(crate) fn of(sum: Sum, count: i64) -> Result<ValueRef<'static>> {
        let overflow = || Error::new(ErrorCode::NumericOverflow, "the mean is outside the range of its type");
        let exact =
            |sum: Decimal| decimals(Arithmetic::Divide, sum, Decimal::from(count)).map(ValueRef::Decimal);
        match sum {
            Sum::Whole(v) => exact(Decimal::new(v, 0).ok_or_else(overflow)?),
            Sum::Exact(v) => exact(v),
            Sum::Float(v) => {
                Ok(ValueRef::Float64(floats(Arithmetic::Divide, v, Decimal::from(count).to_f64())?))
            }
        }
    }
}
