//! Runs plans: level by level, in batches, on the bytes of rows.
//!
//! ```text
//! root rows, up to CHUNK_ROWS at a time -> columns -> for each include: the distinct keys of the parents, sorted
//!   -> one multi-range scan or multi-get -> policy, filter -> order, offset and limit per parent -> columns -> …
//! ```
//!
//! Invariants: (1) nothing is read row by row from above: each level reads once for a chunk; (2) every row stands once
//! in the block of its node, however many parents reach it; (3) what is held in memory is counted, and a statement
//! that exceeds its limits ends with an error that names the limit.

use ormdb_proto::ir::{DeletedRows, Explain, Expr, Fetch, OrderBy, SelectItem, Selection};
use ormdb_proto::outcome::Explanation;
use ormdb_proto::result::{Chunk, GraphResult, ResultShape, Trailer};
use ormdb_proto::schema::FieldId;
use std::sync::Arc;

use ormdb_proto::{Result, Value};

use crate::context::Ctx;
use crate::expr::{Parameters, Values};
use crate::plan::{
    Binder, CachedPlan, Estimator, Known, Measured, Path, Plan, RootAccess, RootInput, Shaped, explanation,
    refusal,
};

mod accumulate;
mod aggregate;
mod assemble;
mod budget;
mod derive;
mod distinct;
mod entries;
mod fan_out;
mod group;
mod in_place;
mod intersect;
mod known_rows;
mod lately;
mod parent_keys;
mod place;
mod portions;
mod related_keys;
mod root;
mod rows;
mod run;
mod scan;
mod semi_join;
mod sieve;
mod sort;
mod split;

#[cfg(test)]
mod tests;

pub(crate) use budget::check_memory;
pub(crate) use place::has_cursor;
pub(crate) use portions::FanOuts;
use portions::Portions;
pub(crate) use rows::FetchedRow;
use run::Run;

/// The most root rows of one chunk.
const CHUNK_ROWS: usize = 4096;
/// Root rows of so many bytes make a chunk, however few they are.
const CHUNK_BYTES: usize = 1 << 20;

/// Runs a fetch.
///
/// # Errors
/// Those of planning, of expressions that fail on a row, of limits, and of the engine.
pub(crate) fn fetch(ctx: &Ctx<'_>, fetch: &Fetch) -> Result<GraphResult> {
    let fetch = place::resolved(ctx, fetch)?;
    let (plan, lifted) = ctx.plans.plan(ctx, &fetch)?;
    run_cached(ctx, &plan, &fetch, &lifted)
}

/// Runs a fetch whose shape is known.
///
/// # Errors
/// As of [`fetch`].
pub(crate) fn fetch_shaped(ctx: &Ctx<'_>, shaped: &Shaped) -> Result<GraphResult> {
    let plan = ctx.plans.plan_shaped(ctx, shaped)?;
    run_cached(ctx, &plan, &shaped.fetch, &shaped.lifted)
}

/// Runs a fetch whose shape is known, and hands its chunks on as they are made: none is held beside the one at hand.
///
/// # Errors
/// As of [`fetch`], and those of `see`.
pub(crate) fn stream_shaped(
    ctx: &Ctx<'_>,
    shaped: &Shaped,
    fan_outs: FanOuts,
    see: &mut dyn FnMut(StreamPart) -> Result<()>,
) -> Result<Trailer> {
    let plan = ctx.plans.plan_shaped(ctx, shaped)?;
    stream_cached(ctx, &plan, &shaped.fetch, &shaped.lifted, fan_outs, see)
}

/// Runs a fetch as [`stream_shaped`] does, whatever its conditions depend on.
///
/// # Errors
/// As of [`stream_shaped`].
pub(crate) fn stream(
    ctx: &Ctx<'_>,
    fetch: &Fetch,
    fan_outs: FanOuts,
    see: &mut dyn FnMut(StreamPart) -> Result<()>,
) -> Result<Trailer> {
    let fetch = place::resolved(ctx, fetch)?;
    let (plan, lifted) = ctx.plans.plan(ctx, &fetch)?;
    stream_cached(ctx, &plan, &fetch, &lifted, fan_outs, see)
}

fn stream_cached(
    ctx: &Ctx<'_>,
    cached: &CachedPlan,
    fetch: &Fetch,
    lifted: &[Value],
    fan_outs: FanOuts,
    see: &mut dyn FnMut(StreamPart) -> Result<()>,
) -> Result<Trailer> {
    with_values(ctx, cached, fetch, lifted, |ctx, plan, access| {
        let run = Run::new(*ctx);
        let mut trailer = Trailer { token: ctx.token(), plan: 0, rows: 0, bytes: 0 };
        see(StreamPart::Shape(Arc::clone(&plan.shape)))?;
        each_chunk(&run, plan, access, fan_outs, &mut |chunk| {
            let (rows, bytes) = (chunk.rows(), chunk.byte_len());
            trailer.rows = trailer.rows.saturating_add(u64::try_from(rows).unwrap_or(u64::MAX));
            trailer.bytes = trailer.bytes.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
            see(StreamPart::Chunk(chunk))?;
            run.budget.release(bytes);
            Ok(())
        })?;
        Ok(trailer)
    })
}

