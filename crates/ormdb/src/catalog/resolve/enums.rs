//! Enums: their labels keep the numbers that rows and keys store, and new labels find a place between them.

use std::collections::HashMap;

use ormdb_proto::schema::{EnumLabel, EnumType};
use ormdb_proto::{Error, ErrorCode};

use super::identity::{NewName, OldName, match_names};
use super::{LABELS_MAX, Resolver};
use crate::text::ast::EnumDecl;

/// The distance of two neighbouring labels that were declared together.
const GAP: u32 = 1 << 16;

pub(super) fn resolve(resolver: &mut Resolver<'_>) {
    let decls: Vec<&EnumDecl> = resolver.ast.enums().collect();
    let previous = resolver.previous;
    let mut first = HashMap::new();
    for decl in &decls {
        resolver.check_name("an enum", &decl.name);
        if let Some(span) = first.insert(decl.name.text.as_str(), decl.name.span) {
            resolver.duplicate("enum", &decl.name, span);
        }
    }
    let old: Vec<OldName<'_>> = previous.enums.iter().map(|e| OldName { name: &e.name }).collect();
    let new: Vec<NewName<'_>> = decls.iter().map(|d| NewName::new(&d.name, d.was.as_ref())).collect();
    let alike = |old: usize, new: usize| {
        let (Some(old), Some(new)) = (previous.enums.get(old), decls.get(new)) else { return false };
        let same = new.labels.iter().filter(|l| old.position(&l.name.text).is_some()).count();
        same > 0 && same * 2 >= old.labels.len().max(new.labels.len())
    };
    let matched = match_names("enum", "", &old, &new, alike, &mut resolver.errors);
    for (decl, was) in decls.iter().zip(matched) {
        let was = was.and_then(|at| previous.enums.get(at));
        let labels = labels(resolver, decl, was);
        let id = was.map_or_else(|| resolver.enum_id(), |was| was.id);
        resolver.enums.push(EnumType { id, name: decl.name.text.clone(), doc: decl.notes.doc(), labels });
    }
}

fn labels(resolver: &mut Resolver<'_>, decl: &EnumDecl, was: Option<&EnumType>) -> Vec<EnumLabel> {
    if decl.labels.is_empty() {
        resolver.invalid(
            decl.name.span,
            format!("enum `{}` has no labels", decl.name),
            "an enum has at least one label",
        );
    }
    resolver.limit("labels of an enum", decl.name.span, LABELS_MAX, decl.labels.len());
    let mut first = HashMap::new();
    for label in &decl.labels {
        if let Some(span) = first.insert(label.name.text.as_str(), label.name.span) {
            resolver.duplicate("label", &label.name, span);
        }
    }
    let old_labels = was.map_or(&[][..], |was| was.labels.as_slice());
    let old: Vec<OldName<'_>> = old_labels.iter().map(|l| OldName { name: &l.name }).collect();
    let new: Vec<NewName<'_>> = decl.labels.iter().map(|l| NewName::new(&l.name, l.was.as_ref())).collect();
    let inside = format!(" of enum `{}`", decl.name);
    let matched = match_names("label", &inside, &old, &new, |_, _| true, &mut resolver.errors);
    let kept: Vec<Option<u32>> =
        matched.iter().map(|at| at.and_then(|at| old_labels.get(at)).map(|l| l.position)).collect();
    let highest = old_labels.iter().map(|l| l.position).max().unwrap_or(0);
    let Some(positions) = fill(&kept, highest).or_else(|| renumber(kept.len(), highest)) else {
        resolver.error(
            Error::new(
                ErrorCode::LimitExceeded,
                format!("the labels of enum `{}` were reordered too often", decl.name),
            )
            .span(decl.name.span)
            .hint("declare a new enum"),
        );
        return Vec::new();
    };
    let label = |(decl, position): (&crate::text::ast::LabelDecl, u32)| EnumLabel {
        position,
        name: decl.name.text.clone(),
    };
    decl.labels.iter().zip(positions).map(label).collect()
}

/// Positions for all labels, if those that are kept ascend and leave room for the new ones.
pub(super) fn fill(kept: &[Option<u32>], highest: u32) -> Option<Vec<u32>> {
    let mut positions = Vec::with_capacity(kept.len());
    let mut low = 0u32;
    let mut at = 0;
    while at < kept.len() {
        let run = kept.iter().skip(at).take_while(|p| p.is_none()).count();
        let new = u32::try_from(run).ok()?;
        match kept.get(at + run).copied().flatten() {
            Some(high) => {
                let room = high.checked_sub(low)?;
                if room <= new {
                    return None;
                }
                positions.extend((1..=new).map(|i| low + scaled(room, i, new + 1)));
                positions.push(high);
                low = high;
                at += run + 1;
            }
            None => {
                // Behind the last one: never a number that a dropped label had.
                low = low.max(highest);
                for _ in 0..new {
                    low = low.checked_add(GAP)?;
                    positions.push(low);
                }
                at += run;
            }
        }
    }
    Some(positions)
}

/// `room * part / whole`, without overflow.
fn scaled(room: u32, part: u32, whole: u32) -> u32 {
    let product = u64::from(room) * u64::from(part) / u64::from(whole.max(1));
    u32::try_from(product).unwrap_or(u32::MAX)
}

/// New positions for all labels, behind every old one: a number never means another label.
fn renumber(count: usize, highest: u32) -> Option<Vec<u32>> {
    let position = |i: usize| GAP.checked_mul(u32::try_from(i).ok()? + 1)?.checked_add(highest);
    (0..count).map(position).collect()
}
