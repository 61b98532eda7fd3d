//! Edge entities for two lists that lead to each other and name none: `_PostToTag`, with the primary keys of both sides
//! as its key.

use std::collections::HashSet;

use ormdb_proto::Value;
use ormdb_proto::schema::{
    ConstraintState, Deferrable, Entity, Field, FieldId, ForeignKey, ReferentialAction, Relation,
    RelationKind,
};

use super::{
    foreign_keys, id_at, lower_first, relation_of, report_unpaired, shared_name, through_of, upper_first,
};
use crate::catalog::resolve::{Draft, Resolver, fields, indexes};
use crate::text::ast::FieldDecl;

/// A list that waits for an edge entity.
#[derive(Clone, Copy)]
struct Side<'a> {
    draft: usize,
    nth: usize,
    decl: &'a FieldDecl,
    target: usize,
}

/// Pairs the lists that are in no pair yet, and adds their relations to `kinds`.
pub(super) fn resolve(resolver: &mut Resolver<'_>, kinds: &mut Vec<(usize, usize, RelationKind)>) {
    let mut waiting = waiting(resolver, kinds);
    while !waiting.is_empty() {
        let side = waiting.remove(0);
        let fits = |other: &Side<'_>| {
            other.draft == side.target
                && other.target == side.draft
                && shared_name(other.decl) == shared_name(side.decl)
        };
        let found: Vec<usize> = waiting.iter().enumerate().filter(|(_, o)| fits(o)).map(|(i, _)| i).collect();
        match found.as_slice() {
            [one] => {
                let other = waiting.remove(*one);
                add_edge(resolver, side, other, kinds);
            }
            [] => report_unpaired(resolver, side.draft, side.decl, side.target, &[]),
            _ => {
                let message =
                    format!("several lists can be the other side of `{}`; which one?", side.decl.name);
                let hint = "give both sides the same name: `@relation(\"name\")`";
                resolver.invalid(side.decl.name.span, message, hint);
                let mut at = 0;
                waiting.retain(|_| {
                    at += 1;
                    !found.contains(&(at - 1))
                });
            }
        }
    }
}

fn waiting<'a>(resolver: &Resolver<'a>, kinds: &[(usize, usize, RelationKind)]) -> Vec<Side<'a>> {
    let mut waiting = Vec::new();
    for (draft, of) in resolver.drafts.iter().enumerate() {
        for (nth, relation) in of.relations.iter().enumerate() {
            let decl: &'a FieldDecl = relation.decl;
            let says = relation_of(decl);
            let stands_alone = decl.ty.array
                && through_of(decl).is_none()
                && says.is_none_or(|r| r.key.is_none() && r.inverse.is_none())
                && !kinds.iter().any(|(d, n, _)| (*d, *n) == (draft, nth));
            let reported = resolver.errors.iter().any(|e| e.detail.span == Some(decl.name.span));
            if stands_alone && !reported {
                waiting.push(Side { draft, nth, decl, target: relation.target });
            }
        }
    }
    waiting
}

fn add_edge(
    resolver: &mut Resolver<'_>,
    first: Side<'_>,
    second: Side<'_>,
    kinds: &mut Vec<(usize, usize, RelationKind)>,
) {
    let names = [first, second]
        .map(|s| resolver.drafts.get(s.draft).map_or_else(String::new, |d| d.entity.name.clone()));
    let [first_name, second_name] = &names;
    let mut sorted = names.clone();
    sorted.sort();
    let name = edge_name(&sorted, shared_name(first.decl));
    if resolver.draft_named(&name).is_some() {
        let message = format!("the edge entity of `{}` would be a second `{name}`", first.decl.name);
        let hint = "give both sides another name: `@relation(\"name\")`";
        resolver.invalid(first.decl.name.span, message, hint);
        return;
    }
    // The relations of the edge entity: a self relation's go from a source to a target.
    let ends = if first.draft == second.draft {
        ["source".to_owned(), "target".to_owned()]
    } else {
        // Entities of two namespaces may have one name: then the namespace tells the ends apart.
        let [a, b] = [lower_first(first_name), lower_first(second_name)];
        if a == b { [first_name.replace('.', "_"), second_name.replace('.', "_")] } else { [a, b] }
    };
    let was = previous_edge(resolver, &name, first.draft, second.draft);
    let (first, second, ends) = match was {
        Some(was) if begins_with(resolver, was, second) => {
            let [a, b] = ends;
            (second, first, if first.draft == second.draft { [a, b] } else { [b, a] })
        }
        _ => (first, second, ends),
    };
    let id = was.map_or_else(|| resolver.entity_id(), |was| was.id);
    let mut entity = fields::new_entity(id, name);
    entity.implied = true;
    if let Some(was) = was {
        entity.layout = was.layout;
        entity.next_field = was.next_field;
    }
    let at = resolver.drafts.len();
    let draft = Draft { decl: None, was, entity, relations: Vec::new(), broken: HashSet::new() };
    resolver.drafts.push(draft);
    let [near_end, far_end] = ends;
    let near = add_end(resolver, at, 0, first.draft, near_end);
    let far = add_end(resolver, at, 1, second.draft, far_end);
    let (Some(near), Some(far)) = (near, far) else { return };
    let Some(edge) = id_at(resolver, at) else { return };
    kinds.push((first.draft, first.nth, RelationKind::Through { edge, near, far }));
    kinds.push((second.draft, second.nth, RelationKind::Through { edge, near: far, far: near }));
}

