//! Transactions that overlap at random, on a database whose memtables flush and compact all the time, compared with a
//! model: what each one reads is its snapshot under its own writes, and its commit is refused if it must be, and not
//! refused if nothing that it could have seen was changed.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "test")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use fastrand::Rng;
use ordinum::fs::MemoryFs;
use ordinum::{
    Background, Batch, ColumnFamily, Db, Durability, Error, FamilyOptions, KeyRange, Options, Reader,
    Savepoint, SeqNo, Transaction, TransactionOptions, Validation,
};

type Rows = BTreeMap<Vec<u8>, Vec<u8>>;

const KEYS: u16 = 40;

fn key(number: u16) -> Vec<u8> {
    format!("key{number:03}").into_bytes()
}

/// A range of keys, and those in it.
fn random_range(rng: &mut Rng) -> (Vec<u8>, Vec<u8>, BTreeSet<Vec<u8>>) {
    let (low, wide) = (rng.u16(..KEYS), rng.u16(1..6));
    let high = (low + wide).min(KEYS);
    (key(low), key(high), (low..high).map(key).collect())
}

fn random_key(rng: &mut Rng) -> Vec<u8> {
    key(rng.u16(..KEYS))
}

/// A transaction, and what the model knows of it.
struct Open {
    transaction: Transaction,
    validation: Validation,
    /// What it must see.
    rows: Rows,
    /// The keys that it wrote, with the state at each savepoint.
    written: BTreeSet<Vec<u8>>,
    savepoints: Vec<(Savepoint, Rows, BTreeSet<Vec<u8>>)>,
    /// Keys that it certainly depends on.
    read: BTreeSet<Vec<u8>>,
    /// Keys that it may depend on, besides.
    maybe_read: BTreeSet<Vec<u8>>,
}

struct Bed {
    db: Db,
    family: ColumnFamily,
    rows: Rows,
    /// Each commit, and the keys that it wrote.
    commits: Vec<(SeqNo, BTreeSet<Vec<u8>>)>,
    open: Vec<Open>,
    conflicts: usize,
    committed: usize,
}

impl Bed {
    fn begin(&mut self, rng: &mut Rng) {
        let validation = if rng.u8(..4) == 0 { Validation::Snapshot } else { Validation::Serializable };
        self.open.push(Open {
            transaction: self
                .db
                .transaction_with(TransactionOptions { validation, ..TransactionOptions::default() }),
            validation,
            rows: self.rows.clone(),
            written: BTreeSet::new(),
            savepoints: Vec::new(),
            read: BTreeSet::new(),
            maybe_read: BTreeSet::new(),
        });
    }

    /// A commit without a transaction.
    fn write(&mut self, rng: &mut Rng) {
        let mut batch = Batch::new();
        let mut keys = BTreeSet::new();
        if rng.u8(..4) == 0 {
            let (start, end, deleted) = random_range(rng);
            batch.delete_range(&self.family, &start, &end).unwrap();
            self.rows.retain(|key, _| !deleted.contains(key));
            keys.extend(deleted);
        }
        for _ in 0..rng.usize(1..3) {
            let key = random_key(rng);
            if rng.bool() {
                batch.put(&self.family, &key, b"outside").unwrap();
                self.rows.insert(key.clone(), b"outside".to_vec());
            } else {
                batch.delete(&self.family, &key).unwrap();
                self.rows.remove(&key);
            }
            keys.insert(key);
        }
        let seqno = self.db.write(batch, Durability::Buffered).unwrap();
        self.commits.push((seqno, keys));
    }

    fn commit(&mut self, open: Open) {
        let read_at = open.transaction.seqno();
        let newer: BTreeSet<&Vec<u8>> = self
            .commits
            .iter()
            .rev()
            .take_while(|(seqno, _)| *seqno > read_at)
            .flat_map(|(_, keys)| keys)
            .collect();
        let touched = |keys: &BTreeSet<Vec<u8>>| keys.iter().any(|key| newer.contains(key));
        let (must_fail, may_fail) = match open.validation {
            _ if open.written.is_empty() => (false, false),
            Validation::Serializable => {
                let must = touched(&open.read) || touched(&open.written);
                (must, must || touched(&open.maybe_read))
            }
            Validation::Snapshot => (touched(&open.written), touched(&open.written)),
        };
        assert_eq!(open.transaction.is_empty(), open.written.is_empty());
        match open.transaction.commit(Durability::Buffered) {
            Ok(seqno) if open.written.is_empty() => assert_eq!(seqno, read_at),
            Ok(seqno) => {
                assert!(!must_fail, "a commit that had to be refused was not");
                for key in &open.written {
                    match open.rows.get(key) {
                        Some(value) => self.rows.insert(key.clone(), value.clone()),
                        None => self.rows.remove(key),
                    };
                }
                self.commits.push((seqno, open.written));
                self.committed += 1;
            }
            Err(Error::Conflict { read_at: at, newer }) => {
                assert!(may_fail, "a commit was refused for no reason");
                assert_eq!(at, read_at);
                assert!(newer > at);
                self.conflicts += 1;
            }
            Err(error) => panic!("{error}"),
        }
    }

