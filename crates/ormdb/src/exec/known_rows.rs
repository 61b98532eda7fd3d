//! Rows that expressions read from behind a to-one relation, kept for the include of the same relation: an order by a field of the
//! related row looks at what is shown next.
//!
//! Invariants: (1) they ascend by their keys; (2) each is what a get of its key gives in the same run; (3) what is kept is small, and
//! counted.

use ormdb_proto::Result;
use ormdb_proto::schema::EntityId;

use super::rows::{FetchedRow, Key};
use super::run::Run;

/// More bytes of rows than this are not kept.
const KEPT_BYTES_MAX: usize = 1 << 18;

/// The rows of one entity that were read last.
#[derive(Default)]
pub(super) struct KnownRows {
    entity: Option<EntityId>,
    rows: Vec<FetchedRow>,
    bytes: usize,
}

impl KnownRows {
    /// Takes the place of what was kept before. The rows ascend by their keys.
    pub(super) fn keep(&mut self, run: &Run<'_>, entity: EntityId, rows: Vec<FetchedRow>) -> Result<()> {
        debug_assert!(rows.is_sorted_by(|a, b| a.key < b.key));
        run.budget.let_go(std::mem::take(&mut self.bytes));
        *self = KnownRows::default();
        let bytes = rows.iter().map(FetchedRow::held_bytes).sum();
        if bytes <= KEPT_BYTES_MAX {
            run.budget.keep(bytes)?;
            *self = KnownRows { entity: Some(entity), rows, bytes };
        }
        Ok(())
    }

    /// For each of these keys, which ascend, its row if it is known; none if no row of the entity is.
    pub(super) fn find(&self, entity: EntityId, keys: &[Key]) -> Option<Vec<Option<FetchedRow>>> {
        if self.entity != Some(entity) || !keys.is_sorted() {
            return None;
        }
        let mut rest = self.rows.iter().peekable();
        let find = |key: &Key| {
            while rest.next_if(|row| row.key < *key).is_some() {}
            rest.next_if(|row| row.key == *key).cloned()
        };
        Some(keys.iter().map(find).collect())
    }
}
