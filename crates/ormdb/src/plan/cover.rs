//! Which fields a level reads, and whether an index has all of them, so that its rows need not be read.

use std::collections::HashSet;

use ormdb_proto::schema::FieldId;

use super::{AggregateDerivation, HopAccess, Level, Projection, RowSelection, Source};
use crate::catalog::EntityInfo;
use crate::store::key;

/// The fields that are read of some rows.
#[derive(Default)]
pub(super) struct Needed(HashSet<FieldId>);

impl Needed {
    /// The fields that a level reads of its rows.
    pub(super) fn of_level(level: &Level<'_>) -> Needed {
        let mut needed = Needed::default();
        needed.selection(&level.rows);
        needed.projection(&level.columns);
        for include in &level.includes {
            needed.hop(&include.fan.access.near);
        }
        needed
    }

    /// The fields that lead on from the rows of an edge entity, and tell whether they are deleted.
    pub(super) fn of_edge(edge: &EntityInfo, hop: &HopAccess) -> Needed {
        let mut needed = Needed::default();
        needed.hop(hop);
        needed.0.extend(edge.soft_delete.map(|soft| soft.field));
        needed
    }

    /// The fields that tell which related rows are sought, and lead on from them.
    pub(super) fn of_related(rows: &RowSelection<'_>, hop: &HopAccess) -> Needed {
        let mut needed = Needed::default();
        needed.selection(rows);
        needed.hop(hop);
        needed
    }

    /// The fields that are read of the rows that are aggregated.
    pub(super) fn of_aggregate(rows: &RowSelection<'_>, aggregate: &AggregateDerivation<'_>) -> Needed {
        let mut needed = Needed::default();
        needed.selection(rows);
        aggregate.filter.iter().chain(&aggregate.value).for_each(|projection| needed.projection(projection));
        needed
    }

    fn selection(&mut self, rows: &RowSelection<'_>) {
        for condition in rows.policy.iter().chain(rows.deleted.condition()).chain(&rows.filter) {
            self.0.extend(condition.fields());
        }
        rows.outer_filter.iter().for_each(|filter| self.projection(filter));
        self.projection(&rows.order.keys);
        rows.distinct.iter().for_each(|distinct| self.projection(distinct));
    }

    fn projection(&mut self, projection: &Projection<'_>) {
        self.0.extend(projection.exprs.iter().flat_map(|expr| expr.fields()));
        for derivation in &projection.derivations {
            self.hop(&derivation.fan.access.near);
        }
    }

    fn hop(&mut self, hop: &HopAccess) {
        self.0.extend(hop.pairs.iter().map(|(local, _)| *local));
    }

    /// Whether the entries of a key have all the fields, so that the rows need not be read for them.
    pub(super) fn covered_by(&self, entity: &EntityInfo, source: Source) -> bool {
        let Source::Index(id) = source else { return false };
        let (Some(index), Ok(format)) = (entity.index_by_id(id), entity.store().index(id)) else {
            return false;
        };
        let whole = format.columns().iter().all(|column| key::is_lossless(column.ty));
        let has = |field: &FieldId| {
            index.columns.iter().any(|column| column.field == *field)
                || index.covering.contains(field)
                || entity.primary_key.contains(field)
        };
        whole && entity.store().primary_key.is_lossless() && self.0.iter().all(has)
    }
}
