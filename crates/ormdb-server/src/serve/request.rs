//! What a request asks of the database. The only place where the wire meets the database.

use std::time::Duration;

use ormdb::{Params, Prepared, Session, Streamed, Transaction, UnsyncedWrite};
use ormdb_proto::bytes::AlignedBytes;
use ormdb_proto::frame::{FrameHeader, FrameType, violation};
use ormdb_proto::message::{self, SchemaApplied, SchemaRefused, Text, decode, encode};
use ormdb_proto::{Outcome, Result};

use super::outgoing::{Outgoing, Reply};
use super::sender::BlockingSender;

/// What a request says.
pub(super) enum Body {
    /// A message, as it came.
    Message(AlignedBytes),
    /// Parameters for a statement that the connection has prepared.
    Prepared(Prepared, Params),
}

/// The longest message whose statement is looked at where it is decoded: a longer one takes its time to parse.
const BRIEF_BYTES_MAX: usize = 16 << 10;
/// How long a statement should take where its request is decoded. Other requests of the connection wait meanwhile.
pub(super) const BRIEF: Duration = Duration::from_millis(1);

impl Body {
    /// The same, with the statement that a message has prepared.
    ///
    /// # Errors
    /// Those of the message and of the text; `InvalidQuery` of a statement that gives no rows, where rows are asked for.
    fn prepared(self, session: &Session, header: &FrameHeader) -> Result<Body> {
        let (prepared, params) = match (self, header.kind) {
            (Body::Prepared(prepared, params), _) => (prepared, params),
            (Body::Message(payload), FrameType::Query) => {
                let query: message::Query = decode(&payload)?;
                (session.prepare(&query.text)?, query.params)
            }
            (Body::Message(payload), FrameType::Execute) => {
                let execute: message::Execute = decode(&payload)?;
                execute.statement.check_depth()?;
                (session.prepare_statement(execute.statement), execute.params)
            }
            (other, _) => return Ok(other),
        };
        if header.wants_rows() {
            prepared.require_rows()?;
        }
        Ok(Body::Prepared(prepared, params))
    }
}

/// What became of a request that was looked at where it was decoded.
pub(super) enum Looked {
    /// It is done.
    Done(Result<Vec<Outgoing>>),
    /// It is to be run where it has time.
    Begun(Body),
}

/// Runs a request outside of transactions at once, if it is a fetch that is over in a moment.
pub(super) fn look(session: &Session, header: &FrameHeader, body: Body, reply: Reply) -> Looked {
    if matches!(&body, Body::Message(payload) if payload.len() > BRIEF_BYTES_MAX) {
        return Looked::Begun(body);
    }
    let body = match body.prepared(session, header) {
        Ok(body) => body,
        Err(error) => return Looked::Done(Err(error)),
    };
    let Body::Prepared(prepared, params) = &body else { return Looked::Begun(body) };
    match session.run_briefly(prepared, params, BRIEF) {
        Ok(None) => Looked::Begun(body),
        Ok(Some(result)) => Looked::Done(reply.fetched(&result)),
        Err(error) => Looked::Done(Err(error)),
    }
}

/// The end of the response of a write, once it is durable.
///
/// # Errors
/// Those of [`UnsyncedWrite::durable`].
pub(super) fn written(write: UnsyncedWrite, reply: Reply) -> Result<Vec<Outgoing>> {
    reply.written(&write.durable()?)
}

