//! Transactions of several statements.
//!
//! Invariants: (1) a statement sees one snapshot and the writes of earlier statements: the snapshot of the begin, or at
//! read committed a new one; (2) a failed statement leaves nothing behind: it is rolled back to the savepoint before it;
//! (3) nothing is visible to others before the commit, and everything at once after it; (4) at read committed no commit is
//! refused for what others wrote: whatever it depends on is locked, or was seen to be the newest when it was locked.

mod constraints;
mod savepoints;

use std::sync::Arc;

use ormdb_proto::ir::{Control, Fetch, LockWait, Params, Statement};
use ormdb_proto::outcome::Outcome;
use ormdb_proto::{Access, Error, ErrorCode, GraphResult, Isolation, Result, Token};

use crate::catalog::Catalog;
use crate::context::WriteCtx;
use crate::database::Database;
use crate::engine::EngineResult;
use crate::exec::{FanOuts, StreamPart};
use crate::plan::Prepared;
use crate::session::{SessionContext, Streamed, no_rows};
use crate::statistics::RowDeltas;
use crate::write::{Deferred, DeferredMark, Due};
use crate::{exec, mutation, row_lock};
use savepoints::{SavedState, Savepoints};

/// How often a statement at read committed runs again over what others committed meanwhile.
const RESTARTS_MAX: u32 = 1024;

/// A transaction with read-your-writes, of an [`Isolation`]. Rows that it writes are locked until it ends; dropping it rolls
/// it back.
#[derive(Debug)]
pub struct Transaction {
    database: Database,
    session: SessionContext,
    catalog: Arc<Catalog>,
    now: i64,
    isolation: Isolation,
    access: Access,
    engine: Option<ordinum::Transaction>,
    savepoints: Savepoints,
    /// What it did to the number of rows so far.
    rows: RowDeltas,
    /// The checks that wait for its end.
    deferred: Deferred,
}

impl Transaction {
    pub(crate) fn begin(
        database: Database,
        session: SessionContext,
        isolation: Isolation,
        access: Access,
    ) -> Result<Transaction> {
        let (catalog, engine) = database.begin(isolation, &session)?;
        let now = database.now();
        let savepoints = Savepoints::default();
        Ok(Transaction {
            database,
            session,
            catalog,
            now,
            isolation,
            access,
            engine: Some(engine),
            savepoints,
            rows: RowDeltas::default(),
            deferred: Deferred::default(),
        })
    }

    /// What it sees of others.
    pub const fn isolation(&self) -> Isolation {
        self.isolation
    }

    /// Its number among the transactions of this opening of the database; 0 if it has ended.
    pub(crate) fn number(&self) -> u64 {
        self.engine.as_ref().map_or(0, |engine| engine.id().get())
    }

    /// Whether it may write.
    pub const fn access(&self) -> Access {
        self.access
    }

    /// Whether it was neither committed nor rolled back.
    pub const fn is_open(&self) -> bool {
        self.engine.is_some()
    }

    /// Runs one statement of the text language inside the transaction.
    ///
    /// # Errors
    /// As [`Transaction::execute`], and [`ErrorCode::SyntaxError`].
    pub fn query(&mut self, text: &str, params: &Params) -> Result<Outcome> {
        self.run_prepared(&self.database.plans().text(text)?, params)
    }

    /// Runs one statement of the text language that gives rows, a fetch or a write that returns something, and returns its graph.
    ///
    /// # Errors
    /// As [`Transaction::query`]; [`ErrorCode::InvalidQuery`] of a statement that gives no rows, which is not executed.
    pub fn fetch(&mut self, text: &str, params: &Params) -> Result<GraphResult> {
        let prepared = self.database.plans().text(text)?;
        prepared.require_rows()?;
        self.run_prepared(&prepared, params)?.into_graph().ok_or_else(no_rows)
    }

    /// Runs a prepared statement inside the transaction.
    ///
    /// # Errors
    /// As [`Transaction::execute`].
    pub fn run_prepared(&mut self, prepared: &Prepared, params: &Params) -> Result<Outcome> {
        if prepared.explain().is_some() {
            return Err(Error::new(ErrorCode::UnsupportedFeature, "explain runs outside of a transaction"));
        }
        self.execute(prepared.statement(), params)
    }

    /// Runs a prepared statement as [`Transaction::run_prepared`]; a fetch hands its result on to `see` part by part, as
    /// [`Session::stream`](crate::Session::stream) does.
    ///
    /// # Errors
    /// As [`Transaction::execute`], also behind parts that `see` has seen; and the first of `see`, which ends the fetch.
    pub fn stream(
        &mut self,
        prepared: &Prepared,
        params: &Params,
        see: &mut dyn FnMut(StreamPart) -> Result<()>,
    ) -> Result<Streamed> {
        self.stream_as(prepared, params, FanOuts::Whole, see)
    }

