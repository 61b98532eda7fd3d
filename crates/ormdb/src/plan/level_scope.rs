//! The scope of expressions in a fetch: what lies behind relations becomes a derivation of the level.

use std::cell::Cell;

use ormdb_proto::error::Span;
use ormdb_proto::ir::{AggregateFunction, DeletedRows, Expr, Quantifier, RelationAggregate};
use ormdb_proto::schema::{Entity, FieldType, Relation, RelationId, ScalarType, Schema};
use ormdb_proto::{Error, ErrorCode, Result, Value};

use super::cover::Needed;
use super::{
    AggregateDerivation, Derivation, DerivationKind, Fan, FanAccess, Projection, RowSelection, kept, policy,
};
use crate::catalog::{Catalog, EntityInfo, Navigation};
use crate::expr::{Average, Datum, External, Node, Parameters, RowExpr, Scope, Sum};
use crate::text;

/// The deepest chain of relations that expressions may follow, computed fields included.
const HOPS_MAX: usize = 32;

const BOOL: FieldType = FieldType::Scalar(ScalarType::Bool);
const COUNT: FieldType = FieldType::Scalar(ScalarType::Int64);

/// Numbers the steps of a plan.
#[derive(Default)]
pub(super) struct Steps(Cell<usize>);

impl Steps {
    pub(super) fn next(&self) -> usize {
        let step = self.0.get();
        self.0.set(step + 1);
        step
    }

    pub(super) const fn count(&self) -> usize {
        self.0.get()
    }
}

/// What all scopes of a plan share.
#[derive(Clone, Copy)]
pub(super) struct PlanScope<'c, 'p> {
    pub(super) catalog: &'c Catalog,
    pub(super) params: &'p Parameters<'p>,
    pub(super) steps: &'p Steps,
}

/// The scope of expressions over rows of one entity.
pub(super) struct LevelScope<'c, 'p> {
    plan: PlanScope<'c, 'p>,
    entity: &'c EntityInfo,
    depth: usize,
    slots: usize,
    derivations: Vec<Derivation<'c>>,
    lookups: Vec<OpenLookup<'c, 'p>>,
}

/// A lookup of the row behind a to-one relation that still takes expressions.
struct OpenLookup<'c, 'p> {
    relation: RelationId,
    name: String,
    scope: LevelScope<'c, 'p>,
    exprs: Vec<RowExpr>,
    slots: Vec<(usize, Datum<'static>)>,
}

impl<'c, 'p> LevelScope<'c, 'p> {
    pub(super) const fn new(plan: PlanScope<'c, 'p>, entity: &'c EntityInfo) -> LevelScope<'c, 'p> {
        LevelScope { plan, entity, depth: 0, slots: 0, derivations: Vec::new(), lookups: Vec::new() }
    }

    /// Checks an expression in this scope.
    pub(super) fn compile(&mut self, expr: &Expr, want: Option<FieldType>) -> Result<RowExpr> {
        let params = self.plan.params;
        RowExpr::compile_in(self, expr, want, params)
    }

    /// Checks a condition in this scope.
    pub(super) fn condition(&mut self, expr: &Expr) -> Result<RowExpr> {
        self.compile(expr, Some(BOOL))
    }

    /// The expressions with all that they need.
    pub(super) fn finish(self, exprs: Vec<RowExpr>) -> Result<Projection<'c>> {
        let mut derivations = self.derivations;
        for derivation in &mut derivations {
            if let DerivationKind::Aggregate(aggregate) = &mut derivation.kind
                && aggregate.function == AggregateFunction::Count
            {
                aggregate.compared_with = compared_with(&exprs, aggregate.slot);
            }
        }
        for lookup in self.lookups {
            let entity = lookup.scope.entity;
            let values = lookup.scope.finish(lookup.exprs)?;
            let kind = DerivationKind::Lookup { values, slots: lookup.slots };
            derivations.push(derivation(self.plan, self.entity, entity, lookup.relation, lookup.name, kind)?);
        }
        Ok(Projection { exprs, derivations, slots: self.slots })
    }

    fn slot(&mut self) -> usize {
        self.slots += 1;
        self.slots - 1
    }

    /// The scope of the rows that a relation leads to.
    fn behind(&self, relation: &Relation) -> Result<LevelScope<'c, 'p>> {
        if self.depth >= HOPS_MAX {
            return Err(Error::new(
                ErrorCode::LimitExceeded,
                format!("an expression follows more than {HOPS_MAX} relations, computed fields included"),
            )
            .field(relation.name.clone()));
        }
        let target = self.plan.catalog.entity_by_id(relation.target)?;
        Ok(LevelScope { depth: self.depth + 1, ..LevelScope::new(self.plan, target) })
    }

