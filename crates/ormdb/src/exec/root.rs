//! Reads the rows of a root: along its access path, filtered, in order, from offset to limit.

use ormdb_proto::Result;

use super::distinct::Seen;
use super::intersect;
use super::rows::{FetchedRow, Key};
use super::run::{Entry, Run, no_row};
use super::scan::{Lane, Scanner};
use super::semi_join::RelatedReader;
use super::sieve::Sieve;
use super::{CHUNK_BYTES, CHUNK_ROWS, sort};
use crate::catalog::EntityInfo;
use crate::plan::{Path, RootAccess, RowSelection, Served, Source};

/// How many rows are read at once where nothing bounds them.
pub(super) const BATCH_ROWS: usize = 1024;
/// How many rows are read at first where nothing bounds them, before it is known how large they are.
const FIRST_ROWS: usize = 32;

/// How many times as many rows are read at once as before, where the condition keeps few.
const GROWTH: usize = 4;

/// Reads the rows and hands them on in order, a chunk at a time.
pub(super) fn read(
    run: &Run<'_>,
    step: usize,
    entity: &EntityInfo,
    selection: &RowSelection<'_>,
    access: &RootAccess,
    sink: &mut dyn FnMut(Vec<FetchedRow>) -> Result<()>,
) -> Result<()> {
    if selection.limit == Some(0) {
        return Ok(());
    }
    let window = Window { offset: selection.offset, limit: selection.limit.unwrap_or(usize::MAX) };
    let ordered = |window, sink: &mut dyn FnMut(Vec<FetchedRow>) -> Result<()>| match access.served {
        Served::No => sorted(run, step, entity, selection, access, window, sink),
        Served::Exact | Served::UpToTies { .. } => {
            streamed(run, step, entity, selection, access, window, sink)
        }
    };
    if selection.distinct.is_none() && !selection.is_turned() {
        return ordered(window, sink);
    }
    // Rows are taken of all that are there, or turned back when the last of them is read.
    let mut taken: Vec<FetchedRow> = Vec::new();
    let mut seen = Seen::default();
    let all = Window { offset: 0, limit: usize::MAX };
    ordered(if selection.distinct.is_some() { all } else { window }, &mut |rows| {
        let rows = match &selection.distinct {
            None => rows,
            Some(distinct) => seen.first(run, entity, distinct, rows)?,
        };
        run.budget.hold(rows.iter().map(FetchedRow::held_bytes).sum())?;
        taken.extend(rows.into_iter().map(FetchedRow::kept));
        Ok(())
    })?;
    if selection.distinct.is_some() {
        selection.cut(&mut taken);
    } else {
        taken.reverse();
    }
    let mut rows = taken.into_iter();
    loop {
        let chunk: Vec<FetchedRow> = rows.by_ref().take(CHUNK_ROWS).collect();
        if chunk.is_empty() {
            return Ok(());
        }
        let held = chunk.iter().map(FetchedRow::held_bytes).sum();
        sink(chunk)?;
        run.budget.release(held);
    }
}

/// Which rows of an order are handed on.
#[derive(Clone, Copy)]
struct Window {
    offset: usize,
    limit: usize,
}

/// The path gives the order: rows are handed on as they come, and no more are read than are wanted.
fn streamed(
    run: &Run<'_>,
    step: usize,
    entity: &EntityInfo,
    selection: &RowSelection<'_>,
    access: &RootAccess,
    window: Window,
    sink: &mut dyn FnMut(Vec<FetchedRow>) -> Result<()>,
) -> Result<()> {
    let mut reader = PathReader::open(run, step, entity, selection, access)?;
    let (mut skip, mut left) = (window.offset, window.limit);
    let mut want = skip.saturating_add(left).min(BATCH_ROWS);
    if window.limit == usize::MAX {
        want = want.min(FIRST_ROWS);
    }
    let (mut seen, mut kept) = (0usize, 0usize);
    let mut pending: Vec<FetchedRow> = Vec::new();
    let mut pending_bytes = 0;
    while left > 0 {
        let Some(Accepted { mut rows, read, fit }) = reader.next(want)? else { break };
        seen = seen.saturating_add(read);
        kept = kept.saturating_add(rows.len());
        if access.served != Served::Exact {
            rows = in_order(run, entity, selection, rows)?;
        }
        let skipped = skip.min(rows.len());
        skip -= skipped;
        let taken = left.min(rows.len() - skipped);
        left -= taken;
        if pending.is_empty() && taken == rows.len() {
            // As they are, unless they are more than a chunk.
            let bytes = rows.iter().map(|row| row.bytes.len()).sum();
            if rows.len() < CHUNK_ROWS && bytes < CHUNK_BYTES {
                (pending, pending_bytes) = (rows, bytes);
                rows = Vec::new();
            }
        }
        for row in rows.into_iter().skip(skipped).take(taken) {
            pending_bytes += row.bytes.len();
            pending.push(row);
            if pending.len() >= CHUNK_ROWS || pending_bytes >= CHUNK_BYTES {
                pending_bytes = 0;
                hand_on(run, step, std::mem::take(&mut pending), sink)?;
            }
        }
        // Where the condition keeps few rows, about as many are read as what is left will need.
        let wanted = skip.saturating_add(left);
        let likely = wanted.saturating_mul(seen.max(1)).checked_div(kept).unwrap_or(usize::MAX);
        want = likely.min(want.saturating_mul(GROWTH)).max(wanted).clamp(want, BATCH_ROWS).min(fit).max(1);
    }
    if pending.is_empty() { Ok(()) } else { hand_on(run, step, pending, sink) }
}

