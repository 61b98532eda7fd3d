//! Requests in flight, and the frames of their responses.
//!
//! Invariant: a request gets exactly one answer: its response, the server's error, or the loss of the connection.

use std::collections::HashMap;
use std::sync::Arc;

use ormdb_proto::bytes::AlignedBytes;
use ormdb_proto::frame::{FrameHeader, FrameType, violation};
use ormdb_proto::message::{Done, Mutation, SchemaApplied, SchemaRefused, Text, Users, decode};
use ormdb_proto::result::{Chunk, ResultShape, Trailer};
use ormdb_proto::{Error, ErrorCode, Explanation, GraphResult, MutationResult, Result, User};
use parking_lot::Mutex;
use tokio::sync::oneshot;

/// A whole response.
#[derive(Debug)]
pub(crate) enum Response {
    Fetched(GraphResult),
    Written(MutationResult),
    Explained(Explanation),
    Text(String),
    SchemaApplied(SchemaApplied),
    SchemaRefused(Vec<Error>),
    Done(Done),
    Users(Vec<User>),
    Pong,
}

/// The requests in flight of one connection.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    requests: HashMap<u32, Request>,
    last_id: u32,
    /// Why no new requests are taken.
    closed: Option<Error>,
}

#[derive(Debug)]
struct Request {
    answer: oneshot::Sender<Result<Response>>,
    /// Whether any byte of it may have reached the server.
    sent: bool,
    shape: Option<Arc<ResultShape>>,
    chunks: Vec<Chunk>,
    result: Option<GraphResult>,
}

impl Pending {
    /// Registers a request under a number of its own.
    pub(crate) fn add(&self) -> Result<(u32, oneshot::Receiver<Result<Response>>)> {
        let mut state = self.state.lock();
        if let Some(error) = &state.closed {
            let mut error = error.clone();
            error.detail.maybe_executed = Some(false);
            return Err(error);
        }
        // Numbers come round after 2^32 requests; one that is still in flight is passed over.
        let mut id = state.last_id.wrapping_add(1).max(1);
        while state.requests.contains_key(&id) {
            id = id.wrapping_add(1).max(1);
        }
        state.last_id = id;
        let (answer, receiver) = oneshot::channel();
        let request = Request { answer, sent: false, shape: None, chunks: Vec::new(), result: None };
        state.requests.insert(id, request);
        Ok((id, receiver))
    }

    /// Says that a request is about to be written; false if nobody waits for it any longer.
    pub(crate) fn sending(&self, id: u32) -> bool {
        self.state.lock().requests.get_mut(&id).is_some_and(|request| {
            request.sent = true;
            true
        })
    }

    /// Takes a request out whose caller waits no longer; says whether it was sent and not answered.
    pub(crate) fn abandon(&self, id: u32) -> bool {
        self.state.lock().requests.remove(&id).is_some_and(|request| request.sent)
    }

    /// Takes no new requests, for this reason; those in flight go on.
    pub(crate) fn refuse_new(&self, reason: Error) {
        self.state.lock().closed.get_or_insert(reason);
    }

    /// Answers every request with the loss of the connection.
    pub(crate) fn fail_all(&self, reason: &Error) {
        let mut state = self.state.lock();
        state.closed.get_or_insert_with(|| reason.clone());
        for (_, request) in state.requests.drain() {
            let mut error = reason.clone();
            error.detail.maybe_executed = Some(request.sent);
            // A caller that is gone needs no answer.
            drop(request.answer.send(Err(error)));
        }
    }

    /// Takes a frame of a response.
    ///
    /// # Errors
    /// `ProtocolViolation` if the frame has no place there: the connection is of no more use.
    pub(crate) fn take(&self, header: &FrameHeader, payload: &AlignedBytes) -> Result<()> {
        let mut state = self.state.lock();
        // The response of a request that was given up is passed over.
        let Some(request) = state.requests.get_mut(&header.request) else { return Ok(()) };
        let Some(answer) = request.take(header, payload)? else {
            return if header.is_last() {
                Err(violation("a response ended before it was whole"))
            } else {
                Ok(())
            };
        };
        if !header.is_last() {
            return Err(violation("a response goes on behind its end"));
        }
        if let Some(request) = state.requests.remove(&header.request) {
            drop(request.answer.send(answer));
        }
        Ok(())
    }
}

impl Request {
    /// Takes a frame; gives the answer once it is whole.
    fn take(&mut self, header: &FrameHeader, payload: &AlignedBytes) -> Result<Option<Result<Response>>> {
        Ok(Some(Ok(match header.kind {
            FrameType::Shape => {
                let shape: ResultShape = decode(payload)?;
                shape.validate()?;
                if self.shape.replace(Arc::new(shape)).is_some() {
                    return Err(violation("a result has two shapes"));
                }
                return Ok(None);
            }
            FrameType::Chunk => {
                let shape = self.shape.as_ref().ok_or_else(|| violation("a chunk came before its shape"))?;
                self.chunks.push(Chunk::open(payload, shape)?);
                return Ok(None);
            }
            FrameType::Trailer => {
                let trailer: Trailer = decode(payload)?;
                let shape = self.shape.take().ok_or_else(|| violation("a trailer came before its shape"))?;
                let chunks = std::mem::take(&mut self.chunks);
                let result = GraphResult::new(shape, chunks, trailer.token, trailer.plan);
                if *result.trailer() != trailer {
                    return Err(violation("a trailer does not count what came"));
                }
                if !header.is_last() {
                    self.result = Some(result);
                    return Ok(None);
                }
                Response::Fetched(result)
            }
            FrameType::Mutation => {
                let Mutation { created, updated, deleted, token } = decode(payload)?;
                Response::Written(MutationResult {
                    created,
                    updated,
                    deleted,
                    token,
                    returned: self.result.take(),
                })
            }
            FrameType::Plan => Response::Explained(decode(payload)?),
            FrameType::Text => Response::Text(decode::<Text>(payload)?.text),
            FrameType::SchemaApplied => Response::SchemaApplied(decode(payload)?),
            FrameType::SchemaRefused => Response::SchemaRefused(decode::<SchemaRefused>(payload)?.errors),
            FrameType::Done => Response::Done(decode(payload)?),
            FrameType::Users => Response::Users(decode::<Users>(payload)?.users),
            FrameType::Pong => Response::Pong,
            FrameType::Error => return Ok(Some(Err(decode::<Error>(payload)?))),
            FrameType::Welcome
            | FrameType::Challenge
            | FrameType::GoingAway
            | FrameType::Hello
            | FrameType::Query
            | FrameType::Execute
            | FrameType::Explain
            | FrameType::ShowSchema
            | FrameType::ApplySchema
            | FrameType::Ping
            | FrameType::Cancel
            | FrameType::Begin
            | FrameType::Commit
            | FrameType::Rollback
            | FrameType::SetSavepoint
            | FrameType::RollbackTo
            | FrameType::ReleaseSavepoint
            | FrameType::Proof
            | FrameType::AddUser
            | FrameType::SetPassword
            | FrameType::DropUser
            | FrameType::ListUsers => {
                return Err(violation(format!("a frame of type {:?} is no response", header.kind)));
            }
        })))
    }
}

/// The error of a response of another kind than the request asks for.
pub(crate) fn unexpected(what: &str) -> Error {
    Error::new(ErrorCode::ProtocolViolation, format!("the server answered with something else than {what}"))
}
