//! Reads a block: entries in order, keys compressed against the key before, whole at restart points.
//!
//! Invariants: (1) restart offsets ascend from 0 and each is the offset of an entry whose key stands whole;
//! (2) a key never goes below the key before it. The reader relies on neither for memory safety: a block that breaks
//! them gives [`Error::Corrupt`] or wrong order, never a panic, and every move ends.
//!
//! ```text
//! block   | entry … | restart offset u32 … | number of restarts u32 |
//! entry   | shared varint | unshared varint | value bytes varint | trailer u64 | key suffix | value |
//! ```
//! `shared` counts the leading bytes of the user key that are those of the entry before; all integers little-endian.
#![deny(clippy::indexing_slicing)]

use std::cmp::Ordering;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::iter::InternalIterator;
use crate::key::compare;
use crate::slice::Slice;
use crate::varint;

/// The bytes of a block, verified and decompressed, and where they came from.
#[derive(Debug)]
pub(crate) struct Block {
    bytes: Vec<u8>,
    entries_end: usize,
    restarts: usize,
    path: Arc<Path>,
    offset: u64,
}

impl AsRef<[u8]> for Block {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// One entry as it lies in a block.
struct RawEntry<'a> {
    shared: usize,
    suffix: &'a [u8],
    trailer: u64,
    value: Range<usize>,
}

impl Block {
    /// Takes the bytes of a block of the file at `path`, from `offset` on.
    pub(crate) fn parse(bytes: Vec<u8>, path: Arc<Path>, offset: u64) -> Result<Block> {
        let mut block = Block { bytes, entries_end: 0, restarts: 0, path, offset };
        let shape = block.bytes.split_last_chunk::<4>().and_then(|(rest, count)| {
            let restarts = usize::try_from(u32::from_le_bytes(*count)).ok()?;
            let entries_end = rest.len().checked_sub(restarts.checked_mul(4)?)?;
            (restarts > 0 && entries_end > 0).then_some((restarts, entries_end))
        });
        let Some((restarts, entries_end)) = shape else {
            return Err(block.malformed("a restart array that fits its block"));
        };
        block.restarts = restarts;
        block.entries_end = entries_end;
        Ok(block)
    }

