//! Puts one chunk of a result together: columns of the rows of each level, edges between the levels.

use ormdb_proto::Result;
use ormdb_proto::result::{Chunk, ChunkBuilder};

use super::rows::FetchedRow;
use super::run::Run;
use super::{derive, fan_out};
use crate::plan::{Level, Plan};

/// The chunk of these root rows, which stand in the order asked for, and of all that is included below them.
pub(super) fn chunk(run: &Run<'_>, plan: &Plan<'_>, roots: Vec<FetchedRow>) -> Result<Chunk> {
    let held = run.budget.held();
    let mut builder = ChunkBuilder::new(plan.shape.clone());
    let numbers: Vec<u32> = (0u32..).take(roots.len()).collect();
    builder.put_roots(&numbers)?;
    level(run, &plan.root, &roots, &mut builder)?;
    let chunk = builder.finish()?;
    run.budget.release_to(held);
    run.budget.add_result(chunk.byte_len())?;
    run.budget.hold(chunk.byte_len())?;
    Ok(chunk)
}

fn level(run: &Run<'_>, level: &Level<'_>, rows: &[FetchedRow], builder: &mut ChunkBuilder) -> Result<()> {
    run.budget.add_rows(rows.len())?;
    let block = builder.entity(level.node)?;
    if level.columns.exprs.is_empty() {
        block.set_rows(rows.len());
    }
    derive::each(run, &level.columns, level.entity, rows, &mut |_, column, value| {
        block.column(column)?.push(value)
    })?;
    for (edge, include) in level.includes.iter().enumerate() {
        let below = &include.level;
        run.timed(below.step, || {
            let children = fan_out::fan_out(run, below.step, &include.fan, &below.rows, rows)?;
            run.count(below.step, |stats| stats.rows += children.rows.len());
            let edges = builder.edge(level.node, edge)?;
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
