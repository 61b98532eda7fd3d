//! Functions of JSON documents.

use ormdb_proto::value::{ValueRef, canonical_text};
use ormdb_proto::{Error, ErrorCode, Result};
use serde_json::Value as Json;

use super::super::EvalEnv;
use super::super::datum::Datum;
use super::{int_arg, misused, text_arg};

type Args<'s, 'd> = &'s [Datum<'d>];
type Made = Result<Datum<'static>>;

fn document(args: Args<'_, '_>, at: usize) -> Result<Json> {
    match args.get(at).map(Datum::view) {
        Some(ValueRef::Json(text)) => serde_json::from_str(text)
            .map_err(|error| Error::new(ErrorCode::Internal, format!("a document is no JSON: {error}"))),
        _ => Err(misused("a function of documents")),
    }
}

fn int(count: usize) -> Made {
    let count = i32::try_from(count)
        .map_err(|_| Error::new(ErrorCode::NumericOverflow, "a document has more than 2^31 members"))?;
    Ok(Datum::Ref(ValueRef::Int32(count)))
}

/// What stands in a document behind some steps: names of members, and places in arrays, which count from 0, or from
/// the end where negative.
fn behind(args: Args<'_, '_>) -> Result<Option<Json>> {
    let mut here = document(args, 0)?;
    for at in 1..args.len() {
        let name = match text_arg(args, at, "jsonAt") {
            Ok(name) => name.to_owned(),
            Err(_) => int_arg(args, at, "jsonAt")?.to_string(),
        };
        let next = match here {
            Json::Object(mut members) => members.remove(&name),
            Json::Array(mut items) => place(&name, items.len()).map(|place| items.swap_remove(place)),
            _ => None,
        };
        match next {
            Some(next) => here = next,
            None => return Ok(None),
        }
    }
    Ok(Some(here))
}

fn place(step: &str, length: usize) -> Option<usize> {
    let step: i64 = step.parse().ok()?;
    let size = usize::try_from(step.unsigned_abs()).ok()?;
    let place = if step < 0 { length.checked_sub(size)? } else { size };
    (place < length).then_some(place)
}

/// `jsonAt(document, "lines", 0)`: the document there; null where there is none.
pub(super) fn at(args: Args<'_, '_>, _: &EvalEnv<'_>) -> Made {
    Ok(behind(args)?.map_or(Datum::NULL, |found| Datum::Json(canonical_text(&found))))
}

/// As `jsonAt`, but text without its quotes, and null where `null` is.
pub(super) fn text(args: Args<'_, '_>, _: &EvalEnv<'_>) -> Made {
    Ok(match behind(args)? {
        None | Some(Json::Null) => Datum::NULL,
        Some(Json::String(text)) => Datum::Text(text),
        Some(other) => Datum::Text(canonical_text(&other)),
    })
}

/// `object`, `array`, `string`, `number`, `boolean` or `null`.
pub(super) fn kind(args: Args<'_, '_>, _: &EvalEnv<'_>) -> Made {
    let name = match document(args, 0)? {
        Json::Null => "null",
        Json::Bool(_) => "boolean",
        Json::Number(_) => "number",
        Json::String(_) => "string",
        Json::Array(_) => "array",
        Json::Object(_) => "object",
    };
    Ok(Datum::Text(name.to_owned()))
}

/// How many elements an array has, or members an object; null of anything else.
pub(super) fn length(args: Args<'_, '_>, _: &EvalEnv<'_>) -> Made {
    match document(args, 0)? {
        Json::Array(items) => int(items.len()),
        Json::Object(members) => int(members.len()),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => Ok(Datum::NULL),
    }
}

/// Whether an object has a member of a name, or an array a text among its elements, or a text is it.
pub(super) fn has(args: Args<'_, '_>, _: &EvalEnv<'_>) -> Made {
    let name = text_arg(args, 1, "jsonHas")?;
    let truth = match document(args, 0)? {
        Json::Object(members) => members.contains_key(name),
        Json::Array(items) => items.iter().any(|item| item.as_str() == Some(name)),
        Json::String(text) => text == name,
        Json::Null | Json::Bool(_) | Json::Number(_) => false,
    };
    Ok(Datum::bool(Some(truth)))
}

/// Whether a document has all that another one has, as PostgreSQL's `@>`.
pub(super) fn contains(args: Args<'_, '_>, _: &EvalEnv<'_>) -> Made {
    let (whole, part) = (document(args, 0)?, document(args, 1)?);
    let scalar = !part.is_array() && !part.is_object();
    let truth = match &whole {
        // Of the whole document alone, an array has its elements without brackets as well.
        Json::Array(items) if scalar => items.contains(&part),
        _ => has_all(&whole, &part),
    };
    Ok(Datum::bool(Some(truth)))
}

// Documents that lie in rows and constants are canonical: equal numbers have equal texts. The depth is bounded by that
// of the parser.
fn has_all(whole: &Json, part: &Json) -> bool {
    match (whole, part) {
        (Json::Object(whole), Json::Object(part)) => {
            part.iter().all(|(name, value)| whole.get(name).is_some_and(|inner| has_all(inner, value)))
        }
        (Json::Array(whole), Json::Array(part)) => {
            part.iter().all(|value| whole.iter().any(|inner| has_all(inner, value)))
        }
        (whole, part) => whole == part,
    }
}
