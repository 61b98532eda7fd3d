use std::sync::Arc;

use super::*;
use crate::fs::MemoryFs;
use crate::lock::{LockMode, LockTarget};
use crate::options::{Background, FamilyOptions, Options};

fn open() -> (Db, ColumnFamily) {
    let fs = Arc::new(MemoryFs::new());
    let db = Db::open("/db", Options { fs, background: Background::Manual, ..Options::default() }).unwrap();
    let family = db.default_column_family();
    (db, family)
}

fn put(db: &Db, family: &ColumnFamily, key: &[u8], value: &[u8]) -> SeqNo {
    let mut batch = Batch::new();
    batch.put(family, key, value).unwrap();
    db.write(batch, Durability::Buffered).unwrap()
}

/// What a cursor shows from front to back, and that it shows the same from back to front.
fn scan(cursor: &mut Cursor) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut rows = Vec::new();
    let mut more = cursor.first().unwrap();
    while more {
        rows.push((cursor.key().to_vec(), cursor.value().unwrap().to_vec()));
        more = cursor.next().unwrap();
    }
    let mut back = Vec::new();
    more = cursor.last().unwrap();
    while more {
        back.push((cursor.key().to_vec(), cursor.value().unwrap().to_vec()));
        more = cursor.prev().unwrap();
    }
    back.reverse();
    assert_eq!(rows, back);
    rows
}

fn rows(pairs: &[(&str, &str)]) -> Vec<(Vec<u8>, Vec<u8>)> {
    pairs.iter().map(|(key, value)| (key.as_bytes().to_vec(), value.as_bytes().to_vec())).collect()
}

#[test]
fn a_transaction_reads_its_snapshot_and_its_own_writes() {
    let (db, family) = open();
    put(&db, &family, b"a", b"1");
    put(&db, &family, b"b", b"1");
    put(&db, &family, b"d", b"1");
    let mut transaction = db.transaction();
    put(&db, &family, b"e", b"later");
    transaction.put(&family, b"b", b"own").unwrap();
    transaction.put(&family, b"c", b"own").unwrap();
    transaction.delete(&family, b"d").unwrap();
    assert_eq!(transaction.len(), 3);
    let expected = rows(&[("a", "1"), ("b", "own"), ("c", "own")]);
    assert_eq!(scan(&mut transaction.cursor_untracked(&family, KeyRange::all()).unwrap()), expected);
    assert_eq!(transaction.get(&family, b"d").unwrap(), None);
    assert_eq!(transaction.get_versioned(&family, b"c").unwrap().unwrap().1, SeqNo::MAX);
    let values = transaction.multi_get(&family, &[b"d", b"c", b"a"]).unwrap();
    let values: Vec<Option<&[u8]>> = values.iter().map(Option::as_deref).collect();
    assert_eq!(values, [None, Some(&b"own"[..]), Some(&b"1"[..])]);
    let seqno = transaction.commit(Durability::Synced).unwrap();
    assert_eq!(db.get_versioned(&family, b"c").unwrap().unwrap().1, seqno);
    let expected = rows(&[("a", "1"), ("b", "own"), ("c", "own"), ("e", "later")]);
    assert_eq!(scan(&mut db.cursor(&family, KeyRange::all()).unwrap()), expected);
}

/// Whether a transaction that reads with `read`, and writes another key, conflicts with a write of `key`.
fn conflicts(
    options: TransactionOptions,
    key: &[u8],
    read: impl FnOnce(&mut Transaction, &ColumnFamily),
) -> bool {
    let (db, family) = open();
    for key in [b"b", b"d", b"f"] {
        put(&db, &family, key, b"1");
    }
    let mut transaction = db.transaction_with(options);
    read(&mut transaction, &family);
    transaction.put(&family, b"result", b"x").unwrap();
    let newer = put(&db, &family, key, b"2");
    let result = transaction.commit(Durability::Buffered);
    if let Err(error) = &result {
        assert!(matches!(error, Error::Conflict { newer: found, .. } if *found == newer), "{error}");
    }
    result.is_err()
}

#[test]
fn what_was_read_must_not_change() {
    let serializable = TransactionOptions::default();
    let get = |key: &'static [u8]| move |t: &mut Transaction, f: &ColumnFamily| drop(t.get(f, key).unwrap());
    assert!(conflicts(serializable, b"b", get(b"b")));
    assert!(!conflicts(serializable, b"b", get(b"d")));
    assert!(conflicts(serializable, b"absent", get(b"absent")), "absent keys count as much");
    assert!(conflicts(serializable, b"result", get(b"d")), "a key that it writes");
    assert!(conflicts(serializable, b"d", |t, f| drop(t.multi_get(f, &[b"d", b"b"]).unwrap())));
    assert!(!conflicts(serializable, b"d", |t, f| drop(t.get_untracked(f, b"d").unwrap())));
    assert!(!conflicts(serializable, b"d", |t, f| drop(t.multi_get_untracked(f, &[b"d", b"b"]).unwrap())));

    let snapshot = TransactionOptions { validation: Validation::Snapshot, ..TransactionOptions::default() };
    assert!(!conflicts(snapshot, b"b", get(b"b")));
    assert!(conflicts(snapshot, b"result", get(b"b")));
}

