//! Runs a checked expression on a row.
//!
//! Comparisons, matches and logic work on values where they lie and allocate nothing.

use ormdb_proto::schema::FieldType;
use ormdb_proto::value::{ValueRef, compare};
use ormdb_proto::{Error, ErrorCode, Result};

use super::arithmetic;
use super::cast;
use super::datum::Datum;
use super::node::Node;
use super::text_match::{Matcher, Pattern};
use super::{EvalEnv, RowSource};

/// The value of a node for a row.
pub(super) fn eval<'a>(node: &'a Node, row: &'a dyn RowSource, env: &EvalEnv<'a>) -> Result<Datum<'a>> {
    Ok(match node {
        Node::Const(datum) => Datum::Ref(datum.view()),
        Node::Field(field) => Datum::Ref(row.field(*field)?),
        Node::External(slot) => external(env, *slot)?.clone(),
        Node::Param(slot) => Datum::Ref(param(env, *slot)?.view()),
        Node::Not(_)
        | Node::Compare(..)
        | Node::Match(..)
        | Node::In { .. }
        | Node::InArray { .. }
        | Node::IsNull { .. }
        | Node::And(_)
        | Node::Or(_) => Datum::bool(test(node, row, env)?),
        Node::Negate(operand) => arithmetic::negate(&eval(operand, row, env)?.view())?,
        Node::Arithmetic(op, ty, left, right) => {
            let (left, right) = (eval(left, row, env)?, eval(right, row, env)?);
            arithmetic::calculate(*op, *ty, &left.view(), &right.view())?
        }
        Node::Concat(left, right) => concat(eval(left, row, env)?, eval(right, row, env)?)?,
        Node::Call(function, args) => function.call(args, row, env)?,
        Node::Cast(to, operand) => convert(*to, eval(operand, row, env)?)?,
        Node::Array(items) => {
            Datum::Array(items.iter().map(|item| eval(item, row, env)).collect::<Result<_>>()?)
        }
    })
}

/// The truth of a node for a row; none is null.
pub(super) fn test(node: &Node, row: &dyn RowSource, env: &EvalEnv<'_>) -> Result<Option<bool>> {
    Ok(match node {
        Node::Not(operand) => test(operand, row, env)?.map(|truth| !truth),
        Node::Compare(comparison, left, right) => {
            let (left, right) = (eval(left, row, env)?, eval(right, row, env)?);
            order(&left.view(), &right.view())?.map(|order| comparison.accepts(order))
        }
        Node::And(all) => {
            let mut truth = Some(true);
            for operand in all {
                match test(operand, row, env)? {
                    Some(true) => {}
                    Some(false) => return Ok(Some(false)),
                    None => truth = None,
                }
            }
            truth
        }
        Node::Or(all) => {
            let mut truth = Some(false);
            for operand in all {
                match test(operand, row, env)? {
                    Some(false) => {}
                    Some(true) => return Ok(Some(true)),
                    None => truth = None,
                }
            }
            truth
        }
        Node::IsNull { operand, negated } => Some(eval(operand, row, env)?.is_null() != *negated),
        Node::In { operand, list, negated } => {
            let operand = eval(operand, row, env)?;
            let mut found = Membership::new(operand.view());
            for item in list {
                if found.is_in(&eval(item, row, env)?.view())? {
                    break;
                }
            }
            found.answer(list.is_empty(), *negated)
        }
        Node::InArray { operand, array, negated } => {
            let (operand, array) = (eval(operand, row, env)?, eval(array, row, env)?);
            let ValueRef::Array(items) = array.view() else { return Ok(None) };
            let mut found = Membership::new(operand.view());
            for item in &items {
                if found.is_in(item)? {
                    break;
                }
            }
            found.answer(items.is_empty(), *negated)
        }
        Node::Match(matcher, text) => {
            let text = eval(text, row, env)?;
            let ValueRef::String(text) = text.view() else { return Ok(None) };
            match matcher {
                Matcher::Null => None,
                Matcher::Constant(pattern) => Some(pattern.matches(text)),
                Matcher::PerRow { op, insensitive, pattern } => {
                    let pattern = eval(pattern, row, env)?;
                    let ValueRef::String(pattern) = pattern.view() else { return Ok(None) };
                    Some(Pattern::compile(*op, *insensitive, pattern)?.matches(text))
                }
            }
        }
        Node::Const(_)
        | Node::Field(_)
        | Node::External(_)
        | Node::Param(_)
        | Node::Negate(_)
        | Node::Arithmetic(..)
        | Node::Concat(..)
        | Node::Call(..)
        | Node::Cast(..)
        | Node::Array(_) => match eval(node, row, env)?.view() {
            ValueRef::Bool(truth) => Some(truth),
            ValueRef::Null => None,
            _ => {
                return Err(Error::new(
                    ErrorCode::Internal,
                    "a condition gave something else than a truth value",
                ));
            }
        },
    })
}

