//! Groups of rows: each row is looked at once, and of a group only its key and its aggregates are kept.
//!
//! Invariants: (1) groups whose order is equal come in the order of what their rows have in common; (2) without such,
//! there is one group, whatever rows there are.

use std::collections::HashMap;

use ormdb_proto::Result;
use ormdb_proto::ir::End;
use ormdb_proto::result::{Chunk, ChunkBuilder};

use super::aggregate::{Accumulator, SEEN_BYTES};
use super::lately::Lately;
use super::run::Run;
use super::{CHUNK_ROWS, derive, in_place, root, sort};
use crate::expr::{Datum, EvalEnv, NoRow, RowExpr};
use crate::plan::{GroupPlan, KeyDirection, Plan, RootAccess};
use crate::store::row::{Raw, RowView};

/// How groups come where no order says it: ascending, null last.
const ASCENDING: KeyDirection = KeyDirection { descending: false, nulls_first: false };

struct Group {
    key: Vec<u8>,
    /// What the rows have in common.
    values: Vec<Datum<'static>>,
    aggregates: Vec<Accumulator>,
}

struct Groups<'a, 'r> {
    run: &'a Run<'r>,
    plan: &'a GroupPlan,
    numbers: HashMap<Vec<u8>, usize>,
    groups: Vec<Group>,
    /// The key and the values of the row at hand.
    key: Vec<u8>,
    values: Vec<Datum<'static>>,
    /// The group of the row at hand.
    at: usize,
    lately: Lately,
}

/// Hands the chunks of the groups of a plan on, as they are made.
pub(super) fn each_chunk(
    run: &Run<'_>,
    plan: &Plan<'_>,
    access: &RootAccess,
    group: &GroupPlan,
    sink: &mut dyn FnMut(Chunk) -> Result<()>,
) -> Result<()> {
    let (numbers, groups) = (HashMap::new(), Vec::new());
    let (key, values, lately) = (Vec::new(), Vec::new(), Lately::new());
    let mut all = Groups { run, plan: group, numbers, groups, key, values, at: 0, lately };
    if group.keys == 0 {
        all.open()?;
    }
    let level = &plan.root;
    let width = level.columns.exprs.len();
    if level.columns.is_local() {
        let exprs: Vec<(&RowExpr, Option<usize>)> =
            level.columns.exprs.iter().map(|expr| (expr, derive::slot(level.entity, expr))).collect();
        let mut see = |row: &RowView<'_>| all.add_local(&exprs, row);
        if in_place::each_row(run, level.step, level.entity, &level.rows, access, &mut see)? {
            return all.written(plan, sink);
        }
    }
    root::read(run, level.step, level.entity, &level.rows, access, &mut |rows| {
        if width == 0 {
            rows.iter().for_each(|_| all.count_row());
            return Ok(());
        }
        derive::each(run, &level.columns, level.entity, &rows, &mut |_, column, value| {
            if column < group.keys {
                sort::push(&mut all.key, value, ASCENDING);
                all.values.push(Datum::Ref(value.clone()).into_owned());
                if column + 1 == group.keys {
                    if !all.find() {
                        all.open()?;
                    }
                    all.count_row();
                }
                return Ok(());
            }
            if column == 0 {
                all.count_row();
            }
            all.add(column, value)
        })
    })?;
    all.written(plan, sink)
}

impl Groups<'_, '_> {
    /// Adds a row whose expressions need nothing but the row.
    fn add_local(&mut self, exprs: &[(&RowExpr, Option<usize>)], row: &RowView<'_>) -> Result<()> {
        let (keys, values) = exprs.split_at(self.plan.keys.min(exprs.len()));
        match keys {
            [] => {}
            [(_, Some(slot))] => match row.raw(*slot)? {
                Raw::Bytes(bytes) => self.go_to_lately(keys, bytes, row)?,
                Raw::Null | Raw::Absent => self.go_to(keys, row)?,
            },
            _ => self.go_to(keys, row)?,
        }
        self.count_row();
        for (column, (expr, slot)) in (keys.len()..).zip(values) {
            match slot {
                Some(slot) => self.add(column, &row.get(*slot)?)?,
                None => self.add(column, &expr.eval(row, &self.run.env())?.view())?,
            }
        }
        Ok(())
    }

    /// Goes to the group of a row, which one field with these bytes tells.
    #[inline]
    fn go_to_lately(
        &mut self,
        keys: &[(&RowExpr, Option<usize>)],
        bytes: &[u8],
        row: &RowView<'_>,
    ) -> Result<()> {
        let Some(number) = Lately::number(bytes) else { return self.go_to(keys, row) };
        if let Some(group) = self.lately.find(number) {
            self.at = group;
            return Ok(());
        }
        self.go_to(keys, row)?;
        self.lately.put(number, self.at);
        Ok(())
    }

