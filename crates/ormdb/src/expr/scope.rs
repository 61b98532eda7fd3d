//! Where the names of an expression lead: the entity at hand, and what lies behind its relations.

use ormdb_proto::error::Span;
use ormdb_proto::ir::{Expr, Quantifier, RelationAggregate};
use ormdb_proto::schema::{Entity, Field, FieldType, Relation, Schema};
use ormdb_proto::{Error, ErrorCode, Result, Value};

/// A value that does not lie in the row: its number and its type.
#[derive(Clone, Copy, Debug)]
pub(crate) struct External {
    /// Its number among the externals of the scope.
    pub(crate) slot: usize,
    /// Its type; none if it is always null.
    pub(crate) ty: Option<FieldType>,
}

/// Where the names of an expression lead.
pub(crate) trait Scope<'s> {
    /// The schema.
    fn schema(&self) -> &'s Schema;

    /// The entity whose row is at hand.
    fn entity(&self) -> &'s Entity;

    /// The value of a whole expression, where the scope has it.
    fn given(&mut self, _expr: &Expr) -> Result<Option<External>> {
        Ok(None)
    }

    /// Whether a field of the row can be read; the error if it cannot.
    fn admits(&self, _field: &Field, _span: Option<Span>) -> Result<()> {
        Ok(())
    }

    /// `tail`, evaluated on the row that a to-one relation leads to; `absent` where it leads to none.
    fn remote(&mut self, relation: &Relation, tail: &Expr, absent: Value) -> Result<External>;

    /// Whether as many rows of the relation as said satisfy the condition.
    fn related(
        &mut self,
        relation: &Relation,
        quantifier: Quantifier,
        filter: &Expr,
        span: Option<Span>,
    ) -> Result<External>;

    /// An aggregate over the rows of the relation; `aggregate.relation` is not looked at.
    fn aggregate(&mut self, relation: &Relation, aggregate: &RelationAggregate) -> Result<External>;
}

/// A scope of one row and nothing behind it: of checks, defaults, partial indexes and new values.
pub(crate) struct LocalScope<'a> {
    schema: &'a Schema,
    entity: &'a Entity,
}

impl<'a> LocalScope<'a> {
    /// The scope of a row of `entity`.
    pub(crate) const fn new(schema: &'a Schema, entity: &'a Entity) -> LocalScope<'a> {
        LocalScope { schema, entity }
    }

    fn refuse<T>(&self, relation: &Relation, span: Option<Span>) -> Result<T> {
        let mut error = Error::new(
            ErrorCode::UnsupportedFeature,
            format!("only the row's own fields can be used here, and `{}` is a relation", relation.name),
        )
        .entity(self.entity.name.clone())
        .field(relation.name.clone());
        error.detail.span = span;
        Err(error)
    }
}

impl<'s> Scope<'s> for LocalScope<'s> {
    fn schema(&self) -> &'s Schema {
        self.schema
    }

    fn entity(&self) -> &'s Entity {
        self.entity
    }

    fn remote(&mut self, relation: &Relation, tail: &Expr, _absent: Value) -> Result<External> {
        let span = match tail {
            Expr::Path { span, .. } => *span,
            _ => None,
        };
        self.refuse(relation, span)
    }

    fn related(
        &mut self,
        relation: &Relation,
        _quantifier: Quantifier,
        _filter: &Expr,
        span: Option<Span>,
    ) -> Result<External> {
        self.refuse(relation, span)
    }

    fn aggregate(&mut self, relation: &Relation, aggregate: &RelationAggregate) -> Result<External> {
        self.refuse(relation, aggregate.span)
    }
}
