//! Plans of groups: what is read of each row, and what is computed of each group.
//!
//! An expression of a group may name what its rows have in common, by the words of `by`, and aggregates of its rows;
//! both are externals of the group, which are numbered in this order.

use ormdb_proto::error::Span;
use ormdb_proto::ir::{
    AggregateFunction, Expr, Fetch, Grouping, Quantifier, RelationAggregate, SelectItem, Selection,
};
use ormdb_proto::result::ShapeNode;
use ormdb_proto::schema::{Entity, Field, FieldType, Relation, ScalarType, Schema};
use ormdb_proto::{Error, ErrorCode, Result, Value};

use super::{Binder, at, direction};
use crate::expr::{Average, External, RowExpr, Scope, Sum};
use crate::plan::cover::Needed;
use crate::plan::level_scope::{LevelScope, function_name};
use crate::plan::order::Served;
use crate::plan::{GroupAggregate, GroupPlan, GroupText, Level, Order, Projection, RootAccess, kept};
use crate::text;

const BOOL: FieldType = FieldType::Scalar(ScalarType::Bool);
const COUNT: FieldType = FieldType::Scalar(ScalarType::Int64);

impl<'c> Binder<'c, '_> {
    /// The plan of a fetch of groups.
    pub(super) fn group(
        &mut self,
        fetch: &Fetch,
        grouping: &Grouping,
    ) -> Result<(Level<'c>, RootAccess, GroupPlan)> {
        let entity = self.catalog.entity(&fetch.entity)?;
        let selection = &fetch.selection;
        kept::check(entity, selection.deleted, fetch.span)?;
        if fetch.key.is_some() || selection.cursor.is_some() || !selection.distinct.is_empty() {
            let message =
                "groups are of all rows that a filter accepts: no key, cursor or `distinct` stands here";
            return Err(Error::new(ErrorCode::InvalidQuery, message).entity(&entity.name));
        }
        let of_rows = Selection { deleted: selection.deleted, ..Selection::default() };
        let mut rows = self.row_selection(entity, selection.filter.as_ref(), &of_rows)?;
        rows.order = Order { keys: Projection::default(), directions: Vec::new() };
        rows.text.order = Vec::new();
        let mut scope = GroupScope {
            rows: self.scope(entity),
            keys: Vec::new(),
            inputs: Vec::new(),
            aggregates: Vec::new(),
        };
        for expr in &grouping.by {
            let compiled = scope.rows.compile(expr, None)?;
            scope.keys.push((text::print_expr(expr), compiled.ty()));
            scope.inputs.push(compiled);
        }
        let params = self.params;
        let (mut shape, mut columns) = (Vec::new(), Vec::new());
        for (name, expr) in named(&entity.name, &selection.items)? {
            let compiled = RowExpr::compile_in(&mut scope, &expr, None, params)?;
            shape.push(self.column(name, compiled.ty())?);
            columns.push(compiled);
        }
        let having = match &grouping.having {
            None => None,
            Some(having) => Some(RowExpr::compile_in(&mut scope, having, Some(BOOL), params)?),
        };
        let mut order = Vec::with_capacity(selection.order.len());
        for key in &selection.order {
            order.push((RowExpr::compile_in(&mut scope, &key.expr, None, params)?, direction(key)));
        }
        let group = GroupPlan {
            keys: grouping.by.len(),
            aggregates: scope.aggregates,
            columns,
            having,
            order,
            limit: self.count(entity, selection.limit.as_ref(), "limit")?,
            offset: self.count(entity, selection.offset.as_ref(), "offset")?.unwrap_or(0),
            end: selection.end,
            text: GroupText {
                by: grouping.by.iter().map(text::print_expr).collect(),
                having: grouping.having.as_ref().map(text::print_expr),
                order: selection.order.iter().map(text::print_order).collect(),
            },
        };
        let columns = scope.rows.finish(scope.inputs)?;
        self.check_depth(1)?;
        let (node, step) = (self.nodes.len(), self.steps.next());
        self.nodes.push(ShapeNode { entity: entity.name.clone(), columns: shape, edges: Vec::new() });
        let level = Level { step, node, entity, rows, columns, includes: Vec::new() };
        let needed = Needed::of_level(&level);
        let mut access = self.root_access(entity, &level.rows, Some(&needed))?;
        // Groups are the same in whatever order their rows come.
        access.served = Served::Exact;
        Ok((level, access, group))
    }
}

/// The names and expressions of what is read of each group.
fn named(entity: &str, items: &[SelectItem]) -> Result<Vec<(String, Expr)>> {
    let mut named: Vec<(String, Expr)> = Vec::with_capacity(items.len());
    for item in items {
        let (name, expr) = match item {
            SelectItem::Computed { alias, expr } => (alias.clone(), expr.clone()),
            SelectItem::Field { name, span } => {
                let path = name.split('.').map(str::to_owned).collect();
                (name.clone(), Expr::Path { path, span: *span })
            }
            SelectItem::All { .. } | SelectItem::Include(_) => {
                let message = "of a group is read what its rows have in common, and aggregates of its rows";
                return Err(Error::new(ErrorCode::InvalidQuery, message).entity(entity));
            }
        };
        let within = |inner: &str, outer: &str| inner.strip_prefix(outer).is_some_and(|r| r.starts_with('.'));
        if named.iter().any(|(taken, _)| *taken == name || within(taken, &name) || within(&name, taken)) {
            let error = Error::new(ErrorCode::DuplicateName, format!("`{name}` is selected twice"));
            return Err(error.entity(entity).hint("give one of them another name: `other: …`"));
        }
        named.push((name, expr));
    }
    Ok(named)
}

