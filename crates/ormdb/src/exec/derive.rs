//! Values of rows that come from behind their relations, for a batch of rows at once.

use ormdb_proto::ir::{AggregateFunction, Quantifier};
use ormdb_proto::value::ValueRef;
use ormdb_proto::{Error, ErrorCode, Result};
use smallvec::SmallVec;

use super::accumulate;
use super::aggregate::Accumulator;
use super::entries;
use super::fan_out::{self, Children};
use super::rows::FetchedRow;
use super::run::Run;
use crate::catalog::EntityInfo;
use crate::expr::{Datum, EvalEnv, NoRow, Node, RowExpr, eval_constant};
use crate::plan::{
    AggregateDerivation, Derivation, DerivationKind, Path, Projection, RelatedPath, RootAccess, RowSelection,
    Source,
};

/// For so many expressions, what is known of each needs no memory of its own.
const EXPRS_AT_HAND: usize = 8;

/// The externals of a batch of rows, row by row.
struct Externals {
    width: usize,
    values: Vec<Datum<'static>>,
}

impl Externals {
    fn of(&self, row: usize) -> &[Datum<'static>] {
        let start = row * self.width;
        self.values.get(start..start + self.width).unwrap_or_default()
    }

    fn set(&mut self, row: usize, slot: usize, value: Datum<'static>) {
        if let Some(place) = self.values.get_mut(row * self.width + slot) {
            *place = value;
        }
    }
}

