//! Instants, dates and times as text (ISO 8601), and the range that they may have.
//!
//! Invariants: (1) years are 0001 to 9999; (2) what is printed reads back as the same number; (3) digits behind the
//! microsecond are rounded half away from zero where a text has them; (4) a second of 60 is the first of the next minute,
//! as in PostgreSQL.

use jiff::civil;
use jiff::{SignedDuration, Timestamp};

/// Microseconds of a day.
pub const MICROS_PER_DAY: i64 = 86_400_000_000;
const MICROS_PER_SECOND: i64 = 1_000_000;
/// The first day: 0001-01-01.
pub const DATE_MIN: i32 = -719_162;
/// The last day: 9999-12-31.
pub const DATE_MAX: i32 = 2_932_896;
/// The first instant and local time: 0001-01-01T00:00:00.
pub const DATETIME_MIN: i64 = DATE_MIN as i64 * MICROS_PER_DAY;
/// The last instant and local time: 9999-12-31T23:59:59.999999.
pub const DATETIME_MAX: i64 = (DATE_MAX as i64 + 1) * MICROS_PER_DAY - 1;

/// Why a text is no date or time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseTemporalError {
    /// It does not read as one.
    #[error("not {what}: write it like {example}")]
    Malformed {
        /// What was wanted, with its article.
        what: &'static str,
        /// How one is written.
        example: &'static str,
    },
    /// It is the end of a day, which is no time of it.
    #[error("a day ends before 24:00")]
    BehindMidnight,
    /// It lies outside the years 0001 to 9999.
    #[error("outside the years 0001 to 9999")]
    OutOfRange,
}

type Result<T> = std::result::Result<T, ParseTemporalError>;

const fn malformed(what: &'static str, example: &'static str) -> ParseTemporalError {
    ParseTemporalError::Malformed { what, example }
}

/// The instant of a text, in microseconds since 1970-01-01T00:00:00Z. A text of no offset is in UTC.
pub fn parse_datetime(text: &str) -> Result<i64> {
    if let Some(before) = before_leap(text) {
        return in_range(parse_datetime(&before)?.saturating_add(MICROS_PER_SECOND));
    }
    let text = text.trim();
    if let Ok(timestamp) = text.parse::<Timestamp>() {
        return in_range(micros_of(timestamp.as_second(), timestamp.subsec_nanosecond()));
    }
    // No offset is UTC; and jiff's instants end a day before the last local time.
    parse_local_datetime(text.strip_suffix(['Z', 'z']).unwrap_or(text)).map_err(|error| match error {
        ParseTemporalError::Malformed { .. } => malformed("a datetime", "2024-12-31T23:59:59Z"),
        ParseTemporalError::BehindMidnight | ParseTemporalError::OutOfRange => error,
    })
}

/// The local date and time of a text, in microseconds since 1970-01-01T00:00:00. A date alone is its midnight.
pub fn parse_local_datetime(text: &str) -> Result<i64> {
    if let Some(before) = before_leap(text) {
        return in_range(parse_local_datetime(&before)?.saturating_add(MICROS_PER_SECOND));
    }
    let local = text
        .trim()
        .parse::<civil::DateTime>()
        .map_err(|_| malformed("a local datetime", "2024-12-31T23:59:59"))?;
    let days = i64::from(days_of(local.date())?);
    in_range(days.saturating_mul(MICROS_PER_DAY).saturating_add(micros_of_day(local.time())))
}

/// The day of a text, in days since 1970-01-01.
pub fn parse_date(text: &str) -> Result<i32> {
    let date = text.trim().parse::<civil::Date>().map_err(|_| malformed("a date", "2024-12-31"))?;
    days_of(date)
}

