//! Entities and their fields: names, types, generated defaults, and which old field each one is.

use std::collections::{HashMap, HashSet};

use ormdb_proto::schema::{
    Computation, Default, Entity, EntityId, Field, FieldType, Generator, PRESENCE_SIGN, Relation, RelationId,
    ScalarType,
};
use ormdb_proto::{Error, ErrorCode, Value};

use super::identity::{NewName, OldName, match_names};
use super::{Draft, ENTITIES_MAX, FIELDS_MAX, RELATIONS_MAX, RelationDraft, Resolver, structs};
use crate::text::ast::{
    DefaultDecl, EntityAttributeKind, EntityDecl, FieldAttributeKind, FieldDecl, Name, TypeName,
};

pub(super) fn resolve(resolver: &mut Resolver<'_>) {
    add_drafts(resolver);
    for at in 0..resolver.drafts.len() {
        if let Some(decl) = resolver.drafts.get(at).and_then(|d| d.decl) {
            add_members(resolver, at, decl);
        }
    }
}

fn add_drafts(resolver: &mut Resolver<'_>) {
    let decls: Vec<&EntityDecl> = resolver.ast.entities().collect();
    if let Some(last) = decls.last() {
        resolver.limit("entities", last.name.span, ENTITIES_MAX, decls.len());
    }
    let mut first = HashMap::new();
    for decl in &decls {
        resolver.check_name("an entity", &decl.name);
        if let Some(span) = first.insert(decl.name.text.as_str(), decl.name.span) {
            resolver.duplicate("entity", &decl.name, span);
        }
        let enum_decl = resolver.ast.enums().find(|e| e.name.text == decl.name.text);
        if let Some(other) = enum_decl {
            resolver.duplicate("enum or entity", &decl.name, other.name.span);
        }
    }
    let declared: Vec<&Entity> = resolver.previous.entities.iter().filter(|e| !e.implied).collect();
    let old: Vec<OldName<'_>> = declared.iter().map(|e| OldName { name: &e.name }).collect();
    let new: Vec<NewName<'_>> = decls.iter().map(|d| NewName::new(&d.name, was_of(d))).collect();
    let alike = |old: usize, new: usize| match (declared.get(old), decls.get(new)) {
        (Some(old), Some(new)) => alike_entities(old, new),
        _ => false,
    };
    let matched = match_names("entity", "", &old, &new, alike, &mut resolver.errors);
    for (decl, at) in decls.iter().zip(matched) {
        let was = at.and_then(|at| declared.get(at).copied());
        let id = was.map_or_else(|| resolver.entity_id(), |was| was.id);
        let mut entity = new_entity(id, decl.name.text.clone());
        entity.doc = decl.notes.doc();
        entity.mapped_name = decl.attributes().find_map(|a| match &a.kind {
            EntityAttributeKind::Map(name) => Some(name.text.clone()),
            _ => None,
        });
        if let Some(was) = was {
            entity.next_field = was.next_field;
            entity.layout = was.layout;
        }
        let draft = Draft { decl: Some(decl), was, entity, relations: Vec::new(), broken: HashSet::new() };
        resolver.drafts.push(draft);
    }
    for decl in decls {
        let mut kinds = HashMap::new();
        for attribute in decl.attributes() {
            let once = match attribute.kind {
                EntityAttributeKind::Id(_)
                | EntityAttributeKind::Map(_)
                | EntityAttributeKind::Was(_)
                | EntityAttributeKind::Order(_)
                | EntityAttributeKind::SoftDelete(_) => true,
                EntityAttributeKind::Unique { .. }
                | EntityAttributeKind::Index(_)
                | EntityAttributeKind::Check(_) => false,
            };
            let word = attribute.kind.word();
            if once && let Some(span) = kinds.insert(word, attribute.span) {
                let name = Name { text: format!("@@{word}"), span: attribute.span };
                resolver.duplicate("attribute", &name, span);
            }
        }
    }
}

