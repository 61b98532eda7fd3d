#![allow(clippy::cast_possible_truncation, reason = "test data")]

use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::clock::ManualClock;
use crate::event::{Change, Write};
use crate::fs::{Fault, FaultFs, Fs, MemoryFs, PowerLoss};
use crate::{Background, Batch, Durability, FamilyOptions, HistoryId, Options, Reader, RetentionWindow};

const HOUR: Duration = Duration::from_secs(3600);

fn options(fs: impl Fs + 'static) -> Options {
    Options {
        fs: Arc::new(fs),
        clock: Arc::new(ManualClock::default()),
        background: Background::Manual,
        log_segment_bytes: 4 << 10,
        ..Options::default()
    }
}

fn keeping(fs: impl Fs + 'static) -> Options {
    Options { retention: Some(RetentionWindow::of_age(HOUR)), ..options(fs) }
}

fn batch(db: &Db, key: &[u8], value: &[u8]) -> Batch {
    let mut batch = Batch::new();
    batch.put(&db.default_column_family(), key, value).unwrap();
    batch
}

fn put(db: &Db, n: u64, durability: Durability) -> SeqNo {
    db.write(batch(db, &n.to_be_bytes(), &[b'v'; 100]), durability).unwrap()
}

/// The sequence numbers that are there.
fn drain(tail: &mut Tail) -> Result<Vec<u64>> {
    let mut told = Vec::new();
    while let Some(event) = tail.try_next()? {
        told.push(event.seqno.get());
    }
    Ok(told)
}

/// A clock that has a subscriber look for an event whenever it is asked, also in the middle of a sync.
#[derive(Debug, Default)]
struct Watching {
    subscriber: parking_lot::Mutex<Option<(Db, Tail)>>,
}

impl crate::clock::Clock for Watching {
    fn monotonic(&self) -> Duration {
        let subscriber = self.subscriber.lock().take();
        if let Some((db, mut tail)) = subscriber {
            if tail.try_next().unwrap().is_none() {
                *self.subscriber.lock() = Some((db, tail));
            } else {
                db.tail_from(tail.position()).unwrap();
            }
        }
        Duration::ZERO
    }

    fn unix(&self) -> Duration {
        Duration::ZERO
    }

    fn wait(&self, _: Duration) {}
}

/// The log said that it was durable before the database did: who was told of a commit in between, and came back at once, heard
/// that its position was of a lost future. A replica would have begun anew.
#[test]
fn a_position_that_was_told_is_good_at_once() {
    let clock = Arc::new(Watching::default());
    let db = Db::open("/db", Options { clock: Arc::clone(&clock) as _, ..options(MemoryFs::new()) }).unwrap();
    let tail = db.tail(SeqNo::ZERO).unwrap();
    *clock.subscriber.lock() = Some((db.clone(), tail));
    put(&db, 1, Durability::Synced);
    // The clock was asked behind the sync, and not only before it.
    assert!(clock.subscriber.lock().is_none());
}

#[test]
fn everything_is_told_in_order_as_it_was_written() {
    let db = Db::open("/db", options(MemoryFs::new())).unwrap();
    let mut tail = db.tail(SeqNo::ZERO).unwrap();
    assert!(tail.try_next().unwrap().is_none());
    let family = db.create_column_family("people", FamilyOptions::default()).unwrap();
    let mut batch = Batch::new();
    batch.set_header(b"from me".to_vec()).unwrap();
    batch.put(&family, b"ada", b"lovelace").unwrap();
    batch.delete(&db.default_column_family(), b"gone").unwrap();
    db.write(batch, Durability::Synced).unwrap();
    db.drop_column_family(&family).unwrap();

    let event = tail.next().unwrap();
    assert!(matches!(event.change, Change::FamilyCreated { id: 1, name: "people" }), "{event:?}");
    let event = tail.next().unwrap();
    let Change::Batch(batch) = event.change else { panic!("{event:?}") };
    assert_eq!((event.seqno.get(), batch.header()), (2, &b"from me"[..]));
    let writes: Vec<Write<'_>> = batch.writes().collect();
    let put = Write::Put { family: 1, key: b"ada", value: b"lovelace" };
    assert_eq!(writes, [put, Write::Delete { family: 0, key: b"gone" }]);
    let event = tail.next_timeout(HOUR).unwrap().unwrap();
    assert!(matches!(event.change, Change::FamilyDropped { id: 1 }));
    assert!(tail.next_timeout(Duration::ZERO).unwrap().is_none());
    assert_eq!(tail.position(), db.position());
}

