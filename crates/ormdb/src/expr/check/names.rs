//! What a name means: a field of the row, a relation, or something behind a relation.

use ormdb_proto::error::Span;
use ormdb_proto::ir::{Expr, Quantifier, RelationAggregate};
use ormdb_proto::schema::{Entity, Lead, Relation};
use ormdb_proto::{Error, ErrorCode, Result, Value};

use super::{Bend, Checked, Checker, at};
use crate::expr::datum::Datum;
use crate::expr::member;
use crate::expr::node::Node;
use crate::expr::scope::External;
use crate::expr::types::BOOL;

impl<'s> Checker<'_, 's> {
    /// A field of the row, or behind its to-one relations.
    pub(super) fn path(&mut self, path: &[String], span: Option<Span>) -> Result<Checked> {
        let entity = self.scope.entity();
        if let Some(Lead::Field(field, names)) = entity.lead(path)
            && names == path.len()
        {
            return match &field.computed {
                Some(expr) if !field.is_stored() => {
                    let computed = self.check(expr)?;
                    self.assign(computed, field.ty)
                }
                Some(_) | None => {
                    self.scope.admits(field, span)?;
                    Ok(Checked::fixed(Node::Field(field.id), field.ty))
                }
            };
        }
        if let Some(error) = member::no_field(entity, path) {
            return Err(at(error, span));
        }
        match path {
            [] => Err(Error::new(ErrorCode::InvalidQuery, "a path names no field")),
            [name] => {
                if entity.relation(name).is_some() {
                    let error = Error::new(
                        ErrorCode::TypeMismatch,
                        format!(
                            "`{name}` is a relation of {}, not a value; name one of its fields",
                            entity.name
                        ),
                    );
                    return Err(at(error.entity(entity.name.clone()).field(name.clone()), span));
                }
                let error = unknown_member(entity, name, span);
                let word = Bend::Word(name.clone(), error);
                Ok(Checked { node: Node::Const(Datum::NULL), ty: None, bend: word })
            }
            [first, rest @ ..] => {
                let relation = self.to_one(first, span)?;
                let tail = Expr::Path { path: rest.to_vec(), span };
                let external = self.scope.remote(relation, &tail, Value::Null)?;
                Ok(outside(external))
            }
        }
    }

    fn relation(&self, name: &str, span: Option<Span>) -> Result<&'s Relation> {
        let entity = self.scope.entity();
        if let Some(relation) = entity.relation(name) {
            return Ok(relation);
        }
        if entity.field(name).is_some() {
            let error = Error::new(
                ErrorCode::TypeMismatch,
                format!("`{name}` is a field of {}, not a relation", entity.name),
            );
            return Err(at(error.entity(entity.name.clone()).field(name), span));
        }
        if entity.embedded_at(name).is_some() {
            let message = format!("`{name}` is a struct of {}, not a relation", entity.name);
            let error = Error::new(ErrorCode::TypeMismatch, message);
            return Err(at(error.entity(entity.name.clone()).field(name), span));
        }
        Err(unknown_member(entity, name, span))
    }

    fn to_one(&self, name: &str, span: Option<Span>) -> Result<&'s Relation> {
        let relation = self.relation(name, span)?;
        if relation.kind.is_to_one() {
            return Ok(relation);
        }
        let entity = self.scope.entity();
        let error = Error::new(
            ErrorCode::TypeMismatch,
            format!(
                "`{name}` of {} leads to many rows; only to-one relations can be followed here",
                entity.name
            ),
        )
        .hint(format!("ask for `{name} some (…)`, or aggregate: `count({name})`"));
        Err(at(error.entity(entity.name.clone()).field(name), span))
    }

    /// Whether a to-one relation leads nowhere, where the path names one.
    pub(super) fn relation_is_null(
        &mut self,
        path: &[String],
        span: Option<Span>,
        negated: bool,
    ) -> Result<Option<Checked>> {
        let entity = self.scope.entity();
        if let Some(Lead::Struct(of)) = entity.lead(path) {
            // A struct is null where its presence flag is, or else that of the one around it.
            let node = match of.presence.or(of.inside) {
                Some(flag) => Node::IsNull { operand: Box::new(Node::Field(flag)), negated },
                None => Node::Const(Datum::bool(Some(negated))),
            };
            return Ok(Some(Checked::fixed(node, BOOL)));
        }
        if matches!(entity.lead(path), Some(Lead::Field(_, names)) if names == path.len()) {
            return Ok(None);
        }
        if let Some(error) = member::no_field(entity, path) {
            return Err(at(error, span));
        }
        let external = match path {
            [name] if entity.relation(name).is_some() => {
                let relation = self.to_one(name, span)?;
                self.scope.remote(relation, &Expr::literal(negated), Value::Bool(!negated))?
            }
            [first, rest @ ..] if !rest.is_empty() => {
                let relation = self.to_one(first, span)?;
                let operand = Box::new(Expr::Path { path: rest.to_vec(), span });
                self.scope.remote(relation, &Expr::IsNull { operand, negated }, Value::Bool(!negated))?
            }
            _ => return Ok(None),
        };
        Ok(Some(outside(external)))
    }

    pub(super) fn related(
        &mut self,
        path: &[String],
        quantifier: Quantifier,
        filter: &Expr,
        span: Option<Span>,
    ) -> Result<Checked> {
        let [first, rest @ ..] = path else {
            return Err(Error::new(ErrorCode::InvalidQuery, "a condition on related rows names no relation"));
        };
        if !rest.is_empty() {
            let relation = self.to_one(first, span)?;
            let tail =
                Expr::Related { path: rest.to_vec(), quantifier, filter: Box::new(filter.clone()), span };
            let absent = match quantifier {
                Quantifier::Some | Quantifier::Is => false,
                Quantifier::Every | Quantifier::None | Quantifier::IsNot => true,
            };
            return Ok(outside(self.scope.remote(relation, &tail, Value::Bool(absent))?));
        }
        let relation = self.relation(first, span)?;
        if !relation.kind.is_to_one() && matches!(quantifier, Quantifier::Is | Quantifier::IsNot) {
            let error = Error::new(
                ErrorCode::InvalidQuery,
                format!("`{first}` leads to many rows: ask for some, every or none"),
            );
            return Err(at(error.field(first.clone()), span));
        }
        Ok(outside(self.scope.related(relation, quantifier, filter, span)?))
    }

    pub(super) fn aggregate(&mut self, aggregate: &RelationAggregate) -> Result<Checked> {
        use ormdb_proto::ir::AggregateFunction as F;
        let [first, rest @ ..] = aggregate.relation.as_slice() else {
            let error = Error::new(
                ErrorCode::InvalidQuery,
                "an aggregate names no relation whose rows it is of",
            )
            .hint("as in `count(albums)` or `sum(lines.price)`; of all rows: `group Artist { n: count() }`");
            return Err(at(error, aggregate.span));
        };
        if let Some(whole) = self.over_member(first, rest, aggregate) {
            return self.aggregate(&whole);
        }
        if !rest.is_empty() {
            let relation = self.to_one(first, aggregate.span)?;
            let tail = RelationAggregate { relation: rest.to_vec(), ..aggregate.clone() };
            let absent = match aggregate.function {
                F::Count => Value::Int64(0),
                F::Sum | F::Avg | F::Min | F::Max => Value::Null,
            };
            return Ok(outside(self.scope.remote(relation, &Expr::Aggregate(Box::new(tail)), absent)?));
        }
        let relation = self.relation(first, aggregate.span)?;
        Ok(outside(self.scope.aggregate(relation, aggregate)?))
    }
}

