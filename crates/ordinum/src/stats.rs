//! What a database consists of now, and what it has done since it was opened.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::compaction::pending_bytes;
use crate::db::Core;
use crate::family::ColumnFamily;
use crate::key::SeqNo;
use crate::latency::Latencies;
use crate::lock::LockStats;
use crate::options::RetentionWindow;
use crate::sync::Mutex;
use crate::version::LEVELS;

/// A level of a column family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct LevelStats {
    /// Its tables.
    pub files: usize,
    /// Their bytes.
    pub bytes: u64,
}

/// A column family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FamilyStats {
    /// Its name.
    pub name: String,
    /// The bytes in memtables.
    pub memtable_bytes: u64,
    /// The memtables that wait for their flush.
    pub sealed_memtables: usize,
    /// The range deletes that readers meet. Compactions let go of those that hide nothing more.
    pub range_tombstones: u64,
    /// Its levels, from 0 on.
    pub levels: Vec<LevelStats>,
    /// The files of its value log.
    pub value_log_files: usize,
    /// Their bytes.
    pub value_log_bytes: u64,
    /// Of those: bytes of values that no table points to any more.
    pub value_log_garbage_bytes: u64,
    /// The bytes above the targets of their levels, which compactions will have to move.
    pub pending_compaction_bytes: u64,
    /// How much writers are held back, in thousandths: 0 not at all, 1000 until there is room.
    pub pressure: u32,
}

/// A database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stats {
    /// Its families, in the order of their creation.
    pub families: Vec<FamilyStats>,
    /// Blocks that were found in the cache.
    pub cache_hits: u64,
    /// Blocks that were read from files.
    pub cache_misses: u64,
    /// Bytes in the cache now.
    pub cache_bytes: u64,
    /// Bytes of filters and indexes that open tables hold now; they count against the budget of the cache.
    pub cache_pinned_bytes: u64,
    /// The sequence numbers that are pinned now by snapshots and transactions.
    pub pins: usize,
    /// The locks of transactions.
    pub locks: LockStats,
    /// How long operations took.
    pub latencies: Latencies,
    /// How far back can be read: what the opening said, or else what the database kept of one before.
    pub retention: RetentionWindow,
    /// Every sequence number from this one on can be read: [`crate::Db::snapshot_at`].
    pub oldest_readable: SeqNo,
    /// Commits that wrote something.
    pub commits: u64,
    /// Bytes of their batches.
    pub bytes_written: u64,
    /// Bytes of the log.
    pub log_bytes: u64,
    /// Syncs of the log; commits that wait at the same time share one.
    pub syncs: u64,
    /// Memtables that became tables.
    pub flushes: u64,
    /// Bytes of those tables, and of the values that were separated.
    pub flush_bytes: u64,
    /// Values that were read from the value log.
    pub values_read: u64,
    /// Their bytes.
    pub value_bytes_read: u64,
    /// Bytes of values that compactions moved to other files of the value log, to give space back.
    pub value_bytes_moved: u64,
    /// Compactions that ended.
    pub compactions: u64,
    /// Bytes that they read.
    pub compaction_bytes_read: u64,
    /// Bytes that they wrote.
    pub compaction_bytes_written: u64,
    /// What the last compaction did and why, in one line.
    pub last_compaction: Option<String>,
    /// Compactions that run now.
    pub compactions_running: usize,
    /// The slices that merges were cut into: as many as merges, if none was cut.
    pub compaction_slices: u64,
    /// Tables that went without being read, because range deletes cover all of them.
    pub tables_dropped_unread: u64,
    /// Entries that compactions read.
    pub entries_compacted: u64,
    /// Of those: entries that nobody could see any more.
    pub entries_dropped: u64,
    /// Of those: entries that a compaction filter removed.
    pub entries_filtered: u64,
    /// Writes that were held back because flushes or compactions are behind.
    pub slowdowns: u64,
    /// How long they slept, in all.
    pub delayed: Duration,
    /// Writes that had to wait for a flush or a compaction.
    pub stalls: u64,
    /// Why background work failed when it was last tried, if it did. It is tried again.
    pub background_failure: Option<String>,
    /// Why writes are stopped, if they are.
    pub poisoned: Option<String>,
}

