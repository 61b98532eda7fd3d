//! How a database is opened, and brought to rest behind its load.

use std::path::Path;
use std::time::{Duration, Instant};

use ordinum::{Db, Durability, FamilyOptions, Stats};
use ormdb::Database;

use crate::Result;
use crate::options::Options;
use crate::process::cpu_seconds;
use crate::shop::SCHEMA;

/// A database is at rest when the process used less than this share of a processor, and no compaction ran...
const IDLE_CPU_SHARE: f64 = 0.03;
/// ...in so many looks one after another...
const IDLE_LOOKS: u32 = 3;
/// ...that are so far apart.
const IDLE_LOOK_EVERY: Duration = Duration::from_millis(150);

/// As much is allowed for all else in the long run of the storage engine, `cargo xtask soak`.
const ELSE_BYTES: u64 = 96 << 20;

fn engine_options(options: &Options) -> ordinum::Options {
    ordinum::Options {
        block_cache_bytes: u64::from(options.cache_mib) << 20,
        write_buffer_budget_bytes: u64::from(options.write_buffers_mib) << 20,
        family_defaults: FamilyOptions {
            table_bytes_target: u64::from(options.table_mib) << 20,
            ..FamilyOptions::default()
        },
        ..ordinum::Options::default()
    }
}

/// What the memory of an open database is held to.
pub(crate) struct Bounds {
    /// Blocks, and filters and indexes of open tables.
    pub(crate) cache_bytes: u64,
    pub(crate) memtable_bytes: u64,
    /// Every slice of every compaction writes one table at a time, and gathers what its filter is made from: eight bytes for each key,
    /// in a list that doubles, which for keys and values as short as those of indexes comes to about what the table has.
    pub(crate) compaction_bytes: u64,
    /// What is not told by options: the program, stacks, what statements have in hand, what the allocator keeps.
    pub(crate) else_bytes: u64,
}

impl Bounds {
    pub(crate) fn of(options: &Options) -> Bounds {
        let engine = engine_options(options);
        let slices = engine.compaction_threads * engine.compaction_slices_max;
        Bounds {
            cache_bytes: engine.block_cache_bytes,
            memtable_bytes: engine.write_buffer_budget_bytes,
            compaction_bytes: engine.family_defaults.table_bytes_target * slices as u64,
            else_bytes: ELSE_BYTES,
        }
    }

    pub(crate) const fn sum(&self) -> u64 {
        self.cache_bytes + self.memtable_bytes + self.compaction_bytes + self.else_bytes
    }
}

/// Opens a database whose writes are given to the kernel and not synced, and declares its schema.
pub(crate) fn open(path: &Path, options: &Options) -> Result<Database> {
    let engine = engine_options(options);
    let database = Database::open_with(
        path,
        ormdb::Options { engine, durability: Durability::Buffered, ..Default::default() },
    )?;
    database.apply_schema(SCHEMA).map_err(|errors| format!("{errors:?}"))?;
    Ok(database)
}

/// What a database at rest looks like.
pub(crate) struct Rest {
    /// How long it took to get there.
    pub(crate) seconds: f64,
    pub(crate) cpu_seconds: f64,
    pub(crate) stats: Stats,
}

/// Has everything in memory written to tables, and waits until nothing is left to compact. Nobody has the database open.
pub(crate) fn settle(path: &Path, options: &Options) -> Result<Rest> {
    let (began, cpu_began) = (Instant::now(), cpu_seconds());
    let engine = Db::open(path, engine_options(options))?;
    engine.flush_all()?;
    let (mut idle_looks, mut busy_until) = (0, began.elapsed());
    while idle_looks < IDLE_LOOKS {
        let cpu_before = cpu_seconds();
        std::thread::sleep(IDLE_LOOK_EVERY);
        let share = (cpu_seconds() - cpu_before) / IDLE_LOOK_EVERY.as_secs_f64();
        if engine.stats().compactions_running > 0 || share > IDLE_CPU_SHARE {
            (idle_looks, busy_until) = (0, began.elapsed());
        } else {
            idle_looks += 1;
        }
    }
    let stats = engine.stats();
    engine.close()?;
    Ok(Rest { seconds: busy_until.as_secs_f64(), cpu_seconds: cpu_seconds() - cpu_began, stats })
}
