//! What plans are chosen by: the statistics of the data, in the words of the planner.
//!
//! Invariants: (1) answers never depend on what is known; (2) of data that was never looked at, fixed shares are taken.

use std::sync::Arc;

use ormdb_proto::Result;
use ormdb_proto::schema::{EntityId, FieldId};

use super::RowSelection;
use super::access::{EQUAL_SELECTIVITY, FILTER_SELECTIVITY, many};
use super::bounds::{self, Bounds, FieldBounds};
use crate::catalog::{Catalog, EntityInfo};
use crate::expr::{Datum, EvalEnv, Node, RowExpr};
use crate::options::{Intersections, SemiJoins};
use crate::session::SessionContext;
use crate::statistics::{EntityFigures, Figures, Statistics};
use crate::store::key::{self, Direction};

/// How many rows an entity is taken to have at least, as long as it was never looked at: it may just be filled.
const ROWS_LEAST: f64 = 1000.0;
/// The share of rows that have a value of their own in fields of which nothing is known.
const DISTINCT_SHARE: f64 = 0.1;

/// How much of a statement's memory is counted on for a key of a related row, so that the keys leave most of it.
const KEY_BYTES: f64 = 256.0;

/// What is known of the data.
pub(crate) struct Known<'a> {
    pub(super) catalog: &'a Catalog,
    statistics: &'a Statistics,
    figures: Arc<Figures>,
    pub(super) semi_joins: SemiJoins,
    pub(super) intersections: Intersections,
    /// How many keys of related rows a statement may hold.
    pub(super) keys_max: f64,
}

