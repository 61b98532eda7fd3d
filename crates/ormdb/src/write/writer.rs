//! The state of one write statement.

use std::collections::VecDeque;

use ordinum::Slice;
use ormdb_proto::ir::{DEPTH_MAX, Statement};
use ormdb_proto::schema::{EntityId, ForeignKey, Schema};
use ormdb_proto::{Error, ErrorCode, Result};

use super::action::Event;
use super::gathered::Gathered;
use super::reference::{Pending, WaitingByRow};
use super::referred::Referred;
use crate::catalog::EntityInfo;
use crate::context::WriteCtx;
use crate::exec;
use crate::statistics::RowDeltas;
use crate::store::row::RowView;

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
    /// What it did to the number of stored rows.
    pub(crate) rows: RowDeltas,
}

/// What a statement wrote until now, to come back to.
pub(super) struct WrittenMark {
    counts: [u64; 3],
    keys: usize,
    rows: RowDeltas,
}

impl Written {
    /// What was written until now.
    pub(super) fn mark(&self) -> WrittenMark {
        let counts = [self.created, self.updated, self.deleted];
        WrittenMark { counts, keys: self.keys.len(), rows: self.rows.clone() }
    }

    /// Goes back to what was written then.
    pub(super) fn return_to(&mut self, mark: WrittenMark) {
        [self.created, self.updated, self.deleted] = mark.counts;
        self.keys.truncate(mark.keys);
        self.rows = mark.rows;
    }
}

/// Runs one write statement in a transaction.
pub(crate) struct Writer<'a> {
    pub(super) ctx: WriteCtx<'a>,
    pub(super) written: Written,
    pub(super) events: VecDeque<Event>,
    pub(super) action_rows: usize,
    pub(super) pending: Vec<Pending>,
    /// What waits, of this statement and of those before it; none until a row moves.
    pub(super) waiting_by_row: Option<WaitingByRow>,
    pub(super) nesting: usize,
    pub(super) referred: Referred,
    /// References that are looked up together.
    pub(super) gathered: Option<Gathered<'a>>,
    /// What the writes of its transaction held before it.
    held_before: usize,
}

impl<'a> Writer<'a> {
    /// A writer of one statement.
    pub(crate) fn new(ctx: WriteCtx<'a>) -> Writer<'a> {
        let held_before = ctx.txn.write_bytes();
        Writer {
            ctx,
            written: Written::default(),
            events: VecDeque::new(),
            action_rows: 0,
            pending: Vec::new(),
            waiting_by_row: None,
            nesting: 0,
            referred: Referred::default(),
            gathered: None,
            held_before,
        }
    }

    /// Refuses to go on with a statement that was cancelled, or whose writes hold more memory than it may.
    pub(super) fn check_budget(&self) -> Result<()> {
        self.ctx.session.check_cancelled()?;
        let held = self.ctx.txn.write_bytes().saturating_sub(self.held_before);
        exec::check_memory(self.ctx.session, u64::try_from(held).unwrap_or(u64::MAX))
    }

    /// Runs the statement. After an error, the caller takes back what it wrote.
    ///
    /// # Errors
    /// Those of the statement, with entity, field, constraint and key where they apply; `InvalidQuery` of a fetch.
    pub(crate) fn run(mut self, statement: &Statement) -> Result<Written> {
        self.statement(statement)?;
        self.settle()?;
        self.check_pending()?;
        Ok(self.written)
    }

    fn statement(&mut self, statement: &Statement) -> Result<()> {
        match statement {
            Statement::Fetch(_) => Err(Error::new(ErrorCode::InvalidQuery, "a fetch writes nothing")),
            Statement::Create(create) => self.create(create),
            Statement::Update(update) => self.update(update),
            Statement::Upsert(upsert) => self.upsert(upsert),
            Statement::Delete(delete) => self.delete(delete),
            Statement::Control(_) => {
                Err(Error::new(ErrorCode::Internal, "a transaction's statement writes nothing"))
            }
        }
    }

    pub(super) fn schema(&self) -> &'a Schema {
        self.ctx.catalog.schema()
    }

    pub(super) fn info(&self, id: EntityId) -> Result<&'a EntityInfo> {
        self.ctx.catalog.entity_by_id(id)
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
