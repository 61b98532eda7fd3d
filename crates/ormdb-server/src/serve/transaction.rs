//! Transactions of a connection, each on a stream of its own.
//!
//! Invariants: (1) requests of a stream run one after the other, in the order that they came; (2) a transaction whose
//! stream ends in any way but a commit is rolled back.

use std::collections::HashMap;
use std::sync::Arc;

use ormdb::Transaction;
use ormdb_proto::frame::{FrameHeader, FrameType, violation};
use ormdb_proto::message::{self, Done, decode, encode};
use ormdb_proto::{Error, ErrorCode, Result};
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use super::connection::Requests;
use super::outgoing::{Outgoing, Reply};
use super::request::{self, Body, Within};
use super::sender::BlockingSender;
use super::window::Window;

/// A request of a stream.
pub(super) struct StreamRequest {
    pub(super) header: FrameHeader,
    pub(super) body: Body,
    pub(super) window: Arc<Window>,
    /// Its place among the requests in flight; as many bound the queues.
    pub(super) slot: OwnedSemaphorePermit,
}

/// The streams of a connection that have a transaction.
#[derive(Default)]
pub(super) struct Streams {
    open: HashMap<u32, mpsc::Sender<StreamRequest>>,
}

impl Streams {
    /// Hands a request to its stream; gives it back with the error that answers it if it has no place there.
    pub(super) fn take(
        &mut self,
        request: StreamRequest,
        requests: &Requests,
    ) -> std::result::Result<(), (StreamRequest, Error)> {
        let (stream, kind) = (request.header.stream, request.header.kind);
        self.open.retain(|_, queue| !queue.is_closed());
        if kind == FrameType::Begin {
            if self.open.contains_key(&stream) {
                return Err((request, violation(format!("stream {stream} has a transaction already"))));
            }
            let most = requests.shared.options.transactions_max;
            if self.open.len() >= most {
                let message = format!("the connection has its {most} transactions open");
                return Err((request, Error::new(ErrorCode::LimitExceeded, message)));
            }
            let places = usize::try_from(requests.shared.options.requests_max).unwrap_or(1);
            let (queue, receiver) = mpsc::channel(places.max(1));
            tokio::spawn(run_stream(receiver, requests.clone()));
            self.open.insert(stream, queue);
        }
        let Some(queue) = self.open.get(&stream) else { return Err((request, closed())) };
        let sent = queue.try_send(request).map_err(|e| (e.into_inner(), closed()));
        if matches!(kind, FrameType::Commit | FrameType::Rollback) {
            // Its task ends once it has answered what it was given.
            self.open.remove(&stream);
        }
        sent
    }
}

fn closed() -> Error {
    Error::new(ErrorCode::TransactionClosed, "the stream has no transaction; begin one")
}

/// Runs the requests of a stream, in order, until the transaction or the connection ends.
async fn run_stream(mut queue: mpsc::Receiver<StreamRequest>, requests: Requests) {
    let session = requests.session.beside();
    let cancel = session.cancel_handle();
    let mut transaction: Option<Transaction> = None;
    while let Some(StreamRequest { header, body, window, slot }) = queue.recv().await {
        let reply = requests.reply(&header);
        requests.register(header.request, cancel.clone());
        let session = session.clone();
        let mut sender = requests.blocking_sender(Arc::clone(&window)).await;
        let run = requests.shared.workers.run(move || {
            let response = step(&session, &mut transaction, (&header, body), reply, &mut sender);
            (transaction, response)
        });
        let response;
        (transaction, response) = match run.await {
            Ok((transaction, response)) => (transaction, response),
            Err(_) => (None, Err(Error::new(ErrorCode::Internal, "a statement panicked"))),
        };
        // A rollback of request 0 is that of a client that does not wait for it.
        if header.request != 0 {
            requests.answer(reply, window, response).await;
        }
        drop(slot);
        if transaction.is_none() {
            break;
        }
    }
}

/// A statement may have ended the transaction.
fn forget_if_ended(transaction: &mut Option<Transaction>) {
    if transaction.as_ref().is_some_and(|open| !open.is_open()) {
        *transaction = None;
    }
}

fn step(
    session: &ormdb::Session,
    transaction: &mut Option<Transaction>,
    (header, body): (&FrameHeader, Body),
    reply: Reply,
    sender: &mut BlockingSender,
) -> Result<Vec<Outgoing>> {
    let done = |done: Done| Ok(vec![reply.last(FrameType::Done, encode(&done)?)?]);
    let payload = match (transaction.as_mut(), body) {
        (Some(open), body) => {
            let ran = request::run_within((session, open), header, body, reply, sender);
            forget_if_ended(transaction);
            match ran? {
                Within::Ran(response) => return Ok(response),
                Within::Other(payload) => payload,
            }
        }
        (None, Body::Message(payload)) => payload,
        (None, Body::Prepared(..)) => return Err(closed()),
    };
    let payload = &payload;
    match (header.kind, transaction.as_mut()) {
        (FrameType::Begin, None) => {
            let message::Begin { isolation, access } = decode(payload)?;
            *transaction = Some(session.begin(isolation, access)?);
            done(Done { token: None })
        }
        (FrameType::SetSavepoint, Some(open)) => {
            let message::SetSavepoint { name } = decode(payload)?;
            open.savepoint(&name)?;
            done(Done { token: None })
        }
        (FrameType::RollbackTo, Some(open)) => {
            let message::RollbackTo { name } = decode(payload)?;
            open.rollback_to(&name)?;
            done(Done { token: None })
        }
        (FrameType::ReleaseSavepoint, Some(open)) => {
            let message::ReleaseSavepoint { name } = decode(payload)?;
            open.release(&name)?;
            done(Done { token: None })
        }
        (FrameType::Commit, Some(open)) => {
            let committed = open.commit();
            *transaction = None;
            done(Done { token: Some(committed?) })
        }
        (FrameType::Rollback, Some(open)) => {
            open.rollback();
            *transaction = None;
            done(Done { token: None })
        }
        (_, None) => Err(closed()),
        (other, Some(_)) => {
            let message = format!("a frame of type {other:?} has no place in a transaction");
            Err(Error::new(ErrorCode::UnsupportedFeature, message))
        }
    }
}
