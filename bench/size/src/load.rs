//! The load: rows are made and created one transaction behind the other, as an application that imports does it; and what it took.

use std::path::Path;
use std::time::{Duration, Instant};

use ordinum::Stats;
use ormdb::{Database, FromRow, Outcome, Params, Statement};
use ormdb_proto::ir::Create;

use crate::Result;
use crate::options::Options;
use crate::process::{cpu_seconds, disk_bytes, forget_peak_memory, peak_memory_bytes, resident_bytes};
use crate::shop::{ENTITIES, Shop};
use crate::store::{self, Rest};

/// Rows of a transaction.
pub(crate) const BATCH: i64 = 1000;
/// Into so many parts the load is divided.
const PARTS: i64 = 10;

/// What stood where when a part of the load was over.
#[derive(Clone, Copy)]
pub(crate) struct Mark {
    pub(crate) rows: i64,
    pub(crate) at: Instant,
    pub(crate) cpu_seconds: f64,
    /// Of rows and index entries, as commits have them.
    pub(crate) bytes: u64,
    /// Held back by the engine because flushes or compactions were behind.
    pub(crate) delayed: Duration,
    /// Writes that had to wait for a flush or a compaction.
    pub(crate) stalls: u64,
    pub(crate) resident_bytes: u64,
    /// What of it has a bound: the cache with what is pinned of tables, and memtables.
    pub(crate) cached_bytes: u64,
    pub(crate) memtable_bytes: u64,
}

impl Mark {
    fn now(database: &Database, rows: i64) -> Result<Mark> {
        let stats = database.engine_stats();
        Ok(Mark {
            rows,
            at: Instant::now(),
            cpu_seconds: cpu_seconds(),
            bytes: stats.bytes_written,
            delayed: stats.delayed,
            stalls: stats.stalls,
            resident_bytes: resident_bytes()?,
            cached_bytes: stats.cache_bytes + stats.cache_pinned_bytes,
            memtable_bytes: stats.families.iter().map(|family| family.memtable_bytes).sum(),
        })
    }
}

/// A database that was loaded.
pub(crate) struct Loaded {
    pub(crate) shop: Shop,
    /// The beginning, and the end of each part.
    pub(crate) marks: Vec<Mark>,
    /// Of the load: what it took to make the rows.
    pub(crate) making: Duration,
    /// Behind it: the statistics of all entities, and the count of all rows.
    pub(crate) sampling: Duration,
    pub(crate) counting: Duration,
    pub(crate) peak_memory_bytes: u64,
    /// The engine's, before it was closed.
    pub(crate) stats: Stats,
    pub(crate) disk_bytes: u64,
    pub(crate) rest: Rest,
    pub(crate) settled_disk_bytes: u64,
}

#[derive(FromRow)]
struct Count {
    n: i64,
}

/// Fills an empty database and closes it.
pub(crate) fn load(path: &Path, shop: Shop, options: &Options) -> Result<Loaded> {
    forget_peak_memory()?;
    let database = store::open(path, options)?;
    let (marks, making) = create_all(&database, shop)?;
    let disk_of_load = disk_bytes(path)?;
    let began = Instant::now();
    database.refresh_statistics()?;
    let sampling = began.elapsed();
    count_all(&database, shop)?;
    let counting = began.elapsed() - sampling;
    let peak_memory_bytes = peak_memory_bytes()?;
    let stats = database.engine_stats();
    drop(database);
    let rest = store::settle(path, options)?;
    Ok(Loaded {
        shop,
        marks,
        making,
        sampling,
        counting,
        peak_memory_bytes,
        stats,
        disk_bytes: disk_of_load,
        rest,
        settled_disk_bytes: disk_bytes(path)?,
    })
}

fn create_all(database: &Database, shop: Shop) -> Result<(Vec<Mark>, Duration)> {
    let session = database.session();
    let mut making = Duration::ZERO;
    let mut marks = vec![Mark::now(database, 0)?];
    let mut loaded = 0;
    for slice in 0..shop.slices() {
        for entity in &ENTITIES {
            let (mut next, last) = entity.numbers(slice).into_inner();
            while next <= last {
                let began = Instant::now();
                let behind = (next + BATCH).min(last + 1);
                let rows: Vec<_> = (next..behind).map(|number| (entity.record)(&shop, number)).collect();
                making += began.elapsed();
                let create = Create {
                    entity: entity.name.to_owned(),
                    span: None,
                    rows,
                    skip_duplicates: false,
                    returning: None,
                };
                session.execute(&Statement::Create(create), &Params::none())?;
                loaded += behind - next;
                next = behind;
                if loaded * PARTS / shop.rows() >= i64::try_from(marks.len())? {
                    marks.push(Mark::now(database, loaded)?);
                }
            }
        }
    }
    Ok((marks, making))
}

/// Every entity has the rows that it was given.
fn count_all(database: &Database, shop: Shop) -> Result<()> {
    let session = database.session();
    for entity in &ENTITIES {
        let text = format!("group {} {{ n: count() }}", entity.name);
        let Outcome::Fetched(result) = session.query(&text, &Params::none())? else {
            return Err(format!("{text} is no fetch").into());
        };
        let counted: Vec<Count> = result.typed_rows()?;
        let expected = entity.rows(shop.slices());
        if counted.iter().map(|count| count.n).ne([expected]) {
            return Err(format!("{} has not {expected} rows behind the load", entity.name).into());
        }
    }
    Ok(())
}
