//! Creating rows, and upserts.

use ormdb_proto::error::Span;
use ormdb_proto::ir::{AssignOp, Assignment, Create, KeyPart, NestedWrite, RecordInput, Upsert};
use ormdb_proto::schema::{FieldId, Relation, RelationKind};
use ormdb_proto::value::compare;
use ormdb_proto::{Error, ErrorCode, Result};

use super::draft::Draft;
use super::find::NamedKey;
use super::gathered::Holders;
use super::writer::{Row, Writer};
use super::{embedded, refusal};
use crate::catalog::{EntityInfo, Member};
use crate::engine::EngineResult;
use crate::expr::Datum;

impl<'a> Writer<'a> {
    pub(super) fn create(&mut self, create: &Create) -> Result<()> {
        let info = self.entity(&create.entity, create.span)?;
        self.written.keys.reserve(create.rows.len());
        if !create.skip_duplicates {
            self.gather_references(info, &create.rows, Holders::Own)?;
        }
        for input in &create.rows {
            let create_row = |writer: &mut Self| {
                let row = writer.create_record(info, input, &[])?;
                writer.written.keys.push(row.key);
                Ok(())
            };
            if create.skip_duplicates {
                self.unless_taken(info, create_row)?;
            } else {
                create_row(self)?;
                self.look_up_many(info.id)?;
            }
        }
        self.look_up_gathered(info.id)
    }

    /// Creates a row of this entity with its nested writes, or nothing of it if a unique key of the row is taken.
    pub(super) fn unless_taken(
        &mut self,
        info: &EntityInfo,
        create_row: impl FnOnce(&mut Self) -> Result<()>,
    ) -> Result<()> {
        // What was begun before is no part of it.
        self.settle()?;
        let savepoint = self.ctx.txn.savepoint();
        let written = self.written.mark();
        let pending = self.pending.len();
        match create_row(self) {
            Ok(()) => self.ctx.txn.release(savepoint).engine(),
            Err(error) if is_taken(&error, info) => {
                self.written.return_to(written);
                self.pending.truncate(pending);
                self.waiting_by_row = None;
                self.events.clear();
                self.referred.forget();
                self.ctx.txn.rollback_to(savepoint).engine()
            }
            Err(error) => Err(error),
        }
    }

    pub(super) fn upsert(&mut self, upsert: &Upsert) -> Result<()> {
        let info = self.entity(&upsert.entity, upsert.span)?;
        self.check_names(info, &upsert.create)?;
        self.check_names(info, &upsert.update)?;
        let key = self.key_or_create(info, &upsert.key, &upsert.create);
        let key = key.map_err(|error| placed(error, upsert.span))?;
        let row = match self.find(info, &key)? {
            Some(row) => {
                self.check_unused(info, &upsert.create)?;
                self.update_record(info, row, &upsert.update)?
            }
            None => {
                self.check_unused(info, &upsert.update)?;
                self.create_keyed(info, &upsert.create, &key, &[])?
            }
        };
        self.written.keys.push(row.key);
        Ok(())
    }

    /// The key of a row that is looked for, and created if it is not there.
    ///
    /// # Errors
    /// `InvalidQuery` if the record gives a field of the key another value, whether the row is there or not.
    pub(super) fn key_or_create(
        &self,
        info: &EntityInfo,
        parts: &[KeyPart],
        input: &RecordInput,
    ) -> Result<NamedKey> {
        let key = self.named_key(info, parts)?;
        for assignment in &input.assignments {
            let AssignOp::Set(expr) = &assignment.op else { continue };
            let Ok(Member::Field(field)) = info.member(&assignment.name) else { continue };
            let Some(at_key) = key.fields.iter().position(|f| *f == field.id) else { continue };
            let mut draft = Draft::new(info);
            let agree = key.values.get(at_key).map_or(Ok(()), |value| draft.set(field.id, value.clone()));
            let agree = agree.and_then(|()| draft.set(field.id, self.evaluate(info, field, expr, None)?));
            agree.map_err(|error| at(error, assignment))?;
        }
        Ok(key)
    }

