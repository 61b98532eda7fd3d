//! What a database and a column family can be told.

mod stored;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::{Clock, OsClock};
use crate::compaction::{CompactionFilter, CompactionOptions, CompactionStyle};
use crate::entropy::{Entropy, OsEntropy};
use crate::error::{Error, Result};
use crate::fs::{Fs, OsFs};
use crate::history::HistoryId;
use crate::listener::Listener;
use crate::merge_operator::{MERGE_OPERATOR_NAME_BYTES_MAX, MergeOperator};
use crate::table::{Compression, TableOptions};
use crate::value_log::ValueOptions;
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

/// What an opening does about a log, or the end of a manifest, that is damaged where it was durable once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum RecoveryMode {
    /// It refuses, and names file and offset.
    #[default]
    Strict,
    /// It goes back to the last commit before the damage, for good: all commits behind it are gone, and [`crate::Db::salvage`]
    /// tells which. A family that was dropped since comes back only where the manifest has lost that too. It refuses if tables
    /// have some of those commits already. Of a manifest it cuts the last record, where that is damaged: the options of a family may
    /// be those of before then. Where `CURRENT` is damaged or gone, it takes the newest manifest. Copy the directory before.
    Salvage,
}

/// How records get into the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum LogWriting {
    /// By a call for each group of writes. What the disk refuses is told as an error, always.
    #[default]
    Calls,
    /// By a copy into the mapped file, where its blocks are there before and stay in their place: ext4 and tmpfs. Elsewhere by
    /// calls. It spares a write that is not synced about a microsecond. A disk that is full, or fails when room is made, is
    /// told as an error; a file system that shuts down between that and the copy may end the process.
    Mapped,
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

/// How far back a database can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetentionWindow {
    /// How long a state can be read after it was overwritten ([`crate::Db::snapshot_at`]), in milliseconds that are begun. None can
    /// if this is zero; what is pinned by a snapshot stays in any case. Measured in steps, so that versions stay a little longer.
    pub age: Duration,
    /// While more bytes than this were written to the log since a state was overwritten, it is given up before its age.
    pub bytes: u64,
}

impl RetentionWindow {
    /// Nothing that is not pinned is kept.
    pub const NONE: RetentionWindow = RetentionWindow { age: Duration::ZERO, bytes: u64::MAX };

    /// A state is kept for this long, whatever is written meanwhile.
    pub const fn of_age(age: Duration) -> RetentionWindow {
        RetentionWindow { age, bytes: u64::MAX }
    }

    /// The window with an age of whole milliseconds, as a database keeps it.
    #[must_use]
    pub fn rounded(self) -> RetentionWindow {
        RetentionWindow { age: Duration::from_millis(self.age_ms()), ..self }
    }

