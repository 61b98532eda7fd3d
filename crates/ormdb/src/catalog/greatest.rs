//! The sequences of fields that become autoincrement: they begin behind the greatest number that the rows have.
//!
//! Invariant: nothing depends on whether the change is made after all: a sequence that has moved on for nothing only
//! leaves numbers out.

#![deny(clippy::indexing_slicing)]

use ordinum::{Cursor, KeyRange, Reader};
use ormdb_proto::Result;
use ormdb_proto::schema::{Default, Field, FieldId, Generator};
use ormdb_proto::value::ValueRef;

use super::{Catalog, EntityInfo, backfill};
use crate::engine::EngineResult;
use crate::store::index::IndexFormat;
use crate::store::sequence::{self, Sequences};
use crate::store::{Families, layout};

/// Makes the sequence of each field that is autoincrement in `new` and was not in `old` pass the numbers of the rows.
pub(super) fn pass(
    reader: &dyn Reader,
    families: &Families,
    sequences: &Sequences,
    old: &Catalog,
    new: &Catalog,
) -> Result<()> {
    let counts = |field: &Field| field.default == Some(Default::Generated(Generator::Autoincrement));
    for info in new.entities() {
        let Ok(was) = old.entity_by_id(info.id) else { continue };
        let counted = |id: FieldId| was.field_by_id(id).is_some_and(counts);
        for field in info.fields.iter().filter(|f| counts(f) && !counted(f.id)) {
            if let Some(number) = greatest(reader, families, info, field.id)? {
                sequences.pass(info.id, field.id, number)?;
            }
        }
    }
    Ok(())
}

/// The greatest number of a field; none if no row has one.
fn greatest(
    reader: &dyn Reader,
    families: &Families,
    info: &EntityInfo,
    field: FieldId,
) -> Result<Option<i64>> {
    let mut rows = backfill::rows_of(reader, families, info.id)?;
    if info.primary_key.first() == Some(&field) {
        return if rows.last().engine()? {
            number(info, &rows.value_slice().engine()?, field)
        } else {
            Ok(None)
        };
    }
    let leads = info.indexes.iter().zip(&info.store().indexes).find(|(index, _)| {
        index.filter.is_none() && index.columns.first().is_some_and(|column| column.field == field)
    });
    if let Some((index, format)) = leads {
        let descending = index.columns.first().is_some_and(|column| column.descending);
        return greatest_entry(reader, families, info, format, field, descending);
    }
    let mut greatest = None;
    let mut there = rows.first().engine()?;
    while there {
        greatest = greatest.max(number(info, rows.value().engine()?, field)?);
        there = rows.next().engine()?;
    }
    Ok(greatest)
}

/// The greatest number of the field that leads an index of all rows.
fn greatest_entry(
    reader: &dyn Reader,
    families: &Families,
    info: &EntityInfo,
    format: &IndexFormat,
    field: FieldId,
    descending: bool,
) -> Result<Option<i64>> {
    let all = KeyRange::prefix(&layout::index_prefix(format.id()));
    let mut cursor: Cursor = reader.cursor(&families.indexes, all).engine()?;
    // Nulls lie beyond the greatest number.
    let there = if descending {
        cursor.seek(&format.prefix(&[ValueRef::Int64(i64::MAX)])).engine()?
    } else {
        let nulls = format.prefix(&[ValueRef::Null]);
        // The null of a unique index may be all of a key.
        let there = cursor.seek_back(&nulls).engine()?;
        if there && cursor.key() == nulls { cursor.prev().engine()? } else { there }
    };
    if !there {
        return Ok(None);
    }
    let primary_key = format.primary_key(cursor.key(), cursor.value().engine()?)?;
    let row = reader.get(&families.rows, &layout::row_key(info.id, primary_key)).engine()?;
    row.map_or(Ok(None), |row| number(info, &row, field))
}

fn number(info: &EntityInfo, row: &[u8], field: FieldId) -> Result<Option<i64>> {
    Ok(sequence::number_of(&info.store().rows.view(row)?.field(field)?))
}
