//! The engine benchmark: a workspace of its own, because the engines that it compares bring dependencies which nothing
//! else needs. `cargo xtask test` formats it and walks its sources; the rest is checked here.

use std::path::Path;
use std::process::{Command, ExitCode};

use crate::stages::{cargo, passes, target_directory};

const MANIFEST: &str = "bench/engine/Cargo.toml";

/// Runs the benchmark. What stands before a `--` is for cargo, what follows for the program; without one, all is.
pub(crate) fn run(root: &Path, args: &[String]) -> ExitCode {
    let split = args.iter().position(|arg| arg == "--");
    let (for_cargo, for_program) = match split {
        Some(at) => (args.get(..at).unwrap_or_default(), args.get(at + 1..).unwrap_or_default()),
        None => (&[][..], args),
    };
    let mut command = in_bench(root, &["run", "--release", "--bin", "engine-bench"]);
    command.args(for_cargo).arg("--").args(for_program);
    code(passes(&mut command))
}

/// Counts the instructions of the engine's hot paths, with nothing built in but the engine.
pub(crate) fn instructions(root: &Path, args: &[String]) -> ExitCode {
    let mut command = in_bench(root, &["run", "--release", "--no-default-features", "--bin", "instructions"]);
    command.arg("--").args(args);
    code(passes(&mut command))
}

/// Format, lints and tests, without RocksDB, which needs a library of the system.
pub(crate) fn check(root: &Path) -> ExitCode {
    let mut lints = in_bench(root, &["clippy", "--all-targets"]);
    lints.args(["--", "-D", "warnings"]);
    let mut tests = in_bench(root, &["test"]);
    code(is_formatted(root) && passes(&mut lints) && passes(&mut tests))
}

/// Whether the sources are formatted; nothing is built or fetched for that.
pub(crate) fn is_formatted(root: &Path) -> bool {
    let mut command = cargo(root);
    command.args(["fmt", "--check", "--manifest-path", MANIFEST]);
    passes(&mut command)
}

fn in_bench(root: &Path, args: &[&str]) -> Command {
    let mut command = cargo(root);
    command.args(args).args(["--manifest-path", MANIFEST, "--target-dir"]).arg(target_directory(root));
    command
}

fn code(passed: bool) -> ExitCode {
    if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
