//! Who flushes and compacts, and who waits for it.
//!
//! Invariants:
//! (1) in the manual mode no thread is started: a write that finds no room does the work itself;
//! (2) work that fails before it changed anything is tried again, after a pause that grows up to a bound; a write that waits
//!     for it meanwhile is refused with the cause, and nobody hangs;
//! (3) a thread stops when the database is closed or poisoned, and is joined before the directory's lock is given back.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use super::core::Core;
use crate::batch::Batch;
use crate::error::{Error, Result};
use crate::family::Family;
use crate::options::{Background, FamilyOptions};
use crate::super_version::SuperVersion;

/// How long a write is held up while level 0 is long.
const SLOWDOWN: Duration = Duration::from_millis(1);

/// Tells those who wait that something changed: a memtable was sealed, a flush ended, writes were stopped.
#[derive(Debug, Default)]
pub(super) struct Room {
    changes: Mutex<u64>,
    changed: Condvar,
}

impl Room {
    pub(super) fn changed(&self) {
        *self.changes.lock() += 1;
        self.changed.notify_all();
    }

    /// The number of changes so far. What is looked at after this is not missed by [`Room::wait`].
    fn now(&self) -> u64 {
        *self.changes.lock()
    }

    /// Returns when there was a change since `seen`.
    fn wait(&self, seen: u64) {
        let mut changes = self.changes.lock();
        while *changes == seen {
            self.changed.wait(&mut changes);
        }
    }
}

/// What is done in the background.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Work {
    /// Memtables to tables.
    Flush = 0,
    /// Tables to deeper levels.
    Compact = 1,
}

/// The shortest and the longest pause after work that failed.
const PAUSE_MIN: Duration = Duration::from_millis(10);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// The work that failed when it was last tried.
#[derive(Debug, Default)]
pub(crate) struct Failures {
    failures: Mutex<[Option<Failure>; 2]>,
}

#[derive(Debug)]
struct Failure {
    cause: String,
    /// How often it failed in a row.
    times: u32,
}

impl Failures {
    fn note(&self, work: Work, error: &Error) {
        let failure = &mut self.failures.lock()[work as usize];
        let times = failure.as_ref().map_or(1, |before| before.times.saturating_add(1));
        *failure = Some(Failure { cause: error.to_string(), times });
    }

    fn clear(&self, work: Work) {
        self.failures.lock()[work as usize] = None;
    }

    fn of(&self, work: Work) -> Option<String> {
        self.failures.lock()[work as usize].as_ref().map(|failure| failure.cause.clone())
    }

    fn pause(&self, work: Work) -> Duration {
        let times = self.failures.lock()[work as usize].as_ref().map_or(0, |failure| failure.times);
        PAUSE_MIN.saturating_mul(1 << times.min(10)).min(PAUSE_MAX)
    }

    /// Why any work failed when it was last tried.
    pub(crate) fn last(&self) -> Option<String> {
        self.failures.lock().iter().flatten().map(|failure| failure.cause.clone()).next()
    }
}

/// The threads of a database.
#[derive(Debug, Default)]
pub(super) struct Threads {
    running: Mutex<Vec<JoinHandle<()>>>,
}

impl Threads {
    #[allow(clippy::disallowed_methods, reason = "this is the seam: threads are started and joined here")]
    pub(super) fn start(core: &Arc<Core>) -> Threads {
        let threads = Threads::default();
        match core.options.background {
            Background::Manual => {}
            Background::Threads => {
                let mut running = threads.running.lock();
                for work in [Work::Flush, Work::Compact] {
                    let core = Arc::clone(core);
                    running.push(std::thread::spawn(move || core.work(work)));
                }
                let core = Arc::clone(core);
                running.push(std::thread::spawn(move || core.sync_in_time()));
            }
        }
        threads
    }

