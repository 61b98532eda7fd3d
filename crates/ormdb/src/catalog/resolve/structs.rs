//! Embedded structs: a schema text with them becomes one without, in which every member is a field of its entity
//! under a dotted name (`home.city`), and every optional struct has a presence flag (`billing?`).
//!
//! What the members are to their structs stands beside the text, in [`Flat`]: the passes behind this one see fields only,
//! and [`record`] brings both together in the entity.
//!
//! Invariants: (1) a field that a member becomes keeps the place in the text of the member, so that errors show it;
//! (2) a member is what it was before: under the name of before of the struct, of itself, or of both.

use std::collections::{HashMap, HashSet};

use ormdb_proto::error::Span;
use ormdb_proto::schema::{Embedded, Entity, Field, FieldId, Membership, PRESENCE_SIGN, Schema, StructType};
use ormdb_proto::{Error, ErrorCode, Value};

use super::identity::{NewName, OldName, match_names};
use super::{FIELDS_MAX, Resolver};
use crate::text::ast::{
    EntityAttributeKind, EntityDecl, FieldAttributeKind, FieldDecl, Item, Member, Name, SchemaAst, TypeName,
    TypeRef,
};
use crate::text::parse_schema;
use flattener::Flattener;

mod flattener;

/// How deep structs nest at most.
const DEPTH_MAX: usize = 16;

/// A text without structs, and what stood there.
pub(super) struct Flat {
    pub(super) ast: SchemaAst,
    /// The structs of each entity, by its name.
    embedded: HashMap<String, Vec<EmbeddedDraft>>,
    /// The members of structs, by entity and field.
    members: HashMap<(String, String), MemberDraft>,
    /// The fields of entities whose type is a struct.
    names: Vec<Name>,
    /// Fields of a struct that were reported, by entity.
    pub(super) broken: HashMap<String, HashSet<String>>,
}

struct EmbeddedDraft {
    path: String,
    struct_name: String,
    doc: Option<String>,
    optional: bool,
    /// The path of the nearest optional struct around it.
    inside: Option<String>,
}

struct MemberDraft {
    presence: bool,
    inside: Option<String>,
    required: bool,
    /// Whether the rows that were there before have the struct, which was required.
    was_required: bool,
}

impl Flat {
    /// Whether a place of the text is in the declaration of a struct.
    pub(super) fn is_in_struct(&self, span: Option<Span>) -> bool {
        let is_in = |decl: &EntityDecl| {
            let ends =
                decl.fields().flat_map(|f| f.attributes.iter().map(|a| a.span.end).chain([f.ty.span.end]));
            let end = ends.max().unwrap_or(decl.name.span.end);
            span.is_some_and(|span| decl.name.span.start <= span.start && span.start <= end)
        };
        self.ast.structs().any(is_in)
    }

    /// Whether a field became one of a member of a struct.
    pub(super) fn is_member(&self, entity: &str, field: &Name) -> bool {
        self.members.contains_key(&(entity.to_owned(), field.text.clone()))
    }

    /// Whether values of a field can be null: where a struct around it is, they are.
    pub(super) fn optional(&self, entity: &str, decl: &FieldDecl) -> bool {
        let member = self.members.get(&(entity.to_owned(), decl.name.text.clone()));
        decl.ty.optional || member.is_some_and(|m| m.inside.is_some())
    }
}

/// The name of the presence flag of a struct.
fn presence_name(path: &str) -> String {
    format!("{path}{PRESENCE_SIGN}")
}

/// A text in which structs that nothing has stand each in an entity: what is wrong with their members is told there, as
/// for all others. None if there are no such structs.
pub(super) fn trial(plain: &SchemaAst) -> Option<SchemaAst> {
    let fields = plain.entities().chain(plain.structs()).flat_map(EntityDecl::fields);
    let used: HashSet<&str> = fields
        .filter_map(|field| match &field.ty.name {
            TypeName::Named(name) => Some(name.as_str()),
            TypeName::Scalar(_) => None,
        })
        .collect();
    let unused: Vec<&EntityDecl> = plain.structs().filter(|s| !used.contains(s.name.as_str())).collect();
    let pattern = parse_schema("entity Trial {\n  id int64 @id\n  of Trial\n}\n").ok()?;
    let pattern = pattern.entities().next().filter(|_| !unused.is_empty())?;
    let is_entity = |item: &&Item| matches!(item, Item::Entity(_));
    let mut items: Vec<Item> = plain.items.iter().filter(|item| !is_entity(item)).cloned().collect();
    for decl in unused {
        let mut entity = pattern.clone();
        entity.name = Name { text: format!("struct {}", decl.name), span: decl.name.span };
        for member in &mut entity.members {
            if let Member::Field(FieldDecl { name, ty: TypeRef { name: TypeName::Named(of), .. }, .. }) =
                member
            {
                *of = decl.name.clone();
                decl.name.text.rsplit('.').next().unwrap_or_default().clone_into(&mut name.text);
            }
        }
        items.push(Item::Entity(entity));
    }
    Some(SchemaAst { items, tail: Vec::new() })
}

