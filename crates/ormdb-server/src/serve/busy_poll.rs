//! Looks for the next request of a client for a moment before the thread goes to sleep: to be woken takes longer than many a request.
//!
//! Invariants: (1) only a client whose last request came within that moment is waited for so, once per answer; (2) while others wait so,
//!     for every second processor, nobody else does.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use tokio::io::AsyncBufRead;
use tokio::time::Instant;

use super::reactors;

/// Who looks at the moment.
#[derive(Debug)]
pub(super) struct BusyPolls {
    now: AtomicUsize,
    most: usize,
}

/// Whether the next request of a connection is worth it.
#[derive(Default)]
pub(super) struct BusyPoll {
    came_soon: bool,
}

impl BusyPoll {
    /// Returns when bytes are there or the moment is over; says when it began.
    pub(super) async fn wait(
        &self,
        read: &mut (impl AsyncBufRead + Unpin),
        (polls, moment): (&BusyPolls, Duration),
    ) -> Instant {
        let began = Instant::now();
        if !self.came_soon || moment.is_zero() {
            return began;
        }
        let Some(_place) = polls.enter() else { return began };
        while !has_bytes(read).await && began.elapsed() < moment {
            // Others have their turn: first of the threads, then of the tasks.
            std::thread::yield_now();
            tokio::task::yield_now().await;
        }
        began
    }

    /// Says when the next request was waited for, and is there.
    pub(super) fn came(&mut self, began: Instant, moment: Duration) {
        self.came_soon = began.elapsed() < moment;
    }
}

/// Whether there is something to read, be it the end.
async fn has_bytes(read: &mut (impl AsyncBufRead + Unpin)) -> bool {
    poll_fn(|context| Poll::Ready(Pin::new(&mut *read).poll_fill_buf(context).is_ready())).await
}

impl BusyPolls {
    /// Nobody looks yet.
    pub(super) fn new() -> BusyPolls {
        BusyPolls { now: AtomicUsize::new(0), most: reactors::count() / 2 }
    }

    fn enter(&self) -> Option<Place<'_>> {
        let place = Place(&self.now);
        (self.now.fetch_add(1, Ordering::Relaxed) < self.most).then_some(place)
    }
}

/// One that looks.
struct Place<'a>(&'a AtomicUsize);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
