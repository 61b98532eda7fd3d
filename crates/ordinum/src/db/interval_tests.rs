use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::clock::ManualClock;
use crate::fs::{MemoryFs, PowerLoss};
use crate::options::Background;

const INTERVAL: Duration = Duration::from_millis(100);

fn put(db: &Db, key: &[u8], durability: Durability) -> SeqNo {
    let mut batch = Batch::new();
    batch.put(&db.default_column_family(), key, b"value").unwrap();
    db.write(batch, durability).unwrap()
}

#[test]
fn a_write_is_durable_when_its_interval_has_passed() {
    let fs = MemoryFs::new();
    let clock = Arc::new(ManualClock::default());
    let options = || Options {
        fs: Arc::new(fs.clone()),
        clock: Arc::clone(&clock) as Arc<dyn crate::clock::Clock>,
        background: Background::Manual,
        ..Options::default()
    };
    let db = Db::open("/db", options()).unwrap();
    let syncs = db.stats().syncs;
    put(&db, b"a", Durability::Interval(INTERVAL));
    clock.advance(INTERVAL / 2);
    put(&db, b"b", Durability::Interval(INTERVAL));
    assert!(!db.run_background_step().unwrap());
    assert_eq!(db.stats().syncs, syncs);
    clock.advance(INTERVAL / 2);
    assert!(db.run_background_step().unwrap(), "the earlier of the two is due");
    assert!(!db.run_background_step().unwrap());
    assert_eq!(db.stats().syncs, syncs + 1, "both share a sync");
    // Behind its moment, the next write syncs itself.
    put(&db, b"c", Durability::Interval(INTERVAL));
    clock.advance(INTERVAL);
    put(&db, b"d", Durability::Interval(INTERVAL));
    assert_eq!(db.stats().syncs, syncs + 2);
    put(&db, b"e", Durability::Interval(INTERVAL));
    fs.lose_power(PowerLoss::LoseUnsynced);
    drop(db);
    let db = Db::open("/db", options()).unwrap();
    let family = db.default_column_family();
    let there = |key: &[u8]| db.get(&family, key).unwrap().is_some();
    assert!([b"a", b"b", b"c", b"d"].iter().all(|key| there(*key)));
    assert!(!there(b"e"));
    put(&db, b"f", Durability::Interval(INTERVAL));
    fs.kill_process();
    drop(db);
    let db = Db::open("/db", options()).unwrap();
    assert!(
        db.get(&db.default_column_family(), b"f").unwrap().is_some(),
        "the process ended, not the machine"
    );
}

#[test]
fn a_thread_syncs_in_time() {
    let fs = MemoryFs::new();
    // Whoever waits moves this clock: nobody sleeps.
    let options =
        Options { fs: Arc::new(fs.clone()), clock: Arc::new(ManualClock::default()), ..Options::default() };
    let db = Db::open("/db", options.clone()).unwrap();
    let syncs = db.stats().syncs;
    for n in 0..10u8 {
        put(&db, &[n], Durability::Interval(INTERVAL));
        while db.stats().syncs == syncs + u64::from(n) {
            std::thread::yield_now();
        }
    }
    fs.lose_power(PowerLoss::LoseUnsynced);
    drop(db);
    let db = Db::open("/db", options).unwrap();
    assert!((0..10u8).all(|n| db.get(&db.default_column_family(), &[n]).unwrap().is_some()));
}
