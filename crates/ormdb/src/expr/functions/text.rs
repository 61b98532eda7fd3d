//! Functions of text. Positions count characters from 1, as in SQL.

use ormdb_proto::value::ValueRef;
use ormdb_proto::{Error, ErrorCode, Result};

use super::super::EvalEnv;
use super::super::datum::Datum;
use super::{int_arg, misused, text_arg};

/// The longest text that a function makes, in bytes.
const TEXT_BYTES_MAX: usize = 16 << 20;

type Args<'s, 'd> = &'s [Datum<'d>];
type Made = Result<Datum<'static>>;

fn made(text: String) -> Made {
    Ok(Datum::Text(text))
}

pub(super) fn lower(args: Args<'_, '_>, _: &EvalEnv<'_>) -> Made {
    made(text_arg(args, 0, "lower")?.to_lowercase())
}

pub(super) fn upper(args: Args<'_, '_>, _: &EvalEnv<'_>) -> Made {
    made(text_arg(args, 0, "upper")?.to_uppercase())
}

pub(super) fn length(args: Args<'_, '_>, _: &EvalEnv<'_>) -> Made {
    let count = match args.first().map(Datum::view) {
        Some(ValueRef::String(text)) => text.chars().count(),
        Some(ValueRef::Bytes(bytes)) => bytes.len(),
        Some(ValueRef::Array(items)) => items.len(),
        _ => return Err(misused("length")),
    };
    let count = i32::try_from(count).map_err(|_| too_long(count))?;
    Ok(Datum::Ref(ValueRef::Int32(count)))
}

pub(super) fn trim(args: Args<'_, '_>, _: &EvalEnv<'_>) -> Made {
    made(text_arg(args, 0, "trim")?.trim_matches(' ').to_owned())
}

pub(super) fn trim_start(args: Args<'_, '_>, _: &EvalEnv<'_>) -> Made {
    made(text_arg(args, 0, "trimStart")?.trim_start_matches(' ').to_owned())
}

pub(super) fn trim_end(args: Args<'_, '_>, _: &EvalEnv<'_>) -> Made {
    made(text_arg(args, 0, "trimEnd")?.trim_end_matches(' ').to_owned())
}

pub(super) fn reverse(args: Args<'_, '_>, _: &EvalEnv<'_>) -> Made {
    made(text_arg(args, 0, "reverse")?.chars().rev().collect())
}

pub(super) fn replace(args: Args<'_, '_>, _: &EvalEnv<'_>) -> Made {
    let text = text_arg(args, 0, "replace")?;
    let (from, to) = (text_arg(args, 1, "replace")?, text_arg(args, 2, "replace")?);
    if from.is_empty() {
        return made(text.to_owned());
    }
    let grown = text.matches(from).count().saturating_mul(to.len()).saturating_add(text.len());
    if grown > TEXT_BYTES_MAX {
        return Err(too_long(grown));
    }
    made(text.replace(from, to))
}

/// The first characters; of a negative number, all but that many of the last.
pub(super) fn left(args: Args<'_, '_>, _: &EvalEnv<'_>) -> Made {
    let (text, count) = (text_arg(args, 0, "left")?, int_arg(args, 1, "left")?);
    made(text.chars().take(count_of(text, count)).collect())
}

/// The last characters; of a negative number, all but that many of the first.
pub(super) fn right(args: Args<'_, '_>, _: &EvalEnv<'_>) -> Made {
    let (text, count) = (text_arg(args, 0, "right")?, int_arg(args, 1, "right")?);
    let skipped = text.chars().count().saturating_sub(count_of(text, count));
    made(text.chars().skip(skipped).collect())
}

fn count_of(text: &str, count: i64) -> usize {
    let size = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
    if count < 0 { text.chars().count().saturating_sub(size) } else { size }
}

pub(super) fn repeat(args: Args<'_, '_>, _: &EvalEnv<'_>) -> Made {
    let text = text_arg(args, 0, "repeat")?;
    let count = usize::try_from(int_arg(args, 1, "repeat")?.max(0)).unwrap_or(usize::MAX);
    let grown = text.len().saturating_mul(count);
    if grown > TEXT_BYTES_MAX {
        return Err(too_long(grown));
    }
    made(text.repeat(count))
}

/// Where the second text begins in the first; 0 if it is not there.
pub(super) fn position(args: Args<'_, '_>, _: &EvalEnv<'_>) -> Made {
    let (text, needle) = (text_arg(args, 0, "position")?, text_arg(args, 1, "position")?);
    let at = text.find(needle).and_then(|at| text.get(..at)).map_or(0, |before| before.chars().count() + 1);
    Ok(Datum::Ref(ValueRef::Int32(i32::try_from(at).map_err(|_| too_long(at))?)))
}

