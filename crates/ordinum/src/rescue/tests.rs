#![allow(clippy::indexing_slicing, clippy::cast_possible_truncation, reason = "test")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::batch::Batch;
use crate::db::Db;
use crate::family::ColumnFamily;
use crate::file_name::FileKind;
use crate::fs::{MemoryFs, read_whole};
use crate::merge_operator::{MergeFailed, MergeOperator};
use crate::options::{Background, Durability, FamilyOptions, RetentionWindow};
use crate::reader::{KeyRange, Reader};

/// Puts operands behind what there is.
#[derive(Debug)]
struct Append;

impl MergeOperator for Append {
    fn name(&self) -> &'static str {
        "append"
    }

    fn merge(
        &self,
        _: &[u8],
        existing: Option<&[u8]>,
        operands: &[&[u8]],
    ) -> std::result::Result<Vec<u8>, MergeFailed> {
        Ok([existing.unwrap_or_default(), &operands.concat()].concat())
    }
}

type Rows = BTreeMap<Vec<u8>, Vec<u8>>;

/// A database on a disk in memory.
struct Bed {
    fs: MemoryFs,
    options: Options,
}

impl Bed {
    fn new() -> Bed {
        let fs = MemoryFs::new();
        let family_defaults = FamilyOptions {
            separate_values_from_bytes: Some(200),
            block_bytes: 256,
            ..FamilyOptions::default()
        };
        let lists = FamilyOptions { merge_operator: Some(Arc::new(Append)), ..family_defaults.clone() };
        let options = Options {
            fs: Arc::new(fs.clone()),
            background: Background::Manual,
            log_segment_bytes: 8 << 10,
            family_defaults,
            families: [("lists".to_owned(), lists)].into(),
            ..Options::default()
        };
        Bed { fs, options }
    }

    fn open(&self) -> Db {
        Db::open("/db", self.options.clone()).unwrap()
    }

    fn family(&self, db: &Db, name: &str) -> ColumnFamily {
        db.column_family(name)
            .unwrap_or_else(|| db.create_column_family(name, self.options.family(name).clone()).unwrap())
    }

    /// The files of a kind, ascending.
    fn files(&self, kind: FileKind) -> Vec<PathBuf> {
        let names = self.fs.list(Path::new("/db")).unwrap();
        let of_kind =
            names.iter().filter(|name| file_name::parse(name).is_some_and(|(found, _)| found == kind));
        of_kind.map(|name| Path::new("/db").join(name)).collect()
    }

    fn flip(&self, path: &Path, offset: u64) {
        self.fs.flip_byte(path, offset).unwrap();
    }

    fn rescue(&self) -> Report {
        let before = self.image();
        let report = rescue("/db", "/new", &self.options).unwrap();
        assert_eq!(before, self.image(), "nothing is written into the old directory");
        report
    }

    fn image(&self) -> Vec<(String, Vec<u8>)> {
        let names = self.fs.list(Path::new("/db")).unwrap();
        let bytes = |name: &String| read_whole(&self.fs, &Path::new("/db").join(name)).unwrap();
        names.iter().map(|name| (name.clone(), bytes(name))).collect()
    }

    fn rescued(&self) -> Db {
        let db = Db::open("/new", Options { create_if_missing: false, ..self.options.clone() }).unwrap();
        let verified = db.verify().unwrap();
        assert!(verified.damages.is_empty(), "{verified:?}");
        db
    }
}

fn put(db: &Db, family: &ColumnFamily, key: &str, value: &[u8]) {
    let mut batch = Batch::new();
    batch.put(family, key.as_bytes(), value).unwrap();
    db.write(batch, Durability::Synced).unwrap();
}

fn delete(db: &Db, family: &ColumnFamily, key: &str) {
    let mut batch = Batch::new();
    batch.delete(family, key.as_bytes()).unwrap();
    db.write(batch, Durability::Synced).unwrap();
}

