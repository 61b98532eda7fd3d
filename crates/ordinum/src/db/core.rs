//! The shared state of an open database, and reading.
//!
//! Invariants:
//! (1) a view that was current after the visible sequence number was read holds every commit up to it, and every version
//!     that is visible at it: rotation, flush and compaction replace the view before they let go of anything;
//! (2) once poisoned, nothing is appended to the log or the manifest any more; reads go on.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use super::background::{Failures, Room};
use super::backpressure::Pace;
use super::checkpoint::Checkpoints;
use super::commit::Commits;
use super::compactions::Compactions;
use super::families::Owner;
use super::interval::Deadline;
use super::memory::Memory;
use super::publication::Publication;
use super::recovery::Salvage;
use super::retention::History;
use super::syncing::Syncing;
use super::tailing::{Arrivals, LogReaders};
use crate::cursor::Cursor;
use crate::error::{Error, Result};
use crate::family::{ColumnFamily, Family, FamilyId};
use crate::file_name::FileNumber;
use crate::fs::FileLock;
use crate::history::HistoryId;
use crate::key::SeqNo;
use crate::latency::{Histogram, Histograms};
use crate::listener::Notice;
use crate::lock::LockTable;
use crate::log::SpareLog;
use crate::manifest::Manifest;
use crate::merge::MergeIter;
use crate::options::Options;
use crate::padded::Padded;
use crate::part::Part;
use crate::planted::{Bug, planted};
use crate::published::View;
use crate::reader::KeyRange;
use crate::slice::Slice;
use crate::snapshot::{Pin, Pins};
use crate::stats::Counters;
use crate::super_version::SuperVersion;
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::sync::{Mutex, RwLock};
use crate::table::Lookup;
use crate::transaction::{Check, OpenTransaction, Overlay, OwnWrites, RangeTracker, Since, Versions};
use crate::version::{SeparatedValues, TableStore};

/// The shared state of an open database.
pub(crate) struct Core {
    pub(super) owner: Owner,
    pub(crate) directory: PathBuf,
    pub(crate) options: Options,
    pub(crate) store: Arc<TableStore>,
    /// The ordered section of commits.
    pub(super) commits: Padded<Mutex<Commits>>,
    pub(super) publication: Padded<Publication>,
    pub(super) syncing: Padded<Syncing>,
    /// Those who wait at the end of the log.
    pub(crate) arrivals: Arrivals,
    pub(super) checkpoints: Checkpoints,
    pub(super) log_readers: Arc<LogReaders>,
    pub(super) history_id: Mutex<HistoryId>,
    pub(crate) pins: Arc<Pins>,
    pub(crate) locks: Arc<LockTable>,
    pub(super) history: Mutex<History>,
    pub(crate) families: RwLock<BTreeMap<FamilyId, ColumnFamily>>,
    pub(super) default_family: ColumnFamily,
    /// Held while a family is created or dropped.
    pub(super) family_changes: Mutex<()>,
    pub(super) manifest: Mutex<Manifest>,
    pub(super) next_file: AtomicU64,
    /// A log that is not needed any more, for the next one to be written in its place.
    pub(super) spare_log: Mutex<Option<SpareLog>>,
    pub(super) salvage: Option<Salvage>,
    /// Held by the one who flushes.
    pub(super) flushing: Mutex<()>,
    pub(super) compactions: Compactions,
    pub(super) pace: Pace,
    /// Set when work is to end early because the database closes.
    pub(super) stopping: AtomicBool,
    pub(super) memory: Padded<Memory>,
    pub(super) deadline: Deadline,
    pub(super) room: Room,
    pub(crate) failures: Failures,
    pub(crate) poison: OnceLock<String>,
    pub(super) closed: AtomicBool,
    pub(super) lock: Mutex<Option<Box<dyn FileLock>>>,
    pub(crate) counters: Padded<Counters>,
    pub(crate) histograms: Histograms,
    /// Where a commit has its sequence number and is not applied yet.
    #[cfg(test)]
    pub(super) sequenced: super::sync_point::SyncPoint,
}

impl Core {
    /// The newest sequence number that reads see.
    pub(crate) fn visible(&self) -> SeqNo {
        self.publication.visible()
    }

    /// Makes work end early, and wakes all who wait for some.
    pub(super) fn stop_work(&self) {
        self.stopping.store(true, Ordering::Release);
        if let Some(limiter) = &self.store.limiter {
            limiter.stop();
        }
        self.room.changed();
    }

    /// How many compactions run.
    pub(crate) fn compactions_running(&self) -> usize {
        self.compactions.count()
    }

    /// A number for a new file.
    pub(super) fn new_file_number(&self) -> FileNumber {
        let number = self.next_file.fetch_add(1, Ordering::Relaxed);
        let is_reused = planted(Bug::ReuseFileNumber) && number.is_multiple_of(8);
        FileNumber(if is_reused { number - 1 } else { number })
    }

