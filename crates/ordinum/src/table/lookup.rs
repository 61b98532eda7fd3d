//! Lookups of several keys in ascending order, which share the blocks that they look into.
#![deny(clippy::indexing_slicing)]

use std::sync::Arc;

use crate::error::Result;
use crate::file_name::FileNumber;
use crate::key::{Kind, SeqNo};
use crate::slice::Slice;
use crate::table::block::Block;
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

/// The block that the last lookup looked into.
#[derive(Debug)]
pub(crate) struct KeptBlock {
    file: FileNumber,
    handle: BlockHandle,
    block: Arc<Block>,
}

impl TableReader {
    /// What [`TableReader::get`] finds. A lookup that follows in the same block takes it from `kept`.
    pub(crate) fn look_up(
        &self,
        lookup: &mut Lookup<'_>,
        seek_trailer: u64,
        kept: &mut Option<KeptBlock>,
    ) -> Result<()> {
        let Lookup { user_key, key_hash, .. } = *lookup;
        if !self.may_contain(key_hash) {
            return Ok(());
        }
        let Some(handle) = self.block_of(user_key, seek_trailer)? else { return Ok(()) };
        let file = self.blocks.number;
        let block = match kept {
            Some(kept) if kept.file == file && kept.handle == handle => Arc::clone(&kept.block),
            _ => {
                let block = self.data_block(handle)?;
                *kept = Some(KeptBlock { file, handle, block: Arc::clone(&block) });
                block
            }
        };
        lookup.found = self.get_in(block, user_key, seek_trailer, key_hash)?;
        Ok(())
    }
}