/// An entity without members.
pub(super) fn new_entity(id: EntityId, name: String) -> Entity {
    Entity {
        id,
        name,
        mapped_name: None,
        doc: None,
        implied: false,
        fields: Vec::new(),
        embedded: Vec::new(),
        primary_key: Vec::new(),
        relations: Vec::new(),
        foreign_keys: Vec::new(),
        indexes: Vec::new(),
        checks: Vec::new(),
        default_order: Vec::new(),
        soft_delete: None,
        layout: 1,
        next_field: 1,
    }
}

fn was_of(decl: &EntityDecl) -> Option<&Name> {
    decl.attributes().find_map(|a| match &a.kind {
        EntityAttributeKind::Was(name) => Some(name),
        _ => None,
    })
}

/// Whether most fields have the same names; one name alone, as `id`, says little.
fn alike_entities(old: &Entity, new: &EntityDecl) -> bool {
    let known = |f: &&FieldDecl| old.field(&f.name.text).is_some_and(|f| !f.hidden);
    let same = new.fields().filter(known).count();
    let old_count = old.fields.iter().filter(|f| !f.hidden).count();
    let new_count = new.fields().filter(|f| matches!(f.ty.name, TypeName::Scalar(_))).count();
    let count = old_count.max(new_count);
    same * 2 >= count && (same > 1 || count == 1)
}

/// What the type of a member says.
enum MemberType {
    Field(FieldType),
    Relation(usize),
    /// A struct that was reported and not taken apart.
    Struct,
}

fn add_members<'a>(resolver: &mut Resolver<'a>, at: usize, decl: &'a EntityDecl) {
    let mut first = HashMap::new();
    let mut fields: Vec<(&FieldDecl, FieldType)> = Vec::new();
    let mut relations: Vec<(&FieldDecl, usize)> = Vec::new();
    let mut broken = resolver.flat.broken.get(&decl.name.text).cloned().unwrap_or_default();
    for member in decl.fields() {
        if !resolver.flat.is_member(&decl.name.text, &member.name) {
            resolver.check_name("a field", &member.name);
        }
        if let Some(span) = first.insert(member.name.text.as_str(), member.name.span) {
            resolver.duplicate("field", &member.name, span);
            continue;
        }
        match member_type(resolver, member) {
            Some(MemberType::Field(ty)) => fields.push((member, ty)),
            Some(MemberType::Relation(target)) => relations.push((member, target)),
            Some(MemberType::Struct) => {}
            None => {
                broken.insert(member.name.text.clone());
            }
        }
    }
    resolver.limit("fields of an entity", decl.name.span, FIELDS_MAX, fields.len());
    resolver.limit("relations of an entity", decl.name.span, RELATIONS_MAX, relations.len());
    add_fields(resolver, at, decl, &fields);
    structs::record(resolver, at);
    add_relations(resolver, at, decl, &relations);
    if let Some(draft) = resolver.drafts.get_mut(at) {
        draft.broken = broken;
    }
}

fn member_type(resolver: &mut Resolver<'_>, member: &FieldDecl) -> Option<MemberType> {
    let name = match &member.ty.name {
        TypeName::Scalar(scalar) => return Some(MemberType::Field(field_type(*scalar, member.ty.array))),
        TypeName::Named(name) => name,
    };
    if let Some(of) = resolver.enums.iter().find(|e| e.name == name.text) {
        return Some(MemberType::Field(field_type(ScalarType::Enum(of.id), member.ty.array)));
    }
    if let Some(target) = resolver.draft_named(&name.text) {
        return Some(MemberType::Relation(target));
    }
    if resolver.structs.iter().any(|s| s.name == name.text) {
        return Some(MemberType::Struct);
    }
    resolver.unknown_type(name);
    None
}

const fn field_type(scalar: ScalarType, array: bool) -> FieldType {
    if array { FieldType::Array(scalar) } else { FieldType::Scalar(scalar) }
}

