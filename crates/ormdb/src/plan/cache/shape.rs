//! The shape of a fetch: what is left of it without the values that its conditions compare with.
//!
//! Two fetches of one shape have one plan, if their values are of the same types. Values that stand elsewhere, in columns
//! or orders, belong to the shape; names are written as they are, places in a text not at all.
//!
//! Invariants: (1) fetches of one shape differ in nothing but lifted literals, and in places in a text; (2) literals are
//! numbered in the order in which the shape is written, and [`lift`] replaces the same ones.

use ormdb_proto::Value;
use ormdb_proto::ir::{
    BinaryOp, DeletedRows, End, Expr, Fetch, Include, KeyPart, Nulls, OrderBy, Place, Quantifier,
    RelationAggregate, SelectItem, Selection, Side, SortDirection, UnaryOp,
};

use crate::expr::LIFTED_SIGN;

mod lift;

pub(super) use lift::lift;

/// The shape of a fetch, as bytes, and the literals that are no part of it.
#[derive(Debug, Default)]
pub(super) struct Shape {
    pub(super) bytes: Vec<u8>,
    pub(super) lifted: Vec<Value>,
    /// Whether a parameter has a name that only lifted literals may have: such a fetch is planned for itself.
    pub(super) is_foreign: bool,
}

impl Shape {
    pub(super) fn of(fetch: &Fetch) -> Shape {
        let mut shape = Shape { bytes: Vec::with_capacity(256), ..Shape::default() };
        shape.fetch(fetch);
        shape
    }

    /// The shape of what is read of rows that are named by their keys.
    pub(super) fn of_keys(entity: &str, items: &[SelectItem]) -> Shape {
        let mut shape = Shape { bytes: Vec::with_capacity(256), ..Shape::default() };
        shape.tag(KEYS);
        shape.text(entity);
        shape.list(items, Shape::item);
        shape
    }

    /// Whether a fetch of this shape is planned for itself, and its plan not kept.
    pub(super) fn is_for_itself(&self) -> bool {
        self.is_foreign || self.bytes.len() > super::SHAPE_BYTES_MAX
    }

    fn tag(&mut self, tag: u8) {
        self.bytes.push(tag);
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.count(bytes.len());
        self.bytes.extend_from_slice(bytes);
    }

    fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    fn count(&mut self, count: usize) {
        self.bytes.extend_from_slice(&u64::try_from(count).unwrap_or(u64::MAX).to_le_bytes());
    }

    fn list<T>(&mut self, items: &[T], mut write: impl FnMut(&mut Shape, &T)) {
        self.count(items.len());
        items.iter().for_each(|item| write(self, item));
    }

    fn option<T>(&mut self, option: Option<&T>, write: impl FnOnce(&mut Shape, &T)) {
        self.tag(u8::from(option.is_some()));
        if let Some(some) = option {
            write(self, some);
        }
    }

    fn fetch(&mut self, fetch: &Fetch) {
        self.tag(FETCH);
        // What is locked, and which version is read, is nothing to the plan.
        let Fetch { entity, span: _, key, selection, group, lock: _, as_of: _ } = fetch;
        self.text(entity);
        self.option(key.as_ref(), |shape, key| shape.list(key, |shape, part| shape.key_part(part)));
        self.selection(selection);
        self.option(group.as_ref(), |shape, group| {
            shape.list(&group.by, Shape::expr);
            shape.option(group.having.as_ref(), Shape::expr);
        });
    }

    fn key_part(&mut self, part: &KeyPart) {
        let KeyPart { field, value } = part;
        self.option(field.as_ref(), |shape, name| shape.text(name));
        self.comparand(value);
    }

