//! The project's own tasks, run as `cargo xtask TASK`.
//!
//! `test` is the one command that says whether the tree is good; `walls` and `fuzz` run two of its stages alone.
//! A task needs nothing but a Rust toolchain (rustc, cargo, rustfmt and clippy); the tests PostgreSQL, Python and Node as well,
//! which they install where they are missing.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command line talks to its terminal")]

mod bench;
mod dist;
mod imdb;
mod isolation;
mod kills;
mod missing;
mod oracle;
mod sanitize;
mod stages;
mod walls;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask TASK

  test [STAGE…]  everything that must hold: format, lints, walls, tests, the packages of the bindings, a bounded fuzz run,
               bounds on cost; or the stages that are named
  dist         the `ormdb` binary and the packages of the bindings, built with all optimizations
  walls        the rules between crates and over the sources
  fuzz ARGS    the seeded fuzz runner; `cargo xtask fuzz --help` lists its options
  python       the Python package: its wheel, its tests and its types
  oracle [--queries N] [--seed S]  ormDB's answers beside those of PostgreSQL, which is installed where it is missing
  torture [--minutes N] [--seed S]  the storage engine on a disk that fails, seed after seed, beside a model; a finding is
               made short. `test` runs some fixed seeds and the planted bugs
  soak [--minutes N] [--picture FILE]  a mixed load on the disk of this machine: memory, files and space within their bounds
  sanitize [address] [thread]  stress tests of the engine, and transactions on threads, under AddressSanitizer and
               ThreadSanitizer, where a nightly toolchain has them
  models [--runs N] [--seed S]  threads of the storage engine in every order that a checker thinks of; `test` runs some
  isolation [--minutes N] [--seed S]  sixteen threads with invariants at every level, and a process that is killed
  kills [--rounds N] [--seed S]  a server that is killed and started again under clients in Rust, Python and Node
  bench ARGS   Ordinum beside other engines; `cargo xtask bench -- --help` lists the options, and what stands before
               the `--` is for cargo: `cargo xtask bench --features rocksdb -- --quick`
  bench-graph ARGS  ormDB, embedded, beside SQLite; `cargo xtask bench-graph -- --help` lists the options
  bench-size ARGS  ten million rows in twelve entities beside a hundred thousand; `cargo xtask bench-size -- --help` lists the options
  bench-imdb ARGS  a movie site on ormDB beside PostgreSQL and SQLite, from Rust, Python and Node; `--help` lists the options
  instructions ARGS  instructions of the engine's hot paths beside those that are kept; needs valgrind
  bench-check  format, lints and tests of the benchmarks, which have dependencies that `test` never builds
";

fn main() -> ExitCode {
    let root = workspace_root();
    let mut args = std::env::args().skip(1);
    let task = args.next();
    let rest: Vec<String> = args.collect();
    match (task.as_deref(), rest.as_slice()) {
        (Some("test"), stages) => stages::test(&root, stages),
        (Some("dist"), []) => dist::run(&root),
        (Some("walls"), []) => stages::only_walls(&root),
        (Some("python"), []) => stages::only_python(&root),
        (Some("fuzz"), rest) => stages::only_fuzz(&root, rest),
        (Some("torture"), rest) => stages::simulate(&root, "torture", rest),
        (Some("soak"), rest) => stages::simulate(&root, "soak", rest),
        (Some("sanitize"), names) => sanitize::run(&root, names),
        (Some("models"), rest) => stages::only_models(&root, rest),
        (Some("oracle"), rest) => oracle::run(&root, rest),
        (Some("isolation"), rest) => isolation::run(&root, rest),
        (Some("kills"), rest) => kills::run(&root, rest),
        (Some("bench"), rest) => bench::run(&root, rest),
        (Some("bench-graph"), rest) => bench::graph(&root, rest),
        (Some("bench-size"), rest) => bench::size(&root, rest),
        (Some("bench-imdb"), rest) => imdb::run(&root, rest),
        (Some("instructions"), rest) => bench::instructions(&root, rest),
        (Some("bench-check"), []) => bench::check(&root),
        (Some("help" | "--help" | "-h"), []) => {
            print!("{USAGE}");
            ExitCode::SUCCESS
        }
        _ => {
            eprint!("{USAGE}");
            ExitCode::from(2)
        }
    }
}

/// The directory of the workspace's `Cargo.toml`, wherever the task is started.
fn workspace_root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}
