//! Merge operators over random histories, compared with a model: gets, scans both ways and snapshots, while memtables flush
//! and compact all the time, with range deletes, values that are separated, reopenings and crashes.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "test")]

use std::collections::BTreeMap;
use std::sync::Arc;

use fastrand::Rng;
use ordinum::fs::{Fs, MemoryFs, PowerLoss};
use ordinum::{
    Background, Batch, ColumnFamily, Db, Durability, Error, ErrorKind, FamilyOptions, KeyRange, MergeFailed,
    MergeOperator, Options, Reader, Snapshot, TransactionOptions, Validation,
};

/// Adds numbers.
#[derive(Debug)]
struct Counter;

fn number(bytes: &[u8]) -> Result<i64, MergeFailed> {
    let bytes = bytes.try_into().map_err(|_| MergeFailed(format!("{} bytes are no number", bytes.len())))?;
    Ok(i64::from_le_bytes(bytes))
}

impl MergeOperator for Counter {
    fn name(&self) -> &str {
        "counter"
    }

    fn merge(&self, _: &[u8], existing: Option<&[u8]>, operands: &[&[u8]]) -> Result<Vec<u8>, MergeFailed> {
        let mut sum = existing.map_or(Ok(0), number)?;
        for operand in operands {
            sum += number(operand)?;
        }
        Ok(sum.to_le_bytes().to_vec())
    }

    fn join(&self, key: &[u8], operands: &[&[u8]]) -> Option<Vec<u8>> {
        self.merge(key, None, operands).ok()
    }
}

/// Appends bytes; its operands stay side by side.
#[derive(Debug)]
struct Append;

impl MergeOperator for Append {
    fn name(&self) -> &str {
        "append"
    }

    fn merge(&self, _: &[u8], existing: Option<&[u8]>, operands: &[&[u8]]) -> Result<Vec<u8>, MergeFailed> {
        let mut value = existing.unwrap_or_default().to_vec();
        operands.iter().for_each(|operand| value.extend_from_slice(operand));
        Ok(value)
    }
}

type Rows = BTreeMap<Vec<u8>, Vec<u8>>;

struct Bed {
    fs: MemoryFs,
    operator: Arc<dyn MergeOperator>,
    db: Option<Db>,
    rows: Rows,
    snapshots: Vec<(Snapshot, Rows)>,
}

fn options(fs: &MemoryFs, operator: Option<Arc<dyn MergeOperator>>) -> Options {
    Options {
        fs: Arc::new(fs.clone()),
        background: Background::Manual,
        log_segment_bytes: 8 << 10,
        family_defaults: FamilyOptions {
            merge_operator: operator,
            write_buffer_bytes: 4 << 10,
            level0_tables_trigger: 2,
            level_base_bytes: 4 << 10,
            table_bytes_target: 4 << 10,
            separate_values_from_bytes: Some(24),
            ..FamilyOptions::default()
        },
        ..Options::default()
    }
}

fn key(rng: &mut Rng) -> Vec<u8> {
    format!("key{:02}", rng.u8(..24)).into_bytes()
}

impl Bed {
    fn new(operator: Arc<dyn MergeOperator>) -> Bed {
        let fs = MemoryFs::new();
        let db = Db::open("/db", options(&fs, Some(Arc::clone(&operator)))).unwrap();
        Bed { fs, operator, db: Some(db), rows: Rows::new(), snapshots: Vec::new() }
    }

    fn db(&self) -> (&Db, ColumnFamily) {
        let db = self.db.as_ref().unwrap();
        (db, db.default_column_family())
    }

    fn operand(&self, rng: &mut Rng) -> Vec<u8> {
        match self.operator.name() {
            "counter" => rng.i64(-100..100).to_le_bytes().to_vec(),
            _ => vec![rng.u8(b'a'..=b'z'); rng.usize(..4)],
        }
    }

    fn value(&self, rng: &mut Rng) -> Vec<u8> {
        match self.operator.name() {
            "counter" => rng.i64(-100..100).to_le_bytes().to_vec(),
            _ => vec![b'v'; rng.usize(..40)],
        }
    }

