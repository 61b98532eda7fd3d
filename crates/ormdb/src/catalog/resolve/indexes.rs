//! Indexes: of unique constraints, declared, and of the foreign keys that no other serves.
//!
//! An index keeps its id while its definition stays; a new definition is a new index, whatever its name.

use std::collections::HashMap;

use ormdb_proto::error::Span;
use ormdb_proto::schema::{FieldId, Index, IndexColumn, IndexOrigin, IndexState, NullsDistinct, Uniqueness};
use ormdb_proto::{Error, ErrorCode};

use super::keys::check_key_field;
use super::recomputed::Recomputed;
use super::{Draft, INDEXES_MAX, KEY_COLUMNS_MAX, Resolver, rewrite, soft_delete};
use crate::catalog::navigation::as_prefix;
use crate::text::ast::{
    EntityAttributeKind, EntityDecl, FieldAttributeKind, IndexColumnDecl, IndexDecl, Name,
};

pub(super) fn resolve_declared(resolver: &mut Resolver<'_>) {
    for at in 0..resolver.drafts.len() {
        let Some(decl) = resolver.drafts.get(at).and_then(|d| d.decl) else { continue };
        unique_fields(resolver, at, decl);
        for attribute in decl.attributes() {
            match &attribute.kind {
                EntityAttributeKind::Unique { index, nulls } => {
                    declare(resolver, at, index, Some(*nulls), attribute.span);
                }
                EntityAttributeKind::Index(index) => declare(resolver, at, index, None, attribute.span),
                EntityAttributeKind::Id(_)
                | EntityAttributeKind::Check(_)
                | EntityAttributeKind::Map(_)
                | EntityAttributeKind::Was(_)
                | EntityAttributeKind::Order(_)
                | EntityAttributeKind::SoftDelete(_) => {}
            }
        }
        let count = resolver.drafts.get(at).map_or(0, |d| d.entity.indexes.len());
        resolver.limit("indexes of an entity", decl.name.span, INDEXES_MAX, count);
    }
}

fn unique_fields(resolver: &mut Resolver<'_>, at: usize, decl: &EntityDecl) {
    for field in decl.fields() {
        let is_field = resolver
            .drafts
            .get(at)
            .is_some_and(|d| d.entity.fields.iter().any(|f| f.name == field.name.text));
        for attribute in field.attributes.iter().filter(|_| is_field) {
            let FieldAttributeKind::Unique { nulls, name } = &attribute.kind else { continue };
            let stored = field.attributes.iter().any(|a| matches!(a.kind, FieldAttributeKind::Stored));
            if field.computed.is_some() && !stored {
                continue;
            }
            let column = IndexColumnDecl { field: field.name.clone(), descending: false };
            let index =
                IndexDecl { columns: vec![column], covering: Vec::new(), filter: None, name: name.clone() };
            declare(resolver, at, &index, Some(*nulls), attribute.span);
        }
    }
}

fn declare(
    resolver: &mut Resolver<'_>,
    at: usize,
    decl: &IndexDecl,
    nulls: Option<NullsDistinct>,
    span: Span,
) {
    resolver.limit("columns of an index", span, KEY_COLUMNS_MAX, decl.columns.len() + decl.covering.len());
    let before = resolver.errors.len();
    let columns = columns(resolver, at, decl);
    let covering = covering(resolver, at, decl, &columns);
    if resolver.errors.len() > before || columns.len() != decl.columns.len() {
        return;
    }
    let Some(draft) = resolver.drafts.get(at) else { return };
    let fields: Vec<FieldId> = columns.iter().map(|c| c.field).collect();
    let index = Index {
        id: ormdb_proto::schema::IndexId(0),
        name: String::new(),
        columns,
        covering,
        unique: nulls.map(|nulls| Uniqueness { nulls }),
        filter: decl.filter.as_ref().map(|f| rewrite::without_spans(&f.expr)),
        origin: if nulls.is_some() { IndexOrigin::Unique } else { IndexOrigin::Declared },
        state: IndexState::Public,
    };
    if index.unique.is_some() && index.filter.is_none() && same_fields(&draft.entity.primary_key, &fields) {
        let message = "these fields are the primary key, which is unique already".to_owned();
        resolver.invalid(span, message, "remove this unique constraint");
        return;
    }
    if let Some(twin) = draft.entity.indexes.iter().find(|other| same_definition(other, &index)) {
        let message = format!("`{}` is the same index", twin.name);
        let error = Error::new(ErrorCode::DuplicateName, message).span(span).constraint(&twin.name);
        resolver.error(error.hint("remove one of them"));
        return;
    }
    let name = match &decl.name {
        Some(name) => explicit_name(resolver, name),
        None => generated_name(resolver, at, &fields, if index.unique.is_some() { "key" } else { "idx" }),
    };
    add(resolver, at, Index { name, ..index });
}

