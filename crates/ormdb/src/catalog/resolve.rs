//! A schema text and the schema before it become the next schema: names are resolved, things keep their ids, and what
//! the text leaves unsaid (hidden keys, indexes of foreign keys, implied edge entities, names) is filled in.
//!
//! Knows no data: whether a change can be applied to the rows that are there is [`super::diff`]'s.
//!
//! Invariants: (1) the same text and the same schema before it give the same schema, ids included; (2) all errors are
//! reported at once, each with its place; a name that failed once is not reported again where it is used.

use std::collections::HashSet;

use ormdb_proto::error::{Limit, Span};
use ormdb_proto::schema::{
    ConstraintId, Entity, EntityId, EnumId, EnumType, Field, FieldId, IndexId, NextIds, PRESENCE_SIGN,
    RelationId, SCALAR_NAMES, Schema, StructId, StructType,
};
use ormdb_proto::{Error, ErrorCode};

use self::structs::Flat;
use crate::expr::member;
use crate::text::ast::{EntityDecl, FieldDecl, Name, SchemaAst};

mod computed;
mod enums;
mod expressions;
mod fields;
mod identity;
mod indexes;
mod keys;
mod namespaces;
mod recomputed;
mod relations;
mod rewrite;
mod soft_delete;
mod structs;

pub(super) use rewrite::renamed;

/// The most entities of a schema, implied ones included.
const ENTITIES_MAX: usize = 10_000;
/// The most fields of an entity.
const FIELDS_MAX: usize = 1_600;
/// The most relations of an entity.
const RELATIONS_MAX: usize = 1_600;
/// The most indexes of an entity.
const INDEXES_MAX: usize = 256;
/// The most fields of a key or columns of an index.
const KEY_COLUMNS_MAX: usize = 32;
/// The most labels of an enum.
const LABELS_MAX: usize = 10_000;
/// The most characters of a name.
const NAME_CHARS_MAX: usize = 128;

/// The schema that follows `previous` by this text; its version is one higher.
///
/// New indexes and constraints of entities that were there before are `Backfilling`; all others are `Public`.
///
/// # Errors
/// Everything that is wrong with the text, in the order of the text.
pub fn resolve(ast: &SchemaAst, previous: &Schema) -> Result<Schema, Vec<Error>> {
    let mut errors = Vec::new();
    let plain = namespaces::flatten(ast, previous, &mut errors);
    let trial = structs::trial(&plain);
    let schema = resolve_plain(plain, previous, errors)?;
    match trial {
        None => Ok(schema),
        Some(trial) => resolve_plain(trial, &Schema::empty(), Vec::new()).map(|_| schema),
    }
}

/// As [`resolve`], of a text without namespaces.
fn resolve_plain(plain: SchemaAst, previous: &Schema, mut errors: Vec<Error>) -> Result<Schema, Vec<Error>> {
    let flat = structs::flatten(plain, previous, &mut errors);
    let mut resolver = Resolver {
        ast: &flat.ast,
        flat: &flat,
        previous,
        next: previous.next_ids,
        enums: Vec::new(),
        structs: Vec::new(),
        drafts: Vec::new(),
        errors,
    };
    enums::resolve(&mut resolver);
    structs::resolve(&mut resolver);
    fields::resolve(&mut resolver);
    keys::resolve(&mut resolver);
    soft_delete::resolve(&mut resolver);
    indexes::resolve_declared(&mut resolver);
    relations::resolve(&mut resolver);
    indexes::add_for_foreign_keys(&mut resolver);
    soft_delete::add_indexes(&mut resolver);
    resolver.finish()
}

/// The schema on its way.
struct Resolver<'a> {
    /// The text without namespaces and structs.
    ast: &'a SchemaAst,
    flat: &'a Flat,
    previous: &'a Schema,
    next: NextIds,
    enums: Vec<EnumType>,
    structs: Vec<StructType>,
    drafts: Vec<Draft<'a>>,
    errors: Vec<Error>,
}

/// An entity on its way.
struct Draft<'a> {
    /// Its declaration; none of an implied edge entity.
    decl: Option<&'a EntityDecl>,
    /// What it was before.
    was: Option<&'a Entity>,
    entity: Entity,
    /// The relation fields, in the order of the text.
    relations: Vec<RelationDraft<'a>>,
    /// Members that have been reported: their uses are passed over.
    broken: HashSet<String>,
}

/// A relation on its way.
struct RelationDraft<'a> {
    decl: &'a FieldDecl,
    /// The place of the target among the drafts.
    target: usize,
    id: RelationId,
}

impl<'a> Resolver<'a> {
    fn error(&mut self, error: Error) {
        self.errors.push(error);
    }

    fn invalid(&mut self, span: Span, message: String, hint: &str) {
        self.errors.push(Error::new(ErrorCode::InvalidSchema, message).span(span).hint(hint));
    }

    /// Reports that there are more of something than allowed.
    fn limit(&mut self, what: &'static str, span: Span, allowed: usize, asked: usize) {
        if asked > allowed {
            let message = format!("{asked} are too many {what}; at most {allowed} are allowed");
            let mut error = Error::new(ErrorCode::LimitExceeded, message).span(span);
            let number = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
            error.detail.limit =
                Some(Limit { name: what.to_owned(), allowed: number(allowed), asked: number(asked) });
            self.errors.push(error);
        }
    }

