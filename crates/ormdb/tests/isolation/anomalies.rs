//! The anomalies of the Hermitage list.

use super::*;
use ErrorCode::SerializationConflict as Conflict;
use Isolation::{ReadCommitted, Serializable, Snapshot};

const LEVELS: [Isolation; 3] = Isolation::ALL;

/// Both write 1, then 2: the rows are never of both.
#[test]
fn g0_write_cycles_are_prevented() {
    for level in LEVELS {
        let database = database();
        let (mut first, mut second) = (begin(&database, level), begin(&database, level));
        set(&mut first, 1, 11).unwrap();
        let waited = while_waiting(
            &database,
            || set(&mut second, 1, 12),
            || {
                set(&mut first, 2, 21).unwrap();
                commit(first).unwrap();
            },
        );
        assert_eq!(committed(&database), [11, 21]);
        match level {
            ReadCommitted => {
                waited.unwrap();
                set(&mut second, 2, 22).unwrap();
                commit(second).unwrap();
                assert_eq!(committed(&database), [12, 22]);
            }
            Snapshot | Serializable => assert_eq!(waited, Err(Conflict), "{level}"),
        }
    }
}

#[test]
fn g1a_aborted_reads_are_prevented() {
    for level in LEVELS {
        let database = database();
        let (mut first, mut second) = (begin(&database, level), begin(&database, level));
        set(&mut first, 1, 101).unwrap();
        assert_eq!(read(&mut second, "id > 0"), [10, 20], "{level}");
        first.rollback();
        assert_eq!(read(&mut second, "id > 0"), [10, 20], "{level}");
        commit(second).unwrap();
    }
}

#[test]
fn g1b_intermediate_reads_are_prevented() {
    for level in LEVELS {
        let database = database();
        let (mut first, mut second) = (begin(&database, level), begin(&database, level));
        set(&mut first, 1, 101).unwrap();
        assert_eq!(read(&mut second, "id > 0"), [10, 20], "{level}");
        set(&mut first, 1, 11).unwrap();
        commit(first).unwrap();
        let seen = if level == ReadCommitted { 11 } else { 10 };
        assert_eq!(read(&mut second, "id > 0"), [seen, 20], "{level}");
        commit(second).unwrap();
    }
}

/// Each reads what the other writes.
#[test]
fn g1c_circular_information_flow_is_prevented() {
    for level in LEVELS {
        let database = database();
        let (mut first, mut second) = (begin(&database, level), begin(&database, level));
        set(&mut first, 1, 11).unwrap();
        set(&mut second, 2, 22).unwrap();
        assert_eq!(read(&mut first, "id = 2"), [20], "{level}");
        assert_eq!(read(&mut second, "id = 1"), [10], "{level}");
        commit(first).unwrap();
        let outcome = if level == Serializable { Err(Conflict) } else { Ok(()) };
        assert_eq!(commit(second), outcome, "{level}");
    }
}

/// What a third one sees of a transaction does not vanish again.
#[test]
fn otv_observed_transactions_do_not_vanish() {
    for level in LEVELS {
        let database = database();
        let (mut first, mut second) = (begin(&database, level), begin(&database, level));
        set(&mut first, 1, 11).unwrap();
        set(&mut first, 2, 19).unwrap();
        let waited = while_waiting(&database, || set(&mut second, 1, 12), || commit(first).unwrap());
        let mut third = begin(&database, level);
        assert_eq!(read(&mut third, "id = 1"), [11], "{level}");
        match level {
            ReadCommitted => {
                waited.unwrap();
                set(&mut second, 2, 18).unwrap();
                assert_eq!(read(&mut third, "id = 2"), [19]);
                commit(second).unwrap();
                assert_eq!(read(&mut third, "id > 0"), [12, 18]);
            }
            Snapshot | Serializable => {
                assert_eq!(waited, Err(Conflict), "{level}");
                assert_eq!(read(&mut third, "id > 0"), [11, 19], "{level}");
            }
        }
    }
}

/// A filter finds rows that came meanwhile.
#[test]
fn pmp_predicate_many_preceders_from_snapshot_on() {
    for level in LEVELS {
        let database = database();
        let (mut first, mut second) = (begin(&database, level), begin(&database, level));
        assert!(read(&mut first, "value = 30").is_empty());
        run(&mut second, "create Test { id: 3, value: 30 }").unwrap();
        commit(second).unwrap();
        let found: &[i64] = if level == ReadCommitted { &[30] } else { &[] };
        assert_eq!(read(&mut first, "value >= 30"), found, "{level}");
        commit(first).unwrap();
    }
}

