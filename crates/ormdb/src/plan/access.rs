//! Access paths: which key leads to the rows of a level.
//!
//! A path is chosen by a simple cost: rows read, weighed by how dear each is, and a sort where the key does not serve
//! the order. Answers never depend on the choice.

use std::ops::Bound;

use ordinum::KeyRange;
use ormdb_proto::schema::{FieldId, Index, IndexId, IndexState};
use ormdb_proto::value::ValueRef;
use ormdb_proto::{Error, ErrorCode, Result};

use super::RowSelection;
use super::bounds::{self, Bounds, FieldBounds, Inclusive};
use super::cover::Needed;
use super::implied::Facts;
use super::intersect::{self, IntersectionPart};
use super::known::Known;
use super::order::{self, KeyColumn, Served};
use super::semi_join::{self, RelatedPath};
use crate::catalog::EntityInfo;
use crate::expr::{Datum, EvalEnv, RowExpr};
use crate::store::key::{self, Direction};
use crate::store::layout;

/// The most ranges that the lists of a condition may multiply to.
const RANGES_MAX: usize = 4096;
/// The share of rows that have a value of which nothing is known.
pub(super) const EQUAL_SELECTIVITY: f64 = 0.01;
const HALF_RANGE_SELECTIVITY: f64 = 0.3;
const RANGE_SELECTIVITY: f64 = 0.1;
pub(super) const FILTER_SELECTIVITY: f64 = 0.3;
/// What a row costs that is found by an index and then read, beside one that is scanned.
pub(super) const LOOKUP_COST: f64 = 4.0;
/// What a row costs that an index alone gives.
pub(super) const COVERED_COST: f64 = 1.2;
pub(super) const SORT_COST: f64 = 0.5;

/// A key that leads to rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// The rows themselves, by primary key.
    Primary,
    /// An index.
    Index(IndexId),
}

/// How the rows of a root are found.
#[derive(Clone, Debug)]
pub(crate) struct RootAccess {
    /// The path.
    pub(crate) path: Path,
    /// How far it serves the order.
    pub(crate) served: Served,
    /// How many leading columns of the key have one or several fixed values.
    pub(crate) equal_columns: usize,
    /// Whether the column behind them is bounded.
    pub(crate) ranged: bool,
    /// Whether the entries of the index have all that is read of the rows.
    pub(crate) covered: bool,
    /// Whether every row of the path satisfies the condition on the row alone.
    pub(crate) filters: bool,
    /// Conditions on related rows that are tested by the keys of all related rows that satisfy them.
    pub(crate) hashed: Vec<RelatedPath>,
}

/// A path to rows.
#[derive(Clone, Debug)]
pub(crate) enum Path {
    /// No row can satisfy the condition.
    Nothing,
    /// Rows of these keys, in this order.
    Rows(Vec<Vec<u8>>),
    /// Rows of these keys of a unique index.
    Unique { index: IndexId, keys: Vec<Vec<u8>> },
    /// Rows that related ones lead to.
    Related(Box<RelatedPath>),
    /// Rows in ranges of a key.
    Ranges { source: Source, ranges: Vec<KeyRange>, reverse: bool },
    /// Rows that several indexes have an entry of, in the order of the primary key.
    Intersection { parts: Vec<IntersectionPart>, reverse: bool },
}

/// What a scan can make of a served order: ties are told apart in index keys only.
pub(super) fn usable(entity: &EntityInfo, source: Source, served: Served, rows: &RowSelection<'_>) -> Served {
    match (source, served) {
        (Source::Primary, Served::UpToTies { .. }) => Served::No,
        // In a unique index a live row stands before the deleted ones of its key, whatever their primary keys.
        (Source::Index(id), Served::Exact) if rows.deleted.are_shown() => {
            match entity.index_by_id(id).filter(|index| index.unique.is_some()) {
                Some(index) => Served::UpToTies { columns: index.columns.len() },
                None => served,
            }
        }
        _ => served,
    }
}