#[test]
fn a_commit_is_told_once_it_is_durable_and_not_before() {
    let db = Db::open("/db", options(MemoryFs::new())).unwrap();
    let mut tail = db.tail(SeqNo::ZERO).unwrap();
    put(&db, 1, Durability::Buffered);
    put(&db, 2, Durability::Buffered);
    assert!(drain(&mut tail).unwrap().is_empty());
    assert_eq!(db.position().seqno, SeqNo::ZERO);
    put(&db, 3, Durability::Synced);
    assert_eq!(drain(&mut tail).unwrap(), [1, 2, 3]);
    // A rotation makes durable what is in the log that it closes.
    let told: Vec<u64> = (4..100)
        .flat_map(|n| {
            put(&db, n, Durability::Buffered);
            drain(&mut tail).unwrap()
        })
        .collect();
    assert!(told.len() > 50 && told.len() < 96, "{told:?}");
    assert!(told.iter().copied().eq(4..4 + told.len() as u64));
}

#[test]
fn a_subscriber_that_paused_over_rotations_and_an_opening_goes_on_where_it_was() {
    let fs = MemoryFs::new();
    let mut db = Db::open("/db", keeping(fs.clone())).unwrap();
    let mut written = 0;
    let mut told = Vec::new();
    let mut position = Position { history: db.history(), seqno: SeqNo::ZERO };
    for round in 0..6 {
        for _ in 0..40 * (round + 1) {
            written += 1;
            put(&db, written, Durability::Synced);
            while db.run_background_step().unwrap() {}
        }
        db.flush_all().unwrap();
        if round % 2 == 1 {
            db.close().unwrap();
            db = Db::open("/db", keeping(fs.clone())).unwrap();
        }
        if round % 3 == 2 {
            let mut tail = db.tail_from(position).unwrap();
            told.extend(drain(&mut tail).unwrap());
            position = tail.position();
        }
    }
    let logs = fs.list(Path::new("/db")).unwrap().iter().filter(|name| name.ends_with(".log")).count();
    assert!(logs > 10, "{logs} logs");
    assert_eq!(told, (1..=written).collect::<Vec<u64>>());
}

#[test]
fn a_subscriber_that_is_too_slow_is_told_the_oldest_that_it_can_have() {
    let fs = MemoryFs::new();
    let db = Db::open("/db", options(fs.clone())).unwrap();
    let mut slow = db.tail(SeqNo::ZERO).unwrap();
    for n in 1..=200 {
        put(&db, n, Durability::Synced);
    }
    assert_eq!(slow.next().unwrap().seqno.get(), 1);
    db.flush_all().unwrap();
    // The log that it has open is read to its end.
    let error = drain(&mut slow).unwrap_err();
    assert!(
        matches!(error, Error::TooOld { asked, oldest } if oldest.get() == 200 && asked < oldest),
        "{error}"
    );
    let asked = SeqNo::new(100).unwrap();
    for error in [
        db.tail(asked).unwrap_err(),
        db.tail_from(Position { history: db.history(), seqno: asked }).unwrap_err(),
    ] {
        assert!(matches!(error, Error::TooOld { oldest, .. } if oldest.get() == 200), "{error}");
    }
    let mut tail = db.tail(SeqNo::new(200).unwrap()).unwrap();
    put(&db, 201, Durability::Synced);
    assert_eq!(drain(&mut tail).unwrap(), [201]);
}

#[test]
fn a_log_that_is_read_is_not_written_over() {
    for seed in 0..10 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let family_defaults = FamilyOptions { write_buffer_bytes: 16 << 10, ..FamilyOptions::default() };
        let db = Db::open("/db", Options { family_defaults, ..options(MemoryFs::new()) }).unwrap();
        let mut tail = db.tail(SeqNo::ZERO).unwrap();
        let (mut written, mut told) = (0, 0);
        for _ in 0..200 {
            for _ in 0..rng.u64(1..40) {
                written += 1;
                put(&db, written, Durability::Synced);
            }
            if rng.u8(..3) == 0 {
                while db.run_background_step().unwrap() {}
            }
            for _ in 0..rng.u64(1..40) {
                match tail.try_next() {
                    Ok(Some(event)) => {
                        told += 1;
                        assert_eq!(event.seqno.get(), told, "seed {seed}");
                    }
                    Ok(None) => {}
                    Err(Error::TooOld { oldest, .. }) => {
                        assert!(oldest.get() > told, "seed {seed}");
                        told = oldest.get();
                        tail = db.tail(oldest).unwrap();
                    }
                    Err(error) => panic!("seed {seed}: {error}"),
                }
            }
        }
    }
}