    /// The related rows for which a condition is true, its conjuncts changed as `change` says.
    fn sought(
        &self,
        relation: &Relation,
        filter: &Expr,
        change: impl FnOnce(Vec<RowExpr>) -> Vec<RowExpr>,
    ) -> Result<Sought<'c>> {
        let mut scope = self.behind(relation)?;
        let mut conjuncts = Vec::new();
        flatten(filter, &mut conjuncts);
        let compiled = conjuncts.into_iter().map(|c| scope.condition(c)).collect::<Result<Vec<_>>>()?;
        let (local, outer): (Vec<_>, Vec<_>) = change(compiled).into_iter().partition(RowExpr::is_local);
        let outer_filter = RowExpr::all(outer).map(|condition| scope.finish(vec![condition])).transpose()?;
        let filter = Some(filter).filter(|f| !matches!(f, Expr::And(all) if all.is_empty()));
        Ok(Sought { filter: RowExpr::all(local), outer_filter, text: filter.map(text::print_expr) })
    }
}

/// The constant that an external is compared with, where that is its one use in all the expressions.
fn compared_with(exprs: &[RowExpr], slot: usize) -> Option<Node> {
    let is_slot = |node: &Node| matches!(node, Node::External(external) if *external == slot);
    let (mut uses, mut with) = (0, None);
    for expr in exprs {
        expr.root().visit(&mut |node| {
            uses += usize::from(is_slot(node));
            if let Node::Compare(_, left, right) = node {
                let other = if is_slot(left) { right } else { left };
                if (is_slot(left) || is_slot(right)) && other.is_constant() {
                    with = Some((**other).clone());
                }
            }
        });
    }
    with.filter(|_| uses == 1)
}

/// Which related rows are sought.
struct Sought<'c> {
    filter: Option<RowExpr>,
    outer_filter: Option<Projection<'c>>,
    text: Option<String>,
}

impl<'c> Sought<'c> {
    fn within(self, mut derivation: Derivation<'c>) -> Derivation<'c> {
        derivation.rows.filter = self.filter;
        derivation.rows.outer_filter = self.outer_filter;
        derivation.rows.text.filter = self.text;
        derivation
    }
}

fn derivation<'c>(
    plan: PlanScope<'c, '_>,
    from: &'c EntityInfo,
    target: &'c EntityInfo,
    relation: RelationId,
    name: String,
    kind: DerivationKind<'c>,
) -> Result<Derivation<'c>> {
    let navigation = from.navigation(relation)?;
    let edge = edge_of(plan.catalog, navigation)?;
    let fan = Fan {
        navigation,
        from,
        target,
        edge,
        live_edge: edge.map(|edge| kept::live(plan.catalog, edge)).transpose()?.flatten(),
        access: FanAccess::unordered(plan.catalog, navigation)?,
    };
    // Whether there is a row at all, one row tells.
    let limit = matches!(&kind, DerivationKind::Related { .. }).then_some(1);
    let deleted = kept::deleted(plan.catalog, target, DeletedRows::Hidden)?;
    let rows = RowSelection::visible(policy::predicate(target), deleted, limit);
    Ok(Derivation { step: plan.steps.next(), name, fan, target, rows, kind })
}

/// The conditions that all have to be true.
pub(super) fn flatten<'e>(expr: &'e Expr, out: &mut Vec<&'e Expr>) {
    match expr {
        Expr::And(all) => all.iter().for_each(|expr| flatten(expr, out)),
        other => out.push(other),
    }
}

/// The edge entity of a navigation through one.
pub(super) fn edge_of<'c>(catalog: &'c Catalog, navigation: &Navigation) -> Result<Option<&'c EntityInfo>> {
    match navigation {
        Navigation::Direct(_) => Ok(None),
        Navigation::Through { edge, .. } => catalog.entity_by_id(*edge).map(Some),
    }
}

