//! Who flushes and compacts, and who waits for it.
//!
//! Invariants:
//! (1) in the manual mode no thread is started: a write that finds no room does the work itself;
//! (2) work that fails before it changed anything is tried again, after a pause that grows up to a bound; a write that waits
//!     for it meanwhile is refused with the cause, and nobody hangs;
//! (3) a thread stops when the database is closed or poisoned, and is joined before the directory's lock is given back.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use super::core::Core;
use crate::compaction::Mood;
use crate::error::{Error, Result};
use crate::listener::Notice;
use crate::options::Background;
use crate::sync::atomic::Ordering;
use crate::sync::{Condvar, Mutex};

/// How long a thread without work waits before it looks whether little is written.
const QUIET: Duration = Duration::from_millis(200);
/// Little is written if the log grows by no more than this meanwhile.
const QUIET_LOG_BYTES: u64 = 128 << 10;

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
    pub(super) fn now(&self) -> u64 {
        *self.changes.lock()
    }

    /// Returns when there was a change since `seen`.
    pub(super) fn wait(&self, seen: u64) {
        let mut changes = self.changes.lock();
        while *changes == seen {
            self.changed.wait(&mut changes);
        }
    }

    /// Returns when there was a change since `seen`, or after some time without one.
    fn wait_a_while(&self, seen: u64) {
        let mut changes = self.changes.lock();
        if *changes == seen {
            self.changed.wait_for(&mut changes, QUIET);
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

    pub(super) fn of(&self, work: Work) -> Option<String> {
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
                let flusher = Arc::clone(core);
                running.push(std::thread::spawn(move || flusher.flush_all_the_time()));
                for _ in 0..core.options.compaction_threads {
                    let compactor = Arc::clone(core);
                    running.push(std::thread::spawn(move || {
                        step_back(compactor.options.compaction_nice);
                        compactor.compact_all_the_time();
                    }));
                }
                let syncer = Arc::clone(core);
                running.push(std::thread::spawn(move || syncer.sync_in_time()));
                if core.store.notices.are_heard() {
                    let core = Arc::clone(core);
                    let stopping = move |core: &Core| core.stopping.load(Ordering::Acquire);
                    let tell = move || core.store.notices.tell_until(|| stopping(&core));
                    running.push(std::thread::spawn(tell));
                }
            }
        }
        threads
    }

    /// Stops the threads, and returns when they have ended.
    pub(super) fn stop(&self, core: &Core) {
        core.stop_work();
        core.deadline.wake();
        core.store.notices.wake();
        let running = std::mem::take(&mut *self.running.lock());
        for thread in running {
            // A thread that panicked has nothing left to stop.
            drop(thread.join());
        }
        core.store.notices.tell();
    }
}

/// Lowers the priority of this thread, and of those that it starts, by what nice(2) counts. One that keeps its priority works
/// as well, so that a refusal is nothing to tell.
#[cfg(target_os = "linux")]
fn step_back(nice: u8) {
    if nice > 0
        && let Ok(priority) = rustix::process::getpriority_process(None)
    {
        // For Linux no process is this thread alone; other systems would take the whole process.
        rustix::process::setpriority_process(None, priority.saturating_add(i32::from(nice))).ok();
    }
}

#[cfg(not(target_os = "linux"))]
fn step_back(_nice: u8) {}

impl Core {
    /// The loop of the thread that flushes: works while there is work, and sleeps until something changes.
    fn flush_all_the_time(&self) {
        loop {
            let seen = self.room.now();
            if self.must_end() {
                return;
            }
            match self.attempt(Work::Flush, Core::flush_step) {
                Ok(true) => {}
                Ok(false) => self.room.wait(seen),
                Err(_) => self.pause(Work::Flush),
            }
        }
    }

    /// The loop of a thread that compacts. While there is nothing urgent to do it looks from time to time whether little
    /// is written, and whether something has expired.
    fn compact_all_the_time(&self) {
        let mut mood = Mood::Busy;
        loop {
            let seen = self.room.now();
            if self.must_end() {
                return;
            }
            match self.attempt(Work::Compact, |core| core.compact_step(mood)) {
                Ok(true) => {}
                Ok(false) => {
                    // A failure leaves things as they are: whoever writes next meets it.
                    if mood == Mood::Quiet && self.trim_log().is_err() {
                        self.room.changed();
                    }
                    let log_bytes = || self.counters.log_bytes.get();
                    let before = log_bytes();
                    self.room.wait_a_while(seen);
                    let is_quiet = self.room.now() == seen && log_bytes() - before <= QUIET_LOG_BYTES;
                    mood = if is_quiet { Mood::Quiet } else { Mood::Busy };
                }
                Err(_) => self.pause(Work::Compact),
            }
        }
    }

    fn must_end(&self) -> bool {
        self.stopping.load(Ordering::Acquire) || self.check_writable().is_err()
    }

    /// One piece of this work; whether there was any. A failure is remembered until it succeeds.
    fn attempt(&self, work: Work, step: impl FnOnce(&Core) -> Result<bool>) -> Result<bool> {
        let done = step(self);
        match &done {
            Ok(_) => self.failures.clear(work),
            Err(Error::Closed | Error::Poisoned { .. }) => {}
            Err(error) => {
                self.failures.note(work, error);
                self.store.notices.add(|| Notice::BackgroundFailed { cause: error.to_string() });
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
        let compact = |core: &Core| Ok(core.compact_step(Mood::Busy)? || core.compact_step(Mood::Quiet)?);
        Ok(self.sync_step()?
            || self.attempt(Work::Flush, Core::flush_step)?
            || self.attempt(Work::Compact, compact)?)
    }
}

#[cfg(test)]
mod tests;