/// Runs a request outside of transactions; gives the end of its response, behind what it has sent. Blocks as long as the
/// statement runs and the client takes what is sent.
///
/// # Errors
/// The request's own; they are the response.
pub(super) fn run(
    session: &Session,
    header: &FrameHeader,
    body: Body,
    reply: Reply,
    sender: &mut BlockingSender,
) -> Result<Vec<Outgoing>> {
    let payload = match body.prepared(session, header)? {
        Body::Prepared(prepared, params) => {
            let see = &mut |part| sender.send(reply.part(part)?);
            let streamed = if header.takes_divided() {
                session.stream_divided(&prepared, &params, see)?
            } else {
                session.stream(&prepared, &params, see)?
            };
            return ended(streamed, reply);
        }
        Body::Message(payload) => payload,
    };
    let payload = &payload;
    match header.kind {
        FrameType::Explain => {
            let explain: message::Explain = decode(payload)?;
            explain.statement.check_depth()?;
            let plan = session.explain(&explain.statement, &explain.params, explain.mode)?;
            Ok(vec![reply.last(FrameType::Plan, encode(&plan)?)?])
        }
        FrameType::ShowSchema => {
            let text = session.schema_text();
            Ok(vec![reply.last(FrameType::Text, encode(&Text { text })?)?])
        }
        FrameType::ApplySchema => {
            let schema: message::ApplySchema = decode(payload)?;
            Ok(vec![match session.apply_schema(&schema.text) {
                Ok(applied) => {
                    let changes = applied.changes.iter().map(ToString::to_string).collect();
                    let applied = SchemaApplied { version: applied.catalog.version(), changes };
                    reply.last(FrameType::SchemaApplied, encode(&applied)?)?
                }
                Err(errors) => reply.last(FrameType::SchemaRefused, encode(&SchemaRefused { errors })?)?,
            }])
        }
        FrameType::ListUsers => {
            let users = session.users()?;
            Ok(vec![reply.last(FrameType::Users, encode(&message::Users { users })?)?])
        }
        FrameType::AddUser => {
            let message::AddUser { user, verifier } = decode(payload)?;
            session.add_user(&user, &verifier)?;
            outcome(&Outcome::Done { token: None }, reply)
        }
        FrameType::SetPassword => {
            let message::SetPassword { name, verifier } = decode(payload)?;
            session.set_password(&name, &verifier)?;
            outcome(&Outcome::Done { token: None }, reply)
        }
        FrameType::DropUser => {
            let message::DropUser { name } = decode(payload)?;
            session.drop_user(&name)?;
            outcome(&Outcome::Done { token: None }, reply)
        }
        other => Err(violation(format!("a frame of type {other:?} is no request"))),
    }
}

/// What became of a request in a transaction.
pub(super) enum Within {
    /// It was a statement, and is done.
    Ran(Vec<Outgoing>),
    /// It is about something else.
    Other(AlignedBytes),
}

/// Runs a statement in a transaction.
///
/// # Errors
/// The request's own; they are the response.
pub(super) fn run_within(
    (session, transaction): (&Session, &mut Transaction),
    header: &FrameHeader,
    body: Body,
    reply: Reply,
    sender: &mut BlockingSender,
) -> Result<Within> {
    match body.prepared(session, header)? {
        Body::Prepared(prepared, params) => {
            let see = &mut |part| sender.send(reply.part(part)?);
            let streamed = if header.takes_divided() {
                transaction.stream_divided(&prepared, &params, see)?
            } else {
                transaction.stream(&prepared, &params, see)?
            };
            ended(streamed, reply).map(Within::Ran)
        }
        Body::Message(payload) => Ok(Within::Other(payload)),
    }
}

/// The end of a response whose parts are sent, or the whole of one that has none.
fn ended(streamed: Streamed, reply: Reply) -> Result<Vec<Outgoing>> {
    match streamed {
        Streamed::Parts(trailer) => Ok(vec![reply.last(FrameType::Trailer, encode(&trailer)?)?]),
        Streamed::Whole(whole) => outcome(&whole, reply),
    }
}

/// The response of a statement's outcome.
fn outcome(outcome: &Outcome, reply: Reply) -> Result<Vec<Outgoing>> {
    match outcome {
        Outcome::Fetched(result) => reply.fetched(result),
        Outcome::Written(written) => reply.written(written),
        Outcome::Explained(plan) => Ok(vec![reply.last(FrameType::Plan, encode(plan)?)?]),
        Outcome::Done { token } => {
            Ok(vec![reply.last(FrameType::Done, encode(&message::Done { token: *token })?)?])
        }
    }
}
