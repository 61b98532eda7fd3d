//! Whether every row that a selection accepts meets the condition of a partial index, so that the index has an entry for each.
//!
//! Invariant: yes is said only where it follows from what is known: the selection's own conditions, and the values that they leave
//! to single fields. No says nothing.

use std::cmp::Ordering;

use ormdb_proto::schema::FieldId;
use ormdb_proto::value::{ValueRef, compare};
use ormdb_proto::{Error, ErrorCode, Result};

use super::RowSelection;
use super::bounds::{Bounds, FieldBounds, Inclusive};
use crate::expr::{Comparison, Datum, EvalEnv, NoRow, Node, RowExpr, RowSource, eval_constant, test_node};

/// What is known of the rows of a selection.
pub(super) struct Facts<'a> {
    conditions: Vec<&'a Node>,
    bounds: &'a Bounds,
    env: &'a EvalEnv<'a>,
}

impl<'a> Facts<'a> {
    /// The facts of a selection whose conditions leave these bounds.
    pub(super) fn of(rows: &'a RowSelection<'_>, bounds: &'a Bounds, env: &'a EvalEnv<'a>) -> Facts<'a> {
        let mut conditions = Vec::new();
        for condition in rows.policy.iter().chain(rows.deleted.condition()).chain(&rows.filter) {
            flatten(condition.root(), &mut conditions);
        }
        Facts { conditions, bounds, env }
    }

    /// Whether a condition is true of every row.
    pub(super) fn imply(&self, condition: &RowExpr) -> bool {
        self.holds(condition.root())
    }

    fn holds(&self, node: &Node) -> bool {
        match node {
            Node::And(all) => return all.iter().all(|node| self.holds(node)),
            Node::Or(any) if any.iter().any(|node| self.holds(node)) => return true,
            _ => {}
        }
        if self.conditions.iter().any(|known| self.is_same(known, node)) {
            return true;
        }
        let Some(field) = only_field(node) else { return false };
        if matches!(node, Node::IsNull { operand, negated: true } if matches!(**operand, Node::Field(_)))
            && self.conditions.iter().any(|known| rejects_null(known, field))
        {
            return true;
        }
        let Some(bounds) = self.bounds.get(&field) else { return false };
        match &bounds.equal {
            Some(values) => values.iter().all(|value| {
                let row = OneField { field, value };
                matches!(test_node(node, &row, self.env), Ok(Some(true)))
            }),
            None => self.holds_within(node, bounds),
        }
    }

    /// Whether a comparison is true of all values within bounds.
    fn holds_within(&self, node: &Node, bounds: &FieldBounds) -> bool {
        let (comparison, with) = match node {
            Node::Compare(comparison, left, right) => match (&**left, &**right) {
                (Node::Field(_), with) => (*comparison, with),
                (with, Node::Field(_)) => (comparison.mirrored(), with),
                _ => return false,
            },
            _ => return false,
        };
        if !with.is_constant() {
            return false;
        }
        let Ok(with) = eval_constant(with, &NoRow, self.env) else { return false };
        // How a bound stands to the number, and whether it is itself among the values.
        let side = |bound: &Option<(Datum<'static>, Inclusive)>| {
            let (bound, inclusive) = bound.as_ref()?;
            Some((compare(&bound.view(), &with.view())?, *inclusive == Inclusive::Yes))
        };
        let above = |or_equal: bool| match side(&bounds.lower) {
            Some((Ordering::Greater, _)) => true,
            Some((Ordering::Equal, inclusive)) => or_equal || !inclusive,
            Some((Ordering::Less, _)) | None => false,
        };
        let below = |or_equal: bool| match side(&bounds.upper) {
            Some((Ordering::Less, _)) => true,
            Some((Ordering::Equal, inclusive)) => or_equal || !inclusive,
            Some((Ordering::Greater, _)) | None => false,
        };
        match comparison {
            Comparison::Greater => above(false),
            Comparison::GreaterOrEqual => above(true),
            Comparison::Less => below(false),
            Comparison::LessOrEqual => below(true),
            Comparison::NotEqual => above(false) || below(false),
            Comparison::Equal => false,
        }
    }

    /// Whether two nodes say the same of every row.
    fn is_same(&self, a: &Node, b: &Node) -> bool {
        if a.is_constant() && b.is_constant() {
            let value = |node| eval_constant(node, &NoRow, self.env).map(Datum::into_owned);
            return match (value(a), value(b)) {
                (Ok(a), Ok(b)) if a.is_null() || b.is_null() => a.is_null() && b.is_null(),
                (Ok(a), Ok(b)) => compare(&a.view(), &b.view()) == Some(Ordering::Equal),
                _ => false,
            };
        }
        match (a, b) {
            (Node::Field(a), Node::Field(b)) => a == b,
            (Node::Not(a), Node::Not(b)) | (Node::Negate(a), Node::Negate(b)) => self.is_same(a, b),
            (Node::Compare(c, l, r), Node::Compare(d, m, s)) => {
                (c == d && self.is_same(l, m) && self.is_same(r, s))
                    || (*c == d.mirrored() && self.is_same(l, s) && self.is_same(r, m))
            }
            (Node::Arithmetic(o, t, l, r), Node::Arithmetic(p, u, m, s)) => {
                o == p && t == u && self.is_same(l, m) && self.is_same(r, s)
            }
            (Node::Concat(l, r), Node::Concat(m, s)) => self.is_same(l, m) && self.is_same(r, s),
            (Node::Cast(t, a), Node::Cast(u, b)) => t == u && self.is_same(a, b),
            (Node::IsNull { operand: a, negated: of_a }, Node::IsNull { operand: b, negated: of_b }) => {
                of_a == of_b && self.is_same(a, b)
            }
            (
                Node::In { operand: a, list: l, negated: of_a },
                Node::In { operand: b, list: m, negated: of_b },
            ) => of_a == of_b && self.is_same(a, b) && self.are_same(l, m),
            (Node::And(a), Node::And(b)) | (Node::Or(a), Node::Or(b)) => self.are_same(a, b),
            (Node::Call(f, a), Node::Call(g, b)) => {
                f.name() == g.name() && f.is_pure() && self.are_same(a, b)
            }
            _ => false,
        }
    }

    fn are_same(&self, a: &[Node], b: &[Node]) -> bool {
        a.len() == b.len() && a.iter().zip(b).all(|(a, b)| self.is_same(a, b))
    }
}

fn flatten<'n>(node: &'n Node, out: &mut Vec<&'n Node>) {
    match node {
        Node::And(all) => all.iter().for_each(|node| flatten(node, out)),
        other => out.push(other),
    }
}

