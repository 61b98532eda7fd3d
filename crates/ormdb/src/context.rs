//! What a statement runs in: one catalog, one snapshot, one session.
//!
//! Invariant: catalog and snapshot belong together: the catalog is the one that was current at the snapshot.

use std::sync::Arc;

use ormdb_proto::ir::Params;
use ormdb_proto::token::Token;

use crate::catalog::Catalog;
use crate::session::SessionContext;
use crate::store::Families;

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
}

impl Ctx<'_> {
    /// The token of the snapshot.
    pub(crate) fn token(&self) -> Token {
        Token::new(self.history, self.reader.seqno().get())
    }
}
