//! An entity with its lookups by name, the slots of its stored fields, its referrers and its unique keys.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::OnceLock;

use ormdb_proto::ir::KeyPart;
use ormdb_proto::schema::{
    Embedded, Entity, EntityId, Field, FieldId, ForeignKey, IndexState, Relation, RelationId, Schema,
};
use ormdb_proto::{Error, ErrorCode, Result};

use super::navigation::{self, KeyAccess, Navigation};
use super::rules::Rules;
use crate::expr::member;
use crate::store::EntityStore;
use crate::store::row::RowView;

/// Up to so many fields are found sooner by a look at each than by a hash.
const FEW_FIELDS: usize = 12;

/// An entity with its lookups.
#[derive(Debug)]
pub struct EntityInfo {
    entity: Entity,
    fields_by_name: HashMap<String, usize>,
    /// Sorted.
    fields_by_id: Vec<(FieldId, usize)>,
    relations_by_name: HashMap<String, usize>,
    relations_by_id: HashMap<RelationId, usize>,
    referrers: Vec<Referrer>,
    navigations: Vec<Navigation>,
    store: EntityStore,
    rules: OnceLock<Rules>,
}

/// A foreign key that refers to the entity at hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Referrer {
    /// The entity that holds it.
    pub entity: EntityId,
    /// The foreign key.
    pub foreign_key: ForeignKey,
}

