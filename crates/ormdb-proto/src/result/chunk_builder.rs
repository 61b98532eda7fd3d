//! Builds a chunk of a result from its shape.

use std::sync::Arc;

use rkyv::util::AlignedVec;

use crate::block::{BlockBuilder, EdgeBlockBuilder, LaidOut};
use crate::bytes::AlignedBytes;
use crate::error::{Error, ErrorCode, Result};

use super::{Chunk, ResultShape};

/// Builds one chunk: an entity block for each node and an edge block for each edge, in any order.
#[derive(Debug)]
pub struct ChunkBuilder {
    shape: Arc<ResultShape>,
    entities: Vec<BlockBuilder>,
    edges: Vec<EdgeBlockBuilder>,
    goes_on: bool,
}

impl ChunkBuilder {
    /// An empty chunk of this shape: no rows, and edge blocks to be filled with one entry per parent row.
    pub fn new(shape: Arc<ResultShape>) -> ChunkBuilder {
        let entities =
            shape.nodes.iter().map(|n| BlockBuilder::new(n.columns.iter().map(|c| c.ty))).collect();
        let edges = (0..shape.edge_blocks()).map(|_| EdgeBlockBuilder::new()).collect();
        ChunkBuilder { shape, entities, edges, goes_on: false }
    }

    /// The shape.
    pub const fn shape(&self) -> &Arc<ResultShape> {
        &self.shape
    }

    /// The block of a node.
    ///
    /// # Errors
    /// `Internal` if there is no such node.
    pub fn entity(&mut self, node: usize) -> Result<&mut BlockBuilder> {
        self.entities.get_mut(node).ok_or_else(|| Error::new(ErrorCode::Internal, format!("no node {node}")))
    }

    /// The edge block of the roots: one parent, whose children are the root rows in the order asked for.
    ///
    /// # Errors
    /// Never; so that it is used as [`edge`](Self::edge) is.
    pub fn roots(&mut self) -> Result<&mut EdgeBlockBuilder> {
        self.slot(0)
    }

    /// The edge block of an edge of a node.
    ///
    /// # Errors
    /// `Internal` if there is no such edge.
    pub fn edge(&mut self, node: usize, edge: usize) -> Result<&mut EdgeBlockBuilder> {
        if self.shape.nodes.get(node).is_none_or(|n| edge >= n.edges.len()) {
            return Err(Error::new(ErrorCode::Internal, format!("node {node} has no edge {edge}")));
        }
        self.slot(self.shape.edge_slot(node, edge))
    }

    fn slot(&mut self, slot: usize) -> Result<&mut EdgeBlockBuilder> {
        self.edges.get_mut(slot).ok_or_else(|| Error::new(ErrorCode::Internal, format!("no edge {slot}")))
    }

    /// Puts a block that was built elsewhere in the place of a node's.
    ///
    /// # Errors
    /// `Internal` if there is no such node.
    pub fn put_entity(&mut self, node: usize, block: BlockBuilder) -> Result<()> {
        *self.entity(node)? = block;
        Ok(())
    }

    /// Puts an edge block that was built elsewhere in the place of an edge's.
    ///
    /// # Errors
    /// `Internal` if there is no such edge.
    pub fn put_edge(&mut self, node: usize, edge: usize, block: EdgeBlockBuilder) -> Result<()> {
        *self.edge(node, edge)? = block;
        Ok(())
    }

    /// Puts the root rows, in the order asked for.
    ///
    /// # Errors
    /// `LimitExceeded` if there are too many.
    pub fn put_roots(&mut self, rows: &[u32]) -> Result<()> {
        let roots = self.roots()?;
        if roots.parents() > 0 {
            *roots = EdgeBlockBuilder::new();
        }
        roots.push_parent(rows)
    }

    /// Says that the last root row has further children in the next chunk.
    pub const fn go_on(&mut self) {
        self.goes_on = true;
    }

    /// Lays the chunk out.
    ///
    /// # Errors
    /// `LimitExceeded` if a block is too large; `Internal` if columns of a node differ in their rows.
    pub fn finish(self) -> Result<Chunk> {
        self.lay_out()
    }

    /// As [`finish`](Self::finish), and begins the next chunk: there is memory for as many rows again.
    ///
    /// # Errors
    /// As of [`finish`](Self::finish).
    pub fn finish_and_clear(&mut self) -> Result<Chunk> {
        let chunk = self.lay_out();
        self.entities.iter_mut().for_each(BlockBuilder::clear);
        self.edges.iter_mut().for_each(EdgeBlockBuilder::clear);
        self.goes_on = false;
        chunk
    }

    /// How much memory it has for rows, in bytes.
    pub fn capacity(&self) -> usize {
        let of_edges: usize = self.edges.iter().map(EdgeBlockBuilder::capacity).sum();
        self.entities.iter().map(BlockBuilder::capacity).sum::<usize>() + of_edges
    }

    fn lay_out(&self) -> Result<Chunk> {
        let slot = |at: usize| {
            u32::try_from(at)
                .map_err(|_| Error::new(ErrorCode::LimitExceeded, "the result has too many nodes"))
        };
        // All blocks lie in one piece of memory.
        let of_entities: usize = self.entities.iter().map(BlockBuilder::bytes_max).sum();
        let of_edges: usize = self.edges.iter().map(EdgeBlockBuilder::bytes_max).sum();
        let mut out = AlignedVec::with_capacity(of_entities + of_edges);
        let mut laid_out: Vec<LaidOut> = Vec::with_capacity(self.entities.len() + self.edges.len());
        for (at, entity) in self.entities.iter().enumerate() {
            laid_out.push(entity.lay_out(slot(at)?, &mut out)?);
        }
        for (at, edge) in self.edges.iter().enumerate() {
            laid_out.push(edge.lay_out(slot(at)?, &mut out)?);
        }
        let all = AlignedBytes::from(out);
        let outside = || Error::new(ErrorCode::Internal, "a block lies outside its chunk");
        let mut entities = Vec::with_capacity(self.entities.len());
        let mut edges = Vec::with_capacity(self.edges.len());
        for block in laid_out {
            let block = block.open(&all).ok_or_else(outside)?;
            if entities.len() < self.entities.len() { entities.push(block) } else { edges.push(block) }
        }
        Chunk::built(entities, edges, self.goes_on, &self.shape)
    }
}
