//! Runs a script on a database that lives on a disk in memory, beside the model.
//!
//! Invariants:
//! (1) one thread, a clock that moves when it is told to, and random bytes of a seed: the same script does the same to the disk;
//! (2) an error of the engine is a finding unless a fault was armed that explains it, or the operation is one that may be refused;
//! (3) an operation that failed by a fault may have happened or not, and nothing between.

mod crashing;
mod following;
mod reading;
mod transacting;
mod writing;

use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use ordinum::clock::{Clock, ManualClock};
use ordinum::fs::{Fault, FaultFs, MemoryFs, ReadFault};
use ordinum::{
    ColumnFamily, Db, Error, ErrorKind, KeyRange, Options, Position, Reader, SeqNo, Snapshot, Tail,
};

use crate::ensure;
use crate::entropy::SeededEntropy;
pub(crate) use crate::model::Row;
use crate::model::{FAMILIES, Model};
use crate::script::{Edge, Effect, End, Op, Range, ReadTrouble, Script, Trouble};
use crate::settings::Settings;
use crate::trace::{Digest, TracingFs};
use reading::OpenCursor;
pub(crate) use reading::rows_of;
use transacting::OpenTransaction;

/// Where the database is.
const DIRECTORY: &str = "/db";

/// The most background work that an idle database may have: more means that it never ends.
const STEPS_MAX: usize = 10_000;

/// Why a script stopped.
#[derive(Debug)]
pub enum Stop {
    /// The engine said so.
    Engine(Error),
    /// The database on it said so.
    Database(ormdb::Error),
    /// The engine did what it must not.
    Wrong(String),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Stop {
        Stop::Engine(error)
    }
}

impl From<ormdb::Error> for Stop {
    fn from(error: ormdb::Error) -> Stop {
        Stop::Database(error)
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Stop::Engine(error) => write!(f, "an error that nothing explains: {error}"),
            Stop::Database(error) => write!(f, "an error that nothing explains: {:?}: {error}", error.code),
            Stop::Wrong(what) => f.write_str(what),
        }
    }
}

type Done = Result<(), Stop>;

/// What a script that found nothing did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Operations, and each write of a batch as one.
    pub ops: u64,
    /// How often the process or the machine ended.
    pub crashes: u64,
    /// The states of the disk that were opened.
    pub states: u64,
    /// The faults that struck.
    pub faults: u64,
    /// Changes of the file system.
    pub file_ops: u64,
    /// What was done to the disk.
    pub disk: u64,
    /// What reads answered.
    pub answers: u64,
}

impl Outcome {
    /// Adds what another script did.
    pub fn add(&mut self, other: &Outcome) {
        self.ops += other.ops;
        self.crashes += other.crashes;
        self.states += other.states;
        self.faults += other.faults;
        self.file_ops += other.file_ops;
    }
}

/// Runs the script.
///
/// # Errors
/// What it found, and at which operation.
pub fn run(script: &Script) -> Result<Outcome, String> {
    let mut at = 0;
    let ran = catch_unwind(AssertUnwindSafe(|| {
        let mut bed = Bed::new();
        for op in &script.ops {
            at += 1;
            bed.step(op)?;
        }
        bed.end()
    }));
    let told = |what: &str| {
        let op = script.ops.get(at - 1).map(ToString::to_string).unwrap_or_default();
        let op: String = op.chars().take(200).collect();
        format!("operation {at}, {op}: {what}")
    };
    match ran {
        Ok(Ok(outcome)) => Ok(outcome),
        Ok(Err(stop)) => Err(told(&stop.to_string())),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            Err(told(&format!("a panic: {}", text.unwrap_or_default())))
        }
    }
}

/// What is told of a commit.
struct Told {
    /// Whether it certainly happened.
    certain: bool,
    /// Families by their numbers; none where only the number of the commit is told.
    writes: Option<Vec<(u32, Vec<u8>, Effect)>>,
}

/// A fault that waits for its moment.
#[derive(Clone, Copy)]
struct Armed {
    trouble: Trouble,
    end: End,
}

