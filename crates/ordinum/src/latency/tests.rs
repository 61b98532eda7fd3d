use std::sync::Arc;

use super::*;
use crate::batch::Batch;
use crate::db::Db;
use crate::fs::MemoryFs;
use crate::options::{Background, Durability, Options};
use crate::reader::Reader;

#[test]
fn every_duration_lies_in_its_bucket_and_is_told_at_most_a_sixteenth_too_long() {
    let mut rng = fastrand::Rng::with_seed(7);
    println!("seed 7");
    for power in 0..64 {
        for ns in [1 << power, (1 << power) | (rng.u64(..) >> (63 - power)), u64::MAX >> (63 - power)] {
            let bucket = bucket_of(ns);
            assert!(bucket < BUCKETS, "{ns}");
            let told = longest_of(bucket);
            assert!(told >= ns && told - ns <= ns / 16, "{ns} is told as {told}");
            assert!(bucket == 0 || longest_of(bucket - 1) < ns, "{ns}");
        }
    }
}

#[test]
fn percentiles_are_those_of_what_was_recorded() {
    let histogram = Histogram::default();
    assert_eq!(histogram.read(), Latency::default());
    (1..=1000).for_each(|micros| histogram.record(Duration::from_micros(micros)));
    let read = histogram.read();
    assert_eq!((read.count, read.max), (1000, Duration::from_millis(1)));
    assert_eq!(read.sum, Duration::from_micros(500_500));
    let near = |told: Duration, micros: u64| {
        let exact = Duration::from_micros(micros);
        assert!(told >= exact && told <= exact + exact / 16, "{told:?} for {exact:?}");
    };
    near(read.p50, 500);
    near(read.p99, 990);
    near(read.p999, 999);
}

#[test]
fn reads_and_commits_are_measured_if_that_is_asked_for() {
    for measure_latency in [false, true] {
        let fs = Arc::new(MemoryFs::new());
        let options = Options { fs, background: Background::Manual, measure_latency, ..Options::default() };
        let db = Db::open("/db", options).unwrap();
        let family = db.default_column_family();
        for number in 0..5_u8 {
            let mut batch = Batch::new();
            batch.put(&family, &[number], b"value").unwrap();
            db.write(batch, Durability::Synced).unwrap();
        }
        db.get(&family, b"absent").unwrap();
        db.snapshot().get(&family, &[1]).unwrap();
        db.transaction().get(&family, &[1]).unwrap();
        let read = db.stats().latencies;
        let expected = if measure_latency { (3, 5) } else { (0, 0) };
        assert_eq!((read.get.count, read.commit.count), expected);
        assert_eq!(read.sync.count, 5);
        assert!(read.sync.p50 <= read.sync.p99 && read.sync.p99 <= read.sync.max);
    }
}
