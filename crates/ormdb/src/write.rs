//! The one write path: every change of a row, from every front end, goes through here.
//!
//! Knows no text and no socket. A statement runs inside a transaction of the engine and reads only through it, so that
//! what was read (a taken or free unique key, a parent, the absence of children) is validated when the transaction
//! commits: uniqueness and foreign keys hold under concurrent writers without locks.
//!
//! Invariants: (1) [`Writer::store_change`] is the only place that writes rows and index entries, all of them together;
//! (2) when a statement ends, every foreign key of every
//! row that it touched holds: a write checks its own references at once, and what is not there yet once more at the
//! end; (3) referential actions run off a bounded list, so that chains and cycles of any length need no stack.

mod action;
mod change;
mod create;
mod deferred;
mod delete;
mod draft;
mod embedded;
mod find;
mod gathered;
mod guard;
mod link;
mod names;
mod nested;
mod reference;
mod referred;
mod refusal;
mod step;
mod update;
mod writer;

#[cfg(test)]
mod tests;

pub(crate) use deferred::{Deferred, DeferredMark, Due};
pub(crate) use guard::same_key;
pub(crate) use refusal::describe;
pub(crate) use writer::Writer;
