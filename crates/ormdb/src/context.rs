//! What a statement runs in: one catalog, one snapshot, one session.
//!
//! Invariant: catalog and snapshot belong together: the catalog is the one that was current at the snapshot.

use std::sync::Arc;

use ormdb_proto::ir::Params;
use ormdb_proto::token::Token;

use crate::catalog::Catalog;
use crate::expr::{Datum, EvalEnv};
use crate::plan::PlanCache;
use crate::session::SessionContext;
use crate::store::Families;
use crate::store::generate::Generators;
use crate::store::sequence::Sequences;
use crate::write::Deferred;

/// What a read runs in.
#[derive(Clone, Copy)]
pub(crate) struct Ctx<'a> {
    /// The catalog at the snapshot.
    pub(crate) catalog: &'a Arc<Catalog>,
    /// The snapshot, or the transaction with its own writes over it.
    pub(crate) reader: &'a dyn ordinum::Reader,
    /// The column families.
    pub(crate) families: &'a Families,
    /// Who asks, and within which limits.
    pub(crate) session: &'a SessionContext,
    /// The parameters of the statement.
    pub(crate) params: &'a Params,
    /// The time at which the transaction began, in microseconds since 1970-01-01T00:00:00Z.
    pub(crate) now: i64,
    /// The history that the snapshot belongs to.
    pub(crate) history: u64,
    /// The plans of fetches.
    pub(crate) plans: &'a PlanCache,
    /// The values of the slots of the plan that runs.
    pub(crate) slots: &'a [Datum<'a>],
    /// Whether the reader sees what everybody sees: neither the past, nor a transaction's own writes.
    pub(crate) is_of_now: bool,
}

impl<'a> Ctx<'a> {
    /// What expressions see beside their row.
    pub(crate) const fn env(&self) -> EvalEnv<'a> {
        EvalEnv { now: self.now, externals: &[], params: self.slots }
    }

    /// The token of the snapshot.
    pub(crate) fn token(&self) -> Token {
        Token::new(self.history, self.reader.seqno().get())
    }
}

/// What a write runs in: it reads and writes through one transaction.
pub(crate) struct WriteCtx<'a> {
    /// The catalog at the transaction's snapshot.
    pub(crate) catalog: &'a Arc<Catalog>,
    /// The transaction.
    pub(crate) txn: &'a mut ordinum::Transaction,
    /// The column families.
    pub(crate) families: &'a Families,
    /// Who asks, and within which limits.
    pub(crate) session: &'a SessionContext,
    /// The parameters of the statement.
    pub(crate) params: &'a Params,
    /// The time at which the transaction began, in microseconds since 1970-01-01T00:00:00Z.
    pub(crate) now: i64,
    /// The history that the database is in.
    pub(crate) history: u64,
    /// The sequences of autoincrement fields.
    pub(crate) sequences: &'a Sequences,
    /// What makes identifiers.
    pub(crate) generators: &'a Generators,
    /// The checks that wait for the end of the transaction.
    pub(crate) deferred: &'a mut Deferred,
    /// The plans of fetches.
    pub(crate) plans: &'a PlanCache,
}

impl WriteCtx<'_> {
    /// The same, for as long as a part of the write takes.
    pub(crate) fn reborrow(&mut self) -> WriteCtx<'_> {
        WriteCtx {
            catalog: self.catalog,
            txn: self.txn,
            families: self.families,
            session: self.session,
            params: self.params,
            now: self.now,
            history: self.history,
            sequences: self.sequences,
            generators: self.generators,
            deferred: self.deferred,
            plans: self.plans,
        }
    }

    /// What this write's reads run in: they see what it wrote so far.
    pub(crate) fn read(&self) -> Ctx<'_> {
        Ctx {
            catalog: self.catalog,
            reader: &*self.txn,
            families: self.families,
            session: self.session,
            params: self.params,
            now: self.now,
            history: self.history,
            plans: self.plans,
            slots: &[],
            is_of_now: false,
        }
    }
}
