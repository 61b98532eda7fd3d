//! Requests that are stopped from outside.
//!
//! A future that is dropped asks the server to stop too, but nobody knows when it did: what is sent next, by another connection, may be
//! executed before. Whoever stops requests by a [`Stop`] hears their end.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use ormdb_proto::{Error, ErrorCode, Result};
use tokio::sync::watch;

/// How long the answer of a request that was stopped is waited for.
const ANSWER_WAIT: Duration = Duration::from_secs(2);

tokio::task_local! {
    static STOP: Stop;
}

/// Stops requests that run under it, from any thread. A clone is the same.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    stopped: watch::Sender<bool>,
    /// Requests that were sent and not answered.
    sent: AtomicU32,
}

impl Stop {
    /// Stops what runs under it, now and later. Work that is over is left as it is.
    pub fn stop(&self) {
        self.0.stopped.send_replace(true);
    }

    /// Carries out `work`. Where it is stopped, the server is told, and its answer waited for, for two seconds at most: when this returns,
    /// a statement is over, done or not.
    ///
    /// # Errors
    /// Those of `work`; `Cancelled` where it was stopped, whose detail says whether a statement may have been executed.
    pub async fn run<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        let mut work = std::pin::pin!(STOP.scope(self.clone(), work));
        tokio::select! {
            biased;
            done = &mut work => return done,
            () = self.stopped() => {}
        }
        if self.0.sent.load(Ordering::Relaxed) == 0 {
            // It waited for a connection, or for its turn.
            return Err(cancelled(false));
        }
        tokio::time::timeout(ANSWER_WAIT, work).await.unwrap_or_else(|_| Err(cancelled(true)))
    }

    async fn stopped(&self) {
        // The sender is here, so that it does not end otherwise.
        drop(self.0.stopped.subscribe().wait_for(|stopped| *stopped).await);
    }
}

/// Refuses to send what was stopped: it may be run again behind an answer that came meanwhile.
pub(crate) fn check() -> Result<()> {
    let is_stopped = STOP.try_with(|stop| *stop.0.stopped.borrow()).unwrap_or(false);
    if is_stopped { Err(cancelled(false)) } else { Ok(()) }
}

/// The answer of a request that was sent. Where it is stopped, `cancel` tells the server.
pub(crate) async fn answered<T>(answer: impl Future<Output = T>, cancel: impl FnOnce()) -> T {
    let Ok(stop) = STOP.try_with(Stop::clone) else { return answer.await };
    let mut answer = std::pin::pin!(answer);
    let _sent = Sent::of(&stop);
    tokio::select! {
        biased;
        done = &mut answer => return done,
        () = stop.stopped() => cancel(),
    }
    answer.await
}

/// A request that was sent and not answered.
struct Sent<'a>(&'a Shared);

impl<'a> Sent<'a> {
    fn of(stop: &'a Stop) -> Sent<'a> {
        stop.0.sent.fetch_add(1, Ordering::Relaxed);
        Sent(&stop.0)
    }
}

impl Drop for Sent<'_> {
    fn drop(&mut self) {
        self.0.sent.fetch_sub(1, Ordering::Relaxed);
    }
}

fn cancelled(maybe_executed: bool) -> Error {
    let mut error = Error::new(ErrorCode::Cancelled, "the statement was cancelled");
    error.detail.maybe_executed = Some(maybe_executed);
    error
}
