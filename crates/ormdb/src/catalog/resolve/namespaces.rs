//! Namespaces: a schema text with them becomes one without, in which every name of an enum, struct or entity has its
//! namespace before it: `billing.Invoice`.
//!
//! A name in a namespace means the thing of its own namespace, or else that of the top level: from inside to outside.
//! A name with a point means the thing of that namespace. What a thing was called before (`@@was`) is read alike.
//!
//! Invariant: a text without namespaces comes out as it went in, but for foreign keys whose field is a member of a
//! struct, where only the names of entities say which names are the field's.

use std::collections::{HashMap, HashSet};

use ormdb_proto::error::Span;
use ormdb_proto::schema::Schema;
use ormdb_proto::{Error, ErrorCode};

use crate::text::ast::{
    EntityAttributeKind, EntityDecl, EnumDecl, FieldAttributeKind, FieldDecl, ForeignKeyDecl, Item, Member,
    Name, NamespaceDecl, SchemaAst, TypeName,
};

/// The text without namespaces.
pub(super) fn flatten(ast: &SchemaAst, previous: &Schema, errors: &mut Vec<Error>) -> SchemaAst {
    let spaces: Vec<&NamespaceDecl> = ast
        .items
        .iter()
        .filter_map(|item| match item {
            Item::Namespace(decl) => Some(decl),
            Item::Enum(_) | Item::Struct(_) | Item::Entity(_) => None,
        })
        .collect();
    check_names(ast, &spaces, errors);
    let mut known = HashSet::new();
    let mut entities = HashSet::new();
    for (space, item) in ast.declarations() {
        let name = qualified(space.map(|s| s.name.as_str()), item.name().as_str());
        if matches!(item, Item::Entity(_)) {
            entities.insert(name.clone());
        }
        known.insert(name);
    }
    let mut items = Vec::new();
    for (space, item) in ast.declarations() {
        let scope =
            Scope { space: space.map(|s| s.name.as_str()), known: &known, entities: &entities, previous };
        let mut item = item.clone();
        match &mut item {
            Item::Enum(decl) => scope.enum_decl(decl),
            Item::Struct(decl) | Item::Entity(decl) => scope.entity_decl(decl),
            Item::Namespace(_) => {}
        }
        items.push(item);
    }
    SchemaAst { items, tail: ast.tail.clone() }
}

fn qualified(space: Option<&str>, name: &str) -> String {
    match space {
        Some(space) => format!("{space}.{name}"),
        None => name.to_owned(),
    }
}

/// Names with points would read as others; a namespace of the name of a thing would as well.
fn check_names(ast: &SchemaAst, spaces: &[&NamespaceDecl], errors: &mut Vec<Error>) {
    let mut things: HashMap<&str, Span> = HashMap::new();
    for (space, item) in ast.declarations() {
        let name = item.name();
        pointed(name, errors);
        if space.is_none() {
            things.insert(name.as_str(), name.span);
        }
    }
    let mut first = HashSet::new();
    for name in spaces.iter().map(|space| &space.name).filter(|name| first.insert(name.as_str())) {
        pointed(name, errors);
        if name.text.starts_with('_') {
            let message =
                format!("`{name}` cannot name a namespace: names that begin with `_` are ormDB's own");
            errors.push(Error::new(ErrorCode::InvalidSchema, message).span(name.span));
        }
        if let Some(other) = things.get(name.as_str()) {
            let message = format!("a namespace and something in no namespace are both named `{name}`");
            errors.push(
                Error::new(ErrorCode::DuplicateName, message)
                    .span(name.span)
                    .hint(format!("the other one is in line {}", other.line)),
            );
        }
    }
}

fn pointed(name: &Name, errors: &mut Vec<Error>) {
    if name.text.contains('.') {
        let message = format!("`{name}` cannot be a name: a point stands between a namespace and a name");
        let hint = "write `namespace … { … }` around the declaration";
        errors.push(Error::new(ErrorCode::InvalidSchema, message).span(name.span).hint(hint));
    }
}

/// Where a name stands.
struct Scope<'a> {
    space: Option<&'a str>,
    known: &'a HashSet<String>,
    entities: &'a HashSet<String>,
    previous: &'a Schema,
}

impl Scope<'_> {
    /// The whole name of what is declared here.
    fn declare(&self, name: &mut Name) {
        name.text = qualified(self.space, &name.text);
    }

    /// The whole name of what a name means here; the name itself if nothing is named so.
    fn resolve(&self, name: &mut Name) {
        let inner = qualified(self.space, &name.text);
        if self.known.contains(&inner) {
            name.text = inner;
        }
    }

    /// The whole name that something had: in this namespace, or in none.
    fn former(&self, was: &mut Name, is: &Name, existed: impl Fn(&str) -> bool) {
        let inner = qualified(self.space, &was.text);
        if inner != is.text && existed(&inner) {
            was.text = inner;
        }
    }

    fn enum_decl(&self, decl: &mut EnumDecl) {
        self.declare(&mut decl.name);
        if let Some(was) = &mut decl.was {
            self.former(was, &decl.name, |name| self.previous.enum_type(name).is_some());
        }
    }

    fn entity_decl(&self, decl: &mut EntityDecl) {
        self.declare(&mut decl.name);
        for member in &mut decl.members {
            match member {
                Member::Field(field) => self.field(field),
                Member::Attribute(attribute) => {
                    if let EntityAttributeKind::Was(was) = &mut attribute.kind {
                        let existed = |name: &str| {
                            self.previous.entity(name).is_some()
                                || self.previous.structs.iter().any(|s| s.name == name)
                        };
                        self.former(was, &decl.name, existed);
                    }
                }
            }
        }
    }

    fn field(&self, field: &mut FieldDecl) {
        if let TypeName::Named(name) = &mut field.ty.name {
            self.resolve(name);
        }
        for attribute in &mut field.attributes {
            match &mut attribute.kind {
                FieldAttributeKind::Relation(relation) => {
                    if let Some(key) = &mut relation.key {
                        self.target(key);
                    }
                }
                FieldAttributeKind::Through(through) => self.resolve(&mut through.edge),
                _ => {}
            }
        }
    }

    /// `-> Customer.home.zip`: the parser takes the last name alone for the field's.
    fn target(&self, key: &mut ForeignKeyDecl) {
        let mut entity = key.target.clone();
        let mut field = match key.references.as_slice() {
            [only] => only.text.clone(),
            _ => return self.resolve(&mut key.target),
        };
        loop {
            self.resolve(&mut entity);
            if self.entities.contains(&entity.text) {
                break;
            }
            let Some((shorter, name)) = entity.text.rsplit_once('.') else {
                return self.resolve(&mut key.target);
            };
            field = format!("{name}.{field}");
            entity.text = shorter.to_owned();
        }
        key.target = entity;
        if let Some(reference) = key.references.first_mut() {
            reference.text = field;
        }
    }
}
