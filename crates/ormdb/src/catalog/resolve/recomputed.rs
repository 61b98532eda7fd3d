//! Fields whose computed values may be others than before: what is made from them (index entries, checks) is made anew.

use std::collections::HashSet;

use ormdb_proto::ir::Expr;
use ormdb_proto::schema::{Field, FieldId};

use super::{Draft, indexes, rewrite};

/// The fields of an entity that was there before whose values may be others now.
pub(super) struct Recomputed<'a> {
    fields: Vec<&'a Field>,
}

impl Recomputed<'_> {
    /// Those of the entity of a draft.
    pub(super) fn of<'a>(draft: &'a Draft<'_>) -> Recomputed<'a> {
        let mut recomputed = Recomputed { fields: Vec::new() };
        let Some(was) = draft.was else { return recomputed };
        let names = indexes::renamed_fields(draft);
        let changed = |field: &Field| match was.field_by_id(field.id) {
            None => true,
            Some(was) => {
                let before = was.computed.as_ref().map(|expr| rewrite::renamed(expr, &names));
                let now = field.computed.as_ref().map(rewrite::without_spans);
                before != now || (now.is_some() && (was.ty, was.computation) != (field.ty, field.computation))
            }
        };
        recomputed.fields = draft.entity.fields.iter().filter(|field| changed(field)).collect();
        loop {
            let follows = |field: &&Field| {
                !recomputed.has(field.id) && field.computed.iter().any(|expr| recomputed.is_read_by(expr))
            };
            let more: Vec<&Field> = draft.entity.fields.iter().filter(follows).collect();
            if more.is_empty() {
                return recomputed;
            }
            recomputed.fields.extend(more);
        }
    }

    /// Whether the field is one of them.
    pub(super) fn has(&self, field: FieldId) -> bool {
        self.fields.iter().any(|f| f.id == field)
    }

    /// Whether an expression over the row names one of them.
    pub(super) fn is_read_by(&self, expr: &Expr) -> bool {
        let names: HashSet<&str> = self.fields.iter().map(|f| f.name.as_str()).collect();
        reads(expr, &names)
    }
}

fn reads(expr: &Expr, names: &HashSet<&str>) -> bool {
    match expr {
        Expr::Path { path, .. } => path.first().is_some_and(|name| names.contains(name.as_str())),
        other => other.children().into_iter().any(|child| reads(child, names)),
    }
}
