use ordinum::{Batch, Durability, KeyRange, Reader};
use ormdb_proto::value::ValueRef;

use super::{CheckReport, FindingKind, check};
use crate::catalog::testing::TestDb;

const SCHEMA: &str = "\
entity User {
  id int64 @id
  email string @unique
  age int32 @check(age >= 0)
  boss int64?
  chief User? @relation(boss -> User.id)
  @@index(age) covering (email)
  @@index(email, name: \"grown\") where age >= 18
}
";

/// A database of two users, of which the second refers to the first.
fn sound() -> TestDb {
    let db = TestDb::new();
    db.apply(SCHEMA).unwrap();
    put(&db, 1, "a", 17, None);
    put(&db, 2, "b", 40, Some(1));
    db
}

fn put(db: &TestDb, id: i64, email: &str, age: i32, boss: Option<i64>) {
    let boss = boss.map_or(ValueRef::Null, ValueRef::Int64);
    db.put("User", &[ValueRef::Int64(id), ValueRef::String(email), ValueRef::Int32(age), boss]);
}

fn report(db: &TestDb) -> CheckReport {
    check(&db.engine, &db.families, 100).unwrap()
}

/// The kinds of findings, each once.
fn kinds(db: &TestDb) -> Vec<FindingKind> {
    let mut kinds: Vec<FindingKind> = report(db).findings.iter().map(|f| f.kind).collect();
    kinds.dedup();
    kinds
}

enum Family {
    Rows,
    Indexes,
}

/// The keys and values of a family.
fn all(db: &TestDb, family: Family) -> Vec<(Vec<u8>, Vec<u8>)> {
    let family = match family {
        Family::Rows => &db.families.rows,
        Family::Indexes => &db.families.indexes,
    };
    let mut cursor = db.engine.snapshot().cursor(family, KeyRange::all()).unwrap();
    let mut all = Vec::new();
    let mut there = cursor.first().unwrap();
    while there {
        all.push((cursor.key().to_vec(), cursor.value().unwrap().to_vec()));
        there = cursor.next().unwrap();
    }
    all
}

fn write(db: &TestDb, change: impl FnOnce(&mut Batch)) {
    let mut batch = Batch::new();
    change(&mut batch);
    db.engine.write(batch, Durability::Synced).unwrap();
}

#[test]
fn a_sound_database_is_clean() {
    let db = sound();
    let report = report(&db);
    assert!(report.is_clean(), "{:?}", report.findings);
    // Unique, by age, grown (one user), and of the foreign key.
    assert_eq!((report.rows, report.entries, report.references), (2, 7, 1));
}

#[test]
fn every_deleted_entry_is_missed() {
    let count = all(&sound(), Family::Indexes).len();
    for at in 0..count {
        let db = sound();
        let (key, _) = all(&db, Family::Indexes).remove(at);
        write(&db, |batch| batch.delete(&db.families.indexes, &key).unwrap());
        assert_eq!(kinds(&db), [FindingKind::MissingEntry], "entry {at}");
    }
}

#[test]
fn a_wrong_covered_value_is_found() {
    let db = sound();
    let entries = all(&db, Family::Indexes);
    let (key, mut value) = entries.into_iter().rfind(|(_, v)| v.ends_with(b"b")).unwrap();
    *value.last_mut().unwrap() = b'x';
    write(&db, |batch| batch.put(&db.families.indexes, &key, &value).unwrap());
    assert_eq!(kinds(&db), [FindingKind::WrongEntry]);
}

#[test]
fn an_undecodable_row_is_found_and_its_neighbours_are_still_checked() {
    let db = sound();
    let (key, _) = all(&db, Family::Rows).remove(0);
    write(&db, |batch| batch.put(&db.families.rows, &key, b"\x01").unwrap());
    let report = report(&db);
    assert_eq!(report.findings.first().map(|f| f.kind), Some(FindingKind::UndecodableRow));
    assert_eq!(report.rows, 2);
}

