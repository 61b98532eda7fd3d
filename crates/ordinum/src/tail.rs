//! A tail: the commits behind a place in the history, in order, and those to come.
//!
//! Invariants:
//! (1) what a tail tells is durable, and visible to readers;
//! (2) nothing is left out: where the log does not reach back to the place, or goes on without what came next, the answer is
//!     an error;
//! (3) a tail holds one log open and one window of it in memory, and pins nothing: a log that it has open is not written
//!     over, but it may be removed, and those behind it too.

use std::time::Duration;

use crate::db::{Db, FollowedLog};
use crate::error::{Error, Result};
use crate::event::Event;
use crate::history::Position;
use crate::key::SeqNo;
use crate::log::Followed;

/// The commits of a database in order, from a place on. See [`Db::tail`].
///
/// It keeps the database open, as any handle does, and pins nothing: who reads more slowly than the database gives up what it
/// retains gets [`Error::TooOld`].
#[derive(Debug)]
pub struct Tail {
    db: Db,
    log: FollowedLog,
    /// The newest sequence number that was told, or where it began.
    behind: SeqNo,
    current: Option<Followed>,
}

/// Where looking for a place ended.
pub(crate) enum Sought {
    /// A record behind it follows.
    Found,
    /// Nothing is there yet.
    AtEnd,
    /// The log ends with this record, and others come behind it.
    LogEnds(SeqNo),
}

impl Tail {
    pub(crate) fn new(db: Db, log: FollowedLog, behind: SeqNo) -> Tail {
        Tail { db, log, behind, current: None }
    }

    pub(crate) fn log(&self) -> &FollowedLog {
        &self.log
    }

    /// Goes to the first record behind the place.
    pub(crate) fn seek(&mut self) -> Result<Sought> {
        loop {
            let closed = self.log.is_closed();
            let limit = self.log.limit();
            if self.log.follower.offset() >= limit {
                let last = self.log.follower.last();
                return Ok(if closed { Sought::LogEnds(last) } else { Sought::AtEnd });
            }
            let record = self.log.follower.read(limit)?;
            if record.seqno > self.behind {
                self.log.follower.step_back(&record);
                return Ok(Sought::Found);
            }
        }
    }

    /// The next event; waits until there is one.
    ///
    /// # Errors
    /// [`Error::TooOld`] if the database gave up what comes next; [`Error::Closed`]; [`Error::Poisoned`] if nothing
    /// will come any more; [`Error::Corrupt`] if the log is damaged there.
    #[allow(clippy::should_implement_trait, reason = "a tail lends what it tells")]
    pub fn next(&mut self) -> Result<Event<'_>> {
        self.wait(None)?;
        self.current().ok_or_else(|| Error::Bug { message: "a tail that waited has nothing".to_owned() })?
    }

    /// The next event, or none if none comes before the time is over.
    ///
    /// # Errors
    /// As [`Tail::next`].
    pub fn next_timeout(&mut self, timeout: Duration) -> Result<Option<Event<'_>>> {
        self.wait(Some(timeout))?;
        self.current().transpose()
    }

    /// The next event, or none if there is none yet.
    ///
    /// # Errors
    /// As [`Tail::next`].
    pub fn try_next(&mut self) -> Result<Option<Event<'_>>> {
        self.advance()?;
        self.current().transpose()
    }

    /// Behind which commit the next event comes: to go on there later, with [`Db::tail_from`].
    pub fn position(&self) -> Position {
        Position { history: self.db.history(), seqno: self.behind }
    }

    /// Goes to the next event; returns when there is one, or the time is over.
    fn wait(&mut self, timeout: Option<Duration>) -> Result<()> {
        let core = std::sync::Arc::clone(self.db.core());
        let until = timeout.map(|timeout| core.options.clock.monotonic().saturating_add(timeout));
        loop {
            let seen = core.arrivals.now();
            if self.advance()? {
                return Ok(());
            }
            core.check_poison()?;
            let left = until.map(|until| until.saturating_sub(core.options.clock.monotonic()));
            if left == Some(Duration::ZERO) || !core.arrivals.wait(seen, left) {
                return Ok(());
            }
        }
    }

    /// Goes to the next event, if it is there.
    fn advance(&mut self) -> Result<bool> {
        self.current = None;
        loop {
            self.db.core().check_not_closed()?;
            // Asked first: a log that is closed grows no more.
            let closed = self.log.is_closed();
            let limit = self.log.limit();
            if self.log.follower.offset() < limit {
                let record = self.log.follower.read(limit)?;
                if record.seqno <= self.behind {
                    continue;
                }
                self.behind = record.seqno;
                self.current = Some(record);
                // It is in the log before it is in the memtables.
                self.db.core().wait_until_visible(record.seqno);
                return Ok(true);
            }
            if !closed {
                return Ok(false);
            }
            self.log = self.db.core().follow_next(&self.log, self.behind)?;
        }
    }

    fn current(&self) -> Option<Result<Event<'_>>> {
        let record = self.current.as_ref()?;
        let event = Event::decode(record.kind, record.seqno, self.log.follower.payload());
        let damaged = || {
            let (file, offset) = (self.log.follower.path(), record.offset);
            Error::corrupt(file, offset, "the payload of a record", "other bytes")
        };
        Some(event.ok_or_else(damaged))
    }
}

#[cfg(test)]
mod tests;
