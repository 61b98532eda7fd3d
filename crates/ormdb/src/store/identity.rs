//! What a database says of itself: the version of its formats, and which history it is.
//!
//! ```text
//! family `system`
//! | 'f' |   version of the formats of rows, keys, index entries and catalog, u32 LE
//! | 'h' |   the history, u64 LE: random, made when the database is created
//! ```

#![deny(clippy::indexing_slicing)]

use ordinum::entropy::Entropy;
use ordinum::{Batch, Db, Durability, Reader};
use ormdb_proto::{Error, ErrorCode, Result};

use super::{Families, corrupt};
use crate::engine::EngineResult;

const FORMAT_KEY: &[u8] = b"f";
const HISTORY_KEY: &[u8] = b"h";
/// The version of the formats that a new database has.
const FORMAT_VERSION_FIRST: u32 = 1;
/// The version of a database that has, or had, users: code that does not know of them would let everybody in.
const FORMAT_VERSION_USERS: u32 = 2;
/// The newest version that this code reads.
const FORMAT_VERSION_MAX: u32 = FORMAT_VERSION_USERS;

/// Has a batch keep older code from opening the database, which has users from then on.
pub(crate) fn require_users(batch: &mut Batch, families: &Families) -> Result<()> {
    batch.put(&families.system, FORMAT_KEY, &FORMAT_VERSION_USERS.to_le_bytes()).engine()
}

/// The history of the database in `engine`; of a new one, after writing its identity.
///
/// # Errors
/// `IncompatibleFormat` if a newer version wrote the database; `Corrupt` if its identity cannot be read.
pub(crate) fn history(engine: &Db, families: &Families, entropy: &dyn Entropy) -> Result<u64> {
    let read = |key: &[u8]| engine.get(&families.system, key).engine();
    match (read(FORMAT_KEY)?, read(HISTORY_KEY)?) {
        (None, None) => {
            let mut history = [0; 8];
            entropy.fill(&mut history).engine()?;
            let mut batch = Batch::new();
            batch.put(&families.system, FORMAT_KEY, &FORMAT_VERSION_FIRST.to_le_bytes()).engine()?;
            batch.put(&families.system, HISTORY_KEY, &history).engine()?;
            engine.write(batch, Durability::Synced).engine()?;
            Ok(u64::from_le_bytes(history))
        }
        (Some(format), Some(history)) => {
            let format = <[u8; 4]>::try_from(&format[..]).map(u32::from_le_bytes).ok();
            let format = format.ok_or_else(|| corrupt("the version of the formats cannot be read"))?;
            if format > FORMAT_VERSION_MAX {
                let message = format!(
                    "the database has formats of version {format}; this ormDB knows up to {FORMAT_VERSION_MAX}"
                );
                return Err(
                    Error::new(ErrorCode::IncompatibleFormat, message).hint("open it with a newer ormDB")
                );
            }
            let history = <[u8; 8]>::try_from(&history[..]).map(u64::from_le_bytes).ok();
            history.ok_or_else(|| corrupt("the history of the database cannot be read"))
        }
        _ => Err(corrupt("one half of the database's identity is missing")),
    }
}
