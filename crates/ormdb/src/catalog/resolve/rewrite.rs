//! Expressions as the schema keeps them: without places in a text, and with the names of today.

use std::collections::HashMap;

use ormdb_proto::ir::{Expr, OrderBy};

/// The expression without places in a text, so that equal expressions are equal wherever they stand.
pub(super) fn without_spans(expr: &Expr) -> Expr {
    let mut expr = expr.clone();
    walk(&mut expr, &mut |_| {});
    expr
}

/// The expression without places, its own fields renamed.
pub(in crate::catalog) fn renamed(expr: &Expr, names: &HashMap<String, String>) -> Expr {
    let mut expr = expr.clone();
    walk(&mut expr, &mut |path| {
        if let Some(first) = path.first_mut()
            && let Some(new) = names.get(first)
        {
            first.clone_from(new);
        }
    });
    expr
}

/// The order without places in a text.
pub(super) fn order_without_spans(order: &[OrderBy]) -> Vec<OrderBy> {
    let key = |key: &OrderBy| OrderBy { expr: without_spans(&key.expr), ..*key };
    order.iter().map(key).collect()
}

/// Drops every span, and shows every path that begins at the row at hand.
fn walk(expr: &mut Expr, on_path: &mut dyn FnMut(&mut Vec<String>)) {
    match expr {
        Expr::Literal(_) => {}
        Expr::Param { span, .. } => *span = None,
        Expr::Path { path, span } => {
            *span = None;
            on_path(path);
        }
        Expr::Unary { operand, .. } | Expr::IsNull { operand, .. } => walk(operand, on_path),
        Expr::Binary { left, right, .. } => {
            walk(left, on_path);
            walk(right, on_path);
        }
        Expr::Match { text, pattern, .. } => {
            walk(text, on_path);
            walk(pattern, on_path);
        }
        Expr::In { operand, list, .. } => {
            walk(operand, on_path);
            walk(list, on_path);
        }
        Expr::List(items) | Expr::And(items) | Expr::Or(items) => {
            items.iter_mut().for_each(|item| walk(item, on_path));
        }
        Expr::Between { operand, low, high, .. } => {
            walk(operand, on_path);
            walk(low, on_path);
            walk(high, on_path);
        }
        Expr::Call { args, span, .. } => {
            *span = None;
            args.iter_mut().for_each(|arg| walk(arg, on_path));
        }
        Expr::Related { path, filter, span, .. } => {
            *span = None;
            on_path(path);
            // What is inside is said of the related row.
            walk(filter, &mut |_| {});
        }
        Expr::Aggregate(aggregate) => {
            aggregate.span = None;
            on_path(&mut aggregate.relation);
            let inside = [aggregate.value.as_mut(), aggregate.filter.as_mut()];
            inside.into_iter().flatten().for_each(|expr| walk(expr, &mut |_| {}));
        }
    }
}