fn was_attribute(decl: &FieldDecl) -> Option<&Name> {
    decl.attributes.iter().find_map(|a| match &a.kind {
        FieldAttributeKind::Was(name) => Some(name),
        _ => None,
    })
}

fn add_fields(resolver: &mut Resolver<'_>, at: usize, decl: &EntityDecl, fields: &[(&FieldDecl, FieldType)]) {
    let was = resolver.drafts.get(at).and_then(|d| d.was);
    let declared: Vec<&Field> =
        was.iter().flat_map(|e| &e.fields).filter(|f| !f.hidden || f.is_presence()).collect();
    let old: Vec<OldName<'_>> = declared.iter().map(|f| OldName { name: &f.name }).collect();
    let new: Vec<NewName<'_>> = fields.iter().map(|(f, _)| NewName::new(&f.name, was_attribute(f))).collect();
    let alike = |old: usize, new: usize| match (declared.get(old), fields.get(new)) {
        (Some(old), Some((new, ty))) => {
            let presence = new.name.text.ends_with(PRESENCE_SIGN);
            let depth = |name: &str| name.matches('.').count();
            // A presence flag is what its struct is, and is not asked about. No rename makes a field a member.
            same_kind(old.ty, *ty)
                && depth(&old.name) == depth(&new.name.text)
                && old.computed.is_none()
                && new.computed.is_none()
                && !old.is_presence()
                && !presence
        }
        _ => false,
    };
    let inside = format!(" of `{}`", decl.name);
    let matched = match_names("field", &inside, &old, &new, alike, &mut resolver.errors);
    let entity_name = decl.name.text.clone();
    for ((decl, ty), old) in fields.iter().zip(matched) {
        let was = old.and_then(|at| declared.get(at).copied());
        let default = check_attributes(resolver, decl, *ty);
        let labels = label_renames(resolver, *ty);
        let Some(draft) = resolver.drafts.get_mut(at) else { return };
        let id = was.map_or_else(|| draft.field_id(), |was| was.id);
        let absent_value = match was {
            Some(was) if same_kind(was.ty, *ty) => relabelled(&was.absent_value, &labels),
            _ => Value::Null,
        };
        draft.entity.fields.push(Field {
            id,
            name: decl.name.text.clone(),
            mapped_name: decl.attributes.iter().find_map(|a| match &a.kind {
                FieldAttributeKind::Map(name) => Some(name.text.clone()),
                _ => None,
            }),
            doc: decl.notes.doc(),
            ty: *ty,
            optional: resolver.flat.optional(&entity_name, decl),
            default,
            updated_at: decl.attributes.iter().any(|a| matches!(a.kind, FieldAttributeKind::UpdatedAt)),
            computed: decl.computed.as_ref().map(|c| c.expr.clone()),
            computation: if is_stored(decl) { Computation::WhenWritten } else { Computation::WhenRead },
            hidden: false,
            embedded: None,
            since_layout: was.map_or(0, |was| was.since_layout),
            absent_value,
        });
    }
}

/// Whether a field is computed and says `@stored`.
fn is_stored(decl: &FieldDecl) -> bool {
    decl.computed.is_some() && decl.attributes.iter().any(|a| matches!(a.kind, FieldAttributeKind::Stored))
}

/// Whether a value of one type is one of the other but for its size.
fn same_kind(a: FieldType, b: FieldType) -> bool {
    std::mem::discriminant(&a) == std::mem::discriminant(&b)
        && std::mem::discriminant(&a.scalar()) == std::mem::discriminant(&b.scalar())
}

