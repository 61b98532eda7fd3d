//! Cycles of required relations: entities of which each row needs a row of the next one, so that none can be first.

use std::collections::BTreeSet;

use ormdb_proto::schema::Entity;

use super::relation_of;
use crate::catalog::resolve::Resolver;

/// Reports cycles that share no entity. An entity that requires itself is none: a row may refer to itself.
pub(super) fn report(resolver: &mut Resolver<'_>) {
    let needs: Vec<Vec<usize>> = (0..resolver.drafts.len()).map(|at| needs(resolver, at)).collect();
    let mut blocked: BTreeSet<usize> = (0..needs.len()).collect();
    loop {
        // What needs nothing that is blocked can be created; what is left at the end leads into a cycle.
        let free = |at: &usize| needs.get(*at).is_none_or(|n| n.iter().all(|to| !blocked.contains(to)));
        let freed: BTreeSet<usize> = blocked.iter().copied().filter(free).collect();
        if !freed.is_empty() {
            blocked.retain(|at| !freed.contains(at));
            continue;
        }
        let Some(start) = blocked.first() else { return };
        let mut path = vec![*start];
        let cycle = loop {
            let last = path.last().and_then(|at| needs.get(*at));
            let Some(next) = last.and_then(|n| n.iter().find(|to| blocked.contains(to))) else { return };
            match path.iter().position(|at| at == next) {
                Some(first) => break path.split_off(first),
                None => path.push(*next),
            }
        };
        report_one(resolver, &cycle);
        blocked.retain(|at| !cycle.contains(at));
    }
}

/// The other entities of which a row of the entity at a place needs one.
fn needs(resolver: &Resolver<'_>, at: usize) -> Vec<usize> {
    let Some(draft) = resolver.drafts.get(at) else { return Vec::new() };
    let entity: &Entity = &draft.entity;
    let required = entity
        .foreign_keys
        .iter()
        .filter(|key| key.fields.iter().all(|id| entity.field_by_id(*id).is_some_and(|f| !f.optional)));
    let place = |id| resolver.drafts.iter().position(|d| d.entity.id == id);
    required.filter_map(|key| place(key.target)).filter(|to| *to != at).collect()
}

fn report_one(resolver: &mut Resolver<'_>, cycle: &[usize]) {
    let names: Vec<String> = cycle
        .iter()
        .filter_map(|at| resolver.drafts.get(*at))
        .map(|d| format!("`{}`", d.entity.name))
        .collect();
    let Some(last) = cycle.last().and_then(|at| resolver.drafts.get(*at)) else { return };
    let to = cycle.first();
    let closing = last.relations.iter().find(|r| {
        Some(&r.target) == to && relation_of(r.decl).is_some_and(|relation| relation.key.is_some())
    });
    let span = closing.map(|r| r.decl.name.span).or_else(|| last.decl.map(|d| d.name.span));
    let Some(span) = span else { return };
    let message = format!("no row of {} can be the first: each needs one of the next", names.join(", "));
    resolver.invalid(span, message, "make a relation of the cycle optional");
}