/// What is left to be done with rows that a key gave.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tail {
    /// The share of an entity's rows that the condition of the row alone leaves.
    pub(super) passing: f64,
    /// The share of these that the condition behind relations leaves.
    pub(super) kept: f64,
    /// What it costs to test that, for a row.
    pub(super) test: f64,
}

impl Tail {
    /// The share that is left where a condition of this share is known to hold.
    pub(super) fn kept_but(&self, share: f64) -> f64 {
        if share > 0.0 { (self.kept / share).min(1.0) } else { 1.0 }
    }
}

/// An access with what is expected of it.
pub(super) struct Choice {
    pub(super) cost: f64,
    /// The rows that the selection leaves, without its limit.
    pub(super) found: f64,
    pub(super) access: RootAccess,
}

/// The access of a root, chosen by what the conditions say of its fields and of related rows.
///
/// `needed` are the fields that are read of the rows; none where the rows themselves are wanted. `at` says when, in how many
/// conditions of relations this one stands, and the most rows that are wanted.
pub(super) fn choose(
    known: &Known<'_>,
    entity: &EntityInfo,
    rows: &RowSelection<'_>,
    needed: Option<&Needed>,
    (env, depth, wanted): (&EvalEnv<'_>, usize, Option<usize>),
) -> Result<Choice> {
    let mut bounds = Bounds::default();
    if let Some(filter) = &rows.filter {
        bounds::collect(entity, filter.root(), env, &mut bounds)?;
    }
    let is_never = rows.filter.as_ref().is_some_and(RowExpr::is_never);
    if is_never || bounds.values().any(|b| b.equal.as_ref().is_some_and(Vec::is_empty)) {
        return Ok(Choice { cost: 0.0, found: 0.0, access: RootAccess::nothing() });
    }
    let mut all = Vec::new();
    for (source, condition) in usable_sources(known, entity, rows, &bounds, env)? {
        let covered = needed.is_some_and(|needed| needed.covered_by(entity, source));
        let share = known.share_of(entity, condition, env)?;
        let candidate =
            Candidate { covered, ..Candidate::new(known, entity, source, &bounds, rows, (condition, share)) };
        if candidate.whole && candidate.rows <= 1.0 {
            // Nothing is cheaper than one row.
            return Ok(Choice { cost: LOOKUP_COST, found: 1.0, access: candidate.access(entity, &bounds)? });
        }
        all.push(candidate);
    }
    let tail = semi_join::tail(known, entity, rows, env, depth)?;
    let total = known.rows(entity.id);
    let weighed = all.iter().map(|candidate| (candidate.cost(total, &tail, wanted), candidate));
    let best = weighed.min_by(|(a, _), (b, _)| a.total_cmp(b));
    let (mut cost, best) = best.ok_or_else(|| Error::new(ErrorCode::Internal, "an entity has no key"))?;
    let found = (total * tail.passing).min(best.rows) * tail.kept;
    let mut tested = best.tested(total, &tail, wanted);
    let mut access = None;
    let at = (cost, wanted);
    if let Some((less, both)) = intersect::cheaper(known, entity, &all, &bounds, rows, &tail, at)? {
        (cost, access) = (less, Some(both));
        tested = tested.min(total * tail.passing);
    }
    let (hashed, cost) = semi_join::hashed(known, entity, rows, &tail, (cost, tested), env, depth)?;
    if let Some((cost, mut access)) = semi_join::cheaper(known, entity, rows, &tail, cost, env, depth)? {
        let begins = |path: &RelatedPath| match &access.path {
            Path::Related(begin) => begin.derivation == path.derivation,
            _ => false,
        };
        access.hashed = hashed.into_iter().filter(|path| !begins(path)).collect();
        return Ok(Choice { cost, found, access });
    }
    let access = match access {
        Some(access) => access,
        None => {
            let filters =
                rows.filter.as_ref().is_none_or(|filter| best.tells(entity, filter.root(), &bounds));
            RootAccess { filters, ..best.clone().access(entity, &bounds)? }
        }
    };
    Ok(Choice { cost, found, access: RootAccess { hashed, ..access } })
}

impl RootAccess {
    /// The access to no row.
    const fn nothing() -> RootAccess {
        let (equal_columns, ranged, covered) = (0, false, false);
        let (path, served) = (Path::Nothing, Served::Exact);
        RootAccess { path, served, equal_columns, ranged, covered, filters: false, hashed: Vec::new() }
    }
}

/// The keys that have an entry of every row of a selection: the primary key, the indexes of all rows, and the partial ones whose
/// condition follows from those of the selection, with that condition.
fn usable_sources<'e>(
    known: &Known<'e>,
    entity: &'e EntityInfo,
    rows: &RowSelection<'_>,
    bounds: &Bounds,
    env: &EvalEnv<'_>,
) -> Result<Vec<(Source, Option<&'e RowExpr>)>> {
    let mut sources: Vec<_> = order::sources(entity).map(|source| (source, None)).collect();
    let is_partial = |index: &Index| index.state == IndexState::Public && index.filter.is_some();
    if !entity.indexes.iter().any(is_partial) {
        return Ok(sources);
    }
    let facts = Facts::of(rows, bounds, env);
    let conditions = &entity.rules(known.catalog.schema())?.conditions;
    for (index, condition) in entity.indexes.iter().zip(conditions).filter(|(index, _)| is_partial(index)) {
        if let Some(condition) = condition.as_ref().filter(|condition| facts.imply(condition)) {
            sources.push((Source::Index(index.id), Some(condition)));
        }
    }
    Ok(sources)
}