/// Old and new names of the labels that were renamed, where the type is an enum.
fn label_renames(resolver: &Resolver<'_>, ty: FieldType) -> HashMap<String, String> {
    let ScalarType::Enum(id) = ty.scalar() else { return HashMap::new() };
    let (Some(was), Some(is)) =
        (resolver.previous.enum_by_id(id), resolver.enums.iter().find(|e| e.id == id))
    else {
        return HashMap::new();
    };
    let renamed = |l: &ormdb_proto::schema::EnumLabel| {
        is.label(l.position).filter(|name| *name != l.name).map(|name| (l.name.clone(), name.to_owned()))
    };
    was.labels.iter().filter_map(renamed).collect()
}

fn relabelled(value: &Value, labels: &HashMap<String, String>) -> Value {
    match value {
        Value::Enum(label) => Value::Enum(labels.get(label).unwrap_or(label).clone()),
        Value::Array(items) => Value::Array(items.iter().map(|v| relabelled(v, labels)).collect()),
        other => other.clone(),
    }
}

/// Reports attributes that contradict the field, and gives its default; an expression is checked later.
fn check_attributes(resolver: &mut Resolver<'_>, decl: &FieldDecl, ty: FieldType) -> Option<Default> {
    let mut default = None;
    for attribute in &decl.attributes {
        let word = attribute.kind.word();
        match &attribute.kind {
            FieldAttributeKind::Relation(_) | FieldAttributeKind::Through(_) => resolver.invalid(
                attribute.span,
                format!("`{}` is a field of a value, and `@{word}` is for relations", decl.name),
                "write the entity that it leads to as the type",
            ),
            FieldAttributeKind::Stored if decl.computed.is_none() => resolver.invalid(
                attribute.span,
                format!("`{}` is stored already, and `@stored` is for computed fields", decl.name),
                "remove it, or write an expression: `= …`",
            ),
            FieldAttributeKind::Default(_) | FieldAttributeKind::UpdatedAt if is_stored(decl) => {
                let message = format!("`{}` is computed, so that `@{word}` has no meaning", decl.name);
                resolver.invalid(attribute.span, message, "remove the attribute or the expression");
            }
            FieldAttributeKind::Id
            | FieldAttributeKind::Default(_)
            | FieldAttributeKind::Unique { .. }
            | FieldAttributeKind::UpdatedAt
                if decl.computed.is_some() && !is_stored(decl) =>
            {
                resolver.invalid(
                    attribute.span,
                    format!("`{}` is computed when it is read, so that `@{word}` has no meaning", decl.name),
                    "remove the attribute or the expression",
                );
            }
            FieldAttributeKind::Default(DefaultDecl::Generated(generator)) => {
                check_generator(resolver, decl, ty, *generator, attribute.span);
                default = Some(Default::Generated(*generator));
            }
            FieldAttributeKind::Default(DefaultDecl::Expr(text)) => {
                default = Some(Default::Expr(text.expr.clone()));
            }
            FieldAttributeKind::UpdatedAt if !takes_time(ty) => resolver.invalid(
                attribute.span,
                format!("`{}` is set to the time of every write, and is no datetime", decl.name),
                "make it a datetime",
            ),
            FieldAttributeKind::Id
            | FieldAttributeKind::Unique { .. }
            | FieldAttributeKind::Check(_)
            | FieldAttributeKind::UpdatedAt
            | FieldAttributeKind::Stored
            | FieldAttributeKind::Was(_)
            | FieldAttributeKind::Map(_) => {}
        }
    }
    default
}

const fn takes_time(ty: FieldType) -> bool {
    matches!(ty, FieldType::Scalar(ScalarType::DateTime | ScalarType::LocalDateTime))
}

