//! The keys of all rows that have a related row which is sought: gathered once, for rows to be looked up among them.
//!
//! Invariant: they are held as long as the run lasts, and take at most half of its memory; whoever asks for more than fit is told so,
//! and looks for the related rows of each row instead.

use std::collections::HashSet;

use ormdb_proto::Result;
use ormdb_proto::schema::FieldId;

use super::parent_keys::KeyEncoder;
use super::rows::{FetchedRow, Key};
use super::run::Run;
use super::semi_join::{each_over_edges, each_related};
use crate::catalog::EntityInfo;
use crate::plan::{Derivation, RelatedPath};

/// The keys of rows.
pub(super) struct RelatedKeys(HashSet<Key>);

impl RelatedKeys {
    /// The keys of the rows of `entity` that a path leads to; none if they are too many.
    pub(super) fn gather(
        run: &Run<'_>,
        derivation: &Derivation<'_>,
        path: &RelatedPath,
        entity: &EntityInfo,
    ) -> Result<Option<RelatedKeys>> {
        let (Some(edge), Some(to_edges)) = (derivation.fan.edge, &path.edges) else {
            let mut keys = Gathered::default();
            each_related(run, derivation, path, entity, &path.rows, &mut |found| keys.add(run, found))?;
            return keys.all(run);
        };
        let mut of_edges = Gathered::default();
        each_related(run, derivation, path, edge, to_edges, &mut |found| of_edges.add(run, found))?;
        if of_edges.are_too_many {
            return Ok(None);
        }
        let mut sorted: Vec<Key> = of_edges.keys.into_iter().collect();
        sorted.sort_unstable();
        let mut keys = Gathered::default();
        each_over_edges(run, edge, entity, derivation, (to_edges, &path.rows), &sorted, &mut |found| {
            keys.add(run, found)
        })?;
        run.budget.release(of_edges.bytes);
        keys.all(run)
    }

    /// For each row, whether its key is among them.
    pub(super) fn contain(
        &self,
        path: &RelatedPath,
        entity: &EntityInfo,
        rows: &[FetchedRow],
    ) -> Result<Vec<bool>> {
        let fields: Vec<FieldId> = path.rows.pairs.iter().map(|(_, field)| *field).collect();
        let mut encoder = KeyEncoder::new(entity, path.rows.source)?;
        let mut contained = Vec::with_capacity(rows.len());
        for row in rows {
            // A row of which a part of the key is null has no related rows.
            let key = encoder.key(&row.view(entity)?, &fields)?;
            contained.push(key.is_some_and(|key| self.0.contains(&key)));
        }
        Ok(contained)
    }
}

/// Keys while they are gathered.
#[derive(Default)]
struct Gathered {
    keys: HashSet<Key>,
    bytes: usize,
    are_too_many: bool,
}

impl Gathered {
    /// Adds keys; says whether more may come.
    fn add(&mut self, run: &Run<'_>, found: Vec<Key>) -> Result<bool> {
        let mut more = 0;
        for key in found {
            let bytes = 2 * size_of::<Key>() + key.len();
            if self.keys.insert(key) {
                more += bytes;
            }
        }
        self.bytes += more;
        if run.budget.is_half_full_with(more) {
            run.budget.release(self.bytes - more);
            self.are_too_many = true;
            return Ok(false);
        }
        run.budget.hold(more)?;
        Ok(true)
    }

    /// All of them, which are held from now on; none if they are too many.
    fn all(self, run: &Run<'_>) -> Result<Option<RelatedKeys>> {
        if self.are_too_many {
            return Ok(None);
        }
        run.budget.release(self.bytes);
        run.budget.keep(self.bytes)?;
        Ok(Some(RelatedKeys(self.keys)))
    }
}
