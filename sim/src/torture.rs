//! Runs seed after seed for as long as it is told to, and makes what it finds short.

use std::panic;
use std::time::Duration;

use ordinum::clock::{Clock, OsClock};

use crate::bed::{Outcome, run};
use crate::generate::{Faults, Plan, generate};
use crate::script::{Op, Script};
use crate::settings::Settings;
use crate::shrink::shrink;
use crate::{damage, database};

/// So many seeds have one that damages the database on the engine.
const DAMAGED_EVERY: u64 = 3;
/// So many seeds have one whose transactions run on threads too.
const THREADS_EVERY: u64 = 10;
/// How long each of its lives lasts.
const THREADS_LIFE: Duration = Duration::from_millis(300);

/// What a seed found.
#[derive(Debug)]
pub struct Finding {
    /// The seed.
    pub seed: u64,
    /// What was wrong.
    pub what: String,
    /// A short script that fails; an empty one if a damaged database or a transaction was wrong, which the seed makes again.
    pub script: Script,
}

/// What some seeds did.
#[derive(Debug, Default)]
pub struct Tally {
    /// How many seeds were run.
    pub seeds: u64,
    /// What they did.
    pub outcome: Outcome,
    /// How often a script was run again with other options, and answered the same.
    pub compared: u64,
    /// What was damaged.
    pub damage: damage::Tally,
    /// What was damaged of the database on the engine.
    pub damaged: database::damaged::Tally,
    /// What transactions did.
    pub database: database::Outcome,
}

/// Runs the script of a seed; every fourth has no faults, and is run with other options too, which must answer the same.
///
/// # Errors
/// What it found.
pub fn try_seed(seed: u64, tally: &mut Tally) -> Result<(), Box<Finding>> {
    let plan = plan_of(seed);
    let script = generate(seed, &plan);
    let finding = |what, script: &Script| Box::new(Finding { seed, what, script: script.clone() });
    let outcome = run(&script).map_err(|what| finding(what, &script))?;
    tally.seeds += 1;
    tally.outcome.add(&outcome);
    if plan.faults == Faults::None {
        let other = with_other_options(&script, seed);
        let second = run(&other).map_err(|what| finding(what, &other))?;
        tally.outcome.add(&second);
        tally.compared += 1;
        if outcome.answers != second.answers {
            return Err(finding("other options give other answers".to_owned(), &other));
        }
    }
    Ok(())
}

fn plan_of(seed: u64) -> Plan {
    let faults = if seed.is_multiple_of(4) { Faults::None } else { Faults::Some };
    let ops = [100, 400, 400, 1500][usize::try_from(seed / 4 % 4).unwrap_or(0)];
    Plan { ops, faults }
}

/// How many steps the transactions of a seed have.
pub fn plan_of_transactions(seed: u64) -> database::Plan {
    database::Plan { steps: [300, 700, 700, 2000][usize::try_from(seed % 4).unwrap_or(0)] }
}

/// The script with other options wherever it opens.
fn with_other_options(script: &Script, seed: u64) -> Script {
    let mut rng = fastrand::Rng::with_seed(!seed);
    let ops = script.ops.iter().map(|op| match op {
        Op::Open(_) => Op::Open(Settings::random(&mut rng)),
        Op::Set { family, .. } => Op::Set { family: *family, settings: Settings::random(&mut rng) },
        op => op.clone(),
    });
    Script { ops: ops.collect() }
}

/// Runs seeds from the first on until the time is over, or one finds something, which is made short.
///
/// # Errors
/// The first finding.
pub fn torture(first: u64, time: Duration, mut told: impl FnMut(u64, &Tally)) -> Result<Tally, Box<Finding>> {
    let clock = OsClock::default();
    let mut tally = Tally::default();
    // A panic of a script is a finding, and told as one.
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    let mut found = Ok(());
    for seed in first.. {
        if clock.monotonic() >= time {
            break;
        }
        let finding = |what| Box::new(Finding { seed, what, script: Script::default() });
        found = try_seed(seed, &mut tally)
            .and_then(|()| damage::try_seed(seed, &mut tally.damage).map_err(finding))
            .and_then(|()| {
                let done = database::run(seed, plan_of_transactions(seed), &mut |_| {}).map_err(finding)?;
                tally.database.add(&done);
                if seed.is_multiple_of(DAMAGED_EVERY) {
                    database::damaged::try_seed(seed, &mut tally.damaged).map_err(finding)?;
                }
                if seed.is_multiple_of(THREADS_EVERY) {
                    let done = database::threads::run(seed, 2, THREADS_LIFE).map_err(finding)?;
                    tally.database.add(&done);
                }
                Ok(())
            });
        if found.is_err() {
            break;
        }
        told(seed, &tally);
    }
    let found = found.map_err(|mut finding| {
        if finding.script.ops.is_empty() {
            return finding;
        }
        finding.script = shrink(&finding.script, |script| run(script).is_err());
        if let Err(what) = run(&finding.script) {
            finding.what = what;
        }
        finding
    });
    panic::set_hook(hook);
    found.map(|()| tally)
}
