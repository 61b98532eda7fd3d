//! Subscriptions of a connection: what is committed is told without being asked for, as long as there is credit.
//!
//! Invariants: (1) a subscriber that gives no credit costs one notice, to which everything else is joined; (2) a subscription ends
//! with its connection, and when the server stops; it holds up no request.

use std::future::poll_fn;
use std::sync::Arc;

use ormdb::Changes;
use ormdb_proto::frame::{FrameHeader, violation};
use ormdb_proto::message::{Changed, Subscribe, decode};
use ormdb_proto::{Error, ErrorCode, Result};
use tokio::sync::Semaphore;

use super::connection::Requests;
use super::outgoing::Reply;
use super::window::Window;

/// The most subscriptions of a connection.
const SUBSCRIPTIONS_MAX: usize = 16;

/// The subscriptions of a connection.
pub(super) struct Subscriptions {
    places: Arc<Semaphore>,
}

impl Default for Subscriptions {
    fn default() -> Subscriptions {
        Subscriptions { places: Arc::new(Semaphore::new(SUBSCRIPTIONS_MAX)) }
    }
}

impl Subscriptions {
    /// Begins one, which answers its request by itself.
    ///
    /// # Errors
    /// What answers it otherwise.
    pub(super) fn start(
        &self,
        requests: &Requests,
        header: &FrameHeader,
        payload: &[u8],
        window: &Arc<Window>,
    ) -> Result<()> {
        if header.stream != 0 {
            return Err(violation("a subscription has no place in a transaction"));
        }
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| {
            let message = format!("the connection has its {SUBSCRIPTIONS_MAX} subscriptions");
            Error::new(ErrorCode::LimitExceeded, message).hint("one may be of several entities")
        })?;
        let Subscribe { entities } = decode(payload)?;
        let entities: Vec<&str> = entities.iter().map(String::as_str).collect();
        let changes = requests.session.subscribe(&entities)?;
        let (requests, reply, window) = (requests.clone(), requests.reply(header), Arc::clone(window));
        tokio::spawn(async move {
            let ended = tell(&requests, &changes, reply, &window).await;
            drop((changes, place));
            // The connection may have ended first, for the same reason.
            let ended = if requests.shared.is_stopping() { stopping() } else { ended };
            requests.answer(reply, window, Err(ended)).await;
        });
        Ok(())
    }
}

/// Tells what is committed until the subscription ends; gives why it does.
async fn tell(requests: &Requests, changes: &Changes, reply: Reply, window: &Window) -> Error {
    let begun = Changed { token: changes.since(), entities: Vec::new(), schema: None, everything: false };
    let mut next = Ok(begun);
    loop {
        let told = match next {
            Ok(changed) => send(requests, &changed, reply, window).await,
            Err(error) => Err(error),
        };
        if let Err(error) = told {
            return error;
        }
        next = tokio::select! {
            biased;
            () = requests.shared.stopped() => Err(stopping()),
            changed = take(changes, window) => changed,
        };
    }
}

/// The next notice, which is taken only when it can be sent: until then it grows.
async fn take(changes: &Changes, window: &Window) -> Result<Changed> {
    window.has_credit().await?;
    tokio::select! {
        biased;
        error = window.closed() => Err(error),
        changed = poll_fn(|context| changes.poll_next(context)) => changed,
    }
}

async fn send(requests: &Requests, changed: &Changed, reply: Reply, window: &Window) -> Result<()> {
    let frame = reply.changed(changed)?;
    window.spend(frame.cost()).await?;
    requests.send(frame.paid()).await;
    Ok(())
}

fn stopping() -> Error {
    Error::new(ErrorCode::ShuttingDown, "the server is stopping")
}
