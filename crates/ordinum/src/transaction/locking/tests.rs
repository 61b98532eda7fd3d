use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;

use super::*;
use crate::batch::Batch;
use crate::clock::{Clock, ManualClock};
use crate::db::Db;
use crate::error::ErrorKind;
use crate::fs::MemoryFs;
use crate::lock::LockTarget;
use crate::options::{Background, Durability, Options};
use crate::reader::Reader;
use crate::transaction::TransactionOptions;

const B: Durability = Durability::Buffered;

struct Bed {
    db: Db,
    family: ColumnFamily,
    clock: Arc<ManualClock>,
}

impl Bed {
    fn new() -> Bed {
        let clock = Arc::new(ManualClock::default());
        let options = Options {
            fs: Arc::new(MemoryFs::new()),
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            background: Background::Manual,
            ..Options::default()
        };
        let db = Db::open("/db", options).unwrap();
        let family = db.default_column_family();
        Bed { db, family, clock }
    }

    fn begin(&self, validation: Validation, concurrency: Concurrency) -> Transaction {
        let lock_wait_max = Duration::from_secs(60);
        self.db.transaction_with(TransactionOptions { validation, concurrency, lock_wait_max })
    }

    /// A pessimistic transaction that validates its writes only.
    fn updater(&self) -> Transaction {
        self.begin(Validation::Snapshot, Concurrency::Pessimistic)
    }

    fn put(&self, key: &[u8], value: &[u8]) -> SeqNo {
        let mut batch = Batch::new();
        batch.put(&self.family, key, value).unwrap();
        self.db.write(batch, B).unwrap()
    }

    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.db.get(&self.family, key).unwrap().map(|value| value.to_vec())
    }

    fn until_waiting(&self, count: usize) {
        while self.db.stats().locks.waiting != count {
            std::thread::yield_now();
        }
    }

    fn assert_no_locks(&self) {
        let locks = self.db.stats().locks;
        assert_eq!((locks.keys, locks.ranges, locks.waiting), (0, 0, 0));
    }
}

fn is_conflict<T>(result: Result<T>) -> bool {
    match result {
        Ok(_) => false,
        Err(Error::Conflict { .. }) => true,
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn a_lock_that_is_not_given_in_time_names_what_and_who() {
    let bed = Bed::new();
    let mut first = bed.updater();
    first.put(&bed.family, b"k\x01", b"1").unwrap();
    first.lock_range(&bed.family, &KeyRange::half_open(b"x", b"y"), LockMode::Exclusive).unwrap();
    let mut second = bed.updater();
    assert!(!second.try_lock_key(&bed.family, b"k\x01", LockMode::Shared).unwrap());
    assert!(second.try_lock_key(&bed.family, b"l", LockMode::Shared).unwrap());
    let range = KeyRange::half_open(b"w", b"z");
    assert!(!second.try_lock_range(&bed.family, &range, LockMode::Shared).unwrap());
    assert!(second.try_lock_range(&bed.family, &KeyRange::half_open(b"z", b"a"), LockMode::Shared).unwrap());
    second.set_lock_wait_max(Duration::ZERO);
    let error = second.put(&bed.family, b"k\x01", b"2").unwrap_err();
    assert!(matches!(&error, Error::LockTimeout { family, target: LockTarget::Key(key), holder }
        if family == "default" && key == b"k\x01" && *holder == first.id()));
    assert_eq!(error.kind(), ErrorKind::Retry);
    let expected = format!(
        "key \"k\\x01\" of column family \"default\" is locked by transaction {}, and was waited for in vain; run it again",
        first.id()
    );
    assert_eq!(error.to_string(), expected);
    let error = second.lock_range(&bed.family, &range, LockMode::Shared).unwrap_err();
    assert!(error.to_string().starts_with("keys \"w\"..\"z\" of"), "{error}");
    // The time of the options is what counts.
    second.set_lock_wait_max(Duration::from_secs(5));
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| second.lock_key(&bed.family, b"k\x01", LockMode::Shared));
        bed.until_waiting(1);
        bed.clock.advance(Duration::from_millis(4999));
        assert_eq!(bed.db.stats().locks.waiting, 1);
        bed.clock.advance(Duration::from_millis(1));
        assert!(matches!(waiting.join().unwrap(), Err(Error::LockTimeout { .. })));
    });
    drop((first, second));
    bed.assert_no_locks();
}

