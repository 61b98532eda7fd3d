//! Entry points for fuzzing: each takes arbitrary bytes for what the database has stored, and must return.

#![deny(clippy::indexing_slicing)]

use ormdb_proto::Result;
use ormdb_proto::schema::Schema;

use crate::{catalog, statistics, store};

/// What the first byte of a record's input says about the others.
const CATALOG: u8 = 0;
const STATISTICS: u8 = 1;
const USER: u8 = 2;

/// Decodes arbitrary bytes as a row of one field of every type, and as keys and an index entry of them.
pub fn fuzz_row(bytes: &[u8]) {
    store::row::fuzz(bytes);
    store::key::fuzz(bytes);
}

/// Decodes what stands behind the first byte as a version of the catalog, as statistics, or as a user.
pub fn fuzz_record(input: &[u8]) {
    let Some((choice, bytes)) = input.split_first() else { return };
    match choice % 3 {
        CATALOG => catalog::fuzz_record(bytes),
        STATISTICS => statistics::fuzz_record(bytes),
        _ => store::user::fuzz(bytes),
    }
}

/// Sound inputs of [`fuzz_record`], with a catalog of this schema.
///
/// # Errors
/// If the schema cannot be written.
pub fn record_seeds(schema: Schema, text: &str) -> Result<Vec<Vec<u8>>> {
    let tagged = |choice: u8, bytes: &[u8]| [&[choice], bytes].concat();
    Ok(vec![
        tagged(CATALOG, &catalog::record_seed(schema, text)?),
        tagged(STATISTICS, &statistics::record_seed()),
        tagged(USER, &store::user::seed()),
    ])
}
