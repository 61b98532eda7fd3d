//! The stored versions of the catalog: the current one, and every one before it.
//!
//! ```text
//! key                     value
//! | 'c' |                 the current version, u64 LE; absent before the first
//! | 'v' | version u64 BE | a record (catalog::record)
//! ```
//!
//! Invariants: (1) every write transaction reads the key of the current version, so that a change of the schema
//! conflicts with each write that began before it; (2) a version is written once and never changed.

#![deny(clippy::indexing_slicing)]

use ordinum::{KeyRange, Reader, Transaction};
use ormdb_proto::{Error, ErrorCode, Result};

use super::Catalog;
use super::record::{self, StoredVersion};
use crate::engine::EngineResult;
use crate::store::Families;

const CURRENT: &[u8] = b"c";
const VERSION: u8 = b'v';

/// The current version; 0 before any schema was applied.
pub(crate) fn current_version(reader: &dyn Reader, families: &Families) -> Result<u64> {
    let Some(value) = reader.get(&families.catalog, CURRENT).engine()? else { return Ok(0) };
    let bytes = <[u8; 8]>::try_from(&value[..]);
    bytes.map(u64::from_le_bytes).map_err(|_| missing("the current version of the catalog cannot be read"))
}

/// Has the transaction refused if the current version changes, at whatever isolation.
pub(crate) fn depend_on_version(txn: &Transaction, families: &Families) -> Result<()> {
    txn.depend_on(&families.catalog, CURRENT).engine()
}

/// The current catalog.
pub(crate) fn load(reader: &dyn Reader, families: &Families) -> Result<Catalog> {
    match current_version(reader, families)? {
        0 => Ok(Catalog::empty()),
        version => {
            let stored = load_version(reader, families, version)?;
            Catalog::build(stored.schema, stored.text)
        }
    }
}

/// A version of the catalog, current or past.
///
/// # Errors
/// `Corrupt` if it is not there; `IncompatibleFormat` if a newer ormDB wrote it.
pub(crate) fn load_version(reader: &dyn Reader, families: &Families, version: u64) -> Result<StoredVersion> {
    let value = reader.get(&families.catalog, &version_key(version)).engine()?;
    let value = value.ok_or_else(|| missing(&format!("version {version} of the catalog is not there")))?;
    let stored = record::decode(&value)?;
    if stored.version != version || stored.schema.version != version {
        return Err(missing(&format!("version {version} of the catalog says that it is {}", stored.version)));
    }
    Ok(stored)
}

/// Every version, from the first to the current one.
pub(crate) fn history(reader: &dyn Reader, families: &Families) -> Result<Vec<StoredVersion>> {
    let mut versions = Vec::new();
    let mut cursor = reader.cursor(&families.catalog, KeyRange::prefix(&[VERSION])).engine()?;
    let mut there = cursor.first().engine()?;
    while there {
        versions.push(record::decode(cursor.value().engine()?)?);
        there = cursor.next().engine()?;
    }
    Ok(versions)
}

/// Writes the next version and makes it the current one.
pub(crate) fn save(txn: &mut Transaction, families: &Families, next: &StoredVersion) -> Result<()> {
    let current = current_version(txn, families)?;
    if next.version != current + 1 || next.schema.version != next.version {
        let message = format!("version {} of the catalog cannot follow version {current}", next.version);
        return Err(Error::new(ErrorCode::Internal, message));
    }
    txn.put(&families.catalog, &version_key(next.version), &record::encode(next)?).engine()?;
    txn.put(&families.catalog, CURRENT, &next.version.to_le_bytes()).engine()
}

fn version_key(version: u64) -> Vec<u8> {
    let mut key = vec![VERSION];
    key.extend_from_slice(&version.to_be_bytes());
    key
}

fn missing(message: &str) -> Error {
    Error::new(ErrorCode::Corrupt, message).hint("`ormdb check` lists every damage; restore a backup")
}

#[cfg(test)]
mod tests;
