//! Where the row lies that a foreign key refers to: the key to look up, made from the referring row alone.
//!
//! Invariants: (1) a foreign key with a null in a field refers to nothing; (2) equal values of both sides have equal
//! bytes, which the resolver of schemas makes sure of.

use ordinum::Reader;
use ormdb_proto::schema::ForeignKey;
use ormdb_proto::value::ValueRef;
use ormdb_proto::{Error, ErrorCode, Result};

use super::Families;
use super::row::RowView;
use crate::catalog::{Catalog, KeyAccess};
use crate::engine::EngineResult;

/// Where a parent lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ParentKey {
    /// The key of its row.
    Row(Vec<u8>),
    /// The key of its entry in a unique index.
    Entry(Vec<u8>),
}

impl ParentKey {
    /// Where the parent of `row` lies; none if the foreign key has a null.
    ///
    /// # Errors
    /// `Corrupt` if the row cannot be read; `Internal` if nothing guards the referenced fields.
    pub(crate) fn of(catalog: &Catalog, key: &ForeignKey, row: &RowView<'_>) -> Result<Option<ParentKey>> {
        let values = key.fields.iter().map(|field| row.field(*field)).collect::<Result<Vec<_>>>()?;
        ParentKey::of_values(catalog, key, &values)
    }

    /// Where the parent lies that these values, one for each field of the foreign key, refer to; none if one is null.
    ///
    /// # Errors
    /// `Internal` if nothing guards the referenced fields.
    pub(crate) fn of_values(
        catalog: &Catalog,
        key: &ForeignKey,
        values: &[ValueRef<'_>],
    ) -> Result<Option<ParentKey>> {
        if values.iter().any(ValueRef::is_null) {
            return Ok(None);
        }
        let target = catalog.entity_by_id(key.target)?;
        let (access, order) = target.access_by(&key.references);
        let ordered: Vec<ValueRef<'_>> = order.iter().filter_map(|at| values.get(*at).cloned()).collect();
        match access {
            KeyAccess::PrimaryKey => {
                let format = &target.store().primary_key;
                Ok(Some(ParentKey::Row(format.row_key(&format.encode(&ordered)?))))
            }
            KeyAccess::Index(id) => Ok(Some(ParentKey::Entry(target.store().index(id)?.prefix(&ordered)))),
            KeyAccess::Scan => {
                let message = format!("nothing guards the fields that `{}` refers to", key.name);
                Err(Error::new(ErrorCode::Internal, message).constraint(&key.name))
            }
        }
    }

    /// Whether the parent is there.
    ///
    /// # Errors
    /// Those of the engine.
    pub(crate) fn exists(&self, reader: &dyn Reader, families: &Families) -> Result<bool> {
        let (family, key) = match self {
            ParentKey::Row(key) => (&families.rows, key),
            ParentKey::Entry(key) => (&families.indexes, key),
        };
        Ok(reader.get(family, key).engine()?.is_some())
    }
}
