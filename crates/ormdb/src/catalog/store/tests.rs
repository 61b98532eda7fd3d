#![allow(clippy::indexing_slicing, reason = "test data")]

use ordinum::{Batch, Durability};
use ormdb_proto::ErrorCode;

use super::{current_version, history, load_version, version_key};
use crate::catalog::testing::TestDb;

const FIRST: &str = "entity User {\n  id int64 @id\n}\n";
const SECOND: &str = "entity User {\n  id int64 @id\n  name string?\n}\n";

#[test]
fn every_version_is_kept() {
    let db = TestDb::new();
    assert_eq!(db.catalog().version(), 0);
    db.apply(FIRST).unwrap();
    db.apply(SECOND).unwrap();
    let again = db.apply(SECOND).unwrap();
    assert_eq!(again.changes, []);
    assert_eq!(again.catalog.version(), 2);
    let snapshot = db.engine.snapshot();
    assert_eq!(current_version(&snapshot, &db.families).unwrap(), 2);
    let texts: Vec<String> = history(&snapshot, &db.families).unwrap().into_iter().map(|v| v.text).collect();
    assert_eq!(texts, [FIRST, SECOND]);
    let first = load_version(&snapshot, &db.families, 1).unwrap();
    assert_eq!(first.schema.entity("User").unwrap().fields.len(), 1);
    assert_eq!(**db.catalog().schema(), load_version(&snapshot, &db.families, 2).unwrap().schema);
}

#[test]
fn a_version_of_a_newer_format_is_refused() {
    let db = TestDb::new();
    db.apply(FIRST).unwrap();
    let mut record = {
        use ordinum::Reader;
        db.engine.snapshot().get(&db.families.catalog, &version_key(1)).unwrap().unwrap().to_vec()
    };
    record[4] = 9;
    let mut batch = Batch::new();
    batch.put(&db.families.catalog, &version_key(1), &record).unwrap();
    db.engine.write(batch, Durability::Synced).unwrap();
    let error = super::load(&db.engine.snapshot(), &db.families).unwrap_err();
    assert_eq!(error.code, ErrorCode::IncompatibleFormat);
}