#[test]
fn the_first_updater_wins_and_the_second_hears_of_it_when_it_writes() {
    let bed = Bed::new();
    bed.put(b"k", b"0");
    let (mut first, mut second) = (bed.updater(), bed.updater());
    first.put(&bed.family, b"k", b"1").unwrap();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| is_conflict(second.put(&bed.family, b"k", b"2")));
        bed.until_waiting(1);
        first.commit(B).unwrap();
        assert!(waiting.join().unwrap());
    });
    drop(second);
    // A rollback is no reason to give up.
    let (mut first, mut second) = (bed.updater(), bed.updater());
    first.delete(&bed.family, b"k").unwrap();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            second.put(&bed.family, b"k", b"2").unwrap();
            second.commit(B).unwrap()
        });
        bed.until_waiting(1);
        drop(first);
        waiting.join().unwrap();
    });
    assert_eq!(bed.get(b"k").as_deref(), Some(&b"2"[..]));
    bed.assert_no_locks();
}

#[test]
fn a_statement_snapshot_reads_what_is_committed_and_keeps_writes_and_locks() {
    let bed = Bed::new();
    bed.put(b"k", b"0");
    let mut transaction = bed.updater();
    transaction.put(&bed.family, b"own", b"1").unwrap();
    let savepoint = transaction.savepoint();
    let newer = bed.put(b"k", b"1");
    assert_eq!(transaction.get(&bed.family, b"k").unwrap().as_deref(), Some(&b"0"[..]));
    transaction.lock_key(&bed.family, b"k", LockMode::Exclusive).unwrap();
    assert!(is_conflict(transaction.get_for_update(&bed.family, b"k")));
    assert_eq!(transaction.refresh_snapshot().unwrap(), newer);
    assert_eq!(transaction.refresh_snapshot().unwrap(), newer, "nothing newer");
    assert_eq!(transaction.seqno(), newer);
    assert_eq!(transaction.get_for_update(&bed.family, b"k").unwrap().as_deref(), Some(&b"1"[..]));
    assert_eq!(transaction.get(&bed.family, b"own").unwrap().as_deref(), Some(&b"1"[..]));
    transaction.put(&bed.family, b"k", b"2").unwrap();
    transaction.rollback_to(savepoint).unwrap();
    assert!(!bed.updater().try_lock_key(&bed.family, b"own", LockMode::Shared).unwrap());
    assert!(bed.updater().try_lock_key(&bed.family, b"k", LockMode::Exclusive).unwrap());
    // A write past the lock is found by the next refresh, and still there at the commit.
    bed.put(b"own", b"past");
    let before = transaction.seqno();
    assert!(is_conflict(transaction.refresh_snapshot()));
    assert_eq!(transaction.seqno(), before);
    assert!(is_conflict(transaction.commit(B)));
    assert_eq!(bed.db.stats().pins, 0);
    bed.assert_no_locks();
}

#[test]
fn a_serializable_transaction_moves_on_only_if_its_reads_still_hold() {
    let bed = Bed::new();
    bed.put(b"k", b"0");
    let mut transaction = bed.db.transaction();
    transaction.get(&bed.family, b"k").unwrap();
    bed.put(b"other", b"1");
    transaction.refresh_snapshot().unwrap();
    bed.put(b"k", b"1");
    assert!(is_conflict(transaction.refresh_snapshot()));
    transaction.put(&bed.family, b"result", b"1").unwrap();
    assert!(is_conflict(transaction.commit(B)));
}

#[test]
fn what_was_read_for_update_is_validated_whatever_else_is() {
    for concurrency in [Concurrency::Optimistic, Concurrency::Pessimistic] {
        let bed = Bed::new();
        let mut transaction = bed.begin(Validation::Snapshot, concurrency);
        assert_eq!(transaction.get_for_update(&bed.family, b"absent").unwrap(), None);
        transaction.put(&bed.family, b"result", b"1").unwrap();
        bed.put(b"absent", b"past the lock");
        assert!(is_conflict(transaction.commit(B)));
        bed.assert_no_locks();
    }
}

