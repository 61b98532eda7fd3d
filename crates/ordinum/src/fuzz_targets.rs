//! Entry points for fuzzing: each takes arbitrary bytes for what a file should hold, and must return.

#![deny(clippy::indexing_slicing)]

mod history;
mod values;

use std::path::Path;
use std::sync::Arc;

pub use history::{fuzz_current, fuzz_edits, fuzz_log, fuzz_manifest, fuzz_sealed_log, fuzz_sealed_manifest};
pub use values::{fuzz_sealed_value_log, fuzz_value_log};

use crate::cache::{BlockCache, CacheUse};
use crate::error::Result;
use crate::file_name::FileNumber;
use crate::fs::{Fs, MemoryFs};
use crate::iter::InternalIterator;
use crate::key::SeqNo;
use crate::table::{
    Block, BlockIter, Compression, FEATURE_RANGE_TOMBSTONES, FEATURE_VALUE_LOG, Footer, TableFormat,
    TableReader, decode_range_tombstones, hash_key, push_block, rewrite_former,
};

/// Opens `bytes` as a table, verifies it, and reads it in both directions.
///
/// # Errors
/// What opening or verifying the table found.
pub fn fuzz_table(bytes: &[u8]) -> Result<()> {
    let fs = MemoryFs::new();
    let path = Path::new("/table");
    fs.create(path)?.append(bytes)?;
    let cache = Arc::new(BlockCache::new(1 << 20));
    let table = Arc::new(TableReader::open(fs.open(path)?, FileNumber(1), path.into(), cache)?);
    let verified = table.verify().map(drop);
    let key = bytes.get(..8).unwrap_or(bytes);
    let walked = walk(&mut table.iter(CacheUse::Fill), key);
    let found = table.get(key, u64::MAX, hash_key(key)).map(drop);
    let ranges = table.range_tombstones().map(|ranges| assert!(ranges.newest(key, SeqNo::MAX) <= SeqNo::MAX));
    verified.and(walked).and(found).and(ranges)
}

/// Makes a table of `bytes` whose checksums are right, so that what stands behind them is reached, and does with it what
/// [`fuzz_table`] does.
///
/// ```text
/// bytes   | lengths of the first four: u16 little-endian each | data block | index partition | top index | filter | properties |
/// ```
///
/// The same bytes are taken for a table of each format, and for one with range tombstones, whose block the properties name.
///
/// # Errors
/// What opening or verifying the table found, if they are no table of any format.
pub fn fuzz_sealed_table(bytes: &[u8]) -> Result<()> {
    let former = fuzz_table(&sealed_table(bytes, TableFormat::V1, 0));
    let with_ranges = fuzz_table(&sealed_table(bytes, TableFormat::V2, FEATURE_RANGE_TOMBSTONES));
    fuzz_table(&sealed_table(bytes, TableFormat::V2, 0)).or(with_ranges).or(former)
}

/// Makes a table whose footer has these bytes, with the right number, checksum and magic, behind blocks that are the rest of them.
/// The footer may point anywhere.
///
/// # Errors
/// What opening or verifying the table found.
pub fn fuzz_footer(bytes: &[u8]) -> Result<()> {
    let (checked, body) = bytes.split_at(bytes.len().min(Footer::CHECKED_BYTES));
    let offset = u64::try_from(body.len()).unwrap_or(u64::MAX);
    fuzz_table(&[body, &Footer::sealed(checked, FileNumber(1), offset)].concat())
}

fn sealed_table(bytes: &[u8], format: TableFormat, features: u64) -> Vec<u8> {
    let number = FileNumber(1);
    let (lengths, mut rest) = bytes.split_first_chunk::<8>().unwrap_or((&[0; 8], bytes));
    let (lengths, _) = lengths.as_chunks::<2>();
    let mut table = Vec::new();
    let mut seal = |contents: &[u8]| {
        let offset = u64::try_from(table.len()).unwrap_or(u64::MAX);
        push_block(&mut table, contents, Compression::None, number, offset)
    };
    let mut handles = Vec::new();
    for length in lengths {
        let (section, behind) = rest.split_at(usize::from(u16::from_le_bytes(*length)).min(rest.len()));
        handles.push(seal(section));
        rest = behind;
    }
    let properties = seal(rest);
    if let [_, _, top_index, filter] = *handles {
        let offset = u64::try_from(table.len()).unwrap_or(u64::MAX);
        let features = features | FEATURE_VALUE_LOG;
        let footer = Footer { properties, top_index, filter: Some(filter), format, features };
        table.extend(footer.encode(number, offset));
    }
    table
}

/// Parses `bytes` as the contents of a block of each format, past any checksum, and reads it in both directions.
///
/// # Errors
/// What the block got wrong, if it is none of any format.
pub fn fuzz_block(bytes: &[u8]) -> Result<()> {
    let present = read_block(bytes.to_vec());
    let former = rewrite_former(bytes).map(read_block);
    match (present, former) {
        (Err(_), Some(Ok(()))) => Ok(()),
        (present, _) => present,
    }
}

fn read_block(bytes: Vec<u8>) -> Result<()> {
    let key = bytes.get(..8).unwrap_or(&bytes).to_vec();
    let bytes_again = bytes.clone();
    let block = Block::parse(bytes, Path::new("/block").into(), 0)?;
    block.find(&key, u64::MAX, hash_key(&key))?;
    // Most blocks are none of range tombstones: what is asked is that it says so.
    drop(decode_range_tombstones(Block::parse(bytes_again, Path::new("/block").into(), 0)?));
    walk(&mut BlockIter::new(Arc::new(block)), &key)
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
