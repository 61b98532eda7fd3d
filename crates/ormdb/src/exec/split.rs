//! One root row whose related rows are too many for a chunk: it stands in several, each of which has some of them and goes on in the
//! next.
//!
//! ```text
//! chunk 1: the row, children 1 to 900 of its first include | chunk 2: the row, children 901 to … | … | the row, its second include …
//! ```
//!
//! Invariants: (1) the children of an include come in the order asked for, through all chunks; (2) what is held is one chunk and the
//! children of the next, where the include's order is that of a key; any other order is made of all children first.

use std::slice;

use ormdb_proto::Result;
use ormdb_proto::ir::End;
use ormdb_proto::result::Chunk;

use super::assemble::{self, End as ChunkEnd};
use super::derive::Given;
use super::fan_out;
use super::parent_keys::parent_keys;
use super::rows::{FetchedRow, Key};
use super::run::Run;
use super::scan::{Lane, Scanner};
use crate::plan::{IncludeLevel, Plan, Served};

/// How many children are read at once.
const PIECE: usize = 1024;

/// Makes the chunks of a root row; none of them holds more than so many bytes, if it has more than one child.
pub(super) fn each_part(
    run: &Run<'_>,
    plan: &Plan<'_>,
    root: &FetchedRow,
    bytes: usize,
    sink: &mut dyn FnMut(Chunk) -> Result<()>,
) -> Result<()> {
    let mut parts = Parts { run, plan, root, bytes, roots: 0, children: PIECE };
    // A chunk has to say whether there is another one.
    let mut waiting: (usize, Vec<FetchedRow>) = (0, Vec::new());
    for (at, include) in plan.root.includes.iter().enumerate() {
        let held = run.budget.held();
        let near = parent_keys(
            run,
            include.fan.from,
            include.fan.target,
            &include.fan.access.near,
            slice::from_ref(root),
        )?;
        let mut children = Children::open(run, include, root, &near.distinct)?;
        let mut of_include: u64 = 0;
        while let Some(rows) = run.timed(include.level.step, || children.next(run, include))? {
            run.count(include.level.step, |stats| stats.rows += rows.len());
            of_include = of_include.saturating_add(u64::try_from(rows.len()).unwrap_or(u64::MAX));
            run.budget.check_fan_out(of_include)?;
            let (include, before) = std::mem::replace(&mut waiting, (at, rows));
            if !before.is_empty() {
                parts.emit(include, &before, ChunkEnd::GoesOn, sink)?;
                run.budget.release(before.iter().map(FetchedRow::held_bytes).sum());
            }
        }
        drop(children);
        if waiting.1.is_empty() {
            run.budget.release_to(held);
        }
    }
    parts.emit(waiting.0, &waiting.1, ChunkEnd::Whole, sink)?;
    run.budget.release(waiting.1.iter().map(FetchedRow::held_bytes).sum());
    Ok(())
}

/// The chunks of a root row while they are made.
struct Parts<'a, 'r, 'c> {
    run: &'a Run<'r>,
    plan: &'a Plan<'c>,
    root: &'a FetchedRow,
    bytes: usize,
    /// How many chunks there are.
    roots: usize,
    /// How many children make a chunk.
    children: usize,
}

impl Parts<'_, '_, '_> {
    /// Makes chunks of these children of an include, as many as are needed.
    fn emit(
        &mut self,
        include: usize,
        children: &[FetchedRow],
        end: ChunkEnd,
        sink: &mut dyn FnMut(Chunk) -> Result<()>,
    ) -> Result<()> {
        let mut rest = children;
        loop {
            let (now, later) = rest.split_at(self.children.min(rest.len()));
            let end = if later.is_empty() { end } else { ChunkEnd::GoesOn };
            let part =
                || assemble::part(self.run, self.plan, self.root, (include, now), end, self.roots == 0);
            let chunk = if now.len() > 1 { self.run.budget.within(self.bytes, part)? } else { Some(part()?) };
            match chunk {
                Some(chunk) => {
                    self.roots += 1;
                    sink(chunk)?;
                    rest = later;
                    if rest.is_empty() {
                        return Ok(());
                    }
                }
                None => self.children = (now.len() / 8).max(1),
            }
        }
    }
}

/// The children of the row in an include, in the order asked for.
enum Children<'k> {
    /// Read piece by piece along a key that has their order.
    AsRead { scanner: Box<Scanner>, lane: Lane<'k>, skip: usize, left: usize },
    /// All of them are known.
    Known(std::vec::IntoIter<FetchedRow>),
}

impl<'k> Children<'k> {
    fn open(
        run: &Run<'_>,
        include: &IncludeLevel<'_>,
        root: &FetchedRow,
        keys: &'k [Key],
    ) -> Result<Children<'k>> {
        let (fan, rows) = (&include.fan, &include.level.rows);
        let access = &fan.access;
        let is_read_in_order = fan.edge.is_none()
            && !access.near.whole
            && access.served == Served::Exact
            && rows.distinct.is_none()
            && rows.end == End::First;
        if let (true, Some(source), [key]) = (is_read_in_order, access.near.source, keys) {
            let scanner =
                Scanner::new(run, fan.target, source, access.near.covered, access.served, access.reverse)?;
            let left = rows.limit.unwrap_or(usize::MAX);
            let (scanner, lane) = (Box::new(scanner), Lane::prefix(key));
            return Ok(Children::AsRead { scanner, lane, skip: rows.offset, left });
        }
        let found = fan_out::fan_out(run, include.level.step, fan, rows, slice::from_ref(root))?;
        let place = |row: &u32| usize::try_from(*row).ok().and_then(|row| found.rows.get(row)).cloned();
        let ordered: Vec<FetchedRow> = found.of(0).iter().filter_map(place).collect();
        Ok(Children::Known(ordered.into_iter()))
    }

    /// The next of them; none behind the last.
    fn next(&mut self, run: &Run<'_>, include: &IncludeLevel<'_>) -> Result<Option<Vec<FetchedRow>>> {
        let (fan, level) = (&include.fan, &include.level);
        match self {
            Children::Known(rows) => {
                let rows: Vec<FetchedRow> = rows.by_ref().take(PIECE).collect();
                Ok(Some(rows).filter(|rows| !rows.is_empty()))
            }
            Children::AsRead { scanner, lane, skip, left } => {
                while *left > 0 && !lane.is_done() {
                    let mut entries = Vec::with_capacity(PIECE);
                    scanner.read(run, level.step, 0, lane, Some(PIECE), &mut entries)?;
                    let Some(source) = fan.access.near.source else { return Ok(None) };
                    let rows =
                        run.rows_of(level.step, fan.target, source, fan.access.near.covered, entries)?;
                    let rows =
                        run.accept_given(level.step, fan.target, &level.rows, Given::default(), rows)?;
                    let skipped = (*skip).min(rows.len());
                    *skip -= skipped;
                    let taken = (*left).min(rows.len() - skipped);
                    *left -= taken;
                    let over = rows.iter().take(skipped).chain(rows.iter().skip(skipped + taken));
                    run.budget.release(over.map(FetchedRow::held_bytes).sum());
                    let rows: Vec<FetchedRow> = rows.into_iter().skip(skipped).take(taken).collect();
                    if !rows.is_empty() {
                        return Ok(Some(rows));
                    }
                }
                Ok(None)
            }
        }
    }
}
