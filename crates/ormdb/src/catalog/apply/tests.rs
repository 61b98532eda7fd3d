use ordinum::{KeyRange, Reader};
use ormdb_proto::ErrorCode;
use ormdb_proto::value::ValueRef;

use crate::catalog::testing::TestDb;

const USER: &str = "entity User {\n  id int64 @id\n  name string\n}\n";

fn with_users(count: i64) -> TestDb {
    let db = TestDb::new();
    db.apply(USER).unwrap();
    for id in 0..count {
        db.put("User", &[ValueRef::Int64(id), ValueRef::String(if id < 2 { "twin" } else { "other" })]);
    }
    db
}

fn entries(db: &TestDb) -> usize {
    let snapshot = db.engine.snapshot();
    let mut cursor = snapshot.cursor(&db.families.indexes, KeyRange::all()).unwrap();
    let mut count = 0;
    let mut there = cursor.first().unwrap();
    while there {
        count += 1;
        there = cursor.next().unwrap();
    }
    count
}

/// Applies a text to a database of `rows` users, and gives the codes of the errors.
fn codes(rows: i64, text: &str) -> Vec<ErrorCode> {
    let db = with_users(rows);
    let codes = db.apply(text).map_or_else(|e| e.iter().map(|e| e.code).collect(), |_| Vec::new());
    let version = if codes.is_empty() { 2 } else { 1 };
    assert_eq!(db.catalog().version(), version, "a refusal changes nothing");
    codes
}

#[test]
fn what_needs_no_rows_is_refused_where_there_are_some() {
    let required = "entity User {\n  id int64 @id\n  name string\n  age int32\n}\n";
    assert_eq!(codes(0, required), []);
    assert_eq!(codes(1, required), [ErrorCode::MigrationRefused]);
    let dropped = "entity User {\n  id int64 @id\n}\n";
    assert_eq!(codes(0, dropped), []);
    assert_eq!(codes(1, dropped), [ErrorCode::MigrationRefused]);
    let retyped = "entity User {\n  id int64 @id\n  name bytes\n  age int32\n}\n";
    assert_eq!(codes(1, retyped), [ErrorCode::MigrationRefused, ErrorCode::MigrationRefused]);
}

#[test]
fn a_new_field_has_its_constant_default_in_older_rows() {
    let db = with_users(1);
    db.apply("entity User {\n  id int64 @id\n  name string\n  age int32 @default(7)\n}\n").unwrap();
    let catalog = db.catalog();
    let info = catalog.entity("User").unwrap();
    let snapshot = db.engine.snapshot();
    let mut cursor = snapshot.cursor(&db.families.rows, KeyRange::all()).unwrap();
    assert!(cursor.first().unwrap());
    let row = info.store().rows.view(cursor.value().unwrap()).unwrap();
    assert_eq!(row.field(info.field_named("age").unwrap().id).unwrap(), ValueRef::Int32(7));
}

#[test]
fn an_index_on_rows_gets_its_entries_and_a_dropped_one_loses_them() {
    let db = with_users(5);
    db.apply("entity User {\n  id int64 @id\n  name string\n  @@index(name)\n}\n").unwrap();
    assert_eq!(entries(&db), 5);
    db.apply("entity User {\n  id int64 @id\n  name string\n  @@index(name) where id > 2\n}\n").unwrap();
    assert_eq!(entries(&db), 2, "the old index is swept, the new one is partial");
    db.apply(USER).unwrap();
    assert_eq!(entries(&db), 0);
}

#[test]
fn rows_that_a_new_constraint_does_not_allow_are_named() {
    let unique = "entity User {\n  id int64 @id\n  name string @unique\n}\n";
    assert_eq!(codes(1, unique), []);
    assert_eq!(codes(2, unique), [ErrorCode::UniqueViolation]);
    let check = "entity User {\n  id int64 @id\n  name string @check(id < 3)\n}\n";
    assert_eq!(codes(3, check), []);
    assert_eq!(codes(5, check), [ErrorCode::CheckViolation]);
    let key = "entity User {\n  id int64 @id\n  name string\n  self User @relation(id -> User.id)\n}\n";
    assert_eq!(codes(3, key), []);
    let key = "entity User {\n  id int64 @id\n  name string\n  other Other @relation(id -> Other.id)\n}\n\
               entity Other {\n  id int64 @id\n}\n";
    assert_eq!(codes(0, key), []);
    assert_eq!(codes(2, key), [ErrorCode::ForeignKeyViolation]);
}

#[test]
fn a_write_under_the_old_schema_and_a_change_exclude_each_other() {
    let db = with_users(0);
    let mut write = db.engine.transaction();
    crate::catalog::store::current_version(&write, &db.families).unwrap();
    db.apply("entity User {\n  id int64 @id\n  name string\n  age int32\n}\n").unwrap();
    write.put(&db.families.rows, b"row", b"of the old layout").unwrap();
    assert!(matches!(write.commit(ordinum::Durability::Synced), Err(ordinum::Error::Conflict { .. })));
}
