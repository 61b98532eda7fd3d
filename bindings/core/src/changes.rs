//! Being told of commits.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use ormdb_proto::message::Changed;
use ormdb_proto::{Error, ErrorCode, Result, Token};
use parking_lot::Mutex;
use tokio::runtime::Runtime;

use crate::embedded::Embedded;
use crate::origin::Origin;
use crate::remote::{self, Remote};
use crate::task::Task;

/// A subscription: what is committed is told, joined where it is not taken. It ends with its connection.
#[derive(Clone)]
pub struct Changes {
    since: Token,
    kind: Arc<Origin<Kind>>,
}

struct Kind {
    from: From,
    runtime: Arc<Runtime>,
}

enum From {
    Embedded(HeldHere),
    Remote(Held),
}

/// A subscription of this process, taken out by its end.
pub(crate) type HeldHere = Arc<Mutex<Option<ormdb::Changes>>>;

/// A subscription of a server, taken out by its end.
type Held = Arc<tokio::sync::Mutex<Option<ormdb_client::Changes>>>;

impl Changes {
    /// Begins one, and shows it to `see` as well, for the end of the connection.
    pub(crate) fn begin_here(
        embedded: &Embedded,
        entities: &[String],
        see: impl FnOnce(&HeldHere),
    ) -> Result<Changes> {
        let changes = embedded.session()?.subscribe(&names(entities))?;
        let since = changes.since();
        let held = Arc::new(Mutex::new(Some(changes)));
        see(&held);
        Ok(Changes::new(since, From::Embedded(held), remote::runtime()?))
    }

    pub(crate) async fn begin_there(remote: &Remote, entities: &[String]) -> Result<Changes> {
        let changes = remote.pool()?.subscribe(&names(entities)).await?;
        let since = changes.since();
        let held = Arc::new(tokio::sync::Mutex::new(Some(changes)));
        Ok(Changes::new(since, From::Remote(held), remote.runtime()?))
    }

    fn new(since: Token, from: From, runtime: Arc<Runtime>) -> Changes {
        Changes { since, kind: Arc::new(Origin::new(Kind { from, runtime })) }
    }

    /// The version from which on commits are told.
    pub const fn since(&self) -> Token {
        self.since
    }

    /// What was committed since the last notice, once there is something; none if that takes longer than the time that is given.
    pub fn next(&self, timeout: Option<Duration>) -> Task<Option<Changed>> {
        let Kind { from, runtime } = match self.kind.get() {
            Ok(kind) => kind,
            Err(error) => return Task::known(Err(error)),
        };
        match from {
            From::Embedded(held) => {
                let held = Arc::clone(held);
                let next = poll_fn(move |context| match &*held.lock() {
                    Some(changes) => changes.poll_next(context),
                    None => Poll::Ready(Err(closed())),
                });
                Task::there(Arc::clone(runtime), within(timeout, next))
            }
            From::Remote(held) => {
                let held = Arc::clone(held);
                let next = async move { held.lock().await.as_mut().ok_or_else(closed)?.next().await };
                Task::there(Arc::clone(runtime), within(timeout, next))
            }
        }
    }

    /// Ends it. What waits for the next notice of a database of this process is told so.
    pub fn close(&self) -> Task<()> {
        match self.kind.get() {
            Err(error) => Task::known(Err(error)),
            Ok(Kind { from: From::Embedded(held), .. }) => {
                drop(held.lock().take());
                Task::known(Ok(()))
            }
            Ok(Kind { from: From::Remote(held), runtime }) => {
                let held = Arc::clone(held);
                Task::there(Arc::clone(runtime), async move {
                    drop(held.lock().await.take());
                    Ok(())
                })
            }
        }
    }
}

async fn within(
    timeout: Option<Duration>,
    next: impl Future<Output = Result<Changed>>,
) -> Result<Option<Changed>> {
    match timeout {
        None => next.await.map(Some),
        Some(timeout) => tokio::time::timeout(timeout, next).await.ok().transpose(),
    }
}

fn names(entities: &[String]) -> Vec<&str> {
    entities.iter().map(String::as_str).collect()
}

fn closed() -> Error {
    Error::new(ErrorCode::ConnectionFailed, "the subscription has ended")
}