    /// As [`Transaction::stream`], with related rows of one root row divided over chunks where they are too many for one, as
    /// [`crate::Session::stream_divided`] does it.
    ///
    /// # Errors
    /// As [`Transaction::stream`].
    pub fn stream_divided(
        &mut self,
        prepared: &Prepared,
        params: &Params,
        see: &mut dyn FnMut(StreamPart) -> Result<()>,
    ) -> Result<Streamed> {
        self.stream_as(prepared, params, FanOuts::Divided, see)
    }

    fn stream_as(
        &mut self,
        prepared: &Prepared,
        params: &Params,
        fan_outs: FanOuts,
        see: &mut dyn FnMut(StreamPart) -> Result<()>,
    ) -> Result<Streamed> {
        let fetch = prepared.lockless_fetch().filter(|fetch| fetch.as_of.is_none());
        let (None, Some(fetch)) = (prepared.explain(), fetch) else {
            return self.run_prepared(prepared, params).map(Streamed::Whole);
        };
        // It writes and locks nothing, so that there is nothing to take back, and it conflicts with nobody.
        let session = self.session.statement();
        if self.isolation == Isolation::ReadCommitted {
            self.engine.as_mut().ok_or_else(closed)?.refresh_snapshot().engine()?;
        }
        let ctx = self.context(&session, params)?;
        match prepared.shaped() {
            Some(shaped) => exec::stream_shaped(&ctx.read(), shaped, fan_outs, see),
            None => exec::stream(&ctx.read(), fetch, fan_outs, see),
        }
        .map(Streamed::Parts)
    }

    /// Runs one statement inside the transaction.
    ///
    /// # Errors
    /// What the statement itself meets; [`ErrorCode::SerializationConflict`] if it would write what another transaction
    /// wrote since the snapshot, [`ErrorCode::Deadlock`] and [`ErrorCode::LockNotAvailable`] where it waits for others. The
    /// transaction goes on without the statement; at the higher levels, a conflict stays one until it is run again.
    pub fn execute(&mut self, statement: &Statement, params: &Params) -> Result<Outcome> {
        if let Statement::Control(control) = statement {
            return self.control(control);
        }
        self.session.check_access(statement)?;
        self.check_access(statement)?;
        let session = self.session.statement();
        let engine = self.engine.as_mut().ok_or_else(closed)?;
        engine.set_lock_wait_max(session.lock_wait_max());
        let savepoint = engine.savepoint();
        let mark = self.deferred.mark();
        let outcome = self.run_until_current(&session, statement, params, (savepoint, &mark));
        let engine = self.engine.as_mut().ok_or_else(closed)?;
        if outcome.is_err() {
            engine.rollback_to(savepoint).engine()?;
            self.deferred.return_to(&mark);
        }
        engine.release(savepoint).engine()?;
        outcome
    }

    /// Whether what failed so after so many restarts is to run again, at a newer snapshot.
    fn may_run_again(&self, error: &Error, restarts: u32) -> bool {
        error.code == ErrorCode::SerializationConflict
            && self.isolation == Isolation::ReadCommitted
            && restarts < RESTARTS_MAX
    }

    /// Runs a statement; at read committed again, as long as what it found is not the newest.
    fn run_until_current(
        &mut self,
        session: &SessionContext,
        statement: &Statement,
        params: &Params,
        (savepoint, mark): (ordinum::Savepoint, &DeferredMark),
    ) -> Result<Outcome> {
        let mut restarts = 0;
        loop {
            if self.isolation == Isolation::ReadCommitted {
                self.engine.as_mut().ok_or_else(closed)?.refresh_snapshot().engine()?;
            }
            match self.run(session, statement, params) {
                Err(error) if self.may_run_again(&error, restarts) => {
                    restarts += 1;
                    session.check_cancelled()?;
                    self.deferred.return_to(mark);
                    let engine = self.engine.as_mut().ok_or_else(closed)?;
                    if passes_over_locked(statement) {
                        // It waited for nobody, and others shall find what it does not take.
                        engine.rollback_to(savepoint).engine()?;
                    } else {
                        // It has the locks that it waited for, and need not wait for them again.
                        engine.undo_to(savepoint).engine()?;
                    }
                }
                outcome => return outcome,
            }
        }
    }

    /// Runs a statement at the snapshot as it is.
    fn run(&mut self, session: &SessionContext, statement: &Statement, params: &Params) -> Result<Outcome> {
        let mut ctx = self.context(session, params)?;
        let token = ctx.read().token();
        match statement {
            Statement::Fetch(Fetch { as_of: Some(_), span, .. }) => {
                let message = "`as of` reads another version than the transaction's";
                let mut error = Error::new(ErrorCode::UnsupportedFeature, message);
                error.detail.span = *span;
                Err(error.hint("ask outside of the transaction"))
            }
            Statement::Fetch(fetch) => match fetch.lock {
                Some(lock) => row_lock::fetch(&mut ctx, fetch, lock),
                None => exec::fetch(&ctx.read(), fetch),
            }
            .map(Outcome::Fetched),
            _ => {
                let (result, rows) = mutation::run(&mut ctx, statement, token)?;
                self.rows.join(&rows);
                Ok(Outcome::Written(result))
            }
        }
    }

