//! Aggregates whose values stand in the entries of an index beside their keys: they are read from there, and no row is made of an
//! entry.

use ormdb_proto::schema::{FieldId, FieldType, ScalarType};
use ormdb_proto::value::ValueRef;
use ormdb_proto::{Error, ErrorCode, Result};

use super::aggregate::Accumulator;
use super::parent_keys::parent_keys;
use super::rows::{FetchedRow, Key};
use super::run::Run;
use super::scan::Scanner;
use crate::expr::{Datum, Node, RowExpr, RowSource};
use crate::plan::{AggregateDerivation, Derivation, Served, Source};
use crate::store::index::IndexFormat;
use crate::store::row::RowFormat;
use crate::store::tuple::TupleView;

/// The aggregate of each parent's rows; none where entries alone do not give it.
pub(super) fn aggregates(
    run: &Run<'_>,
    derivation: &Derivation<'_>,
    aggregate: &AggregateDerivation<'_>,
    parents: &[FetchedRow],
) -> Result<Option<Vec<Datum<'static>>>> {
    let (fan, step, target) = (&derivation.fan, derivation.step, derivation.target);
    let access = &fan.access.near;
    let (Some(source @ Source::Index(index)), Some(value), true) =
        (access.source, local_value(aggregate), access.covered && !access.whole && fan.edge.is_none())
    else {
        return Ok(None);
    };
    let format = target.store().index(index)?;
    let rows = &target.store().rows;
    if !derivation.rows.is_unfiltered() || !is_beside_keys(value, format, rows) {
        return Ok(None);
    }
    // Most are fields as they stand.
    let place = match value.root() {
        Node::Field(field) => place_of(*field, format, rows),
        _ => None,
    };
    let number = place.filter(|_| Accumulator::takes_sums(aggregate.function, aggregate.distinct));
    let number = number.and_then(|at| format.covered_number(at));
    let keys = parent_keys(run, fan.from, target, access, parents)?;
    let mut scanner = Scanner::new(run, target, source, true, Served::Exact, false)?;
    let new = || Accumulator::new(aggregate.function, aggregate.distinct);
    let mut of_keys = Vec::with_capacity(keys.distinct.len());
    let env = run.env();
    for (at, key) in keys.distinct.iter().enumerate() {
        let next = keys.distinct.get(at + 1).map(Key::as_slice);
        let (mut group, mut kept, mut numbers) = (new(), 0, Numbers::default());
        let count = scanner.each_value(run, step, key, next, &mut |bytes| {
            if let Some(found) = number.and_then(|number| number.read(bytes)) {
                numbers.add(found);
                return Ok(());
            }
            let tuple = format.covered(bytes)?.ok_or_else(no_tuple)?;
            let held = match place {
                Some(at) => group.add(&tuple.get(at)?)?,
                None => group.add(&value.eval(&EntryFields { tuple, format, rows }, &env)?.view())?,
            };
            if held > 0 {
                kept += held;
                run.budget.hold(held)?;
            }
            Ok(())
        })?;
        group.add_sum(numbers.sum, numbers.count)?;
        run.budget.release(kept);
        run.count(step, |stats| {
            stats.examined += count;
            stats.rows += count;
        });
        of_keys.push(group.finish(aggregate.ty)?);
    }
    let of_none = new().finish(aggregate.ty)?;
    let of = |key: Option<usize>| key.and_then(|key| of_keys.get(key)).unwrap_or(&of_none).clone();
    Ok(Some(keys.of_parent.into_iter().map(of).collect()))
}

/// The numbers of a group that are read as they stand.
#[derive(Default)]
struct Numbers {
    sum: i128,
    count: i64,
}

impl Numbers {
    /// Adds one, unless it is null.
    fn add(&mut self, number: Option<i64>) {
        if let Some(number) = number {
            // As many of them as there can be entries do not leave this range.
            self.sum += i128::from(number);
            self.count += 1;
        }
    }
}

/// What is aggregated, of all rows, where each row alone gives it. The sum of floating numbers depends on their order, which is that of
/// the rows.
fn local_value<'a>(aggregate: &'a AggregateDerivation<'_>) -> Option<&'a RowExpr> {
    let (None, Some(values)) = (&aggregate.filter, &aggregate.value) else { return None };
    let value = values.exprs.first().filter(|_| values.is_local())?;
    let floats = [ScalarType::Float32, ScalarType::Float64].map(FieldType::Scalar);
    value.ty().is_some_and(|ty| !floats.contains(&ty)).then_some(value)
}

fn is_beside_keys(value: &RowExpr, format: &IndexFormat, rows: &RowFormat) -> bool {
    let is_there = |field: FieldId| place_of(field, format, rows).is_some();
    value.fields().into_iter().all(is_there) && !format.covered_slots().is_empty()
}

/// Which of the values beside a key is a field.
fn place_of(field: FieldId, format: &IndexFormat, rows: &RowFormat) -> Option<usize> {
    let slot = rows.slot(field)?;
    format.covered_slots().iter().position(|covered| *covered == slot)
}

/// The fields that stand beside the key of an entry.
struct EntryFields<'e> {
    tuple: TupleView<'e>,
    format: &'e IndexFormat,
    rows: &'e RowFormat,
}

impl RowSource for EntryFields<'_> {
    fn field(&self, field: FieldId) -> Result<ValueRef<'_>> {
        match place_of(field, self.format, self.rows) {
            Some(at) => self.tuple.get(at),
            None => Err(Error::new(ErrorCode::Internal, format!("an entry is asked for the field {field}"))),
        }
    }
}

fn no_tuple() -> Error {
    Error::new(ErrorCode::Internal, "the entries of a covering index have no fields")
}
