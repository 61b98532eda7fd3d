//! What a request asks of the database. The only place where the wire meets the database.

use ormdb::{Database, Session};
use ormdb_proto::bytes::AlignedBytes;
use ormdb_proto::frame::{FrameHeader, FrameType, violation};
use ormdb_proto::message::{self, SchemaApplied, SchemaRefused, Text, decode, encode};
use ormdb_proto::{Outcome, Result};

use super::outgoing::{Outgoing, Reply};

/// Runs a request outside of transactions. Blocks as long as the statement runs.
///
/// # Errors
/// The request's own; they are the response.
pub(super) fn run(
    database: &Database,
    session: &Session,
    header: &FrameHeader,
    payload: &AlignedBytes,
    reply: Reply,
) -> Result<Vec<Outgoing>> {
    match header.kind {
        FrameType::Query => {
            let query: message::Query = decode(payload)?;
            outcome(&session.query(&query.text, &query.params)?, reply)
        }
        FrameType::Execute => {
            let execute: message::Execute = decode(payload)?;
            execute.statement.check_depth()?;
            outcome(&session.execute(&execute.statement, &execute.params)?, reply)
        }
        FrameType::Explain => {
            let explain: message::Explain = decode(payload)?;
            explain.statement.check_depth()?;
            let plan = session.explain(&explain.statement, &explain.params, explain.mode)?;
            Ok(vec![reply.last(FrameType::Plan, encode(&plan)?)?])
        }
        FrameType::ShowSchema => {
            let text = database.catalog().text().to_owned();
            Ok(vec![reply.last(FrameType::Text, encode(&Text { text })?)?])
        }
        FrameType::ApplySchema => {
            let schema: message::ApplySchema = decode(payload)?;
            Ok(vec![match database.apply_schema(&schema.text) {
                Ok(applied) => {
                    let changes = applied.changes.iter().map(ToString::to_string).collect();
                    let applied = SchemaApplied { version: applied.catalog.version(), changes };
                    reply.last(FrameType::SchemaApplied, encode(&applied)?)?
                }
                Err(errors) => reply.last(FrameType::SchemaRefused, encode(&SchemaRefused { errors })?)?,
            }])
        }
        other => Err(violation(format!("a frame of type {other:?} is no request"))),
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
