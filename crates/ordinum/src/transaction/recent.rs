//! The keys and ranges that recent commits wrote, for the validation of open transactions.
//!
//! Invariants, all kept in the ordered section of a commit:
//! (1) while a transaction is open, every commit since the oldest open snapshot is remembered, unless the bound on
//!     memory was reached: then `floor` rose, and of transactions below it nothing is known here ([`Versions`] compares what
//!     they depend on);
//! (2) without open transactions nothing is remembered; one that is just committing counts as closed, for it was validated.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::{Check, Overlay};
use crate::batch::Batch;
use crate::error::{Error, Result};
use crate::family::FamilyId;
use crate::key::{KeptKey, Kind, SeqNo};
use crate::planted::{Bug, planted};
use crate::range_delete::{RangeTombstone, RangeTombstones};
use crate::reader::KeyRange;
use crate::sync::Mutex;

/// The most bytes of keys that are remembered; few in tests, which go beyond.
pub(crate) const RECENT_WRITES_BYTES_MAX: usize = if cfg!(test) { 1 << 20 } else { 64 << 20 };
/// What a remembered key costs beside its bytes.
const KEY_OVERHEAD_BYTES: usize = 2 * size_of::<KeptKey>();

/// The snapshots of open transactions, and how often each is open.
type OpenSnapshots = Arc<Mutex<BTreeMap<SeqNo, usize>>>;

/// A key that a commit wrote.
type WrittenKey = (FamilyId, KeptKey);

/// What one commit wrote.
#[derive(Debug)]
struct Written {
    seqno: SeqNo,
    keys: Vec<WrittenKey>,
    ranges: Vec<(FamilyId, RangeTombstone)>,
}

/// What is known of something that is not known to have changed since a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Since {
    /// It did not change.
    Unchanged,
    /// Nothing: commits behind the snapshot are forgotten.
    Forgotten,
}

/// Recent commits: which keys they wrote, and which ranges they deleted.
#[derive(Debug, Default)]
pub(crate) struct RecentWrites {
    open: OpenSnapshots,
    /// Commits after this one are remembered.
    floor: SeqNo,
    commits: VecDeque<Written>,
    newest: BTreeMap<FamilyId, BTreeMap<KeptKey, SeqNo>>,
    ranges: BTreeMap<FamilyId, RangeTombstones>,
    /// How many of those are of commits that are forgotten.
    ranges_forgotten: usize,
    bytes: usize,
}

/// A transaction that is open; dropping it closes it.
#[derive(Debug)]
pub(crate) struct OpenTransaction {
    open: OpenSnapshots,
    read_at: SeqNo,
}

impl Drop for OpenTransaction {
    fn drop(&mut self) {
        let mut open = self.open.lock();
        if let Some(count) = open.get_mut(&self.read_at) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.read_at);
            }
        }
    }
}

impl RecentWrites {
    /// Opens a transaction at `last`, the newest sequence number that was given.
    pub(crate) fn open(&mut self, last: SeqNo) -> OpenTransaction {
        self.forget(last);
        *self.open.lock().entry(last).or_default() += 1;
        OpenTransaction { open: Arc::clone(&self.open), read_at: last }
    }

    /// Remembers what the batch wrote; `last` is the sequence number before it, and `own` the snapshot of the transaction that
    /// commits it, if it is one.
    pub(crate) fn remember(&mut self, seqno: SeqNo, last: SeqNo, own: Option<SeqNo>, batch: &Batch) {
        if !self.is_of_use(seqno, last, own) {
            return;
        }
        let mut written = Written { seqno, keys: Vec::with_capacity(batch.len()), ranges: Vec::new() };
        let mut operations = batch.operations();
        while let Some(Ok(operation)) = operations.next_operation() {
            if operation.kind == Kind::RangeDelete {
                let range = RangeTombstone::new(operation.key, operation.value, seqno);
                self.remember_range(&mut written, operation.family, range);
                continue;
            }
            let key = KeptKey::new(operation.key);
            self.bytes += key.len() + KEY_OVERHEAD_BYTES;
            self.newest.entry(operation.family).or_default().insert(key.clone(), seqno);
            written.keys.push((operation.family, key));
        }
        self.remember_commit(written);
    }

