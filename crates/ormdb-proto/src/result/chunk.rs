//! One chunk of a result.

use crate::block::{Block, BlockKind, Edges, block_length, malformed};
use crate::bytes::AlignedBytes;
use crate::error::{Error, ErrorCode, Result};

use super::ResultShape;

pub(super) const MAGIC: [u8; 4] = *b"OCHK";
pub(super) const VERSION: u16 = 1;
pub(super) const HEADER_LEN: usize = 16;
/// The flag of a chunk whose last root row has further children in the next one.
const GOES_ON: u8 = 1;

/// A self-contained part of a result: one entity block per node, one edge block per edge.
#[derive(Debug)]
pub struct Chunk {
    header: [u8; HEADER_LEN],
    entities: Vec<Block>,
    edges: Vec<Block>,
}

impl Chunk {
    /// Opens a chunk that came from outside, without copying it and without looking at its data.
    ///
    /// # Errors
    /// `ProtocolViolation` if the chunk is damaged or does not have the shape.
    pub fn open(bytes: &AlignedBytes, shape: &ResultShape) -> Result<Chunk> {
        let header =
            bytes.first_chunk::<HEADER_LEN>().ok_or_else(|| malformed("a chunk ends in its header"))?;
        let expected = shape.nodes.len() + shape.edge_blocks();
        let (blocks, length) = read_header(header)?;
        if blocks != expected || length != bytes.len() {
            let found =
                format!("a chunk of {blocks} blocks and {length} bytes, not {expected} and {}", bytes.len());
            return Err(malformed(found));
        }
        let mut at = HEADER_LEN;
        let mut opened = Vec::with_capacity(expected);
        for _ in 0..expected {
            let rest = bytes.get(at..).unwrap_or_default();
            let end = block_length(rest)?.checked_add(at).ok_or_else(|| malformed("a block is too long"))?;
            let block = bytes.slice(at, end).ok_or_else(|| malformed("a block ends behind its chunk"))?;
            opened.push(Block::open(block)?);
            at = end;
        }
        if at != bytes.len() {
            return Err(malformed("bytes follow the last block of a chunk"));
        }
        let edges = opened.split_off(shape.nodes.len());
        Chunk { header: *header, entities: opened, edges }.checked(shape)
    }

    pub(super) fn built(
        entities: Vec<Block>,
        edges: Vec<Block>,
        goes_on: bool,
        shape: &ResultShape,
    ) -> Result<Chunk> {
        let too_large = || Error::new(ErrorCode::LimitExceeded, "the result is too large for one chunk");
        let length = HEADER_LEN + entities.iter().chain(&edges).map(Block::byte_len).sum::<usize>();
        let length = u32::try_from(length).map_err(|_| too_large())?;
        let blocks = u32::try_from(entities.len() + edges.len()).map_err(|_| too_large())?;
        let [v0, v1] = VERSION.to_le_bytes();
        let flags = if goes_on { GOES_ON } else { 0 };
        let parts = [MAGIC, [v0, v1, flags, 0], blocks.to_le_bytes(), length.to_le_bytes()];
        let header = parts.as_flattened().first_chunk::<HEADER_LEN>().copied().ok_or_else(too_large)?;
        Chunk { header, entities, edges }.checked(shape)
    }

    /// Checks that the blocks are those of the shape.
    fn checked(self, shape: &ResultShape) -> Result<Chunk> {
        let slot = |block: &Block| usize::try_from(block.slot()).ok();
        for (at, (block, node)) in self.entities.iter().zip(&shape.nodes).enumerate() {
            if block.kind() != BlockKind::Entity || slot(block) != Some(at) {
                return Err(malformed(format!("block {at} of a chunk is not that of node {at}")));
            }
            if block.column_types().ne(node.columns.iter().map(|c| c.ty)) {
                return Err(malformed(format!("the columns of node {at} are not those of the shape")));
            }
        }
        for (at, block) in self.edges.iter().enumerate() {
            if block.kind() != BlockKind::Edge || slot(block) != Some(at) {
                return Err(malformed(format!("an edge block is not that of edge {at}")));
            }
        }
        let root_parents = self.edges.first().map(Block::rows);
        if root_parents != Some(1) {
            return Err(malformed("the roots' edge block has not one parent"));
        }
        let parents = shape
            .nodes
            .iter()
            .zip(&self.entities)
            .flat_map(|(node, block)| node.edges.iter().map(|edge| (edge.alias.as_str(), block.rows())));
        for ((alias, rows), block) in parents.zip(self.edges.iter().skip(1)) {
            if block.rows() != rows {
                return Err(malformed(format!("edge `{alias}` has {} parents of {rows}", block.rows())));
            }
        }
        Ok(self)
    }

    /// The rows of a node.
    ///
    /// # Errors
    /// `Internal` if there is no such node.
    pub fn entity(&self, node: usize) -> Result<&Block> {
        self.entities.get(node).ok_or_else(|| Error::new(ErrorCode::Internal, format!("no node {node}")))
    }

    /// The edges of a slot; 0 has the roots.
    ///
    /// # Errors
    /// `ProtocolViolation` if a checksum does not fit; `Internal` if there is no such slot.
    pub fn edges(&self, slot: usize) -> Result<Edges<'_>> {
        let block = self.edges.get(slot);
        block.ok_or_else(|| Error::new(ErrorCode::Internal, format!("no edge {slot}")))?.edges()
    }

    /// The entity blocks, by node.
    pub fn entities(&self) -> &[Block] {
        &self.entities
    }

    /// The edge blocks, by slot.
    pub fn edge_blocks(&self) -> &[Block] {
        &self.edges
    }

    /// Whether its last root row has further children in the next chunk, whose first root row is the same row.
    pub fn goes_on(&self) -> bool {
        self.header.get(6).is_some_and(|flags| flags & GOES_ON != 0)
    }

    /// How many root rows there are. Touches no data.
    pub fn root_rows(&self) -> usize {
        self.edges.first().map_or(0, Block::edge_count)
    }

    /// The rows of all entity blocks.
    pub fn rows(&self) -> usize {
        self.entities.iter().map(Block::rows).sum()
    }

    /// The bytes of the chunk as it lies on the wire, part by part.
    pub fn parts(&self) -> impl Iterator<Item = &[u8]> {
        std::iter::once(self.header.as_slice())
            .chain(self.entities.iter().chain(&self.edges).flat_map(Block::parts))
    }

    /// How many bytes the chunk has on the wire.
    pub fn byte_len(&self) -> usize {
        length_of(&self.header)
    }
}

fn read_header(header: &[u8; HEADER_LEN]) -> Result<(usize, usize)> {
    let [m0, m1, m2, m3, v0, v1, f0, f1, b0, b1, b2, b3, ..] = *header;
    if [m0, m1, m2, m3] != MAGIC {
        return Err(malformed("a chunk does not begin with its magic"));
    }
    let version = u16::from_le_bytes([v0, v1]);
    if version != VERSION {
        return Err(malformed(format!("chunks of version {version} are not known")));
    }
    if f0 & !GOES_ON != 0 || f1 != 0 {
        return Err(malformed("unknown flags of a chunk"));
    }
    Ok((crate::block::size(u32::from_le_bytes([b0, b1, b2, b3])), length_of(header)))
}

/// How many bytes a chunk of this header has.
fn length_of(header: &[u8; HEADER_LEN]) -> usize {
    header.last_chunk().map_or(0, |length| crate::block::size(u32::from_le_bytes(*length)))
}
