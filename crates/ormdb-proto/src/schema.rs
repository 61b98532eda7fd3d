//! The schema model: what a schema text means once its names are resolved and every part has its stable id.
//!
//! Invariants: (1) an id is never given to another thing, even after the thing is dropped; (2) names are labels on
//! ids: a rename changes no id; (3) entities, fields, relations and indexes stand in the order of the schema text;
//! (4) every relation's foreign key has an index, or the primary key serves as one.

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorCode, Result};

mod embedded;
mod entity;
mod field;
mod index;
mod relation;
mod type_text;

pub use embedded::{Embedded, Lead, Membership, PRESENCE_SIGN, StructType};
pub use entity::{Check, ConstraintState, Entity, SoftDelete};
pub use field::{Computation, Default, Field, FieldType, Generator, ScalarType};
pub use index::{Index, IndexColumn, IndexOrigin, IndexState, NullsDistinct, Uniqueness};
pub use relation::{Deferrable, ForeignKey, ReferentialAction, Relation, RelationKind};
pub use type_text::SCALAR_NAMES;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {
        $(
            $(#[$doc])*
            #[derive(
                Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
            )]
            #[serde(transparent)]
            pub struct $name(pub u32);

            impl std::fmt::Display for $name {
                fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    write!(f, "{}", self.0)
                }
            }
        )*
    };
}

ids! {
    /// The id of an entity; the first four bytes of its rows' keys. Unique in the database.
    EntityId;
    /// The id of a field. Unique in its entity.
    FieldId;
    /// The id of a relation. Unique in the database.
    RelationId;
    /// The id of an index; the first four bytes of its entries' keys. Unique in the database.
    IndexId;
    /// The id of a check or foreign key. Unique in the database.
    ConstraintId;
    /// The id of an enum. Unique in the database.
    EnumId;
    /// The id of a struct. Unique in the database.
    StructId;
}

/// A whole schema, at one version of the catalog.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Schema {
    /// The version of the catalog: 0 before any schema was applied, one more for each change.
    pub version: u64,
    /// The enums.
    pub enums: Vec<EnumType>,
    /// The structs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub structs: Vec<StructType>,
    /// The entities, implied edge entities included.
    pub entities: Vec<Entity>,
    /// The next ids to give: what keeps the ids of dropped things from coming back.
    pub next_ids: NextIds,
}

/// The next id of each kind that is unique in the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NextIds {
    /// The next entity's.
    pub entity: u32,
    /// The next relation's.
    pub relation: u32,
    /// The next index's.
    pub index: u32,
    /// The next check's or foreign key's.
    pub constraint: u32,
    /// The next enum's.
    pub enum_type: u32,
    /// The next struct's.
    #[serde(default = "first_id")]
    pub struct_type: u32,
}

const fn first_id() -> u32 {
    1
}

impl NextIds {
    /// The ids of a new database: they begin with 1.
    pub const fn first() -> NextIds {
        NextIds { entity: 1, relation: 1, index: 1, constraint: 1, enum_type: 1, struct_type: 1 }
    }
}

/// An enum: labels in the order that they sort in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EnumType {
    /// Its id.
    pub id: EnumId,
    /// Its name.
    pub name: String,
    /// The comment above it.
    pub doc: Option<String>,
    /// Its labels, in sort order.
    pub labels: Vec<EnumLabel>,
}

/// A label of an enum.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EnumLabel {
    /// The stable number that rows and keys store; ascends with the sort order, and leaves gaps for labels to come.
    pub position: u32,
    /// The label.
    pub name: String,
}

impl Schema {
    /// A schema of nothing.
    pub const fn empty() -> Schema {
        Schema {
            version: 0,
            enums: Vec::new(),
            structs: Vec::new(),
            entities: Vec::new(),
            next_ids: NextIds::first(),
        }
    }

    /// The entity of this name.
    pub fn entity(&self, name: &str) -> Option<&Entity> {
        self.entities.iter().find(|e| e.name == name)
    }

    /// The entity that a name of a statement means: its whole name, or its name without the namespace where only one
    /// namespace has such an entity.
    ///
    /// # Errors
    /// `UnknownEntity`, with the nearest name, or with all that the name can mean.
    pub fn entity_named(&self, name: &str) -> Result<&Entity> {
        if let Some(entity) = self.entity(name) {
            return Ok(entity);
        }
        let behind = |e: &&Entity| e.name.rsplit_once('.').is_some_and(|(_, bare)| bare == name);
        let found: Vec<&Entity> = self.entities.iter().filter(behind).collect();
        match found.as_slice() {
            [only] => Ok(*only),
            [] => {
                let error = Error::new(ErrorCode::UnknownEntity, format!("no entity is named `{name}`"));
                let names = || self.entities.iter().flat_map(Entity::names);
                let mut error = error.entity(name).suggest(name, names());
                // The same name in another namespace, or in none.
                let bare = |name: &str| name.rsplit_once('.').map_or(name, |(_, bare)| bare).to_owned();
                if error.detail.suggestion.is_none() && name.contains('.') {
                    error.detail.suggestion = names().find(|n| bare(n) == bare(name)).map(str::to_owned);
                }
                Err(error)
            }
            several => {
                let names: Vec<String> = several.iter().map(|e| format!("`{}`", e.name)).collect();
                let message = format!("`{name}` can be {}; which one?", names.join(" or "));
                Err(Error::new(ErrorCode::UnknownEntity, message)
                    .entity(name)
                    .hint("write the namespace before the name"))
            }
        }
    }

    /// The entity of this id.
    pub fn entity_by_id(&self, id: EntityId) -> Option<&Entity> {
        self.entities.iter().find(|e| e.id == id)
    }

    /// The struct of this id.
    pub fn struct_by_id(&self, id: StructId) -> Option<&StructType> {
        self.structs.iter().find(|s| s.id == id)
    }

    /// The enum of this name.
    pub fn enum_type(&self, name: &str) -> Option<&EnumType> {
        self.enums.iter().find(|e| e.name == name)
    }

    /// The enum of this id.
    pub fn enum_by_id(&self, id: EnumId) -> Option<&EnumType> {
        self.enums.iter().find(|e| e.id == id)
    }
}

impl EnumType {
    /// The number of a label.
    pub fn position(&self, label: &str) -> Option<u32> {
        self.labels.iter().find(|l| l.name == label).map(|l| l.position)
    }

    /// The label of a number.
    pub fn label(&self, position: u32) -> Option<&str> {
        self.labels.iter().find(|l| l.position == position).map(|l| l.name.as_str())
    }
}
