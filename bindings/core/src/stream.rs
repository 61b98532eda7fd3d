//! Results that are taken part by part, with no more than a few parts held.
//!
//! Invariant: where the reader stops, so does the reading: a stream that is dropped ends the statement behind it.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use ormdb::{Prepared, Session, StreamPart, Streamed};
use ormdb_client::ResultStream;
use ormdb_proto::ir::Params;
use ormdb_proto::result::{Chunk, ResultShape, Trailer};
use ormdb_proto::{Error, ErrorCode, GraphResult, MutationResult, Outcome, Result};
use parking_lot::Mutex;
use tokio::runtime::Runtime;

use crate::pool::{self, Lane};
use crate::task::{Cancel, Task};

/// How many parts of an embedded stream wait to be taken.
const PARTS_WAITING_MAX: usize = 2;

/// The parts of a result, in order.
pub struct Parts {
    shape: Arc<ResultShape>,
    from: From,
}

/// Where parts come from.
enum From {
    /// A statement of this process.
    Here(Arc<Mutex<Source>>, Cancel),
    /// A server, which sends no more ahead than its window.
    There(Arc<tokio::sync::Mutex<Sent>>, Arc<Runtime>),
}

/// What a server sends.
struct Sent {
    /// None behind the end. Its place on a connection is kept until then.
    stream: Option<ResultStream>,
    /// Known once the end was reached.
    trailer: Option<Trailer>,
}

/// One part of a result, or the whole of it.
pub struct Part {
    shape: Arc<ResultShape>,
    held: Held,
}

enum Held {
    One(Chunk),
    All(GraphResult),
}

enum Source {
    /// A thread reads, and waits where its parts are not taken.
    Reading(Receiver<Message>),
    /// The result is here as a whole.
    Whole(GraphResult),
    /// Nothing comes any more; the trailer, if the end was reached.
    Ended(Option<Trailer>),
}

enum Message {
    Shape(Arc<ResultShape>),
    Chunk(Chunk),
    End(Result<Streamed>),
}

impl Parts {
    fn of_whole(result: GraphResult) -> Parts {
        let shape = Arc::clone(result.shape());
        let source = Arc::new(Mutex::new(Source::Whole(result)));
        Parts { shape, from: From::Here(source, Cancel::default()) }
    }

    /// The parts that a server sends.
    pub(crate) fn of_server(stream: ResultStream, runtime: Arc<Runtime>) -> Parts {
        let shape = Arc::clone(stream.shape());
        let sent = Sent { stream: Some(stream), trailer: None };
        Parts { shape, from: From::There(Arc::new(tokio::sync::Mutex::new(sent)), runtime) }
    }

    /// The shape of the result.
    pub const fn shape(&self) -> &Arc<ResultShape> {
        &self.shape
    }

    /// The next part; none behind the last one.
    pub fn next(&self) -> Task<Option<Part>> {
        let shape = Arc::clone(&self.shape);
        match &self.from {
            From::Here(source, cancel) => {
                let source = Arc::clone(source);
                let next = move || Ok(next_here(&mut source.lock())?.map(|held| Part { shape, held }));
                Task::here(Lane::Statements, next).stopped_by(cancel.clone())
            }
            From::There(sent, runtime) => {
                let sent = Arc::clone(sent);
                Task::there(Arc::clone(runtime), async move {
                    let chunk = sent.lock().await.next().await?;
                    Ok(chunk.map(|chunk| Part { shape, held: Held::One(chunk) }))
                })
            }
        }
    }

    /// What is known of the result once its end was reached.
    pub fn trailer(&self) -> Option<Trailer> {
        match &self.from {
            From::Here(source, _) => match &*source.lock() {
                Source::Ended(trailer) => *trailer,
                Source::Reading(_) | Source::Whole(_) => None,
            },
            // While a part is waited for, the end was not reached.
            From::There(sent, _) => sent.try_lock().ok()?.trailer,
        }
    }
}

