//! Transactions over several requests.

use std::sync::atomic::{AtomicBool, Ordering};

use ormdb_proto::frame::FrameType;
use ormdb_proto::ir::{Params, Statement};
use ormdb_proto::message::{self, ReleaseSavepoint, RollbackTo, SetSavepoint};
use ormdb_proto::{Access, GraphResult, Isolation, Outcome, Result, Token};

use crate::client::Client;
use crate::pending::{Response, unexpected};
use crate::prepared::Prepared;
use crate::stream::ResultStream;

/// A transaction on a stream of the connection. Dropped without a commit, it is rolled back.
#[derive(Debug)]
pub struct Transaction {
    client: Client,
    open: AtomicBool,
}

impl Transaction {
    pub(crate) async fn begin(client: &Client, isolation: Isolation, access: Access) -> Result<Transaction> {
        // Made first, so that a begin whose answer was not waited for is rolled back too.
        let transaction = Transaction { client: client.on_new_stream(), open: AtomicBool::new(true) };
        match transaction.client.send(&message::Begin { isolation, access }).await? {
            Response::Done(_) => Ok(transaction),
            _ => Err(unexpected("a transaction")),
        }
    }

    /// A number that other transactions of this process hardly have.
    pub(crate) fn salt(&self) -> u64 {
        let connection = std::ptr::from_ref(self.client.connection()).addr();
        u64::from(self.client.stream_number()) ^ (u64::try_from(connection).unwrap_or(0) << 16)
    }

    /// Runs one statement given as text; it sees what the transaction wrote.
    ///
    /// # Errors
    /// As [`Client::query`].
    pub async fn query(&self, text: &str, params: &Params) -> Result<Outcome> {
        self.client.query(text, params).await
    }

    /// Runs one statement given as IR; it sees what the transaction wrote.
    ///
    /// # Errors
    /// As [`Client::query`].
    pub async fn execute(&self, statement: &Statement, params: &Params) -> Result<Outcome> {
        self.client.execute(statement, params).await
    }

    /// Fetches a graph; it has what the transaction wrote.
    ///
    /// # Errors
    /// As [`Client::fetch`].
    pub async fn fetch(&self, text: &str, params: &Params) -> Result<GraphResult> {
        self.client.fetch(text, params).await
    }

    /// Fetches a graph chunk by chunk; it has what the transaction wrote. Other statements of the transaction wait for its end.
    ///
    /// # Errors
    /// As [`Client::stream`].
    pub async fn stream(&self, text: &str, params: &Params) -> Result<ResultStream> {
        self.client.stream(text, params).await
    }

    /// Runs a prepared statement; it sees what the transaction wrote.
    ///
    /// # Errors
    /// As [`Client::run_prepared`].
    pub async fn run_prepared(&self, prepared: &Prepared, params: &Params) -> Result<Outcome> {
        self.client.run_prepared(prepared, params).await
    }

    /// Sets a savepoint. An older one of the same name is hidden until this one is released.
    ///
    /// # Errors
    /// As [`Client::query`]; `LimitExceeded` if the transaction has too many.
    pub async fn savepoint(&self, name: &str) -> Result<()> {
        done(self.client.send(&SetSavepoint { name: name.to_owned() }).await?)
    }

    /// Takes back what was written since the savepoint, which stays, and gives back the locks that were taken since.
    ///
    /// # Errors
    /// As [`Client::query`]; `SavepointNotFound` if there is none of this name.
    pub async fn rollback_to(&self, name: &str) -> Result<()> {
        done(self.client.send(&RollbackTo { name: name.to_owned() }).await?)
    }

    /// Forgets the savepoint and those after it; what was written stays.
    ///
    /// # Errors
    /// As [`Transaction::rollback_to`].
    pub async fn release(&self, name: &str) -> Result<()> {
        done(self.client.send(&ReleaseSavepoint { name: name.to_owned() }).await?)
    }

    /// Commits. When this returns the writes are durable.
    ///
    /// # Errors
    /// `SerializationConflict` if another transaction changed what this one read: run it again. `ConnectionFailed` if
    /// the connection was lost, whose detail says whether the commit may have happened.
    pub async fn commit(self) -> Result<Option<Token>> {
        self.commit_shared().await
    }

    /// Rolls back.
    ///
    /// # Errors
    /// As [`Client::query`].
    pub async fn rollback(self) -> Result<()> {
        self.rollback_shared().await
    }

    /// Commits a transaction that others may have handles on.
    pub(crate) async fn commit_shared(&self) -> Result<Option<Token>> {
        self.end(FrameType::Commit).await
    }

    /// Rolls back a transaction that others may have handles on.
    pub(crate) async fn rollback_shared(&self) -> Result<()> {
        self.end(FrameType::Rollback).await.map(drop)
    }

    async fn end(&self, by: FrameType) -> Result<Option<Token>> {
        self.open.store(false, Ordering::Relaxed);
        match self.client.send_empty(by).await? {
            Response::Done(done) => Ok(done.token),
            _ => Err(unexpected("the end of a transaction")),
        }
    }
}

fn done(response: Response) -> Result<()> {
    match response {
        Response::Done(_) => Ok(()),
        _ => Err(unexpected("the end of a request about a savepoint")),
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        if *self.open.get_mut() {
            self.client.connection().notify(FrameType::Rollback, self.client.stream_number(), 0);
        }
    }
}
