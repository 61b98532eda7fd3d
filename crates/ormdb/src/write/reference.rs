//! Foreign keys, from the side that refers: the target must be there, now or when the statement ends.

use std::collections::HashMap;

use ormdb_proto::ir::DeletedRows;
use ormdb_proto::schema::{ConstraintId, EntityId, FieldId, ForeignKey};
use ormdb_proto::value::ValueRef;
use ormdb_proto::{Error, Result};

use super::change::Changes;
use super::deferred::Due;
use super::refusal;
use super::writer::{Row, Writer};
use crate::catalog::EntityInfo;
use crate::expr::Datum;
use crate::planted::{Bug, planted};
use crate::store::row::RowView;

/// What is checked when the statement ends.
#[derive(Debug)]
pub(super) enum Pending {
    /// The row referred to a row that was not there.
    Reference { entity: EntityId, key: Vec<u8>, foreign_key: ConstraintId, targets: DeletedRows },
    /// The row of these values went while its referrers say `no action`.
    NoAction {
        target: EntityId,
        holder: EntityId,
        foreign_key: ConstraintId,
        values: Vec<Datum<'static>>,
        /// Whether deleted rows count: they do where the target is really gone.
        deleted: DeletedRows,
    },
}

/// The references that wait, by the row that holds them.
pub(super) type WaitingByRow = HashMap<(EntityId, Vec<u8>), Vec<(ConstraintId, DeletedRows)>>;

/// The values of fields of a row; none if one is null.
pub(super) fn key_values<'r>(row: &RowView<'r>, fields: &[FieldId]) -> Result<Option<Vec<ValueRef<'r>>>> {
    let values = fields.iter().map(|f| row.field(*f)).collect::<Result<Vec<_>>>()?;
    Ok(if values.iter().any(ValueRef::is_null) { None } else { Some(values) })
}

impl<'a> Writer<'a> {
    /// Looks for the targets of a row's foreign keys, of those that a change touches. One that is not there may come
    /// until the statement ends.
    ///
    /// Finding a target once is enough: whatever removes it later in the statement looks for who refers to it.
    pub(super) fn check_references(
        &mut self,
        info: &'a EntityInfo,
        row: &Row,
        changes: Option<&Changes>,
        targets: DeletedRows,
    ) -> Result<()> {
        if info.foreign_keys.is_empty() {
            return Ok(());
        }
        let view = row.view(info)?;
        for foreign_key in info.foreign_keys.iter().filter(|key| touches(info, key, changes)) {
            if planted(Bug::SkipForeignKeyAfterRestart) {
                continue;
            }
            if let Some(gathered) = &mut self.gathered
                && gathered.take(foreign_key, &view, targets, (row, self.written.keys.len()))?
            {
                continue;
            }
            let Some(values) = key_values(&view, &foreign_key.fields)? else { continue };
            let target = self.info(foreign_key.target)?;
            if self.referred.contains(foreign_key, &values, targets) {
                continue;
            }
            if self.refers(target, &foreign_key.references, &values, targets)? {
                self.referred.insert_asked();
            } else {
                self.wait(info.id, row.key.clone(), foreign_key.id, targets);
            }
        }
        Ok(())
    }

    pub(super) fn wait(
        &mut self,
        entity: EntityId,
        key: Vec<u8>,
        foreign_key: ConstraintId,
        targets: DeletedRows,
    ) {
        if let Some(waiting) = &mut self.waiting_by_row {
            waiting.entry((entity, key.clone())).or_default().push((foreign_key, targets));
        }
        self.pending.push(Pending::Reference { entity, key, foreign_key, targets });
    }

    /// A check that waits knows its row by the key: those of a row that moves wait for it under its new key as well. Those of
    /// the foreign keys that the change touches were looked at anew.
    pub(super) fn follow(
        &mut self,
        info: &'a EntityInfo,
        old_key: &[u8],
        row: &Row,
        changes: &Changes,
    ) -> Result<()> {
        if info.foreign_keys.is_empty() {
            return Ok(());
        }
        if self.waiting_by_row.is_none() {
            let mut by_row = WaitingByRow::new();
            for pending in self.ctx.deferred.waiting().iter().chain(&self.pending) {
                if let Pending::Reference { entity, key, foreign_key, targets } = pending {
                    by_row.entry((*entity, key.clone())).or_default().push((*foreign_key, *targets));
                }
            }
            self.waiting_by_row = Some(by_row);
        }
        let waiting =
            self.waiting_by_row.as_mut().and_then(|by_row| by_row.remove(&(info.id, old_key.to_vec())));
        for (foreign_key, targets) in waiting.unwrap_or_default() {
            if !touches(info, Writer::foreign_key(info, foreign_key)?, Some(changes)) {
                self.wait(info.id, row.key.clone(), foreign_key, targets);
            }
        }
        Ok(())
    }

    /// Which rows the foreign keys of a row may refer to: those of a deleted row, deleted ones as well.
    pub(super) fn targets_of(&self, info: &EntityInfo, row: &Row) -> Result<DeletedRows> {
        Ok(if self.is_live(info, row)? { DeletedRows::Hidden } else { DeletedRows::Shown })
    }

    /// Runs the checks of the statement's end; those of deferred foreign keys go on waiting.
    pub(super) fn check_pending(&mut self) -> Result<()> {
        for pending in std::mem::take(&mut self.pending) {
            if self.is_deferred(&pending)? {
                self.ctx.deferred.push(pending)?;
            } else {
                self.check(&pending)?;
            }
        }
        Ok(())
    }

