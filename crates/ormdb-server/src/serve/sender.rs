//! The way of a response to its client: the credit of its window, and a place in the connection's queue.
//!
//! Invariants: (1) who waits for a slow reader holds no worker: another statement runs meanwhile; (2) nobody waits longer than the
//! options say, and no more than [`STALLED_MAX`] wait on threads.

use std::sync::Arc;
use std::time::Duration;

use ormdb_proto::{Error, ErrorCode, Result};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;

use super::outgoing::Outgoing;
use super::reactors;
use super::window::Window;
use super::wire::{Refused, Wire};

/// The most statements that wait on a thread for the readers of their results.
const STALLED_MAX: usize = 448;

/// What statements run on.
#[derive(Clone, Debug)]
pub(crate) struct Workers {
    running: Arc<Semaphore>,
    stalled: Arc<Semaphore>,
    /// Whose threads they are.
    runtime: Handle,
}

impl Workers {
    /// So many statements run at a time, on threads of the runtime that this is called in.
    pub(super) fn new(running_max: usize) -> Workers {
        let running = running_max.clamp(1, Semaphore::MAX_PERMITS);
        let [running, stalled] = [running, STALLED_MAX].map(|places| Arc::new(Semaphore::new(places)));
        Workers { running, stalled, runtime: Handle::current() }
    }

    /// Runs what may wait, once it has its place.
    pub(super) fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
        self.runtime.spawn_blocking(work)
    }

    /// Spawns a task that needs no reactor.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        drop(self.runtime.spawn(task));
    }

    /// How many threads they need.
    pub(super) fn threads_max(running_max: usize) -> usize {
        // One more purges, and the reactors are threads as well.
        running_max.saturating_add(STALLED_MAX).saturating_add(1 + reactors::count())
    }

    /// A place to run, if one is free and nobody waits for it.
    pub(super) fn place_now(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.running).try_acquire_owned().ok()
    }

    /// Waits for a place to run.
    pub(super) async fn place(&self) -> Option<OwnedSemaphorePermit> {
        // It is never closed.
        Arc::clone(&self.running).acquire_owned().await.ok()
    }
}

/// Sends the frames of one response.
pub(super) struct Sender {
    pub(super) wire: Wire,
    pub(super) window: Arc<Window>,
    pub(super) stall_timeout: Duration,
}

impl Sender {
    /// Sends a frame; a chunk waits for credit.
    ///
    /// # Errors
    /// `Cancelled` if it is not wanted any more, or waited for too long; `ConnectionFailed` if the client is gone.
    pub(super) async fn send(&self, frame: Outgoing) -> Result<()> {
        let cost = frame.cost();
        let wait = async {
            if cost > 0 {
                self.window.spend(cost).await?;
            }
            if self.wire.send(frame).await { Ok(()) } else { Err(gone()) }
        };
        tokio::time::timeout(self.stall_timeout, wait).await.unwrap_or_else(|_| Err(self.stalled()))
    }

    fn stalled(&self) -> Error {
        let message =
            format!("the client took nothing of the result for {} s", self.stall_timeout.as_secs_f64());
        Error::new(ErrorCode::Cancelled, message).hint("read results as they come, or ask for less")
    }
}

/// Sends the frames of one response from the thread that its statement runs on.
pub(super) struct BlockingSender {
    pub(super) sender: Sender,
    pub(super) workers: Workers,
    /// The place to run, given up while this waits.
    pub(super) place: Option<OwnedSemaphorePermit>,
    pub(super) runtime: Handle,
}

impl BlockingSender {
    /// As [`Sender::send`].
    ///
    /// # Errors
    /// As there; `ServerBusy` if too many wait already.
    pub(super) fn send(&mut self, frame: Outgoing) -> Result<()> {
        let cost = frame.cost();
        let has_credit = cost == 0 || self.sender.window.try_spend(cost)?;
        let frame = if has_credit {
            match self.sender.wire.try_send(frame) {
                Ok(()) => return Ok(()),
                Err((Refused::Closed, _)) => return Err(gone()),
                Err((Refused::Full, frame)) => frame.paid(),
            }
        } else {
            frame
        };
        let _stalled = self.workers.stalled.try_acquire().map_err(|_| busy())?;
        self.place = None;
        let sent = self.runtime.block_on(self.sender.send(frame));
        self.place = self.runtime.block_on(self.workers.place());
        sent
    }
}

fn gone() -> Error {
    Error::new(ErrorCode::ConnectionFailed, "the client is gone")
}

fn busy() -> Error {
    Error::new(ErrorCode::ServerBusy, "too many results wait for clients to read them")
        .hint("read results as they come; try again later")
}
