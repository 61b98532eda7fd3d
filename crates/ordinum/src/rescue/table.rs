//! What is left of a table: the entries of its intact blocks, in order.
//!
//! Invariants: (1) an entry comes from a block whose checksum is right; (2) what is passed over is told, with the keys that it may
//! have had, before an entry behind it is shown.

#![deny(clippy::indexing_slicing)]

use std::path::Path;
use std::sync::Arc;

use super::losses::{Losses, SeqNos};
use super::report::Lost;
use crate::error::{Error, Result};
use crate::family::FamilyId;
use crate::file_name::FileNumber;
use crate::fs::Fs;
use crate::iter::InternalIterator;
use crate::key::split_internal;
use crate::range_delete::RangeTombstone;
use crate::table::{
    BlockFile, BlockHandle, BlockIter, FEATURE_RANGE_TOMBSTONES, FOOTER_BYTES, Footer, Origin, Properties,
    decode_range_tombstones,
};

/// A table whose footer and top index are intact.
#[derive(Debug)]
pub(super) struct OpenTable {
    blocks: BlockFile,
    top: BlockIter,
    footer: Footer,
    /// None: damaged.
    pub(super) properties: Option<Properties>,
}

impl OpenTable {
    /// Opens the table. Its properties may be damaged: what is wrong with them is told.
    ///
    /// # Errors
    /// The damage that takes all of it away.
    pub(super) fn open(
        fs: &dyn Fs,
        path: &Path,
        number: FileNumber,
        origin: Origin,
    ) -> Result<(OpenTable, Result<()>)> {
        let file = fs.open(path)?;
        let len = file.len()?;
        let footer_at = len.checked_sub(u64::try_from(FOOTER_BYTES).unwrap_or(u64::MAX));
        let footer_at =
            footer_at.ok_or_else(|| Error::corrupt(path, 0, "a table", &format!("{len} bytes")))?;
        let mut bytes = vec![0; FOOTER_BYTES];
        file.read_at(footer_at, &mut bytes)?;
        let footer = Footer::decode(&bytes, origin.sealed_as, footer_at, path)?;
        let (path, format) = (Arc::from(path), footer.format);
        let blocks = BlockFile { file, number, origin, path, blocks_end: footer_at, format };
        let top = BlockIter::new(Arc::new(blocks.block(footer.top_index)?));
        let properties =
            blocks.block(footer.properties).and_then(Properties::decode).map(|mut properties| {
                properties.raise_trailers(origin);
                properties
            });
        let (properties, told) = match properties {
            Ok(properties) => (Some(properties), Ok(())),
            Err(damage) => (None, Err(damage)),
        };
        Ok((OpenTable { blocks, top, footer, properties }, told))
    }

    /// The range tombstones.
    ///
    /// # Errors
    /// Their damage, or that of the properties that say where they are.
    pub(super) fn range_tombstones(&self) -> Result<Vec<RangeTombstone>> {
        let has_some = self.footer.features & FEATURE_RANGE_TOMBSTONES != 0;
        match self.properties.as_ref().map(|properties| properties.range_tombstones) {
            Some(Some((_, handle))) => decode_range_tombstones(self.blocks.block(handle)?),
            None if has_some => {
                let (path, at) = (&self.blocks.path, self.footer.properties.offset);
                Err(Error::corrupt(path, at, "properties that tell of range tombstones", "others"))
            }
            Some(None) | None => Ok(Vec::new()),
        }
    }

    /// Its entries, as those of the family.
    pub(super) fn entries(self, family: (FamilyId, String), seqnos: SeqNos) -> TableEntries {
        let properties = self.properties.as_ref();
        let bound = |key: &Vec<u8>| split_internal(key).map_or(Vec::new(), |(key, _)| key.to_vec());
        TableEntries {
            blocks: self.blocks,
            top: Level::fresh(self.top),
            partition: None,
            data: None,
            family,
            seqnos,
            before: Vec::new(),
            separator: properties.map_or(Vec::new(), |properties| bound(&properties.smallest)),
            largest: properties.map_or(Vec::new(), |properties| bound(&properties.largest)),
            damage: None,
        }
    }
}

/// An iterator over a block that may not have been begun.
#[derive(Debug)]
struct Level {
    entries: BlockIter,
    is_begun: bool,
}

impl Level {
    fn fresh(entries: BlockIter) -> Level {
        Level { entries, is_begun: false }
    }