#[test]
fn those_who_wait_are_woken_by_commits_and_by_the_end() {
    for close in [true, false] {
        let faults = FaultFs::new(Arc::new(MemoryFs::new()));
        let db = Db::open("/db", options(faults.clone())).unwrap();
        let mut tail = db.tail(SeqNo::ZERO).unwrap();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(move || {
                let mut told = 0;
                loop {
                    match tail.next() {
                        Ok(event) => {
                            told += 1;
                            assert_eq!(event.seqno.get(), told);
                        }
                        Err(error) => return (told, error),
                    }
                }
            });
            for n in 0..500 {
                put(&db, n, Durability::Synced);
            }
            if close {
                db.close().unwrap();
            } else {
                faults.fail_after(1, Fault::FailedSync);
                db.write(batch(&db, b"k", b"v"), Durability::Synced).unwrap_err();
            }
            match waiting.join().unwrap() {
                (told, Error::Closed) => assert!(close && told <= 500),
                (500, Error::Poisoned { .. }) => assert!(!close),
                (told, error) => panic!("{told}, then {error}"),
            }
        });
    }
}

#[test]
fn what_was_told_is_there_after_any_crash() {
    for seed in 0..120u64 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let memory = MemoryFs::new();
        let faults = FaultFs::new(Arc::new(memory.clone()));
        let open = || Db::open("/db", keeping(faults.clone()));
        let db = open().unwrap();
        let mut tail = db.tail(SeqNo::ZERO).unwrap();
        let mut told = Vec::new();
        faults.fail_after(rng.u64(1..150), Fault::PowerCut);
        for n in 0u64..400 {
            let durability = if rng.u8(..8) == 0 { Durability::Synced } else { Durability::Buffered };
            let written = db.write(batch(&db, &n.to_be_bytes(), &[b'v'; 60]), durability);
            let background = if rng.u8(..5) == 0 { db.run_background_step().map(drop) } else { Ok(()) };
            while let Ok(Some(event)) = tail.try_next() {
                told.push(event.seqno);
            }
            if written.is_err() || background.is_err() {
                break;
            }
        }
        let position = tail.position();
        drop((db, tail));
        faults.clear();
        memory.lose_power(PowerLoss::Tear { seed });
        let db = open().unwrap();
        let family = db.default_column_family();
        for seqno in &told {
            let found = db.get_versioned(&family, &(seqno.get() - 1).to_be_bytes()).unwrap();
            assert_eq!(found.unwrap().1, *seqno, "seed {seed}");
        }
        // It goes on exactly: with what became durable untold, and then with new commits.
        let mut tail = db.tail_from(position).unwrap();
        let next = db.write(batch(&db, b"next", b""), Durability::Synced).unwrap();
        let mut all: Vec<u64> = told.iter().map(|seqno| seqno.get()).collect();
        all.extend(drain(&mut tail).unwrap());
        assert_eq!(all.pop(), Some(next.get()), "seed {seed}");
        assert!(all.iter().copied().eq(1..=all.len() as u64), "seed {seed}: {all:?}");
    }
}