    /// Remembers that something was written to these ranges, each with its first and its last key, without saying what: as far
    /// as transactions are concerned all keys in them were.
    pub(crate) fn remember_ranges<'a>(
        &mut self,
        seqno: SeqNo,
        last: SeqNo,
        family: FamilyId,
        ranges: impl Iterator<Item = (&'a [u8], &'a [u8])>,
    ) {
        if !self.is_of_use(seqno, last, None) {
            return;
        }
        let mut written = Written { seqno, keys: Vec::new(), ranges: Vec::new() };
        for (first, last) in ranges {
            let behind = [last, &[0]].concat();
            self.remember_range(&mut written, family, RangeTombstone::new(first, &behind, seqno));
        }
        self.remember_commit(written);
    }

    /// Forgets what is not needed any more, before a commit is remembered; whether it has to be.
    fn is_of_use(&mut self, seqno: SeqNo, last: SeqNo, own: Option<SeqNo>) -> bool {
        if self.has_open_beside(own) {
            self.forget(last);
            return true;
        }
        while self.forget_oldest() {}
        self.floor = seqno;
        false
    }

    /// Whether transactions are open, besides one at the snapshot `own`.
    fn has_open_beside(&self, own: Option<SeqNo>) -> bool {
        let open = self.open.lock();
        open.iter().any(|(seqno, count)| *count > usize::from(Some(*seqno) == own))
    }

    fn remember_range(&mut self, written: &mut Written, family: FamilyId, range: RangeTombstone) {
        self.bytes += range_bytes(&range);
        self.ranges.entry(family).or_default().insert(range.clone());
        written.ranges.push((family, range));
    }

    fn remember_commit(&mut self, written: Written) {
        self.commits.push_back(written);
        while self.bytes > RECENT_WRITES_BYTES_MAX && self.forget_oldest() {}
    }

    /// Forgets what no open transaction needs. Without one, the next begins at `last` or later.
    fn forget(&mut self, last: SeqNo) {
        let oldest = self.open.lock().first_key_value().map(|(seqno, _)| *seqno).unwrap_or(last);
        while self.commits.front().is_some_and(|commit| commit.seqno <= oldest) {
            self.forget_oldest();
        }
        if self.commits.is_empty() && self.open.lock().is_empty() {
            self.floor = last;
        }
    }

    fn forget_oldest(&mut self) -> bool {
        let Some(Written { seqno, keys, ranges }) = self.commits.pop_front() else { return false };
        self.floor = seqno;
        for (family, key) in keys {
            self.bytes = self.bytes.saturating_sub(key.len() + KEY_OVERHEAD_BYTES);
            if let Some(newest) = self.newest.get_mut(&family)
                && newest.get(&key) == Some(&seqno)
            {
                newest.remove(&key);
                if newest.is_empty() {
                    self.newest.remove(&family);
                }
            }
        }
        for (_, range) in &ranges {
            self.bytes = self.bytes.saturating_sub(range_bytes(range));
        }
        self.forget_ranges(ranges.len());
        true
    }

    /// Whether commits after `read_at` are forgotten.
    pub(crate) fn has_forgotten(&self, read_at: SeqNo) -> bool {
        read_at < self.floor
    }

    /// Refuses if a commit after `read_at` is known to have changed something in the range.
    pub(crate) fn check_unchanged(
        &self,
        family: FamilyId,
        range: &KeyRange,
        read_at: SeqNo,
    ) -> Result<Since> {
        if self.has_forgotten(read_at) {
            return Ok(Since::Forgotten);
        }
        if self.has_newer(read_at) {
            refuse(read_at, self.newer_in(family, range, read_at))?;
        }
        Ok(Since::Unchanged)
    }

    /// As [`RecentWrites::check_unchanged`], of one key.
    pub(crate) fn check_key_unchanged(&self, family: FamilyId, key: &[u8], read_at: SeqNo) -> Result<Since> {
        if self.has_forgotten(read_at) {
            return Ok(Since::Forgotten);
        }
        if self.has_newer(read_at) {
            refuse(read_at, self.newer_key(family, key, read_at))?;
        }
        Ok(Since::Unchanged)
    }

    /// Whether there was a commit after `read_at`, of which nothing is forgotten.
    fn has_newer(&self, read_at: SeqNo) -> bool {
        self.commits.back().is_some_and(|commit| commit.seqno > read_at)
    }

    /// Ranges that are forgotten hurt nobody, for they are older than every transaction; they go once they are the most.
    fn forget_ranges(&mut self, forgotten: usize) {
        self.ranges_forgotten += forgotten;
        let all: u64 = self.ranges.values().map(RangeTombstones::len).sum();
        if self.ranges_forgotten == 0 || 2 * (self.ranges_forgotten as u64) < all {
            return;
        }
        (self.ranges, self.ranges_forgotten) = (BTreeMap::new(), 0);
        for (family, range) in self.commits.iter().flat_map(|commit| &commit.ranges) {
            self.ranges.entry(*family).or_default().insert(range.clone());
        }
    }

    /// Refuses a commit that depends on what a later commit changed, and one of whose time commits are forgotten.
    pub(crate) fn validate(&self, check: &Check<'_>, batch: &Batch) -> Result<()> {
        let read_at = check.read_at;
        if planted(Bug::SkipValidation) {
            return Ok(());
        }
        if self.has_forgotten(read_at) {
            return Err(Error::Conflict { read_at, newer: self.floor });
        }
        if !self.has_newer(read_at) {
            return Ok(());
        }
        let mut operations = batch.operations();
        while let Some(Ok(operation)) = operations.next_operation() {
            let (family, key) = (operation.family, operation.key);
            let newer = match operation.kind {
                Kind::RangeDelete => {
                    self.newer_in(family, &KeyRange::half_open(key, operation.value), read_at)
                }
                Kind::Put | Kind::Delete | Kind::Merge | Kind::Pointer => {
                    self.newer_key(family, key, read_at)
                }
            };
            refuse(read_at, newer)?;
        }
        self.validate_reads(check)
    }

    /// Refuses a transaction whose snapshot moves to the newest commit, if one since the old snapshot is known to have changed
    /// what it writes or read. Of what it wrote and what the commits wrote the smaller is gone over: a long transaction that moves often looks
    /// at each commit once in its life, and a short one that comes late does not look at all that happened meanwhile.
    pub(crate) fn validate_moved(&self, check: &Check<'_>, writes: &Overlay) -> Result<Since> {
        let read_at = check.read_at;
        if self.has_forgotten(read_at) {
            return Ok(Since::Forgotten);
        }
        let newer = match self.has_more_behind(read_at, writes.len()) {
            true => self.newer_of_writes(writes, read_at),
            false => self.newer_of_commits(writes, read_at),
        };
        refuse(read_at, newer)?;
        self.validate_reads(check)?;
        Ok(Since::Unchanged)
    }

    /// Whether the commits after `read_at` wrote more keys and ranges than these.
    fn has_more_behind(&self, read_at: SeqNo, count: usize) -> bool {
        let mut written = 0usize;
        self.behind(read_at).any(|commit| {
            written = written.saturating_add(commit.keys.len() + commit.ranges.len());
            written > count
        })
    }

    /// A commit after `read_at` that changed something of the writes, found by asking for each of them.
    fn newer_of_writes(&self, writes: &Overlay, read_at: SeqNo) -> Option<SeqNo> {
        writes.written().find_map(|(family, mut keys, ranges)| {
            let of_keys = keys.find_map(|key| self.newer_key(family, key, read_at));
            of_keys.or_else(|| {
                let mut ranges = ranges.union().into_iter();
                ranges.find_map(|(start, end)| {
                    self.newer_in(family, &KeyRange::half_open(&start, &end), read_at)
                })
            })
        })
    }

    /// The same, found by going over the commits.
    fn newer_of_commits(&self, writes: &Overlay, read_at: SeqNo) -> Option<SeqNo> {
        let mut behind = self.behind(read_at);
        let newest = behind.find(|commit| {
            let mut keys = commit.keys.iter();
            let mut ranges = commit.ranges.iter();
            keys.any(|(family, key)| writes.writes_key(*family, key))
                || ranges.any(|(family, range)| writes.writes_in(*family, &range.start, &range.end))
        });
        newest.map(|commit| commit.seqno)
    }

    /// The commits after `read_at`, newest first.
    fn behind(&self, read_at: SeqNo) -> impl Iterator<Item = &Written> {
        self.commits.iter().rev().take_while(move |commit| commit.seqno > read_at)
    }

    fn validate_reads(&self, check: &Check<'_>) -> Result<()> {
        let read_at = check.read_at;
        for (family, key) in check.reads.keys() {
            refuse(read_at, self.newer_key(family, key, read_at))?;
        }
        refuse(read_at, check.reads.find_range(|family, range| self.newer_in(family, range, read_at)))
    }

    fn newer_key(&self, family: FamilyId, key: &[u8], read_at: SeqNo) -> Option<SeqNo> {
        let written = self.newest.get(&family).and_then(|keys| keys.get(&KeptKey::new(key))).copied();
        let deleted = self.ranges.get(&family).map(|ranges| ranges.newest(key, SeqNo::MAX));
        written.max(deleted).filter(|seqno| *seqno > read_at)
    }

    fn newer_in(&self, family: FamilyId, range: &KeyRange, read_at: SeqNo) -> Option<SeqNo> {
        if range.is_empty() {
            return None;
        }
        let bounds = (range.start.as_ref().map(Vec::as_slice), range.end.as_ref().map(Vec::as_slice));
        let is_newer = |seqno: &SeqNo| *seqno > read_at;
        let mut written = self.newest.get(&family).into_iter().flat_map(|keys| keys.range::<[u8], _>(bounds));
        let written = written.find(|(_, seqno)| is_newer(seqno)).map(|(_, seqno)| *seqno);
        let deleted = || self.ranges.get(&family)?.newer_in(range, read_at);
        written.or_else(deleted)
    }
}

fn range_bytes(range: &RangeTombstone) -> usize {
    range.start.len() + range.end.len() + 2 * KEY_OVERHEAD_BYTES
}

fn refuse(read_at: SeqNo, newer: Option<SeqNo>) -> Result<()> {
    newer.map_or(Ok(()), |newer| Err(Error::Conflict { read_at, newer }))
}

#[cfg(test)]
mod tests;
