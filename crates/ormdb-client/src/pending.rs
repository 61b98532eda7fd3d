//! Requests in flight, and the frames of their responses.
//!
//! Invariants: (1) a request gets exactly one answer: its response, the server's error, or the loss of the connection; (2) of a
//! response that is taken part by part no more than its window and one chunk is held; (3) every chunk is answered by its credit, once:
//! when it is taken, or at once where the whole response is waited for.

use std::collections::HashMap;
use std::sync::Arc;

use ormdb_proto::bytes::AlignedBytes;
use ormdb_proto::frame::{FrameHeader, FrameType, violation};
use ormdb_proto::message::{Changed, Done, Mutation, SchemaApplied, SchemaRefused, Text, Users, decode};
use ormdb_proto::result::{Chunk, ResultShape, Trailer, join_all};
use ormdb_proto::{Description, Error, ErrorCode, Explanation, GraphResult, MutationResult, Result, User};
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};

/// A whole response, or what is behind the graph of one that is taken part by part.
#[derive(Debug)]
pub(crate) enum Response {
    Fetched(GraphResult),
    /// Of a response that is taken part by part, without the graph that it returns.
    Written(MutationResult),
    Explained(Explanation),
    Text(String),
    SchemaApplied(SchemaApplied),
    SchemaRefused(Vec<Error>),
    Done(Done),
    Users(Vec<User>),
    Prepared(Description),
    Pong,
}

/// A part of a response, in the order of its frames.
#[derive(Debug)]
pub(crate) enum Part {
    /// What the chunks are like.
    Shape(Arc<ResultShape>),
    /// Some of the rows.
    Chunk(Chunk),
    /// The end of the graph.
    Trailer(Trailer),
    /// Commits that a subscriber is told of, and the credit that this costs.
    Changed(Changed, u32),
    /// What is no graph.
    Response(Response),
}

impl Part {
    /// The credit that it costs, which the server is given back.
    pub(crate) fn cost(&self) -> u64 {
        match self {
            Part::Chunk(chunk) => u64::try_from(chunk.byte_len()).unwrap_or(u64::MAX),
            Part::Changed(_, cost) => u64::from(*cost),
            Part::Shape(_) | Part::Trailer(_) | Part::Response(_) => 0,
        }
    }
}

/// The requests in flight of one connection.
#[derive(Debug)]
pub(crate) struct Pending {
    state: Mutex<State>,
    /// The window of every response; 0 for no bound.
    window_bytes: u32,
}

#[derive(Debug, Default)]
struct State {
    requests: HashMap<u32, Request>,
    last_id: u32,
    /// Why no new requests are taken.
    closed: Option<Error>,
    shapes: Shapes,
}

/// The shapes of results that came, by checksum and length of their messages: results of one shape share it, and what is made for it.
#[derive(Debug, Default)]
struct Shapes(HashMap<(u32, u32), (AlignedBytes, Arc<ResultShape>)>);

/// The most shapes that are kept, and the longest message of one.
const SHAPES_MAX: usize = 256;
const SHAPE_BYTES_MAX: usize = 16 << 10;

impl Shapes {
    /// The shape that a message tells.
    fn read(&mut self, header: &FrameHeader, payload: &AlignedBytes) -> Result<Arc<ResultShape>> {
        let key = (header.crc, header.length);
        if let Some((bytes, shape)) = self.0.get(&key)
            && **bytes == **payload
        {
            return Ok(Arc::clone(shape));
        }
        let shape: ResultShape = decode(payload)?;
        shape.validate()?;
        let shape = Arc::new(shape);
        if payload.len() <= SHAPE_BYTES_MAX {
            if self.0.len() >= SHAPES_MAX {
                self.0.clear();
            }
            self.0.insert(key, (payload.clone(), Arc::clone(&shape)));
        }
        Ok(shape)
    }
}

#[derive(Debug)]
struct Request {
    taker: Taker,
    /// Whether any byte of it may have reached the server.
    sent: bool,
    shape: Option<Arc<ResultShape>>,
    /// The rows and bytes of the chunks that came.
    rows: u64,
    bytes: u64,
    /// The bytes of chunks that the server has no credit for yet, and those of them that were taken.
    unpaid: u64,
    owed: u64,
}

/// Who waits for a response.
#[derive(Debug)]
enum Taker {
    Whole(Whole),
    Parts(mpsc::UnboundedSender<Result<Part>>),
}

#[derive(Debug)]
struct Whole {
    answer: oneshot::Sender<Result<Response>>,
    chunks: Vec<Chunk>,
    result: Option<Result<GraphResult>>,
}

/// Credit for the server: of a request, bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Grant {
    pub(crate) request: u32,
    pub(crate) bytes: u32,
}