/// `splitPart(text, separator, n)`: the nth part between separators, from the end where negative; empty where there is none.
pub(super) fn split_part(args: Args<'_, '_>, _: &EvalEnv<'_>) -> Made {
    let (text, separator) = (text_arg(args, 0, "splitPart")?, text_arg(args, 1, "splitPart")?);
    let at = int_arg(args, 2, "splitPart")?;
    if at == 0 {
        return Err(Error::new(ErrorCode::InvalidValue, "parts are counted from 1, or from the end by -1"));
    }
    let parts: Vec<&str> = if separator.is_empty() { vec![text] } else { text.split(separator).collect() };
    let back = usize::try_from(at.unsigned_abs()).unwrap_or(usize::MAX);
    let place = if at > 0 { Some(back - 1) } else { parts.len().checked_sub(back) };
    made(place.and_then(|place| parts.get(place)).map_or_else(String::new, |part| (*part).to_owned()))
}

/// The code point of the first character; 0 of an empty text.
pub(super) fn code_point(args: Args<'_, '_>, _: &EvalEnv<'_>) -> Made {
    let first = text_arg(args, 0, "codePoint")?.chars().next().map_or(0, u32::from);
    Ok(Datum::Ref(ValueRef::Int32(i32::try_from(first).unwrap_or(i32::MAX))))
}

/// The character of a code point.
pub(super) fn character(args: Args<'_, '_>, _: &EvalEnv<'_>) -> Made {
    let code = int_arg(args, 0, "character")?;
    let found = u32::try_from(code).ok().filter(|code| *code > 0).and_then(char::from_u32);
    let refused = || Error::new(ErrorCode::InvalidValue, format!("{code} is no code point of a character"));
    made(found.ok_or_else(refused)?.to_string())
}

/// `substring(text, start)` or `substring(text, start, length)`
pub(super) fn substring(args: Args<'_, '_>, _: &EvalEnv<'_>) -> Made {
    let (text, start) = (text_arg(args, 0, "substring")?, int_arg(args, 1, "substring")?);
    let end = match args.get(2) {
        None => i64::MAX,
        Some(_) => {
            let length = int_arg(args, 2, "substring")?;
            if length < 0 {
                return Err(Error::new(ErrorCode::InvalidValue, "a substring cannot have a negative length"));
            }
            start.saturating_add(length)
        }
    };
    let skipped = usize::try_from(start.saturating_sub(1).max(0)).unwrap_or(usize::MAX);
    let taken = usize::try_from(end.saturating_sub(start.max(1)).max(0)).unwrap_or(usize::MAX);
    made(text.chars().skip(skipped).take(taken).collect())
}

pub(super) fn pad_start(args: Args<'_, '_>, _: &EvalEnv<'_>) -> Made {
    let (text, padding) = padded(args, "padStart")?;
    made(if padding.is_empty() { text } else { [padding, text].concat() })
}

pub(super) fn pad_end(args: Args<'_, '_>, _: &EvalEnv<'_>) -> Made {
    let (text, padding) = padded(args, "padEnd")?;
    made([text, padding].concat())
}

/// The text, cut to the wanted length, and what is missing of it.
fn padded(args: Args<'_, '_>, name: &str) -> Result<(String, String)> {
    let text = text_arg(args, 0, name)?;
    let wanted = usize::try_from(int_arg(args, 1, name)?.max(0)).unwrap_or(usize::MAX);
    let fill = if args.len() > 2 { text_arg(args, 2, name)? } else { " " };
    if wanted.saturating_mul(4) > TEXT_BYTES_MAX {
        return Err(too_long(wanted));
    }
    let missing = wanted.saturating_sub(text.chars().count());
    Ok((text.chars().take(wanted).collect(), fill.chars().cycle().take(missing).collect()))
}

/// All arguments in a row; nulls are passed over.
pub(super) fn concat(args: Args<'_, '_>, _: &EvalEnv<'_>) -> Made {
    let mut all = String::new();
    for arg in args {
        if let ValueRef::String(text) = arg.view() {
            if all.len() + text.len() > TEXT_BYTES_MAX {
                return Err(too_long(all.len() + text.len()));
            }
            all.push_str(text);
        }
    }
    made(all)
}

fn too_long(size: usize) -> Error {
    Error::new(ErrorCode::StringTooLong, format!("a text of {size} bytes is longer than {TEXT_BYTES_MAX}"))
}