fn merge(db: &Db, family: &ColumnFamily, key: &str, operand: &str) {
    let mut batch = Batch::new();
    batch.merge(family, key.as_bytes(), operand.as_bytes()).unwrap();
    db.write(batch, Durability::Synced).unwrap();
}

fn rows(db: &Db, name: &str) -> Rows {
    let family = db.column_family(name).unwrap_or_else(|| panic!("no family {name:?}"));
    let mut cursor = db.cursor(&family, KeyRange::all()).unwrap();
    let (mut rows, mut more) = (Rows::new(), cursor.first().unwrap());
    while more {
        rows.insert(cursor.key().to_vec(), cursor.value().unwrap().to_vec());
        more = cursor.next().unwrap();
    }
    rows
}

fn key(n: u32) -> String {
    format!("key{n:05}")
}

fn value(n: u32) -> Vec<u8> {
    format!("value {n} ").repeat(1 + n as usize % 3).into_bytes()
}

const NAMES: [&str; 4] = ["default", "people", "lists", "large"];

/// Four families, in tables of two levels, in the value log and in logs.
fn written(bed: &Bed) -> Db {
    let db = bed.open();
    let dropped = bed.family(&db, "dropped");
    put(&db, &dropped, "a", b"b");
    db.drop_column_family(&dropped).unwrap();
    let [default, people, lists, large] = NAMES.map(|name| bed.family(&db, name));
    for n in 0..300 {
        put(&db, &people, &key(n), &value(n));
        merge(&db, &lists, &key(n % 10), &format!("{n},"));
        if n % 10 == 0 {
            put(&db, &large, &key(n), &value(n).repeat(50));
        }
        if n % 100 == 99 {
            db.flush_all().unwrap();
        }
    }
    db.compact_range(&people, KeyRange::all()).unwrap();
    for n in 100..120 {
        delete(&db, &people, &key(n));
    }
    db.delete_range(&people, key(200).as_bytes(), key(220).as_bytes(), Durability::Synced).unwrap();
    db.flush(&people).unwrap();
    let changed = FamilyOptions { filter_bits_per_key: 7, ..bed.options.family_defaults.clone() };
    db.set_family_options(&people, changed).unwrap();
    for n in 0..50 {
        put(&db, &default, &key(n), &value(n));
        merge(&db, &lists, &key(n % 10), &format!("{n};"));
    }
    put(&db, &people, "last", b"of all");
    db
}

fn all(db: &Db) -> [Rows; 4] {
    NAMES.map(|name| rows(db, name))
}

#[test]
fn all_of_a_sound_database_comes_over() {
    let bed = Bed::new();
    let db = written(&bed);
    let (expected, last) = (all(&db), db.last_seqno());
    let ids = NAMES.map(|name| db.column_family(name).unwrap().id());
    drop(db);
    let report = bed.rescue();
    assert!(report.is_whole(), "{report:?}");
    assert!(report.unnamed.is_empty(), "{report:?}");
    let db = bed.rescued();
    assert_eq!(all(&db), expected);
    assert_eq!(NAMES.map(|name| db.column_family(name).unwrap().id()), ids);
    assert_eq!(db.column_family("people").unwrap().options().filter_bits_per_key, 7);
    assert!(db.column_family("dropped").is_none());
    assert!(db.last_seqno() > last, "sequence numbers are not given again");
}

/// Whether everything is there, but lists that are told: what operands are applied to may have been in a table that was dropped.
fn came_over(found: &[Rows; 4], expected: &[Rows; 4], report: &Report) -> bool {
    let told = report.losses.iter().filter(|loss| loss.lost == Lost::Operand);
    let told: BTreeSet<&Vec<u8>> = told.filter_map(|loss| loss.keys.as_ref()).map(|(key, _)| key).collect();
    let lists = &expected[2];
    [0, 1, 3].iter().all(|at| found[*at] == expected[*at])
        && lists.iter().all(|(key, list)| found[2].get(key) == Some(list) || told.contains(key))
}