/// The path does not give the order: all rows are read first; with a limit, only the best are kept.
fn sorted(
    run: &Run<'_>,
    step: usize,
    entity: &EntityInfo,
    selection: &RowSelection<'_>,
    access: &RootAccess,
    window: Window,
    sink: &mut dyn FnMut(Vec<FetchedRow>) -> Result<()>,
) -> Result<()> {
    let mut reader = PathReader::open(run, step, entity, selection, access)?;
    let wanted = window.limit.saturating_add(window.offset);
    let mut best: Vec<(Vec<u8>, FetchedRow)> = Vec::new();
    loop {
        let Some(Accepted { rows, .. }) = reader.next(BATCH_ROWS)? else { break };
        let keys = sort::keys(run, entity, &selection.order, &rows)?;
        best.extend(keys.into_iter().zip(rows.into_iter().map(FetchedRow::kept)));
        // Twice as many as are wanted, then half of them go: each row is moved a bounded number of times.
        if best.len() / 2 > wanted.max(BATCH_ROWS) {
            best.select_nth_unstable_by(wanted, |(a, _), (b, _)| a.cmp(b));
            let dropped =
                best.drain(wanted..).map(|(key, row)| sort::key_bytes(&key) + row.held_bytes()).sum();
            run.budget.release(dropped);
        }
    }
    let best = sort::ordered(run, best, |(a, _), (b, _)| a.cmp(b))?;
    let mut rows = best.into_iter().map(|(_, row)| row).take(wanted).skip(window.offset);
    loop {
        let chunk: Vec<FetchedRow> = rows.by_ref().take(CHUNK_ROWS).collect();
        if chunk.is_empty() {
            return Ok(());
        }
        hand_on(run, step, chunk, sink)?;
    }
}

/// How many rows like these make a chunk.
fn fitting(rows: &[FetchedRow]) -> usize {
    let bytes: usize = rows.iter().map(|row| row.bytes.len()).sum();
    rows.len().saturating_mul(CHUNK_BYTES).checked_div(bytes).unwrap_or(BATCH_ROWS)
}

fn hand_on(
    run: &Run<'_>,
    step: usize,
    rows: Vec<FetchedRow>,
    sink: &mut dyn FnMut(Vec<FetchedRow>) -> Result<()>,
) -> Result<()> {
    run.count(step, |stats| stats.rows += rows.len());
    let held = rows.iter().map(FetchedRow::held_bytes).sum();
    sink(rows)?;
    run.budget.release(held);
    Ok(())
}

/// Rows in the order of a selection.
fn in_order(
    run: &Run<'_>,
    entity: &EntityInfo,
    selection: &RowSelection<'_>,
    rows: Vec<FetchedRow>,
) -> Result<Vec<FetchedRow>> {
    let held = run.budget.held();
    let keys = sort::keys(run, entity, &selection.order, &rows)?;
    run.budget.release_to(held);
    let keyed: Vec<(Vec<u8>, FetchedRow)> = keys.into_iter().zip(rows).collect();
    let keyed = sort::ordered(run, keyed, |(a, _), (b, _)| a.cmp(b))?;
    Ok(keyed.into_iter().map(|(_, row)| row).collect())
}

/// Reads along a path, a piece at a time, the rows that a selection accepts.
pub(super) struct PathReader<'a, 'r> {
    run: &'a Run<'r>,
    step: usize,
    entity: &'a EntityInfo,
    selection: &'a RowSelection<'a>,
    access: &'a RootAccess,
    state: State<'a>,
}

/// Rows that were read and are accepted.
pub(super) struct Accepted {
    pub(super) rows: Vec<FetchedRow>,
    /// How many were read for them, where some of those that are read are left out.
    pub(super) read: usize,
    /// How many rows like these make a chunk.
    pub(super) fit: usize,
}

