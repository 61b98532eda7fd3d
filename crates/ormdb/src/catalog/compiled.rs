//! A schema with the lookups that reads and writes need.
//!
//! Invariants: (1) every id that the schema mentions leads to a thing of the schema, which [`Catalog::build`] checks;
//! (2) entities stand in the order of the schema.

use std::collections::HashMap;
use std::sync::Arc;

use ormdb_proto::schema::{EntityId, EnumId, EnumType, ForeignKey, Schema};
use ormdb_proto::{Error, ErrorCode, Result};

use super::entity_info::{EntityInfo, Referrer};
use super::navigation;
use super::resolve::resolve;
use crate::store::EntityStore;
use crate::text::parse_schema;

/// A schema at one version, its text, and what is derived from it.
#[derive(Debug)]
pub struct Catalog {
    schema: Arc<Schema>,
    text: String,
    entities: Vec<EntityInfo>,
    entities_by_name: HashMap<String, usize>,
    entities_by_id: HashMap<EntityId, usize>,
    enums_by_id: HashMap<EnumId, usize>,
}

impl Catalog {
    /// The catalog before any schema was applied.
    pub fn empty() -> Catalog {
        Catalog {
            schema: Arc::new(Schema::empty()),
            text: String::new(),
            entities: Vec::new(),
            entities_by_name: HashMap::new(),
            entities_by_id: HashMap::new(),
            enums_by_id: HashMap::new(),
        }
    }

    /// Compiles a schema and the text that it was read from.
    ///
    /// # Errors
    /// `Internal` if the schema mentions an id that it does not have.
    pub fn build(schema: Schema, text: impl Into<String>) -> Result<Catalog> {
        let mut entities = Vec::with_capacity(schema.entities.len());
        for entity in &schema.entities {
            let referrers = referrers_of(&schema, entity.id);
            let navigations = entity
                .relations
                .iter()
                .map(|relation| navigation::of_relation(&schema, entity, relation))
                .collect::<Result<Vec<_>>>()?;
            let store = EntityStore::build(&schema, entity)?;
            entities.push(EntityInfo::build(entity.clone(), referrers, navigations, store));
        }
        Ok(Catalog {
            entities_by_name: index_by(&schema.entities, |e| e.name.clone()),
            entities_by_id: index_by(&schema.entities, |e| e.id),
            enums_by_id: index_by(&schema.enums, |e| e.id),
            schema: Arc::new(schema),
            text: text.into(),
            entities,
        })
    }

    /// The catalog of a schema text that follows no other.
    ///
    /// # Errors
    /// Everything that is wrong with the text, in the order of the text.
    pub fn from_text(text: &str) -> std::result::Result<Catalog, Vec<Error>> {
        let schema = resolve(&parse_schema(text)?, &Schema::empty())?;
        Catalog::build(schema, text).map_err(|error| vec![error])
    }

    /// The schema.
    pub const fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// The version: 0 before any schema was applied.
    pub fn version(&self) -> u64 {
        self.schema.version
    }

    /// The schema text that the catalog was made from.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The entities, in the order of the schema.
    pub fn entities(&self) -> &[EntityInfo] {
        &self.entities
    }

    /// The entity of this name.
    ///
    /// # Errors
    /// `UnknownEntity`, with the nearest name.
    pub fn entity(&self, name: &str) -> Result<&EntityInfo> {
        match self.entities_by_name.get(name).and_then(|&at| self.entities.get(at)) {
            Some(entity) => Ok(entity),
            None => self.entity_by_id(self.schema.entity_named(name)?.id),
        }
    }

    /// The entity of this id.
    ///
    /// # Errors
    /// `Internal` if there is none: ids come from the schema itself.
    pub fn entity_by_id(&self, id: EntityId) -> Result<&EntityInfo> {
        self.entities_by_id
            .get(&id)
            .and_then(|&at| self.entities.get(at))
            .ok_or_else(|| Error::new(ErrorCode::Internal, format!("the schema has no entity of id {id}")))
    }

    /// The enum of this id.
    ///
    /// # Errors
    /// `Internal` if there is none: ids come from the schema itself.
    pub fn enum_by_id(&self, id: EnumId) -> Result<&EnumType> {
        self.enums_by_id
            .get(&id)
            .and_then(|&at| self.schema.enums.get(at))
            .ok_or_else(|| Error::new(ErrorCode::Internal, format!("the schema has no enum of id {id}")))
    }
}

/// The foreign keys that refer to an entity, its own included, in the order of the schema.
fn referrers_of(schema: &Schema, target: EntityId) -> Vec<Referrer> {
    let of_entity = |entity: &ormdb_proto::schema::Entity| {
        let id = entity.id;
        let refers = move |key: &&ForeignKey| key.target == target;
        let referrer = move |key: &ForeignKey| Referrer { entity: id, foreign_key: key.clone() };
        entity.foreign_keys.iter().filter(refers).map(referrer).collect::<Vec<_>>()
    };
    schema.entities.iter().flat_map(of_entity).collect()
}

fn index_by<T, K: Eq + std::hash::Hash>(items: &[T], key: impl Fn(&T) -> K) -> HashMap<K, usize> {
    items.iter().enumerate().map(|(at, item)| (key(item), at)).collect()
}

#[cfg(test)]
mod tests;
