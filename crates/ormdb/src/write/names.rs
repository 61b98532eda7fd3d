//! The names of a write, looked at before it knows which rows it is for.
//!
//! Invariant: whether a name is known does not depend on the data: a record that is not used, because no row is there or
//! one is, is looked at all the same.

use ormdb_proto::Result;
use ormdb_proto::ir::{AssignOp, NestedWrite, RecordInput};

use super::create::{at, not_a_value};
use super::refusal;
use super::writer::Writer;
use crate::catalog::{EntityInfo, Member};

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
            NestedWrite::Create(records) => {
                records.iter().try_for_each(|record| self.check_names(target, record))
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
}