/// A key that might lead to the rows of a root.
#[derive(Clone)]
pub(super) struct Candidate {
    pub(super) source: Source,
    columns: Vec<KeyColumn>,
    equal_columns: usize,
    ranged: bool,
    pub(super) whole: bool,
    covered: bool,
    /// About how many of its entries are read.
    pub(super) rows: f64,
    /// How many ranges they are in.
    ranges: usize,
    served: Served,
    reverse: bool,
}

impl Candidate {
    fn new(
        known: &Known<'_>,
        entity: &EntityInfo,
        source: Source,
        bounds: &Bounds,
        rows: &RowSelection<'_>,
        (condition, share): (Option<&RowExpr>, f64),
    ) -> Candidate {
        let mut columns = order::key_columns(entity, source);
        let own = match source {
            Source::Primary => columns.len(),
            Source::Index(id) => entity.index_by_id(id).map_or(0, |index| index.columns.len()),
        };
        let (mut equal_columns, mut ranges) = (0, 1usize);
        // What the condition of a partial index says of a field, its rows have already.
        let told = condition.map(RowExpr::fields).unwrap_or_default();
        let share_of = |field: FieldId, bounds: &FieldBounds| {
            if told.contains(&field) { 1.0 } else { known.share(entity, field, bounds) }
        };
        let (mut nulls, mut found) = (false, known.rows(entity.id) * share);
        for column in columns.iter_mut().take(own) {
            let Some(of_field) = bounds.get(&column.field) else { break };
            let Some(values) = &of_field.equal else { break };
            if ranges.saturating_mul(values.len()) > RANGES_MAX {
                break;
            }
            ranges *= values.len();
            nulls = nulls || values.iter().any(Datum::is_null);
            column.single = values.len() == 1;
            equal_columns += 1;
            found *= share_of(column.field, of_field);
        }
        let next =
            columns.get(equal_columns).filter(|_| equal_columns < own).and_then(|c| bounds.get(&c.field));
        let ranged = next.is_some_and(FieldBounds::is_range);
        if let (Some(next), Some(column)) = (next.filter(|_| ranged), columns.get(equal_columns)) {
            found *= share_of(column.field, next);
        }
        let unique = match source {
            Source::Primary => true,
            Source::Index(id) => {
                let is_unique = entity.index_by_id(id).is_some_and(|index| index.unique.is_some());
                is_unique && !nulls && !rows.deleted.are_shown()
            }
        };
        let whole = unique && equal_columns == own;
        if whole {
            found = many(ranges);
        }
        let (served, reverse) = order::serve(entity, &columns, &rows.order);
        let served = if whole && ranges == 1 { Served::Exact } else { usable(entity, source, served, rows) };
        let served =
            if whole && matches!(source, Source::Index(_)) && ranges > 1 { Served::No } else { served };
        let reverse = reverse && served != Served::No;
        let (rows, covered) = (found.max(1.0), false);
        Candidate { source, columns, equal_columns, ranged, whole, covered, rows, ranges, served, reverse }
    }