    fn selection(&mut self, selection: &Selection) {
        let Selection { deleted, filter, order, distinct, cursor, limit, end, offset, items } = selection;
        self.tag(match deleted {
            DeletedRows::Hidden => 0,
            DeletedRows::Shown => 1,
        });
        self.option(filter.as_ref(), Shape::condition);
        self.list(order, Shape::order);
        self.list(distinct, Shape::expr);
        self.option(cursor.as_ref(), |shape, Place { side, key }| {
            shape.tag(match side {
                Side::After => 0,
                Side::From => 1,
                Side::Before => 2,
                Side::Until => 3,
            });
            shape.list(key, |shape, part| shape.key_part(part));
        });
        self.option(limit.as_ref(), Shape::expr);
        self.tag(match end {
            End::First => 0,
            End::Last => 1,
        });
        self.option(offset.as_ref(), Shape::expr);
        self.list(items, Shape::item);
    }

    fn order(&mut self, key: &OrderBy) {
        let OrderBy { expr, direction, nulls } = key;
        self.expr(expr);
        self.tag(match (direction, nulls) {
            (SortDirection::Ascending, None) => 0,
            (SortDirection::Ascending, Some(Nulls::First)) => 1,
            (SortDirection::Ascending, Some(Nulls::Last)) => 2,
            (SortDirection::Descending, None) => 3,
            (SortDirection::Descending, Some(Nulls::First)) => 4,
            (SortDirection::Descending, Some(Nulls::Last)) => 5,
        });
    }

    fn item(&mut self, item: &SelectItem) {
        match item {
            SelectItem::All { except } => {
                self.tag(0);
                self.list(except, |shape, name| shape.text(name));
            }
            SelectItem::Field { name, span: _ } => {
                self.tag(1);
                self.text(name);
            }
            SelectItem::Computed { alias, expr } => {
                self.tag(2);
                self.text(alias);
                self.expr(expr);
            }
            SelectItem::Include(include) => {
                let Include { alias, relation, span: _, recursive, selection } = &**include;
                self.tag(3);
                self.option(alias.as_ref(), |shape, name| shape.text(name));
                self.text(relation);
                self.option(recursive.as_ref(), Shape::expr);
                self.selection(selection);
            }
        }
    }

    /// A condition, whose comparisons are lifted out of.
    fn condition(&mut self, expr: &Expr) {
        match expr {
            Expr::And(all) => {
                self.tag(AND);
                self.list(all, Shape::condition);
            }
            Expr::Or(any) => {
                self.tag(OR);
                self.list(any, Shape::condition);
            }
            Expr::Unary { op: UnaryOp::Not, operand } => {
                self.tag(NOT);
                self.condition(operand);
            }
            Expr::Binary { op, left, right } if is_comparison(*op) => {
                self.tag(BINARY);
                self.tag(binary_tag(*op));
                self.comparand(left);
                self.comparand(right);
            }
            Expr::Between { operand, low, high, negated } => {
                self.tag(BETWEEN);
                self.tag(u8::from(*negated));
                self.expr(operand);
                self.comparand(low);
                self.comparand(high);
            }
            Expr::Related { path, quantifier, filter, span: _ } => {
                self.related(path, *quantifier);
                self.condition(filter);
            }
            Expr::Literal(_)
            | Expr::Param { .. }
            | Expr::Path { .. }
            | Expr::Unary { .. }
            | Expr::Binary { .. }
            | Expr::Match { .. }
            | Expr::In { .. }
            | Expr::List(_)
            | Expr::IsNull { .. }
            | Expr::Call { .. }
            | Expr::Aggregate(_) => self.expr(expr),
        }
    }

    /// What is compared with: a literal is lifted out.
    fn comparand(&mut self, expr: &Expr) {
        match lifted(expr) {
            Some(value) => {
                let name = name_of(self.lifted.len());
                self.param(&name);
                self.lifted.push(value);
            }
            None => self.expr(expr),
        }
    }

    fn param(&mut self, name: &str) {
        self.tag(PARAM);
        self.text(name);
    }

