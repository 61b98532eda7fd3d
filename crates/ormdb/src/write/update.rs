//! Updating rows.

use ormdb_proto::Result;
use ormdb_proto::ir::{AssignOp, Assignment, NestedWrite, RecordInput, Update};
use ormdb_proto::schema::{Field, FieldId, ForeignKey, Relation, RelationKind};

use super::create::{at, not_a_value, placed};
use super::draft::Draft;
use super::find::Targets;
use super::writer::{Row, Writer};
use super::{embedded, refusal, step};
use crate::catalog::{EntityInfo, Member};
use crate::expr::Datum;
use crate::plan;
use crate::store::generate;

/// What is left to do along a relation once the row itself is written.
pub(super) struct Later<'a, 'i> {
    pub(super) relation: &'a Relation,
    pub(super) work: LaterWork<'a, 'i>,
    pub(super) assignment: &'i Assignment,
}

/// See [`Later`].
pub(super) enum LaterWork<'a, 'i> {
    /// Writes along an inverse or through relation.
    Writes(&'i [NestedWrite]),
    /// An update of the row that a foreign key leads to.
    UpdateTarget(&'a ForeignKey, &'i RecordInput),
    /// The deletion of the row that a foreign key led to.
    DeleteTarget(&'a EntityInfo, Row),
}

impl<'a> Writer<'a> {
    pub(super) fn update(&mut self, update: &Update) -> Result<()> {
        let info = self.entity(&update.entity, update.span)?;
        plan::check_deleted(info, update.deleted, update.span)?;
        self.check_names(info, &update.set)?;
        let targets = self.targets(info, &update.target, update.deleted);
        let Targets { keys, mut named } = targets.map_err(|error| placed(error, update.span))?;
        self.check_expected(info, update.expected.as_ref(), &keys)?;
        if keys.is_empty() {
            self.check_unused(info, &update.set)?;
        }
        for key in keys {
            let row = match named.take() {
                Some(named) => Some(named),
                // An earlier row's cascade may have moved or removed it.
                None => self.read(info, &key)?,
            };
            let Some(row) = row else { continue };
            let row = self.update_record(info, row, &update.set)?;
            self.written.keys.push(row.key);
        }
        Ok(())
    }

    /// Updates a row, with its nested writes and the referential actions that follow.
    pub(super) fn update_record(
        &mut self,
        info: &'a EntityInfo,
        row: Row,
        input: &RecordInput,
    ) -> Result<Row> {
        self.deeper(|writer| {
            let mut later = Vec::new();
            let mut draft = Draft::new(info);
            for assignment in &input.assignments {
                let done = writer.assign_existing(info, &row, &mut draft, assignment, &mut later);
                done.map_err(|error| at(error, assignment))?;
            }
            writer.touch_updated_at(info, &mut draft)?;
            let changes = draft.into_changes();
            let mut row = if changes.is_empty() { row } else { writer.update_row(info, &row, &changes)? };
            writer.settle()?;
            for Later { relation, work, assignment } in later {
                row = writer.again(info, row)?;
                let done = writer.later(info, &row, relation, work);
                done.map_err(|error| at(error, assignment))?;
            }
            Ok(row)
        })
    }

    fn assign_existing<'i>(
        &mut self,
        info: &'a EntityInfo,
        row: &Row,
        draft: &mut Draft<'a>,
        assignment: &'i Assignment,
        later: &mut Vec<Later<'a, 'i>>,
    ) -> Result<()> {
        match (info.member(&assignment.name)?, &assignment.op) {
            (Member::Struct(of), op) => self.assign_struct(info, of, op, Some(row), draft),
            (Member::Field(field), AssignOp::Struct(_)) => Err(embedded::no_struct(info, field)),
            (Member::Field(field), AssignOp::Nested(_)) => {
                Err(refusal::meaningless(info, &field.name, "only a relation takes nested writes"))
            }
            (Member::Field(field), op) => {
                let value = self.new_value(info, row, field, op)?;
                draft.set(field.id, value)
            }
            (Member::Relation(relation), AssignOp::Nested(writes)) => match &relation.kind {
                RelationKind::Forward { foreign_key } => {
                    let foreign_key = Writer::foreign_key(info, *foreign_key)?;
                    for write in writes {
                        let work = self.forward_existing(info, row, relation, foreign_key, write, draft)?;
                        later.extend(work.map(|work| Later { relation, work, assignment }));
                    }
                    Ok(())
                }
                RelationKind::Inverse { .. } | RelationKind::Through { .. } => {
                    later.push(Later { relation, work: LaterWork::Writes(writes), assignment });
                    Ok(())
                }
            },
            (Member::Relation(relation), _) => Err(not_a_value(info, relation)),
        }
    }

    fn new_value(
        &self,
        info: &EntityInfo,
        row: &Row,
        field: &Field,
        op: &AssignOp,
    ) -> Result<Datum<'static>> {
        let view = row.view(info)?;
        match (op, step::step_of(op)) {
            (_, Some(step)) => self.evaluate_step(info, field, step, &view),
            (AssignOp::Set(expr), None) => self.evaluate(info, field, expr, Some(&view)),
            (AssignOp::Struct(_), None) => Err(embedded::no_struct(info, field)),
            (_, None) => Err(refusal::meaningless(info, &field.name, "it is no relation")),
        }
    }

    fn touch_updated_at(&self, info: &EntityInfo, draft: &mut Draft<'a>) -> Result<()> {
        for field in info.fields.iter().filter(|f| f.updated_at && f.is_stored()) {
            let now = generate::now_value(field.ty, self.ctx.now);
            draft.fill(field.id, Datum::of_value(self.schema(), &now, field.ty)?)?;
        }
        Ok(())
    }

    fn later(
        &mut self,
        info: &'a EntityInfo,
        row: &Row,
        relation: &'a Relation,
        work: LaterWork<'a, '_>,
    ) -> Result<()> {
        match work {
            LaterWork::Writes(writes) => self.nested_writes(info, row, relation, writes)?,
            LaterWork::UpdateTarget(foreign_key, set) => {
                let target = self.info(foreign_key.target)?;
                let current = self.forward_target(info, row, foreign_key)?;
                let current = current
                    .ok_or_else(|| refusal::not_connected(info, &relation.name, target, String::new()))?;
                self.update_record(target, current, set)?;
            }
            LaterWork::DeleteTarget(target, row) => {
                if let Some(row) = self.read(target, &row.key)? {
                    self.remove(target, row)?;
                }
            }
        }
        self.settle()
    }

    /// The row as it is now: a cascade of its own nested writes may have changed it.
    fn again(&self, info: &EntityInfo, row: Row) -> Result<Row> {
        match self.read(info, &row.key)? {
            Some(row) => Ok(row),
            None => {
                let fields: &[FieldId] = &info.primary_key;
                let shown = refusal::describe_row(self.schema(), info, fields, &row.view(info)?);
                Err(refusal::not_found(info, shown).hint("a nested write removed it or changed its key"))
            }
        }
    }
}
