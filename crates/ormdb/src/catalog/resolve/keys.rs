//! Primary keys: declared, or hidden where an entity declares none.

use ormdb_proto::Value;
use ormdb_proto::error::Span;
use ormdb_proto::schema::{Computation, Default, Field, FieldId, FieldType, Generator, ScalarType};

use super::{KEY_COLUMNS_MAX, Resolver};
use crate::text::ast::{EntityAttributeKind, EntityDecl, FieldAttributeKind, Name};

/// The name of a hidden primary key.
const HIDDEN: &str = "_id";

pub(super) fn resolve(resolver: &mut Resolver<'_>) {
    for at in 0..resolver.drafts.len() {
        let Some(decl) = resolver.drafts.get(at).and_then(|d| d.decl) else { continue };
        match declared(resolver, at, decl) {
            Some(key) => {
                if let Some(draft) = resolver.drafts.get_mut(at) {
                    draft.entity.primary_key = key;
                }
            }
            None => add_hidden(resolver, at),
        }
    }
}

fn declared(resolver: &mut Resolver<'_>, at: usize, decl: &EntityDecl) -> Option<Vec<FieldId>> {
    let mut names: Vec<&Name> = Vec::new();
    let mut place: Option<Span> = None;
    for field in decl.fields() {
        let Some(id) = field.attributes.iter().find(|a| matches!(a.kind, FieldAttributeKind::Id)) else {
            continue;
        };
        if place.is_some() {
            let message = format!("`{}` has more than one `@id`", decl.name);
            resolver.invalid(id.span, message, "write the fields of the key in order: `@@id(a, b)`");
            continue;
        }
        place = Some(id.span);
        names.push(&field.name);
    }
    for attribute in decl.attributes() {
        let EntityAttributeKind::Id(fields) = &attribute.kind else { continue };
        if place.is_some() {
            let message = format!("`{}` has both `@id` and `@@id`", decl.name);
            resolver.invalid(attribute.span, message, "keep one of them");
            continue;
        }
        place = Some(attribute.span);
        names.extend(fields);
    }
    let span = place?;
    resolver.limit("fields of a key", span, KEY_COLUMNS_MAX, names.len());
    let mut key = Vec::with_capacity(names.len());
    for name in names {
        let Some(field) = resolver.field(at, name) else { continue };
        if check_key_field(resolver, name, &field, "the primary key") {
            if field.computed.is_some() {
                let message = format!("`{name}` is computed, and the primary key is what rows are named by");
                resolver.invalid(name.span, message, "make it unique instead: `@unique`");
            }
            if matches!(field.ty, FieldType::Array(_)) {
                let message = format!("`{name}` is an array and cannot be in the primary key");
                resolver.invalid(name.span, message, "name fields of one value");
            }
            if field.optional {
                let message = format!("`{name}` is in the primary key and cannot be optional");
                resolver.invalid(name.span, message, "remove the `?` behind its type");
            }
            if key.contains(&field.id) {
                resolver.invalid(name.span, format!("`{name}` stands twice in the key"), "name it once");
                continue;
            }
            key.push(field.id);
        }
    }
    Some(key)
}

/// Whether values of the field can be in a key; reports it if not.
pub(super) fn check_key_field(resolver: &mut Resolver<'_>, name: &Name, field: &Field, key: &str) -> bool {
    if !field.is_stored() {
        let message = format!("`{name}` is computed when it is read, so that it cannot be in {key}");
        resolver.invalid(
            name.span,
            message,
            "name a stored field, or store it: `@stored` behind the expression",
        );
    }
    field.is_stored()
}

/// A key of random ids that ascend with time: it needs no sequence, and new rows lie beside each other.
fn add_hidden(resolver: &mut Resolver<'_>, at: usize) {
    let Some(draft) = resolver.drafts.get_mut(at) else { return };
    let was = draft.was.and_then(|was| was.fields.iter().find(|f| f.hidden && !f.is_presence()));
    let field = match was {
        Some(was) => was.clone(),
        None => Field {
            id: draft.field_id(),
            name: HIDDEN.to_owned(),
            mapped_name: None,
            doc: None,
            ty: FieldType::Scalar(ScalarType::Uuid),
            optional: false,
            default: Some(Default::Generated(Generator::UuidV7)),
            updated_at: false,
            computed: None,
            computation: Computation::WhenRead,
            hidden: true,
            embedded: None,
            since_layout: 0,
            absent_value: Value::Null,
        },
    };
    draft.entity.primary_key = vec![field.id];
    draft.entity.fields.push(field);
}