impl<'c> Scope<'c> for LevelScope<'c, '_> {
    fn schema(&self) -> &'c Schema {
        self.plan.catalog.schema()
    }

    fn entity(&self) -> &'c Entity {
        self.entity.entity()
    }

    fn remote(&mut self, relation: &Relation, tail: &Expr, absent: Value) -> Result<External> {
        let at = match self.lookups.iter().position(|lookup| lookup.relation == relation.id) {
            Some(at) => at,
            None => {
                let scope = self.behind(relation)?;
                let (relation, name) = (relation.id, relation.name.clone());
                self.lookups.push(OpenLookup { relation, name, scope, exprs: Vec::new(), slots: Vec::new() });
                self.lookups.len() - 1
            }
        };
        let slot = self.slot();
        let Some(lookup) = self.lookups.get_mut(at) else {
            return Err(Error::new(ErrorCode::Internal, "a lookup was lost"));
        };
        let expr = lookup.scope.compile(tail, None)?;
        let ty = expr.ty();
        let absent = match ty {
            Some(ty) => Datum::of_value(self.plan.catalog.schema(), &absent, ty)?,
            None => Datum::NULL,
        };
        lookup.exprs.push(expr);
        lookup.slots.push((slot, absent));
        Ok(External { slot, ty })
    }

    fn related(
        &mut self,
        relation: &Relation,
        quantifier: Quantifier,
        filter: &Expr,
        _span: Option<Span>,
    ) -> Result<External> {
        let target = self.plan.catalog.entity_by_id(relation.target)?;
        let sought = self.sought(relation, filter, |conditions| match quantifier {
            // Of all rows a condition is true if there is no row of which it is not.
            Quantifier::Every => RowExpr::all(conditions).map(RowExpr::not_true).into_iter().collect(),
            Quantifier::Some | Quantifier::None | Quantifier::Is | Quantifier::IsNot => conditions,
        })?;
        let slot = self.slot();
        let kind = DerivationKind::Related { quantifier, slot };
        let made = derivation(self.plan, self.entity, target, relation.id, relation.name.clone(), kind)?;
        self.derivations.push(sought.within(made));
        Ok(External { slot, ty: Some(BOOL) })
    }

    fn aggregate(&mut self, relation: &Relation, aggregate: &RelationAggregate) -> Result<External> {
        let target = self.plan.catalog.entity_by_id(relation.target)?;
        let counts_rows = aggregate.function == AggregateFunction::Count && aggregate.value.is_none();
        let mut sought = None;
        let filter = match &aggregate.filter {
            None => None,
            Some(filter) if counts_rows => {
                // Rows that do not count are not even gathered.
                sought = Some(self.sought(relation, filter, |conditions| conditions)?);
                None
            }
            Some(filter) => {
                let mut scope = self.behind(relation)?;
                let condition = scope.condition(filter)?;
                Some(scope.finish(vec![condition])?)
            }
        };
        let mut value_ty = None;
        let value = match &aggregate.value {
            None => None,
            Some(value) => {
                let mut scope = self.behind(relation)?;
                let value = scope.compile(value, None)?;
                value_ty = value.ty();
                Some(scope.finish(vec![value])?)
            }
        };
        let name = function_name(aggregate.function);
        let refuse = || {
            let error =
                Error::new(ErrorCode::TypeMismatch, format!("{name} does not take values of this type"));
            match aggregate.span {
                Some(span) => error.span(span).field(relation.name.clone()),
                None => error.field(relation.name.clone()),
            }
        };
        let of = || {
            value_ty.ok_or_else(|| {
                Error::new(
                    ErrorCode::InvalidQuery,
                    format!("{name} of `{0}` says no field: {name}({0}.…)", relation.name),
                )
            })
        };
        let ty = match aggregate.function {
            AggregateFunction::Count => COUNT,
            AggregateFunction::Sum => Sum::ty(of()?).ok_or_else(refuse)?,
            AggregateFunction::Avg => Average::ty(of()?).ok_or_else(refuse)?,
            AggregateFunction::Min | AggregateFunction::Max => of()?,
        };
        let slot = self.slot();
        let made = AggregateDerivation {
            function: aggregate.function,
            distinct: aggregate.distinct,
            filter,
            value,
            ty,
            slot,
            compared_with: None,
        };
        let kind = DerivationKind::Aggregate(made);
        let made = derivation(self.plan, self.entity, target, relation.id, relation.name.clone(), kind)?;
        let mut made = match sought {
            Some(sought) => sought.within(made),
            None => made,
        };
        if let DerivationKind::Aggregate(aggregate) = &made.kind {
            // Which fields are read is known now that the condition is.
            let needed = Needed::of_aggregate(&made.rows, aggregate);
            made.fan.access.cover(target, made.fan.navigation, &needed);
        }
        self.derivations.push(made);
        Ok(External { slot, ty: Some(ty) })
    }
}

/// The name of an aggregate function in queries.
pub(super) const fn function_name(function: AggregateFunction) -> &'static str {
    match function {
        AggregateFunction::Count => "count",
        AggregateFunction::Sum => "sum",
        AggregateFunction::Avg => "avg",
        AggregateFunction::Min => "min",
        AggregateFunction::Max => "max",
    }
}
