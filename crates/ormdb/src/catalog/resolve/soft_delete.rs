//! Entities that keep deleted rows: the field that says since when, for how long, and the index that finds them.

use ormdb_proto::ir::Expr;
use ormdb_proto::schema::{
    Field, FieldType, Index, IndexColumn, IndexId, IndexOrigin, IndexState, ScalarType, SoftDelete,
};
use ormdb_proto::value::Interval;
use ormdb_proto::{Error, ErrorCode};

use super::{Draft, Resolver, indexes};
use crate::text::ast::{EntityAttributeKind, EntityDecl, Name, SoftDeleteDecl};

/// What an error about the field says to write.
const DECLARE: &str = "declare it so: `deletedAt datetime?`";

pub(super) fn resolve(resolver: &mut Resolver<'_>) {
    for at in 0..resolver.drafts.len() {
        let Some(decl) = resolver.drafts.get(at).and_then(|d| d.decl).and_then(declared) else { continue };
        let field = field(resolver, at, decl);
        let retention = decl.retention.as_ref().and_then(|text| retention(resolver, text));
        if let (Some(field), Some(draft)) = (field, resolver.drafts.get_mut(at)) {
            draft.entity.soft_delete = Some(SoftDelete { field: field.id, retention });
        }
    }
}

fn declared(decl: &EntityDecl) -> Option<&SoftDeleteDecl> {
    decl.attributes().find_map(|attribute| match &attribute.kind {
        EntityAttributeKind::SoftDelete(decl) => Some(decl),
        _ => None,
    })
}

/// The field that a delete sets: an optional datetime that nothing else sets.
fn field(resolver: &mut Resolver<'_>, at: usize, decl: &SoftDeleteDecl) -> Option<Field> {
    let name = &decl.field;
    let before = resolver.errors.len();
    let Some(field) = resolver.field(at, name) else {
        if let Some(error) = resolver.errors.get_mut(before) {
            *error = error.clone().hint(format!("declare it so: `{name} datetime?`"));
        }
        return None;
    };
    if field.ty != FieldType::Scalar(ScalarType::DateTime) {
        let message = format!("`{name}` has the time of a delete, and is no datetime");
        let error = Error::new(ErrorCode::TypeMismatch, message).field(&name.text).span(name.span);
        resolver.error(error.hint(DECLARE));
    } else if !field.optional {
        let message = format!("`{name}` is null of a row that is not deleted, and is required");
        resolver.invalid(name.span, message, DECLARE);
    }
    if field.computed.is_some() || field.default.is_some() || field.updated_at {
        let message = format!("`{name}` is set by deletes, so that it is not computed, defaulted or updated");
        resolver.invalid(name.span, message, DECLARE);
    }
    Some(field)
}

fn retention(resolver: &mut Resolver<'_>, text: &Name) -> Option<Interval> {
    match text.text.parse::<Interval>() {
        Ok(interval) if interval.comparable() > 0 => Some(interval),
        Ok(_) => {
            let message = format!("deleted rows are kept for a time, and `{text}` is none");
            resolver.invalid(
                text.span,
                message,
                "leave `retention` away to keep them until they are removed",
            );
            None
        }
        Err(error) => {
            resolver.invalid(text.span, format!("`{text}` is {error}"), "as in `retention: \"30 days\"`");
            None
        }
    }
}

/// Gives each entity that keeps deleted rows an index of these alone, by the time of their delete.
pub(super) fn add_indexes(resolver: &mut Resolver<'_>) {
    for at in 0..resolver.drafts.len() {
        let Some(draft) = resolver.drafts.get(at) else { return };
        let Some(soft) = draft.entity.soft_delete else { continue };
        let Some(field) = draft.entity.field_by_id(soft.field) else { continue };
        let operand = Box::new(Expr::path([field.name.as_str()]));
        let index = Index {
            id: IndexId(0),
            name: indexes::generated_name(resolver, at, &[soft.field], "kept"),
            columns: vec![IndexColumn { field: soft.field, descending: false }],
            covering: Vec::new(),
            unique: None,
            filter: Some(Expr::IsNull { operand, negated: true }),
            origin: IndexOrigin::SoftDelete,
            state: IndexState::Public,
        };
        indexes::add(resolver, at, index);
    }
}

/// Whether rows that were there before may be deleted now and were not, or the other way round.
pub(super) fn changes_rows(draft: &Draft<'_>) -> bool {
    let Some(was) = draft.was else { return false };
    let before = was.soft_delete.map(|soft| soft.field);
    let now = draft.entity.soft_delete.map(|soft| soft.field);
    // A new field is null in every row, so that none is deleted; what stops being kept has none left.
    before != now && now.is_some_and(|field| was.field_by_id(field).is_some())
}

/// Whether no row that was there before has an entry in a new index: it is of deleted rows, and there are none.
pub(super) fn is_empty(draft: &Draft<'_>, index: &Index) -> bool {
    let new = |field| draft.was.is_none_or(|was| was.field_by_id(field).is_none());
    index.origin == IndexOrigin::SoftDelete && index.columns.iter().all(|column| new(column.field))
}