#[test]
fn a_manifest_that_is_damaged_anywhere_takes_nothing() {
    let bed = Bed::new();
    let db = written(&bed);
    let expected = all(&db);
    drop(db);
    let manifest = bed.files(FileKind::Manifest).pop().unwrap();
    let len = bed.fs.open(&manifest).unwrap().len().unwrap();
    for offset in (0..len).step_by(97).chain([64, len / 3, len - 1]) {
        bed.flip(&manifest, offset);
        let to = format!("/new{offset}");
        let report = rescue("/db", &to, &bed.options).unwrap();
        let db = Db::open(&to, bed.options.clone()).unwrap();
        let found = all(&db);
        assert!(came_over(&found, &expected, &report), "byte {offset} of {len}: {report:#?}");
        assert!(found == expected || report.may_have_dropped, "byte {offset} of {len}: {report:#?}");
        let is_told = report.losses.iter().any(|loss| loss.file == manifest);
        assert!(is_told || report.is_whole(), "byte {offset} of {len}: {report:#?}");
        bed.flip(&manifest, offset);
    }
}

/// A manifest that was cut off between two records shows no damage: a rescue took the table that no record names any more, made up a name
/// for its family, and said that nothing was lost.
#[test]
fn a_manifest_that_was_cut_off_is_told() {
    let bed = Bed::new();
    let db = bed.open();
    let people = bed.family(&db, "people");
    put(&db, &people, "a", b"1");
    db.flush(&people).unwrap();
    put(&db, &people, "b", b"2");
    drop((db, people));
    let manifest = bed.files(FileKind::Manifest).pop().unwrap();
    let bytes = read_whole(&bed.fs, &manifest).unwrap();
    let mut told_at_end = 0;
    for len in (0..bytes.len()).rev() {
        bed.fs.remove(&manifest).unwrap();
        bed.fs.create(&manifest).unwrap().append(&bytes[..len]).unwrap();
        let to = format!("/new{len}");
        let report = rescue("/db", &to, &bed.options).unwrap();
        let is_in_doubt = report.may_have_dropped || report.families.iter().any(|family| family.is_name_lost);
        assert!(!report.is_whole() || !is_in_doubt, "cut at {len} of {}: {report:#?}", bytes.len());
        let is_end = |loss: &Loss| loss.lost == Lost::Manifest && loss.offset == len as u64;
        told_at_end += usize::from(report.losses.iter().any(is_end));
        let found = rows(&Db::open(&to, bed.options.clone()).unwrap(), &report.families.last().unwrap().name);
        assert_eq!(found.len(), 2, "cut at {len} of {}: {report:#?}", bytes.len());
    }
    assert!(told_at_end > 0, "no cut was between two records");
}

/// After an opening the first record of the manifest has everything.
#[test]
fn tables_tell_their_families_where_no_manifest_does() {
    let bed = Bed::new();
    drop(written(&bed));
    let db = bed.open();
    let expected = all(&db);
    db.flush_all().unwrap();
    drop(db);
    let manifest = bed.files(FileKind::Manifest).pop().unwrap();
    bed.flip(&manifest, 100);
    let report = bed.rescue();
    let is_told = |loss: &Loss| matches!(loss.lost, Lost::Manifest | Lost::Operand);
    assert!(report.losses.iter().all(is_told), "{report:#?}");
    assert!(report.families.iter().all(|family| !family.is_name_lost), "{report:#?}");
    assert!(came_over(&all(&bed.rescued()), &expected, &report), "{report:#?}");
}

/// A table that a compaction has replaced is there still, although the manifest was begun without it: the list "a" in it was deleted.
fn with_leftover(bed: &Bed) -> (Rows, PathBuf) {
    let db = bed.open();
    let lists = bed.family(&db, "lists");
    put(&db, &lists, "a", b"1,");
    put(&db, &lists, "b", b"2,");
    db.flush_all().unwrap();
    let leftover = bed.files(FileKind::Table).pop().unwrap();
    let bytes = read_whole(&bed.fs, &leftover).unwrap();
    delete(&db, &lists, "a");
    db.flush_all().unwrap();
    db.compact_range(&lists, KeyRange::all()).unwrap();
    merge(&db, &lists, "a", "3,");
    merge(&db, &lists, "c", "4,");
    db.flush_all().unwrap();
    drop((db, lists));
    let db = bed.open();
    let expected = rows(&db, "lists");
    drop(db);
    assert!(!bed.fs.exists(&leftover).unwrap());
    bed.fs.create(&leftover).unwrap().append(&bytes).unwrap();
    (expected, leftover)
}