#[test]
fn only_pessimistic_writes_take_locks() {
    let bed = Bed::new();
    let mut optimistic = bed.db.transaction();
    optimistic.put(&bed.family, b"k", b"1").unwrap();
    optimistic.delete(&bed.family, b"l").unwrap();
    bed.assert_no_locks();
    let mut pessimistic = bed.updater();
    pessimistic.put(&bed.family, b"k", b"1").unwrap();
    pessimistic.delete(&bed.family, b"l").unwrap();
    pessimistic.get(&bed.family, b"m").unwrap();
    assert_eq!(bed.db.stats().locks.keys, 2);
}

#[test]
fn families_have_locks_of_their_own() {
    let bed = Bed::new();
    let other = bed.db.create_column_family("other", crate::options::FamilyOptions::default()).unwrap();
    let (first, second) = (bed.updater(), bed.updater());
    first.lock_range(&bed.family, &KeyRange::all(), LockMode::Exclusive).unwrap();
    second.lock_range(&other, &KeyRange::all(), LockMode::Exclusive).unwrap();
    assert!(!first.try_lock_key(&other, b"k", LockMode::Shared).unwrap());
    assert!(!second.try_lock_key(&bed.family, b"k", LockMode::Shared).unwrap());
}

#[test]
fn a_rollback_gives_back_the_locks_behind_its_savepoint() {
    let bed = Bed::new();
    let mut transaction = bed.updater();
    let free = |key: &[u8], mode| bed.updater().try_lock_key(&bed.family, key, mode).unwrap();
    transaction.lock_key(&bed.family, b"a", LockMode::Shared).unwrap();
    let outer = transaction.savepoint();
    transaction.lock_key(&bed.family, b"a", LockMode::Exclusive).unwrap();
    let inner = transaction.savepoint();
    transaction.put(&bed.family, b"b", b"1").unwrap();
    transaction.lock_range(&bed.family, &KeyRange::prefix(b"c"), LockMode::Exclusive).unwrap();
    assert!(!free(b"b", LockMode::Shared) && !free(b"cc", LockMode::Shared));
    transaction.rollback_to(inner).unwrap();
    assert!(free(b"b", LockMode::Exclusive) && free(b"cc", LockMode::Exclusive));
    assert!(!free(b"a", LockMode::Shared));
    transaction.put(&bed.family, b"b", b"2").unwrap();
    transaction.release(inner).unwrap();
    assert!(!free(b"b", LockMode::Shared), "a savepoint that is forgotten gives nothing back");
    transaction.rollback_to(outer).unwrap();
    assert!(free(b"b", LockMode::Exclusive));
    assert!(free(b"a", LockMode::Shared) && !free(b"a", LockMode::Exclusive), "the upgrade is undone");
    drop(transaction);
    bed.assert_no_locks();
}

#[test]
fn an_idle_transaction_is_rolled_back_by_another_thread() {
    let bed = Bed::new();
    let mut idle = bed.updater();
    idle.put(&bed.family, b"k", b"1").unwrap();
    std::thread::scope(|scope| {
        let mut second = bed.updater();
        let family = &bed.family;
        let waiting = scope.spawn(move || {
            second.put(family, b"k", b"2").unwrap();
            second.commit(B).unwrap()
        });
        bed.until_waiting(1);
        scope.spawn(move || drop(idle));
        waiting.join().unwrap();
    });
    assert_eq!(bed.get(b"k").as_deref(), Some(&b"2"[..]));
    bed.assert_no_locks();
}

#[test]
fn a_circle_is_told_to_the_one_who_would_close_it() {
    let bed = Bed::new();
    let (mut first, mut second) = (bed.updater(), bed.updater());
    first.put(&bed.family, b"a", b"1").unwrap();
    second.put(&bed.family, b"b", b"2").unwrap();
    let cycle = vec![second.id(), first.id()];
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            first.put(&bed.family, b"b", b"1").unwrap();
            first.commit(B).unwrap();
        });
        bed.until_waiting(1);
        let error = second.put(&bed.family, b"a", b"2").unwrap_err();
        assert!(matches!(&error, Error::Deadlock { cycle: found, .. } if *found == cycle), "{error}");
        assert_eq!(error.kind(), ErrorKind::Retry);
        drop(second);
        waiting.join().unwrap();
    });
    assert_eq!(bed.get(b"b").as_deref(), Some(&b"1"[..]));
    assert_eq!(bed.db.stats().locks.deadlocks, 1);
    bed.assert_no_locks();
}

