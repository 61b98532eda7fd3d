//! The column families of a database.

use ordinum::{ColumnFamily, Db, Options};
use ormdb_proto::Result;

use super::layout::{CATALOG, INDEXES, ROWS, STATISTICS, SYSTEM};
use crate::engine::EngineResult;

/// The column families of a database.
#[derive(Clone, Debug)]
pub(crate) struct Families {
    /// Versions of the schema.
    pub(crate) catalog: ColumnFamily,
    /// Rows.
    pub(crate) rows: ColumnFamily,
    /// Index entries.
    pub(crate) indexes: ColumnFamily,
    /// Sequences, and what the system keeps for itself.
    pub(crate) system: ColumnFamily,
    /// What is known of the data as a whole.
    pub(crate) statistics: ColumnFamily,
}

impl Families {
    /// The families of the database in `engine`; those that are missing are created with what `options` say of them.
    pub(crate) fn open(engine: &Db, options: &Options) -> Result<Families> {
        let family = |name: &str| match engine.column_family(name) {
            Some(family) => Ok(family),
            None => {
                let own = options.families.get(name).unwrap_or(&options.family_defaults);
                engine.create_column_family(name, own.clone()).engine()
            }
        };
        Ok(Families {
            catalog: family(CATALOG)?,
            rows: family(ROWS)?,
            indexes: family(INDEXES)?,
            system: family(SYSTEM)?,
            statistics: family(STATISTICS)?,
        })
    }
}
