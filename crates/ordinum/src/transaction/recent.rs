//! The keys that recent commits wrote, for the validation of open transactions.
//!
//! Invariants, all kept in the ordered section of a commit:
//! (1) while a transaction is open, every commit since the oldest open snapshot is remembered, unless the bound on
//!     memory was reached: then `floor` rose, and transactions below it conflict;
//! (2) without open transactions nothing is remembered.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use parking_lot::Mutex;

use super::Check;
use crate::batch::Batch;
use crate::error::{Error, Result};
use crate::family::FamilyId;
use crate::key::SeqNo;
use crate::reader::KeyRange;

/// The most bytes of keys that are remembered.
pub(crate) const RECENT_WRITES_BYTES_MAX: usize = 64 << 20;
/// What a remembered key costs beside its bytes.
const KEY_OVERHEAD_BYTES: usize = 96;

/// The snapshots of open transactions, and how often each is open.
type OpenSnapshots = Arc<Mutex<BTreeMap<SeqNo, usize>>>;

/// A key that a commit wrote.
type WrittenKey = (FamilyId, Arc<[u8]>);

/// Recent commits: which keys they wrote.
#[derive(Debug, Default)]
pub(crate) struct RecentWrites {
    open: OpenSnapshots,
    /// Commits after this one are remembered.
    floor: SeqNo,
    commits: VecDeque<(SeqNo, Vec<WrittenKey>)>,
    newest: BTreeMap<FamilyId, BTreeMap<Arc<[u8]>, SeqNo>>,
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

    /// Remembers what the batch wrote; `last` is the sequence number before it.
    pub(crate) fn remember(&mut self, seqno: SeqNo, last: SeqNo, batch: &Batch) {
        if self.commits.is_empty() && self.open.lock().is_empty() {
            self.floor = seqno;
            return;
        }
        self.forget(last);
        if self.open.lock().is_empty() {
            self.floor = seqno;
            return;
        }
        let mut keys = Vec::with_capacity(batch.len());
        let mut operations = batch.operations();
        while let Some(Ok(operation)) = operations.next_operation() {
            let key: Arc<[u8]> = Arc::from(operation.key);
            self.bytes += key.len() + KEY_OVERHEAD_BYTES;
            self.newest.entry(operation.family).or_default().insert(Arc::clone(&key), seqno);
            keys.push((operation.family, key));
        }
        self.commits.push_back((seqno, keys));
        while self.bytes > RECENT_WRITES_BYTES_MAX && self.forget_oldest() {}
    }

    /// Forgets what no open transaction needs. Without one, the next begins at `last` or later.
    fn forget(&mut self, last: SeqNo) {
        let oldest = self.open.lock().first_key_value().map(|(seqno, _)| *seqno).unwrap_or(last);
        while self.commits.front().is_some_and(|(seqno, _)| *seqno <= oldest) {
            self.forget_oldest();
        }
        if self.commits.is_empty() && self.open.lock().is_empty() {
            self.floor = last;
        }
    }

    fn forget_oldest(&mut self) -> bool {
        let Some((seqno, keys)) = self.commits.pop_front() else { return false };
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
        true
    }

    /// Refuses if a commit after `read_at` changed something in the range.
    pub(crate) fn check_unchanged(&self, family: FamilyId, range: &KeyRange, read_at: SeqNo) -> Result<()> {
        if read_at < self.floor {
            return Err(Error::Conflict { read_at, newer: self.floor });
        }
        refuse(read_at, self.newer_in(family, range, read_at))
    }

    /// Refuses a commit that depends on what a later commit changed.
    pub(crate) fn validate(&self, check: &Check<'_>, batch: &Batch) -> Result<()> {
        let read_at = check.read_at;
        if read_at < self.floor {
            return Err(Error::Conflict { read_at, newer: self.floor });
        }
        if self.commits.back().is_none_or(|(seqno, _)| *seqno <= read_at) {
            return Ok(());
        }
        let newer_key = |family: FamilyId, key: &[u8]| {
            self.newest.get(&family)?.get(key).copied().filter(|seqno| *seqno > read_at)
        };
        let mut operations = batch.operations();
        while let Some(Ok(operation)) = operations.next_operation() {
            refuse(read_at, newer_key(operation.family, operation.key))?;
        }
        for (family, key) in check.reads.keys() {
            refuse(read_at, newer_key(family, key))?;
        }
        refuse(read_at, check.reads.find_range(|family, range| self.newer_in(family, range, read_at)))
    }

    fn newer_in(&self, family: FamilyId, range: &KeyRange, read_at: SeqNo) -> Option<SeqNo> {
        if range.is_empty() {
            return None;
        }
        let bounds = (range.start.as_ref().map(Vec::as_slice), range.end.as_ref().map(Vec::as_slice));
        let mut written = self.newest.get(&family)?.range::<[u8], _>(bounds);
        written.find(|(_, seqno)| **seqno > read_at).map(|(_, seqno)| *seqno)
    }
}

fn refuse(read_at: SeqNo, newer: Option<SeqNo>) -> Result<()> {
    newer.map_or(Ok(()), |newer| Err(Error::Conflict { read_at, newer }))
}
