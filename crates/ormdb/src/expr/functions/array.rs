//! Functions of arrays.

use ormdb_proto::Result;
use ormdb_proto::value::ValueRef;

use super::super::EvalEnv;
use super::super::datum::Datum;
use super::super::eval::order;
use super::misused;

type Args<'s, 'd> = &'s [Datum<'d>];
type Made = Result<Datum<'static>>;

fn items<'d>(args: &'d [Datum<'_>], at: usize) -> Result<Vec<ValueRef<'d>>> {
    match args.get(at).map(Datum::view) {
        Some(ValueRef::Array(items)) => Ok(items),
        _ => Err(misused("a function of arrays")),
    }
}

/// Whether an element equals the value; null equals nothing.
fn contains(items: &[ValueRef<'_>], wanted: &ValueRef<'_>) -> Result<bool> {
    for item in items {
        if order(item, wanted)?.is_some_and(std::cmp::Ordering::is_eq) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether an element equals the value: as `in`, null where an element that is null might be the one, or the value is.
pub(super) fn has(args: Args<'_, '_>, _: &EvalEnv<'_>) -> Made {
    if args.first().is_none_or(Datum::is_null) {
        return Ok(Datum::NULL);
    }
    let (items, wanted) = (items(args, 0)?, args.get(1).map_or(ValueRef::Null, Datum::view));
    if contains(&items, &wanted)? {
        return Ok(Datum::bool(Some(true)));
    }
    let unknown = !items.is_empty() && (wanted.is_null() || items.iter().any(ValueRef::is_null));
    Ok(Datum::bool(if unknown { None } else { Some(false) }))
}

/// Whether each of the values equals an element; null equals none.
pub(super) fn has_every(args: Args<'_, '_>, _: &EvalEnv<'_>) -> Made {
    let all = items(args, 0)?;
    for wanted in items(args, 1)? {
        if !contains(&all, &wanted)? {
            return Ok(Datum::bool(Some(false)));
        }
    }
    Ok(Datum::bool(Some(true)))
}

/// Whether one of the values equals an element; null equals none.
pub(super) fn has_some(args: Args<'_, '_>, _: &EvalEnv<'_>) -> Made {
    let all = items(args, 0)?;
    for wanted in items(args, 1)? {
        if contains(&all, &wanted)? {
            return Ok(Datum::bool(Some(true)));
        }
    }
    Ok(Datum::bool(Some(false)))
}

pub(super) fn is_empty(args: Args<'_, '_>, _: &EvalEnv<'_>) -> Made {
    Ok(Datum::bool(Some(match args.first().map(Datum::view) {
        Some(ValueRef::String(text)) => text.is_empty(),
        Some(ValueRef::Bytes(bytes)) => bytes.is_empty(),
        Some(ValueRef::Array(items)) => items.is_empty(),
        _ => return Err(misused("isEmpty")),
    })))
}
