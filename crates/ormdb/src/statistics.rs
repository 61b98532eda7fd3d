//! What is known of the data as a whole: how many rows an entity has, and what its fields hold. The planner chooses by it;
//! answers never depend on it.
//!
//! ```text
//! commits  -> deltas of rows ------------> counts, in memory --+--> plans
//! a sample -> nulls, distinct values, most common values, ----+
//!             histogram of each field
//! ```
//!
//! Counts are kept as rows are written, and saved when the database is closed and whenever a share of them has changed: after a
//! crash they are wrong by that share at most, and are counted again by the next sample. Samples are taken by a
//! thread of their own, or when they are asked for; never inside a query.
//!
//! Invariants: (1) what cannot be read of the stored statistics is as if it were not there; (2) the epoch grows whenever plans
//! might be chosen anew.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use ordinum::{Batch, ColumnFamily, Db, Durability, KeyRange, Reader};
use ormdb_proto::Result;
use ormdb_proto::schema::EntityId;
use parking_lot::{Mutex, RwLock};

use crate::catalog::Catalog;
use crate::engine::EngineResult;
use crate::store::{Families, layout};

mod deltas;
mod figures;
mod record;
mod sample;
mod sampler;
mod sketch;

pub(crate) use deltas::RowDeltas;
pub(crate) use figures::EntityFigures;
pub(crate) use record::{fuzz as fuzz_record, seed as record_seed};
pub(crate) use sampler::Sampler;

/// So many changed rows are worth a save of the counts, or a new sample, whatever share of the rows they are.
const CHANGES_MIN: u64 = 1024;
/// A save of the counts is due when one in so many rows has changed since the last.
const SAVE_SHARE: u64 = 16;
/// A new sample is due when one in so many rows has changed since the last.
const SAMPLE_SHARE: u64 = 5;

/// The statistics of a database.
#[derive(Debug)]
pub(crate) struct Statistics {
    engine: Db,
    family: ColumnFamily,
    counts: RwLock<BTreeMap<EntityId, Arc<Count>>>,
    figures: RwLock<Arc<Figures>>,
    epoch: AtomicU64,
    /// Taken by whoever samples.
    sampling: Mutex<()>,
}

/// How many blocks were read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Blocks {
    /// From files.
    pub(crate) read: u64,
    /// From the cache.
    pub(crate) cached: u64,
}

/// What the last samples found, by entity.
pub(crate) type Figures = HashMap<EntityId, Arc<EntityFigures>>;

/// How many rows an entity has, and how far that is from what is stored.
#[derive(Debug, Default)]
struct Count {
    rows: AtomicI64,
    /// Rows at the last epoch.
    planned: AtomicI64,
    /// Rows that were written since the last sample.
    unsampled: AtomicU64,
    /// Rows that came or went since the count was saved.
    unsaved: AtomicU64,
}

impl Statistics {
    /// The statistics that are stored; none where there are none.
    ///
    /// # Errors
    /// Errors of the engine.
    pub(crate) fn open(engine: &Db, families: &Families, catalog: &Catalog) -> Result<Statistics> {
        let (mut counts, mut figures) = (BTreeMap::new(), Figures::new());
        for entity in catalog.entities() {
            let stored = engine.get(&families.statistics, &layout::statistics_key(entity.id)).engine()?;
            let (rows, sampled) = match stored.and_then(|bytes| record::decode(&bytes)) {
                Some(known) => known,
                None => {
                    let all = KeyRange::prefix(&layout::rows_prefix(entity.id));
                    let about = engine.approximate_entries(&families.rows, &all).engine()?;
                    (i64::try_from(about).unwrap_or(i64::MAX), None)
                }
            };
            counts.insert(entity.id, Arc::new(Count::of(rows)));
            if let Some(sampled) = sampled {
                figures.insert(entity.id, Arc::new(sampled));
            }
        }
        Ok(Statistics {
            engine: engine.clone(),
            family: families.statistics.clone(),
            counts: RwLock::new(counts),
            figures: RwLock::new(Arc::new(figures)),
            epoch: AtomicU64::new(1),
            sampling: Mutex::new(()),
        })
    }

