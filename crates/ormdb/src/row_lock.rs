//! Fetches that lock their root rows.
//!
//! A row has two locks (write/guard.rs). The four strengths are made of them:
//!
//! ```text
//!                     the row      its key      who else takes it
//! for key share                    shared       whoever begins to refer to the row
//! for share           shared
//! for no key update   exclusive                 every update
//! for update          exclusive    exclusive    whoever removes the row or changes its key
//! ```
//!
//! Invariants: (1) rows are locked in the order asked for, those before the offset too, and no more than are asked for;
//! (2) what is returned of a row is what it is while it is locked: whoever finds that it was changed behind the snapshot
//! conflicts, and at read committed the statement runs again; (3) a row that is passed over keeps no lock.

use std::time::Duration;

use ordinum::{ColumnFamily, LockMode};
use ormdb_proto::ir::{DeletedRows, End, Fetch, LockStrength, LockWait, RowLock};
use ormdb_proto::{Error, ErrorCode, GraphResult, Result};

use crate::catalog::EntityInfo;
use crate::context::WriteCtx;
use crate::engine::EngineResult;
use crate::exec;
use crate::write::{describe, same_key};

/// Beside the rows that are wanted, so many are looked at first where locked ones are passed over.
const SKIPPED_AT_FIRST: usize = 16;

/// Locks the rows of a fetch, and reads them.
///
/// # Errors
/// Those of the fetch; `LockNotAvailable`, `Deadlock`, `Cancelled` of a lock that was not given; `SerializationConflict` if a
/// row was changed behind the snapshot. Locks that were taken stay: the caller rolls back.
pub(crate) fn fetch(ctx: &mut WriteCtx<'_>, fetch: &Fetch, lock: RowLock) -> Result<GraphResult> {
    check(fetch)?;
    let info = ctx.catalog.entity(&fetch.entity)?;
    let window = exec::window(&ctx.read(), fetch)?;
    let most = window.limit.map(|limit| limit.saturating_add(window.offset));
    let usual = ctx.session.lock_wait_max();
    let mut locker = Locker { ctx: ctx.reborrow(), info, lock };
    let keys = match lock.wait {
        LockWait::SkipLocked => locker.those_unlocked(fetch, most)?,
        LockWait::Session | LockWait::Never => locker.all(fetch, most)?,
        LockWait::AtMost { ms } => {
            locker.ctx.txn.set_lock_wait_max(usual.min(Duration::from_millis(ms)));
            let keys = locker.all(fetch, most);
            locker.ctx.txn.set_lock_wait_max(usual);
            keys?
        }
    };
    let keys = cut(keys, window.offset, fetch.selection.end);
    exec::fetch_keys(&ctx.read(), &fetch.entity, &keys, &fetch.selection)
}

/// What cannot be locked.
fn check(fetch: &Fetch) -> Result<()> {
    let what = if fetch.group.is_some() {
        "groups"
    } else if !fetch.selection.distinct.is_empty() {
        "distinct rows"
    } else if fetch.as_of.is_some() {
        "rows of an older version"
    } else {
        return Ok(());
    };
    let mut error = Error::new(ErrorCode::InvalidQuery, format!("{what} cannot be locked"));
    error.detail.span = fetch.span;
    Err(error)
}

/// The keys without those that the offset passes over.
fn cut(mut keys: Vec<Vec<u8>>, offset: usize, end: End) -> Vec<Vec<u8>> {
    match end {
        End::First => drop(keys.drain(..offset.min(keys.len()))),
        End::Last => keys.truncate(keys.len().saturating_sub(offset)),
    }
    keys
}

struct Locker<'a, 'i> {
    ctx: WriteCtx<'a>,
    info: &'i EntityInfo,
    lock: RowLock,
}

/// What came of a lock.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Locked {
    Yes,
    /// Another transaction is in the way.
    No,
}

impl Locker<'_, '_> {
    /// Locks the first rows, all of them.
    fn all(&mut self, fetch: &Fetch, most: Option<usize>) -> Result<Vec<Vec<u8>>> {
        let keys = exec::root_keys(&self.ctx.read(), fetch, most)?;
        for key in &keys {
            self.ctx.session.check_cancelled()?;
            if self.take(key)? == Locked::No {
                let hint = "`skip locked` passes over it, without `nowait` it is waited for";
                return Err(self.not_available(key).hint(hint));
            }
            self.check_newest(fetch, key)?;
        }
        Ok(keys)
    }

