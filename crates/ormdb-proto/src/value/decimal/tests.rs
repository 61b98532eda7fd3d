use std::cmp::Ordering;

use super::{Decimal, ParseDecimalError};

fn d(text: &str) -> Decimal {
    text.parse().unwrap()
}

#[test]
fn text_and_back() {
    for text in ["0", "-1", "1.50", "0.01", "-0.99", "99999999999999999999999999999999999999", "0.000"] {
        assert_eq!(d(text).to_string(), text);
    }
    assert_eq!(d("1e3").to_string(), "1000");
    assert_eq!(d("1.5E-3").to_string(), "0.0015");
    assert_eq!(d(".5").to_string(), "0.5");
    assert_eq!(d("+7.").to_string(), "7");
    for bad in ["", ".", "-", "1.2.3", "abc", "1e", "0x1", "1_000"] {
        assert_eq!(bad.parse::<Decimal>(), Err(ParseDecimalError::Malformed), "{bad}");
    }
    for bad in ["1e39", "100000000000000000000000000000000000000", "1e-39", "1e999999999"] {
        assert_eq!(bad.parse::<Decimal>(), Err(ParseDecimalError::TooLarge), "{bad}");
    }
}

#[test]
fn compares_by_value() {
    assert_eq!(d("1.50"), d("1.5"));
    assert_eq!(d("-0.00"), d("0"));
    let ascending = [
        "-99999999999999999999999999999999999999",
        "-1.5",
        "-1.49999",
        "-0.1",
        "0",
        "1e-38",
        "0.1",
        "2",
        "10",
    ];
    for pair in ascending.windows(2) {
        assert_eq!(d(pair[0]).cmp(&d(pair[1])), Ordering::Less, "{pair:?}");
    }
}

#[test]
fn rescales_half_away_from_zero() {
    assert_eq!(d("1.005").rescale(2).unwrap().to_string(), "1.01");
    assert_eq!(d("-1.005").rescale(2).unwrap().to_string(), "-1.01");
    assert_eq!(d("1.004").rescale(2).unwrap().to_string(), "1.00");
    assert_eq!(d("0.5").rescale(0).unwrap().to_string(), "1");
    assert_eq!(d("7").rescale(3).unwrap().to_string(), "7.000");
    assert!(d("99999999999999999999999999999999999999").rescale(1).is_none());
}

#[test]
fn arithmetic_is_postgresqls() {
    assert_eq!(d("1.10").checked_add(d("2.205")).unwrap().to_string(), "3.305");
    assert_eq!(d("1").checked_sub(d("0.99")).unwrap().to_string(), "0.01");
    assert_eq!(d("1.20").checked_mul(d("3.0")).unwrap().to_string(), "3.600");
    // select 1.0/3, 10/4.0, 2/3.0, 100000.0/3, 1/7.0 :: numeric
    assert_eq!(d("1.0").checked_div(d("3")).unwrap().to_string(), "0.33333333333333333333");
    assert_eq!(d("10").checked_div(d("4.0")).unwrap().to_string(), "2.5000000000000000");
    assert_eq!(d("2").checked_div(d("3.0")).unwrap().to_string(), "0.66666666666666666667");
    assert_eq!(d("100000.0").checked_div(d("3")).unwrap().to_string(), "33333.333333333333");
    assert_eq!(d("-7").checked_rem(d("3")).unwrap().to_string(), "-1");
    assert_eq!(d("7.5").checked_rem(d("2")).unwrap().to_string(), "1.5");
    assert!(d("1").checked_div(d("0.00")).is_none());
    let most = d("99999999999999999999999999999999999999");
    assert!(most.checked_add(d("1")).is_none());
    assert!(most.checked_mul(d("2")).is_none());
    assert_eq!(most.checked_div(most).unwrap(), d("1"));
}

#[test]
fn floats_convert() {
    assert_eq!(Decimal::from_f64(0.1).unwrap().to_string(), "0.1");
    assert_eq!(Decimal::from_f64(-2.5e10).unwrap(), d("-25000000000"));
    assert!(Decimal::from_f64(f64::NAN).is_none());
    assert!(Decimal::from_f64(1e300).is_none());
    assert!((d("3.25").to_f64() - 3.25).abs() < f64::EPSILON);
}
