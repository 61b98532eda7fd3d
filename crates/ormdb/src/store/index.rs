//! Index entries: which entry a row has, and what an entry says.
//!
//! Invariants: (1) one row has at most one entry in an index; (2) the entries of a unique index with equal columns have
//! equal keys, so that the second one meets the first; but where nulls are distinct, a null in a column appends the
//! primary key, and so does a row that is deleted and kept, so that a live one may have its columns; (3) an entry leads to its row's primary key without reading the row.
//!
//! ```text
//! not unique   key | index id u32 BE | columns | primary key |    value | covered fields as a tuple |
//! unique       key | index id u32 BE | columns |                  value | primary key, length before it as a varint |
//!              (a distinct null, or a deleted row:                      | covered fields as a tuple |
//!               | primary key | behind)
//! The tuple is there only if the index covers fields.
//! ```

#![deny(clippy::indexing_slicing)]

use ormdb_proto::schema::{FieldId, FieldType, Index, IndexId, NullsDistinct, SoftDelete};
use ormdb_proto::value::ValueRef;
use ormdb_proto::{Error, ErrorCode, Result};

use super::key::{self, Direction, KeyReader, KeyValue};
use super::row::{RowFormat, RowView};
use super::tuple::{TupleLayout, TupleView, WholeNumber};
use super::{corrupt, layout, varint};

/// Room that is made for a key at once: most take no more.
const KEY_ROOM_BYTES: usize = 48;

/// How the entries of an index are encoded.
#[derive(Debug)]
pub(crate) struct IndexFormat {
    id: IndexId,
    columns: Vec<IndexColumnFormat>,
    covering: Option<Covering>,
    unique: Option<NullsDistinct>,
    /// The slot that says when a row was deleted, of an entity that keeps deleted rows.
    deleted: Option<usize>,
}

/// A column of an index.
#[derive(Clone, Copy, Debug)]
pub(crate) struct IndexColumnFormat {
    /// The field's slot in the row.
    pub(crate) slot: usize,
    /// The field's type.
    pub(crate) ty: FieldType,
    /// Which way it sorts.
    pub(crate) direction: Direction,
}

#[derive(Debug)]
struct Covering {
    slots: Vec<usize>,
    tuple: TupleLayout,
}

/// The entry of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct IndexEntry {
    /// Its key.
    pub(crate) key: Vec<u8>,
    /// Its value.
    pub(crate) value: Vec<u8>,
    /// Whether no other row may have an entry of this key.
    pub(crate) guards: bool,
}

impl IndexFormat {
    /// The encoding of the entries of `index`.
    ///
    /// # Errors
    /// `Internal` if the index mentions a field that rows do not store.
    pub(crate) fn build(
        index: &Index,
        rows: &RowFormat,
        soft_delete: Option<SoftDelete>,
    ) -> Result<IndexFormat> {
        let slot_of = |field: FieldId| {
            let slot = rows.slot(field).and_then(|slot| Some((slot, rows.ty(slot)?)));
            slot.ok_or_else(|| {
                Error::new(
                    ErrorCode::Internal,
                    format!("index `{}` has a field that is not stored", index.name),
                )
            })
        };
        let columns = index
            .columns
            .iter()
            .map(|column| {
                let (slot, ty) = slot_of(column.field)?;
                let direction = if column.descending { Direction::Descending } else { Direction::Ascending };
                Ok(IndexColumnFormat { slot, ty, direction })
            })
            .collect::<Result<_>>()?;
        let covered = index.covering.iter().map(|f| slot_of(*f)).collect::<Result<Vec<_>>>()?;
        let covering = (!covered.is_empty()).then(|| Covering {
            slots: covered.iter().map(|(slot, _)| *slot).collect(),
            tuple: TupleLayout::new(covered.iter().map(|(_, ty)| *ty)),
        });
        let deleted = soft_delete.map(|soft| slot_of(soft.field)).transpose()?.map(|(slot, _)| slot);
        let unique = index.unique.map(|u| u.nulls);
        Ok(IndexFormat { id: index.id, columns, covering, unique, deleted })
    }

    /// The index.
    pub(crate) const fn id(&self) -> IndexId {
        self.id
    }

    /// Its columns, in key order.
    pub(crate) fn columns(&self) -> &[IndexColumnFormat] {
        &self.columns
    }

    /// Whether it guards a unique constraint.
    pub(crate) const fn is_unique(&self) -> bool {
        self.unique.is_some()
    }

    /// Whether the entry of a row depends on what it has in this slot. It depends on the row's primary key too.
    pub(crate) fn reads(&self, slot: usize) -> bool {
        self.columns.iter().any(|column| column.slot == slot)
            || self.deleted == Some(slot)
            || self.covering.as_ref().is_some_and(|covering| covering.slots.contains(&slot))
    }

