//! Foreign keys: which fields hold them, which unique key they refer to, and what happens when that goes.

use ormdb_proto::error::Span;
use ormdb_proto::schema::{
    ConstraintState, Field, FieldId, FieldType, ForeignKey, ReferentialAction, ScalarType,
};
use ormdb_proto::{Error, ErrorCode};

use super::{Forward, relation_of};
use crate::catalog::resolve::{KEY_COLUMNS_MAX, Resolver, indexes};
use crate::text::ast::{FieldDecl, ForeignKeyDecl};

/// The foreign keys of the entity at a place.
pub(super) fn resolve<'a>(resolver: &mut Resolver<'a>, at: usize, forwards: &mut Vec<Forward<'a>>) {
    let relations: Vec<(&'a FieldDecl, usize)> = resolver
        .drafts
        .get(at)
        .map_or_else(Vec::new, |d| d.relations.iter().map(|r| (r.decl, r.target)).collect());
    for (decl, target) in relations {
        let Some(relation) = relation_of(decl) else { continue };
        let Some(key) = &relation.key else { continue };
        let Some(fields) = check(resolver, at, decl, target, key) else { continue };
        let Some(to) = resolver.drafts.get(target).map(|d| d.entity.id) else { continue };
        let action = |action: Option<ReferentialAction>| action.unwrap_or(ReferentialAction::NoAction);
        let foreign_key = ForeignKey {
            id: ormdb_proto::schema::ConstraintId(0),
            name: key_name(resolver, at, &decl.name.text),
            fields: fields.iter().map(|(from, _)| from.id).collect(),
            target: to,
            references: fields.iter().map(|(_, to)| to.id).collect(),
            on_delete: action(relation.on_delete),
            on_update: action(relation.on_update),
            state: ConstraintState::Public,
            deferrable: relation.deferrable.unwrap_or_default(),
        };
        check_optional(resolver, decl, &fields, key.span);
        check_actions(resolver, &foreign_key, &fields, key.span);
        let key = add(resolver, at, foreign_key);
        forwards.push(Forward { draft: at, decl, target, key, inverse: None });
    }
}

fn key_name(resolver: &Resolver<'_>, at: usize, relation: &str) -> String {
    let entity = resolver.drafts.get(at).map_or("", |d| d.entity.name.as_str());
    indexes::free_name(resolver, &format!("{entity}_{relation}_fkey"))
}

/// Adds a foreign key under the id and state that it had before, if its definition was there.
pub(super) fn add(
    resolver: &mut Resolver<'_>,
    at: usize,
    mut key: ForeignKey,
) -> ormdb_proto::schema::ConstraintId {
    let draft = resolver.drafts.get(at);
    let taken =
        |old: &ForeignKey| draft.is_some_and(|d| d.entity.foreign_keys.iter().any(|k| k.id == old.id));
    let same = |old: &&ForeignKey| {
        old.fields == key.fields
            && old.target == key.target
            && old.references == key.references
            && !taken(old)
    };
    let was = draft.and_then(|d| d.was);
    match was.and_then(|was| was.foreign_keys.iter().find(same)) {
        Some(old) => {
            key.id = old.id;
            key.state = old.state;
        }
        None => {
            key.id = resolver.constraint_id();
            key.state = if was.is_some() { ConstraintState::Backfilling } else { ConstraintState::Public };
        }
    }
    let id = key.id;
    if let Some(draft) = resolver.drafts.get_mut(at) {
        draft.entity.foreign_keys.push(key);
    }
    id
}

