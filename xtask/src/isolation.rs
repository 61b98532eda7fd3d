//! Sixteen threads at once, and a process that is killed, for as long as is asked for.

use std::path::Path;
use std::process::ExitCode;

use crate::stages::{cargo, passes};

const USAGE: &str = "usage: cargo xtask isolation [--minutes N] [--seed S]";

/// Runs the concurrency tests for longer than `cargo xtask test` does: half of the time threads, half of it kills.
pub(crate) fn run(root: &Path, args: &[String]) -> ExitCode {
    let mut command = cargo(root);
    let (pairs, rest) = args.as_chunks::<2>();
    for [option, value] in pairs {
        let Ok(number) = value.parse::<u64>() else { return misused() };
        match option.as_str() {
            // Two tests share the time.
            "--minutes" => command.env("ORMDB_ISOLATION_SECONDS", number.saturating_mul(30).to_string()),
            "--seed" => command.env("ORMDB_ISOLATION_SEED", value),
            _ => return misused(),
        };
    }
    if !rest.is_empty() {
        return misused();
    }
    let tests =
        ["test", "-p", "ormdb-sim", "--test", "concurrency", "--", "--nocapture", "--test-threads", "1"];
    command.args(tests);
    if passes(&mut command) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn misused() -> ExitCode {
    eprintln!("{USAGE}");
    ExitCode::from(2)
}
