//! One run of a plan: its context, what it may use, and what it did.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use ordinum::{KeyRange, Slice};
use ormdb_proto::{Error, ErrorCode, Result};
use smallvec::SmallVec;

use super::budget::Budget;
use super::derive::{self, Given};
use super::known_rows::KnownRows;
use super::related_keys::RelatedKeys;
use super::rows::{FetchedRow, Key, row_key};
use crate::catalog::EntityInfo;
use crate::context::Ctx;
use crate::engine::EngineResult;
use crate::expr::EvalEnv;
use crate::plan::{Derivation, RelatedPath, RootAccess, RowSelection, Source, StepStats};
use crate::store::corrupt;
use crate::store::layout;

/// How many keys are looked up before the next look at whether the statement was cancelled: each may be a block to read.
const LOOKUPS_AT_ONCE: usize = 512;

/// A list of so many keys needs no memory of its own.
const KEYS_AT_HAND: usize = 64;

/// One run of a plan.
pub(crate) struct Run<'r> {
    pub(super) ctx: Ctx<'r>,
    pub(super) budget: Budget<'r>,
    /// What each step did, where somebody wants to know.
    stats: Option<RefCell<Vec<StepStats>>>,
    /// By the step of a condition on related rows, the keys that those lead to which are sought; none where they were too many.
    related: RefCell<HashMap<usize, Option<Rc<RelatedKeys>>>>,
    /// Rows that an include may show next.
    known: RefCell<KnownRows>,
    /// What the steps inside the step that is being timed took.
    inner: Cell<Spent>,
}

/// What a step took.
#[derive(Clone, Copy, Default)]
struct Spent {
    time: Duration,
    blocks_read: u64,
    cache_hits: u64,
}

/// An entry of a key: of the rows, or of an index.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) key: Key,
    /// Empty where nobody reads it.
    pub(super) value: Slice,
}

impl Entry {
    /// How much memory it holds, what leads on from it counted in.
    pub(super) fn held_bytes(&self) -> usize {
        let key = if self.key.spilled() { self.key.len() } else { 0 };
        size_of::<Entry>() + size_of::<usize>() + key
    }
}