#[test]
fn what_a_lost_beginning_of_the_manifest_left_out_is_in_doubt() {
    let bed = Bed::new();
    let (expected, leftover) = with_leftover(&bed);
    bed.flip(&bed.files(FileKind::Manifest).pop().unwrap(), 100);
    let report = bed.rescue();
    assert!(report.may_have_dropped && report.unnamed.contains(&leftover), "{report:#?}");
    let told = report.losses.iter().filter(|loss| loss.lost == Lost::Operand);
    let told: BTreeSet<Vec<u8>> = told.filter_map(|loss| loss.keys.clone()).map(|(key, _)| key).collect();
    assert!(told.contains(b"a".as_slice()), "{report:#?}");
    let found = rows(&bed.rescued(), "lists");
    assert!(found.iter().all(|(key, list)| expected.get(key) == Some(list)), "{found:?}");
    assert_eq!(found.get(b"b".as_slice()), expected.get(b"b".as_slice()));
}

#[test]
fn a_damaged_header_of_the_manifest_casts_no_doubt() {
    let bed = Bed::new();
    let (expected, leftover) = with_leftover(&bed);
    bed.flip(&bed.files(FileKind::Manifest).pop().unwrap(), 60);
    let report = bed.rescue();
    let [loss] = report.losses.as_slice() else { panic!("{report:#?}") };
    assert_eq!(loss.lost, Lost::Manifest);
    assert!(!report.may_have_dropped && report.left_out == [leftover], "{report:#?}");
    assert_eq!(rows(&bed.rescued(), "lists"), expected);
}

#[test]
fn no_manifest_at_all_is_needed() {
    let bed = Bed::new();
    let db = written(&bed);
    let expected = all(&db);
    drop(db);
    for file in bed.files(FileKind::Manifest).into_iter().chain(["/db/CURRENT".into()]) {
        bed.fs.remove(&file).unwrap();
    }
    let report = bed.rescue();
    assert!(report.losses.iter().any(|loss| loss.lost == Lost::Current), "{report:#?}");
    assert!(report.may_have_dropped, "{report:#?}");
    assert!(came_over(&all(&bed.rescued()), &expected, &report), "{report:#?}");
}

/// The newest table with more than one block that belongs to the family.
fn table_of(bed: &Bed, family: &str) -> PathBuf {
    let tables = bed.files(FileKind::Table).into_iter();
    let mut of_family = tables.filter(|path| {
        let bytes = read_whole(&bed.fs, path).unwrap();
        bytes.windows(family.len()).any(|window| window == family.as_bytes()) && bytes.len() > 2000
    });
    of_family.next_back().unwrap()
}

#[test]
fn around_a_damaged_block_everything_comes_back() {
    let bed = Bed::new();
    let db = bed.open();
    let people = bed.family(&db, "people");
    (0..300).for_each(|n| put(&db, &people, &key(n), &value(n)));
    db.flush_all().unwrap();
    let expected = rows(&db, "people");
    drop((db, people));
    // The log has it all: without it only the table does.
    drop(bed.open());
    let table = table_of(&bed, "people");
    bed.flip(&table, 700);
    let report = bed.rescue();
    let [loss] = report.losses.as_slice() else { panic!("{report:#?}") };
    assert_eq!((loss.lost, &loss.file, loss.family.as_deref()), (Lost::Entries, &table, Some("people")));
    assert!(loss.offset <= 700, "{loss:?}");
    let (first, last) = loss.keys.clone().unwrap();
    let found = rows(&bed.rescued(), "people");
    let lost: Vec<&Vec<u8>> = expected.keys().filter(|key| !found.contains_key(*key)).collect();
    assert!(!lost.is_empty() && lost.len() < 20, "{lost:?}");
    assert!(lost.iter().all(|key| first <= **key && **key <= last), "{loss}");
    assert!(found.iter().all(|(key, value)| expected[key] == *value));
}