fn columns(resolver: &mut Resolver<'_>, at: usize, decl: &IndexDecl) -> Vec<IndexColumn> {
    let mut columns: Vec<IndexColumn> = Vec::with_capacity(decl.columns.len());
    for column in &decl.columns {
        let Some(field) = resolver.field(at, &column.field) else { continue };
        if columns.iter().any(|c| c.field == field.id) {
            let message = format!("`{}` stands twice in the index", column.field);
            resolver.invalid(column.field.span, message, "name it once");
        } else if check_key_field(resolver, &column.field, &field, "an index") {
            columns.push(IndexColumn { field: field.id, descending: column.descending });
        }
    }
    columns
}

fn covering(
    resolver: &mut Resolver<'_>,
    at: usize,
    decl: &IndexDecl,
    columns: &[IndexColumn],
) -> Vec<FieldId> {
    let mut covering = Vec::with_capacity(decl.covering.len());
    for name in &decl.covering {
        let Some(field) = resolver.field(at, name) else { continue };
        if !field.is_stored() {
            let message = format!("`{name}` is computed when it is read, so that an index cannot cover it");
            resolver.invalid(name.span, message, "name a stored field");
        } else if columns.iter().any(|c| c.field == field.id) || covering.contains(&field.id) {
            let message = format!("`{name}` stands twice in the index");
            resolver.invalid(name.span, message, "name it once");
        } else {
            covering.push(field.id);
        }
    }
    covering
}

/// Adds an index under the id and state that it had before, if its definition was there.
pub(super) fn add(resolver: &mut Resolver<'_>, at: usize, mut index: Index) {
    let Some(draft) = resolver.drafts.get(at) else { return };
    let names = renamed_fields(draft);
    let recomputed = Recomputed::of(draft);
    let fields = index.columns.iter().map(|c| c.field).chain(index.covering.iter().copied());
    let entries_stay = !fields.into_iter().any(|f| recomputed.has(f))
        && !index.filter.as_ref().is_some_and(|filter| recomputed.is_read_by(filter));
    // The entries of deleted rows do not guard a unique key: other rows are deleted, other entries guard.
    let entries_stay = entries_stay && (index.unique.is_none() || !soft_delete::changes_rows(draft));
    let was = draft.was.filter(|_| entries_stay).and_then(|was| {
        was.indexes.iter().find(|old| {
            let filter = old.filter.as_ref().map(|f| rewrite::renamed(f, &names));
            old.columns == index.columns
                && old.covering == index.covering
                && old.unique == index.unique
                && filter == index.filter
        })
    });
    match was {
        Some(was) => {
            index.id = was.id;
            index.state = was.state;
        }
        None => {
            let old_rows = draft.was.is_some() && !soft_delete::is_empty(draft, &index);
            index.id = resolver.index_id();
            index.state = if old_rows { IndexState::Backfilling } else { IndexState::Public };
        }
    }
    if let Some(draft) = resolver.drafts.get_mut(at) {
        draft.entity.indexes.push(index);
    }
}

