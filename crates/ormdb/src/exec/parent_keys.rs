//! The keys that lead from rows of one level to those of the next: sorted, each once.
//!
//! Invariant: rows of equal keys share one, and a row of which a part of the key is null has none.

use ormdb_proto::Result;
use ormdb_proto::schema::FieldId;

use super::rows::{FetchedRow, Key};
use super::run::Run;
use super::sort;
use crate::catalog::EntityInfo;
use crate::expr::RowSource;
use crate::plan::{HopAccess, Source};
use crate::store::key::{self, Direction};
use crate::store::layout;

/// The distinct keys of parents.
pub(super) struct ParentKeys {
    pub(super) distinct: Vec<Key>,
    /// For each parent, which of them is its key; none if a part of it is null.
    pub(super) of_parent: Vec<Option<usize>>,
}

/// The keys that lead from parents to what is below them: what the keys of their children begin with.
pub(super) fn parent_keys(
    run: &Run<'_>,
    from: &EntityInfo,
    target: &EntityInfo,
    access: &HopAccess,
    parents: &[FetchedRow],
) -> Result<ParentKeys> {
    let local: Vec<FieldId> = access.pairs.iter().map(|(local, _)| *local).collect();
    let mut encoder = KeyEncoder::new(target, access.source)?;
    let mut keys: Vec<(Key, usize)> = Vec::with_capacity(parents.len());
    for (at, parent) in parents.iter().enumerate() {
        run.budget.tick()?;
        if let Some(key) = encoder.key(&parent.view(from)?, &local)? {
            keys.push((key, at));
        }
    }
    if !keys.is_sorted() {
        keys = sort::ordered(run, keys, Ord::cmp)?;
    }
    let mut distinct: Vec<Key> = Vec::with_capacity(keys.len());
    let mut of_parent = vec![None; parents.len()];
    for (key, at) in keys {
        if distinct.last() != Some(&key) {
            distinct.push(key);
        }
        if let Some(group) = of_parent.get_mut(at) {
            *group = Some(distinct.len() - 1);
        }
    }
    Ok(ParentKeys { distinct, of_parent })
}

/// Encodes values as the first columns of a key.
pub(super) struct KeyEncoder {
    source: Option<Source>,
    /// The key at hand, behind what all keys begin with.
    key: Vec<u8>,
    prefix_len: usize,
    directions: Vec<Direction>,
}

impl KeyEncoder {
    pub(super) fn new(target: &EntityInfo, source: Option<Source>) -> Result<KeyEncoder> {
        let (key, directions) = match source {
            None => (Vec::new(), Vec::new()),
            Some(Source::Primary) => (layout::rows_prefix(target.id).to_vec(), Vec::new()),
            Some(Source::Index(id)) => {
                let columns = target.store().index(id)?.columns();
                (layout::index_prefix(id).to_vec(), columns.iter().map(|c| c.direction).collect())
            }
        };
        Ok(KeyEncoder { source, prefix_len: key.len(), key, directions })
    }

    /// The key of a row's fields; none if one of them is null, which equals nothing.
    pub(super) fn key(&mut self, row: &dyn RowSource, fields: &[FieldId]) -> Result<Option<Key>> {
        self.key.truncate(self.prefix_len);
        for (column, field) in fields.iter().enumerate() {
            let value = row.field(*field)?;
            if value.is_null() {
                return Ok(None);
            }
            match self.source {
                Some(Source::Primary) => key::push_key_field(&mut self.key, &value)?,
                None | Some(Source::Index(_)) => {
                    let direction = self.directions.get(column).copied().unwrap_or(Direction::Ascending);
                    key::push_column(&mut self.key, &value, direction);
                }
            }
        }
        Ok(Some(Key::from_slice(&self.key)))
    }
}