    /// Stops writes for good, and returns the error.
    pub(super) fn poisoned_by(&self, error: Error) -> Error {
        // The first cause is the one to tell.
        self.poison.get_or_init(|| {
            let cause = error.to_string();
            self.store.notices.add(|| Notice::Poisoned { cause: cause.clone() });
            cause
        });
        self.room.changed();
        self.arrivals.tell();
        error
    }

    /// Refuses to write to a database that is closed or poisoned.
    pub(super) fn check_writable(&self) -> Result<()> {
        if self.closed.load(Ordering::Acquire) {
            return Err(Error::Closed);
        }
        match self.poison.get() {
            Some(cause) => Err(Error::Poisoned { cause: cause.clone() }),
            None => Ok(()),
        }
    }

    /// Refuses a family that cannot be used, and any family once the database is closed.
    pub(crate) fn check_family(&self, family: &ColumnFamily) -> Result<()> {
        family.family.check_owner(self.owner.id)?;
        self.check_open(&family.family)
    }

    fn check_open(&self, family: &Family) -> Result<()> {
        self.check_not_closed()?;
        family.check_dropped()
    }

    pub(crate) fn check_not_closed(&self) -> Result<()> {
        if self.closed.load(Ordering::Acquire) { Err(Error::Closed) } else { Ok(()) }
    }

