//! Foreign keys, from the side that is referred to: what happens to the referring rows when a row goes or changes its
//! key.
//!
//! Invariants: (1) an event is handled after the change that made it, so that a row that refers to itself, or a cycle,
//! ends; (2) rows touched by actions are counted against a limit.

use ormdb_proto::error::Limit;
use ormdb_proto::ir::DeletedRows;
use ormdb_proto::schema::{EntityId, FieldId, ForeignKey, ReferentialAction};
use ormdb_proto::value::ValueRef;
use ormdb_proto::{Error, ErrorCode, Result};

use super::change::Changes;
use super::guard::same_key;
use super::reference::{Pending, key_values};
use super::refusal;
use super::writer::{ACTION_ROWS_MAX, Row, Writer};
use crate::catalog::{EntityInfo, Referrer};
use crate::expr::Datum;
use crate::planted::{Bug, planted};
use crate::store::coerce;

/// A change that rows which refer to the changed one must answer.
#[derive(Debug)]
pub(super) enum Event {
    /// The row is gone.
    Gone { entity: EntityId, old: Row },
    /// The row is deleted, and kept.
    Hidden { entity: EntityId, old: Row },
    /// Fields of the row that a foreign key may refer to have changed.
    Changed { entity: EntityId, old: Row, new: Row },
}

/// In which way a row went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    /// It is not there any more, or not under its key.
    Removed,
    /// It is deleted and kept.
    Hidden,
}

impl<'a> Writer<'a> {
    /// Runs referential actions until there is nothing left to do.
    pub(super) fn settle(&mut self) -> Result<()> {
        while let Some(event) = self.events.pop_front() {
            if planted(Bug::ForgetReferrers) {
                continue;
            }
            let (entity, old, new, how) = match &event {
                Event::Gone { entity, old } => (*entity, old, None, How::Removed),
                Event::Hidden { entity, old } => (*entity, old, None, How::Hidden),
                Event::Changed { entity, old, new } => (*entity, old, Some(new), How::Removed),
            };
            let info = self.info(entity)?;
            self.take_key_of(info, &old.key)?;
            for referrer in info.referrers() {
                self.act(info, referrer, old, new, how)?;
            }
        }
        Ok(())
    }

    fn act(
        &mut self,
        info: &'a EntityInfo,
        referrer: &'a Referrer,
        old: &Row,
        new: Option<&Row>,
        how: How,
    ) -> Result<()> {
        // A row that is hidden is gone for the rows that are seen; one that is really gone, for all.
        let deleted = match how {
            How::Removed => DeletedRows::Shown,
            How::Hidden => DeletedRows::Hidden,
        };
        let foreign_key = &referrer.foreign_key;
        let old_view = old.view(info)?;
        let Some(values) = key_values(&old_view, &foreign_key.references)? else { return Ok(()) };
        let new_view = new.map(|row| row.view(info)).transpose()?;
        let new_values = match &new_view {
            Some(view) => {
                let new_values =
                    foreign_key.references.iter().map(|f| view.field(*f)).collect::<Result<Vec<_>>>()?;
                if same_key(&values, &new_values) {
                    return Ok(());
                }
                Some(new_values)
            }
            None => None,
        };
        let action = if new.is_some() { foreign_key.on_update } else { foreign_key.on_delete };
        let holder = self.info(referrer.entity)?;
        self.check_newest(holder, &foreign_key.fields, &values)?;
        match action {
            ReferentialAction::NoAction => {
                self.pending.push(Pending::NoAction {
                    target: info.id,
                    holder: holder.id,
                    foreign_key: foreign_key.id,
                    values: owned(&values),
                    deleted,
                });
                return Ok(());
            }
            ReferentialAction::Restrict => {
                let referring = self.keys_by(holder, &foreign_key.fields, &values, 1, deleted)?;
                let Some(child) = referring.first() else { return Ok(()) };
                let child = self.read_known(holder, child)?;
                return self.still_referred(info, holder, foreign_key, &values, &child);
            }
            // Rows that cannot be kept stay as they are, so that restoring brings all back; they go with the row.
            ReferentialAction::Cascade if how == How::Hidden && holder.soft_delete.is_none() => return Ok(()),
            ReferentialAction::Cascade | ReferentialAction::SetNull | ReferentialAction::SetDefault => {}
        }
        for child in self.keys_by(holder, &foreign_key.fields, &values, ACTION_ROWS_MAX + 1, deleted)? {
            self.count_action(foreign_key)?;
            let Some(row) = self.read(holder, &child)? else { continue };
            let to = match (action, &new_values) {
                (ReferentialAction::Cascade, None) => {
                    match how {
                        How::Removed => self.remove_permanently(holder, row)?,
                        How::Hidden => self.remove(holder, row)?,
                    }
                    continue;
                }
                (ReferentialAction::Cascade, Some(new_values)) => owned(new_values),
                (ReferentialAction::SetDefault, _) => self.defaults_of(holder, foreign_key, &row)?,
                _ => foreign_key.fields.iter().map(|_| Datum::NULL).collect(),
            };
            let changes = self.changes_of(holder, foreign_key, to)?;
            // Who follows a key follows it to a deleted row as well.
            let targets = new_values.as_ref().map(|_| DeletedRows::Shown);
            let targets = targets.filter(|_| action == ReferentialAction::Cascade);
            self.update_row_to(holder, &row, &changes, targets).map_err(|error| {
                let key = refusal::describe(self.schema(), info, &foreign_key.references, &values);
                error.hint(format!(
                    "{} refers to the {} with {key}, which goes or changes",
                    holder.name, info.name
                ))
            })?;
        }
        Ok(())
    }