/// A database, its disk and its model.
pub struct Bed {
    disk: MemoryFs,
    fs: FaultFs,
    clock: Arc<ManualClock>,
    entropy: Arc<SeededEntropy>,
    digest: Digest,
    answers: Digest,
    settings: Settings,
    /// None only between a crash and the next opening.
    open: Option<Db>,
    families: Vec<ColumnFamily>,
    model: Model,
    snapshots: BTreeMap<u8, Snapshot>,
    cursors: BTreeMap<u8, OpenCursor>,
    transactions: BTreeMap<u8, OpenTransaction>,
    tail: Option<Tail>,
    position: Option<Position>,
    /// What a tail that stands at `position` has to tell.
    to_tell: BTreeMap<SeqNo, Told>,
    armed: Option<Armed>,
    /// The read that goes wrong.
    armed_read: Option<u64>,
    /// The newest sequence number that the database itself gave, and not a caller, as for replicas.
    given: SeqNo,
    /// Every commit, dropped family and created one, and what was durable when its record was written; and every opening.
    attested: Vec<(SeqNo, SeqNo)>,
    /// Numbers files and directories beside the database.
    others: u64,
    outcome: Outcome,
}

impl Default for Bed {
    fn default() -> Bed {
        Bed::new()
    }
}

impl Bed {
    /// An empty disk.
    pub fn new() -> Bed {
        let disk = MemoryFs::new();
        let digest = Digest::default();
        let traced = TracingFs::new(Arc::new(disk.clone()), digest.clone());
        Bed {
            disk,
            fs: FaultFs::new(Arc::new(traced)),
            clock: Arc::default(),
            entropy: Arc::new(SeededEntropy::new(1)),
            digest,
            answers: Digest::default(),
            settings: Settings::default(),
            open: None,
            families: Vec::new(),
            model: Model::default(),
            snapshots: BTreeMap::new(),
            cursors: BTreeMap::new(),
            transactions: BTreeMap::new(),
            tail: None,
            position: None,
            to_tell: BTreeMap::new(),
            armed: None,
            armed_read: None,
            given: SeqNo::ZERO,
            attested: Vec::new(),
            others: 0,
            outcome: Outcome::default(),
        }
    }

    /// What must be there.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The options of the last opening.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What the log attests behind such an end although any one of its records is damaged: what was durable when the last one that
    /// is left was written. It says so if another one is damaged, and all before it are there if it is damaged itself.
    ///
    /// That need not be a commit of the model: a family that was created last has a number of its own, and so has an opening
    /// behind a crash.
    pub fn attested(&self, end: End) -> SeqNo {
        let last = match end {
            End::Killed => SeqNo::MAX,
            End::Lost | End::Torn(_) => self.position(),
        };
        let left = self.attested.iter().rev().find(|(seqno, _)| *seqno <= last);
        left.map_or(SeqNo::ZERO, |(_, durable)| *durable)
    }

    /// How far the database says that it is durable.
    fn position(&self) -> SeqNo {
        self.open.as_ref().map_or(SeqNo::ZERO, |db| db.position().seqno)
    }

    /// A record was written.
    fn record(&mut self, seqno: SeqNo) {
        // A sync that came behind the record covers it: if the database is not durable so far, it was durable before.
        let position = Some(self.position()).filter(|position| *position < seqno);
        self.attested.push((seqno, self.model.durable.max(position.unwrap_or_default())));
    }

    /// Ends the process and gives the disk away, with what must be on it.
    ///
    /// # Errors
    /// What is wrong.
    pub fn stop(mut self, end: End) -> Result<(MemoryFs, Model), Stop> {
        self.die();
        self.lose(end, 0);
        Ok((self.disk.clone(), self.model.clone()))
    }

    fn db(&self) -> Result<&Db, Stop> {
        self.open.as_ref().ok_or_else(|| Stop::Wrong("a script begins with open".to_owned()))
    }

    fn options(&self, settings: &Settings) -> Options {
        settings.options(Options {
            fs: Arc::new(self.fs.clone()),
            clock: Arc::<ManualClock>::clone(&self.clock),
            entropy: Arc::<SeededEntropy>::clone(&self.entropy),
            ..Options::default()
        })
    }

    /// A path of its own, beside the database.
    fn other_path(&mut self, name: &str) -> String {
        self.others += 1;
        format!("/{name}{}", self.others)
    }

