//! The benchmarks of the storage engine and of the database: each a workspace of its own, because what it compares brings dependencies
//! which nothing else needs, or because it is built as what is given away is. `cargo xtask test` formats them and walks their sources;
//! the rest is checked here.

use std::path::Path;
use std::process::{Command, ExitCode};

use crate::dist;
use crate::stages::{cargo, passes, target_directory};

const ENGINE: &str = "bench/engine/Cargo.toml";
const GRAPH: &str = "bench/graph/Cargo.toml";
const IMDB: &str = "bench/imdb/Cargo.toml";
const SIZE: &str = "bench/size/Cargo.toml";
const ALL: [&str; 4] = [ENGINE, GRAPH, IMDB, SIZE];

/// Runs the benchmark of the storage engine.
pub(crate) fn run(root: &Path, args: &[String]) -> ExitCode {
    start(root, ENGINE, ("release", "engine-bench"), args)
}

/// Runs the benchmark of the database.
pub(crate) fn graph(root: &Path, args: &[String]) -> ExitCode {
    start(root, GRAPH, (dist::PROFILE, "graph-bench"), args)
}

/// Runs the benchmark of a large database.
pub(crate) fn size(root: &Path, args: &[String]) -> ExitCode {
    start(root, SIZE, (dist::PROFILE, "size-bench"), args)
}

/// The command of the benchmark of a movie site, whose options follow.
pub(crate) fn imdb(root: &Path) -> Command {
    in_bench(root, IMDB, &["run", "--profile", dist::PROFILE, "--bin", "imdb-bench"])
}

/// What stands before a `--` is for cargo, what follows for the program; without one, all is.
fn start(root: &Path, manifest: &str, (profile, program): (&str, &str), args: &[String]) -> ExitCode {
    let split = args.iter().position(|arg| arg == "--");
    let (for_cargo, for_program) = match split {
        Some(at) => (args.get(..at).unwrap_or_default(), args.get(at + 1..).unwrap_or_default()),
        None => (&[][..], args),
    };
    let mut command = in_bench(root, manifest, &["run", "--profile", profile, "--bin", program]);
    command.args(for_cargo).arg("--").args(for_program);
    code(passes(&mut command))
}

/// Counts the instructions of the engine's hot paths, with nothing built in but the engine.
pub(crate) fn instructions(root: &Path, args: &[String]) -> ExitCode {
    let mut command =
        in_bench(root, ENGINE, &["run", "--release", "--no-default-features", "--bin", "instructions"]);
    command.arg("--").args(args);
    code(passes(&mut command))
}

/// Format, lints and tests, without RocksDB, which needs a library of the system.
pub(crate) fn check(root: &Path) -> ExitCode {
    let passed = is_formatted(root)
        && ALL.into_iter().all(|manifest| {
            let mut lints = in_bench(root, manifest, &["clippy", "--all-targets"]);
            lints.args(["--", "-D", "warnings"]);
            passes(&mut lints) && passes(&mut in_bench(root, manifest, &["test"]))
        });
    code(passed)
}

/// Whether the sources are formatted; nothing is built or fetched for that.
pub(crate) fn is_formatted(root: &Path) -> bool {
    ALL.into_iter().all(|manifest| {
        let mut command = cargo(root);
        command.args(["fmt", "--check", "--manifest-path", manifest]);
        passes(&mut command)
    })
}

fn in_bench(root: &Path, manifest: &str, args: &[&str]) -> Command {
    let mut command = cargo(root);
    command.args(args).args(["--manifest-path", manifest, "--target-dir"]).arg(target_directory(root));
    command
}

fn code(passed: bool) -> ExitCode {
    if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
