//! Relations: foreign keys, the pairing of both sides, edge entities, implied ones included.
//!
//! A relation field is one of four: it holds a foreign key, it is the other side of one, it goes through an edge
//! entity, or it is one of two lists without a foreign key between them, which get an implied edge entity.

use ormdb_proto::schema::{ConstraintId, EntityId, FieldId, Relation, RelationKind};
use ormdb_proto::{Error, ErrorCode};

use super::{Resolver, suggest_name};
use crate::text::ast::{FieldAttributeKind, FieldDecl, RelationDecl, ThroughDecl};

mod cycles;
mod foreign_keys;
mod implied;

/// A relation field that holds a foreign key.
struct Forward<'a> {
    draft: usize,
    decl: &'a FieldDecl,
    target: usize,
    key: ConstraintId,
    /// The place and name of the relation field that is its other side, once there is one.
    inverse: Option<(usize, String)>,
}

pub(super) fn resolve(resolver: &mut Resolver<'_>) {
    let mut forwards = Vec::new();
    for at in 0..resolver.drafts.len() {
        foreign_keys::resolve(resolver, at, &mut forwards);
    }
    let mut kinds: Vec<(usize, usize, RelationKind)> = Vec::new();
    for at in 0..resolver.drafts.len() {
        for nth in 0..resolver.drafts.get(at).map_or(0, |d| d.relations.len()) {
            if let Some(kind) = kind_of(resolver, at, nth, &mut forwards) {
                kinds.push((at, nth, kind));
            }
        }
    }
    implied::resolve(resolver, &mut kinds);
    kinds.sort_by_key(|(at, nth, _)| (*at, *nth));
    for (at, nth, kind) in kinds {
        let Some(relation) = resolver.drafts.get(at).and_then(|d| d.relations.get(nth)) else { continue };
        let Some(target) = resolver.drafts.get(relation.target) else { continue };
        let relation = Relation {
            id: relation.id,
            name: relation.decl.name.text.clone(),
            doc: relation.decl.notes.doc(),
            target: target.entity.id,
            kind,
        };
        if let Some(draft) = resolver.drafts.get_mut(at) {
            draft.entity.relations.push(relation);
        }
    }
    cycles::report(resolver);
}

fn relation_of(decl: &FieldDecl) -> Option<&RelationDecl> {
    decl.attributes.iter().find_map(|a| match &a.kind {
        FieldAttributeKind::Relation(relation) => Some(relation),
        _ => None,
    })
}

fn through_of(decl: &FieldDecl) -> Option<&ThroughDecl> {
    decl.attributes.iter().find_map(|a| match &a.kind {
        FieldAttributeKind::Through(through) => Some(through),
        _ => None,
    })
}

/// The name that both sides give.
fn shared_name(decl: &FieldDecl) -> Option<&str> {
    relation_of(decl).and_then(|r| r.name.as_ref()).map(|n| n.text.as_str())
}