impl Pending {
    /// No requests yet, of responses with this window.
    pub(crate) fn new(window_bytes: u32) -> Pending {
        Pending { state: Mutex::default(), window_bytes }
    }

    /// Registers a request, whose response is waited for as a whole, under a number of its own.
    pub(crate) fn add(&self) -> Result<(u32, oneshot::Receiver<Result<Response>>)> {
        let (answer, receiver) = oneshot::channel();
        let whole = Whole { answer, chunks: Vec::new(), result: None };
        Ok((self.register(Taker::Whole(whole))?, receiver))
    }

    /// Registers a request, whose response is taken part by part, under a number of its own. What waits to be taken is bounded by
    /// the window.
    pub(crate) fn add_in_parts(&self) -> Result<(u32, mpsc::UnboundedReceiver<Result<Part>>)> {
        let (parts, receiver) = mpsc::unbounded_channel();
        Ok((self.register(Taker::Parts(parts))?, receiver))
    }

    fn register(&self, taker: Taker) -> Result<u32> {
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
        let request = Request { taker, sent: false, shape: None, rows: 0, bytes: 0, unpaid: 0, owed: 0 };
        state.requests.insert(id, request);
        Ok(id)
    }

    /// Says that chunks of so many bytes were taken; gives the credit for them once it is worth a frame.
    pub(crate) fn taken(&self, id: u32, bytes: u64) -> Option<Grant> {
        self.state.lock().requests.get_mut(&id)?.taken(id, bytes, self.window_bytes)
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

    /// Whether requests are taken.
    pub(crate) fn is_open(&self) -> bool {
        self.state.lock().closed.is_none()
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
            request.taker.fail(error);
        }
    }

    /// Takes a frame of a response; gives the credit that the server is to have for it.
    ///
    /// # Errors
    /// `ProtocolViolation` if the frame has no place there: the connection is of no more use.
    pub(crate) fn take(&self, header: &FrameHeader, payload: &AlignedBytes) -> Result<Option<Grant>> {
        let State { requests, shapes, .. } = &mut *self.state.lock();
        // The response of a request that was given up is passed over.
        let Some(request) = requests.get_mut(&header.request) else { return Ok(None) };
        let part = request.read(header, payload, self.window_bytes, shapes)?;
        let is_last = header.is_last();
        match (&part, is_last) {
            (Ok(Part::Shape(_) | Part::Chunk(_) | Part::Changed(..)), true) => {
                return Err(violation("a response ended before it was whole"));
            }
            (Ok(Part::Response(_)) | Err(_), false) => {
                return Err(violation("a response goes on behind its end"));
            }
            // Behind the graph of a write come its counts.
            (Ok(Part::Trailer(_)), _) | (Ok(_), false) | (_, true) => {}
        }
        if is_last {
            if let Some(request) = requests.remove(&header.request) {
                request.end(part);
            }
            return Ok(None);
        }
        let bytes = part.as_ref().map_or(0, Part::cost);
        Ok(if request.keep(part) { request.taken(header.request, bytes, self.window_bytes) } else { None })
    }
}

impl Taker {
    /// Ends the waiting with an error. A caller that is gone needs none.
    fn fail(self, error: Error) {
        match self {
            Taker::Whole(whole) => drop(whole.answer.send(Err(error))),
            Taker::Parts(parts) => drop(parts.send(Err(error))),
        }
    }
}

impl Request {
    /// Reads a frame. An error within is the server's answer.
    fn read(
        &mut self,
        header: &FrameHeader,
        payload: &AlignedBytes,
        window_bytes: u32,
        shapes: &mut Shapes,
    ) -> Result<Result<Part>> {
        if header.kind.costs_credit() {
            if window_bytes > 0 && self.unpaid >= u64::from(window_bytes) {
                return Err(violation(format!("a frame of type {:?} came without credit", header.kind)));
            }
            self.unpaid = self.unpaid.saturating_add(u64::from(header.length));
        }
        Ok(Ok(match header.kind {
            FrameType::Shape => {
                let shape = shapes.read(header, payload)?;
                if self.shape.replace(Arc::clone(&shape)).is_some() {
                    return Err(violation("a result has two shapes"));
                }
                Part::Shape(shape)
            }
            FrameType::Chunk => {
                let shape = self.shape.as_ref().ok_or_else(|| violation("a chunk came before its shape"))?;
                let chunk = Chunk::open(payload, shape)?;
                let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
                self.rows = self.rows.saturating_add(count(chunk.rows()));
                self.bytes = self.bytes.saturating_add(count(chunk.byte_len()));
                Part::Chunk(chunk)
            }
            FrameType::Changed => match self.taker {
                Taker::Parts(_) => Part::Changed(decode(payload)?, header.length),
                Taker::Whole(_) => return Err(violation("commits are told to who does not ask for them")),
            },
            FrameType::Trailer => {
                let trailer: Trailer = decode(payload)?;
                if self.shape.is_none() {
                    return Err(violation("a trailer came before its shape"));
                }
                if (trailer.rows, trailer.bytes) != (self.rows, self.bytes) {
                    return Err(violation("a trailer does not count what came"));
                }
                Part::Trailer(trailer)
            }
            FrameType::Error => return Ok(Err(decode::<Error>(payload)?)),
            _ => Part::Response(response(header.kind, payload)?),
        }))
    }

