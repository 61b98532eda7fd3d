use super::FieldFigures;

fn figures() -> FieldFigures {
    // 20 % are null, 30 % are 7; the rest lies evenly from 0 to 100.
    let bounds = (0..=10u8).map(|part| vec![part * 10]).collect();
    FieldFigures { nulls: 0.2, distinct: 101.0, common: vec![(vec![7], 0.3)], bounds }
}

fn near(told: f64, want: f64) {
    assert!((told - want).abs() < 0.005, "{told}, not {want}");
}

#[test]
fn shares_of_values_and_ranges() {
    let figures = figures();
    near(figures.equal(&[7]), 0.3);
    near(figures.equal(&[8]), 0.005);
    near(figures.equal(&[200]), 0.0025);
    near(figures.between(None, None), 0.8);
    near(figures.between(Some(&[50]), None), 0.25);
    near(figures.between(Some(&[0]), Some(&[10])), 0.35);
    near(figures.between(Some(&[20]), Some(&[25])), 0.025);
    near(figures.between(Some(&[60]), Some(&[40])), 0.0);
    near(figures.between(None, Some(&[0])), 0.0);
}

#[test]
fn nothing_known_is_no_panic() {
    let none = FieldFigures::default();
    assert!(none.equal(&[]) <= 1.0);
    assert!(none.between(Some(&[1]), Some(&[2])) <= 1.0);
}
