use super::Interval;

fn i(text: &str) -> Interval {
    text.parse().unwrap_or_else(|_| panic!("{text} is no interval"))
}

#[test]
fn iso_and_words_read_alike() {
    let want = Interval { months: 14, days: 3, micros: 14_706_700_000 };
    assert_eq!(i("P1Y2M3DT4H5M6.7S"), want);
    assert_eq!(i("1 year 2 mons 3 days 04:05:06.7"), want);
    assert_eq!(i("1y 2 months 3d 4h 5 min 6.7s"), want);
    assert_eq!(i("1 day ago"), Interval { months: 0, days: -1, micros: 0 });
    assert_eq!(i("-P1D"), Interval { months: 0, days: -1, micros: 0 });
    assert_eq!(i("1.5 years"), Interval { months: 18, days: 0, micros: 0 });
    assert_eq!(i("P2W"), Interval { months: 0, days: 14, micros: 0 });
    assert_eq!(i("0.5 days").micros, 43_200_000_000);
    assert_eq!(i("-00:00:01").micros, -1_000_000);
    for bad in ["", "P", "PT", "P1", "soon", "1", "1 parsec", "1:2:3:4", "P1H", "P99999999999Y"] {
        assert!(bad.parse::<Interval>().is_err(), "{bad}");
    }
}

#[test]
fn random_intervals_read_back() {
    let seed = 0x1e7;
    let mut rng = fastrand::Rng::with_seed(seed);
    for _ in 0..5_000 {
        let interval = Interval {
            months: rng.i32(-2_000_000..2_000_000),
            days: rng.i32(..),
            micros: rng.i64(-9_000_000_000_000_000..9_000_000_000_000_000) >> rng.u32(0..50),
        };
        assert_eq!(i(&interval.to_string()), interval, "seed {seed}: {interval}");
    }
    assert_eq!(Interval::default().to_string(), "PT0S");
}

#[test]
fn a_month_sorts_like_thirty_days() {
    assert_eq!(i("1 mon").comparable(), i("30 days").comparable());
    assert!(i("1 mon").comparable() < i("31 days").comparable());
    assert!(i("-1 day").comparable() < i("23:00").comparable());
}
