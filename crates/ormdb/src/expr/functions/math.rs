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

/// How many digits behind the point are asked for.
fn digits(args: Args<'_, '_>, name: &str) -> Result<u8> {
    if args.len() < 2 {
        return Ok(0);
    }
    let digits = int_arg(args, 1, name)?;
    u8::try_from(digits).ok().filter(|d| *d <= ormdb_proto::value::SCALE_MAX).ok_or_else(|| {
        Error::new(ErrorCode::InvalidValue, format!("`{name}` takes 0 to 38 digits, not {digits}"))
    })
}

/// Halves away from zero for exact numbers, to even for floats, as in PostgreSQL.
pub(super) fn round(args: Args<'_, '_>, _: &EvalEnv<'_>) -> Made {
    let digits = digits(args, "round")?;
    if digits == 0 {
        return rounded(args, f64::round_ties_even, |v| v.rescale(0));
    }
    to_digits(args, digits, |v| v.rescale(digits))
}

/// Toward zero.
pub(super) fn truncate(args: Args<'_, '_>, _: &EvalEnv<'_>) -> Made {
    let digits = digits(args, "truncate")?;
    if digits == 0 {
        return rounded(args, f64::trunc, |v| Decimal::new(v.truncated(), 0));
    }
    to_digits(args, digits, |v| {
        if v.scale() <= digits {
            return v.rescale(digits);
        }
        let dropped = 10i128.checked_pow(u32::from(v.scale() - digits))?;
        Decimal::new(v.unscaled() / dropped, digits)
    })
}

/// A number with some digits behind the point: floats by way of their decimal text.
fn to_digits(args: Args<'_, '_>, digits: u8, of_decimal: impl Fn(Decimal) -> Option<Decimal>) -> Made {
    let value = number(args, 0)?;
    let float = |v: f64| {
        let exact = Decimal::from_f64(v).filter(|d| d.scale() > digits);
        exact.and_then(&of_decimal).map_or(v, Decimal::to_f64)
    };
    Ok(match &value {
        ValueRef::Float64(v) => Datum::Ref(ValueRef::Float64(float(*v))),
        ValueRef::Float32(v) => Datum::Ref(ValueRef::Float32(cast::to_f32(float(f64::from(*v)))?)),
        ValueRef::Decimal(v) => {
            let rounded = of_decimal(*v).ok_or_else(|| cast::overflow(&v.to_string()))?;
            Datum::Ref(ValueRef::Decimal(rounded))
        }
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
