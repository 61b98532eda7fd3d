//! How a database is opened, and brought to rest behind its load.

use std::path::Path;
use std::time::{Duration, Instant};

use ordinum::{Db, Durability, Stats};
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

fn engine_options(options: &Options) -> ordinum::Options {
    ordinum::Options {
        block_cache_bytes: u64::from(options.cache_mib) << 20,
        write_buffer_budget_bytes: u64::from(options.write_buffers_mib) << 20,
        ..ordinum::Options::default()
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
