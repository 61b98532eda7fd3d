#![allow(clippy::cast_possible_truncation, reason = "test data")]

use std::sync::atomic::AtomicI64;

use fastrand::Rng;

use super::*;
use crate::clock::ManualClock;

const FAMILY: FamilyId = FamilyId(0);
const LONG: Duration = Duration::from_secs(60);

/// A lock table that is asked in text: `1 S b` is a shared lock of key b by transaction 1, `1 X b..d` one of a range.
struct Bed {
    table: LockTable,
    clock: Arc<ManualClock>,
}

impl Bed {
    fn new() -> Bed {
        let clock = Arc::new(ManualClock::default());
        Bed { table: LockTable::new(Arc::clone(&clock) as Arc<dyn Clock>), clock }
    }

    fn ask(&self, text: &str, wait: Duration) -> Result<Granted, Refused> {
        self.table.acquire(&request(text), wait, &Interrupt::default())
    }

    fn try_lock(&self, text: &str) -> bool {
        self.ask(text, Duration::ZERO).is_ok()
    }

    fn lock(&self, text: &str) {
        assert_eq!(self.ask(text, Duration::ZERO), Ok(Granted::Now), "{text}");
    }

    fn unlock(&self, text: &str) {
        self.table.release(std::iter::once(request(text)));
    }

    /// Returns when so many wait.
    fn until_waiting(&self, count: usize) {
        while self.table.stats().waiting != count {
            std::thread::yield_now();
        }
    }

    fn assert_empty(&self) {
        let stats = self.table.stats();
        assert_eq!((stats.keys, stats.ranges, stats.waiting), (0, 0, 0));
        assert_eq!(self.table.queue.lock().ranges.segments(), 0);
        assert!(self.table.shards.iter().all(|shard| shard.lock().waiting == 0));
        assert_eq!(self.table.ranges.load(Ordering::SeqCst), 0);
    }
}

fn request(text: &str) -> Request {
    let words: Vec<&str> = text.split(' ').collect();
    let [owner, mode, place] = *words.as_slice() else { panic!("{text}") };
    let mode = if mode == "S" { LockMode::Shared } else { LockMode::Exclusive };
    let place = match place.split_once("..") {
        Some((start, end)) => {
            let end = (!end.is_empty()).then(|| end.as_bytes().to_vec());
            Place::Range(Interval { start: start.as_bytes().to_vec(), end })
        }
        None => Place::Key(HashedKey::new(place.as_bytes())),
    };
    Request { owner: TransactionId(owner.parse().unwrap()), family: FAMILY, place, mode }
}

fn ids(numbers: &[u64]) -> Vec<TransactionId> {
    numbers.iter().copied().map(TransactionId).collect()
}

#[test]
fn locks_exclude_what_overlaps_unless_both_are_shared() {
    let places = ["b", "c", "b..c", "a..b", "a..bb", "b..", "..c", ".."];
    let overlaps =
        |a: &str, b: &str| request(&format!("1 S {a}")).place.overlaps(&request(&format!("1 S {b}")).place);
    assert!(overlaps("b", "b..c") && overlaps("b", "a..bb") && overlaps("b..", "..c") && overlaps("..", "c"));
    assert!(
        !overlaps("b", "a..b") && !overlaps("c", "b..c") && !overlaps("a..b", "b..c") && !overlaps("b", "c")
    );
    for (first, second) in places.iter().flat_map(|first| places.map(|second| (*first, second))) {
        for (a, b) in [("S", "S"), ("S", "X"), ("X", "S"), ("X", "X")] {
            let bed = Bed::new();
            bed.lock(&format!("1 {a} {first}"));
            let expected = !overlaps(first, second) || (a, b) == ("S", "S");
            assert_eq!(bed.try_lock(&format!("2 {b} {second}")), expected, "{a} {first}, {b} {second}");
            assert!(bed.try_lock(&format!("1 {b} {second}")) || expected, "its own are in nobody's way");
        }
    }
}

/// The keys that a large transaction locked were hashed into tables that were never made smaller again.
#[test]
fn room_for_many_keys_is_given_back_with_them() {
    let bed = Bed::new();
    let room = || -> usize { bed.table.shards.iter().map(|shard| shard.lock().room()).sum() };
    let keys: Vec<Request> = (0..50_000).map(|number| request(&format!("1 X {number}"))).collect();
    for request in &keys {
        assert_eq!(bed.table.acquire(request, Duration::ZERO, &Interrupt::default()), Ok(Granted::Now));
    }
    assert!(room() >= keys.len());
    // One that stays does not keep the room of the others.
    bed.table.release(keys.into_iter().skip(1));
    assert!(room() < 4096, "{}", room());
    bed.unlock("1 X 0");
    bed.assert_empty();
}

