//! The hand-over of a value that is replaced, and the end of the one before.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use shuttle::thread;

use super::{check, finds};
use crate::planted::Bug;
use crate::published::{Matrix, Published};

struct Counted {
    number: u64,
    alive: Arc<AtomicU64>,
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.alive.fetch_sub(1, Ordering::SeqCst);
    }
}

/// One replaces the value, two read it: nobody reads an older one than was announced, or than he read before; and those that were
/// replaced are gone when nobody reads.
fn replaced_while_read() {
    let alive = Arc::new(AtomicU64::new(1));
    let announced = Arc::new(AtomicU64::new(0));
    let matrix = Matrix::new();
    let value = Arc::new(Published::new(&matrix, Counted { number: 0, alive: Arc::clone(&alive) }));
    let readers: Vec<_> = (0..2)
        .map(|_| {
            let (value, announced) = (Arc::clone(&value), Arc::clone(&announced));
            thread::spawn(move || {
                let mut last = 0;
                for _ in 0..3 {
                    let least = announced.load(Ordering::SeqCst);
                    let view = value.read(|| Ok::<(), Infallible>(())).unwrap_or_else(|never| match never {});
                    assert!(view.number >= least, "{} is read, and {least} was announced", view.number);
                    assert!(view.number >= last, "{} is read behind {last}", view.number);
                    last = view.number;
                }
            })
        })
        .collect();
    for number in 1..=3 {
        alive.fetch_add(1, Ordering::SeqCst);
        let next = Counted { number, alive: Arc::clone(&alive) };
        drop(value.update(|_| next));
        announced.store(number, Ordering::SeqCst);
    }
    readers.into_iter().for_each(|reader| reader.join().unwrap());
    assert_eq!(alive.load(Ordering::SeqCst), 1, "a value that was replaced is held");
    drop(value);
    assert_eq!(alive.load(Ordering::SeqCst), 0, "the last value is held");
}

#[test]
fn values_are_replaced_while_they_are_read() {
    check(replaced_while_read);
}

#[test]
fn a_reference_that_is_put_back_into_an_emptied_slot_is_found() {
    finds(Bug::PutBackStale, "models::published::values_are_replaced_while_they_are_read");
}