/// How the relation is stored; none if it was reported, or waits for an implied edge entity.
fn kind_of(
    resolver: &mut Resolver<'_>,
    at: usize,
    nth: usize,
    forwards: &mut [Forward<'_>],
) -> Option<RelationKind> {
    let relation = resolver.drafts.get(at)?.relations.get(nth)?;
    let (decl, target) = (relation.decl, relation.target);
    if let Some(through) = through_of(decl) {
        return through_kind(resolver, at, decl, target, through, forwards);
    }
    if relation_of(decl).is_some_and(|r| r.key.is_some()) {
        let forward = forwards.iter().find(|f| f.draft == at && f.decl.name.text == decl.name.text)?;
        return Some(RelationKind::Forward { foreign_key: forward.key });
    }
    inverse_kind(resolver, at, decl, target, forwards)
}

fn inverse_kind(
    resolver: &mut Resolver<'_>,
    at: usize,
    decl: &FieldDecl,
    target: usize,
    forwards: &mut [Forward<'_>],
) -> Option<RelationKind> {
    let relation = relation_of(decl);
    if let Some(relation) = relation
        && (relation.on_delete.is_some() || relation.on_update.is_some() || relation.deferrable.is_some())
    {
        let message = format!("`{}` holds no foreign key, so that it has no actions", decl.name);
        resolver.invalid(decl.name.span, message, "write them at the side that holds the foreign key");
    }
    let named = relation.and_then(|r| r.inverse.as_ref());
    let says_this = |f: &Forward<'_>| {
        relation_of(f.decl).and_then(|r| r.inverse.as_ref()).is_some_and(|n| n.text == decl.name.text)
    };
    let fits = |f: &Forward<'_>| match (named, relation_of(f.decl).and_then(|r| r.inverse.as_ref())) {
        (Some(name), None) => f.decl.name.text == name.text,
        (Some(name), Some(_)) => f.decl.name.text == name.text && says_this(f),
        (None, Some(_)) => says_this(f),
        (None, None) => shared_name(f.decl) == shared_name(decl),
    };
    let between = |f: &Forward<'_>| f.draft == target && f.target == at;
    let here = resolver.drafts.get(at)?;
    let named_by_another = |f: &Forward<'_>| {
        here.relations.iter().filter(|r| r.target == target && r.decl.name.text != decl.name.text).any(|r| {
            let inverse = relation_of(r.decl).and_then(|r| r.inverse.as_ref());
            inverse.is_some_and(|n| n.text == f.decl.name.text)
        })
    };
    let fits = |f: &Forward<'_>| fits(f) && (named.is_some() || !named_by_another(f));
    let candidates: Vec<usize> =
        forwards.iter().enumerate().filter(|(_, f)| between(f) && fits(f)).map(|(i, _)| i).collect();
    let target_name = resolver.drafts.get(target)?.entity.name.clone();
    let forward = match candidates.as_slice() {
        [] => {
            if decl.ty.array && named.is_none() {
                return None;
            }
            report_unpaired(resolver, at, decl, target, forwards);
            return None;
        }
        [one] => forwards.get_mut(*one)?,
        several => {
            let names: Vec<String> = several
                .iter()
                .filter_map(|i| forwards.get(*i))
                .map(|f| format!("`{target_name}.{}`", f.decl.name))
                .collect();
            let message =
                format!("`{}` can be the other side of {}; which one?", decl.name, names.join(" and of "));
            let first = several.first().and_then(|i| forwards.get(*i))?.decl.name.text.clone();
            let hint = format!("write `@relation(inverse: {first})`, or the one that is meant");
            resolver.invalid(decl.name.span, message, &hint);
            return None;
        }
    };
    if let Some((_, other)) = &forward.inverse {
        let message = format!(
            "`{other}` and `{}` are both the other side of `{target_name}.{}`",
            decl.name, forward.decl.name
        );
        let hint = "remove one of them, or name for each its side by `@relation(inverse: …)`";
        resolver.invalid(decl.name.span, message, hint);
        return None;
    }
    forward.inverse = Some((at, decl.name.text.clone()));
    let key = forward.key;
    let holder = &resolver.drafts.get(target)?.entity;
    let fields: Vec<FieldId> = holder.foreign_key(key)?.fields.clone();
    let unique = holder.is_unique_key(&fields);
    if !decl.ty.array && !unique {
        let message = format!(
            "`{}` leads to one `{target_name}`, but several can have the same `{}`",
            decl.name, forward.decl.name
        );
        let hint = format!("write `{target_name}[]`, or make the foreign key of `{target_name}` unique");
        resolver.invalid(decl.ty.span, message, &hint);
        return None;
    }
    if !decl.ty.array && !decl.ty.optional {
        let message = format!("nothing makes sure that there is a `{target_name}` for `{}`", decl.name);
        resolver.invalid(decl.ty.span, message, &format!("write `{target_name}?`"));
        return None;
    }
    Some(RelationKind::Inverse { foreign_key: key, to_one: !decl.ty.array })
}

