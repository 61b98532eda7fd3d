//! Entries for fuzz targets and tests that feed hostile bytes. Not part of the API.

#![deny(clippy::indexing_slicing)]

use crate::block::Block;
use crate::bytes::AlignedBytes;

/// Makes the checksums of a block fit its damaged bytes, as far as its directory can be read.
pub fn reseal_block(bytes: &mut [u8]) {
    let word = |bytes: &[u8], at: usize| {
        bytes.get(at..at.saturating_add(4)).and_then(|b| b.first_chunk::<4>()).map(|b| u32::from_le_bytes(*b))
    };
    let size = |n: u32| usize::try_from(n).unwrap_or(usize::MAX);
    let columns = word(bytes, 12).map_or(0, size).min(1 << 16);
    let buffers = word(bytes, 16).map_or(0, size).min(1 << 16);
    for buffer in 0..buffers {
        let entry = 32 + (columns + buffer) * 16;
        let (Some(offset), Some(length)) = (word(bytes, entry), word(bytes, entry + 4)) else { break };
        let end = size(offset).saturating_add(size(length).checked_next_multiple_of(8).unwrap_or(usize::MAX));
        let Some(crc) = bytes.get(size(offset)..end).map(crc32c::crc32c) else { continue };
        if let Some(to) = bytes.get_mut(entry + 8..entry + 12) {
            to.copy_from_slice(&crc.to_le_bytes());
        }
    }
    let crc = crate::block::header_crc(bytes, (columns + buffers) * 16);
    if let Some(to) = bytes.get_mut(28..32) {
        to.copy_from_slice(&crc.to_le_bytes());
    }
}

/// Opens arbitrary bytes as a block and reads every cell.
pub fn block(bytes: &[u8]) {
    let Ok(block) = Block::open(AlignedBytes::copy_of(bytes)) else { return };
    for at in 0..block.column_types().len() {
        let Ok(column) = block.column(at) else { continue };
        for row in 0..column.len() {
            drop(column.cell(row));
        }
    }
    if let Ok(edges) = block.edges() {
        for parent in 0..edges.parents() {
            drop(edges.children(parent));
        }
    }
}
