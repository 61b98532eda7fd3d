//! The native module of the Node package `@ormdb/client`: carries statements to a database and the bytes of its results back.
//! What JavaScript sees of values, rows and errors is made in JavaScript (`lib/`).
//!
//! Invariants: (1) no operation that may wait runs on the thread of JavaScript, but for those whose names end in `Sync`;
//! (2) bytes of results that came from outside of the process are verified before JavaScript has them; (3) an operation that was
//! asked for under a number calls back with that number exactly once.

mod changes;
mod completions;
mod connection;
mod error_text;
mod outcome;
mod params;
mod shape_text;
mod transaction;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
