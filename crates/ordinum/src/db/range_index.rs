//! The index of the range deletes of a family: building it and giving it up while the family is used, and letting go of those
//! that hide nothing more.
//!
//! Invariant: the index has every range tombstone that memtables and tables have. It may have more: they came to tables and
//! were dropped there because nothing was left that they hid. Once those are the most, the index is made anew.

use std::sync::Arc;

use super::core::Core;
use crate::error::Result;
use crate::family::ColumnFamily;
use crate::key::SeqNo;
use crate::range_delete::RangeTombstones;
use crate::super_version::{RangeIndex, SuperVersion};

/// So many tombstones that are no more may stay in an index, besides as many as there are.
const STALE_MAX: u64 = 1024;

impl Core {
    /// The index, if the family has one with something in it.
    pub(super) fn range_index(&self, family: &ColumnFamily) -> Option<Arc<RangeTombstones>> {
        match &family.family.view.load().range_index {
            RangeIndex::Here(index) => Some(Arc::clone(index)),
            RangeIndex::Nothing | RangeIndex::InParts => None,
        }
    }

    /// Every commit through this one has what it wrote to the family in tables.
    pub(super) fn flushed_through(&self, family: &ColumnFamily) -> Option<SeqNo> {
        self.manifest.lock().state().families.get(&family.family.id).map(|family| family.flushed_through)
    }

    /// Has readers look into the index from now on, which is made from what memtables and tables have.
    ///
    /// # Errors
    /// [`crate::Error::Io`], [`crate::Error::Corrupt`] if a table cannot be read: readers go on to look into every part.
    pub(super) fn build_range_index(&self, family: &ColumnFamily) -> Result<()> {
        // Nothing leaves memory meanwhile, so that what was not in tables when they were read is in memtables at the end.
        let _flushing = self.flushing.lock();
        let levels = Arc::clone(&family.family.view.load().levels);
        let in_tables = RangeTombstones::of(levels.read_range_tombstones()?);
        // In the ordered section no tombstone comes between.
        let _commits = self.commits.lock();
        family.family.view.update(|now| {
            let mut all = in_tables;
            let mut in_memory = Vec::new();
            for tombstones in now.memtables().filter_map(|memtable| memtable.range_tombstones()) {
                tombstones.for_each(|tombstone| in_memory.push(tombstone.clone()));
            }
            in_memory.sort_by_key(|tombstone| tombstone.seqno);
            in_memory.into_iter().for_each(|tombstone| all.insert(tombstone));
            let range_index =
                if all.is_empty() { RangeIndex::Nothing } else { RangeIndex::Here(Arc::new(all)) };
            SuperVersion { range_index, ..now.clone() }
        });
        Ok(())
    }

    /// Has readers look into every memtable and table from now on.
    pub(super) fn give_up_range_index(&self, family: &ColumnFamily) {
        let _commits = self.commits.lock();
        family.family.view.update(|now| SuperVersion { range_index: RangeIndex::InParts, ..now.clone() });
    }

    /// Makes the index anew, if most of it is stale. If a table cannot be read, it stays as it is.
    pub(super) fn trim_range_index(&self, family: &ColumnFamily) {
        let view = family.family.view.load();
        let RangeIndex::Here(index) = &view.range_index else { return };
        let needed = view.range_tombstones_in_parts();
        if needed > 0 && index.len() <= 2 * needed + STALE_MAX {
            return;
        }
        let Ok(mut all) = view.levels.read_range_tombstones() else { return };
        for tombstones in view.memtables().filter_map(|memtable| memtable.range_tombstones()) {
            tombstones.for_each(|tombstone| all.push(tombstone.clone()));
        }
        all.retain(|tombstone| tombstone.seqno <= index.newest_of_all());
        let trimmed = RangeTombstones::of(all);
        // In the ordered section no tombstone comes between.
        let _commits = self.commits.lock();
        family.family.view.update(|now| {
            let mut trimmed = trimmed;
            if now.range_index.is_given_up() {
                // It was given up meanwhile.
                return now.clone();
            }
            if let RangeIndex::Here(now) = &now.range_index {
                now.for_each_newer(index.newest_of_all(), |tombstone| trimmed.insert(tombstone.clone()));
            }
            let range_index = match trimmed.is_empty() {
                true => RangeIndex::Nothing,
                false => RangeIndex::Here(Arc::new(trimmed)),
            };
            SuperVersion { range_index, ..now.clone() }
        });
    }
}
