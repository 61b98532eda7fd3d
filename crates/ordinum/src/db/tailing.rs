//! Following the log: which file comes next, how far it may be read, and who is told that there is more.
//!
//! Invariants:
//! (1) a log is read up to where it is durable, and no further;
//! (2) a log is opened under the lock of the manifest, which names it then; one that somebody has open when the manifest lets
//!     it go is removed, and not written over;
//! (3) the log that comes next begins where the one before ends, or behind numbers that a crash has lost. Logs are let go at
//!     or below the horizon only: so one that begins later, and above it, has nothing before it that is missing.

use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Unbounded};
use std::sync::Arc;
use std::time::Duration;

use super::Db;
use super::core::Core;
use crate::error::{Error, Result};
use crate::file_name::{self, FileKind, FileNumber};
use crate::history::{HistoryId, Position};
use crate::key::SeqNo;
use crate::log::{LogFollower, Segment};
use crate::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use crate::sync::{Condvar, Mutex};
use crate::tail::{Sought, Tail};

/// Tells those who wait at the end of the log that something changed: more is durable, or nothing will be.
#[derive(Debug, Default)]
pub(crate) struct Arrivals {
    changes: AtomicU64,
    waiting: AtomicUsize,
    lock: Mutex<()>,
    changed: Condvar,
}

impl Arrivals {
    pub(super) fn tell(&self) {
        self.changes.fetch_add(1, Ordering::SeqCst);
        if self.waiting.load(Ordering::SeqCst) > 0 {
            drop(self.lock.lock());
            self.changed.notify_all();
        }
    }

    /// The number of changes so far. What is looked at after this is not missed by [`Arrivals::wait`].
    pub(crate) fn now(&self) -> u64 {
        self.changes.load(Ordering::SeqCst)
    }

    /// Returns when there was a change since `seen`, or the time is over; whether there was one.
    pub(crate) fn wait(&self, seen: u64, timeout: Option<Duration>) -> bool {
        let mut guard = self.lock.lock();
        self.waiting.fetch_add(1, Ordering::SeqCst);
        if self.now() == seen {
            match timeout {
                Some(timeout) => drop(self.changed.wait_for(&mut guard, timeout)),
                None => self.changed.wait(&mut guard),
            }
        }
        self.waiting.fetch_sub(1, Ordering::SeqCst);
        self.now() != seen
    }
}

/// Which logs are open, and how often.
#[derive(Debug, Default)]
pub(crate) struct LogReaders {
    open: Mutex<BTreeMap<FileNumber, usize>>,
}

impl LogReaders {
    fn enter(self: &Arc<LogReaders>, number: FileNumber) -> Reading {
        *self.open.lock().entry(number).or_default() += 1;
        Reading { readers: Arc::clone(self), number }
    }

    /// Whether somebody has the log open.
    pub(super) fn has(&self, number: FileNumber) -> bool {
        self.open.lock().contains_key(&number)
    }
}

/// A log that is open; dropping it gives it back.
#[derive(Debug)]
struct Reading {
    readers: Arc<LogReaders>,
    number: FileNumber,
}

impl Drop for Reading {
    fn drop(&mut self) {
        let mut open = self.readers.open.lock();
        if let Some(count) = open.get_mut(&self.number) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.number);
            }
        }
    }
}

/// A log that is followed.
#[derive(Debug)]
pub(crate) struct FollowedLog {
    pub(crate) follower: LogFollower,
    reach: Reach,
    /// Until it is dropped, the log is not written over.
    _reading: Reading,
}

/// How far a log can be read.
#[derive(Debug)]
enum Reach {
    /// It was closed here.
    Closed(u64),
    /// It is written, or was when it was opened.
    Written(Arc<Segment>),
}

impl FollowedLog {
    /// Whether the log ends at its limit for good. To be asked before the limit.
    pub(crate) fn is_closed(&self) -> bool {
        match &self.reach {
            Reach::Closed(_) => true,
            Reach::Written(segment) => segment.is_closed(),
        }
    }

    /// The offset up to which the log can be read.
    pub(crate) fn limit(&self) -> u64 {
        match &self.reach {
            Reach::Closed(end) => *end,
            Reach::Written(segment) => segment.durable(),
        }
    }
}

/// Where somebody begins to read.
#[derive(Clone, Copy)]
enum Begin {
    /// Where the database is.
    Now,
    /// Behind the number.
    Place(SeqNo),
    /// In the log that comes next, behind the number.
    Next(FileNumber, SeqNo),
}

impl Core {
    /// The newest sequence number that is durable and that reads see.
    pub(super) fn newest_durable(&self) -> SeqNo {
        self.syncing.durable().min(self.visible())
    }

    /// The log to begin with behind this place.
    fn follow_from(&self, behind: SeqNo) -> Result<FollowedLog> {
        self.follow(Begin::Place(behind)).map(|(log, _)| log)
    }

    /// The log behind one that was read to its end.
    pub(crate) fn follow_next(&self, log: &FollowedLog, behind: SeqNo) -> Result<FollowedLog> {
        self.follow(Begin::Next(log.follower.number(), behind)).map(|(log, _)| log)
    }

