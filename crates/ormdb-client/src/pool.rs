//! A pool of connections to one server.
//!
//! A connection carries many requests at once; several of them are served by several cores. Connections are opened when
//! those that are there are busy, and one that is lost is replaced when it is needed.
//!
//! Invariants: (1) there are never more than [`PoolOptions::connections_max`] connections, open or being opened; (2) no
//! connection has more than [`PoolOptions::requests_per_connection_max`] users, and who waits for a place gets it in the
//! order of asking; (3) a write is never sent again if it may have been executed.

mod options;
mod places;
mod repeat;

use std::sync::Arc;
use std::time::Duration;

use ormdb_proto::ir::{Params, Statement};
use ormdb_proto::message::SchemaApplied;
use ormdb_proto::{Access, Description, Error, GraphResult, Isolation, Outcome, Result};

use crate::address::Address;
use crate::changes::Changes;
use crate::client::Client;
use crate::stream::{FanOuts, ResultStream};
use crate::transaction::Transaction;
pub use options::PoolOptions;
pub(crate) use places::Lease;
use places::Places;
use repeat::{Attempts, Repeat};

/// Connections to one server, opened as they are needed. A clone shares them.
///
/// # Example
/// ```no_run
/// # async fn f() -> ormdb_proto::Result<()> {
/// use ormdb_client::Pool;
/// use ormdb_proto::ir::Params;
///
/// let pool = Pool::new("ormdb://127.0.0.1:5477")?;
/// pool.query("create Artist { name: \"Kukl\" }", &Params::none()).await?;
/// pool.transact(|transaction| async move {
///     let update = "update Artist[name: \"Kukl\"] set { name: \"KUKL\" }";
///     transaction.query(update, &Params::none()).await
/// })
/// .await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Pool {
    places: Arc<Places>,
    options: PoolOptions,
}

impl Pool {
    /// A pool for the server of a URL, with the options that hold where none are given. Connects to nothing yet.
    ///
    /// # Errors
    /// `InvalidValue` if the URL is none.
    pub fn new(url: &str) -> Result<Pool> {
        Ok(Pool::with(url.parse()?, PoolOptions::default()))
    }

    /// A pool for a server. Connects to nothing yet.
    pub fn with(address: Address, options: PoolOptions) -> Pool {
        Pool { places: Arc::new(Places::new(address, &options)), options }
    }

    /// A handle whose requests end when they take longer, waiting and retries included: they are cancelled on the server
    /// and fail with `Cancelled`, whose detail says whether a write may have been executed.
    #[must_use]
    pub fn with_deadline(&self, deadline: Duration) -> Pool {
        let options = PoolOptions { deadline: Some(deadline), ..self.options.clone() };
        Pool { places: Arc::clone(&self.places), options }
    }

    /// How many connections are open.
    pub fn connections(&self) -> usize {
        self.places.open()
    }

    /// A place on a connection, until the last handle on it is gone: for requests that belong together.
    ///
    /// # Errors
    /// `ServerBusy` if every place was taken for [`PoolOptions::wait_max`]; `ConnectionFailed` if the server cannot be
    /// reached; `Cancelled` past the deadline; what a server says to who connects.
    pub async fn client(&self) -> Result<Client> {
        self.attempts(Repeat::Always).client().await
    }

    /// Runs one statement given as text. A fetch is run again if the connection is lost, a write only if it was surely not
    /// executed; both after a conflict with others.
    ///
    /// # Errors
    /// As [`Client::query`] and [`Pool::client`].
    pub async fn query(&self, text: &str, params: &Params) -> Result<Outcome> {
        let mut attempts = self.attempts(Repeat::of_text(text));
        loop {
            let client = attempts.client().await?;
            match attempts.within(client.query(text, params)).await {
                Ok(outcome) => return Ok(outcome),
                Err(error) => attempts.pause_or_end(error).await?,
            }
        }
    }

    /// Runs one statement given as IR; again as [`Pool::query`] says.
    ///
    /// # Errors
    /// As [`Pool::query`].
    pub async fn execute(&self, statement: &Statement, params: &Params) -> Result<Outcome> {
        let mut attempts = self.attempts(Repeat::of_statement(statement));
        loop {
            let client = attempts.client().await?;
            match attempts.within(client.execute(statement, params)).await {
                Ok(outcome) => return Ok(outcome),
                Err(error) => attempts.pause_or_end(error).await?,
            }
        }
    }

    /// Fetches a graph: the text must be a fetch, or a mutation that returns something; again as [`Pool::query`] says.
    ///
    /// # Errors
    /// As [`Client::fetch`] and [`Pool::query`].
    pub async fn fetch(&self, text: &str, params: &Params) -> Result<GraphResult> {
        let mut attempts = self.attempts(Repeat::of_text(text));
        loop {
            let client = attempts.client().await?;
            match attempts.within(client.fetch(text, params)).await {
                Ok(result) => return Ok(result),
                Err(error) => attempts.pause_or_end(error).await?,
            }
        }
    }

    /// What a statement takes and gives, in the schema as it is: see [`Client::prepare`].
    ///
    /// # Errors
    /// As [`Client::prepare`] and [`Pool::query`].
    pub async fn describe(&self, text: &str) -> Result<Description> {
        let mut attempts = self.attempts(Repeat::Always);
        loop {
            let client = attempts.client().await?;
            match attempts.within(client.prepare(text)).await {
                Ok(prepared) => return Ok(prepared.description().clone()),
                Err(error) => attempts.pause_or_end(error).await?,
            }
        }
    }