    fn related(&mut self, path: &[String], quantifier: Quantifier) {
        self.tag(RELATED);
        self.list(path, |shape, name| shape.text(name));
        self.tag(match quantifier {
            Quantifier::Some => 0,
            Quantifier::Every => 1,
            Quantifier::None => 2,
            Quantifier::Is => 3,
            Quantifier::IsNot => 4,
        });
    }

    /// An expression as it stands.
    fn expr(&mut self, expr: &Expr) {
        match expr {
            Expr::Literal(literal) => {
                self.tag(LITERAL);
                self.value(&literal.value);
            }
            Expr::Param { name, span: _ } => {
                self.is_foreign |= name.starts_with(LIFTED_SIGN);
                self.param(name);
            }
            Expr::Path { path, span: _ } => {
                self.tag(PATH);
                self.list(path, |shape, name| shape.text(name));
            }
            Expr::Unary { op, operand } => {
                self.tag(match op {
                    UnaryOp::Not => NOT,
                    UnaryOp::Negate => NEGATE,
                });
                self.expr(operand);
            }
            Expr::Binary { op, left, right } => {
                self.tag(BINARY);
                self.tag(binary_tag(*op));
                self.expr(left);
                self.expr(right);
            }
            Expr::Match { op, insensitive, text, pattern } => {
                use ormdb_proto::ir::TextMatch as T;
                self.tag(MATCH);
                self.tag(u8::from(*insensitive));
                self.tag(match op {
                    T::Contains => 0,
                    T::StartsWith => 1,
                    T::EndsWith => 2,
                    T::Like => 3,
                    T::Regex => 4,
                });
                self.expr(text);
                self.expr(pattern);
            }
            Expr::In { operand, list, negated } => {
                self.tag(IN);
                self.tag(u8::from(*negated));
                self.expr(operand);
                self.expr(list);
            }
            Expr::List(items) => {
                self.tag(LIST);
                self.list(items, Shape::expr);
            }
            Expr::Between { operand, low, high, negated } => {
                self.tag(BETWEEN);
                self.tag(u8::from(*negated));
                [operand, low, high].into_iter().for_each(|part| self.expr(part));
            }
            Expr::IsNull { operand, negated } => {
                self.tag(IS_NULL);
                self.tag(u8::from(*negated));
                self.expr(operand);
            }
            Expr::And(all) => {
                self.tag(AND);
                self.list(all, Shape::expr);
            }
            Expr::Or(any) => {
                self.tag(OR);
                self.list(any, Shape::expr);
            }
            Expr::Call { function, args, span: _ } => {
                self.tag(CALL);
                self.text(function);
                self.list(args, Shape::expr);
            }
            Expr::Related { path, quantifier, filter, span: _ } => {
                self.related(path, *quantifier);
                self.expr(filter);
            }
            Expr::Aggregate(aggregate) => self.aggregate(aggregate),
        }
    }

    fn aggregate(&mut self, aggregate: &RelationAggregate) {
        use ormdb_proto::ir::AggregateFunction as F;
        let RelationAggregate { function, distinct, relation, value, filter, span: _ } = aggregate;
        self.tag(AGGREGATE);
        self.tag(match function {
            F::Count => 0,
            F::Sum => 1,
            F::Avg => 2,
            F::Min => 3,
            F::Max => 4,
        });
        self.tag(u8::from(*distinct));
        self.list(relation, |shape, name| shape.text(name));
        self.option(value.as_ref(), Shape::expr);
        self.option(filter.as_ref(), Shape::expr);
    }

