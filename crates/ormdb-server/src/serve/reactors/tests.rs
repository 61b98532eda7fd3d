use super::*;

#[test]
fn one_that_asks_alone_for_a_while_is_alone() {
    let known: Vec<bool> = (0..=ALONE_BEHIND).map(|_| asks(1)).collect();
    let alone_at = usize::try_from(ALONE_BEHIND).unwrap();
    assert_eq!(known.iter().position(|alone| *alone), Some(alone_at));
    assert!(!asks(2), "another one asks");
    assert!(!asks(1), "and that was not long ago");
}

#[test]
fn a_reactor_that_was_held_up_for_long_rests() {
    for _ in 0..100 {
        drop(HeldUp::begin().unwrap());
    }
    // A little more than a moment in the mean of eight.
    let long = MOMENT * (WEIGHT_OF_BEFORE + 2);
    drop(HeldUp { began: Instant::now().checked_sub(long).unwrap() });
    assert!(HeldUp::begin().is_none());
    LATELY.set(Lately { free_until: Some(Instant::now()), ..LATELY.get() });
    drop(HeldUp::begin().unwrap());
    assert!(LATELY.get().held_up <= MOMENT, "it is over in a moment again");
}

#[tokio::test]
async fn reactors_take_turns_and_end_with_their_owner() {
    let reactors = Reactors::start().unwrap();
    let mut threads = Vec::new();
    for _ in 0..2 * count() {
        threads.push(reactors.next().spawn(async { std::thread::current().id() }).await.unwrap());
    }
    assert_eq!(threads[..count()], threads[count()..]);
    let left = reactors.next().spawn(std::future::pending::<()>());
    drop(reactors);
    assert!(left.await.unwrap_err().is_cancelled());
}
