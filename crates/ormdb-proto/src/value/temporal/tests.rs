use super::*;

#[test]
fn text_and_back() {
    assert_eq!(parse_date("1970-01-02"), Ok(1));
    assert_eq!(parse_date("0001-01-01"), Ok(DATE_MIN));
    assert_eq!(parse_date("9999-12-31"), Ok(DATE_MAX));
    assert_eq!(format_date(DATE_MIN), "0001-01-01");
    assert_eq!(format_date(DATE_MAX), "9999-12-31");
    assert_eq!(parse_datetime("1970-01-01T00:00:01Z"), Ok(1_000_000));
    assert_eq!(parse_datetime("1970-01-01 02:00:01.5+02:00"), Ok(1_500_000));
    assert_eq!(parse_datetime("1970-01-01T00:00:01"), Ok(1_000_000));
    assert_eq!(parse_datetime("1970-01-02"), Ok(MICROS_PER_DAY));
    assert_eq!(format_datetime(1_500_000), "1970-01-01T00:00:01.5Z");
    assert_eq!(format_datetime(-1), "1969-12-31T23:59:59.999999Z");
    assert_eq!(parse_datetime(&format_datetime(DATETIME_MAX)), Ok(DATETIME_MAX));
    assert_eq!(parse_datetime(&format_datetime(DATETIME_MIN)), Ok(DATETIME_MIN));
    assert_eq!(parse_local_datetime("2024-02-29T12:00:00"), Ok(1_709_208_000_000_000));
    assert_eq!(parse_time("23:59:59.999999"), Ok(MICROS_PER_DAY - 1));
    assert_eq!(parse_time("07:05"), Ok(25_500_000_000));
    assert_eq!(format_time(25_500_000_000), "07:05:00");
}

#[test]
fn refuses_what_is_none() {
    for bad in ["", "2024-13-01", "yesterday", "2024-02-30"] {
        assert!(matches!(parse_date(bad), Err(ParseTemporalError::Malformed { .. })), "{bad}");
        assert!(parse_datetime(bad).is_err(), "{bad}");
    }
    assert_eq!(parse_date("0000-12-31"), Err(ParseTemporalError::OutOfRange));
    assert_eq!(parse_datetime("-000001-01-01T00:00:00Z"), Err(ParseTemporalError::OutOfRange));
    assert!(parse_time("25:00").is_err());
    assert_eq!(format_datetime(i64::MAX), i64::MAX.to_string());
}

#[test]
fn random_instants_read_back() {
    let seed = 0x7e39;
    let mut rng = fastrand::Rng::with_seed(seed);
    for _ in 0..5_000 {
        let micros = rng.i64(DATETIME_MIN..=DATETIME_MAX);
        assert_eq!(parse_datetime(&format_datetime(micros)), Ok(micros), "seed {seed}");
        assert_eq!(parse_local_datetime(&format_local_datetime(micros)), Ok(micros), "seed {seed}");
        let days = rng.i32(DATE_MIN..=DATE_MAX);
        assert_eq!(parse_date(&format_date(days)), Ok(days), "seed {seed}");
    }
}

#[test]
fn a_second_of_60_is_the_next_minute() {
    assert_eq!(parse_time("23:30:60"), parse_time("23:31:00"));
    assert_eq!(parse_time("23:30:60.5"), parse_time("23:31:00.5"));
    assert_eq!(parse_time("23:59:60"), Err(ParseTemporalError::BehindMidnight));
    for (leap, same) in
        [("2016-12-31T23:59:60", "2017-01-01T00:00:00"), ("2016-12-31 12:00:60", "2016-12-31 12:01:00")]
    {
        assert_eq!(parse_local_datetime(leap), parse_local_datetime(same), "{leap}");
        assert_eq!(parse_datetime(&format!("{leap}Z")), parse_datetime(&format!("{same}Z")), "{leap}");
        assert_eq!(
            parse_datetime(&format!("{leap}+02:00")),
            parse_datetime(&format!("{same}+02:00")),
            "{leap}"
        );
    }
    assert_eq!(parse_datetime("9999-12-31T23:59:60Z"), Err(ParseTemporalError::OutOfRange));
    assert!(parse_time("12:00:61").is_err());
}