#[test]
fn who_waits_for_a_lock_hears_that_the_database_closes() {
    let bed = Bed::new();
    let (first, second) = (bed.updater(), bed.updater());
    first.lock_key(&bed.family, b"k", LockMode::Exclusive).unwrap();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| second.lock_key(&bed.family, b"k", LockMode::Exclusive));
        bed.until_waiting(1);
        bed.db.close().unwrap();
        assert!(matches!(waiting.join().unwrap(), Err(Error::Closed)));
    });
}

/// How the random transactions run.
const MODES: [(Validation, Concurrency); 4] = [
    (Validation::Serializable, Concurrency::Optimistic),
    (Validation::Serializable, Concurrency::Pessimistic),
    (Validation::Snapshot, Concurrency::Optimistic),
    (Validation::Snapshot, Concurrency::Pessimistic),
];

/// Runs `body` on several threads, `count` transactions each; what fails because of others is run again.
fn run(
    bed: &Bed,
    mode: (Validation, Concurrency),
    count: usize,
    body: impl Fn(&mut Transaction, &mut Rng) -> Result<()> + Sync,
) {
    std::thread::scope(|scope| {
        for seed in 0..4 {
            let body = &body;
            scope.spawn(move || {
                let mut rng = Rng::with_seed(seed);
                let mut done = 0;
                while done < count {
                    let mut transaction = bed.begin(mode.0, mode.1);
                    match body(&mut transaction, &mut rng).and_then(|()| transaction.commit(B)) {
                        Ok(_) => done += 1,
                        Err(error) => assert_eq!(error.kind(), ErrorKind::Retry, "{error}"),
                    }
                }
            });
        }
    });
    bed.assert_no_locks();
    assert_eq!(bed.db.stats().pins, 0);
}

fn number(value: Option<Slice>) -> i64 {
    value.map_or(0, |value| i64::from_le_bytes(value[..].try_into().unwrap()))
}

#[test]
fn transfers_lose_no_money() {
    const ACCOUNTS: u8 = 5;
    for mode in MODES {
        for refresh in [false, true] {
            let bed = Bed::new();
            for account in 0..ACCOUNTS {
                bed.put(&[account], &100_i64.to_le_bytes());
            }
            run(&bed, mode, 60, |transaction, rng| {
                let (from, to, amount) = (rng.u8(..ACCOUNTS), rng.u8(..ACCOUNTS), rng.i64(1..20));
                for (account, change) in [(from, -amount), (to, amount)] {
                    if refresh {
                        // As a statement that reads what is committed: lock, look again, write.
                        transaction.lock_key(&bed.family, &[account], LockMode::Exclusive)?;
                        transaction.refresh_snapshot()?;
                    }
                    let old = match (mode.1, rng.bool()) {
                        (Concurrency::Pessimistic, true) => {
                            transaction.get_for_update(&bed.family, &[account])?
                        }
                        _ => transaction.get(&bed.family, &[account])?,
                    };
                    transaction.put(&bed.family, &[account], &(number(old) + change).to_le_bytes())?;
                }
                Ok(())
            });
            let sum: i64 = (0..ACCOUNTS).map(|key| number(bed.db.get(&bed.family, &[key]).unwrap())).sum();
            assert_eq!(sum, 100 * i64::from(ACCOUNTS), "{mode:?}, refresh {refresh}");
        }
    }
}