#[test]
fn what_a_log_still_has_of_a_lost_table_comes_back() {
    let mut bed = Bed::new();
    bed.options.retention = Some(RetentionWindow::of_age(Duration::from_secs(3600)));
    let db = bed.open();
    let people = bed.family(&db, "people");
    (0..20).for_each(|n| put(&db, &people, &key(n), &value(n)));
    delete(&db, &people, &key(7));
    db.flush_all().unwrap();
    let expected = rows(&db, "people");
    drop((db, people));
    bed.fs.remove(&bed.files(FileKind::Table)[0]).unwrap();
    let report = bed.rescue();
    assert!(report.losses.iter().any(|loss| loss.lost == Lost::Table), "{report:#?}");
    assert_eq!(rows(&bed.rescued(), "people"), expected);
}

#[test]
fn a_table_that_is_gone_is_told_with_its_keys() {
    let bed = Bed::new();
    drop(written(&bed));
    let db = bed.open();
    db.flush_all().unwrap();
    let expected = all(&db);
    drop(db);
    let table = table_of(&bed, "people");
    bed.fs.remove(&table).unwrap();
    let report = bed.rescue();
    let [loss] = report.losses.as_slice() else { panic!("{report:#?}") };
    assert_eq!((loss.lost, &loss.file, loss.family.as_deref()), (Lost::Table, &table, Some("people")));
    assert!(loss.keys.is_some(), "{loss}");
    let found = all(&bed.rescued());
    assert_eq!((&found[0], &found[2], &found[3]), (&expected[0], &expected[2], &expected[3]));
}

#[test]
fn a_damaged_value_is_told_with_its_key() {
    let bed = Bed::new();
    drop(written(&bed));
    drop(bed.open());
    let file = bed.files(FileKind::ValueLog)[0].clone();
    // The header says nothing that anybody needs.
    bed.flip(&file, 20);
    bed.flip(&file, 100);
    let db = bed.open();
    let large = bed.family(&db, "large");
    let intact: Rows = (0..300)
        .step_by(10)
        .filter_map(|n| {
            db.get(&large, key(n).as_bytes())
                .ok()
                .flatten()
                .map(|value| (key(n).into_bytes(), value.to_vec()))
        })
        .collect();
    drop((db, large));
    let report = bed.rescue();
    let [loss] = report.losses.as_slice() else { panic!("{report:#?}") };
    assert_eq!((loss.lost, &loss.file), (Lost::Value, &file));
    let (lost, _) = loss.keys.clone().unwrap();
    let found = rows(&bed.rescued(), "large");
    assert!(!found.contains_key(&lost));
    assert_eq!(found.len(), 29);
    assert!(intact.iter().all(|(key, value)| found[key] == *value));
}

#[test]
fn a_log_is_taken_up_to_its_damage_and_those_behind_it_too() {
    let bed = Bed::new();
    let db = bed.open();
    let [people, lists] = ["people", "lists"].map(|name| bed.family(&db, name));
    for n in 0..300 {
        put(&db, &people, &key(n), &value(n));
        merge(&db, &lists, &key(n % 7), &format!("{n},"));
    }
    let expected = [rows(&db, "people"), rows(&db, "lists")];
    drop((db, people, lists));
    let logs = bed.files(FileKind::Log);
    assert!(logs.len() > 3, "{logs:?}");
    bed.flip(&logs[1], 4000);
    let report = bed.rescue();
    let loss = &report.losses[0];
    assert_eq!((loss.lost, &loss.file), (Lost::Log, &logs[1]));
    assert!(loss.offset <= 4000 && loss.offset > 3000, "{loss}");
    let db = bed.rescued();
    let found = rows(&db, "people");
    assert!(found.len() > 200 && found.len() < 300, "{}", found.len());
    assert!(found.contains_key(key(299).as_bytes()) && found.contains_key(key(0).as_bytes()));
    assert!(found.iter().all(|(key, value)| expected[0][key] == *value));
    // A list that lost a part in the middle never was: each is what it was at one time.
    for (key, list) in rows(&db, "lists") {
        assert!(expected[1][&key].starts_with(&list), "{}", list.escape_ascii());
    }
}