#[test]
fn random_locks_are_given_as_a_list_of_them_says() {
    for seed in 0..40 {
        println!("seed {seed}");
        let mut rng = Rng::with_seed(seed);
        let bed = Bed::new();
        let mut held: Vec<Request> = Vec::new();
        for _ in 0..400 {
            if rng.u8(..3) == 0 && !held.is_empty() {
                let request = held.swap_remove(rng.usize(..held.len()));
                bed.table.release(std::iter::once(request));
                continue;
            }
            let (a, b) = (rng.u8(b'a'..=b'h'), rng.u8(b'a'..=b'h'));
            let (low, high) = (char::from(a.min(b)), char::from(a.max(b)));
            let place = match rng.u8(..6) {
                0 if low < high => format!("{low}..{high}"),
                1 => format!("{low}.."),
                _ => low.to_string(),
            };
            let mode = if rng.bool() { "S" } else { "X" };
            let request = request(&format!("{} {mode} {place}", rng.u8(1..5)));
            let against = held.iter().filter(|other| {
                other.owner != request.owner
                    && other.mode.excludes(request.mode)
                    && other.place.overlaps(&request.place)
            });
            let mut against: Vec<TransactionId> = against.map(|other| other.owner).collect();
            against.sort_unstable();
            match bed.table.acquire(&request, Duration::ZERO, &Interrupt::default()) {
                Ok(granted) => {
                    assert_eq!(against, [], "{request:?}");
                    if granted == Granted::Now {
                        held.push(request);
                    }
                }
                Err(refused) => {
                    assert_eq!(
                        Some(refused),
                        against.first().map(|holder| Refused::TimeOver { holder: *holder })
                    );
                }
            }
        }
        bed.table.release(held.into_iter());
        bed.assert_empty();
    }
}

#[test]
fn what_a_transaction_has_is_given_once() {
    let bed = Bed::new();
    bed.lock("1 S b");
    assert_eq!(bed.ask("1 S b", LONG), Ok(Granted::Before));
    bed.lock("1 X b");
    assert_eq!(bed.ask("1 S b", LONG), Ok(Granted::Before));
    bed.unlock("1 X b");
    assert!(bed.try_lock("2 S b"), "the shared lock of before is what is left");
    bed.unlock("2 S b");
    bed.lock("1 X a..m");
    for covered in ["1 X c", "1 S c..d", "1 X a..m"] {
        assert_eq!(bed.ask(covered, LONG), Ok(Granted::Before), "{covered}");
    }
    bed.lock("1 X c..z");
    assert_eq!(bed.ask("1 X b..y", LONG), Ok(Granted::Before), "both together");
    bed.unlock("1 X a..m");
    assert!(bed.try_lock("2 X a") && !bed.try_lock("2 X d"));
    for held in ["1 X c..z", "1 S b", "2 X a"] {
        bed.unlock(held);
    }
    bed.assert_empty();
}

#[test]
fn who_waits_gets_the_lock_when_it_is_given_back() {
    for (held, wanted) in
        [("1 X b", "2 S b"), ("1 S a..c", "2 X b"), ("1 X b", "2 S a..c"), ("1 S ..", "2 X a..")]
    {
        let bed = Bed::new();
        bed.lock(held);
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| bed.ask(wanted, LONG));
            bed.until_waiting(1);
            bed.unlock(held);
            assert_eq!(waiting.join().unwrap(), Ok(Granted::Now), "{held}, {wanted}");
        });
        assert_eq!(bed.table.stats().waits, 1);
        bed.unlock(wanted);
        bed.assert_empty();
    }
}

#[test]
fn a_wait_ends_when_its_time_is_over_and_those_behind_go_on() {
    let bed = Bed::new();
    bed.lock("1 S b");
    std::thread::scope(|scope| {
        let second = scope.spawn(|| bed.ask("2 X b", Duration::from_secs(1)));
        bed.until_waiting(1);
        let third = scope.spawn(|| bed.ask("3 S b", LONG));
        bed.until_waiting(2);
        bed.clock.advance(Duration::from_secs(1));
        assert_eq!(second.join().unwrap(), Err(Refused::TimeOver { holder: TransactionId(1) }));
        assert_eq!(third.join().unwrap(), Ok(Granted::Now), "it stood behind the second only");
    });
    assert_eq!(bed.table.stats().timeouts, 1);
    bed.unlock("1 S b");
    bed.unlock("3 S b");
    bed.assert_empty();
}

