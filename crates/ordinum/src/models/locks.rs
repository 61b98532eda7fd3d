//! The table of locks: nobody holds what another excludes, and nobody waits for ever. A waiter that nobody wakes stands still, which
//! the checker finds.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use shuttle::thread;

use super::{check, finds};
use crate::clock::{Clock, ManualClock};
use crate::family::FamilyId;
use crate::lock::{
    Granted, HashedKey, Interrupt, Interval, LockMode, LockTable, Place, Refused, Request, TransactionId,
};
use crate::planted::Bug;
use crate::reader::KeyRange;

const LONG: Duration = Duration::from_secs(3600);

fn request(owner: u64, mode: LockMode, place: Place) -> Request {
    Request { owner: TransactionId(owner), family: FamilyId(0), place, mode }
}

fn key(key: &[u8]) -> Place {
    Place::Key(HashedKey::new(key))
}

fn range(start: &[u8], end: &[u8]) -> Place {
    let range = KeyRange {
        start: std::ops::Bound::Included(start.to_vec()),
        end: std::ops::Bound::Excluded(end.to_vec()),
    };
    Place::Range(Interval::of(&range).unwrap())
}

/// Who is inside: readers count up, a writer takes it all.
struct Inside([AtomicI64; 2]);

impl Inside {
    fn visit(&self, at: usize, mode: LockMode) {
        let weight = if mode == LockMode::Exclusive { 1000 } else { 1 };
        let before = self.0[at].fetch_add(weight, Ordering::SeqCst);
        assert!(
            before == 0 || (mode == LockMode::Shared && before < 1000),
            "two hold what excludes the other"
        );
        thread::yield_now();
        self.0[at].fetch_sub(weight, Ordering::SeqCst);
    }
}

/// Three lock two keys in different orders, one of them by their range; who would close a circle is refused, and begins again.
fn locked_in_any_order() {
    let table = Arc::new(LockTable::new(Arc::new(ManualClock::default()) as Arc<dyn Clock>));
    let inside = Arc::new(Inside(Default::default()));
    let threads: Vec<_> = (1..=3_u64)
        .map(|owner| {
            let (table, inside) = (Arc::clone(&table), Arc::clone(&inside));
            thread::spawn(move || {
                let mode = if owner == 2 { LockMode::Shared } else { LockMode::Exclusive };
                let wanted = match owner {
                    1 => vec![request(1, mode, key(b"a")), request(1, mode, key(b"b"))],
                    2 => vec![request(2, mode, key(b"b")), request(2, mode, key(b"a"))],
                    _ => vec![request(3, mode, range(b"a", b"c"))],
                };
                'again: loop {
                    let mut held = Vec::new();
                    for request in &wanted {
                        match table.acquire(&request, LONG, &Interrupt::default()) {
                            Ok(Granted::Now) => held.push(request.clone()),
                            Ok(Granted::Before) => {}
                            Err(Refused::Circle { .. }) => {
                                table.release(held.into_iter());
                                continue 'again;
                            }
                            Err(other) => panic!("{other:?}"),
                        }
                    }
                    inside.visit(0, mode);
                    inside.visit(1, mode);
                    table.release(held.into_iter());
                    break;
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    let stats = table.stats();
    assert_eq!((stats.keys, stats.ranges, stats.waiting), (0, 0, 0), "locks that nobody holds");
}

#[test]
fn locks_are_taken_in_any_order() {
    check(locked_in_any_order);
}

#[test]
fn a_waiter_that_does_not_say_so_first_is_found() {
    finds(Bug::WaitUnannounced, "models::locks::locks_are_taken_in_any_order");
}
