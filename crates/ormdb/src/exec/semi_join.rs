//! Rows that are found from related ones: these by their own path, then their distinct keys, sorted, then the rows.
//!
//! Invariants: (1) each row comes once; (2) where the path serves the order of the primary key, rows come in it; (3) of one range
//! whose entries come in the order of the rows, no more is read than is asked for.

use ordinum::KeyRange;
use ormdb_proto::{Error, ErrorCode, Result};

use super::fan_out::get_whole;
use super::parent_keys::{keys_of_entries, parent_keys};
use super::root::{Accepted, BATCH_ROWS, PathReader};
use super::rows::{FetchedRow, Key};
use super::run::{Entry, Run};
use super::scan::{Lane, Scanner};
use super::sort;
use crate::catalog::EntityInfo;
use crate::plan::{Derivation, HopAccess, RelatedPath, RowSelection, Served, Source};

/// Reads the rows of a path, a piece at a time.
pub(super) struct RelatedReader<'a> {
    path: &'a RelatedPath,
    derivation: &'a Derivation<'a>,
    state: State<'a>,
}

enum State<'a> {
    /// The keys of the rows are known.
    Keys(std::vec::IntoIter<Key>),
    /// The rows lie in ranges of an index.
    Ranges { source: Source, scanner: Box<Scanner>, lane: Lane<'a> },
    /// One range of edges leads to the rows, in their order.
    Edges { edge: &'a EntityInfo, source: Source, scanner: Box<Scanner>, lane: Lane<'a>, last: Option<Key> },
}

/// The derivation of a condition that a path makes true of every row.
pub(super) fn derivation<'s>(selection: &'s RowSelection<'s>, at: usize) -> Result<&'s Derivation<'s>> {
    let derivation = selection.outer_filter.as_ref().and_then(|outer| outer.derivations.get(at));
    derivation
        .ok_or_else(|| Error::new(ErrorCode::Internal, "a path begins at a relation that is not asked for"))
}

impl<'a> RelatedReader<'a> {
    pub(super) fn open(
        run: &Run<'_>,
        entity: &'a EntityInfo,
        selection: &'a RowSelection<'a>,
        path: &'a RelatedPath,
    ) -> Result<RelatedReader<'a>> {
        let derivation = derivation(selection, path.derivation)?;
        let state = run.timed(derivation.step, || begin(run, entity, derivation, path))?;
        Ok(RelatedReader { path, derivation, state })
    }

    pub(super) fn is_done(&self) -> bool {
        match &self.state {
            State::Keys(keys) => keys.len() == 0,
            State::Ranges { lane, .. } | State::Edges { lane, .. } => lane.is_done(),
        }
    }

    /// The next rows, about `want` of them. None may come although there are more.
    pub(super) fn next(
        &mut self,
        run: &Run<'_>,
        step: usize,
        entity: &EntityInfo,
        want: usize,
    ) -> Result<Vec<FetchedRow>> {
        let keys: Vec<Key> = match &mut self.state {
            State::Keys(keys) => keys.by_ref().take(want).collect(),
            State::Ranges { source, scanner, lane } => {
                let mut entries = Vec::new();
                scanner.read(run, step, 0, lane, Some(want), &mut entries)?;
                return run.rows_of(step, entity, *source, false, entries);
            }
            State::Edges { edge, source, scanner, lane, last } => {
                let (held, below) = (run.budget.held(), self.derivation.step);
                let mut entries = Vec::new();
                scanner.read(run, below, 0, lane, Some(want), &mut entries)?;
                let covered = self.path.edges.as_ref().is_some_and(|hop| hop.covered);
                let of_edges = OfEdges { edge, source: *source, covered, derivation: self.derivation };
                let mut keys = of_edges.keys(run, below, entity, &self.path.rows, entries)?;
                run.budget.release_to(held);
                if self.path.reverse {
                    keys.reverse();
                }
                keys.retain(|key| last.as_ref() != Some(key));
                if let Some(key) = keys.last() {
                    *last = Some(key.clone());
                }
                keys
            }
        };
        Ok(get_whole(run, step, entity, &self.path.rows, keys)?.into_iter().flatten().collect())
    }
}

fn begin<'a>(
    run: &Run<'_>,
    entity: &'a EntityInfo,
    derivation: &'a Derivation<'a>,
    path: &'a RelatedPath,
) -> Result<State<'a>> {
    let edge = derivation.fan.edge;
    let (near, hop) = match (edge, &path.edges) {
        (Some(edge), Some(hop)) => (edge, hop),
        _ => (entity, &path.rows),
    };
    let mut keys = related_keys(run, derivation, path, near, hop)?;
    if let (Some(edge), Some(hop)) = (edge, &path.edges) {
        if let ([only], Some(source), true, false) = (keys.as_slice(), hop.source, path.in_order, hop.whole) {
            let scanner =
                Box::new(Scanner::new(run, edge, source, hop.covered, Served::Exact, path.reverse)?);
            let lane = Lane::new(vec![KeyRange::prefix(only)]);
            return Ok(State::Edges { edge, source, scanner, lane, last: None });
        }
        keys = over_edges(run, edge, entity, derivation, (hop, &path.rows), &keys)?;
    }
    if path.rows.whole {
        if path.reverse {
            keys.reverse();
        }
        return Ok(State::Keys(keys.into_iter()));
    }
    let source = path.rows.source.unwrap_or(Source::Primary);
    let scanner = Box::new(Scanner::new(run, entity, source, false, Served::Exact, false)?);
    let ranges = keys.iter().map(|key| KeyRange::prefix(key)).collect();
    Ok(State::Ranges { source, scanner, lane: Lane::new(ranges) })
}

