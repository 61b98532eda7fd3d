//! The thread that takes samples. It is started by the first commit that makes one due, and ends with the database.
//!
//! Invariants: (1) at most one sample is taken at a time; (2) who drops the sampler waits for a few hundred rows at most;
//! (3) the thread rests for several times as long as it worked, so that tables that grow take no more than a share of a core.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use ordinum::clock::Clock;
use ordinum::{ColumnFamily, Reader, Snapshot};
use ormdb_proto::Result;
use ormdb_proto::schema::EntityId;
use parking_lot::{Condvar, Mutex, RwLock};

use super::{Figures, Statistics, sample};
use crate::catalog::Catalog;

/// How many times as long as it took samples the thread rests.
const REST_FACTOR: u32 = 9;

/// Takes samples behind commits.
#[derive(Debug)]
pub(crate) struct Sampler {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug)]
struct Shared {
    statistics: Arc<Statistics>,
    catalog: Arc<RwLock<Arc<Catalog>>>,
    rows: ColumnFamily,
    asked: Mutex<bool>,
    wake: Condvar,
    /// Told when the sampler stops.
    stopping: Condvar,
    stopped: AtomicBool,
    clock: Arc<dyn Clock>,
}

impl Sampler {
    pub(crate) fn new(
        statistics: Arc<Statistics>,
        catalog: Arc<RwLock<Arc<Catalog>>>,
        rows: ColumnFamily,
        clock: Arc<dyn Clock>,
    ) -> Sampler {
        let shared = Shared {
            statistics,
            catalog,
            rows,
            asked: Mutex::new(false),
            wake: Condvar::new(),
            stopping: Condvar::new(),
            stopped: AtomicBool::new(false),
            clock,
        };
        Sampler { shared: Arc::new(shared), thread: Mutex::new(None) }
    }

    /// Has the samples taken that are due, and returns at once.
    #[allow(
        clippy::disallowed_methods,
        reason = "this is a seam: the thread is started here, and joined by `stop`"
    )]
    pub(crate) fn ask(&self) {
        *self.shared.asked.lock() = true;
        let mut thread = self.thread.lock();
        if thread.is_none() {
            let shared = Arc::clone(&self.shared);
            *thread = Some(std::thread::spawn(move || shared.sample_when_asked()));
        }
        self.shared.wake.notify_one();
    }

    /// Samples all entities now.
    ///
    /// # Errors
    /// Errors of the engine and of damaged rows.
    pub(crate) fn sample_all(&self) -> Result<()> {
        let catalog = self.shared.catalog.read().clone();
        let all: Vec<EntityId> = catalog.entities().iter().map(|entity| entity.id).collect();
        self.shared.sample(&all)
    }
}

impl Sampler {
    /// Stops the sample that is being taken, and waits until it has. No other is taken.
    pub(crate) fn stop(&self) {
        self.shared.stopped.store(true, Ordering::Relaxed);
        *self.shared.asked.lock() = true;
        self.shared.wake.notify_all();
        self.shared.stopping.notify_all();
        if let Some(thread) = self.thread.lock().take() {
            // A sample that failed is taken again.
            drop(thread.join());
        }
    }
}

impl Shared {
    fn sample_when_asked(&self) {
        loop {
            {
                let mut asked = self.asked.lock();
                while !*asked {
                    self.wake.wait(&mut asked);
                }
                *asked = false;
            }
            if self.is_stopped() {
                return;
            }
            let catalog = self.catalog.read().clone();
            let began = self.clock.monotonic();
            let due = self.statistics.due(&catalog);
            // What cannot be read now is told by whoever reads it; the next commits ask again.
            drop(self.sample(&due));
            self.rest(self.clock.monotonic().saturating_sub(began).saturating_mul(REST_FACTOR));
        }
    }

    fn rest(&self, time: Duration) {
        let mut asked = self.asked.lock();
        if !self.is_stopped() {
            self.stopping.wait_for(&mut asked, time);
        }
    }

    fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    /// A snapshot with the catalog that is current in it: no schema is committed while the catalog is locked.
    fn snapshot(&self) -> (Arc<Catalog>, Snapshot) {
        let catalog = self.catalog.read();
        (Arc::clone(&catalog), self.statistics.engine.snapshot())
    }

    /// Samples those of the entities that are still there.
    fn sample(&self, entities: &[EntityId]) -> Result<()> {
        let statistics = &*self.statistics;
        let _one = statistics.sampling.lock();
        for id in entities {
            // The schema may change between two entities: rows are read as they are at their snapshot.
            let (catalog, snapshot) = self.snapshot();
            let Ok(entity) = catalog.entity_by_id(*id) else { continue };
            let count = statistics.count(*id);
            let before = count.rows.load(Ordering::Relaxed);
            count.unsampled.store(0, Ordering::Relaxed);
            let reader: &dyn Reader = &snapshot;
            let Some(sampled) = sample::sample(reader, &self.rows, entity, &|| self.is_stopped())? else {
                return Ok(());
            };
            if let Some(rows) = sampled.rows {
                count.rows.fetch_add(rows - before, Ordering::Relaxed);
            }
            count.unsaved.fetch_add(1, Ordering::Relaxed);
            let mut figures: Figures = (*statistics.figures()).clone();
            figures.retain(|entity, _| catalog.entity_by_id(*entity).is_ok());
            figures.insert(*id, Arc::new(sampled.figures));
            *statistics.figures.write() = Arc::new(figures);
            statistics.epoch.fetch_add(1, Ordering::Relaxed);
        }
        statistics.save()
    }
}
