//! Who flushes and compacts, and who waits for it.
//!
//! Invariants:
//! (1) in the manual mode no thread is started: a write that finds no room does the work itself;
//! (2) a thread stops when the database is closed or poisoned, and is joined before the directory's lock is given back.

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
                for step in [Core::flush_step, Core::compact_step] {
                    let core = Arc::clone(core);
                    running.push(std::thread::spawn(move || core.work(step)));
                }
            }
        }
        threads
    }

    /// Stops the threads, and returns when they have ended.
    pub(super) fn stop(&self, core: &Core) {
        core.stopping.store(true, Ordering::Release);
        core.room.changed();
        let running = std::mem::take(&mut *self.running.lock());
        for thread in running {
            // A thread that panicked has nothing left to stop.
            drop(thread.join());
        }
    }
}

impl Core {
    /// The loop of a thread: works while there is work, and sleeps until something changes.
    fn work(&self, step: impl Fn(&Core) -> Result<bool>) {
        loop {
            let seen = self.room.now();
            if self.stopping.load(Ordering::Acquire) || self.check_writable().is_err() {
                return;
            }
            match step(self) {
                Ok(true) => {}
                // Work that failed has poisoned the database: writers learn the cause.
                Ok(false) | Err(_) => self.room.wait(seen),
            }
        }
    }

    /// One piece of work; whether there was any.
    pub(super) fn run_step(&self) -> Result<bool> {
        self.check_writable()?;
        Ok(self.flush_step()? || self.compact_step()?)
    }

    /// Returns when the families of the batch have room for it.
    pub(super) fn wait_for_room(&self, batch: &Batch) -> Result<()> {
        for share in batch.shares() {
            let family = &share.family.family;
            let view = self.view(family)?;
            if is_full(&view, &family.options) {
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
            if !is_full(&*self.view(family)?, &family.options) {
                return Ok(());
            }
            match self.options.background {
                Background::Threads => self.room.wait(seen),
                Background::Manual => {
                    if !self.run_step()? && is_full(&*self.view(family)?, &family.options) {
                        return Err(Error::Bug {
                            message: "a write waits for work that nobody has".to_owned(),
                        });
                    }
                }
            }
        }
    }
}

fn is_full(view: &SuperVersion, options: &FamilyOptions) -> bool {
    view.sealed.len() >= options.immutable_memtables_max
        || view.levels.level(0).len() >= options.level0_tables_max
}
