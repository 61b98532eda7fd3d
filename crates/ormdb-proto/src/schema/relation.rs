//! Relations and the foreign keys that carry them.

use serde::{Deserialize, Serialize};

use super::{ConstraintId, ConstraintState, EntityId, FieldId, RelationId};

/// A relation, as one entity sees it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Relation {
    /// Its id.
    pub id: RelationId,
    /// Its name on this side.
    pub name: String,
    /// The comment above it.
    pub doc: Option<String>,
    /// The entity that it leads to.
    pub target: EntityId,
    /// How it is stored.
    pub kind: RelationKind,
}

/// How a relation is stored, seen from one side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RelationKind {
    /// To one: this entity holds the foreign key.
    Forward {
        /// The foreign key, one of this entity's.
        foreign_key: ConstraintId,
    },
    /// The other side of a `Forward` relation of the target.
    Inverse {
        /// The foreign key, one of the target's.
        foreign_key: ConstraintId,
        /// Whether the foreign key's fields are unique, so that there is at most one.
        to_one: bool,
    },
    /// To many, through the rows of an edge entity.
    Through {
        /// The edge entity.
        edge: EntityId,
        /// The foreign key of the edge entity that leads back to this entity.
        near: ConstraintId,
        /// The foreign key of the edge entity that leads to the target.
        far: ConstraintId,
    },
}

/// A foreign key: fields whose values are a unique key of a row of the target, or null.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForeignKey {
    /// Its id.
    pub id: ConstraintId,
    /// Its name; made from entity and relation where the text gives none.
    pub name: String,
    /// The fields that hold it.
    pub fields: Vec<FieldId>,
    /// The entity that it refers to.
    pub target: EntityId,
    /// The fields of the target, one for each of `fields`: the primary key or a total unique index.
    pub references: Vec<FieldId>,
    /// What happens when the target row is deleted.
    pub on_delete: ReferentialAction,
    /// What happens when the referenced fields of the target row change.
    pub on_update: ReferentialAction,
    /// How far it holds.
    pub state: ConstraintState,
    /// Whether it may be looked at at the end of the transaction only.
    #[serde(default, skip_serializing_if = "Deferrable::is_no")]
    pub deferrable: Deferrable,
}

/// Whether a constraint may be looked at at the end of the transaction, and not of the statement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deferrable {
    /// It may not.
    #[default]
    No,
    /// It may, where a transaction says so.
    InitiallyImmediate,
    /// It is, unless a transaction says otherwise.
    InitiallyDeferred,
}

impl Deferrable {
    const fn is_no(&self) -> bool {
        matches!(self, Deferrable::No)
    }
}

/// What happens to the referring rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReferentialAction {
    /// The statement fails at once while rows refer to the target.
    Restrict,
    /// The statement fails if rows still refer to the target at its end.
    NoAction,
    /// The referring rows are deleted, or follow the new key.
    Cascade,
    /// The referring fields become null.
    SetNull,
    /// The referring fields get their defaults.
    SetDefault,
}

impl RelationKind {
    /// Whether the relation leads to at most one row.
    pub const fn is_to_one(&self) -> bool {
        match self {
            RelationKind::Forward { .. } => true,
            RelationKind::Inverse { to_one, .. } => *to_one,
            RelationKind::Through { .. } => false,
        }
    }
}