    fn check(&self) {
        assert_eq!(scan(&self.db, &self.family), self.rows);
    }
}

fn scan(reader: &dyn Reader, family: &ColumnFamily) -> Rows {
    let mut cursor = reader.cursor(family, KeyRange::all()).unwrap();
    let mut rows = Rows::new();
    let mut more = cursor.first().unwrap();
    while more {
        rows.insert(cursor.key().to_vec(), cursor.value().unwrap().to_vec());
        more = cursor.next().unwrap();
    }
    rows
}

impl Open {
    fn step(&mut self, family: &ColumnFamily, rng: &mut Rng) {
        match rng.u8(..20) {
            0..4 => {
                let key = random_key(rng);
                let found = self.transaction.get(family, &key).unwrap();
                assert_eq!(found.as_deref(), self.rows.get(&key).map(Vec::as_slice));
                self.note_read(key);
            }
            4 => {
                let keys: Vec<Vec<u8>> = (0..3).map(|_| random_key(rng)).collect();
                let slices: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
                let found = self.transaction.multi_get(family, &slices).unwrap();
                for (key, found) in keys.into_iter().zip(found) {
                    assert_eq!(found.as_deref(), self.rows.get(&key).map(Vec::as_slice));
                    self.note_read(key);
                }
            }
            5 => {
                let key = random_key(rng);
                let found = self.transaction.get_untracked(family, &key).unwrap();
                assert_eq!(found.as_deref(), self.rows.get(&key).map(Vec::as_slice));
            }
            6 => {
                let mut cursor = self.transaction.cursor_untracked(family, KeyRange::all()).unwrap();
                assert_eq!(cursor.last().unwrap(), !self.rows.is_empty());
                assert_eq!(cursor.key(), self.rows.last_key_value().map_or(&[][..], |(key, _)| key));
            }
            7..11 => self.walk(family, rng),
            11..14 => {
                let (key, value) = (random_key(rng), format!("inside {}", rng.u32(..)).into_bytes());
                self.transaction.put(family, &key, &value).unwrap();
                self.rows.insert(key.clone(), value);
                self.written.insert(key);
            }
            14 => {
                let (start, end, deleted) = random_range(rng);
                self.transaction.delete_range(family, &start, &end).unwrap();
                self.rows.retain(|key, _| !deleted.contains(key));
                self.written.extend(deleted);
            }
            15 => {
                let key = random_key(rng);
                self.transaction.delete(family, &key).unwrap();
                self.rows.remove(&key);
                self.written.insert(key);
            }
            16..18 => {
                let savepoint = self.transaction.savepoint();
                self.savepoints.push((savepoint, self.rows.clone(), self.written.clone()));
            }
            _ if !self.savepoints.is_empty() => {
                let at = rng.usize(..self.savepoints.len());
                let (savepoint, rows, written) = self.savepoints[at].clone();
                if rng.bool() {
                    self.transaction.rollback_to(savepoint).unwrap();
                    (self.rows, self.written) = (rows, written);
                    self.savepoints.truncate(at + 1);
                } else {
                    self.transaction.release(savepoint).unwrap();
                    self.savepoints.truncate(at);
                    assert!(self.transaction.rollback_to(savepoint).is_err());
                }
            }
            _ => {}
        }
    }

    /// A read of a key that it wrote depends on nobody else; but the write may be rolled back, and stays noted or not.
    fn note_read(&mut self, key: Vec<u8>) {
        if self.written.contains(&key) {
            self.maybe_read.insert(key);
        } else {
            self.read.insert(key);
        }
    }

