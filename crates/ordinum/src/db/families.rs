//! Creating and dropping column families.
//!
//! Invariants:
//! (1) the log record is durable before the edit of the manifest: replay repeats what a crash cut off between them;
//! (2) no commit that writes to a family is sequenced behind the record that drops it.
//!
//! ```text
//! payload of a log record
//!   family created   varint id | varint length of the name, and the name
//!   family dropped   varint id
//! ```

use std::sync::Arc;

use super::commit::Numbering;
use super::core::Core;
use crate::error::{Error, Result};
use crate::family::{ColumnFamily, FAMILY_NAME_BYTES_MAX, Family, FamilyId};
use crate::log::{Payload, RecordKind};
use crate::manifest::Edit;
use crate::memtable::Memtable;
use crate::options::FamilyOptions;
use crate::published::{Matrix, Published};
use crate::range_delete::RangeTombstones;
use crate::super_version::{RangeIndex, SuperVersion};
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::varint;
use crate::version::Levels;

/// What the families of an open database share.
pub(super) struct Owner {
    /// Tells the handles of this opening from those of any other.
    pub(super) id: u64,
    pub(super) views: Arc<Matrix<SuperVersion>>,
    /// What all memtables may have together.
    budget_bytes: u64,
    /// How many families there were so far.
    families: AtomicU64,
}

/// How much more than its share of the budget a memtable is expected to have.
const SHARES_EXPECTED: u64 = 4;
/// The least that a memtable is expected to have.
const EXPECTED_BYTES_MIN: u64 = 64 << 10;

impl Owner {
    pub(super) fn new(id: u64, budget_bytes: u64) -> Owner {
        Owner { id, views: Matrix::new(), budget_bytes, families: AtomicU64::new(0) }
    }

    /// The memtable, with a filter for what it will come to have: where there are many families, each is flushed long before
    /// it is full.
    pub(super) fn fit(&self, memtable: Memtable, bytes: u64) -> Memtable {
        let families = self.families.load(Ordering::Relaxed).max(1);
        let share = self.budget_bytes / 2 / families;
        let expected = share.saturating_mul(SHARES_EXPECTED).max(EXPECTED_BYTES_MIN);
        if expected < bytes { memtable.expecting(expected) } else { memtable }
    }
}

impl ColumnFamily {
    /// A family with an empty memtable over these tables. Reads their range tombstones, if they have some.
    pub(super) fn new(
        id: FamilyId,
        name: &str,
        owner: &Owner,
        options: FamilyOptions,
        levels: Levels,
    ) -> Result<ColumnFamily> {
        let active = Memtable::new(options.write_buffer_bytes, 0);
        let active = Arc::new(owner.fit(active, options.write_buffer_bytes));
        let range_index = if !options.range_index {
            RangeIndex::InParts
        } else if levels.range_tombstones_count() == 0 {
            RangeIndex::Nothing
        } else {
            RangeIndex::Here(Arc::new(RangeTombstones::of(levels.read_range_tombstones()?)))
        };
        let view = SuperVersion { active, sealed: Vec::new(), levels: Arc::new(levels), range_index };
        owner.families.fetch_add(1, Ordering::Relaxed);
        let view = Published::new(&owner.views, view);
        let family = Family::new(id, name, options, owner.id, view);
        Ok(ColumnFamily { family: Arc::new(family) })
    }
}

impl Core {
    /// The families that callers can use. One whose drop failed half-way is in the map still, so that its log stays.
    pub(super) fn live_families(&self) -> Vec<ColumnFamily> {
        let families = self.families.read();
        let live = families.values().filter(|family| !family.family.dropped.load(Ordering::Acquire));
        live.cloned().collect()
    }

    /// The family with this name, if callers can use it.
    pub(super) fn find_family(&self, name: &str) -> Option<ColumnFamily> {
        let is_it = |family: &&ColumnFamily| family.name() == name && family.family.check_dropped().is_ok();
        self.families.read().values().find(is_it).cloned()
    }

    /// Creates a family. One that another database has created has its number there.
    pub(super) fn create_family(
        &self,
        name: &str,
        options: FamilyOptions,
        numbering: Numbering,
        id: Option<FamilyId>,
    ) -> Result<ColumnFamily> {
        options.check()?;
        let actual = name.len() as u64;
        if name.len() > FAMILY_NAME_BYTES_MAX {
            let limit = FAMILY_NAME_BYTES_MAX as u64;
            return Err(Error::LimitExceeded { what: "the name of a column family", actual, limit });
        }
        let _changing = self.family_changes.lock();
        if self.families.read().values().any(|family| family.name() == name) {
            return Err(Error::InvalidArgument { message: format!("column family {name:?} exists already") });
        }
        let next = self.manifest.lock().state().next_family;
        let id = id.unwrap_or(next);
        if id < next {
            let message = format!("column family {} was created before; the next one is {}", id.0, next.0);
            return Err(Error::InvalidArgument { message });
        }
        let mut record = Vec::new();
        varint::push_u32(&mut record, id.0);
        varint::push_bytes(&mut record, name.as_bytes());
        let turn = {
            let mut commits = self.commits.lock();
            self.append_alone(
                &mut commits,
                &Payload::new(RecordKind::CreateFamily, [&record, &[], &[], &[]])?,
                numbering,
            )?
        };
        self.publication.applied(turn);
        self.sync_through(turn.seqno)?;
        let mut edits = vec![Edit::CreateFamily { id, name: name.to_owned() }];
        let operator = options.merge_operator.as_ref().map(|operator| operator.name().to_owned());
        edits.extend(operator.map(|name| Edit::SetMergeOperator { family: id, name }));
        self.install(&mut self.manifest.lock(), &edits)?;
        let family = ColumnFamily::new(id, name, &self.owner, options, Levels::default())?;
        self.families.write().insert(id, family.clone());
        Ok(family)
    }

    pub(super) fn drop_family(&self, family: &ColumnFamily, numbering: Numbering) -> Result<()> {
        self.check_family(family)?;
        if family == &self.default_family {
            return Err(Error::InvalidArgument {
                message: "the default column family cannot be dropped".to_owned(),
            });
        }
        let _changing = self.family_changes.lock();
        let id = family.family.id;
        let mut record = Vec::new();
        varint::push_u32(&mut record, id.0);
        let turn = {
            let mut commits = self.commits.lock();
            self.check_family(family)?;
            let payload = Payload::new(RecordKind::DropFamily, [&record, &[], &[], &[]])?;
            let turn = self.append_alone(&mut commits, &payload, numbering)?;
            family.family.dropped.store(true, Ordering::Release);
            family.family.view.expire();
            turn
        };
        self.publication.applied(turn);
        self.sync_through(turn.seqno)?;
        let mut manifest = self.manifest.lock();
        self.install(&mut manifest, &[Edit::DropFamily { id }])?;
        // Only now: until the edit is durable, logs with the family's data must stay.
        self.families.write().remove(&id);
        let active = Arc::new(Memtable::new(0, 0));
        let (sealed, levels, range_index) = (Vec::new(), Arc::default(), RangeIndex::Nothing);
        let empty = SuperVersion { active, sealed, levels, range_index };
        let dropped = family.family.view.update(|_| empty);
        for table in dropped.levels.tables() {
            table.mark_obsolete();
        }
        self.store.forget(dropped.levels.tables());
        for used in dropped.levels.values().iter() {
            used.file.mark_obsolete();
        }
        self.weigh_sealed();
        self.room.changed();
        self.remove_old_logs(&mut manifest)
    }
}

#[cfg(test)]
mod tests;
