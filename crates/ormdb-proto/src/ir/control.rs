//! Statements about transactions: where one begins and ends, savepoints, and when constraints are looked at.

use rkyv::{Archive, Deserialize, Serialize};

use crate::isolation::{Access, Isolation};

/// A statement about the transaction that it stands in, or that it begins.
#[derive(Clone, Debug, PartialEq, Eq, Archive, Serialize, Deserialize)]
pub enum Control {
    /// Begins a transaction.
    Begin {
        /// What it sees of others; the native default where nothing is said.
        isolation: Option<Isolation>,
        /// Whether it may write.
        access: Access,
    },
    /// Ends it, and its writes are seen.
    Commit,
    /// Ends it, and its writes are gone.
    Rollback,
    /// Sets a savepoint.
    Savepoint {
        /// Its name. An older one of the same name is hidden until this one is released.
        name: String,
    },
    /// Takes back what was written since a savepoint, which stays.
    RollbackTo {
        /// The savepoint.
        name: String,
    },
    /// Forgets a savepoint and those after it.
    Release {
        /// The savepoint.
        name: String,
    },
    /// Says when deferrable constraints are looked at from now on, in this transaction.
    SetConstraints {
        /// Their names; of none, all are meant.
        names: Vec<String>,
        /// When.
        timing: ConstraintTiming,
    },
}

/// When a constraint is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Archive, Serialize, Deserialize)]
pub enum ConstraintTiming {
    /// At the end of each statement. What was left for later is looked at now.
    Immediate,
    /// At the commit.
    Deferred,
}
