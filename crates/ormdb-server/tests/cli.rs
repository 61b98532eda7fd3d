//! Runs the real binary, command by command, with good and with bad input.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod cli {
    mod bench;
    mod demo;
    mod files;
    mod init;
    mod query;
    mod remote;
    mod schema;
    mod shell;
    mod storage;
    mod structs;
}