#[test]
fn readers_do_not_starve_a_writer() {
    let bed = Bed::new();
    bed.lock("1 S b");
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| bed.ask("2 X b", LONG));
        bed.until_waiting(1);
        assert_eq!(bed.ask("3 S b", Duration::ZERO), Err(Refused::TimeOver { holder: TransactionId(2) }));
        assert_eq!(bed.ask("3 S a..c", Duration::ZERO), Err(Refused::TimeOver { holder: TransactionId(2) }));
        let reader = scope.spawn(|| bed.ask("3 S b", LONG));
        bed.until_waiting(2);
        bed.unlock("1 S b");
        assert_eq!(writer.join().unwrap(), Ok(Granted::Now));
        assert_eq!(bed.table.stats().waiting, 1, "the reader came later");
        bed.unlock("2 X b");
        assert_eq!(reader.join().unwrap(), Ok(Granted::Now));
    });
}

#[test]
fn who_is_waited_for_passes_those_who_wait() {
    let bed = Bed::new();
    bed.lock("1 S b");
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| bed.ask("2 X a..d", LONG));
        bed.until_waiting(1);
        bed.lock("1 S c");
        bed.lock("1 X b");
        for held in ["1 S c", "1 X b", "1 S b"] {
            bed.unlock(held);
        }
        assert_eq!(writer.join().unwrap(), Ok(Granted::Now));
    });
}

#[test]
fn whoever_would_close_a_circle_is_refused() {
    let bed = Bed::new();
    bed.lock("1 X a");
    bed.lock("2 X b..c");
    bed.lock("3 S c");
    std::thread::scope(|scope| {
        let first = scope.spawn(|| bed.ask("1 S b", LONG));
        bed.until_waiting(1);
        let second = scope.spawn(|| bed.ask("2 X c", LONG));
        bed.until_waiting(2);
        assert_eq!(bed.ask("3 X a..b", LONG), Err(Refused::Circle { cycle: ids(&[3, 1, 2]) }));
        assert_eq!(bed.table.stats().deadlocks, 1);
        bed.unlock("3 S c");
        assert_eq!(second.join().unwrap(), Ok(Granted::Now));
        bed.unlock("2 X b..c");
        assert_eq!(first.join().unwrap(), Ok(Granted::Now));
    });
}

#[test]
fn two_upgrades_of_one_lock_are_a_circle() {
    let bed = Bed::new();
    bed.lock("1 S a");
    bed.lock("2 S a");
    std::thread::scope(|scope| {
        let first = scope.spawn(|| bed.ask("1 X a", LONG));
        bed.until_waiting(1);
        assert_eq!(bed.ask("2 X a", LONG), Err(Refused::Circle { cycle: ids(&[2, 1]) }));
        bed.unlock("2 S a");
        assert_eq!(first.join().unwrap(), Ok(Granted::Now));
    });
    assert!(!bed.try_lock("2 S a"));
}

/// 1 stands behind 2 in the queue, 2 waits for 3, and 3 begins to wait for 1: that is no deadlock, for 1 may pass 2.
#[test]
fn a_circle_that_only_the_order_of_coming_closes_is_opened() {
    let bed = Bed::new();
    bed.lock("1 X p");
    bed.lock("3 X q");
    std::thread::scope(|scope| {
        let second = scope.spawn(|| bed.ask("2 X q..s", LONG));
        bed.until_waiting(1);
        let first = scope.spawn(|| bed.ask("1 S r", LONG));
        bed.until_waiting(2);
        let third = scope.spawn(|| bed.ask("3 X p", LONG));
        assert_eq!(first.join().unwrap(), Ok(Granted::Now));
        bed.unlock("1 X p");
        assert_eq!(third.join().unwrap(), Ok(Granted::Now));
        bed.unlock("3 X q");
        bed.unlock("1 S r");
        assert_eq!(second.join().unwrap(), Ok(Granted::Now));
    });
    assert_eq!(bed.table.stats().deadlocks, 0);
}

