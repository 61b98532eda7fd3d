//! Messages: the payloads of frames.
//!
//! Each is an rkyv archive (little-endian, unaligned, 32-bit pointers) of the struct here, whose root is the last
//! object; a frame whose message has no fields has an empty payload.
//!
//! Invariants: (1) a message is validated before it is looked at: bounds, enum tags, UTF-8, no two pointers to the
//! same bytes, nesting; (2) a message that was read is well-formed, yet may be meaningless.

#![deny(clippy::indexing_slicing)]

mod codec;

pub use codec::{Message, NESTING_MAX, decode, encode};

use rkyv::{Archive, Deserialize, Serialize};

use crate::error::Error;
use crate::ir::{Params, Statement};
use crate::isolation::{Access, Isolation};
use crate::scram::Verifier;
use crate::token::Token;
use crate::user::User;

/// The version of the protocol that this build speaks: of messages and of what they mean.
pub const PROTOCOL_VERSION: u16 = 7;

/// The first message of a client.
///
/// Its last fields are those of [`HelloOfAnyVersion`], so that the last bytes of a hello mean the same in every version: new
/// fields come before them.
#[derive(Clone, Debug, PartialEq, Archive, Serialize, Deserialize)]
pub struct Hello {
    /// The first step of a login (see [`crate::scram`]); none of a client that names no user.
    pub login: Option<String>,
    /// How many bytes of chunks the server may send of each response before it is given credit; 0 for any number.
    pub window_bytes: u32,
    /// The least version of the protocol that the client speaks.
    pub version_min: u16,
    /// The greatest.
    pub version_max: u16,
    /// The program, for the server's log.
    pub client: String,
    /// The longest payload that the client takes.
    pub frame_bytes_max: u32,
}

/// What of a [`Hello`] every version understands.
#[derive(Clone, Debug, PartialEq, Archive, Serialize, Deserialize)]
pub struct HelloOfAnyVersion {
    /// The least version of the protocol that the client speaks.
    pub version_min: u16,
    /// The greatest.
    pub version_max: u16,
    /// The program, for the server's log.
    pub client: String,
    /// The longest payload that the client takes.
    pub frame_bytes_max: u32,
}

/// The server's answer to a hello with a login.
#[derive(Clone, Debug, PartialEq, Eq, Archive, Serialize, Deserialize)]
pub struct Challenge {
    /// The server's first step of the login.
    pub step: String,
}

/// The client's answer to a challenge.
#[derive(Clone, Debug, PartialEq, Eq, Archive, Serialize, Deserialize)]
pub struct Proof {
    /// The client's last step of the login.
    pub step: String,
}

/// The server's answer to a hello, or to the proof behind it.
#[derive(Clone, Debug, PartialEq, Archive, Serialize, Deserialize)]
pub struct Welcome {
    /// The server's last step of a login; none if there was no login.
    pub login: Option<String>,
    /// The version that both sides speak from here on.
    pub version: u16,
    /// The program.
    pub server: String,
    /// The longest payload that the server takes.
    pub frame_bytes_max: u32,
    /// How many requests of the connection may be in flight; further ones wait unread.
    pub requests_max: u32,
    /// After how many milliseconds without a request the server closes the connection; 0 for never.
    pub idle_timeout_ms: u32,
}

/// A statement as text.
#[derive(Clone, Debug, PartialEq, Archive, Serialize, Deserialize)]
pub struct Query {
    /// The text of one statement; it may begin with `explain`.
    pub text: String,
    /// Its parameters.
    pub params: Params,
}

/// A statement as IR.
#[derive(Clone, Debug, PartialEq, Archive, Serialize, Deserialize)]
pub struct Execute {
    /// The statement.
    pub statement: Statement,
    /// Its parameters.
    pub params: Params,
}

/// Asks for the plan of a statement.
#[derive(Clone, Debug, PartialEq, Archive, Serialize, Deserialize)]
pub struct Explain {
    /// The statement.
    pub statement: Statement,
    /// Its parameters.
    pub params: Params,
    /// Whether it runs, and the plan shows what happened.
    pub mode: crate::ir::Explain,
}

/// Applies a schema.
#[derive(Clone, Debug, PartialEq, Archive, Serialize, Deserialize)]
pub struct ApplySchema {
    /// The text of the whole schema.
    pub text: String,
}

/// Says that the client has taken chunks of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Archive, Serialize, Deserialize)]
pub struct Credit {
    /// How many bytes more the server may send.
    pub bytes: u32,
}

/// A statement in either form.
#[derive(Clone, Debug, PartialEq, Archive, Serialize, Deserialize)]
pub enum StatementSource {
    /// Its text; it may begin with `explain`.
    Text(String),
    /// Its IR.
    Statement(Box<Statement>),
}

