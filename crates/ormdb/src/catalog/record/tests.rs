#![allow(clippy::indexing_slicing, reason = "test data")]

use ormdb_proto::ErrorCode;
use ormdb_proto::schema::Schema;

use super::{StoredVersion, decode, encode};

fn sample() -> StoredVersion {
    StoredVersion { version: 3, applied_at: 17, text: "entity A { }".to_owned(), schema: Schema::empty() }
}

#[test]
fn a_record_reads_back() {
    assert_eq!(decode(&encode(&sample()).unwrap()).unwrap(), sample());
}

#[test]
fn no_damaged_byte_is_read() {
    let record = encode(&sample()).unwrap();
    for at in 0..record.len() {
        let mut damaged = record.clone();
        damaged[at] ^= 0x40;
        let code = decode(&damaged).unwrap_err().code;
        assert!(matches!(code, ErrorCode::Corrupt | ErrorCode::IncompatibleFormat), "byte {at}: {code:?}");
        assert_eq!(decode(&record[..at]).unwrap_err().code, ErrorCode::Corrupt, "cut at {at}");
    }
}

#[test]
fn a_newer_format_is_named() {
    let mut record = encode(&sample()).unwrap();
    record[4] = 9;
    let error = decode(&record).unwrap_err();
    assert_eq!(error.code, ErrorCode::IncompatibleFormat);
    assert!(error.message.contains("format 9"), "{error}");
}