    /// What the block occupies in memory.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.len() + size_of::<Block>()
    }

    /// An error that names this block.
    pub(crate) fn malformed(&self, expected: &str) -> Error {
        Error::corrupt(&self.path, self.offset, expected, "a malformed block")
    }

    fn restart(&self, index: usize) -> Option<usize> {
        let at = self.entries_end.checked_add(index.checked_mul(4)?)?;
        let bytes = self.bytes.get(at..)?.first_chunk::<4>()?;
        usize::try_from(u32::from_le_bytes(*bytes)).ok()
    }

    fn raw_entry(&self, at: usize) -> Option<RawEntry<'_>> {
        let mut input = self.bytes.get(at..self.entries_end)?;
        let shared = take_len(&mut input)?;
        let unshared = take_len(&mut input)?;
        let value_len = take_len(&mut input)?;
        let (trailer, rest) = input.split_first_chunk::<8>()?;
        let (suffix, rest) = rest.split_at_checked(unshared)?;
        let value_at = self.entries_end - rest.len();
        let value_end = value_at.checked_add(value_len).filter(|end| *end <= self.entries_end)?;
        Some(RawEntry { shared, suffix, trailer: u64::from_le_bytes(*trailer), value: value_at..value_end })
    }

    /// How many restart points satisfy `before`, which must hold for a prefix of them.
    fn restarts_before(&self, mut before: impl FnMut(&RawEntry<'_>, usize) -> bool) -> Result<usize> {
        let mut low = 0;
        let mut high = self.restarts;
        while low < high {
            let middle = low + (high - low) / 2;
            let entry = self.restart(middle).and_then(|at| Some((self.raw_entry(at)?, at)));
            let Some((entry, at)) = entry.filter(|(entry, _)| entry.shared == 0) else {
                return Err(self.malformed("restart points at whole keys"));
            };
            if before(&entry, at) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(low)
    }
}

fn take_len(input: &mut &[u8]) -> Option<usize> {
    usize::try_from(varint::take_u64(input)?).ok()
}

/// A place in a block, without the block, so that a lookup can borrow one.
#[derive(Debug, Default)]
pub(crate) struct BlockCursor {
    at: usize,
    next: usize,
    user_key: Vec<u8>,
    trailer: u64,
    value: Range<usize>,
    valid: bool,
}

impl BlockCursor {
    pub(crate) fn valid(&self) -> bool {
        self.valid
    }

    pub(crate) fn user_key(&self) -> &[u8] {
        &self.user_key
    }

    pub(crate) fn trailer(&self) -> u64 {
        self.trailer
    }

    pub(crate) fn value<'a>(&self, block: &'a Block) -> &'a [u8] {
        block.bytes.get(self.value.clone()).unwrap_or_default()
    }

    /// The value, without a copy.
    pub(crate) fn value_slice(&self, block: &Arc<Block>) -> Slice {
        let owner: Arc<dyn AsRef<[u8]> + Send + Sync> = Arc::<Block>::clone(block);
        Slice::pinned(owner, self.value.start, self.value.len()).unwrap_or_else(|| Slice::from(Vec::new()))
    }

    /// Reads the entry at `at`, whose predecessor's key is in `user_key` unless its key stands whole.
    fn read(&mut self, block: &Block, at: usize) -> Result<bool> {
        self.valid = false;
        if at == block.entries_end {
            return Ok(false);
        }
        let Some(entry) = block.raw_entry(at).filter(|entry| entry.shared <= self.user_key.len()) else {
            return Err(block.malformed("an entry"));
        };
        self.user_key.truncate(entry.shared);
        self.user_key.extend_from_slice(entry.suffix);
        self.trailer = entry.trailer;
        self.at = at;
        self.next = entry.value.end;
        self.value = entry.value;
        self.valid = true;
        Ok(true)
    }

    fn read_restart(&mut self, block: &Block, index: usize) -> Result<bool> {
        self.valid = false;
        self.user_key.clear();
        match block.restart(index).filter(|at| *at < block.entries_end) {
            Some(at) => self.read(block, at),
            None => Err(block.malformed("a restart point inside the block")),
        }
    }

    /// From a restart point on, to the last entry that ends at or before `end`.
    fn read_until(&mut self, block: &Block, restart: usize, end: usize) -> Result<bool> {
        self.read_restart(block, restart)?;
        while self.next < end {
            self.read(block, self.next)?;
        }
        if self.next != end {
            self.valid = false;
            return Err(block.malformed("entries that end where the next begins"));
        }
        Ok(true)
    }

    pub(crate) fn first(&mut self, block: &Block) -> Result<bool> {
        self.read_restart(block, 0)
    }

    pub(crate) fn last(&mut self, block: &Block) -> Result<bool> {
        self.read_until(block, block.restarts - 1, block.entries_end)
    }

    pub(crate) fn next(&mut self, block: &Block) -> Result<bool> {
        self.read(block, self.next)
    }

    pub(crate) fn prev(&mut self, block: &Block) -> Result<bool> {
        self.valid = false;
        let end = self.at;
        let restarts = block.restarts_before(|_, at| at < end)?;
        match restarts.checked_sub(1) {
            Some(restart) => self.read_until(block, restart, end),
            None => Ok(false),
        }
    }

    pub(crate) fn seek(&mut self, block: &Block, user_key: &[u8], trailer: u64) -> Result<bool> {
        self.valid = false;
        let target = (user_key, trailer);
        let restarts = block
            .restarts_before(|entry, _| compare((entry.suffix, entry.trailer), target) == Ordering::Less)?;
        let mut more = self.read_restart(block, restarts.saturating_sub(1))?;
        while more && compare((&self.user_key, self.trailer), target) == Ordering::Less {
            more = self.read(block, self.next)?;
        }
        Ok(more)
    }

    pub(crate) fn seek_before(&mut self, block: &Block, user_key: &[u8], trailer: u64) -> Result<bool> {
        if self.seek(block, user_key, trailer)? { self.prev(block) } else { self.last(block) }
    }
}

/// A cursor over the entries of a block that it holds.
#[derive(Debug)]
pub(crate) struct BlockIter {
    block: Arc<Block>,
    cursor: BlockCursor,
}

impl BlockIter {
    /// A cursor that stands nowhere.
    pub(crate) fn new(block: Arc<Block>) -> BlockIter {
        BlockIter { block, cursor: BlockCursor::default() }
    }

    /// The block itself.
    pub(crate) fn block(&self) -> &Block {
        &self.block
    }
}

impl InternalIterator for BlockIter {
    fn first(&mut self) -> Result<bool> {
        self.cursor.first(&self.block)
    }

    fn last(&mut self) -> Result<bool> {
        self.cursor.last(&self.block)
    }

    fn seek(&mut self, user_key: &[u8], trailer: u64) -> Result<bool> {
        self.cursor.seek(&self.block, user_key, trailer)
    }

    fn seek_before(&mut self, user_key: &[u8], trailer: u64) -> Result<bool> {
        self.cursor.seek_before(&self.block, user_key, trailer)
    }

    fn next(&mut self) -> Result<bool> {
        self.cursor.next(&self.block)
    }

    fn prev(&mut self) -> Result<bool> {
        self.cursor.prev(&self.block)
    }

    fn valid(&self) -> bool {
        self.cursor.valid()
    }

    fn user_key(&self) -> &[u8] {
        self.cursor.user_key()
    }

    fn trailer(&self) -> u64 {
        self.cursor.trailer()
    }

    fn value(&self) -> &[u8] {
        self.cursor.value(&self.block)
    }

    fn value_slice(&self) -> Slice {
        self.cursor.value_slice(&self.block)
    }
}
