//! Rows as they are read: their keys, their bytes, and their fields.

use ordinum::Slice;
use ormdb_proto::Result;
use ormdb_proto::schema::IndexId;
use ormdb_proto::value::ValueRef;
use smallvec::SmallVec;

use crate::catalog::EntityInfo;
use crate::store::layout;
use crate::store::row::RowView;

/// A key that was read or is read by; most need no memory of their own.
pub(crate) type Key = SmallVec<[u8; 32]>;

/// A row that was read.
#[derive(Debug)]
pub(crate) struct FetchedRow {
    /// Its key in the family of rows.
    pub(super) key: Key,
    /// Its bytes, as `RowFormat` reads them.
    pub(crate) bytes: Slice,
}

impl Clone for FetchedRow {
    fn clone(&self) -> FetchedRow {
        FetchedRow { key: copy_of(&self.key), bytes: self.bytes.clone() }
    }
}

impl FetchedRow {
    /// Its encoded primary key.
    pub(crate) fn primary_key(&self) -> &[u8] {
        self.key.get(layout::ID_BYTES..).unwrap_or_default()
    }

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
        Ok(FetchedRow { key: row_key(entity, primary_key), bytes: Slice::from(row) })
    }

    /// The same row for who keeps it: one that lies in a block with others holds on to no more than itself.
    pub(super) fn kept(self) -> FetchedRow {
        FetchedRow { bytes: self.bytes.detached(), ..self }
    }

    /// How much memory it holds.
    pub(super) fn held_bytes(&self) -> usize {
        let key = if self.key.spilled() { self.key.len() } else { 0 };
        size_of::<FetchedRow>() + key + self.bytes.len()
    }
}

/// The same key; a clone would copy byte after byte.
pub(super) fn copy_of(key: &Key) -> Key {
    Key::from_slice(key)
}

/// The key of the row of an encoded primary key.
pub(super) fn row_key(entity: &EntityInfo, primary_key: &[u8]) -> Key {
    let mut key = Key::from_slice(&layout::rows_prefix(entity.id));
    key.extend_from_slice(primary_key);
    key
}
