//! Entities: what has rows.

use serde::{Deserialize, Serialize};

use super::{
    ConstraintId, Embedded, EntityId, Field, FieldId, ForeignKey, Index, IndexId, Relation, RelationId,
};
use crate::ir::{Expr, OrderBy};
use crate::value::Interval;

/// An entity: fields, keys, relations, constraints and indexes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entity {
    /// Its id.
    pub id: EntityId,
    /// Its name.
    pub name: String,
    /// Its name outside (`@@map`), where it differs.
    pub mapped_name: Option<String>,
    /// The comment above it.
    pub doc: Option<String>,
    /// Whether it was made for a many-to-many relation that names no edge entity.
    pub implied: bool,
    /// The fields, in the order of the text; a hidden primary key, if any, is the last.
    pub fields: Vec<Field>,
    /// The embedded structs, each before those inside of it; their members are fields.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub embedded: Vec<Embedded>,
    /// The fields of the primary key, in key order.
    pub primary_key: Vec<FieldId>,
    /// The relations, in the order of the text.
    pub relations: Vec<Relation>,
    /// The foreign keys that this entity's fields hold.
    pub foreign_keys: Vec<ForeignKey>,
    /// The indexes: declared, of unique constraints, of foreign keys.
    pub indexes: Vec<Index>,
    /// The checks.
    pub checks: Vec<Check>,
    /// The order of fetches that name none (`@@order`); the primary key where empty.
    pub default_order: Vec<OrderBy>,
    /// How deleted rows are kept (`@@softDelete`); none where a delete removes them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub soft_delete: Option<SoftDelete>,
    /// The layout that new rows are written in; raised whenever stored fields change.
    pub layout: u32,
    /// The id of the next field: what keeps the ids of dropped fields from coming back.
    pub next_field: u32,
}

/// How an entity keeps deleted rows: a delete sets a field to its time, and the row is hidden from then on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SoftDelete {
    /// The field: an optional datetime, null of a row that is live.
    pub field: FieldId,
    /// For how long deleted rows are kept; none for ever. A month counts as 30 days.
    pub retention: Option<Interval>,
}

/// A check: an expression over one row that must not be false.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// Its id.
    pub id: ConstraintId,
    /// Its name; made from entity and field where the text gives none.
    pub name: String,
    /// The expression; null passes, as in SQL.
    pub expr: Expr,
    /// How far it holds.
    pub state: ConstraintState,
}

/// How far a constraint holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConstraintState {
    /// Enforced on writes; older rows were not looked at.
    WriteOnly,
    /// Enforced on writes; older rows are being looked at.
    Backfilling,
    /// Every row was found to pass; not yet relied on.
    Validated,
    /// Holds for every row; plans may rely on it.
    Public,
}

impl Entity {
    /// Its name, and the one without its namespace.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        let bare = self.name.rsplit_once('.').map(|(_, bare)| bare);
        std::iter::once(self.name.as_str()).chain(bare)
    }

    /// The field of this name.
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|f| f.name == name)
    }

    /// The field of this id.
    pub fn field_by_id(&self, id: FieldId) -> Option<&Field> {
        self.fields.iter().find(|f| f.id == id)
    }

    /// The relation of this name.
    pub fn relation(&self, name: &str) -> Option<&Relation> {
        self.relations.iter().find(|r| r.name == name)
    }

    /// The relation of this id.
    pub fn relation_by_id(&self, id: RelationId) -> Option<&Relation> {
        self.relations.iter().find(|r| r.id == id)
    }

    /// The foreign key of this id.
    pub fn foreign_key(&self, id: ConstraintId) -> Option<&ForeignKey> {
        self.foreign_keys.iter().find(|k| k.id == id)
    }

    /// The index of this id.
    pub fn index_by_id(&self, id: IndexId) -> Option<&Index> {
        self.indexes.iter().find(|i| i.id == id)
    }

    /// Every name that a query may use after this entity: fields, structs, then relations. Hidden fields are left out.
    pub fn member_names(&self) -> impl Iterator<Item = &str> {
        let fields = self.fields.iter().filter(|f| !f.hidden).map(|f| f.name.as_str());
        fields
            .chain(self.embedded.iter().map(|e| e.path.as_str()))
            .chain(self.relations.iter().map(|r| r.name.as_str()))
    }

    /// Whether `fields`, in any order, are the primary key or the fields of a total unique index.
    pub fn is_unique_key(&self, fields: &[FieldId]) -> bool {
        let same = |key: &[FieldId]| key.len() == fields.len() && fields.iter().all(|f| key.contains(f));
        same(&self.primary_key)
            || self.indexes.iter().any(|index| {
                index.unique.is_some() && index.filter.is_none() && {
                    let key: Vec<FieldId> = index.columns.iter().map(|c| c.field).collect();
                    same(&key)
                }
            })
    }
}
