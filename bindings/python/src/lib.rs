//! The native part of the Python package `ormdb`.
//!
//! Over ormdb-bindings, which runs statements and keeps their results as blocks, this makes Python objects: of parameters
//! (`params`), of columns (`column`), of rows (`build`, `row`), of errors (`error`), and Arrow's C structures (`arrow`).
//! What can be Python is: contexts, retries, dataclasses and the asyncio front stand in the package's own modules.

mod arrow;
mod build;
mod changes;
mod collector;
mod column;
mod connection;
mod error;
mod interval;
mod layout;
mod mailbox;
mod outcome;
mod params;
mod result;
mod row;
mod transaction;
mod types;
mod wait;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The classes that the package is made of.
#[pyo3::pymodule(gil_used = true)]
mod _native {
    #[pymodule_export]
    use crate::arrow::{ArrowBatch, ArrowTable};
    #[pymodule_export]
    use crate::changes::{Changed, Changes};
    #[pymodule_export]
    use crate::connection::Connection;
    #[pymodule_export]
    use crate::interval::Interval;
    #[pymodule_export]
    use crate::mailbox::{Call, Mailbox};
    #[pymodule_export]
    use crate::outcome::{Description, Done, Explanation, Written};
    #[pymodule_export]
    use crate::params::Typed;
    #[pymodule_export]
    use crate::result::{Node, Result, Stream};
    #[pymodule_export]
    use crate::row::Row;
    #[pymodule_export]
    use crate::transaction::Transaction;
    #[pymodule_export]
    use crate::types::{Withheld, withheld};
}
