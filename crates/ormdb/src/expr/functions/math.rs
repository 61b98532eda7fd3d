//! Functions of numbers.

use std::cmp::Ordering;

use ormdb_proto::schema::{FieldType, ScalarType};
use ormdb_proto::value::{Decimal, ValueRef, format_float64};
use ormdb_proto::{Error, ErrorCode, Result};

use super::super::EvalEnv;
use super::super::arithmetic::negate;
use super::super::cast;
use super::super::datum::Datum;
use super::super::eval::order;
use super::{int_arg, misused};

type Args<'s, 'd> = &'s [Datum<'d>];
type Made = Result<Datum<'static>>;

/// No number has a digit farther from the point.
const PLACES_MAX: i8 = 38;

/// The type of a rounded number.
pub(super) const fn rounded_type(ty: FieldType) -> FieldType {
    match ty {
        FieldType::Scalar(ScalarType::Decimal { scale, .. }) => {
            FieldType::Scalar(super::super::types::decimal(scale))
        }
        other => other,
    }
}

fn number<'d>(args: &'d [Datum<'_>], at: usize) -> Result<ValueRef<'d>> {
    args.get(at).map(Datum::view).ok_or_else(|| misused("a function of numbers"))
}

pub(super) fn abs(args: Args<'_, '_>, _: &EvalEnv<'_>) -> Made {
    let value = number(args, 0)?;
    let negative = order(&value, &ValueRef::Int32(0))?.is_some_and(Ordering::is_lt);
    if negative { negate(&value) } else { Ok(Datum::Ref(value).into_owned()) }
}

pub(super) fn sign(args: Args<'_, '_>, _: &EvalEnv<'_>) -> Made {
    let sign = match order(&number(args, 0)?, &ValueRef::Int32(0))? {
        Some(Ordering::Less) => -1,
        Some(Ordering::Greater) => 1,
        Some(Ordering::Equal) | None => 0,
    };
    Ok(Datum::Ref(ValueRef::Int32(sign)))
}

/// A number rounded: floats by `of_float`, decimals by `of_decimal`, whole numbers as they are.
fn rounded(
    args: Args<'_, '_>,
    of_float: fn(f64) -> f64,
    of_decimal: impl Fn(Decimal) -> Option<Decimal>,
) -> Made {
    let value = number(args, 0)?;
    Ok(match &value {
        ValueRef::Float64(v) => Datum::Ref(ValueRef::Float64(of_float(*v))),
        ValueRef::Float32(v) => Datum::Ref(ValueRef::Float32(cast::to_f32(of_float(f64::from(*v)))?)),
        ValueRef::Decimal(v) => {
            let rounded = of_decimal(*v).ok_or_else(|| cast::overflow(&v.to_string()))?;
            Datum::Ref(ValueRef::Decimal(rounded))
        }
        _ => Datum::Ref(value).into_owned(),
    })
}

pub(super) fn floor(args: Args<'_, '_>, _: &EvalEnv<'_>) -> Made {
    rounded(args, f64::floor, |v| {
        let whole = Decimal::new(v.truncated(), 0)?;
        if whole > v { Decimal::new(v.truncated() - 1, 0) } else { Some(whole) }
    })
}

pub(super) fn ceil(args: Args<'_, '_>, _: &EvalEnv<'_>) -> Made {
    rounded(args, f64::ceil, |v| {
        let whole = Decimal::new(v.truncated(), 0)?;
        if whole < v { Decimal::new(v.truncated() + 1, 0) } else { Some(whole) }
    })
}

/// To which digit is rounded: behind the point, or before it where negative. As in PostgreSQL, farther is no error.
fn digits(args: Args<'_, '_>, name: &str) -> Result<i8> {
    if args.len() < 2 {
        return Ok(0);
    }
    let most = i64::from(PLACES_MAX);
    Ok(i8::try_from(int_arg(args, 1, name)?.clamp(-most, most)).unwrap_or(PLACES_MAX))
}

/// Halves away from zero for exact numbers, to even for floats, as in PostgreSQL.
pub(super) fn round(args: Args<'_, '_>, _: &EvalEnv<'_>) -> Made {
    if args.len() < 2 {
        return rounded(args, f64::round_ties_even, |v| v.rescale(0));
    }
    let digits = digits(args, "round")?;
    to_digits(args, digits, |v| match u8::try_from(digits) {
        Ok(scale) => v.rescale(scale),
        Err(_) => {
            // Below the point nothing is left; the number is rounded as if its unit were the last digit that stays.
            let Some(unit) = unit(digits) else { return Decimal::new(0, 0) };
            let (whole, rest) = (v.truncated() / unit, v.truncated() % unit);
            let up = rest.unsigned_abs() >= unit.unsigned_abs().div_ceil(2);
            let whole = if up { whole + if v < Decimal::from(0) { -1 } else { 1 } } else { whole };
            Decimal::new(whole.checked_mul(unit)?, 0)
        }
    })
}

/// Toward zero.
pub(super) fn truncate(args: Args<'_, '_>, _: &EvalEnv<'_>) -> Made {
    if args.len() < 2 {
        return rounded(args, f64::trunc, |v| Decimal::new(v.truncated(), 0));
    }
    let digits = digits(args, "truncate")?;
    to_digits(args, digits, |v| {
        let Ok(scale) = u8::try_from(digits) else {
            let Some(unit) = unit(digits) else { return Decimal::new(0, 0) };
            return Decimal::new(v.truncated() / unit * unit, 0);
        };
        if v.scale() <= scale {
            return v.rescale(scale);
        }
        let dropped = 10i128.checked_pow(u32::from(v.scale() - scale))?;
        Decimal::new(v.unscaled() / dropped, scale)
    })
}

/// 10 to the number of digits before the point that a negative number of digits says; none if no number has so many.
fn unit(digits: i8) -> Option<i128> {
    10i128.checked_pow(u32::from(digits.unsigned_abs()))
}

/// A number with some digits behind the point: floats and whole numbers by way of a decimal.
fn to_digits(args: Args<'_, '_>, digits: i8, of_decimal: impl Fn(Decimal) -> Option<Decimal>) -> Made {
    let value = number(args, 0)?;
    let float = |v: f64| {
        let exact = Decimal::from_f64(v).filter(|d| i16::from(d.scale()) > i16::from(digits));
        exact.and_then(&of_decimal).map_or(v, Decimal::to_f64)
    };
    let whole = |v: i64| -> Result<i64> {
        if digits >= 0 {
            return Ok(v);
        }
        let rounded = of_decimal(Decimal::from(v)).map(Decimal::truncated);
        rounded.and_then(|v| i64::try_from(v).ok()).ok_or_else(|| cast::overflow(&v.to_string()))
    };
    let narrow = |v: i64| cast::overflow(&v.to_string());
    Ok(match &value {
        ValueRef::Float64(v) => Datum::Ref(ValueRef::Float64(float(*v))),
        ValueRef::Float32(v) => Datum::Ref(ValueRef::Float32(cast::to_f32(float(f64::from(*v)))?)),
        ValueRef::Decimal(v) => {
            let rounded = of_decimal(*v).ok_or_else(|| cast::overflow(&v.to_string()))?;
            Datum::Ref(ValueRef::Decimal(rounded))
        }
        ValueRef::Int16(v) => {
            let v = whole(i64::from(*v))?;
            Datum::Ref(ValueRef::Int16(i16::try_from(v).map_err(|_| narrow(v))?))
        }
        ValueRef::Int32(v) => {
            let v = whole(i64::from(*v))?;
            Datum::Ref(ValueRef::Int32(i32::try_from(v).map_err(|_| narrow(v))?))
        }
        ValueRef::Int64(v) => Datum::Ref(ValueRef::Int64(whole(*v)?)),
        _ => Datum::Ref(value).into_owned(),
    })
}

fn float(v: f64, what: &str) -> Made {
    if v.is_nan() || v.is_infinite() {
        return Err(Error::new(ErrorCode::NumericOverflow, format!("{what} has no finite value")));
    }
    Ok(Datum::Ref(ValueRef::Float64(v)))
}

pub(super) fn sqrt(args: Args<'_, '_>, _: &EvalEnv<'_>) -> Made {
    let v = cast::float(&number(args, 0)?)?;
    float(v.sqrt(), &format!("the square root of {}", format_float64(v)))
}

pub(super) fn power(args: Args<'_, '_>, _: &EvalEnv<'_>) -> Made {
    let (base, exponent) = (cast::float(&number(args, 0)?)?, cast::float(&number(args, 1)?)?);
    float(
        base.powf(exponent),
        &format!("{} to the power of {}", format_float64(base), format_float64(exponent)),
    )
}

pub(super) fn exp(args: Args<'_, '_>, _: &EvalEnv<'_>) -> Made {
    let v = cast::float(&number(args, 0)?)?;
    float(v.exp(), &format!("e to the power of {}", format_float64(v)))
}

pub(super) fn ln(args: Args<'_, '_>, _: &EvalEnv<'_>) -> Made {
    let v = cast::float(&number(args, 0)?)?;
    float(v.ln(), &format!("the logarithm of {}", format_float64(v)))
}

/// `log(base, n)`, as PostgreSQL orders them.
pub(super) fn log(args: Args<'_, '_>, _: &EvalEnv<'_>) -> Made {
    let (base, v) = (cast::float(&number(args, 0)?)?, cast::float(&number(args, 1)?)?);
    // Logarithms to these bases are exact where they are whole.
    let logarithm = if base == 10.0 {
        v.log10()
    } else if base == 2.0 {
        v.log2()
    } else {
        v.ln() / base.ln()
    };
    float(logarithm, &format!("the logarithm of {} to the base {}", format_float64(v), format_float64(base)))
}

pub(super) fn pi(_: Args<'_, '_>, _: &EvalEnv<'_>) -> Made {
    float(std::f64::consts::PI, "pi")
}

/// A function of one angle or ratio.
fn of_one(args: Args<'_, '_>, name: &str, of: fn(f64) -> f64) -> Made {
    let v = cast::float(&number(args, 0)?)?;
    float(of(v), &format!("{name} of {}", format_float64(v)))
}

pub(super) fn degrees(args: Args<'_, '_>, _: &EvalEnv<'_>) -> Made {
    of_one(args, "degrees", f64::to_degrees)
}

pub(super) fn radians(args: Args<'_, '_>, _: &EvalEnv<'_>) -> Made {
    of_one(args, "radians", f64::to_radians)
}

pub(super) fn sin(args: Args<'_, '_>, _: &EvalEnv<'_>) -> Made {
    of_one(args, "sin", f64::sin)
}

pub(super) fn cos(args: Args<'_, '_>, _: &EvalEnv<'_>) -> Made {
    of_one(args, "cos", f64::cos)
}

pub(super) fn tan(args: Args<'_, '_>, _: &EvalEnv<'_>) -> Made {
    of_one(args, "tan", f64::tan)
}

pub(super) fn asin(args: Args<'_, '_>, _: &EvalEnv<'_>) -> Made {
    of_one(args, "asin", f64::asin)
}

pub(super) fn acos(args: Args<'_, '_>, _: &EvalEnv<'_>) -> Made {
    of_one(args, "acos", f64::acos)
}

pub(super) fn atan(args: Args<'_, '_>, _: &EvalEnv<'_>) -> Made {
    of_one(args, "atan", f64::atan)
}

pub(super) fn atan2(args: Args<'_, '_>, _: &EvalEnv<'_>) -> Made {
    let (y, x) = (cast::float(&number(args, 0)?)?, cast::float(&number(args, 1)?)?);
    float(y.atan2(x), "atan2")
}

pub(super) fn greatest(args: Args<'_, '_>, _: &EvalEnv<'_>) -> Made {
    extreme(args, Ordering::Greater)
}

pub(super) fn least(args: Args<'_, '_>, _: &EvalEnv<'_>) -> Made {
    extreme(args, Ordering::Less)
}

/// The argument that lies furthest in a direction; nulls are passed over.
fn extreme(args: Args<'_, '_>, direction: Ordering) -> Made {
    let mut best: Option<&Datum<'_>> = None;
    for arg in args.iter().filter(|arg| !arg.is_null()) {
        let better = match best {
            None => true,
            Some(best) => order(&arg.view(), &best.view())? == Some(direction),
        };
        if better {
            best = Some(arg);
        }
    }
    Ok(best.map_or(Datum::NULL, |best| best.clone().into_owned()))
}
