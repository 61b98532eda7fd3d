//! What the database tells a listener about its own work.
//!
//! Invariants:
//! (1) the listener is called with no lock of the database held: what happens is queued where it happens, and told by a
//!     thread of its own, or with [`crate::Background::Manual`] at the end of the call in which it happened;
//! (2) it is told in the order in which it happened, one notice at a time;
//! (3) the queue is bounded: who listens too slowly is told how much was lost.

use std::collections::VecDeque;
use std::fmt::Debug;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::sync::{Condvar, Mutex};

/// The most notices that wait to be told.
const NOTICES_MAX: usize = 4096;

/// How much writers to a family are held back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stall {
    /// Not at all.
    None,
    /// They are slowed down.
    Slowed,
    /// They wait.
    Stopped,
}

/// Something that the database did, or that happened to it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// A memtable is being written to a table.
    FlushBegun {
        /// The column family.
        family: String,
        /// The entries of the memtable.
        entries: u64,
    },
    /// It was, and can be read there.
    FlushEnded {
        /// The column family.
        family: String,
        /// The table.
        table: PathBuf,
        /// The entries that it has.
        entries: u64,
        /// The bytes of the table and of the values beside it.
        bytes: u64,
        /// How long it took.
        took: Duration,
    },
    /// Tables are being compacted.
    CompactionBegun {
        /// The column family.
        family: String,
        /// Which, and why, in one line.
        reason: String,
        /// How many tables.
        tables: usize,
        /// Their bytes.
        bytes: u64,
    },
    /// They were.
    CompactionEnded {
        /// The column family.
        family: String,
        /// Which, and why, in one line.
        reason: String,
        /// How many tables there are in their place; none also if a reader came meanwhile that needs the old ones.
        tables: usize,
        /// The bytes of those.
        bytes: u64,
        /// How long it took.
        took: Duration,
    },
    /// Writers are held back more, or less, than before.
    StallChanged {
        /// The column family.
        family: String,
        /// How much from now on.
        stall: Stall,
    },
    /// Work in the background failed; it is tried again.
    BackgroundFailed {
        /// Why.
        cause: String,
    },
    /// Writes are stopped until the database is opened again.
    Poisoned {
        /// Why.
        cause: String,
    },
    /// A table or a value-log file was begun.
    FileCreated {
        /// The file.
        file: PathBuf,
    },
    /// A table or a value-log file was removed.
    FileDeleted {
        /// The file.
        file: PathBuf,
    },
    /// A log was closed, and the next one begun.
    LogRotated {
        /// The new one.
        log: PathBuf,
    },
    /// Notices that were not told, because too many waited.
    Lost {
        /// How many.
        count: u64,
    },
}

/// Hears what the database does.
///
/// It may call the database, and may take its time: nobody waits for it but the notices behind. It must not close the
/// database, or drop its last handle.
pub trait Listener: Debug + Send + Sync {
    /// Called for each notice, in order.
    fn notice(&self, notice: &Notice);
}

/// The notices that wait, and the one who hears them.
#[derive(Debug)]
pub(crate) struct Notices {
    listener: Option<Arc<dyn Listener>>,
    queue: Mutex<Queue>,
    changed: Condvar,
    /// Held while the listener is called: it hears one notice at a time.
    telling: Mutex<()>,
}

#[derive(Debug, Default)]
struct Queue {
    notices: VecDeque<Notice>,
    lost: u64,
}

impl Notices {
    pub(crate) fn new(listener: Option<Arc<dyn Listener>>) -> Notices {
        let (queue, changed, telling) = (Mutex::default(), Condvar::new(), Mutex::default());
        Notices { listener, queue, changed, telling }
    }

    /// Whether somebody listens.
    pub(crate) fn are_heard(&self) -> bool {
        self.listener.is_some()
    }

    /// Queues what `notice` returns, if somebody listens.
    pub(crate) fn add(&self, notice: impl FnOnce() -> Notice) {
        if !self.are_heard() {
            return;
        }
        let notice = notice();
        let mut queue = self.queue.lock();
        if queue.notices.len() < NOTICES_MAX {
            queue.notices.push_back(notice);
        } else {
            queue.lost += 1;
        }
        self.changed.notify_all();
    }

    /// Tells all that wait. With no lock of the database held.
    pub(crate) fn tell(&self) {
        let Some(listener) = &self.listener else { return };
        // A listener that calls the database comes here again: those who tell tell the rest.
        let Some(_telling) = self.telling.try_lock() else { return };
        while let Some(notice) = self.next() {
            listener.notice(&notice);
        }
    }

    /// Tells what comes until `stop` says so and [`Notices::wake`] was called.
    pub(crate) fn tell_until(&self, stop: impl Fn() -> bool) {
        while !stop() {
            self.tell();
            let mut queue = self.queue.lock();
            if queue.notices.is_empty() && queue.lost == 0 && !stop() {
                self.changed.wait(&mut queue);
            }
        }
    }

    /// Makes the one who tells look whether it is to stop.
    pub(crate) fn wake(&self) {
        drop(self.queue.lock());
        self.changed.notify_all();
    }

    fn next(&self) -> Option<Notice> {
        let mut queue = self.queue.lock();
        let next = queue.notices.pop_front();
        next.or_else(|| match std::mem::take(&mut queue.lost) {
            0 => None,
            count => Some(Notice::Lost { count }),
        })
    }
}

#[cfg(test)]
mod tests;