/// The one field that a node reads; none if it reads several, or none.
fn only_field(node: &Node) -> Option<FieldId> {
    let (mut field, mut is_only) = (None, true);
    node.visit(&mut |node| match node {
        Node::Field(id) => is_only = is_only && field.replace(*id).is_none_or(|before| before == *id),
        Node::External(_) => is_only = false,
        _ => {}
    });
    field.filter(|_| is_only)
}

/// Whether a condition is true only of rows whose field is not null.
fn rejects_null(condition: &Node, field: FieldId) -> bool {
    let is_field = |node: &Node| matches!(node, Node::Field(id) if *id == field);
    match condition {
        Node::Compare(_, left, right) => is_field(left) || is_field(right),
        Node::Match(_, text) => is_field(text),
        Node::In { operand, .. } => is_field(operand),
        Node::Field(id) => *id == field,
        Node::Not(operand) => is_field(operand),
        _ => false,
    }
}

/// A row of which one field is known.
struct OneField<'a> {
    field: FieldId,
    value: &'a Datum<'static>,
}

impl RowSource for OneField<'_> {
    fn field(&self, field: FieldId) -> Result<ValueRef<'_>> {
        if field == self.field {
            return Ok(self.value.view());
        }
        Err(Error::new(ErrorCode::Internal, format!("field {field} is read of a row of one field")))
    }
}