    /// Goes to the group of a row, or makes it.
    fn go_to(&mut self, keys: &[(&RowExpr, Option<usize>)], row: &RowView<'_>) -> Result<()> {
        let env = self.run.env();
        for (expr, slot) in keys {
            match slot {
                Some(slot) => sort::push(&mut self.key, &row.get(*slot)?, ASCENDING),
                None => sort::push(&mut self.key, &expr.eval(row, &env)?.view(), ASCENDING),
            }
        }
        if !self.find() {
            for (expr, _) in keys {
                self.values.push(expr.eval(row, &env)?.into_owned());
            }
            self.open()?;
        }
        Ok(())
    }

    /// Finds the group of the key at hand, if there is one.
    fn find(&mut self) -> bool {
        // Neighbours are often of one group.
        let is_same = self.groups.get(self.at).is_some_and(|group| group.key == self.key);
        let found = if is_same { Some(self.at) } else { self.numbers.get(&self.key).copied() };
        let Some(at) = found else { return false };
        self.at = at;
        // Their memory serves the next row.
        self.key.clear();
        self.values.clear();
        true
    }

    /// Makes a group of the key at hand, which there is none of.
    fn open(&mut self) -> Result<()> {
        let key = std::mem::take(&mut self.key);
        let values = std::mem::take(&mut self.values);
        let aggregates: Vec<Accumulator> =
            self.plan.aggregates.iter().map(|a| Accumulator::new(a.function, a.distinct)).collect();
        let held: usize = values.iter().map(|v| size_of::<Datum<'_>>() + v.heap_bytes()).sum();
        let state = size_of::<Group>() + size_of::<Accumulator>() * aggregates.len();
        // Its key stands in a table that is half full at the least, and in the list of groups, which doubles.
        self.run.budget.hold(held + 2 * state + SEEN_BYTES + 2 * key.len())?;
        self.at = self.groups.len();
        self.numbers.insert(key.clone(), self.at);
        self.groups.push(Group { key, values, aggregates });
        Ok(())
    }

    fn count_row(&mut self) {
        let Some(group) = self.groups.get_mut(self.at) else { return };
        for (state, aggregate) in group.aggregates.iter_mut().zip(&self.plan.aggregates) {
            if aggregate.value.is_none() {
                state.add_row();
            }
        }
    }

    fn add(&mut self, column: usize, value: &ormdb_proto::value::ValueRef<'_>) -> Result<()> {
        let Some(group) = self.groups.get_mut(self.at) else { return Ok(()) };
        for (state, aggregate) in group.aggregates.iter_mut().zip(&self.plan.aggregates) {
            if aggregate.value == Some(column) {
                self.run.budget.hold(state.add(value)?)?;
            }
        }
        Ok(())
    }

    /// The groups that are wanted, in order, as columns.
    fn written(self, plan: &Plan<'_>, sink: &mut dyn FnMut(Chunk) -> Result<()>) -> Result<()> {
        let (run, group) = (self.run, self.plan);
        let mut wanted: Vec<(Vec<u8>, Vec<Datum<'static>>)> = Vec::new();
        for Group { key, values: mut externals, aggregates } in self.groups {
            run.budget.tick()?;
            for (state, aggregate) in aggregates.into_iter().zip(&group.aggregates) {
                externals.push(state.finish(aggregate.ty)?);
            }
            let env = EvalEnv { externals: &externals, ..run.env() };
            let accepted = match &group.having {
                None => true,
                Some(having) => having.test(&NoRow, &env)? == Some(true),
            };
            if !accepted {
                continue;
            }
            let mut place = Vec::new();
            for (expr, direction) in &group.order {
                sort::push(&mut place, &expr.eval(&NoRow, &env)?.view(), *direction);
            }
            place.extend_from_slice(&key);
            run.budget.hold(sort::key_bytes(&place))?;
            wanted.push((place, externals));
        }
        wanted = sort::ordered(run, wanted, |(a, _), (b, _)| a.cmp(b))?;
        let limit = group.limit.unwrap_or(usize::MAX);
        if group.end == End::Last {
            wanted.truncate(wanted.len().saturating_sub(group.offset));
            wanted.drain(..wanted.len().saturating_sub(limit));
        } else {
            wanted.drain(..group.offset.min(wanted.len()));
            wanted.truncate(limit);
        }
        run.count(plan.root.step, |stats| stats.rows = wanted.len());
        run.budget.add_rows(wanted.len())?;
        for rows in wanted.chunks(CHUNK_ROWS) {
            let mut builder = ChunkBuilder::new(plan.shape.clone());
            let numbers: Vec<u32> = (0u32..).take(rows.len()).collect();
            builder.put_roots(&numbers)?;
            let block = builder.entity(plan.root.node)?;
            for (_, externals) in rows {
                run.budget.tick()?;
                let env = EvalEnv { externals, ..run.env() };
                for (column, expr) in group.columns.iter().enumerate() {
                    block.column(column)?.push(&expr.eval(&NoRow, &env)?.view())?;
                }
            }
            let chunk = builder.finish()?;
            run.budget.add_result(chunk.byte_len())?;
            run.budget.hold(chunk.byte_len())?;
            sink(chunk)?;
        }
        Ok(())
    }
}
