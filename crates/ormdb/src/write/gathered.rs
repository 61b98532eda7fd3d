//! The references of rows that one statement creates, whose targets are looked up together: each once, sorted, side by side.
//!
//! Invariants: (1) they are gathered only while rows of one entity are created and nothing else is written, so that until they are
//! looked up no row goes and none changes its key; (2) a target is a whole primary key, and no row that is there is hidden from who refers.

#![deny(clippy::indexing_slicing)]

use std::cmp::Ordering;

use ordinum::{LockMode, Reader, Slice};
use ormdb_proto::Result;
use ormdb_proto::ir::{AssignOp, DeletedRows, RecordInput};
use ormdb_proto::schema::{ConstraintId, EntityId, ForeignKey};

use super::guard::changed;
use super::writer::{Row, Writer};
use crate::catalog::{EntityInfo, KeyAccess};
use crate::engine::EngineResult;
use crate::store::row::RowView;
use crate::store::{key, layout};

/// So many references are looked up at the latest.
const REFERENCES_MAX: usize = 1 << 12;
/// Room that is made for the key of each: that of a number takes less.
const KEY_ROOM_BYTES: usize = 16;
/// The first bytes of a key, by which it is sorted.
type Head = u128;

/// References that wait to be looked up together.
#[derive(Debug)]
pub(super) struct Gathered<'a> {
    /// Those that may be, of the entity whose rows are created.
    plans: Vec<Plan<'a>>,
    /// The keys of the targets' rows, one behind the other.
    keys: Vec<u8>,
    references: Vec<Reference>,
    holders: Holders,
}

/// The rows that refer, by their encoded primary keys.
#[derive(Debug)]
pub(super) enum Holders {
    /// The statement's own rows, which are known when they are created.
    Own,
    /// Rows of a nested write.
    Nested(Vec<Vec<u8>>),
}

#[derive(Debug)]
struct Plan<'a> {
    foreign_key: ConstraintId,
    target: &'a EntityInfo,
    /// For each field of the target's primary key, the slot of the row that refers.
    slots: Vec<usize>,
}

#[derive(Debug)]
struct Reference {
    head: Head,
    /// Where its key begins, and how long that is.
    start: u32,
    len: u16,
    plan: u16,
    /// The row that refers: its place among the holders.
    row: u32,
    targets: DeletedRows,
}

impl<'a> Gathered<'a> {
    fn key(&self, reference: &Reference) -> &[u8] {
        let rest = usize::try_from(reference.start).ok().and_then(|start| self.keys.get(start..));
        rest.and_then(|rest| rest.get(..usize::from(reference.len))).unwrap_or_default()
    }

    /// How the keys of two references sort.
    fn order(&self, a: &Reference, b: &Reference) -> Ordering {
        let is_whole = |reference: &Reference| usize::from(reference.len) <= size_of::<Head>();
        a.head.cmp(&b.head).then_with(|| match is_whole(a) && is_whole(b) {
            // The rest of their heads is zeros.
            true => a.len.cmp(&b.len),
            false => self.key(a).cmp(self.key(b)),
        })
    }

    fn plan(&self, reference: &Reference) -> Option<&Plan<'a>> {
        self.plans.get(usize::from(reference.plan))
    }

    /// Takes the reference of a row, if it has one, or leaves it if it cannot be looked up with others; returns whether it is taken
    /// care of.
    pub(super) fn take(
        &mut self,
        foreign_key: &ForeignKey,
        view: &RowView<'_>,
        targets: DeletedRows,
        (row, own): (&Row, usize),
    ) -> Result<bool> {
        let found = self.plans.iter().enumerate().find(|(_, plan)| plan.foreign_key == foreign_key.id);
        let Some((at, plan)) = found else { return Ok(false) };
        if targets == DeletedRows::Hidden && plan.target.soft_delete.is_some() {
            return Ok(false);
        }
        let start = self.keys.len();
        self.keys.extend_from_slice(&layout::rows_prefix(plan.target.id));
        for slot in &plan.slots {
            let value = view.get(*slot)?;
            if value.is_null() {
                self.keys.truncate(start);
                return Ok(true);
            }
            key::push_key_field(&mut self.keys, &value)?;
        }
        let row = match &mut self.holders {
            Holders::Own => own,
            Holders::Nested(keys) => {
                if keys.last() != Some(&row.key) {
                    keys.push(row.key.clone());
                }
                keys.len() - 1
            }
        };
        let bytes = self.keys.get(start..).unwrap_or_default();
        let mut head = [0; size_of::<Head>()];
        head.iter_mut().zip(bytes).for_each(|(head, byte)| *head = *byte);
        let place = u32::try_from(start).ok().zip(u16::try_from(bytes.len()).ok());
        let (Some((start, len)), Ok(plan), Ok(row)) = (place, u16::try_from(at), u32::try_from(row)) else {
            return Ok(false);
        };
        self.references.push(Reference { head: Head::from_be_bytes(head), start, len, plan, row, targets });
        Ok(true)
    }
}