impl Sent {
    /// The next chunk; none behind the last one, and behind an error.
    async fn next(&mut self) -> Result<Option<Chunk>> {
        let Some(stream) = &mut self.stream else { return Ok(None) };
        let next = stream.next().await;
        if !matches!(next, Ok(Some(_))) {
            self.trailer = stream.trailer().copied();
            self.stream = None;
        }
        next
    }
}

/// The next part of a statement of this process.
fn next_here(source: &mut Source) -> Result<Option<Held>> {
    let (held, then) = match std::mem::replace(source, Source::Ended(None)) {
        Source::Whole(result) => {
            let trailer = *result.trailer();
            (Some(Held::All(result)), Source::Ended(Some(trailer)))
        }
        Source::Ended(trailer) => (None, Source::Ended(trailer)),
        Source::Reading(messages) => match messages.recv() {
            Ok(Message::Chunk(chunk)) => (Some(Held::One(chunk)), Source::Reading(messages)),
            Ok(Message::End(end)) => match end? {
                Streamed::Parts(trailer) => (None, Source::Ended(Some(trailer))),
                Streamed::Whole(_) => return Err(out_of_order()),
            },
            Ok(Message::Shape(_)) | Err(_) => return Err(out_of_order()),
        },
    };
    *source = then;
    Ok(held)
}

impl Part {
    /// The shape of the result.
    pub const fn shape(&self) -> &Arc<ResultShape> {
        &self.shape
    }

    /// Its chunks.
    pub fn chunks(&self) -> &[Chunk] {
        match &self.held {
            Held::One(chunk) => std::slice::from_ref(chunk),
            Held::All(result) => result.chunks(),
        }
    }
}

impl std::convert::From<GraphResult> for Part {
    fn from(result: GraphResult) -> Part {
        Part { shape: Arc::clone(result.shape()), held: Held::All(result) }
    }
}

/// Begins to read on a thread of its own, and returns when the shape is known.
///
/// # Errors
/// Those of the statement; `InvalidQuery` of one that gives no rows, which is not executed.
pub(crate) fn read(session: Session, text: &str, params: Params) -> Result<Parts> {
    let statement = session.prepare(text)?;
    statement.require_rows()?;
    let cancel = Cancel::embedded(session.cancel_handle());
    let (sender, messages) = sync_channel(PARTS_WAITING_MAX);
    pool::run(Lane::Streams, move |started| {
        let end = started.and_then(|()| read_parts(&session, &statement, &params, &sender));
        // Where nobody waits for the end, nobody needs it.
        drop(sender.send(Message::End(end)));
    });
    match messages.recv() {
        Ok(Message::Shape(shape)) => {
            let source = Arc::new(Mutex::new(Source::Reading(messages)));
            Ok(Parts { shape, from: From::Here(source, cancel) })
        }
        Ok(Message::End(end)) => match end? {
            Streamed::Whole(
                Outcome::Fetched(result) | Outcome::Written(MutationResult { returned: Some(result), .. }),
            ) => Ok(Parts::of_whole(result)),
            Streamed::Whole(_) | Streamed::Parts(_) => Err(out_of_order()),
        },
        Ok(Message::Chunk(_)) | Err(_) => Err(out_of_order()),
    }
}

fn read_parts(
    session: &Session,
    statement: &Prepared,
    params: &Params,
    sender: &SyncSender<Message>,
) -> Result<Streamed> {
    session.stream(statement, params, &mut |part| {
        let message = match part {
            StreamPart::Shape(shape) => Message::Shape(shape),
            StreamPart::Chunk(chunk) => Message::Chunk(chunk),
        };
        let unwanted = |_| Error::new(ErrorCode::Cancelled, "the rest of the result is not wanted");
        sender.send(message).map_err(unwanted)
    })
}

fn out_of_order() -> Error {
    Error::new(ErrorCode::Internal, "the parts of a result came out of order")
}
