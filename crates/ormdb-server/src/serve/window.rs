//! How much of a response may be on its way to its reader.
//!
//! A chunk is sent while there is credit, and costs its bytes; the last one may cost more than is left. The client gives credit back when
//! it has taken chunks.
//!
//! Invariant: there is never more credit than the window: what of one response the server has sent and the client has not taken is
//! bounded by the window and one chunk.

use ormdb_proto::frame::violation;
use ormdb_proto::{Error, ErrorCode, Result};
use parking_lot::Mutex;
use tokio::sync::Notify;

/// The window of one response.
#[derive(Debug)]
pub(super) struct Window {
    state: Mutex<State>,
    /// Told when there is credit again, or none will come; one waits.
    changed: Notify,
    /// Its bytes; 0 for no bound.
    bytes: u32,
}

#[derive(Debug)]
struct State {
    /// Below zero where the last chunk cost more than there was.
    credit: i64,
    is_closed: bool,
}

impl Window {
    /// A window of so many bytes, all of it credit; 0 for no bound.
    pub(super) fn new(bytes: u32) -> Window {
        let state = Mutex::new(State { credit: i64::from(bytes), is_closed: false });
        Window { state, changed: Notify::new(), bytes }
    }

    /// Takes the client's credit.
    ///
    /// # Errors
    /// `ProtocolViolation` if it is more than was spent.
    pub(super) fn grant(&self, bytes: u32) -> Result<()> {
        let mut state = self.state.lock();
        let credit = state.credit.saturating_add(i64::from(bytes));
        if credit > i64::from(self.bytes) {
            return Err(violation("a client gives more credit than its window has"));
        }
        state.credit = credit;
        drop(state);
        self.changed.notify_one();
        Ok(())
    }

    /// Spends credit for a chunk of so many bytes, if there is any.
    ///
    /// # Errors
    /// `Cancelled` if the response is not wanted any more.
    pub(super) fn try_spend(&self, bytes: u32) -> Result<bool> {
        let mut state = self.state.lock();
        if state.is_closed {
            return Err(Error::new(ErrorCode::Cancelled, "the request was cancelled"));
        }
        if self.bytes == 0 {
            return Ok(true);
        }
        if state.credit <= 0 {
            return Ok(false);
        }
        state.credit -= i64::from(bytes);
        Ok(true)
    }

    /// Spends credit for a chunk of so many bytes, and waits for it.
    ///
    /// # Errors
    /// As [`Window::try_spend`].
    pub(super) async fn spend(&self, bytes: u32) -> Result<()> {
        while !self.try_spend(bytes)? {
            // What was told since the look is not lost.
            self.changed.notified().await;
        }
        Ok(())
    }

    /// Waits until there is credit.
    ///
    /// # Errors
    /// As [`Window::try_spend`].
    pub(super) async fn has_credit(&self) -> Result<()> {
        while !self.try_spend(0)? {
            self.changed.notified().await;
        }
        Ok(())
    }

    /// Completes when the response is not wanted any more.
    pub(super) async fn closed(&self) -> Error {
        loop {
            if let Err(error) = self.try_spend(0) {
                return error;
            }
            self.changed.notified().await;
        }
    }

    /// Ends the waiting: the response is not wanted any more.
    pub(super) fn close(&self) {
        self.state.lock().is_closed = true;
        self.changed.notify_one();
    }
}
