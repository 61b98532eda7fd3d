use std::sync::Arc;

use super::batch::MERGED_BYTES_MAX;
use super::operands::{Base, Entry, encode, encoded_bytes};
use super::{MergeFailed, MergeOperator};
use crate::fs::MemoryFs;
use crate::{Background, Batch, Db, Durability, Error, FamilyOptions, Options, Reader};

#[test]
fn a_merge_entry_reads_back_and_nothing_else_is_one() {
    for base in [Base::Below, Base::Absent, Base::Value(b""), Base::Value(&[7; 300])] {
        let operands: [&[u8]; 3] = [b"a", b"", &[9; 200]];
        let bytes = encode(base, operands.into_iter());
        assert_eq!(encoded_bytes(base, operands.into_iter()), bytes.len());
        let entry = Entry::parse(&bytes).unwrap();
        assert_eq!(entry.base, base);
        assert!(entry.operands().eq(operands));
        for cut in 0..bytes.len() {
            // What is cut between two operands is an entry with fewer.
            assert_ne!(Entry::parse(bytes.get(..cut).unwrap()), Some(entry), "{cut}");
        }
        assert_eq!(Entry::parse(&encode(base, std::iter::empty())), None);
    }
    assert_eq!(Entry::parse(b"\x03\x01a"), None);
}

/// Tells how many bytes there were.
#[derive(Debug)]
struct Length;

impl MergeOperator for Length {
    fn name(&self) -> &str {
        "length"
    }

    fn merge(&self, _: &[u8], existing: Option<&[u8]>, operands: &[&[u8]]) -> Result<Vec<u8>, MergeFailed> {
        let bytes =
            existing.map_or(0, <[u8]>::len) + operands.iter().map(|operand| operand.len()).sum::<usize>();
        Ok(bytes.to_string().into_bytes())
    }
}

/// Each operand alone was bounded once, and all of a batch on one key together by nothing but the batch.
#[test]
fn what_one_batch_gives_one_key_is_bounded_together() {
    let family_defaults =
        FamilyOptions { merge_operator: Some(Arc::new(Length)), ..FamilyOptions::default() };
    let fs = Arc::new(MemoryFs::new());
    let options = Options { fs, background: Background::Manual, family_defaults, ..Options::default() };
    let db = Db::open("/db", options.clone()).unwrap();
    let family = db.default_column_family();
    let part = vec![b'x'; MERGED_BYTES_MAX / 4];
    let is_refused = |result: Result<(), Error>| {
        matches!(result, Err(Error::LimitExceeded { what: "the operands of a batch on one key", actual, limit })
            if limit == MERGED_BYTES_MAX as u64 && actual > limit)
    };
    for has_value in [false, true] {
        let mut batch = Batch::new();
        if has_value {
            batch.put(&family, b"k", &part).unwrap();
        }
        for _ in 0..3 - usize::from(has_value) {
            batch.merge(&family, b"k", &part).unwrap();
            batch.merge(&family, b"other", &part).unwrap();
        }
        db.write(batch.clone(), Durability::Buffered).unwrap();
        let seqno = db.last_seqno();
        batch.merge(&family, b"k", &part).unwrap();
        assert!(is_refused(db.write(batch.clone(), Durability::Buffered).map(drop)));
        assert_eq!(db.last_seqno(), seqno, "nothing was written");
        // What is taken away again does not count.
        batch.delete_range(&family, b"k", b"l").unwrap();
        db.write(batch, Durability::Buffered).unwrap();

        let mut transaction = db.transaction();
        if has_value {
            transaction.put(&family, b"k", &part).unwrap();
        }
        for _ in 0..3 - usize::from(has_value) {
            transaction.merge(&family, b"k", &part).unwrap();
        }
        let before = transaction.get(&family, b"k").unwrap();
        assert!(is_refused(transaction.merge(&family, b"k", &part)));
        assert_eq!(transaction.get(&family, b"k").unwrap(), before);
        transaction.commit(Durability::Buffered).unwrap();
        assert_eq!(db.get(&family, b"k").unwrap(), before);
    }
    db.close().unwrap();
    drop(db);
    let db = Db::open("/db", options).unwrap();
    let length = (3 * part.len()).to_string();
    assert_eq!(*db.get(&db.default_column_family(), b"k").unwrap().unwrap(), *length.as_bytes());
}