    fn write(&mut self, rng: &mut Rng) {
        let mut batch = Batch::new();
        let family = self.db().1;
        let once = key(rng);
        for _ in 0..if rng.u8(..4) == 0 { rng.usize(1..24) } else { 1 } {
            let key = if rng.bool() { once.clone() } else { key(rng) };
            match rng.u8(..20) {
                0..2 => {
                    let value = self.value(rng);
                    batch.put(&family, &key, &value).unwrap();
                    self.rows.insert(key, value);
                }
                2 => {
                    batch.delete(&family, &key).unwrap();
                    self.rows.remove(&key);
                }
                3 => {
                    let mut end = key.clone();
                    end[4] += rng.u8(..6);
                    batch.delete_range(&family, &key, &end).unwrap();
                    self.rows.retain(|row, _| *row < key || *row >= end);
                }
                _ => {
                    let operand = self.operand(rng);
                    batch.merge(&family, &key, &operand).unwrap();
                    let before = self.rows.get(&key).map(Vec::as_slice);
                    let after = self.operator.merge(&key, before, &[&operand]).unwrap();
                    self.rows.insert(key, after);
                }
            }
        }
        self.db().0.write(batch, Durability::Synced).unwrap();
    }

    fn reopen(&mut self, rng: &mut Rng) {
        self.snapshots.clear();
        let db = self.db.take().unwrap();
        if rng.bool() {
            self.fs.lose_power(PowerLoss::LoseUnsynced);
        } else {
            db.close().unwrap();
        }
        drop(db);
        self.db = Some(Db::open("/db", options(&self.fs, Some(Arc::clone(&self.operator)))).unwrap());
    }

    fn check(&self, rng: &mut Rng) {
        let (db, family) = self.db();
        check(db, &family, &self.rows, rng);
        for (snapshot, rows) in &self.snapshots {
            check(snapshot, &family, rows, rng);
        }
    }

    fn run(&mut self, rng: &mut Rng, steps: usize) {
        for _ in 0..steps {
            match rng.u8(..40) {
                0 => self.reopen(rng),
                1..3 => {
                    let (db, family) = self.db();
                    let range = if rng.bool() { KeyRange::all() } else { KeyRange::prefix(b"key1") };
                    db.compact_range(&family, range).unwrap();
                }
                3..6 => self.db().0.flush_all().unwrap(),
                6..9 => drop(self.db().0.run_background_step().unwrap()),
                9 if self.snapshots.len() < 3 => {
                    self.snapshots.push((self.db().0.snapshot(), self.rows.clone()))
                }
                10 if !self.snapshots.is_empty() => {
                    drop(self.snapshots.swap_remove(rng.usize(..self.snapshots.len())));
                }
                11..14 => self.check(rng),
                _ => self.write(rng),
            }
        }
        self.check(rng);
    }
}

fn check(reader: &dyn Reader, family: &ColumnFamily, rows: &Rows, rng: &mut Rng) {
    let keys: Vec<Vec<u8>> = (0..4).map(|_| key(rng)).collect();
    let slices: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
    for (key, found) in keys.iter().zip(reader.multi_get(family, &slices).unwrap()) {
        assert_eq!(found.as_deref(), rows.get(key).map(Vec::as_slice), "multi_get");
        let found = reader.get(family, key).unwrap();
        assert_eq!(found.as_deref(), rows.get(key).map(Vec::as_slice), "get");
    }
    let rows: Vec<(&Vec<u8>, &Vec<u8>)> = rows.iter().collect();
    let mut cursor = reader.cursor(family, KeyRange::all()).unwrap();
    let mut found = Vec::new();
    let mut more = cursor.first().unwrap();
    while more {
        found.push((cursor.key().to_vec(), cursor.value().unwrap().to_vec()));
        more = cursor.next().unwrap();
    }
    assert!(found.iter().map(|(key, value)| (key, value)).eq(rows.iter().copied()), "{found:?}, {rows:?}");
    found.clear();
    more = cursor.last().unwrap();
    while more {
        found.push((cursor.key().to_vec(), cursor.value_slice().unwrap().to_vec()));
        more = cursor.prev().unwrap();
    }
    found.reverse();
    assert!(
        found.iter().map(|(key, value)| (key, value)).eq(rows.iter().copied()),
        "back: {found:?}, {rows:?}"
    );
    // Back and forth.
    let mut at = rows.len().checked_sub(1).map(|last| rng.usize(..=last));
    if let Some(start) = at {
        assert!(cursor.seek(rows[start].0).unwrap());
    }
    for _ in 0..6 {
        let Some(here) = at else { break };
        assert_eq!((cursor.key(), cursor.value().unwrap()), (&rows[here].0[..], &rows[here].1[..]));
        let forward = rng.bool();
        at = if forward { Some(here + 1).filter(|at| *at < rows.len()) } else { here.checked_sub(1) };
        assert_eq!(if forward { cursor.next().unwrap() } else { cursor.prev().unwrap() }, at.is_some());
    }
}