    /// Seeks to a key and goes on some steps in one direction, or back and forth.
    fn walk(&mut self, family: &ColumnFamily, rng: &mut Rng) {
        let numbers = [rng.u16(..KEYS), rng.u16(..KEYS)];
        let (low, high) = (numbers[0].min(numbers[1]), numbers[0].max(numbers[1]));
        let range = KeyRange::half_open(&key(low), &key(high));
        let rows: Vec<(Vec<u8>, Vec<u8>)> = self
            .rows
            .iter()
            .filter(|(key, _)| range.contains(key))
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect();
        let mut cursor = self.transaction.cursor(family, range).unwrap();
        let start = rng.u16(low..=high.max(low));
        let forward = rng.bool();
        let behind = rows.partition_point(|row| row.0 < key(start));
        let through = rows.partition_point(|row| row.0 <= key(start));
        let (found, mut at) = match forward {
            true => (cursor.seek(&key(start)).unwrap(), Some(behind)),
            false => (cursor.seek_back(&key(start)).unwrap(), through.checked_sub(1)),
        };
        at = at.filter(|at| *at < rows.len());
        assert_eq!(found, at.is_some());
        // From the start to the farthest row on each side, or to the end of the range.
        let (mut lowest, mut highest) = (start.max(low), start.min(high));
        let number = |key: &[u8]| -> u16 { std::str::from_utf8(&key[3..]).unwrap().parse().unwrap() };
        for _ in 0..rng.usize(..8) {
            let Some(here) = at else { break };
            assert_eq!((cursor.key(), cursor.value().unwrap()), (&rows[here].0[..], &rows[here].1[..]));
            (lowest, highest) = (lowest.min(number(cursor.key())), highest.max(number(cursor.key())));
            let onward = if rng.u8(..4) == 0 { !forward } else { forward };
            let found = if onward { cursor.next().unwrap() } else { cursor.prev().unwrap() };
            at = if onward { Some(here + 1) } else { here.checked_sub(1) }.filter(|at| *at < rows.len());
            assert_eq!(found, at.is_some());
            if at.is_none() {
                (lowest, highest) = if onward { (lowest, high) } else { (low, highest) };
            }
        }
        if let Some(here) = at {
            let last = number(&rows[here].0);
            (lowest, highest) = (lowest.min(last), highest.max(last));
        } else if forward && behind == rows.len() {
            highest = high;
        } else if !forward && through == 0 {
            lowest = low;
        }
        self.maybe_read.extend((low..=high).map(key));
        self.read.extend((lowest..=highest).filter(|number| (low..high).contains(number)).map(key));
    }
}

fn run(seed: u64, background: Background) -> (usize, usize) {
    println!("seed {seed}");
    let mut rng = Rng::with_seed(seed);
    let options = Options {
        fs: Arc::new(MemoryFs::new()),
        background,
        block_cache_bytes: 64 << 10,
        family_defaults: FamilyOptions {
            write_buffer_bytes: 4 << 10,
            level0_tables_trigger: 2,
            level_base_bytes: 4 << 10,
            table_bytes_target: 4 << 10,
            ..FamilyOptions::default()
        },
        ..Options::default()
    };
    let db = Db::open("/db", options).unwrap();
    let family = db.default_column_family();
    let (open, commits) = (Vec::new(), Vec::new());
    let mut bed = Bed { db, family, rows: Rows::new(), commits, open, conflicts: 0, committed: 0 };
    for _ in 0..4000 {
        match rng.u8(..100) {
            0..8 if bed.open.len() < 5 => bed.begin(&mut rng),
            8..12 => bed.write(&mut rng),
            12..20 if !bed.open.is_empty() => {
                let open = bed.open.swap_remove(rng.usize(..bed.open.len()));
                if rng.u8(..8) > 0 {
                    bed.commit(open);
                }
            }
            20..25 => drop(bed.db.run_background_step().unwrap()),
            25 => bed.check(),
            _ if !bed.open.is_empty() => {
                let at = rng.usize(..bed.open.len());
                let family = bed.family.clone();
                bed.open[at].step(&family, &mut rng);
            }
            _ => {}
        }
    }
    bed.check();
    (bed.committed, bed.conflicts)
}

#[test]
fn transactions_are_serializable() {
    let (mut committed, mut conflicts) = (0, 0);
    for seed in 0..20 {
        let background = if seed % 4 == 0 { Background::Threads } else { Background::Manual };
        let counts = run(seed, background);
        (committed, conflicts) = (committed + counts.0, conflicts + counts.1);
    }
    println!("{committed} committed, {conflicts} conflicts");
    assert!(committed > 500);
    assert!(conflicts > 500);
}
