//! Cursors: the place of a row in an order becomes a condition on the others.
//!
//! ```text
//! order by a, b desc after [7], where row 7 has a = 1, b = "x":
//!   a > 1 or a is null  or  a = 1 and b < "x"  or  a = 1 and b = "x" and id > 7
//! ```
//!
//! Invariant: a fetch that is planned has no cursor.

use std::borrow::Cow;

use ormdb_proto::ir::{
    BinaryOp, Expr, Fetch, Nulls, OrderBy, Place, SelectItem, Selection, Side, SortDirection,
};
use ormdb_proto::{Result, Value};

use crate::catalog::EntityInfo;
use crate::context::Ctx;

/// The fetch with conditions in place of its cursors.
pub(super) fn resolved<'f>(ctx: &Ctx<'_>, fetch: &'f Fetch) -> Result<Cow<'f, Fetch>> {
    if !has_cursor(fetch) {
        return Ok(Cow::Borrowed(fetch));
    }
    let mut fetch = fetch.clone();
    resolve(ctx, ctx.catalog.entity(&fetch.entity)?, &mut fetch.selection)?;
    Ok(Cow::Owned(fetch))
}

/// The selection with conditions in place of the cursors below its rows; its own, and what else says which rows, is not
/// looked at.
pub(super) fn resolved_below<'s>(
    ctx: &Ctx<'_>,
    entity: &EntityInfo,
    selection: &'s Selection,
) -> Result<Cow<'s, Selection>> {
    if !selection.items.iter().any(includes_cursor) {
        return Ok(Cow::Borrowed(selection));
    }
    let mut below = Selection { items: selection.items.clone(), ..Selection::default() };
    resolve(ctx, entity, &mut below)?;
    Ok(Cow::Owned(below))
}

/// Whether the conditions of a fetch depend on the place of a row.
pub(crate) fn has_cursor(fetch: &Fetch) -> bool {
    fetch.group.is_none() && begins_at_row(&fetch.selection)
}

fn begins_at_row(selection: &Selection) -> bool {
    selection.cursor.is_some() || selection.items.iter().any(includes_cursor)
}

fn includes_cursor(item: &SelectItem) -> bool {
    matches!(item, SelectItem::Include(include) if begins_at_row(&include.selection))
}

fn resolve(ctx: &Ctx<'_>, entity: &EntityInfo, selection: &mut Selection) -> Result<()> {
    if let Some(place) = selection.cursor.take() {
        let condition = condition(ctx, entity, selection, &place)?;
        let filter = selection.filter.take();
        selection.filter = Some(Expr::And(filter.into_iter().chain([condition]).collect()));
    }
    for item in &mut selection.items {
        // What is no relation is told where the fetch is planned.
        if let SelectItem::Include(include) = item
            && let Ok(relation) = entity.relation_named(&include.relation)
        {
            let target = ctx.catalog.entity_by_id(relation.target)?;
            resolve(ctx, target, &mut include.selection)?;
        }
    }
    Ok(())
}

/// A key of an order with the value that the row of a place has.
struct Step {
    key: OrderBy,
    value: Value,
    /// Whether a row without a value is possible.
    optional: bool,
}

fn condition(ctx: &Ctx<'_>, entity: &EntityInfo, selection: &Selection, place: &Place) -> Result<Expr> {
    let order = if selection.order.is_empty() { &entity.default_order } else { &selection.order };
    let mut keys = order.clone();
    for field in &entity.primary_key {
        let expr = Expr::path([entity.field_of(*field)?.name.as_str()]);
        keys.push(OrderBy { expr, direction: SortDirection::Ascending, nulls: None });
    }
    let items = keys.iter().enumerate();
    let items =
        items.map(|(at, key)| SelectItem::Computed { alias: format!("p{at}"), expr: key.expr.clone() });
    let of = Selection { deleted: selection.deleted, items: items.collect(), ..Selection::default() };
    let row = Fetch { key: Some(place.key.clone()), ..Fetch::of(&entity.name, of) };
    let found = super::fetch(ctx, &row)?;
    let Some(row) = found.roots()?.next() else { return Ok(Expr::literal(false)) };
    let steps = keys.into_iter().enumerate().map(|(at, key)| {
        let required = |path: &[String]| {
            matches!(path, [name] if entity.field_named(name).is_ok_and(|field| !field.optional))
        };
        let optional = !matches!(&key.expr, Expr::Path { path, .. } if required(path));
        Ok(Step { key, value: row.value(&format!("p{at}"))?, optional })
    });
    let steps = steps.collect::<Result<Vec<Step>>>()?;
    let behind = matches!(place.side, Side::After | Side::From);
    let mut ways = Vec::new();
    let mut equal: Vec<Expr> = Vec::new();
    for step in &steps {
        if let Some(beyond) = step.beyond(behind) {
            ways.push(Expr::And(equal.iter().cloned().chain([beyond]).collect()));
        }
        equal.push(step.equal());
    }
    if matches!(place.side, Side::From | Side::Until) {
        ways.push(Expr::And(equal));
    }
    // A bound of the first key, which all of these have in common, bounds a scan.
    let bound = steps.first().and_then(|step| step.bound(behind));
    Ok(Expr::And(bound.into_iter().chain([Expr::Or(ways)]).collect()))
}

impl Step {
    fn nulls_last(&self) -> bool {
        let descending = self.key.direction == SortDirection::Descending;
        self.key.nulls.map_or(!descending, |nulls| nulls == Nulls::Last)
    }

    fn compared(&self, behind: bool, less: BinaryOp, greater: BinaryOp) -> Expr {
        let ascending = self.key.direction == SortDirection::Ascending;
        let op = if ascending == behind { greater } else { less };
        Expr::binary(op, self.key.expr.clone(), Expr::literal(self.value.clone()))
    }

    fn null(&self, negated: bool) -> Expr {
        Expr::IsNull { operand: Box::new(self.key.expr.clone()), negated }
    }

    fn equal(&self) -> Expr {
        if self.value.is_null() {
            return self.null(false);
        }
        Expr::binary(BinaryOp::Equal, self.key.expr.clone(), Expr::literal(self.value.clone()))
    }

    /// That a row stands behind the value of this key, or before it; none if no row can.
    fn beyond(&self, behind: bool) -> Option<Expr> {
        let nulls_there = self.nulls_last() == behind;
        if self.value.is_null() {
            return (!nulls_there).then(|| self.null(true));
        }
        let beyond = self.compared(behind, BinaryOp::Less, BinaryOp::Greater);
        Some(if nulls_there && self.optional { Expr::Or(vec![beyond, self.null(false)]) } else { beyond })
    }

    /// What every row at the value or behind it satisfies, or before it.
    fn bound(&self, behind: bool) -> Option<Expr> {
        let nulls_there = self.optional && self.nulls_last() == behind;
        (!self.value.is_null() && !nulls_there)
            .then(|| self.compared(behind, BinaryOp::LessOrEqual, BinaryOp::GreaterOrEqual))
    }
}
