//! Results of graph fetches: a shape, self-contained chunks of blocks, and a trailer.
//!
//! Invariants: (1) the nodes of a shape form a tree whose root is node 0 and whose children have greater numbers, so
//! that every walk ends; (2) a chunk has one entity block per node and one edge block per edge, in the order of the
//! shape, and row numbers mean rows of the same chunk; (3) an entity block's columns are the node's columns.
//!
//! ```text
//! chunk: 0 magic "OCHK" | 4 u16 version | 6 u16 flags | 8 u32 blocks | 12 u32 length | entity blocks | edge blocks
//! ```
//!
//! Of the flags bit 0 is known: the chunk *goes on*. Its last root row is the first root row of the next chunk as well, with the same
//! columns, and has the children of both: those of this chunk first.
//!
//! The slot of an entity block is the number of its node. The slot of an edge block is 0 for the roots (an edge block
//! of one parent), and counts on from 1 over the edges of node 0, of node 1, and so on.

#![deny(clippy::indexing_slicing)]

mod chunk;
mod chunk_builder;
mod graph;
mod hydrate;
mod join;
mod json;
mod nesting;
mod row;
mod shape;
pub mod typed;
mod view;

pub use chunk::Chunk;
pub use chunk_builder::ChunkBuilder;
pub use graph::{GraphResult, Trailer};
pub use join::{join, join_all};
pub use nesting::{Member, Nesting, StructView, own_name};
pub use row::{Row, Rows};
pub use shape::{Cardinality, EnumLabels, Label, ResultShape, ShapeColumn, ShapeEdge, ShapeNode};
pub use typed::{FromLabel, FromRow, RowPlan};
pub use view::ROWS_WALKED_MAX;

#[cfg(test)]
pub(crate) mod tests;
