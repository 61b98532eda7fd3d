//! How many rows a transaction adds and writes, by entity, until it commits.

use ormdb_proto::schema::EntityId;

/// What a transaction does to the number of rows of each entity.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RowDeltas(Vec<(EntityId, RowDelta)>);

/// What it does to the rows of one entity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RowDelta {
    /// Rows that come, less those that go.
    pub(crate) rows: i64,
    /// Rows that come, change or go.
    pub(crate) written: u64,
}

impl RowDeltas {
    /// Counts a row that came (1), changed (0) or went (-1).
    pub(crate) fn count(&mut self, entity: EntityId, rows: i64) {
        self.add(entity, RowDelta { rows, written: 1 });
    }

    /// Takes over what a statement did.
    pub(crate) fn join(&mut self, other: &RowDeltas) {
        other.iter().for_each(|(entity, delta)| self.add(entity, delta));
    }

    /// The entities of which rows were written.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (EntityId, RowDelta)> + '_ {
        self.0.iter().copied()
    }

    fn add(&mut self, entity: EntityId, more: RowDelta) {
        match self.0.iter_mut().find(|(of, _)| *of == entity) {
            Some((_, delta)) => {
                delta.rows = delta.rows.saturating_add(more.rows);
                delta.written = delta.written.saturating_add(more.written);
            }
            None => self.0.push((entity, more)),
        }
    }
}
