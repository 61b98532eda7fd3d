use ormdb_proto::ErrorKind;

use super::*;

/// Flushes that fail on a disk that is full, or gone, hold up writes. That was told as a bug of ormDB.
#[test]
fn a_disk_that_fails_is_no_bug() {
    let stopped = ordinum::Error::Stopped { cause: "cannot create 000152.sst: no space".to_owned() };
    let error = engine_error(stopped);
    assert_eq!((error.code, error.code.kind()), (ErrorCode::Io, ErrorKind::Unavailable));
}

/// A position of another history is the caller's, and no bug of ormDB either.
#[test]
fn another_history_is_no_bug() {
    let history = ordinum::HistoryId::from_bytes([7; 16]);
    let asked = ordinum::Position { history, seqno: ordinum::SeqNo::ZERO };
    let diverged = ordinum::Error::Diverged { asked, history, durable: ordinum::SeqNo::ZERO };
    assert_eq!(engine_error(diverged).code, ErrorCode::HistoryDiverged);
}