    /// The age in milliseconds that are begun; one that they cannot tell is for ever.
    pub(crate) fn age_ms(self) -> u64 {
        u64::try_from(self.age.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
    }
}

/// Options of a database.
#[derive(Clone, Debug)]
pub struct Options {
    /// The file system.
    pub fs: Arc<dyn Fs>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Where random bytes come from.
    pub entropy: Arc<dyn Entropy>,
    /// Whether to create the database if there is none in the directory.
    pub create_if_missing: bool,
    /// The history that a new database, or a checkpoint that was not written to, is to have instead of one of its own: that of
    /// the database whose replica it is. One that has another history is not opened.
    pub history: Option<HistoryId>,
    /// What to do about a damaged log.
    pub recovery: RecoveryMode,
    /// How records get into the log.
    pub log_writing: LogWriting,
    /// A log is closed, and the next one begun, when it is longer than this.
    pub log_segment_bytes: u64,
    /// While more closed logs than this are needed, the memtables that need the oldest are flushed, full or not: a family
    /// that is seldom written to does not keep logs for ever.
    pub closed_logs_max: usize,
    /// What all families may hold in memory together. The largest memtable is sealed when those that are written reach half of
    /// it, and writes wait while those that wait for their flush have more than the other half.
    pub write_buffer_budget_bytes: u64,
    /// Who flushes and compacts.
    pub background: Background,
    /// How far back can be read, from this opening on: the database keeps it for the openings that say nothing. Who says nothing
    /// gets what the last one that did has said, and [`RetentionWindow::NONE`] of a new database.
    pub retention: Option<RetentionWindow>,
    /// How many compactions run at the same time, each on a thread of its own; one more thread flushes.
    pub compaction_threads: usize,
    /// By how much the priority of the threads that compact is lower than that of the thread that opened the database, as
    /// nice(2) counts: 0 (not lower) to 19. With fewer cores than busy threads, writers and readers then wait less often for
    /// a merge to give up its turn; a database whose merges fall behind slows its writers down in any case. On Linux only.
    pub compaction_nice: u8,
    /// Into how many slices of its keys a large merge may be cut; they are merged side by side, one on the compaction's
    /// own thread and each other one on a thread that ends with it. With [`Background::Manual`] there is one slice.
    pub compaction_slices_max: usize,
    /// How much flushes and compactions write in a second, on average; 0 for no limit. Compactions wait for it; flushes,
    /// which writers wait for, take it in advance.
    pub background_bytes_per_second: u64,
    /// How much is written in a second when writes begin to be slowed down; the longer level 0 and the more there is to
    /// compact, the less, down to a thousandth.
    pub delayed_write_bytes_per_second: u64,
    /// The memory for blocks of tables that were read, and for the filters and indexes of open tables. Filters and the top of
    /// indexes are held whatever it is; an eighth of it stays for blocks whatever they take.
    pub block_cache_bytes: u64,
    /// Hears what the database does.
    pub listener: Option<Arc<dyn Listener>>,
    /// Whether [`crate::Stats::latencies`] has reads and commits too. Each then reads the clock twice and adds to memory that all
    /// threads share: a tenth of a microsecond or so, and more where many threads read. Syncs, flushes and compactions are
    /// measured in any case.
    pub measure_latency: bool,
    /// The options of families that are not named in `families`.
    pub family_defaults: FamilyOptions,
    /// The options of families, by name. They are not stored, but for those that [`crate::Db::set_family_options`] has chosen: who
    /// is named here has these, and else those that were chosen so, or the defaults.
    pub families: BTreeMap<String, FamilyOptions>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            fs: Arc::new(OsFs),
            clock: Arc::new(OsClock::default()),
            entropy: Arc::new(OsEntropy),
            create_if_missing: true,
            history: None,
            recovery: RecoveryMode::Strict,
            log_writing: LogWriting::Calls,
            log_segment_bytes: 16 << 20,
            closed_logs_max: 16,
            write_buffer_budget_bytes: 64 << 20,
            background: Background::Threads,
            retention: None,
            compaction_threads: 2,
            compaction_nice: 5,
            compaction_slices_max: 2,
            background_bytes_per_second: 0,
            delayed_write_bytes_per_second: 64 << 20,
            block_cache_bytes: 64 << 20,
            listener: None,
            measure_latency: false,
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
        within("write_buffer_budget_bytes", self.write_buffer_budget_bytes, 8 << 10, 1 << 44)?;
        within("closed_logs_max", self.closed_logs_max as u64, 1, 1 << 20)?;
        within("compaction_threads", self.compaction_threads as u64, 1, 64)?;
        within("compaction_nice", self.compaction_nice.into(), 0, 19)?;
        within("compaction_slices_max", self.compaction_slices_max as u64, 1, 64)?;
        within("background_bytes_per_second", self.background_bytes_per_second, 0, 1 << 50)?;
        within("delayed_write_bytes_per_second", self.delayed_write_bytes_per_second, 64 << 10, 1 << 50)?;
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
    /// Values of at least this many bytes are separated when they leave memory: the table has a pointer, the value log the
    /// value, so that compactions need not rewrite it. A read of such a value costs one more access to a file. Values that
    /// are in tables already stay there. None are separated if this is none, as it is by default.
    pub separate_values_from_bytes: Option<u32>,
    /// How values in the value log are compressed, each by itself.
    pub value_compression: Compression,
    /// The values that are alive in a file of the value log are rewritten, and the file goes, where otherwise more than this
    /// part of the family's value log would be garbage, in percent.
    pub value_garbage_percent: u32,
    /// Bits of a table's filter for each key; 0 for no filter.
    pub filter_bits_per_key: u32,
    /// Levels, or a queue of tables that expire. A queue that becomes levels is merged into them from its oldest tables on,
    /// 64 at a time, and each merge may rewrite what went down before: writers are slowed down, or wait, until its tables are
    /// fewer than [`FamilyOptions::level0_tables_slowdown`]. Levels that become a queue cost nothing.
    pub compaction_style: CompactionStyle,
    /// Whether range deletes are found through an index in memory of all that the family has, about 200 bytes each, or in
    /// each memtable and table by itself. What reads answer is the same.
    pub range_index: bool,
    /// Asked about entries that are merged. None are removed without one.
    pub compaction_filter: Option<Arc<dyn CompactionFilter>>,
    /// What [`crate::Batch::merge`] means. Once it was there, the family opens with an operator of this name only.
    pub merge_operator: Option<Arc<dyn MergeOperator>>,
    /// While little is written, level 0 is merged into the next level in use once it has this many tables.
    pub level0_tables_trigger: usize,
    /// While much is written, level 0 is merged once it has this many tables, no more than `level0_tables_slowdown`: into
    /// the next level in use, or at first only among themselves.
    pub level0_tables_busy: usize,
    /// Writes are slowed down while level 0 has more tables than this, the more the slower.
    pub level0_tables_slowdown: usize,
    /// Writes wait while level 0 has this many tables.
    pub level0_tables_max: usize,
    /// Writes are slowed down while compactions are behind by more than this, the more the slower.
    pub pending_bytes_slowdown: u64,
    /// Writes are slowest while compactions are behind by this much.
    pub pending_bytes_max: u64,
    /// A table below level 0 is compacted, even if nothing else calls for it, once this part of its entries, in percent,
    /// is deletions and old versions that no snapshot can see; above 100: never.
    pub garbage_percent: u32,
    /// How much a level below 0 holds at the least before another is begun above it, and how large a table of level 0
    /// may become when such tables are merged among themselves.
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
            separate_values_from_bytes: None,
            value_compression: Compression::default(),
            value_garbage_percent: 38,
            filter_bits_per_key: table.filter_bits_per_key,
            compaction_style: CompactionStyle::default(),
            range_index: true,
            compaction_filter: None,
            merge_operator: None,
            level0_tables_trigger: 4,
            level0_tables_busy: 8,
            level0_tables_slowdown: 16,
            level0_tables_max: 36,
            pending_bytes_slowdown: 4 << 30,
            pending_bytes_max: 16 << 30,
            garbage_percent: 50,
            level_base_bytes: 64 << 20,
            table_bytes_target: 32 << 20,
        }
    }
}

