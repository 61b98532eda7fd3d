//! What keeps constraints true beside other transactions, at every isolation: locks, and that what is looked at is the
//! newest there is.
//!
//! A row has two locks. That of the row is taken exclusively by every write of it. That of its key is taken shared by
//! whoever refers to it, and exclusively by whoever removes it or changes what is referred to: so a row may be updated
//! while others begin to refer to it.
//!
//! Invariants: (1) between a unique key that is looked for and the entry that takes it, the key is locked; (2) a row that
//! is referred to is there as long as whoever began to refer to it is not committed; (3) whoever removes a row has seen
//! all that refer to it.

use ordinum::{ColumnFamily, LockMode, Reader, SeqNo, Slice};
use ormdb_proto::ir::{DeletedRows, Expr};
use ormdb_proto::schema::FieldId;
use ormdb_proto::value::ValueRef;
use ormdb_proto::{Error, ErrorCode, Result};

use super::refusal;
use super::writer::Writer;
use crate::catalog::EntityInfo;
use crate::engine::EngineResult;
use crate::store::key::{self, Direction};
use crate::version;

impl<'a> Writer<'a> {
    /// Locks a key that only one row may have, and reads it: who finds it free writes it.
    ///
    /// # Errors
    /// `SerializationConflict` if another transaction changed it since the snapshot.
    pub(super) fn guarded(&self, family: &ColumnFamily, key: &[u8]) -> Result<Option<Slice>> {
        self.ctx.txn.get_to_write(family, key).engine()
    }

    /// Refuses if one of the rows was changed behind the version that the statement expects. What the transaction itself
    /// wrote is as expected.
    ///
    /// # Errors
    /// `VersionChanged`, of the row.
    pub(super) fn check_expected(
        &self,
        info: &EntityInfo,
        expected: Option<&Expr>,
        keys: &[Vec<u8>],
    ) -> Result<()> {
        let Some(expected) = expected else { return Ok(()) };
        let expected = version::token(expected, self.ctx.params, self.ctx.history)?;
        for key in keys {
            let row_key = info.store().primary_key.row_key(key);
            let Some((bytes, seqno)) =
                self.ctx.txn.get_versioned(&self.ctx.families.rows, &row_key).engine()?
            else {
                continue;
            };
            if seqno.get() > expected.seqno() && seqno != SeqNo::MAX {
                let view = info.store().rows.view(&bytes)?;
                return Err(refusal::version_changed(self.schema(), info, &view, expected));
            }
        }
        Ok(())
    }

    /// Locks what others refer to of a row that goes, or whose key changes: whoever refers to it, or reads it
    /// `for key share`, is waited for.
    pub(super) fn take_key_of(&mut self, info: &EntityInfo, key: &[u8]) -> Result<()> {
        self.referred.forget();
        self.lock_key_of(info, key, LockMode::Exclusive)
    }

    fn lock_key_of(&self, info: &EntityInfo, key: &[u8], mode: LockMode) -> Result<()> {
        let row_key = info.store().primary_key.row_key(key);
        // Nothing is stored under it: the family lends its place in the table of locks.
        self.ctx.txn.lock_key(&self.ctx.families.system, &row_key, mode).engine()
    }

    /// Whether a row of a unique key is there to be referred to. It stays until the transaction ends.
    ///
    /// # Errors
    /// `SerializationConflict` if another transaction removed it or changed its key since the snapshot.
    pub(super) fn refers(
        &self,
        info: &EntityInfo,
        fields: &[FieldId],
        values: &[ValueRef<'_>],
        deleted: DeletedRows,
    ) -> Result<bool> {
        let Some(found) = self.keys_by(info, fields, values, 1, deleted)?.pop() else { return Ok(false) };
        self.lock_key_of(info, &found, LockMode::Shared)?;
        let txn = &*self.ctx.txn;
        let row_key = info.store().primary_key.row_key(&found);
        if txn.check_key_unchanged(&self.ctx.families.rows, &row_key).is_ok() {
            return Ok(true);
        }
        let latest = txn.get_latest(&self.ctx.families.rows, &row_key).engine()?;
        let Some(bytes) = latest else { return Err(changed(info)) };
        let view = info.store().rows.view(&bytes)?;
        let now = fields.iter().map(|field| view.field(*field)).collect::<Result<Vec<_>>>()?;
        let is_hidden =
            deleted == DeletedRows::Hidden && info.soft_delete.is_some() && !info.is_live(&view)?;
        if is_hidden || !same_key(&now, values) {
            return Err(changed(info));
        }
        Ok(true)
    }
}

/// The row changed since the snapshot in a way that matters.
pub(super) fn changed(info: &EntityInfo) -> Error {
    let message =
        format!("another transaction removed the {} that is referred to, or changed its key", info.name);
    Error::new(ErrorCode::SerializationConflict, message).entity(&info.name).hint("run the transaction again")
}

/// Whether two keys are equal, as an index sees them.
pub(crate) fn same_key(a: &[ValueRef<'_>], b: &[ValueRef<'_>]) -> bool {
    let encoded = |values: &[ValueRef<'_>]| {
        let mut out = Vec::new();
        for value in values {
            key::push_column(&mut out, value, Direction::Ascending);
        }
        out
    };
    encoded(a) == encoded(b)
}
