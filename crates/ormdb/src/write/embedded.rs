//! Writing embedded structs: an object becomes values of the members, null leaves them all without.
//!
//! Invariants, which [`check`] upholds for every row: (1) where a struct is not there, all its members are null; (2) where
//! it is, its required members are not.

use ormdb_proto::ir::{AssignOp, Assignment, Expr, RecordInput};
use ormdb_proto::schema::{Embedded, Field, FieldId, FieldType, Lead, ScalarType};
use ormdb_proto::value::{ValueRef, canonical_text};
use ormdb_proto::{Error, ErrorCode, Result, Value};

use super::create::{at, placed};
use super::draft::Draft;
use super::refusal;
use super::writer::{Row, Writer};
use crate::catalog::{EntityInfo, Member};
use crate::expr::{Datum, member};

impl<'a> Writer<'a> {
    /// Gives a struct a value: of a new row, where `row` is none.
    pub(super) fn assign_struct(
        &mut self,
        info: &'a EntityInfo,
        of: &'a Embedded,
        op: &AssignOp,
        row: Option<&Row>,
        draft: &mut Draft<'a>,
    ) -> Result<()> {
        match op {
            AssignOp::Struct(record) => self.assign_object(info, of, record, row, draft),
            AssignOp::Set(expr) => match self.struct_value(info, of, expr)? {
                StructValue::Null => clear(info, of, draft),
                StructValue::Object(record) => self.assign_object(info, of, &record, row, draft),
                StructValue::Other(other) => self.assign_copy(info, of, other, row, draft),
            },
            AssignOp::Nested(_)
            | AssignOp::Increment(_)
            | AssignOp::Decrement(_)
            | AssignOp::Multiply(_)
            | AssignOp::Divide(_) => Err(no_object(info, of)),
        }
    }

    fn struct_value(&self, info: &'a EntityInfo, of: &Embedded, expr: &Expr) -> Result<StructValue<'a>> {
        let value = match expr {
            Expr::Literal(literal) => &literal.value,
            Expr::Param { name, span } => {
                self.ctx.params.require(name).map_err(|error| placed(error, *span))?
            }
            Expr::Path { path, .. } => {
                return match info.entity().lead(path) {
                    Some(Lead::Struct(other)) if other.struct_type == of.struct_type => {
                        Ok(StructValue::Other(other))
                    }
                    _ => Err(no_object(info, of)),
                };
            }
            _ => return Err(no_object(info, of)),
        };
        match value {
            Value::Null => Ok(StructValue::Null),
            Value::Json(text) | Value::String(text) => match serde_json::from_str(text) {
                Ok(serde_json::Value::Object(members)) => {
                    Ok(StructValue::Object(record_of(info, of, members)))
                }
                Ok(serde_json::Value::Null) => Ok(StructValue::Null),
                _ => Err(no_object(info, of)),
            },
            _ => Err(no_object(info, of)),
        }
    }

    fn assign_object(
        &mut self,
        info: &'a EntityInfo,
        of: &'a Embedded,
        record: &RecordInput,
        row: Option<&Row>,
        draft: &mut Draft<'a>,
    ) -> Result<()> {
        if let Some(flag) = of.presence {
            draft.set(flag, Datum::bool(Some(true)))?;
        }
        let mut given: Vec<String> = Vec::with_capacity(record.assignments.len());
        for assignment in &record.assignments {
            self.assign_member(info, of, assignment, row, draft).map_err(|error| at(error, assignment))?;
            given.push(format!("{}.{}", of.path, assignment.name));
        }
        let Some(row) = row else { return Ok(()) };
        // The whole struct is replaced: members that are not given begin anew.
        for name in info.struct_members(of) {
            let name = format!("{}.{name}", of.path);
            let is_given = |given: &String| *given == name || given.starts_with(&format!("{name}."));
            if given.iter().any(is_given) {
                continue;
            }
            match info.member(&name)? {
                Member::Field(field) => {
                    let value = self.default_of(info, field.id, &row.view(info)?)?;
                    draft.fill(field.id, value)?;
                }
                Member::Struct(inner) if inner.optional() => clear(info, inner, draft)?,
                Member::Struct(inner) => {
                    self.assign_object(info, inner, &RecordInput::default(), Some(row), draft)?;
                }
                Member::Relation(_) => {}
            }
        }
        Ok(())
    }

    fn assign_member(
        &mut self,
        info: &'a EntityInfo,
        of: &'a Embedded,
        assignment: &Assignment,
        row: Option<&Row>,
        draft: &mut Draft<'a>,
    ) -> Result<()> {
        let name = format!("{}.{}", of.path, assignment.name);
        match (info.member(&name), &assignment.op) {
            (Ok(Member::Struct(inner)), op) => self.assign_struct(info, inner, op, row, draft),
            (Ok(Member::Field(field)), AssignOp::Set(expr)) => {
                let value = match row {
                    Some(row) => self.evaluate(info, field, expr, Some(&row.view(info)?))?,
                    None => self.evaluate(info, field, expr, None)?,
                };
                draft.set(field.id, value)
            }
            (Ok(Member::Field(field)), AssignOp::Struct(_)) => Err(no_struct(info, field)),
            (Ok(_), _) => Err(refusal::meaningless(info, &name, "an object gives values, and changes none")),
            (Err(_), _) => Err(member::unknown_member(info.entity(), of, &assignment.name)),
        }
    }

    /// The members of another struct of the row.
    fn assign_copy(
        &self,
        info: &'a EntityInfo,
        of: &Embedded,
        other: &Embedded,
        row: Option<&Row>,
        draft: &mut Draft<'a>,
    ) -> Result<()> {
        let Some(row) = row else {
            let why = "a new row has no fields to read from yet";
            return Err(refusal::meaningless(info, &of.path, why));
        };
        let view = row.view(info)?;
        if let Some(flag) = of.presence {
            let there = match other.presence.or(other.inside) {
                Some(flag) => !view.field(flag)?.is_null(),
                None => true,
            };
            draft.set(flag, Datum::bool(there.then_some(true)))?;
        }
        for field in &info.fields {
            let Some(rest) = of.rest(&field.name).filter(|_| Some(field.id) != of.presence) else { continue };
            // Both are of one struct, so that their members are of the same types.
            let name = format!("{}.{rest}", other.path);
            let Some(from) = info.field(&name) else { return Err(member::unknown_member(info, other, rest)) };
            draft.set(field.id, Datum::Ref(view.field(from.id)?).into_owned())?;
        }
        Ok(())
    }
}

/// What a struct is set to.
enum StructValue<'a> {
    Null,
    Object(RecordInput),
    Other(&'a Embedded),
}

/// A JSON object as values of members, those of arrays and json documents by the types of the fields.
fn record_of(
    info: &EntityInfo,
    of: &Embedded,
    members: serde_json::Map<String, serde_json::Value>,
) -> RecordInput {
    use serde_json::Value as Json;
    let assignment = |(name, json): (String, Json)| {
        let member = info.member(&format!("{}.{name}", of.path));
        let ty = match &member {
            Ok(Member::Field(field)) => Some(field.ty),
            _ => None,
        };
        let op = match (member, json, ty) {
            (Ok(Member::Struct(inner)), Json::Object(members), _) => {
                AssignOp::Struct(record_of(info, inner, members))
            }
            (_, Json::Null, _) => AssignOp::Set(Expr::literal(Value::Null)),
            (_, Json::Array(items), Some(FieldType::Array(_))) => {
                AssignOp::Set(Expr::literal(Value::Array(items.iter().map(Value::from_json).collect())))
            }
            (_, json, Some(FieldType::Scalar(ScalarType::Json))) => {
                AssignOp::Set(Expr::literal(Value::Json(canonical_text(&json))))
            }
            (_, json, _) => AssignOp::Set(Expr::literal(Value::from_json(&json))),
        };
        Assignment { name, span: None, op }
    };
    RecordInput { assignments: members.into_iter().map(assignment).collect() }
}

/// Leaves a row without a struct.
fn clear<'a>(info: &'a EntityInfo, of: &Embedded, draft: &mut Draft<'a>) -> Result<()> {
    if !of.optional() {
        return Err(required(info, &of.path));
    }
    let inside = |field: &&Field| of.rest(&field.name).is_some();
    info.fields.iter().filter(inside).try_for_each(|field| draft.set(field.id, Datum::NULL))
}

