//! Statements that a client has prepared, by the numbers that it gave them.
//!
//! Invariants: (1) they are looked up in the order that requests came in: one that is closed serves what was sent before, and nothing
//! behind; (2) a connection has no more of them than [`PREPARED_MAX`], of [`PREPARED_BYTES_MAX`] together.

use std::collections::HashMap;

use ormdb::{Prepared, Session};
use ormdb_proto::bytes::AlignedBytes;
use ormdb_proto::frame::{FrameHeader, FrameType};
use ormdb_proto::message::{ClosePrepared, ExecutePrepared, Prepare, StatementSource, decode};
use ormdb_proto::{Description, Error, ErrorCode, Result};

use super::outgoing::{Outgoing, Reply};
use super::request::Body;

/// The most prepared statements of a connection.
const PREPARED_MAX: usize = 1024;
/// The most bytes of their messages together.
const PREPARED_BYTES_MAX: usize = 1 << 20;

/// The prepared statements of a connection.
#[derive(Default)]
pub(super) struct PreparedStatements {
    statements: HashMap<u32, (Prepared, usize)>,
    bytes: usize,
}

/// What became of a request.
pub(super) enum Taken {
    /// It is to be run.
    Request(Body),
    /// It was about a prepared statement, and is answered by this.
    Answered(Result<Vec<Outgoing>>),
}

impl PreparedStatements {
    /// Takes what is about prepared statements; what is not goes through as it is.
    pub(super) fn take(
        &mut self,
        header: &FrameHeader,
        payload: AlignedBytes,
        (session, reply): (&Session, Reply),
    ) -> Taken {
        match header.kind {
            FrameType::Prepare => {
                let prepared = self.prepare(&payload, session);
                Taken::Answered(prepared.and_then(|described| reply.prepared(&described)))
            }
            FrameType::ClosePrepared => Taken::Answered(self.close(&payload).and_then(|()| reply.done())),
            FrameType::ExecutePrepared => match self.find(&payload) {
                Ok(body) => Taken::Request(body),
                Err(error) => Taken::Answered(Err(error)),
            },
            _ => Taken::Request(Body::Message(payload)),
        }
    }

    fn prepare(&mut self, payload: &AlignedBytes, session: &Session) -> Result<Description> {
        let bytes = payload.len();
        // Seen before the message is read: reading and parsing happen beside all other requests of the connection.
        if self.statements.len() >= PREPARED_MAX || self.bytes.saturating_add(bytes) > PREPARED_BYTES_MAX {
            let message = format!(
                "the connection has its {PREPARED_MAX} prepared statements, or {PREPARED_BYTES_MAX} bytes of them"
            );
            return Err(Error::new(ErrorCode::LimitExceeded, message)
                .hint("close some, or send the statement as it is"));
        }
        let Prepare { id, statement } = decode(payload)?;
        if self.statements.contains_key(&id) {
            let message = format!("the connection has a prepared statement {id} already");
            return Err(Error::new(ErrorCode::DuplicateName, message));
        }
        let prepared = match statement {
            StatementSource::Text(text) => session.prepare(&text)?,
            StatementSource::Statement(statement) => {
                statement.check_depth()?;
                session.prepare_statement(*statement)
            }
        };
        let described = session.describe(&prepared)?;
        self.statements.insert(id, (prepared, bytes));
        self.bytes += bytes;
        Ok(described)
    }

    fn find(&self, payload: &AlignedBytes) -> Result<Body> {
        let ExecutePrepared { id, params } = decode(payload)?;
        let (prepared, _) = self.statements.get(&id).ok_or_else(|| unknown(id))?;
        Ok(Body::Prepared(prepared.clone(), params))
    }

    fn close(&mut self, payload: &AlignedBytes) -> Result<()> {
        let ClosePrepared { id } = decode(payload)?;
        let (_, bytes) = self.statements.remove(&id).ok_or_else(|| unknown(id))?;
        self.bytes = self.bytes.saturating_sub(bytes);
        Ok(())
    }
}

fn unknown(id: u32) -> Error {
    Error::new(ErrorCode::UnknownName, format!("the connection has no prepared statement {id}"))
}