/// A number that is counted in the ordered section of commits, where there is one writer at a time.
#[derive(Debug, Default)]
pub(crate) struct OrderedCounter(AtomicU64);

impl OrderedCounter {
    /// Called in the ordered section only.
    pub(crate) fn add(&self, n: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(n), Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What is counted; each number only grows.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) commits: OrderedCounter,
    pub(crate) bytes_written: OrderedCounter,
    pub(crate) log_bytes: OrderedCounter,
    pub(crate) syncs: AtomicU64,
    pub(crate) flushes: AtomicU64,
    pub(crate) flush_bytes: AtomicU64,
    pub(crate) compactions: AtomicU64,
    pub(crate) compaction_bytes_read: AtomicU64,
    pub(crate) compaction_bytes_written: AtomicU64,
    pub(crate) last_compaction: Mutex<Option<String>>,
    pub(crate) value_bytes_moved: AtomicU64,
    pub(crate) compaction_slices: AtomicU64,
    pub(crate) tables_dropped_unread: AtomicU64,
    pub(crate) entries_compacted: AtomicU64,
    pub(crate) entries_dropped: AtomicU64,
    pub(crate) entries_filtered: AtomicU64,
    pub(crate) slowdowns: AtomicU64,
    pub(crate) delayed_nanoseconds: AtomicU64,
    pub(crate) stalls: AtomicU64,
}

impl Core {
    /// The state now.
    pub(crate) fn stats(&self) -> Stats {
        let cache = self.store.cache.stats();
        let (values_read, value_bytes_read) = self.store.values_read.get();
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let counters = &self.counters;
        Stats {
            families: self.families.read().values().map(family_stats).collect(),
            cache_hits: cache.hits,
            cache_misses: cache.misses,
            cache_bytes: cache.bytes,
            cache_pinned_bytes: cache.pinned_bytes,
            pins: self.pins.count(),
            locks: self.locks.stats(),
            latencies: self.histograms.read(),
            retention: self.retention_window(),
            oldest_readable: self.pins.oldest(),
            commits: counters.commits.get(),
            bytes_written: counters.bytes_written.get(),
            log_bytes: counters.log_bytes.get(),
            syncs: of(&counters.syncs),
            flushes: of(&counters.flushes),
            flush_bytes: of(&counters.flush_bytes),
            values_read,
            value_bytes_read,
            value_bytes_moved: of(&counters.value_bytes_moved),
            compactions: of(&counters.compactions),
            compaction_bytes_read: of(&counters.compaction_bytes_read),
            compaction_bytes_written: of(&counters.compaction_bytes_written),
            last_compaction: counters.last_compaction.lock().clone(),
            compactions_running: self.compactions_running(),
            compaction_slices: of(&counters.compaction_slices),
            tables_dropped_unread: of(&counters.tables_dropped_unread),
            entries_compacted: of(&counters.entries_compacted),
            entries_dropped: of(&counters.entries_dropped),
            entries_filtered: of(&counters.entries_filtered),
            slowdowns: of(&counters.slowdowns),
            delayed: Duration::from_nanos(of(&counters.delayed_nanoseconds)),
            stalls: of(&counters.stalls),
            background_failure: self.failures.last(),
            poisoned: self.poison.get().cloned(),
        }
    }
}

fn family_stats(family: &ColumnFamily) -> FamilyStats {
    let view = family.family.view.load();
    let level = |level| LevelStats { files: view.levels.level(level).len(), bytes: view.levels.bytes(level) };
    FamilyStats {
        name: family.name().to_owned(),
        memtable_bytes: view.memtables().map(|memtable| memtable.bytes()).sum(),
        sealed_memtables: view.sealed.len(),
        range_tombstones: view.range_tombstones(),
        levels: (0..LEVELS).map(level).collect(),
        value_log_files: view.levels.values().iter().count(),
        value_log_bytes: view.levels.values().bytes(),
        value_log_garbage_bytes: view.levels.values().garbage_bytes(),
        pending_compaction_bytes: pending_bytes(&view.levels, &family.options().compaction()),
        pressure: family.family.pressure.thousandths(),
    }
}