/// A part of a result that is handed on while the rest is not read yet: the shape first, then chunks in order.
#[derive(Debug)]
pub enum StreamPart {
    /// What the chunks are like.
    Shape(Arc<ResultShape>),
    /// A part of the rows.
    Chunk(Chunk),
}

fn run_cached(ctx: &Ctx<'_>, cached: &CachedPlan, fetch: &Fetch, lifted: &[Value]) -> Result<GraphResult> {
    with_values(ctx, cached, fetch, lifted, |ctx, plan, access| run_whole(&Run::new(*ctx), plan, access))
}

/// Runs `work` with the values of a plan's slots, and the path that serves them.
fn with_values<T>(
    ctx: &Ctx<'_>,
    cached: &CachedPlan,
    fetch: &Fetch,
    lifted: &[Value],
    work: impl FnOnce(&Ctx<'_>, &Plan<'_>, &RootAccess) -> Result<T>,
) -> Result<T> {
    let bound = cached.bind(Values::new(ctx.params, lifted));
    let slots = bound.map_err(|error| refusal(ctx, fetch, lifted, error))?;
    let ctx = Ctx { slots: &slots, ..*ctx };
    let plan = cached.plan();
    work(&ctx, plan, &plan.access_of(&Known::of(ctx.catalog, ctx.session), &ctx.env())?)
}

/// Shows the plan of a fetch; with [`Explain::Analyze`], runs it and shows what happened.
///
/// # Errors
/// As of [`fetch`].
pub(crate) fn explain(ctx: &Ctx<'_>, fetch: &Fetch, mode: Explain) -> Result<Explanation> {
    let fetch = place::resolved(ctx, fetch)?;
    let plan = bind(ctx, RootInput::Fetch(&fetch))?;
    let measured = match mode {
        Explain::Plan => None,
        Explain::Analyze => {
            let before = ctx.session.statistics.blocks();
            let run = Run::watched(*ctx, plan.steps);
            run_whole(&run, &plan, &plan.access)?;
            let after = ctx.session.statistics.blocks();
            let budgets = run.budget.used();
            Some(Measured {
                steps: run.into_stats(),
                budgets,
                blocks_read: after.read.saturating_sub(before.read),
                cache_hits: after.cached.saturating_sub(before.cached),
            })
        }
    };
    explanation(&plan, Estimator::new(ctx), measured.as_ref())
}

/// Reads a graph from rows of these encoded primary keys, in this order; keys of no row are passed over. Filter, order
/// and limit of the selection are not looked at.
///
/// # Errors
/// As of [`fetch`].
pub(crate) fn fetch_keys(
    ctx: &Ctx<'_>,
    entity: &str,
    primary_keys: &[Vec<u8>],
    selection: &Selection,
) -> Result<GraphResult> {
    let info = ctx.catalog.entity(entity)?;
    let selection = &*place::resolved_below(ctx, info, selection)?;
    let format = &info.store().primary_key;
    let row_keys = primary_keys.iter().map(|key| format.row_key(key)).collect();
    let (cached, lifted) = ctx.plans.plan_of_keys(ctx, entity, &selection.items)?;
    let Ok(slots) = cached.bind(Values::new(ctx.params, &lifted)) else {
        // What is wrong with the values is told by planning for them alone.
        let plan = bind(ctx, RootInput::Keys { entity, row_keys, selection })?;
        return run_whole(&Run::new(*ctx), &plan, &plan.access);
    };
    let ctx = Ctx { slots: &slots, ..*ctx };
    let access = RootAccess { path: Path::Rows(row_keys), ..cached.plan().access.clone() };
    run_whole(&Run::new(ctx), cached.plan(), &access)
}

