use std::sync::Arc;

use super::*;
use crate::fs::MemoryFs;
use crate::options::Background;

fn options(fs: &MemoryFs) -> Options {
    Options { fs: Arc::new(fs.clone()), background: Background::Manual, ..Options::default() }
}

#[test]
fn what_is_written_is_read_and_survives_reopening() {
    let fs = MemoryFs::new();
    let db = Db::open("/db", options(&fs)).unwrap();
    let rows = db.create_column_family("rows", FamilyOptions::default()).unwrap();
    let default = db.default_column_family();
    let mut batch = Batch::new();
    batch.put(&rows, b"a", b"1").unwrap();
    batch.put(&default, b"b", b"2").unwrap();
    batch.put(&rows, b"c", b"3").unwrap();
    batch.delete(&rows, b"c").unwrap();
    let seqno = db.write(batch, Durability::Synced).unwrap();
    assert_eq!(db.get_versioned(&rows, b"a").unwrap(), Some((Slice::from(&b"1"[..]), seqno)));
    assert_eq!(db.get(&rows, b"b").unwrap(), None);
    assert_eq!(db.get(&rows, b"c").unwrap(), None);
    drop(db);

    let db = Db::open("/db", options(&fs)).unwrap();
    assert_eq!(db.last_seqno(), seqno);
    assert_eq!(db.column_families(), ["default", "rows"]);
    let rows = db.column_family("rows").unwrap();
    assert_eq!(db.get_versioned(&rows, b"a").unwrap(), Some((Slice::from(&b"1"[..]), seqno)));
    assert_eq!(db.get(&db.default_column_family(), b"b").unwrap().as_deref(), Some(&b"2"[..]));
    let mut cursor = db.cursor(&rows, KeyRange::all()).unwrap();
    assert!(cursor.first().unwrap());
    assert_eq!(cursor.key(), b"a");
    assert!(!cursor.next().unwrap());
    db.flush_all().unwrap();
    assert_eq!(db.get_versioned(&rows, b"a").unwrap(), Some((Slice::from(&b"1"[..]), seqno)));
    drop((db, cursor));
    let db = Db::open("/db", options(&fs)).unwrap();
    let rows = db.column_family("rows").unwrap();
    assert_eq!(db.get_versioned(&rows, b"a").unwrap(), Some((Slice::from(&b"1"[..]), seqno)));
}
