//! The one expression engine: filters, orders, computed fields, checks, conditions of partial indexes, defaults and
//! new values.
//!
//! An [`Expr`] of the IR is checked against the schema and becomes a [`RowExpr`]: a tree whose names are field ids,
//! whose literals and parameters have the type of their place, and which runs on the bytes of a row.
//!
//! What a row does not hold itself (fields over to-one relations, related rows, aggregates) is an *external*: the
//! [`Scope`] that the expression is compiled in gives it a number, and whoever runs the expression supplies its value.
//!
//! Invariants: (1) a compiled expression never meets values of types that it was not checked for, unless a row is
//! damaged; (2) SQL's three-valued logic holds: an operator of a null operand is null unless it says otherwise;
//! (3) no arithmetic wraps: it fails with a typed error.

use ormdb_proto::ir::{Expr, Params};
use ormdb_proto::schema::{Entity, EnumType, FieldId, FieldType, ScalarType, Schema};
use ormdb_proto::value::ValueRef;
use ormdb_proto::{Error, ErrorCode, Result, Value};

use crate::store::row::RowView;

mod arithmetic;
mod cast;
mod check;
mod datum;
mod eval;
mod functions;
pub(crate) mod member;
mod node;
mod parameters;
mod scope;
mod text_match;
mod types;

#[cfg(test)]
mod tests;

pub(crate) use arithmetic::{Average, Sum};
pub(crate) use datum::Datum;
pub(crate) use node::{Comparison, Node};
pub(crate) use parameters::{LIFTED_SIGN, Parameters, Used, Values, Wanted};
pub(crate) use scope::{External, LocalScope, Scope};
pub(crate) use text_match::Matcher;

/// A row whose fields can be reached by their ids, each in constant time.
pub(crate) trait RowSource {
    /// The value of a stored field.
    fn field(&self, field: FieldId) -> Result<ValueRef<'_>>;
}

impl RowSource for RowView<'_> {
    fn field(&self, field: FieldId) -> Result<ValueRef<'_>> {
        RowView::field(self, field)
    }
}

/// A row of no fields, for expressions that name none.
pub(crate) struct NoRow;

impl RowSource for NoRow {
    fn field(&self, field: FieldId) -> Result<ValueRef<'_>> {
        Err(Error::new(ErrorCode::Internal, format!("field {field} is read where there is no row")))
    }
}

/// What an expression sees beside its row.
#[derive(Clone, Copy)]
pub(crate) struct EvalEnv<'a> {
    /// The time at which the transaction began, in microseconds since 1970-01-01T00:00:00Z.
    pub(crate) now: i64,
    /// The values of the externals, by the numbers that the scope gave them.
    pub(crate) externals: &'a [Datum<'a>],
    /// The values of the slots of parameters.
    pub(crate) params: &'a [Datum<'a>],
}

impl EvalEnv<'_> {
    /// An environment of a time, without externals and parameters.
    pub(crate) const fn at(now: i64) -> EvalEnv<'static> {
        EvalEnv { now, externals: &[], params: &[] }
    }
}

/// A checked expression that runs on rows of one entity.
#[derive(Clone, Debug)]
pub(crate) struct RowExpr {
    root: Node,
    ty: Option<FieldType>,
    labels: Option<EnumType>,
}

impl RowExpr {
    /// Checks an expression over the fields of `entity` alone, and bends it to `want` where a type is wanted.
    ///
    /// # Errors
    /// Unknown names (with a suggestion), operands of the wrong types, parameters that are not given, constants that
    /// cannot be read as the type of their place.
    pub(crate) fn compile(
        schema: &Schema,
        entity: &Entity,
        expr: &Expr,
        want: Option<FieldType>,
        params: &Params,
    ) -> Result<RowExpr> {
        let params = Parameters::fixed(Values::new(params, &[]));
        RowExpr::compile_in(&mut LocalScope::new(schema, entity), expr, want, &params)
    }

    /// Checks an expression in a scope that may supply externals.
    pub(crate) fn compile_in(
        scope: &mut dyn Scope<'_>,
        expr: &Expr,
        want: Option<FieldType>,
        params: &Parameters<'_>,
    ) -> Result<RowExpr> {
        check::compile(scope, expr, want, params)
    }

