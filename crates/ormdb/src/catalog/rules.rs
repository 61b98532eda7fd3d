//! The expressions of an entity that every write runs, compiled once: checks, conditions of partial indexes, defaults,
//! stored computed fields.
//!
//! Invariant: (1) rules see the row's own fields and no parameters, so that they are the same for every statement.

use ormdb_proto::Result;
use ormdb_proto::ir::{Expr, Params};
use ormdb_proto::schema::{Default, Entity, FieldId, Generator, Schema};

use super::stored_fields::{self, StoredRule};
use crate::expr::RowExpr;

/// The compiled expressions of an entity.
#[derive(Debug)]
pub(crate) struct Rules {
    /// The checks, in the order of the entity's.
    pub(crate) checks: Vec<RowExpr>,
    /// For each index of the entity, its condition.
    pub(crate) conditions: Vec<Option<RowExpr>>,
    /// The defaults of the fields that have one.
    pub(crate) defaults: Vec<DefaultRule>,
    /// Of an entity that keeps deleted rows, the condition that a row is not deleted.
    pub(crate) live: Option<RowExpr>,
    /// The stored computed fields, each behind those that it reads.
    pub(crate) stored: Vec<StoredRule>,
}

/// The default of a field.
#[derive(Debug)]
pub(crate) struct DefaultRule {
    /// The field.
    pub(crate) field: FieldId,
    /// How its value is made.
    pub(crate) source: DefaultSource,
}

/// How a default is made.
#[derive(Debug)]
pub(crate) enum DefaultSource {
    /// Anew for each row.
    Generated(Generator),
    /// From the row's other fields.
    Expr(Box<RowExpr>),
}

impl Rules {
    /// Compiles the expressions of `entity`.
    ///
    /// # Errors
    /// Those of [`RowExpr::compile`]: the resolver of schemas lets none of them come this far.
    pub(crate) fn compile(schema: &Schema, entity: &Entity) -> Result<Rules> {
        let none = Params::none();
        let condition = |expr| RowExpr::condition(schema, entity, expr, &none);
        let mut defaults = Vec::new();
        for field in &entity.fields {
            let source = match &field.default {
                None => continue,
                Some(Default::Generated(generator)) => DefaultSource::Generated(*generator),
                Some(Default::Expr(expr)) => {
                    let compiled = RowExpr::compile(schema, entity, expr, Some(field.ty), &none)?;
                    DefaultSource::Expr(Box::new(compiled))
                }
            };
            defaults.push(DefaultRule { field: field.id, source });
        }
        Ok(Rules {
            checks: entity.checks.iter().map(|check| condition(&check.expr)).collect::<Result<_>>()?,
            conditions: entity
                .indexes
                .iter()
                .map(|index| index.filter.as_ref().map(condition).transpose())
                .collect::<Result<_>>()?,
            defaults,
            live: match entity.soft_delete.and_then(|soft| entity.field_by_id(soft.field)) {
                Some(field) => {
                    let operand = Box::new(Expr::path([field.name.as_str()]));
                    Some(condition(&Expr::IsNull { operand, negated: false })?)
                }
                None => None,
            },
            stored: stored_fields::compile(schema, entity)?,
        })
    }
}
