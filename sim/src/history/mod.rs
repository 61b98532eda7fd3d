//! Histories of transactions, and whether they could have happened: after "Elle" (Kingsbury and Alvaro, VLDB 2020).
//!
//! A list that is only appended to tells the order of its writes, so that every read of it says whom the reader follows (`wr`)
//! and whom it comes before (`rw`); a register that every write gives another value tells of it what its writers have read. Of
//! these, of the order of writes (`ww`) and of time (`rt`: one ended before the other began) a graph is made whose cycles are
//! anomalies: [`cycles`] says which level forbids which.
//!
//! Invariants:
//! (1) every value is written once, to one place, in the whole history: [`History::check`] refuses another;
//! (2) a transaction whose end is unknown may have happened or not: it happened if somebody saw it;
//! (3) what is found is not there: no database of the level that is asked for gives such a history.

mod cycles;
mod lists;
mod registers;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use ormdb::Isolation;

use cycles::Graph;

/// What a transaction did, in its order. What it took back by a savepoint is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// Put a value behind a list.
    Append {
        /// The list.
        list: i64,
        /// Another one each time.
        value: i64,
    },
    /// Read a list; one that is not there has no items.
    ReadList {
        /// The list.
        list: i64,
        /// What it had.
        items: Vec<i64>,
    },
    /// Gave a register a value.
    Write {
        /// The register.
        register: i64,
        /// Another one each time.
        value: i64,
    },
    /// Read a register.
    ReadRegister {
        /// The register.
        register: i64,
        /// What it had; none if it was not there.
        value: Option<i64>,
    },
}

/// How a transaction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Its commit was acknowledged.
    Committed,
    /// Nothing of it may be seen.
    Aborted,
    /// Nobody knows.
    Unknown,
}

/// A transaction of a history.
#[derive(Clone, Debug)]
pub struct Transaction {
    /// What it did.
    pub ops: Vec<Op>,
    /// How it ended.
    pub fate: Fate,
    /// What it was promised.
    pub level: Isolation,
    /// When it began; moments are numbered.
    pub began: u64,
    /// When it was known to have ended.
    pub ended: u64,
}

/// Something that could not have happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anomaly {
    /// Which.
    pub kind: AnomalyKind,
    /// What was seen.
    pub told: String,
}

/// What can be wrong with a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnomalyKind {
    /// A value was written twice: the history itself is of no use.
    NotUnique,
    /// A value was read that nobody wrote, or whose writer took it back.
    Garbage,
    /// A value was read whose writer did not commit (G1a).
    AbortedRead,
    /// A state was read that its writer changed before it committed (G1b).
    IntermediateRead,
    /// Two reads of a list, of which none is the beginning of the other.
    Incompatible,
    /// A transaction does not see what it did itself, or sees a list change that it must not.
    Internal,
    /// What was acknowledged is not there in the end.
    Lost,
    /// Two transactions replaced the same value that both had read (P4).
    LostUpdate,
    /// A circle of writes alone (G0).
    WriteCycle,
    /// A circle of writes and reads of them (G1c).
    InformationCycle,
    /// A circle that snapshots do not have: no two overwrites of what was read follow each other (G-single and its like).
    SnapshotCycle,
    /// A circle of any kind (G2).
    SerializationCycle,
}

impl fmt::Display for Anomaly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.kind, self.told)
    }
}

/// How many things of each kind a check looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// Transactions that happened.
    pub transactions: u64,
    /// Dependencies between them.
    pub edges: u64,
}

/// What happened between two openings of a database.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// What lists had at the beginning.
    pub lists_before: BTreeMap<i64, Vec<i64>>,
    /// What registers had at the beginning.
    pub registers_before: BTreeMap<i64, i64>,
    /// The transactions, in no order.
    pub transactions: Vec<Transaction>,
}

/// What lists and registers have at the end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Final {
    /// What lists have.
    pub lists: BTreeMap<i64, Vec<i64>>,
    /// What registers have.
    pub registers: BTreeMap<i64, i64>,
}

