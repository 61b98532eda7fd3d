//! What the bindings to other languages share: one API over an embedded database and a server.
//!
//! [`Connection::open`] takes a directory, a URL or a Unix socket. Every operation is a [`Task`], which the caller either waits
//! for ([`Task::wait`]) or gives a callback ([`Task::then`]), so that promises and futures of another language can be built on
//! it. Results stay blocks: a binding makes its language's objects of them, column by column.
//!
//! Knows neither Python nor JavaScript; owns no semantics of the database.
//!
//! ```no_run
//! use ormdb_bindings::{Connection, OpenOptions, Outcome, Params};
//!
//! # fn main() -> ormdb_proto::Result<()> {
//! let connection = Connection::open("blog.ormdb", &OpenOptions::default()).wait()?;
//! let found = connection.query("User { email }".to_owned(), Params::none()).wait()?;
//! # Ok(())
//! # }
//! ```

mod changes;
mod connection;
mod embedded;
mod options;
mod origin;
mod pool;
mod remote;
mod stream;
mod task;
mod transaction;

pub use changes::Changes;
pub use connection::{Connection, SchemaOutcome};
pub use options::{Create, OpenOptions, retention_of};
pub use ormdb_proto::ir::Params;
pub use ormdb_proto::message::Changed;
pub use ormdb_proto::result::{Chunk, ResultShape};
pub use ormdb_proto::{
    Access, Description, Error, ErrorCode, ErrorKind, Explanation, GraphResult, Isolation, MutationResult,
    Outcome, Retry, Token, Value,
};
pub use stream::{Part, Parts};
pub use task::{Cancel, Task};
pub use transaction::Transaction;
