use std::convert::Infallible;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use super::*;

fn admit() -> Result<(), Infallible> {
    Ok(())
}

/// Counts how many there are.
struct Counted<'a>(u64, &'a AtomicUsize);

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.1.fetch_sub(1, Ordering::SeqCst);
    }
}

#[test]
fn readers_meet_the_newest_value_while_it_is_replaced_and_threads_come_and_go() {
    static ALIVE: AtomicUsize = AtomicUsize::new(1);
    let matrix = Matrix::new();
    let value = Published::new(&matrix, Counted(0, &ALIVE));
    let announced = AtomicU64::new(0);
    let stop = AtomicBool::new(false);
    let read_once = || {
        loop {
            let view = value.read(admit).unwrap();
            let announced = announced.load(Ordering::Acquire);
            if view.is_current() {
                assert!(view.0 >= announced, "a view that is current is not behind what was announced");
                return view.0;
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let mut last = 0;
                while !stop.load(Ordering::Relaxed) {
                    let now = read_once();
                    assert!(now >= last);
                    last = now;
                }
            });
        }
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                std::thread::scope(|scope| drop(scope.spawn(read_once)));
            }
        });
        for n in 1..=20_000 {
            ALIVE.fetch_add(1, Ordering::SeqCst);
            drop(value.update(|_| Counted(n, &ALIVE)));
            announced.store(n, Ordering::Release);
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert_eq!(ALIVE.load(Ordering::SeqCst), 1);
    drop(value);
    assert_eq!(ALIVE.load(Ordering::SeqCst), 0);
}

#[test]
fn threads_that_sleep_keep_nothing() {
    let matrix = Matrix::new();
    let value = Published::new(&matrix, 1);
    let (read, done) = (Barrier::new(101), Barrier::new(101));
    std::thread::scope(|scope| {
        for _ in 0..100 {
            scope.spawn(|| {
                assert_eq!(*value.read(admit).unwrap(), 1);
                read.wait();
                done.wait();
            });
        }
        read.wait();
        let old = Arc::downgrade(&value.load());
        assert_eq!(old.strong_count(), 101, "every thread has it at hand");
        drop(value.update(|n| n + 1));
        assert_eq!(old.strong_count(), 0);
        done.wait();
    });
}

#[test]
fn rows_of_threads_that_ended_are_used_again_and_hold_nothing() {
    let matrix = Matrix::new();
    let value = Published::new(&matrix, 1);
    for _ in 0..100 {
        std::thread::scope(|scope| {
            // Joined, not only waited for by the scope: the thread has given its row back then.
            scope.spawn(|| assert_eq!(*value.read(admit).unwrap(), 1)).join().unwrap();
        });
    }
    assert!(matrix.rows_used() <= 2, "{}", matrix.rows_used());
    drop(value.read(admit));
    assert!(Arc::strong_count(&value.load()) <= 4);
}

#[test]
fn columns_are_used_again_and_never_mixed_up() {
    let matrix = Matrix::new();
    for round in 0..100 {
        let values: Vec<Published<usize>> =
            (0..40).map(|n| Published::new(&matrix, round * 100 + n)).collect();
        for (n, value) in values.iter().enumerate() {
            for _ in 0..2 {
                assert_eq!(*value.read(admit).unwrap(), round * 100 + n);
            }
        }
    }
    assert_eq!(matrix.columns_used(), 40);
}

#[test]
fn who_was_not_admitted_again_after_the_column_expired_reads_nothing() {
    let matrix = Matrix::new();
    let value = Published::new(&matrix, 1);
    let refuse = || Err("no");
    assert_eq!(value.read(refuse).map(|view| *view), Err("no"));
    assert_eq!(*value.read(|| Ok::<(), &str>(())).unwrap(), 1);
    assert_eq!(value.read(refuse).map(|view| *view), Ok(1), "it was admitted before");
    value.expire();
    assert_eq!(value.read(refuse).map(|view| *view), Err("no"));
    let held = value.read(admit).unwrap();
    value.expire();
    assert!(!held.is_current());
    drop(held);
    assert_eq!(value.read(refuse).map(|view| *view), Err("no"), "a view that ends later does not admit");
}

#[test]
fn a_thread_reads_from_many_matrices() {
    let matrices: Vec<_> = (0..20).map(|_| Matrix::new()).collect();
    let values: Vec<_> = matrices.iter().enumerate().map(|(n, matrix)| Published::new(matrix, n)).collect();
    for _ in 0..3 {
        for (n, value) in values.iter().enumerate() {
            let outer = value.read(admit).unwrap();
            assert_eq!(*outer, n);
            assert_eq!(*value.read(admit).unwrap(), n, "a read inside a read");
        }
    }
    drop((values, matrices));
    let matrix = Matrix::new();
    assert_eq!(*Published::new(&matrix, 7).read(admit).unwrap(), 7);
}
