//! Recursive includes: a relation of an entity to itself, on several levels below each other.

use ormdb_proto::ir::{Include, SelectItem};
use ormdb_proto::{Error, ErrorCode, Result};

use super::{Binder, at};
use crate::catalog::EntityInfo;

impl Binder<'_, '_> {
    /// The include with all its levels, each below the one above it, with all of the same.
    pub(super) fn unrolled(&self, entity: &EntityInfo, include: &Include) -> Result<Include> {
        let Some(levels) = &include.recursive else { return Ok(include.clone()) };
        let refuse = |message: String| {
            let error = Error::new(ErrorCode::InvalidQuery, message);
            Err(at(error.entity(&entity.name).field(&include.relation), include.span))
        };
        if entity.relation_named(&include.relation)?.target != entity.id {
            return refuse(format!("`{}` leads to another entity, and not on from there", include.relation));
        }
        let levels = self.count(entity, Some(levels), "number of levels")?.unwrap_or(1);
        if levels == 0 {
            return refuse("a recursive include has one level at least".to_owned());
        }
        // Deeper than that is refused where the levels are planned.
        let levels = levels.min(self.depth_max.saturating_add(1));
        let mut once = Include { recursive: None, ..include.clone() };
        if once.selection.items.is_empty() {
            once.selection.items.push(SelectItem::All { except: Vec::new() });
        }
        let mut whole = once.clone();
        for _ in 1..levels {
            let mut above = once.clone();
            above.selection.items.push(SelectItem::Include(Box::new(whole)));
            whole = above;
        }
        Ok(whole)
    }
}