    /// The changes that give the fields of a foreign key these values.
    pub(super) fn changes_of(
        &self,
        holder: &EntityInfo,
        foreign_key: &ForeignKey,
        values: Vec<Datum<'static>>,
    ) -> Result<Changes> {
        let fields = self.fields_of(holder, foreign_key, values)?;
        let slot = |(field, value)| Some((holder.store().rows.slot(field)?, value));
        Ok(fields.into_iter().filter_map(slot).collect())
    }

    /// The fields of a foreign key with values: those of the target bent to the types of the fields, which may be
    /// narrower or wider.
    pub(super) fn fields_of(
        &self,
        holder: &EntityInfo,
        foreign_key: &ForeignKey,
        values: Vec<Datum<'static>>,
    ) -> Result<Vec<(FieldId, Datum<'static>)>> {
        let target = self.info(foreign_key.target)?;
        let columns = foreign_key.fields.iter().zip(&foreign_key.references).zip(values);
        columns
            .map(|((field, reference), value)| {
                let (to, from) = (holder.field_of(*field)?, target.field_of(*reference)?);
                if to.ty == from.ty || value.is_null() {
                    return Ok((to.id, value));
                }
                // A default is of the field's type already, and bends to it as well.
                let value = coerce::owned(self.schema(), to.ty, &value.view());
                let value = coerce::to_field(self.schema(), holder.entity(), to, value)?;
                Ok((to.id, Datum::of_value(self.schema(), &value, to.ty)?))
            })
            .collect()
    }

    fn defaults_of(
        &mut self,
        holder: &'a EntityInfo,
        foreign_key: &ForeignKey,
        row: &Row,
    ) -> Result<Vec<Datum<'static>>> {
        let view = row.view(holder)?;
        foreign_key.fields.iter().map(|field| self.default_of(holder, *field, &view)).collect()
    }

    fn count_action(&mut self, foreign_key: &ForeignKey) -> Result<()> {
        self.action_rows += 1;
        if self.action_rows <= ACTION_ROWS_MAX {
            return Ok(());
        }
        let message =
            format!("referential actions of one statement would touch more than {ACTION_ROWS_MAX} rows");
        let mut error = Error::new(ErrorCode::LimitExceeded, message)
            .constraint(&foreign_key.name)
            .hint("delete or change the referring rows first, some at a time");
        let limit = u64::try_from(ACTION_ROWS_MAX).unwrap_or(u64::MAX);
        error.detail.limit =
            Some(Limit { name: "action rows".to_owned(), allowed: limit, asked: limit.saturating_add(1) });
        Err(error)
    }
}

/// Values with bytes of their own.
pub(super) fn owned(values: &[ValueRef<'_>]) -> Vec<Datum<'static>> {
    values.iter().map(|v| Datum::Ref(v.clone()).into_owned()).collect()
}
