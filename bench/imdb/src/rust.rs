//! The drivers in Rust.

pub(crate) mod embedded;
pub(crate) mod lite;
pub(crate) mod parameters;
pub(crate) mod postgres;
pub(crate) mod remote;
mod tasks;