/// As before, with a write that has a filter. At read committed the statement runs again as a whole, over what is there then:
/// it deletes the row that has the value now, where PostgreSQL looks again at the row that had it before.
#[test]
fn pmp_for_writes_restarts_the_statement_at_read_committed() {
    for level in LEVELS {
        let database = database();
        let (mut first, mut second) = (begin(&database, level), begin(&database, level));
        run(&mut first, "update Test set { value += 10 }").unwrap();
        let delete = "delete Test where value = 20";
        let waited = while_waiting(&database, || run(&mut second, delete), || commit(first).unwrap());
        match level {
            ReadCommitted => {
                waited.unwrap();
                commit(second).unwrap();
                assert_eq!(committed(&database), [30]);
            }
            Snapshot | Serializable => assert_eq!(waited.map(drop), Err(Conflict), "{level}"),
        }
    }
}

/// Both read 1 and write what they read, changed.
#[test]
fn p4_lost_updates_from_snapshot_on() {
    for level in LEVELS {
        let database = database();
        let (mut first, mut second) = (begin(&database, level), begin(&database, level));
        assert_eq!(read(&mut first, "id = 1"), [10]);
        assert_eq!(read(&mut second, "id = 1"), [10]);
        set(&mut first, 1, 11).unwrap();
        let waited = while_waiting(&database, || set(&mut second, 1, 11), || commit(first).unwrap());
        match level {
            ReadCommitted => {
                waited.unwrap();
                commit(second).unwrap();
            }
            Snapshot | Serializable => assert_eq!(waited, Err(Conflict), "{level}"),
        }
    }
}

/// One sees 1 before the other's writes and 2 behind them.
#[test]
fn g_single_read_skew_from_snapshot_on() {
    for level in LEVELS {
        let database = database();
        let (mut first, mut second) = (begin(&database, level), begin(&database, level));
        assert_eq!(read(&mut first, "id = 1"), [10]);
        set(&mut second, 1, 12).unwrap();
        set(&mut second, 2, 18).unwrap();
        commit(second).unwrap();
        let seen = if level == ReadCommitted { 18 } else { 20 };
        assert_eq!(read(&mut first, "id = 2"), [seen], "{level}");
        commit(first).unwrap();
    }
}

#[test]
fn g_single_for_writes_from_snapshot_on() {
    for level in LEVELS {
        let database = database();
        let (mut first, mut second) = (begin(&database, level), begin(&database, level));
        assert_eq!(read(&mut first, "id = 1"), [10]);
        set(&mut second, 1, 12).unwrap();
        set(&mut second, 2, 18).unwrap();
        commit(second).unwrap();
        let deleted = run(&mut first, "delete Test where value = 20");
        match level {
            ReadCommitted => {
                deleted.unwrap();
                commit(first).unwrap();
                assert_eq!(committed(&database), [12, 18]);
            }
            Snapshot | Serializable => assert_eq!(deleted.map(drop), Err(Conflict), "{level}"),
        }
    }
}

/// Both read both rows, and each writes one.
#[test]
fn g2_item_write_skew_at_serializable() {
    for level in LEVELS {
        let database = database();
        let (mut first, mut second) = (begin(&database, level), begin(&database, level));
        assert_eq!(read(&mut first, "id in [1, 2]"), [10, 20]);
        assert_eq!(read(&mut second, "id in [1, 2]"), [10, 20]);
        set(&mut first, 1, 11).unwrap();
        set(&mut second, 2, 21).unwrap();
        commit(first).unwrap();
        let outcome = if level == Serializable { Err(Conflict) } else { Ok(()) };
        assert_eq!(commit(second), outcome, "{level}");
    }
}

/// Both look for rows that are not there, and each creates one.
#[test]
fn g2_anti_dependency_cycles_at_serializable() {
    for level in LEVELS {
        let database = database();
        let (mut first, mut second) = (begin(&database, level), begin(&database, level));
        assert!(read(&mut first, "value >= 30").is_empty());
        assert!(read(&mut second, "value >= 30").is_empty());
        run(&mut first, "create Test { id: 3, value: 30 }").unwrap();
        run(&mut second, "create Test { id: 4, value: 42 }").unwrap();
        commit(first).unwrap();
        let outcome = if level == Serializable { Err(Conflict) } else { Ok(()) };
        assert_eq!(commit(second), outcome, "{level}");
    }
}
