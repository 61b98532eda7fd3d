use super::*;

#[test]
fn pauses_grow_up_to_a_bound_and_differ() {
    let retry = Retry::default();
    let pause = |retries, salt| retry.pause(Error::new(ErrorCode::Deadlock, ""), retries, salt).unwrap();
    for salt in 0..50 {
        assert!(pause(0, salt) >= retry.pause_min / 2 && pause(0, salt) <= retry.pause_min);
        assert!(pause(3, salt) >= retry.pause_min * 4 && pause(3, salt) <= retry.pause_min * 8);
        assert!(pause(31, salt) >= retry.pause_max / 2 && pause(31, salt) <= retry.pause_max);
    }
    assert!((1..50).any(|salt| pause(5, salt) != pause(5, 0)));
}

#[test]
fn only_conflicts_are_run_again_and_not_forever() {
    let retry = Retry::default();
    for code in ErrorCode::ALL {
        let conflicts = matches!(code, ErrorCode::SerializationConflict | ErrorCode::Deadlock);
        assert_eq!(retry.pause(Error::new(*code, ""), 0, 0).is_ok(), conflicts, "{code:?}");
    }
    let error = retry.pause(Error::new(ErrorCode::Deadlock, ""), 32, 0).unwrap_err();
    let limit = error.detail.limit.unwrap();
    assert_eq!((limit.name.as_str(), limit.allowed, limit.asked), ("retries_max", 32, 33));
    assert!(Retry::NEVER.pause(Error::new(ErrorCode::Deadlock, ""), 0, 0).is_err());
}
