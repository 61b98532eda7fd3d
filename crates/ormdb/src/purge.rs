//! The purge: rows that were deleted and kept are really deleted when their retention is over.
//!
//! Runs when a database is opened and, once a minute at most, behind a commit; whoever holds a database that writes
//! nothing calls [`Database::purge_if_due`]. A step is one transaction of at most [`STEP_ROWS`] rows of an entity, found
//! by the index of its deleted rows, oldest first.
//!
//! Invariants: (1) a row goes through the one write path, with what its referential actions take along; (2) a row that
//! others still refer to stays, and does not keep those behind it; (3) the time is the clock's of the database.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};

use ordinum::{KeyRange, Reader};
use ormdb_proto::ir::Params;
use ormdb_proto::schema::{EntityId, IndexOrigin};
use ormdb_proto::value::ValueRef;
use ormdb_proto::{Isolation, Result};
use parking_lot::Mutex;

use crate::catalog::EntityInfo;
use crate::context::WriteCtx;
use crate::database::Database;
use crate::engine::{EngineResult, is_conflict};
use crate::store::layout;
use crate::write::{Deferred, Writer};

/// The most rows whose time is over that one transaction removes.
const STEP_ROWS: usize = 256;
/// How often a step runs again when other commits come between.
const TRIES_MAX: u32 = 8;
/// Between two purges by the way, in microseconds.
const INTERVAL_MICROS: i64 = 60_000_000;

/// What a purge did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Purged {
    /// The rows that are gone, those that went along by referential actions included.
    pub rows: u64,
    /// The rows whose time is over and that stay, because others refer to them.
    pub waiting: u64,
}

/// When the next purge is due, and where it goes on.
#[derive(Debug)]
pub(crate) struct PurgeState {
    /// In microseconds since 1970-01-01T00:00:00Z.
    due: AtomicI64,
    /// Of each entity whose last step was full, the last entry that it saw.
    resume: Mutex<HashMap<EntityId, Vec<u8>>>,
}

impl PurgeState {
    /// The state of a database that was just opened: a purge is due.
    pub(crate) fn new() -> PurgeState {
        PurgeState { due: AtomicI64::new(i64::MIN), resume: Mutex::new(HashMap::new()) }
    }
}

/// Rows whose time is over: their encoded primary keys, and the entry of the last one.
type Overdue = (Vec<Vec<u8>>, Option<Vec<u8>>);

/// What one step did.
struct Step {
    purged: Purged,
    /// The last entry that it saw, if there may be more behind it.
    last: Option<Vec<u8>>,
}

impl Database {
    /// Really deletes every row that was deleted longer ago than its entity's retention says, with what refers to it
    /// and goes along. Durable when this returns.
    ///
    /// # Errors
    /// [`crate::ErrorCode::SerializationConflict`] if other commits kept coming between; those of the engine. What was removed
    /// before stays removed.
    pub fn purge(&self) -> Result<Purged> {
        let mut rows = 0;
        loop {
            let pass = self.purge_all()?;
            rows += pass.rows;
            // What others referred to may go, once they are gone.
            if pass.rows == 0 || pass.waiting == 0 {
                return Ok(Purged { rows, waiting: pass.waiting });
            }
        }
    }

    fn purge_all(&self) -> Result<Purged> {
        let mut purged = Purged::default();
        for entity in self.retained() {
            let mut from = None;
            loop {
                let step = self.purge_step(entity, from.as_deref())?;
                purged.rows += step.purged.rows;
                purged.waiting += step.purged.waiting;
                let Some(last) = step.last else { break };
                from = Some(last);
            }
        }
        Ok(purged)
    }

