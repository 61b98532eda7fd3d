//! A whole result.

use std::sync::Arc;

use rkyv::{Archive, Deserialize, Serialize};

use crate::error::Result;

use crate::token::Token;

use super::{Chunk, ResultShape, Row};

/// The result of a graph fetch, embedded or remote: blocks, not rows, until it is asked for rows.
///
/// A clone shares the blocks.
#[derive(Clone, Debug)]
pub struct GraphResult {
    shape: Arc<ResultShape>,
    chunks: Arc<Vec<Chunk>>,
    trailer: Trailer,
}

/// What is known of a result once it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Archive, Serialize, Deserialize)]
pub struct Trailer {
    /// The snapshot that was read.
    pub token: Token,
    /// The plan that read it, as `explain` names it.
    pub plan: u64,
    /// The rows of all nodes.
    pub rows: u64,
    /// The bytes of all chunks.
    pub bytes: u64,
}

impl GraphResult {
    /// A result of these chunks; rows and bytes are counted.
    pub fn new(shape: Arc<ResultShape>, chunks: Vec<Chunk>, token: Token, plan: u64) -> GraphResult {
        let count = |of: fn(&Chunk) -> usize| {
            let sum: usize = chunks.iter().map(of).sum();
            u64::try_from(sum).unwrap_or(u64::MAX)
        };
        let trailer = Trailer { token, plan, rows: count(Chunk::rows), bytes: count(Chunk::byte_len) };
        GraphResult { shape, chunks: Arc::new(chunks), trailer }
    }

    /// The shape.
    pub const fn shape(&self) -> &Arc<ResultShape> {
        &self.shape
    }

    /// The chunks.
    pub fn chunks(&self) -> &[Chunk] {
        &self.chunks
    }

    /// The trailer.
    pub const fn trailer(&self) -> &Trailer {
        &self.trailer
    }

    /// How many root rows there are. Touches no data.
    pub fn len(&self) -> usize {
        self.chunks.iter().map(Chunk::root_rows).sum()
    }

    /// Whether there is no root row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The root rows, in the order asked for.
    ///
    /// # Errors
    /// `ProtocolViolation` if the blocks are damaged.
    pub fn roots(&self) -> Result<impl Iterator<Item = Row<'_>>> {
        let rows =
            self.chunks.iter().map(|chunk| Row::roots(&self.shape, chunk)).collect::<Result<Vec<_>>>()?;
        Ok(rows.into_iter().flatten())
    }
}