/// The time of day of a text, in microseconds since midnight.
pub fn parse_time(text: &str) -> Result<i64> {
    if let Some(before) = before_leap(text) {
        let micros = parse_time(&before)?.saturating_add(MICROS_PER_SECOND);
        return if micros < MICROS_PER_DAY { Ok(micros) } else { Err(ParseTemporalError::BehindMidnight) };
    }
    let time = text.trim().parse::<civil::Time>().map_err(|_| malformed("a time", "23:59:59"))?;
    Ok(micros_of_day(time).min(MICROS_PER_DAY - 1))
}

/// An instant as text: `2024-12-31T23:59:59.5Z`. A number outside the range prints as that number.
pub fn format_datetime(micros: i64) -> String {
    match civil_datetime(micros) {
        Some(local) => format!("{local}Z"),
        None => micros.to_string(),
    }
}

/// A local date and time as text: `2024-12-31T23:59:59.5`.
pub fn format_local_datetime(micros: i64) -> String {
    civil_datetime(micros).map_or_else(|| micros.to_string(), |local| local.to_string())
}

/// A day as text: `2024-12-31`.
pub fn format_date(days: i32) -> String {
    civil_date(days).map_or_else(|| days.to_string(), |date| date.to_string())
}

/// A time of day as text: `23:59:59.5`.
pub fn format_time(micros: i64) -> String {
    civil_time(micros).map_or_else(|| micros.to_string(), |time| time.to_string())
}

/// The day of a number of days since 1970-01-01, in the proleptic Gregorian calendar.
pub fn civil_date(days: i32) -> Option<civil::Date> {
    if !(DATE_MIN..=DATE_MAX).contains(&days) {
        return None;
    }
    let epoch = civil::Date::constant(1970, 1, 1);
    epoch.checked_add(SignedDuration::from_hours(i64::from(days) * 24)).ok()
}

/// The time of day of a number of microseconds since midnight.
pub fn civil_time(micros: i64) -> Option<civil::Time> {
    if !(0..MICROS_PER_DAY).contains(&micros) {
        return None;
    }
    civil::Time::midnight().checked_add(SignedDuration::from_micros(micros)).ok()
}

/// The date and time of a number of microseconds since 1970-01-01T00:00:00.
pub fn civil_datetime(micros: i64) -> Option<civil::DateTime> {
    let days = i32::try_from(micros.div_euclid(MICROS_PER_DAY)).ok()?;
    Some(civil_date(days)?.to_datetime(civil_time(micros.rem_euclid(MICROS_PER_DAY))?))
}

/// The text with a second of 59 where it has one of 60, which the calendar does not know.
fn before_leap(text: &str) -> Option<String> {
    let (hour, rest) = text.split_once(':')?;
    let (minute, second) = rest.split_once(':')?;
    let behind = second.strip_prefix("60")?;
    let is_minute = minute.len() == 2 && minute.bytes().all(|b| b.is_ascii_digit());
    is_minute.then(|| format!("{hour}:{minute}:59{behind}"))
}

fn days_of(date: civil::Date) -> Result<i32> {
    let since = date.duration_since(civil::Date::constant(1970, 1, 1));
    i32::try_from(since.as_secs() / 86_400)
        .ok()
        .filter(|days| (DATE_MIN..=DATE_MAX).contains(days))
        .ok_or(ParseTemporalError::OutOfRange)
}

fn micros_of_day(time: civil::Time) -> i64 {
    let seconds = i64::from(time.hour()) * 3600 + i64::from(time.minute()) * 60 + i64::from(time.second());
    micros_of(seconds, time.subsec_nanosecond())
}

/// Seconds and nanoseconds in microseconds, rounded half away from zero.
fn micros_of(seconds: i64, nanos: i32) -> i64 {
    let nanos = i64::from(nanos);
    let rounded = (nanos.abs() + 500) / 1000 * nanos.signum();
    seconds.saturating_mul(1_000_000).saturating_add(rounded)
}

fn in_range(micros: i64) -> Result<i64> {
    if (DATETIME_MIN..=DATETIME_MAX).contains(&micros) {
        Ok(micros)
    } else {
        Err(ParseTemporalError::OutOfRange)
    }
}

#[cfg(test)]
mod tests;