    /// The fields that bound its ranges.
    pub(super) fn bounded(&self) -> impl Iterator<Item = FieldId> + '_ {
        let bounded = self.equal_columns + usize::from(self.ranged);
        self.columns.iter().take(bounded).map(|column| column.field)
    }

    /// How many ranges are read.
    pub(super) const fn ranges(&self) -> usize {
        self.ranges
    }

    /// Of how many rows the conditions behind relations are tested, until as many are found as are wanted.
    fn tested(&self, total: f64, tail: &Tail, wanted: Option<usize>) -> f64 {
        let passing = self.rows.min(total * tail.passing);
        match (self.served, wanted) {
            (Served::Exact | Served::UpToTies { .. }, Some(wanted)) => {
                passing.min(many(wanted) / tail.kept.max(1.0 / total))
            }
            _ => passing,
        }
    }

    /// What it costs to read and test the rows, of an entity of so many, until as many are found as are wanted.
    fn cost(&self, total: f64, tail: &Tail, wanted: Option<usize>) -> f64 {
        let row = match self.source {
            Source::Primary => 1.0,
            Source::Index(_) if self.covered => COVERED_COST,
            Source::Index(_) => LOOKUP_COST,
        };
        // Of the rows that the key gives, those that the rest of the condition leaves.
        let passing = (total * tail.passing / self.rows).clamp(0.0, 1.0);
        let each = row + passing * tail.test;
        match (self.served, wanted) {
            (Served::Exact | Served::UpToTies { .. }, Some(wanted)) => {
                let share = (passing * tail.kept).max(1.0 / total);
                self.rows.min(many(wanted) / share) * each
            }
            (Served::Exact, None) => self.rows * each,
            (Served::UpToTies { .. }, None) => self.rows * (each + 0.1),
            (Served::No, _) => self.rows * (each + SORT_COST),
        }
    }

    pub(super) fn access(self, entity: &EntityInfo, bounds: &Bounds) -> Result<RootAccess> {
        let mut prefixes = match self.source {
            Source::Primary => vec![layout::rows_prefix(entity.id).to_vec()],
            Source::Index(id) => vec![layout::index_prefix(id).to_vec()],
        };
        for column in self.columns.iter().take(self.equal_columns) {
            let values = bounds.get(&column.field).and_then(|b| b.equal.as_deref()).unwrap_or_default();
            let mut longer = Vec::with_capacity(prefixes.len() * values.len());
            for prefix in &prefixes {
                for value in values {
                    let mut key = prefix.clone();
                    if self.push(&mut key, column, &value.view())? {
                        longer.push(key);
                    }
                }
            }
            prefixes = longer;
        }
        prefixes.sort_unstable();
        prefixes.dedup();
        let next = self.columns.get(self.equal_columns).filter(|_| self.ranged);
        let path = match (self.source, self.whole) {
            _ if prefixes.is_empty() => Path::Nothing,
            (Source::Primary, true) => {
                if self.reverse {
                    prefixes.reverse();
                }
                Path::Rows(prefixes)
            }
            (Source::Index(index), true) => Path::Unique { index, keys: prefixes },
            (source, false) => {
                let ranges = prefixes.iter().map(|prefix| match next {
                    None => Ok(KeyRange::prefix(prefix)),
                    Some(column) => self.range(prefix, column, bounds),
                });
                let mut ranges = ranges.collect::<Result<Vec<_>>>()?;
                ranges.retain(|range| !range.is_empty());
                if self.reverse {
                    ranges.reverse();
                }
                Path::Ranges { source, ranges, reverse: self.reverse }
            }
        };
        let (served, equal_columns, ranged, covered) =
            (self.served, self.equal_columns, self.ranged, self.covered);
        Ok(RootAccess { path, served, equal_columns, ranged, covered, filters: false, hashed: Vec::new() })
    }

    /// Appends a column's value; says no where a primary key cannot have it.
    fn push(&self, key: &mut Vec<u8>, column: &KeyColumn, value: &ValueRef<'_>) -> Result<bool> {
        match self.source {
            Source::Primary if value.is_null() => return Ok(false),
            Source::Primary => key::push_key_field(key, value)?,
            Source::Index(_) => key::push_column(key, value, direction(column)),
        }
        Ok(true)
    }

    /// The range of a bounded column behind a prefix.
    fn range(&self, prefix: &[u8], column: &KeyColumn, bounds: &Bounds) -> Result<KeyRange> {
        let unbounded = FieldBounds::default();
        let bounds = bounds.get(&column.field).unwrap_or(&unbounded);
        let key_of = |value: &ValueRef<'_>| {
            let mut key = prefix.to_vec();
            self.push(&mut key, column, value).map(|_| key)
        };
        if let (Some(text), None, None) = (&bounds.prefix, &bounds.lower, &bounds.upper) {
            // The encoding of text ends in two bytes; without them it is what longer texts begin with.
            let mut key = key_of(&ValueRef::String(text))?;
            key.truncate(key.len().saturating_sub(2));
            return Ok(KeyRange::prefix(&key));
        }
        let whole = KeyRange::prefix(prefix);
        let (first, last) =
            if column.descending { (&bounds.upper, &bounds.lower) } else { (&bounds.lower, &bounds.upper) };
        let nulls = match self.source {
            Source::Primary => None,
            Source::Index(_) => Some(key_of(&ValueRef::Null)?),
        };
        let start = match first {
            Some((value, Inclusive::Yes)) => Bound::Included(key_of(&value.view())?),
            Some((value, Inclusive::No)) => behind(&key_of(&value.view())?),
            // Nulls satisfy no comparison; they stand first where the column descends.
            None if column.descending => nulls.as_deref().map_or(whole.start, behind),
            None => whole.start,
        };
        let end = match last {
            Some((value, Inclusive::Yes)) => KeyRange::prefix(&key_of(&value.view())?).end,
            Some((value, Inclusive::No)) => Bound::Excluded(key_of(&value.view())?),
            None if column.descending => whole.end,
            None => nulls.map_or(whole.end, Bound::Excluded),
        };
        Ok(KeyRange { start, end })
    }
}

/// The first key that does not begin with `prefix` and stands behind those that do.
fn behind(prefix: &[u8]) -> Bound<Vec<u8>> {
    match KeyRange::prefix(prefix).end {
        Bound::Excluded(end) => Bound::Included(end),
        other => other,
    }
}

/// The direction of a column of an index.
const fn direction(column: &KeyColumn) -> Direction {
    if column.descending { Direction::Descending } else { Direction::Ascending }
}

/// A count for estimates.
pub(super) fn many(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::from(u32::MAX), f64::from)
}

impl FieldBounds {
    /// Whether a scan can be bounded by it.
    fn is_range(&self) -> bool {
        self.lower.is_some() || self.upper.is_some() || self.prefix.is_some()
    }

    /// The share of rows that a range is taken to leave.
    pub(super) fn selectivity(&self) -> f64 {
        match (&self.lower, &self.upper, &self.prefix) {
            (None, None, None) => 1.0,
            (Some(_), Some(_), _) | (_, _, Some(_)) => RANGE_SELECTIVITY,
            (Some(_), None, None) | (None, Some(_), None) => HALF_RANGE_SELECTIVITY,
        }
    }
}