    /// What the keys of all entries begin with whose first columns have these values; a null column only meets nulls.
    pub(crate) fn prefix(&self, values: &[ValueRef<'_>]) -> Vec<u8> {
        let mut out = self.new_key();
        for (column, value) in self.columns.iter().zip(values) {
            key::push_column(&mut out, value, column.direction);
        }
        out
    }

    /// A key with the index's id, and room for what mostly follows.
    fn new_key(&self) -> Vec<u8> {
        let mut key = Vec::with_capacity(KEY_ROOM_BYTES);
        key.extend_from_slice(&layout::index_prefix(self.id));
        key
    }

    /// The entry of a row. Whether the row has one (a partial index) is the caller's to know.
    ///
    /// # Errors
    /// As of [`RowView::get`].
    pub(crate) fn entry(&self, row: &RowView<'_>, primary_key: &[u8]) -> Result<IndexEntry> {
        let mut key = self.new_key();
        let mut has_null = false;
        for column in &self.columns {
            let value = row.get(column.slot)?;
            has_null |= value.is_null();
            key::push_column(&mut key, &value, column.direction);
        }
        let mut value = Vec::new();
        let guards = match self.unique {
            None => false,
            Some(NullsDistinct::Distinct) => !has_null,
            Some(NullsDistinct::NotDistinct) => true,
        };
        let is_deleted = |slot| row.get(slot).map(|value| !value.is_null());
        let guards = guards && !self.deleted.map(is_deleted).transpose()?.unwrap_or(false);
        if !guards {
            key.extend_from_slice(primary_key);
        }
        if self.unique.is_some() {
            let len = u32::try_from(primary_key.len());
            varint::push_u32(&mut value, len.map_err(|_| corrupt("a primary key is too long"))?);
            value.extend_from_slice(primary_key);
        }
        if let Some(covering) = &self.covering {
            let values = covering.slots.iter().map(|s| row.get(*s)).collect::<Result<Vec<_>>>()?;
            covering.tuple.encode(&values, &mut value)?;
        }
        Ok(IndexEntry { key, value, guards })
    }

    /// The primary key of the row that an entry belongs to.
    ///
    /// # Errors
    /// `Corrupt` if the entry is cut short.
    pub(crate) fn primary_key<'e>(&self, key: &'e [u8], mut value: &'e [u8]) -> Result<&'e [u8]> {
        if self.unique.is_some() {
            return varint::take_bytes(&mut value).ok_or_else(|| corrupt("an index entry is cut short"));
        }
        let mut reader = self.reader(key)?;
        for column in &self.columns {
            reader.skip_column(column.ty, column.direction)?;
        }
        Ok(reader.rest())
    }

    /// The values of the columns of an entry; an error of a column whose key loses values (`key::is_lossless`).
    ///
    /// # Errors
    /// `Corrupt` if the entry is cut short.
    pub(crate) fn column_values(&self, key: &[u8]) -> Result<Vec<KeyValue>> {
        let mut reader = self.reader(key)?;
        self.columns.iter().map(|c| reader.column(c.ty, c.direction)).collect()
    }

    /// The slots whose values an entry carries beside its key, in the order of [`IndexFormat::covered`].
    pub(crate) fn covered_slots(&self) -> &[usize] {
        self.covering.as_ref().map_or(&[], |c| c.slots.as_slice())
    }

    /// Where the covered field at a place stands in the values of entries, if it is a whole number that stands at the same place of all.
    pub(crate) fn covered_number(&self, at: usize) -> Option<WholeNumber> {
        let covering = self.covering.as_ref().filter(|_| self.unique.is_none())?;
        covering.tuple.whole_number(at)
    }

    /// The covered fields of an entry, in the order of [`IndexFormat::covered_slots`]; none if the index covers none.
    ///
    /// # Errors
    /// `Corrupt` if the entry is cut short.
    pub(crate) fn covered<'e>(&'e self, mut value: &'e [u8]) -> Result<Option<TupleView<'e>>> {
        let Some(covering) = &self.covering else { return Ok(None) };
        if self.unique.is_some() {
            varint::take_bytes(&mut value).ok_or_else(|| corrupt("an index entry is cut short"))?;
        }
        covering.tuple.view(value).map(Some)
    }

    fn reader<'e>(&self, key: &'e [u8]) -> Result<KeyReader<'e>> {
        key.get(layout::ID_BYTES..)
            .map(KeyReader::new)
            .ok_or_else(|| corrupt("the key of an index entry is cut short"))
    }
}

#[cfg(test)]
mod tests;
