//! What a sample found of an entity, and the shares of rows that follow from it.
//!
//! Values are bytes as ascending columns of keys have them, so that values of one type compare as bytes; long ones are cut.
//!
//! Invariants: (1) a share is between 0 and 1; (2) the bounds of a histogram ascend, and as many of the sampled values that
//! are not among the common ones lie between any two neighbours.

use std::collections::HashMap;

use ormdb_proto::schema::FieldId;

/// The most bytes that are kept of a value.
pub(super) const VALUE_BYTES_MAX: usize = 48;
/// The most values of a field that are kept with the share of rows that have them.
pub(super) const COMMON_MAX: usize = 48;
/// The most parts of a histogram.
pub(super) const PARTS_MAX: usize = 64;

/// What a sample found of an entity.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct EntityFigures {
    /// What its fields hold.
    pub(super) fields: HashMap<FieldId, FieldFigures>,
    /// How many different values several fields have together: those of foreign keys and indexes.
    pub(super) combined: Vec<(Vec<FieldId>, f64)>,
}

/// What a field holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct FieldFigures {
    /// The share of rows in which it is null.
    pub(super) nulls: f64,
    /// How many different values it has, null not counted.
    pub(super) distinct: f64,
    /// The most common values, each with the share of rows that have it; ascending.
    pub(super) common: Vec<(Vec<u8>, f64)>,
    /// The bounds of parts of equal size of all other values; ascending.
    pub(super) bounds: Vec<Vec<u8>>,
}

impl EntityFigures {
    /// What a field holds.
    pub(crate) fn field(&self, field: FieldId) -> Option<&FieldFigures> {
        self.fields.get(&field)
    }

    /// How many different values these fields have together, and the share of rows in which none of them is null.
    pub(crate) fn distinct(&self, fields: &[FieldId], rows: f64) -> Option<(f64, f64)> {
        let each = fields.iter().map(|field| self.fields.get(field)).collect::<Option<Vec<_>>>()?;
        let there: f64 = each.iter().map(|field| 1.0 - field.nulls).product();
        let mut sorted = fields.to_vec();
        sorted.sort_unstable();
        let counted = self.combined.iter().find(|(of, _)| *of == sorted).map(|(_, distinct)| *distinct);
        let product: f64 = each.iter().map(|field| field.distinct.max(1.0)).product();
        let distinct = counted.unwrap_or(if fields.len() == 1 { product } else { product.min(rows) });
        Some((distinct.max(1.0), there))
    }
}

impl FieldFigures {
    /// The share of rows in which the field is null.
    pub(crate) const fn nulls(&self) -> f64 {
        self.nulls
    }

    /// The share of rows that have a value.
    pub(crate) fn equal(&self, value: &[u8]) -> f64 {
        let value = cut(value);
        if let Ok(at) = self.common.binary_search_by(|(common, _)| common.as_slice().cmp(value)) {
            return self.common.get(at).map_or(0.0, |(_, share)| *share);
        }
        let outside = self.bounds.first().is_none_or(|first| value < first.as_slice())
            || self.bounds.last().is_none_or(|last| value > last.as_slice());
        let known = u32::try_from(self.common.len()).map_or(0.0, f64::from);
        let share = self.others() / (self.distinct - known).max(1.0);
        // What lies beyond all sampled values is rare at most.
        if outside { share * 0.5 } else { share }
    }

    /// The share of rows whose value lies between two; where one is missing, it is unbounded there.
    pub(crate) fn between(&self, lower: Option<&[u8]>, upper: Option<&[u8]>) -> f64 {
        let (lower, upper) = (lower.map(cut), upper.map(cut));
        if let (Some(lower), Some(upper)) = (lower, upper)
            && lower > upper
        {
            return 0.0;
        }
        let inside = |value: &[u8]| lower.is_none_or(|l| value >= l) && upper.is_none_or(|u| value <= u);
        let common: f64 = self.common.iter().filter(|(value, _)| inside(value)).map(|(_, share)| share).sum();
        let below =
            upper.map_or(1.0, |upper| self.below(upper)) - lower.map_or(0.0, |lower| self.below(lower));
        (common + below.max(0.0) * self.others()).clamp(0.0, 1.0)
    }

    /// The share of rows that have a value which is not among the common ones.
    fn others(&self) -> f64 {
        let common: f64 = self.common.iter().map(|(_, share)| share).sum();
        (1.0 - self.nulls - common).max(0.0)
    }

    /// The share of the values of the histogram that lie below one.
    fn below(&self, value: &[u8]) -> f64 {
        let parts = self.bounds.len().saturating_sub(1);
        if parts == 0 {
            return if self.bounds.first().is_some_and(|only| only.as_slice() < value) { 1.0 } else { 0.0 };
        }
        let before = self.bounds.partition_point(|bound| bound.as_slice() < value);
        if before == 0 {
            return 0.0;
        }
        let (Some(low), Some(high)) = (self.bounds.get(before - 1), self.bounds.get(before)) else {
            return 1.0;
        };
        let number = |n: usize| u32::try_from(n).map_or(f64::from(u32::MAX), f64::from);
        (number(before - 1) + place(low, high, value)) / number(parts)
    }
}

/// What is kept of a value.
pub(super) fn cut(value: &[u8]) -> &[u8] {
    value.get(..VALUE_BYTES_MAX).unwrap_or(value)
}

/// Where a value lies between two others, from 0 to 1, by the first bytes in which these differ.
#[allow(clippy::cast_precision_loss, reason = "an estimate")]
fn place(low: &[u8], high: &[u8], value: &[u8]) -> f64 {
    let shared = low.iter().zip(high).take_while(|(a, b)| a == b).count();
    let number = |bytes: &[u8]| {
        (shared..shared + 8).fold(0u64, |sum, at| sum << 8 | u64::from(bytes.get(at).copied().unwrap_or(0)))
    };
    let (low, high, value) = (number(low), number(high), number(value));
    let width = high.saturating_sub(low);
    if width == 0 { 0.5 } else { (value.saturating_sub(low) as f64 / width as f64).clamp(0.0, 1.0) }
}

#[cfg(test)]
mod tests;
