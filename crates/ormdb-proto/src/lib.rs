//! The words that ormDB's engine, server and clients share: values, schema model, query and mutation IR, result
//! blocks, frames and errors.
//!
//! Does no I/O. The wire format is not the disk format: nothing here says how a row or a key lies on disk.

#[cfg(test)]
extern crate self as ormdb_proto;

pub mod block;
pub mod bytes;
pub mod error;
pub mod frame;
#[doc(hidden)]
pub mod fuzzing;
pub mod ir;
mod isolation;
pub mod message;
pub mod outcome;
pub mod result;
mod retry;
pub mod schema;
pub mod scram;
pub mod token;
mod user;
pub mod value;

pub use error::{Detail, Error, ErrorCode, ErrorKind, Result};
pub use isolation::{Access, Isolation};
pub use outcome::{Description, Explanation, MutationResult, Outcome, Parameter};
pub use result::{GraphResult, typed};
pub use retry::Retry;
pub use token::Token;
pub use user::{USER_NAME_BYTES_MAX, User};
pub use value::Value;
