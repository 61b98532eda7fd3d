use std::sync::Arc;

use crate::batch::Batch;
use crate::db::Db;
use crate::error::{Error, Result};
use crate::family::ColumnFamily;
use crate::fs::MemoryFs;
use crate::key::KEY_BYTES_MAX;
use crate::lock::LockMode;
use crate::options::{Background, Durability, FamilyOptions, Options};
use crate::reader::{KeyRange, Reader};
use crate::transaction::recent::RECENT_WRITES_BYTES_MAX;
use crate::transaction::{Concurrency, Transaction, TransactionOptions, Validation};

const B: Durability = Durability::Buffered;

struct Bed {
    db: Db,
    family: ColumnFamily,
    /// Where others write what the transactions have nothing to do with.
    other: ColumnFamily,
}

impl Bed {
    fn new() -> Bed {
        let fs = Arc::new(MemoryFs::new());
        let options = Options { fs, background: Background::Manual, ..Options::default() };
        let db = Db::open("/db", options).unwrap();
        let other = db.create_column_family("other", FamilyOptions::default()).unwrap();
        let family = db.default_column_family();
        let bed = Bed { db, family, other };
        for key in [b"a", b"b", b"c", b"d"] {
            bed.put(key, b"0");
        }
        bed
    }

    fn begin(&self, validation: Validation) -> Transaction {
        let concurrency = Concurrency::Pessimistic;
        self.db.transaction_with(TransactionOptions {
            validation,
            concurrency,
            ..TransactionOptions::default()
        })
    }

    fn put(&self, key: &[u8], value: &[u8]) {
        let mut batch = Batch::new();
        batch.put(&self.family, key, value).unwrap();
        self.db.write(batch, B).unwrap();
    }

    fn delete(&self, key: &[u8]) {
        let mut batch = Batch::new();
        batch.delete(&self.family, key).unwrap();
        self.db.write(batch, B).unwrap();
    }

    /// Others write more than is remembered, in few bytes of the log: ranges of long keys.
    fn write_much(&self) {
        let key = vec![b'x'; KEY_BYTES_MAX];
        for _ in 0..RECENT_WRITES_BYTES_MAX / KEY_BYTES_MAX + 2 {
            let mut batch = Batch::new();
            batch.put(&self.other, &key, b"").unwrap();
            self.db.write(batch, B).unwrap();
        }
        self.db.flush(&self.other).unwrap();
    }
}

fn is_conflict<T>(result: Result<T>) -> bool {
    match result {
        Ok(_) => false,
        Err(Error::Conflict { .. }) => true,
        Err(error) => panic!("{error}"),
    }
}

/// It was refused once others had written 64 MiB, whatever they wrote: a transaction that waits for a person conflicted.
#[test]
fn a_transaction_that_waited_long_goes_on_unless_what_it_depends_on_changed() {
    for validation in [Validation::Snapshot, Validation::Serializable] {
        let bed = Bed::new();
        let mut moving = bed.begin(validation);
        let mut staying = bed.begin(validation);
        moving.put(&bed.family, b"a", b"moving").unwrap();
        staying.put(&bed.family, b"b", b"staying").unwrap();
        for transaction in [&moving, &staying] {
            assert!(transaction.get(&bed.family, b"c").unwrap().is_some());
            assert!(transaction.get(&bed.family, b"absent").unwrap().is_none());
            let mut cursor = transaction.cursor(&bed.family, KeyRange::half_open(b"c", b"f")).unwrap();
            assert!(cursor.first().unwrap() && cursor.next().unwrap() && !cursor.next().unwrap());
        }
        bed.write_much();
        let before = staying.seqno();
        assert!(moving.refresh_snapshot().unwrap() > before);
        moving.put(&bed.family, b"moved", b"1").unwrap();
        // Its snapshot stays, and it writes and locks beside those that write much.
        staying.put(&bed.family, b"stayed", b"1").unwrap();
        staying.lock_key(&bed.family, b"c", LockMode::Exclusive).unwrap();
        staying.check_key_unchanged(&bed.family, b"c").unwrap();
        staying.delete_range(&bed.family, b"p", b"q").unwrap();
        assert_eq!(staying.seqno(), before);
        bed.write_much();
        moving.commit(B).unwrap();
        // Others wrote `a` and `moved`, which this one has nothing to do with.
        staying.commit(B).unwrap();
        let get = |key: &[u8]| bed.db.get(&bed.family, key).unwrap().map(|value| value.to_vec());
        assert_eq!(get(b"a").as_deref(), Some(&b"moving"[..]));
        assert_eq!(get(b"b").as_deref(), Some(&b"staying"[..]));
        assert!(get(b"moved").is_some() && get(b"stayed").is_some());
    }
}

/// What changed meanwhile is found by comparing the versions of two snapshots.
#[test]
fn what_changed_while_commits_were_forgotten_is_found() {
    type Change = fn(&Bed);
    // Each transaction writes keys of its own: `o0` and the range `r0`, or `o1` and the range `r1`.
    let changes: [(&str, Change, bool, bool); 9] = [
        ("nothing", |_| (), false, false),
        ("another key", |bed| bed.put(b"n", b"1"), false, false),
        ("written by both", |bed| [b"o0", b"o1"].iter().for_each(|key| bed.put(*key, b"1")), true, true),
        ("come and gone", |bed| (bed.put(b"ab", b"1"), bed.delete(b"ab")).1, false, false),
        (
            "in a range that is deleted",
            |bed| [b"r0", b"r1"].iter().for_each(|key| bed.put(*key, b"1")),
            true,
            true,
        ),
        ("read", |bed| bed.put(b"a", b"1"), false, true),
        ("read, the same value", |bed| bed.put(b"a", b"0"), false, true),
        ("read, and gone", |bed| bed.delete(b"a"), false, true),
        ("in a range that was read", |bed| bed.put(b"bb", b"1"), false, true),
    ];
    for (what, change, of_writes, of_reads) in changes {
        let bed = Bed::new();
        let begin = |validation, number: u8| {
            let mut transaction =
                bed.db.transaction_with(TransactionOptions { validation, ..TransactionOptions::default() });
            assert!(transaction.get(&bed.family, b"a").unwrap().is_some());
            let mut cursor = transaction.cursor(&bed.family, KeyRange::half_open(b"b", b"d")).unwrap();
            assert!(cursor.first().unwrap() && cursor.next().unwrap() && !cursor.next().unwrap());
            assert!(transaction.get(&bed.family, b"ab").unwrap().is_none());
            transaction.put(&bed.family, &[b'o', number], b"mine").unwrap();
            transaction.delete_range(&bed.family, &[b'r', number], &[b'r', number + 1]).unwrap();
            transaction
        };
        let all = [(Validation::Snapshot, b'0', of_writes), (Validation::Serializable, b'1', of_reads)].map(
            |(validation, number, expected)| {
                (validation, expected, begin(validation, number), begin(validation, number))
            },
        );
        change(&bed);
        bed.write_much();
        for (validation, expected, mut moving, committing) in all {
            let what = format!("{what}, {validation:?}");
            assert_eq!(is_conflict(moving.refresh_snapshot()), expected, "{what}, moving");
            assert_eq!(is_conflict(committing.commit(B)), expected, "{what}, committing");
        }
    }
}