#[test]
fn an_ingested_table_is_taken_with_its_number() {
    let bed = Bed::new();
    let db = bed.open();
    let people = bed.family(&db, "people");
    put(&db, &people, &key(1), b"old");
    let mut writer =
        crate::sorted_file::TableWriter::create("/ingest", &bed.options, &people.options()).unwrap();
    (0..100).for_each(|n| writer.put(key(n).as_bytes(), &value(n)).unwrap());
    db.ingest(&people, &[writer.finish().unwrap().path()]).unwrap();
    put(&db, &people, &key(2), b"new");
    let expected = rows(&db, "people");
    drop((db, people));
    for (round, damaged) in [None, Some(70), Some(200)].into_iter().enumerate() {
        let manifest = bed.files(FileKind::Manifest).pop().unwrap();
        damaged.iter().for_each(|at| bed.flip(&manifest, *at));
        let to = format!("/new{round}");
        let report = rescue("/db", &to, &bed.options).unwrap();
        let found = rows(&Db::open(&to, bed.options.clone()).unwrap(), "people");
        assert!(found == expected, "{damaged:?}: {report:#?}");
        damaged.iter().for_each(|at| bed.flip(&manifest, *at));
    }
}

/// The log that created a family was let go, and all that is left of the family is an ingestion: no file tells its name, and none
/// but the record of the ingestion its number.
#[test]
fn a_family_of_which_only_an_ingestion_tells_is_taken() {
    let bed = Bed::new();
    let db = bed.open();
    let people = bed.family(&db, "people");
    let created_in = bed.files(FileKind::Log);
    put(&db, &db.default_column_family(), "a", &[0; 1000]);
    db.flush_all().unwrap();
    assert_ne!(bed.files(FileKind::Log), created_in, "the log that created the family was let go");
    let mut writer =
        crate::sorted_file::TableWriter::create("/ingest", &bed.options, &people.options()).unwrap();
    (0..20).for_each(|n| writer.put(key(n).as_bytes(), &value(n)).unwrap());
    db.ingest(&people, &[writer.finish().unwrap().path()]).unwrap();
    let (expected, id) = (rows(&db, "people"), people.id());
    drop((db, people));
    for manifest in bed.files(FileKind::Manifest) {
        bed.fs.remove(&manifest).unwrap();
    }
    let report = bed.rescue();
    let told = report.families.iter().find(|family| family.id == id).expect("the family is told");
    assert!(told.is_name_lost && report.may_have_dropped, "{report:#?}");
    assert_eq!(rows(&bed.rescued(), &told.name), expected);
}

/// A log still tells of the ingestion of a table that a compaction has replaced since, and that is there still.
#[test]
fn an_ingested_table_that_was_dropped_is_left_out() {
    let bed = Bed::new();
    let db = bed.open();
    let [people, lists] = ["people", "lists"].map(|name| bed.family(&db, name));
    let mut writer =
        crate::sorted_file::TableWriter::create("/ingest", &bed.options, &people.options()).unwrap();
    (0..20).for_each(|n| writer.put(key(n).as_bytes(), &value(n)).unwrap());
    // What is in memory of another family keeps the log.
    put(&db, &lists, "a", b"1,");
    db.ingest(&people, &[writer.finish().unwrap().path()]).unwrap();
    let leftover = bed.files(FileKind::Table).pop().unwrap();
    let bytes = read_whole(&bed.fs, &leftover).unwrap();
    delete(&db, &people, &key(7));
    db.flush(&people).unwrap();
    db.compact_range(&people, KeyRange::all()).unwrap();
    let expected = rows(&db, "people");
    drop((db, people, lists));
    assert!(!bed.fs.exists(&leftover).unwrap());
    bed.fs.create(&leftover).unwrap().append(&bytes).unwrap();
    let report = bed.rescue();
    assert!(report.is_whole() && report.left_out == [leftover], "{report:#?}");
    assert_eq!(rows(&bed.rescued(), "people"), expected);
}

