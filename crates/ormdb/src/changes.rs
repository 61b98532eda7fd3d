//! Telling subscribers of commits: of which entities rows were written, and up to which version.
//!
//! ```text
//! commits -> the log -> one thread, while there are subscribers -> a mailbox for each: one notice, which grows until it is taken
//! ```
//!
//! Invariants: (1) what is told is durable, and everything up to the token of a notice has been told; (2) a subscriber that
//! takes nothing costs one notice, to which what comes is joined: nobody waits for it; (3) where the log does not reach back, it
//! is told that anything may have been written.

mod mailbox;
mod reader;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::thread::JoinHandle;
use std::time::Duration;

use ordinum::SeqNo;
use ormdb_proto::message::Changed;
use ormdb_proto::schema::EntityId;
use ormdb_proto::{Result, Token};
use parking_lot::{Condvar, Mutex};

use crate::database::Database;
use crate::session::Session;
use mailbox::{Mailbox, Notice};
use reader::LogReader;

/// How often the log is looked at where no commit told to: those that nobody waits for tell nothing.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// What a subscriber is told: see [`Session::subscribe`]. Dropped, the subscription ends.
#[derive(Debug)]
pub struct Changes {
    database: Database,
    mailbox: Arc<Mailbox>,
}

/// The subscribers of a database, and the thread that reads for them.
#[derive(Debug)]
pub(crate) struct Hub {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    woken: Condvar,
    /// How many subscribers there are, for those who commit.
    subscribers: AtomicUsize,
}

#[derive(Debug, Default)]
struct State {
    mailboxes: Vec<Arc<Mailbox>>,
    asked: bool,
    stopped: bool,
    is_running: bool,
}

impl Session {
    /// Tells of commits from now on, of which rows of these entities are written; of every entity where none is named. What is
    /// told is made for caches: whatever was read before of the entities of a notice may be stale. It tells of changes of the
    /// schema as well.
    ///
    /// # Errors
    /// [`ErrorCode::UnknownEntity`](crate::ErrorCode::UnknownEntity); [`ErrorCode::Io`](crate::ErrorCode::Io) if the log cannot be
    /// read.
    ///
    /// # Example
    /// ```
    /// # fn f(session: &ormdb::Session) -> ormdb::Result<()> {
    /// let changes = session.subscribe(&["User"])?;
    /// if let Some(changed) = changes.next_timeout(std::time::Duration::from_secs(1))? {
    ///     println!("{:?} changed up to {}", changed.entities, changed.token);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn subscribe(&self, entities: &[&str]) -> Result<Changes> {
        let database = self.database().clone();
        let catalog = database.catalog();
        let id = |name: &&str| catalog.entity(name).map(|entity| entity.id);
        let wanted = entities.iter().map(id).collect::<Result<Vec<EntityId>>>()?;
        let mailbox = database.hub().subscribe(&database, wanted)?;
        Ok(Changes { database, mailbox })
    }
}

impl Changes {
    /// The version from which on commits are told.
    pub fn since(&self) -> Token {
        self.database.token(self.mailbox.since())
    }

    /// What was committed since it was asked the last time, once there is something. Wakes the task of the last caller.
    ///
    /// # Errors
    /// [`ErrorCode::Io`](crate::ErrorCode::Io) and [`ErrorCode::Corrupt`](crate::ErrorCode::Corrupt) if the log cannot be read any further:
    /// nothing more will be told.
    pub fn poll_next(&self, context: &mut Context<'_>) -> Poll<Result<Changed>> {
        self.mailbox.poll(context).map(|notice| notice.map(|notice| self.changed(&notice)))
    }

    /// What was committed since it was asked the last time; waits until there is something, and returns none if that takes longer.
    ///
    /// # Errors
    /// As [`Changes::poll_next`].
    pub fn next_timeout(&self, timeout: Duration) -> Result<Option<Changed>> {
        Ok(self.mailbox.wait(timeout)?.map(|notice| self.changed(&notice)))
    }

    /// A notice by names. An entity that is gone has none; that the schema changed is told.
    fn changed(&self, notice: &Notice) -> Changed {
        let catalog = self.database.catalog();
        let name = |id: &EntityId| catalog.entity_by_id(*id).ok().map(|entity| entity.name.clone());
        Changed {
            token: self.database.token(notice.seqno),
            entities: notice.entities.iter().filter_map(name).collect(),
            schema: notice.schema.then(|| catalog.version()),
            everything: notice.everything,
        }
    }
}

