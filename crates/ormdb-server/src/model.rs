//! What the command line knows of a schema: the text of it, read. It serves completion, import and export, for
//! embedded and remote databases alike.

use ormdb::text;
use ormdb::text::ast::{EntityAttributeKind, EntityDecl, FieldAttributeKind, FieldDecl, SchemaAst, TypeName};
use ormdb_proto::schema::ScalarType;
use ormdb_proto::{Error, ErrorCode};

use crate::exit::{Failure, Result};
use crate::target::Target;

/// A schema, read from its text.
#[derive(Debug)]
pub(crate) struct Model {
    ast: SchemaAst,
}

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holds {
    /// A scalar.
    Scalar(ScalarType),
    /// A label.
    Label,
}

/// A field that rows store.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StoredField<'m> {
    pub(crate) decl: &'m FieldDecl,
    pub(crate) holds: Holds,
}

impl StoredField<'_> {
    pub(crate) fn name(&self) -> &str {
        &self.decl.name.text
    }

    /// Whether a row may leave it out.
    pub(crate) fn may_be_absent(&self) -> bool {
        self.decl.ty.optional
            || self.decl.attributes.iter().any(|attribute| {
                matches!(attribute.kind, FieldAttributeKind::Default(_) | FieldAttributeKind::UpdatedAt)
            })
    }
}

impl Model {
    /// The model of a schema text.
    pub(crate) fn parse(text: &str) -> Result<Model> {
        let ast = text::parse_schema(text).map_err(|errors| Failure::Text {
            errors,
            name: "schema".to_owned(),
            source: text.to_owned(),
        })?;
        Ok(Model { ast })
    }

    /// The model of a database.
    pub(crate) fn of(target: &mut Target) -> Result<Model> {
        Model::parse(&target.schema_text()?)
    }

    pub(crate) fn ast(&self) -> &SchemaAst {
        &self.ast
    }

    /// The entity of a name.
    pub(crate) fn entity(&self, name: &str) -> Result<&EntityDecl> {
        self.ast.entities().find(|entity| entity.name.text == name).ok_or_else(|| {
            let error = Error::new(ErrorCode::UnknownEntity, format!("no entity is named `{name}`"));
            error.entity(name).suggest(name, self.ast.entities().map(|entity| entity.name.as_str())).into()
        })
    }

    /// The fields that rows of the entity store, in order.
    pub(crate) fn stored_fields<'m>(
        &'m self,
        entity: &'m EntityDecl,
    ) -> impl Iterator<Item = StoredField<'m>> {
        entity.fields().filter(|field| field.computed.is_none()).filter_map(|decl| {
            let holds = match &decl.ty.name {
                TypeName::Scalar(scalar) => Holds::Scalar(*scalar),
                TypeName::Named(name) if self.ast.enums().any(|e| e.name.text == name.text) => Holds::Label,
                TypeName::Named(_) => return None,
            };
            Some(StoredField { decl, holds })
        })
    }

    /// The names of the primary key's fields; none for a hidden key.
    pub(crate) fn key(entity: &EntityDecl) -> Vec<&str> {
        let composite = entity.attributes().find_map(|attribute| match &attribute.kind {
            EntityAttributeKind::Id(fields) => Some(fields.iter().map(|field| field.as_str()).collect()),
            _ => None,
        });
        composite.unwrap_or_else(|| {
            let is_key = |field: &&FieldDecl| {
                field.attributes.iter().any(|attribute| attribute.kind == FieldAttributeKind::Id)
            };
            entity.fields().filter(is_key).map(|field| field.name.as_str()).collect()
        })
    }

    /// The entities that rows of this entity refer to.
    fn parents(entity: &EntityDecl) -> impl Iterator<Item = &str> {
        entity.fields().flat_map(|field| &field.attributes).filter_map(|attribute| match &attribute.kind {
            FieldAttributeKind::Relation(relation) => relation.key.as_ref().map(|key| key.target.as_str()),
            _ => None,
        })
    }

    /// The positions of `names` in an order in which parents come before their children, as far as there is one.
    pub(crate) fn parents_first(&self, names: &[String]) -> Result<Vec<usize>> {
        let entities = names.iter().map(|name| self.entity(name)).collect::<Result<Vec<_>>>()?;
        let mut order: Vec<usize> = Vec::with_capacity(names.len());
        while order.len() < names.len() {
            let waits = |at: usize| {
                Model::parents(entities[at]).any(|parent| {
                    parent != names[at]
                        && names.iter().enumerate().any(|(i, name)| name == parent && !order.contains(&i))
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

#[cfg(test)]
mod tests;
