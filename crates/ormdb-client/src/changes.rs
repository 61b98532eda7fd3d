//! What a server tells by itself: that there were commits.

use ormdb_proto::message::{Changed, Message, Subscribe, encode};
use ormdb_proto::{Result, Token};

use crate::client::Client;
use crate::connection::{Parts, Wants};
use crate::pending::{Part, unexpected};

/// What a subscriber is told. The server joins what is not taken into one notice, so that a slow subscriber is told less often, and
/// nothing is left out. Dropped, the subscription is cancelled; it ends with its connection.
#[derive(Debug)]
pub struct Changes {
    /// Keeps its place, if it is of a pool.
    _client: Client,
    parts: Parts,
    since: Token,
}

impl Client {
    /// Asks to be told of commits from now on that write rows of these entities; of every entity where none is named. What is told is
    /// made for caches: whatever was read before of the entities of a notice may be stale.
    ///
    /// # Errors
    /// `UnknownEntity`; `LimitExceeded` if the connection has its subscriptions; as [`query`](Self::query).
    pub async fn subscribe(&self, entities: &[&str]) -> Result<Changes> {
        let entities = entities.iter().map(|entity| (*entity).to_owned()).collect();
        let mut parts =
            self.parts_of(Subscribe::KIND, Wants::Anything, encode(&Subscribe { entities })?).await?;
        match parts.next().await? {
            Some(Part::Changed(begun, _)) => {
                parts.go_on();
                Ok(Changes { _client: self.clone(), parts, since: begun.token })
            }
            _ => Err(unexpected("a subscription")),
        }
    }
}

impl Changes {
    /// The version from which on commits are told.
    pub const fn since(&self) -> Token {
        self.since
    }

    /// What was committed since the last notice, once there is something. Nothing is lost where this is dropped before.
    ///
    /// # Errors
    /// `ConnectionFailed` if the connection is lost, `ShuttingDown` if the server stops: what is committed afterwards is not told, and
    /// whoever subscribes again takes everything for changed.
    pub async fn next(&mut self) -> Result<Changed> {
        match self.parts.next().await? {
            Some(Part::Changed(changed, _)) => Ok(changed),
            _ => Err(unexpected("commits")),
        }
    }
}
