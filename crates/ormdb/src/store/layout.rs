//! The one table of every key: which column family, which prefix.
//!
//! ```text
//! family    key                                                    value
//! catalog   see catalog::store                                     versions of the schema
//! rows      | entity id u32 BE | primary key |                     row (store::row)
//! indexes   | index id u32 BE | columns | primary key |            | covered fields |
//!           | index id u32 BE | columns |          (unique)        | primary key | covered fields |
//! system    | 'f' |, | 'h' |                                         see store::identity
//!           | 's' | entity id u32 BE | field id u32 BE |           the sequence's next number, i64 LE
//!           | 'u' | name |, | 'm' |                                users: see store::user
//! statistics | entity id u32 BE |                                  see statistics::record
//! ```
//!
//! Invariants: (1) ids are never reused, so that a dropped thing's keys mean nothing else; (2) keys of one thing are
//! one range, in the order of its values.

#![deny(clippy::indexing_slicing)]

use ormdb_proto::Result;
use ormdb_proto::schema::{EntityId, FieldId, IndexId};

use super::corrupt;

/// The family of the schema's versions.
pub(crate) const CATALOG: &str = "catalog";
/// The family of the rows.
pub(crate) const ROWS: &str = "rows";
/// The family of the index entries.
pub(crate) const INDEXES: &str = "indexes";
/// The family of sequences and of what the system keeps for itself.
pub(crate) const SYSTEM: &str = "system";

/// The family of what is known of the data as a whole. It may be dropped: what is in it is made again.
pub(crate) const STATISTICS: &str = "statistics";

/// How many bytes of a row's or index entry's key are the id.
pub(crate) const ID_BYTES: usize = 4;

/// The key of a row by its encoded primary key.
pub(crate) fn row_key(entity: EntityId, primary_key: &[u8]) -> Vec<u8> {
    let mut key = Vec::with_capacity(ID_BYTES + primary_key.len());
    key.extend_from_slice(&entity.0.to_be_bytes());
    key.extend_from_slice(primary_key);
    key
}

/// What the keys of all rows of an entity begin with.
pub(crate) const fn rows_prefix(entity: EntityId) -> [u8; ID_BYTES] {
    entity.0.to_be_bytes()
}

/// What the keys of all entries of an index begin with.
pub(crate) const fn index_prefix(index: IndexId) -> [u8; ID_BYTES] {
    index.0.to_be_bytes()
}

/// The encoded primary key in a row's key.
///
/// # Errors
/// `Corrupt` if the key is too short for one.
pub(crate) fn primary_key_of(row_key: &[u8]) -> Result<&[u8]> {
    row_key.get(ID_BYTES..).ok_or_else(|| corrupt("the key of a row is cut short"))
}

/// The key of a field's sequence.
pub(crate) fn sequence_key(entity: EntityId, field: FieldId) -> Vec<u8> {
    let mut key = vec![b's'];
    key.extend_from_slice(&entity.0.to_be_bytes());
    key.extend_from_slice(&field.0.to_be_bytes());
    key
}

/// The key of the statistics of an entity.
pub(crate) const fn statistics_key(entity: EntityId) -> [u8; ID_BYTES] {
    entity.0.to_be_bytes()
}
