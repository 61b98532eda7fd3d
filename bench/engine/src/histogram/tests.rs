use super::*;

#[test]
fn every_value_is_within_its_bucket() {
    for value in (0..4096).chain([1 << 20, (1 << 40) + 12345, u64::MAX]) {
        let bucket = bucket(value);
        assert!(value <= top_of(bucket), "{value}");
        assert!(bucket == 0 || value > top_of(bucket - 1), "{value}");
    }
}

#[test]
fn quantiles_are_known_to_three_per_cent() {
    let mut histogram = Histogram::default();
    (1..=10_000).for_each(|value| histogram.record(value));
    for (per_mille, exact) in [(500, 5000), (990, 9900), (999, 9990)] {
        let found = histogram.at_per_mille(per_mille);
        assert!((exact..=exact + exact / 32).contains(&found), "{per_mille}: {found}");
    }
    assert_eq!(histogram.max(), 10_000);
}