    fn next(&mut self) -> Result<bool> {
        if self.is_begun {
            return self.entries.next();
        }
        self.is_begun = true;
        self.entries.first()
    }

    fn handle(&self) -> Result<BlockHandle> {
        let index = self.entries.block();
        BlockHandle::parse(self.entries.value()).ok_or_else(|| index.malformed("an index of block handles"))
    }
}

/// Blocks one behind the other that are damaged.
#[derive(Debug)]
struct Damage {
    first_key: Vec<u8>,
    last_key: Vec<u8>,
    /// What is wrong with the first of them.
    what: Error,
}

/// The entries of the intact blocks of a table.
#[derive(Debug)]
pub(super) struct TableEntries {
    blocks: BlockFile,
    top: Level,
    partition: Option<Level>,
    data: Option<Level>,
    family: (FamilyId, String),
    seqnos: SeqNos,
    /// The separator before the block that is read: its keys are not smaller.
    before: Vec<u8>,
    /// The separator of the block that is read.
    separator: Vec<u8>,
    /// The last key of the table, if it is known.
    largest: Vec<u8>,
    /// What was passed over and is not told of yet.
    damage: Option<Damage>,
}

impl TableEntries {
    /// To the next entry; whether there is one.
    pub(super) fn next(&mut self, losses: &mut Losses) -> bool {
        loop {
            match self.data.as_mut().map(Level::next) {
                Some(Ok(true)) => {
                    self.tell(losses);
                    return true;
                }
                Some(Ok(false)) => self.data = None,
                Some(Err(damage)) => {
                    self.data = None;
                    self.note(damage);
                }
                None if self.enter() => {}
                None => {
                    self.tell(losses);
                    return false;
                }
            }
        }
    }

    /// A step on in the index: into the next partition, or the next block, or past one that is damaged; false at the end.
    fn enter(&mut self) -> bool {
        match self.partition.as_mut().map(Level::next) {
            Some(Ok(true)) => {
                self.data = self.open(|table| table.partition.as_ref());
                true
            }
            Some(Ok(false)) => {
                self.partition = None;
                true
            }
            Some(Err(damage)) => {
                // The rest of the partition.
                self.partition = None;
                self.pass(self.top.entries.user_key().to_vec());
                self.note(damage);
                true
            }
            None => match self.top.next() {
                Ok(true) => {
                    let (before, separator) = (self.before.clone(), self.separator.clone());
                    self.partition = self.open(|table| Some(&table.top));
                    if self.partition.is_some() {
                        // The blocks under it tell where they end.
                        (self.before, self.separator) = (before, separator);
                    }
                    true
                }
                Ok(false) => false,
                Err(damage) => {
                    let largest = self.largest.clone();
                    self.pass(largest);
                    self.note(damage);
                    false
                }
            },
        }
    }

    /// The block that the entry of an index leads to, which ends at that entry; none if it is damaged.
    fn open(&mut self, index: impl FnOnce(&TableEntries) -> Option<&Level>) -> Option<Level> {
        let index = index(self)?;
        let block = index.handle().and_then(|handle| self.blocks.block(handle));
        self.pass(index.entries.user_key().to_vec());
        match block {
            Ok(block) => Some(Level::fresh(BlockIter::new(Arc::new(block)))),
            Err(damage) => {
                self.note(damage);
                None
            }
        }
    }

    fn pass(&mut self, separator: Vec<u8>) {
        self.before = std::mem::replace(&mut self.separator, separator);
    }

    /// Notes that what lies between the last two separators is damaged.
    fn note(&mut self, damage: Error) {
        match &mut self.damage {
            Some(before) => before.last_key.clone_from(&self.separator),
            None => {
                let (first_key, last_key) = (self.before.clone(), self.separator.clone());
                self.damage = Some(Damage { first_key, last_key, what: damage });
            }
        }
    }

    fn tell(&mut self, losses: &mut Losses) {
        let Some(Damage { first_key, last_key, what }) = self.damage.take() else { return };
        let ((id, name), keys) = (&self.family, (first_key, last_key));
        losses.miss(Some(*id), Some(keys.clone()), self.seqnos);
        losses.tell_of(Lost::Entries, &self.blocks.path, Some(name), Some(keys), &what);
    }

    /// The entry that it stands on: user key, trailer and value.
    pub(super) fn entry(&self) -> (&[u8], u64, &[u8]) {
        match &self.data {
            Some(data) => (data.entries.user_key(), data.entries.trailer(), data.entries.value()),
            None => (&[], 0, &[]),
        }
    }
}
