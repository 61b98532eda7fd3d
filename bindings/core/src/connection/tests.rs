use std::sync::mpsc;
use std::time::Duration;

use super::*;
use crate::{Create, retention_of};

const SCHEMA: &str = "entity User {\n  id int64 @id\n  email string @unique\n}\n";

fn opened(directory: &tempfile::TempDir) -> Connection {
    let connection = open_with(directory, &OpenOptions::default()).unwrap();
    match connection.apply_schema(SCHEMA.to_owned()).wait().unwrap() {
        SchemaOutcome::Applied { .. } => connection,
        SchemaOutcome::Refused(errors) => panic!("{errors:?}"),
    }
}

fn open_with(directory: &tempfile::TempDir, options: &OpenOptions) -> Result<Connection> {
    let name = directory.path().join("db").display().to_string();
    Connection::open(&name, options).wait()
}

fn create(connection: &Connection, id: i64) -> Result<Outcome> {
    let params = Params::none().with("id", id).with("email", format!("{id}@b.c"));
    connection.query("create User { id: $id, email: $email }".to_owned(), params).wait()
}

fn count(connection: &Connection) -> usize {
    match connection.query("User { id }".to_owned(), Params::none()).wait().unwrap() {
        Outcome::Fetched(result) => result.len(),
        other => panic!("{other:?}"),
    }
}

/// The result of a task by its callback.
fn by_callback<T: Send + 'static>(task: Task<T>) -> Result<T> {
    let (sender, receiver) = mpsc::channel();
    task.then(move |result| sender.send(result).unwrap());
    receiver.recv().unwrap()
}

#[test]
fn statements_run_waited_for_and_by_callback() {
    let directory = tempfile::tempdir().unwrap();
    let connection = opened(&directory);
    create(&connection, 1).unwrap();
    assert_eq!(create(&connection, 1).unwrap_err().code, ErrorCode::UniqueViolation);
    let found = by_callback(connection.query("User { id }".to_owned(), Params::none())).unwrap();
    assert!(matches!(found, Outcome::Fetched(result) if result.len() == 1));
    let failed = by_callback(connection.query("User {".to_owned(), Params::none())).unwrap_err();
    assert_eq!(failed.code, ErrorCode::SyntaxError);
}

#[test]
fn a_process_has_a_database_open_once() {
    let directory = tempfile::tempdir().unwrap();
    let first = opened(&directory);
    let second = opened(&directory);
    create(&first, 1).unwrap();
    assert_eq!(count(&second), 1);
    let unfinished = first.begin(Isolation::Snapshot, Access::ReadWrite).wait().unwrap();
    first.close().wait().unwrap();
    assert_eq!(unfinished.commit().wait().unwrap_err().code, ErrorCode::TransactionClosed);
    assert_eq!(create(&first, 2).unwrap_err().code, ErrorCode::ConnectionFailed);
    assert_eq!(count(&second), 1);
    second.close().wait().unwrap();
    // Nothing holds the directory any more: the engine itself may open it.
    drop(ormdb::Database::open(directory.path().join("db")).unwrap());
}

#[test]
fn nothing_is_created_where_that_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let options = OpenOptions { create: Create::Never, ..OpenOptions::default() };
    let name = directory.path().join("none").display().to_string();
    assert!(Connection::open(&name, &options).wait().is_err());
    assert!(!directory.path().join("none").exists());
}

#[test]
fn transactions_end_by_commit_rollback_and_drop() {
    let directory = tempfile::tempdir().unwrap();
    let connection = opened(&directory);
    let begin = || connection.begin(Isolation::Serializable, Access::ReadWrite).wait().unwrap();
    let write = |transaction: &Transaction, id: i64| {
        let text = format!("create User {{ id: {id}, email: \"{id}\" }}");
        by_callback(transaction.query(text, Params::none())).unwrap();
    };
    let kept = begin();
    write(&kept, 1);
    kept.savepoint("a".to_owned()).wait().unwrap();
    write(&kept, 2);
    kept.rollback_to("a".to_owned()).wait().unwrap();
    assert!(by_callback(kept.commit()).unwrap().is_some());
    assert_eq!(kept.commit().wait().unwrap_err().code, ErrorCode::TransactionClosed);
    let undone = begin();
    write(&undone, 3);
    undone.rollback().wait().unwrap();
    let dropped = begin();
    write(&dropped, 4);
    drop(dropped);
    assert_eq!(count(&connection), 1);
}

