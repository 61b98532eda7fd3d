//! Damages the files of a whole database and opens it: what is wrong is an error that says so, and what is answered is a state
//! that one commit left.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use fastrand::Rng;
use ordinum::clock::ManualClock;
use ordinum::fs::MemoryFs;
use ormdb::check::FindingKind;
use ormdb::{Database, ErrorCode, Limits, Options, Sampling};

use super::bed::{DIRECTORY, leave};
use super::state::{State, agrees};
use crate::damage::{damage, disk_of, files_of};
use crate::settings::Settings;
use crate::{Stop, ensure};

/// How often each database is damaged.
const DAMAGES: usize = 8;
/// Steps that make one.
const STEPS_MAX: u64 = 400;

/// How many databases were damaged, and what came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Databases.
    pub databases: u64,
    /// Damages.
    pub damages: u64,
    /// Those that an opening refused.
    pub refused: u64,
    /// Those that a statement met.
    pub found: u64,
    /// Those after which everything could be read.
    pub harmless: u64,
}

/// Makes a database of the seed and damages copies of it.
///
/// # Errors
/// What was wrong.
pub fn try_seed(seed: u64, tally: &mut Tally) -> Result<(), String> {
    let mut rng = Rng::with_seed(seed ^ 0x6461_6d61_6765);
    let left = catch_unwind(AssertUnwindSafe(|| leave(seed, rng.u64(50..STEPS_MAX))));
    let left = left.map_err(|_| "a panic while the database was made".to_owned())?;
    let (disk, states) = left.map_err(|stop| format!("while the database was made: {stop}"))?;
    let whole = files_of(&disk).map_err(|error| error.to_string())?;
    tally.databases += 1;
    for _ in 0..DAMAGES {
        let mut files = whole.clone();
        let Some(damage) = damage(&mut files, &mut rng) else { continue };
        tally.damages += 1;
        let disk = disk_of(&files).map_err(|error| error.to_string())?;
        match catch_unwind(AssertUnwindSafe(|| check(&states, disk, tally))) {
            Ok(Ok(())) => {}
            Ok(Err(stop)) => return Err(format!("seed {seed}, {}: {stop}", damage.what)),
            Err(_) => return Err(format!("seed {seed}, {}: a panic", damage.what)),
        }
    }
    Ok(())
}

fn check(states: &[State], disk: MemoryFs, tally: &mut Tally) -> Result<(), Stop> {
    let database = match Database::open_with(DIRECTORY, options(disk)) {
        Ok(database) => database,
        Err(error) => {
            tally.refused += 1;
            return told(&error);
        }
    };
    if database.catalog().version() == 0 {
        // All of the log was cut.
        tally.harmless += 1;
        return Ok(());
    }
    let report = match database.check(20) {
        Ok(report) => report,
        Err(error) => {
            tally.found += 1;
            return told(&error);
        }
    };
    match State::of(&database.session()) {
        Ok(state) => ensure!(states.contains(&state), "it answers what no commit left: {state:?}"),
        Err(Stop::Database(error)) => {
            told(&error)?;
            ensure!(!report.is_clean(), "a row cannot be read, and the check finds nothing: {error}");
        }
        Err(stop) => return Err(stop),
    }
    if report.is_clean() {
        tally.harmless += 1;
        return agrees(&database);
    }
    let names_a_file = report.findings.iter().any(|finding| finding.kind == FindingKind::DamagedFile);
    ensure!(names_a_file, "a damaged file is told as {:?}", report.findings);
    tally.found += 1;
    Ok(())
}

fn options(disk: MemoryFs) -> Options {
    let (fs, clock) = (Arc::new(disk), Arc::<ManualClock>::default());
    let engine = ordinum::Options { fs, clock, create_if_missing: false, ..ordinum::Options::default() };
    Options {
        engine: Settings::default().options(engine),
        limits: Limits { lock_wait_ms_max: 0, ..Limits::default() },
        sampling: Sampling::OnRequest,
        ..Options::default()
    }
}

fn told(error: &ormdb::Error) -> Result<(), Stop> {
    let fits =
        matches!(error.code, ErrorCode::Corrupt | ErrorCode::IncompatibleFormat | ErrorCode::InvalidValue);
    ensure!(fits, "a damaged database says {:?}: {error}", error.code);
    Ok(())
}
