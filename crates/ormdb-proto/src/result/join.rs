//! Joins chunks of which each goes on in the next: the children of a root row that were divided over them come together.

use std::sync::Arc;

use crate::block::{Cell, malformed, size};
use crate::error::{Error, ErrorCode, Result};

use super::{Chunk, ChunkBuilder, ResultShape};

/// One chunk of several, each but the last of which [goes on](Chunk::goes_on) in the next.
///
/// # Errors
/// `ProtocolViolation` if a chunk is damaged or does not go on where it has to; `LimitExceeded` if all is too large for one chunk.
pub fn join(shape: &Arc<ResultShape>, parts: &[Chunk]) -> Result<Chunk> {
    let mut builder = ChunkBuilder::new(Arc::clone(shape));
    // The number that each row of the root's node gets, part by part, and the children of each by edge.
    let mut roots: Vec<Vec<u32>> = Vec::with_capacity(parts.len());
    let (mut order, mut rows) = (Vec::new(), 0u32);
    for (at, part) in parts.iter().enumerate() {
        let there = part.edges(0)?.children(0)?;
        let same = if at == 0 { None } else { there.get(0) };
        let before = order.last().copied();
        if at > 0 && (same.is_none() || before.is_none()) {
            return Err(malformed("a chunk does not go on with the last row of the one before"));
        }
        let mut numbers = Vec::with_capacity(part.entity(0)?.rows());
        for row in 0..part.entity(0)?.rows() {
            numbers.push(if same == Some(row) {
                before.unwrap_or(0)
            } else {
                copy(part, 0, row, &mut builder)?;
                rows += 1;
                rows - 1
            });
        }
        let of = |row: usize| {
            numbers.get(row).copied().ok_or_else(|| malformed("a root row is not in the block of roots"))
        };
        for row in there.iter().skip(usize::from(same.is_some())) {
            order.push(of(row)?);
        }
        roots.push(numbers);
    }
    builder.put_roots(&order)?;
    builder.entity(0)?.set_rows(size(rows));
    for (node, described) in shape.nodes.iter().enumerate() {
        if node > 0 {
            let mut all = 0;
            for part in parts {
                let there = part.entity(node)?.rows();
                for row in 0..there {
                    copy(part, node, row, &mut builder)?;
                }
                all += there;
            }
            builder.entity(node)?.set_rows(all);
        }
        for (edge, below) in described.edges.iter().enumerate() {
            let slot = shape.edge_slot(node, edge);
            let mut lists: Vec<Vec<u32>> = Vec::new();
            let (mut parent_base, mut child_base) = (0usize, 0u32);
            for (part, roots) in parts.iter().zip(&roots) {
                let edges = part.edges(slot)?;
                for parent in 0..edges.parents() {
                    let number = match node {
                        0 => roots.get(parent).map_or(0, |number| size(*number)),
                        _ => parent_base + parent,
                    };
                    if lists.len() <= number {
                        lists.resize(number + 1, Vec::new());
                    }
                    let Some(list) = lists.get_mut(number) else { continue };
                    for child in edges.children(parent)?.iter() {
                        let child = u32::try_from(child).ok().and_then(|child| child.checked_add(child_base));
                        list.push(child.ok_or_else(too_many)?);
                    }
                }
                parent_base += edges.parents();
                let children = part.entity(size(below.child))?.rows();
                let children = u32::try_from(children).ok().and_then(|rows| child_base.checked_add(rows));
                child_base = children.ok_or_else(too_many)?;
            }
            let block = builder.edge(node, edge)?;
            lists.iter().try_for_each(|list| block.push_parent(list))?;
        }
    }
    if parts.last().is_some_and(Chunk::goes_on) {
        builder.go_on();
    }
    builder.finish()
}

/// Chunks of which none goes on in the next: those that do are joined with it. What does not go on is not touched.
///
/// # Errors
/// As [`join`].
pub fn join_all(shape: &Arc<ResultShape>, chunks: Vec<Chunk>) -> Result<Vec<Chunk>> {
    if !chunks.iter().any(Chunk::goes_on) {
        return Ok(chunks);
    }
    let mut whole = Vec::new();
    let mut parts = Vec::new();
    for chunk in chunks {
        let goes_on = chunk.goes_on();
        parts.push(chunk);
        if !goes_on {
            whole.push(joined(shape, &mut parts)?);
        }
    }
    if parts.is_empty() { Ok(whole) } else { Err(malformed("the last chunk goes on in none")) }
}

/// What the parts make; of one that stands alone, that one.
fn joined(shape: &Arc<ResultShape>, parts: &mut Vec<Chunk>) -> Result<Chunk> {
    if parts.len() > 1 {
        let whole = join(shape, parts);
        parts.clear();
        return whole;
    }
    parts.pop().ok_or_else(|| malformed("a result has no chunk where one goes on"))
}

/// Copies the columns of a row.
fn copy(part: &Chunk, node: usize, row: usize, builder: &mut ChunkBuilder) -> Result<()> {
    let block = part.entity(node)?;
    for at in 0..block.column_types().len() {
        let to = builder.entity(node)?.column(at)?;
        match block.column(at)?.cell(row)? {
            Cell::Withheld => to.push_withheld(),
            Cell::Value(value) => to.push(&value)?,
        }
    }
    Ok(())
}

fn too_many() -> Error {
    Error::new(ErrorCode::LimitExceeded, "joined chunks have more than 2^32 rows")
}