impl<'r> Run<'r> {
    pub(super) fn new(ctx: Ctx<'r>) -> Run<'r> {
        let (related, known, inner) = (RefCell::default(), RefCell::default(), Cell::default());
        Run { ctx, budget: Budget::new(ctx.session), stats: None, related, known, inner }
    }

    /// A run that takes note of what each step does.
    pub(super) fn watched(ctx: Ctx<'r>, steps: usize) -> Run<'r> {
        Run { stats: Some(RefCell::new(vec![StepStats::default(); steps])), ..Run::new(ctx) }
    }

    /// What each step did; nothing of a run that was not watched.
    pub(super) fn into_stats(self) -> Vec<StepStats> {
        self.stats.map(RefCell::into_inner).unwrap_or_default()
    }

    /// Counts what a step does.
    #[inline]
    pub(super) fn count(&self, step: usize, see: impl FnOnce(&mut StepStats)) {
        if let Some(stats) = &self.stats
            && let Some(stats) = stats.borrow_mut().get_mut(step)
        {
            see(stats);
        }
    }

    /// Adds what `work` takes to a step, less what the steps take that are timed inside it.
    pub(super) fn timed<T>(&self, step: usize, work: impl FnOnce() -> T) -> T {
        if self.stats.is_none() {
            return work();
        }
        let outer = self.inner.replace(Spent::default());
        let start = self.spent();
        let done = work();
        let took = self.spent().less(start);
        let own = took.less(self.inner.get());
        self.count(step, |stats| {
            stats.time += own.time;
            stats.blocks_read += own.blocks_read;
            stats.cache_hits += own.cache_hits;
        });
        self.inner.set(outer.and(took));
        done
    }

    /// What everything took until now; blocks are those that everybody read.
    fn spent(&self) -> Spent {
        let (time, blocks) = (self.ctx.session.monotonic(), self.ctx.session.statistics.blocks());
        Spent { time, blocks_read: blocks.read, cache_hits: blocks.cached }
    }

    /// The keys of the rows that a condition on related rows finds, gathered when they are first asked for; none if they are too
    /// many to be held.
    pub(super) fn keys_of(
        &self,
        derivation: &Derivation<'_>,
        path: &RelatedPath,
        entity: &EntityInfo,
    ) -> Result<Option<Rc<RelatedKeys>>> {
        if let Some(keys) = self.related.borrow().get(&derivation.step) {
            return Ok(keys.clone());
        }
        let keys = self.timed(derivation.step, || RelatedKeys::gather(self, derivation, path, entity))?;
        let keys = keys.map(Rc::new);
        self.related.borrow_mut().insert(derivation.step, keys.clone());
        Ok(keys)
    }

    /// The environment of expressions without externals.
    pub(super) const fn env(&self) -> EvalEnv<'r> {
        self.ctx.env()
    }

    /// A cursor over the entries of a key: all of them, or those in a range.
    pub(super) fn cursor(
        &self,
        entity: &EntityInfo,
        source: Source,
        range: Option<&KeyRange>,
    ) -> Result<ordinum::Cursor> {
        let (family, prefix) = match source {
            Source::Primary => (&self.ctx.families.rows, layout::rows_prefix(entity.id)),
            Source::Index(id) => (&self.ctx.families.indexes, layout::index_prefix(id)),
        };
        let range = range.cloned().unwrap_or_else(|| KeyRange::prefix(&prefix));
        self.ctx.reader.cursor(family, range).engine()
    }

    /// The rows of entries, in their order.
    pub(super) fn rows_of(
        &self,
        step: usize,
        entity: &EntityInfo,
        source: Source,
        covered: bool,
        entries: Vec<Entry>,
    ) -> Result<Vec<FetchedRow>> {
        match source {
            Source::Index(id) if covered => {
                let row = |entry: &Entry| {
                    self.budget.tick()?;
                    let row = FetchedRow::of_entry(entity, id, &entry.key, &entry.value)?;
                    self.budget.hold(row.held_bytes())?;
                    Ok(row)
                };
                entries.iter().map(row).collect()
            }
            Source::Primary => {
                let mut held = 0;
                let row = |entry: Entry| {
                    let row = FetchedRow { key: entry.key, bytes: entry.value };
                    held += row.held_bytes();
                    row
                };
                let rows = entries.into_iter().map(row).collect();
                self.budget.hold(held)?;
                Ok(rows)
            }
            Source::Index(id) => {
                let format = entity.store().index(id)?;
                let mut keys = Vec::with_capacity(entries.len());
                for entry in &entries {
                    keys.push(row_key(entity, format.primary_key(&entry.key, &entry.value)?));
                }
                let rows = self.get_rows(step, keys)?;
                rows.into_iter().map(|row| row.ok_or_else(|| no_row(entity))).collect()
            }
        }
    }

    /// The rows of row keys, in the order of the keys; none where there is no row.
    pub(super) fn get_rows(&self, step: usize, keys: Vec<Key>) -> Result<Vec<Option<FetchedRow>>> {
        let values = self.get(&self.ctx.families.rows, &keys)?;
        self.count(step, |stats| stats.lookups += keys.len());
        let mut held = 0;
        let row = |(key, value): (Key, Option<Slice>)| {
            let row = FetchedRow { key, bytes: value? };
            held += row.held_bytes();
            Some(row)
        };
        let rows = keys.into_iter().zip(values).map(row).collect();
        self.budget.hold(held)?;
        Ok(rows)
    }

    /// As [`Run::get_rows`], of keys that ascend; those are not read that an expression has just read.
    pub(super) fn get_related(
        &self,
        step: usize,
        entity: &EntityInfo,
        keys: Vec<Key>,
    ) -> Result<Vec<Option<FetchedRow>>> {
        let Some(mut rows) = self.known.borrow().find(entity.id, &keys) else {
            return self.get_rows(step, keys);
        };
        self.budget.hold(rows.iter().flatten().map(FetchedRow::held_bytes).sum())?;
        let unknown = |(key, row): (Key, &Option<FetchedRow>)| row.is_none().then_some(key);
        let unknown: Vec<Key> = keys.into_iter().zip(&rows).filter_map(unknown).collect();
        if !unknown.is_empty() {
            let read = self.get_rows(step, unknown)?;
            for (place, row) in rows.iter_mut().filter(|row| row.is_none()).zip(read) {
                *place = row;
            }
        }
        Ok(rows)
    }

    /// Keeps rows that were got by their whole primary keys, in the order of these, for who asks for them next.
    pub(super) fn keep_rows(&self, entity: &EntityInfo, rows: Vec<FetchedRow>) -> Result<()> {
        self.known.borrow_mut().keep(self, entity.id, rows)
    }

    /// The values of keys, so many at a time that a cancelled statement ends soon wherever they lie.
    pub(super) fn get(&self, family: &ordinum::ColumnFamily, keys: &[Key]) -> Result<Vec<Option<Slice>>> {
        if let [key] = keys {
            self.budget.tick()?;
            return Ok(vec![self.ctx.reader.get(family, key).engine()?]);
        }
        let mut all = Vec::new();
        for keys in keys.chunks(LOOKUPS_AT_ONCE) {
            self.budget.tick_by(keys.len())?;
            let slices: SmallVec<[&[u8]; KEYS_AT_HAND]> = keys.iter().map(Key::as_slice).collect();
            let values = self.ctx.reader.multi_get(family, &slices).engine()?;
            if values.len() != keys.len() {
                return Err(Error::new(ErrorCode::Internal, "a multi-get lost keys"));
            }
            if all.is_empty() {
                all = values;
            } else {
                all.extend(values);
            }
        }
        Ok(all)
    }

    /// Those rows that the session may see and the condition accepts.
    pub(super) fn accept_all(
        &self,
        step: usize,
        entity: &EntityInfo,
        selection: &RowSelection<'_>,
        rows: Vec<FetchedRow>,
    ) -> Result<Vec<FetchedRow>> {
        self.accept_given(step, entity, selection, Given::default(), rows)
    }

    /// As [`Run::accept_all`], of rows that an access gave: what it makes sure of is not tested once more.
    pub(super) fn accept(
        &self,
        step: usize,
        entity: &EntityInfo,
        selection: &RowSelection<'_>,
        access: &RootAccess,
        rows: Vec<FetchedRow>,
    ) -> Result<Vec<FetchedRow>> {
        self.accept_given(step, entity, selection, Given::by(access), rows)
    }

    pub(super) fn accept_given(
        &self,
        step: usize,
        entity: &EntityInfo,
        selection: &RowSelection<'_>,
        given: Given<'_>,
        rows: Vec<FetchedRow>,
    ) -> Result<Vec<FetchedRow>> {
        self.count(step, |stats| stats.examined += rows.len());
        if selection.is_unfiltered_but(given.filters) {
            return Ok(rows);
        }
        let accepted = self.accepted(entity, selection, given, &rows)?;
        let mut kept = Vec::with_capacity(rows.len());
        let mut dropped = 0;
        for (row, accepted) in rows.into_iter().zip(accepted) {
            if accepted {
                kept.push(row);
            } else {
                dropped += row.held_bytes();
            }
        }
        self.budget.release(dropped);
        Ok(kept)
    }

    /// For each row, whether the session may see it and the condition accepts it, with what is known of its derivations.
    pub(super) fn accepted(
        &self,
        entity: &EntityInfo,
        selection: &RowSelection<'_>,
        given: Given<'_>,
        rows: &[FetchedRow],
    ) -> Result<Vec<bool>> {
        let filter = selection.filter.as_ref().filter(|_| !given.filters);
        let conditions = [selection.policy.as_ref(), selection.deleted.condition(), filter];
        if let ([None, None, None], Some(outer)) = (&conditions, &selection.outer_filter) {
            return derive::truths(self, outer, entity, given, rows);
        }
        let env = self.env();
        let mut accepted = Vec::with_capacity(rows.len());
        for row in rows {
            self.budget.tick()?;
            let fields = row.view(entity)?;
            let mut truth = true;
            for condition in conditions.into_iter().flatten() {
                truth = truth && condition.test(&fields, &env)? == Some(true);
            }
            accepted.push(truth);
        }
        let Some(outer) = &selection.outer_filter else { return Ok(accepted) };
        // Only what passed so far is looked up behind relations.
        let (places, passed): (Vec<usize>, Vec<FetchedRow>) = rows
            .iter()
            .enumerate()
            .filter(|(at, _)| accepted.get(*at) == Some(&true))
            .map(|(at, row)| (at, row.clone()))
            .unzip();
        let truths = derive::truths(self, outer, entity, given, &passed)?;
        for (at, truth) in places.into_iter().zip(truths) {
            if let Some(slot) = accepted.get_mut(at) {
                *slot = truth;
            }
        }
        Ok(accepted)
    }
}

impl Spent {
    fn and(self, other: Spent) -> Spent {
        Spent {
            time: self.time + other.time,
            blocks_read: self.blocks_read + other.blocks_read,
            cache_hits: self.cache_hits + other.cache_hits,
        }
    }

    fn less(self, other: Spent) -> Spent {
        Spent {
            time: self.time.saturating_sub(other.time),
            blocks_read: self.blocks_read.saturating_sub(other.blocks_read),
            cache_hits: self.cache_hits.saturating_sub(other.cache_hits),
        }
    }
}

/// The error of an index entry that leads nowhere.
pub(super) fn no_row(entity: &EntityInfo) -> Error {
    corrupt(format!("an index entry of {} leads to a row that is not there", entity.name))
        .entity(&entity.name)
}
