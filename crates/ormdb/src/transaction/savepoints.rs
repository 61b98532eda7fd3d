//! The savepoints of a transaction, by name.
//!
//! Invariant: they stand in the order in which they were set, each with the engine's, which is alive.

use ormdb_proto::error::Limit;
use ormdb_proto::{Error, ErrorCode, Result};

use crate::engine::EngineResult;

/// The most savepoints of a transaction at a time.
const SAVEPOINTS_MAX: usize = 4096;

#[derive(Debug, Default)]
pub(super) struct Savepoints {
    live: Vec<(String, ordinum::Savepoint)>,
}

impl Savepoints {
    pub(super) fn set(&mut self, engine: &mut ordinum::Transaction, name: &str) -> Result<()> {
        if self.live.len() >= SAVEPOINTS_MAX {
            let message = format!("the transaction has its {SAVEPOINTS_MAX} savepoints");
            let mut error = Error::new(ErrorCode::LimitExceeded, message).hint("release those that are done");
            let limit = u64::try_from(SAVEPOINTS_MAX).unwrap_or(u64::MAX);
            error.detail.limit =
                Some(Limit { name: "savepoints".to_owned(), allowed: limit, asked: limit.saturating_add(1) });
            return Err(error);
        }
        self.live.push((name.to_owned(), engine.savepoint()));
        Ok(())
    }

    pub(super) fn rollback_to(&mut self, engine: &mut ordinum::Transaction, name: &str) -> Result<()> {
        let (at, savepoint) = self.newest(name)?;
        engine.rollback_to(savepoint).engine()?;
        self.live.truncate(at + 1);
        Ok(())
    }

    pub(super) fn release(&mut self, engine: &mut ordinum::Transaction, name: &str) -> Result<()> {
        let (at, savepoint) = self.newest(name)?;
        engine.release(savepoint).engine()?;
        self.live.truncate(at);
        Ok(())
    }

    /// The newest savepoint of the name, and its place.
    fn newest(&self, name: &str) -> Result<(usize, ordinum::Savepoint)> {
        let found = self.live.iter().enumerate().rev().find(|(_, (of, _))| of == name);
        found.map(|(at, (_, savepoint))| (at, *savepoint)).ok_or_else(|| {
            let message = format!("the transaction has no savepoint `{name}`");
            Error::new(ErrorCode::SavepointNotFound, message)
        })
    }
}
