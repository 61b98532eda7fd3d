//! Where writes outside of transactions run: one behind the other on one thread, which makes all that they committed durable by one sync of
//! the log. A thread for each costs more than most writes.
//!
//! Invariants:
//! (1) one that waits for a lock or goes on for long holds up nobody: before it does, another thread takes the lane, and what is to be
//!     answered there;
//! (2) a write is answered when it is durable, and not before;
//! (3) whoever has the lane has a place among the workers, or is the reactor that its one write came to.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::OwnedSemaphorePermit;

use super::sender::Workers;

/// The most writes that wait for one sync.
const UNSYNCED_MAX: usize = 32;

/// Waits until a write is durable, and answers.
pub(super) type Answer = Box<dyn FnOnce() + Send>;

/// Carries out a write; one that failed is answered at once.
type Write = Box<dyn FnOnce() -> Option<Answer> + Send>;

/// The lane of a server.
#[derive(Clone, Debug)]
pub(crate) struct Lane(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    workers: Workers,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Write>,
    unsynced: Vec<Answer>,
    /// Whether a thread has the lane, or will.
    is_taken: bool,
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (waiting, unsynced) = (self.waiting.len(), self.unsynced.len());
        write!(f, "{waiting} writes wait, {unsynced} answers; taken: {}", self.is_taken)
    }
}

/// What comes next.
enum Next {
    Write(Write),
    Answers(Vec<Answer>),
    Nothing,
}

thread_local! {
    /// The lane that this thread has.
    static LANE: RefCell<Option<Lane>> = const { RefCell::new(None) };
}

/// Gives the lane that this thread has, if it has one, to another thread. To be called before it waits.
pub(super) fn pass_on() {
    if let Some(lane) = LANE.take() {
        lane.pass_on();
    }
}

fn has_lane() -> bool {
    LANE.with_borrow(Option::is_some)
}

impl Lane {
    /// A lane with nothing to do, whose threads have their places among these workers.
    pub(super) fn new(workers: Workers) -> Lane {
        Lane(Arc::new(Shared { state: Mutex::default(), workers }))
    }

    /// Has a write run behind those that wait. It is to call [`pass_on`] before it waits for others.
    pub(super) fn run(&self, write: impl FnOnce() -> Option<Answer> + Send + 'static) {
        let mut state = self.0.state.lock();
        state.waiting.push_back(Box::new(write));
        if !std::mem::replace(&mut state.is_taken, true) {
            drop(state);
            self.begin();
        }
    }

    /// Runs a write at once, on the thread that this is called on, if nobody has the lane. It is to wait for nobody, and not for its sync.
    pub(super) fn run_here<T>(&self, write: impl FnOnce() -> T) -> Option<T> {
        if std::mem::replace(&mut self.0.state.lock().is_taken, true) {
            return None;
        }
        LANE.set(Some(self.clone()));
        let written = write();
        pass_on();
        Some(written)
    }

    fn pass_on(self) {
        let mut state = self.0.state.lock();
        state.is_taken = !(state.waiting.is_empty() && state.unsynced.is_empty());
        if state.is_taken {
            drop(state);
            self.begin();
        }
    }

    /// Has a thread take the lane, as soon as it has a place.
    fn begin(&self) {
        let lane = self.clone();
        if let Some(place) = self.0.workers.place_now() {
            drop(self.0.workers.run(move || lane.go_on(Some(place))));
            return;
        }
        self.0.workers.spawn(async move {
            let place = lane.0.workers.place().await;
            let workers = lane.0.workers.clone();
            drop(workers.run(move || lane.go_on(place)));
        });
    }

    /// Runs what is there, until nothing is, or the lane was passed on.
    fn go_on(self, _place: Option<OwnedSemaphorePermit>) {
        LANE.set(Some(self.clone()));
        while has_lane() {
            match self.next() {
                Next::Write(write) => match write() {
                    Some(answer) if has_lane() => self.0.state.lock().unsynced.push(answer),
                    Some(answer) => answer(),
                    None => {}
                },
                Next::Answers(answers) => answers.into_iter().for_each(|answer| answer()),
                Next::Nothing => drop(LANE.take()),
            }
        }
    }

    fn next(&self) -> Next {
        let mut state = self.0.state.lock();
        if state.unsynced.len() < UNSYNCED_MAX
            && let Some(write) = state.waiting.pop_front()
        {
            return Next::Write(write);
        }
        if state.unsynced.is_empty() {
            state.is_taken = false;
            return Next::Nothing;
        }
        Next::Answers(std::mem::take(&mut state.unsynced))
    }
}

#[cfg(test)]
mod tests;