    /// Does one operation, and checks what can be checked.
    ///
    /// # Errors
    /// What is wrong.
    pub fn step(&mut self, op: &Op) -> Result<(), Stop> {
        if self.open.is_none() && !matches!(op, Op::Open(_)) {
            self.open(&Settings::default())?;
        }
        self.outcome.ops += 1;
        match self.attempt(op) {
            Err(Stop::Engine(error)) => self.explain(error, op)?,
            done => done?,
        }
        self.armed_read = self.armed_read.filter(|at| *at > self.fs.reads());
        self.learn_durable();
        Ok(())
    }

    fn attempt(&mut self, op: &Op) -> Done {
        match op {
            Op::Open(settings) => self.reopen(settings),
            Op::Write { lasting, gap, writes } => self.write(*lasting, *gap, writes),
            Op::Begin { slot, kind } => self.begin(*slot, *kind),
            Op::Tx { slot, writes } => self.write_in_transaction(*slot, writes),
            Op::Undo { slot, writes } => self.undo_in_transaction(*slot, writes),
            Op::Look { slot, family, keys } => self.look(*slot, *family, keys),
            Op::Walk { slot, family, way } => self.walk(*slot, *family, *way),
            Op::Commit { slot, lasting } => self.commit(*slot, *lasting),
            Op::Rollback { slot } => {
                self.transactions.remove(slot);
                Ok(())
            }
            Op::Ingest { family, cut, rows } => self.ingest(*family, *cut, rows),
            Op::Snapshot { slot } => {
                let snapshot = self.db()?.snapshot();
                ensure!(snapshot.seqno() >= self.model.last(), "a snapshot of the past");
                self.snapshots.insert(*slot, snapshot);
                Ok(())
            }
            Op::Release { slot } => {
                self.snapshots.remove(slot);
                Ok(())
            }
            Op::Get { slot, family, keys } => self.get(*slot, *family, keys),
            Op::Scan { slot, family, way } => self.scan(*slot, *family, *way),
            Op::Cursor { cursor, slot, family, range } => self.cursor(*cursor, *slot, *family, *range),
            Op::Move { cursor, moves } => self.move_cursor(*cursor, moves),
            Op::Flush { family } => Ok(self.db()?.flush(self.family(*family)?)?),
            Op::FlushAll => Ok(self.db()?.flush_all()?),
            Op::Compact { family, range } => {
                Ok(self.db()?.compact_range(self.family(*family)?, key_range(*range))?)
            }
            Op::Work { steps } => {
                for _ in 0..*steps {
                    self.db()?.run_background_step()?;
                }
                Ok(())
            }
            Op::Set { family, settings } => self.set_options(*family, settings),
            Op::Replace { family } => self.replace(*family),
            Op::Checkpoint(settings) => self.checkpoint(settings),
            Op::Past { back, family } => self.read_past(*back, *family),
            Op::Follow => self.follow(),
            Op::Verify => self.verify(),
            Op::Wait { ms } => {
                self.clock.wait(Duration::from_millis(u64::from(*ms)));
                Ok(())
            }
            // One at a time: each explains what it does.
            Op::Arm { .. } if self.armed_read.is_some() => Ok(()),
            Op::ArmRead { .. } if self.armed.is_some() => Ok(()),
            Op::Arm { after, trouble, end } => {
                let fault = match trouble {
                    Trouble::Power => Fault::PowerCut,
                    Trouble::Io => Fault::IoError,
                    Trouble::Full => Fault::DiskFull,
                    Trouble::Sync => Fault::FailedSync,
                };
                self.fs.fail_after(u64::from(*after).max(1), fault);
                self.armed = Some(Armed { trouble: *trouble, end: *end });
                Ok(())
            }
            Op::ArmRead { after, trouble } => {
                let fault = match trouble {
                    ReadTrouble::Io => ReadFault::IoError,
                    ReadTrouble::Short => ReadFault::Short,
                    ReadTrouble::Flip(bit) => ReadFault::FlippedBit(u64::from(*bit)),
                };
                let after = u64::from(*after).max(1);
                self.fs.fail_read_after(after, fault);
                self.armed_read = Some(self.fs.reads() + after);
                Ok(())
            }
            Op::Crash { end, states, again, settings } => self.crash(*end, *states, *again, settings),
        }
    }

