//! The database on the same disk: random transactions of several writers on `ormdb`, whose disk fails and loses power.
//!
//! By steps on one thread ([`run`]), where a seed replays a run, and by threads ([`threads`]), where it does not. After every end the
//! database is opened again, and has to agree with itself, with what was acknowledged, and with one state that there was; the
//! history of its transactions has to be one that their levels allow ([`crate::history`]).
//!
//! Invariants: (1) an error is a finding unless it is one that a statement may meet, or a fault has struck; (2) the first failure of a
//! fault ends the process: what a transaction that was about to commit came to is unknown; (3) each writing transaction appends to a
//! list of its writer, so that it is seen whether it happened.

mod bed;
pub mod damaged;
mod listener;
mod recorder;
mod schema;
mod state;
mod statements;
pub mod threads;
mod writer;

use std::fmt;

pub use bed::{Plan, run};

/// What some runs did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Statements, commits and the like.
    pub steps: u64,
    /// Commits that were acknowledged.
    pub commits: u64,
    /// Statements and commits that were refused, as they may be.
    pub refused: u64,
    /// How often the process or the machine ended.
    pub crashes: u64,
    /// The states of the disk that were opened.
    pub states: u64,
    /// The faults that struck.
    pub faults: u64,
    /// How often the schema was changed.
    pub schemas: u64,
    /// Transactions whose history was checked.
    pub transactions: u64,
    /// Dependencies between them.
    pub edges: u64,
    /// Notices to subscribers that were checked.
    pub notices: u64,
    /// What was done to the disk.
    pub disk: u64,
}

impl Outcome {
    /// Adds what another run did.
    pub fn add(&mut self, other: &Outcome) {
        self.steps += other.steps;
        self.commits += other.commits;
        self.refused += other.refused;
        self.crashes += other.crashes;
        self.states += other.states;
        self.faults += other.faults;
        self.schemas += other.schemas;
        self.transactions += other.transactions;
        self.edges += other.edges;
        self.notices += other.notices;
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Outcome {
            steps,
            commits,
            refused,
            crashes,
            states,
            faults,
            schemas,
            transactions,
            edges,
            notices,
            ..
        } = self;
        write!(
            f,
            "{steps} steps, {commits} commits, {refused} refusals, {crashes} crashes, {states} states of the disk, {faults} \
             faults, {schemas} schemas, {transactions} transactions with {edges} dependencies, {notices} notices"
        )
    }
}