#[test]
fn a_deleted_parent_leaves_an_orphan_and_stray_entries() {
    let db = sound();
    let (key, _) = all(&db, Family::Rows).remove(0);
    write(&db, |batch| batch.delete(&db.families.rows, &key).unwrap());
    assert_eq!(kinds(&db), [FindingKind::MissingParent, FindingKind::StrayEntry]);
}

#[test]
fn a_row_under_another_key_is_found() {
    let db = sound();
    let (mut key, row) = all(&db, Family::Rows).remove(1);
    *key.last_mut().unwrap() = 9;
    write(&db, |batch| batch.put(&db.families.rows, &key, &row).unwrap());
    let kinds = kinds(&db);
    assert!(kinds.contains(&FindingKind::MisplacedRow), "{kinds:?}");
}

#[test]
fn two_rows_of_one_unique_key_are_found() {
    let db = sound();
    put(&db, 3, "b", 41, None);
    let kinds = kinds(&db);
    assert!(kinds.contains(&FindingKind::DuplicateKey), "{kinds:?}");
}

#[test]
fn a_failed_check_is_found() {
    let db = sound();
    put(&db, 3, "c", -1, None);
    assert_eq!(kinds(&db), [FindingKind::FailedCheck]);
}

#[test]
fn rows_and_entries_of_unknown_ids_are_found_once() {
    let db = sound();
    write(&db, |batch| {
        for n in 0..3 {
            batch.put(&db.families.rows, &[0, 0, 9, 9, n], b"x").unwrap();
            batch.put(&db.families.indexes, &[0, 0, 9, 9, n], b"x").unwrap();
        }
    });
    assert_eq!(kinds(&db), [FindingKind::UnknownEntity, FindingKind::UnknownIndex]);
    assert_eq!(report(&db).findings_total, 2);
}

#[test]
fn findings_are_counted_beyond_those_that_are_kept() {
    let db = sound();
    for (key, _) in all(&db, Family::Indexes) {
        write(&db, |batch| batch.delete(&db.families.indexes, &key).unwrap());
    }
    let report = check(&db.engine, &db.families, 2).unwrap();
    assert_eq!((report.findings_total, report.findings.len()), (7, 2));
}

#[test]
fn a_required_field_without_a_value_is_found() {
    let db = sound();
    db.put("User", &[ValueRef::Int64(3), ValueRef::String("c"), ValueRef::Null, ValueRef::Null]);
    let report = report(&db);
    let found: Vec<_> =
        report.findings.iter().map(|f| (f.kind, f.subject.as_deref(), f.key.as_deref())).collect();
    assert_eq!(found, [(FindingKind::MissingValue, Some("age"), Some("3"))]);
}

#[test]
fn entries_of_a_dropped_index_that_await_the_sweep_are_no_finding() {
    let db = sound();
    let dropped = all(&db, Family::Indexes);
    db.apply(&SCHEMA.replace("  @@index(age) covering (email)\n", "")).unwrap();
    write(&db, |batch| {
        for (key, value) in &dropped {
            batch.put(&db.families.indexes, key, value).unwrap();
        }
    });
    assert_eq!(kinds(&db), []);
}

#[test]
fn a_stored_computed_field_that_is_not_its_expression_is_found() {
    let db = TestDb::new();
    db.apply("entity Item {\n  id int64 @id\n  name string\n  key string = lower(name) @stored\n}\n")
        .unwrap();
    db.put("Item", &[ValueRef::Int64(1), ValueRef::String("A"), ValueRef::String("a")]);
    db.put("Item", &[ValueRef::Int64(2), ValueRef::String("B"), ValueRef::String("B")]);
    let report = report(&db);
    let found: Vec<_> =
        report.findings.iter().map(|f| (f.kind, f.subject.as_deref(), f.key.as_deref())).collect();
    assert_eq!(found, [(FindingKind::WrongComputed, Some("key"), Some("2"))]);
}
