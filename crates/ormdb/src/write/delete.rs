//! Deleting rows: removing them, or hiding them where the entity keeps deleted rows.

use ormdb_proto::ir::{Delete, DeletedRows, Removal};
use ormdb_proto::{Error, ErrorCode, ErrorKind, Result};

use super::action::Event;
use super::create::placed;
use super::find::Targets;
use super::writer::{Row, Writer, Written};
use crate::catalog::EntityInfo;
use crate::engine::EngineResult;
use crate::expr::Datum;
use crate::store::generate;

impl<'a> Writer<'a> {
    /// Deletes the rows of the statement, then lets those that refer to them answer: as in SQL, rows of one statement
    /// that refer to each other do not stand in each other's way.
    pub(super) fn delete(&mut self, delete: &Delete) -> Result<()> {
        let info = self.entity(&delete.entity, delete.span)?;
        let deleted = match delete.removal {
            Removal::AsDeclared => DeletedRows::Hidden,
            Removal::Permanent if info.soft_delete.is_some() => DeletedRows::Shown,
            Removal::Permanent => {
                let message = format!("`{}` keeps no deleted rows: every delete is permanent", info.name);
                let error = Error::new(ErrorCode::InvalidQuery, message).entity(&info.name);
                let error = error.hint(format!("write `delete {} …`", info.name));
                return Err(placed(error, delete.span));
            }
        };
        let targets = self.targets(info, &delete.target, deleted);
        let Targets { keys, mut named } = targets.map_err(|error| placed(error, delete.span))?;
        self.check_expected(info, delete.expected.as_ref(), &keys)?;
        for key in keys {
            let row = match named.take() {
                Some(named) => Some(named),
                None => self.read(info, &key)?,
            };
            let Some(row) = row else { continue };
            match delete.removal {
                Removal::AsDeclared => self.remove(info, row)?,
                Removal::Permanent => self.remove_permanently(info, row)?,
            }
            self.written.keys.push(key);
        }
        self.settle()
    }

    /// Deletes a row as its entity declares. Referential actions wait for [`Writer::settle`].
    pub(super) fn remove(&mut self, info: &'a EntityInfo, old: Row) -> Result<()> {
        let (Some(slot), Some(soft)) = (info.deleted_slot(), info.soft_delete) else {
            return self.remove_permanently(info, old);
        };
        if !self.is_live(info, &old)? {
            return Ok(());
        }
        let ty = info.field_of(soft.field)?.ty;
        let now = Datum::of_value(self.schema(), &generate::now_value(ty, self.ctx.now), ty)?;
        self.update_row(info, &old, &vec![(slot, now)]).map(|_| ())
    }

    /// Removes a row, kept or not. Referential actions wait for [`Writer::settle`].
    pub(super) fn remove_permanently(&mut self, info: &'a EntityInfo, old: Row) -> Result<()> {
        self.store_change(info, Some(&old), None)?;
        self.written.deleted += 1;
        if !info.referrers().is_empty() {
            self.events.push_back(Event::Gone { entity: info.id, old });
        }
        Ok(())
    }

    /// Removes rows whose time is over, each with those that its removal takes along; says what is gone, and how
    /// many stay because others still refer to them.
    pub(crate) fn purge(mut self, info: &'a EntityInfo, keys: &[Vec<u8>]) -> Result<(Written, u64)> {
        let mut waiting = 0;
        for key in keys {
            let Some(row) = self.read(info, key)? else { continue };
            let savepoint = self.ctx.txn.savepoint();
            let before = self.written.mark();
            self.action_rows = 0;
            let done = self.remove_permanently(info, row).and_then(|()| self.settle());
            match done.and_then(|()| self.check_pending()) {
                Ok(()) => self.ctx.txn.release(savepoint).engine()?,
                Err(error) if waits(&error) => {
                    self.ctx.txn.rollback_to(savepoint).engine()?;
                    self.written.return_to(before);
                    self.events.clear();
                    self.pending.clear();
                    self.referred.forget();
                    waiting += 1;
                }
                Err(error) => return Err(error),
            }
        }
        Ok((self.written, waiting))
    }
}

/// Whether a row cannot go yet for reasons that do not concern others.
fn waits(error: &Error) -> bool {
    error.kind() == ErrorKind::FixTheRequest || error.kind() == ErrorKind::OverBudget
}
