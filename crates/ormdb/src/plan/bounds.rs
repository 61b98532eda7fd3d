//! What a condition says about single fields: the values that they may have, as far as a key can use it.
//!
//! Invariant: a row that the condition accepts lies within the bounds of every field; the reverse need not hold.

use std::collections::HashMap;

use ormdb_proto::Result;
use ormdb_proto::schema::{Entity, FieldId, FieldType, ScalarType};
use ormdb_proto::value::{Decimal, ValueRef};

use crate::expr::{Comparison, Datum, EvalEnv, Matcher, NoRow, Node, eval_constant};

/// What is known of a field.
#[derive(Clone, Debug, Default)]
pub(super) struct FieldBounds {
    /// The only values that it may have, null among them if it may be null; none if nothing is known.
    pub(super) equal: Option<Vec<Datum<'static>>>,
    /// The least value, and whether it is one of them.
    pub(super) lower: Option<(Datum<'static>, Inclusive)>,
    /// The greatest value, and whether it is one of them.
    pub(super) upper: Option<(Datum<'static>, Inclusive)>,
    /// What its text begins with.
    pub(super) prefix: Option<String>,
}

/// Whether a bound belongs to the range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Inclusive {
    Yes,
    No,
}

/// The bounds of the fields that a condition speaks of.
pub(super) type Bounds = HashMap<FieldId, FieldBounds>;

/// Adds what a condition says that must be true, with the parameters of `env`.
pub(super) fn collect(entity: &Entity, node: &Node, env: &EvalEnv<'_>, bounds: &mut Bounds) -> Result<()> {
    match node {
        Node::And(all) => all.iter().try_for_each(|node| collect(entity, node, env, bounds))?,
        Node::Field(field) => {
            bounds.entry(*field).or_default().only(vec![Datum::bool(Some(true))]);
        }
        Node::Not(operand) => {
            if let Node::Field(field) = &**operand {
                bounds.entry(*field).or_default().only(vec![Datum::bool(Some(false))]);
            }
        }
        Node::IsNull { operand, negated: false } => {
            if let Node::Field(field) = &**operand {
                bounds.entry(*field).or_default().only(vec![Datum::NULL]);
            }
        }
        Node::Compare(comparison, left, right) => {
            let (field, comparison, constant) = match (&**left, &**right) {
                (Node::Field(field), constant) if constant.is_constant() => (field, *comparison, constant),
                (constant, Node::Field(field)) if constant.is_constant() => {
                    (field, comparison.mirrored(), constant)
                }
                _ => return Ok(()),
            };
            if let Some(value) = key_constant(entity, *field, constant, env)? {
                bounds.entry(*field).or_default().compare(comparison, value);
            }
        }
        Node::In { operand, list, negated: false } => {
            let Node::Field(field) = &**operand else { return Ok(()) };
            let mut values = Vec::with_capacity(list.len());
            for item in list {
                if !item.is_constant() {
                    return Ok(());
                }
                match key_constant(entity, *field, item, env)? {
                    Some(value) => values.push(value),
                    None => return Ok(()),
                }
            }
            values.retain(|value| !value.is_null());
            bounds.entry(*field).or_default().only(values);
        }
        Node::Or(any) => alternatives(entity, any, env, bounds)?,
        Node::Match(Matcher::Constant(pattern), text) => {
            if let (Node::Field(field), Some(prefix)) = (&**text, pattern.prefix()) {
                bounds.entry(*field).or_default().prefix = Some(prefix);
            }
        }
        Node::Const(_)
        | Node::External(_)
        | Node::Param(_)
        | Node::Negate(_)
        | Node::Arithmetic(..)
        | Node::Concat(..)
        | Node::Match(..)
        | Node::In { .. }
        | Node::InArray { .. }
        | Node::IsNull { .. }
        | Node::Call(..)
        | Node::Cast(..)
        | Node::Array(_) => {}
    }
    Ok(())
}

/// Adds what conditions say of which one must be true: a field that each of them gives its only values has one of all
/// these values.
fn alternatives(entity: &Entity, any: &[Node], env: &EvalEnv<'_>, bounds: &mut Bounds) -> Result<()> {
    let mut common: Option<HashMap<FieldId, Vec<Datum<'static>>>> = None;
    for node in any {
        let mut found = Bounds::default();
        collect(entity, node, env, &mut found)?;
        if found.values().any(|b| b.equal.as_ref().is_some_and(Vec::is_empty)) {
            // Never true.
            continue;
        }
        let mut equal: HashMap<_, _> =
            found.into_iter().filter_map(|(field, bounds)| Some((field, bounds.equal?))).collect();
        if let Some(common) = common.take() {
            equal.retain(|field, _| common.contains_key(field));
            for (field, values) in common {
                if let Some(all) = equal.get_mut(&field) {
                    all.splice(0..0, values);
                }
            }
        }
        common = Some(equal);
    }
    for (field, values) in common.unwrap_or_default() {
        bounds.entry(field).or_default().only(values);
    }
    Ok(())
}

impl FieldBounds {
    /// Whether nothing is known.
    pub(super) fn is_unknown(&self) -> bool {
        self.equal.is_none() && self.lower.is_none() && self.upper.is_none() && self.prefix.is_none()
    }

