//! PostgreSQL, which the differential test asks for its answers: Debian's package, installed where it is missing.

use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use crate::missing;
use crate::stages::{cargo, passes};

/// Where Debian keeps the programs of each version.
const DEBIAN: &str = "/usr/lib/postgresql";

const USAGE: &str = "usage: cargo xtask oracle [--queries N] [--seed S]";

/// Runs the differential test for longer than `cargo xtask test` does.
pub(crate) fn run(root: &Path, args: &[String]) -> ExitCode {
    let mut command = cargo(root);
    let (pairs, rest) = args.as_chunks::<2>();
    for [option, value] in pairs {
        let variable = match option.as_str() {
            "--queries" => "ORMDB_ORACLE_QUERIES",
            "--seed" => "ORMDB_ORACLE_SEED",
            _ => return misused(),
        };
        if value.parse::<u64>().is_err() {
            return misused();
        }
        command.env(variable, value);
    }
    if !rest.is_empty() {
        return misused();
    }
    command.args(["test", "-p", "ormdb", "--test", "oracle", "--", "--nocapture"]);
    if is_there() && passes(&mut command) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn misused() -> ExitCode {
    eprintln!("{USAGE}");
    ExitCode::from(2)
}

/// Whether there is a PostgreSQL server, if need be after installing it.
pub(crate) fn is_there() -> bool {
    missing::installed("PostgreSQL", &["postgresql"], is_installed)
}

fn is_installed() -> bool {
    let has_initdb = |path: &Path| path.join("initdb").is_file();
    let versions = std::fs::read_dir(DEBIAN).into_iter().flatten().flatten();
    let mut places: Vec<_> = versions.map(|entry| entry.path().join("bin")).collect();
    places.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    places.iter().any(|place| has_initdb(place)) && answers("psql", &["--version"])
}

fn answers(program: &str, args: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(args).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