    /// The current view of the family, for a moment. Whoever closes the database or drops the family lets the views
    /// expire, so that a reader who has one need not ask.
    pub(super) fn view<'a>(&self, family: &'a Family) -> Result<View<'a, SuperVersion>> {
        family.check_owner(self.owner.id)?;
        family.view.read(|| self.check_open(family))
    }

    /// The current view of the family, and the sequence number to read it at.
    fn newest_view<'a>(&self, family: &'a ColumnFamily) -> Result<(View<'a, SuperVersion>, SeqNo)> {
        loop {
            let view = self.view(&family.family)?;
            let seqno = self.visible();
            // If the view is still the current one, it holds every commit up to `seqno` (invariant 1).
            if view.is_current() {
                return Ok((view, seqno));
            }
        }
    }

    pub(super) fn get_newest(&self, family: &ColumnFamily, key: &[u8]) -> Result<Option<(Slice, SeqNo)>> {
        if self.options.measure_latency {
            return self.measured(&self.histograms.get, || self.get_newest_now(family, key));
        }
        self.get_newest_now(family, key)
    }

    /// Runs `work`, and records how long it took.
    #[cold]
    #[inline(never)]
    pub(super) fn measured<T>(&self, histogram: &Histogram, work: impl FnOnce() -> T) -> T {
        let begun = self.options.clock.monotonic();
        let done = work();
        histogram.record(self.options.clock.monotonic().saturating_sub(begun));
        done
    }

    #[inline]
    fn get_newest_now(&self, family: &ColumnFamily, key: &[u8]) -> Result<Option<(Slice, SeqNo)>> {
        let (view, seqno) = self.newest_view(family)?;
        view.live(&family.family, key, view.get(key, seqno)?, &self.store)
    }

    /// The value at a pinned sequence number.
    pub(crate) fn get_at(
        &self,
        family: &ColumnFamily,
        key: &[u8],
        seqno: SeqNo,
    ) -> Result<Option<(Slice, SeqNo)>> {
        if self.options.measure_latency {
            return self.measured(&self.histograms.get, || self.get_at_now(family, key, seqno));
        }
        self.get_at_now(family, key, seqno)
    }

    #[inline]
    fn get_at_now(&self, family: &ColumnFamily, key: &[u8], seqno: SeqNo) -> Result<Option<(Slice, SeqNo)>> {
        let view = self.view(&family.family)?;
        view.live(&family.family, key, view.get(key, seqno)?, &self.store)
    }

    pub(super) fn multi_get_newest(
        &self,
        family: &ColumnFamily,
        keys: &[&[u8]],
    ) -> Result<Vec<Option<Slice>>> {
        let (view, seqno) = self.newest_view(family)?;
        self.multi_get(&family.family, &view, keys, seqno)
    }

    /// The values at a pinned sequence number.
    pub(crate) fn multi_get_at(
        &self,
        family: &ColumnFamily,
        keys: &[&[u8]],
        seqno: SeqNo,
    ) -> Result<Vec<Option<Slice>>> {
        self.multi_get(&family.family, &*self.view(&family.family)?, keys, seqno)
    }

    /// The values of the keys, in their order.
    fn multi_get(
        &self,
        family: &Family,
        view: &SuperVersion,
        keys: &[&[u8]],
        seqno: SeqNo,
    ) -> Result<Vec<Option<Slice>>> {
        if let [key] = keys {
            let found = view.get(key, seqno)?;
            let live = view.live(family, key, found, &self.store)?;
            return Ok(vec![live.map(|(value, _)| value)]);
        }
        let mut lookups: Vec<Lookup<'_>> = keys.iter().map(|key| Lookup::new(key)).collect();
        view.multi_get(&mut lookups, seqno)?;
        let live =
            lookups.into_iter().map(|lookup| view.live(family, lookup.user_key, lookup.found, &self.store));
        live.map(|live| Ok(live?.map(|(value, _)| value))).collect()
    }

    pub(super) fn cursor_newest(&self, family: &ColumnFamily, range: KeyRange) -> Result<Cursor> {
        let (view, seqno) = self.newest_view(family)?;
        let values = self.values_of(&view);
        let cover = view.cover(seqno)?;
        Ok(Cursor::new(MergeIter::new(view.iterators()?), merging(family), values, range, seqno, cover, None))
    }

    /// A cursor at a pinned sequence number.
    pub(crate) fn cursor_at(&self, family: &ColumnFamily, range: KeyRange, seqno: SeqNo) -> Result<Cursor> {
        self.cursor_over(family, range, seqno, None, None)
    }

    /// A cursor at a pinned sequence number, with own writes above.
    pub(crate) fn cursor_over(
        &self,
        family: &ColumnFamily,
        range: KeyRange,
        seqno: SeqNo,
        own: Option<OwnWrites>,
        tracker: Option<RangeTracker>,
    ) -> Result<Cursor> {
        let view = self.view(&family.family)?;
        let (mut parts, values, mut cover) = (view.iterators()?, self.values_of(&view), view.cover(seqno)?);
        if let Some(own) = own {
            cover = cover.with_own(&own.ranges);
            parts.insert(0, Part::Own(own));
        }
        Ok(Cursor::new(MergeIter::new(parts), merging(family), values, range, seqno, cover, tracker))
    }

    /// Where a cursor over the view finds separated values; nowhere, if there are none.
    fn values_of(&self, view: &SuperVersion) -> Option<SeparatedValues> {
        let logs = view.levels.values();
        let separated = || SeparatedValues { logs: Arc::clone(logs), store: Arc::clone(&self.store) };
        (!logs.is_empty()).then(separated)
    }

    /// About how many entries the range has, in the current view.
    pub(crate) fn approximate_entries(&self, family: &ColumnFamily, range: &KeyRange) -> Result<u64> {
        self.view(&family.family)?.approximate_entries(range)
    }

    /// Chooses and pins the snapshot of a transaction.
    pub(crate) fn open_transaction(&self) -> (Pin, OpenTransaction) {
        let (pin, open) = {
            let mut commits = self.commits.lock();
            let last = commits.last;
            (self.pins.pin(|| last), commits.recent.open(last))
        };
        // Commits up to the snapshot may still be on their way into the memtables.
        self.publication.wait_for(pin.seqno);
        (pin, open)
    }

    /// Chooses and pins a newer snapshot for a transaction, if there is one and nothing that it depends on has changed.
    pub(crate) fn move_transaction(
        &self,
        check: &Check<'_>,
        writes: &Overlay,
    ) -> Result<Option<(Pin, OpenTransaction)>> {
        let (pin, open, since) = {
            let mut commits = self.commits.lock();
            let last = commits.last;
            if last == check.read_at {
                return Ok(None);
            }
            let since = commits.recent.validate_moved(check, writes)?;
            (self.pins.pin(|| last), commits.recent.open(last), since)
        };
        self.publication.wait_for(pin.seqno);
        if since == Since::Forgotten {
            Versions { core: self, before: check.read_at, now: pin.seqno }.check(check, writes)?;
        }
        Ok(Some((pin, open)))
    }

    /// The newest commit that was given its place, applied or not.
    pub(crate) fn last_commit(&self) -> SeqNo {
        self.commits.lock().last
    }

    /// Whether commits behind the snapshot of a transaction are forgotten.
    pub(crate) fn has_forgotten(&self, read_at: SeqNo) -> bool {
        self.commits.lock().recent.has_forgotten(read_at)
    }

    /// Refuses if a commit after `read_at`, which a transaction reads at, changed the key.
    pub(crate) fn check_key_unchanged(
        &self,
        family: &ColumnFamily,
        key: &[u8],
        read_at: SeqNo,
    ) -> Result<()> {
        let since = self.commits.lock().recent.check_key_unchanged(family.family.id, key, read_at)?;
        match since {
            Since::Unchanged => Ok(()),
            Since::Forgotten => self.check_unchanged(family, &KeyRange::only(key), read_at),
        }
    }

    /// Refuses if a commit after `read_at`, which a transaction reads at, changed something in the range.
    pub(crate) fn check_unchanged(
        &self,
        family: &ColumnFamily,
        range: &KeyRange,
        read_at: SeqNo,
    ) -> Result<()> {
        let since = self.commits.lock().recent.check_unchanged(family.family.id, range, read_at)?;
        match since {
            Since::Unchanged => Ok(()),
            Since::Forgotten => {
                let (pin, _open) = self.open_transaction();
                Versions { core: self, before: read_at, now: pin.seqno }.check_range(family, range)
            }
        }
    }
}

/// The family, if a cursor needs it to merge operands.
fn merging(family: &ColumnFamily) -> Option<ColumnFamily> {
    family.family.merge_operator.is_some().then(|| family.clone())
}
