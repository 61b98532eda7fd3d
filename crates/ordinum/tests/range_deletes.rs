//! Histories that are full of range deletes, narrow and wide, in two databases at once: one with the index of range deletes and
//! one without. Both must answer as a model of all versions does, to snapshots and to cursors in both directions that are held
//! open over flushes and compactions, and after each opening.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "test")]

use std::collections::BTreeMap;
use std::sync::Arc;

use fastrand::Rng;
use ordinum::fs::MemoryFs;
use ordinum::{
    Background, Batch, ColumnFamily, Cursor, Db, Durability, FamilyOptions, KeyRange, Options, Reader, SeqNo,
    Snapshot,
};

const KEYS: u32 = 600;

type View = BTreeMap<Vec<u8>, (SeqNo, Vec<u8>)>;
type Row = (Vec<u8>, (SeqNo, Vec<u8>));
/// Of every key what each commit left: a value, or none.
type Versions = BTreeMap<Vec<u8>, BTreeMap<SeqNo, Option<Vec<u8>>>>;

fn name(key: u32) -> Vec<u8> {
    format!("key{key:05}").into_bytes()
}

fn view(versions: &Versions, at: SeqNo) -> View {
    let newest = versions.iter().filter_map(|(key, versions)| {
        let (written, value) = versions.range(..=at).next_back()?;
        Some((key.clone(), (*written, value.clone()?)))
    });
    newest.collect()
}

/// A cursor, what it must show, and where it stands.
struct Walk {
    cursor: Cursor,
    rows: Vec<Row>,
    at: Option<usize>,
}

impl Walk {
    fn on(&mut self, rng: &mut Rng) {
        for _ in 0..20 {
            let key = name(rng.u32(..KEYS));
            let behind = self.rows.partition_point(|row| row.0 < key);
            let through = self.rows.partition_point(|row| row.0 <= key);
            let (found, at) = match (rng.u8(..12), self.at) {
                (0, _) => (self.cursor.seek(&key), Some(behind)),
                (1, _) => (self.cursor.seek_back(&key), through.checked_sub(1)),
                (2..7, Some(at)) => (self.cursor.next(), Some(at + 1)),
                (_, Some(at)) => (self.cursor.prev(), at.checked_sub(1)),
                (_, None) => (self.cursor.first(), Some(0)),
            };
            self.at = at.filter(|at| *at < self.rows.len());
            assert_eq!(found.unwrap(), self.at.is_some());
            if let Some((key, (written, value))) = self.at.map(|at| &self.rows[at]) {
                let found = (self.cursor.key(), self.cursor.seqno(), self.cursor.value().unwrap());
                assert_eq!(found, (&key[..], *written, &value[..]));
            }
        }
    }
}

/// One of the two databases.
struct Side {
    fs: MemoryFs,
    range_index: bool,
    open: Option<(Db, ColumnFamily)>,
    snapshots: Vec<Snapshot>,
    walks: Vec<Walk>,
}

impl Side {
    fn new(range_index: bool) -> Side {
        let (fs, snapshots, walks) = (MemoryFs::new(), Vec::new(), Vec::new());
        let mut side = Side { fs, range_index, open: None, snapshots, walks };
        side.reopen();
        side
    }

    fn reopen(&mut self) {
        self.snapshots.clear();
        self.walks.clear();
        if let Some((db, _)) = self.open.take() {
            db.close().unwrap();
        }
        let family_defaults = FamilyOptions {
            range_index: self.range_index,
            write_buffer_bytes: 8 << 10,
            block_bytes: 512,
            level0_tables_trigger: 2,
            level_base_bytes: 16 << 10,
            table_bytes_target: 4 << 10,
            ..FamilyOptions::default()
        };
        let fs = Arc::new(self.fs.clone());
        let background = Background::Manual;
        let db = Db::open("/db", Options { fs, background, family_defaults, ..Options::default() }).unwrap();
        let family = db.default_column_family();
        self.open = Some((db, family));
    }

    fn db(&self) -> (&Db, &ColumnFamily) {
        let (db, family) = self.open.as_ref().unwrap();
        (db, family)
    }

    /// A reader, and what it reads at.
    fn reader(&self, which: usize) -> (&dyn Reader, SeqNo) {
        match self.snapshots.get(which) {
            Some(snapshot) => (snapshot, snapshot.seqno()),
            None => (self.db().0, self.db().0.last_seqno()),
        }
    }

