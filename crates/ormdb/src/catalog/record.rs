//! The bytes of one stored version of the catalog.
//!
//! ```text
//! 0        4          6         8                 12                  16
//! | magic  | format   | features| payload length  | CRC-32C           | payload: JSON
//! | "ORMC" | u16 LE   | u16 LE  | u32 LE          | of 0..12, payload | { version, applied_at, text, schema }
//! ```
//!
//! Invariants: (1) a record of a format or feature that is not known is refused, never guessed at; (2) nothing behind
//! the checksum is read before it was verified.
#![deny(clippy::indexing_slicing)]

use ormdb_proto::schema::{Deferrable, Schema};
use ormdb_proto::{Error, ErrorCode, Result};
use serde::{Deserialize, Serialize};

use super::compiled::Catalog;

const MAGIC: &[u8; 4] = b"ORMC";
const FORMAT: u16 = 1;
/// Bit 0: an entity has a stored computed field.
const STORED_FIELDS: u16 = 1;
/// Bit 1: an entity keeps deleted rows.
const SOFT_DELETE: u16 = 2;
/// Bit 2: the schema has embedded structs; who does not know them would write rows that break their invariants.
const STRUCTS: u16 = 4;
/// Bit 3: a foreign key is deferrable; who does not know it would refuse what may wait.
const DEFERRABLE: u16 = 8;
const KNOWN_FEATURES: u16 = STORED_FIELDS | SOFT_DELETE | STRUCTS | DEFERRABLE;
const HEADER_BYTES: usize = 16;

/// One version of the catalog as it is stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoredVersion {
    /// The version of the catalog.
    pub version: u64,
    /// When it was applied, in microseconds since 1970-01-01T00:00:00Z.
    pub applied_at: i64,
    /// The schema text.
    pub text: String,
    /// What the text means.
    pub schema: Schema,
}

/// The record of a version.
pub(super) fn encode(stored: &StoredVersion) -> Result<Vec<u8>> {
    let payload = serde_json::to_vec(stored)
        .map_err(|e| Error::new(ErrorCode::Internal, format!("the schema cannot be written: {e}")))?;
    let length = u32::try_from(payload.len())
        .map_err(|_| Error::new(ErrorCode::LimitExceeded, "the schema takes more than 4 GiB"))?;
    let mut record = Vec::with_capacity(HEADER_BYTES + payload.len());
    record.extend_from_slice(MAGIC);
    record.extend_from_slice(&FORMAT.to_le_bytes());
    record.extend_from_slice(&features_of(&stored.schema).to_le_bytes());
    record.extend_from_slice(&length.to_le_bytes());
    let checksum = crc32c::crc32c_append(crc32c::crc32c(&record), &payload);
    record.extend_from_slice(&checksum.to_le_bytes());
    record.extend_from_slice(&payload);
    Ok(record)
}

/// What a reader must know to make sense of the schema.
fn features_of(schema: &Schema) -> u16 {
    let stored = schema.entities.iter().flat_map(|e| &e.fields).any(|f| f.stored_expr().is_some());
    let kept = schema.entities.iter().any(|e| e.soft_delete.is_some());
    let structs = !schema.structs.is_empty();
    let mut keys = schema.entities.iter().flat_map(|e| &e.foreign_keys);
    let deferrable = keys.any(|key| key.deferrable != Deferrable::No);
    (if stored { STORED_FIELDS } else { 0 })
        | (if kept { SOFT_DELETE } else { 0 })
        | (if structs { STRUCTS } else { 0 })
        | (if deferrable { DEFERRABLE } else { 0 })
}

/// The version of a record.
pub(super) fn decode(record: &[u8]) -> Result<StoredVersion> {
    let (header, payload) =
        record.split_first_chunk::<HEADER_BYTES>().ok_or_else(|| corrupt("is cut short"))?;
    let [m0, m1, m2, m3, f0, f1, b0, b1, l0, l1, l2, l3, c0, c1, c2, c3] = *header;
    if [m0, m1, m2, m3] != *MAGIC {
        return Err(corrupt("has no magic"));
    }
    let (format, features) = (u16::from_le_bytes([f0, f1]), u16::from_le_bytes([b0, b1]));
    if format != FORMAT || features & !KNOWN_FEATURES != 0 {
        let message = format!(
            "the catalog is of format {format} with features {features:#x}; this version reads format {FORMAT}"
        );
        return Err(Error::new(ErrorCode::IncompatibleFormat, message).hint("open it with a newer ormDB"));
    }
    if usize::try_from(u32::from_le_bytes([l0, l1, l2, l3])) != Ok(payload.len()) {
        return Err(corrupt("has another length than it says"));
    }
    let unchecked = header.first_chunk::<12>().map_or(0, |bytes| crc32c::crc32c(bytes));
    if crc32c::crc32c_append(unchecked, payload) != u32::from_le_bytes([c0, c1, c2, c3]) {
        return Err(corrupt("fails its checksum"));
    }
    serde_json::from_slice(payload).map_err(|e| corrupt(&format!("cannot be read: {e}")))
}

/// Decodes arbitrary bytes as a record, as they are and behind a header that is right; what is read is compiled.
pub(crate) fn fuzz(bytes: &[u8]) {
    let mut sealed = [MAGIC, &FORMAT.to_le_bytes()[..], &KNOWN_FEATURES.to_le_bytes()].concat();
    sealed.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes());
    let checksum = crc32c::crc32c_append(crc32c::crc32c(&sealed), bytes);
    sealed.extend_from_slice(&checksum.to_le_bytes());
    sealed.extend_from_slice(bytes);
    for record in [bytes, &sealed] {
        let Ok(stored) = decode(record) else { continue };
        let again = encode(&stored).and_then(|record| decode(&record));
        assert_eq!(again.as_ref(), Ok(&stored), "a record reads back");
        // That a schema does not hang together is an answer.
        drop(Catalog::build(stored.schema, stored.text));
    }
}

/// What a record of this schema holds behind its header.
///
/// # Errors
/// As [`encode`].
pub(crate) fn seed(schema: Schema, text: &str) -> Result<Vec<u8>> {
    let stored = StoredVersion { version: schema.version, applied_at: 0, text: text.to_owned(), schema };
    Ok(encode(&stored)?.split_off(HEADER_BYTES))
}

fn corrupt(how: &str) -> Error {
    Error::new(ErrorCode::Corrupt, format!("a stored version of the catalog {how}"))
        .hint("`ormdb check` lists every damage; restore a backup")
}

#[cfg(test)]
mod tests;
