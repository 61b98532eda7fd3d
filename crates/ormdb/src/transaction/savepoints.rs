//! The savepoints of a transaction, by name.
//!
//! Invariant: they stand in the order in which they were set, each with the engine's, which is alive.

use ormdb_proto::error::Limit;
use ormdb_proto::{Error, ErrorCode, Result};

use crate::engine::EngineResult;
use crate::planted::{Bug, planted};
use crate::statistics::RowDeltas;
use crate::write::DeferredMark;

/// The most savepoints of a transaction at a time.
const SAVEPOINTS_MAX: usize = 4096;

#[derive(Debug)]
struct Saved {
    name: String,
    engine: ordinum::Savepoint,
    state: SavedState,
}

/// What a transaction goes back to beside what it wrote.
#[derive(Clone, Debug)]
pub(super) struct SavedState {
    /// What it had done to the number of rows.
    pub(super) rows: RowDeltas,
    /// The checks that waited.
    pub(super) deferred: DeferredMark,
}

#[derive(Debug, Default)]
pub(super) struct Savepoints {
    live: Vec<Saved>,
}

impl Savepoints {
    pub(super) fn set(
        &mut self,
        engine: &mut ordinum::Transaction,
        name: &str,
        state: SavedState,
    ) -> Result<()> {
        if self.live.len() >= SAVEPOINTS_MAX {
            let message = format!("the transaction has its {SAVEPOINTS_MAX} savepoints");
            let mut error = Error::new(ErrorCode::LimitExceeded, message).hint("release those that are done");
            let limit = u64::try_from(SAVEPOINTS_MAX).unwrap_or(u64::MAX);
            error.detail.limit =
                Some(Limit { name: "savepoints".to_owned(), allowed: limit, asked: limit.saturating_add(1) });
            return Err(error);
        }
        self.live.push(Saved { name: name.to_owned(), engine: engine.savepoint(), state });
        Ok(())
    }

    /// Gives the state that the transaction goes back to.
    pub(super) fn rollback_to(
        &mut self,
        engine: &mut ordinum::Transaction,
        name: &str,
    ) -> Result<SavedState> {
        let (at, saved) = self.newest(name)?;
        if !planted(Bug::KeepBehindSavepoint) {
            engine.rollback_to(saved.engine).engine()?;
        }
        let state = saved.state.clone();
        self.live.truncate(at + 1);
        Ok(state)
    }

    pub(super) fn release(&mut self, engine: &mut ordinum::Transaction, name: &str) -> Result<()> {
        let (at, saved) = self.newest(name)?;
        engine.release(saved.engine).engine()?;
        self.live.truncate(at);
        Ok(())
    }

    /// The newest savepoint of the name, and its place.
    fn newest(&self, name: &str) -> Result<(usize, &Saved)> {
        let found = self.live.iter().enumerate().rev().find(|(_, saved)| saved.name == name);
        found.ok_or_else(|| {
            let message = format!("the transaction has no savepoint `{name}`");
            Error::new(ErrorCode::SavepointNotFound, message)
        })
    }
}
