//! What a database and a column family can be told.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::{Clock, OsClock};
use crate::compaction::CompactionOptions;
use crate::error::{Error, Result};
use crate::fs::{Fs, OsFs};
use crate::table::{Compression, TableOptions};
use crate::version::LEVELS;

/// When a write is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Durability {
    /// When the call returns: the log is synced through the write. Writers that wait at the same time share a sync.
    #[default]
    Synced,
    /// When the interval has passed, or before: the log is synced in the background. Until then as [`Durability::Buffered`].
    Interval(Duration),
    /// Some time later. The log has been handed to the operating system when the call returns: the end of the process
    /// loses nothing, a crash of the machine may lose the newest writes, but never one without all that follow it.
    Buffered,
}

/// Who does the work that no caller waits for: flushes and compactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Background {
    /// Threads of the database.
    #[default]
    Threads,
    /// The caller, with [`crate::Db::run_background_step`]; a write that would have to wait for such work does it
    /// itself. One seed then replays one run.
    Manual,
}

/// Options of a database.
#[derive(Clone, Debug)]
pub struct Options {
    /// The file system.
    pub fs: Arc<dyn Fs>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Whether to create the database if there is none in the directory.
    pub create_if_missing: bool,
    /// A log is closed, and the next one begun, when it is longer than this.
    pub log_segment_bytes: u64,
    /// While more closed logs than this are needed, the memtables that need the oldest are flushed, full or not: a family
    /// that is seldom written to does not keep logs for ever.
    pub closed_logs_max: usize,
    /// Who flushes and compacts.
    pub background: Background,
    /// How long a state can be read after it was overwritten ([`crate::Db::snapshot_at`]). None can if this is zero, as it is by
    /// default; what is pinned by a snapshot stays in any case. Measured in steps, so that versions stay a little longer.
    pub retention_age: Duration,
    /// While more bytes than this were written to the log since a state was overwritten, it is given up before its age.
    pub retention_bytes: u64,
    /// The memory for blocks of tables that were read.
    pub block_cache_bytes: u64,
    /// The options of families that are not named in `families`.
    pub family_defaults: FamilyOptions,
    /// The options of families, by name. They are not stored: each opening may choose others.
    pub families: BTreeMap<String, FamilyOptions>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            fs: Arc::new(OsFs),
            clock: Arc::new(OsClock::default()),
            create_if_missing: true,
            log_segment_bytes: 64 << 20,
            closed_logs_max: 8,
            background: Background::Threads,
            retention_age: Duration::ZERO,
            retention_bytes: u64::MAX,
            block_cache_bytes: 64 << 20,
            family_defaults: FamilyOptions::default(),
            families: BTreeMap::new(),
        }
    }
}

impl Options {
    /// The options of the family with this name.
    pub(crate) fn family(&self, name: &str) -> &FamilyOptions {
        self.families.get(name).unwrap_or(&self.family_defaults)
    }

    pub(crate) fn check(&self) -> Result<()> {
        within("log_segment_bytes", self.log_segment_bytes, 4 << 10, 1 << 40)?;
        within("closed_logs_max", self.closed_logs_max as u64, 1, 1 << 20)?;
        within("block_cache_bytes", self.block_cache_bytes, 0, 1 << 44)?;
        self.family_defaults.check()?;
        self.families.values().try_for_each(FamilyOptions::check)
    }
}

/// Options of a column family.
#[derive(Clone, Debug)]
pub struct FamilyOptions {
    /// A memtable is sealed, and flushed, when it holds this much.
    pub write_buffer_bytes: u64,
    /// Writes wait while this many sealed memtables wait for their flush.
    pub immutable_memtables_max: usize,
    /// A data block of a table is closed once it has this many bytes, before compression.
    pub block_bytes: usize,
    /// How the blocks of each level are compressed.
    pub compression: [Compression; LEVELS],
    /// Bits of a table's filter for each key; 0 for no filter.
    pub filter_bits_per_key: u32,
    /// Level 0 is merged into the next level in use once it has this many tables.
    pub level0_tables_trigger: usize,
    /// Writes are slowed down while level 0 has this many tables.
    pub level0_tables_slowdown: usize,
    /// Writes wait while level 0 has this many tables.
    pub level0_tables_max: usize,
    /// How much the first level below 0 that is in use may hold; each deeper one holds ten times as much.
    pub level_base_bytes: u64,
    /// A table that a compaction writes is closed once it has this many bytes.
    pub table_bytes_target: u64,
}

impl Default for FamilyOptions {
    fn default() -> FamilyOptions {
        let table = TableOptions::default();
        FamilyOptions {
            write_buffer_bytes: 16 << 20,
            immutable_memtables_max: 3,
            block_bytes: table.block_bytes,
            compression: [table.compression; LEVELS],
            filter_bits_per_key: table.filter_bits_per_key,
            level0_tables_trigger: 4,
            level0_tables_slowdown: 12,
            level0_tables_max: 24,
            level_base_bytes: 64 << 20,
            table_bytes_target: 32 << 20,
        }
    }
}

impl FamilyOptions {
    pub(crate) fn check(&self) -> Result<()> {
        within("write_buffer_bytes", self.write_buffer_bytes, 4 << 10, 4 << 30)?;
        within("immutable_memtables_max", self.immutable_memtables_max as u64, 1, 64)?;
        within("block_bytes", self.block_bytes as u64, 256, 1 << 20)?;
        within("filter_bits_per_key", u64::from(self.filter_bits_per_key), 0, 64)?;
        within("level0_tables_trigger", self.level0_tables_trigger as u64, 1, 1024)?;
        let trigger = self.level0_tables_trigger as u64;
        within("level0_tables_slowdown", self.level0_tables_slowdown as u64, trigger, 4096)?;
        let slowdown = self.level0_tables_slowdown as u64;
        within("level0_tables_max", self.level0_tables_max as u64, slowdown, 4096)?;
        within("level_base_bytes", self.level_base_bytes, 4 << 10, 1 << 40)?;
        within("table_bytes_target", self.table_bytes_target, 4 << 10, 1 << 40)
    }

    /// What rules the levels of the family, and what its tables are built with.
    pub(crate) fn compaction(&self) -> CompactionOptions {
        CompactionOptions {
            level0_tables_trigger: self.level0_tables_trigger,
            level_base_bytes: self.level_base_bytes,
            table_bytes_target: self.table_bytes_target,
            table: TableOptions {
                block_bytes: self.block_bytes,
                filter_bits_per_key: self.filter_bits_per_key,
                ..TableOptions::default()
            },
            compression: self.compression,
        }
    }
}

fn within(name: &str, value: u64, least: u64, most: u64) -> Result<()> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    Err(Error::InvalidArgument { message: format!("{name} is {value}; it must be in {least}..={most}") })
}
