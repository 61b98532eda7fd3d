//! Seeds of transactions on a disk that fails find nothing, and a seed is the same run each time.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "test")]

use std::time::Duration;

use ormdb_sim::database::{Outcome, damaged, run, threads};
use ormdb_sim::torture::plan_of_transactions;

/// The seeds that run with every test.
const SEEDS: u64 = 12;
/// Seeds that have found something: a schema that was applied twice, which makes nothing durable (the first two), and a run in which the
/// process before, dropped only behind the opening of the next, wrote into files that this one had just made.
const KEPT: [u64; 3] = [1_000_182, 2_000_391, 17_003_099];

#[test]
fn transactions_survive_everything() {
    let mut total = Outcome::default();
    for seed in (0..SEEDS).chain(KEPT) {
        let outcome =
            run(seed, plan_of_transactions(seed), &mut |_| {}).unwrap_or_else(|what| panic!("{what}"));
        total.add(&outcome);
    }
    println!("{total}");
    for (what, count) in [
        ("commits", total.commits),
        ("refusals", total.refused),
        ("crashes", total.crashes),
        ("faults", total.faults),
        ("schemas", total.schemas),
        ("dependencies", total.edges),
    ] {
        assert!(count > 0, "no {what}");
    }
}

#[test]
fn damaged_databases_are_found_out() {
    let mut tally = damaged::Tally::default();
    for seed in 0..SEEDS {
        damaged::try_seed(seed, &mut tally).unwrap_or_else(|what| panic!("{what}"));
    }
    println!("{tally:?}");
    assert!(tally.refused > 5 && tally.found > 5 && tally.harmless > 0, "{tally:?}");
}

/// Threads, each life of which a power loss ends.
#[test]
fn threads_survive_power_losses() {
    let outcome = threads::run(1, 4, Duration::from_millis(500)).unwrap_or_else(|what| panic!("{what}"));
    println!("threads: {outcome}");
    assert!(outcome.commits > 0, "no commits");
    assert!(outcome.notices > 0, "no notices");
}

#[test]
fn a_seed_replays_a_run_exactly() {
    let plan = plan_of_transactions(3);
    let first = run(3, plan, &mut |_| {}).unwrap();
    let second = run(3, plan, &mut |_| {}).unwrap();
    assert_eq!(first, second);
}
