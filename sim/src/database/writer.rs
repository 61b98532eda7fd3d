//! A writer: one transaction after another, a step at a time, each recorded as it was told.

use std::sync::atomic::Ordering;

use fastrand::Rng;
use ormdb::{Error, ErrorCode, GraphResult, Isolation, Outcome, Params, Result, Session, Transaction, Value};

use super::recorder::{Record, Recorder};
use super::state::items_of;
use super::statements::{GraphStatement, graph_statement};
use crate::history::{Fate, Op};
use crate::{Stop, ensure};

/// Lists, and as many registers. Those of the writers come behind.
pub(super) const LISTS: i64 = 6;
/// The list of the first writer.
const OWN_LIST: i64 = 1_000;

/// What a step did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing that others see.
    Quiet,
    /// Something was committed that writes.
    Committed,
}

/// One of those who write at the same time.
#[derive(Debug)]
pub(super) struct Writer {
    number: i64,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    transaction: Transaction,
    record: Record,
    /// What had been done at each savepoint, by its name.
    savepoints: Vec<(String, usize)>,
    /// How many steps it has still.
    left: u8,
}

/// What a statement may be refused for.
fn is_refusal(error: &Error) -> bool {
    is_conflict(error)
        || matches!(
            error.code,
            ErrorCode::UniqueViolation
                | ErrorCode::ForeignKeyViolation
                | ErrorCode::RecordNotFound
                | ErrorCode::NotNullViolation
                | ErrorCode::CheckViolation
        )
}

fn is_conflict(error: &Error) -> bool {
    matches!(error.code, ErrorCode::SerializationConflict | ErrorCode::Deadlock | ErrorCode::LockNotAvailable)
}

/// What a statement runs in.
trait Runs {
    fn run(&mut self, text: &str) -> Result<Outcome>;
}

impl Runs for Session {
    fn run(&mut self, text: &str) -> Result<Outcome> {
        self.query(text, &Params::none())
    }
}

impl Runs for Transaction {
    fn run(&mut self, text: &str) -> Result<Outcome> {
        self.query(text, &Params::none())
    }
}

impl Writer {
    pub(super) fn new(number: i64) -> Writer {
        Writer { number, open: None }
    }

    /// Does one thing. `told` is given what.
    ///
    /// # Errors
    /// What no statement may meet; what was open is given up then.
    pub(super) fn step(
        &mut self,
        session: &Session,
        recorder: &Recorder,
        rng: &mut Rng,
        told: &mut dyn FnMut(String),
    ) -> std::result::Result<Step, Stop> {
        let number = self.number;
        let told = &mut |what: String| told(format!("{number}: {what}"));
        match self.open.take() {
            None if rng.u8(..4) == 0 => self.alone(session, recorder, rng, told),
            None => {
                let level = Isolation::ALL[rng.usize(..Isolation::ALL.len())];
                told(format!("begin {level}"));
                let record = recorder.begin(level);
                let transaction = session.transaction_with(level)?;
                let left = rng.u8(1..8);
                self.open = Some(Open { transaction, record, savepoints: Vec::new(), left });
                Ok(Step::Quiet)
            }
            Some(open) if open.left == 0 => self.finish(open, recorder, rng, told),
            Some(mut open) => {
                open.left -= 1;
                match open.go_on(recorder, rng, told) {
                    Ok(Went::On) => self.open = Some(open),
                    Ok(Went::Away) => recorder.end(open.record, Fate::Aborted),
                    Err(stop) => {
                        recorder.end(open.record, Fate::Aborted);
                        return Err(stop);
                    }
                }
                Ok(Step::Quiet)
            }
        }
    }

    /// Gives up what is open.
    pub(super) fn give_up(&mut self, recorder: &Recorder) {
        if let Some(open) = self.open.take() {
            recorder.end(open.record, Fate::Aborted);
        }
    }

    /// A statement that is a transaction of its own.
    fn alone(
        &self,
        session: &Session,
        recorder: &Recorder,
        rng: &mut Rng,
        told: &mut dyn FnMut(String),
    ) -> std::result::Result<Step, Stop> {
        let mut record = recorder.begin(Isolation::Serializable);
        let statement = Statement::random(recorder, rng);
        told(format!("alone: {}", statement.text()));
        statement.intend(&mut record);
        match session.clone().run(statement.text()) {
            Ok(outcome) => {
                let kept = statement.keep(recorder, &mut record, outcome);
                let wrote = record.wrote;
                recorder.end(record, Fate::Committed);
                kept?;
                Ok(if wrote { Step::Committed } else { Step::Quiet })
            }
            Err(error) if is_refusal(&error) => {
                told(format!("  refused: {error}"));
                recorder.refuse();
                recorder.end(record, Fate::Aborted);
                Ok(Step::Quiet)
            }
            Err(error) => {
                recorder.end(record, Fate::Unknown);
                Err(error.into())
            }
        }
    }

