//! Expressions as the schema keeps them: without places in a text, and with the names of today.

use std::collections::HashMap;

use ormdb_proto::error::Span;
use ormdb_proto::ir::{Expr, OrderBy};

/// The expression without places in a text, so that equal expressions are equal wherever they stand.
pub(super) fn without_spans(expr: &Expr) -> Expr {
    let mut expr = expr.clone();
    walk(&mut expr, &mut |_, span| *span = None);
    expr
}

/// The expression without places, its own fields renamed.
pub(in crate::catalog) fn renamed(expr: &Expr, names: &HashMap<String, String>) -> Expr {
    let mut expr = expr.clone();
    walk(&mut expr, &mut |path, span| {
        *span = None;
        // The longest name first: `home.city`, and not the field `home` of before.
        let old = (1..=path.len()).rev().find_map(|len| Some((len, names.get(&path.get(..len)?.join("."))?)));
        if let Some((len, new)) = old {
            path.splice(..len, new.split('.').map(str::to_owned));
        }
    });
    expr
}

/// Puts the struct before the paths that begin with one of its members; gives the first names of the other paths.
pub(super) fn placed(expr: &mut Expr, of: &str, is_member: impl Fn(&str) -> bool) -> Vec<String> {
    let mut others = Vec::new();
    walk(expr, &mut |path, _| match path.first() {
        Some(first) if is_member(first) => {
            path.splice(..0, of.split('.').map(str::to_owned));
        }
        first => others.extend(first.cloned()),
    });
    others
}

/// The order without places in a text.
pub(super) fn order_without_spans(order: &[OrderBy]) -> Vec<OrderBy> {
    let key = |key: &OrderBy| OrderBy { expr: without_spans(&key.expr), ..*key };
    order.iter().map(key).collect()
}

/// Shows every path that begins at the row at hand, with its span, and every other span with no path.
fn walk(expr: &mut Expr, visit: &mut dyn FnMut(&mut Vec<String>, &mut Option<Span>)) {
    let mut nowhere = Vec::new();
    match expr {
        Expr::Literal(literal) => visit(&mut nowhere, &mut literal.span),
        Expr::Param { span, .. } => visit(&mut nowhere, span),
        Expr::Path { path, span } => visit(path, span),
        Expr::Unary { operand, .. } | Expr::IsNull { operand, .. } => walk(operand, visit),
        Expr::Binary { left, right, .. } => {
            walk(left, visit);
            walk(right, visit);
        }
        Expr::Match { text, pattern, .. } => {
            walk(text, visit);
            walk(pattern, visit);
        }
        Expr::In { operand, list, .. } => {
            walk(operand, visit);
            walk(list, visit);
        }
        Expr::List(items) | Expr::And(items) | Expr::Or(items) => {
            items.iter_mut().for_each(|item| walk(item, visit));
        }
        Expr::Between { operand, low, high, .. } => {
            walk(operand, visit);
            walk(low, visit);
            walk(high, visit);
        }
        Expr::Call { args, span, .. } => {
            visit(&mut nowhere, span);
            args.iter_mut().for_each(|arg| walk(arg, visit));
        }
        Expr::Related { path, filter, span, .. } => {
            visit(path, span);
            walk(filter, &mut |_, span| visit(&mut Vec::new(), span));
        }
        Expr::Aggregate(aggregate) => {
            visit(&mut aggregate.relation, &mut aggregate.span);
            let inside = [aggregate.value.as_mut(), aggregate.filter.as_mut()];
            // What is inside is said of the related row.
            let visit = &mut |_: &mut Vec<String>, span: &mut Option<Span>| visit(&mut Vec::new(), span);
            inside.into_iter().flatten().for_each(|expr| walk(expr, visit));
        }
    }
}