    /// Does a bounded part of [`Database::purge`] if the last one is a minute ago. An open database does so by itself
    /// when it is opened and after commits.
    pub fn purge_if_due(&self) {
        let state = self.purge_state();
        let (now, due) = (self.now(), state.due.load(Ordering::Relaxed));
        let next = now.saturating_add(INTERVAL_MICROS);
        let is_mine = || state.due.compare_exchange(due, next, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if now < due || !is_mine() {
            return;
        }
        for entity in self.retained() {
            let from = state.resume.lock().remove(&entity);
            // What fails now is tried again when the purge is due next, and `purge` tells why.
            let Ok(step) = self.purge_step(entity, from.as_deref()) else { continue };
            if let Some(last) = step.last {
                state.resume.lock().insert(entity, last);
                // There is more: the next commit goes on.
                state.due.store(now, Ordering::Relaxed);
            }
        }
    }

    /// The entities whose deleted rows are kept for a time.
    fn retained(&self) -> Vec<EntityId> {
        let catalog = self.catalog();
        let kept = |info: &&EntityInfo| info.soft_delete.is_some_and(|soft| soft.retention.is_some());
        catalog.entities().iter().filter(kept).map(|info| info.id).collect()
    }

    fn purge_step(&self, entity: EntityId, from: Option<&[u8]>) -> Result<Step> {
        let mut tries = 1;
        loop {
            match self.try_step(entity, from) {
                Err(error) if is_conflict(&error) && tries < TRIES_MAX => tries += 1,
                done => return done,
            }
        }
    }

    fn try_step(&self, entity: EntityId, from: Option<&[u8]>) -> Result<Step> {
        let nothing = Step { purged: Purged::default(), last: None };
        let session = self.session_context();
        let (catalog, mut txn) = self.begin(Isolation::Serializable, &session)?;
        let Ok(info) = catalog.entity_by_id(entity) else { return Ok(nothing) };
        let (keys, last) = self.overdue(info, &txn, from)?;
        if keys.is_empty() {
            return Ok(nothing);
        }
        let params = Params::none();
        let ctx = WriteCtx {
            catalog: &catalog,
            txn: &mut txn,
            families: self.families(),
            session: &session,
            params: &params,
            now: self.now(),
            history: self.history(),
            sequences: self.sequences(),
            generators: self.generators(),
            deferred: &mut Deferred::nothing(),
            plans: self.plans(),
        };
        let (written, waiting) = Writer::new(ctx).purge(info, &keys)?;
        let rows = written.deleted;
        let last = last.filter(|_| keys.len() >= STEP_ROWS);
        if rows > 0 {
            let commit = self.commit(txn)?;
            self.count_rows(&written.rows);
            self.durable(commit)?;
        }
        Ok(Step { purged: Purged { rows, waiting }, last })
    }

    /// The encoded primary keys of rows whose time is over, oldest first, at most [`STEP_ROWS`] of them; and the entry of
    /// the last one.
    fn overdue(&self, info: &EntityInfo, reader: &dyn Reader, from: Option<&[u8]>) -> Result<Overdue> {
        let index = info.indexes.iter().find(|index| index.origin == IndexOrigin::SoftDelete);
        let retention = info.soft_delete.and_then(|soft| soft.retention);
        let (Some(index), Some(retention)) = (index, retention) else { return Ok((Vec::new(), None)) };
        let cut = i128::from(self.now()) - retention.comparable();
        let cut = i64::try_from(cut).unwrap_or(i64::MIN);
        let format = info.store().index(index.id)?;
        let range = KeyRange {
            start: KeyRange::prefix(&layout::index_prefix(index.id)).start,
            end: KeyRange::prefix(&format.prefix(&[ValueRef::DateTime(cut)])).end,
        };
        let mut cursor = reader.cursor(&self.families().indexes, range).engine()?;
        let mut there = match from {
            None => cursor.first().engine()?,
            Some(last) => {
                let there = cursor.seek(last).engine()?;
                if there && cursor.key() == last { cursor.next().engine()? } else { there }
            }
        };
        let (mut keys, mut last) = (Vec::new(), None);
        while there && keys.len() < STEP_ROWS {
            keys.push(format.primary_key(cursor.key(), cursor.value().engine()?)?.to_vec());
            last = Some(cursor.key().to_vec());
            there = cursor.next().engine()?;
        }
        Ok((keys, last))
    }
}
