//! A walk over everything that a statement is made of: how deep it nests, and which parameters it names.
//!
//! Invariant: the walk goes at most one level beyond [`DEPTH_MAX`], however deep the statement is.

use super::{
    AssignOp, DEPTH_MAX, Expr, KeyPart, NestedWrite, RecordInput, SelectItem, Selection, Statement, Target,
};
use crate::error::{Error, ErrorCode, Limit, Result};

/// What is done with each expression, those within others too.
type See<'s, 'f> = &'f mut dyn FnMut(&'s Expr);

impl Statement {
    /// Checks that expressions, includes and nested writes, all together, nest at most [`DEPTH_MAX`] deep.
    ///
    /// # Errors
    /// `LimitExceeded`.
    pub fn check_depth(&self) -> Result<()> {
        self.walk(&mut |_| {})
    }

    /// The names of its parameters, each once.
    ///
    /// # Errors
    /// As of [`Statement::check_depth`].
    pub fn parameters(&self) -> Result<Vec<&str>> {
        let mut names = Vec::new();
        self.walk(&mut |expr| {
            if let Expr::Param { name, .. } = expr
                && !names.contains(&name.as_str())
            {
                names.push(name.as_str());
            }
        })?;
        Ok(names)
    }

    fn walk<'s>(&'s self, see: See<'s, '_>) -> Result<()> {
        match self {
            Statement::Fetch(fetch) => {
                keys_at(fetch.key.as_deref().unwrap_or_default(), 1, see)?;
                if let Some(group) = &fetch.group {
                    group.by.iter().chain(&group.having).try_for_each(|e| expr_at(e, 2, see))?;
                }
                fetch.as_of.iter().try_for_each(|e| expr_at(e, 1, see))?;
                selection_at(&fetch.selection, 1, see)
            }
            Statement::Control(_) => Ok(()),
            Statement::Create(create) => {
                records_at(&create.rows, 1, see)?;
                returned(&create.returning, see)
            }
            Statement::Update(update) => {
                target_at(&update.target, see)?;
                update.expected.iter().try_for_each(|e| expr_at(e, 1, see))?;
                record_at(&update.set, 1, see)?;
                returned(&update.returning, see)
            }
            Statement::Upsert(upsert) => {
                keys_at(&upsert.key, 1, see)?;
                record_at(&upsert.create, 1, see)?;
                record_at(&upsert.update, 1, see)?;
                returned(&upsert.returning, see)
            }
            Statement::Delete(delete) => {
                target_at(&delete.target, see)?;
                delete.expected.iter().try_for_each(|e| expr_at(e, 1, see))?;
                returned(&delete.returning, see)
            }
        }
    }
}

fn returned<'s>(selection: &'s Option<Selection>, see: See<'s, '_>) -> Result<()> {
    selection.iter().try_for_each(|s| selection_at(s, 1, see))
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

fn target_at<'s>(target: &'s Target, see: See<'s, '_>) -> Result<()> {
    match target {
        Target::Key(key) => keys_at(key, 1, see),
        Target::Filter { filter, limit } => filter.iter().chain(limit).try_for_each(|e| expr_at(e, 1, see)),
    }
}

fn keys_at<'s>(key: &'s [KeyPart], depth: usize, see: See<'s, '_>) -> Result<()> {
    key.iter().try_for_each(|part| expr_at(&part.value, depth, see))
}

fn selection_at<'s>(selection: &'s Selection, depth: usize, see: See<'s, '_>) -> Result<()> {
    check(depth)?;
    let Selection { deleted: _, filter, order, distinct, cursor, limit, end: _, offset, items } = selection;
    let exprs = filter.iter().chain(limit).chain(offset).chain(distinct).chain(order.iter().map(|o| &o.expr));
    keys_at(cursor.as_ref().map_or(&[], |place| place.key.as_slice()), depth + 1, see)?;
    exprs.into_iter().try_for_each(|e| expr_at(e, depth + 1, see))?;
    items.iter().try_for_each(|item| match item {
        SelectItem::All { .. } | SelectItem::Field { .. } => Ok(()),
        SelectItem::Computed { expr, .. } => expr_at(expr, depth + 1, see),
        SelectItem::Include(include) => {
            include.recursive.iter().try_for_each(|e| expr_at(e, depth + 1, see))?;
            selection_at(&include.selection, depth + 1, see)
        }
    })
}

fn records_at<'s>(records: &'s [RecordInput], depth: usize, see: See<'s, '_>) -> Result<()> {
    records.iter().try_for_each(|record| record_at(record, depth, see))
}

fn record_at<'s>(record: &'s RecordInput, depth: usize, see: See<'s, '_>) -> Result<()> {
    check(depth)?;
    record.assignments.iter().try_for_each(|assignment| match &assignment.op {
        AssignOp::Set(expr)
        | AssignOp::Increment(expr)
        | AssignOp::Decrement(expr)
        | AssignOp::Multiply(expr)
        | AssignOp::Divide(expr) => expr_at(expr, depth + 1, see),
        AssignOp::Nested(writes) => writes.iter().try_for_each(|write| nested_at(write, depth + 1, see)),
        AssignOp::Struct(record) => record_at(record, depth + 1, see),
    })
}

fn nested_at<'s>(write: &'s NestedWrite, depth: usize, see: See<'s, '_>) -> Result<()> {
    let mut key_at = |key: &'s Option<Vec<KeyPart>>| keys_at(key.as_deref().unwrap_or_default(), depth, see);
    match write {
        NestedWrite::Create { rows, .. } => records_at(rows, depth, see),
        NestedWrite::Connect(keys) | NestedWrite::Disconnect(keys) | NestedWrite::Replace(keys) => {
            keys.iter().try_for_each(|key| keys_at(key, depth, see))
        }
        NestedWrite::ConnectOrCreate { key, create } => {
            keys_at(key, depth, see)?;
            record_at(create, depth, see)
        }
        NestedWrite::Update { key, filter, set } => {
            key_at(key)?;
            filter.iter().try_for_each(|e| expr_at(e, depth, see))?;
            record_at(set, depth, see)
        }
        NestedWrite::Upsert { key, create, update } => {
            key_at(key)?;
            record_at(create, depth, see)?;
            record_at(update, depth, see)
        }
        NestedWrite::Delete { key, filter } => {
            key_at(key)?;
            filter.iter().try_for_each(|e| expr_at(e, depth, see))
        }
    }
}

fn expr_at<'s>(expr: &'s Expr, depth: usize, see: See<'s, '_>) -> Result<()> {
    check(depth)?;
    see(expr);
    expr.children().into_iter().try_for_each(|child| expr_at(child, depth + 1, see))
}
