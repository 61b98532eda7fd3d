//! The change of one row: its bytes, its key, and all its index entries, together.

use ordinum::{KEY_BYTES_MAX, LockMode, Slice};
use ormdb_proto::error::Limit;
use ormdb_proto::ir::DeletedRows;
use ormdb_proto::value::ValueRef;
use ormdb_proto::{Error, ErrorCode, Result};

use super::action::Event;
use super::writer::{Row, Writer};
use super::{embedded, refusal};
use crate::catalog::{EntityInfo, stored_fields};
use crate::engine::EngineResult;
use crate::expr::{Datum, EvalEnv, RowExpr};
use crate::planted::{Bug, planted};
use crate::store::index::{IndexEntry, IndexFormat};
use crate::store::row::RowView;

/// New values of slots.
pub(super) type Changes = Vec<(usize, Datum<'static>)>;

impl<'a> Writer<'a> {
    /// Inserts a row of these values, one for each slot.
    pub(super) fn insert(&mut self, info: &'a EntityInfo, values: &[ValueRef<'_>]) -> Result<Row> {
        let computed = self.computed(info, values, None)?;
        let row = if computed.is_empty() {
            self.checked_row(info, values, None)?
        } else {
            self.checked_row(info, &overlaid(values.to_vec(), &computed), None)?
        };
        self.store_change(info, None, Some(&row))?;
        self.written.created += 1;
        let targets = self.targets_of(info, &row)?;
        self.check_references(info, &row, None, targets)?;
        Ok(row)
    }

    /// Gives a row new values in some slots. Referential actions wait for [`Writer::settle`].
    ///
    /// A row that is deleted by it is hidden, one that is no longer is restored.
    pub(super) fn update_row(&mut self, info: &'a EntityInfo, old: &Row, changes: &Changes) -> Result<Row> {
        self.update_row_to(info, old, changes, None)
    }

    /// As [`Writer::update_row`]; `targets` says whether its foreign keys may refer to deleted rows, where that does not
    /// follow from the row.
    pub(super) fn update_row_to(
        &mut self,
        info: &'a EntityInfo,
        old: &Row,
        changes: &Changes,
        targets: Option<DeletedRows>,
    ) -> Result<Row> {
        let with_computed;
        let (row, changes) = match self.patched_row(info, old, changes)? {
            Some(row) => (row, changes),
            None => {
                let view = old.view(info)?;
                let values = overlaid(view.values()?, changes);
                let touched: Vec<usize> = changes.iter().map(|(slot, _)| *slot).collect();
                let computed = self.computed(info, &values, Some(&touched))?;
                with_computed = [changes.as_slice(), computed.as_slice()].concat();
                let values = overlaid(view.values()?, &with_computed);
                (self.checked_row(info, &values, Some(&with_computed))?, &with_computed)
            }
        };
        self.pass_sequences(info, |field| {
            let slot = info.store().rows.slot(field);
            let given = changes.iter().find(|(changed, _)| Some(*changed) == slot);
            Ok(given.map_or(ValueRef::Null, |(_, value)| value.view()))
        })?;
        let (was_live, is_live) = (self.is_live(info, old)?, self.is_live(info, &row)?);
        let stored = self.store_update(info, old, &row, changes);
        stored.map_err(|error| if is_live && !was_live { refusal::of_restoring(error) } else { error })?;
        let hides = was_live && !is_live;
        if hides {
            self.take_key_of(info, &old.key)?;
            self.written.deleted += 1;
        } else {
            self.written.updated += 1;
        }
        let targets = match targets {
            Some(targets) => targets,
            None => self.targets_of(info, &row)?,
        };
        // What a deleted row refers to may have been deleted meanwhile.
        let restored = is_live && !was_live;
        self.check_references(info, &row, (!restored).then_some(changes), targets)?;
        if old.key != row.key && !restored {
            self.follow(info, &old.key, &row, changes)?;
        }
        let store = info.store();
        let changed = |field| changes.iter().any(|(slot, _)| Some(*slot) == store.rows.slot(field));
        if info.referrers().iter().any(|r| r.foreign_key.references.iter().any(|f| changed(*f))) {
            self.events.push_back(Event::Changed { entity: info.id, old: old.clone(), new: row.clone() });
        }
        // Behind the change of its key: those that refer to it follow first, and then see it go.
        if hides && !info.referrers().is_empty() {
            self.events.push_back(Event::Hidden { entity: info.id, old: row.clone() });
        }
        Ok(row)
    }

    /// The values of the stored computed fields; of those alone that read a slot of `touched`, where it is given.
    fn computed(
        &self,
        info: &EntityInfo,
        values: &[ValueRef<'_>],
        touched: Option<&[usize]>,
    ) -> Result<Changes> {
        let rules = &info.rules(self.schema())?.stored;
        stored_fields::compute(rules, (self.schema(), info.entity(), &info.store().rows), values, touched)
    }

    /// A row of these values that has what is required and passes the checks.
    fn checked_row(
        &self,
        info: &EntityInfo,
        values: &[ValueRef<'_>],
        changes: Option<&Changes>,
    ) -> Result<Row> {
        let store = info.store();
        let null = |slot: usize| values.get(slot).is_none_or(ValueRef::is_null);
        for field in info.fields.iter().filter(|f| !f.optional && f.is_stored()) {
            if store.rows.slot(field.id).is_some_and(null) {
                return Err(refusal::required(info, field));
            }
        }
        embedded::check(info, values)?;
        let bytes = Slice::from(store.rows.encode(values)?);
        let view = store.rows.view(&bytes)?;
        self.run_checks(info, &view, changes)?;
        let key = store.primary_key.encode_row(&view)?;
        Ok(Row { key, bytes })
    }

    /// As [`Writer::checked_row`] of the row with these changes, where they are only put in the place of what stands there: values
    /// of fixed width, none of them null, of an entity whose fields are neither computed from each other nor members of structs.
    fn patched_row(&self, info: &EntityInfo, old: &Row, changes: &Changes) -> Result<Option<Row>> {
        if !info.rules(self.schema())?.stored.is_empty() || !info.embedded.is_empty() {
            return Ok(None);
        }
        let store = info.store();
        let values = changes.iter().map(|(slot, value)| (*slot, value.view()));
        let Some(bytes) = store.rows.patched(&old.bytes, values)? else { return Ok(None) };
        let bytes = Slice::from(bytes);
        let view = store.rows.view(&bytes)?;
        self.run_checks(info, &view, Some(changes))?;
        let moves = store.primary_key.slots().any(|slot| changes.iter().any(|(changed, _)| *changed == slot));
        let key = if moves { store.primary_key.encode_row(&view)? } else { old.key.clone() };
        Ok(Some(Row { key, bytes }))
    }

    /// Runs the checks that read a changed field; all of them for a new row.
    fn run_checks(&self, info: &EntityInfo, row: &RowView<'_>, changes: Option<&Changes>) -> Result<()> {
        let rules = info.rules(self.schema())?;
        let env = EvalEnv::at(self.ctx.now);
        for (check, expr) in info.checks.iter().zip(&rules.checks) {
            let fields = expr.fields();
            let touched = |changes: &Changes| {
                let slots = fields.iter().map(|f| info.store().rows.slot(*f));
                slots.into_iter().any(|slot| changes.iter().any(|(changed, _)| Some(*changed) == slot))
            };
            if changes.is_some_and(|changes| !touched(changes)) {
                continue;
            }
            if expr.test(row, &env)? == Some(false) {
                let shown = refusal::describe_row(self.schema(), info, &fields, row);
                return Err(refusal::check_failed(info, &check.name, shown, &fields));
            }
        }
        Ok(())
    }

    /// Replaces `old` by `new`, either of which may be absent: the row and its entries in every index, whatever the
    /// state of the index.
    ///
    /// # Errors
    /// `UniqueViolation` if another row has the primary key or a unique key of `new`; `LimitExceeded` if a key is too
    /// long.
    pub(super) fn store_change(
        &mut self,
        info: &EntityInfo,
        old: Option<&Row>,
        new: Option<&Row>,
    ) -> Result<()> {
        self.change_of(info, old, new, None)
    }

    /// As [`Writer::store_change`] of a row of which only these slots changed: an index that reads none of them is left as it is.
    fn store_update(&mut self, info: &EntityInfo, old: &Row, new: &Row, changes: &Changes) -> Result<()> {
        self.change_of(info, Some(old), Some(new), Some(changes))
    }

    fn change_of(
        &mut self,
        info: &EntityInfo,
        old: Option<&Row>,
        new: Option<&Row>,
        changes: Option<&Changes>,
    ) -> Result<()> {
        self.check_budget()?;
        let store = info.store();
        let moved = old.map(|r| &r.key) != new.map(|r| &r.key);
        let new_key = new.map(|row| store.primary_key.row_key(&row.key));
        if let Some(old) = old {
            // The row before its entries, as a fetch that locks it does, so that the two do not wait for each other.
            let key = store.primary_key.row_key(&old.key);
            self.ctx.txn.lock_key(&self.ctx.families.rows, &key, LockMode::Exclusive).engine()?;
            if moved {
                self.take_key_of(info, &old.key)?;
            }
        }
        if let (Some(key), Some(row), true) = (&new_key, new, moved) {
            fits(info, "the primary key", key)?;
            if self.guarded(&self.ctx.families.rows, key)?.is_some() {
                let fields = &info.primary_key;
                let shown = refusal::describe_row(self.schema(), info, fields, &row.view(info)?);
                let error = refusal::not_unique(info, fields, "primary key", shown);
                let is_kept = self.read_as(info, &row.key, DeletedRows::Hidden)?.is_none();
                return Err(if is_kept { refusal::of_kept(error, info) } else { error });
            }
        }
        let rules = info.rules(self.schema())?;
        for ((index, format), condition) in info.indexes.iter().zip(&store.indexes).zip(&rules.conditions) {
            let stays = |(slot, _): &(usize, _)| !format.reads(*slot);
            if !moved && condition.is_none() && changes.is_some_and(|changes| changes.iter().all(stays)) {
                continue;
            }
            let before =
                old.map(|row| self.entry(info, format, condition.as_ref(), row)).transpose()?.flatten();
            let after =
                new.map(|row| self.entry(info, format, condition.as_ref(), row)).transpose()?.flatten();
            if before == after {
                continue;
            }
            let same_key =
                |a: &Option<IndexEntry>, b: &IndexEntry| a.as_ref().is_some_and(|a| a.key == b.key);
            if let Some(before) = &before
                && !same_key(&after, before)
                && !planted(Bug::ForgetIndexDelete)
            {
                // An entry that has the primary key is written by whoever writes the row, and the row is locked.
                if before.guards {
                    self.ctx.txn.delete(&self.ctx.families.indexes, &before.key).engine()?;
                } else {
                    self.ctx.txn.delete_beside(&self.ctx.families.indexes, &before.key).engine()?;
                }
            }
            let Some(after) = after else { continue };
            if !same_key(&before, &after) {
                fits(info, &index.name, &after.key)?;
                if after.guards
                    && !planted(Bug::SkipUniqueCheck)
                    && self.guarded(&self.ctx.families.indexes, &after.key)?.is_some()
                {
                    let fields: Vec<_> = index.columns.iter().map(|c| c.field).collect();
                    let shown = match new {
                        Some(row) => refusal::describe_row(self.schema(), info, &fields, &row.view(info)?),
                        None => String::new(),
                    };
                    return Err(refusal::not_unique(info, &fields, &index.name, shown));
                }
            }
            // One that was not there a moment ago is locked since.
            if after.guards && same_key(&before, &after) {
                self.ctx.txn.put(&self.ctx.families.indexes, &after.key, &after.value).engine()?;
            } else {
                self.ctx
                    .txn
                    .put_beside(&self.ctx.families.indexes, &after.key, after.value.as_slice())
                    .engine()?;
            }
        }
        self.written.rows.count(info.id, i64::from(new.is_some()) - i64::from(old.is_some()));
        if let Some(old) = old
            && moved
        {
            let key = store.primary_key.row_key(&old.key);
            self.ctx.txn.delete(&self.ctx.families.rows, &key).engine()?;
        }
        if let (Some(key), Some(row)) = (new_key, new) {
            if moved {
                // Its key was found free, and is locked since.
                self.ctx.txn.put_beside(&self.ctx.families.rows, &key, row.bytes.clone()).engine()?;
            } else if old.is_none_or(|old| old.bytes != row.bytes) {
                self.ctx.txn.put(&self.ctx.families.rows, &key, &row.bytes).engine()?;
            }
        }
        Ok(())
    }

    /// The entry of a row in an index; none if the index is partial and its condition is not true for the row.
    fn entry(
        &self,
        info: &EntityInfo,
        format: &IndexFormat,
        condition: Option<&RowExpr>,
        row: &Row,
    ) -> Result<Option<IndexEntry>> {
        let view = row.view(info)?;
        if let Some(condition) = condition
            && condition.test(&view, &EvalEnv::at(self.ctx.now))? != Some(true)
        {
            return Ok(None);
        }
        format.entry(&view, &row.key).map(Some)
    }
}

/// The values with changes laid over them.
fn overlaid<'v>(mut values: Vec<ValueRef<'v>>, changes: &'v [(usize, Datum<'static>)]) -> Vec<ValueRef<'v>> {
    for (slot, value) in changes {
        if let Some(place) = values.get_mut(*slot) {
            *place = value.view();
        }
    }
    values
}

fn fits(info: &EntityInfo, what: &str, key: &[u8]) -> Result<()> {
    if key.len() <= KEY_BYTES_MAX {
        return Ok(());
    }
    let mut error = Error::new(
        ErrorCode::LimitExceeded,
        format!("{}: a key of {what} has {} bytes; at most {KEY_BYTES_MAX} fit", info.name, key.len()),
    )
    .entity(&info.name)
    .constraint(what);
    error.detail.limit = Some(Limit {
        name: "key bytes".to_owned(),
        allowed: u64::try_from(KEY_BYTES_MAX).unwrap_or(u64::MAX),
        asked: u64::try_from(key.len()).unwrap_or(u64::MAX),
    });
    Err(error)
}
