//! A write that is committed, and not yet durable.

use ordinum::Commit;
use ormdb_proto::{Error, ErrorCode, MutationResult, Result};
use parking_lot::RwLockReadGuard;

use super::Database;
use crate::session::SessionContext;

/// What a write did that is committed and not yet durable: [`Session::write_unsynced`](crate::Session::write_unsynced). Nobody is to be told of
/// it before it is.
#[derive(Debug)]
#[must_use = "the write is not durable until it is waited for"]
pub struct UnsyncedWrite {
    database: Database,
    result: MutationResult,
    commit: Commit,
}

impl UnsyncedWrite {
    pub(super) const fn new(database: Database, result: MutationResult, commit: Commit) -> UnsyncedWrite {
        UnsyncedWrite { database, result, commit }
    }

    /// Returns what it did once it is visible and as durable as the database promises. One sync of the log is enough for all that are there
    /// when the first of them is waited for.
    ///
    /// # Errors
    /// `Io` if the log could not be synced: it is not known whether the write is durable.
    pub fn durable(self) -> Result<MutationResult> {
        let UnsyncedWrite { database, mut result, commit } = self;
        result.token = database.durable(commit)?;
        database.purge_if_due();
        Ok(result)
    }
}

impl Database {
    /// Holds off whoever commits alone.
    ///
    /// # Errors
    /// `LockNotAvailable` if somebody does, and the statement waits for nobody.
    pub(super) fn beside_others(&self, session: &SessionContext) -> Result<RwLockReadGuard<'_, ()>> {
        if session.waits() {
            return Ok(self.inner.commits.read());
        }
        self.inner.commits.try_read().ok_or_else(would_wait)
    }
}

/// The error of a statement that waits for nobody.
pub(super) fn would_wait() -> Error {
    Error::new(ErrorCode::LockNotAvailable, "others write, whom the statement does not wait for")
}

#[cfg(test)]
mod tests;
