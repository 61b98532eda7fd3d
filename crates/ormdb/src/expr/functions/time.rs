//! Functions of dates and times. An instant is read in UTC.

use jiff::civil;
use ormdb_proto::value::{ValueRef, temporal};
use ormdb_proto::{Error, ErrorCode, Result};

use super::super::EvalEnv;
use super::super::datum::Datum;
use super::{misused, text_arg};

type Args<'s, 'd> = &'s [Datum<'d>];
type Made = Result<Datum<'static>>;

pub(super) fn now(_: Args<'_, '_>, env: &EvalEnv<'_>) -> Made {
    Ok(Datum::Ref(ValueRef::DateTime(env.now)))
}

pub(super) fn today(_: Args<'_, '_>, env: &EvalEnv<'_>) -> Made {
    let day = i32::try_from(env.now.div_euclid(temporal::MICROS_PER_DAY)).map_err(|_| outside())?;
    Ok(Datum::Ref(ValueRef::Date(day)))
}

/// Microseconds since 1970-01-01T00:00:00 of a date or time; a time of day lies on that day.
fn micros(args: Args<'_, '_>, at: usize) -> Result<i64> {
    match args.get(at).map(Datum::view) {
        Some(ValueRef::DateTime(v) | ValueRef::LocalDateTime(v) | ValueRef::Time(v)) => Ok(v),
        Some(ValueRef::Date(days)) => Ok(i64::from(days) * temporal::MICROS_PER_DAY),
        _ => Err(misused("a function of times")),
    }
}

/// The calendar's view of a date or time. A time of day has no date to ask for.
fn date(args: Args<'_, '_>, part: &str) -> Result<civil::Date> {
    if matches!(args.first().map(Datum::view), Some(ValueRef::Time(_))) {
        return Err(Error::new(ErrorCode::TypeMismatch, format!("a time of day has no {part}")));
    }
    let at = temporal::civil_datetime(micros(args, 0)?).ok_or_else(outside)?;
    Ok(at.date())
}

fn int(v: impl Into<i32>) -> Made {
    Ok(Datum::Ref(ValueRef::Int32(v.into())))
}

pub(super) fn year(args: Args<'_, '_>, _: &EvalEnv<'_>) -> Made {
    int(date(args, "year")?.year())
}

pub(super) fn quarter(args: Args<'_, '_>, _: &EvalEnv<'_>) -> Made {
    int((date(args, "quarter")?.month() - 1) / 3 + 1)
}

pub(super) fn month(args: Args<'_, '_>, _: &EvalEnv<'_>) -> Made {
    int(date(args, "month")?.month())
}

/// The week of ISO 8601.
pub(super) fn week(args: Args<'_, '_>, _: &EvalEnv<'_>) -> Made {
    int(date(args, "week")?.iso_week_date().week())
}

pub(super) fn day(args: Args<'_, '_>, _: &EvalEnv<'_>) -> Made {
    int(date(args, "day")?.day())
}

/// 0 on Sunday to 6 on Saturday, as PostgreSQL's `dow`.
pub(super) fn day_of_week(args: Args<'_, '_>, _: &EvalEnv<'_>) -> Made {
    int(date(args, "weekday")?.weekday().to_sunday_zero_offset())
}

pub(super) fn day_of_year(args: Args<'_, '_>, _: &EvalEnv<'_>) -> Made {
    int(date(args, "day of the year")?.day_of_year())
}

/// A part of the time of day: `micros / unit % count`.
fn clock(args: Args<'_, '_>, unit_micros: i64, count: i64) -> Made {
    let part = micros(args, 0)?.rem_euclid(temporal::MICROS_PER_DAY) / unit_micros % count;
    int(i32::try_from(part).map_err(|_| outside())?)
}

pub(super) fn hour(args: Args<'_, '_>, _: &EvalEnv<'_>) -> Made {
    clock(args, 3_600_000_000, 24)
}

pub(super) fn minute(args: Args<'_, '_>, _: &EvalEnv<'_>) -> Made {
    clock(args, 60_000_000, 60)
}

pub(super) fn second(args: Args<'_, '_>, _: &EvalEnv<'_>) -> Made {
    clock(args, 1_000_000, 60)
}

/// Whole seconds since 1970-01-01T00:00:00.
pub(super) fn epoch(args: Args<'_, '_>, _: &EvalEnv<'_>) -> Made {
    Ok(Datum::Ref(ValueRef::Int64(micros(args, 0)?.div_euclid(1_000_000))))
}

/// `startOf("month", at)`: the first moment of the unit that holds a time.
pub(super) fn start_of(args: Args<'_, '_>, _: &EvalEnv<'_>) -> Made {
    let unit = text_arg(args, 0, "startOf")?;
    let at = micros(args, 1)?;
    let clock = |unit_micros: i64| Ok::<i64, Error>(at.div_euclid(unit_micros) * unit_micros);
    let calendar = |first: fn(civil::Date) -> std::result::Result<civil::Date, jiff::Error>| {
        let date = temporal::civil_datetime(at).ok_or_else(outside)?.date();
        let first = first(date).map_err(|_| outside())?;
        let days = civil::date(1970, 1, 1).until((jiff::Unit::Day, first)).map_err(|_| outside())?;
        Ok::<i64, Error>(i64::from(days.get_days()) * temporal::MICROS_PER_DAY)
    };
    let start = match unit {
        "second" => clock(1_000_000)?,
        "minute" => clock(60_000_000)?,
        "hour" => clock(3_600_000_000)?,
        "day" => clock(temporal::MICROS_PER_DAY)?,
        "week" => calendar(|d| {
            let back = i32::from(d.weekday().to_monday_zero_offset());
            d.checked_sub(jiff::Span::new().days(back))
        })?,
        "month" => calendar(|d| d.with().day(1).build())?,
        "quarter" => calendar(|d| d.with().month((d.month() - 1) / 3 * 3 + 1).day(1).build())?,
        "year" => calendar(|d| d.with().month(1).day(1).build())?,
        _ => {
            let units = ["second", "minute", "hour", "day", "week", "month", "quarter", "year"];
            let error = Error::new(ErrorCode::InvalidValue, format!("`{unit}` is no unit of time"));
            return Err(error
                .suggest(unit, units)
                .hint("second, minute, hour, day, week, month, quarter or year"));
        }
    };
    Ok(Datum::Ref(match args.get(1).map(Datum::view) {
        Some(ValueRef::DateTime(_)) => ValueRef::DateTime(start),
        Some(ValueRef::LocalDateTime(_)) => ValueRef::LocalDateTime(start),
        Some(ValueRef::Time(_)) => ValueRef::Time(start.max(0)),
        _ => {
            ValueRef::Date(i32::try_from(start.div_euclid(temporal::MICROS_PER_DAY)).map_err(|_| outside())?)
        }
    }))
}

fn outside() -> Error {
    Error::new(ErrorCode::NumericOverflow, "the date lies outside the years 0001 to 9999")
}
