//! Orders of rows that no key serves: each row gets bytes that sort as the row does.
//!
//! ```text
//! per key of the order:  | 0 or 2 |  a null     or   | 1 | the value as keys encode it |
//! then                   | primary key |
//! ```

use std::cmp::Ordering;

use ormdb_proto::Result;
use ormdb_proto::value::ValueRef;

use super::derive;
use super::rows::FetchedRow;
use super::run::Run;
use crate::catalog::EntityInfo;
use crate::plan::{KeyDirection, Order};
use crate::store::key::{self, Direction};

/// So many items are sorted without a look at whether the statement was cancelled.
const RUN_ITEMS: usize = 1 << 15;

const NULL_FIRST: u8 = 0;
const VALUE: u8 = 1;
const NULL_LAST: u8 = 2;

/// For each row, bytes that sort as the rows do in this order.
pub(super) fn keys(
    run: &Run<'_>,
    entity: &EntityInfo,
    order: &Order<'_>,
    rows: &[FetchedRow],
) -> Result<Vec<Vec<u8>>> {
    let width = order.keys.exprs.len();
    if width == 0 {
        return Ok(rows.iter().map(|row| row.primary_key().to_vec()).collect());
    }
    let mut keys: Vec<Vec<u8>> = Vec::with_capacity(rows.len());
    derive::each(run, &order.keys, entity, rows, &mut |at, column, value| {
        if column == 0 {
            keys.push(Vec::new());
        }
        if let (Some(key), Some(direction)) = (keys.last_mut(), order.directions.get(column)) {
            push(key, value, *direction);
            if column + 1 == width
                && let Some(row) = rows.get(at)
            {
                key.extend_from_slice(row.primary_key());
            }
        }
        Ok(())
    })?;
    run.budget.hold(keys.iter().map(|key| key_bytes(key)).sum())?;
    Ok(keys)
}

/// What a key of an order holds.
pub(super) fn key_bytes(key: &[u8]) -> usize {
    size_of::<Vec<u8>>() + key.len()
}

/// The items in their order, which is total. Many are sorted in runs that are merged, so that a cancelled statement ends in
/// between.
pub(super) fn ordered<T>(
    run: &Run<'_>,
    mut items: Vec<T>,
    compare: impl Fn(&T, &T) -> Ordering + Copy,
) -> Result<Vec<T>> {
    if items.len() <= RUN_ITEMS {
        items.sort_unstable_by(compare);
        return Ok(items);
    }
    // They are moved once for each merge, to where there is room for all of them.
    let held = run.budget.held();
    run.budget.hold(items.len().saturating_mul(size_of::<T>()))?;
    let mut runs: Vec<Vec<T>> = Vec::with_capacity(items.len() / RUN_ITEMS + 1);
    while !items.is_empty() {
        run.budget.check()?;
        let mut part = items.split_off(items.len().saturating_sub(RUN_ITEMS));
        part.sort_unstable_by(compare);
        runs.push(part);
    }
    drop(items);
    while runs.len() > 1 {
        let mut merged_runs = Vec::with_capacity(runs.len().div_ceil(2));
        let mut rest = runs.into_iter();
        while let Some(one) = rest.next() {
            merged_runs.push(match rest.next() {
                Some(other) => merged(run, one, other, compare)?,
                None => one,
            });
        }
        runs = merged_runs;
    }
    run.budget.release_to(held);
    Ok(runs.pop().unwrap_or_default())
}

/// Two runs as one.
fn merged<T>(
    run: &Run<'_>,
    one: Vec<T>,
    other: Vec<T>,
    compare: impl Fn(&T, &T) -> Ordering,
) -> Result<Vec<T>> {
    let mut out = Vec::with_capacity(one.len() + other.len());
    let (mut one, mut other) = (one.into_iter().peekable(), other.into_iter().peekable());
    while let (Some(a), Some(b)) = (one.peek(), other.peek()) {
        run.budget.tick()?;
        let first = if compare(a, b).is_le() { one.next() } else { other.next() };
        out.extend(first);
    }
    out.extend(one);
    out.extend(other);
    Ok(out)
}

/// Appends bytes of a value that sort as it does.
pub(super) fn push(out: &mut Vec<u8>, value: &ValueRef<'_>, direction: KeyDirection) {
    if value.is_null() {
        out.push(if direction.nulls_first { NULL_FIRST } else { NULL_LAST });
        return;
    }
    out.push(VALUE);
    key::push_column(
        out,
        value,
        if direction.descending { Direction::Descending } else { Direction::Ascending },
    );
}