/// Whether a value is among others, as SQL's `in` has it: null if unknown.
struct Membership<'a> {
    operand: ValueRef<'a>,
    found: bool,
    unknown: bool,
}

impl<'a> Membership<'a> {
    const fn new(operand: ValueRef<'a>) -> Membership<'a> {
        let unknown = operand.is_null();
        Membership { operand, found: false, unknown }
    }

    fn is_in(&mut self, item: &ValueRef<'_>) -> Result<bool> {
        match order(&self.operand, item)? {
            Some(order) => self.found = self.found || order.is_eq(),
            None => self.unknown = true,
        }
        Ok(self.found)
    }

    fn answer(self, empty: bool, negated: bool) -> Option<bool> {
        match (self.found, self.unknown && !empty) {
            (true, _) => Some(!negated),
            (false, true) => None,
            (false, false) => Some(negated),
        }
    }
}

/// The order of two values; none if one is null.
pub(super) fn order(left: &ValueRef<'_>, right: &ValueRef<'_>) -> Result<Option<std::cmp::Ordering>> {
    if left.is_null() || right.is_null() {
        return Ok(None);
    }
    compare(left, right).map(Some).ok_or_else(|| {
        Error::new(ErrorCode::Internal, "a comparison met values of types that do not compare")
    })
}

fn external<'a>(env: &EvalEnv<'a>, slot: usize) -> Result<&'a Datum<'a>> {
    env.externals
        .get(slot)
        .ok_or_else(|| Error::new(ErrorCode::Internal, "an expression misses a value from behind a relation"))
}

fn param<'a>(env: &EvalEnv<'a>, slot: usize) -> Result<&'a Datum<'a>> {
    env.params
        .get(slot)
        .ok_or_else(|| Error::new(ErrorCode::Internal, "an expression misses the value of a parameter"))
}

/// Texts or arrays one behind the other. Beside null a text is null, and an array is what it is, as in PostgreSQL.
fn concat<'a>(left: Datum<'a>, right: Datum<'a>) -> Result<Datum<'a>> {
    match (left.view(), right.view()) {
        (ValueRef::Null, ValueRef::Array(_)) => Ok(right),
        (ValueRef::Array(_), ValueRef::Null) => Ok(left),
        (ValueRef::Null, _) | (_, ValueRef::Null) => Ok(Datum::NULL),
        (ValueRef::String(left), ValueRef::String(right)) => Ok(Datum::Text([left, right].concat())),
        (ValueRef::Array(left), ValueRef::Array(right)) => {
            let items = left.into_iter().chain(right).map(|item| Datum::Ref(item).into_owned());
            Ok(Datum::Array(items.collect()))
        }
        _ => Err(Error::new(ErrorCode::Internal, "`||` met values that are neither texts nor arrays")),
    }
}

/// A value as one of another type.
fn convert<'a>(to: FieldType, value: Datum<'a>) -> Result<Datum<'a>> {
    match (to, value) {
        (FieldType::Array(_), value) if value.is_null() => Ok(value),
        (FieldType::Array(element), value) => {
            let ValueRef::Array(items) = value.view() else {
                return Err(Error::new(ErrorCode::Internal, "an array conversion met no array"));
            };
            let items = items.iter().map(|item| Ok(cast::cast(element, item)?.into_owned()));
            Ok(Datum::Array(items.collect::<Result<_>>()?))
        }
        (FieldType::Scalar(scalar), Datum::Ref(value)) => cast::cast(scalar, &value),
        (FieldType::Scalar(scalar), value) => Ok(cast::cast(scalar, &value.view())?.into_owned()),
    }
}