    fn value(&mut self, value: &Value) {
        match value {
            Value::Null => self.tag(0),
            Value::Bool(v) => self.fixed(1, &[u8::from(*v)]),
            Value::Int16(v) => self.fixed(2, &v.to_le_bytes()),
            Value::Int32(v) => self.fixed(3, &v.to_le_bytes()),
            Value::Int64(v) => self.fixed(4, &v.to_le_bytes()),
            Value::Float32(v) => self.fixed(5, &v.to_le_bytes()),
            Value::Float64(v) => self.fixed(6, &v.to_le_bytes()),
            Value::Decimal(v) => {
                self.fixed(7, &v.unscaled().to_le_bytes());
                self.tag(v.scale());
            }
            Value::String(v) => self.sized(8, v.as_bytes()),
            Value::Bytes(v) => self.sized(9, v),
            Value::Uuid(v) => self.fixed(10, v),
            Value::DateTime(v) => self.fixed(11, &v.to_le_bytes()),
            Value::LocalDateTime(v) => self.fixed(12, &v.to_le_bytes()),
            Value::Date(v) => self.fixed(13, &v.to_le_bytes()),
            Value::Time(v) => self.fixed(14, &v.to_le_bytes()),
            Value::Interval(v) => {
                self.fixed(15, &v.months.to_le_bytes());
                self.bytes.extend_from_slice(&v.days.to_le_bytes());
                self.bytes.extend_from_slice(&v.micros.to_le_bytes());
            }
            Value::Json(v) => self.sized(16, v.as_bytes()),
            Value::Enum(v) => self.sized(17, v.as_bytes()),
            Value::Array(items) => {
                self.tag(18);
                self.list(items, Shape::value);
            }
        }
    }

    fn fixed(&mut self, tag: u8, bytes: &[u8]) {
        self.tag(tag);
        self.bytes.extend_from_slice(bytes);
    }

    fn sized(&mut self, tag: u8, bytes: &[u8]) {
        self.tag(tag);
        self.bytes(bytes);
    }
}

const FETCH: u8 = 0;
const KEYS: u8 = 1;

const LITERAL: u8 = 0;
const PARAM: u8 = 1;
const PATH: u8 = 2;
const NOT: u8 = 3;
const NEGATE: u8 = 4;
const BINARY: u8 = 5;
const MATCH: u8 = 6;
const IN: u8 = 7;
const LIST: u8 = 8;
const BETWEEN: u8 = 9;
const IS_NULL: u8 = 10;
const AND: u8 = 11;
const OR: u8 = 12;
const CALL: u8 = 13;
const RELATED: u8 = 14;
const AGGREGATE: u8 = 15;

/// The value of a literal that is no part of the shape, as a parameter that means the same.
fn lifted(expr: &Expr) -> Option<Value> {
    let Expr::Literal(literal) = expr else { return None };
    match &literal.value {
        Value::Null | Value::Enum(_) | Value::Array(_) => None,
        // A whole number is an int32 where it fits, as in SQL.
        Value::Int64(v) => Some(i32::try_from(*v).map_or(Value::Int64(*v), Value::Int32)),
        value => Some(value.clone()),
    }
}

fn name_of(number: usize) -> String {
    format!("{LIFTED_SIGN}{number}")
}

const fn is_comparison(op: BinaryOp) -> bool {
    match op {
        BinaryOp::Equal
        | BinaryOp::NotEqual
        | BinaryOp::Less
        | BinaryOp::LessOrEqual
        | BinaryOp::Greater
        | BinaryOp::GreaterOrEqual => true,
        BinaryOp::Add
        | BinaryOp::Subtract
        | BinaryOp::Multiply
        | BinaryOp::Divide
        | BinaryOp::Remainder
        | BinaryOp::Concat => false,
    }
}

const fn binary_tag(op: BinaryOp) -> u8 {
    match op {
        BinaryOp::Equal => 0,
        BinaryOp::NotEqual => 1,
        BinaryOp::Less => 2,
        BinaryOp::LessOrEqual => 3,
        BinaryOp::Greater => 4,
        BinaryOp::GreaterOrEqual => 5,
        BinaryOp::Add => 6,
        BinaryOp::Subtract => 7,
        BinaryOp::Multiply => 8,
        BinaryOp::Divide => 9,
        BinaryOp::Remainder => 10,
        BinaryOp::Concat => 11,
    }
}

#[cfg(test)]
mod tests;
