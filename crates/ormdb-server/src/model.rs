//! What the command line knows of a schema: its text, read and resolved. It serves completion, import and export, for
//! embedded and remote databases alike.
//!
//! Ids mean nothing here: the text is resolved as if it were the first.

use ormdb::catalog::resolve;
use ormdb::text;
use ormdb::text::ast::SchemaAst;
use ormdb_proto::schema::{Entity, Field, FieldType, ScalarType, Schema};

use crate::exit::{Failure, Result};
use crate::target::Target;

/// A schema, read from its text.
#[derive(Debug)]
pub(crate) struct Model {
    ast: SchemaAst,
    schema: Schema,
}

/// A field that rows store and statements may name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StoredField<'m>(pub(crate) &'m Field);

impl StoredField<'_> {
    pub(crate) fn name(&self) -> &str {
        &self.0.name
    }

    pub(crate) const fn scalar(&self) -> ScalarType {
        self.0.ty.scalar()
    }

    pub(crate) const fn is_array(&self) -> bool {
        matches!(self.0.ty, FieldType::Array(_))
    }

    /// Whether it may be null.
    pub(crate) const fn is_optional(&self) -> bool {
        self.0.optional
    }

    /// Whether its value follows from the row's other fields, and cannot be given.
    pub(crate) const fn is_computed(&self) -> bool {
        self.0.computed.is_some()
    }

    /// Whether a row may leave it out.
    pub(crate) const fn may_be_absent(&self) -> bool {
        self.is_optional() || self.is_computed() || self.0.default.is_some() || self.0.updated_at
    }
}

impl Model {
    /// The model of a schema text.
    pub(crate) fn parse(source: &str) -> Result<Model> {
        let wrong =
            |errors| Failure::Text { errors, name: "the schema".to_owned(), source: source.to_owned() };
        let ast = text::parse_schema(source).map_err(wrong)?;
        let schema = resolve(&ast, &Schema::empty()).map_err(wrong)?;
        Ok(Model { ast, schema })
    }

    /// The model of a database.
    pub(crate) fn of(target: &mut Target) -> Result<Model> {
        Model::parse(&target.schema_text()?)
    }

    /// The schema as it is written.
    pub(crate) fn ast(&self) -> &SchemaAst {
        &self.ast
    }

    /// Every entity, implied edge entities included.
    pub(crate) fn entities(&self) -> &[Entity] {
        &self.schema.entities
    }

    /// The entity of a name.
    pub(crate) fn entity(&self, name: &str) -> Result<&Entity> {
        Ok(self.schema.entity_named(name)?)
    }

    /// The fields that rows of the entity store, in order.
    pub(crate) fn stored_fields(entity: &Entity) -> impl Iterator<Item = StoredField<'_>> {
        entity.fields.iter().filter(|field| field.is_stored() && !field.hidden).map(StoredField)
    }

    /// The names of the primary key's fields; none for a hidden key.
    pub(crate) fn key(entity: &Entity) -> Vec<&str> {
        let fields = entity.primary_key.iter().filter_map(|id| entity.field_by_id(*id));
        fields.filter(|field| !field.hidden).map(|field| field.name.as_str()).collect()
    }

    /// The positions of `names` in an order in which parents come before their children, as far as there is one.
    pub(crate) fn parents_first(&self, names: &[String]) -> Result<Vec<usize>> {
        let entities = names.iter().map(|name| self.entity(name)).collect::<Result<Vec<_>>>()?;
        let mut order: Vec<usize> = Vec::with_capacity(names.len());
        while order.len() < names.len() {
            let waits = |at: usize| {
                entities[at].foreign_keys.iter().any(|key| {
                    key.target != entities[at].id
                        && entities.iter().enumerate().any(|(i, e)| e.id == key.target && !order.contains(&i))
                })
            };
            let rest = (0..names.len()).filter(|at| !order.contains(at));
            // In a circle of references no order is right: the first that is left comes first.
            let Some(next) = rest.clone().find(|at| !waits(*at)).or_else(|| rest.clone().next()) else {
                break;
            };
            order.push(next);
        }
        Ok(order)
    }
}

/// The text as a name, if letters, digits and `_` are left of it; so a file is called after its entity.
pub(crate) fn identifier(text: &str) -> Option<String> {
    let name: String = text.chars().map(|c| if c.is_alphanumeric() { c } else { '_' }).collect();
    let name = name.trim_matches('_').to_owned();
    let begins = name.starts_with(|c: char| c.is_alphabetic());
    begins.then_some(name)
}

#[cfg(test)]
mod tests;
