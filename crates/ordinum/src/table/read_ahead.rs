//! Reads blocks that follow one another in larger pieces.
//!
//! Invariant: what is kept is a copy of the bytes of the file from `start` on; the file is immutable.
#![deny(clippy::indexing_slicing)]

use crate::error::Result;
use crate::table::block::Block;
use crate::table::block_file::BlockFile;
use crate::table::handle::BlockHandle;

/// The first piece that is read ahead; each further one is twice as long.
const AHEAD_BYTES_MIN: u64 = 16 * 1024;
/// The longest piece of an iterator that is moved by a caller.
const AHEAD_BYTES_MAX: u64 = 128 * 1024;
/// The pieces of one that reads whole tables.
const AHEAD_BYTES_WHOLE: u64 = 256 * 1024;
/// So many blocks in a row are read one by one before more is read ahead.
const BLOCKS_BEFORE_AHEAD: u32 = 2;

/// Which way an iterator goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Forward,
    Backward,
}

/// What was read ahead, and what tells whether to.
#[derive(Debug)]
pub(super) struct ReadAhead {
    bytes: Vec<u8>,
    start: u64,
    /// Blocks that followed one another.
    in_a_row: u32,
    /// The place of the last block.
    last: (u64, u64),
    next_bytes: u64,
    max_bytes: u64,
}

impl ReadAhead {
    /// Reads ahead once blocks have followed one another.
    pub(super) fn on_evidence() -> ReadAhead {
        ReadAhead {
            bytes: Vec::new(),
            start: 0,
            in_a_row: 0,
            last: (u64::MAX, u64::MAX),
            next_bytes: AHEAD_BYTES_MIN,
            max_bytes: AHEAD_BYTES_MAX,
        }
    }

    /// Reads long pieces from the first block on.
    pub(super) fn at_once() -> ReadAhead {
        ReadAhead {
            in_a_row: BLOCKS_BEFORE_AHEAD,
            next_bytes: AHEAD_BYTES_WHOLE,
            max_bytes: AHEAD_BYTES_WHOLE,
            ..ReadAhead::on_evidence()
        }
    }

    /// Notes that the iterator came to the block, wherever that was read from.
    pub(super) fn passed(&mut self, blocks: &BlockFile, handle: BlockHandle) -> Result<()> {
        let (end, _) = blocks.extent(handle)?;
        let (last_start, last_end) = self.last;
        if handle.offset == last_end || end == last_start {
            self.in_a_row = self.in_a_row.saturating_add(1);
        } else if self.max_bytes == AHEAD_BYTES_MAX {
            self.in_a_row = 0;
            self.next_bytes = AHEAD_BYTES_MIN;
        }
        self.last = (handle.offset, end);
        Ok(())
    }

    /// The block, from what was read ahead or from the file.
    pub(super) fn block(
        &mut self,
        blocks: &BlockFile,
        handle: BlockHandle,
        direction: Direction,
    ) -> Result<Block> {
        let (end, len) = blocks.extent(handle)?;
        if let Some(bytes) = self.kept(handle.offset, len) {
            return blocks.block_from(handle, bytes);
        }
        let follows = handle.offset == self.last.1 || end == self.last.0 || self.last.0 == u64::MAX;
        if !follows || self.in_a_row < BLOCKS_BEFORE_AHEAD {
            return blocks.block(handle);
        }
        let (start, piece_end) = match direction {
            Direction::Forward => {
                (handle.offset, end.max(handle.offset.saturating_add(self.next_bytes)).min(blocks.blocks_end))
            }
            Direction::Backward => (handle.offset.min(end.saturating_sub(self.next_bytes)), end),
        };
        self.next_bytes = (self.next_bytes * 2).min(self.max_bytes);
        if self.fill(blocks, start, piece_end).is_err() {
            // What cannot be read may be ahead of the block.
            self.bytes.clear();
            return blocks.block(handle);
        }
        match self.kept(handle.offset, len) {
            Some(bytes) => blocks.block_from(handle, bytes),
            None => blocks.block(handle),
        }
    }

    fn kept(&self, offset: u64, len: usize) -> Option<&[u8]> {
        let at = usize::try_from(offset.checked_sub(self.start)?).ok()?;
        self.bytes.get(at..at.checked_add(len)?)
    }

    fn fill(&mut self, blocks: &BlockFile, start: u64, end: u64) -> Result<()> {
        let len = usize::try_from(end - start).unwrap_or(usize::MAX);
        self.bytes.resize(len, 0);
        self.start = start;
        blocks.file.read_at(start, &mut self.bytes)
    }
}
