//! Takes the literals out of a fetch that are no part of its shape.

use ormdb_proto::ir::{Expr, Fetch, SelectItem, Selection, UnaryOp};

use super::{is_comparison, lifted, name_of};

/// Puts parameters in the place of the literals that are no part of the shape.
pub(in crate::plan::cache) fn lift(fetch: &mut Fetch) {
    let mut next = 0;
    for part in fetch.key.iter_mut().flatten() {
        lift_comparand(&mut part.value, &mut next);
    }
    lift_selection(&mut fetch.selection, &mut next);
}

fn lift_selection(selection: &mut Selection, next: &mut usize) {
    selection.filter.iter_mut().for_each(|filter| lift_condition(filter, next));
    for part in selection.cursor.iter_mut().flat_map(|place| &mut place.key) {
        lift_comparand(&mut part.value, next);
    }
    for item in &mut selection.items {
        if let SelectItem::Include(include) = item {
            lift_selection(&mut include.selection, next);
        }
    }
}

fn lift_condition(expr: &mut Expr, next: &mut usize) {
    match expr {
        Expr::And(all) | Expr::Or(all) => all.iter_mut().for_each(|expr| lift_condition(expr, next)),
        Expr::Unary { op: UnaryOp::Not, operand } => lift_condition(operand, next),
        Expr::Binary { op, left, right } if is_comparison(*op) => {
            lift_comparand(left, next);
            lift_comparand(right, next);
        }
        Expr::Between { low, high, .. } => {
            lift_comparand(low, next);
            lift_comparand(high, next);
        }
        Expr::Related { filter, .. } => lift_condition(filter, next),
        Expr::Literal(_)
        | Expr::Param { .. }
        | Expr::Path { .. }
        | Expr::Unary { .. }
        | Expr::Binary { .. }
        | Expr::Match { .. }
        | Expr::In { .. }
        | Expr::List(_)
        | Expr::IsNull { .. }
        | Expr::Call { .. }
        | Expr::Aggregate(_) => {}
    }
}

fn lift_comparand(expr: &mut Expr, next: &mut usize) {
    if lifted(expr).is_some() {
        *expr = Expr::Param { name: name_of(*next), span: expr.span() };
        *next += 1;
    }
}
