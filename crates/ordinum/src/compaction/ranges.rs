//! What range tombstones do in a merge: which tables they spare it to read, and which of them are written.
//!
//! Invariants:
//! (1) a table is left out unread only if every key that it may hold is covered, for everybody who could see anything of it,
//!     by a tombstone that is newer than all of it. What its own range tombstones hide below is hidden by those too;
//! (2) a tombstone is cut where outputs end, right behind the last key of one, so that outputs stay disjoint;
//! (3) a tombstone is dropped only if everybody sees it and nothing older that it covers is left anywhere: what is merged
//!     with it was dropped then, and below lies no table that it meets.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::sync::Arc;

use super::deeper::Deeper;
use super::slices::KeySlice;
use super::{Job, Retention};
use crate::error::Result;
use crate::file_name::FileNumber;
use crate::planted::{Bug, planted};
use crate::range_delete::{KeptTombstones, RangeTombstone, RangeTombstones};
use crate::version::{LiveTable, user_range};

/// The range tombstones of the tables of a merge.
#[derive(Default)]
pub(super) struct MergedRanges {
    pub(super) all: Arc<RangeTombstones>,
    /// Ascending by start, newest first.
    kept: Vec<RangeTombstone>,
    unread: HashSet<FileNumber>,
}

impl MergedRanges {
    /// Reads them.
    pub(super) fn of(job: &Job<'_>) -> Result<MergedRanges> {
        let mut all = Vec::new();
        for table in job.compaction.tables().filter(|table| table.meta().range_tombstones > 0) {
            all.extend(table.reader()?.read_range_tombstones()?);
        }
        if all.is_empty() {
            return Ok(MergedRanges::default());
        }
        let all = Arc::new(RangeTombstones::of(all));
        let kept = KeptTombstones::new(Arc::clone(&all)).written(job.retention);
        let unread = job.compaction.tables().filter(|table| is_covered(table, &all, job.retention));
        let unread = unread.map(|table| table.meta().number).collect();
        Ok(MergedRanges { all, kept, unread })
    }

    /// Whether the merge reads the entries of the table.
    pub(super) fn reads(&self, table: &LiveTable) -> bool {
        !self.unread.contains(&table.meta().number)
    }

    /// How many tables it does not read.
    pub(super) fn tables_unread(&self) -> usize {
        self.unread.len()
    }

    /// What is kept of the slice, if something is.
    pub(super) fn of_slice(&self, slice: &KeySlice) -> Vec<RangeTombstone> {
        let behind = slice
            .end
            .as_ref()
            .map_or(self.kept.len(), |cut| self.kept.partition_point(|tombstone| *tombstone.start < **cut));
        let before_end = self.kept.iter().take(behind);
        let mut inside: Vec<RangeTombstone> =
            before_end.filter_map(|tombstone| clipped(tombstone, slice)).collect();
        sort(&mut inside);
        inside
    }
}

/// Whether nobody can see anything of the table any more.
pub(super) fn is_covered(table: &LiveTable, tombstones: &RangeTombstones, retention: &Retention) -> bool {
    let meta = table.meta();
    let (first, last) = user_range(table);
    tombstones.cover_all(first, last, retention.first_reader(meta.min_seqno), meta.max_seqno)
}

fn clipped(tombstone: &RangeTombstone, slice: &KeySlice) -> Option<RangeTombstone> {
    let mut clipped = tombstone.clone();
    if let Some(start) = slice.start.as_ref().filter(|start| *clipped.start < ***start) {
        clipped.start = Arc::from(start.as_slice());
    }
    if let Some(end) = slice.end.as_ref().filter(|end| ***end < *clipped.end) {
        clipped.end = Arc::from(end.as_slice());
    }
    (clipped.start < clipped.end).then_some(clipped)
}

fn sort(tombstones: &mut [RangeTombstone]) {
    tombstones.sort_by(|a, b| (&a.start, Reverse(a.seqno)).cmp(&(&b.start, Reverse(b.seqno))));
}

/// The tombstones that outputs of a slice take along.
pub(super) struct RangesLeft<'a> {
    left: Vec<RangeTombstone>,
    deeper: Deeper,
    retention: &'a Retention,
}

impl<'a> RangesLeft<'a> {
    pub(super) fn new(left: Vec<RangeTombstone>, deeper: Deeper, retention: &'a Retention) -> RangesLeft<'a> {
        RangesLeft { left, deeper, retention }
    }

    /// Takes those for an output that ends right behind the key, or for the last one.
    pub(super) fn take(&mut self, last_key: Option<&[u8]>) -> Vec<RangeTombstone> {
        if self.left.is_empty() {
            return Vec::new();
        }
        let mut taken = std::mem::take(&mut self.left);
        if let Some(last_key) = last_key {
            let mut cut = last_key.to_vec();
            cut.push(0);
            let cut: Arc<[u8]> = Arc::from(cut);
            let rest = taken.split_off(taken.partition_point(|tombstone| tombstone.start < cut));
            for tombstone in taken.iter_mut().filter(|tombstone| tombstone.end > cut) {
                self.left.push(RangeTombstone { start: Arc::clone(&cut), ..tombstone.clone() });
                tombstone.end = Arc::clone(&cut);
            }
            self.left.extend(rest);
            sort(&mut self.left);
        }
        let (deeper, retention) = (&self.deeper, self.retention);
        taken.retain(|tombstone| {
            let may_hold_any = |start: &[u8], end: &[u8]| {
                deeper.may_hold_any(start, end) && !planted(Bug::DropRangeDeleteTooEarly)
            };
            !retention.is_settled(tombstone.seqno) || may_hold_any(&tombstone.start, &tombstone.end)
        });
        taken
    }
}
