//! How a database is opened.

use std::sync::Arc;

use ordinum::Durability;

use crate::limits::Limits;
use crate::store::generate::{Entropy, OsEntropy};

/// How a database is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// The storage engine's options: its memory, its file system and clock.
    pub engine: ordinum::Options,
    /// How durable a write is when it is acknowledged. What changes the schema is synced whatever this says.
    pub durability: Durability,
    /// The limits of sessions that set none.
    pub limits: Limits,
    /// Where generated keys get their randomness.
    pub entropy: Arc<dyn Entropy>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            engine: ordinum::Options::default(),
            durability: Durability::default(),
            limits: Limits::default(),
            entropy: Arc::new(OsEntropy),
        }
    }
}