    /// The field has one of these values.
    fn only(&mut self, values: Vec<Datum<'static>>) {
        // Of two such conditions one is enough; the filter knows both.
        if self.equal.as_ref().is_none_or(|known| values.len() < known.len()) {
            self.equal = Some(values);
        }
    }

    fn compare(&mut self, comparison: Comparison, value: Datum<'static>) {
        if value.is_null() {
            // A comparison with null is never true.
            self.equal = Some(Vec::new());
            return;
        }
        match comparison {
            Comparison::Equal => self.only(vec![value]),
            Comparison::NotEqual => {}
            Comparison::Less => self.upper = self.upper.take().or(Some((value, Inclusive::No))),
            Comparison::LessOrEqual => self.upper = self.upper.take().or(Some((value, Inclusive::Yes))),
            Comparison::Greater => self.lower = self.lower.take().or(Some((value, Inclusive::No))),
            Comparison::GreaterOrEqual => self.lower = self.lower.take().or(Some((value, Inclusive::Yes))),
        }
    }
}

/// The value of a constant as the keys of a field have it; none if keys do not compare with it as the expression does.
fn key_constant(
    entity: &Entity,
    field: FieldId,
    node: &Node,
    env: &EvalEnv<'_>,
) -> Result<Option<Datum<'static>>> {
    let Some(field) = entity.field_by_id(field) else { return Ok(None) };
    // A constant that fails, fails when a row meets it, as the expression does.
    let Ok(value) = eval_constant(node, &NoRow, env) else { return Ok(None) };
    Ok(as_key(field.ty, &value.view()))
}

/// A value in the words of a key of type `ty`.
pub(super) fn as_key(ty: FieldType, value: &ValueRef<'_>) -> Option<Datum<'static>> {
    use ScalarType as T;
    use ValueRef as V;
    let as_is = || Some(Datum::Ref(value.clone()).into_owned());
    let FieldType::Scalar(scalar) = ty else { return as_is() };
    match (scalar, value) {
        (_, V::Null) => as_is(),
        (T::Int16 | T::Int32 | T::Int64, V::Int16(_) | V::Int32(_) | V::Int64(_)) => as_is(),
        (T::Int16 | T::Int32 | T::Int64, V::Decimal(v)) => {
            let whole = v.rescale(0).filter(|whole| whole == v)?;
            i64::try_from(whole.unscaled()).ok().map(|v| Datum::Ref(V::Int64(v)))
        }
        (T::Int16 | T::Int32 | T::Int64, _) => None,
        (T::Float32 | T::Float64, V::Float32(_) | V::Float64(_)) => as_is(),
        (T::Float32 | T::Float64, V::Decimal(v)) => Some(Datum::Ref(V::Float64(v.to_f64()))),
        (T::Float32 | T::Float64, V::Int16(v)) => Some(Datum::Ref(V::Float64(f64::from(*v)))),
        (T::Float32 | T::Float64, V::Int32(v)) => Some(Datum::Ref(V::Float64(f64::from(*v)))),
        (T::Float32 | T::Float64, V::Int64(v)) => Some(Datum::Ref(V::Float64(Decimal::from(*v).to_f64()))),
        (T::Decimal { .. }, V::Decimal(_)) => as_is(),
        (T::Decimal { .. }, V::Int16(v)) => Some(Datum::Ref(V::Decimal(Decimal::from(i64::from(*v))))),
        (T::Decimal { .. }, V::Int32(v)) => Some(Datum::Ref(V::Decimal(Decimal::from(i64::from(*v))))),
        (T::Decimal { .. }, V::Int64(v)) => Some(Datum::Ref(V::Decimal(Decimal::from(*v)))),
        (T::Float32 | T::Float64 | T::Decimal { .. }, _) => None,
        _ => as_is(),
    }
}