    /// Keeps a part that others follow, or hands it on; says whether that took it.
    fn keep(&mut self, part: Result<Part>) -> bool {
        match &mut self.taker {
            Taker::Parts(parts) => {
                // Whoever is gone has the request cancelled.
                drop(parts.send(part));
                false
            }
            Taker::Whole(whole) => {
                match part {
                    Ok(Part::Chunk(chunk)) => whole.chunks.push(chunk),
                    Ok(Part::Trailer(trailer)) => {
                        whole.result = Some(whole.graph(self.shape.clone(), trailer))
                    }
                    Ok(Part::Shape(_) | Part::Changed(..) | Part::Response(_)) | Err(_) => {}
                }
                true
            }
        }
    }

    /// Hands the last part on, and with it the whole.
    fn end(self, part: Result<Part>) {
        match self.taker {
            Taker::Parts(parts) => drop(parts.send(part)),
            Taker::Whole(mut whole) => {
                let answer = part.and_then(|part| match part {
                    Part::Trailer(trailer) => whole.graph(self.shape, trailer).map(Response::Fetched),
                    Part::Response(Response::Written(written)) => {
                        let returned = whole.result.take().transpose()?;
                        Ok(Response::Written(MutationResult { returned, ..written }))
                    }
                    Part::Response(response) => Ok(response),
                    Part::Shape(_) | Part::Chunk(_) | Part::Changed(..) => {
                        Err(violation("a response has no end"))
                    }
                });
                // A caller that is gone needs no answer.
                drop(whole.answer.send(answer));
            }
        }
    }

    fn taken(&mut self, id: u32, bytes: u64, window_bytes: u32) -> Option<Grant> {
        if window_bytes == 0 {
            return None;
        }
        self.owed = self.owed.saturating_add(bytes);
        if self.owed < u64::from(window_bytes.div_ceil(2)) {
            return None;
        }
        // What is more than credit can say at once comes with the next one.
        let bytes = u32::try_from(self.owed).unwrap_or(u32::MAX);
        self.owed -= u64::from(bytes);
        self.unpaid = self.unpaid.saturating_sub(u64::from(bytes));
        Some(Grant { request: id, bytes })
    }
}

impl Whole {
    fn graph(&mut self, shape: Option<Arc<ResultShape>>, trailer: Trailer) -> Result<GraphResult> {
        let shape = shape.ok_or_else(|| violation("a result has no shape"))?;
        let chunks = join_all(&shape, std::mem::take(&mut self.chunks))?;
        Ok(GraphResult::new(shape, chunks, trailer.token, trailer.plan))
    }
}

/// Reads what is no part of a graph.
fn response(kind: FrameType, payload: &AlignedBytes) -> Result<Response> {
    Ok(match kind {
        FrameType::Mutation => {
            let Mutation { created, updated, deleted, token } = decode(payload)?;
            Response::Written(MutationResult { created, updated, deleted, token, returned: None })
        }
        FrameType::Plan => Response::Explained(decode(payload)?),
        FrameType::Text => Response::Text(decode::<Text>(payload)?.text),
        FrameType::SchemaApplied => Response::SchemaApplied(decode(payload)?),
        FrameType::SchemaRefused => Response::SchemaRefused(decode::<SchemaRefused>(payload)?.errors),
        FrameType::Done => Response::Done(decode(payload)?),
        FrameType::Users => Response::Users(decode::<Users>(payload)?.users),
        FrameType::Prepared => {
            let described: Description = decode(payload)?;
            described.validate()?;
            Response::Prepared(described)
        }
        FrameType::Pong => Response::Pong,
        FrameType::Shape
        | FrameType::Chunk
        | FrameType::Changed
        | FrameType::Subscribe
        | FrameType::Trailer
        | FrameType::Error
        | FrameType::Welcome
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
        | FrameType::ListUsers
        | FrameType::Credit
        | FrameType::Prepare
        | FrameType::ExecutePrepared
        | FrameType::ClosePrepared => {
            return Err(violation(format!("a frame of type {kind:?} is no response")));
        }
    })
}

/// The error of a response of another kind than the request asks for.
pub(crate) fn unexpected(what: &str) -> Error {
    Error::new(ErrorCode::ProtocolViolation, format!("the server answered with something else than {what}"))
}