#[test]
fn of_a_range_counts_what_a_cursor_went_over() {
    type Walk = fn(&mut Cursor);
    let cases: [(&str, Walk, &[u8], bool); 10] = [
        ("opened only", |_| (), b"b", false),
        ("first: the gap before it", |c| assert!(c.first().unwrap()), b"a", true),
        ("first: not behind it", |c| assert!(c.first().unwrap()), b"c", false),
        ("next: the gap between", |c| assert!(c.first().unwrap() && c.next().unwrap()), b"c", true),
        ("next: not behind it", |c| assert!(c.first().unwrap() && c.next().unwrap()), b"e", false),
        ("the end", |c| drop(scan(c)), b"y", true),
        ("last: the gap behind it", |c| assert!(c.last().unwrap()), b"g", true),
        ("last: not before it", |c| assert!(c.last().unwrap()), b"e", false),
        ("prev: the gap between", |c| assert!(c.last().unwrap() && c.prev().unwrap()), b"e", true),
        ("outside of the range", |c| drop(scan(c)), b"z", false),
    ];
    for (name, walk, key, expected) in cases {
        let range = KeyRange::half_open(b"a", b"z");
        let found = conflicts(TransactionOptions::default(), key, |transaction, family| {
            walk(&mut transaction.cursor(family, range).unwrap());
        });
        // `result` is written and lies in the range too; it is the own key, and is not changed by others.
        assert_eq!(found, expected, "{name}");
    }
}

#[test]
fn write_skew_is_refused_unless_only_writes_are_validated() {
    for (validation, expected) in [(Validation::Serializable, false), (Validation::Snapshot, true)] {
        let (db, family) = open();
        put(&db, &family, b"alice", b"on call");
        put(&db, &family, b"bob", b"on call");
        let options = TransactionOptions { validation, ..TransactionOptions::default() };
        let (mut first, mut second) = (db.transaction_with(options), db.transaction_with(options));
        for transaction in [&first, &second] {
            assert_eq!(scan(&mut transaction.cursor(&family, KeyRange::all()).unwrap()).len(), 2);
        }
        first.delete(&family, b"alice").unwrap();
        second.delete(&family, b"bob").unwrap();
        first.commit(Durability::Buffered).unwrap();
        assert_eq!(second.commit(Durability::Buffered).is_ok(), expected);
    }
}

#[test]
fn a_transaction_that_wrote_nothing_commits_at_its_snapshot() {
    let (db, family) = open();
    let before = put(&db, &family, b"a", b"1");
    let transaction = db.transaction();
    assert!(transaction.get(&family, b"a").unwrap().is_some());
    put(&db, &family, b"a", b"2");
    assert_eq!(transaction.commit(Durability::Synced).unwrap(), before);
}

#[test]
fn savepoints_undo_writes_and_keep_reads() {
    let (db, family) = open();
    put(&db, &family, b"a", b"1");
    let mut transaction = db.transaction();
    transaction.put(&family, b"x", b"1").unwrap();
    let outer = transaction.savepoint();
    transaction.put(&family, b"x", b"2").unwrap();
    let inner = transaction.savepoint();
    transaction.delete(&family, b"x").unwrap();
    transaction.put(&family, b"y", b"1").unwrap();
    transaction.rollback_to(inner).unwrap();
    assert_eq!(transaction.get(&family, b"x").unwrap().as_deref(), Some(&b"2"[..]));
    assert_eq!(transaction.get(&family, b"y").unwrap(), None);
    transaction.put(&family, b"y", b"2").unwrap();
    transaction.rollback_to(inner).unwrap();
    assert_eq!(transaction.get_untracked(&family, b"y").unwrap(), None);
    transaction.rollback_to(outer).unwrap();
    assert_eq!(transaction.get(&family, b"x").unwrap().as_deref(), Some(&b"1"[..]));
    assert!(transaction.rollback_to(inner).is_err());
    assert!(transaction.get(&family, b"a").unwrap().is_some());
    transaction.rollback_to(outer).unwrap();
    transaction.release(outer).unwrap();
    assert!(transaction.release(outer).is_err());
    put(&db, &family, b"a", b"2");
    assert!(
        matches!(transaction.commit(Durability::Buffered), Err(Error::Conflict { .. })),
        "the read still counts"
    );
    assert_eq!(db.get(&family, b"x").unwrap(), None);
}

#[test]
fn counters_that_threads_increment_lose_no_increment() {
    let (db, family) = open();
    let second = db.create_column_family("second", FamilyOptions::default()).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..3 {
            let (db, families) = (&db, [&family, &second]);
            scope.spawn(move || {
                let mut done = 0;
                while done < 60 {
                    let mut transaction = db.transaction();
                    for family in families {
                        let old = transaction.get(family, b"n").unwrap().map_or(0, |value| value[0]);
                        transaction.put(family, b"n", &[old + 1]).unwrap();
                    }
                    match transaction.commit(Durability::Buffered) {
                        Ok(_) => done += 1,
                        Err(error) => assert!(matches!(error, Error::Conflict { .. }), "{error}"),
                    }
                }
            });
        }
    });
    assert_eq!(db.get(&family, b"n").unwrap().as_deref(), Some(&[180][..]));
    assert_eq!(db.get(&second, b"n").unwrap().as_deref(), Some(&[180][..]));
    assert_eq!(db.stats().pins, 0);
}

