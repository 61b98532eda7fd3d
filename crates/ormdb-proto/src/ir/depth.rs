//! How deep a statement nests.
//!
//! Invariant: the walk goes at most one level beyond [`DEPTH_MAX`], however deep the statement is.

use super::{
    AssignOp, DEPTH_MAX, Expr, KeyPart, NestedWrite, RecordInput, SelectItem, Selection, Statement, Target,
};
use crate::error::{Error, ErrorCode, Limit, Result};

impl Statement {
    /// Checks that expressions, includes and nested writes, all together, nest at most [`DEPTH_MAX`] deep.
    ///
    /// # Errors
    /// `LimitExceeded`.
    pub fn check_depth(&self) -> Result<()> {
        let returned = |selection: &Option<Selection>| selection.iter().try_for_each(|s| selection_at(s, 1));
        match self {
            Statement::Fetch(fetch) => {
                keys_at(fetch.key.as_deref().unwrap_or_default(), 1)?;
                if let Some(group) = &fetch.group {
                    group.by.iter().chain(&group.having).try_for_each(|e| expr_at(e, 2))?;
                }
                fetch.as_of.iter().try_for_each(|e| expr_at(e, 1))?;
                selection_at(&fetch.selection, 1)
            }
            Statement::Control(_) => Ok(()),
            Statement::Create(create) => {
                records_at(&create.rows, 1)?;
                returned(&create.returning)
            }
            Statement::Update(update) => {
                target_at(&update.target)?;
                update.expected.iter().try_for_each(|e| expr_at(e, 1))?;
                record_at(&update.set, 1)?;
                returned(&update.returning)
            }
            Statement::Upsert(upsert) => {
                keys_at(&upsert.key, 1)?;
                record_at(&upsert.create, 1)?;
                record_at(&upsert.update, 1)?;
                returned(&upsert.returning)
            }
            Statement::Delete(delete) => {
                target_at(&delete.target)?;
                delete.expected.iter().try_for_each(|e| expr_at(e, 1))?;
                returned(&delete.returning)
            }
        }
    }
}

fn check(depth: usize) -> Result<()> {
    if depth <= DEPTH_MAX {
        return Ok(());
    }
    let as_u64 = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    let mut error = Error::new(ErrorCode::LimitExceeded, format!("nested more than {DEPTH_MAX} deep"));
    let limit = Limit { name: "depth_max".to_owned(), allowed: as_u64(DEPTH_MAX), asked: as_u64(depth) };
    error.detail.limit = Some(limit);
    Err(error)
}

fn target_at(target: &Target) -> Result<()> {
    match target {
        Target::Key(key) => keys_at(key, 1),
        Target::Filter { filter, limit } => filter.iter().chain(limit).try_for_each(|e| expr_at(e, 1)),
    }
}

fn keys_at(key: &[KeyPart], depth: usize) -> Result<()> {
    key.iter().try_for_each(|part| expr_at(&part.value, depth))
}

fn selection_at(selection: &Selection, depth: usize) -> Result<()> {
    check(depth)?;
    let Selection { deleted: _, filter, order, distinct, cursor, limit, end: _, offset, items } = selection;
    let exprs = filter.iter().chain(limit).chain(offset).chain(distinct).chain(order.iter().map(|o| &o.expr));
    keys_at(cursor.as_ref().map_or(&[], |place| place.key.as_slice()), depth + 1)?;
    exprs.into_iter().try_for_each(|e| expr_at(e, depth + 1))?;
    items.iter().try_for_each(|item| match item {
        SelectItem::All { .. } | SelectItem::Field { .. } => Ok(()),
        SelectItem::Computed { expr, .. } => expr_at(expr, depth + 1),
        SelectItem::Include(include) => {
            include.recursive.iter().try_for_each(|e| expr_at(e, depth + 1))?;
            selection_at(&include.selection, depth + 1)
        }
    })
}

fn records_at(records: &[RecordInput], depth: usize) -> Result<()> {
    records.iter().try_for_each(|record| record_at(record, depth))
}

fn record_at(record: &RecordInput, depth: usize) -> Result<()> {
    check(depth)?;
    record.assignments.iter().try_for_each(|assignment| match &assignment.op {
        AssignOp::Set(expr)
        | AssignOp::Increment(expr)
        | AssignOp::Decrement(expr)
        | AssignOp::Multiply(expr)
        | AssignOp::Divide(expr) => expr_at(expr, depth + 1),
        AssignOp::Nested(writes) => writes.iter().try_for_each(|write| nested_at(write, depth + 1)),
        AssignOp::Struct(record) => record_at(record, depth + 1),
    })
}

fn nested_at(write: &NestedWrite, depth: usize) -> Result<()> {
    let key_at = |key: &Option<Vec<KeyPart>>| keys_at(key.as_deref().unwrap_or_default(), depth);
    match write {
        NestedWrite::Create(records) => records_at(records, depth),
        NestedWrite::Connect(keys) | NestedWrite::Disconnect(keys) | NestedWrite::Replace(keys) => {
            keys.iter().try_for_each(|key| keys_at(key, depth))
        }
        NestedWrite::ConnectOrCreate { key, create } => {
            keys_at(key, depth)?;
            record_at(create, depth)
        }
        NestedWrite::Update { key, filter, set } => {
            key_at(key)?;
            filter.iter().try_for_each(|e| expr_at(e, depth))?;
            record_at(set, depth)
        }
        NestedWrite::Upsert { key, create, update } => {
            key_at(key)?;
            record_at(create, depth)?;
            record_at(update, depth)
        }
        NestedWrite::Delete { key, filter } => {
            key_at(key)?;
            filter.iter().try_for_each(|e| expr_at(e, depth))
        }
    }
}

fn expr_at(expr: &Expr, depth: usize) -> Result<()> {
    check(depth)?;
    expr.children().into_iter().try_for_each(|child| expr_at(child, depth + 1))
}
