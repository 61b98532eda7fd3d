//! What a subscriber has not taken yet: one notice, to which everything that comes is joined.

use std::collections::BTreeSet;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use ormdb_proto::schema::EntityId;
use ormdb_proto::{Error, Result};
use parking_lot::{Condvar, Mutex};

use super::{Version, Written};

/// The mailbox of one subscriber.
#[derive(Debug)]
pub(super) struct Mailbox {
    /// What was committed up to here is not told.
    since: Version,
    /// The entities that it wants to be told of; all of them where there are none.
    wanted: Vec<EntityId>,
    state: Mutex<State>,
    filled: Condvar,
}

/// What was committed and not yet taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Notice {
    /// The newest commit of them.
    pub(super) seqno: Version,
    /// The entities of the rows.
    pub(super) entities: BTreeSet<EntityId>,
    /// Whether the schema changed.
    pub(super) schema: bool,
    /// Whether it is not known what was written.
    pub(super) everything: bool,
}

#[derive(Debug, Default)]
struct State {
    notice: Option<Notice>,
    /// Why nothing more comes.
    failed: Option<Error>,
    waker: Option<Waker>,
}

impl Mailbox {
    pub(super) fn new(since: Version, wanted: Vec<EntityId>) -> Mailbox {
        Mailbox { since, wanted, state: Mutex::default(), filled: Condvar::new() }
    }

    pub(super) const fn since(&self) -> Version {
        self.since
    }

    /// Joins what a commit wrote to the notice, if the subscriber wants to be told of it.
    pub(super) fn add(&self, seqno: Version, written: &Written) {
        if seqno <= self.since {
            return;
        }
        let is_wanted = |entity: &&EntityId| self.wanted.is_empty() || self.wanted.contains(entity);
        let mut entities = written.entities.iter().filter(is_wanted).copied().peekable();
        if entities.peek().is_none() && !written.schema && !written.everything {
            return;
        }
        let mut state = self.state.lock();
        let empty = || Notice { seqno, entities: BTreeSet::new(), schema: false, everything: false };
        let notice = state.notice.get_or_insert_with(empty);
        notice.seqno = seqno;
        notice.entities.extend(entities);
        notice.schema |= written.schema;
        notice.everything |= written.everything;
        let waker = state.waker.take();
        drop(state);
        self.tell(waker);
    }

    /// Says that nothing more comes.
    pub(super) fn fail(&self, error: &Error) {
        let mut state = self.state.lock();
        state.failed = Some(error.clone());
        let waker = state.waker.take();
        drop(state);
        self.tell(waker);
    }

    /// Has whoever waits look again.
    pub(super) fn wake(&self) {
        let waker = self.state.lock().waker.take();
        self.tell(waker);
    }

    fn tell(&self, waker: Option<Waker>) {
        self.filled.notify_all();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// The notice, once there is one.
    pub(super) fn poll(&self, context: &mut Context<'_>) -> Poll<Result<Notice>> {
        let mut state = self.state.lock();
        match state.take() {
            Some(taken) => Poll::Ready(taken),
            None => {
                state.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }

    /// The notice, if there is one before the time is over.
    pub(super) fn wait(&self, timeout: Duration) -> Result<Option<Notice>> {
        let mut state = self.state.lock();
        if let Some(taken) = state.take() {
            return taken.map(Some);
        }
        self.filled.wait_for(&mut state, timeout);
        state.take().transpose()
    }
}

impl State {
    /// What is there; an error only behind everything that came before it.
    fn take(&mut self) -> Option<Result<Notice>> {
        match self.notice.take() {
            Some(notice) => Some(Ok(notice)),
            None => self.failed.clone().map(Err),
        }
    }
}