    /// Is told of commits, on a place that the subscription keeps until it is dropped: see [`Client::subscribe`]. It ends with its
    /// connection, and whoever is told so subscribes again.
    ///
    /// # Errors
    /// As [`Client::subscribe`] and [`Pool::query`].
    pub async fn subscribe(&self, entities: &[&str]) -> Result<Changes> {
        let mut attempts = self.attempts(Repeat::Always);
        loop {
            let client = attempts.client().await?;
            match attempts.within(client.subscribe(entities)).await {
                Ok(changes) => return Ok(changes),
                Err(error) => attempts.pause_or_end(error).await?,
            }
        }
    }

    /// Fetches a graph chunk by chunk, on a place that the stream keeps until it is dropped. Until its shape is there it is begun
    /// again as [`Pool::query`] says; afterwards the deadline is that of each chunk.
    ///
    /// # Errors
    /// As [`Client::stream`] and [`Pool::query`].
    pub async fn stream(&self, text: &str, params: &Params) -> Result<ResultStream> {
        self.stream_as(text, params, FanOuts::Whole).await
    }

    /// As [`Pool::stream`], of rows of any size: see [`Client::stream_divided`].
    ///
    /// # Errors
    /// As [`Pool::stream`].
    pub async fn stream_divided(&self, text: &str, params: &Params) -> Result<ResultStream> {
        self.stream_as(text, params, FanOuts::Divided).await
    }

    async fn stream_as(&self, text: &str, params: &Params, fan_outs: FanOuts) -> Result<ResultStream> {
        let mut attempts = self.attempts(Repeat::of_text(text));
        loop {
            let client = attempts.client().await?;
            let client = match self.options.deadline {
                Some(deadline) => client.with_deadline(deadline),
                None => client,
            };
            match attempts.within(client.stream_text(text, params, fan_outs)).await {
                Ok(stream) => return Ok(stream),
                Err(error) => attempts.pause_or_end(error).await?,
            }
        }
    }

    /// The text of the schema.
    ///
    /// # Errors
    /// As [`Pool::query`].
    pub async fn schema(&self) -> Result<String> {
        let mut attempts = self.attempts(Repeat::Always);
        loop {
            let client = attempts.client().await?;
            match attempts.within(client.schema()).await {
                Ok(text) => return Ok(text),
                Err(error) => attempts.pause_or_end(error).await?,
            }
        }
    }

    /// Applies a schema.
    ///
    /// # Errors
    /// As [`Client::apply_schema`]; and as [`Pool::client`].
    pub async fn apply_schema(&self, text: &str) -> std::result::Result<SchemaApplied, Vec<Error>> {
        let client = self.client().await.map_err(|error| vec![error])?;
        client.apply_schema(text).await
    }

    /// Waits for a sign of life.
    ///
    /// # Errors
    /// As [`Pool::query`].
    pub async fn ping(&self) -> Result<()> {
        let mut attempts = self.attempts(Repeat::Always);
        loop {
            let client = attempts.client().await?;
            match attempts.within(client.ping()).await {
                Ok(()) => return Ok(()),
                Err(error) => attempts.pause_or_end(error).await?,
            }
        }
    }

    /// Begins a transaction, serializable, on a place of its own.
    ///
    /// # Errors
    /// As [`Pool::query`].
    pub async fn begin(&self) -> Result<Transaction> {
        self.begin_as(Isolation::default(), Access::ReadWrite).await
    }

    /// Begins a transaction of this isolation, that reads only or writes as well.
    ///
    /// # Errors
    /// As [`Pool::query`].
    pub async fn begin_as(&self, isolation: Isolation, access: Access) -> Result<Transaction> {
        // One that was begun on a lost connection is rolled back.
        let mut attempts = self.attempts(Repeat::Always);
        loop {
            let client = attempts.client().await?;
            match attempts.within(client.begin_as(isolation, access)).await {
                Ok(transaction) => return Ok(transaction),
                Err(error) => attempts.pause_or_end(error).await?,
            }
        }
    }

    /// Runs `body` in a serializable transaction and commits it; runs it again, after a pause, while it conflicts with
    /// others, and if the connection was lost before its commit was sent. The deadline is of `body` and all its runs.
    ///
    /// # Errors
    /// As [`Client::transact`]. If the connection was lost in the commit, `ConnectionFailed` with `maybe_executed`.
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
        let mut attempts = self.attempts(Repeat::Always);
        loop {
            let client = attempts.client().await?;
            let transaction = match attempts.within(client.begin_with(isolation)).await {
                Ok(transaction) => Arc::new(transaction),
                Err(error) => {
                    attempts.pause_or_end(error).await?;
                    continue;
                }
            };
            match attempts.within(body(Arc::clone(&transaction))).await {
                Ok(value) => match attempts.within(transaction.commit_shared()).await {
                    Ok(_) => return Ok(value),
                    Err(error) => attempts.pause_or_end_write(error).await?,
                },
                Err(mut error) => {
                    // Its locks are free while this one pauses. What keeps it from being rolled back has ended it.
                    drop(transaction.rollback_shared().await);
                    // It was not committed, whatever its statements did.
                    error.detail.maybe_executed = error.detail.maybe_executed.map(|_| false);
                    attempts.pause_or_end(error).await?;
                }
            }
        }
    }

    /// Closes every connection and opens no more. Requests in flight fail with `ConnectionFailed`.
    pub fn close(&self) {
        self.places.close();
    }

    fn attempts(&self, repeat: Repeat) -> Attempts<'_> {
        Attempts::new(&self.options, &self.places, repeat)
    }
}

#[cfg(test)]
mod tests;
