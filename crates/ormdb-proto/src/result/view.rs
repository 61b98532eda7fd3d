//! A chunk with all its columns at hand, for walks over everything.
//!
//! Invariant: a walk passes at most [`ROWS_WALKED_MAX`] rows, however often edges lead to the same row, so that a
//! small hostile result cannot make a huge answer.

use std::cell::Cell;

use crate::block::{Cell as BlockCell, Column, Edges, malformed};
use crate::error::{Error, ErrorCode, Limit, Result};

use super::nesting::{Member, Nesting};
use super::{Chunk, ResultShape, ShapeNode};

/// The most rows that one conversion of a result gives out, counting a row as often as it stands in the graph.
pub const ROWS_WALKED_MAX: u64 = 1 << 26;

/// A chunk with all its columns verified.
pub(super) struct View<'a> {
    nodes: Vec<NodeView<'a>>,
    roots: Edges<'a>,
    /// How many more rows may be walked; shared by the chunks of a result.
    left: &'a Cell<u64>,
}

/// A node of a chunk.
pub(super) struct NodeView<'a> {
    pub(super) shape: &'a ShapeNode,
    pub(super) columns: Vec<Column<'a>>,
    pub(super) edges: Vec<Edges<'a>>,
    /// Columns, structs and edges in the order asked for.
    pub(super) nesting: Nesting<'a>,
    rows: usize,
}

/// Whether a struct of a row is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Presence {
    There,
    Null,
    /// The reader may not know.
    Withheld,
}

impl NodeView<'_> {
    /// Whether a struct of a row is there.
    pub(super) fn presence(&self, of: usize, row: usize) -> Result<Presence> {
        let of = self.nesting.structs.get(of).ok_or_else(|| malformed("a struct is missing"))?;
        let Some(at) = of.presence else { return Ok(Presence::There) };
        let column = self.columns.get(at).ok_or_else(|| malformed("a column is missing"))?;
        Ok(match column.cell(row)? {
            BlockCell::Value(value) if value.is_null() => Presence::Null,
            BlockCell::Value(_) => Presence::There,
            BlockCell::Withheld => Presence::Withheld,
        })
    }
}

impl<'a> View<'a> {
    pub(super) fn new(shape: &'a ResultShape, chunk: &'a Chunk, left: &'a Cell<u64>) -> Result<View<'a>> {
        let mut slot = 1;
        let mut nodes = Vec::with_capacity(shape.nodes.len());
        for (at, node) in shape.nodes.iter().enumerate() {
            let block = chunk.entity(at)?;
            let columns = (0..node.columns.len()).map(|c| block.column(c)).collect::<Result<_>>()?;
            let edges = (slot..slot + node.edges.len()).map(|s| chunk.edges(s)).collect::<Result<_>>()?;
            slot += node.edges.len();
            nodes.push(NodeView {
                shape: node,
                columns,
                edges,
                nesting: Nesting::of(node),
                rows: block.rows(),
            });
        }
        Ok(View { nodes, roots: chunk.edges(0)?, left })
    }

    /// The members of a row of a node, or of a struct in it.
    pub(super) fn members(&self, node: usize, of: Option<usize>) -> Result<&[Member]> {
        let nesting = &self.node(node)?.nesting;
        match of {
            None => Ok(&nesting.members),
            Some(of) => {
                let of = nesting.structs.get(of).ok_or_else(|| malformed("a struct is missing"))?;
                Ok(&of.members)
            }
        }
    }

    /// The root rows, in order.
    pub(super) fn roots(&self) -> Result<impl Iterator<Item = usize> + use<'a>> {
        Ok(self.roots.children(0)?.iter())
    }

    /// A node.
    pub(super) fn node(&self, node: usize) -> Result<&NodeView<'a>> {
        self.nodes.get(node).ok_or_else(|| malformed(format!("there is no node {node}")))
    }

    /// A node, for one of its rows: counts the row.
    pub(super) fn visit(&self, node: usize, row: usize) -> Result<&NodeView<'a>> {
        let node = self.node(node)?;
        if row >= node.rows {
            return Err(malformed(format!("row {row} of a node of {} rows", node.rows)));
        }
        match self.left.get().checked_sub(1) {
            Some(left) => self.left.set(left),
            None => return Err(too_many()),
        }
        Ok(node)
    }
}

pub(super) fn too_many() -> Error {
    let mut error = Error::new(ErrorCode::LimitExceeded, "the graph has too many rows to be written out")
        .hint("walk it row by row, or ask for fewer rows");
    let name = "rows_walked_max".to_owned();
    error.detail.limit = Some(Limit { name, allowed: ROWS_WALKED_MAX, asked: ROWS_WALKED_MAX + 1 });
    error
}
