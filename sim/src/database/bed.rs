//! Runs a seed: writers whose steps are mixed on one thread, on a disk that fails and loses power.
//!
//! Invariants:
//! (1) the same seed does the same to the disk;
//! (2) whatever ends the process, the database that is opened behind it has the state that some commit left, none before the last that
//!     must be there, or that of the one commit that nobody was told of.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use ordinum::Durability;
use ordinum::clock::{Clock, ManualClock};
use ordinum::fs::{Fault, FaultFs, MemoryFs, PowerLoss};
use ormdb::{Database, ErrorCode, Limits, Options, Sampling, Session};

use super::recorder::Recorder;
use super::state::{AUTOINCREMENTED, State, agrees};
use super::writer::{Step, Writer};
use super::{Outcome, schema};
use crate::entropy::SeededEntropy;
use crate::history::{Fate, History};
use crate::script::End;
use crate::settings::Settings;
use crate::trace::{Digest, TracingFs};
use crate::{Stop, ensure};

/// Where the database is.
pub(super) const DIRECTORY: &str = "/db";
/// How many write at the same time.
const WRITERS: i64 = 4;
/// So many lines are told of what came before a finding.
const LINES_TOLD: usize = 60;

/// How long a run is.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Steps of writers and of what happens beside them.
    pub steps: u64,
}

/// Runs a seed; `told` is given what is done, line by line.
///
/// # Errors
/// What it found, and what came before.
pub fn run(seed: u64, plan: Plan, told: &mut dyn FnMut(&str)) -> Result<Outcome, String> {
    let mut lines = VecDeque::new();
    let ran = catch_unwind(AssertUnwindSafe(|| {
        let tell = |line: String| {
            told(&line);
            if lines.len() == LINES_TOLD {
                lines.pop_front();
            }
            lines.push_back(line);
        };
        Bed::new(seed, Box::new(tell)).run(plan)
    }));
    let what = match ran {
        Ok(Ok(outcome)) => return Ok(outcome),
        Ok(Err(stop)) => stop.to_string(),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            format!("a panic: {}", text.unwrap_or_default())
        }
    };
    let lines: Vec<String> = lines.into_iter().collect();
    Err(format!("seed {seed} of transactions: {what}\nbehind\n{}", lines.join("\n")))
}

/// What a process that is killed leaves after so many steps without faults: the disk, and the states that its commits left.
pub(super) fn leave(seed: u64, steps: u64) -> Result<(MemoryFs, Vec<State>), Stop> {
    let mut bed = Bed::new(seed, Box::new(|_| {}));
    bed.open_first()?;
    for _ in 0..steps {
        match bed.rng.u8(..100) {
            0..2 => bed.change_schema()?,
            2..15 => drop(bed.life()?.database.run_background_step()?),
            _ => bed.write()?,
        }
    }
    let states = bed.die().map(|life| life.states).unwrap_or_default();
    bed.lose(End::Killed, 0);
    Ok((bed.disk.clone(), states))
}

/// What is there between an opening and the next end.
struct Life {
    database: Database,
    session: Session,
    recorder: Recorder,
    history: History,
    durability: Durability,
    /// What each commit left, the first one at the opening.
    states: Vec<State>,
    /// The first of the states that a power loss may leave.
    durable: usize,
}

struct Bed<'t> {
    rng: Rng,
    disk: MemoryFs,
    fs: FaultFs,
    clock: Arc<ManualClock>,
    entropy: Arc<SeededEntropy>,
    digest: Digest,
    writers: Vec<Writer>,
    life: Option<Life>,
    /// The operation of the disk that fails, and how the process ends then.
    armed: Option<(u64, End)>,
    /// The value that is written next.
    value: i64,
    /// The greatest numbers of rows that were acknowledged, and cannot be lost.
    floors: [i64; AUTOINCREMENTED.len()],
    tell: Box<dyn FnMut(String) + 't>,
    outcome: Outcome,
}

fn loss(end: End, state: u64) -> PowerLoss {
    match end {
        End::Torn(seed) => PowerLoss::Tear { seed: u64::from(seed) ^ (state << 32) },
        End::Killed | End::Lost => PowerLoss::LoseUnsynced,
    }
}

