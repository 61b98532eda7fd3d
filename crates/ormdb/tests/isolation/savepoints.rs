//! Savepoints of transactions.

use super::*;

#[test]
fn a_savepoint_takes_back_what_came_behind_it() {
    for level in Isolation::ALL {
        let database = database();
        let mut transaction = begin(&database, level);
        set(&mut transaction, 1, 11).unwrap();
        transaction.savepoint("a").unwrap();
        set(&mut transaction, 2, 21).unwrap();
        transaction.savepoint("b").unwrap();
        set(&mut transaction, 1, 12).unwrap();
        transaction.rollback_to("b").unwrap();
        assert_eq!(read(&mut transaction, "id > 0"), [11, 21]);
        transaction.rollback_to("a").unwrap();
        assert_eq!(read(&mut transaction, "id > 0"), [11, 20]);
        let gone = transaction.rollback_to("b").unwrap_err();
        assert_eq!((gone.code, gone.code.sqlstate()), (ErrorCode::SavepointNotFound, "3B001"));
        transaction.rollback_to("a").unwrap();
        transaction.release("a").unwrap();
        assert_eq!(transaction.release("a").unwrap_err().code, ErrorCode::SavepointNotFound);
        commit(transaction).unwrap();
        assert_eq!(committed(&database), [11, 20]);
    }
}

/// The newest of a name counts; an older one counts again when it is released.
#[test]
fn savepoints_of_one_name_hide_each_other() {
    let database = database();
    let mut transaction = begin(&database, Isolation::Serializable);
    transaction.savepoint("a").unwrap();
    set(&mut transaction, 1, 11).unwrap();
    transaction.savepoint("a").unwrap();
    set(&mut transaction, 2, 21).unwrap();
    transaction.rollback_to("a").unwrap();
    assert_eq!(read(&mut transaction, "id > 0"), [11, 20]);
    transaction.release("a").unwrap();
    transaction.rollback_to("a").unwrap();
    assert_eq!(read(&mut transaction, "id > 0"), [10, 20]);
}

/// A statement that fails leaves nothing, keeps the savepoints, and the transaction goes on.
#[test]
fn a_failed_statement_leaves_savepoints_alone() {
    for level in Isolation::ALL {
        let database = database();
        let mut transaction = begin(&database, level);
        transaction.savepoint("a").unwrap();
        set(&mut transaction, 1, 11).unwrap();
        let taken = run(&mut transaction, "create Test [{ id: 3, value: 1 }, { id: 1, value: 1 }]");
        assert_eq!(taken.map(drop), Err(ErrorCode::UniqueViolation));
        assert_eq!(read(&mut transaction, "id > 0"), [11, 20]);
        transaction.rollback_to("a").unwrap();
        commit(transaction).unwrap();
        assert_eq!(committed(&database), [10, 20]);
    }
}

/// Rolling back gives back the locks that were taken since.
#[test]
fn a_rollback_to_a_savepoint_gives_back_locks() {
    let database = database();
    let mut first = begin(&database, Isolation::Snapshot);
    first.savepoint("a").unwrap();
    set(&mut first, 1, 11).unwrap();
    first.rollback_to("a").unwrap();
    let mut second = begin_impatient(&database, Isolation::Snapshot);
    set(&mut second, 1, 12).unwrap();
    commit(second).unwrap();
    commit(first).unwrap();
    assert_eq!(committed(&database), [12, 20]);
}

/// The same in the text language.
#[test]
fn texts_divide_and_end_a_transaction() {
    let database = database();
    let mut transaction = begin(&database, Isolation::Snapshot);
    for text in [
        "savepoint a",
        "update Test[1] set { value: 11 };",
        "savepoint `b c`",
        "update Test[2] set { value: 21 }",
        "rollback to `b c`",
        "release a",
    ] {
        run(&mut transaction, text).unwrap();
    }
    assert_eq!(run(&mut transaction, "release a").map(drop), Err(ErrorCode::SavepointNotFound));
    assert_eq!(run(&mut transaction, "begin").map(drop), Err(ErrorCode::InvalidQuery));
    let committed_as = run(&mut transaction, "commit").unwrap();
    assert!(matches!(committed_as, Outcome::Done { token: Some(_) }));
    for text in ["commit", "rollback", "savepoint a", "begin", "Test", "set constraints all deferred"] {
        assert_eq!(run(&mut transaction, text).map(drop), Err(ErrorCode::TransactionClosed), "{text}");
    }
    assert_eq!(committed(&database), [11, 20]);
    let error = database.session().query("begin", &Params::none()).unwrap_err();
    assert_eq!(error.code, ErrorCode::TransactionClosed);
}

/// A savepoint gives back what held the rows that were referred to, but not the knowledge that they were there.
#[test]
fn what_was_referred_to_and_taken_back_was_read() {
    let database = database();
    database.session().query("create Parent { id: 1, name: \"a\" }", &Params::none()).unwrap();
    let mut first = begin(&database, Isolation::Serializable);
    let mut second = begin(&database, Isolation::Serializable);
    first.savepoint("a").unwrap();
    run(&mut first, "create Child [{ id: 1, parentId: 1 }, { id: 2, parentId: 1 }]").unwrap();
    first.rollback_to("a").unwrap();
    set(&mut first, 1, 11).unwrap();
    // The second one runs before the first, whose children would not have had a parent then.
    assert_eq!(read(&mut second, "id = 1"), [10]);
    run(&mut second, "delete Parent[1]").unwrap();
    commit(second).unwrap();
    assert_eq!(commit(first), Err(ErrorCode::SerializationConflict));
}
