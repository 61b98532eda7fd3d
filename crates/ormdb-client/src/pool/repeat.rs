//! What is run again, and when.
//!
//! Invariant: a request that may have been executed is run again only if running it twice is the same as running it once.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use ormdb_proto::ir::Statement;
use ormdb_proto::{Error, ErrorCode, Result};
use tokio::time::Sleep;

use super::PoolOptions;
use super::places::{Places, Refused};
use crate::client::Client;

/// Whether a request may be executed twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repeat {
    /// It reads, or what it did goes with its connection.
    Always,
    /// It writes.
    IfNotExecuted,
}

/// The words that begin a statement which is no fetch. A fetch of an entity of such a name has it in backticks.
const WRITES: &[&str] =
    &["create", "update", "upsert", "delete", "begin", "commit", "rollback", "savepoint", "release", "set"];

impl Repeat {
    /// Of a statement given as text: one of which it is not plain that it reads counts as a write.
    pub(super) fn of_text(text: &str) -> Repeat {
        let text = text.trim_start();
        let end = text.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(text.len());
        let reads = match text.get(..end) {
            Some("") | None => text.starts_with('`'),
            Some(word) => !WRITES.contains(&word),
        };
        // A second statement may stand behind the first.
        if reads && !text.contains(';') { Repeat::Always } else { Repeat::IfNotExecuted }
    }

    pub(super) const fn of_statement(statement: &Statement) -> Repeat {
        match statement {
            Statement::Fetch(_) => Repeat::Always,
            Statement::Create(_)
            | Statement::Update(_)
            | Statement::Upsert(_)
            | Statement::Delete(_)
            | Statement::Control(_) => Repeat::IfNotExecuted,
        }
    }
}

/// The attempts at one request, until its deadline.
pub(super) struct Attempts<'a> {
    options: &'a PoolOptions,
    places: &'a Arc<Places>,
    repeat: Repeat,
    deadline: Option<Pin<Box<Sleep>>>,
    conflicts_met: u32,
    losses_met: u32,
    salt: u64,
}

impl<'a> Attempts<'a> {
    pub(super) fn new(options: &'a PoolOptions, places: &'a Arc<Places>, repeat: Repeat) -> Attempts<'a> {
        let deadline = options.deadline.map(|deadline| Box::pin(tokio::time::sleep(deadline)));
        let salt = places.salt();
        Attempts { options, places, repeat, deadline, conflicts_met: 0, losses_met: 0, salt }
    }

    /// A place on a connection. A server that cannot be reached is tried again.
    pub(super) async fn client(&mut self) -> Result<Client> {
        loop {
            let leased = until(&mut self.deadline, self.places.lease(self.options.wait_max)).await;
            let mut error = match leased {
                Ok(Ok(client)) => return Ok(client),
                Ok(Err(Refused::Full(error) | Refused::Closed(error))) => return Err(error),
                Ok(Err(Refused::Unreachable(error))) => error,
                Err(Elapsed) => return Err(self.elapsed(false)),
            };
            // There was no connection to execute it on.
            error.detail.maybe_executed = Some(false);
            self.pause_or_end(error).await?;
        }
    }

    /// The answer of a request, if it comes before the deadline; a request that is dropped is cancelled on the server.
    pub(super) async fn within<T>(&mut self, request: impl Future<Output = Result<T>>) -> Result<T> {
        match until(&mut self.deadline, request).await {
            Ok(answer) => answer,
            Err(Elapsed) => Err(self.elapsed(true)),
        }
    }

    /// Pauses before the next attempt, or gives the error to end with.
    pub(super) async fn pause_or_end(&mut self, error: Error) -> Result<()> {
        let maybe_executed = error.detail.maybe_executed.unwrap_or(true);
        let pause = self.pause(error)?;
        match until(&mut self.deadline, tokio::time::sleep(pause)).await {
            Ok(()) => Ok(()),
            Err(Elapsed) => Err(self.elapsed(maybe_executed && self.repeat == Repeat::IfNotExecuted)),
        }
    }

    /// As [`pause_or_end`](Self::pause_or_end), of a step that writes.
    pub(super) async fn pause_or_end_write(&mut self, error: Error) -> Result<()> {
        let repeat = std::mem::replace(&mut self.repeat, Repeat::IfNotExecuted);
        let ended = self.pause_or_end(error).await;
        self.repeat = repeat;
        ended
    }

    /// The pause before the next attempt, or the error to end with.
    pub(super) fn pause(&mut self, error: Error) -> Result<Duration> {
        let (retry, met) = match error.code {
            // The server took it back, and said so.
            ErrorCode::SerializationConflict | ErrorCode::Deadlock => {
                (&self.options.conflicts, &mut self.conflicts_met)
            }
            ErrorCode::ConnectionFailed | ErrorCode::ServerBusy | ErrorCode::ShuttingDown
                if self.repeat == Repeat::Always || error.detail.maybe_executed == Some(false) =>
            {
                (&self.options.reconnects, &mut self.losses_met)
            }
            _ => return Err(error),
        };
        let pause = retry.pause_after(error, *met, self.salt)?;
        *met += 1;
        Ok(pause)
    }

    fn elapsed(&self, maybe_executed: bool) -> Error {
        let deadline = self.options.deadline.unwrap_or_default().as_millis();
        let mut error = Error::new(ErrorCode::Cancelled, format!("no answer within {deadline} ms"));
        error.detail.maybe_executed = Some(maybe_executed);
        error
    }
}

/// The deadline has passed.
struct Elapsed;

/// What comes of `work` before the deadline.
async fn until<T>(
    deadline: &mut Option<Pin<Box<Sleep>>>,
    work: impl Future<Output = T>,
) -> std::result::Result<T, Elapsed> {
    let Some(deadline) = deadline else { return Ok(work.await) };
    tokio::select! {
        biased;
        done = work => Ok(done),
        () = deadline.as_mut() => Err(Elapsed),
    }
}
