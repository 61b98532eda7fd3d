//! Blocks in a file: compression, checksum, and the bounds that protect an allocation.
//!
//! mod.rs has the diagram.
#![deny(clippy::indexing_slicing)]

use std::cell::RefCell;
use std::path::Path;
use std::sync::Arc;

use crate::checksum;
use crate::error::{Error, Result};
use crate::file_name::FileNumber;
use crate::fs::RandomAccessFile;
use crate::planted::{Bug, planted};
use crate::table::block::Block;
use crate::table::block_v1;
use crate::table::footer::TableFormat;
use crate::table::handle::BlockHandle;
use crate::table::options::Compression;
use crate::table::origin::Origin;
use crate::table::spare_buffers;

/// Bytes behind a payload: compression and checksum.
pub(crate) const TAIL_BYTES: usize = 5;
const STORED: u8 = 0;
const LZ4: u8 = 1;
const ZSTD: u8 = 2;
/// The level of Zstandard: its default.
const ZSTD_LEVEL: i32 = 3;
/// No more than this many bytes are believed to come from one: LZ4 cannot say more.
const RATIO_MAX: usize = 255;
/// The most bytes that a thread keeps for its reads.
const SCRATCH_BYTES_MAX: usize = 64 * 1024;

/// The checksum of `parts` where they stand.
pub(crate) fn checksum(number: FileNumber, offset: u64, parts: &[&[u8]]) -> u32 {
    let mut place = [0; 16];
    let (first, second) = place.split_at_mut(8);
    first.copy_from_slice(&number.0.to_le_bytes());
    second.copy_from_slice(&offset.to_le_bytes());
    let sum = checksum::crc32c(&place);
    parts.iter().fold(sum, |sum, part| checksum::crc32c_append(sum, part))
}

/// Appends a block that stands at `offset` of file `number` to `out`.
pub(crate) fn push_block(
    out: &mut Vec<u8>,
    contents: &[u8],
    compression: Compression,
    number: FileNumber,
    offset: u64,
) -> BlockHandle {
    let compressed = compress(contents, compression);
    let (payload, kind) = match &compressed {
        Some((payload, kind)) => (payload.as_slice(), *kind),
        None => (contents, STORED),
    };
    let sum = checksum(number, offset, &[payload, &[kind]]);
    out.extend_from_slice(payload);
    out.push(kind);
    out.extend_from_slice(&sum.to_le_bytes());
    BlockHandle { offset, payload_bytes: u64::try_from(payload.len()).unwrap_or(u64::MAX) }
}

/// The compressed payload and what it is compressed with, if that saves at least an eighth.
fn compress(contents: &[u8], compression: Compression) -> Option<(Vec<u8>, u8)> {
    let size = u32::try_from(contents.len()).ok()?;
    let (payload, kind) = match compression {
        Compression::None => return None,
        Compression::Lz4 => (lz4::block::compress(contents, None, true).ok()?, LZ4),
        Compression::Zstd => {
            let mut payload = size.to_le_bytes().to_vec();
            payload.extend(zstd::bulk::compress(contents, ZSTD_LEVEL).ok()?);
            if contents.len() > payload.len().saturating_mul(RATIO_MAX) {
                // A reader would not believe it; LZ4 cannot say so much with so little.
                return compress(contents, Compression::Lz4);
            }
            (payload, ZSTD)
        }
    };
    (payload.len() <= contents.len() - contents.len() / 8).then_some((payload, kind))
}

/// The blocks of an open file.
#[derive(Debug)]
pub(crate) struct BlockFile {
    pub(crate) file: Arc<dyn RandomAccessFile>,
    /// Its name in the cache.
    pub(crate) number: FileNumber,
    pub(crate) origin: Origin,
    pub(crate) path: Arc<Path>,
    /// Blocks end at or before this offset.
    pub(crate) blocks_end: u64,
    pub(crate) format: TableFormat,
}

/// Bytes that the reads of a thread share, so that none has to allocate and clear its own.
struct Scratch(Vec<u8>);

thread_local! {
    static SCRATCH: RefCell<Scratch> = const { RefCell::new(Scratch(Vec::new())) };
}

impl Scratch {
    /// Lends `len` bytes, whatever they hold. No more than [`SCRATCH_BYTES_MAX`] are kept.
    fn lend<T>(len: usize, read: impl FnOnce(&mut [u8]) -> T) -> T {
        if len > SCRATCH_BYTES_MAX {
            return read(&mut vec![0; len]);
        }
        SCRATCH.with_borrow_mut(|Scratch(bytes)| {
            if bytes.len() < len {
                bytes.resize(len.next_power_of_two(), 0);
            }
            read(bytes.get_mut(..len).unwrap_or_default())
        })
    }
}

impl BlockFile {
    /// The block, verified, decompressed and parsed.
    pub(crate) fn block(&self, handle: BlockHandle) -> Result<Block> {
        self.parse(handle, self.read(handle)?)
    }