impl Drop for Changes {
    fn drop(&mut self) {
        self.database.hub().unsubscribe(&self.mailbox);
    }
}

impl Hub {
    pub(crate) fn new() -> Hub {
        Hub { shared: Arc::default(), thread: Mutex::new(None) }
    }

    /// Says that there was a commit.
    pub(crate) fn tell(&self) {
        if self.shared.subscribers.load(Ordering::SeqCst) > 0 {
            self.shared.state.lock().asked = true;
            self.shared.woken.notify_one();
        }
    }

    fn subscribe(&self, database: &Database, wanted: Vec<EntityId>) -> Result<Arc<Mailbox>> {
        let mut thread = self.thread.lock();
        let mut state = self.shared.state.lock();
        // Looked up under the lock: what the thread is about to tell is behind it, or was told to others.
        let mut since = database.durable_seqno();
        if !state.is_running {
            let reader = LogReader::open(database)?;
            since = reader.position();
            state.is_running = true;
            if let Some(ended) = thread.replace(self.start(reader)) {
                // It said so as the last thing that it did.
                drop(ended.join());
            }
        }
        let mailbox = Arc::new(Mailbox::new(since, wanted));
        state.mailboxes.push(Arc::clone(&mailbox));
        self.shared.subscribers.store(state.mailboxes.len(), Ordering::SeqCst);
        Ok(mailbox)
    }

    #[allow(
        clippy::disallowed_methods,
        reason = "this is a seam: the thread is started here, and joined by `stop`"
    )]
    fn start(&self, reader: LogReader) -> JoinHandle<()> {
        let shared = Arc::clone(&self.shared);
        std::thread::spawn(move || shared.tell_on(reader))
    }

    fn unsubscribe(&self, mailbox: &Arc<Mailbox>) {
        let mut state = self.shared.state.lock();
        state.mailboxes.retain(|other| !Arc::ptr_eq(other, mailbox));
        self.shared.subscribers.store(state.mailboxes.len(), Ordering::SeqCst);
        drop(state);
        self.shared.woken.notify_one();
        // Who waits for it looks again.
        mailbox.wake();
    }

    /// Ends the thread, and waits until it has.
    pub(crate) fn stop(&self) {
        self.shared.state.lock().stopped = true;
        self.shared.woken.notify_one();
        if let Some(thread) = self.thread.lock().take() {
            // One that panicked has ended as well.
            drop(thread.join());
        }
    }
}

impl Shared {
    /// Reads the log and tells what is in it, as long as there are subscribers.
    fn tell_on(&self, mut reader: LogReader) {
        while let Some(mailboxes) = self.wait(&reader) {
            let told = reader.read_on(|seqno, written| {
                mailboxes.iter().for_each(|mailbox| mailbox.add(seqno, written));
            });
            if let Err(error) = told {
                mailboxes.iter().for_each(|mailbox| mailbox.fail(&error));
                // Nothing more will come to these: the next subscriber begins anew.
                let mut state = self.state.lock();
                state.mailboxes.clear();
                state.is_running = false;
                return;
            }
        }
    }

    /// Waits until there may be more in the log; none if nobody wants it any longer.
    fn wait(&self, reader: &LogReader) -> Option<Vec<Arc<Mailbox>>> {
        let mut state = self.state.lock();
        if !state.asked && !state.stopped && !state.mailboxes.is_empty() && !reader.has_more() {
            self.woken.wait_for(&mut state, LOOK_INTERVAL);
        }
        state.asked = false;
        if state.stopped || state.mailboxes.is_empty() {
            state.is_running = false;
            return None;
        }
        Some(state.mailboxes.clone())
    }
}

/// What a commit wrote.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Written {
    /// The entities of its rows, ascending.
    entities: std::collections::BTreeSet<EntityId>,
    /// Whether it changed the schema.
    schema: bool,
    /// Whether it is not known what it wrote.
    everything: bool,
}

/// The version that a notice is of.
type Version = SeqNo;

#[cfg(test)]
mod tests;