    /// Checks a condition: an expression of type bool.
    pub(crate) fn condition(
        schema: &Schema,
        entity: &Entity,
        expr: &Expr,
        params: &Params,
    ) -> Result<RowExpr> {
        RowExpr::compile(schema, entity, expr, Some(FieldType::Scalar(ScalarType::Bool)), params)
    }

    /// The condition that all of these are true; none of none.
    pub(crate) fn all(mut conditions: Vec<RowExpr>) -> Option<RowExpr> {
        if conditions.len() < 2 {
            return conditions.pop();
        }
        let root = Node::And(conditions.into_iter().map(|condition| condition.root).collect());
        Some(RowExpr { root, ty: Some(FieldType::Scalar(ScalarType::Bool)), labels: None })
    }

    /// The condition that this one is false or null.
    pub(crate) fn not_true(self) -> RowExpr {
        let unknown = Node::IsNull { operand: Box::new(self.root.clone()), negated: false };
        let root = Node::Or(vec![Node::Not(Box::new(self.root)), unknown]);
        RowExpr { root, ty: Some(FieldType::Scalar(ScalarType::Bool)), labels: None }
    }

    /// The externals that have to be true for the condition to be: those that stand alone among its conjuncts.
    pub(crate) fn demanded(&self) -> Vec<usize> {
        let slot = |node: &Node| if let Node::External(slot) = node { Some(*slot) } else { None };
        match &self.root {
            Node::And(all) => all.iter().filter_map(slot).collect(),
            one => slot(one).into_iter().collect(),
        }
    }

    /// How many conditions have to be true for this one to be.
    pub(crate) const fn conjuncts(&self) -> usize {
        match &self.root {
            Node::And(all) => all.len(),
            _ => 1,
        }
    }

    /// Whether it is plain to see that the condition is never true.
    pub(crate) fn is_never(&self) -> bool {
        let is_never =
            |node: &Node| matches!(node, Node::Const(value) if !matches!(value.view(), ValueRef::Bool(true)));
        match &self.root {
            Node::And(all) => all.iter().any(is_never),
            one => is_never(one),
        }
    }

    /// Whether the row alone gives the value.
    pub(crate) fn is_local(&self) -> bool {
        let mut local = true;
        self.root.visit(&mut |node| local = local && !matches!(node, Node::External(_)));
        local
    }

    /// The type of the values; none if every value is null.
    pub(crate) const fn ty(&self) -> Option<FieldType> {
        self.ty
    }

    /// The tree.
    pub(crate) const fn root(&self) -> &Node {
        &self.root
    }

    /// The value for a row.
    pub(crate) fn eval<'a>(&'a self, row: &'a dyn RowSource, env: &EvalEnv<'a>) -> Result<Datum<'a>> {
        eval::eval(&self.root, row, env)
    }

    /// The value for a row, with bytes of its own and enums by label.
    pub(crate) fn eval_value(&self, row: &dyn RowSource, env: &EvalEnv<'_>) -> Result<Value> {
        let datum = self.eval(row, env)?;
        let label = |position| self.labels.as_ref().and_then(|labels| labels.label(position));
        Ok(datum.view().to_value(&label))
    }

    /// Whether the condition is true, false or null (none) for a row.
    pub(crate) fn test(&self, row: &dyn RowSource, env: &EvalEnv<'_>) -> Result<Option<bool>> {
        eval::test(&self.root, row, env)
    }

    /// A function in it whose value does not follow from its arguments.
    pub(crate) fn volatile(&self) -> Option<&'static str> {
        let mut volatile = None;
        self.root.visit(&mut |node| {
            if let Node::Call(function, _) = node
                && !function.is_pure()
            {
                volatile = Some(function.name());
            }
        });
        volatile
    }

    /// The fields that the expression reads, without doubles.
    pub(crate) fn fields(&self) -> Vec<FieldId> {
        let mut fields = Vec::new();
        self.root.visit(&mut |node| {
            if let Node::Field(id) = node
                && !fields.contains(id)
            {
                fields.push(*id);
            }
        });
        fields
    }
}

/// The truth of a node for a row; none is null.
pub(crate) fn test_node(node: &Node, row: &dyn RowSource, env: &EvalEnv<'_>) -> Result<Option<bool>> {
    eval::test(node, row, env)
}

/// The value of a node of constants.
pub(crate) fn eval_constant<'a>(node: &'a Node, row: &'a NoRow, env: &EvalEnv<'a>) -> Result<Datum<'a>> {
    eval::eval(node, row, env)
}