#[test]
fn operands_need_their_operator() {
    let bed = Bed::new();
    let db = bed.open();
    let lists = bed.family(&db, "lists");
    put(&db, &lists, "a", b"1,");
    merge(&db, &lists, "b", "2,");
    db.flush_all().unwrap();
    drop((db, lists));
    let options = Options { families: BTreeMap::new(), ..bed.options.clone() };
    let report = rescue("/db", "/new", &options).unwrap();
    let [loss] = report.losses.as_slice() else { panic!("{report:#?}") };
    assert_eq!((loss.lost, loss.keys.clone().unwrap().0), (Lost::Operand, b"b".to_vec()));
    let found = rows(&Db::open("/new", options).unwrap(), "lists");
    assert_eq!(found, [(b"a".to_vec(), b"1,".to_vec())].into());
}

/// Writes a list with a put and an operand behind it.
fn put_and_merge(db: &Db, family: &ColumnFamily, key: &str, value: &str, operand: &str) {
    let mut batch = Batch::new();
    batch.put(family, key.as_bytes(), value.as_bytes()).unwrap();
    batch.merge(family, key.as_bytes(), operand.as_bytes()).unwrap();
    db.write(batch, Durability::Synced).unwrap();
}

/// Whatever is missing, nothing is between two operations of one commit: its put does not come over without its operand.
#[test]
fn an_operand_stays_with_the_put_of_its_commit() {
    let bed = Bed::new();
    let db = bed.open();
    let lists = bed.family(&db, "lists");
    put(&db, &lists, "a", b"1,");
    db.flush_all().unwrap();
    put_and_merge(&db, &lists, "a", "2,", "3,");
    drop((db, lists));
    // So that commits of any family and number may be missing.
    for file in bed.files(FileKind::Manifest) {
        bed.fs.remove(&file).unwrap();
    }
    let table = bed.files(FileKind::Table).pop().unwrap();
    let len = bed.fs.open(&table).unwrap().len().unwrap();
    bed.flip(&table, len - 1);
    let report = bed.rescue();
    assert!(report.losses.iter().any(|loss| loss.lost == Lost::Table), "{report:#?}");
    assert_eq!(rows(&bed.rescued(), "lists"), [(b"a".to_vec(), b"2,3,".to_vec())].into(), "{report:#?}");
}

/// A range delete lets a table go unread whose put is the base of operands in a newer table: where the table of the range delete is lost,
/// those operands stand on nothing.
#[test]
fn operands_need_what_a_lost_range_delete_let_go() {
    let bed = Bed::new();
    let db = bed.open();
    let lists = bed.family(&db, "lists");
    for step in 0..3 {
        match step {
            0 => put(&db, &lists, "b", b"1,"),
            1 => merge(&db, &lists, "b", "2,"),
            _ => drop(db.delete_range(&lists, b"a", b"c", Durability::Synced).unwrap()),
        }
        // Another table reaches further, so that no range delete covers it.
        if step == 1 {
            put(&db, &lists, "z", b"3,");
        }
        db.flush(&lists).unwrap();
    }
    assert!(db.run_background_step().unwrap());
    let tables = bed.files(FileKind::Table);
    assert_eq!((tables.len(), db.stats().tables_dropped_unread), (2, 1));
    drop((db, lists));
    let lost = tables.last().unwrap();
    let len = bed.fs.open(lost).unwrap().len().unwrap();
    bed.flip(lost, len - 1);
    let report = bed.rescue();
    let [table, operand] = report.losses.as_slice() else { panic!("{report:#?}") };
    assert_eq!((table.lost, operand.lost), (Lost::Table, Lost::Operand), "{report:#?}");
    assert_eq!(rows(&bed.rescued(), "lists"), [(b"z".to_vec(), b"3,".to_vec())].into(), "{report:#?}");
}

