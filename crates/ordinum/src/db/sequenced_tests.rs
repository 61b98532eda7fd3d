//! Commits that have their sequence number and are not applied yet: no reader sees them, and validation does.

use super::*;
use crate::fs::MemoryFs;
use crate::options::Background;
use crate::{Batch, Error, KeyRange, Reader, Transaction, TransactionOptions, Validation};

fn open() -> (Db, ColumnFamily) {
    let fs = Arc::new(MemoryFs::new());
    let db = Db::open("/db", Options { fs, background: Background::Manual, ..Options::default() }).unwrap();
    let family = db.default_column_family();
    let mut batch = Batch::new();
    for key in [b"a", b"c", b"m"] {
        batch.put(&family, key, b"before").unwrap();
    }
    db.write(batch, Durability::Buffered).unwrap();
    (db, family)
}

type Change = fn(&mut Batch, &ColumnFamily);
type Depend = fn(&mut Transaction, &ColumnFamily);

fn put_c(batch: &mut Batch, family: &ColumnFamily) {
    batch.put(family, b"c", b"held").unwrap();
}

fn put_new(batch: &mut Batch, family: &ColumnFamily) {
    batch.put(family, b"b", b"held").unwrap();
}

fn delete_range(batch: &mut Batch, family: &ColumnFamily) {
    batch.delete_range(family, b"b", b"d").unwrap();
}

fn read_c(transaction: &mut Transaction, family: &ColumnFamily) {
    transaction.get(family, b"c").unwrap();
}

fn read_absent(transaction: &mut Transaction, family: &ColumnFamily) {
    assert!(transaction.get(family, b"b").unwrap().is_none());
}

fn scan(transaction: &mut Transaction, family: &ColumnFamily) {
    let mut cursor = transaction.cursor(family, KeyRange::half_open(b"a", b"d")).unwrap();
    let mut found = cursor.first().unwrap();
    while found {
        found = cursor.next().unwrap();
    }
}

fn write_c(transaction: &mut Transaction, family: &ColumnFamily) {
    transaction.put(family, b"c", b"own").unwrap();
}

fn delete_own_range(transaction: &mut Transaction, family: &ColumnFamily) {
    transaction.delete_range(family, b"bb", b"cc").unwrap();
}

/// A transaction that depends on `key` through `depend`, and one that does not, commit while a commit of `change` has its
/// number and is held before it is applied.
fn run(validation: Validation, change: Change, depend: Depend) {
    let (db, family) = open();
    let options = TransactionOptions { validation, ..TransactionOptions::default() };
    let mut dependent = db.transaction_with(options);
    depend(&mut dependent, &family);
    dependent.put(&family, b"x", b"dependent").unwrap();
    let mut other = db.transaction_with(options);
    other.get(&family, b"m").unwrap();
    other.put(&family, b"y", b"other").unwrap();

    let core = db.core();
    let before = core.visible();
    core.sequenced.hold_next();
    std::thread::scope(|scope| {
        let held = scope.spawn(|| {
            let mut batch = Batch::new();
            change(&mut batch, &family);
            db.write(batch, Durability::Buffered).unwrap()
        });
        core.sequenced.until_held();
        let sequenced = core.commits.lock().last;
        assert!(sequenced > before && core.visible() == before, "it has a number and is not visible");
        assert_eq!(family.family.view.load().active.entries(), 3, "it is not in the memtable");
        assert_eq!(*db.get(&family, b"c").unwrap().unwrap(), *b"before");

        match dependent.commit_unsynced() {
            Err(Error::Conflict { newer, .. }) => assert_eq!(newer, sequenced),
            other => panic!("{other:?}"),
        }
        // One that depends on nothing of it gets the next number, and is visible behind it.
        let committed = scope.spawn(|| other.commit(Durability::Buffered).unwrap());
        while core.commits.lock().last == sequenced {
            std::thread::yield_now();
        }
        assert_eq!(core.visible(), before);
        assert_eq!(db.get(&family, b"y").unwrap(), None);
        core.sequenced.let_go();
        assert_eq!(held.join().unwrap(), sequenced);
        assert!(committed.join().unwrap() > sequenced);
    });
    assert_eq!(*db.get(&family, b"y").unwrap().unwrap(), *b"other");
    assert_eq!(db.get(&family, b"x").unwrap(), None);
}

#[test]
fn validation_sees_a_commit_that_is_sequenced_and_not_yet_applied() {
    let serializable: [(Change, Depend); 7] = [
        (put_c, read_c),
        (put_c, scan),
        (put_new, read_absent),
        (put_new, scan),
        (delete_range, read_c),
        (delete_range, scan),
        (put_c, write_c),
    ];
    for (change, depend) in serializable {
        run(Validation::Serializable, change, depend);
    }
    for (change, depend) in [(put_c as Change, write_c as Depend), (delete_range, write_c)] {
        run(Validation::Snapshot, change, depend);
    }
    for change in [put_c as Change, delete_range] {
        run(Validation::Snapshot, change, delete_own_range);
    }
}