/// Two threads work for 2: one waits for `r`, which 4 has, and one for `p`, which 1 has. 1 asks for `r`, and that is no circle,
/// for it may pass 2 there, which waits for it. But 2 came first and gets `r` when 4 gives it back: now each waits for
/// the other, and nobody asks for anything any more. That ended by time-out once.
#[test]
fn a_circle_that_a_grant_closes_is_refused() {
    for (kept, asked) in [("r", "r"), ("q..s", "r"), ("r", "q..s")] {
        let bed = Bed::new();
        bed.lock("4 X r");
        bed.lock("1 X p");
        std::thread::scope(|scope| {
            let gets = scope.spawn(|| bed.ask(&format!("2 X {kept}"), LONG));
            bed.until_waiting(1);
            let closes = scope.spawn(|| bed.ask("2 X p", LONG));
            bed.until_waiting(2);
            let first = scope.spawn(|| bed.ask(&format!("1 X {asked}"), LONG));
            bed.until_waiting(3);
            bed.unlock("4 X r");
            assert_eq!(gets.join().unwrap(), Ok(Granted::Now));
            assert_eq!(
                closes.join().unwrap(),
                Err(Refused::Circle { cycle: ids(&[2, 1]) }),
                "{kept} {asked}"
            );
            assert_eq!(bed.table.stats().deadlocks, 1);
            bed.unlock(&format!("2 X {kept}"));
            assert_eq!(first.join().unwrap(), Ok(Granted::Now));
        });
        bed.unlock(&format!("1 X {asked}"));
        bed.unlock("1 X p");
        bed.assert_empty();
    }
}

#[test]
fn closing_ends_all_waiting() {
    let bed = Bed::new();
    bed.lock("1 X b");
    std::thread::scope(|scope| {
        let waiting = [scope.spawn(|| bed.ask("2 S b", LONG)), scope.spawn(|| bed.ask("3 X ..", LONG))];
        bed.until_waiting(2);
        bed.table.close();
        for waiting in waiting {
            assert_eq!(waiting.join().unwrap(), Err(Refused::Closed));
        }
    });
    assert_eq!(bed.ask("4 X b", LONG), Err(Refused::Closed));
}

/// Threads take random locks, and count who is inside: one who is alone must be alone. Circles are refused, so that it ends.
#[test]
fn threads_exclude_each_other() {
    const KEYS: usize = 6;
    const ALONE: i64 = 1 << 32;
    println!("seeds 0 to 3");
    let bed =
        Bed { table: LockTable::new(Arc::new(crate::clock::OsClock::default())), clock: Arc::default() };
    let inside: [AtomicI64; KEYS] = Default::default();
    std::thread::scope(|scope| {
        for seed in 0..4_u64 {
            let (bed, inside) = (&bed, &inside);
            scope.spawn(move || {
                let mut rng = Rng::with_seed(seed);
                for _ in 0..400 {
                    let owner = bed.table.new_owner();
                    let mut held: Vec<(Request, std::ops::Range<usize>)> = Vec::new();
                    for _ in 0..rng.usize(1..4) {
                        let first = rng.usize(..KEYS);
                        let count = if rng.u8(..3) == 0 { rng.usize(1..=KEYS - first) } else { 1 };
                        let name = |at: usize| char::from(b'a' + at as u8).to_string();
                        let place = match count {
                            1 => name(first),
                            _ => format!("{}..{}", name(first), name(first + count)),
                        };
                        let mode = if rng.bool() { "S" } else { "X" };
                        let request = request(&format!("{owner} {mode} {place}"));
                        let wait = if rng.u8(..4) == 0 { Duration::ZERO } else { LONG };
                        match bed.table.acquire(&request, wait, &Interrupt::default()) {
                            Ok(Granted::Now) => held.push((request, first..first + count)),
                            Ok(Granted::Before) => {}
                            Err(_) => break,
                        }
                    }
                    // What it has alone, it has alone.
                    let weight = |request: &Request| if request.mode == LockMode::Shared { 1 } else { ALONE };
                    let mut own = [0; KEYS];
                    for (request, keys) in &held {
                        keys.clone().for_each(|key| own[key] += weight(request));
                    }
                    for (inside, own) in inside.iter().zip(own) {
                        inside.fetch_add(own, Ordering::SeqCst);
                    }
                    for (inside, own) in inside.iter().zip(own).filter(|(_, own)| *own > 0) {
                        let all = inside.load(Ordering::SeqCst);
                        assert!(all == own || (own < ALONE && all < ALONE), "{own} of {all}");
                    }
                    for (inside, own) in inside.iter().zip(own) {
                        inside.fetch_sub(own, Ordering::SeqCst);
                    }
                    bed.table.release(held.into_iter().map(|(request, _)| request).rev());
                }
            });
        }
    });
    bed.assert_empty();
}
