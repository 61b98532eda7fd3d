//! Puts one chunk of a result together: columns of the rows of each level, edges between the levels.

use ormdb_proto::Result;
use ormdb_proto::block::{BlockBuilder, ColumnBuilder};
use ormdb_proto::result::{Chunk, ChunkBuilder};
use smallvec::SmallVec;

use super::rows::FetchedRow;
use super::run::Run;
use super::{derive, fan_out};
use crate::plan::{Level, Plan};
use crate::store::row::{Raw, RowView};
use crate::store::tuple;

/// Of so many rows each column is written, before the next ones: what is known of them stays in the processor's cache.
const ROWS_AT_ONCE: usize = 128;
/// For so many bytes of a column of text there is room before the second value is looked at.
const TEXT_RESERVED_MAX: usize = 64 << 10;
/// So many roots are numbered without memory of their own.
const ROOTS_AT_HAND: usize = 32;
/// For so many columns of a level, what is known of each needs no memory of its own.
const COLUMNS_AT_HAND: usize = 16;

/// The chunk of these root rows, which stand in the order asked for, and of all that is included below them.
pub(super) fn chunk(run: &Run<'_>, plan: &Plan<'_>, roots: &[FetchedRow]) -> Result<Chunk> {
    let held = run.budget.held();
    let mut builder = plan.spare.take(&plan.shape);
    let numbers: SmallVec<[u32; ROOTS_AT_HAND]> = (0u32..).take(roots.len()).collect();
    builder.put_roots(&numbers)?;
    level(run, &plan.root, roots, &mut builder)?;
    let chunk = builder.finish_and_clear()?;
    plan.spare.keep(builder);
    // For a moment the chunk stands beside what it is made of.
    run.budget.fits(chunk.byte_len())?;
    run.budget.release_to(held);
    run.budget.add_result(chunk.byte_len())?;
    run.budget.hold(chunk.byte_len())?;
    Ok(chunk)
}

/// Whether a chunk is followed by more of its last root row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Whole,
    GoesOn,
}

/// A chunk of one root row that has these rows of one of its includes, and all that is included below them; nothing of the others.
pub(super) fn part(
    run: &Run<'_>,
    plan: &Plan<'_>,
    root: &FetchedRow,
    (at, children): (usize, &[FetchedRow]),
    end: End,
    is_first: bool,
) -> Result<Chunk> {
    let held = run.budget.held();
    let mut builder = ChunkBuilder::new(plan.shape.clone());
    builder.put_roots(&[0])?;
    if end == End::GoesOn {
        builder.go_on();
    }
    run.budget.add_rows(usize::from(is_first))?;
    own_columns(run, &plan.root, std::slice::from_ref(root), &mut builder)?;
    for (edge, include) in plan.root.includes.iter().enumerate() {
        let rows = if edge == at { children } else { &[] };
        let numbers: Vec<u32> = (0u32..).take(rows.len()).collect();
        run.budget.add_edges(rows.len())?;
        builder.edge(plan.root.node, edge)?.push_parent(&numbers)?;
        run.timed(include.level.step, || level(run, &include.level, rows, &mut builder))?;
    }
    let chunk = builder.finish()?;
    run.budget.fits(chunk.byte_len())?;
    run.budget.release_to(held);
    run.budget.add_result(chunk.byte_len())?;
    run.budget.hold(chunk.byte_len())?;
    Ok(chunk)
}

fn level(run: &Run<'_>, level: &Level<'_>, rows: &[FetchedRow], builder: &mut ChunkBuilder) -> Result<()> {
    run.budget.add_rows(rows.len())?;
    own_columns(run, level, rows, builder)?;
    for (edge, include) in level.includes.iter().enumerate() {
        let below = &include.level;
        run.timed(below.step, || {
            let children = fan_out::fan_out(run, below.step, &include.fan, &below.rows, rows)?;
            run.count(below.step, |stats| stats.rows += children.rows.len());
            let edges = builder.edge(level.node, edge)?;
            edges.reserve(rows.len(), children.rows.len());
            for parent in 0..rows.len() {
                let children = children.of(parent);
                run.budget.add_edges(children.len())?;
                edges.push_parent(children)?;
            }
            self::level(run, below, &children.rows, builder)
        })?;
    }
    Ok(())
}

/// The columns of the rows themselves.
fn own_columns(
    run: &Run<'_>,
    level: &Level<'_>,
    rows: &[FetchedRow],
    builder: &mut ChunkBuilder,
) -> Result<()> {
    let block = builder.entity(level.node)?;
    if level.columns.exprs.is_empty() {
        block.set_rows(rows.len());
    }
    let slots: SmallVec<[Option<usize>; COLUMNS_AT_HAND]> =
        level.columns.exprs.iter().map(|expr| derive::slot(level.entity, expr)).collect();
    fields(run, level, &slots, rows, block)?;
    if slots.iter().all(Option::is_some) {
        return Ok(());
    }
    let computed = (0..).zip(&level.columns.exprs).zip(&slots);
    let computed = computed.filter(|(_, slot)| slot.is_none()).map(|(expr, _)| expr);
    derive::each_of(run, &level.columns, computed, level.entity, rows, &mut |_, column, value| {
        let column = block.column(column)?;
        let before = column.byte_len();
        column.push(value)?;
        run.budget.hold(column.byte_len().saturating_sub(before))
    })
}

/// Columns that are fields: from the bytes of the rows, column by column.
fn fields(
    run: &Run<'_>,
    level: &Level<'_>,
    slots: &[Option<usize>],
    rows: &[FetchedRow],
    block: &mut BlockBuilder,
) -> Result<()> {
    if slots.iter().all(Option::is_none) {
        return Ok(());
    }
    let format = &level.entity.store().rows;
    let mut views: SmallVec<[RowView<'_>; 2]> = SmallVec::with_capacity(rows.len().min(ROWS_AT_ONCE));
    for (at, some) in rows.chunks(ROWS_AT_ONCE).enumerate() {
        views.clear();
        for row in some {
            views.push(row.view(level.entity)?);
        }
        for (column, slot) in block.columns_mut().iter_mut().zip(slots) {
            let Some(slot) = slot else { continue };
            run.budget.tick_by(views.len())?;
            if at == 0 {
                column.reserve(rows.len());
            }
            let before = column.byte_len();
            if format.ty(*slot).is_some_and(tuple::is_raw) {
                copied(&views, *slot, column)?;
            } else {
                views.iter().try_for_each(|view| column.push(&view.get(*slot)?))?;
            }
            run.budget.hold(column.byte_len().saturating_sub(before))?;
        }
    }
    Ok(())
}

/// A column whose values stand in the rows as in the result: no value is looked at.
fn copied(views: &[RowView<'_>], slot: usize, column: &mut ColumnBuilder) -> Result<()> {
    // Values of one column are of one kind: the first tells about how long they are.
    if let [first, _, ..] = views
        && column.is_empty()
        && let Raw::Bytes(first) = first.raw(slot)?
    {
        column.reserve_text(first.len().saturating_mul(views.len()).min(TEXT_RESERVED_MAX));
    }
    for view in views {
        match view.raw(slot)? {
            Raw::Bytes(bytes) => column.push_raw(bytes)?,
            Raw::Null => column.push_null(),
            Raw::Absent => column.push(&view.get(slot)?)?,
        }
    }
    Ok(())
}