impl<'a> Writer<'a> {
    /// Gathers the references of rows of an entity that are created next, if these are several and nothing is written below them.
    pub(super) fn gather_references(
        &mut self,
        info: &'a EntityInfo,
        rows: &[RecordInput],
        holders: Holders,
    ) -> Result<()> {
        let is_plain = |op: &AssignOp| !matches!(op, AssignOp::Nested(_));
        let mut assignments = rows.iter().flat_map(|row| &row.assignments);
        if rows.len() < 2 || !assignments.all(|a| is_plain(&a.op)) {
            return Ok(());
        }
        let mut plans = Vec::new();
        for foreign_key in &info.foreign_keys {
            let target = self.info(foreign_key.target)?;
            let (access, order) = target.access_by(&foreign_key.references);
            let slot = |at: usize| info.store().rows.slot(*foreign_key.fields.get(at)?);
            let slots: Option<Vec<usize>> = order.iter().map(|at| slot(*at)).collect();
            let is_whole = access == KeyAccess::PrimaryKey
                && [foreign_key.fields.len(), order.len()] == [target.primary_key.len(); 2];
            if let Some(slots) = slots.filter(|_| is_whole) {
                plans.push(Plan { foreign_key: foreign_key.id, target, slots });
            }
        }
        if !plans.is_empty() {
            let references = rows.len().saturating_mul(plans.len()).min(REFERENCES_MAX);
            let keys = Vec::with_capacity(references.saturating_mul(KEY_ROOM_BYTES));
            let references = Vec::with_capacity(references);
            self.gathered = Some(Gathered { plans, keys, references, holders });
        }
        Ok(())
    }

    /// Looks up what was gathered, if that is much.
    pub(super) fn look_up_many(&mut self, entity: EntityId) -> Result<()> {
        match &self.gathered {
            Some(gathered) if gathered.references.len() >= REFERENCES_MAX => self.look_up_gathered(entity),
            Some(_) | None => Ok(()),
        }
    }

    /// Looks up the targets of what was gathered, of rows of this entity. They stay until the transaction ends; what is not there
    /// waits until the statement ends.
    pub(super) fn look_up_gathered(&mut self, entity: EntityId) -> Result<()> {
        let Some(mut gathered) = self.gathered.take() else { return Ok(()) };
        let mut references = std::mem::take(&mut gathered.references);
        references.sort_unstable_by(|a, b| gathered.order(a, b));
        let same: Vec<&[Reference]> = references.chunk_by(|a, b| gathered.order(a, b).is_eq()).collect();
        let keys: Vec<&[u8]> = same.iter().filter_map(|same| Some(gathered.key(same.first()?))).collect();
        let found = self.found(&keys)?;
        let targets = same.iter().zip(&keys).zip(&found).filter(|(_, found)| found.is_some());
        let targets =
            targets.filter_map(|((same, key), _)| Some((gathered.plan(same.first()?)?.target, *key)));
        self.hold_targets(&targets.collect::<Vec<_>>())?;
        for (same, _) in same.iter().zip(&found).filter(|(_, found)| found.is_none()) {
            for reference in *same {
                let Some(plan) = gathered.plan(reference) else { continue };
                let holders = match &gathered.holders {
                    Holders::Own => &self.written.keys,
                    Holders::Nested(keys) => keys,
                };
                let row = usize::try_from(reference.row).ok().and_then(|row| holders.get(row));
                let Some(row) = row.cloned() else { continue };
                self.wait(entity, row, plan.foreign_key, reference.targets);
            }
        }
        references.clear();
        gathered.keys.clear();
        if let Holders::Nested(keys) = &mut gathered.holders {
            keys.clear();
        }
        self.gathered = Some(Gathered { references, ..gathered });
        Ok(())
    }

    /// What the rows' family has under these keys, which ascend.
    fn found(&self, keys: &[&[u8]]) -> Result<Vec<Option<Slice>>> {
        let (txn, rows) = (&*self.ctx.txn, &self.ctx.families.rows);
        // What is found is locked until the transaction ends, and what is not is looked for again when the statement ends: nothing
        // is left to validate. But a savepoint gives locks back, and what was found before stays known.
        let found =
            if txn.has_savepoint() { txn.multi_get(rows, keys) } else { txn.multi_get_untracked(rows, keys) };
        found.engine()
    }

    /// Locks the keys of rows that were found by their primary keys, so that the rows stay.
    fn hold_targets(&self, targets: &[(&EntityInfo, &[u8])]) -> Result<()> {
        let (txn, families) = (&*self.ctx.txn, self.ctx.families);
        let keys: Vec<&[u8]> = targets.iter().map(|(_, key)| *key).collect();
        txn.lock_keys(&families.system, &keys, LockMode::Shared).engine()?;
        if txn.is_newest() {
            return Ok(());
        }
        for (target, key) in targets {
            let is_there = txn.check_key_unchanged(&families.rows, key).is_ok()
                || txn.get_latest(&families.rows, key).engine()?.is_some();
            if !is_there {
                return Err(changed(target));
            }
        }
        Ok(())
    }
}
