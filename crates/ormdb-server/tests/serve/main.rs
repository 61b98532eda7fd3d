//! The shipped server and the shipped client, driven from the outside: every test starts the real binary.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod abuse;
mod conformance;
mod kill;
mod login;
mod many;
mod pipelining;
mod pool;
mod prepared;
mod process;
mod shutdown;
mod stopping;
mod streaming;
mod subscriptions;
mod tls;
mod transactions;
mod typed;
mod versions;