    /// An operation failed: a fault must explain it.
    fn explain(&mut self, error: Error, op: &Op) -> Done {
        // What it says of a sync that failed counts too.
        self.learn_durable();
        let kind = error.kind();
        let is_typed = matches!(kind, ErrorKind::Unavailable | ErrorKind::Reopen);
        let has_struck = self.armed_read.is_some_and(|at| at <= self.fs.reads());
        if has_struck && (is_typed || kind == ErrorKind::Restore) {
            ensure!(names_a_place(&error), "an error that does not say where: {error}");
            self.outcome.faults += 1;
            self.armed_read = None;
            return match op {
                Op::Get { .. } | Op::Scan { .. } | Op::Past { .. } | Op::Verify | Op::Checkpoint(_) => Ok(()),
                Op::Move { cursor, .. } | Op::Cursor { cursor, .. } => {
                    self.cursors.remove(cursor);
                    Ok(())
                }
                Op::Look { slot, .. } | Op::Walk { slot, .. } | Op::Tx { slot, .. } => {
                    self.transactions.remove(slot);
                    Ok(())
                }
                Op::Follow => {
                    self.tail = None;
                    Ok(())
                }
                _ => self.fail(Armed { trouble: Trouble::Io, end: End::Killed }),
            };
        }
        match self.armed {
            Some(armed) if is_typed => {
                self.outcome.faults += 1;
                self.fail(armed)
            }
            _ => Err(Stop::Engine(error)),
        }
    }

    /// What the database says is durable must stay.
    fn learn_durable(&mut self) {
        self.model.durable = self.model.durable.max(self.position().min(self.model.last()));
    }

    fn family(&self, family: u8) -> Result<&ColumnFamily, Stop> {
        let family = self.families.get(usize::from(family) % FAMILIES.len());
        family.ok_or_else(|| Stop::Wrong("the families are not open".to_owned()))
    }

    /// Works until there is nothing to do, and compares everything.
    fn end(mut self) -> Result<Outcome, Stop> {
        if self.open.is_none() {
            return Ok(self.outcome);
        }
        self.fs.clear();
        (self.armed, self.armed_read) = (None, None);
        let mut steps = 0;
        while self.db()?.run_background_step()? {
            steps += 1;
            ensure!(steps < STEPS_MAX, "background work never ends");
        }
        self.check_all()?;
        self.verify()?;
        let settings = self.settings.clone();
        self.reopen(&settings)?;
        self.forget_readers();
        self.db()?.close()?;
        self.outcome.file_ops = self.fs.operations();
        self.outcome.disk = self.digest.value();
        self.outcome.answers = self.answers.value();
        Ok(self.outcome)
    }

    fn verify(&self) -> Done {
        self.undamaged(self.db()?)
    }

    /// Reads every file of a database. While a fault is armed, what is found may be its work.
    fn undamaged(&self, db: &Db) -> Done {
        let mut damages = db.verify()?.damages;
        if self.armed.is_some() || self.armed_read.is_some() {
            damages.truncate(1);
            return damages.pop().map_or(Ok(()), |damage| Err(damage.into()));
        }
        ensure!(damages.is_empty(), "damages: {damages:?}");
        Ok(())
    }

    fn forget_readers(&mut self) {
        self.snapshots.clear();
        self.cursors.clear();
        self.transactions.clear();
        self.tail = None;
    }
}

/// Whether an error of a damaged or failing file says which.
pub(crate) fn names_a_place(error: &Error) -> bool {
    match error {
        Error::Corrupt { file, .. } | Error::MissingFile { file, .. } => file.starts_with("/"),
        Error::Io { path, .. } => path.starts_with("/"),
        Error::Poisoned { cause } | Error::Stopped { cause } => cause.contains('/'),
        _ => true,
    }
}

fn key_range(range: Range) -> KeyRange {
    let bound = |edge| match edge {
        Edge::Open => std::ops::Bound::Unbounded,
        Edge::At(key) => std::ops::Bound::Included(crate::script::Key::bytes(key)),
        Edge::Beside(key) => std::ops::Bound::Excluded(crate::script::Key::bytes(key)),
    };
    KeyRange { start: bound(range.start), end: bound(range.end) }
}