/// The text without structs.
pub(super) fn flatten(ast: SchemaAst, previous: &Schema, errors: &mut Vec<Error>) -> Flat {
    let mut structs = HashMap::new();
    for decl in ast.structs() {
        structs.entry(decl.name.text.clone()).or_insert_with(|| decl.clone());
    }
    let mut flat = Flat {
        ast: SchemaAst { items: Vec::new(), tail: Vec::new() },
        embedded: HashMap::new(),
        members: HashMap::new(),
        names: Vec::new(),
        broken: HashMap::new(),
    };
    let usable = check_structs(&ast, &structs, errors);
    for mut item in ast.items {
        if let Item::Entity(decl) = &mut item {
            let was = previous_entity(decl, previous);
            let mut flattener = Flattener {
                structs: &structs,
                usable: &usable,
                entity: decl.name.text.clone(),
                names: decl.fields().map(|f| f.name.text.clone()).collect(),
                was,
                fields: Vec::new(),
                flat: &mut flat,
                errors,
            };
            let members = std::mem::take(&mut decl.members);
            decl.members = flattener.members(members);
        }
        flat.ast.items.push(item);
    }
    flat
}

fn previous_entity<'p>(decl: &EntityDecl, previous: &'p Schema) -> Option<&'p Entity> {
    let was = decl.attributes().find_map(|a| match &a.kind {
        EntityAttributeKind::Was(name) => Some(name.as_str()),
        _ => None,
    });
    previous.entity(&decl.name.text).or_else(|| previous.entity(was?))
}

/// Reports what is wrong with structs wherever they are used. Gives the names of those that can be used.
fn check_structs(
    ast: &SchemaAst,
    structs: &HashMap<String, EntityDecl>,
    errors: &mut Vec<Error>,
) -> HashSet<String> {
    let mut first: HashMap<&str, &Name> = HashMap::new();
    let mut related = HashSet::new();
    for decl in ast.structs() {
        let name = &decl.name;
        let other =
            ast.items.iter().find(|item| !matches!(item, Item::Struct(_)) && item.name().text == name.text);
        let taken = first.insert(name.as_str(), name).or(other.map(Item::name));
        if let Some(taken) = taken {
            errors.push(
                Error::new(ErrorCode::DuplicateName, format!("`{name}` is declared twice"))
                    .span(name.span)
                    .hint(format!("the first is in line {}", taken.span.line)),
            );
        }
        if check_members(ast, decl, structs, errors) {
            related.insert(name.as_str());
        }
    }
    let mut sizes = HashMap::new();
    for decl in ast.structs() {
        let mut path = Vec::new();
        size(decl, structs, &mut sizes, &mut path, errors);
    }
    let usable = |name: &String, size: Option<Size>| size.is_some() && !related.contains(name.as_str());
    sizes.into_iter().filter(|(name, size)| usable(name, *size)).map(|(name, _)| name).collect()
}

