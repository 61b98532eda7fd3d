//! The references of rows that one statement creates, whose targets are looked up together: each once, sorted, side by side.
//!
//! Invariants: (1) they are gathered only while a statement creates rows and nothing else, so that until they are looked up no
//! row goes and none changes its key; (2) a target is a whole primary key, and no row that is there is hidden from who refers.

#![deny(clippy::indexing_slicing)]

use ordinum::{LockMode, Reader};
use ormdb_proto::Result;
use ormdb_proto::ir::{AssignOp, Create, DeletedRows};
use ormdb_proto::schema::{ConstraintId, EntityId, ForeignKey};
use ormdb_proto::value::ValueRef;

use super::guard::changed;
use super::writer::Writer;
use crate::catalog::{EntityInfo, KeyAccess};
use crate::engine::EngineResult;
use crate::store::{key, layout};

/// So many references are looked up at the latest.
const REFERENCES_MAX: usize = 1 << 12;
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
}

#[derive(Debug)]
struct Plan<'a> {
    foreign_key: ConstraintId,
    target: &'a EntityInfo,
    /// For each field of the target's primary key, its place in the foreign key.
    order: Vec<usize>,
}

#[derive(Debug)]
struct Reference {
    head: Head,
    start: usize,
    end: usize,
    plan: usize,
    targets: DeletedRows,
    /// The row that refers: its place among the statement's own.
    row: usize,
}

impl<'a> Gathered<'a> {
    fn key(&self, reference: &Reference) -> &[u8] {
        self.keys.get(reference.start..reference.end).unwrap_or_default()
    }

    /// Takes a reference, if it is one that can be looked up with others.
    pub(super) fn take(
        &mut self,
        foreign_key: &ForeignKey,
        values: &[ValueRef<'_>],
        targets: DeletedRows,
        row: usize,
    ) -> Result<bool> {
        let found = self.plans.iter().enumerate().find(|(_, plan)| plan.foreign_key == foreign_key.id);
        let Some((at, plan)) = found else { return Ok(false) };
        if targets == DeletedRows::Hidden && plan.target.soft_delete.is_some() {
            return Ok(false);
        }
        let start = self.keys.len();
        self.keys.extend_from_slice(&layout::rows_prefix(plan.target.id));
        for value in plan.order.iter().filter_map(|at| values.get(*at)) {
            key::push_key_field(&mut self.keys, value)?;
        }
        let mut head = [0; size_of::<Head>()];
        let bytes = self.keys.get(start..).unwrap_or_default();
        head.iter_mut().zip(bytes).for_each(|(head, byte)| *head = *byte);
        let (head, end) = (Head::from_be_bytes(head), self.keys.len());
        self.references.push(Reference { head, start, end, plan: at, targets, row });
        Ok(true)
    }
}

impl<'a> Writer<'a> {
    /// Gathers the references of the rows that the statement creates, if it creates several and writes nothing else.
    pub(super) fn gather_references(&mut self, info: &'a EntityInfo, create: &Create) -> Result<()> {
        let is_plain = |op: &AssignOp| !matches!(op, AssignOp::Nested(_));
        let mut assignments = create.rows.iter().flat_map(|row| &row.assignments);
        if create.rows.len() < 2 || create.skip_duplicates || !assignments.all(|a| is_plain(&a.op)) {
            return Ok(());
        }
        let mut plans = Vec::new();
        for foreign_key in &info.foreign_keys {
            let target = self.info(foreign_key.target)?;
            let (access, order) = target.access_by(&foreign_key.references);
            if access == KeyAccess::PrimaryKey && order.len() == target.primary_key.len() {
                plans.push(Plan { foreign_key: foreign_key.id, target, order });
            }
        }
        if !plans.is_empty() {
            self.gathered = Some(Gathered { plans, keys: Vec::new(), references: Vec::new() });
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
        references
            .sort_unstable_by(|a, b| a.head.cmp(&b.head).then_with(|| gathered.key(a).cmp(gathered.key(b))));
        let same: Vec<&[Reference]> =
            references.chunk_by(|a, b| a.head == b.head && gathered.key(a) == gathered.key(b)).collect();
        let keys: Vec<&[u8]> = same.iter().filter_map(|same| Some(gathered.key(same.first()?))).collect();
        let found = self.ctx.txn.multi_get(&self.ctx.families.rows, &keys).engine()?;
        for ((same, key), found) in same.iter().zip(&keys).zip(found) {
            let Some(plan) = same.first().and_then(|first| gathered.plans.get(first.plan)) else { continue };
            if found.is_some() {
                self.hold_target(plan.target, key)?;
                continue;
            }
            for reference in *same {
                let Some(plan) = gathered.plans.get(reference.plan) else { continue };
                let Some(row) = self.written.keys.get(reference.row).cloned() else { continue };
                self.wait(entity, row, plan.foreign_key, reference.targets);
            }
        }
        references.clear();
        gathered.keys.clear();
        self.gathered = Some(Gathered { references, ..gathered });
        Ok(())
    }

    /// Locks the key of a row that was found by its primary key, so that the row stays.
    fn hold_target(&self, target: &EntityInfo, row_key: &[u8]) -> Result<()> {
        let (txn, families) = (&*self.ctx.txn, self.ctx.families);
        txn.lock_key(&families.system, row_key, LockMode::Shared).engine()?;
        let is_there = txn.check_key_unchanged(&families.rows, row_key).is_ok()
            || txn.get_latest(&families.rows, row_key).engine()?.is_some();
        if is_there { Ok(()) } else { Err(changed(target)) }
    }
}
