//! Models: what several threads do at once in a few lines, run under many orders that a checker chooses ("shuttle"; random walks,
//! and Burckhardt and others' probabilistic concurrency testing, which finds a bug of depth *d* with a known likelihood).
//!
//! All of them drive the code of the engine itself, through [`crate::sync`]. What they cannot show is an order that a processor makes
//! of accesses that are not ordered: operations of a model happen one behind the other. That is for ThreadSanitizer, and for the
//! reasons beside each `Ordering`.
//!
//! `ORDINUM_MODEL_RUNS` has each model run so many times, `ORDINUM_MODEL_SEED` begins elsewhere.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    clippy::print_stdout,
    reason = "test"
)]

mod cache;
mod commits;
mod list;
mod locks;
mod published;

use std::process::Command;
use std::sync::Arc;

use shuttle::scheduler::{PctScheduler, RandomScheduler};
use shuttle::{Config, Runner};

use crate::clock::ManualClock;
use crate::fs::MemoryFs;
use crate::options::{Background, FamilyOptions, Options};
use crate::planted::{Bug, plant};

/// The bug that a model runs with.
const PLANTED: &str = "ORDINUM_MODEL_PLANTED";
/// How often a model runs where nothing is said.
const RUNS: usize = 2_000;
/// A model has so many steps at most: more means that it never ends.
const STEPS_MAX: usize = 2_000_000;
/// So many changes of threads are put where they hurt.
const DEPTH: usize = 3;

fn asked(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn config() -> Config {
    let mut config = Config::new();
    config.stack_size = 1 << 20;
    // That operations happen one behind the other is said above.
    config.silence_warnings = true;
    config.max_steps = shuttle::MaxSteps::FailAfter(STEPS_MAX);
    config
}

/// Runs the model under random orders, and under those of a few changes; with the bug that [`finds`] asked for, if it did.
fn check(model: fn()) {
    let asked_for = std::env::var(PLANTED).ok();
    let bug = Bug::ALL.into_iter().find(|bug| asked_for == Some(format!("{bug:?}")));
    plant(bug);
    let runs = asked("ORDINUM_MODEL_RUNS").map_or(RUNS, |runs| runs as usize);
    let seed = asked("ORDINUM_MODEL_SEED").unwrap_or(0);
    Runner::new(RandomScheduler::new_from_seed(seed, runs.div_ceil(2)), config()).run(model);
    Runner::new(PctScheduler::new_from_seed(seed, DEPTH, runs / 2), config()).run(model);
    plant(None);
}

/// Has a test of a model run once more, with a bug, which it has to find. In a process of its own: a model that fails does not
/// always end in order.
fn finds(bug: Bug, test: &str) {
    let output = Command::new(std::env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture"])
        .env(PLANTED, format!("{bug:?}"))
        .env("ORDINUM_MODEL_RUNS", (4 * RUNS).to_string())
        .output()
        .unwrap();
    let told = [output.stdout, output.stderr].concat();
    let told = String::from_utf8_lossy(&told);
    assert!(told.contains("running 1 test"), "{test} is no test: {told}");
    assert!(!output.status.success(), "{bug:?} was not found");
    let what = told.lines().find(|line| line.contains("is seen") || line.contains("deadlock"));
    println!("{bug:?} was found by {test}: {}", what.unwrap_or_default());
}

/// Options of a database whose background work is done by who asks for it.
fn options(fs: &MemoryFs) -> Options {
    Options {
        fs: Arc::new(fs.clone()),
        clock: Arc::new(ManualClock::default()),
        background: Background::Manual,
        log_segment_bytes: 4 << 10,
        block_cache_bytes: 64 << 10,
        write_buffer_budget_bytes: 64 << 10,
        family_defaults: FamilyOptions { write_buffer_bytes: 4 << 10, ..FamilyOptions::default() },
        ..Options::default()
    }
}
