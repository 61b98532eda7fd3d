//! A write statement with the graph that it asks back.

use ormdb_proto::ir::{
    Delete, DeletedRows, Expr, Fetch, OrderBy, Removal, Selection, SortDirection, Statement, Target,
};
use ormdb_proto::outcome::MutationResult;
use ormdb_proto::{GraphResult, Result, Token};

use crate::context::WriteCtx;
use crate::exec;
use crate::statistics::RowDeltas;
use crate::write::Writer;

/// Runs a write statement in its transaction, and reads what it asks to be returned: of created and updated rows as
/// they are afterwards, of deleted rows as they were; with it, what it did to the number of rows. After an error, the caller takes back what the statement wrote.
///
/// # Errors
/// Those of the statement and of the returned graph.
pub(crate) fn run(
    ctx: &mut WriteCtx<'_>,
    statement: &Statement,
    token: Token,
) -> Result<(MutationResult, RowDeltas)> {
    let before = match statement {
        Statement::Delete(delete) => graph_before(ctx, delete)?,
        Statement::Fetch(_)
        | Statement::Create(_)
        | Statement::Update(_)
        | Statement::Upsert(_)
        | Statement::Control(_) => None,
    };
    let written = Writer::new(ctx.reborrow()).run(statement)?;
    let after = match statement {
        Statement::Create(s) => Some((&s.entity, &s.returning)),
        Statement::Update(s) => Some((&s.entity, &s.returning)),
        Statement::Upsert(s) => Some((&s.entity, &s.returning)),
        Statement::Fetch(_) | Statement::Delete(_) | Statement::Control(_) => None,
    };
    let returned = match after {
        Some((entity, Some(selection))) => {
            Some(exec::fetch_keys(&ctx.read(), entity, &written.keys, selection)?)
        }
        Some((_, None)) | None => before,
    };
    let result = MutationResult {
        created: written.created,
        updated: written.updated,
        deleted: written.deleted,
        token,
        returned,
    };
    Ok((result, written.rows))
}

/// The graph of the rows that a delete is about to remove, if it asks for one.
fn graph_before(ctx: &WriteCtx<'_>, delete: &Delete) -> Result<Option<GraphResult>> {
    let Some(returning) = &delete.returning else { return Ok(None) };
    let (key, filter, limit) = match &delete.target {
        Target::Key(parts) => (Some(parts.clone()), None, None),
        Target::Filter { filter, limit } => (None, filter.clone(), limit.clone()),
    };
    let info = ctx.catalog.entity(&delete.entity)?;
    // A limited delete takes the first rows by primary key.
    let order = info.primary_key.iter().map(|id| {
        info.field_of(*id).map(|field| OrderBy {
            expr: Expr::path([field.name.as_str()]),
            direction: SortDirection::Ascending,
            nulls: None,
        })
    });
    let deleted = match delete.removal {
        Removal::AsDeclared => DeletedRows::Hidden,
        Removal::Permanent => DeletedRows::Shown,
    };
    let selection = Selection {
        deleted,
        filter,
        order: order.collect::<Result<_>>()?,
        limit,
        items: returning.items.clone(),
        ..Selection::default()
    };
    let fetch = Fetch { span: delete.span, key, ..Fetch::of(&delete.entity, selection) };
    exec::fetch(&ctx.read(), &fetch).map(Some)
}