#[test]
fn random_histories_read_as_the_model_does() {
    for seed in 0..24 {
        println!("seed {seed}");
        let mut rng = Rng::with_seed(seed);
        let operator: Arc<dyn MergeOperator> =
            if seed % 2 == 0 { Arc::new(Counter) } else { Arc::new(Append) };
        Bed::new(operator).run(&mut rng, 500);
    }
}

#[test]
fn operands_that_nobody_reads_between_become_a_value() {
    let fs = MemoryFs::new();
    let db = Db::open("/db", options(&fs, Some(Arc::new(Counter)))).unwrap();
    let family = db.default_column_family();
    let add = |n: i64| {
        let mut batch = Batch::new();
        batch.merge(&family, b"n", &n.to_le_bytes()).unwrap();
        db.write(batch, Durability::Buffered).unwrap()
    };
    for n in 0..20 {
        add(n);
    }
    let snapshot = db.snapshot();
    let last = add(1);
    db.flush(&family).unwrap();
    assert_eq!(db.approximate_entries(&family, &KeyRange::all()).unwrap(), 2, "one for each who reads");
    drop(snapshot);
    db.compact_range(&family, KeyRange::all()).unwrap();
    assert_eq!(db.approximate_entries(&family, &KeyRange::all()).unwrap(), 1);
    let (value, seqno) = db.get_versioned(&family, b"n").unwrap().unwrap();
    assert_eq!((number(&value).unwrap(), seqno), (191, last));
}

#[test]
fn what_the_operator_refuses_is_told_with_the_key_until_it_is_written() {
    let fs = MemoryFs::new();
    let db = Db::open("/db", options(&fs, Some(Arc::new(Counter)))).unwrap();
    let family = db.default_column_family();
    let mut batch = Batch::new();
    batch.put(&family, b"bad\xff", b"no number").unwrap();
    batch.merge(&family, b"bad\xff", &1_i64.to_le_bytes()).unwrap();
    batch.merge(&family, b"good", &1_i64.to_le_bytes()).unwrap();
    db.write(batch, Durability::Synced).unwrap();
    let check = |db: &Db, family: &ColumnFamily| {
        let error = db.get(family, b"bad\xff").unwrap_err();
        assert!(
            matches!(&error, Error::MergeFailed { family, key, .. } if family == "default" && key == b"bad\xff")
        );
        assert_eq!(error.kind(), ErrorKind::FixTheRequest);
        assert!(
            error
                .to_string()
                .starts_with("key \"bad\\xff\" of column family \"default\" has no value: 9 bytes")
        );
        assert!(matches!(db.multi_get(family, &[b"bad\xff"]), Err(Error::MergeFailed { .. })));
        let mut cursor = db.cursor(family, KeyRange::all()).unwrap();
        assert!(matches!(cursor.first(), Err(Error::MergeFailed { .. })));
        assert!(cursor.seek(b"good").unwrap(), "a cursor goes on behind it");
        assert!(matches!(cursor.prev(), Err(Error::MergeFailed { .. })));
        assert!(db.get(family, b"good").unwrap().is_some());
    };
    check(&db, &family);
    db.flush(&family).unwrap();
    check(&db, &family);
    db.compact_range(&family, KeyRange::all()).unwrap();
    check(&db, &family);
    drop(db);
    let db = Db::open("/db", options(&fs, Some(Arc::new(Counter)))).unwrap();
    let family = db.default_column_family();
    check(&db, &family);
    let mut batch = Batch::new();
    batch.delete(&family, b"bad\xff").unwrap();
    batch.merge(&family, b"bad\xff", &2_i64.to_le_bytes()).unwrap();
    db.write(batch, Durability::Synced).unwrap();
    assert_eq!(number(&db.get(&family, b"bad\xff").unwrap().unwrap()).unwrap(), 2);
}

