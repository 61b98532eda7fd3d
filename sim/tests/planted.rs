//! Each planted bug is found within a bounded number of seeds, and none is found without one.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "test")]

use std::panic;

use ordinum::planted::{Bug, plant};
use ormdb_sim::torture::{Tally, plan_of_transactions, try_seed};
use ormdb_sim::{damage, database};

/// A bug that so many seeds do not find is not found.
const SEEDS_MAX: u64 = 400;

/// What finds a bug.
#[derive(Clone, Copy, Debug)]
enum Found {
    /// Scripts beside the model.
    ByScripts,
    /// Damaged databases.
    ByDamage,
    /// Models of threads, in the tests of the engine.
    ByModels,
}

/// How a bug is found. A bug that is added has to be named here.
fn found_by(bug: Bug) -> Found {
    match bug {
        Bug::CutAttested | Bug::IgnoreLogChecksum | Bug::SkipSeal => Found::ByDamage,
        Bug::PublishBeforeApply | Bug::PutBackStale | Bug::WaitUnannounced => Found::ByModels,
        Bug::SkipDirectorySync
        | Bug::SkipParentSync
        | Bug::SkipTableSync
        | Bug::SkipLogSync
        | Bug::IgnoreFailedSync
        | Bug::PublishBeforeSync
        | Bug::SkipManifestSync
        | Bug::InstallAheadOfLog
        | Bug::RemoveLogTooEarly
        | Bug::AcknowledgeBeforeHandOver
        | Bug::SplitBatch
        | Bug::ReissueSeqNos
        | Bug::ReuseFileNumber
        | Bug::IgnoreBlockChecksum
        | Bug::DropDeletionTooEarly
        | Bug::DropRangeDeleteTooEarly
        | Bug::IgnorePins
        | Bug::ReadBelowHorizon
        | Bug::ShowHidden
        | Bug::ForgetInFilter
        | Bug::DropValuesTooEarly
        | Bug::IngestUnderMemory
        | Bug::SkipValidation
        | Bug::SkipCheckpointLog => Found::ByScripts,
    }
}

#[test]
fn every_planted_bug_is_found() {
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    let mut missed = Vec::new();
    for bug in Bug::ALL.into_iter().filter(|bug| !matches!(found_by(*bug), Found::ByModels)) {
        plant(Some(bug));
        let found = (0..SEEDS_MAX).find_map(|seed| {
            let found = match found_by(bug) {
                Found::ByScripts => try_seed(seed, &mut Tally::default()).err().map(|finding| finding.what),
                Found::ByDamage => damage::try_seed(seed, &mut damage::Tally::default()).err(),
                Found::ByModels => None,
            };
            found.map(|what| (seed, what))
        });
        plant(None);
        match found {
            Some((seed, what)) => {
                let what: String = what.chars().take(160).collect();
                println!("{bug:?}: {:?}, seed {seed}: {what}", found_by(bug));
            }
            None => missed.push(bug),
        }
    }
    panic::set_hook(hook);
    assert!(missed.is_empty(), "not found within {SEEDS_MAX} seeds: {missed:?}");
}

/// A page says of each bug what it is and what finds it.
#[test]
fn every_planted_bug_is_told_of() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/reliability.md");
    let page = std::fs::read_to_string(page).unwrap();
    let line_of =
        |bug: String| page.lines().find(|line| line.starts_with(&format!("| `{bug}` |"))).map(str::to_owned);
    for bug in Bug::ALL {
        let finder = match found_by(bug) {
            Found::ByScripts => "scripts",
            Found::ByDamage => "damaged databases",
            Found::ByModels => "model of ",
        };
        let line = line_of(format!("{bug:?}")).unwrap_or_else(|| panic!("{bug:?} is not told of"));
        assert!(line.contains(finder), "{line}");
    }
    for bug in ormdb::planted::Bug::ALL {
        assert!(line_of(format!("{bug:?}")).is_some(), "{bug:?} is not told of");
    }
}

/// Those of the database by its transactions.
#[test]
fn every_bug_of_the_database_is_found() {
    use ormdb::planted::{Bug, plant};

    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    let mut missed = Vec::new();
    for bug in Bug::ALL {
        plant(Some(bug));
        let found = (0..SEEDS_MAX).find_map(|seed| {
            let found = database::run(seed, plan_of_transactions(seed), &mut |_| {}).err();
            plant(Some(bug));
            found.map(|what| (seed, what))
        });
        plant(None);
        match found {
            Some((seed, what)) => {
                let what: String = what.lines().next().unwrap_or_default().chars().take(200).collect();
                println!("{bug:?}: transactions, seed {seed}: {what}");
            }
            None => missed.push(bug),
        }
    }
    panic::set_hook(hook);
    assert!(missed.is_empty(), "not found within {SEEDS_MAX} seeds: {missed:?}");
}