fn check_generator(
    resolver: &mut Resolver<'_>,
    decl: &FieldDecl,
    ty: FieldType,
    generator: Generator,
    span: ormdb_proto::error::Span,
) {
    let text_of = |chars: u32| match ty {
        FieldType::Scalar(ScalarType::String { chars_max }) => chars_max.is_none_or(|max| max >= chars),
        _ => false,
    };
    let (fits, wanted) = match generator {
        Generator::Autoincrement => (
            matches!(ty, FieldType::Scalar(ScalarType::Int16 | ScalarType::Int32 | ScalarType::Int64)),
            "an int16, int32 or int64",
        ),
        Generator::UuidV4 | Generator::UuidV7 => {
            (matches!(ty, FieldType::Scalar(ScalarType::Uuid)), "a uuid")
        }
        Generator::Cuid => (text_of(25), "a string of at least 25 characters"),
        Generator::Ulid => (text_of(26), "a string of at least 26 characters"),
        Generator::Nanoid => (text_of(21), "a string of at least 21 characters"),
        Generator::Now => (
            takes_time(ty) || matches!(ty, FieldType::Scalar(ScalarType::Date | ScalarType::Time)),
            "a datetime, local_datetime, date or time",
        ),
    };
    if !fits {
        let message = format!("the default of `{}` makes {wanted}", decl.name);
        let error = Error::new(ErrorCode::TypeMismatch, message).field(&decl.name.text).span(span);
        resolver.error(error.hint("change the type or the default"));
    }
}

fn add_relations<'a>(
    resolver: &mut Resolver<'a>,
    at: usize,
    decl: &EntityDecl,
    relations: &[(&'a FieldDecl, usize)],
) {
    let was = resolver.drafts.get(at).and_then(|d| d.was);
    let known: Vec<&Relation> = was.iter().flat_map(|e| &e.relations).collect();
    let old: Vec<OldName<'_>> = known.iter().map(|r| OldName { name: &r.name }).collect();
    let new: Vec<NewName<'_>> =
        relations.iter().map(|(r, _)| NewName::new(&r.name, was_attribute(r))).collect();
    let alike = |old: usize, new: usize| match (known.get(old), relations.get(new)) {
        (Some(old), Some((new, target))) => {
            let target = resolver.drafts.get(*target).map(|d| d.entity.id);
            Some(old.target) == target && old.kind.is_to_one() != new.ty.array
        }
        _ => false,
    };
    let inside = format!(" of `{}`", decl.name);
    let mut errors = Vec::new();
    let matched = match_names("relation", &inside, &old, &new, alike, &mut errors);
    resolver.errors.append(&mut errors);
    for ((decl, target), old) in relations.iter().zip(matched) {
        check_relation_attributes(resolver, decl);
        let id = old.and_then(|at| known.get(at)).map(|r| r.id);
        let id: RelationId = id.unwrap_or_else(|| resolver.relation_id());
        if let Some(draft) = resolver.drafts.get_mut(at) {
            draft.relations.push(RelationDraft { decl, target: *target, id });
        }
    }
}

fn check_relation_attributes(resolver: &mut Resolver<'_>, decl: &FieldDecl) {
    for attribute in &decl.attributes {
        match attribute.kind {
            FieldAttributeKind::Relation(_) | FieldAttributeKind::Through(_) | FieldAttributeKind::Was(_) => {
            }
            FieldAttributeKind::Id
            | FieldAttributeKind::Default(_)
            | FieldAttributeKind::Unique { .. }
            | FieldAttributeKind::Check(_)
            | FieldAttributeKind::UpdatedAt
            | FieldAttributeKind::Stored
            | FieldAttributeKind::Map(_) => {
                let word = attribute.kind.word();
                resolver.invalid(
                    attribute.span,
                    format!("`{}` is a relation, and `@{word}` is for fields", decl.name),
                    "write it behind the fields that hold the foreign key",
                );
            }
        }
    }
    if let Some(computed) = &decl.computed {
        let message = format!("`{}` is a relation and cannot be computed", decl.name);
        resolver.invalid(computed.span, message, "write a scalar type");
    }
    if decl.ty.array && decl.ty.optional {
        let message = format!("`{}` leads to many, so that `?` has no meaning", decl.name);
        resolver.invalid(decl.ty.span, message, "remove the `?`; a list may be empty");
    }
}
