//! Aggregates of related rows that are taken in as they are read: no more of them is held than a piece.
//!
//! Invariants: (1) rows are read group by group, in the order of the key that leads to them, so that one aggregate is open at a
//! time; (2) of floating numbers, whose sum depends on their order, the order is that of the rows.

use ormdb_proto::Result;
use ormdb_proto::schema::{FieldType, ScalarType};
use ormdb_proto::value::ValueRef;

use super::aggregate::Accumulator;
use super::derive::{self, Given};
use super::parent_keys::parent_keys;
use super::rows::FetchedRow;
use super::run::Run;
use super::scan::{Lane, Scanner};
use crate::expr::Datum;
use crate::plan::{AggregateDerivation, Derivation, Served};

/// How many rows are held at most.
const PIECE: usize = 1024;

/// The aggregate of each parent's rows; none where no key leads to them group by group.
pub(super) fn aggregates(
    run: &Run<'_>,
    derivation: &Derivation<'_>,
    aggregate: &AggregateDerivation<'_>,
    parents: &[FetchedRow],
) -> Result<Option<Vec<Datum<'static>>>> {
    let (fan, step, target) = (&derivation.fan, derivation.step, derivation.target);
    let access = &fan.access.near;
    let Some(source) = access.source.filter(|_| is_read_by_group(derivation, aggregate)) else {
        return Ok(None);
    };
    let keys = parent_keys(run, fan.from, target, access, parents)?;
    let mut scanner = Scanner::new(run, target, source, access.covered, Served::Exact, fan.access.reverse)?;
    let mut lanes: Vec<Lane<'_>> = keys.distinct.iter().map(|key| Lane::prefix(key)).collect();
    let held = run.budget.held();
    let mut groups = Groups::new(run, aggregate, lanes.len());
    let mut first = 0;
    while first < lanes.len() {
        let (mut entries, mut of_entry) = (Vec::new(), Vec::new());
        for (group, lane) in lanes.iter_mut().enumerate().skip(first) {
            let room = PIECE.saturating_sub(entries.len());
            if room == 0 {
                break;
            }
            scanner.read(run, step, group, lane, Some(room), &mut entries)?;
            of_entry.resize(entries.len(), group);
            if !lane.is_done() {
                break;
            }
            first = group + 1;
        }
        let rows = run.rows_of(step, target, source, access.covered, entries)?;
        groups.take(derivation, of_entry, rows)?;
        run.budget.release_to(held.saturating_add(groups.held_bytes()));
    }
    let (of_keys, of_none) = groups.finish()?;
    run.budget.release_to(held);
    let of = |key: Option<usize>| key.and_then(|key| of_keys.get(key)?.as_ref()).unwrap_or(&of_none).clone();
    Ok(Some(keys.of_parent.into_iter().map(of).collect()))
}

/// Whether the rows of each parent stand side by side, and come in the order that matters.
fn is_read_by_group(derivation: &Derivation<'_>, aggregate: &AggregateDerivation<'_>) -> bool {
    let (fan, rows) = (&derivation.fan, &derivation.rows);
    let floats = [ScalarType::Float32, ScalarType::Float64].map(FieldType::Scalar);
    let value = aggregate.value.as_ref().and_then(|values| values.exprs.first());
    let is_of_floats = value.and_then(|value| value.ty()).is_some_and(|ty| floats.contains(&ty));
    fan.edge.is_none()
        && !fan.access.near.whole
        && (fan.access.served == Served::Exact || !is_of_floats)
        && rows.distinct.is_none()
        && rows.limit.is_none()
        && rows.offset == 0
}

/// The aggregates of groups, one after another.
struct Groups<'g, 'r, 'c> {
    run: &'g Run<'r>,
    aggregate: &'g AggregateDerivation<'c>,
    done: Vec<Option<Datum<'static>>>,
    /// The group whose rows come now, with its aggregate and what that holds.
    open: Option<(usize, Accumulator, usize)>,
}

impl<'g, 'r, 'c> Groups<'g, 'r, 'c> {
    fn new(run: &'g Run<'r>, aggregate: &'g AggregateDerivation<'c>, groups: usize) -> Groups<'g, 'r, 'c> {
        Groups { run, aggregate, done: vec![None; groups], open: None }
    }

    /// Takes the rows of a piece that are sought, each of which is of the group of its entry.
    fn take(&mut self, derivation: &Derivation<'_>, groups: Vec<usize>, rows: Vec<FetchedRow>) -> Result<()> {
        let (run, target) = (self.run, derivation.target);
        run.count(derivation.step, |stats| stats.examined += rows.len());
        let of_piece = (groups, rows);
        let (groups, rows) = if derivation.rows.is_unfiltered() {
            of_piece
        } else {
            let accepted = run.accepted(target, &derivation.rows, Given::default(), &of_piece.1)?;
            only(of_piece, &accepted)
        };
        run.count(derivation.step, |stats| stats.rows += rows.len());
        let (groups, rows) = match &self.aggregate.filter {
            None => (groups, rows),
            Some(filter) => {
                let truths = derive::truths(run, filter, target, Given::default(), &rows)?;
                only((groups, rows), &truths)
            }
        };
        let Some(value) = &self.aggregate.value else {
            return groups.into_iter().try_for_each(|group| self.add(group, None));
        };
        derive::each(run, value, target, &rows, &mut |at, _, value| match groups.get(at) {
            Some(group) => self.add(*group, Some(value)),
            None => Ok(()),
        })
    }

    /// Adds a row to its group, or its value.
    fn add(&mut self, group: usize, value: Option<&ValueRef<'_>>) -> Result<()> {
        if self.open.as_ref().is_none_or(|(open, ..)| *open != group) {
            self.close()?;
            let new = Accumulator::new(self.aggregate.function, self.aggregate.distinct);
            self.open = Some((group, new, 0));
        }
        let Some((_, aggregate, held)) = &mut self.open else { return Ok(()) };
        match value {
            None => aggregate.add_row(),
            Some(value) => {
                let more = aggregate.add(value)?;
                *held += more;
                self.run.budget.hold(more)?;
            }
        }
        Ok(())
    }

    fn close(&mut self) -> Result<()> {
        if let Some((group, aggregate, held)) = self.open.take() {
            let value = aggregate.finish(self.aggregate.ty)?;
            if let Some(done) = self.done.get_mut(group) {
                *done = Some(value);
            }
            self.run.budget.release(held);
        }
        Ok(())
    }

    fn held_bytes(&self) -> u64 {
        let held = self.open.as_ref().map_or(0, |(_, _, held)| *held);
        u64::try_from(held).unwrap_or(u64::MAX)
    }

    /// The aggregates of all groups that have a row, and that of no rows.
    fn finish(mut self) -> Result<(Vec<Option<Datum<'static>>>, Datum<'static>)> {
        self.close()?;
        let of_none = Accumulator::new(self.aggregate.function, self.aggregate.distinct);
        Ok((self.done, of_none.finish(self.aggregate.ty)?))
    }
}

/// Those rows of which it is true, with their groups.
fn only((groups, rows): (Vec<usize>, Vec<FetchedRow>), truths: &[bool]) -> (Vec<usize>, Vec<FetchedRow>) {
    groups.into_iter().zip(rows).zip(truths).filter_map(|(row, truth)| truth.then_some(row)).unzip()
}
