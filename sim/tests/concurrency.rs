//! Sixteen threads at once, at every level, and invariants that hold at all times: money is moved and stays the same, a name has
//! one owner, a child has a parent, counters count, and lists that are appended to and read give histories in which every
//! level forbids what it must ([`ormdb_sim::history`]). The same in a process of its own that is killed again and again.
//!
//! `cargo xtask isolation --minutes N --seed S` runs it for longer. A seed gives the same choices, not the same order of the
//! threads.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "a violation is a failed test, whose numbers are small"
)]

#[path = "concurrency/kill.rs"]
mod kill;
#[path = "concurrency/workload.rs"]
mod workload;

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use ordinum::clock::{Clock, OsClock};
use ordinum::fs::MemoryFs;
use ormdb::{Database, Isolation, Options};

use workload::{Round, Tally};

/// Who writes and who reads.
pub(crate) const THREADS: usize = 16;

/// How long one round lasts where nothing is said, and how long where it runs for minutes.
const SHORT: Duration = Duration::from_millis(400);
const LONG: Duration = Duration::from_secs(2);

pub(crate) fn seed() -> u64 {
    let said = std::env::var("ORMDB_ISOLATION_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = said.unwrap_or_else(|| fastrand::u64(..));
    println!("seed {seed}");
    seed
}

/// How long it runs, if that is said.
pub(crate) fn minutes() -> Option<Duration> {
    let seconds: u64 = std::env::var("ORMDB_ISOLATION_SECONDS").ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

#[test]
fn sixteen_threads_break_nothing() {
    let (seed, clock) = (seed(), OsClock::default());
    let (whole, length) = match minutes() {
        Some(whole) => (whole, LONG),
        None => (Duration::ZERO, SHORT),
    };
    let mut options = Options::default();
    options.engine.fs = Arc::new(MemoryFs::default());
    let database = Database::open_with("concurrency.ormdb", options).unwrap();
    database.apply_schema(workload::SCHEMA).unwrap();
    let mut totals = Isolation::ALL.map(|level| (level, Tally::default()));
    let mut round = 0;
    while round < Isolation::ALL.len() as u64 || clock.monotonic() < whole {
        let (level, total) = &mut totals[round as usize % Isolation::ALL.len()];
        let run = Round::new(&database, *level, round);
        let began = clock.monotonic();
        thread::scope(|scope| {
            for at in 0..THREADS {
                let (run, clock) = (&run, &clock);
                let mut random = fastrand::Rng::with_seed(seed ^ (round << 8) ^ at as u64);
                scope.spawn(move || {
                    let end = clock.monotonic() + length;
                    while clock.monotonic() < end {
                        run.step(at, &mut random);
                    }
                });
            }
        });
        let took = clock.monotonic() - began;
        let tally = Tally { took, ..run.verify() };
        println!("round {round} at {level}: {tally}");
        total.add(&tally);
        round += 1;
    }
    println!("{round} rounds, no violation");
    for (level, total) in &totals {
        println!("{level}: {total}");
        for (what, n) in [("commits", total.commits), ("reads", total.reads), ("appends", total.appends)] {
            assert!(n > 0, "{level}: no {what}");
        }
    }
}