/// The name of an edge entity: in the namespace of both sides, or in none.
fn edge_name(ends: &[String; 2], shared: Option<&str>) -> String {
    let [low, high] = ends;
    let space = |name: &'_ str| name.rsplit_once('.').map(|(space, _)| space.to_owned());
    let (prefix, low, high) = match (space(low), space(high)) {
        (Some(a), Some(b)) if a == b => {
            let skip = a.len() + 1;
            let bare = |name: &str| name.get(skip..).unwrap_or_default().to_owned();
            (format!("{a}."), bare(low), bare(high))
        }
        _ => (String::new(), low.replace('.', "_"), high.replace('.', "_")),
    };
    match shared {
        Some(name) => format!("{prefix}_{name}"),
        None => format!("{prefix}_{low}To{high}"),
    }
}

/// Whether this side was the near one of the first end of the edge of before: the sides may stand in another order in
/// the text now, and must not change places for it.
fn begins_with(resolver: &Resolver<'_>, was: &Entity, side: Side<'_>) -> bool {
    let Some(first_key) = was.foreign_keys.first().map(|k| k.id) else { return false };
    let Some(draft) = resolver.drafts.get(side.draft) else { return false };
    let Some(relation) = draft.relations.get(side.nth) else { return false };
    let before = draft.was.and_then(|e| e.relation_by_id(relation.id));
    matches!(before.map(|r| &r.kind), Some(RelationKind::Through { near, .. }) if *near == first_key)
}

/// The implied edge entity of before: by its name, or as the only one between the two entities.
fn previous_edge<'a>(resolver: &Resolver<'a>, name: &str, a: usize, b: usize) -> Option<&'a Entity> {
    let ends = [id_at(resolver, a)?, id_at(resolver, b)?];
    let previous = resolver.previous;
    let between = |e: &&Entity| {
        let targets: Vec<_> = e.foreign_keys.iter().map(|k| k.target).collect();
        e.implied
            && targets.len() == 2
            && ends.iter().all(|id| targets.contains(id))
            && targets.iter().all(|id| ends.contains(id))
    };
    let free = |e: &&Entity| !resolver.drafts.iter().any(|d| d.entity.id == e.id);
    let candidates: Vec<&Entity> = previous.entities.iter().filter(between).filter(free).collect();
    let by_name = candidates.iter().find(|e| e.name == name).copied();
    by_name.or(match candidates.as_slice() {
        [only] => Some(*only),
        _ => None,
    })
}

/// Adds one end of an edge: the fields that hold the primary key of the entity at `to`, their foreign key, and the
/// relation along it.
fn add_end(
    resolver: &mut Resolver<'_>,
    at: usize,
    nth: usize,
    to: usize,
    name: String,
) -> Option<ormdb_proto::schema::ConstraintId> {
    let target = &resolver.drafts.get(to)?.entity;
    let target_id = target.id;
    let references = target.primary_key.clone();
    let parts: Vec<Field> = references.iter().filter_map(|id| target.field_by_id(*id)).cloned().collect();
    let was = resolver.drafts.get(at)?.was;
    let old_key = was.and_then(|was| {
        let same = |k: &&ForeignKey| k.target == target_id && k.references == references;
        let mut keys = was.foreign_keys.iter().filter(same);
        // Both ends of a self relation look alike: they stand in the order that they were made in.
        if was.foreign_keys.iter().filter(same).count() > 1 { keys.nth(nth) } else { keys.next() }
    });
    let mut held: Vec<FieldId> = Vec::with_capacity(parts.len());
    for (place, part) in parts.iter().enumerate() {
        let old =
            old_key.and_then(|k| k.fields.get(place)).and_then(|id| was.and_then(|w| w.field_by_id(*id)));
        let draft = resolver.drafts.get_mut(at)?;
        let id = old.map_or_else(|| draft.field_id(), |old| old.id);
        draft.entity.fields.push(Field {
            id,
            name: part
                .name
                .trim_start_matches('_')
                .split('.')
                .fold(name.clone(), |so_far, part| so_far + &upper_first(part)),
            mapped_name: None,
            doc: None,
            ty: part.ty,
            optional: false,
            default: None,
            updated_at: false,
            computed: None,
            computation: ormdb_proto::schema::Computation::WhenRead,
            hidden: false,
            embedded: None,
            since_layout: old.map_or(0, |old| old.since_layout),
            absent_value: Value::Null,
        });
        draft.entity.primary_key.push(id);
        held.push(id);
    }
    let entity_name = resolver.drafts.get(at)?.entity.name.clone();
    let key = ForeignKey {
        id: ormdb_proto::schema::ConstraintId(0),
        name: indexes::free_name(resolver, &format!("{entity_name}_{name}_fkey")),
        fields: held,
        target: target_id,
        references,
        on_delete: ReferentialAction::Cascade,
        on_update: ReferentialAction::Cascade,
        state: ConstraintState::Public,
        deferrable: Deferrable::No,
    };
    let key = foreign_keys::add(resolver, at, key);
    let old_relation = was.and_then(|was| {
        was.relations
            .iter()
            .find(|r| matches!(r.kind, RelationKind::Forward { foreign_key } if foreign_key == key))
    });
    let id = old_relation.map(|r| r.id);
    let id = id.unwrap_or_else(|| resolver.relation_id());
    let kind = RelationKind::Forward { foreign_key: key };
    let relation = Relation { id, name, doc: None, target: target_id, kind };
    resolver.drafts.get_mut(at)?.entity.relations.push(relation);
    Some(key)
}