/// Reports members that a struct cannot have. Says whether there are relations, which no entity can take apart.
fn check_members(
    ast: &SchemaAst,
    decl: &EntityDecl,
    structs: &HashMap<String, EntityDecl>,
    errors: &mut Vec<Error>,
) -> bool {
    let mut related = false;
    let mut wrong = |span, message: String, hint: &str| {
        errors.push(Error::new(ErrorCode::InvalidSchema, message).span(span).hint(hint));
    };
    for attribute in decl.attributes().filter(|a| !matches!(a.kind, EntityAttributeKind::Was(_))) {
        let word = attribute.kind.word();
        let message = format!("`@@{word}` stands in struct `{}`, and is for entities", decl.name);
        wrong(attribute.span, message, "write it in the entity, over dotted names: `@@index(home.city)`");
    }
    if decl.fields().next().is_none() {
        let message = format!("struct `{}` has no members", decl.name);
        wrong(decl.name.span, message, "a struct has at least one member");
    }
    for member in decl.fields() {
        let name = &member.name;
        let is_entity = match &member.ty.name {
            TypeName::Named(of) => ast.entities().any(|e| e.name.text == of.text),
            TypeName::Scalar(_) => false,
        };
        if is_entity {
            related = true;
            let message =
                format!("`{name}` of struct `{}` is a relation, which a struct cannot have", decl.name);
            let hint =
                "write the relation in the entity, over a member: `@relation(home.countryId -> Country.id)`";
            wrong(member.ty.span, message, hint);
        }
        if let Some(computed) = &member.computed {
            let message = format!("`{name}` of struct `{}` cannot be computed", decl.name);
            wrong(computed.span, message, "compute a field of the entity from its members");
        }
        for attribute in &member.attributes {
            let hint = match &attribute.kind {
                FieldAttributeKind::Check(_) | FieldAttributeKind::Was(_) => continue,
                FieldAttributeKind::Default(_) if !is_struct(member, structs) => continue,
                FieldAttributeKind::Default(_) => "write defaults at the members of the inner struct",
                FieldAttributeKind::Id => "write `@@id(…)` in the entity, over a dotted name",
                FieldAttributeKind::Unique { .. } => "write `@@unique(…)` in the entity, over a dotted name",
                FieldAttributeKind::Stored if member.computed.is_some() => continue,
                FieldAttributeKind::Stored => "compute a field of the entity from its members",
                FieldAttributeKind::UpdatedAt => "write it at a field of the entity",
                FieldAttributeKind::Map(_) => "members of a struct have no names outside",
                FieldAttributeKind::Relation(_) | FieldAttributeKind::Through(_) => {
                    if is_entity {
                        continue;
                    }
                    "write the relation in the entity"
                }
            };
            let word = attribute.kind.word();
            let message = format!("`{name}` is a member of struct `{}` and cannot have `@{word}`", decl.name);
            wrong(attribute.span, message, hint);
        }
    }
    related
}

fn struct_of<'s>(field: &FieldDecl, structs: &'s HashMap<String, EntityDecl>) -> Option<&'s EntityDecl> {
    match &field.ty.name {
        TypeName::Named(name) => structs.get(&name.text),
        TypeName::Scalar(_) => None,
    }
}

fn is_struct(field: &FieldDecl, structs: &HashMap<String, EntityDecl>) -> bool {
    struct_of(field, structs).is_some()
}

/// How large a struct is, with those inside of it.
#[derive(Clone, Copy)]
struct Size {
    /// How many fields it becomes.
    fields: usize,
    /// How many structs are inside of each other, itself counted.
    depth: usize,
}

/// How large a struct is; none if it contains itself or is too large, which is reported once.
fn size(
    decl: &EntityDecl,
    structs: &HashMap<String, EntityDecl>,
    sizes: &mut HashMap<String, Option<Size>>,
    path: &mut Vec<String>,
    errors: &mut Vec<Error>,
) -> Option<Size> {
    if let Some(size) = sizes.get(&decl.name.text) {
        return *size;
    }
    path.push(decl.name.text.clone());
    let mut total = Some(Size { fields: 0, depth: 1 });
    for member in decl.fields() {
        let Some(inner) = struct_of(member, structs) else {
            total = total.map(|of| Size { fields: of.fields.saturating_add(1), ..of });
            continue;
        };
        let inner_size = if path.contains(&inner.name.text) {
            let message = format!("struct `{}` contains itself", inner.name);
            let hint = "use an entity with a relation to itself, or a `json` field";
            errors.push(Error::new(ErrorCode::InvalidSchema, message).span(member.ty.span).hint(hint));
            None
        } else if path.len() < DEPTH_MAX {
            size(inner, structs, sizes, path, errors)
        } else {
            // Looked at no further, so that a chain of any length stays on the stack.
            let outer = path.first().map_or("", String::as_str);
            errors.push(too_deep(outer).span(member.ty.span));
            None
        };
        total = total.zip(inner_size).map(|(of, inner)| Size {
            fields: of.fields.saturating_add(inner.fields).saturating_add(1),
            depth: of.depth.max(inner.depth.saturating_add(1)),
        });
    }
    path.pop();
    let name = &decl.name;
    let too_large = total.and_then(|of| {
        if of.depth > DEPTH_MAX {
            Some(too_deep(name.as_str()))
        } else if of.fields > FIELDS_MAX {
            let message = format!("struct `{name}` has more than {FIELDS_MAX} members, inner ones counted");
            Some(Error::new(ErrorCode::LimitExceeded, message))
        } else {
            None
        }
    });
    if let Some(error) = too_large {
        errors.push(error.span(name.span));
        total = None;
    }
    sizes.insert(name.text.clone(), total);
    total
}