/// The same of an operand that the table has folded into the put.
#[test]
fn an_entry_that_has_its_base_needs_nothing_below() {
    let bed = Bed::new();
    let db = bed.open();
    let lists = bed.family(&db, "lists");
    put(&db, &lists, "a", b"1,");
    db.flush_all().unwrap();
    let lost = bed.files(FileKind::Table).pop().unwrap();
    put_and_merge(&db, &lists, "a", "2,", "3,");
    db.flush_all().unwrap();
    drop((db, lists));
    for file in bed.files(FileKind::Manifest) {
        bed.fs.remove(&file).unwrap();
    }
    let len = bed.fs.open(&lost).unwrap().len().unwrap();
    bed.flip(&lost, len - 1);
    let report = bed.rescue();
    assert!(report.losses.iter().any(|loss| loss.lost == Lost::Table), "{report:#?}");
    assert_eq!(rows(&bed.rescued(), "lists"), [(b"a".to_vec(), b"2,3,".to_vec())].into(), "{report:#?}");
}

/// A range delete whose commit has a put behind it: the put was in a block that is damaged, and an operand came over on nothing.
#[test]
fn a_range_delete_is_not_all_that_its_commit_may_have_done() {
    let bed = Bed::new();
    let db = bed.open();
    let lists = bed.family(&db, "lists");
    let mut batch = Batch::new();
    batch.delete_range(&lists, b"a", b"c").unwrap();
    batch.put(&lists, b"a", b"1,").unwrap();
    db.write(batch, Durability::Synced).unwrap();
    db.flush_all().unwrap();
    let damaged = bed.files(FileKind::Table).pop().unwrap();
    merge(&db, &lists, "a", "2,");
    merge(&db, &lists, "b", "3,");
    db.flush_all().unwrap();
    drop((db, lists));
    bed.flip(&damaged, 10);
    let report = bed.rescue();
    let [entries, operand] = report.losses.as_slice() else { panic!("{report:#?}") };
    assert_eq!((entries.lost, operand.lost), (Lost::Entries, Lost::Operand), "{report:#?}");
    assert_eq!(operand.keys.clone().unwrap().0, b"a");
    assert_eq!(rows(&bed.rescued(), "lists"), [(b"b".to_vec(), b"3,".to_vec())].into(), "{report:#?}");
}

/// Nor without its operator.
#[test]
fn a_put_does_not_come_over_without_the_operand_of_its_commit() {
    let bed = Bed::new();
    let db = bed.open();
    let lists = bed.family(&db, "lists");
    put(&db, &lists, "a", b"1,");
    put_and_merge(&db, &lists, "a", "2,", "3,");
    put(&db, &lists, "b", b"4,");
    drop((db, lists));
    let options = Options { families: BTreeMap::new(), ..bed.options.clone() };
    let report = rescue("/db", "/new", &options).unwrap();
    let [loss] = report.losses.as_slice() else { panic!("{report:#?}") };
    assert_eq!((loss.lost, loss.keys.clone().unwrap().0), (Lost::Operand, b"a".to_vec()));
    let found = rows(&Db::open("/new", options).unwrap(), "lists");
    let had = [(b"a".to_vec(), b"1,".to_vec()), (b"b".to_vec(), b"4,".to_vec())];
    assert_eq!(found, had.into());
}

#[test]
fn only_a_closed_database_is_rescued_and_only_into_an_empty_directory() {
    let bed = Bed::new();
    let db = written(&bed);
    assert!(matches!(rescue("/db", "/new", &bed.options), Err(Error::Locked { .. })));
    drop(db);
    assert!(matches!(rescue("/db", "/db", &bed.options), Err(Error::InvalidArgument { .. })));
    bed.fs.create_dir_all(Path::new("/empty")).unwrap();
    assert!(matches!(rescue("/empty", "/new", &bed.options), Err(Error::NoDatabase { .. })));
}
