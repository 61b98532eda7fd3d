use super::*;

fn is_found(notices: &[(u64, bool)], acknowledged: &[u64], newest: u64) -> bool {
    Heard { since: 10, notices: notices.to_vec() }.check(acknowledged, newest).is_err()
}

#[test]
fn what_is_told_wrongly_is_found() {
    // What was before, what is told, and what is not told yet.
    assert!(!is_found(&[(12, true), (15, false), (17, true)], &[9, 11, 12, 16, 20], 20));
    assert!(is_found(&[(12, true), (15, false)], &[14], 20), "left out");
    assert!(is_found(&[(12, true), (15, true)], &[], 14), "told, and lost");
    assert!(is_found(&[(12, true), (12, true)], &[], 20), "told twice");
    assert!(is_found(&[(10, true)], &[], 20), "told of what was before");
}