#[test]
fn a_family_opens_with_the_operator_that_it_was_written_with() {
    let fs = MemoryFs::new();
    let plain = || options(&fs, None);
    let db = Db::open("/db", plain()).unwrap();
    let family = db.default_column_family();
    let error = Batch::new().merge(&family, b"k", b"").unwrap_err();
    assert!(matches!(error, Error::InvalidArgument { .. }), "{error}");
    drop((db, family));
    // A family without one may get one.
    let with_counter = || options(&fs, Some(Arc::new(Counter)));
    let db = Db::open("/db", with_counter()).unwrap();
    let other = FamilyOptions { merge_operator: Some(Arc::new(Append)), ..FamilyOptions::default() };
    db.create_column_family("other", other.clone()).unwrap();
    drop(db);
    let mismatch = |options: Options| match Db::open("/db", options) {
        Err(Error::MergeOperatorMismatch { family, written, given }) => (family, written, given),
        other => panic!("{other:?}"),
    };
    let (counter, append) = ("counter".to_owned(), "append".to_owned());
    assert_eq!(mismatch(plain()), ("default".to_owned(), counter.clone(), None));
    let expected = ("other".to_owned(), append.clone(), Some(counter.clone()));
    assert_eq!(mismatch(with_counter()), expected);
    let expected = ("default".to_owned(), counter, Some(append));
    assert_eq!(mismatch(options(&fs, Some(Arc::new(Append)))), expected);
    let mut right = with_counter();
    right.families.insert("other".to_owned(), other);
    drop(Db::open("/db", right).unwrap());
    assert!(fs.list(std::path::Path::new("/db")).unwrap().len() > 2);
}

/// A transaction sees its own operands over its snapshot, and over its own writes and range deletes.
#[test]
fn transactions_merge_over_their_snapshot_and_their_own_writes() {
    for seed in 0..8 {
        println!("seed {seed}");
        let mut rng = Rng::with_seed(seed);
        let mut bed = Bed::new(Arc::new(Append));
        bed.run(&mut rng, 60);
        for _ in 0..10 {
            let (db, family) = bed.db();
            let mut rows = bed.rows.clone();
            let mut transaction = db.transaction_with(TransactionOptions {
                validation: if rng.bool() { Validation::Snapshot } else { Validation::Serializable },
                ..TransactionOptions::default()
            });
            let mut saved = None;
            for _ in 0..20 {
                let key = key(&mut rng);
                match rng.u8(..12) {
                    0 => {
                        let value = bed.value(&mut rng);
                        transaction.put(&family, &key, &value).unwrap();
                        rows.insert(key, value);
                    }
                    1 => {
                        transaction.delete(&family, &key).unwrap();
                        rows.remove(&key);
                    }
                    2 => {
                        let mut end = key.clone();
                        end[4] += 3;
                        transaction.delete_range(&family, &key, &end).unwrap();
                        rows.retain(|row, _| *row < key || *row >= end);
                    }
                    3 => saved = Some((transaction.savepoint(), rows.clone())),
                    4 => {
                        if let Some((savepoint, before)) = &saved {
                            transaction.rollback_to(*savepoint).unwrap();
                            rows = before.clone();
                        }
                    }
                    5 => check(&transaction, &family, &rows, &mut rng),
                    _ => {
                        let operand = bed.operand(&mut rng);
                        transaction.merge(&family, &key, &operand).unwrap();
                        let after =
                            Append.merge(&key, rows.get(&key).map(Vec::as_slice), &[&operand]).unwrap();
                        rows.insert(key, after);
                    }
                }
            }
            check(&transaction, &family, &rows, &mut rng);
            transaction.commit(Durability::Synced).unwrap();
            bed.rows = rows;
            bed.check(&mut rng);
        }
    }
}

#[test]
fn an_own_operand_depends_on_what_stands_below_once_it_is_read() {
    let fs = MemoryFs::new();
    let db = Db::open("/db", options(&fs, Some(Arc::new(Counter)))).unwrap();
    let family = db.default_column_family();
    let outside = |key: &[u8]| {
        let mut batch = Batch::new();
        batch.merge(&family, key, &1_i64.to_le_bytes()).unwrap();
        db.write(batch, Durability::Buffered).unwrap();
    };
    let mut transaction = db.transaction();
    transaction.merge(&family, b"n", &5_i64.to_le_bytes()).unwrap();
    outside(b"n");
    assert!(matches!(transaction.commit(Durability::Buffered), Err(Error::Conflict { .. })));
    let mut transaction = db.transaction();
    let savepoint = transaction.savepoint();
    transaction.merge(&family, b"n", &5_i64.to_le_bytes()).unwrap();
    assert_eq!(number(&transaction.get(&family, b"n").unwrap().unwrap()).unwrap(), 6);
    transaction.rollback_to(savepoint).unwrap();
    transaction.put(&family, b"result", &0_i64.to_le_bytes()).unwrap();
    outside(b"n");
    assert!(matches!(transaction.commit(Durability::Buffered), Err(Error::Conflict { .. })), "it was read");
}
