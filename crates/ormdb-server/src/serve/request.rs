//! What a request asks of the database. The only place where the wire meets the database.

use ormdb::{Params, Prepared, Session, Streamed, Transaction};
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

/// A statement of a request, with its parameters; none if the request is about something else.
///
/// # Errors
/// Those of the message and of the text.
fn statement(session: &Session, header: &FrameHeader, body: &Body) -> Result<Option<(Prepared, Params)>> {
    let found = statement_of(session, header, body)?;
    if let Some((prepared, _)) = &found
        && header.wants_rows()
    {
        prepared.require_rows()?;
    }
    Ok(found)
}

fn statement_of(session: &Session, header: &FrameHeader, body: &Body) -> Result<Option<(Prepared, Params)>> {
    let payload = match body {
        Body::Prepared(prepared, params) => return Ok(Some((prepared.clone(), params.clone()))),
        Body::Message(payload) => payload,
    };
    match header.kind {
        FrameType::Query => {
            let query: message::Query = decode(payload)?;
            Ok(Some((session.prepare(&query.text)?, query.params)))
        }
        FrameType::Execute => {
            let execute: message::Execute = decode(payload)?;
            execute.statement.check_depth()?;
            Ok(Some((session.prepare_statement(execute.statement), execute.params)))
        }
        _ => Ok(None),
    }
}

/// Runs a request outside of transactions; gives the end of its response, behind what it has sent. Blocks as long as the
/// statement runs and the client takes what is sent.
///
/// # Errors
/// The request's own; they are the response.
pub(super) fn run(
    session: &Session,
    header: &FrameHeader,
    body: &Body,
    reply: Reply,
    sender: &mut BlockingSender,
) -> Result<Vec<Outgoing>> {
    if let Some((prepared, params)) = statement(session, header, body)? {
        return ended(session.stream(&prepared, &params, &mut |part| sender.send(reply.part(part)?))?, reply);
    }
    let Body::Message(payload) = body else { return Err(violation("the request has no message")) };
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

/// Runs a statement in a transaction; none if the request is about something else.
///
/// # Errors
/// The request's own; they are the response.
pub(super) fn run_within(
    (session, transaction): (&Session, &mut Transaction),
    header: &FrameHeader,
    body: &Body,
    reply: Reply,
    sender: &mut BlockingSender,
) -> Result<Option<Vec<Outgoing>>> {
    let Some((prepared, params)) = statement(session, header, body)? else { return Ok(None) };
    ended(transaction.stream(&prepared, &params, &mut |part| sender.send(reply.part(part)?))?, reply)
        .map(Some)
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