    /// Runs the checks that waited and are due. They are not forgotten: a rollback to a savepoint may undo what made them hold.
    ///
    /// # Errors
    /// `ForeignKeyViolation` of the first that does not hold, with its row.
    pub(crate) fn check_deferred(&self, due: Due) -> Result<()> {
        for pending in self.ctx.deferred.waiting() {
            self.ctx.session.check_cancelled()?;
            if due == Due::All || !self.is_deferred(pending)? {
                self.check(pending).map_err(|error| self.of_deferred(error, pending))?;
            }
        }
        Ok(())
    }

    /// The error of a statement that has ended: it says which row it is about.
    fn of_deferred(&self, mut error: Error, pending: &Pending) -> Error {
        let Pending::Reference { entity, key, .. } = pending else { return error };
        if let Ok(info) = self.info(*entity)
            && let Ok(values) = info.store().primary_key.decode(key)
        {
            let values: Vec<ValueRef<'_>> = values.iter().map(|value| value.as_ref()).collect();
            let row = refusal::describe(self.schema(), info, &info.primary_key, &values);
            error.message = format!("{} ({row}): {}", info.name, error.message);
        }
        error
    }

    fn is_deferred(&self, pending: &Pending) -> Result<bool> {
        let (holder, foreign_key) = match pending {
            Pending::Reference { entity, foreign_key, .. } => (*entity, *foreign_key),
            Pending::NoAction { holder, foreign_key, .. } => (*holder, *foreign_key),
        };
        let foreign_key = Writer::foreign_key(self.info(holder)?, foreign_key)?;
        Ok(self.ctx.deferred.waits(holder, foreign_key))
    }

    fn check(&self, pending: &Pending) -> Result<()> {
        match pending {
            Pending::Reference { entity, key, foreign_key, targets } => {
                self.check_late_reference(*entity, key, *foreign_key, *targets)
            }
            Pending::NoAction { target, holder, foreign_key, values, deleted } => {
                self.check_no_action(*target, *holder, *foreign_key, values, *deleted)
            }
        }
    }

    fn check_late_reference(
        &self,
        entity: EntityId,
        key: &[u8],
        foreign_key: ConstraintId,
        targets: DeletedRows,
    ) -> Result<()> {
        let info = self.info(entity)?;
        // A row that is gone, or has another key by now, was looked at when that happened.
        let Some(row) = self.read(info, key)? else { return Ok(()) };
        let foreign_key = Writer::foreign_key(info, foreign_key)?;
        let view = row.view(info)?;
        let Some(values) = key_values(&view, &foreign_key.fields)? else { return Ok(()) };
        let target = self.info(foreign_key.target)?;
        if self.refers(target, &foreign_key.references, &values, targets)? {
            return Ok(());
        }
        let error = refusal::no_target(self.schema(), info, target, foreign_key, &values);
        let is_kept = target.soft_delete.is_some()
            && self.exists(target, &foreign_key.references, &values, DeletedRows::Shown)?;
        Err(if is_kept { refusal::of_kept(error, target) } else { error })
    }

    fn check_no_action(
        &self,
        target: EntityId,
        holder: EntityId,
        foreign_key: ConstraintId,
        values: &[Datum<'static>],
        deleted: DeletedRows,
    ) -> Result<()> {
        let (target, holder) = (self.info(target)?, self.info(holder)?);
        let foreign_key = Writer::foreign_key(holder, foreign_key)?;
        let values: Vec<ValueRef<'_>> = values.iter().map(Datum::view).collect();
        let referring = self.keys_by(holder, &foreign_key.fields, &values, 1, deleted)?;
        let Some(child) = referring.first() else { return Ok(()) };
        if self.exists(target, &foreign_key.references, &values, deleted)? {
            return Ok(());
        }
        let child = self.read_known(holder, child)?;
        self.still_referred(target, holder, foreign_key, &values, &child)
    }

    /// The refusal because a row still refers to one that goes or changes its key.
    pub(super) fn still_referred(
        &self,
        target: &EntityInfo,
        holder: &EntityInfo,
        foreign_key: &ForeignKey,
        values: &[ValueRef<'_>],
        child: &Row,
    ) -> Result<()> {
        let view = child.view(holder)?;
        let error = refusal::still_referred(self.schema(), target, holder, foreign_key, values, &view);
        let hint =
            format!("that {0} is deleted and kept: `delete permanently {0} …` removes it", holder.name);
        Err(if holder.is_live(&view)? { error } else { error.hint(hint) })
    }

    /// Whether a row of a unique key is there.
    fn exists(
        &self,
        info: &EntityInfo,
        fields: &[FieldId],
        values: &[ValueRef<'_>],
        deleted: DeletedRows,
    ) -> Result<bool> {
        Ok(!self.keys_by(info, fields, values, 1, deleted)?.is_empty())
    }
}

/// Whether a change touches a field of the foreign key; a new row touches all.
fn touches(info: &EntityInfo, foreign_key: &ForeignKey, changes: Option<&Changes>) -> bool {
    let Some(changes) = changes else { return true };
    foreign_key.fields.iter().any(|field| {
        let slot = info.store().rows.slot(*field);
        changes.iter().any(|(changed, _)| Some(*changed) == slot)
    })
}
