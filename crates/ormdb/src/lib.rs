//! ormDB, embedded: a relational database of entities, relations and graph fetches.
//!
//! This file is the table of contents; docs/ARCHITECTURE.md tells how the parts join.

pub mod catalog;
#[allow(dead_code, reason = "the database joins it")]
pub mod check;
#[allow(dead_code, reason = "the executor and the write path join it")]
pub(crate) mod context;
pub(crate) mod engine;
#[allow(dead_code, reason = "the database joins it")]
pub(crate) mod exec;
#[allow(dead_code, reason = "the executor and the write path join it")]
pub(crate) mod expr;
pub mod limits;
#[allow(dead_code, reason = "the database joins it")]
pub(crate) mod plan;
#[allow(dead_code, reason = "the executor and the write path join it")]
pub mod session;
pub(crate) mod store;
pub mod text;
#[allow(dead_code, reason = "sessions join it")]
pub(crate) mod write;

#[doc(hidden)]
pub use store::fuzz_row;
