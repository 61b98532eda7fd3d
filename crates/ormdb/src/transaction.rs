//! Transactions of several statements.
//!
//! Invariants: (1) every statement sees the snapshot of the transaction's begin and the writes of its earlier
//! statements; (2) a failed statement leaves nothing behind: it is rolled back to the savepoint before it;
//! (3) nothing is visible to others before the commit, and everything at once after it.

use std::sync::Arc;

use ordinum::Reader;
use ormdb_proto::ir::{Params, Statement};
use ormdb_proto::outcome::Outcome;
use ormdb_proto::{Error, ErrorCode, Result, Token};

use crate::catalog::Catalog;
use crate::context::WriteCtx;
use crate::database::Database;
use crate::engine::EngineResult;
use crate::session::SessionContext;
use crate::{exec, mutation, text};

/// A transaction: serializable, optimistic, with read-your-writes. Dropping it rolls it back.
#[derive(Debug)]
pub struct Transaction {
    database: Database,
    session: SessionContext,
    catalog: Arc<Catalog>,
    now: i64,
    engine: Option<ordinum::Transaction>,
}

impl Transaction {
    pub(crate) fn begin(database: Database, session: SessionContext) -> Result<Transaction> {
        let (catalog, engine) = database.begin_shared()?;
        let now = database.now();
        Ok(Transaction { database, session, catalog, now, engine: Some(engine) })
    }

    /// Runs one statement of the text language inside the transaction.
    ///
    /// # Errors
    /// As [`Transaction::execute`], and [`ErrorCode::SyntaxError`].
    pub fn query(&mut self, text: &str, params: &Params) -> Result<Outcome> {
        let parsed = text::parse_statement(text)?;
        if parsed.explain.is_some() {
            return Err(Error::new(ErrorCode::UnsupportedFeature, "explain runs outside of a transaction"));
        }
        self.execute(&parsed.statement, params)
    }

    /// Runs one statement inside the transaction.
    ///
    /// # Errors
    /// What the statement itself meets; the transaction goes on without it.
    pub fn execute(&mut self, statement: &Statement, params: &Params) -> Result<Outcome> {
        let Some(engine) = self.engine.as_mut() else { return Err(closed()) };
        let session = self.session.statement();
        let token = self.database.token(engine.seqno());
        let mut ctx = WriteCtx {
            catalog: &self.catalog,
            txn: engine,
            families: self.database.families(),
            session: &session,
            params,
            now: self.now,
            history: self.database.history(),
            sequences: self.database.sequences(),
            generators: self.database.generators(),
        };
        if let Statement::Fetch(fetch) = statement {
            return exec::fetch(&ctx.read(), fetch).map(Outcome::Fetched);
        }
        let savepoint = ctx.txn.savepoint();
        let outcome = mutation::run(&mut ctx, statement, token);
        match &outcome {
            Ok(_) => engine.release(savepoint).engine()?,
            Err(_) => engine.rollback_to(savepoint).engine()?,
        }
        outcome.map(Outcome::Written)
    }

    /// Makes the transaction's writes visible and durable, all at once.
    ///
    /// # Errors
    /// [`ErrorCode::SerializationConflict`] if another commit changed what this transaction read or wrote: nothing
    /// was written; run it again.
    pub fn commit(&mut self) -> Result<Token> {
        let Some(engine) = self.engine.take() else { return Err(closed()) };
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
