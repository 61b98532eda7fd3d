//! ormDB, embedded: a relational database of entities, relations and graph fetches.
//!
//! This file is the table of contents; docs/ARCHITECTURE.md tells how the parts join.

pub mod catalog;
mod changes;
pub mod check;
pub(crate) mod context;
mod database;
mod describe;
pub(crate) mod engine;
pub(crate) mod exec;
pub(crate) mod expr;
#[doc(hidden)]
pub mod fuzz_targets;
mod limits;
mod mutation;
mod options;
pub(crate) mod plan;
#[doc(hidden)]
pub mod planted;
mod purge;
mod row_lock;
mod session;
pub(crate) mod statistics;
pub mod storage;
pub(crate) mod store;
pub mod text;
mod transaction;
mod version;
pub(crate) mod write;

pub use catalog::{Applied, Catalog};
pub use changes::Changes;
pub use database::{Database, Login, UnsyncedWrite};
pub use exec::StreamPart;
pub use limits::Limits;
pub use options::{Intersections, Options, Sampling, SemiJoins};
pub use ordinum::RetentionWindow;
pub use ormdb_derive::{EmbeddedLabel as FromLabel, EmbeddedRow as FromRow};
pub use ormdb_proto::ir::{Explain, Params, Statement};
pub use ormdb_proto::message::Changed;
pub use ormdb_proto::typed::{self, FromLabel, FromRow, RowPlan};
pub use ormdb_proto::{
    Access, Description, Error, ErrorCode, ErrorKind, Explanation, GraphResult, Isolation, MutationResult,
    Outcome, Parameter, Result, Retry, Token, User, Value,
};
pub use plan::{PlanStats, Prepared};
pub use purge::Purged;
pub use session::{CancelHandle, Session, Streamed};
pub use transaction::Transaction;

/// The code of the project's README, which is compiled as a documentation test.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
pub struct Readme;