/// Of each pair of doctors one stays on call: two that go read both, and write one each.
#[test]
fn nobody_sees_a_write_skew_unless_only_writes_are_validated() {
    const PAIRS: u8 = 3;
    for mode in MODES {
        for locked in [false, true] {
            if mode.0 == Validation::Snapshot && !locked {
                continue;
            }
            let bed = Bed::new();
            // Those who share a lock see each other's writes come only if these lock too.
            let lock = match mode.1 {
                Concurrency::Optimistic => LockMode::Exclusive,
                Concurrency::Pessimistic => LockMode::Shared,
            };
            run(&bed, mode, 80, |transaction, rng| {
                let (pair, side) = (rng.u8(..PAIRS), rng.u8(..2));
                if locked {
                    // What decides is locked before it is read.
                    let range = KeyRange::prefix(&[pair]);
                    transaction.lock_range(&bed.family, &range, lock)?;
                    transaction.refresh_snapshot()?;
                }
                let off = |side: u8| Ok(transaction.get(&bed.family, &[pair, side])?.is_some());
                let (own, other) = (off(side)?, off(1 - side)?);
                assert!(!(own && other) || transaction.refresh_snapshot().is_err(), "nobody is on call");
                match own {
                    true => transaction.delete(&bed.family, &[pair, side]),
                    false if !other => transaction.put(&bed.family, &[pair, side], b"off"),
                    false => Ok(()),
                }
            });
            for pair in 0..PAIRS {
                let off = |side| bed.get(&[pair, side]).is_some();
                assert!(!(off(0) && off(1)), "{mode:?}, locked {locked}");
            }
        }
    }
}

/// Rooms take three guests: who comes counts a range, and adds a key to it that was not there.
#[test]
fn phantoms_do_not_overfill_a_room() {
    const ROOMS: u8 = 3;
    for mode in MODES {
        for locked in [false, true] {
            if mode.0 == Validation::Snapshot && !locked {
                continue;
            }
            let bed = Bed::new();
            run(&bed, mode, 60, |transaction, rng| {
                let room = rng.u8(..ROOMS);
                let range = KeyRange::prefix(&[room]);
                if locked {
                    transaction.lock_range(&bed.family, &range, LockMode::Exclusive)?;
                    transaction.refresh_snapshot()?;
                }
                let mut cursor = transaction.cursor(&bed.family, range)?;
                let mut guests = Vec::new();
                let forward = rng.bool();
                let mut more = if forward { cursor.first()? } else { cursor.last()? };
                while more {
                    guests.push(cursor.key().to_vec());
                    more = if forward { cursor.next()? } else { cursor.prev()? };
                }
                if guests.len() < 3 {
                    let [high, low] = rng.u16(..).to_be_bytes();
                    return transaction.put(&bed.family, &[room, high, low], b"guest");
                }
                transaction.delete(&bed.family, &guests[rng.usize(..3)])
            });
            for room in 0..ROOMS {
                let mut cursor = bed.db.cursor(&bed.family, KeyRange::prefix(&[room])).unwrap();
                let mut guests = usize::from(cursor.first().unwrap());
                while guests > 0 && cursor.next().unwrap() {
                    guests += 1;
                }
                assert!(guests <= 3, "{guests} guests: {mode:?}, locked {locked}");
            }
        }
    }
}

/// An interrupt ends the waiting of those who have it, and gives their place free.
#[test]
fn an_interrupt_ends_waiting() {
    let bed = Bed::new();
    let holder = bed.updater();
    holder.lock_key(&bed.family, b"k", LockMode::Shared).unwrap();
    let (interrupt, mut waits, behind) = (crate::Interrupt::default(), bed.updater(), bed.updater());
    waits.set_interrupt(interrupt.clone());
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| waits.put(&bed.family, b"k", b"1"));
        bed.until_waiting(1);
        let shared = scope.spawn(|| behind.lock_key(&bed.family, b"k", LockMode::Shared));
        bed.until_waiting(2);
        interrupt.raise();
        let error = waiting.join().unwrap().unwrap_err();
        assert!(matches!(&error, Error::Interrupted { target: LockTarget::Key(key), .. } if key == b"k"));
        shared.join().unwrap().unwrap();
    });
    // From now on it waits for nothing, and takes what is free.
    assert!(matches!(waits.put(&bed.family, b"k", b"1"), Err(Error::Interrupted { .. })));
    waits.put(&bed.family, b"free", b"1").unwrap();
    drop((holder, waits, behind));
    bed.assert_no_locks();
}