    /// Creates a row whose key's fields are filled in where they are not given.
    pub(super) fn create_keyed(
        &mut self,
        info: &'a EntityInfo,
        input: &RecordInput,
        key: &NamedKey,
        preset: &[(FieldId, Datum<'static>)],
    ) -> Result<Row> {
        let fills = key.fields.iter().copied().zip(key.values.iter().cloned()).collect::<Vec<_>>();
        self.create_with(info, input, preset, &fills)
    }

    /// Creates a row of the given values and those of `preset`, with its nested writes.
    pub(super) fn create_record(
        &mut self,
        info: &'a EntityInfo,
        input: &RecordInput,
        preset: &[(FieldId, Datum<'static>)],
    ) -> Result<Row> {
        self.create_with(info, input, preset, &[])
    }

    fn create_with(
        &mut self,
        info: &'a EntityInfo,
        input: &RecordInput,
        preset: &[(FieldId, Datum<'static>)],
        fills: &[(FieldId, Datum<'static>)],
    ) -> Result<Row> {
        self.deeper(|writer| {
            let mut draft = Draft::new(info);
            for (field, value) in preset {
                draft.set(*field, value.clone())?;
            }
            let mut later = Vec::new();
            for assignment in &input.assignments {
                let done = writer.assign_new(info, &mut draft, assignment, &mut later);
                done.map_err(|error| at(error, assignment))?;
            }
            let is_computed = |field: &FieldId| info.field_of(*field).is_ok_and(|f| f.computed.is_some());
            for (field, value) in fills.iter().filter(|(field, _)| !is_computed(field)) {
                draft.set(*field, value.clone())?;
            }
            embedded::infer_presence(info, &mut draft)?;
            writer.fill_defaults(&mut draft)?;
            let row = writer.insert(info, &draft.values())?;
            for (field, value) in fills.iter().filter(|(field, _)| is_computed(field)) {
                writer.agrees(info, &row, *field, value)?;
            }
            for (relation, writes, assignment) in later {
                let done = writer.nested_writes(info, &row, relation, writes);
                done.map_err(|error| at(error, assignment))?;
            }
            Ok(row)
        })
    }

    /// Refuses a new row whose computed field is another than the key says that it was looked for by.
    fn agrees(&self, info: &EntityInfo, row: &Row, field: FieldId, value: &Datum<'static>) -> Result<()> {
        let view = row.view(info)?;
        if compare(&view.field(field)?, &value.view()).is_some_and(std::cmp::Ordering::is_eq) {
            return Ok(());
        }
        let made = refusal::describe_row(self.schema(), info, &[field], &view);
        let why = format!("it is computed, and the record makes {made}, which is not what the key says");
        Err(refusal::meaningless(info, &info.field_of(field)?.name, &why))
    }

    fn assign_new<'i>(
        &mut self,
        info: &'a EntityInfo,
        draft: &mut Draft<'a>,
        assignment: &'i Assignment,
        later: &mut Vec<(&'a Relation, &'i [NestedWrite], &'i Assignment)>,
    ) -> Result<()> {
        match (info.member(&assignment.name)?, &assignment.op) {
            (Member::Field(field), AssignOp::Set(expr)) => {
                let value = self.evaluate(info, field, expr, None)?;
                draft.set(field.id, value)
            }
            (Member::Struct(of), op) => self.assign_struct(info, of, op, None, draft),
            (Member::Field(field), AssignOp::Struct(_)) => Err(embedded::no_struct(info, field)),
            (Member::Field(field), AssignOp::Nested(_)) => {
                Err(refusal::meaningless(info, &field.name, "only a relation takes nested writes"))
            }
            (Member::Field(field), _) => {
                Err(refusal::meaningless(info, &field.name, "a new row has no value yet to change"))
            }
            (Member::Relation(relation), AssignOp::Nested(writes)) => match &relation.kind {
                RelationKind::Forward { foreign_key } => {
                    let foreign_key = Writer::foreign_key(info, *foreign_key)?;
                    for write in writes {
                        self.forward_new(info, relation, foreign_key, write, draft)?;
                    }
                    Ok(())
                }
                RelationKind::Inverse { .. } | RelationKind::Through { .. } => {
                    later.push((relation, writes, assignment));
                    Ok(())
                }
            },
            (Member::Relation(relation), _) => Err(not_a_value(info, relation)),
        }
    }

    /// The entity of a statement.
    pub(super) fn entity(&self, name: &str, span: Option<Span>) -> Result<&'a EntityInfo> {
        self.ctx.catalog.entity(name).map_err(|error| placed(error, span))
    }
}

/// A relation was assigned a value.
pub(super) fn not_a_value(info: &EntityInfo, relation: &Relation) -> Error {
    refusal::meaningless(info, &relation.name, "a relation takes nested writes, such as connect, not a value")
}

/// Whether the error says that a unique key of a row of this entity is taken.
fn is_taken(error: &Error, info: &EntityInfo) -> bool {
    error.code == ErrorCode::UniqueViolation && error.detail.entity.as_deref() == Some(info.name.as_str())
}

/// The error at the place of the assignment, where it has no place yet.
pub(super) fn at(error: Error, assignment: &Assignment) -> Error {
    placed(error, assignment.span)
}

/// The error at a place, where it has none yet.
pub(super) fn placed(error: Error, span: Option<Span>) -> Error {
    match (error.detail.span, span) {
        (None, Some(span)) => error.span(span),
        _ => error,
    }
}
