//! Functions of dates and times. An instant is read in UTC.

use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Timestamp, civil};
use ormdb_proto::schema::{FieldType, ScalarType};
use ormdb_proto::value::{Decimal, ValueRef, temporal};
use ormdb_proto::{Error, ErrorCode, Result};

use super::super::EvalEnv;
use super::super::cast;
use super::super::datum::Datum;
use super::{int_arg, misused, text_arg};

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

/// The calendar's view of a date, alone or with a time.
fn date(args: Args<'_, '_>) -> Result<civil::Date> {
    let at = temporal::civil_datetime(micros(args, 0)?).ok_or_else(outside)?;
    Ok(at.date())
}

fn int(v: impl Into<i32>) -> Made {
    Ok(Datum::Ref(ValueRef::Int32(v.into())))
}

pub(super) fn year(args: Args<'_, '_>, _: &EvalEnv<'_>) -> Made {
    int(date(args)?.year())
}

pub(super) fn quarter(args: Args<'_, '_>, _: &EvalEnv<'_>) -> Made {
    int((date(args)?.month() - 1) / 3 + 1)
}

pub(super) fn month(args: Args<'_, '_>, _: &EvalEnv<'_>) -> Made {
    int(date(args)?.month())
}

/// The week of ISO 8601.
pub(super) fn week(args: Args<'_, '_>, _: &EvalEnv<'_>) -> Made {
    int(date(args)?.iso_week_date().week())
}

pub(super) fn day(args: Args<'_, '_>, _: &EvalEnv<'_>) -> Made {
    int(date(args)?.day())
}

/// 0 on Sunday to 6 on Saturday, as PostgreSQL's `dow`.
pub(super) fn day_of_week(args: Args<'_, '_>, _: &EvalEnv<'_>) -> Made {
    int(date(args)?.weekday().to_sunday_zero_offset())
}

pub(super) fn day_of_year(args: Args<'_, '_>, _: &EvalEnv<'_>) -> Made {
    int(date(args)?.day_of_year())
}

/// The year that the week of ISO 8601 belongs to.
pub(super) fn iso_year(args: Args<'_, '_>, _: &EvalEnv<'_>) -> Made {
    int(date(args)?.iso_week_date().year())
}

/// 1 on Monday to 7 on Sunday.
pub(super) fn iso_day_of_week(args: Args<'_, '_>, _: &EvalEnv<'_>) -> Made {
    int(date(args)?.weekday().to_monday_one_offset())
}

/// What is behind the second, in microseconds.
pub(super) fn microsecond(args: Args<'_, '_>, _: &EvalEnv<'_>) -> Made {
    clock(args, 1, 1_000_000)
}

/// The instant so many seconds behind 1970-01-01T00:00:00Z.
pub(super) fn from_epoch(args: Args<'_, '_>, _: &EvalEnv<'_>) -> Made {
    let seconds = args.first().map(Datum::view).ok_or_else(|| misused("fromEpoch"))?;
    let micros = match seconds {
        ValueRef::Float32(_) | ValueRef::Float64(_) => cast::whole(cast::float(&seconds)? * 1e6)?,
        other => {
            let seconds = cast::decimal(&other)?;
            seconds.checked_mul(Decimal::from(1_000_000)).ok_or_else(outside)?.rounded()
        }
    };
    let at = i64::try_from(micros).map_err(|_| outside())?;
    temporal::civil_datetime(at).ok_or_else(outside)?;
    Ok(Datum::Ref(ValueRef::DateTime(at)))
}