    /// Stops the threads, and returns when they have ended.
    pub(super) fn stop(&self, core: &Core) {
        core.stopping.store(true, Ordering::Release);
        core.room.changed();
        core.deadline.wake();
        let running = std::mem::take(&mut *self.running.lock());
        for thread in running {
            // A thread that panicked has nothing left to stop.
            drop(thread.join());
        }
    }
}

impl Core {
    /// The loop of a thread: works while there is work, and sleeps until something changes.
    fn work(&self, work: Work) {
        loop {
            let seen = self.room.now();
            if self.stopping.load(Ordering::Acquire) || self.check_writable().is_err() {
                return;
            }
            match self.attempt(work) {
                Ok(true) => {}
                Ok(false) => self.room.wait(seen),
                Err(_) => self.pause(work),
            }
        }
    }

    /// One piece of this work; whether there was any. A failure is remembered until it succeeds.
    fn attempt(&self, work: Work) -> Result<bool> {
        let done = match work {
            Work::Flush => self.flush_step(),
            Work::Compact => self.compact_step(),
        };
        match &done {
            Ok(_) => self.failures.clear(work),
            Err(Error::Closed | Error::Poisoned { .. }) => {}
            Err(error) => {
                self.failures.note(work, error);
                self.room.changed();
            }
        }
        done
    }

    /// Returns when the work that failed is to be tried again, or the database closes.
    fn pause(&self, work: Work) {
        let until = self.options.clock.monotonic() + self.failures.pause(work);
        while !self.stopping.load(Ordering::Acquire) && self.options.clock.monotonic() < until {
            self.options.clock.wait(PAUSE_MIN);
        }
    }

    /// One piece of work; whether there was any.
    pub(super) fn run_step(&self) -> Result<bool> {
        self.check_writable()?;
        Ok(self.sync_step()? || self.attempt(Work::Flush)? || self.attempt(Work::Compact)?)
    }

    /// Returns when the families of the batch have room for it.
    pub(super) fn wait_for_room(&self, batch: &Batch) -> Result<()> {
        for share in batch.shares() {
            let family = &share.family.family;
            let view = self.view(family)?;
            if waits_for(&view, &family.options).is_some() {
                drop(view);
                self.counters.stalls.fetch_add(1, Ordering::Relaxed);
                self.stall(family)?;
            } else if view.levels.level(0).len() >= family.options.level0_tables_slowdown {
                drop(view);
                self.counters.slowdowns.fetch_add(1, Ordering::Relaxed);
                self.options.clock.wait(SLOWDOWN);
            }
        }
        Ok(())
    }

    fn stall(&self, family: &Family) -> Result<()> {
        loop {
            let seen = self.room.now();
            self.check_writable()?;
            let Some(work) = waits_for(&*self.view(family)?, &family.options) else { return Ok(()) };
            match self.options.background {
                Background::Threads => match self.failures.of(work) {
                    Some(cause) => return Err(Error::Stopped { cause }),
                    None => self.room.wait(seen),
                },
                Background::Manual => {
                    if !self.run_step().map_err(stopped)? && self.waits(family)? {
                        return Err(Error::Bug {
                            message: "a write waits for work that nobody has".to_owned(),
                        });
                    }
                }
            }
        }
    }

    fn waits(&self, family: &Family) -> Result<bool> {
        Ok(waits_for(&*self.view(family)?, &family.options).is_some())
    }
}

/// What a write is told that had to wait for work which failed.
fn stopped(error: Error) -> Error {
    match error {
        Error::Closed | Error::Poisoned { .. } | Error::Bug { .. } => error,
        error => Error::Stopped { cause: error.to_string() },
    }
}

/// The work that a write to the family must wait for, if there is any.
fn waits_for(view: &SuperVersion, options: &FamilyOptions) -> Option<Work> {
    if view.sealed.len() >= options.immutable_memtables_max {
        return Some(Work::Flush);
    }
    (view.levels.level(0).len() >= options.level0_tables_max).then_some(Work::Compact)
}
