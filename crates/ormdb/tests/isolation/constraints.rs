//! Constraints hold at every level, and so do the errors of those who wait.

use super::*;
use Isolation::ReadCommitted;

/// Who claims a unique key waits for the other who does.
#[test]
fn a_unique_key_has_one_owner() {
    for level in Isolation::ALL {
        let database = database();
        let (mut first, mut second) = (begin(&database, level), begin(&database, level));
        run(&mut first, "create Parent { id: 1, name: \"a\" }").unwrap();
        let claim = "create Parent { id: 2, name: \"a\" }";
        let waited = while_waiting(&database, || run(&mut second, claim), || commit(first).unwrap());
        let refused = if level == ReadCommitted {
            ErrorCode::UniqueViolation
        } else {
            ErrorCode::SerializationConflict
        };
        assert_eq!(waited.map(drop), Err(refused), "{level}");
        assert_eq!(database.check(10).unwrap().findings_total, 0);
    }
}

/// A row is not removed while another transaction begins to refer to it, nor the other way round.
#[test]
fn a_row_that_is_referred_to_stays() {
    for level in Isolation::ALL {
        let database = database();
        database.session().query("create Parent { id: 1, name: \"a\" }", &Params::none()).unwrap();
        let (mut first, mut second) = (begin(&database, level), begin(&database, level));
        run(&mut first, "create Child { id: 1, parentId: 1 }").unwrap();
        let delete = "delete Parent[1]";
        let waited = while_waiting(&database, || run(&mut second, delete), || commit(first).unwrap());
        let refused = if level == ReadCommitted {
            ErrorCode::ForeignKeyViolation
        } else {
            ErrorCode::SerializationConflict
        };
        assert_eq!(waited.map(drop), Err(refused), "{level}");
        run(&mut second, "Parent").unwrap();

        database.session().query("delete Child", &Params::none()).unwrap();
        let (mut first, mut second) = (begin(&database, level), begin(&database, level));
        run(&mut first, delete).unwrap();
        let refer = "create Child { id: 2, parentId: 1 }";
        let waited = while_waiting(&database, || run(&mut second, refer), || commit(first).unwrap());
        assert_eq!(waited.map(drop), Err(refused), "{level}");
        assert_eq!(database.check(10).unwrap().findings_total, 0);
    }
}

/// Others may change a row, but for its key, while it is begun to be referred to.
#[test]
fn a_row_that_is_referred_to_may_change() {
    for level in [ReadCommitted, Isolation::Snapshot] {
        let database = database();
        database.session().query("create Parent { id: 1, name: \"a\" }", &Params::none()).unwrap();
        let (mut first, mut second) = (begin(&database, level), begin_impatient(&database, level));
        run(&mut first, "create Child { id: 1, parentId: 1 }").unwrap();
        run(&mut second, "update Parent[1] set { note: 1 }").unwrap();
        commit(second).unwrap();
        run(&mut first, "create Child { id: 2, parentId: 1 }").unwrap();
        commit(first).unwrap();
        assert_eq!(database.check(10).unwrap().findings_total, 0);
    }
}

#[test]
fn a_lock_is_waited_for_as_long_as_told() {
    for level in Isolation::ALL {
        let database = database();
        let (mut first, mut second) = (begin(&database, level), begin_impatient(&database, level));
        set(&mut first, 1, 11).unwrap();
        let error = second.query("update Test[1] set { value: 12 }", &Params::none()).unwrap_err();
        assert_eq!((error.code, error.code.sqlstate()), (ErrorCode::LockNotAvailable, "55P03"));
        // The transaction goes on without the statement.
        set(&mut second, 2, 22).unwrap();
        commit(second).unwrap();
        first.rollback();
        assert_eq!(committed(&database), [10, 22]);
    }
}

#[test]
fn a_circle_of_waiting_is_a_deadlock() {
    for level in Isolation::ALL {
        let database = database();
        let (mut first, mut second) = (begin(&database, level), begin(&database, level));
        set(&mut first, 1, 11).unwrap();
        set(&mut second, 2, 22).unwrap();
        let waited = while_waiting(
            &database,
            || set(&mut first, 2, 12),
            || {
                let error = second.query("update Test[1] set { value: 21 }", &Params::none()).unwrap_err();
                assert_eq!((error.code, error.code.sqlstate()), (ErrorCode::Deadlock, "40P01"));
                second.rollback();
            },
        );
        waited.unwrap();
        commit(first).unwrap();
        assert_eq!(committed(&database), [11, 12]);
    }
}

/// A statement of its own waits for the lock of a transaction, and runs again over what that one left.
#[test]
fn a_statement_of_its_own_retries_by_itself() {
    let database = database();
    let mut first = begin(&database, Isolation::Serializable);
    set(&mut first, 1, 11).unwrap();
    let session = database.session();
    let add = || session.query("update Test[1] set { value += 1 }", &Params::none());
    while_waiting(&database, add, || commit(first).unwrap()).unwrap();
    assert_eq!(committed(&database), [12, 20]);
}

/// A closure that conflicts runs again.
#[test]
fn a_closure_is_run_again_until_it_commits() {
    for level in [Isolation::Snapshot, Isolation::Serializable] {
        let (database, mut runs) = (database(), 0);
        let body = |transaction: &mut Transaction| {
            runs += 1;
            let value = read(transaction, "id = 1")[0];
            if runs == 1 {
                database.session().query("update Test[1] set { value += 5 }", &Params::none())?;
            }
            transaction.query(&format!("update Test[1] set {{ value: {} }}", value + 1), &Params::none())
        };
        database.session().transact_with(level, body).unwrap();
        assert_eq!((runs, committed(&database)), (2, vec![16, 20]));
    }
}
