//! What is a read is seen, and nothing else is taken for one.

use std::sync::Arc;

use ormdb_proto::{Error, ErrorCode, Retry};

use super::places::Places;
use super::repeat::{Attempts, Repeat};
use super::{Pool, PoolOptions};

#[test]
fn only_plain_reads_are_run_twice() {
    for text in [
        "Artist",
        "  Artist[1] { name }",
        "group Artist by kind { kind }",
        "explain Artist",
        "`create` where id = 1",
        "creates { id }",
    ] {
        assert_eq!(Repeat::of_text(text), Repeat::Always, "{text}");
    }
    for text in [
        "create Artist { name: \"a\" }",
        "\n update Artist set { name: \"a\" }",
        "upsert Artist[1] create {} update {}",
        "delete Artist",
        "Artist; delete Artist",
        "// a comment\nArtist",
        "commit",
        "set constraints all deferred",
        "",
    ] {
        assert_eq!(Repeat::of_text(text), Repeat::IfNotExecuted, "{text}");
    }
}

#[test]
fn a_write_that_may_have_been_executed_is_not_run_again() {
    let options = PoolOptions::default();
    let error = |code, maybe| {
        let mut error = Error::new(code, "x");
        error.detail.maybe_executed = maybe;
        error
    };
    let places = Arc::new(Places::new("ormdb://host".parse().unwrap(), &options));
    let goes_on =
        |repeat, code, maybe| Attempts::new(&options, &places, repeat).pause(error(code, maybe)).is_ok();
    for code in [ErrorCode::ConnectionFailed, ErrorCode::ShuttingDown, ErrorCode::ServerBusy] {
        assert!(goes_on(Repeat::Always, code, Some(true)));
        assert!(goes_on(Repeat::IfNotExecuted, code, Some(false)));
        assert!(!goes_on(Repeat::IfNotExecuted, code, Some(true)));
        assert!(!goes_on(Repeat::IfNotExecuted, code, None));
    }
    for repeat in [Repeat::Always, Repeat::IfNotExecuted] {
        assert!(goes_on(repeat, ErrorCode::Deadlock, None));
        for code in [
            ErrorCode::Cancelled,
            ErrorCode::UniqueViolation,
            ErrorCode::LockNotAvailable,
            ErrorCode::Internal,
        ] {
            assert!(!goes_on(repeat, code, None));
        }
    }
    let options = PoolOptions { reconnects: Retry::NEVER, ..PoolOptions::default() };
    let mut attempts = Attempts::new(&options, &places, Repeat::Always);
    let last = attempts.pause(error(ErrorCode::ConnectionFailed, None)).unwrap_err();
    assert_eq!(last.code, ErrorCode::ConnectionFailed);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_told_of() {
    // Nobody listens on the port of a listener that is gone.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let options = PoolOptions { reconnects: Retry::NEVER, ..PoolOptions::default() };
    let pool = Pool::with(format!("ormdb://127.0.0.1:{port}").parse().unwrap(), options);
    let error = pool.ping().await.unwrap_err();
    assert_eq!((error.code, error.detail.maybe_executed), (ErrorCode::ConnectionFailed, Some(false)));
    assert_eq!(pool.connections(), 0);
    pool.close();
    assert_eq!(pool.ping().await.unwrap_err().message, "the pool is closed");
}
