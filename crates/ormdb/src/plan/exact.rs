//! Whether the ranges of a key are all that a condition says: then no row of them is tested.
//!
//! Invariant: of a condition that is told by ranges, a row lies within them if and only if the condition accepts it.

use ormdb_proto::schema::{FieldId, FieldType, ScalarType};
use smallvec::SmallVec;

use super::access::Candidate;
use super::bounds::{Bounds, FieldBounds};
use crate::catalog::EntityInfo;
use crate::expr::{Comparison, Node};

/// So many comparisons need no memory of their own.
const COMPARISONS_AT_HAND: usize = 4;

/// Which bound of a field a comparison sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Both,
    Lower,
    Upper,
}

/// Whether values of a type are equal where their keys are, whatever the type of the one that was asked for: none is rounded on
/// its way into a key.
pub(super) const fn has_a_key_each(ty: FieldType) -> bool {
    use ScalarType as T;
    matches!(ty, FieldType::Scalar(T::Int16 | T::Int32 | T::Int64 | T::String { .. } | T::Uuid))
}

/// Whether values of a type compare as their keys do, too.
const fn sorts_as_its_keys(ty: FieldType) -> bool {
    use ScalarType as T;
    matches!(ty, FieldType::Scalar(T::Int16 | T::Int32 | T::Int64))
}

impl Candidate {
    /// Whether all rows of its ranges satisfy the condition.
    pub(super) fn tells(&self, entity: &EntityInfo, condition: &Node, bounds: &Bounds) -> bool {
        let comparisons = match condition {
            Node::And(all) => all.as_slice(),
            one => std::slice::from_ref(one),
        };
        let mut told: SmallVec<[(FieldId, Side); COMPARISONS_AT_HAND]> = SmallVec::new();
        comparisons.iter().all(|comparison| {
            let Some((field, side)) = compared(comparison) else { return false };
            let Some(ty) = entity.field_by_id(field).map(|field| field.ty) else { return false };
            let sorts = if side == Side::Both { has_a_key_each(ty) } else { sorts_as_its_keys(ty) };
            // Of two comparisons that set one bound, the ranges know the first.
            let is_first = !told.iter().any(|(other, set)| {
                *other == field && (*set == side || *set == Side::Both || side == Side::Both)
            });
            told.push((field, side));
            let is_set = bounds.get(&field).is_some_and(|bounds| side.is_set(bounds));
            sorts && is_first && is_set && self.bounded().any(|bounded| bounded == field)
        })
    }
}

impl Side {
    fn is_set(self, bounds: &FieldBounds) -> bool {
        let is_single = bounds.equal.as_ref().map(|values| values.len() == 1);
        match self {
            Side::Both => is_single == Some(true),
            Side::Lower => is_single.is_none() && bounds.lower.is_some(),
            Side::Upper => is_single.is_none() && bounds.upper.is_some(),
        }
    }
}

/// The field that is compared with a constant, and the bound that this sets.
fn compared(node: &Node) -> Option<(FieldId, Side)> {
    let Node::Compare(comparison, left, right) = node else { return None };
    let (field, comparison) = match (&**left, &**right) {
        (Node::Field(field), constant) if constant.is_constant() => (field, *comparison),
        (constant, Node::Field(field)) if constant.is_constant() => (field, comparison.mirrored()),
        _ => return None,
    };
    match comparison {
        Comparison::Equal => Some((*field, Side::Both)),
        Comparison::Less | Comparison::LessOrEqual => Some((*field, Side::Upper)),
        Comparison::Greater | Comparison::GreaterOrEqual => Some((*field, Side::Lower)),
        Comparison::NotEqual => None,
    }
}

#[cfg(test)]
mod tests;
