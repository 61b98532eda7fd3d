//! Spans of time whose parts do not convert into each other: months, days, microseconds.
//!
//! Invariants: (1) the parts are kept as written; (2) order and SQL equality count a month as 30 days and a day as 24
//! hours, as PostgreSQL does: `compare` says equal of one month and 30 days, `==` does not.

use std::fmt;
use std::str::FromStr;

use rkyv::{Archive, Deserialize, Serialize};

use super::temporal::MICROS_PER_DAY;

/// The longest text that is read as an interval.
const TEXT_BYTES_MAX: usize = 256;

/// A span of months, days and microseconds.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    Default,
    Archive,
    Serialize,
    Deserialize,
    serde::Serialize,
    serde::Deserialize,
)]
pub struct Interval {
    /// Months, of whatever length.
    pub months: i32,
    /// Days, of whatever length.
    pub days: i32,
    /// Microseconds.
    pub micros: i64,
}

/// The text is no interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an interval: write it like P1Y2M3DT4H5M6S or \"1 year 3 days 04:05:06\"")]
pub struct ParseIntervalError;

impl Interval {
    /// The length that order goes by: microseconds, at 30 days a month and 24 hours a day.
    pub fn comparable(self) -> i128 {
        (i128::from(self.months) * 30 + i128::from(self.days)) * i128::from(MICROS_PER_DAY)
            + i128::from(self.micros)
    }

    /// The sum, part by part; none if a part overflows.
    pub fn checked_add(self, other: Interval) -> Option<Interval> {
        Some(Interval {
            months: self.months.checked_add(other.months)?,
            days: self.days.checked_add(other.days)?,
            micros: self.micros.checked_add(other.micros)?,
        })
    }

    /// The interval turned round; none if a part overflows.
    pub fn checked_neg(self) -> Option<Interval> {
        Some(Interval {
            months: self.months.checked_neg()?,
            days: self.days.checked_neg()?,
            micros: self.micros.checked_neg()?,
        })
    }

    /// Adds `whole.fraction` (in millionths) of a unit.
    fn add_unit(&mut self, unit: Unit, whole: i64, millionths: i64) -> Option<()> {
        let micros_of = |per: i64| {
            let total =
                i128::from(whole) * i128::from(per) + i128::from(millionths) * i128::from(per) / 1_000_000;
            i64::try_from(total).ok()
        };
        let (months, days, micros) = match unit {
            Unit::Months(n) => {
                let fraction = millionths.checked_mul(n)?;
                let months = whole.checked_mul(n)?.checked_add(fraction / 1_000_000)?;
                let days_millionths = (fraction % 1_000_000).checked_mul(30)?;
                let micros = days_millionths % 1_000_000 * (MICROS_PER_DAY / 1_000_000);
                (months, days_millionths / 1_000_000, micros)
            }
            Unit::Days(n) => {
                let fraction = millionths.checked_mul(n)?;
                let days = whole.checked_mul(n)?.checked_add(fraction / 1_000_000)?;
                (0, days, fraction % 1_000_000 * (MICROS_PER_DAY / 1_000_000))
            }
            Unit::Micros(n) => (0, 0, micros_of(n)?),
        };
        self.months = self.months.checked_add(i32::try_from(months).ok()?)?;
        self.days = self.days.checked_add(i32::try_from(days).ok()?)?;
        self.micros = self.micros.checked_add(micros)?;
        Some(())
    }
}

/// What a number of an interval counts.
#[derive(Clone, Copy, Debug)]
enum Unit {
    Months(i64),
    Days(i64),
    Micros(i64),
}

impl fmt::Display for Interval {
    /// ISO 8601: `P1Y2M3DT4H5M6.5S`; each part has its own sign.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Interval::default() {
            return f.write_str("PT0S");
        }
        f.write_str("P")?;
        for (n, unit) in [(self.months / 12, 'Y'), (self.months % 12, 'M'), (self.days, 'D')] {
            if n != 0 {
                write!(f, "{n}{unit}")?;
            }
        }
        if self.micros == 0 {
            return Ok(());
        }
        f.write_str("T")?;
        let (hours, minutes) = (self.micros / 3_600_000_000, self.micros / 60_000_000 % 60);
        for (n, unit) in [(hours, 'H'), (minutes, 'M')] {
            if n != 0 {
                write!(f, "{n}{unit}")?;
            }
        }
        let rest = self.micros % 60_000_000;
        if rest != 0 {
            let sign = if rest < 0 { "-" } else { "" };
            let (seconds, fraction) = (rest.unsigned_abs() / 1_000_000, rest.unsigned_abs() % 1_000_000);
            write!(f, "{sign}{seconds}")?;
            if fraction != 0 {
                write!(f, ".{}", format!("{fraction:06}").trim_end_matches('0'))?;
            }
            f.write_str("S")?;
        }
        Ok(())
    }
}

impl FromStr for Interval {
    type Err = ParseIntervalError;

