//! One aggregate while its values come in.

use std::cmp::Ordering;
use std::collections::HashSet;

use ormdb_proto::ir::AggregateFunction;
use ormdb_proto::schema::FieldType;
use ormdb_proto::value::{ValueRef, compare};
use ormdb_proto::{Error, ErrorCode, Result};

use crate::expr::{Average, Datum, Sum};
use crate::store::key::{self, Direction};

/// What a value that is told apart from others holds beside its bytes: a place in a table that is half full at the least.
pub(super) const SEEN_BYTES: usize = 2 * size_of::<Vec<u8>>() + size_of::<usize>();

/// An aggregate of the values so far; nulls are passed over.
pub(super) struct Accumulator {
    function: AggregateFunction,
    /// The values so far, where equal ones count once.
    seen: Option<HashSet<Vec<u8>>>,
    count: i64,
    sum: Option<Sum>,
    best: Datum<'static>,
}

impl Accumulator {
    pub(super) fn new(function: AggregateFunction, distinct: bool) -> Accumulator {
        Accumulator { function, seen: distinct.then(HashSet::new), count: 0, sum: None, best: Datum::NULL }
    }

    /// Counts a row, whatever its values.
    pub(super) fn add_row(&mut self) {
        self.count += 1;
    }

    /// Adds a value; says how many bytes are kept for it.
    pub(super) fn add(&mut self, value: &ValueRef<'_>) -> Result<usize> {
        if value.is_null() {
            return Ok(0);
        }
        let mut kept = 0;
        if let Some(seen) = &mut self.seen {
            let mut key = Vec::new();
            key::push_column(&mut key, value, Direction::Ascending);
            kept = SEEN_BYTES + key.len();
            if !seen.insert(key) {
                return Ok(0);
            }
        }
        self.count += 1;
        match self.function {
            AggregateFunction::Count => {}
            AggregateFunction::Sum | AggregateFunction::Avg => {
                self.sum = Some(match self.sum.take() {
                    None => Sum::of(value)?,
                    Some(sum) => sum.add(value)?,
                });
            }
            AggregateFunction::Min | AggregateFunction::Max => {
                let best = self.best.view();
                let order = match (value, &best) {
                    (_, ValueRef::Null) => None,
                    (ValueRef::Int64(value), ValueRef::Int64(best)) => Some(value.cmp(best)),
                    _ => Some(compare(value, &best).ok_or_else(incomparable)?),
                };
                let wanted =
                    if self.function == AggregateFunction::Min { Ordering::Less } else { Ordering::Greater };
                if order.is_none_or(|order| order == wanted) {
                    let before = self.best.heap_bytes();
                    self.best = Datum::Ref(value.clone()).into_owned();
                    kept += self.best.heap_bytes().saturating_sub(before);
                }
            }
        }
        Ok(kept)
    }

    /// Whether the sum of whole numbers and their count are as good as the numbers themselves.
    pub(super) const fn takes_sums(function: AggregateFunction, distinct: bool) -> bool {
        match function {
            AggregateFunction::Count | AggregateFunction::Sum | AggregateFunction::Avg => !distinct,
            AggregateFunction::Min | AggregateFunction::Max => false,
        }
    }

    /// Adds so many whole numbers of this sum, to an aggregate [that takes it](Accumulator::takes_sums).
    pub(super) fn add_sum(&mut self, sum: i128, count: i64) -> Result<()> {
        if count > 0 {
            self.count += count;
            let sum = Sum::Whole(sum);
            self.sum = Some(match self.sum.take() {
                None => sum,
                Some(before) => before.and(sum)?,
            });
        }
        Ok(())
    }

    /// The aggregate, as a value of its type.
    pub(super) fn finish(self, ty: FieldType) -> Result<Datum<'static>> {
        Ok(match (self.function, self.sum) {
            (AggregateFunction::Count, _) => Datum::Ref(ValueRef::Int64(self.count)),
            (AggregateFunction::Sum, Some(sum)) => Datum::Ref(sum.value(ty)?),
            (AggregateFunction::Avg, Some(sum)) => Datum::Ref(Average::of(sum, self.count)?),
            (AggregateFunction::Sum | AggregateFunction::Avg, None) => Datum::NULL,
            (AggregateFunction::Min | AggregateFunction::Max, _) => self.best,
        })
    }
}

fn incomparable() -> Error {
    Error::new(ErrorCode::Internal, "an aggregate met values of types that do not compare")
}
