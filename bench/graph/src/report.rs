//! Tables of what was measured: medians over the rounds, and this database beside SQLite's best form.

use crate::cases::ORMDB;

/// What one round of one form took, in microseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Measurement {
    pub(crate) case: &'static str,
    pub(crate) bar: f64,
    pub(crate) form: &'static str,
    pub(crate) mean: f64,
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) cpu: f64,
}

type Metric = fn(&Measurement) -> f64;

/// One line a form, and behind that of this database its ratios and its bar.
pub(crate) fn table(measurements: &[Measurement]) -> String {
    let mut text =
        "case             form         mean us     p50 us     p99 us     cpu us    ratio   by cpu   bar\n"
            .to_owned();
    let mut cases: Vec<(&str, &str, f64)> = Vec::new();
    for measured in measurements {
        let place = (measured.case, measured.form, measured.bar);
        if !cases.contains(&place) {
            cases.push(place);
        }
    }
    let order = |case: &str| measurements.iter().position(|measured| measured.case == case);
    cases.sort_by_key(|(case, form, _)| (order(case), *form != ORMDB, *form));
    let (mut reached, mut bars) = (0, 0);
    for (case, form, bar) in cases {
        let of = |metric: Metric| median(measurements, case, form, metric);
        let (p50, cpu) = (of(|m| m.p50), of(|m| m.cpu));
        let mut line = format!("{:<16} {form:<9}", if form == ORMDB { case } else { "" });
        for value in [of(|m| m.mean), p50, of(|m| m.p99), cpu] {
            line.push_str(&format!(" {value:>10.1}"));
        }
        let (best, best_cpu) = (best(measurements, case, |m| m.p50), best(measurements, case, |m| m.cpu));
        if let (true, Some(best), Some(best_cpu)) = (form == ORMDB, best, best_cpu) {
            let passed = best / p50 >= bar;
            bars += 1;
            reached += u32::from(passed);
            let verdict = if passed { "pass" } else { "MISSED" };
            let (by_wall, by_cpu) = (best / p50, best_cpu / cpu);
            line.push_str(&format!(" {by_wall:>8.2} {by_cpu:>8.2}   >= {bar:.1} {verdict}"));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text.push_str(&format!("\n{reached} of {bars} bars are reached\n"));
    text
}

/// The least of the medians of SQLite's forms.
fn best(measurements: &[Measurement], case: &str, metric: Metric) -> Option<f64> {
    let theirs = measurements.iter().filter(|m| m.case == case && m.form != ORMDB);
    theirs.map(|m| median(measurements, case, m.form, metric)).min_by(f64::total_cmp)
}

fn median(measurements: &[Measurement], case: &str, form: &str, metric: Metric) -> f64 {
    let mut values: Vec<f64> =
        measurements.iter().filter(|m| m.case == case && m.form == form).map(metric).collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let at = |place: usize| values.get(place).copied().unwrap_or(f64::NAN);
    if values.len() % 2 == 1 { at(middle) } else { (at(middle.wrapping_sub(1)) + at(middle)) / 2.0 }
}