    fn check(&self, view: &View, which: usize) {
        let (_, family) = self.db();
        let (reader, _) = self.reader(which);
        let keys: Vec<Vec<u8>> = (0..KEYS).map(name).collect();
        let slices: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
        let many = reader.multi_get(family, &slices).unwrap();
        for (key, from_many) in keys.iter().zip(many) {
            let one = reader.get_versioned(family, key).unwrap().map(|(value, at)| (at, value.to_vec()));
            assert_eq!(one.as_ref(), view.get(key), "index: {}", self.range_index);
            assert_eq!(from_many.as_deref(), view.get(key).map(|(_, value)| &value[..]));
        }
        let mut cursor = reader.cursor(family, KeyRange::all()).unwrap();
        let mut rows = View::new();
        let mut more = cursor.last().unwrap();
        while more {
            rows.insert(cursor.key().to_vec(), (cursor.seqno(), cursor.value().unwrap().to_vec()));
            more = cursor.prev().unwrap();
        }
        assert_eq!(&rows, view, "index: {}", self.range_index);
    }
}

fn run(seed: u64) {
    println!("seed {seed}");
    let mut rng = Rng::with_seed(seed);
    let mut sides = [Side::new(true), Side::new(false)];
    let mut versions = Versions::new();
    for _ in 0..700 {
        match rng.u8(..100) {
            0..60 => {
                let ranges = rng.u8(..3) == 0;
                let mut batches = [Batch::new(), Batch::new()];
                let mut effects: BTreeMap<Vec<u8>, Option<Vec<u8>>> = BTreeMap::new();
                for _ in 0..rng.usize(1..12) {
                    let start = rng.u32(..KEYS);
                    let wide = if rng.u8(..8) == 0 { KEYS } else { 12 };
                    let end = (start + rng.u32(..wide)).min(KEYS);
                    let is_range = ranges && rng.bool();
                    let value = vec![rng.u8(b'a'..=b'z'); rng.usize(..50)];
                    for (batch, side) in batches.iter_mut().zip(&sides) {
                        let family = side.db().1;
                        match is_range {
                            true => batch.delete_range(family, &name(start), &name(end)).unwrap(),
                            false => batch.put(family, &name(start), &value).unwrap(),
                        }
                    }
                    match is_range {
                        true => effects.extend((start..end).map(|key| (name(key), None))),
                        false => drop(effects.insert(name(start), Some(value))),
                    }
                }
                let seqnos: Vec<SeqNo> = batches
                    .into_iter()
                    .zip(&sides)
                    .map(|(batch, side)| side.db().0.write(batch, Durability::Buffered).unwrap())
                    .collect();
                assert_eq!(seqnos[0], seqnos[1]);
                let at = seqnos[0];
                for (key, value) in effects {
                    versions.entry(key).or_default().insert(at, value);
                }
            }
            60..80 => {
                // The two flush and compact when they like to.
                let side = &sides[rng.usize(..2)];
                for _ in 0..rng.usize(1..4) {
                    side.db().0.run_background_step().unwrap();
                }
            }
            80..84 => sides.iter_mut().for_each(|side| {
                let snapshot = side.db().0.snapshot();
                side.snapshots.push(snapshot);
            }),
            84..86 if !sides[0].snapshots.is_empty() => {
                let which = rng.usize(..sides[0].snapshots.len());
                sides.iter_mut().for_each(|side| drop(side.snapshots.swap_remove(which)));
            }
            86..90 => {
                let which = rng.usize(..sides[0].snapshots.len() + 1);
                for side in &mut sides {
                    let (reader, at) = side.reader(which);
                    let cursor = reader.cursor(side.db().1, KeyRange::all()).unwrap();
                    let rows = view(&versions, at).into_iter().collect();
                    side.walks.push(Walk { cursor, rows, at: None });
                }
            }
            90..96 => sides.iter_mut().for_each(|side| {
                side.walks.iter_mut().for_each(|walk| walk.on(&mut rng));
            }),
            96 => {
                let side = &sides[rng.usize(..2)];
                side.db().0.compact_range(side.db().1, KeyRange::all()).unwrap();
            }
            97 => sides.iter_mut().for_each(Side::reopen),
            _ => {
                let which = rng.usize(..sides[0].snapshots.len() + 1);
                for side in &sides {
                    side.check(&view(&versions, side.reader(which).1), which);
                }
            }
        }
    }
    for side in &mut sides {
        let all = view(&versions, side.db().0.last_seqno());
        let nobody = side.snapshots.len();
        side.check(&all, nobody);
        let report = side.db().0.verify().unwrap();
        assert!(report.damages.is_empty(), "{:?}", report.damages);
        side.reopen();
        side.check(&all, 0);
    }
}

#[test]
fn the_index_changes_no_answer() {
    for seed in 0..12 {
        run(seed);
    }
}
