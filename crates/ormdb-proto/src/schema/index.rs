//! Indexes and unique constraints.

use serde::{Deserialize, Serialize};

use super::{FieldId, IndexId};
use crate::ir::Expr;

/// An index: entries that ascend by its columns, then by primary key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Index {
    /// Its id.
    pub id: IndexId,
    /// Its name; made from entity and fields where the text gives none.
    pub name: String,
    /// The columns, in key order.
    pub columns: Vec<IndexColumn>,
    /// Fields whose values the entries carry beside the key.
    pub covering: Vec<FieldId>,
    /// Whether two rows may have equal columns.
    pub unique: Option<Uniqueness>,
    /// The condition of a partial index: only rows for which it is true have an entry.
    pub filter: Option<Expr>,
    /// Why it is there.
    pub origin: IndexOrigin,
    /// How far it is usable.
    pub state: IndexState,
}

/// A column of an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexColumn {
    /// The field.
    pub field: FieldId,
    /// Whether values descend.
    pub descending: bool,
}

/// What a unique constraint says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Uniqueness {
    /// Whether rows with a null in a column are all different.
    pub nulls: NullsDistinct,
}

/// Whether nulls differ from each other in a unique constraint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NullsDistinct {
    /// Any number of rows may have a null (SQL's default).
    Distinct,
    /// Nulls equal each other.
    NotDistinct,
}

/// Why an index is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IndexOrigin {
    /// The schema declares it as an index.
    Declared,
    /// It guards a unique constraint.
    Unique,
    /// It serves a foreign key that no other index fits.
    ForeignKey,
    /// It finds the deleted rows of an entity that keeps them, oldest first.
    SoftDelete,
}

/// How far an index is usable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IndexState {
    /// Writes maintain it; reads may not use it.
    WriteOnly,
    /// Writes maintain it; entries of older rows are being added.
    Backfilling,
    /// Every row has its entry; not yet used by reads.
    Validated,
    /// Reads may use it.
    Public,
}
