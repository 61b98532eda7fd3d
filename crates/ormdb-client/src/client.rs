//! Handles on a connection.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use ormdb_proto::frame::FrameType;
use ormdb_proto::ir::{Explain, Params, Statement};
use ormdb_proto::message::{self, Message, SchemaApplied, encode};
use ormdb_proto::{
    Access, Error, Explanation, GraphResult, Isolation, MutationResult, Outcome, Result, Retry,
};
use rkyv::util::AlignedVec;

use crate::address::{Address, Credentials};
use crate::connection::{Asked, Connection, Parts, Wants};
use crate::pending::{Response, unexpected};
use crate::pool::Lease;
use crate::transaction::Transaction;

/// How a connection is made.
#[derive(Clone, Debug)]
pub struct ConnectOptions {
    /// How long connecting and the handshake may take.
    pub connect_timeout: Duration,
    /// The longest frame that is taken from the server: it bounds a chunk of a result.
    pub frame_bytes_max: u32,
    /// How many bytes of a result the server may send ahead of its reader; 0 for any number.
    pub window_bytes: u32,
    /// The name of this program, for the server's log.
    pub name: String,
    /// Who logs in, where the address does not say it.
    pub credentials: Option<Credentials>,
    /// A file (PEM) of the authorities to trust, where the address does not say it; those of the system otherwise.
    pub ca_file: Option<PathBuf>,
}

impl Default for ConnectOptions {
    fn default() -> ConnectOptions {
        ConnectOptions {
            connect_timeout: Duration::from_secs(10),
            frame_bytes_max: 256 << 20,
            window_bytes: 4 << 20,
            name: concat!("ormdb-client ", env!("CARGO_PKG_VERSION")).to_owned(),
            credentials: None,
            ca_file: None,
        }
    }
}

/// A handle on a connection to a server; a clone shares the connection. Requests of many tasks run at once.
#[derive(Clone, Debug)]
pub struct Client {
    connection: Arc<Connection>,
    streams: Arc<AtomicU32>,
    stream: u32,
    deadline: Option<Duration>,
    retry: Retry,
    /// Its place, if it is of a pool.
    _lease: Option<Arc<Lease>>,
}

impl Client {
    /// Connects to `ormdb://host:port`, `ormdb+tls://host:port` or `ormdb+unix:///path`; see [`Address`].
    ///
    /// # Errors
    /// `InvalidValue` if the URL is none; `ConnectionFailed` if there is no server, or it is not the one of its certificate;
    /// `AuthenticationFailed` if user or password is wrong, or one is needed; `ServerBusy` if it takes no more
    /// connections; `ProtocolViolation` if it speaks another version.
    pub async fn connect(url: &str) -> Result<Client> {
        Client::connect_with(&url.parse()?, &ConnectOptions::default()).await
    }