impl<'a> Known<'a> {
    /// What a session's statements are planned by.
    pub(crate) fn of(catalog: &'a Catalog, session: &'a SessionContext) -> Known<'a> {
        let statistics = &*session.statistics;
        let (semi_joins, intersections) = (session.semi_joins, session.intersections);
        let keys_max =
            many(usize::try_from(session.limits.memory_bytes_max).unwrap_or(usize::MAX)) / KEY_BYTES;
        Known { catalog, statistics, figures: statistics.figures(), semi_joins, intersections, keys_max }
    }

    /// About how many rows an entity has.
    pub(super) fn rows(&self, entity: EntityId) -> f64 {
        let least = if self.figures.contains_key(&entity) { 1.0 } else { ROWS_LEAST };
        self.statistics.rows(entity).max(least)
    }

    /// How many rows of an entity were counted.
    pub(super) fn counted(&self, entity: EntityId) -> f64 {
        self.statistics.rows(entity)
    }

    /// What a sample found of an entity; none if none was taken.
    pub(super) fn figures(&self, entity: EntityId) -> Option<&EntityFigures> {
        self.figures.get(&entity).map(Arc::as_ref)
    }

    /// About how many different values fields have together, at least one.
    pub(super) fn distinct(&self, entity: &EntityInfo, fields: &[FieldId]) -> f64 {
        let rows = self.rows(entity.id);
        if entity.is_unique_key(fields) {
            return rows;
        }
        if let Some((distinct, _)) =
            self.figures(entity.id).and_then(|figures| figures.distinct(fields, rows))
        {
            return distinct.min(rows).max(1.0);
        }
        let same = |of: &[FieldId]| of.len() == fields.len() && of.iter().all(|field| fields.contains(field));
        let referred =
            entity.foreign_keys.iter().find(|key| same(&key.fields)).map(|key| self.rows(key.target));
        referred.unwrap_or(rows * DISTINCT_SHARE).clamp(1.0, rows)
    }

    /// The share of rows in which none of the fields is null.
    pub(super) fn present(&self, entity: &EntityInfo, fields: &[FieldId]) -> f64 {
        let figures = self.figures(entity.id);
        let share = |field: &FieldId| figures.and_then(|f| f.field(*field)).map_or(1.0, |f| 1.0 - f.nulls());
        fields.iter().map(share).product()
    }

    /// The share of rows whose field lies within bounds.
    pub(super) fn share(&self, entity: &EntityInfo, field: FieldId, bounds: &FieldBounds) -> f64 {
        let known = self.figures(entity.id).and_then(|figures| figures.field(field));
        let Some(known) = known else {
            return match &bounds.equal {
                Some(values) if entity.is_unique_key(&[field]) => many(values.len()) / self.rows(entity.id),
                Some(values) => EQUAL_SELECTIVITY * many(values.len()),
                None => bounds.selectivity(),
            }
            .min(1.0);
        };
        let bytes = |value: &Datum<'_>| {
            let mut bytes = Vec::new();
            key::push_column(&mut bytes, &value.view(), Direction::Ascending);
            bytes
        };
        if let Some(values) = &bounds.equal {
            let of = |value: &Datum<'_>| {
                if value.is_null() { known.nulls() } else { known.equal(&bytes(value)) }
            };
            return values.iter().map(of).sum::<f64>().min(1.0);
        }
        if let (Some(prefix), None, None) = (&bounds.prefix, &bounds.lower, &bounds.upper) {
            let mut low = bytes(&Datum::Text(prefix.clone()));
            low.truncate(low.len().saturating_sub(2));
            let high = [low.as_slice(), &[0xff; 8]].concat();
            return known.between(Some(&low), Some(&high));
        }
        let (lower, upper) = (bounds.lower.as_ref(), bounds.upper.as_ref());
        if lower.is_none() && upper.is_none() {
            return 1.0;
        }
        known.between(
            lower.map(|(value, _)| bytes(value)).as_deref(),
            upper.map(|(value, _)| bytes(value)).as_deref(),
        )
    }

    /// The share of rows that a condition of the row alone leaves.
    pub(super) fn share_of(
        &self,
        entity: &EntityInfo,
        filter: Option<&RowExpr>,
        env: &EvalEnv<'_>,
    ) -> Result<f64> {
        let Some(filter) = filter else { return Ok(1.0) };
        self.share_of_node(entity, filter.root(), env)
    }

    fn share_of_node(&self, entity: &EntityInfo, node: &Node, env: &EvalEnv<'_>) -> Result<f64> {
        let conjuncts = match node {
            Node::And(all) => all.as_slice(),
            one => std::slice::from_ref(one),
        };
        let (mut share, mut known) = (1.0, Bounds::new());
        for conjunct in conjuncts {
            let mut of_one = Bounds::new();
            bounds::collect(entity, conjunct, env, &mut of_one)?;
            if !of_one.values().all(FieldBounds::is_unknown) {
                bounds::collect(entity, conjunct, env, &mut known)?;
                continue;
            }
            share *= match conjunct {
                Node::Or(any) => {
                    let mut none = 1.0;
                    for one in any {
                        none *= 1.0 - self.share_of_node(entity, one, env)?;
                    }
                    1.0 - none
                }
                Node::Not(of) => 1.0 - self.share_of_node(entity, of, env)?,
                Node::IsNull { operand, negated } => match (&**operand, negated) {
                    (Node::Field(field), true) => self.present(entity, &[*field]),
                    (_, true) => 1.0 - FILTER_SELECTIVITY,
                    (_, false) => FILTER_SELECTIVITY,
                },
                Node::Const(value) => match value.view() {
                    ormdb_proto::value::ValueRef::Bool(true) => 1.0,
                    _ => 0.0,
                },
                Node::Compare(crate::expr::Comparison::NotEqual, ..) => 1.0 - EQUAL_SELECTIVITY,
                _ => FILTER_SELECTIVITY,
            };
        }
        for (field, bounds) in &known {
            share *= self.share(entity, *field, bounds);
        }
        Ok(share)
    }

    /// The share of rows that a selection leaves by policy, deletion and the condition of the row alone.
    pub(super) fn local_share(
        &self,
        entity: &EntityInfo,
        rows: &RowSelection<'_>,
        env: &EvalEnv<'_>,
    ) -> Result<f64> {
        let policy = if rows.policy.is_some() { FILTER_SELECTIVITY } else { 1.0 };
        let live = match (entity.soft_delete, rows.deleted.condition()) {
            (Some(soft), Some(_)) => {
                self.figures(entity.id).and_then(|f| f.field(soft.field)).map_or(1.0, |field| field.nulls())
            }
            _ => 1.0,
        };
        Ok(policy * live * self.share_of(entity, rows.filter.as_ref(), env)?)
    }
}