#[test]
fn a_place_of_another_history_or_of_a_lost_future_is_refused() {
    let fs = MemoryFs::new();
    let db = Db::open("/db", keeping(fs.clone())).unwrap();
    let history = db.history();
    for n in 1..=5 {
        put(&db, n, Durability::Synced);
    }
    for n in 6..=9 {
        put(&db, n, Durability::Buffered);
    }
    let at = |n| Position { history, seqno: SeqNo::new(n).unwrap() };
    assert!(db.tail_from(at(5)).is_ok() && db.tail(SeqNo::new(9).unwrap()).is_ok());
    let refused = |db: &Db, position| match db.tail_from(position) {
        Err(Error::Diverged { asked, history: told, .. }) => {
            assert!(asked == position && told == db.history());
        }
        other => panic!("{other:?}"),
    };
    refused(&db, at(6));
    refused(&db, Position { history: HistoryId::from_bytes([1; 16]), seqno: SeqNo::ZERO });
    assert!(matches!(db.tail(SeqNo::new(10).unwrap()), Err(Error::Diverged { .. })));
    fs.lose_power(PowerLoss::LoseUnsynced);
    drop(db);

    let db = Db::open("/db", keeping(fs.clone())).unwrap();
    assert_eq!(db.history(), history);
    let next = put(&db, 6, Durability::Synced);
    assert!(next.get() > 9);
    refused(&db, at(6));
    refused(&db, at(9));
    assert_eq!(drain(&mut db.tail_from(at(5)).unwrap()).unwrap(), [next.get()]);
    assert_eq!(drain(&mut db.tail_from(at(4)).unwrap()).unwrap(), [5, next.get()]);
    drop(db);
    let other = HistoryId::from_bytes([2; 16]);
    let asked = Options { history: Some(other), ..keeping(fs.clone()) };
    assert!(matches!(Db::open("/db", asked), Err(Error::InvalidArgument { .. })));
    let asked = Options { history: Some(other), ..keeping(fs.clone()) };
    assert_eq!(Db::open("/other", asked).unwrap().history(), other);
}

#[test]
fn long_and_short_records_are_told_whole_and_the_memory_is_given_back() {
    let fs = MemoryFs::new();
    let db = Db::open("/db", Options { log_segment_bytes: 1 << 30, ..options(fs) }).unwrap();
    let mut tail = db.tail(SeqNo::ZERO).unwrap();
    let lengths = [10, 70 << 10, 100, 3 << 20, 65 << 10, 30, 64 << 10, 5];
    for length in lengths {
        db.write(batch(&db, b"key", &vec![b'x'; length]), Durability::Synced).unwrap();
    }
    for length in lengths {
        let event = tail.next().unwrap();
        let Change::Batch(batch) = event.change else { panic!("{event:?}") };
        let value = vec![b'x'; length];
        assert_eq!(batch.writes().next(), Some(Write::Put { family: 0, key: b"key", value: &value }));
    }
    assert!(tail.log.follower.held_bytes() <= 1 << 20);
}

#[test]
fn a_damaged_record_is_named() {
    let fs = MemoryFs::new();
    let db = Db::open("/db", options(fs.clone())).unwrap();
    for n in 0..3 {
        put(&db, n, Durability::Synced);
    }
    let log = fs.list(Path::new("/db")).unwrap().into_iter().find(|name| name.ends_with(".log")).unwrap();
    let path = Path::new("/db").join(log);
    fs.flip_byte(&path, 64 + 2 * 150).unwrap();
    let mut tail = db.tail(SeqNo::ZERO).unwrap();
    let error = drain(&mut tail).unwrap_err();
    assert!(matches!(&error, Error::Corrupt { file, .. } if *file == path), "{error}");
}

#[test]
fn a_replica_takes_numbers_as_they_come_and_in_order() {
    let fs = MemoryFs::new();
    let db = Db::open("/db", options(fs.clone())).unwrap();
    let at = |n| SeqNo::new(n).unwrap();
    let write = |db: &Db, n: u64| db.write_at(at(n), batch(db, b"k", &n.to_be_bytes()), Durability::Synced);
    write(&db, 3).unwrap();
    write(&db, 5_000_000).unwrap();
    for refused in [0, 3, 4_999_999, 5_000_000] {
        let error = write(&db, refused).unwrap_err();
        assert!(matches!(error, Error::OutOfOrder { newest, .. } if newest == at(5_000_000)), "{error}");
    }
    db.write_at(at(5_000_002), Batch::new(), Durability::Buffered).unwrap();
    assert_eq!(db.last_seqno(), at(5_000_002));
    let mut tail = db.tail(SeqNo::ZERO).unwrap();
    assert_eq!(drain(&mut tail).unwrap(), [3, 5_000_000]);
    // What a crash takes comes again with its number.
    fs.lose_power(PowerLoss::LoseUnsynced);
    drop((db, tail));
    let db = Db::open("/db", options(fs)).unwrap();
    assert_eq!(db.last_seqno(), at(5_000_000));
    write(&db, 5_000_001).unwrap();
    assert_eq!(put(&db, 1, Durability::Synced), at(5_000_002));
}