/// Undoing keeps the locks, rolling back to the same savepoint gives them back.
#[test]
fn what_is_undone_keeps_its_locks() {
    let bed = Bed::new();
    let mut transaction = bed.updater();
    let savepoint = transaction.savepoint();
    transaction.put(&bed.family, b"k", b"1").unwrap();
    transaction.undo_to(savepoint).unwrap();
    assert_eq!(transaction.get(&bed.family, b"k").unwrap(), None);
    assert!(!bed.updater().try_lock_key(&bed.family, b"k", LockMode::Shared).unwrap());
    transaction.rollback_to(savepoint).unwrap();
    assert!(bed.updater().try_lock_key(&bed.family, b"k", LockMode::Shared).unwrap());
    // Beginning again keeps them too, and forgets what was read.
    let mut transaction = bed.begin(Validation::Serializable, Concurrency::Pessimistic);
    transaction.get(&bed.family, b"read").unwrap();
    transaction.put(&bed.family, b"k", b"1").unwrap();
    bed.put(b"read", b"by others");
    transaction.begin_again();
    assert!(transaction.is_empty());
    assert!(!bed.updater().try_lock_key(&bed.family, b"k", LockMode::Shared).unwrap());
    transaction.put(&bed.family, b"k", b"2").unwrap();
    transaction.commit(B).unwrap();
    assert_eq!(bed.get(b"k").as_deref(), Some(&b"2"[..]));
}

/// Range deletes of others are found by a moving snapshot as well, and those of its own find the writes of others.
#[test]
fn a_moving_snapshot_sees_range_deletes() {
    let delete = |bed: &Bed, start: &[u8], end: &[u8]| {
        let mut batch = Batch::new();
        batch.delete_range(&bed.family, start, end).unwrap();
        bed.db.write(batch, B).unwrap();
    };
    let optimist = |bed: &Bed| bed.begin(Validation::Snapshot, Concurrency::Optimistic);
    for (start, end, conflicts) in [(b"a", b"d", true), (b"c", b"d", true), (b"d", b"e", false)] {
        let bed = Bed::new();
        let mut writes = optimist(&bed);
        writes.put(&bed.family, b"c", b"1").unwrap();
        let mut deletes = optimist(&bed);
        deletes.delete_range(&bed.family, b"b", b"cc").unwrap();
        delete(&bed, start, end);
        assert_eq!(is_conflict(writes.refresh_snapshot()), conflicts);
        assert_eq!(is_conflict(deletes.refresh_snapshot()), conflicts);
        let mut deletes = optimist(&bed);
        deletes.delete_range(&bed.family, b"b", b"cc").unwrap();
        bed.put(if conflicts { b"bb" } else { b"cc" }, b"1");
        assert_eq!(is_conflict(deletes.refresh_snapshot()), conflicts);
    }
}

/// Moving the snapshot of a long transaction does not go over what it wrote: what it costs is counted by what others did.
#[test]
fn a_long_transaction_moves_on_in_linear_time() {
    let bed = Bed::new();
    let mut transaction = bed.updater();
    for n in 0..20_000u32 {
        transaction.put(&bed.family, &n.to_be_bytes(), b"1").unwrap();
        if n % 2 == 0 {
            bed.put(b"other", b"1");
            transaction.refresh_snapshot().unwrap();
        }
    }
    transaction.commit(B).unwrap();
}

/// An older savepoint than the beginning is not taken for one that came behind it.
#[test]
fn a_savepoint_of_before_is_gone_when_it_begins_again() {
    let bed = Bed::new();
    let mut transaction = bed.updater();
    let before = transaction.savepoint();
    transaction.begin_again();
    let behind = transaction.savepoint();
    transaction.put(&bed.family, b"a", b"1").unwrap();
    let is_refused = |result| matches!(result, Err(Error::InvalidArgument { .. }));
    assert!(is_refused(transaction.rollback_to(before)));
    assert!(is_refused(transaction.undo_to(before)));
    assert!(is_refused(transaction.release(before)));
    assert_eq!(transaction.len(), 1);
    transaction.rollback_to(behind).unwrap();
    assert!(transaction.is_empty());
}
