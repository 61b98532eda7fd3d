//! Intersections: rows whose keys stand in the entries of several indexes, each of which leaves some of them.
//!
//! ```text
//! entries of the index that leaves fewest -> their primary keys, sorted -> those that the next index has too -> … -> rows
//! ```
//!
//! Invariants: (1) every part is bounded by a field that no part before it is bounded by; (2) rows come in the order of the primary
//! key, each once.

use ordinum::KeyRange;
use ormdb_proto::Result;
use ormdb_proto::schema::{FieldId, IndexId};

use super::RowSelection;
use super::access::{Candidate, LOOKUP_COST, Path, RootAccess, SORT_COST, Source, Tail, many};
use super::bounds::Bounds;
use super::known::Known;
use super::order::{self, Served};
use super::semi_join::SEEK_COST;
use crate::catalog::EntityInfo;
use crate::options::Intersections;

/// The most indexes that are intersected.
const PARTS_MAX: usize = 4;
/// What an entry costs that is read for its primary key, which is then sorted or looked up among those of other entries.
const ENTRY_COST: f64 = 1.6;

/// The entries of one index.
#[derive(Clone, Debug)]
pub(crate) struct IntersectionPart {
    /// The index.
    pub(crate) index: IndexId,
    /// Where they stand.
    pub(crate) ranges: Vec<KeyRange>,
    /// How many leading columns of the index have one or several fixed values.
    pub(crate) equal_columns: usize,
    /// Whether the column behind them is bounded.
    pub(crate) ranged: bool,
}

/// An intersection of indexes that costs less than `direct`, if there is one.
pub(super) fn cheaper(
    known: &Known<'_>,
    entity: &EntityInfo,
    candidates: &[Candidate],
    bounds: &Bounds,
    rows: &RowSelection<'_>,
    tail: &Tail,
    (direct, wanted): (f64, Option<usize>),
) -> Result<Option<(f64, RootAccess)>> {
    if known.intersections == Intersections::Never {
        return Ok(None);
    }
    let total = known.rows(entity.id);
    let mut usable: Vec<&Candidate> = candidates
        .iter()
        .filter(|c| matches!(c.source, Source::Index(_)) && !c.whole && c.bounded().next().is_some())
        .collect();
    usable.sort_by(|a, b| a.rows.total_cmp(&b.rows));
    let mut parts: Vec<&Candidate> = Vec::new();
    let mut fields: Vec<FieldId> = Vec::new();
    let (mut found, mut cost) = (total, 0.0);
    for candidate in usable {
        let fresh: Vec<FieldId> = candidate.bounded().filter(|field| !fields.contains(field)).collect();
        if fresh.is_empty() || parts.len() == PARTS_MAX {
            continue;
        }
        let of_bounds = |field: &FieldId| bounds.get(field).map_or(1.0, |b| known.share(entity, *field, b));
        let share = if parts.is_empty() {
            candidate.rows / total
        } else {
            fresh.iter().map(of_bounds).product::<f64>()
        };
        let read = candidate.rows * ENTRY_COST + many(candidate.ranges()) * SEEK_COST;
        let spared = found * (1.0 - share) * LOOKUP_COST;
        if parts.is_empty() || spared > read || known.intersections == Intersections::Always {
            found *= share;
            cost += read;
            fields.extend(fresh);
            parts.push(candidate);
        }
    }
    if parts.len() < 2 {
        return Ok(None);
    }
    let key = order::key_columns(entity, Source::Primary);
    let (served, reverse) = match order::serve(entity, &key, &rows.order) {
        (Served::Exact, reverse) => (Served::Exact, reverse),
        (Served::UpToTies { .. } | Served::No, _) => (Served::No, false),
    };
    let found = found.max(1.0);
    let passing = (total * tail.passing / found).clamp(0.0, 1.0);
    let read = match (served, wanted) {
        (Served::Exact, Some(wanted)) => found.min(many(wanted) / (passing * tail.kept).max(1.0 / total)),
        _ => found,
    };
    let sort = if served == Served::Exact { 0.0 } else { SORT_COST };
    cost += read * (LOOKUP_COST + passing * tail.test + sort);
    if cost >= direct && known.intersections != Intersections::Always {
        return Ok(None);
    }
    let mut made = Vec::with_capacity(parts.len());
    let (mut equal_columns, mut ranged) = (0, false);
    for part in parts {
        let access = part.clone().access(entity, bounds)?;
        let (source, ranges) = match access.path {
            Path::Ranges { source, ranges, .. } => (source, ranges),
            // No value of one of the keys is possible.
            path => return Ok(Some((0.0, RootAccess { path, ..access }))),
        };
        let Source::Index(index) = source else { return Ok(None) };
        (equal_columns, ranged) = (equal_columns.max(access.equal_columns), ranged || access.ranged);
        let (equal_columns, ranged) = (access.equal_columns, access.ranged);
        made.push(IntersectionPart { index, ranges, equal_columns, ranged });
    }
    let path = Path::Intersection { parts: made, reverse };
    let (covered, filters) = (false, false);
    let access = RootAccess { path, served, equal_columns, ranged, covered, filters, hashed: Vec::new() };
    Ok(Some((cost, access)))
}