impl FamilyOptions {
    pub(crate) fn check(&self) -> Result<()> {
        within("write_buffer_bytes", self.write_buffer_bytes, 4 << 10, 4 << 30)?;
        within("immutable_memtables_max", self.immutable_memtables_max as u64, 1, 64)?;
        if let Some(operator) = &self.merge_operator {
            let longest = MERGE_OPERATOR_NAME_BYTES_MAX as u64;
            within("the bytes of a merge operator's name", operator.name().len() as u64, 1, longest)?;
        }
        within("block_bytes", self.block_bytes as u64, 256, 1 << 20)?;
        within("filter_bits_per_key", u64::from(self.filter_bits_per_key), 0, 64)?;
        let separated_from = self.separate_values_from_bytes.map_or(1 << 30, u64::from);
        within("separate_values_from_bytes", separated_from, 16, 1 << 30)?;
        within("value_garbage_percent", u64::from(self.value_garbage_percent), 1, 99)?;
        within("level0_tables_trigger", self.level0_tables_trigger as u64, 1, 1024)?;
        let trigger = self.level0_tables_trigger as u64;
        within("level0_tables_busy", self.level0_tables_busy as u64, 1, 1024)?;
        within("level0_tables_slowdown", self.level0_tables_slowdown as u64, trigger, 4096)?;
        let slowdown = self.level0_tables_slowdown as u64;
        within("level0_tables_max", self.level0_tables_max as u64, slowdown, 4096)?;
        within("pending_bytes_slowdown", self.pending_bytes_slowdown, 1, 1 << 50)?;
        within("pending_bytes_max", self.pending_bytes_max, self.pending_bytes_slowdown, 1 << 50)?;
        within("garbage_percent", u64::from(self.garbage_percent), 1, 1000)?;
        within("level_base_bytes", self.level_base_bytes, 4 << 10, 1 << 40)?;
        within("table_bytes_target", self.table_bytes_target, 4 << 10, 1 << 40)
    }

    /// What rules the levels of the family, and what its tables are built with.
    pub(crate) fn compaction(&self) -> CompactionOptions {
        CompactionOptions {
            style: self.compaction_style,
            level0_tables_trigger: self.level0_tables_trigger,
            level0_tables_busy: self
                .level0_tables_busy
                .clamp(self.level0_tables_trigger, self.level0_tables_slowdown),
            garbage_percent: self.garbage_percent,
            level_base_bytes: self.level_base_bytes,
            table_bytes_target: self.table_bytes_target,
            table: TableOptions {
                block_bytes: self.block_bytes,
                filter_bits_per_key: self.filter_bits_per_key,
                ..TableOptions::default()
            },
            compression: self.compression,
            values: ValueOptions {
                from_bytes: self.separate_values_from_bytes,
                compression: self.value_compression,
                garbage_percent: self.value_garbage_percent,
            },
        }
    }
}

fn within(name: &str, value: u64, least: u64, most: u64) -> Result<()> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    Err(Error::InvalidArgument { message: format!("{name} is {value}; it must be in {least}..={most}") })
}
