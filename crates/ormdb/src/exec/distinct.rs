//! Of rows that are equal in some expressions, the first alone.

use std::collections::HashSet;

use ormdb_proto::Result;

use super::aggregate::SEEN_BYTES;
use super::rows::FetchedRow;
use super::run::Run;
use super::{derive, sort};
use crate::catalog::EntityInfo;
use crate::plan::{KeyDirection, Projection};

const ASCENDING: KeyDirection = KeyDirection { descending: false, nulls_first: false };

/// For each row, bytes that are equal where the rows are: nulls are equal to each other.
pub(super) fn keys(
    run: &Run<'_>,
    entity: &EntityInfo,
    distinct: &Projection<'_>,
    rows: &[FetchedRow],
) -> Result<Vec<Vec<u8>>> {
    let mut keys: Vec<Vec<u8>> = vec![Vec::new(); rows.len()];
    derive::each(run, distinct, entity, rows, &mut |at, _, value| {
        if let Some(key) = keys.get_mut(at) {
            sort::push(key, value, ASCENDING);
        }
        Ok(())
    })?;
    Ok(keys)
}

/// The keys that were seen so far.
#[derive(Default)]
pub(super) struct Seen(HashSet<Vec<u8>>);

impl Seen {
    /// The rows of `rows`, which come in order, that are the first of their kind.
    pub(super) fn first(
        &mut self,
        run: &Run<'_>,
        entity: &EntityInfo,
        distinct: &Projection<'_>,
        rows: Vec<FetchedRow>,
    ) -> Result<Vec<FetchedRow>> {
        let keys = keys(run, entity, distinct, &rows)?;
        let mut first = Vec::new();
        for (row, key) in rows.into_iter().zip(keys) {
            let bytes = SEEN_BYTES + key.len();
            if self.0.insert(key) {
                run.budget.hold(bytes)?;
                first.push(row);
            }
        }
        Ok(first)
    }
}