    /// Grows whenever plans might be chosen anew: when an entity was sampled, or has twice or half as many rows.
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Relaxed)
    }

    /// How many blocks the engine has read so far, for everybody.
    pub(crate) fn blocks(&self) -> Blocks {
        let stats = self.engine.stats();
        Blocks { read: stats.cache_misses, cached: stats.cache_hits }
    }

    /// How many rows an entity has, deleted ones that are kept included.
    #[allow(clippy::cast_precision_loss, reason = "an estimate")]
    pub(crate) fn rows(&self, entity: EntityId) -> f64 {
        let count = self.counts.read().get(&entity).map_or(0, |count| count.rows.load(Ordering::Relaxed));
        count.max(0) as f64
    }

    /// What the last samples found.
    pub(crate) fn figures(&self) -> Arc<Figures> {
        Arc::clone(&self.figures.read())
    }

    /// Takes over what a commit changed. Says whether a sample is due.
    pub(crate) fn committed(&self, deltas: &RowDeltas) -> bool {
        let mut due = false;
        let mut save = false;
        for (entity, delta) in deltas.iter() {
            let count = self.count(entity);
            let rows = count.rows.fetch_add(delta.rows, Ordering::Relaxed) + delta.rows;
            let share = |of: u64| (rows.max(0).unsigned_abs() / of).max(CHANGES_MIN);
            let unsaved = count.unsaved.fetch_add(delta.rows.unsigned_abs(), Ordering::Relaxed);
            save = save || unsaved + delta.rows.unsigned_abs() >= share(SAVE_SHARE);
            let unsampled = count.unsampled.fetch_add(delta.written, Ordering::Relaxed) + delta.written;
            due = due || unsampled >= share(SAMPLE_SHARE);
            let planned = count.planned.load(Ordering::Relaxed);
            if rows > planned.saturating_mul(2).max(16) || rows < planned / 2 {
                count.planned.store(rows, Ordering::Relaxed);
                self.epoch.fetch_add(1, Ordering::Relaxed);
            }
        }
        if save {
            // What cannot be saved now is saved with the next share, or counted anew.
            drop(self.save());
        }
        due
    }

    /// The entities of which a sample is due.
    fn due(&self, catalog: &Catalog) -> Vec<EntityId> {
        let figures = self.figures();
        let is_due = |entity: EntityId| {
            let Some(count) = self.counts.read().get(&entity).cloned() else {
                return true;
            };
            let rows = count.rows.load(Ordering::Relaxed).max(0).unsigned_abs();
            let unsampled = count.unsampled.load(Ordering::Relaxed);
            let least = (rows / SAMPLE_SHARE).max(CHANGES_MIN);
            unsampled >= least || (!figures.contains_key(&entity) && rows >= CHANGES_MIN)
        };
        catalog.entities().iter().map(|entity| entity.id).filter(|entity| is_due(*entity)).collect()
    }

    fn count(&self, entity: EntityId) -> Arc<Count> {
        if let Some(count) = self.counts.read().get(&entity) {
            return Arc::clone(count);
        }
        // An entity that was not there when the database was opened had no rows.
        Arc::clone(self.counts.write().entry(entity).or_default())
    }

    /// Writes the counts and what was sampled, where they changed. In the log when this returns, not synced.
    ///
    /// # Errors
    /// Errors of the engine.
    pub(crate) fn save(&self) -> Result<()> {
        let figures = self.figures();
        let changed: Vec<(EntityId, Arc<Count>)> = {
            let counts = self.counts.read();
            let changed = counts.iter().filter(|(_, count)| count.unsaved.load(Ordering::Relaxed) > 0);
            changed.map(|(entity, count)| (*entity, Arc::clone(count))).collect()
        };
        if changed.is_empty() {
            return Ok(());
        }
        let mut batch = Batch::new();
        for (entity, count) in changed {
            count.unsaved.store(0, Ordering::Relaxed);
            let rows = count.rows.load(Ordering::Relaxed);
            let value = record::encode(rows, figures.get(&entity).map(Arc::as_ref));
            batch.put(&self.family, &layout::statistics_key(entity), &value).engine()?;
        }
        self.engine.write(batch, Durability::Buffered).engine()?;
        Ok(())
    }
}

impl Count {
    fn of(rows: i64) -> Count {
        Count { rows: AtomicI64::new(rows), planned: AtomicI64::new(rows), ..Count::default() }
    }
}
