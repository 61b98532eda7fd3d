//! Syncs that are due at a time: what is written with [`Durability::Interval`].
//!
//! Invariants:
//! (1) the sync begins no later than the earliest moment that a write since the last one asked for;
//! (2) a write of a manual database that comes behind that moment syncs itself.

use std::sync::Arc;
use std::time::Duration;

use super::core::Core;
use crate::error::Result;
use crate::key::SeqNo;
use crate::options::Background;
use crate::sync::atomic::Ordering;
use crate::sync::{Condvar, Mutex};

/// The longest time that the thread does not look whether the database closes.
const PATIENCE: Duration = Duration::from_millis(10);

/// When the next sync is due.
#[derive(Debug, Default)]
pub(super) struct Deadline {
    due: Mutex<Option<Due>>,
    changed: Condvar,
}

#[derive(Clone, Copy, Debug)]
struct Due {
    /// On the monotonic clock.
    at: Duration,
    through: SeqNo,
}

impl Deadline {
    /// Asks for a sync through the commit at this moment or before.
    fn ask(&self, at: Duration, through: SeqNo) {
        let mut due = self.due.lock();
        let before = due.unwrap_or(Due { at, through });
        if due.is_none() {
            self.changed.notify_all();
        }
        *due = Some(Due { at: before.at.min(at), through: before.through.max(through) });
    }

    /// Returns when a sync is asked for, with its moment; none once `stop` says so and [`Deadline::wake`] was called.
    fn wait(&self, stop: impl Fn() -> bool) -> Option<Duration> {
        let mut due = self.due.lock();
        loop {
            if stop() {
                return None;
            }
            if let Some(due) = *due {
                return Some(due.at);
            }
            self.changed.wait(&mut due);
        }
    }

    /// Takes what is due at this moment.
    fn take(&self, now: Duration) -> Option<SeqNo> {
        self.due.lock().take_if(|due| due.at <= now).map(|due| due.through)
    }

    /// Makes the thread look whether it is to stop.
    pub(super) fn wake(&self) {
        drop(self.due.lock());
        self.changed.notify_all();
    }
}

impl Core {
    /// Makes the commit durable when the interval has passed, or before.
    pub(super) fn sync_within(&self, interval: Duration, seqno: SeqNo) -> Result<()> {
        self.hand_over()?;
        let now = self.options.clock.monotonic();
        self.deadline.ask(now.saturating_add(interval), seqno);
        match self.options.background {
            Background::Threads => Ok(()),
            Background::Manual => self.sync_step().map(drop),
        }
    }

    /// Does the sync that is due; whether there was one.
    pub(super) fn sync_step(&self) -> Result<bool> {
        match self.deadline.take(self.options.clock.monotonic()) {
            Some(through) => self.sync_through(through).map(|()| true),
            None => Ok(false),
        }
    }

    /// The loop of the thread that syncs in time.
    pub(super) fn sync_in_time(self: &Arc<Self>) {
        let stopping = || self.stopping.load(Ordering::Acquire) || self.check_writable().is_err();
        while let Some(at) = self.deadline.wait(stopping) {
            let now = self.options.clock.monotonic();
            if now < at {
                self.options.clock.wait(PATIENCE.min(at - now));
                continue;
            }
            // A sync that fails stops writes for good, and with them this thread.
            drop(self.sync_step());
        }
    }
}