/// What a name means after an entity.
#[derive(Clone, Copy, Debug)]
pub enum Member<'a> {
    /// A field.
    Field(&'a Field),
    /// A relation.
    Relation(&'a Relation),
    /// An embedded struct.
    Struct(&'a Embedded),
}

/// A unique key that a statement names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UniqueKey {
    /// What serves it: never a scan.
    pub access: KeyAccess,
    /// The fields, in the order of the key.
    pub fields: Vec<FieldId>,
    /// For each of `fields`, which of the given parts is its value.
    pub parts: Vec<usize>,
}

impl Deref for EntityInfo {
    type Target = Entity;

    fn deref(&self) -> &Entity {
        &self.entity
    }
}

impl EntityInfo {
    pub(super) fn build(
        entity: Entity,
        referrers: Vec<Referrer>,
        navigations: Vec<Navigation>,
        store: EntityStore,
    ) -> EntityInfo {
        let fields = || entity.fields.iter().enumerate();
        let relations = || entity.relations.iter().enumerate();
        let mut fields_by_id: Vec<_> = fields().map(|(at, f)| (f.id, at)).collect();
        fields_by_id.sort_unstable();
        EntityInfo {
            // A statement names a struct, and not its presence flag.
            fields_by_name: fields()
                .filter(|(_, f)| !f.is_presence())
                .map(|(at, f)| (f.name.clone(), at))
                .collect(),
            fields_by_id,
            relations_by_name: relations().map(|(at, r)| (r.name.clone(), at)).collect(),
            relations_by_id: relations().map(|(at, r)| (r.id, at)).collect(),
            entity,
            referrers,
            navigations,
            store,
            rules: OnceLock::new(),
        }
    }

    /// The entity alone.
    pub const fn entity(&self) -> &Entity {
        &self.entity
    }

    /// How its rows, keys and index entries are encoded.
    pub(crate) const fn store(&self) -> &EntityStore {
        &self.store
    }

    /// The slot that says when a row was deleted, of an entity that keeps deleted rows.
    pub(crate) fn deleted_slot(&self) -> Option<usize> {
        self.entity.soft_delete.and_then(|soft| self.store.rows.slot(soft.field))
    }

    /// Whether a row is not deleted.
    ///
    /// # Errors
    /// As of [`RowView::get`].
    pub(crate) fn is_live(&self, row: &RowView<'_>) -> Result<bool> {
        match self.deleted_slot() {
            Some(slot) => Ok(row.get(slot)?.is_null()),
            None => Ok(true),
        }
    }

    /// The checks, conditions and defaults that every write runs.
    ///
    /// # Errors
    /// Errors of compiling them; `schema` must be the entity's.
    pub(crate) fn rules(&self, schema: &Schema) -> Result<&Rules> {
        if let Some(rules) = self.rules.get() {
            return Ok(rules);
        }
        let compiled = Rules::compile(schema, &self.entity)?;
        Ok(self.rules.get_or_init(|| compiled))
    }

    /// What finds rows of this entity by the values of all of `fields`, with the order of the fields in that key, each
    /// as its place in `fields`.
    pub(crate) fn access_by(&self, fields: &[FieldId]) -> (KeyAccess, Vec<usize>) {
        let (access, order) = navigation::serving(&self.entity, fields);
        (access, order.into_iter().map(|(at, _)| at).collect())
    }

    /// The field of this name.
    ///
    /// # Errors
    /// `UnknownField`, with the nearest name.
    pub fn field_named(&self, name: &str) -> Result<&Field> {
        self.lookup_field(name).ok_or_else(|| self.unknown("field", name))
    }

    /// The relation of this name.
    ///
    /// # Errors
    /// `UnknownField`, with the nearest name.
    pub fn relation_named(&self, name: &str) -> Result<&Relation> {
        self.lookup_relation(name).ok_or_else(|| self.unknown("relation", name))
    }

    /// The field or relation of this name.
    ///
    /// # Errors
    /// `UnknownField`, with the nearest name.
    pub fn member(&self, name: &str) -> Result<Member<'_>> {
        let relation = || self.lookup_relation(name).map(Member::Relation);
        let embedded = || self.entity.embedded_at(name).map(Member::Struct);
        self.lookup_field(name)
            .map(Member::Field)
            .or_else(relation)
            .or_else(embedded)
            .ok_or_else(|| self.unknown("field or relation", name))
    }

    /// The field of this id.
    ///
    /// # Errors
    /// `Internal` if there is none: ids come from the schema itself.
    pub fn field_of(&self, id: FieldId) -> Result<&Field> {
        let at = self.fields_by_id.binary_search_by_key(&id, |(id, _)| *id).ok();
        let field = at.and_then(|at| self.entity.fields.get(self.fields_by_id.get(at)?.1));
        field.ok_or_else(|| {
            Error::new(ErrorCode::Internal, format!("`{}` has no field of id {id}", self.entity.name))
        })
    }

    /// How a relation of this entity is navigated.
    ///
    /// # Errors
    /// `Internal` if the relation is another entity's.
    pub fn navigation(&self, relation: RelationId) -> Result<&Navigation> {
        let navigation = self.relations_by_id.get(&relation).and_then(|&at| self.navigations.get(at));
        navigation.ok_or_else(|| {
            Error::new(
                ErrorCode::Internal,
                format!("`{}` has no relation of id {relation}", self.entity.name),
            )
        })
    }

    /// The foreign keys that refer to this entity, its own included.
    pub fn referrers(&self) -> &[Referrer] {
        &self.referrers
    }

    /// The unique key that the parts of a key expression name, in any order: the primary key, or a total unique index
    /// that reads may use.
    ///
    /// # Errors
    /// `UnknownField` for an unknown name; `InvalidQuery` if the fields are no unique key, or one is given twice.
    pub fn unique_key(&self, parts: &[KeyPart]) -> Result<UniqueKey> {
        let given = parts.iter().map(|part| self.key_field(part, parts.len())).collect::<Result<Vec<_>>>()?;
        for (at, field) in given.iter().enumerate() {
            if given.iter().take(at).any(|earlier| earlier == field) {
                let name = &self.field_of(*field)?.name;
                return Err(self.invalid_key(format!("`{name}` is given twice in the key")));
            }
        }
        let indexed = self.entity.indexes.iter().filter(|index| {
            index.unique.is_some() && index.filter.is_none() && index.state == IndexState::Public
        });
        let keys = std::iter::once((KeyAccess::PrimaryKey, self.entity.primary_key.clone())).chain(
            indexed
                .map(|index| (KeyAccess::Index(index.id), index.columns.iter().map(|c| c.field).collect())),
        );
        for (access, fields) in keys {
            if fields.len() != given.len() {
                continue;
            }
            let part_of = |field: &FieldId| given.iter().position(|g| g == field);
            if let Some(parts) = fields.iter().map(part_of).collect::<Option<Vec<_>>>() {
                return Ok(UniqueKey { access, fields, parts });
            }
        }
        let names = self.names_of(&given);
        Err(self.invalid_key(format!("({names}) is not a unique key of `{}`", self.entity.name)))
    }

    /// The names of fields, with commas.
    pub fn names_of(&self, fields: &[FieldId]) -> String {
        let name = |id: &FieldId| self.entity.field_by_id(*id).map_or("?", |f| f.name.as_str());
        fields.iter().map(name).collect::<Vec<_>>().join(", ")
    }

    fn lookup_field(&self, name: &str) -> Option<&Field> {
        if self.entity.fields.len() <= FEW_FIELDS {
            return self.entity.fields.iter().find(|f| f.name == name && !f.is_presence());
        }
        self.fields_by_name.get(name).and_then(|&at| self.entity.fields.get(at))
    }

    fn lookup_relation(&self, name: &str) -> Option<&Relation> {
        self.relations_by_name.get(name).and_then(|&at| self.entity.relations.get(at))
    }

    fn key_field(&self, part: &KeyPart, count: usize) -> Result<FieldId> {
        match (&part.field, self.entity.primary_key.as_slice()) {
            (Some(name), _) => Ok(self.field_named(name)?.id),
            (None, [only]) if count == 1 => Ok(*only),
            (None, key) => {
                let names = self.names_of(key);
                let name = &self.entity.name;
                Err(self.invalid_key(format!("the key of `{name}` has several fields; name each: ({names})")))
            }
        }
    }

    fn invalid_key(&self, message: String) -> Error {
        let mut keys = vec![format!("({})", self.names_of(&self.entity.primary_key))];
        let unique = self.entity.indexes.iter().filter(|i| i.unique.is_some() && i.filter.is_none());
        keys.extend(unique.map(|index| {
            let fields: Vec<FieldId> = index.columns.iter().map(|c| c.field).collect();
            format!("({})", self.names_of(&fields))
        }));
        Error::new(ErrorCode::InvalidQuery, message)
            .entity(&self.entity.name)
            .hint(format!("the unique keys are {}", keys.join(", ")))
    }

    fn unknown(&self, what: &str, name: &str) -> Error {
        let path: Vec<String> = name.split('.').map(str::to_owned).collect();
        if let Some(error) = member::no_field(&self.entity, &path) {
            return error;
        }
        Error::new(ErrorCode::UnknownField, format!("`{}` has no {what} `{name}`", self.entity.name))
            .entity(&self.entity.name)
            .field(name)
            .suggest(name, self.entity.member_names())
    }
}