    /// The log that has what comes from here on, and the place behind which it comes.
    fn follow(&self, from: Begin) -> Result<(FollowedLog, SeqNo)> {
        loop {
            // First, so that it is not held while the manifest is synced. It may be closed meanwhile: then once more.
            let written = Arc::clone(self.commits.lock().log.segment());
            let manifest = self.manifest.lock();
            let horizon = self.pins.oldest();
            let logs = &manifest.state().logs;
            // The last one that begins at or before the place: all before it end there at the latest.
            let log_of = |place: SeqNo| logs.iter().rfind(|(_, log)| log.base <= place);
            let behind_log = |number: FileNumber| (Excluded(number), Unbounded);
            let (found, behind) = match from {
                // Looked up under the lock of the manifest: no log that has what is behind it is let go meanwhile.
                Begin::Now => {
                    let newest = self.newest_durable();
                    (log_of(newest), newest)
                }
                Begin::Place(place) => (log_of(place), place),
                Begin::Next(number, place) => {
                    let next = logs.range(behind_log(number)).next();
                    (next.filter(|(_, log)| log.base <= place || log.base > horizon), place)
                }
            };
            let Some((&number, log)) = found else {
                let first = match from {
                    Begin::Now | Begin::Place(_) => logs.iter().next(),
                    Begin::Next(number, _) => logs.range(behind_log(number)).next(),
                };
                let oldest = first.map_or(horizon, |(_, log)| log.base.max(horizon));
                return Err(Error::TooOld { asked: behind, oldest });
            };
            let reach = match log.end {
                Some(end) => Reach::Closed(end),
                None if written.number == number => Reach::Written(written),
                None => continue,
            };
            let path = file_name::path(&self.directory, FileKind::Log, number);
            let file = self.options.fs.open(&path)?;
            let reading = self.log_readers.enter(number);
            drop(manifest);
            let follower = LogFollower::open(file, number, path)?;
            return Ok((FollowedLog { follower, reach, _reading: reading }, behind));
        }
    }

    pub(crate) fn wait_until_visible(&self, seqno: SeqNo) {
        self.publication.wait_for(seqno);
    }

    /// The history that the next commit belongs to.
    pub(super) fn history_id(&self) -> HistoryId {
        *self.history_id.lock()
    }

    fn diverged(&self, asked: Position) -> Error {
        Error::Diverged { asked, history: self.history_id(), durable: self.syncing.durable() }
    }
}

impl Db {
    /// What will be committed from here on, as by [`Db::tail`]: behind [`Tail::position`], which is what [`Db::position`] tells at
    /// the moment. Unlike the two one behind the other, this is never too late for the log.
    ///
    /// # Errors
    /// [`crate::Error::Closed`]; [`crate::Error::Io`] if the log cannot be opened.
    pub fn tail_from_now(&self) -> Result<Tail> {
        let core = self.core();
        core.check_not_closed()?;
        let (log, behind) = core.follow(Begin::Now)?;
        let mut tail = Tail::new(self.clone(), log, behind);
        tail.seek()?;
        Ok(tail)
    }

    /// What was committed behind the sequence number, in order, and what will be: batches with their headers, and created and
    /// dropped families. Only what is durable is told. `after` may be what [`Db::write`] or [`Db::last_seqno`] returned in this
    /// opening; a subscriber that comes back uses [`Db::tail_from`].
    ///
    /// A tail pins nothing. [`Options::retention`](crate::Options::retention) says how much is kept for those that read slowly or come
    /// back later; with none, the log goes when what it has is in tables.
    ///
    /// # Errors
    /// [`crate::Error::TooOld`], with the oldest that can be asked for, if the log does not reach back so far;
    /// [`crate::Error::Diverged`] if nothing with this number was ever seen.
    pub fn tail(&self, after: SeqNo) -> Result<Tail> {
        let core = self.core();
        core.check_not_closed()?;
        if after > core.visible() {
            let asked = Position { history: core.history_id(), seqno: after };
            return Err(core.diverged(asked));
        }
        let mut tail = Tail::new(self.clone(), core.follow_from(after)?, after);
        tail.seek()?;
        Ok(tail)
    }

    /// What was committed behind the position, in order, and what will be, as by [`Db::tail`]; for those who were told the position by
    /// [`Tail::position`], of this opening or an earlier one, of this database or of one that it goes on from.
    ///
    /// # Errors
    /// [`crate::Error::TooOld`], with the oldest that can be asked for, if the log does not reach back so far;
    /// [`crate::Error::Diverged`] if the position is none of this database: of another history, or of a future that was lost.
    pub fn tail_from(&self, position: Position) -> Result<Tail> {
        let core = self.core();
        core.check_not_closed()?;
        let behind = position.seqno;
        let is_known = core.manifest.lock().state().histories.has(position);
        if !is_known || behind > core.syncing.durable() {
            return Err(core.diverged(position));
        }
        let mut tail = Tail::new(self.clone(), core.follow_from(behind)?, behind);
        match tail.seek()? {
            Sought::Found | Sought::AtEnd => Ok(tail),
            Sought::LogEnds(last) => {
                // Between the end of a log and the beginning of the next one are numbers that a crash has lost.
                let next = core.follow_next(tail.log(), behind)?;
                if last < behind && behind < next.follower.base() {
                    return Err(core.diverged(position));
                }
                Ok(tail)
            }
        }
    }
}
