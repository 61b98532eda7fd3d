//! Sessions: who asks, and within which limits.

mod administration;
mod context;

use std::time::Duration;

use ormdb_proto::ir::{Explain, Fetch, Params, Statement};
use ormdb_proto::result::Trailer;
use ormdb_proto::{Access, Error, ErrorCode, Explanation, GraphResult, Isolation, Outcome, Result, Retry};

use crate::database::{Database, UnsyncedWrite};
use crate::exec::{FanOuts, StreamPart};
use crate::limits::Limits;
use crate::plan::Prepared;
use crate::transaction::Transaction;

pub use context::CancelHandle;
pub(crate) use context::SessionContext;

/// How many times the time that it should take a statement is given before it is given up: see [`Session::run_briefly`].
const LATE_AT_MOST: u32 = 8;

/// How the result of a statement came: see [`Session::stream`].
#[derive(Debug)]
pub enum Streamed {
    /// In parts, which were handed on.
    Parts(Trailer),
    /// As a whole.
    Whole(Outcome),
}

/// A user's way into a database. Cheap to make and to clone; its statements may run on several threads.
#[derive(Clone, Debug)]
pub struct Session {
    database: Database,
    context: SessionContext,
    retry: Retry,
}

impl Session {
    pub(crate) fn new(database: Database, context: SessionContext) -> Session {
        Session { database, context, retry: Retry::default() }
    }

