//! Seeds beside the model, the same script twice and with other options, and the scripts that are kept.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "test")]

use std::fs;
use std::path::Path;

use ormdb_sim::generate::{Faults, Plan, generate};
use ormdb_sim::run;
use ormdb_sim::script::Script;
use ormdb_sim::torture::{Tally, try_seed};

/// The seeds that every test run tries; `cargo xtask torture` tries others.
const SEEDS: u64 = 60;

#[test]
fn seeds_find_nothing() {
    let mut tally = Tally::default();
    for seed in 0..SEEDS {
        if let Err(finding) = try_seed(seed, &mut tally) {
            panic!("seed {seed}: {}; `cargo xtask torture --seed {seed}` makes it short", finding.what);
        }
    }
    println!("{tally:?}");
    assert_eq!(tally.seeds, SEEDS);
    assert!(tally.outcome.crashes > SEEDS, "{tally:?}");
    assert!(tally.compared > 0, "{tally:?}");
}

/// Everything that reaches the disk is the same: files, their bytes, syncs, and the order of all.
#[test]
fn a_seed_replays_a_run_exactly() {
    for seed in 1000..1010 {
        for faults in [Faults::Some, Faults::None] {
            let script = generate(seed, &Plan { ops: 300, faults });
            let (first, second) = (run(&script).unwrap(), run(&script).unwrap());
            assert_eq!(first, second, "seed {seed}");
            assert!(first.file_ops > 50, "seed {seed}");
        }
    }
}

#[test]
fn kept_scripts_find_nothing() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts");
    let mut scripts = 0;
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let script: Script = fs::read_to_string(&path)
            .unwrap()
            .parse()
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        run(&script).unwrap_or_else(|what| panic!("{}: {what}", path.display()));
        scripts += 1;
    }
    assert!(scripts > 0);
}
