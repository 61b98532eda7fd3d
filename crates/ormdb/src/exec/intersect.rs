//! The primary keys that several indexes have an entry of.

use ormdb_proto::Result;

use super::root::BATCH_ROWS;
use super::rows::{Key, row_key};
use super::run::Run;
use super::scan::{Lane, Scanner};
use crate::catalog::EntityInfo;
use crate::plan::{IntersectionPart, Served, Source};

/// The keys of the rows of which each part has an entry: sorted, each once.
pub(super) fn keys(
    run: &Run<'_>,
    step: usize,
    entity: &EntityInfo,
    parts: &[IntersectionPart],
) -> Result<Vec<Key>> {
    let Some((first, rest)) = parts.split_first() else { return Ok(Vec::new()) };
    let mut common: Vec<Key> = Vec::new();
    let mut held = 0;
    each_key(run, step, entity, first, &mut |key| {
        let bytes = size_of::<Key>() + key.len();
        held += bytes;
        common.push(key);
        run.budget.hold(bytes)
    })?;
    common.sort_unstable();
    for part in rest {
        if common.is_empty() {
            break;
        }
        let mut there = vec![false; common.len()];
        each_key(run, step, entity, part, &mut |key| {
            if let Some(there) = common.binary_search(&key).ok().and_then(|at| there.get_mut(at)) {
                *there = true;
            }
            Ok(())
        })?;
        let mut there = there.into_iter();
        common.retain(|_| there.next() == Some(true));
    }
    // What is left is few; the keys that went are not held any more.
    let left: usize = common.iter().map(|key| size_of::<Key>() + key.len()).sum();
    run.budget.release(held.saturating_sub(left));
    Ok(common)
}

/// Hands on the key of the row of each entry.
fn each_key(
    run: &Run<'_>,
    step: usize,
    entity: &EntityInfo,
    part: &IntersectionPart,
    see: &mut dyn FnMut(Key) -> Result<()>,
) -> Result<()> {
    let format = entity.store().index(part.index)?;
    let mut scanner = Scanner::new(run, entity, Source::Index(part.index), false, Served::Exact, false)?;
    let mut lane = Lane::new(part.ranges.clone());
    while !lane.is_done() {
        let mut entries = Vec::with_capacity(BATCH_ROWS);
        scanner.read(run, step, 0, &mut lane, Some(BATCH_ROWS), &mut entries)?;
        for entry in &entries {
            see(row_key(entity, format.primary_key(&entry.key, &entry.value)?))?;
        }
    }
    Ok(())
}