    /// Locks the first rows that others have not locked.
    fn those_unlocked(&mut self, fetch: &Fetch, most: Option<usize>) -> Result<Vec<Vec<u8>>> {
        let enough = most.unwrap_or(usize::MAX);
        let mut looked_at = most.map(|most| most.saturating_add(SKIPPED_AT_FIRST));
        let mut taken: Vec<Vec<u8>> = Vec::new();
        let mut tried = 0;
        loop {
            let mut keys = exec::root_keys(&self.ctx.read(), fetch, looked_at)?;
            let is_all = looked_at.is_none_or(|most| keys.len() < most);
            // Of the last rows, the last are taken first.
            if fetch.selection.end == End::Last {
                keys.reverse();
            }
            for key in keys.iter().skip(tried) {
                if taken.len() >= enough {
                    break;
                }
                self.ctx.session.check_cancelled()?;
                if self.take_or_let_go(key)? == Locked::Yes {
                    self.check_newest(fetch, key)?;
                    taken.push(key.clone());
                }
            }
            if is_all || taken.len() >= enough {
                break;
            }
            // One snapshot: what was tried stands in front again.
            tried = keys.len();
            looked_at = looked_at.map(|most| most.saturating_mul(4));
        }
        if fetch.selection.end == End::Last {
            taken.reverse();
        }
        Ok(taken)
    }

    /// As [`Locker::take`]; what is not locked whole is not locked at all.
    fn take_or_let_go(&mut self, key: &[u8]) -> Result<Locked> {
        let savepoint = self.ctx.txn.savepoint();
        let taken = self.take(key);
        if !matches!(taken, Ok(Locked::Yes)) {
            self.ctx.txn.rollback_to(savepoint).engine()?;
        }
        self.ctx.txn.release(savepoint).engine()?;
        taken
    }

    fn take(&self, key: &[u8]) -> Result<Locked> {
        let families = self.ctx.families;
        let (row, row_key): (&ColumnFamily, &ColumnFamily) = (&families.rows, &families.system);
        let locks: &[(&ColumnFamily, LockMode)] = match self.lock.strength {
            LockStrength::KeyShare => &[(row_key, LockMode::Shared)],
            LockStrength::Share => &[(row, LockMode::Shared)],
            LockStrength::NoKeyUpdate => &[(row, LockMode::Exclusive)],
            LockStrength::Update => &[(row, LockMode::Exclusive), (row_key, LockMode::Exclusive)],
        };
        let place = self.info.store().primary_key.row_key(key);
        for (family, mode) in locks {
            match self.lock.wait {
                LockWait::Session | LockWait::AtMost { .. } => {
                    let locked = self.ctx.txn.lock_key(family, &place, *mode).engine();
                    locked.map_err(|error| self.waited_in_vain(error, key))?;
                }
                LockWait::Never | LockWait::SkipLocked => {
                    if !self.ctx.txn.try_lock_key(family, &place, *mode).engine()? {
                        return Ok(Locked::No);
                    }
                }
            }
        }
        Ok(Locked::Yes)
    }

    /// Refuses if the row was changed behind the snapshot, in a way that the lock would have excluded.
    fn check_newest(&self, fetch: &Fetch, key: &[u8]) -> Result<()> {
        let (rows, place) = (&self.ctx.families.rows, self.info.store().primary_key.row_key(key));
        let unchanged = self.ctx.txn.check_key_unchanged(rows, &place);
        if unchanged.is_ok() || self.lock.strength != LockStrength::KeyShare {
            return unchanged.engine();
        }
        // It has to be there, and its key as it was.
        let before = self.ctx.txn.get_untracked(rows, &place).engine()?;
        let now = self.ctx.txn.get_latest(rows, &place).engine()?;
        let (Some(before), Some(now)) = (before, now) else { return unchanged.engine() };
        let rows = &self.info.store().rows;
        let (before, now) = (rows.view(&before)?, rows.view(&now)?);
        if fetch.selection.deleted == DeletedRows::Hidden && !self.info.is_live(&now)? {
            return unchanged.engine();
        }
        for field in self.info.referrers().iter().flat_map(|r| &r.foreign_key.references) {
            if !same_key(&[before.field(*field)?], &[now.field(*field)?]) {
                return unchanged.engine();
            }
        }
        Ok(())
    }

    /// The error of a lock that was waited for, with the row that it is of.
    fn waited_in_vain(&self, error: Error, key: &[u8]) -> Error {
        if error.code != ErrorCode::LockNotAvailable {
            return error;
        }
        let hint = match self.lock.wait {
            LockWait::AtMost { .. } => "wait for longer, or run the statement again",
            LockWait::Session | LockWait::Never | LockWait::SkipLocked => {
                "raise `lock_wait_ms_max` in the session's limits, or end the other transaction"
            }
        };
        self.not_available(key).hint(hint)
    }

    fn not_available(&self, key: &[u8]) -> Error {
        let values = self.info.store().primary_key.decode(key).unwrap_or_default();
        let values: Vec<_> = values.iter().map(|value| value.as_ref()).collect();
        let shown = describe(self.ctx.catalog.schema(), self.info, &self.info.primary_key, &values);
        let message = format!("another transaction has a lock on the {} with {shown}", self.info.name);
        Error::new(ErrorCode::LockNotAvailable, message).entity(&self.info.name).key(shown)
    }
}