    /// The block of whose bytes in the file `bytes` are a copy.
    pub(crate) fn block_from(&self, handle: BlockHandle, bytes: &[u8]) -> Result<Block> {
        self.parse(handle, self.contents(handle, bytes)?)
    }

    fn parse(&self, handle: BlockHandle, contents: Vec<u8>) -> Result<Block> {
        let contents = match self.format {
            TableFormat::V2 => contents,
            TableFormat::V1 => match block_v1::rewrite(&contents) {
                Some(contents) => contents,
                None => return self.damaged(handle, "a block of the first format", "a malformed block"),
            },
        };
        let block = Block::parse(contents, Arc::clone(&self.path), handle.offset)?;
        Ok(block.with_trailers_raised(self.origin.raise()))
    }

    /// The contents of the block, verified and decompressed.
    pub(crate) fn read(&self, handle: BlockHandle) -> Result<Vec<u8>> {
        let (_, len) = self.extent(handle)?;
        Scratch::lend(len, |bytes| {
            self.file.read_at(handle.offset, bytes)?;
            self.contents(handle, bytes)
        })
    }

    /// The contents of the block, verified and decompressed: for long ones, which are not copied if they are not compressed.
    pub(crate) fn read_owned(&self, handle: BlockHandle) -> Result<Vec<u8>> {
        let (_, len) = self.extent(handle)?;
        let mut bytes = vec![0; len];
        self.file.read_at(handle.offset, &mut bytes)?;
        let checked = self.check(handle, &bytes)?;
        if checked.last() != Some(&STORED) {
            return self.decompress(handle, checked);
        }
        bytes.truncate(len - TAIL_BYTES);
        Ok(bytes)
    }

    /// Where the block ends in the file, and how many bytes it has there.
    pub(crate) fn extent(&self, handle: BlockHandle) -> Result<(u64, usize)> {
        let tail_bytes = u64::try_from(TAIL_BYTES).unwrap_or(u64::MAX);
        let on_disk = handle.payload_bytes.checked_add(tail_bytes);
        let end = on_disk.and_then(|len| handle.offset.checked_add(len));
        match (end.filter(|end| *end <= self.blocks_end), on_disk.and_then(|len| usize::try_from(len).ok())) {
            (Some(end), Some(len)) => Ok((end, len)),
            _ => self.damaged(handle, "a block inside the file", "a handle that points outside"),
        }
    }

    fn damaged<T>(&self, handle: BlockHandle, expected: &str, found: &str) -> Result<T> {
        Err(Error::corrupt(&self.path, handle.offset, expected, found))
    }

    /// Payload and compression, if their checksum is right.
    fn check<'a>(&self, handle: BlockHandle, bytes: &'a [u8]) -> Result<&'a [u8]> {
        let Some((checked, sum)) = bytes.split_last_chunk::<4>() else {
            return self.damaged(handle, "a block", "too few bytes");
        };
        let sum = u32::from_le_bytes(*sum);
        let expected = checksum(self.origin.sealed_as, handle.offset, &[checked]);
        if sum != expected && !planted(Bug::IgnoreBlockChecksum) {
            return self.damaged(handle, &format!("checksum {expected:08x}"), &format!("{sum:08x}"));
        }
        Ok(checked)
    }

    fn contents(&self, handle: BlockHandle, bytes: &[u8]) -> Result<Vec<u8>> {
        self.decompress(handle, self.check(handle, bytes)?)
    }

    fn decompress(&self, handle: BlockHandle, checked: &[u8]) -> Result<Vec<u8>> {
        match checked.split_last() {
            Some((&STORED, payload)) => {
                let mut contents = spare_buffers::take(payload.len());
                contents.copy_from_slice(payload);
                Ok(contents)
            }
            Some((kind @ (&LZ4 | &ZSTD), payload)) => match decompress(payload, *kind) {
                Some(contents) => Ok(contents),
                None => self.damaged(handle, "a compressed block", "bytes that do not decompress"),
            },
            Some((other, _)) => {
                self.damaged(handle, "a compression that this version knows", &other.to_string())
            }
            None => self.damaged(handle, "a block", "too few bytes"),
        }
    }
}

fn decompress(payload: &[u8], kind: u8) -> Option<Vec<u8>> {
    let (size, block) = payload.split_first_chunk::<4>()?;
    let size = usize::try_from(u32::from_le_bytes(*size)).ok()?;
    if size > payload.len().saturating_mul(RATIO_MAX) {
        return None;
    }
    let mut contents = spare_buffers::take(size);
    let written = match kind {
        LZ4 => {
            lz4::block::decompress_to_buffer(block, Some(i32::try_from(size).ok()?), &mut contents).ok()?
        }
        _ => zstd::bulk::decompress_to_buffer(block, &mut contents[..]).ok()?,
    };
    (written == size).then_some(contents)
}
