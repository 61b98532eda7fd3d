//! Changes of a schema, and how each is applied to the rows that are there.

use std::fmt;

use ormdb_proto::schema::EntityId;

/// One change of a schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What changes, in words.
    pub what: String,
    /// What it asks of the rows that are there.
    pub grade: Grade,
}

/// What a change asks of the rows that are there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grade {
    /// A: nothing. Rows and index entries stay as they are.
    Metadata,
    /// B: they are read, and index entries are written, while reads and writes go on.
    Backfill {
        /// The entity whose rows are read.
        entity: EntityId,
    },
    /// C: they are rewritten in the transaction of the change, if they are not too many for it.
    Rewrite {
        /// The entity whose rows are rewritten.
        entity: EntityId,
    },
    /// C: no row may be deleted and kept, for it would be seen again.
    NoDeletedRows {
        /// The entity, by its old id.
        entity: EntityId,
    },
    /// C or D: they would have to be rewritten, or would lose data. Such a change is only applied while there are no
    /// rows.
    NoRows {
        /// The entities that must have no rows, by their old ids.
        entities: Vec<EntityId>,
        /// Why.
        because: &'static str,
        /// What can be done instead.
        instead: &'static str,
    },
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.grade {
            Grade::Metadata => write!(f, "{}", self.what),
            Grade::Backfill { .. } => write!(f, "{} (reads the rows)", self.what),
            Grade::NoDeletedRows { .. } => {
                write!(f, "{} (only without deleted rows: they would be seen again)", self.what)
            }
            Grade::Rewrite { .. } => write!(f, "{} (rewrites the rows)", self.what),
            Grade::NoRows { because, .. } => write!(f, "{} (only without rows: {because})", self.what),
        }
    }
}