/// A new row has the optional structs of which a member is given.
pub(super) fn infer_presence(info: &EntityInfo, draft: &mut Draft<'_>) -> Result<()> {
    for of in info.embedded.iter().rev() {
        let Some(flag) = of.presence else { continue };
        let given = |field: &Field| of.rest(&field.name).is_some() && draft.has_value(field.id);
        if info.fields.iter().any(given) {
            draft.fill(flag, Datum::bool(Some(true)))?;
        }
    }
    Ok(())
}

/// Whether a new row lacks the struct that the field is in, so that the field has no default either.
pub(super) fn is_absent(field: &Field, draft: &Draft<'_>) -> bool {
    field.inside().is_some_and(|flag| !draft.has_value(flag))
}

/// Refuses a row that breaks an invariant.
pub(super) fn check(info: &EntityInfo, values: &[ValueRef<'_>]) -> Result<()> {
    if info.embedded.is_empty() {
        return Ok(());
    }
    let slots = &info.store().rows;
    let null = |id: FieldId| slots.slot(id).and_then(|slot| values.get(slot)).is_none_or(ValueRef::is_null);
    for field in &info.fields {
        let Some(flag) = field.inside() else { continue };
        let required = field.embedded.is_some_and(|m| m.required);
        match (null(flag), null(field.id)) {
            (false, true) if required => return Err(refusal::required(info, field)),
            (true, false) => {
                let around = info.embedded.iter().find(|e| e.presence == Some(flag));
                let around = around.map_or("", |e| e.path.as_str());
                let why = format!("`{around}` is null here, and its members have no values");
                let hint = format!("write the whole struct: `{around}: {{ … }}`");
                return Err(refusal::meaningless(info, &field.name, &why).hint(hint));
            }
            _ => {}
        }
    }
    Ok(())
}

fn required(info: &EntityInfo, path: &str) -> Error {
    Error::new(ErrorCode::NotNullViolation, format!("{}.{path} is required", info.name))
        .entity(&info.name)
        .field(path)
}

fn no_object(info: &EntityInfo, of: &Embedded) -> Error {
    let names: Vec<String> = info.struct_members(of).map(|name| format!("{name}: …")).collect();
    Error::new(ErrorCode::TypeMismatch, format!("{}.{} is a struct and takes an object", info.name, of.path))
        .entity(&info.name)
        .field(&of.path)
        .hint(format!("as in `{}: {{ {} }}`", of.path, names.join(", ")))
}

/// A field that is no struct was given an object.
pub(super) fn no_struct(info: &EntityInfo, field: &Field) -> Error {
    let message = format!("{}.{} is no struct and takes no object", info.name, field.name);
    Error::new(ErrorCode::TypeMismatch, message)
        .entity(&info.name)
        .field(&field.name)
        .hint("a json document stands as text: `\"{\\\"a\\\": 1}\"`")
}
