//! What all writers share: moments, values that are written once, and what became of each transaction.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use ormdb::Isolation;

use super::state::AUTOINCREMENTED;
use crate::history::{Fate, Op, Transaction};

/// Shared by the writers of one opening.
#[derive(Debug)]
pub(super) struct Recorder {
    moments: AtomicU64,
    values: AtomicI64,
    done: Mutex<Vec<Transaction>>,
    /// For each entity with an autoincremented key: every number that is given from now on is above this one.
    pub(super) floors: [i64; AUTOINCREMENTED.len()],
    /// The greatest number of which a row was committed, or given explicitly.
    greatest: [AtomicI64; AUTOINCREMENTED.len()],
    pub(super) refused: AtomicU64,
    pub(super) commits: AtomicU64,
    /// The versions of acknowledged transactions that wrote.
    versions: Mutex<Vec<u64>>,
}

/// What an open transaction did so far.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) ops: Vec<Op>,
    pub(super) level: Isolation,
    pub(super) began: u64,
    /// By entity, the numbers of rows that it created.
    pub(super) created: Vec<(usize, i64)>,
    pub(super) wrote: bool,
}

impl Recorder {
    /// Begins behind these values, with these greatest numbers.
    pub(super) fn new(value: i64, floors: [i64; AUTOINCREMENTED.len()]) -> Recorder {
        Recorder {
            moments: AtomicU64::new(1),
            values: AtomicI64::new(value),
            done: Mutex::default(),
            floors,
            greatest: floors.map(AtomicI64::new),
            refused: AtomicU64::new(0),
            commits: AtomicU64::new(0),
            versions: Mutex::default(),
        }
    }

    pub(super) fn moment(&self) -> u64 {
        self.moments.fetch_add(1, Ordering::SeqCst)
    }

    /// A value that was never given.
    pub(super) fn value(&self) -> i64 {
        self.values.fetch_add(1, Ordering::SeqCst)
    }

    /// The value that is given next.
    pub(super) fn next_value(&self) -> i64 {
        self.values.load(Ordering::SeqCst)
    }

    pub(super) fn begin(&self, level: Isolation) -> Record {
        Record { ops: Vec::new(), level, began: self.moment(), created: Vec::new(), wrote: false }
    }

    /// A transaction has ended, as far as its caller was told.
    pub(super) fn end(&self, record: Record, fate: Fate) {
        let ended = self.moment();
        let Record { ops, level, began, created, .. } = record;
        match fate {
            Fate::Committed => {
                self.commits.fetch_add(1, Ordering::Relaxed);
                for (entity, number) in created {
                    if let Some(greatest) = self.greatest.get(entity) {
                        greatest.fetch_max(number, Ordering::SeqCst);
                    }
                }
            }
            Fate::Aborted | Fate::Unknown => {}
        }
        let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        done.push(Transaction { ops, fate, level, began, ended });
    }

    /// A transaction that wrote was acknowledged, as this version.
    pub(super) fn acknowledge(&self, version: u64) {
        self.versions.lock().unwrap_or_else(PoisonError::into_inner).push(version);
    }

    /// All that were acknowledged.
    pub(super) fn take_versions(&self) -> Vec<u64> {
        std::mem::take(&mut self.versions.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn refuse(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// A number about as great as the greatest of an entity.
    pub(super) fn greatest(&self, entity: usize) -> i64 {
        self.greatest.get(entity).map_or(0, |greatest| greatest.load(Ordering::SeqCst))
    }

    /// All transactions that have ended.
    pub(super) fn take(&self) -> Vec<Transaction> {
        std::mem::take(&mut self.done.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
