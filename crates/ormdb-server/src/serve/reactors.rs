//! The threads that connections live on: each waits for the sockets of its connections, and runs what is over in a moment.
//!
//! Invariants: (1) a connection stays with its reactor: a request that is answered in a moment wakes no other thread; (2) what may wait
//! for others, or takes its time, runs on the threads of [`super::sender::Workers`].

use std::cell::Cell;
use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::runtime::{Builder, Handle};
use tokio::sync::watch;
use tokio::time::Instant;

/// Behind so many requests of one connection, with none of another between them, it is taken to be the only one that asks.
const ALONE_BEHIND: u32 = 16;
/// What takes longer than this, as a rule, does not hold up a reactor.
const MOMENT: Duration = Duration::from_millis(1);
/// How much of what was the rule goes into what is.
const WEIGHT_OF_BEFORE: u32 = 7;
/// Where a reactor was held up for longer, it is not for so long.
const REST: Duration = Duration::from_millis(100);

/// The reactors of a server. They end with it.
#[derive(Debug)]
pub(super) struct Reactors {
    /// What runs tasks on each.
    reactors: Vec<Handle>,
    next: AtomicUsize,
    /// Ends them when it is dropped.
    _stop: watch::Sender<()>,
}

/// How many there are: one for each processor.
pub(super) fn count() -> usize {
    std::thread::available_parallelism().map_or(1, NonZero::get)
}

impl Reactors {
    /// Starts them, on threads of the runtime that this is called in.
    ///
    /// # Errors
    /// Those of the system, where it has no more descriptors.
    pub(super) fn start() -> std::io::Result<Reactors> {
        let (stop, running) = watch::channel(());
        let reactors =
            (0..count()).map(|_| start_one(running.clone())).collect::<std::io::Result<Vec<_>>>()?;
        Ok(Reactors { reactors, next: AtomicUsize::new(0), _stop: stop })
    }

    /// Where the next connection is to live: they take turns.
    pub(super) fn next(&self) -> Handle {
        let number = self.next.fetch_add(1, Ordering::Relaxed) % self.reactors.len().max(1);
        self.reactors.get(number).cloned().unwrap_or_else(Handle::current)
    }
}

/// Starts a reactor, which ends when nobody is left who could say something there.
fn start_one(mut running: watch::Receiver<()>) -> std::io::Result<Handle> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let tasks = runtime.handle().clone();
    drop(tokio::task::spawn_blocking(move || {
        while runtime.block_on(running.changed()).is_ok() {}
        runtime.shutdown_background();
    }));
    Ok(tasks)
}

/// What a reactor knows of what it has done of late.
#[derive(Clone, Copy)]
struct Lately {
    /// The connection that asked last, and how many requests it sent without one of another between them.
    asked: (usize, u32),
    /// For how long it was held up at a time.
    held_up: Duration,
    /// Until when nothing may hold it up.
    free_until: Option<Instant>,
}

thread_local! {
    static LATELY: Cell<Lately> =
        const { Cell::new(Lately { asked: (0, 0), held_up: Duration::ZERO, free_until: None }) };
}

/// Says that a connection asks for something; whether it is the only one on this reactor that has of late.
pub(super) fn asks(connection: usize) -> bool {
    let mut lately = LATELY.get();
    let (last, times) = lately.asked;
    lately.asked = (connection, if last == connection { times.saturating_add(1) } else { 0 });
    LATELY.set(lately);
    lately.asked.1 >= ALONE_BEHIND
}

/// A reactor that is held up by what should be over in a moment.
pub(super) struct HeldUp {
    began: Instant,
}

impl HeldUp {
    /// Begins to hold up this reactor; none where too much has of late.
    pub(super) fn begin() -> Option<HeldUp> {
        let began = Instant::now();
        let rests = LATELY.get().free_until.is_some_and(|until| began < until);
        (!rests).then_some(HeldUp { began })
    }
}

impl Drop for HeldUp {
    fn drop(&mut self) {
        let mut lately = LATELY.get();
        let took = self.began.elapsed();
        lately.held_up = (lately.held_up * WEIGHT_OF_BEFORE + took) / (WEIGHT_OF_BEFORE + 1);
        lately.free_until = (lately.held_up > MOMENT).then(|| self.began + took + REST);
        LATELY.set(lately);
    }
}

#[cfg(test)]
mod tests;
