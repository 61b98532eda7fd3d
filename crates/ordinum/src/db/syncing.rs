//! How far the log is durable, and who syncs it: one of those who wait syncs for all.

use std::sync::Arc;

use super::core::Core;
use crate::error::{Error, Result};
use crate::key::SeqNo;
use crate::log::Segment;
use crate::planted::{Bug, planted};
use crate::sync::atomic::Ordering;
use crate::sync::{Condvar, Mutex, MutexGuard};

/// How far the log is durable, and those who wait for that.
#[derive(Debug)]
pub(super) struct Syncing {
    state: Mutex<SyncState>,
    changed: Condvar,
}

#[derive(Debug)]
struct SyncState {
    durable: SeqNo,
    /// Whether one of those who wait is syncing.
    led: bool,
}

impl Syncing {
    pub(super) fn new(durable: SeqNo) -> Syncing {
        Syncing { state: Mutex::new(SyncState { durable, led: false }), changed: Condvar::new() }
    }

    fn advance(&self, durable: SeqNo) {
        let mut state = self.state.lock();
        state.durable = state.durable.max(durable);
        self.changed.notify_all();
    }
}

impl Syncing {
    /// The newest sequence number that is durable.
    pub(super) fn durable(&self) -> SeqNo {
        self.state.lock().durable
    }
}

impl Core {
    /// Makes the log durable through the commit.
    pub(crate) fn sync_through(&self, seqno: SeqNo) -> Result<()> {
        let mut state = self.syncing.state.lock();
        loop {
            if state.durable >= seqno {
                return Ok(());
            }
            if let Some(cause) = self.poison.get() {
                return Err(Error::Poisoned { cause: cause.clone() });
            }
            if state.led {
                self.syncing.changed.wait(&mut state);
                continue;
            }
            state.led = true;
            let result = MutexGuard::unlocked(&mut state, || self.lead_sync());
            state.led = false;
            if let Ok(through) = result {
                state.durable = state.durable.max(through);
            }
            self.syncing.changed.notify_all();
            result?;
        }
    }

    /// Syncs the log as far as it is written, and returns the newest sequence number in it.
    fn lead_sync(&self) -> Result<SeqNo> {
        let (segment, end, through) = {
            let mut commits = self.commits.lock();
            self.check_poison()?;
            commits.log.hand_over().map_err(|error| self.poisoned_by(error))?;
            (Arc::clone(commits.log.segment()), commits.log.end(), commits.last)
        };
        let begun = self.options.clock.monotonic();
        self.sync_log(&segment, end, through)?;
        self.histograms.sync.record(self.options.clock.monotonic().saturating_sub(begun));
        self.arrivals.tell();
        self.counters.syncs.fetch_add(1, Ordering::Relaxed);
        Ok(through)
    }

    /// Makes the log durable up to `end`, where it goes through the commit. The log says so last: who is told of a commit by it
    /// has a position that is durable here.
    pub(super) fn sync_log(&self, segment: &Segment, end: u64, through: SeqNo) -> Result<()> {
        if planted(Bug::PublishBeforeSync) {
            self.syncing.advance(through);
            segment.attest(end);
        }
        match segment.sync() {
            Err(_) if planted(Bug::IgnoreFailedSync) => {}
            synced => synced.map_err(|error| self.poisoned_by(error))?,
        }
        self.syncing.advance(through);
        segment.attest(end);
        Ok(())
    }

    pub(crate) fn check_poison(&self) -> Result<()> {
        self.poison.get().map_or(Ok(()), |cause| Err(Error::Poisoned { cause: cause.clone() }))
    }
}
