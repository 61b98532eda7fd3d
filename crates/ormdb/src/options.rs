//! How a database is opened.

use ordinum::Durability;

use crate::limits::Limits;

/// How a database is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// The storage engine's options: its memory, its file system and clock, and where random bytes come from.
    pub engine: ordinum::Options,
    /// How durable a write is when it is acknowledged. What changes the schema is synced whatever this says.
    pub durability: Durability,
    /// The limits of sessions that set none.
    pub limits: Limits,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            engine: ordinum::Options::default(),
            durability: Durability::default(),
            limits: Limits::default(),
        }
    }
}