    /// Commits, or sometimes not.
    fn finish(
        &self,
        mut open: Open,
        recorder: &Recorder,
        rng: &mut Rng,
        told: &mut dyn FnMut(String),
    ) -> std::result::Result<Step, Stop> {
        if rng.u8(..12) == 0 {
            told("rollback".to_owned());
            open.transaction.rollback();
            recorder.end(open.record, Fate::Aborted);
            return Ok(Step::Quiet);
        }
        if open.record.wrote {
            // Whether it happened is seen by this.
            let mark = Statement::Append { list: OWN_LIST + self.number, value: recorder.value() };
            match open.statement(&Chosen::of(mark), recorder, told) {
                Ok(Went::On) => {}
                Ok(Went::Away) => {
                    recorder.end(open.record, Fate::Aborted);
                    return Ok(Step::Quiet);
                }
                Err(stop) => {
                    recorder.end(open.record, Fate::Aborted);
                    return Err(stop);
                }
            }
        }
        told("commit".to_owned());
        match open.transaction.commit() {
            Ok(token) => {
                let wrote = open.record.wrote;
                recorder.end(open.record, Fate::Committed);
                if wrote {
                    recorder.acknowledge(token.seqno());
                }
                Ok(if wrote { Step::Committed } else { Step::Quiet })
            }
            Err(error) if is_refusal(&error) => {
                told(format!("  refused: {error}"));
                recorder.refuse();
                recorder.end(open.record, Fate::Aborted);
                Ok(Step::Quiet)
            }
            Err(error) => {
                recorder.end(open.record, Fate::Unknown);
                Err(error.into())
            }
        }
    }
}

/// Whether a transaction goes on.
enum Went {
    On,
    Away,
}

impl Open {
    fn go_on(
        &mut self,
        recorder: &Recorder,
        rng: &mut Rng,
        told: &mut dyn FnMut(String),
    ) -> std::result::Result<Went, Stop> {
        match rng.u8(..16) {
            0 => {
                let name = format!("s{}", self.savepoints.len());
                told(format!("savepoint {name}"));
                self.transaction.savepoint(&name)?;
                self.savepoints.push((name, self.record.ops.len()));
                Ok(Went::On)
            }
            1 if !self.savepoints.is_empty() => {
                let at = rng.usize(..self.savepoints.len());
                self.savepoints.truncate(at + 1);
                if let Some((name, ops)) = self.savepoints.last() {
                    told(format!("rollback to {name}"));
                    self.transaction.rollback_to(name)?;
                    self.record.ops.truncate(*ops);
                }
                Ok(Went::On)
            }
            _ => self.statement(&Statement::random(recorder, rng), recorder, told),
        }
    }

