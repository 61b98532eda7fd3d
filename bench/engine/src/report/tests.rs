use super::*;

pub(crate) fn measured(workload: &str, engine: EngineName, round: u32, ops: u64) -> Measurement {
    Measurement {
        workload: workload.to_owned(),
        engine,
        round,
        keys: 1000,
        ops,
        seconds: 1.0,
        cpu_seconds: 1.0,
        settle_seconds: 0.0,
        p50_ns: 1,
        p99_ns: 2,
        p999_ns: 3,
        max_ns: 4,
        user_bytes: 100,
        disk_written_bytes: 300,
        call_written_bytes: 300,
        log_bytes: Some(100),
        disk_bytes: 100,
        peak_disk_bytes: 100,
        live_bytes: 100,
        peak_anonymous_bytes: 1 << 20,
        budget_bytes: 1 << 27,
        syncs: 1,
        files: 0,
        threads: 0,
        misses: 0,
    }
}

#[test]
fn a_table_shows_medians_and_the_ratio_to_the_better_peer() {
    let mut measurements: Vec<Measurement> = [300, 100, 900]
        .into_iter()
        .zip(1..)
        .map(|(ops, round)| measured("fillrandom", EngineName::Ordinum, round, ops))
        .collect();
    measurements.push(measured("fillrandom", EngineName::Rocksdb, 1, 150));
    measurements.push(measured("fillrandom", EngineName::Fjall, 1, 200));
    measurements.push(measured("fillrandom", EngineName::Lmdb, 1, 1000));
    let text = of(&measurements);
    let line = text.lines().find(|line| line.starts_with("fillrandom ")).unwrap();
    let cells: Vec<&str> = line.split_whitespace().collect();
    assert_eq!(cells, ["fillrandom", "300.0", "150.0", "200.0", "1.0", "k", "1.50"]);
}

#[test]
fn a_bar_is_judged_where_both_sides_were_measured() {
    let own = measured("missing", EngineName::Ordinum, 1, 130);
    assert!(!of(std::slice::from_ref(&own)).contains("missing, to the better"));
    let text = of(&[own, measured("missing", EngineName::Fjall, 1, 100)]);
    let line = text.lines().find(|line| line.starts_with("missing, to the better")).unwrap();
    assert_eq!(line.split_whitespace().rev().nth(1), Some("pass"), "{line}");
}

/// The second round was twice as fast as the others for both.
#[test]
fn readers_are_compared_within_a_round() {
    let of_round = |workload, ops: [u64; 3]| {
        ops.into_iter().zip(1..).map(move |(ops, round)| measured(workload, EngineName::Ordinum, round, ops))
    };
    let measurements: Vec<Measurement> =
        of_round("readrandom", [100, 210, 105]).chain(of_round("readrandom@2", [190, 398, 199])).collect();
    let text = of(&measurements);
    let line = text.lines().find(|line| line.starts_with("readrandom, two threads")).unwrap();
    assert!(line.contains(" 1.90 "), "{line}");
}

#[test]
fn a_measurement_survives_its_line() {
    let line = serde_json::to_string(&measured("scan", EngineName::Sled, 1, 5)).unwrap();
    let back: Measurement = serde_json::from_str(&line).unwrap();
    assert_eq!((back.workload.as_str(), back.engine, back.ops), ("scan", EngineName::Sled, 5));
}