/// Who wrote what.
pub(crate) struct Writers {
    /// By list and value: the transaction, and whether it appended to the list again.
    appends: BTreeMap<(i64, i64), (usize, bool)>,
    /// By register and value: the transaction, and whether it wrote the register again.
    writes: BTreeMap<(i64, i64), (usize, bool)>,
}

impl History {
    /// Whether it could have happened, each transaction at its level. Where `end` is given, it is what was found when all had
    /// ended, and what was acknowledged has to be there.
    ///
    /// # Errors
    /// The first anomaly, with those that are not of time before those that are.
    pub fn check(&self, end: Option<&Final>) -> Result<Checked, Anomaly> {
        let writers = self.writers()?;
        let mut graph = Graph::new(self.transactions.len());
        let mut seen = BTreeSet::new();
        lists::check(self, &writers, end, &mut graph, &mut seen)?;
        registers::check(self, &writers, end, &mut graph, &mut seen)?;
        let happened: Vec<bool> = self.happened(&seen);
        graph.retain(|at| happened.get(at).copied().unwrap_or(false));
        cycles::check(self, &graph, &happened)?;
        Ok(Checked {
            transactions: happened.iter().filter(|happened| **happened).count() as u64,
            edges: graph.edges() as u64,
        })
    }

    /// Which transactions happened, by who was seen.
    fn happened(&self, seen: &BTreeSet<usize>) -> Vec<bool> {
        let happened = |(at, transaction): (usize, &Transaction)| match transaction.fate {
            Fate::Committed => true,
            Fate::Aborted => false,
            Fate::Unknown => seen.contains(&at),
        };
        self.transactions.iter().enumerate().map(happened).collect()
    }

    fn writers(&self) -> Result<Writers, Anomaly> {
        let mut writers = Writers { appends: BTreeMap::new(), writes: BTreeMap::new() };
        for (at, transaction) in self.transactions.iter().enumerate() {
            let (mut appended, mut written) = (BTreeMap::new(), BTreeMap::new());
            for op in &transaction.ops {
                let (all, own, place, value) = match op {
                    Op::Append { list, value } => (&mut writers.appends, &mut appended, *list, *value),
                    Op::Write { register, value } => (&mut writers.writes, &mut written, *register, *value),
                    Op::ReadList { .. } | Op::ReadRegister { .. } => continue,
                };
                let earlier = own.insert(place, value);
                if let Some((_, again)) = earlier.and_then(|earlier| all.get_mut(&(place, earlier))) {
                    *again = true;
                }
                if all.insert((place, value), (at, false)).is_some() {
                    return anomaly(AnomalyKind::NotUnique, format!("{value} was written to {place} twice"));
                }
            }
        }
        Ok(writers)
    }

    /// A transaction for people.
    fn name(&self, at: usize) -> String {
        let Some(transaction) = self.transactions.get(at) else { return format!("T{at}") };
        let Transaction { level, began, ended, fate, ops } = transaction;
        let ops: Vec<String> = ops.iter().map(ToString::to_string).collect();
        format!("T{at} ({level}, {fate:?}, {began}..{ended}) [{}]", ops.join(", "))
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Op::Append { list, value } => write!(f, "append {value} to {list}"),
            Op::ReadList { list, items } => write!(f, "{list} is {items:?}"),
            Op::Write { register, value } => write!(f, "set {register} to {value}"),
            Op::ReadRegister { register, value: Some(value) } => write!(f, "{register} is {value}"),
            Op::ReadRegister { register, value: None } => write!(f, "{register} is not there"),
        }
    }
}

/// Whether reads of a level are of one state, from beginning to end.
pub(crate) fn has_snapshot(level: Isolation) -> bool {
    match level {
        Isolation::ReadCommitted => false,
        Isolation::Snapshot | Isolation::Serializable => true,
    }
}

/// An anomaly of this kind.
pub(crate) fn anomaly<T>(kind: AnomalyKind, told: String) -> Result<T, Anomaly> {
    Err(Anomaly { kind, told })
}

#[cfg(test)]
mod tests;