    fn statement(
        &mut self,
        statement: &Chosen,
        recorder: &Recorder,
        told: &mut dyn FnMut(String),
    ) -> std::result::Result<Went, Stop> {
        told(statement.text().to_owned());
        match self.transaction.run(statement.text()) {
            Ok(outcome) => {
                statement.intend(&mut self.record);
                statement.keep(recorder, &mut self.record, outcome)?;
                Ok(Went::On)
            }
            Err(error) if is_refusal(&error) => {
                told(format!("  refused: {error}"));
                recorder.refuse();
                Ok(if is_conflict(&error) { Went::Away } else { Went::On })
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// What a statement is about.
enum Statement {
    Append {
        list: i64,
        value: i64,
    },
    ReadList {
        list: i64,
        lock: &'static str,
    },
    ReadLists {
        from: i64,
        to: i64,
    },
    Write {
        register: i64,
        value: i64,
    },
    ReadRegister {
        register: i64,
    },
    /// Those that are not below a value, by the index.
    ReadRegisters {
        least: i64,
    },
    Graph(GraphStatement),
}

/// A statement and its text.
struct Chosen {
    statement: Statement,
    text: String,
}

impl Statement {
    fn random(recorder: &Recorder, rng: &mut Rng) -> Chosen {
        let place = rng.i64(0..LISTS);
        Chosen::of(match rng.u8(..20) {
            0..=3 => Statement::Append { list: place, value: recorder.value() },
            4 | 5 => Statement::ReadList { list: place, lock: "" },
            6 => {
                let locks = [" for update", " for share", " for no key update"];
                Statement::ReadList { list: place, lock: locks[rng.usize(..locks.len())] }
            }
            7 => Statement::ReadLists { from: place, to: rng.i64(place..=LISTS) },
            8 | 9 => Statement::Write { register: place, value: recorder.value() },
            10 | 11 => Statement::ReadRegister { register: place },
            12 => Statement::ReadRegisters { least: recorder.next_value() - rng.i64(0..40) },
            _ => Statement::Graph(graph_statement(recorder, rng)),
        })
    }

    fn text(&self) -> String {
        match self {
            Statement::Append { list, value } => {
                format!(
                    "upsert List[{list}] create {{ items: [{value}] }} update {{ items: items || [{value}] }}"
                )
            }
            Statement::ReadList { list, lock } => format!("List[{list}]{lock} {{ id, items }}"),
            Statement::ReadLists { from, to } => {
                format!("List where id between {from} and {to} {{ id, items }}")
            }
            Statement::Write { register, value } => {
                format!("upsert Register[{register}] create {{ value: {value} }} update {{ value: {value} }}")
            }
            Statement::ReadRegister { register } => format!("Register[{register}] {{ id, value }}"),
            Statement::ReadRegisters { least } => {
                format!("Register where value >= {least} order by value {{ id, value }}")
            }
            Statement::Graph(graph) => graph.text.clone(),
        }
    }
}

impl Chosen {
    fn of(statement: Statement) -> Chosen {
        let text = statement.text();
        Chosen { statement, text }
    }

    fn text(&self) -> &str {
        &self.text
    }

    /// Records what it writes, which somebody may see as soon as it is committed.
    fn intend(&self, record: &mut Record) {
        match &self.statement {
            Statement::Append { list, value } => {
                record.ops.push(Op::Append { list: *list, value: *value });
                record.wrote = true;
            }
            Statement::Write { register, value } => {
                record.ops.push(Op::Write { register: *register, value: *value });
                record.wrote = true;
            }
            Statement::Graph(_) => record.wrote = true,
            Statement::ReadList { .. }
            | Statement::ReadLists { .. }
            | Statement::ReadRegister { .. }
            | Statement::ReadRegisters { .. } => {}
        }
    }

    /// Records what it has read, and the rows that it created.
    fn keep(
        &self,
        recorder: &Recorder,
        record: &mut Record,
        outcome: Outcome,
    ) -> std::result::Result<(), Stop> {
        match (&self.statement, outcome) {
            (Statement::ReadList { list, .. }, Outcome::Fetched(graph)) => {
                read_lists(record, &graph, *list..=*list)
            }
            (Statement::ReadLists { from, to }, Outcome::Fetched(graph)) => {
                read_lists(record, &graph, *from..=*to)
            }
            (Statement::ReadRegister { register }, Outcome::Fetched(graph)) => {
                if graph.is_empty() {
                    record.ops.push(Op::ReadRegister { register: *register, value: None });
                }
                read_registers(record, &graph)
            }
            (Statement::ReadRegisters { .. }, Outcome::Fetched(graph)) => read_registers(record, &graph),
            (Statement::Graph(graph), Outcome::Written(written)) => match (graph.creates, written.returned) {
                (Some(creates), Some(returned)) => created(recorder, record, &returned, creates),
                _ => Ok(()),
            },
            (Statement::Append { .. } | Statement::Write { .. }, Outcome::Written(_)) => Ok(()),
            (_, outcome) => Err(Stop::Wrong(format!("{} gave {outcome:?}", self.text))),
        }
    }
}

fn read_lists(
    record: &mut Record,
    graph: &GraphResult,
    range: std::ops::RangeInclusive<i64>,
) -> std::result::Result<(), Stop> {
    let mut absent: Vec<i64> = range.collect();
    for row in graph.roots()? {
        let Value::Int64(list) = row.value("id")? else {
            return Err(Stop::Wrong("a list has no key".to_owned()));
        };
        absent.retain(|other| *other != list);
        record.ops.push(Op::ReadList { list, items: items_of(row.value("items")?)? });
    }
    record.ops.extend(absent.into_iter().map(|list| Op::ReadList { list, items: Vec::new() }));
    Ok(())
}

fn read_registers(record: &mut Record, graph: &GraphResult) -> std::result::Result<(), Stop> {
    for row in graph.roots()? {
        if let (Value::Int64(register), Value::Int64(value)) = (row.value("id")?, row.value("value")?) {
            record.ops.push(Op::ReadRegister { register, value: Some(value) });
        }
    }
    Ok(())
}

/// Takes the numbers of new rows, which no row had before the database was opened.
fn created(
    recorder: &Recorder,
    record: &mut Record,
    returned: &GraphResult,
    creates: (usize, Option<(&'static str, usize)>),
) -> std::result::Result<(), Stop> {
    let (entity, include) = creates;
    let mut take = |entity: usize, id: Value| {
        let Value::Int64(id) = id else { return Err(Stop::Wrong(format!("a key is {id:?}"))) };
        let floor = recorder.floors.get(entity).copied().unwrap_or(0);
        ensure!(id > floor, "a row got the number {id}, and {floor} was given before");
        record.created.push((entity, id));
        Ok(())
    };
    for row in returned.roots()? {
        take(entity, row.value("id")?)?;
        if let Some((include, entity)) = include {
            for child in row.children(include)? {
                take(entity, child.value("id")?)?;
            }
        }
    }
    Ok(())
}

impl Recorder {
    /// How many statements and commits were refused, and how many commits were acknowledged.
    pub(super) fn counts(&self) -> (u64, u64) {
        (self.refused.load(Ordering::Relaxed), self.commits.load(Ordering::Relaxed))
    }
}
