//! A place of the engine at which a test holds a thread, so that it sees a state that lasts no time otherwise.

use crate::sync::{Condvar, Mutex};

/// Who comes by goes on, unless a test wants to hold the next one.
#[derive(Debug, Default)]
pub(crate) struct SyncPoint {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Open,
    /// The next one is held.
    Wanted,
    /// One is held.
    Held,
}

impl SyncPoint {
    /// Has the next thread that comes by stay here.
    pub(crate) fn hold_next(&self) {
        *self.state.lock() = State::Wanted;
    }

    /// Returns when a thread is held here.
    pub(crate) fn until_held(&self) {
        let mut state = self.state.lock();
        while *state != State::Held {
            self.changed.wait(&mut state);
        }
    }

    /// Lets the thread go on that is held here.
    pub(crate) fn let_go(&self) {
        *self.state.lock() = State::Open;
        self.changed.notify_all();
    }

    /// Comes by.
    pub(super) fn pass(&self) {
        let mut state = self.state.lock();
        if *state != State::Wanted {
            return;
        }
        *state = State::Held;
        self.changed.notify_all();
        while *state == State::Held {
            self.changed.wait(&mut state);
        }
    }
}
