//! Values as text: what is read and printed reads back as the same value, and decimal arithmetic keeps its bounds.

use ormdb_proto::Value;
use ormdb_proto::value::{Decimal, Interval, SCALE_MAX, canonical_json, compare_floats, temporal};

pub(super) const DICTIONARY: &[&str] = &[
    "0",
    "-",
    "+",
    ".",
    "e",
    "E-",
    "e38",
    "T",
    "Z",
    "P",
    "PT",
    "Y",
    "M",
    "D",
    "H",
    "S",
    ":",
    "-0",
    "0001-01-01",
    "9999-12-31",
    "23:59:59.999999",
    "24:00:00",
    "60",
    " days",
    " mons",
    " ago",
    "year",
    "null",
    "true",
    "{\"a\":",
    "[",
    "]",
    "}",
    ",",
    "\"",
    "\\u0000",
    "\\ud800",
    "1e400",
    "+14:00",
    "-00:00",
];

/// One value per line, tried as every type.
pub(super) fn run(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let mut previous = Decimal::ZERO;
    for line in text.lines() {
        if let Ok(decimal) = line.parse::<Decimal>() {
            check_decimal(decimal, previous);
            previous = decimal;
        }
        if let Ok(interval) = line.parse::<Interval>() {
            assert_eq!(interval.to_string().parse(), Ok(interval), "{interval}");
        }
        check_temporal(line);
    }
    if let Ok(canonical) = canonical_json(&text) {
        let again = canonical_json(&canonical).expect("canonical text is JSON");
        assert_eq!(again, canonical);
        let json = serde_json::from_str::<serde_json::Value>(&canonical).expect("canonical text is JSON");
        let value = Value::from_json(&json);
        assert!(!value.to_text().is_empty() || value == Value::String(String::new()));
        drop(value.to_json());
    }
}

fn check_decimal(a: Decimal, b: Decimal) {
    let read: Decimal = a.to_string().parse().expect("what is printed reads back");
    assert_eq!((read.unscaled(), read.scale()), (a.unscaled(), a.scale()), "{a}");
    assert_eq!(a.normalized(), a);
    assert_eq!(a.cmp(&b), b.cmp(&a).reverse(), "{a} {b}");
    for result in [a.checked_add(b), a.checked_sub(b), a.checked_mul(b), a.checked_div(b), a.checked_rem(b)] {
        let in_bounds = result.is_none_or(|result| Decimal::new(result.unscaled(), result.scale()).is_some());
        assert!(in_bounds, "{a} {b} {result:?}");
    }
    if let Some(sum) = a.checked_add(b) {
        assert_eq!(sum.checked_sub(b).unwrap_or(a), a, "({a} + {b}) - {b}");
    }
    let float = a.to_f64();
    assert!(compare_floats(float, float).is_eq());
    assert!(Decimal::from_f64(float).is_none_or(|near| near.scale() <= SCALE_MAX));
    for scale in 0..=38 {
        assert_eq!(a.rescale(scale).map_or(scale, Decimal::scale), scale);
    }
    assert!(a.truncated().abs_diff(a.rounded()) <= 1);
}

fn check_temporal(line: &str) {
    if let Ok(micros) = temporal::parse_datetime(line) {
        assert_eq!(temporal::parse_datetime(&temporal::format_datetime(micros)), Ok(micros), "{line}");
    }
    if let Ok(micros) = temporal::parse_local_datetime(line) {
        let printed = temporal::format_local_datetime(micros);
        assert_eq!(temporal::parse_local_datetime(&printed), Ok(micros), "{line}");
    }
    if let Ok(days) = temporal::parse_date(line) {
        assert_eq!(temporal::parse_date(&temporal::format_date(days)), Ok(days), "{line}");
    }
    if let Ok(micros) = temporal::parse_time(line) {
        assert_eq!(temporal::parse_time(&temporal::format_time(micros)), Ok(micros), "{line}");
    }
}
