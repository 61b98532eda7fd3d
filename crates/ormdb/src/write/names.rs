//! The names of a write, looked at before it knows which rows it is for.
//!
//! Invariant: whether a name is known does not depend on the data: a record that is not used, because no row is there or
//! one is, is looked at all the same, the names inside of its expressions too.

use ormdb_proto::Result;
use ormdb_proto::ir::{AssignOp, Assignment, Expr, NestedWrite, RecordInput};
use ormdb_proto::schema::{Embedded, Field};

use super::create::{at, not_a_value};
use super::writer::Writer;
use super::{refusal, step};
use crate::catalog::{EntityInfo, Member};
use crate::expr::RowExpr;
use crate::expr::member::unknown_member;

impl<'a> Writer<'a> {
    /// Checks that the record assigns to fields, structs and relations of the entity, and nested ones to those of theirs.
    ///
    /// # Errors
    /// `UnknownField`; `InvalidQuery` of a value for a relation, or nested writes for a field.
    pub(super) fn check_names(&self, info: &'a EntityInfo, record: &RecordInput) -> Result<()> {
        for assignment in &record.assignments {
            let member = info.member(&assignment.name).map_err(|error| at(error, assignment))?;
            match (member, &assignment.op) {
                (Member::Relation(relation), AssignOp::Nested(writes)) => {
                    let target = self.info(relation.target)?;
                    writes.iter().try_for_each(|write| self.check_nested(target, write))?;
                }
                (Member::Relation(relation), _) => return Err(at(not_a_value(info, relation), assignment)),
                (Member::Field(field), AssignOp::Nested(_)) => {
                    let error =
                        refusal::meaningless(info, &field.name, "only a relation takes nested writes");
                    return Err(at(error, assignment));
                }
                (Member::Field(_) | Member::Struct(_), _) => {}
            }
        }
        Ok(())
    }

    fn check_nested(&self, target: &'a EntityInfo, write: &NestedWrite) -> Result<()> {
        match write {
            NestedWrite::Create { rows, .. } => {
                rows.iter().try_for_each(|record| self.check_names(target, record))
            }
            NestedWrite::ConnectOrCreate { create, .. } => self.check_names(target, create),
            NestedWrite::Update { set, .. } => self.check_names(target, set),
            NestedWrite::Upsert { create, update, .. } => {
                self.check_names(target, create)?;
                self.check_names(target, update)
            }
            NestedWrite::Connect(_)
            | NestedWrite::Disconnect(_)
            | NestedWrite::Replace(_)
            | NestedWrite::Delete { .. } => Ok(()),
        }
    }

    /// Checks the expressions of a record that is not used: those of one that is are checked when they are computed.
    ///
    /// # Errors
    /// As of computing them, but for what depends on a row.
    pub(super) fn check_unused(&self, info: &'a EntityInfo, record: &RecordInput) -> Result<()> {
        self.check_names(info, record)?;
        for assignment in &record.assignments {
            match info.member(&assignment.name)? {
                Member::Field(field) => self.check_value(info, field, assignment)?,
                Member::Struct(of) => self.check_members(info, of, assignment)?,
                Member::Relation(relation) => {
                    let AssignOp::Nested(writes) = &assignment.op else { continue };
                    let target = self.info(relation.target)?;
                    writes.iter().try_for_each(|write| self.check_unused_nested(target, write))?;
                }
            }
        }
        Ok(())
    }

    fn check_unused_nested(&self, target: &'a EntityInfo, write: &NestedWrite) -> Result<()> {
        match write {
            NestedWrite::Create { rows, .. } => {
                rows.iter().try_for_each(|record| self.check_unused(target, record))
            }
            NestedWrite::ConnectOrCreate { create, .. } => self.check_unused(target, create),
            NestedWrite::Update { set, filter, .. } => {
                self.filtered(target, Vec::new(), filter.as_ref())?;
                self.check_unused(target, set)
            }
            NestedWrite::Upsert { create, update, .. } => {
                self.check_unused(target, create)?;
                self.check_unused(target, update)
            }
            NestedWrite::Delete { filter, .. } => {
                self.filtered(target, Vec::new(), filter.as_ref()).map(|_| ())
            }
            NestedWrite::Connect(_) | NestedWrite::Disconnect(_) | NestedWrite::Replace(_) => Ok(()),
        }
    }

    fn check_value(&self, info: &EntityInfo, field: &Field, assignment: &Assignment) -> Result<()> {
        let made;
        let expr = match (&assignment.op, step::step_of(&assignment.op)) {
            (_, Some((_, operand))) if self.whole_operand(field, operand).is_some() => return Ok(()),
            (_, Some((op, operand))) => {
                made = step::expression(field, op, operand);
                &made
            }
            (AssignOp::Set(Expr::Param { name, .. }), None) => {
                let given = self.ctx.params.require(name).map(|_| ());
                return given.map_err(|error| at(error, assignment));
            }
            // What has a value already bends to the field when it is written.
            (AssignOp::Set(Expr::Literal(_)), None) => return Ok(()),
            (AssignOp::Set(expr), None) => expr,
            (_, None) => return Ok(()),
        };
        RowExpr::compile(self.schema(), info.entity(), expr, Some(field.ty), self.ctx.params)
            .map(|_| ())
            .map_err(|error| at(error, assignment))
    }

    /// The members of a struct that an object gives.
    fn check_members(&self, info: &'a EntityInfo, of: &Embedded, assignment: &Assignment) -> Result<()> {
        let AssignOp::Struct(record) = &assignment.op else { return Ok(()) };
        for member in &record.assignments {
            let name = format!("{}.{}", of.path, member.name);
            match info.member(&name) {
                Ok(Member::Field(field)) => self.check_value(info, field, member)?,
                Ok(Member::Struct(inner)) => self.check_members(info, inner, member)?,
                Ok(Member::Relation(_)) => {}
                Err(_) => return Err(at(unknown_member(info.entity(), of, &member.name), member)),
            }
        }
        Ok(())
    }
}
