//! The records of a manifest that are intact, wherever they stand: for a rescue, which goes on behind a damage.
//!
//! A record that was damaged is not known to have ended: the next one is where bytes with a right checksum are, which binds the
//! number of the file and the place in it.

#![deny(clippy::indexing_slicing)]

use std::path::Path;

use super::MANIFEST_FILE;
use super::edit::Edit;
use super::file::{RECORD_HEADER_BYTES, SEAL, SEAL_BYTES, record_at};
use crate::error::{Error, Result};
use crate::file_header::{FileHeader, HEADER_BYTES};
use crate::file_name::FileNumber;

/// A record with its edits.
#[derive(Debug)]
pub(crate) struct IntactRecord {
    /// Whether it is the first of the manifest, which has the whole state.
    pub(crate) begins: bool,
    pub(crate) edits: Vec<Edit>,
}

/// What is left of a manifest.
#[derive(Debug)]
pub(crate) struct IntactRecords {
    pub(crate) records: Vec<IntactRecord>,
    /// What is damaged, each place once; a last record that was never whole is not.
    pub(crate) damages: Vec<Error>,
    /// Whether a record may be among that: what it dropped is not known, nor, of the first, what was left out of it. The header has
    /// nothing that they do not bind.
    pub(crate) misses_records: bool,
}

/// The intact records of the manifest with these bytes.
///
/// # Errors
/// [`Error::UnknownFormat`]: what such a manifest says, a newer version knows.
pub(crate) fn intact_records(bytes: &[u8], number: FileNumber, path: &Path) -> Result<IntactRecords> {
    let (records, damages) = (Vec::new(), Vec::new());
    let mut found = IntactRecords { records, damages, misses_records: false };
    match FileHeader::decode(bytes, MANIFEST_FILE, number, path) {
        Ok(_) => {}
        Err(error @ Error::UnknownFormat { .. }) => return Err(error),
        Err(damage) => found.damages.push(damage),
    }
    let damaged = |offset: usize, expected: &str| {
        Error::corrupt(path, u64::try_from(offset).unwrap_or(u64::MAX), expected, "none that is intact")
    };
    let (mut at, mut is_sealed, mut at_seal) = (HEADER_BYTES, false, false);
    loop {
        match record_at(bytes, number, at) {
            Some(payload) if payload == SEAL => {
                (is_sealed, at_seal) = (true, false);
                at += SEAL_BYTES;
            }
            Some(payload) => {
                match decode(payload) {
                    Some(edits) => {
                        found.records.push(IntactRecord { begins: at == HEADER_BYTES, edits });
                    }
                    None => {
                        found.damages.push(damaged(at, "edits that this version knows"));
                        found.misses_records = true;
                    }
                }
                at += RECORD_HEADER_BYTES + payload.len();
                at_seal = is_sealed;
            }
            // A seal that was damaged, or never whole, says nothing.
            None if at_seal && record_at(bytes, number, at + SEAL_BYTES).is_some() => {
                at += SEAL_BYTES;
                at_seal = false;
            }
            None => {
                let next = (at + 1..bytes.len()).find(|at| record_at(bytes, number, *at).is_some());
                let Some(next) = next else { break };
                found.damages.push(damaged(at, "a record: an intact one stands behind it"));
                found.misses_records = true;
                (at, at_seal) = (next, false);
            }
        }
    }
    if at == HEADER_BYTES {
        found.damages.push(damaged(at, "the record that begins a manifest"));
        found.misses_records = true;
    }
    Ok(found)
}

fn decode(mut payload: &[u8]) -> Option<Vec<Edit>> {
    let mut edits = Vec::new();
    while !payload.is_empty() {
        edits.push(Edit::decode(&mut payload)?);
    }
    Some(edits)
}