enum State<'a> {
    Done,
    Related(RelatedReader<'a>),
    Rows(&'a [Vec<u8>]),
    /// Rows that indexes have entries of.
    Known(std::vec::IntoIter<Key>),
    Unique {
        source: Source,
        keys: &'a [Vec<u8>],
    },
    Ranges {
        source: Source,
        scanner: Box<Scanner>,
        lane: Lane<'a>,
        /// What leaves rows out where they lie; none if they are tested once they are read.
        sieve: Option<Box<Sieve<'a>>>,
    },
}

impl<'a, 'r> PathReader<'a, 'r> {
    pub(super) fn open(
        run: &'a Run<'r>,
        step: usize,
        entity: &'a EntityInfo,
        selection: &'a RowSelection<'a>,
        access: &'a RootAccess,
    ) -> Result<Self> {
        let state = match &access.path {
            Path::Nothing => State::Done,
            Path::Related(path) => State::Related(RelatedReader::open(run, entity, selection, path)?),
            Path::Rows(keys) => State::Rows(keys),
            Path::Intersection { parts, reverse } => {
                let mut keys = intersect::keys(run, step, entity, parts)?;
                if *reverse {
                    keys.reverse();
                }
                State::Known(keys.into_iter())
            }
            Path::Unique { index, keys } => State::Unique { source: Source::Index(*index), keys },
            Path::Ranges { source, ranges, reverse } => {
                let given = (access.covered, access.served);
                let (scanner, lane) = Scanner::over(run, entity, *source, given, ranges, *reverse)?;
                let sieve = match source {
                    Source::Primary => Sieve::of(run, entity, selection, access)?,
                    Source::Index(_) => None,
                };
                let sieve = sieve.filter(|sieve| !sieve.is_open()).map(Box::new);
                State::Ranges { source: *source, scanner: Box::new(scanner), lane, sieve }
            }
        };
        Ok(PathReader { run, step, entity, selection, access, state })
    }

    fn is_done(&self) -> bool {
        match &self.state {
            State::Done => true,
            State::Related(reader) => reader.is_done(),
            State::Rows(keys) | State::Unique { keys, .. } => keys.is_empty(),
            State::Known(keys) => keys.len() == 0,
            State::Ranges { lane, .. } => lane.is_done(),
        }
    }

    /// The next rows, of about `want` that are read; of about `want` that are accepted, where that is seen before they are read. None
    /// may come although there are more; nothing if there are no more.
    pub(super) fn next(&mut self, want: usize) -> Result<Option<Accepted>> {
        let (run, step) = (self.run, self.step);
        if let State::Ranges { source, scanner, lane, sieve: Some(sieve) } = &mut self.state {
            let (mut entries, mut examined) = (Vec::with_capacity(want.min(FIRST_ROWS)), 0usize);
            scanner.read_where(run, step, 0, lane, Some(want), &mut entries, &mut |cursor| {
                examined += 1;
                sieve.passes(run, cursor)
            })?;
            run.count(step, |stats| stats.examined += examined);
            if entries.is_empty() {
                return Ok(None);
            }
            let rows = run.rows_of(step, self.entity, *source, false, entries)?;
            return Ok(Some(Accepted { read: rows.len(), fit: fitting(&rows), rows }));
        }
        let batch = self.read(want)?;
        if batch.is_empty() && self.is_done() {
            return Ok(None);
        }
        let (read, fit) = (batch.len(), fitting(&batch));
        let rows = run.accept(step, self.entity, self.selection, self.access, batch)?;
        Ok(Some(Accepted { rows, read, fit }))
    }

    fn read(&mut self, want: usize) -> Result<Vec<FetchedRow>> {
        let covered = self.access.covered;
        match &mut self.state {
            State::Done => Ok(Vec::new()),
            State::Related(reader) => reader.next(self.run, self.step, self.entity, want),
            State::Rows(keys) => {
                let (now, later) = keys.split_at(want.min(keys.len()));
                *keys = later;
                let now: Vec<Key> = now.iter().map(|key| Key::from_slice(key)).collect();
                Ok(self.run.get_rows(self.step, now)?.into_iter().flatten().collect())
            }
            State::Known(keys) => {
                let now: Vec<Key> = keys.by_ref().take(want).collect();
                let rows = self.run.get_rows(self.step, now)?;
                rows.into_iter().map(|row| row.ok_or_else(|| no_row(self.entity))).collect()
            }
            State::Unique { source, keys } => {
                let (now, later) = keys.split_at(want.min(keys.len()));
                *keys = later;
                let now: Vec<Key> = now.iter().map(|key| Key::from_slice(key)).collect();
                let entries = entries_of(self.run, self.step, now)?;
                self.run.rows_of(self.step, self.entity, *source, covered, entries)
            }
            State::Ranges { source, scanner, lane, .. } => {
                let mut entries = Vec::with_capacity(want.min(BATCH_ROWS));
                scanner.read(self.run, self.step, 0, lane, Some(want), &mut entries)?;
                self.run.rows_of(self.step, self.entity, *source, covered, entries)
            }
        }
    }
}

/// The index entries of these keys that are there.
pub(super) fn entries_of(run: &Run<'_>, step: usize, keys: Vec<Key>) -> Result<Vec<Entry>> {
    let values = run.get(&run.ctx.families.indexes, &keys)?;
    run.count(step, |stats| stats.entries += keys.len());
    let entry = |(key, value): (Key, Option<ordinum::Slice>)| value.map(|value| Entry { key, value });
    Ok(keys.into_iter().zip(values).filter_map(entry).collect())
}
