#![allow(clippy::cast_possible_truncation, reason = "test data")]

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::{Publication, RING, Turn};
use crate::key::SeqNo;
use crate::sync::Mutex;

fn seqno(n: u64) -> SeqNo {
    SeqNo::new(n).unwrap()
}

fn turn(before: u64, n: u64) -> Turn {
    Turn { before: seqno(before), seqno: seqno(n) }
}

#[test]
fn the_one_that_closes_a_gap_publishes_for_all_behind_it() {
    let publication = Publication::new(seqno(7));
    publication.applied(turn(8, 9));
    publication.applied(turn(9, 10));
    assert_eq!(publication.visible(), seqno(7));
    publication.applied(turn(7, 8));
    assert_eq!(publication.visible(), seqno(10));
}

#[test]
fn a_commit_may_leave_numbers_out() {
    let publication = Publication::new(seqno(0));
    publication.applied(turn(1, 3 * RING));
    assert_eq!(publication.visible(), seqno(0));
    publication.applied(turn(0, 1));
    assert_eq!(publication.visible(), seqno(3 * RING));
    publication.make_room(seqno(3 * RING));
    publication.applied(turn(3 * RING, 3 * RING + 1));
    assert_eq!(publication.visible(), seqno(3 * RING + 1));
}

/// Notes of the round before stand in the ring still.
#[test]
fn an_old_note_is_not_taken_for_a_new_one() {
    let publication = Publication::new(seqno(0));
    for n in 0..3 * RING {
        publication.applied(turn(n, n + 1));
        assert_eq!(publication.visible(), seqno(n + 1));
    }
    publication.applied(turn(3 * RING + 1, 3 * RING + 2));
    assert_eq!(publication.visible(), seqno(3 * RING));
}

/// Threads apply commits in an order of their own while one looks on: what is visible is applied, and all becomes visible.
#[test]
fn what_is_visible_is_applied() {
    const COMMITS: u64 = 40_000;
    const THREADS: usize = 4;
    let publication = Publication::new(SeqNo::ZERO);
    let applied: Vec<AtomicBool> = (0..=COMMITS).map(|_| AtomicBool::new(false)).collect();
    let given = Mutex::new(0_u64);
    let visible_last = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (publication, applied, given) = (&publication, &applied, &given);
            scope.spawn(move || {
                let mut random = fastrand::Rng::with_seed(thread as u64);
                loop {
                    let mut turns = Vec::new();
                    // As in the ordered section: a few places, applied in any order.
                    for _ in 0..random.usize(1..4) {
                        let mut given = given.lock();
                        if *given == COMMITS {
                            break;
                        }
                        if turns.is_empty() {
                            publication.make_room(seqno(*given));
                        }
                        turns.push(turn(*given, *given + 1));
                        *given += 1;
                    }
                    if turns.is_empty() {
                        return;
                    }
                    random.shuffle(&mut turns);
                    let newest = turns.iter().map(|turn| turn.seqno).max().unwrap();
                    for turn in turns {
                        applied[turn.seqno.get() as usize].store(true, Ordering::Relaxed);
                        publication.applied(turn);
                    }
                    publication.wait_for(newest);
                }
            });
        }
        scope.spawn(|| {
            let mut seen = 0;
            while seen < COMMITS {
                let visible = publication.visible().get();
                assert!(visible >= seen, "what was visible is not any more");
                for n in seen + 1..=visible {
                    assert!(applied[n as usize].load(Ordering::Relaxed), "{n} of {visible}");
                }
                seen = visible;
                std::hint::spin_loop();
            }
            visible_last.store(seen, Ordering::Relaxed);
        });
    });
    assert_eq!(visible_last.load(Ordering::Relaxed), COMMITS);
}