/// The rows that satisfy a filter, in the order asked for.
///
/// # Errors
/// As of [`fetch`].
pub(crate) fn find_rows(
    ctx: &Ctx<'_>,
    entity: &str,
    filter: Option<&Expr>,
    order: &[OrderBy],
    limit: Option<usize>,
    deleted: DeletedRows,
) -> Result<Vec<FetchedRow>> {
    let entity = ctx.catalog.entity(entity)?;
    let params = Parameters::fixed(Values::new(ctx.params, &[]));
    let known = Known::of(ctx.catalog, ctx.session);
    let binder = Binder::new(ctx.catalog, &known, &params, ctx.now, ctx.session.limits.depth_max);
    let (rows, access) = binder.rows(entity, filter, order, limit, deleted)?;
    let run = Run::new(*ctx);
    let mut found = Vec::new();
    root::read(&run, 0, entity, &rows, &access, &mut |batch| {
        // They are the caller's from here on, and still in memory.
        run.budget.hold(batch.iter().map(FetchedRow::held_bytes).sum())?;
        found.extend(batch);
        Ok(())
    })?;
    Ok(found)
}

/// How many of the root rows a fetch asks for.
pub(crate) struct Window {
    pub(crate) offset: usize,
    pub(crate) limit: Option<usize>,
}

/// The window of a fetch that is right in every other respect too.
///
/// # Errors
/// Those of planning.
pub(crate) fn window(ctx: &Ctx<'_>, fetch: &Fetch) -> Result<Window> {
    let plan = bind(ctx, RootInput::Fetch(&*place::resolved(ctx, fetch)?))?;
    Ok(Window { offset: plan.root.rows.offset, limit: plan.root.rows.limit })
}

/// The encoded primary keys of the root rows of a fetch, in the order asked for, from its end on and without its offset: at
/// most so many, whatever its limit is.
///
/// # Errors
/// As of [`fetch`].
pub(crate) fn root_keys(ctx: &Ctx<'_>, fetch: &Fetch, most: Option<usize>) -> Result<Vec<Vec<u8>>> {
    let mut fetch = place::resolved(ctx, fetch)?.into_owned();
    let entity = ctx.catalog.entity(&fetch.entity)?;
    let field = |id: &FieldId| {
        entity.field_of(*id).map(|field| SelectItem::Field { name: field.name.clone(), span: None })
    };
    fetch.selection.items = entity.primary_key.iter().map(field).collect::<Result<_>>()?;
    fetch.selection.offset = None;
    fetch.selection.limit = most.map(|most| Expr::literal(i64::try_from(most).unwrap_or(i64::MAX)));
    let plan = bind(ctx, RootInput::Fetch(&fetch))?;
    let run = Run::new(*ctx);
    let (root, mut keys) = (&plan.root, Vec::new());
    root::read(&run, root.step, root.entity, &root.rows, &plan.access, &mut |rows| {
        // They are the caller's from here on, and still in memory.
        run.budget.hold(rows.iter().map(FetchedRow::held_bytes).sum())?;
        keys.extend(rows.iter().map(|row| row.primary_key().to_vec()));
        Ok(())
    })?;
    Ok(keys)
}

fn bind<'c>(ctx: &Ctx<'c>, input: RootInput<'_>) -> Result<Plan<'c>> {
    let params = Parameters::fixed(Values::new(ctx.params, &[]));
    let known = Known::of(ctx.catalog, ctx.session);
    Binder::new(ctx.catalog, &known, &params, ctx.now, ctx.session.limits.depth_max).plan(input)
}

fn run_whole(run: &Run<'_>, plan: &Plan<'_>, access: &RootAccess) -> Result<GraphResult> {
    let mut chunks: Vec<Chunk> = Vec::new();
    each_chunk(run, plan, access, FanOuts::Whole, &mut |chunk| {
        chunks.push(chunk);
        Ok(())
    })?;
    Ok(GraphResult::new(plan.shape.clone(), chunks, run.ctx.token(), 0))
}

/// Hands the chunks of a result on, one at least. The memory of a chunk is the receiver's, and counted until it gives it back.
fn each_chunk(
    run: &Run<'_>,
    plan: &Plan<'_>,
    access: &RootAccess,
    fan_outs: FanOuts,
    sink: &mut dyn FnMut(Chunk) -> Result<()>,
) -> Result<()> {
    let (root, mut is_empty) = (&plan.root, true);
    let rows = &root.rows;
    let is_all =
        plan.group.is_none() && rows.is_unfiltered() && rows.limit.is_none() && rows.distinct.is_none();
    // What is known of all rows is about those of now.
    if is_all && run.ctx.is_of_now {
        run.budget.expect_rows(run.ctx.session.statistics.rows(root.entity.id), rows.offset)?;
    }
    let mut portions = Portions::of(run, fan_outs);
    run.timed(root.step, || {
        if let Some(group) = &plan.group {
            is_empty = false;
            return group::each_chunk(run, plan, access, group, sink);
        }
        root::read(run, root.step, root.entity, &root.rows, access, &mut |rows| {
            is_empty = false;
            portions.each(run, plan, &rows, sink)
        })
    })?;
    if is_empty { sink(assemble::chunk(run, plan, &[])?) } else { Ok(()) }
}