    /// Reports a name that cannot be one.
    fn check_name(&mut self, what: &str, name: &Name) {
        let is_member = matches!(what, "a field" | "a member");
        // A declaration has its namespace before it.
        let own = if is_member { name.as_str() } else { bare(name) };
        if is_member && own.contains(['.', PRESENCE_SIGN]) {
            let message = format!("`{name}` cannot name {what}: `.` and `?` are signs of the language");
            self.errors.push(Error::new(ErrorCode::InvalidSchema, message).span(name.span));
        }
        if own.starts_with('_') {
            let bare = own.trim_start_matches('_').to_owned();
            let message = format!("`{name}` cannot name {what}: names that begin with `_` are ormDB's own");
            let mut error = Error::new(ErrorCode::InvalidSchema, message).span(name.span);
            error.detail.suggestion = (!bare.is_empty()).then_some(bare);
            self.errors.push(error);
        }
        self.limit("characters of a name", name.span, NAME_CHARS_MAX, name.text.chars().count());
    }

    fn duplicate(&mut self, what: &str, name: &Name, first: Span) {
        let message = format!("{what} `{name}` is declared twice");
        self.errors.push(
            Error::new(ErrorCode::DuplicateName, message)
                .span(name.span)
                .hint(format!("the first is in line {}", first.line)),
        );
    }

    /// Reports a type that is not there.
    fn unknown_type(&mut self, name: &Name) {
        let ast = self.ast;
        let known = ast.items.iter().map(|item| item.name().as_str());
        let error =
            Error::new(ErrorCode::UnknownName, format!("no type, enum, struct or entity is named `{name}`"))
                .span(name.span);
        self.error(suggest_name(error, &name.text, known.chain(SCALAR_NAMES)));
    }

    fn draft_named(&self, name: &str) -> Option<usize> {
        self.drafts.iter().position(|d| d.entity.name == name)
    }

    /// The field that a name of the text means, after the entity at `draft`. Reports it if there is none.
    fn field(&mut self, draft: usize, name: &Name) -> Option<Field> {
        let of = self.drafts.get(draft)?;
        if let Some(field) = of.entity.fields.iter().find(|f| f.name == name.text && !f.hidden) {
            return Some(field.clone());
        }
        if of.broken.contains(name.text.split('.').next().unwrap_or_default()) {
            return None;
        }
        let entity = &of.entity.name;
        let path: Vec<String> = name.text.split('.').map(str::to_owned).collect();
        let error = if let Some(error) = member::no_field(&of.entity, &path) {
            error
        } else if of.relations.iter().any(|r| r.decl.name.text == name.text) {
            Error::new(
                ErrorCode::InvalidSchema,
                format!("`{entity}.{name}` is a relation; a field is wanted here"),
            )
            .hint("name the fields that hold its foreign key")
        } else {
            let known = of.entity.fields.iter().filter(|f| !f.hidden).map(|f| f.name.as_str());
            Error::new(ErrorCode::UnknownField, format!("`{entity}` has no field `{name}`"))
                .suggest(&name.text, known)
        };
        let error = error.entity(entity).field(&name.text).span(name.span);
        self.errors.push(error);
        None
    }

    fn struct_id(&mut self) -> StructId {
        StructId(take(&mut self.next.struct_type))
    }

    fn entity_id(&mut self) -> EntityId {
        EntityId(take(&mut self.next.entity))
    }

    fn enum_id(&mut self) -> EnumId {
        EnumId(take(&mut self.next.enum_type))
    }

    fn relation_id(&mut self) -> RelationId {
        RelationId(take(&mut self.next.relation))
    }

    fn index_id(&mut self) -> IndexId {
        IndexId(take(&mut self.next.index))
    }

    fn constraint_id(&mut self) -> ConstraintId {
        ConstraintId(take(&mut self.next.constraint))
    }

    fn finish(mut self) -> Result<Schema, Vec<Error>> {
        let mut schema = Schema {
            version: self.previous.version + 1,
            enums: std::mem::take(&mut self.enums),
            structs: std::mem::take(&mut self.structs),
            entities: self.drafts.iter().map(|d| d.entity.clone()).collect(),
            next_ids: self.next,
        };
        computed::check(&mut self, &mut schema);
        expressions::resolve(&mut self, &mut schema);
        schema.next_ids = self.next;
        if self.errors.is_empty() {
            return Ok(schema);
        }
        self.errors.sort_by_key(|e| e.detail.span.map_or(u32::MAX, |s| s.start));
        // A member is a field of each entity that has its struct, and is told of once.
        let flat = self.flat;
        self.errors.dedup_by(|a, b| {
            a.detail.span == b.detail.span && a.code == b.code && flat.is_in_struct(a.detail.span)
        });
        Err(self.errors)
    }
}

impl Draft<'_> {
    fn field_id(&mut self) -> FieldId {
        FieldId(take(&mut self.entity.next_field))
    }
}

/// The name of a declaration without its namespace.
fn bare(name: &Name) -> &str {
    name.text.rsplit('.').next().unwrap_or_default()
}

/// Suggests the known name that is the unknown one behind a namespace, or else the nearest.
fn suggest_name<'n>(mut error: Error, unknown: &str, known: impl Iterator<Item = &'n str> + Clone) -> Error {
    let behind = |name: &&str| name.rsplit('.').next() == Some(unknown) && *name != unknown;
    let found: Vec<&str> = known.clone().filter(behind).collect();
    match found.as_slice() {
        [] => error.suggest(unknown, known),
        [only] => {
            error.detail.suggestion = Some((*only).to_owned());
            error
        }
        several => {
            let names: Vec<String> = several.iter().map(|name| format!("`{name}`")).collect();
            error.hint(format!("several namespaces have one: {}", names.join(", ")))
        }
    }
}

/// The next number of a counter. Four billion are never given in practice; the last one would stay.
fn take(next: &mut u32) -> u32 {
    let id = *next;
    *next = next.saturating_add(1);
    id
}

#[cfg(test)]
mod tests;