    /// Connects with options.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub async fn connect_with(address: &Address, options: &ConnectOptions) -> Result<Client> {
        let connection = Arc::new(Connection::open(address, options).await?);
        let streams = Arc::new(AtomicU32::new(1));
        Ok(Client { connection, streams, stream: 0, deadline: None, retry: Retry::default(), _lease: None })
    }

    /// A handle whose requests fail with `Cancelled` when they take longer, and are cancelled on the server.
    #[must_use]
    pub fn with_deadline(&self, deadline: Duration) -> Client {
        Client { deadline: Some(deadline), ..self.clone() }
    }

    /// A handle whose [`transact`](Self::transact) runs transactions again in this way.
    #[must_use]
    pub fn with_retry(&self, retry: Retry) -> Client {
        Client { retry, ..self.clone() }
    }

    /// The handle that has a place in a pool.
    pub(crate) fn leased(self, lease: Arc<Lease>) -> Client {
        Client { _lease: Some(lease), ..self }
    }

    /// Whether the connection takes requests.
    pub fn is_open(&self) -> bool {
        self.connection.is_open()
    }

    /// A handle on a stream of its own.
    pub(crate) fn on_new_stream(&self) -> Client {
        // Stream 0 is that of requests without a transaction; a number comes round after 2^32 transactions.
        let stream = self.streams.fetch_add(1, Ordering::Relaxed).max(1);
        Client { stream, ..self.clone() }
    }

    /// Runs one statement given as text.
    ///
    /// # Errors
    /// The server's; `ConnectionFailed` if the connection is lost, whose detail says whether the statement may have
    /// been executed; `Cancelled` past the deadline.
    pub async fn query(&self, text: &str, params: &Params) -> Result<Outcome> {
        self.send(&message::Query { text: text.to_owned(), params: params.clone() }).await.and_then(outcome)
    }

    /// Runs one statement given as IR.
    ///
    /// # Errors
    /// As [`query`](Self::query).
    pub async fn execute(&self, statement: &Statement, params: &Params) -> Result<Outcome> {
        let execute = message::Execute { statement: statement.clone(), params: params.clone() };
        self.send(&execute).await.and_then(outcome)
    }

    /// Fetches a graph: the text must be a fetch, or a mutation that returns something.
    ///
    /// # Errors
    /// As [`query`](Self::query); `InvalidQuery` if the statement gives no graph, and is not executed.
    pub async fn fetch(&self, text: &str, params: &Params) -> Result<GraphResult> {
        let query = message::Query { text: text.to_owned(), params: params.clone() };
        let asked = self.asked(message::Query::KIND, Wants::Rows, encode(&query)?);
        graph(self.connection.request(asked, self.deadline).await?)
    }

    /// The plan of a statement given as IR; a text begins with `explain` and is a query.
    ///
    /// # Errors
    /// As [`query`](Self::query).
    pub async fn explain(
        &self,
        statement: &Statement,
        params: &Params,
        mode: Explain,
    ) -> Result<Explanation> {
        let explain = message::Explain { statement: statement.clone(), params: params.clone(), mode };
        match self.send(&explain).await? {
            Response::Explained(plan) => Ok(plan),
            _ => Err(unexpected("a plan")),
        }
    }

    /// The text of the schema.
    ///
    /// # Errors
    /// As [`query`](Self::query).
    pub async fn schema(&self) -> Result<String> {
        match self.send_empty(FrameType::ShowSchema).await? {
            Response::Text(text) => Ok(text),
            _ => Err(unexpected("a schema")),
        }
    }

    /// Applies a schema.
    ///
    /// # Errors
    /// Everything that is wrong with it; or the one error of the request, as [`query`](Self::query).
    pub async fn apply_schema(&self, text: &str) -> std::result::Result<SchemaApplied, Vec<Error>> {
        match self.send(&message::ApplySchema { text: text.to_owned() }).await.map_err(|e| vec![e])? {
            Response::SchemaApplied(applied) => Ok(applied),
            Response::SchemaRefused(errors) => Err(errors),
            _ => Err(vec![unexpected("a schema")]),
        }
    }

    /// Waits for a sign of life.
    ///
    /// # Errors
    /// As [`query`](Self::query).
    pub async fn ping(&self) -> Result<()> {
        match self.send_empty(FrameType::Ping).await? {
            Response::Pong => Ok(()),
            _ => Err(unexpected("a pong")),
        }
    }

    /// Begins a transaction, serializable.
    ///
    /// # Errors
    /// As [`query`](Self::query).
    pub async fn begin(&self) -> Result<Transaction> {
        self.begin_with(Isolation::default()).await
    }

    /// Begins a transaction of this isolation.
    ///
    /// # Errors
    /// As [`query`](Self::query).
    pub async fn begin_with(&self, isolation: Isolation) -> Result<Transaction> {
        self.begin_as(isolation, Access::ReadWrite).await
    }

    /// Begins a transaction of this isolation, that reads only or writes as well.
    ///
    /// # Errors
    /// As [`query`](Self::query).
    pub async fn begin_as(&self, isolation: Isolation, access: Access) -> Result<Transaction> {
        Transaction::begin(self, isolation, access).await
    }

    /// Runs `body` in a serializable transaction and commits it; runs it again, after a pause, while it conflicts with others or
    /// waits for them in a circle, as often as [`with_retry`](Self::with_retry) says. A transaction whose connection is lost is
    /// never run again: it may have been committed.
    ///
    /// # Errors
    /// The first error of `body` or of the commit that is not a conflict, or the last conflict, with `retries_max` in its
    /// detail.
    pub async fn transact<T, F>(&self, body: impl FnMut(Arc<Transaction>) -> F) -> Result<T>
    where
        F: Future<Output = Result<T>>,
    {
        self.transact_with(Isolation::default(), body).await
    }

    /// As [`transact`](Self::transact), of this isolation.
    ///
    /// # Errors
    /// As [`transact`](Self::transact).
    pub async fn transact_with<T, F>(
        &self,
        isolation: Isolation,
        mut body: impl FnMut(Arc<Transaction>) -> F,
    ) -> Result<T>
    where
        F: Future<Output = Result<T>>,
    {
        let mut retries = 0;
        loop {
            let transaction = Arc::new(self.begin_with(isolation).await?);
            let salt = transaction.salt();
            let error = match body(Arc::clone(&transaction)).await {
                Ok(value) => match transaction.commit_shared().await {
                    Ok(_) => return Ok(value),
                    Err(error) => error,
                },
                Err(error) => {
                    // Its locks are free while this one pauses. What keeps it from being rolled back has ended it.
                    drop(transaction.rollback_shared().await);
                    error
                }
            };
            tokio::time::sleep(self.retry.pause(error, retries, salt)?).await;
            retries += 1;
        }
    }

    /// Closes the connection, for every handle on it. Requests in flight fail with `ConnectionFailed`.
    pub fn close(&self) {
        self.connection.close();
    }

    const fn asked(&self, kind: FrameType, wants: Wants, payload: AlignedVec) -> Asked {
        Asked { kind, stream: self.stream, wants, payload }
    }

    /// Sends a request whose response is taken part by part.
    pub(crate) async fn parts_of(&self, kind: FrameType, wants: Wants, payload: AlignedVec) -> Result<Parts> {
        self.connection.stream(self.asked(kind, wants, payload), self.deadline).await
    }

    pub(crate) const fn stream_number(&self) -> u32 {
        self.stream
    }

    pub(crate) const fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    pub(crate) async fn send<M>(&self, message: &M) -> Result<Response>
    where
        M: Message
            + for<'a> rkyv::Serialize<
                rkyv::api::high::HighSerializer<
                    AlignedVec,
                    rkyv::ser::allocator::ArenaHandle<'a>,
                    rkyv::rancor::Error,
                >,
            >,
    {
        let asked = self.asked(M::KIND, Wants::Anything, encode(message)?);
        self.connection.request(asked, self.deadline).await
    }

    pub(crate) async fn send_empty(&self, kind: FrameType) -> Result<Response> {
        let asked = self.asked(kind, Wants::Anything, AlignedVec::new());
        self.connection.request(asked, self.deadline).await
    }
}

/// The graph of a statement that was asked for one.
fn graph(response: Response) -> Result<GraphResult> {
    match response {
        Response::Fetched(result) | Response::Written(MutationResult { returned: Some(result), .. }) => {
            Ok(result)
        }
        _ => Err(unexpected("a graph")),
    }
}

pub(crate) fn outcome(response: Response) -> Result<Outcome> {
    match response {
        Response::Fetched(result) => Ok(Outcome::Fetched(result)),
        Response::Written(written) => Ok(Outcome::Written(written)),
        Response::Explained(plan) => Ok(Outcome::Explained(plan)),
        Response::Done(done) => Ok(Outcome::Done { token: done.token }),
        Response::Text(_)
        | Response::SchemaApplied(_)
        | Response::SchemaRefused(_)
        | Response::Users(_)
        | Response::Prepared(_)
        | Response::Pong => Err(unexpected("a result")),
    }
}
