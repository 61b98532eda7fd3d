//! What a request asks of the database. The only place where the wire meets the database.

use ormdb::{Params, Prepared, Session, StreamPart, Streamed};
use ormdb_proto::bytes::AlignedBytes;
use ormdb_proto::frame::{FrameHeader, FrameType, violation};
use ormdb_proto::message::{self, SchemaApplied, SchemaRefused, Text, decode, encode};
use ormdb_proto::{Outcome, Result};

use super::outgoing::{Outgoing, Reply};

/// Runs a request outside of transactions; gives the end of its response, behind what it has sent. Blocks as long as the
/// statement runs and the client takes what is sent.
///
/// # Errors
/// The request's own; they are the response.
pub(super) fn run(
    session: &Session,
    header: &FrameHeader,
    payload: &AlignedBytes,
    reply: Reply,
    send: &dyn Fn(Outgoing),
) -> Result<Vec<Outgoing>> {
    match header.kind {
        FrameType::Query => {
            let query: message::Query = decode(payload)?;
            stream(session, &session.prepare(&query.text)?, &query.params, reply, send)
        }
        FrameType::Execute => {
            let execute: message::Execute = decode(payload)?;
            execute.statement.check_depth()?;
            stream(session, &session.prepare_statement(execute.statement), &execute.params, reply, send)
        }
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

/// Runs a statement; the parts of a fetch are sent as they are made, and what is returned is the end of the response.
fn stream(
    session: &Session,
    statement: &Prepared,
    params: &Params,
    reply: Reply,
    send: &dyn Fn(Outgoing),
) -> Result<Vec<Outgoing>> {
    let streamed = session.stream(statement, params, &mut |part| {
        send(match part {
            StreamPart::Shape(shape) => reply.shape(&shape)?,
            StreamPart::Chunk(chunk) => reply.chunk(chunk)?,
        });
        Ok(())
    })?;
    match streamed {
        Streamed::Parts(trailer) => Ok(vec![reply.last(FrameType::Trailer, encode(&trailer)?)?]),
        Streamed::Whole(whole) => outcome(&whole, reply),
    }
}

/// The response of a statement's outcome.
pub(super) fn outcome(outcome: &Outcome, reply: Reply) -> Result<Vec<Outgoing>> {
    match outcome {
        Outcome::Fetched(result) => reply.fetched(result),
        Outcome::Written(written) => reply.written(written),
        Outcome::Explained(plan) => Ok(vec![reply.last(FrameType::Plan, encode(plan)?)?]),
        Outcome::Done { token } => {
            Ok(vec![reply.last(FrameType::Done, encode(&message::Done { token: *token })?)?])
        }
    }
}
