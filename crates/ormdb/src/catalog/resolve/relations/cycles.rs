//! Cycles of required relations: entities of which each row needs a row of the next one, so that none can be first.

use ormdb_proto::schema::Entity;

use super::relation_of;
use crate::catalog::resolve::Resolver;

/// Reports each cycle once. An entity that requires itself is none: a row may refer to itself.
pub(super) fn report(resolver: &mut Resolver<'_>) {
    let count = resolver.drafts.len();
    let needs: Vec<Vec<usize>> = (0..count).map(|at| needs(resolver, at)).collect();
    let mut done = vec![false; count];
    for start in 0..count {
        let mut path: Vec<(usize, usize)> = vec![(start, 0)];
        let mut on_path = vec![false; count];
        while let Some((at, next)) = path.last_mut() {
            let at = *at;
            if done.get(at) == Some(&true) {
                path.pop();
                continue;
            }
            if let Some(mark) = on_path.get_mut(at) {
                *mark = true;
            }
            match needs.get(at).and_then(|n| n.get(*next)).copied() {
                Some(to) => {
                    *next += 1;
                    if on_path.get(to) == Some(&true) {
                        let cycle: Vec<usize> =
                            path.iter().map(|(d, _)| *d).skip_while(|d| *d != to).collect();
                        report_one(resolver, &cycle);
                    } else {
                        path.push((to, 0));
                    }
                }
                None => {
                    for marks in
                        [done.get_mut(at).map(|d| (d, true)), on_path.get_mut(at).map(|d| (d, false))]
                    {
                        if let Some((mark, value)) = marks {
                            *mark = value;
                        }
                    }
                    path.pop();
                }
            }
        }
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