    /// Reads ISO 8601 durations and PostgreSQL's words: `1 year 2 mons -3 days 04:05:06.7 ago`.
    fn from_str(text: &str) -> Result<Interval, ParseIntervalError> {
        let text = text.trim();
        if text.len() > TEXT_BYTES_MAX || text.is_empty() {
            return Err(ParseIntervalError);
        }
        let (turned, body) = match text.strip_prefix('-') {
            Some(rest) if rest.starts_with('P') => (true, rest),
            _ => (false, text),
        };
        let parsed = match body.strip_prefix('P') {
            Some(iso) => parse_iso(iso),
            None => parse_words(body),
        };
        let parsed = if turned { parsed.and_then(Interval::checked_neg) } else { parsed };
        parsed.ok_or(ParseIntervalError)
    }
}

fn parse_iso(text: &str) -> Option<Interval> {
    let mut interval = Interval::default();
    let (dates, times) = match text.split_once('T') {
        Some((dates, times)) => (dates, Some(times)),
        None => (text, None),
    };
    if dates.is_empty() && times.is_none_or(str::is_empty) {
        return None;
    }
    let mut part = |mut rest: &str, unit_of: fn(char) -> Option<Unit>| -> Option<()> {
        while !rest.is_empty() {
            let at = rest.find(|c: char| c.is_ascii_alphabetic())?;
            let (number, tail) = rest.split_at(at);
            let mut chars = tail.chars();
            let unit = unit_of(chars.next()?)?;
            rest = chars.as_str();
            let (whole, millionths) = parse_number(number)?;
            interval.add_unit(unit, whole, millionths)?;
        }
        Some(())
    };
    part(dates, |c| match c {
        'Y' => Some(Unit::Months(12)),
        'M' => Some(Unit::Months(1)),
        'W' => Some(Unit::Days(7)),
        'D' => Some(Unit::Days(1)),
        _ => None,
    })?;
    if let Some(times) = times {
        part(times, |c| match c {
            'H' => Some(Unit::Micros(3_600_000_000)),
            'M' => Some(Unit::Micros(60_000_000)),
            'S' => Some(Unit::Micros(1_000_000)),
            _ => None,
        })?;
    }
    Some(interval)
}

fn parse_words(text: &str) -> Option<Interval> {
    let mut interval = Interval::default();
    let mut words = text.split_whitespace().peekable();
    let mut any = false;
    while let Some(word) = words.next() {
        if word == "ago" {
            return if any && words.next().is_none() { interval.checked_neg() } else { None };
        }
        any = true;
        if word.contains(':') {
            interval.micros = interval.micros.checked_add(parse_clock(word)?)?;
            continue;
        }
        let at = word.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(word.len());
        let (number, unit) = word.split_at(at);
        let (whole, millionths) = parse_number(number)?;
        let unit = if unit.is_empty() { words.next()? } else { unit };
        interval.add_unit(unit_named(unit)?, whole, millionths)?;
    }
    any.then_some(interval)
}

fn unit_named(name: &str) -> Option<Unit> {
    Some(match name.to_ascii_lowercase().as_str() {
        "y" | "year" | "years" | "yr" | "yrs" => Unit::Months(12),
        "mon" | "mons" | "month" | "months" => Unit::Months(1),
        "w" | "week" | "weeks" => Unit::Days(7),
        "d" | "day" | "days" => Unit::Days(1),
        "h" | "hour" | "hours" | "hr" | "hrs" => Unit::Micros(3_600_000_000),
        "m" | "min" | "mins" | "minute" | "minutes" => Unit::Micros(60_000_000),
        "s" | "sec" | "secs" | "second" | "seconds" => Unit::Micros(1_000_000),
        "ms" | "millisecond" | "milliseconds" => Unit::Micros(1_000),
        "us" | "microsecond" | "microseconds" => Unit::Micros(1),
        _ => return None,
    })
}

/// `[-]hours:minutes[:seconds]` in microseconds.
fn parse_clock(text: &str) -> Option<i64> {
    let (negative, text) = match text.strip_prefix(['-', '+']) {
        Some(rest) => (text.starts_with('-'), rest),
        None => (false, text),
    };
    let mut parts = text.split(':');
    let unsigned = |part: &str| part.bytes().all(|b| b.is_ascii_digit()).then(|| part.parse::<i64>().ok())?;
    let hours = unsigned(parts.next()?)?;
    let minutes = unsigned(parts.next()?).filter(|m| *m < 60)?;
    let (seconds, millionths) = parts.next().map_or(Some((0, 0)), parse_number)?;
    if parts.next().is_some() || !(0..60).contains(&seconds) || millionths < 0 {
        return None;
    }
    let total = hours
        .checked_mul(3600)?
        .checked_add(minutes * 60 + seconds)?
        .checked_mul(1_000_000)?
        .checked_add(millionths)?;
    Some(if negative { -total } else { total })
}

/// `[+-]digits[.digits]`: the whole part and the millionths behind the point, both with the sign.
fn parse_number(text: &str) -> Option<(i64, i64)> {
    let (sign, text) = match text.strip_prefix(['-', '+']) {
        Some(rest) => (if text.starts_with('-') { -1 } else { 1 }, rest),
        None => (1, text),
    };
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !digits(whole) || !digits(fraction) {
        return None;
    }
    let whole: i64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let mut millionths = 0i64;
    for at in 0..6 {
        millionths = millionths * 10 + fraction.as_bytes().get(at).map_or(0, |b| i64::from(b - b'0'));
    }
    Some((sign * whole, sign * millionths))
}

#[cfg(test)]
mod tests;
