//! The state of one write statement.

use std::collections::VecDeque;

use ordinum::{Slice, Transaction};
use ormdb_proto::ir::{DEPTH_MAX, Params, Statement};
use ormdb_proto::schema::{EntityId, ForeignKey, Schema};
use ormdb_proto::{Error, ErrorCode, Result};

use super::action::Event;
use super::reference::Pending;
use crate::catalog::{Catalog, EntityInfo};
use crate::engine::EngineResult;
use crate::store::Families;
use crate::store::generate::Generators;
use crate::store::row::RowView;
use crate::store::sequence::Sequences;

/// The deepest nesting of writes in writes.
pub(super) const NESTING_MAX: usize = 32;
/// The most rows that one statement may touch by referential actions.
pub(super) const ACTION_ROWS_MAX: usize = 1 << 20;

const _: () = assert!(NESTING_MAX <= DEPTH_MAX);

/// A row as it lies: its encoded primary key and its bytes.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) key: Vec<u8>,
    pub(crate) bytes: Slice,
}

impl Row {
    /// The row's fields.
    pub(super) fn view<'r>(&'r self, info: &'r EntityInfo) -> Result<RowView<'r>> {
        info.store().rows.view(&self.bytes)
    }
}

/// What a statement wrote.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Written {
    /// Rows that were created, nested writes included.
    pub(crate) created: u64,
    /// Rows that were updated, nested writes and referential actions included.
    pub(crate) updated: u64,
    /// Rows that were deleted, nested writes and referential actions included.
    pub(crate) deleted: u64,
    /// The encoded primary keys of the statement's own rows, in their order.
    pub(crate) keys: Vec<Vec<u8>>,
}

/// Runs one write statement in a transaction.
pub(crate) struct Writer<'a> {
    pub(super) catalog: &'a Catalog,
    pub(super) txn: &'a mut Transaction,
    pub(super) families: &'a Families,
    pub(super) params: &'a Params,
    /// The time at which the transaction began, in microseconds since 1970.
    pub(super) now: i64,
    pub(super) sequences: &'a Sequences,
    pub(super) generators: &'a Generators,
    pub(super) written: Written,
    pub(super) events: VecDeque<Event>,
    pub(super) action_rows: usize,
    pub(super) pending: Vec<Pending>,
    pub(super) nesting: usize,
}

impl<'a> Writer<'a> {
    /// A writer of one statement.
    #[allow(clippy::too_many_arguments, reason = "each is another thing that a write needs")]
    pub(crate) fn new(
        catalog: &'a Catalog,
        txn: &'a mut Transaction,
        families: &'a Families,
        params: &'a Params,
        now: i64,
        sequences: &'a Sequences,
        generators: &'a Generators,
    ) -> Writer<'a> {
        Writer {
            catalog,
            txn,
            families,
            params,
            now,
            sequences,
            generators,
            written: Written::default(),
            events: VecDeque::new(),
            action_rows: 0,
            pending: Vec::new(),
            nesting: 0,
        }
    }

    /// Runs the statement; on an error, the transaction is as it was before.
    ///
    /// # Errors
    /// Those of the statement, with entity, field, constraint and key where they apply; `InvalidQuery` of a fetch.
    pub(crate) fn run(mut self, statement: &Statement) -> Result<Written> {
        let savepoint = self.txn.savepoint();
        let done = self.statement(statement).and_then(|()| self.finish());
        match done {
            Ok(()) => {
                self.txn.release(savepoint).engine()?;
                Ok(self.written)
            }
            Err(error) => {
                self.txn.rollback_to(savepoint).engine()?;
                Err(error)
            }
        }
    }

    fn statement(&mut self, statement: &Statement) -> Result<()> {
        match statement {
            Statement::Fetch(_) => Err(Error::new(ErrorCode::InvalidQuery, "a fetch writes nothing")),
            Statement::Create(create) => self.create(create),
            Statement::Update(update) => self.update(update),
            Statement::Upsert(upsert) => self.upsert(upsert),
            Statement::Delete(delete) => self.delete(delete),
        }
    }

    /// Runs what is left of referential actions, then the checks of the statement's end.
    fn finish(&mut self) -> Result<()> {
        self.settle()?;
        self.check_pending()
    }

    pub(super) fn schema(&self) -> &'a Schema {
        self.catalog.schema()
    }

    pub(super) fn info(&self, id: EntityId) -> Result<&'a EntityInfo> {
        self.catalog.entity_by_id(id)
    }

    /// The foreign key of this id, which `info` holds.
    pub(super) fn foreign_key(
        info: &'a EntityInfo,
        id: ormdb_proto::schema::ConstraintId,
    ) -> Result<&'a ForeignKey> {
        info.entity().foreign_key(id).ok_or_else(|| {
            Error::new(ErrorCode::Internal, format!("`{}` has no foreign key of id {id}", info.name))
        })
    }

    /// Runs `work` one level of nesting deeper.
    pub(super) fn deeper<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.nesting >= NESTING_MAX {
            let message = format!("writes are nested deeper than {NESTING_MAX} levels");
            return Err(
                Error::new(ErrorCode::LimitExceeded, message).hint("write the inner rows on their own")
            );
        }
        self.nesting += 1;
        let done = work(self);
        self.nesting -= 1;
        done
    }
}