/// The keys of what lies behind the related rows that are sought: distinct and sorted.
fn related_keys(
    run: &Run<'_>,
    derivation: &Derivation<'_>,
    path: &RelatedPath,
    near: &EntityInfo,
    hop: &HopAccess,
) -> Result<Vec<Key>> {
    let mut keys = Keys::default();
    each_related(run, derivation, path, near, hop, &mut |found| keys.add(run, found).map(|()| true))?;
    keys.sorted(run)
}

/// Hands on the keys of what lies behind the related rows that are sought, a batch at a time, until `see` has enough. A key may
/// come in several batches.
pub(super) fn each_related(
    run: &Run<'_>,
    derivation: &Derivation<'_>,
    path: &RelatedPath,
    near: &EntityInfo,
    hop: &HopAccess,
    see: &mut dyn FnMut(Vec<Key>) -> Result<bool>,
) -> Result<()> {
    let (step, target, sought) = (derivation.step, derivation.target, &derivation.rows);
    let mut reader = PathReader::open(run, step, target, sought, &path.access)?;
    loop {
        let held = run.budget.held();
        let Some(Accepted { rows, .. }) = reader.next(BATCH_ROWS)? else { return Ok(()) };
        run.count(step, |stats| stats.rows += rows.len());
        let found = parent_keys(run, target, near, hop, &rows)?.distinct;
        run.budget.release_to(held);
        if !see(found)? {
            return Ok(());
        }
    }
}

/// From keys of edges to those of the rows that they join: distinct and sorted.
fn over_edges(
    run: &Run<'_>,
    edge: &EntityInfo,
    entity: &EntityInfo,
    derivation: &Derivation<'_>,
    (hop, to_rows): (&HopAccess, &HopAccess),
    of_edges: &[Key],
) -> Result<Vec<Key>> {
    let mut keys = Keys::default();
    each_over_edges(run, edge, entity, derivation, (hop, to_rows), of_edges, &mut |found| {
        keys.add(run, found).map(|()| true)
    })?;
    keys.sorted(run)
}

/// Hands on the keys of the rows that edges of these keys join, a batch at a time, until `see` has enough.
pub(super) fn each_over_edges(
    run: &Run<'_>,
    edge: &EntityInfo,
    entity: &EntityInfo,
    derivation: &Derivation<'_>,
    (hop, to_rows): (&HopAccess, &HopAccess),
    of_edges: &[Key],
    see: &mut dyn FnMut(Vec<Key>) -> Result<bool>,
) -> Result<()> {
    let step = derivation.step;
    let source = hop.source.unwrap_or(Source::Primary);
    let mut scanner = Scanner::new(run, edge, source, hop.covered, Served::Exact, false)?;
    let ranges = of_edges.iter().map(|key| KeyRange::prefix(key)).collect();
    let mut lane = Lane::new(ranges);
    while !lane.is_done() {
        let held = run.budget.held();
        let mut entries = Vec::new();
        scanner.read(run, step, 0, &mut lane, Some(BATCH_ROWS), &mut entries)?;
        let of_edges = OfEdges { edge, source, covered: hop.covered, derivation };
        let found = of_edges.keys(run, step, entity, to_rows, entries)?;
        run.budget.release_to(held);
        if !see(found)? {
            return Ok(());
        }
    }
    Ok(())
}

/// How edges lead on.
struct OfEdges<'e> {
    edge: &'e EntityInfo,
    source: Source,
    covered: bool,
    derivation: &'e Derivation<'e>,
}

impl OfEdges<'_> {
    /// The keys of the rows that these edges join.
    fn keys(
        &self,
        run: &Run<'_>,
        step: usize,
        entity: &EntityInfo,
        to_rows: &HopAccess,
        entries: Vec<Entry>,
    ) -> Result<Vec<Key>> {
        let OfEdges { edge, source, covered, derivation } = *self;
        if derivation.fan.live_edge.is_none()
            && let Some(keys) = keys_of_entries(run, edge, source, entity, to_rows, &entries)?
        {
            return Ok(keys.distinct);
        }
        let edges = run.rows_of(step, edge, source, covered, entries)?;
        let edges = live_edges(run, edge, derivation, edges)?;
        Ok(parent_keys(run, edge, entity, to_rows, &edges)?.distinct)
    }
}

/// Those edges that are not deleted.
fn live_edges(
    run: &Run<'_>,
    edge: &EntityInfo,
    derivation: &Derivation<'_>,
    mut edges: Vec<FetchedRow>,
) -> Result<Vec<FetchedRow>> {
    let Some(live) = &derivation.fan.live_edge else { return Ok(edges) };
    let env = run.env();
    let mut kept = Vec::with_capacity(edges.len());
    for row in edges.drain(..) {
        run.budget.tick()?;
        if live.test(&row.view(edge)?, &env)? == Some(true) {
            kept.push(row);
        }
    }
    Ok(kept)
}

/// Keys that are gathered.
#[derive(Default)]
struct Keys(Vec<Key>);

impl Keys {
    fn add(&mut self, run: &Run<'_>, found: Vec<Key>) -> Result<()> {
        run.budget.hold(found.iter().map(|key| size_of::<Key>() + key.len()).sum())?;
        self.0.extend(found);
        Ok(())
    }

    fn sorted(self, run: &Run<'_>) -> Result<Vec<Key>> {
        let mut keys = sort::ordered(run, self.0, Ord::cmp)?;
        keys.dedup();
        Ok(keys)
    }
}