/// Calls `see` with each row's number, each expression's number, and its value; row by row.
pub(super) fn each(
    run: &Run<'_>,
    projection: &Projection<'_>,
    entity: &EntityInfo,
    rows: &[FetchedRow],
    see: &mut dyn FnMut(usize, usize, &ValueRef<'_>) -> Result<()>,
) -> Result<()> {
    each_of(run, projection, (0..).zip(&projection.exprs), entity, rows, see)
}

/// The slot of an expression that is a field of the row.
pub(super) fn slot(entity: &EntityInfo, expr: &RowExpr) -> Option<usize> {
    match expr.root() {
        Node::Field(field) => entity.store().rows.slot(*field),
        _ => None,
    }
}

/// As [`each`], of these expressions of the projection alone.
pub(super) fn each_of<'e>(
    run: &Run<'_>,
    projection: &Projection<'_>,
    exprs: impl Iterator<Item = (usize, &'e RowExpr)>,
    entity: &EntityInfo,
    rows: &[FetchedRow],
    see: &mut dyn FnMut(usize, usize, &ValueRef<'_>) -> Result<()>,
) -> Result<()> {
    each_given(run, projection, exprs, entity, Given::default(), rows, see)
}

/// What an access tells of the conditions behind relations.
#[derive(Clone, Copy, Default)]
pub(super) struct Given<'a> {
    /// The derivation that holds of every row.
    holds: Option<usize>,
    /// Whether the condition on the row alone holds of every row.
    pub(super) filters: bool,
    /// Derivations that are tested by the keys of all related rows that are sought.
    hashed: &'a [RelatedPath],
}

impl<'a> Given<'a> {
    pub(super) fn by(access: &'a RootAccess) -> Given<'a> {
        let holds = match &access.path {
            Path::Related(path) => Some(path.derivation),
            Path::Nothing
            | Path::Rows(_)
            | Path::Unique { .. }
            | Path::Ranges { .. }
            | Path::Intersection { .. } => None,
        };
        Given { holds, filters: access.filters, hashed: &access.hashed }
    }
}

/// As [`each_of`], with what is known of derivations before.
fn each_given<'e>(
    run: &Run<'_>,
    projection: &Projection<'_>,
    exprs: impl Iterator<Item = (usize, &'e RowExpr)>,
    entity: &EntityInfo,
    given: Given<'_>,
    rows: &[FetchedRow],
    see: &mut dyn FnMut(usize, usize, &ValueRef<'_>) -> Result<()>,
) -> Result<()> {
    let held = run.budget.held();
    let externals = externals(run, projection, entity, given, rows)?;
    // What `see` holds stays.
    let held = run.budget.held().saturating_sub(held);
    let exprs: SmallVec<[(usize, &RowExpr, Option<usize>); EXPRS_AT_HAND]> =
        exprs.map(|(column, expr)| (column, expr, slot(entity, expr))).collect();
    for (at, row) in rows.iter().enumerate() {
        run.budget.tick()?;
        let fields = row.view(entity)?;
        let env = EvalEnv { externals: externals.of(at), ..run.env() };
        for (column, expr, slot) in &exprs {
            match slot {
                Some(slot) => see(at, *column, &fields.get(*slot)?)?,
                None => see(at, *column, &expr.eval(&fields, &env)?.view())?,
            }
        }
    }
    run.budget.release(usize::try_from(held).unwrap_or(usize::MAX));
    Ok(())
}

/// For each row, whether the one expression of a projection is true.
pub(super) fn truths(
    run: &Run<'_>,
    condition: &Projection<'_>,
    entity: &EntityInfo,
    given: Given<'_>,
    rows: &[FetchedRow],
) -> Result<Vec<bool>> {
    if let [Node::External(slot)] =
        condition.exprs.iter().map(RowExpr::root).collect::<SmallVec<[_; 1]>>()[..]
    {
        let held = run.budget.held();
        let externals = externals(run, condition, entity, given, rows)?;
        run.budget.release_to(held);
        let is_true =
            |row| matches!(externals.of(row).get(*slot).map(Datum::view), Some(ValueRef::Bool(true)));
        return Ok((0..rows.len()).map(is_true).collect());
    }
    let mut truths = Vec::with_capacity(rows.len());
    each_given(run, condition, (0..).zip(&condition.exprs), entity, given, rows, &mut |_, _, value| {
        truths.push(matches!(value, ValueRef::Bool(true)));
        Ok(())
    })?;
    Ok(truths)
}

/// Fetches what a projection needs from behind relations.
fn externals(
    run: &Run<'_>,
    projection: &Projection<'_>,
    entity: &EntityInfo,
    given: Given<'_>,
    rows: &[FetchedRow],
) -> Result<Externals> {
    if projection.is_local() {
        return Ok(Externals { width: 0, values: Vec::new() });
    }
    debug_assert!(projection.derivations.iter().all(|d| d.fan.from.id == entity.id));
    let width = projection.slots;
    let mut externals = Externals { width, values: vec![Datum::NULL; rows.len() * width] };
    for (at, derivation) in projection.derivations.iter().enumerate() {
        if let DerivationKind::Related { slot, quantifier } = &derivation.kind {
            if given.holds == Some(at) {
                (0..rows.len()).for_each(|row| externals.set(row, *slot, Datum::bool(Some(true))));
                continue;
            }
            if let Some(path) = given.hashed.iter().find(|path| path.derivation == at)
                && let Some(keys) = run.keys_of(derivation, path, entity)?
            {
                for (row, found) in keys.contain(path, entity, rows)?.into_iter().enumerate() {
                    let truth = holds(*quantifier, &derivation.rows, found);
                    externals.set(row, *slot, Datum::bool(Some(truth)));
                }
                continue;
            }
        }
        // What is fetched for it is dropped when its values are known.
        let held = run.budget.held();
        run.timed(derivation.step, || derive(run, derivation, rows, &mut externals))?;
        run.budget.release_to(held);
    }
    run.budget.hold(externals.values.iter().map(|v| size_of::<Datum<'_>>() + v.heap_bytes()).sum())?;
    Ok(externals)
}

fn derive(
    run: &Run<'_>,
    derivation: &Derivation<'_>,
    rows: &[FetchedRow],
    externals: &mut Externals,
) -> Result<()> {
    if let DerivationKind::Aggregate(aggregate) = &derivation.kind
        && aggregate.counts_rows()
    {
        let enough = aggregate.enough(&run.env());
        let counts = match fan_out::counts(run, derivation, rows, enough)? {
            Some(counts) => counts,
            None if enough == usize::MAX
                && let Some(values) = accumulate::aggregates(run, derivation, aggregate, rows)? =>
            {
                set_all(externals, aggregate.slot, values);
                return Ok(());
            }
            None => {
                let (step, fan, sought) = (derivation.step, &derivation.fan, &derivation.rows);
                let children = fan_out::fan_out_until(run, step, fan, sought, rows, enough)?;
                run.count(step, |stats| stats.rows += children.rows.len());
                (0..rows.len()).map(|row| children.of(row).len()).collect()
            }
        };
        for (row, count) in counts.into_iter().enumerate() {
            externals.set(row, aggregate.slot, Datum::Ref(ValueRef::Int64(integer(count)?)));
        }
        return Ok(());
    }
    if let DerivationKind::Aggregate(aggregate) = &derivation.kind
        && let Some(values) = match entries::aggregates(run, derivation, aggregate, rows)? {
            None => accumulate::aggregates(run, derivation, aggregate, rows)?,
            of_entries => of_entries,
        }
    {
        set_all(externals, aggregate.slot, values);
        return Ok(());
    }
    if let DerivationKind::Related { quantifier, slot } = &derivation.kind
        && derivation.rows.is_unconditional()
        && !derivation.fan.access.near.whole
        && let Some(counts) = fan_out::counts(run, derivation, rows, 1)?
    {
        for (row, count) in counts.into_iter().enumerate() {
            let truth = holds(*quantifier, &derivation.rows, count > 0);
            externals.set(row, *slot, Datum::bool(Some(truth)));
        }
        return Ok(());
    }
    let children = fan_out::fan_out(run, derivation.step, &derivation.fan, &derivation.rows, rows)?;
    run.count(derivation.step, |stats| stats.rows += children.rows.len());
    match &derivation.kind {
        DerivationKind::Lookup { values, slots } => {
            let mut found: Vec<Datum<'static>> = Vec::with_capacity(children.rows.len() * slots.len());
            each(run, values, derivation.target, &children.rows, &mut |_, _, value| {
                let value = Datum::Ref(value.clone()).into_owned();
                run.budget.hold(size_of::<Datum<'_>>() + value.heap_bytes())?;
                found.push(value);
                Ok(())
            })?;
            for row in 0..rows.len() {
                let child = children.of(row).first().map(|child| place(*child) * slots.len());
                for (column, (slot, absent)) in slots.iter().enumerate() {
                    let value = child.and_then(|at| found.get(at + column)).unwrap_or(absent);
                    externals.set(row, *slot, value.clone());
                }
            }
            let near = &derivation.fan.access.near;
            if near.whole && near.source == Some(Source::Primary) && derivation.fan.edge.is_none() {
                run.keep_rows(derivation.target, children.rows)?;
            }
        }
        DerivationKind::Related { quantifier, slot } => {
            for row in 0..rows.len() {
                let truth = holds(*quantifier, &derivation.rows, !children.of(row).is_empty());
                externals.set(row, *slot, Datum::bool(Some(truth)));
            }
        }
        DerivationKind::Aggregate(aggregate) => {
            let values = aggregated(run, aggregate, derivation.target, &children)?;
            for row in 0..rows.len() {
                let group = children.of(row).iter().filter_map(|child| values.get(place(*child)));
                externals.set(row, aggregate.slot, aggregate.of(run, group)?);
            }
        }
    }
    Ok(())
}

/// Gives each row its value of a slot.
fn set_all(externals: &mut Externals, slot: usize, values: Vec<Datum<'static>>) {
    for (row, value) in values.into_iter().enumerate() {
        externals.set(row, slot, value);
    }
}

/// Whether a condition of related rows holds where one that is sought was found, or was not.
pub(super) fn holds(quantifier: Quantifier, sought: &RowSelection<'_>, found: bool) -> bool {
    match quantifier {
        Quantifier::Some | Quantifier::Is => found,
        Quantifier::None | Quantifier::IsNot => !found,
        // What is sought is a row that breaks the condition; where there is none, no row does.
        Quantifier::Every => !found || (sought.filter.is_none() && sought.outer_filter.is_none()),
    }
}

/// For each related row: nothing if it is not aggregated, else its value; null for a count of rows.
fn aggregated(
    run: &Run<'_>,
    aggregate: &AggregateDerivation<'_>,
    target: &EntityInfo,
    children: &Children,
) -> Result<Vec<Option<Datum<'static>>>> {
    let accepted = match &aggregate.filter {
        None => vec![true; children.rows.len()],
        Some(filter) => truths(run, filter, target, Given::default(), &children.rows)?,
    };
    let Some(value) = &aggregate.value else {
        return Ok(accepted.into_iter().map(|accepted| accepted.then_some(Datum::NULL)).collect());
    };
    // A value is computed of accepted rows only: it might fail on others.
    let (places, rows): (Vec<usize>, Vec<FetchedRow>) = children
        .rows
        .iter()
        .enumerate()
        .filter(|(at, _)| accepted.get(*at) == Some(&true))
        .map(|(at, row)| (at, row.clone()))
        .unzip();
    let mut values = vec![None; children.rows.len()];
    each(run, value, target, &rows, &mut |at, _, value| {
        if let Some(slot) = places.get(at).and_then(|place| values.get_mut(*place)) {
            let value = Datum::Ref(value.clone()).into_owned();
            run.budget.hold(size_of::<Datum<'_>>() + value.heap_bytes())?;
            *slot = Some(value);
        }
        Ok(())
    })?;
    Ok(values)
}

impl AggregateDerivation<'_> {
    /// Whether it is nothing but a count of the rows that the derivation selects.
    fn counts_rows(&self) -> bool {
        self.function == AggregateFunction::Count && self.filter.is_none() && self.value.is_none()
    }

    /// So many rows tell how the count compares: one more than the number that it is compared with.
    fn enough(&self, env: &EvalEnv<'_>) -> usize {
        let Some(with) = &self.compared_with else { return usize::MAX };
        let Ok(with) = eval_constant(with, &NoRow, env) else { return usize::MAX };
        let number = match with.view() {
            ValueRef::Null => return 1,
            ValueRef::Int16(v) => i128::from(v),
            ValueRef::Int32(v) => i128::from(v),
            ValueRef::Int64(v) => i128::from(v),
            ValueRef::Decimal(v) => v.rounded(),
            _ => return usize::MAX,
        };
        // No count is below zero: of such a number, one row tells as much as all.
        usize::try_from(number.saturating_add(1).max(1)).unwrap_or(usize::MAX)
    }

    /// The aggregate of values; none stands for a row that is left out.
    fn of<'v>(
        &self,
        run: &Run<'_>,
        values: impl Iterator<Item = &'v Option<Datum<'static>>>,
    ) -> Result<Datum<'static>> {
        let held = run.budget.held();
        let mut aggregate = Accumulator::new(self.function, self.distinct);
        for value in values.flatten() {
            match &self.value {
                None => aggregate.add_row(),
                Some(_) => {
                    run.budget.tick()?;
                    run.budget.hold(aggregate.add(&value.view())?)?;
                }
            }
        }
        run.budget.release_to(held);
        aggregate.finish(self.ty)
    }
}

fn place(row: u32) -> usize {
    usize::try_from(row).unwrap_or(usize::MAX)
}

fn integer(count: usize) -> Result<i64> {
    i64::try_from(count).map_err(|_| Error::new(ErrorCode::NumericOverflow, "a count is too large"))
}
