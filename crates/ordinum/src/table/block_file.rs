//! Blocks in a file: compression, checksum, and the bounds that protect an allocation.
//!
//! mod.rs has the diagram.
#![deny(clippy::indexing_slicing)]

use std::path::Path;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::file_name::FileNumber;
use crate::fs::RandomAccessFile;
use crate::table::handle::BlockHandle;
use crate::table::options::Compression;

/// Bytes behind a payload: compression and checksum.
pub(crate) const TAIL_BYTES: usize = 5;
const STORED: u8 = 0;
const LZ4: u8 = 1;
/// LZ4 cannot say more than this many bytes with one.
const LZ4_RATIO_MAX: usize = 255;

/// The checksum of `parts` where they stand.
pub(crate) fn checksum(number: FileNumber, offset: u64, parts: &[&[u8]]) -> u32 {
    let mut sum = crc32c::crc32c(&number.0.to_le_bytes());
    sum = crc32c::crc32c_append(sum, &offset.to_le_bytes());
    parts.iter().fold(sum, |sum, part| crc32c::crc32c_append(sum, part))
}

/// Appends a block that stands at `offset` of file `number` to `out`.
pub(crate) fn push_block(
    out: &mut Vec<u8>,
    contents: &[u8],
    compression: Compression,
    number: FileNumber,
    offset: u64,
) -> BlockHandle {
    let compressed = match compression {
        Compression::None => None,
        Compression::Lz4 => compress(contents),
    };
    let (payload, kind) = match &compressed {
        Some(payload) => (payload.as_slice(), LZ4),
        None => (contents, STORED),
    };
    let sum = checksum(number, offset, &[payload, &[kind]]);
    out.extend_from_slice(payload);
    out.push(kind);
    out.extend_from_slice(&sum.to_le_bytes());
    BlockHandle { offset, payload_bytes: u64::try_from(payload.len()).unwrap_or(u64::MAX) }
}

/// The compressed payload, if it saves at least an eighth.
fn compress(contents: &[u8]) -> Option<Vec<u8>> {
    u32::try_from(contents.len()).ok()?;
    let payload = lz4_flex::block::compress_prepend_size(contents);
    (payload.len() <= contents.len() - contents.len() / 8).then_some(payload)
}

/// The blocks of an open file.
#[derive(Debug)]
pub(crate) struct BlockFile {
    pub(crate) file: Arc<dyn RandomAccessFile>,
    pub(crate) number: FileNumber,
    pub(crate) path: Arc<Path>,
    /// Blocks end at or before this offset.
    pub(crate) blocks_end: u64,
}

impl BlockFile {
    /// The contents of the block, verified and decompressed.
    pub(crate) fn read(&self, handle: BlockHandle) -> Result<Vec<u8>> {
        let damaged =
            |expected: &str, found: &str| Err(Error::corrupt(&self.path, handle.offset, expected, found));
        let tail_bytes = u64::try_from(TAIL_BYTES).unwrap_or(u64::MAX);
        let on_disk = handle.payload_bytes.checked_add(tail_bytes);
        let end = on_disk.and_then(|len| handle.offset.checked_add(len));
        let len = on_disk.and_then(|len| usize::try_from(len).ok());
        let (Some(len), true) = (len, end.is_some_and(|end| end <= self.blocks_end)) else {
            return damaged("a block inside the file", "a handle that points outside");
        };
        let mut bytes = vec![0; len];
        self.file.read_at(handle.offset, &mut bytes)?;
        let (kind, sum) = match bytes.split_last_chunk::<TAIL_BYTES>() {
            Some((_, &[kind, a, b, c, d])) => (kind, u32::from_le_bytes([a, b, c, d])),
            None => return damaged("a block", "too few bytes"),
        };
        bytes.truncate(len - 4);
        let expected = checksum(self.number, handle.offset, &[&bytes]);
        if sum != expected {
            return damaged(&format!("checksum {expected:08x}"), &format!("{sum:08x}"));
        }
        bytes.pop();
        match kind {
            STORED => Ok(bytes),
            LZ4 => match decompress(&bytes) {
                Some(contents) => Ok(contents),
                None => damaged("an LZ4 block", "bytes that do not decompress"),
            },
            other => damaged("a compression that this version knows", &other.to_string()),
        }
    }
}

fn decompress(payload: &[u8]) -> Option<Vec<u8>> {
    let (size, block) = payload.split_first_chunk::<4>()?;
    let size = usize::try_from(u32::from_le_bytes(*size)).ok()?;
    if size > block.len().saturating_mul(LZ4_RATIO_MAX) {
        return None;
    }
    let contents = lz4_flex::block::decompress(block, size).ok()?;
    (contents.len() == size).then_some(contents)
}