    /// The same session with other limits.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Session {
        self.context.limits = limits;
        self
    }

    /// The same session of a user who may write, or may not. What a session may not do, no transaction of it may.
    #[must_use]
    pub fn with_access(mut self, access: Access) -> Session {
        self.context.access = access;
        self
    }

    pub(crate) const fn database(&self) -> &Database {
        &self.database
    }

    pub(crate) const fn context(&self) -> &SessionContext {
        &self.context
    }

    /// Whether the user of the session may write.
    pub const fn access(&self) -> Access {
        self.context.access
    }

    /// A session of the same user with the same limits, which is cancelled by itself.
    #[must_use]
    pub fn beside(&self) -> Session {
        let mut session = self.clone();
        session.context.cancel = CancelHandle::default();
        session
    }

    /// As [`Session::beside`], for one statement on a thread that has others to run: `is_long` is called on it, perhaps several times,
    /// before the statement waits for a lock, and when it has come to more than a few hundred rows.
    #[must_use]
    pub fn beside_telling(&self, is_long: impl Fn() + Send + Sync + 'static) -> Session {
        let mut session = self.clone();
        session.context.cancel = CancelHandle::telling(is_long);
        session
    }

    /// The same session, whose [`Session::transact`] runs transactions again in this way.
    #[must_use]
    pub fn with_retry(mut self, retry: Retry) -> Session {
        self.retry = retry;
        self
    }

    /// What stops this session's statements from another thread. Clones of the session share it.
    pub fn cancel_handle(&self) -> CancelHandle {
        self.context.cancel.clone()
    }

    /// Runs one statement of the text language in a transaction of its own.
    ///
    /// # Errors
    /// As [`Session::execute`]; of a text that does not parse, [`ErrorCode::SyntaxError`] with the place.
    pub fn query(&self, text: &str, params: &Params) -> Result<Outcome> {
        self.run_prepared(&self.database.plans().text(text)?, params)
    }

    /// Parses one statement of the text language, to run it many times.
    ///
    /// # Errors
    /// [`ErrorCode::SyntaxError`] with the place.
    ///
    /// # Example
    /// ```
    /// # fn f(session: &ormdb::Session) -> ormdb::Result<()> {
    /// let by_id = session.prepare("User[$id] { name }")?;
    /// for id in 1i64..=3 {
    ///     let user = session.run_prepared(&by_id, &ormdb::Params::none().with("id", id))?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn prepare(&self, text: &str) -> Result<Prepared> {
        self.database.plans().text(text)
    }

    /// Prepares a statement, to run it many times.
    pub fn prepare_statement(&self, statement: Statement) -> Prepared {
        Prepared::new(self.database.plans(), statement, None)
    }

    /// Runs a prepared statement in a transaction of its own.
    ///
    /// # Errors
    /// As [`Session::execute`].
    pub fn run_prepared(&self, prepared: &Prepared, params: &Params) -> Result<Outcome> {
        if let Some(explain) = prepared.explain() {
            let explanation = self.explain(prepared.statement(), params, explain)?;
            return Ok(Outcome::Explained(prepared.shown(explanation)));
        }
        match self.database.fetch_prepared(&self.context.statement(), prepared, params)? {
            Some(result) => Ok(Outcome::Fetched(result)),
            None => self.execute(prepared.statement(), params),
        }
    }

    /// Runs a prepared write as [`Session::run_prepared`], and returns when it is committed, and not yet durable: for whoever makes
    /// several durable at once.
    ///
    /// # Errors
    /// As [`Session::execute`]; [`ErrorCode::InvalidQuery`] of a statement that [does not write](Prepared::writes), which is not executed.
    pub fn write_unsynced(&self, prepared: &Prepared, params: &Params) -> Result<UnsyncedWrite> {
        if !prepared.writes() {
            return Err(Error::new(ErrorCode::InvalidQuery, "the statement writes nothing"));
        }
        let statement = prepared.statement();
        self.context.check_access(statement)?;
        self.database.write_unsynced(&self.context.statement(), statement, params)
    }

    /// Runs a prepared statement as [`Session::run_prepared`]; a fetch hands its result on to `see` part by part, as it is read:
    /// the first chunk is there before the second one is looked for, and no more than one is held.
    ///
    /// A fetch that locks rows, and every other statement, gives its outcome whole, and `see` sees nothing: what a write returns holds
    /// only when the whole statement does.
    ///
    /// # Errors
    /// As [`Session::execute`], also behind parts that `see` has seen; and the first of `see`, which ends the fetch.
    pub fn stream(
        &self,
        prepared: &Prepared,
        params: &Params,
        see: &mut dyn FnMut(StreamPart) -> Result<()>,
    ) -> Result<Streamed> {
        self.stream_as(prepared, params, FanOuts::Whole, see)
    }

    /// As [`Session::stream`], of whatever size: the related rows of one root row, too, are divided over chunks where they are too
    /// many for one. Such a chunk [goes on](ormdb_proto::result::Chunk::goes_on) in the next, which begins with the same root row;
    /// [`ormdb_proto::result::join`] makes one of both.
    ///
    /// # Errors
    /// As [`Session::stream`].
    pub fn stream_divided(
        &self,
        prepared: &Prepared,
        params: &Params,
        see: &mut dyn FnMut(StreamPart) -> Result<()>,
    ) -> Result<Streamed> {
        self.stream_as(prepared, params, FanOuts::Divided, see)
    }

    fn stream_as(
        &self,
        prepared: &Prepared,
        params: &Params,
        fan_outs: FanOuts,
        see: &mut dyn FnMut(StreamPart) -> Result<()>,
    ) -> Result<Streamed> {
        if prepared.explain().is_none()
            && let Some(trailer) =
                self.database.stream_prepared(&self.context.statement(), prepared, params, fan_outs, see)?
        {
            return Ok(Streamed::Parts(trailer));
        }
        self.run_prepared(prepared, params).map(Streamed::Whole)
    }

    /// Runs a prepared fetch if it is over within about this time: for whoever has other work for the thread. None of a statement that
    /// takes several times as long, or has taken longer of late, and of one that is not a fetch of now, or waits for others: nothing
    /// has come of it, and [`Session::stream`] runs it.
    ///
    /// # Errors
    /// As [`Session::execute`].
    pub fn run_briefly(
        &self,
        prepared: &Prepared,
        params: &Params,
        within: Duration,
    ) -> Result<Option<GraphResult>> {
        if prepared.explain().is_some() || prepared.shaped().is_none() || !prepared.may_be_brief() {
            return Ok(None);
        }
        // What is nearly done is not thrown away: it would be done twice.
        let (context, began) = (self.context.brief(within * LATE_AT_MOST), self.context.monotonic());
        match self.database.fetch_prepared(&context, prepared, params) {
            // Whatever it failed of, it says so once more where it has its time.
            Err(_) if context.is_over() => {
                prepared.was_long();
                Ok(None)
            }
            done => {
                prepared.was(began, context.monotonic(), within);
                done
            }
        }
    }

    /// As [`Session::run_briefly`], of a prepared write, as [`Session::write_unsynced`]. None also of one that would have to wait for
    /// a lock: nothing of it remains, and [`Session::write_unsynced`] runs it.
    ///
    /// # Errors
    /// As [`Session::write_unsynced`].
    pub fn write_briefly(
        &self,
        prepared: &Prepared,
        params: &Params,
        within: Duration,
    ) -> Result<Option<UnsyncedWrite>> {
        if !prepared.writes() || !prepared.may_be_brief() {
            return Ok(None);
        }
        self.context.check_access(prepared.statement())?;
        let began = self.context.monotonic();
        let context = self.context.brief(within * LATE_AT_MOST).without_waiting();
        match self.database.write_unsynced(&context, prepared.statement(), params) {
            Err(_) if context.is_over() => {
                prepared.was_long();
                Ok(None)
            }
            // Somebody has a lock, who may be long in giving it back.
            Err(error) if error.code == ErrorCode::LockNotAvailable => Ok(None),
            Err(error) => Err(error),
            Ok(write) => {
                prepared.was(began, context.monotonic(), within);
                Ok(Some(write))
            }
        }
    }

    /// Runs one statement of the text language that gives rows, a fetch or a write that returns something, and returns its graph.
    ///
    /// # Errors
    /// As [`Session::query`]; [`ErrorCode::InvalidQuery`] of a statement that gives no rows, which is not executed.
    pub fn fetch(&self, text: &str, params: &Params) -> Result<GraphResult> {
        let prepared = self.prepare(text)?;
        prepared.require_rows()?;
        self.run_prepared(&prepared, params)?.into_graph().ok_or_else(no_rows)
    }

    /// Runs one statement in a transaction of its own.
    ///
    /// A fetch reads one snapshot. A write is serializable: it is run again while it conflicts with others,
    /// and is durable when this returns.
    ///
    /// # Errors
    /// What the statement itself meets. Nothing of a failed write remains.
    pub fn execute(&self, statement: &Statement, params: &Params) -> Result<Outcome> {
        self.context.check_access(statement)?;
        let context = self.context.statement();
        match statement {
            // Its locks are those of a transaction that ends with it.
            Statement::Fetch(fetch) if fetch.lock.is_some() => {
                self.transaction_with(Isolation::ReadCommitted)?.execute(statement, params)
            }
            Statement::Fetch(fetch) => self.database.fetch(&context, fetch, params).map(Outcome::Fetched),
            Statement::Create(_) | Statement::Update(_) | Statement::Upsert(_) | Statement::Delete(_) => {
                self.database.write(&context, statement, params).map(Outcome::Written)
            }
            Statement::Control(_) => Err(no_transaction()),
        }
    }

    /// The plan of a fetch; with [`Explain::Analyze`] the fetch runs and the plan says what happened.
    ///
    /// # Errors
    /// As [`Session::execute`]; of a write, [`ErrorCode::UnsupportedFeature`].
    pub fn explain(&self, statement: &Statement, params: &Params, explain: Explain) -> Result<Explanation> {
        self.database.explain(&self.context.statement(), fetch_of(statement)?, params, explain)
    }

    /// Begins a transaction of several statements, serializable and with read-your-writes.
    ///
    /// # Errors
    /// [`ErrorCode::Io`] if the database is closed.
    pub fn transaction(&self) -> Result<Transaction> {
        self.transaction_with(Isolation::default())
    }

    /// Begins a transaction of several statements, of this isolation and with read-your-writes.
    ///
    /// # Errors
    /// [`ErrorCode::Io`] if the database is closed.
    pub fn transaction_with(&self, isolation: Isolation) -> Result<Transaction> {
        self.begin(isolation, Access::ReadWrite)
    }

    /// Begins a transaction of several statements, of this isolation, that reads only or writes as well.
    ///
    /// # Errors
    /// [`ErrorCode::Io`] if the database is closed.
    pub fn begin(&self, isolation: Isolation, access: Access) -> Result<Transaction> {
        Transaction::begin(self.database.clone(), self.context.clone(), isolation, access)
    }

    /// Runs `body` in a serializable transaction and commits it; runs it again, after a pause, while it conflicts with others or
    /// waits for them in a circle, as often as [`Session::with_retry`] says.
    ///
    /// # Errors
    /// The first error of `body` or of the commit that is not a conflict, or the last conflict, with `retries_max` in its
    /// detail.
    pub fn transact<T>(&self, body: impl FnMut(&mut Transaction) -> Result<T>) -> Result<T> {
        self.transact_with(Isolation::default(), body)
    }

    /// As [`Session::transact`], of this isolation.
    ///
    /// # Errors
    /// As [`Session::transact`].
    pub fn transact_with<T>(
        &self,
        isolation: Isolation,
        mut body: impl FnMut(&mut Transaction) -> Result<T>,
    ) -> Result<T> {
        let mut retries = 0;
        loop {
            let mut transaction = self.transaction_with(isolation)?;
            let salt = transaction.number();
            let outcome = body(&mut transaction).and_then(|value| transaction.commit().map(|_| value));
            let error = match outcome {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            // Its locks are free while this one pauses.
            drop(transaction);
            let pause = self.retry.pause(error, retries, salt)?;
            self.context.check_cancelled()?;
            self.context.pause(pause);
            retries += 1;
        }
    }
}

/// The error of a statement that belongs into a transaction.
fn no_transaction() -> Error {
    let message = "each statement of a session is a transaction of its own";
    Error::new(ErrorCode::TransactionClosed, message)
        .hint("a program begins one by its API (`session.transaction()`); `ormdb shell` understands `begin`")
}

/// The fetch that a statement is.
pub(crate) fn fetch_of(statement: &Statement) -> Result<&Fetch> {
    match statement {
        Statement::Fetch(fetch) => Ok(fetch),
        Statement::Create(_)
        | Statement::Update(_)
        | Statement::Upsert(_)
        | Statement::Delete(_)
        | Statement::Control(_) => {
            Err(Error::new(ErrorCode::UnsupportedFeature, "only fetches can be explained"))
        }
    }
}

/// The error of a statement that was found to give rows.
pub(crate) fn no_rows() -> Error {
    Error::new(ErrorCode::Internal, "a statement that gives rows gave none")
}