fn too_deep(name: &str) -> Error {
    let message = format!("the structs in struct `{name}` nest more than {DEPTH_MAX} deep");
    Error::new(ErrorCode::LimitExceeded, message)
}

/// The structs of the schema, each with the id that it had.
pub(super) fn resolve(resolver: &mut Resolver<'_>) {
    let decls: Vec<&EntityDecl> = resolver.ast.structs().collect();
    let (previous, flat) = (resolver.previous, resolver.flat);
    for name in &flat.names {
        resolver.check_name("a field", name);
    }
    for decl in &decls {
        resolver.check_name("a struct", &decl.name);
        for member in decl.fields() {
            resolver.check_name("a member", &member.name);
        }
        check_types(resolver, decl);
    }
    let was = |decl: &&'_ EntityDecl| -> Option<Name> {
        decl.attributes().find_map(|a| match &a.kind {
            EntityAttributeKind::Was(name) => Some(name.clone()),
            _ => None,
        })
    };
    let was: Vec<Option<Name>> = decls.iter().map(was).collect();
    let old: Vec<OldName<'_>> = previous.structs.iter().map(|s| OldName { name: &s.name }).collect();
    let new: Vec<NewName<'_>> =
        decls.iter().zip(&was).map(|(d, was)| NewName::new(&d.name, was.as_ref())).collect();
    // A struct holds no data of its own: nothing is lost with one that goes, and nothing has to be asked.
    let matched = match_names("struct", "", &old, &new, |_, _| false, &mut resolver.errors);
    for (decl, at) in decls.iter().zip(matched) {
        let was = at.and_then(|at| previous.structs.get(at));
        let id = was.map_or_else(|| resolver.struct_id(), |was| was.id);
        resolver.structs.push(StructType {
            id,
            name: decl.name.text.clone(),
            doc: decl.notes.doc(),
            members: decl.fields().map(|f| f.name.text.clone()).collect(),
        });
    }
}

/// Reports types of members that are not there, once, wherever the struct is used.
fn check_types(resolver: &mut Resolver<'_>, decl: &EntityDecl) {
    let mut first = HashMap::new();
    for member in decl.fields() {
        if let Some(span) = first.insert(member.name.text.as_str(), member.name.span) {
            resolver.duplicate("member", &member.name, span);
        }
        let TypeName::Named(name) = &member.ty.name else { continue };
        let ast = resolver.ast;
        let is = |item: &Item| item.name().text == name.text;
        if !ast.items.iter().any(is) {
            resolver.unknown_type(name);
        }
    }
}

/// Says of the fields of the entity at `at` what they are to its structs, and of its structs what they are.
pub(super) fn record(resolver: &mut Resolver<'_>, at: usize) {
    let flat = resolver.flat;
    let Some(draft) = resolver.drafts.get_mut(at) else { return };
    let entity = &mut draft.entity;
    let ids: HashMap<String, FieldId> = entity.fields.iter().map(|f| (f.name.clone(), f.id)).collect();
    let flag = |path: &Option<String>| ids.get(&presence_name(path.as_deref()?)).copied();
    for field in &mut entity.fields {
        let Some(member) = flat.members.get(&(entity.name.clone(), field.name.clone())) else { continue };
        let inside = flag(&member.inside);
        field.embedded = Some(Membership { presence: member.presence, inside, required: member.required });
        field.hidden = member.presence;
        if member.presence && member.was_required && field.since_layout == 0 {
            field.absent_value = Value::Bool(true);
        }
    }
    for embedded in flat.embedded.get(&entity.name).into_iter().flatten() {
        let Some(of) = resolver.structs.iter().find(|s| s.name == embedded.struct_name) else { continue };
        entity.embedded.push(Embedded {
            path: embedded.path.clone(),
            struct_type: of.id,
            doc: embedded.doc.clone(),
            presence: embedded.optional.then(|| ids.get(&presence_name(&embedded.path)).copied()).flatten(),
            inside: flag(&embedded.inside),
        });
    }
}

/// The value that rows have in a new member that their layout lacks: none inside of an optional struct, which they lack
/// as well or which may be null. A new presence flag says whether they have the struct.
pub(super) fn absent_value(field: &Field) -> Option<Value> {
    let member = field.embedded?;
    if member.presence {
        return Some(field.absent_value.clone());
    }
    member.inside.map(|_| Value::Null)
}
