//! Which part of an order the keys of an access path already have.

use ormdb_proto::schema::{FieldId, IndexState};

use super::{KeyDirection, Order, Source};
use crate::catalog::EntityInfo;
use crate::expr::Node;

/// How far the keys of a path serve an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Served {
    /// Not at all: rows are sorted.
    No,
    /// Rows come sorted by the first columns of the key; those that are equal in them are sorted.
    UpToTies {
        /// How many columns of the key.
        columns: usize,
    },
    /// Rows come in the order.
    Exact,
}

/// A column of a key, for the question which order it serves.
#[derive(Clone, Copy, Debug)]
pub(super) struct KeyColumn {
    pub(super) field: FieldId,
    pub(super) descending: bool,
    /// Whether all rows of a range have one value in it.
    pub(super) single: bool,
}

/// The columns of a key, up to the primary key.
pub(super) fn key_columns(entity: &EntityInfo, source: Source) -> Vec<KeyColumn> {
    let ascending = |field: &FieldId| KeyColumn { field: *field, descending: false, single: false };
    let primary = || entity.primary_key.iter().map(ascending);
    match source {
        Source::Primary => primary().collect(),
        Source::Index(id) => {
            let columns = entity.index_by_id(id).map_or(&[][..], |index| &index.columns);
            let own =
                columns.iter().map(|c| KeyColumn { field: c.field, descending: c.descending, single: false });
            own.chain(primary().filter(|p| columns.iter().all(|c| c.field != p.field))).collect()
        }
    }
}

/// The keys that reads may scan for all rows: the primary key, and the indexes that have an entry for every row.
pub(super) fn sources(entity: &EntityInfo) -> impl Iterator<Item = Source> + '_ {
    let usable = entity.indexes.iter().filter(|i| i.state == IndexState::Public && i.filter.is_none());
    std::iter::once(Source::Primary).chain(usable.map(|index| Source::Index(index.id)))
}

/// How far columns serve an order, and whether they have to be read backward for it.
pub(super) fn serve(entity: &EntityInfo, columns: &[KeyColumn], order: &Order<'_>) -> (Served, bool) {
    let mut matcher = Matcher { columns, at: 0, reverse: None };
    for (expr, direction) in order.keys.exprs.iter().zip(&order.directions) {
        let Node::Field(field) = expr.root() else { return matcher.partial() };
        if !nulls_fit(entity, *field, *direction) || !matcher.take(*field, direction.descending) {
            return matcher.partial();
        }
    }
    let named: Vec<FieldId> = order
        .keys
        .exprs
        .iter()
        .filter_map(|expr| if let Node::Field(field) = expr.root() { Some(*field) } else { None })
        .collect();
    if !has_unique_key(entity, &named) {
        for field in entity.primary_key.iter().filter(|field| !named.contains(field)) {
            if !matcher.take(*field, false) {
                return matcher.partial();
            }
        }
    }
    (Served::Exact, matcher.reverse.unwrap_or(false))
}

/// Whether keys place nulls where the order wants them: last when ascending, first when descending.
fn nulls_fit(entity: &EntityInfo, field: FieldId, direction: KeyDirection) -> bool {
    direction.nulls_first == direction.descending || entity.field_by_id(field).is_some_and(|f| !f.optional)
}

/// Whether no two rows are equal in all of these fields.
fn has_unique_key(entity: &EntityInfo, fields: &[FieldId]) -> bool {
    let required = |id: &FieldId| entity.field_by_id(*id).is_some_and(|f| !f.optional);
    entity.primary_key.iter().all(|f| fields.contains(f))
        || entity.indexes.iter().any(|index| {
            index.unique.is_some()
                && index.filter.is_none()
                && entity.soft_delete.is_none()
                && index.state == IndexState::Public
                && index.columns.iter().all(|c| fields.contains(&c.field) && required(&c.field))
        })
}

struct Matcher<'k> {
    columns: &'k [KeyColumn],
    at: usize,
    reverse: Option<bool>,
}

impl Matcher<'_> {
    /// Whether the next column that differs between rows is this field, and runs the same way as those before.
    fn take(&mut self, field: FieldId, descending: bool) -> bool {
        if self.columns.iter().any(|c| c.field == field && c.single) {
            return true;
        }
        while let Some(column) = self.columns.get(self.at) {
            if column.field == field {
                let reverse = column.descending != descending;
                if self.reverse.is_some_and(|before| before != reverse) {
                    return false;
                }
                self.reverse = Some(reverse);
                self.at += 1;
                return true;
            }
            if !column.single {
                return false;
            }
            self.at += 1;
        }
        false
    }

    fn partial(&self) -> (Served, bool) {
        match self.reverse {
            None => (Served::No, false),
            Some(reverse) => (Served::UpToTies { columns: self.at }, reverse),
        }
    }
}
