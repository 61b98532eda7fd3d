//! Statements that a server has parsed, by their numbers.

use std::sync::{Arc, OnceLock};

use ormdb_proto::frame::FrameType;
use ormdb_proto::ir::{Params, Statement};
use ormdb_proto::message::{ClosePrepared, ExecutePrepared, Message, Prepare, StatementSource, encode};
use ormdb_proto::{Description, Error, ErrorCode, Outcome, Result};

use crate::client::{Client, outcome};
use crate::connection::Connection;
use crate::pending::{Response, unexpected};
use crate::stream::{FanOuts, ResultStream};

/// A statement that the server has parsed for this connection; it is sent by its number, and planned once. Clones are one, and the
/// last one to go closes it. It survives changes of the schema, and ends with its connection.
#[derive(Clone, Debug)]
pub struct Prepared(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    connection: Arc<Connection>,
    id: u32,
    description: OnceLock<Description>,
}

impl Prepared {
    /// What it took and gave when it was prepared: the types of its parameters, and the shape of its rows. A later schema may
    /// change both.
    pub fn description(&self) -> &Description {
        static NOTHING: Description = Description { params: Vec::new(), shape: None };
        self.0.description.get().unwrap_or(&NOTHING)
    }
}

impl Client {
    /// Has the server parse a statement, to run it many times, and tell what it takes and gives.
    ///
    /// # Errors
    /// What is wrong with it whatever the values of its parameters are; `LimitExceeded` if the connection has too many.
    pub async fn prepare(&self, text: &str) -> Result<Prepared> {
        self.prepare_source(StatementSource::Text(text.to_owned())).await
    }

    /// As [`prepare`](Self::prepare), of a statement given as IR.
    ///
    /// # Errors
    /// As [`prepare`](Self::prepare).
    pub async fn prepare_statement(&self, statement: &Statement) -> Result<Prepared> {
        self.prepare_source(StatementSource::Statement(Box::new(statement.clone()))).await
    }

    async fn prepare_source(&self, statement: StatementSource) -> Result<Prepared> {
        let id = self.connection().next_prepared();
        // Made first, so that it is closed too where its answer is not waited for.
        let (connection, description) = (Arc::clone(self.connection()), OnceLock::new());
        let prepared = Prepared(Arc::new(Inner { connection, id, description }));
        match self.send(&Prepare { id, statement }).await? {
            Response::Prepared(described) => {
                prepared.0.description.get_or_init(|| described);
                Ok(prepared)
            }
            _ => Err(unexpected("that it is prepared")),
        }
    }

    /// Runs a prepared statement of this connection: in this transaction, if the handle is one's.
    ///
    /// # Errors
    /// As [`query`](Self::query); `InvalidValue` if it was prepared on another connection.
    pub async fn run_prepared(&self, prepared: &Prepared, params: &Params) -> Result<Outcome> {
        self.send(&self.execution(prepared, params)?).await.and_then(outcome)
    }

    /// Fetches the graph of a prepared statement chunk by chunk: as [`stream`](Self::stream).
    ///
    /// # Errors
    /// As [`stream`](Self::stream) and [`run_prepared`](Self::run_prepared).
    pub async fn stream_prepared(&self, prepared: &Prepared, params: &Params) -> Result<ResultStream> {
        let execution = encode(&self.execution(prepared, params)?)?;
        self.stream_of(ExecutePrepared::KIND, execution, FanOuts::Whole).await
    }

    fn execution(&self, prepared: &Prepared, params: &Params) -> Result<ExecutePrepared> {
        if !Arc::ptr_eq(&prepared.0.connection, self.connection()) {
            let message = "the statement was prepared on another connection";
            return Err(Error::new(ErrorCode::InvalidValue, message));
        }
        Ok(ExecutePrepared { id: prepared.0.id, params: params.clone() })
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // What cannot be written is closed with the connection.
        if let Ok(payload) = encode(&ClosePrepared { id: self.id }) {
            self.connection.notify_with(FrameType::ClosePrepared, payload);
        }
    }
}
