//! How rows, keys and index entries lie in the storage engine, and the values that go into them.
//!
//! Knows entities and fields, but no query and no transaction: bytes in, values out. docs/FORMAT.md draws the bytes.

pub(crate) mod coerce;
mod families;
pub(crate) mod generate;
pub(crate) mod identity;
pub(crate) mod index;
pub(crate) mod key;
pub(crate) mod layout;
pub(crate) mod parent;
#[cfg(test)]
pub(crate) mod random;
pub(crate) mod row;
pub(crate) mod sequence;
pub(crate) mod tuple;
pub(crate) mod user;
mod varint;

use ormdb_proto::schema::{Entity, IndexId, Schema};
use ormdb_proto::{Error, ErrorCode, Result};

pub(crate) use families::Families;
pub(crate) use index::IndexFormat;
pub(crate) use row::RowFormat;

/// How an entity's rows, primary key and index entries are encoded.
#[derive(Debug)]
pub(crate) struct EntityStore {
    /// The rows.
    pub(crate) rows: RowFormat,
    /// The slots and types of the primary key, in key order.
    pub(crate) primary_key: row::PrimaryKeyFormat,
    /// The indexes, in the order of the entity's.
    pub(crate) indexes: Vec<IndexFormat>,
}

impl EntityStore {
    /// The encodings of `entity`.
    ///
    /// # Errors
    /// `Internal` if the entity mentions a field that it does not store.
    pub(crate) fn build(schema: &Schema, entity: &Entity) -> Result<EntityStore> {
        let rows = RowFormat::build(schema, entity)?;
        let primary_key = row::PrimaryKeyFormat::build(entity, &rows)?;
        let format = |index| IndexFormat::build(index, &rows, entity.soft_delete);
        let indexes = entity.indexes.iter().map(format).collect::<Result<_>>()?;
        Ok(EntityStore { rows, primary_key, indexes })
    }

    /// The encoding of an index.
    ///
    /// # Errors
    /// `Internal` if the index is another entity's.
    pub(crate) fn index(&self, id: IndexId) -> Result<&IndexFormat> {
        let found = self.indexes.iter().find(|index| index.id() == id);
        found.ok_or_else(|| Error::new(ErrorCode::Internal, format!("the entity has no index of id {id}")))
    }
}

/// An error about bytes that are not what was written.
pub(crate) fn corrupt(what: impl Into<String>) -> Error {
    Error::new(ErrorCode::Corrupt, what).hint("`ormdb check` lists every damage; restore a backup")
}
