//! The same writers on threads of their own, until the machine loses power: what was acknowledged is there, all of it belongs together,
//! the history is one that the levels allow, and a subscriber was told of it. The order of the threads is their own: a seed gives the choices alone.

use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use ordinum::clock::{Clock, OsClock};
use ordinum::fs::{Fault, FaultFs, MemoryFs, PowerLoss};
use ormdb::{Database, Limits, Options, Params};

use super::listener::listen;
use super::recorder::Recorder;
use super::state::{AUTOINCREMENTED, State, agrees};
use super::writer::Writer;
use super::{Outcome, schema};
use crate::history::History;
use crate::settings::Settings;
use crate::{Stop, ensure};

/// How many write at the same time.
const WRITERS: u32 = 6;

/// Runs lives one after the other, each for so long, until a power loss ends it.
///
/// # Errors
/// What was wrong.
pub fn run(seed: u64, lives: u32, each: Duration) -> Result<Outcome, String> {
    let mut rng = Rng::with_seed(seed);
    let disk = MemoryFs::new();
    let mut outcome = Outcome::default();
    let mut last = State::default();
    let mut value = 1;
    for life in 0..lives {
        let done = live(&disk, &mut rng, (life == 0, each), &mut last, &mut value);
        let done = done.map_err(|stop| format!("seed {seed} of threads, life {life}: {stop}"))?;
        outcome.add(&done);
    }
    Ok(outcome)
}

fn options(fs: Arc<dyn ordinum::fs::Fs>, settings: &Settings) -> Options {
    let engine = settings.options(ordinum::Options { fs, ..ordinum::Options::default() });
    // Who waits for a rate waits on a real clock here.
    let engine = ordinum::Options {
        background: ordinum::Background::Threads,
        background_bytes_per_second: 0,
        delayed_write_bytes_per_second: 1 << 30,
        ..engine
    };
    Options { engine, limits: Limits { lock_wait_ms_max: 200, ..Limits::default() }, ..Options::default() }
}

fn live(
    disk: &MemoryFs,
    rng: &mut Rng,
    (is_first, each): (bool, Duration),
    last: &mut State,
    value: &mut i64,
) -> Result<Outcome, Stop> {
    let fs = FaultFs::new(Arc::new(disk.clone()));
    let settings = Settings::random(rng);
    let database = Database::open_with("/db", options(Arc::new(fs.clone()), &settings))?;
    if is_first {
        let applied = database.apply_schema(&schema::text(rng.usize(..schema::SCHEMAS)));
        applied.map_err(|errors| Stop::Wrong(format!("{errors:?}")))?;
    }
    let recorder = Recorder::new(*value, [0; AUTOINCREMENTED.len()]);
    let seeds: Vec<u64> = (0..WRITERS).map(|_| rng.u64(..)).collect();
    let clock = OsClock::default();
    let changes = database.session().subscribe(&[])?;
    let (ended, heard): (Vec<Result<u64, Stop>>, _) = std::thread::scope(|scope| {
        let listener = scope.spawn(|| listen(&changes, &fs));
        let threads: Vec<_> = (0..)
            .zip(seeds)
            .map(|(number, seed)| {
                let (database, recorder, fs) = (&database, &recorder, &fs);
                scope.spawn(move || write(number, seed, database, recorder, fs))
            })
            .collect();
        clock.wait(each);
        fs.fail_after(1, Fault::PowerCut);
        let panicked = || Err(Stop::Wrong("a writer has panicked".to_owned()));
        let ended = threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| panicked())).collect();
        let silent = || Err(Stop::Wrong("the subscriber has panicked".to_owned()));
        (ended, listener.join().unwrap_or_else(|_| silent()))
    });
    let mut outcome = Outcome { crashes: 1, states: 1, ..Outcome::default() };
    for steps in ended {
        outcome.steps += steps?;
    }
    (outcome.refused, outcome.commits) = recorder.counts();
    *value = recorder.next_value();
    let heard = heard?;
    drop(changes);
    drop(database);
    disk.lose_power(PowerLoss::Tear { seed: rng.u64(..) });
    let database = Database::open_with("/db", options(Arc::new(disk.clone()), &settings))?;
    agrees(&database)?;
    let newest = database.session().fetch("Register limit 1 { id }", &Params::none())?.trailer().token;
    heard.check(&recorder.take_versions(), newest.seqno())?;
    outcome.notices = heard.notices.len() as u64;
    let found = State::of(&database.session())?;
    let history = History {
        lists_before: last.end.lists.clone(),
        registers_before: last.end.registers.clone(),
        transactions: recorder.take(),
    };
    let checked = history.check(Some(&found.end)).map_err(|anomaly| Stop::Wrong(anomaly.to_string()))?;
    (outcome.transactions, outcome.edges) = (checked.transactions, checked.edges);
    *last = found;
    Ok(outcome)
}

/// Writes until the power is gone; says how many steps it made.
fn write(
    number: i64,
    seed: u64,
    database: &Database,
    recorder: &Recorder,
    fs: &FaultFs,
) -> Result<u64, Stop> {
    let mut rng = Rng::with_seed(seed);
    let session = database.session();
    let mut writer = Writer::new(number);
    for step in 0.. {
        match writer.step(&session, recorder, &mut rng, &mut |_| {}) {
            Ok(_) => {}
            Err(Stop::Database(error)) if fs.is_dead() => {
                writer.give_up(recorder);
                ensure!(error.code == ormdb::ErrorCode::Io, "behind the end: {:?}: {error}", error.code);
                return Ok(step);
            }
            Err(stop) => {
                // The others would go on for ever.
                fs.fail_after(1, Fault::PowerCut);
                return Err(stop);
            }
        }
    }
    Ok(0)
}