/// The date of a year, a month and a day.
pub(super) fn make_date(args: Args<'_, '_>, _: &EvalEnv<'_>) -> Made {
    let part = |at: usize| int_arg(args, at, "makeDate");
    let (year, month, day) = (part(0)?, part(1)?, part(2)?);
    let refused = || Error::new(ErrorCode::InvalidValue, format!("there is no date {year}-{month}-{day}"));
    let date = (|| {
        let (year, month, day) =
            (i16::try_from(year).ok()?, i8::try_from(month).ok()?, i8::try_from(day).ok()?);
        civil::Date::new(year, month, day).ok().filter(|date| date.year() > 0)
    })();
    let days = civil::date(1970, 1, 1).until((jiff::Unit::Day, date.ok_or_else(refused)?));
    Ok(Datum::Ref(ValueRef::Date(days.map_err(|_| outside())?.get_days())))
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

/// The type of a moment seen from the other side of a zone.
pub(super) const fn zoned_type(ty: FieldType) -> FieldType {
    match ty {
        FieldType::Scalar(ScalarType::DateTime) => FieldType::Scalar(ScalarType::LocalDateTime),
        _ => FieldType::Scalar(ScalarType::DateTime),
    }
}

/// `atZone(t, "Europe/Berlin")`: what clocks of a zone show at an instant, or the instant at which they show a local
/// time. As in PostgreSQL, a time that clocks skip is read with the offset before, one that they show twice with the
/// offset behind.
pub(super) fn at_zone(args: Args<'_, '_>, _: &EvalEnv<'_>) -> Made {
    let name = text_arg(args, 1, "atZone")?;
    let zone = TimeZone::get(name).map_err(|_| {
        Error::new(ErrorCode::InvalidValue, format!("`{name}` is no time zone"))
            .hint("zones have names like `Europe/Berlin`")
    })?;
    let at = micros(args, 0)?;
    if let Some(ValueRef::DateTime(_)) = args.first().map(Datum::view) {
        let instant = Timestamp::from_microsecond(at).map_err(|_| outside())?;
        return local(i64::from(zone.to_offset(instant).seconds()), at, ValueRef::LocalDateTime);
    }
    let civil = temporal::civil_datetime(at).ok_or_else(outside)?;
    let offset = match zone.to_ambiguous_timestamp(civil).offset() {
        AmbiguousOffset::Unambiguous { offset } => offset,
        AmbiguousOffset::Gap { before, .. } => before,
        AmbiguousOffset::Fold { after, .. } => after,
    };
    local(-i64::from(offset.seconds()), at, ValueRef::DateTime)
}

fn local(seconds: i64, at: i64, made: fn(i64) -> ValueRef<'static>) -> Made {
    let moved = at.checked_add(seconds * 1_000_000).ok_or_else(outside)?;
    temporal::civil_datetime(moved).ok_or_else(outside)?;
    Ok(Datum::Ref(made(moved)))
}

const CLOCK_UNITS: [&str; 4] = ["second", "minute", "hour", "day"];
const CALENDAR_UNITS: [&str; 4] = ["week", "month", "quarter", "year"];

/// Whether values of this type have such a unit: a time of day lies in a day, and in no week, month or year.
pub(super) fn check_unit(unit: &str, ty: FieldType) -> Result<()> {
    let has_date = !matches!(ty, FieldType::Scalar(ScalarType::Time));
    if CLOCK_UNITS.contains(&unit) || (has_date && CALENDAR_UNITS.contains(&unit)) {
        return Ok(());
    }
    if CALENDAR_UNITS.contains(&unit) {
        return Err(Error::new(ErrorCode::TypeMismatch, format!("a time of day has no {unit}")));
    }
    Err(unknown_unit(unit))
}

fn unknown_unit(unit: &str) -> Error {
    Error::new(ErrorCode::InvalidValue, format!("`{unit}` is no unit of time"))
        .suggest(unit, CLOCK_UNITS.into_iter().chain(CALENDAR_UNITS))
        .hint("second, minute, hour, day, week, month, quarter or year")
}

/// `startOf("month", at)`: the first moment of the unit that holds a time.
pub(super) fn start_of(args: Args<'_, '_>, _: &EvalEnv<'_>) -> Made {
    let unit = text_arg(args, 0, "startOf")?;
    let at = micros(args, 1)?;
    if matches!(args.get(1).map(Datum::view), Some(ValueRef::Time(_))) {
        check_unit(unit, FieldType::Scalar(ScalarType::Time))?;
    }
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
        _ => return Err(unknown_unit(unit)),
    };
    Ok(Datum::Ref(match args.get(1).map(Datum::view) {
        Some(ValueRef::DateTime(_)) => ValueRef::DateTime(start),
        Some(ValueRef::LocalDateTime(_)) => ValueRef::LocalDateTime(start),
        Some(ValueRef::Time(_)) => ValueRef::Time(start),
        _ => {
            ValueRef::Date(i32::try_from(start.div_euclid(temporal::MICROS_PER_DAY)).map_err(|_| outside())?)
        }
    }))
}

fn outside() -> Error {
    Error::new(ErrorCode::NumericOverflow, "the date lies outside the years 0001 to 9999")
}
