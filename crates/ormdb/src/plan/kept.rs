//! The rows that an entity keeps though they are deleted: hidden, unless a level asks for them.

use ormdb_proto::error::Span;
use ormdb_proto::ir::DeletedRows;
use ormdb_proto::{Error, ErrorCode, Result};

use super::Deleted;
use crate::catalog::{Catalog, EntityInfo};
use crate::expr::RowExpr;

/// What becomes of the deleted rows of `entity`.
///
/// # Errors
/// Errors of compiling the entity's rules.
pub(super) fn deleted(catalog: &Catalog, entity: &EntityInfo, rows: DeletedRows) -> Result<Deleted> {
    Ok(match (live(catalog, entity)?, rows) {
        (None, _) => Deleted::Never,
        (Some(live), DeletedRows::Hidden) => Deleted::Hidden(live),
        (Some(_), DeletedRows::Shown) => Deleted::Shown,
    })
}

/// The condition that a row is not deleted; none of an entity that keeps no deleted rows.
///
/// # Errors
/// Errors of compiling the entity's rules.
pub(super) fn live(catalog: &Catalog, entity: &EntityInfo) -> Result<Option<RowExpr>> {
    match entity.soft_delete {
        Some(_) => Ok(entity.rules(catalog.schema())?.live.clone()),
        None => Ok(None),
    }
}

/// Refuses to show deleted rows of an entity that keeps none.
///
/// # Errors
/// `InvalidQuery`.
pub(crate) fn check(entity: &EntityInfo, rows: DeletedRows, span: Option<Span>) -> Result<()> {
    if rows == DeletedRows::Hidden || entity.soft_delete.is_some() {
        return Ok(());
    }
    let message = format!("`{}` keeps no deleted rows, so that there are none to show", entity.name);
    let mut error = Error::new(ErrorCode::InvalidQuery, message).entity(&entity.name);
    error.detail.span = span;
    Err(error.hint("its schema would say `@@softDelete(deletedAt)`"))
}