    /// What a statement runs in.
    fn context<'a>(&'a mut self, session: &'a SessionContext, params: &'a Params) -> Result<WriteCtx<'a>> {
        Ok(WriteCtx {
            catalog: &self.catalog,
            txn: self.engine.as_mut().ok_or_else(closed)?,
            families: self.database.families(),
            session,
            params,
            now: self.now,
            history: self.database.history(),
            sequences: self.database.sequences(),
            generators: self.database.generators(),
            deferred: &mut self.deferred,
            plans: self.database.plans(),
        })
    }

    /// Refuses what a transaction that only reads may not do.
    fn check_access(&self, statement: &Statement) -> Result<()> {
        let locks = matches!(statement, Statement::Fetch(fetch) if fetch.lock.is_some());
        if self.access == Access::ReadWrite || !(statement.writes() || locks) {
            return Ok(());
        }
        let what = if locks { "lock rows" } else { "write" };
        let message = format!("the transaction is read only, and cannot {what}");
        Err(Error::new(ErrorCode::ReadOnly, message).hint("begin one without `read only`"))
    }

    /// Carries out a statement about the transaction itself.
    fn control(&mut self, control: &Control) -> Result<Outcome> {
        let mut token = None;
        match control {
            Control::Begin { .. } => {
                if self.is_open() {
                    let error = Error::new(ErrorCode::InvalidQuery, "a transaction is open already");
                    return Err(error.hint("`savepoint a` divides it; `commit` or `rollback` ends it"));
                }
                return Err(closed());
            }
            Control::Commit => token = Some(self.commit()?),
            Control::Rollback if self.is_open() => self.rollback(),
            Control::Rollback => return Err(closed()),
            Control::Savepoint { name } => self.savepoint(name)?,
            Control::RollbackTo { name } => self.rollback_to(name)?,
            Control::Release { name } => self.release(name)?,
            Control::SetConstraints { names, timing } => self.set_constraints(names, *timing)?,
        }
        Ok(Outcome::Done { token })
    }

    /// Sets a savepoint. An older one of the same name is hidden until this one is released.
    ///
    /// # Errors
    /// [`ErrorCode::LimitExceeded`] if there are too many; [`ErrorCode::TransactionClosed`].
    pub fn savepoint(&mut self, name: &str) -> Result<()> {
        let state = SavedState { rows: self.rows.clone(), deferred: self.deferred.mark() };
        self.savepoints.set(self.engine.as_mut().ok_or_else(closed)?, name, state)
    }

    /// Takes back what was written since the savepoint, which stays; gives back the locks that were taken since, and forgets
    /// later savepoints.
    ///
    /// # Errors
    /// [`ErrorCode::SavepointNotFound`] if there is none of this name; [`ErrorCode::TransactionClosed`].
    pub fn rollback_to(&mut self, name: &str) -> Result<()> {
        let state = self.savepoints.rollback_to(self.engine.as_mut().ok_or_else(closed)?, name)?;
        self.rows = state.rows;
        self.deferred.return_to(&state.deferred);
        Ok(())
    }

    /// Forgets the savepoint and those after it; what was written stays.
    ///
    /// # Errors
    /// As [`Transaction::rollback_to`].
    pub fn release(&mut self, name: &str) -> Result<()> {
        self.savepoints.release(self.engine.as_mut().ok_or_else(closed)?, name)
    }

    /// Makes the transaction's writes visible and durable, all at once.
    ///
    /// # Errors
    /// [`ErrorCode::SerializationConflict`] if the schema changed, or at serializable if another commit changed what this
    /// transaction read: nothing was written; run it again. [`ErrorCode::ForeignKeyViolation`] if a deferred foreign key does not
    /// hold. The transaction has ended in each case.
    pub fn commit(&mut self) -> Result<Token> {
        if let Err(error) = self.check_deferred(Due::All) {
            self.rollback();
            return Err(error);
        }
        let engine = self.engine.take().ok_or_else(closed)?;
        let commit = self.database.commit(engine)?;
        self.database.count_rows(&self.rows);
        let token = self.database.durable(commit)?;
        self.database.purge_if_due();
        Ok(token)
    }

    /// Gives up the transaction's writes.
    pub fn rollback(&mut self) {
        self.engine = None;
    }
}

/// Whether a statement passes over rows that others have locked.
fn passes_over_locked(statement: &Statement) -> bool {
    match statement {
        Statement::Fetch(fetch) => fetch.lock.is_some_and(|lock| lock.wait == LockWait::SkipLocked),
        _ => false,
    }
}

fn closed() -> Error {
    Error::new(ErrorCode::TransactionClosed, "the transaction has ended; begin another one")
}