/// The fields of both sides in pairs, if the foreign key can be.
fn check(
    resolver: &mut Resolver<'_>,
    at: usize,
    decl: &FieldDecl,
    target: usize,
    key: &ForeignKeyDecl,
) -> Option<Vec<(Field, Field)>> {
    let before = resolver.errors.len();
    let target_name = resolver.drafts.get(target)?.entity.name.clone();
    if decl.ty.array {
        let message = format!("`{}` holds a foreign key, and leads to one `{target_name}`", decl.name);
        resolver.invalid(decl.ty.span, message, "remove the `[]`, or move the foreign key to the other side");
    }
    if key.target.text != target_name {
        let message = format!(
            "`{}` is of type `{target_name}`, but its foreign key refers to `{}`",
            decl.name, key.target
        );
        let mut error = Error::new(ErrorCode::InvalidSchema, message).span(key.target.span);
        error.detail.suggestion = Some(target_name.clone());
        resolver.error(error);
        return None;
    }
    resolver.limit("fields of a foreign key", key.span, KEY_COLUMNS_MAX, key.fields.len());
    if key.fields.len() != key.references.len() {
        let message = format!(
            "the foreign key has {} fields on this side and {} on the other",
            key.fields.len(),
            key.references.len()
        );
        resolver.invalid(key.span, message, "name as many fields on both sides");
        return None;
    }
    let mut pairs: Vec<(Field, Field)> = Vec::with_capacity(key.fields.len());
    for (from_name, to_name) in key.fields.iter().zip(&key.references) {
        let (from, to) = (resolver.field(at, from_name), resolver.field(target, to_name));
        let (Some(from), Some(to)) = (from, to) else { continue };
        if pairs.iter().any(|(f, t)| f.id == from.id || t.id == to.id) {
            resolver.invalid(
                from_name.span,
                "a field stands in the foreign key twice".to_owned(),
                "name it once",
            );
            continue;
        }
        if !from.is_stored() {
            let message =
                format!("`{from_name}` is computed when it is read, so that it cannot hold a foreign key");
            resolver.invalid(from_name.span, message, "name a stored field");
        }
        if from.stored_expr().is_some() {
            let message = format!("`{from_name}` is computed, so that it cannot hold a foreign key");
            resolver.invalid(from_name.span, message, "name a field that is given");
        }
        if !compatible(from.ty, to.ty) {
            let message = format!("`{from_name}` and `{target_name}.{to_name}` are of different types");
            resolver.error(
                Error::new(ErrorCode::TypeMismatch, message)
                    .field(&from_name.text)
                    .span(from_name.span)
                    .hint(format!("give `{from_name}` the type of `{target_name}.{to_name}`")),
            );
        }
        pairs.push((from, to));
    }
    if pairs.len() < key.fields.len() || resolver.errors.len() > before {
        return None;
    }
    let references: Vec<FieldId> = pairs.iter().map(|(_, to)| to.id).collect();
    if !resolver.drafts.get(target)?.entity.is_unique_key(&references) {
        let names: Vec<&str> = key.references.iter().map(|n| n.text.as_str()).collect();
        let message = format!("({}) is not a unique key of `{target_name}`", names.join(", "));
        let hint = "refer to its primary key, or declare the fields unique";
        resolver.invalid(key.span, message, hint);
        return None;
    }
    let to = &resolver.drafts.get(target)?.entity;
    let by_primary_key =
        references.len() == to.primary_key.len() && references.iter().all(|f| to.primary_key.contains(f));
    if to.soft_delete.is_some() && !by_primary_key {
        let message = format!(
            "`{target_name}` keeps deleted rows, whose unique keys others may take, so that a foreign key cannot \
             refer to it by ({})",
            key.references.iter().map(|n| n.text.as_str()).collect::<Vec<_>>().join(", ")
        );
        resolver.invalid(key.span, message, "refer to its primary key");
        return None;
    }
    Some(pairs)
}

/// Whether equal values of both types have equal bytes in keys: integers have one width there.
fn compatible(a: FieldType, b: FieldType) -> bool {
    let integer = |t: ScalarType| matches!(t, ScalarType::Int16 | ScalarType::Int32 | ScalarType::Int64);
    match (a, b) {
        (FieldType::Scalar(ScalarType::String { .. }), FieldType::Scalar(ScalarType::String { .. })) => true,
        (
            FieldType::Scalar(ScalarType::Decimal { scale: a, .. }),
            FieldType::Scalar(ScalarType::Decimal { scale: b, .. }),
        ) => a == b,
        (FieldType::Scalar(a), FieldType::Scalar(b)) => a == b || (integer(a) && integer(b)),
        (FieldType::Array(_), _) | (_, FieldType::Array(_)) => false,
    }
}

/// The relation is optional if and only if a field of its foreign key is.
fn check_optional(resolver: &mut Resolver<'_>, decl: &FieldDecl, fields: &[(Field, Field)], span: Span) {
    let optional = fields.iter().find(|(from, _)| from.optional);
    match (optional, decl.ty.optional) {
        (Some((field, _)), false) => {
            let message = format!("`{}` is required, but its field `{}` may be null", decl.name, field.name);
            let hint =
                format!("write `?` behind the type of `{}`, or remove it behind `{}`", decl.name, field.name);
            resolver.invalid(decl.ty.span, message, &hint);
        }
        (None, true) => {
            let names: Vec<&str> = fields.iter().map(|(from, _)| from.name.as_str()).collect();
            let message = format!("`{}` is optional, but ({}) cannot be null", decl.name, names.join(", "));
            resolver.invalid(
                span,
                message,
                "make a field of the foreign key optional, or the relation required",
            );
        }
        (Some(_), true) | (None, false) => {}
    }
}

/// An action must be able to write what it writes.
fn check_actions(resolver: &mut Resolver<'_>, key: &ForeignKey, fields: &[(Field, Field)], span: Span) {
    if [key.on_delete, key.on_update].contains(&ReferentialAction::SetNull)
        && let Some((field, _)) = fields.iter().find(|(from, _)| !from.optional)
    {
        let message = format!("`setNull` would set `{}` to null, which is required", field.name);
        resolver.invalid(span, message, "make the field optional, or choose another action");
    }
    let unset = |(from, _): &&(Field, Field)| from.default.is_none() && !from.optional;
    if [key.on_delete, key.on_update].contains(&ReferentialAction::SetDefault)
        && let Some((field, _)) = fields.iter().find(unset)
    {
        let message = format!("`setDefault` needs a default of `{}`", field.name);
        resolver.invalid(span, message, "write `@default(…)` behind the field, or choose another action");
    }
}
