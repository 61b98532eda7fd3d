//! Stored computed fields: their values, made from the other fields of their row.
//!
//! Invariants: (1) a value depends on its row alone: no relation, no parameter, no time; (2) rules stand in an order in
//! which each reads only what stands before it, given fields aside.

use ormdb_proto::ir::Params;
use ormdb_proto::schema::{Entity, Field, FieldId, FieldType, Schema};
use ormdb_proto::value::ValueRef;
use ormdb_proto::{Error, ErrorCode, Result};

use crate::expr::{Datum, EvalEnv, RowExpr, RowSource};
use crate::store::RowFormat;
use crate::store::coerce;

/// How the value of a stored computed field is made.
#[derive(Debug)]
pub(crate) struct StoredRule {
    field: FieldId,
    reads: Vec<FieldId>,
    expr: RowExpr,
}

/// The rules of an entity, each behind those that it reads.
///
/// # Errors
/// Those of compiling them; `Internal` if they go round in a circle.
pub(super) fn compile(schema: &Schema, entity: &Entity) -> Result<Vec<StoredRule>> {
    let mut waiting = Vec::new();
    for field in &entity.fields {
        let Some(expr) = field.stored_expr() else { continue };
        let expr = RowExpr::compile(schema, entity, expr, Some(field.ty), &Params::none())?;
        waiting.push(StoredRule { field: field.id, reads: expr.fields(), expr });
    }
    let mut rules: Vec<StoredRule> = Vec::with_capacity(waiting.len());
    while !waiting.is_empty() {
        let ready = |rule: &StoredRule| rule.reads.iter().all(|id| waiting.iter().all(|w| w.field != *id));
        let Some(at) = waiting.iter().position(ready) else {
            let message = format!("stored computed fields of `{}` are made from each other", entity.name);
            return Err(Error::new(ErrorCode::Internal, message));
        };
        rules.push(waiting.remove(at));
    }
    Ok(rules)
}

/// The values of the stored computed fields of a row, by slot, given the values of the others. With `touched`, only of
/// those that read a slot of it, through other stored computed fields too.
///
/// # Errors
/// Those of the expressions and of bending their values to the fields' types.
pub(crate) fn compute(
    rules: &[StoredRule],
    (schema, entity, rows): (&Schema, &Entity, &RowFormat),
    values: &[ValueRef<'_>],
    touched: Option<&[usize]>,
) -> Result<Vec<(usize, Datum<'static>)>> {
    let mut made: Vec<(usize, Datum<'static>)> = Vec::new();
    for rule in rules {
        let changed = |field: &FieldId| {
            let slot = rows.slot(*field);
            let given = touched.is_none_or(|touched| touched.iter().any(|t| Some(*t) == slot));
            given || made.iter().any(|(at, _)| Some(*at) == slot)
        };
        if touched.is_some() && !rule.reads.iter().any(changed) {
            continue;
        }
        let (Some(slot), Some(field)) = (rows.slot(rule.field), entity.field_by_id(rule.field)) else {
            return Err(Error::new(ErrorCode::Internal, "a stored computed field is not stored"));
        };
        let row = Overlay { rows, values, made: &made };
        let value =
            value(rule, schema, entity, field, &row).map_err(|error| of_field(error, entity, field))?;
        made.push((slot, value));
    }
    Ok(made)
}

fn value(
    rule: &StoredRule,
    schema: &Schema,
    entity: &Entity,
    field: &Field,
    row: &Overlay<'_, '_>,
) -> Result<Datum<'static>> {
    let ty: FieldType = field.ty;
    let value = rule.expr.eval_value(row, &EvalEnv::at(0))?;
    let value = coerce::to_field(schema, entity, field, value)?;
    Datum::of_value(schema, &value, ty)
}

fn of_field(error: Error, entity: &Entity, field: &Field) -> Error {
    let error = if error.detail.entity.is_none() { error.entity(&entity.name) } else { error };
    if error.detail.field.is_some() {
        return error;
    }
    let hint = format!("`{}` is computed from the row's other fields and stored", field.name);
    error.field(&field.name).hint(hint)
}

/// The fields of a row on its way.
struct Overlay<'v, 'm> {
    rows: &'m RowFormat,
    values: &'m [ValueRef<'v>],
    made: &'m [(usize, Datum<'static>)],
}

impl RowSource for Overlay<'_, '_> {
    fn field(&self, field: FieldId) -> Result<ValueRef<'_>> {
        let slot = self.rows.slot(field);
        if let Some((_, made)) = self.made.iter().find(|(at, _)| Some(*at) == slot) {
            return Ok(made.view());
        }
        Ok(slot.and_then(|slot| self.values.get(slot)).cloned().unwrap_or(ValueRef::Null))
    }
}