/// Statements that wait for the locks of a transaction do not keep it from its commit, however many there are.
#[test]
fn a_transaction_goes_on_while_many_wait_for_its_locks() {
    let directory = tempfile::tempdir().unwrap();
    let connection = opened(&directory);
    create(&connection, 1).unwrap();
    let transaction = connection.begin(Isolation::ReadCommitted, Access::ReadWrite).wait().unwrap();
    let update = "update User[1] set { email: \"x\" }";
    by_callback(transaction.query(update.to_owned(), Params::none())).unwrap();
    let (sender, receiver) = mpsc::channel();
    for _ in 0..40 {
        let sender = sender.clone();
        connection.query(update.to_owned(), Params::none()).then(move |result| sender.send(result).unwrap());
    }
    by_callback(transaction.commit()).unwrap();
    for _ in 0..40 {
        receiver.recv().unwrap().unwrap();
    }
}

#[test]
fn a_stream_gives_its_parts_and_then_the_trailer() {
    let directory = tempfile::tempdir().unwrap();
    let connection = opened(&directory);
    for id in 0..10 {
        create(&connection, id).unwrap();
    }
    let parts = connection.stream("User { id }".to_owned(), Params::none()).wait().unwrap();
    let mut rows = 0;
    while let Some(part) = by_callback(parts.next()).unwrap() {
        rows += part.chunks().iter().map(crate::Chunk::root_rows).sum::<usize>();
    }
    assert_eq!(rows, 10);
    assert_eq!(parts.trailer().unwrap().rows, 10);
    // A stream that nobody reads to its end keeps nothing open.
    drop(connection.stream("User { id }".to_owned(), Params::none()).wait().unwrap());
    // What gives no rows is refused, and not executed.
    let refused = connection.stream("delete User".to_owned(), Params::none()).wait();
    assert_eq!(refused.map(drop).unwrap_err().code, ErrorCode::InvalidQuery);
    assert_eq!(count(&connection), 10);
    let returned = connection.stream("delete User return { id }".to_owned(), Params::none()).wait().unwrap();
    assert_eq!(
        returned.next().wait().unwrap().unwrap().chunks().iter().map(crate::Chunk::root_rows).sum::<usize>(),
        10
    );
}

#[test]
fn what_waits_for_a_lock_can_be_cancelled() {
    let directory = tempfile::tempdir().unwrap();
    let connection = opened(&directory);
    create(&connection, 1).unwrap();
    let update = "update User[1] set { email: \"x\" }";
    let transaction = connection.begin(Isolation::ReadCommitted, Access::ReadWrite).wait().unwrap();
    transaction.query(update.to_owned(), Params::none()).wait().unwrap();
    let waiting = connection.query(update.to_owned(), Params::none());
    let cancel = waiting.cancel_handle();
    let (sender, receiver) = mpsc::channel();
    waiting.then(move |result| sender.send(result).unwrap());
    cancel.cancel();
    assert_eq!(receiver.recv().unwrap().unwrap_err().code, ErrorCode::Cancelled);
}

/// The retention is that of the database, not of a connection: who asks for another than it is open with is told.
#[test]
fn a_database_has_one_retention() {
    let directory = tempfile::tempdir().unwrap();
    let retaining = |seconds| OpenOptions {
        retention: retention_of(Some(Duration::from_secs(seconds)), None).unwrap(),
        ..OpenOptions::default()
    };
    let first = open_with(&directory, &retaining(60)).unwrap();
    let refused = open_with(&directory, &retaining(61)).map(|_| ()).unwrap_err();
    assert_eq!(refused.code, ErrorCode::InvalidValue);
    assert!(refused.message.contains("another retention"), "{refused}");
    let same = open_with(&directory, &retaining(60)).unwrap();
    let any = opened(&directory);
    for connection in [first, same, any] {
        connection.close().wait().unwrap();
    }
    let other = open_with(&directory, &retaining(61)).unwrap();
    other.close().wait().unwrap();
    let plain = opened(&directory);
    assert!(open_with(&directory, &retaining(60)).is_err(), "it keeps what it was told before");
    open_with(&directory, &retaining(61)).unwrap().close().wait().unwrap();
    plain.close().wait().unwrap();
    let refused = open_with(&directory, &retaining(u64::MAX)).map(|_| ()).unwrap_err();
    assert_eq!(refused.code, ErrorCode::InvalidValue);
    let refused = retention_of(None, Some(1)).unwrap_err();
    assert_eq!(refused.code, ErrorCode::InvalidValue);
}
