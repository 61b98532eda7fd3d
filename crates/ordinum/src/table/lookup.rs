//! Lookups of several keys in ascending order, which share the blocks that they look into.
#![deny(clippy::indexing_slicing)]

use std::sync::Arc;

use smallvec::SmallVec;

use crate::error::Result;
use crate::file_name::FileNumber;
use crate::key::{Kind, SeqNo};
use crate::prefetch::prefetch;
use crate::slice::Slice;
use crate::table::block::{Block, LINE_BYTES};
use crate::table::filter::hash_key;
use crate::table::handle::BlockHandle;
use crate::table::reader::TableReader;

/// One key of several that are looked up together.
#[derive(Debug)]
pub(crate) struct Lookup<'a> {
    pub(crate) user_key: &'a [u8],
    pub(crate) key_hash: u64,
    pub(crate) found: Option<(Kind, SeqNo, Slice)>,
}

impl<'a> Lookup<'a> {
    /// Of a key that nothing is found of yet.
    pub(crate) fn new(user_key: &'a [u8]) -> Lookup<'a> {
        Lookup { user_key, key_hash: hash_key(user_key), found: None }
    }
}

/// How many keys are looked up side by side: about as many as a processor core waits for at once.
const SIDE_BY_SIDE: usize = 16;
/// So many lines of a value are fetched ahead, at most.
const LINES_PREFETCHED_MAX: usize = 8;

/// A key that is looked for in a table.
struct Visit<'v, 'a> {
    lookup: &'v mut Lookup<'a>,
    table: &'v TableReader,
    /// Where the block lies that it may be in.
    handle: Option<BlockHandle>,
    block: Option<Arc<Block>>,
}

/// The block that the last lookup looked into.
struct KeptBlock {
    file: FileNumber,
    handle: BlockHandle,
    block: Arc<Block>,
}

/// What [`TableReader::get`] finds of each key in its table. Keys that follow each other in a block share one look at it.
///
/// They go side by side, step by step, so that the memory that one waits for comes in while the others go on, as in memtables.
pub(crate) fn look_up_all<'v, 'a: 'v>(
    mut places: impl Iterator<Item = (&'v mut Lookup<'a>, Result<&'v Arc<TableReader>>)>,
    seek_trailer: u64,
) -> Result<()> {
    let mut kept = None;
    loop {
        let mut group: SmallVec<[Visit<'v, 'a>; SIDE_BY_SIDE]> = SmallVec::new();
        for (lookup, table) in places.by_ref().take(SIDE_BY_SIDE) {
            let table = &**table?;
            table.prefetch(lookup.key_hash);
            group.push(Visit { lookup, table, handle: None, block: None });
        }
        if group.is_empty() {
            return Ok(());
        }
        group.retain(|visit| visit.table.may_contain(visit.lookup.key_hash));
        for visit in &mut group {
            visit.handle = visit.table.block_of(visit.lookup.user_key, seek_trailer)?;
            visit.handle.into_iter().for_each(|handle| visit.table.prefetch_block(handle));
        }
        for visit in &mut group {
            visit.load(&mut kept)?;
        }
        let blocks = || group.iter().filter_map(|visit| Some((visit.block.as_ref()?, visit.lookup.key_hash)));
        blocks().for_each(|(block, key_hash)| block.prefetch_bucket(key_hash));
        blocks().for_each(|(block, key_hash)| block.prefetch_entry(key_hash));
        blocks().for_each(|(block, key_hash)| block.prefetch_value(key_hash));
        for Visit { lookup, table, block, .. } in group {
            let Some(block) = block else { continue };
            lookup.found = table.get_in(block, lookup.user_key, seek_trailer, lookup.key_hash)?;
            if let Some((_, _, value)) = &lookup.found {
                // Who asks for several values looks at them next, one behind the other.
                value.chunks(LINE_BYTES).take(LINES_PREFETCHED_MAX).for_each(prefetch);
            }
        }
    }
}

impl Visit<'_, '_> {
    fn load(&mut self, kept: &mut Option<KeptBlock>) -> Result<()> {
        let Some(handle) = self.handle else { return Ok(()) };
        let file = self.table.blocks.number;
        let block = match kept {
            Some(kept) if kept.file == file && kept.handle == handle => Arc::clone(&kept.block),
            Some(_) | None => {
                let block = self.table.data_block(handle)?;
                *kept = Some(KeptBlock { file, handle, block: Arc::clone(&block) });
                block
            }
        };
        self.block = Some(block);
        Ok(())
    }
}
