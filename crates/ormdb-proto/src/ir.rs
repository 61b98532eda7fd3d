//! The intermediate representation of queries and mutations: what every front end lowers to, by name.
//!
//! Names are resolved, types are checked and literals are converted by the engine, never here: an IR value that came
//! over a wire is well-formed but may be meaningless.
//!
//! Invariants: (1) nesting is bounded by [`DEPTH_MAX`], which decoders enforce; (2) nothing in the IR depends on the
//! version of a schema.

use rkyv::{Archive, Deserialize, Serialize};

mod control;
mod expr;
mod fetch;
mod lock;
mod mutation;
mod walk;

pub use control::{ConstraintTiming, Control};
pub use expr::{
    AggregateFunction, BinaryOp, Expr, Literal, Quantifier, RelationAggregate, TextMatch, UnaryOp,
};
pub use fetch::{
    DeletedRows, End, Fetch, Grouping, Include, KeyPart, Nulls, OrderBy, Place, SelectItem, Selection, Side,
    SortDirection,
};
pub use lock::{LockStrength, LockWait, RowLock};
pub use mutation::{
    AssignOp, Assignment, Create, Delete, NestedWrite, RecordInput, Removal, Target, Update, Upsert,
};

use crate::error::{Error, ErrorCode, Result};
use crate::value::Value;

/// The deepest nesting of expressions, includes and nested writes.
pub const DEPTH_MAX: usize = 128;

/// Parameters of a statement, by name without the `$`.
#[derive(Clone, Debug, Default, PartialEq, Archive, Serialize, Deserialize)]
pub struct Params(pub Vec<(String, Value)>);

/// One request of a query language: reads or writes, one snapshot, one transaction.
#[derive(Clone, Debug, PartialEq, Archive, Serialize, Deserialize)]
pub enum Statement {
    /// Reads a graph.
    Fetch(Fetch),
    /// Creates rows.
    Create(Create),
    /// Updates rows.
    Update(Update),
    /// Updates the row of a key, or creates it.
    Upsert(Upsert),
    /// Deletes rows.
    Delete(Delete),
    /// Begins, ends or divides a transaction.
    Control(Control),
}

/// Whether a plan is shown, and whether the statement runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Archive, Serialize, Deserialize)]
pub enum Explain {
    /// Shows the plan without running it.
    Plan,
    /// Runs the fetch and shows the plan with what happened.
    Analyze,
}

impl Params {
    /// No parameters.
    pub const fn none() -> Params {
        Params(Vec::new())
    }

    /// With one more parameter.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<Value>) -> Params {
        self.0.push((name.into(), value.into()));
        self
    }

    /// The value of a parameter.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, v)| v)
    }

    /// The value of a parameter that a statement names.
    ///
    /// # Errors
    /// [`ErrorCode::MissingParameter`] if it was not given.
    pub fn require(&self, name: &str) -> Result<&Value> {
        self.get(name).ok_or_else(|| {
            let message = format!("the parameter `${name}` was not given");
            let known = self.0.iter().map(|(name, _)| name.as_str());
            Error::new(ErrorCode::MissingParameter, message).suggest(name, known)
        })
    }
}

impl Statement {
    /// Whether the statement can write.
    pub const fn writes(&self) -> bool {
        !matches!(self, Statement::Fetch(_) | Statement::Control(_))
    }

    /// Whether it gives rows: a fetch does, and a write that returns something.
    pub const fn gives_rows(&self) -> bool {
        match self {
            Statement::Fetch(_) => true,
            Statement::Create(create) => create.returning.is_some(),
            Statement::Update(update) => update.returning.is_some(),
            Statement::Upsert(upsert) => upsert.returning.is_some(),
            Statement::Delete(delete) => delete.returning.is_some(),
            Statement::Control(_) => false,
        }
    }
}
