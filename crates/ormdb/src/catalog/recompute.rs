//! Rows that a change of stored computed fields rewrites: each is read by the schema before the change, gets the values
//! of the new expressions, and is written at the present layout.
//!
//! Invariant: it runs before index entries are written, which are made from the new rows.

#![deny(clippy::indexing_slicing)]

use ordinum::{KeyRange, Reader, Slice, Transaction};
use ormdb_proto::value::ValueRef;
use ormdb_proto::{Error, ErrorCode, Result};

use super::backfill::key_text;
use super::stored_fields;
use super::{Catalog, EntityInfo};
use crate::engine::EngineResult;
use crate::store::row::RowView;
use crate::store::{Families, layout};

/// The most rows that are read before they are written.
const PIECE_ROWS: usize = 1024;

/// Rewrites the rows of an entity, at most `rows_max`, and counts them; one more than allowed if there are more.
///
/// # Errors
/// What the new expressions meet, with the key of the row; `NotNullViolation` if a required field would be null.
pub(super) fn rewrite(
    txn: &mut Transaction,
    families: &Families,
    old: &EntityInfo,
    catalog: &Catalog,
    rows_max: u64,
) -> Result<u64> {
    let new = catalog.entity_by_id(old.id)?;
    let mut rows = 0;
    let mut from = layout::rows_prefix(old.id).to_vec();
    loop {
        let piece = piece(txn, families, old, &from)?;
        let Some((last, _)) = piece.last() else { return Ok(rows) };
        from.clone_from(last);
        // The next piece begins behind this one.
        from.push(0);
        for (key, bytes) in &piece {
            rows += 1;
            if rows > rows_max {
                return Ok(rows);
            }
            let row = old.store().rows.view(bytes)?;
            let bytes = rewritten(&row, old, catalog, new).map_err(|error| error.key(key_text(old, &row)))?;
            txn.put(&families.rows, key, &bytes).engine()?;
        }
    }
}

fn piece(
    txn: &Transaction,
    families: &Families,
    entity: &EntityInfo,
    from: &[u8],
) -> Result<Vec<(Vec<u8>, Slice)>> {
    let range = KeyRange::prefix(&layout::rows_prefix(entity.id));
    let mut cursor = txn.cursor(&families.rows, range).engine()?;
    let mut rows = Vec::new();
    let mut there = cursor.seek(from).engine()?;
    while there && rows.len() < PIECE_ROWS {
        rows.push((cursor.key().to_vec(), cursor.value_slice().engine()?));
        there = cursor.next().engine()?;
    }
    Ok(rows)
}

fn rewritten(row: &RowView<'_>, old: &EntityInfo, catalog: &Catalog, new: &EntityInfo) -> Result<Vec<u8>> {
    let format = &new.store().rows;
    let kept = |slot: usize| {
        let field = format.field(slot).filter(|field| old.store().rows.slot(*field).is_some());
        match field {
            Some(field) if new.field_of(field)?.stored_expr().is_none() => row.field(field),
            Some(_) => Ok(ValueRef::Null),
            None => format.absent_value(slot),
        }
    };
    let mut values = (0..format.slot_count()).map(kept).collect::<Result<Vec<_>>>()?;
    let rules = &new.rules(catalog.schema())?.stored;
    let computed = stored_fields::compute(rules, (catalog.schema(), new.entity(), format), &values, None)?;
    for (slot, value) in &computed {
        if let Some(place) = values.get_mut(*slot) {
            *place = value.view();
        }
    }
    for (slot, value) in values.iter().enumerate().filter(|(_, value)| value.is_null()) {
        debug_assert!(value.is_null());
        let field = format.field(slot).map(|id| new.field_of(id)).transpose()?;
        if let Some(field) = field.filter(|f| !f.optional && f.stored_expr().is_some()) {
            let message = format!("`{}.{}` is required, and would be null", new.name, field.name);
            let error = Error::new(ErrorCode::NotNullViolation, message).entity(&new.name).field(&field.name);
            return Err(error.hint("write `?` behind its type, or an expression that is never null"));
        }
    }
    format.encode(&values)
}
