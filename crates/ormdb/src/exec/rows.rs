//! Rows as they are read: their keys, their bytes, and their fields.

use ordinum::Slice;
use ormdb_proto::Result;

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

    /// How much memory it holds.
    pub(super) fn held_bytes(&self) -> usize {
        size_of::<FetchedRow>() + self.primary_key.len() + self.bytes.len()
    }
}