impl Checker<'_, '_> {
    /// `max(posts.at.lat)`: the text says a relation and a field, and the names between may be those of structs.
    fn over_member(
        &self,
        first: &str,
        rest: &[String],
        aggregate: &RelationAggregate,
    ) -> Option<RelationAggregate> {
        let Some(Expr::Path { path, span }) = &aggregate.value else { return None };
        let relation = self.scope.entity().relation(first)?;
        let target = self.scope.schema().entity_by_id(relation.target)?;
        if !matches!(target.lead(rest)?, Lead::Struct(_) | Lead::Unknown(..)) {
            return None;
        }
        let value = Expr::Path { path: [rest, path].concat(), span: *span };
        let relation = vec![first.to_owned()];
        Some(RelationAggregate { relation, value: Some(value), ..aggregate.clone() })
    }
}

pub(super) const fn outside(external: External) -> Checked {
    Checked { node: Node::External(external.slot), ty: external.ty, bend: Bend::Fixed }
}

/// The error of a name that the entity does not have.
fn unknown_member(entity: &Entity, name: &str, span: Option<Span>) -> Error {
    let error = Error::new(ErrorCode::UnknownField, format!("{} has no field `{name}`", entity.name));
    at(error.entity(entity.name.clone()).field(name).suggest(name, entity.member_names()), span)
}