/// The scope of expressions over groups.
struct GroupScope<'c, 'p> {
    rows: LevelScope<'c, 'p>,
    /// What the rows of a group have in common, as text, with its type.
    keys: Vec<(String, Option<FieldType>)>,
    /// What is computed of each row: the keys, then the values of aggregates.
    inputs: Vec<RowExpr>,
    aggregates: Vec<GroupAggregate>,
}

impl<'c> GroupScope<'c, '_> {
    fn not_common<T>(&self, name: &str, span: Option<Span>) -> Result<T> {
        let entity = self.rows.entity();
        let message = format!("the rows of a group need not have one `{name}` of {}", entity.name);
        let error = Error::new(ErrorCode::InvalidQuery, message).entity(&entity.name).field(name);
        Err(at(error.hint(format!("name it behind `by`, or aggregate it: `max({name})`")), span))
    }

    /// The value that an aggregate is of; none of a count of rows.
    fn value_of(&self, aggregate: &RelationAggregate) -> Result<Option<Expr>> {
        let Some(first) = aggregate.relation.first() else { return Ok(aggregate.value.clone()) };
        if self.rows.entity().relation(first).is_some_and(|relation| !relation.kind.is_to_one()) {
            return self.not_common(first, aggregate.span);
        }
        match &aggregate.value {
            None => Ok(Some(Expr::Path { path: aggregate.relation.clone(), span: aggregate.span })),
            Some(Expr::Path { path, span }) => {
                let path = aggregate.relation.iter().chain(path).cloned().collect();
                Ok(Some(Expr::Path { path, span: *span }))
            }
            Some(_) => self.not_common(first, aggregate.span),
        }
    }

    fn aggregate_of_rows(&mut self, aggregate: &RelationAggregate) -> Result<External> {
        let mut value = self.value_of(aggregate)?;
        if let Some(filter) = &aggregate.filter {
            // What the filter does not accept is null, and nulls are not aggregated.
            let counted = value.unwrap_or(Expr::literal(true));
            let args = vec![filter.clone(), counted, Expr::literal(Value::Null)];
            value = Some(Expr::Call { function: "if".to_owned(), args, span: aggregate.span });
        }
        let compiled = value.map(|value| self.rows.compile(&value, None)).transpose()?;
        let value_ty = compiled.as_ref().and_then(RowExpr::ty);
        let name = function_name(aggregate.function);
        let refuse = || {
            let error =
                Error::new(ErrorCode::TypeMismatch, format!("{name} does not take values of this type"));
            at(error, aggregate.span)
        };
        let of = || value_ty.ok_or_else(refuse);
        let ty = match aggregate.function {
            AggregateFunction::Count => COUNT,
            AggregateFunction::Sum => Sum::ty(of()?).ok_or_else(refuse)?,
            AggregateFunction::Avg => Average::ty(of()?).ok_or_else(refuse)?,
            AggregateFunction::Min | AggregateFunction::Max => of()?,
        };
        let value = compiled.map(|compiled| {
            self.inputs.push(compiled);
            self.inputs.len() - 1
        });
        let slot = self.keys.len() + self.aggregates.len();
        let (function, distinct) = (aggregate.function, aggregate.distinct);
        self.aggregates.push(GroupAggregate { function, distinct, value, ty });
        Ok(External { slot, ty: Some(ty) })
    }
}

impl<'c> Scope<'c> for GroupScope<'c, '_> {
    fn schema(&self) -> &'c Schema {
        self.rows.schema()
    }

    fn entity(&self) -> &'c Entity {
        self.rows.entity()
    }

    fn given(&mut self, expr: &Expr) -> Result<Option<External>> {
        let printed = text::print_expr(expr);
        if let Some((slot, (_, ty))) = self.keys.iter().enumerate().find(|(_, (key, _))| *key == printed) {
            return Ok(Some(External { slot, ty: *ty }));
        }
        match expr {
            Expr::Aggregate(aggregate) => self.aggregate_of_rows(aggregate).map(Some),
            _ => Ok(None),
        }
    }

    fn admits(&self, field: &Field, span: Option<Span>) -> Result<()> {
        self.not_common(&field.name, span)
    }

    fn remote(&mut self, relation: &Relation, tail: &Expr, _absent: Value) -> Result<External> {
        let span = match tail {
            Expr::Path { span, .. } => *span,
            _ => None,
        };
        self.not_common(&relation.name, span)
    }

    fn related(
        &mut self,
        relation: &Relation,
        _quantifier: Quantifier,
        _filter: &Expr,
        span: Option<Span>,
    ) -> Result<External> {
        self.not_common(&relation.name, span)
    }

    fn aggregate(&mut self, relation: &Relation, aggregate: &RelationAggregate) -> Result<External> {
        self.not_common(&relation.name, aggregate.span)
    }
}
