//! Orders of rows that no key serves: each row gets bytes that sort as the row does.
//!
//! ```text
//! per key of the order:  | 0 or 2 |  a null     or   | 1 | the value as keys encode it |
//! then                   | primary key |
//! ```

use ormdb_proto::Result;
use ormdb_proto::value::ValueRef;

use super::derive;
use super::rows::FetchedRow;
use super::run::Run;
use crate::catalog::EntityInfo;
use crate::plan::{KeyDirection, Order};
use crate::store::key::{self, Direction};

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
    run.budget.hold(keys.iter().map(Vec::len).sum())?;
    Ok(keys)
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