impl<'t> Bed<'t> {
    fn new(seed: u64, tell: Box<dyn FnMut(String) + 't>) -> Bed<'t> {
        let disk = MemoryFs::new();
        let digest = Digest::default();
        let traced = TracingFs::new(Arc::new(disk.clone()), digest.clone());
        Bed {
            rng: Rng::with_seed(seed),
            disk,
            fs: FaultFs::new(Arc::new(traced)),
            clock: Arc::default(),
            entropy: Arc::new(SeededEntropy::new(seed)),
            digest,
            writers: (0..WRITERS).map(Writer::new).collect(),
            life: None,
            armed: None,
            value: 1,
            floors: [0; AUTOINCREMENTED.len()],
            tell,
            outcome: Outcome::default(),
        }
    }

    fn run(mut self, plan: Plan) -> Result<Outcome, Stop> {
        self.open_first()?;
        for _ in 0..plan.steps {
            self.outcome.steps += 1;
            match self.step() {
                Err(Stop::Database(_)) if self.has_struck() => self.end_by_fault()?,
                done => done?,
            }
        }
        match self.reopen() {
            Err(Stop::Database(_)) if self.has_struck() => self.end_by_fault()?,
            done => done?,
        }
        self.forget_life();
        self.outcome.disk = self.digest.value();
        Ok(self.outcome)
    }

    fn tell(&mut self, line: impl Into<String>) {
        (self.tell)(line.into());
    }

    fn life(&self) -> Result<&Life, Stop> {
        self.life.as_ref().ok_or_else(|| Stop::Wrong("the database is not open".to_owned()))
    }

    fn has_struck(&self) -> bool {
        self.armed.is_some_and(|(at, _)| at <= self.fs.operations())
    }

    fn step(&mut self) -> Result<(), Stop> {
        match self.rng.u16(..800) {
            0..=2 => {
                let end = self.some_end();
                self.crash(end)
            }
            3 => self.reopen(),
            4..=6 => self.change_schema(),
            7..=10 if self.armed.is_none() => {
                let fault =
                    [Fault::PowerCut, Fault::PowerCut, Fault::IoError, Fault::DiskFull, Fault::FailedSync];
                let fault = fault[self.rng.usize(..fault.len())];
                let after = self.rng.u64(1..60);
                let end = self.some_end();
                self.tell(format!("# {fault:?} after {after}"));
                self.fs.fail_after(after, fault);
                self.armed = Some((self.fs.operations() + after, end));
                Ok(())
            }
            11..=13 => {
                self.clock.wait(Duration::from_millis(self.rng.u64(..2000)));
                Ok(())
            }
            14..=110 => {
                self.life()?.database.run_background_step()?;
                Ok(())
            }
            111 => match agrees(&self.life()?.database) {
                // What the disk did not give back is a finding too, and the end that was planned: what comes behind it is looked at.
                Err(Stop::Wrong(_)) if self.has_struck() => self.end_by_fault(),
                done => done,
            },
            _ => self.write(),
        }
    }

    fn write(&mut self) -> Result<(), Stop> {
        let Some(life) = &mut self.life else { return Ok(()) };
        let at = self.rng.usize(..self.writers.len());
        let Some(writer) = self.writers.get_mut(at) else { return Ok(()) };
        let step = writer.step(&life.session, &life.recorder, &mut self.rng, &mut *self.tell)?;
        if step == Step::Committed {
            life.states.push(State::of(&life.session)?);
            if life.durability == Durability::Synced {
                life.durable = life.states.len() - 1;
            }
        }
        Ok(())
    }

    fn change_schema(&mut self) -> Result<(), Stop> {
        let number = self.rng.usize(..schema::SCHEMAS);
        self.tell(format!("schema {number}"));
        let Some(life) = &mut self.life else { return Ok(()) };
        let before = life.database.catalog().version();
        match life.database.apply_schema(&schema::text(number)) {
            // What is the same already changes nothing, and makes nothing durable.
            Ok(_) if life.database.catalog().version() == before => Ok(()),
            Ok(_) => {
                // A change of the schema is durable, and so is all before it.
                life.durable = life.states.len() - 1;
                self.outcome.schemas += 1;
                Ok(())
            }
            Err(errors) => {
                let refused = |code| {
                    matches!(
                        code,
                        ErrorCode::UniqueViolation
                            | ErrorCode::MigrationRefused
                            | ErrorCode::SerializationConflict
                    )
                };
                match errors.into_iter().find(|error| !refused(error.code)) {
                    Some(error) => Err(error.into()),
                    None => Ok(()),
                }
            }
        }
    }

    fn some_end(&mut self) -> End {
        match self.rng.u8(..4) {
            0 => End::Killed,
            1 => End::Lost,
            _ => End::Torn(self.rng.u32(..)),
        }
    }

    /// The database is closed, and opened again.
    fn reopen(&mut self) -> Result<(), Stop> {
        self.tell("# close");
        self.check_history()?;
        let Some(life) = self.life.take() else { return Ok(()) };
        let last = life.states.last().cloned().unwrap_or_default();
        self.value = life.recorder.next_value();
        self.learn(&life);
        self.floors = greatest_of(&life.recorder);
        drop(life);
        if self.has_struck() {
            // The close is not told whether it could.
            return self.open_behind(End::Killed, vec![last], None);
        }
        self.disarm();
        self.open_behind(End::Killed, vec![last], None)
    }

    /// Everything that the process had is gone, and nothing of its end reaches the disk.
    fn die(&mut self) -> Option<Life> {
        self.fs.fail_after(1, Fault::PowerCut);
        let life = self.life.take();
        if let Some(life) = &life {
            self.value = life.recorder.next_value();
            self.learn(life);
        }
        self.outcome.crashes += 1;
        life
    }

    fn learn(&mut self, life: &Life) {
        for writer in &mut self.writers {
            writer.give_up(&life.recorder);
        }
        let (refused, commits) = life.recorder.counts();
        self.outcome.refused += refused;
        self.outcome.commits += commits;
    }

    fn disarm(&mut self) {
        self.fs.clear();
        self.armed = None;
    }

    /// What the writers did in this life is something that their levels allow.
    fn check_history(&mut self) -> Result<(), Stop> {
        let Some(life) = &mut self.life else { return Ok(()) };
        for writer in &mut self.writers {
            writer.give_up(&life.recorder);
        }
        life.history.transactions.extend(life.recorder.take());
        let end = life.states.last().map(|state| &state.end);
        let checked = life.history.check(end).map_err(|anomaly| Stop::Wrong(anomaly.to_string()))?;
        self.outcome.transactions += checked.transactions;
        self.outcome.edges += checked.edges;
        Ok(())
    }

    fn end_by_fault(&mut self) -> Result<(), Stop> {
        self.outcome.faults += 1;
        let end = self.armed.map_or(End::Killed, |(_, end)| end);
        self.crash(end)
    }

    /// The process ends, and the next one opens the database.
    fn crash(&mut self, end: End) -> Result<(), Stop> {
        self.tell(format!("# {end:?}"));
        self.check_history()?;
        let Some(life) = self.die() else { return Ok(()) };
        let Life { database, session, history, states, durable, durability, recorder } = life;
        // Before the disk takes anything again: what is done on the way out is nothing that a dead process does.
        drop((session, database));
        self.disarm();
        let floor = if end == End::Killed { states.len() - 1 } else { durable };
        let possible: Vec<State> = states.get(floor..).unwrap_or_default().to_vec();
        let in_flight = history.transactions.iter().any(|transaction| transaction.fate == Fate::Unknown);
        let in_flight = in_flight.then_some(history);
        if durability == Durability::Synced || end == End::Killed {
            self.floors = greatest_of(&recorder);
        }
        let others = if matches!(end, End::Torn(_)) { self.rng.u64(1..3) } else { 0 };
        for state in 1..=others {
            let disk = self.disk.after_power_loss(loss(end, state));
            self.outcome.states += 1;
            let options = self.options(Arc::new(disk), &Settings::random(&mut self.rng.clone()), durability);
            let database = Database::open_with(DIRECTORY, options)?;
            fits(&State::of(&database.session())?, &possible, in_flight.as_ref())?;
            agrees(&database)?;
        }
        self.open_behind(end, possible, in_flight)
    }

    /// Opens what an end has left, which must be one of these states.
    fn open_behind(
        &mut self,
        end: End,
        possible: Vec<State>,
        in_flight: Option<History>,
    ) -> Result<(), Stop> {
        self.lose(end, 0);
        self.fs.clear();
        if self.rng.u8(..4) == 0 {
            // The opening is cut off too. What the first loss left is durable now.
            let after = self.rng.u64(1..40);
            self.tell(format!("# the opening is cut off after {after}"));
            self.fs.fail_after(after, Fault::PowerCut);
            drop(self.open(Settings::random(&mut self.rng.clone())));
            self.fs.fail_after(1, Fault::PowerCut);
            self.life = None;
            self.outcome.crashes += 1;
            self.lose(end, 1 << 20);
        }
        self.disarm();
        self.outcome.states += 1;
        let settings = Settings::random(&mut self.rng);
        self.open(settings)?;
        let life = self.life()?;
        let found = life.states.last().cloned().unwrap_or_default();
        fits(&found, &possible, in_flight.as_ref())?;
        agrees(&life.database)
    }

    fn lose(&mut self, end: End, state: u64) {
        match end {
            End::Killed => self.disk.kill_process(),
            End::Lost | End::Torn(_) => self.disk.lose_power(loss(end, state)),
        }
    }

    fn options(&self, fs: Arc<dyn ordinum::fs::Fs>, settings: &Settings, durability: Durability) -> Options {
        let engine = ordinum::Options {
            fs,
            clock: Arc::<ManualClock>::clone(&self.clock),
            entropy: Arc::<SeededEntropy>::clone(&self.entropy),
            ..ordinum::Options::default()
        };
        Options {
            engine: settings.options(engine),
            durability,
            // Nobody waits on one thread.
            limits: Limits { lock_wait_ms_max: 0, ..Limits::default() },
            sampling: Sampling::OnRequest,
            ..Options::default()
        }
    }

    fn open_first(&mut self) -> Result<(), Stop> {
        let settings = Settings::random(&mut self.rng);
        self.open(settings)?;
        let applied = self.life()?.database.apply_schema(&schema::text(0));
        applied.map_err(|errors| Stop::Wrong(format!("{errors:?}")))?;
        let life = self.life.take().ok_or_else(|| Stop::Wrong("the database is not open".to_owned()))?;
        let states = vec![State::of(&life.session)?];
        self.life = Some(Life { states, ..life });
        Ok(())
    }

    /// Opens the database, and reads all that it has.
    fn open(&mut self, settings: Settings) -> Result<(), Stop> {
        let durability = [Durability::Synced, Durability::Synced, Durability::Synced, Durability::Buffered];
        let durability = durability[self.rng.usize(..durability.len())];
        let fs: Arc<dyn ordinum::fs::Fs> = Arc::new(self.fs.clone());
        let database = Database::open_with(DIRECTORY, self.options(fs, &settings, durability))?;
        let session = database.session();
        let state = match database.catalog().version() {
            0 => State::default(),
            _ => State::of(&session)?,
        };
        let mut floors = self.floors;
        for (floor, greatest) in floors.iter_mut().zip(state.greatest) {
            *floor = (*floor).max(greatest);
        }
        let history = History {
            lists_before: state.end.lists.clone(),
            registers_before: state.end.registers.clone(),
            transactions: Vec::new(),
        };
        let recorder = Recorder::new(self.value, floors);
        self.life =
            Some(Life { database, session, recorder, history, durability, states: vec![state], durable: 0 });
        Ok(())
    }

    fn forget_life(&mut self) {
        self.life = None;
    }
}

fn greatest_of(recorder: &Recorder) -> [i64; AUTOINCREMENTED.len()] {
    std::array::from_fn(|entity| recorder.greatest(entity))
}

/// Whether what was found is a state that there was, or has besides the last one what nobody knows of.
fn fits(found: &State, possible: &[State], in_flight: Option<&History>) -> Result<(), Stop> {
    if possible.contains(found) {
        return Ok(());
    }
    let rows = found.end.lists.values().map(Vec::len).sum::<usize>();
    let Some(history) = in_flight else {
        let told = format!("{} commits may have been the last, and none left what is found", possible.len());
        return Err(Stop::Wrong(format!("{told}: {found:?}, the last {:?}", possible.last())));
    };
    ensure!(
        possible.len() > 1 || history.check(Some(&found.end)).is_ok(),
        "{rows} items are not what is known"
    );
    Ok(())
}