/// Prepares a statement for the connection.
#[derive(Clone, Debug, PartialEq, Archive, Serialize, Deserialize)]
pub struct Prepare {
    /// Its number, which no other prepared statement of the connection has.
    pub id: u32,
    /// The statement.
    pub statement: StatementSource,
}

/// Runs a prepared statement.
#[derive(Clone, Debug, PartialEq, Archive, Serialize, Deserialize)]
pub struct ExecutePrepared {
    /// Its number.
    pub id: u32,
    /// Its parameters.
    pub params: Params,
}

/// Forgets a prepared statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Archive, Serialize, Deserialize)]
pub struct ClosePrepared {
    /// Its number.
    pub id: u32,
}

/// Asks to be told of commits from now on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Archive, Serialize, Deserialize)]
pub struct Subscribe {
    /// The entities whose rows are of interest; of none, those of all entities.
    pub entities: Vec<String>,
}

/// What was committed since a subscriber was told the last time.
#[derive(Clone, Debug, PartialEq, Eq, Archive, Serialize, Deserialize)]
pub struct Changed {
    /// The newest of these commits. All up to it have been told.
    pub token: Token,
    /// The entities of which rows were written, by name, without doubles.
    pub entities: Vec<String>,
    /// The version of the schema, if it changed.
    pub schema: Option<u64>,
    /// Whether it is not known what was written: rows of any entity may have been.
    pub everything: bool,
}

/// Adds a user. The password is not sent: its keys are made by the client.
#[derive(Clone, Debug, PartialEq, Eq, Archive, Serialize, Deserialize)]
pub struct AddUser {
    /// Who, and what it may do.
    pub user: User,
    /// The keys of its password.
    pub verifier: Verifier,
}

/// Gives a user another password, for logins to come.
#[derive(Clone, Debug, PartialEq, Eq, Archive, Serialize, Deserialize)]
pub struct SetPassword {
    /// The user.
    pub name: String,
    /// The keys of the password.
    pub verifier: Verifier,
}

/// Takes a user away. Its connections that are open stay.
#[derive(Clone, Debug, PartialEq, Eq, Archive, Serialize, Deserialize)]
pub struct DropUser {
    /// The user.
    pub name: String,
}

/// The users of a database, by name.
#[derive(Clone, Debug, PartialEq, Eq, Archive, Serialize, Deserialize)]
pub struct Users {
    /// The users.
    pub users: Vec<User>,
}

/// Begins a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Archive, Serialize, Deserialize)]
pub struct Begin {
    /// What it sees of others.
    pub isolation: Isolation,
    /// Whether it may write.
    pub access: Access,
}

/// Sets a savepoint.
#[derive(Clone, Debug, PartialEq, Eq, Archive, Serialize, Deserialize)]
pub struct SetSavepoint {
    /// Its name. An older one of the same name is hidden until this one is released.
    pub name: String,
}

/// Takes back what a transaction wrote since a savepoint.
#[derive(Clone, Debug, PartialEq, Eq, Archive, Serialize, Deserialize)]
pub struct RollbackTo {
    /// The savepoint, which stays.
    pub name: String,
}

/// Forgets a savepoint and those after it.
#[derive(Clone, Debug, PartialEq, Eq, Archive, Serialize, Deserialize)]
pub struct ReleaseSavepoint {
    /// The savepoint.
    pub name: String,
}

/// A text that was asked for.
#[derive(Clone, Debug, PartialEq, Archive, Serialize, Deserialize)]
pub struct Text {
    /// The text.
    pub text: String,
}

/// A schema was applied.
#[derive(Clone, Debug, PartialEq, Archive, Serialize, Deserialize)]
pub struct SchemaApplied {
    /// The version of the catalog.
    pub version: u64,
    /// What changed, in words; empty if nothing did.
    pub changes: Vec<String>,
}

/// A schema was refused, and nothing changed.
#[derive(Clone, Debug, PartialEq, Archive, Serialize, Deserialize)]
pub struct SchemaRefused {
    /// Everything that is wrong with it.
    pub errors: Vec<Error>,
}

/// What a mutation did; the graph that it returns, if any, came before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Archive, Serialize, Deserialize)]
pub struct Mutation {
    /// Rows created, nested writes included.
    pub created: u64,
    /// Rows updated, nested writes and referential actions included.
    pub updated: u64,
    /// Rows deleted, nested writes and referential actions included.
    pub deleted: u64,
    /// The version that has the write; inside a transaction, the version that the transaction reads.
    pub token: Token,
}

/// A transaction began or ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Archive, Serialize, Deserialize)]
pub struct Done {
    /// The commit, where there was one.
    pub token: Option<Token>,
}

#[cfg(test)]
mod tests;
