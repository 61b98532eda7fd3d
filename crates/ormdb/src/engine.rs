//! Errors of the storage engine in the words of ormDB.
//!
//! Both types belong to other crates, so that `?` cannot convert: every call of the engine ends in `.engine()?`.

use ormdb_proto::{Error, ErrorCode, Result};

/// Turns a result of the engine into one of ormDB.
pub(crate) trait EngineResult<T> {
    /// The same, with the error in ormDB's words.
    fn engine(self) -> Result<T>;
}

impl<T> EngineResult<T> for ordinum::Result<T> {
    fn engine(self) -> Result<T> {
        self.map_err(engine_error)
    }
}

/// The engine's error in ormDB's words.
pub(crate) fn engine_error(error: ordinum::Error) -> Error {
    use ordinum::Error as E;
    let message = error.to_string();
    let of = |code: ErrorCode| Error::new(code, message.clone());
    match &error {
        E::Conflict { .. } => of(ErrorCode::SerializationConflict).hint("run the transaction again"),
        E::Deadlock { .. } => of(ErrorCode::Deadlock).hint("run the transaction again"),
        E::Interrupted { .. } => of(ErrorCode::Cancelled),
        E::LockTimeout { .. } => of(ErrorCode::LockNotAvailable)
            .hint("raise `lock_wait_ms_max` in the session's limits, or end the other transaction"),
        E::Corrupt { file, .. } | E::MissingFile { file, .. } => {
            let mut error = of(ErrorCode::Corrupt).hint("`ormdb check` lists every damage; restore a backup");
            error.detail.file = Some(file.display().to_string());
            error
        }
        E::NoDatabase { .. } => of(ErrorCode::InvalidValue),
        E::UnknownFormat { .. } => of(ErrorCode::IncompatibleFormat),
        E::Locked { .. } => of(ErrorCode::DatabaseLocked)
            .hint("one process opens a database at a time; share it with `ormdb serve`"),
        E::LimitExceeded { what, actual, limit } => {
            let mut error = of(ErrorCode::LimitExceeded);
            error.detail.limit =
                Some(ormdb_proto::error::Limit { name: (*what).to_owned(), allowed: *limit, asked: *actual });
            error
        }
        E::TooOld { .. } => of(ErrorCode::TokenTooOld),
        E::Diverged { .. } => of(ErrorCode::HistoryDiverged).hint("read again without the token"),
        E::Io { .. } | E::Poisoned { .. } | E::Stopped { .. } | E::Closed => of(ErrorCode::Io),
        E::InvalidArgument { .. } | E::FamilyDropped { .. } | E::Bug { .. } => of(ErrorCode::Internal),
        _ => of(ErrorCode::Internal),
    }
}

/// Whether the transaction could not run beside others, and may if it is run again.
pub(crate) fn is_conflict(error: &Error) -> bool {
    matches!(error.code, ErrorCode::SerializationConflict | ErrorCode::Deadlock)
}

#[cfg(test)]
mod tests;
