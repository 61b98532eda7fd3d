use super::*;

fn id(n: u8) -> HistoryId {
    HistoryId::from_bytes([n; 16])
}

fn at(history: u8, seqno: u64) -> Position {
    Position { history: id(history), seqno: SeqNo::new(seqno).unwrap() }
}

#[test]
fn a_place_before_a_fork_is_in_both_histories() {
    let mut histories = Histories::default();
    assert!(histories.begin(id(1), SeqNo::ZERO));
    assert!(histories.begin(id(2), SeqNo::new(50).unwrap()));
    assert!(!histories.begin(id(3), SeqNo::new(49).unwrap()));
    assert_eq!(histories.current(), Some(id(2)));
    assert!(histories.has(at(1, 50)) && !histories.has(at(1, 51)));
    assert!(histories.has(at(2, 51)) && !histories.has(at(3, 1)));
}

#[test]
fn a_database_remembers_the_last_histories() {
    let mut histories = Histories::default();
    for n in 0..100 {
        assert!(histories.begin(id(n), SeqNo::new(u64::from(n)).unwrap()));
    }
    assert_eq!(histories.iter().count(), HISTORIES_MAX);
    assert!(!histories.has(at(35, 0)) && histories.has(at(36, 37)));
}
