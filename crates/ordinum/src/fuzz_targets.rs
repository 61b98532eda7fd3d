//! Entry points for fuzzing: each takes arbitrary bytes for what a file should hold, and must return.

use std::path::Path;
use std::sync::Arc;

use crate::cache::BlockCache;
use crate::error::Result;
use crate::file_name::FileNumber;
use crate::fs::{Fs, MemoryFs};
use crate::iter::InternalIterator;
use crate::table::{Block, BlockIter, TableReader, hash_key};

/// Opens `bytes` as a table, verifies it, and reads it in both directions.
///
/// # Errors
/// What opening or verifying the table found.
pub fn fuzz_table(bytes: &[u8]) -> Result<()> {
    let fs = MemoryFs::new();
    let path = Path::new("/table");
    fs.create(path)?.append(bytes)?;
    let cache = Arc::new(BlockCache::new(1 << 20)?);
    let table = Arc::new(TableReader::open(fs.open(path)?, FileNumber(1), path.into(), cache)?);
    let verified = table.verify().map(drop);
    let key = bytes.get(..8).unwrap_or(bytes);
    let walked = walk(&mut table.iter(), key);
    let found = table.get(key, u64::MAX, hash_key(key)).map(drop);
    verified.and(walked).and(found)
}

/// Parses `bytes` as the contents of a block, past any checksum, and reads it in both directions.
///
/// # Errors
/// What the block got wrong.
pub fn fuzz_block(bytes: &[u8]) -> Result<()> {
    let block = Block::parse(bytes.to_vec(), Path::new("/block").into(), 0)?;
    walk(&mut BlockIter::new(Arc::new(block)), bytes.get(..8).unwrap_or(bytes))
}

fn walk(iter: &mut dyn InternalIterator, key: &[u8]) -> Result<()> {
    let forward = walk_forward(iter);
    let backward = walk_backward(iter);
    let sought = iter.seek(key, u64::MAX).and_then(|found| if found { iter.prev() } else { Ok(false) });
    let before = iter.seek_before(key, 0).and_then(|found| if found { iter.next() } else { Ok(false) });
    forward.and(backward).and(sought).and(before).map(drop)
}

fn walk_forward(iter: &mut dyn InternalIterator) -> Result<bool> {
    let mut more = iter.first()?;
    while more {
        more = iter.next()?;
    }
    Ok(more)
}

fn walk_backward(iter: &mut dyn InternalIterator) -> Result<bool> {
    let mut more = iter.last()?;
    while more {
        more = iter.prev()?;
    }
    Ok(more)
}