/// Gives each foreign key an index, unless the primary key or an index has its fields first.
pub(super) fn add_for_foreign_keys(resolver: &mut Resolver<'_>) {
    for at in 0..resolver.drafts.len() {
        let keys = resolver.drafts.get(at).map_or_else(Vec::new, |d| d.entity.foreign_keys.clone());
        for key in keys {
            let Some(draft) = resolver.drafts.get(at) else { return };
            let entity = &draft.entity;
            let by_index = |index: &Index| {
                index.filter.is_none()
                    && as_prefix(index.columns.iter().map(|c| c.field), &key.fields).is_some()
            };
            if as_prefix(entity.primary_key.iter().copied(), &key.fields).is_some()
                || entity.indexes.iter().any(by_index)
            {
                continue;
            }
            let name = generated_name(resolver, at, &key.fields, "idx");
            let column = |field: &FieldId| IndexColumn { field: *field, descending: false };
            let index = Index {
                id: ormdb_proto::schema::IndexId(0),
                name,
                columns: key.fields.iter().map(column).collect(),
                covering: Vec::new(),
                unique: None,
                filter: None,
                origin: IndexOrigin::ForeignKey,
                state: IndexState::Public,
            };
            add(resolver, at, index);
        }
    }
}

/// Old names of fields that have other names now.
pub(super) fn renamed_fields(draft: &Draft<'_>) -> HashMap<String, String> {
    let was = draft.was.map_or(&[][..], |was| was.fields.as_slice());
    let renamed = |old: &ormdb_proto::schema::Field| {
        let new = draft.entity.field_by_id(old.id)?;
        (new.name != old.name).then(|| (old.name.clone(), new.name.clone()))
    };
    was.iter().filter_map(renamed).collect()
}

fn same_fields(a: &[FieldId], b: &[FieldId]) -> bool {
    a.len() == b.len() && a.iter().all(|f| b.contains(f))
}

fn same_definition(a: &Index, b: &Index) -> bool {
    a.columns == b.columns && a.covering == b.covering && a.unique == b.unique && a.filter == b.filter
}

/// A name that the text gives to an index, check or foreign key; reports it if it is taken.
pub(super) fn explicit_name(resolver: &mut Resolver<'_>, name: &Name) -> String {
    resolver.check_name("an index or constraint", name);
    if is_taken(resolver, &name.text) {
        let message = format!("an index or constraint is named `{name}` already");
        resolver.error(Error::new(ErrorCode::DuplicateName, message).span(name.span).constraint(&name.text));
    }
    name.text.clone()
}

/// `Post_authorId_idx`, with a number behind it where that is taken.
pub(super) fn generated_name(resolver: &Resolver<'_>, at: usize, fields: &[FieldId], suffix: &str) -> String {
    let Some(draft) = resolver.drafts.get(at) else { return String::new() };
    let mut stem = draft.entity.name.clone();
    for name in fields.iter().filter_map(|id| draft.entity.field_by_id(*id)).map(|f| &f.name) {
        stem.push('_');
        stem.push_str(name);
    }
    free_name(resolver, &format!("{stem}_{suffix}"))
}

/// The name, or the name with the first number behind it that makes it free.
pub(super) fn free_name(resolver: &Resolver<'_>, name: &str) -> String {
    let numbered = (1u32..).map(|n| format!("{name}{n}"));
    std::iter::once(name.to_owned())
        .chain(numbered)
        .find(|name| !is_taken(resolver, name))
        .unwrap_or_default()
}

fn is_taken(resolver: &Resolver<'_>, name: &str) -> bool {
    resolver.drafts.iter().map(|d| &d.entity).any(|entity| {
        entity.indexes.iter().any(|i| i.name == name)
            || entity.checks.iter().any(|c| c.name == name)
            || entity.foreign_keys.iter().any(|k| k.name == name)
    })
}