/// A relation field whose other side is not to be found.
fn report_unpaired(
    resolver: &mut Resolver<'_>,
    at: usize,
    decl: &FieldDecl,
    target: usize,
    forwards: &[Forward<'_>],
) {
    let (Some(here), Some(there)) = (resolver.drafts.get(at), resolver.drafts.get(target)) else { return };
    let (entity, other) = (here.entity.name.clone(), there.entity.name.clone());
    if let Some(name) = relation_of(decl).and_then(|r| r.inverse.as_ref()) {
        if there.broken.contains(&name.text) {
            return;
        }
        let known = forwards.iter().filter(|f| f.draft == target && f.target == at);
        let message = format!(
            "`{other}.{name}` is no relation to `{entity}` that can be the other side of `{}`",
            decl.name
        );
        let error = Error::new(ErrorCode::UnknownField, message)
            .entity(&other)
            .field(&name.text)
            .span(name.span)
            .suggest(&name.text, known.map(|f| f.decl.name.text.as_str()));
        resolver.error(error);
        return;
    }
    // A member that was reported may be the other side.
    if !there.broken.is_empty() {
        return;
    }
    let key_name = there.entity.primary_key.first().and_then(|id| there.entity.field_by_id(*id));
    let key = key_name.map_or("id", |f| f.name.as_str());
    let hint = if decl.ty.array {
        let field = lower_first(&entity);
        format!(
            "write a relation to `{entity}` in `{other}`: `{field} {entity} @relation({field}Id -> {entity}.id)`"
        )
    } else {
        let field = &decl.name.text;
        format!("say which fields hold the foreign key: `@relation({field}Id -> {other}.{key})`")
    };
    let message = format!("no side of `{entity}.{}` holds a foreign key", decl.name);
    resolver.invalid(decl.name.span, message, &hint);
}

fn through_kind(
    resolver: &mut Resolver<'_>,
    at: usize,
    decl: &FieldDecl,
    target: usize,
    through: &ThroughDecl,
    forwards: &[Forward<'_>],
) -> Option<RelationKind> {
    if let Some(relation) = relation_of(decl)
        && relation.key.is_some()
    {
        let message = format!("`{}` goes through `{}` and holds no foreign key", decl.name, through.edge);
        resolver.invalid(decl.name.span, message, "remove `@through` or `@relation`");
        return None;
    }
    if !decl.ty.array {
        let message = format!("`{}` goes through `{}`, and leads to many", decl.name, through.edge);
        resolver.invalid(decl.ty.span, message, "write `[]` behind the type");
        return None;
    }
    let Some(edge) = resolver.draft_named(&through.edge.text) else {
        let names = resolver.drafts.iter().map(|d| d.entity.name.as_str());
        let error = Error::new(ErrorCode::UnknownEntity, format!("no entity is named `{}`", through.edge))
            .entity(&through.edge.text)
            .span(through.edge.span);
        let error = suggest_name(error, &through.edge.text, names);
        resolver.error(error);
        return None;
    };
    let near = edge_key(resolver, decl, through, edge, (at, through.near.as_ref()), forwards)?;
    let far = edge_key(resolver, decl, through, edge, (target, through.far.as_ref()), forwards)?;
    if near == far {
        let message = format!("`{}` does not say which way it goes through `{}`", decl.name, through.edge);
        let hint = format!(
            "name the relation of `{0}` that leads back and the one that leads on: `@through({0}, a -> b)`",
            through.edge
        );
        resolver.invalid(through.edge.span, message, &hint);
        return None;
    }
    let edge = resolver.drafts.get(edge)?.entity.id;
    Some(RelationKind::Through { edge, near, far })
}

/// The foreign key of the edge entity that leads to the entity at `to`, by the name of its relation if one is given.
fn edge_key(
    resolver: &mut Resolver<'_>,
    decl: &FieldDecl,
    through: &ThroughDecl,
    edge: usize,
    (to, name): (usize, Option<&crate::text::ast::Name>),
    forwards: &[Forward<'_>],
) -> Option<ConstraintId> {
    let leading: Vec<&Forward<'_>> = forwards.iter().filter(|f| f.draft == edge && f.target == to).collect();
    let to_name = resolver.drafts.get(to)?.entity.name.clone();
    if let Some(name) = name {
        let found = leading.iter().find(|f| f.decl.name.text == name.text);
        if found.is_none() && !resolver.drafts.get(edge)?.broken.contains(&name.text) {
            let message = format!("`{}.{name}` is no relation to `{to_name}`", through.edge);
            let error = Error::new(ErrorCode::UnknownField, message)
                .entity(&through.edge.text)
                .field(&name.text)
                .span(name.span)
                .suggest(&name.text, leading.iter().map(|f| f.decl.name.text.as_str()));
            resolver.error(error);
        }
        return found.map(|f| f.key);
    }
    match leading.as_slice() {
        [one] => Some(one.key),
        [] => {
            if resolver.drafts.get(edge)?.broken.is_empty() {
                let message = format!(
                    "`{}` cannot go through `{}`, which has no relation to `{to_name}`",
                    decl.name, through.edge
                );
                let field = lower_first(&to_name);
                let hint = format!("write there: `{field} {to_name} @relation({field}Id -> {to_name}.id)`");
                resolver.invalid(through.edge.span, message, &hint);
            }
            None
        }
        several => {
            let names: Vec<String> = several.iter().map(|f| format!("`{}`", f.decl.name)).collect();
            let message =
                format!("`{}` has several relations to `{to_name}`: {}", through.edge, names.join(", "));
            let hint = format!(
                "name the relation that leads back and the one that leads on: `@through({}, a -> b)`",
                through.edge
            );
            resolver.invalid(through.edge.span, message, &hint);
            None
        }
    }
}

/// The name without its namespace, as a field is called.
fn lower_first(name: &str) -> String {
    let mut chars = name.rsplit('.').next().unwrap_or_default().chars();
    chars.next().map_or_else(String::new, |c| c.to_lowercase().chain(chars).collect())
}

fn upper_first(name: &str) -> String {
    let mut chars = name.chars();
    chars.next().map_or_else(String::new, |c| c.to_uppercase().chain(chars).collect())
}

/// The id of the entity at a place.
fn id_at(resolver: &Resolver<'_>, at: usize) -> Option<EntityId> {
    resolver.drafts.get(at).map(|d| d.entity.id)
}
