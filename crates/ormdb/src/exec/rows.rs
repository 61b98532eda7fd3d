//! Rows as they are read: their keys, their bytes, and their fields.

use ordinum::Slice;
use ormdb_proto::Result;
use ormdb_proto::schema::IndexId;
use ormdb_proto::value::ValueRef;

use crate::catalog::EntityInfo;
use crate::store::row::RowView;

/// A row that was read.
#[derive(Clone, Debug)]
pub(crate) struct FetchedRow {
    /// Its encoded primary key.
    pub(crate) primary_key: Vec<u8>,
    /// Its bytes, as `RowFormat` reads them.
    pub(crate) bytes: Slice,
}

impl FetchedRow {
    /// The row's fields.
    pub(crate) fn view<'a>(&'a self, entity: &'a EntityInfo) -> Result<RowView<'a>> {
        entity.store().rows.view(&self.bytes)
    }

    /// The row of an index entry that covers what is read of it; the fields that the entry lacks are null.
    pub(super) fn of_entry(
        entity: &EntityInfo,
        index: IndexId,
        key: &[u8],
        value: &[u8],
    ) -> Result<FetchedRow> {
        let store = entity.store();
        let format = store.index(index)?;
        let primary_key = format.primary_key(key, value)?;
        let (columns, keys) = (format.column_values(key)?, store.primary_key.decode(primary_key)?);
        let covered = format.covered(value)?;
        let mut values = vec![ValueRef::Null; store.rows.slot_count()];
        let slots = format.columns().iter().map(|column| column.slot).chain(store.primary_key.slots());
        let in_key = slots.zip(columns.iter().chain(&keys).map(|value| value.as_ref()));
        for (slot, value) in in_key {
            if let Some(place) = values.get_mut(slot) {
                *place = value;
            }
        }
        if let Some(tuple) = covered {
            for (at, slot) in format.covered_slots().iter().enumerate() {
                if let Some(place) = values.get_mut(*slot) {
                    *place = tuple.get(at)?;
                }
            }
        }
        let row = store.rows.encode(&values)?;
        Ok(FetchedRow { primary_key: primary_key.to_vec(), bytes: Slice::from(row) })
    }

    /// How much memory it holds.
    pub(super) fn held_bytes(&self) -> usize {
        size_of::<FetchedRow>() + self.primary_key.len() + self.bytes.len()
    }
}
