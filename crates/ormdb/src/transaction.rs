//! Transactions of several statements.
//!
//! Invariants: (1) a statement sees one snapshot and the writes of earlier statements: the snapshot of the begin, or at
//! read committed a new one; (2) a failed statement leaves nothing behind: it is rolled back to the savepoint before it;
//! (3) nothing is visible to others before the commit, and everything at once after it; (4) at read committed no commit is
//! refused for what others wrote: whatever it depends on is locked, or was seen to be the newest when it was locked.

mod savepoints;

use std::sync::Arc;

use ordinum::Reader;
use ormdb_proto::ir::{Params, Statement};
use ormdb_proto::outcome::{MutationResult, Outcome};
use ormdb_proto::{Error, ErrorCode, Isolation, Result, Token};

use crate::catalog::Catalog;
use crate::context::WriteCtx;
use crate::database::Database;
use crate::engine::EngineResult;
use crate::plan::Prepared;
use crate::session::SessionContext;
use crate::{exec, mutation};
use savepoints::Savepoints;

/// How often a statement at read committed runs again over what others committed meanwhile.
const RESTARTS_MAX: u32 = 64;

/// A transaction with read-your-writes, of an [`Isolation`]. Rows that it writes are locked until it ends; dropping it rolls
/// it back.
#[derive(Debug)]
pub struct Transaction {
    database: Database,
    session: SessionContext,
    catalog: Arc<Catalog>,
    now: i64,
    isolation: Isolation,
    engine: Option<ordinum::Transaction>,
    savepoints: Savepoints,
}

impl Transaction {
    pub(crate) fn begin(
        database: Database,
        session: SessionContext,
        isolation: Isolation,
    ) -> Result<Transaction> {
        let (catalog, engine) = database.begin(isolation, &session)?;
        let now = database.now();
        let savepoints = Savepoints::default();
        Ok(Transaction { database, session, catalog, now, isolation, engine: Some(engine), savepoints })
    }

    /// What it sees of others.
    pub const fn isolation(&self) -> Isolation {
        self.isolation
    }

    /// Runs one statement of the text language inside the transaction.
    ///
    /// # Errors
    /// As [`Transaction::execute`], and [`ErrorCode::SyntaxError`].
    pub fn query(&mut self, text: &str, params: &Params) -> Result<Outcome> {
        self.run_prepared(&self.database.plans().text(text)?, params)
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

    /// Runs one statement inside the transaction.
    ///
    /// # Errors
    /// What the statement itself meets; [`ErrorCode::SerializationConflict`] if it would write what another transaction
    /// wrote since the snapshot, [`ErrorCode::Deadlock`] and [`ErrorCode::LockNotAvailable`] where it waits for others. The
    /// transaction goes on without the statement; at the higher levels, a conflict stays one until it is run again.
    pub fn execute(&mut self, statement: &Statement, params: &Params) -> Result<Outcome> {
        let session = self.session.statement();
        let mut restarts = 0;
        loop {
            let engine = self.engine.as_mut().ok_or_else(closed)?;
            engine.set_lock_wait_max(session.lock_wait_max());
            if self.isolation == Isolation::ReadCommitted {
                engine.refresh_snapshot().engine()?;
            }
            match self.run(&session, statement, params) {
                Err(error)
                    if error.code == ErrorCode::SerializationConflict
                        && self.isolation == Isolation::ReadCommitted
                        && restarts < RESTARTS_MAX =>
                {
                    restarts += 1;
                    session.check_cancelled()?;
                }
                outcome => return outcome,
            }
        }
    }

    /// Runs a statement at the snapshot as it is.
    fn run(&mut self, session: &SessionContext, statement: &Statement, params: &Params) -> Result<Outcome> {
        let engine = self.engine.as_mut().ok_or_else(closed)?;
        let token = self.database.token(engine.seqno());
        let mut ctx = WriteCtx {
            catalog: &self.catalog,
            txn: engine,
            families: self.database.families(),
            session,
            params,
            now: self.now,
            history: self.database.history(),
            sequences: self.database.sequences(),
            generators: self.database.generators(),
            plans: self.database.plans(),
        };
        if let Statement::Fetch(fetch) = statement {
            return exec::fetch(&ctx.read(), fetch).map(Outcome::Fetched);
        }
        let savepoint = ctx.txn.savepoint();
        let outcome: Result<MutationResult> = mutation::run(&mut ctx, statement, token);
        match &outcome {
            Ok(_) => engine.release(savepoint).engine()?,
            Err(_) => engine.rollback_to(savepoint).and_then(|()| engine.release(savepoint)).engine()?,
        }
        outcome.map(Outcome::Written)
    }

    /// Sets a savepoint. An older one of the same name is hidden until this one is released.
    ///
    /// # Errors
    /// [`ErrorCode::LimitExceeded`] if there are too many; [`ErrorCode::TransactionClosed`].
    pub fn savepoint(&mut self, name: &str) -> Result<()> {
        self.savepoints.set(self.engine.as_mut().ok_or_else(closed)?, name)
    }

    /// Takes back what was written since the savepoint, which stays; gives back the locks that were taken since, and forgets
    /// later savepoints.
    ///
    /// # Errors
    /// [`ErrorCode::SavepointNotFound`] if there is none of this name; [`ErrorCode::TransactionClosed`].
    pub fn rollback_to(&mut self, name: &str) -> Result<()> {
        self.savepoints.rollback_to(self.engine.as_mut().ok_or_else(closed)?, name)
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
    /// transaction read: nothing was written; run it again.
    pub fn commit(&mut self) -> Result<Token> {
        let engine = self.engine.take().ok_or_else(closed)?;
        let commit = self.database.commit(engine)?;
        let token = self.database.durable(commit)?;
        self.database.purge_if_due();
        Ok(token)
    }

    /// Gives up the transaction's writes.
    pub fn rollback(&mut self) {
        self.engine = None;
    }
}

fn closed() -> Error {
    Error::new(ErrorCode::TransactionClosed, "the transaction has ended; begin another one")
}