#[test]
fn a_key_beside_another_waits_for_no_lock_and_is_validated() {
    let (db, family) = open();
    let options =
        TransactionOptions { concurrency: Concurrency::Pessimistic, ..TransactionOptions::default() };
    let (mut first, mut second) = (db.transaction_with(options), db.transaction_with(options));
    first.put(&family, b"row", b"1").unwrap();
    first.put_beside(&family, b"entry", &b"1"[..]).unwrap();
    // Nobody writes the entry without the row; who does all the same waits for nothing, and is told at the end.
    second.put_beside(&family, b"entry", &b"2"[..]).unwrap();
    first.commit(Durability::Buffered).unwrap();
    assert!(matches!(second.commit(Durability::Buffered), Err(Error::Conflict { .. })));
    let mut third = db.transaction_with(options);
    third.delete_beside(&family, b"entry").unwrap();
    assert!(third.get(&family, b"entry").unwrap().is_none());
    third.commit(Durability::Buffered).unwrap();
    assert!(db.get(&family, b"entry").unwrap().is_none());
}

/// What was found absent to be written is validated as a write, and as a read where the write is undone.
#[test]
fn a_key_that_was_read_to_be_written_must_not_change() {
    type Use = fn(&mut Transaction, &ColumnFamily);
    let cases: [(&str, &[u8], Use, bool); 4] = [
        ("absent, and written", b"x", |t, f| t.put_beside(f, b"x", &b"1"[..]).unwrap(), true),
        ("absent, and the transaction goes on without it", b"y", |_, _| (), false),
        ("there", b"a", |_, _| (), true),
        ("another", b"b", |t, f| t.put_beside(f, b"x", &b"1"[..]).unwrap(), false),
    ];
    for (name, key, used, expected) in cases {
        let (db, family) = open();
        put(&db, &family, b"a", b"1");
        let mut transaction = db.transaction();
        for key in [b"a", b"x", b"y"] {
            let found = transaction.get_to_write(&family, key).unwrap();
            assert_eq!(found.as_deref(), (key == b"a").then_some(&b"1"[..]));
        }
        used(&mut transaction, &family);
        transaction.put(&family, b"result", b"1").unwrap();
        put(&db, &family, key, b"2");
        assert_eq!(transaction.commit(Durability::Buffered).is_err(), expected, "{name}");
    }
    let (db, family) = open();
    let mut transaction = db.transaction();
    let before = transaction.savepoint();
    assert!(transaction.get_to_write(&family, b"x").unwrap().is_none());
    transaction.put_beside(&family, b"x", &b"1"[..]).unwrap();
    transaction.rollback_to(before).unwrap();
    transaction.release(before).unwrap();
    transaction.put(&family, b"result", b"1").unwrap();
    put(&db, &family, b"x", b"2");
    assert!(transaction.commit(Durability::Buffered).is_err(), "that it was absent was seen");
}

#[test]
fn keys_are_locked_together_in_their_order() {
    let (db, family) = open();
    let options = TransactionOptions { lock_wait_max: std::time::Duration::ZERO, ..Default::default() };
    let (one, two) = (db.transaction_with(options), db.transaction_with(options));
    one.lock_keys(&family, &[b"a", b"b", b"a"], LockMode::Shared).unwrap();
    two.lock_keys(&family, &[b"b"], LockMode::Shared).unwrap();
    let refused = two.lock_keys(&family, &[b"c", b"a", b"d"], LockMode::Exclusive);
    let Err(Error::LockTimeout { target, holder, .. }) = refused else { panic!("{refused:?}") };
    assert_eq!((target, holder), (LockTarget::Key(b"a".to_vec()), one.id()));
    // What came before it stays locked, and what comes behind is not.
    assert!(!one.try_lock_key(&family, b"c", LockMode::Shared).unwrap());
    assert!(one.try_lock_key(&family, b"d", LockMode::Exclusive).unwrap());
    assert_eq!(db.stats().locks.keys, 4);
    drop((one, two));
    assert_eq!(db.stats().locks.keys, 0);
}

#[test]
fn a_transaction_knows_whether_others_committed_behind_its_snapshot() {
    let (db, family) = open();
    put(&db, &family, b"a", b"1");
    let mut transaction = db.transaction();
    assert!(transaction.is_newest());
    put(&db, &family, b"b", b"1");
    assert!(!transaction.is_newest());
    transaction.refresh_snapshot().unwrap();
    assert!(transaction.is_newest());
    assert!(!transaction.has_savepoint());
    let savepoint = transaction.savepoint();
    assert!(transaction.has_savepoint());
    transaction.release(savepoint).unwrap();
    assert!(!transaction.has_savepoint());
}
