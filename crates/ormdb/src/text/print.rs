//! Writes expressions and statements in canonical form: what is printed reads back as the same tree, except for spans.

use std::fmt::Write as _;

use ormdb_proto::Value;
use ormdb_proto::ir::{
    AggregateFunction, BinaryOp, Expr, Nulls, OrderBy, Quantifier, SortDirection, TextMatch, UnaryOp,
};
use ormdb_proto::value::format_float64;

use super::lexer::{is_keyword, is_plain_name};

mod statement;

pub use statement::print_statement;

/// How tightly a form binds; an operand of a looser form stands in parentheses.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Binding {
    Or,
    And,
    Not,
    Predicate,
    Concat,
    Sum,
    Product,
    Sign,
    Primary,
}

/// The expression as text of the query language.
pub fn print_expr(expr: &Expr) -> String {
    let mut out = String::new();
    put(&mut out, expr, Binding::Or);
    out
}

/// The name as it stands in an expression: in backticks where it would not read as a name.
pub fn print_name(name: &str) -> String {
    let plain = |part: &str| is_plain_name(part) && !is_keyword(part);
    name.split('.').map(|part| quoted_unless(plain(part), part)).collect::<Vec<_>>().join(".")
}

/// A name where keywords mean nothing: in backticks only if it is spelled like no name.
pub(super) fn print_declared(name: &str) -> String {
    name.split('.').map(|part| quoted_unless(is_plain_name(part), part)).collect::<Vec<_>>().join(".")
}

fn quoted_unless(plain: bool, part: &str) -> String {
    if plain { part.to_owned() } else { format!("`{part}`") }
}

/// The value as a literal. Values of types that have no literal of their own stand as strings, which bend.
pub fn print_value(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(v) => v.to_string(),
        Value::Int16(v) => v.to_string(),
        Value::Int32(v) => v.to_string(),
        Value::Int64(v) => v.to_string(),
        Value::Float32(v) => print_float(f64::from(*v), format!("{v:e}")),
        Value::Float64(v) => print_float(*v, format!("{v:e}")),
        Value::Decimal(v) => v.to_string(),
        Value::String(v) => print_string(v),
        Value::Bytes(v) => {
            let digits = v.iter().fold(String::new(), |mut out, byte| {
                push(&mut out, format_args!("{byte:02x}"));
                out
            });
            format!("x\"{digits}\"")
        }
        Value::Enum(v) => print_name(v),
        Value::Uuid(_) | Value::DateTime(_) | Value::LocalDateTime(_) | Value::Date(_) | Value::Time(_) => {
            format!("{}{}", value.type_name(), print_string(&value.to_text()))
        }
        Value::Interval(_) | Value::Json(_) => print_string(&value.to_text()),
        Value::Array(v) => format!("[{}]", v.iter().map(print_value).collect::<Vec<_>>().join(", ")),
    }
}

/// The key of an order as text.
pub fn print_order(key: &OrderBy) -> String {
    let mut out = print_expr(&key.expr);
    if key.direction == SortDirection::Descending {
        out.push_str(" desc");
    }
    match key.nulls {
        Some(Nulls::First) => out.push_str(" nulls first"),
        Some(Nulls::Last) => out.push_str(" nulls last"),
        None => {}
    }
    out
}

/// A float has an exponent, so that it does not read as a decimal.
fn print_float(value: f64, exponential: String) -> String {
    if value.is_finite() { exponential } else { print_string(&format_float64(value)) }
}

/// The text between double quotes, with escapes.
pub(super) fn print_string(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => push(&mut out, format_args!("\\u{{{:x}}}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Writing to a string cannot fail.
fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).unwrap_or_default();
}

fn binding(expr: &Expr) -> Binding {
    match expr {
        Expr::Literal(_)
        | Expr::Param { .. }
        | Expr::Path { .. }
        | Expr::List(_)
        | Expr::Call { .. }
        | Expr::Aggregate(_) => Binding::Primary,
        Expr::Unary { op: UnaryOp::Not, .. } => Binding::Not,
        Expr::Unary { op: UnaryOp::Negate, .. } => Binding::Sign,
        Expr::Binary { op, .. } => match op {
            BinaryOp::Equal
            | BinaryOp::NotEqual
            | BinaryOp::Less
            | BinaryOp::LessOrEqual
            | BinaryOp::Greater
            | BinaryOp::GreaterOrEqual => Binding::Predicate,
            BinaryOp::Concat => Binding::Concat,
            BinaryOp::Add | BinaryOp::Subtract => Binding::Sum,
            BinaryOp::Multiply | BinaryOp::Divide | BinaryOp::Remainder => Binding::Product,
        },
        Expr::Match { .. }
        | Expr::In { .. }
        | Expr::Between { .. }
        | Expr::IsNull { .. }
        | Expr::Related { .. } => Binding::Predicate,
        Expr::And(items) if items.len() > 1 => Binding::And,
        Expr::Or(items) if items.len() > 1 => Binding::Or,
        // Of one operand or none: printed as that operand, or as a constant.
        Expr::And(_) | Expr::Or(_) => Binding::Or,
    }
}

/// Writes `expr`, in parentheses if it binds looser than its place wants.
fn put(out: &mut String, expr: &Expr, place: Binding) {
    let parenthesized = binding(expr) < place;
    if parenthesized {
        out.push('(');
    }
    put_bare(out, expr);
    if parenthesized {
        out.push(')');
    }
}

fn put_bare(out: &mut String, expr: &Expr) {
    match expr {
        Expr::Literal(literal) => out.push_str(&print_value(&literal.value)),
        Expr::Param { name, .. } => push(out, format_args!("${name}")),
        Expr::Path { path, .. } => put_path(out, path),
        Expr::Unary { op: UnaryOp::Not, operand } => {
            out.push_str("not ");
            put(out, operand, Binding::Not);
        }
        Expr::Unary { op: UnaryOp::Negate, operand } => {
            // A number behind a minus would read as a negative literal.
            out.push('-');
            let number = matches!(**operand, Expr::Literal(_));
            if number {
                out.push('(');
            }
            put(out, operand, Binding::Primary);
            if number {
                out.push(')');
            }
        }
        Expr::Binary { op, left, right } => put_binary(out, *op, left, right),
        Expr::Match { op, insensitive, text, pattern } => {
            put(out, text, Binding::Concat);
            let (word, marked) = match (op, insensitive) {
                (TextMatch::Like, true) => ("ilike", false),
                (TextMatch::Like, false) => ("like", false),
                (TextMatch::Contains, marked) => ("contains", *marked),
                (TextMatch::StartsWith, marked) => ("startsWith", *marked),
                (TextMatch::EndsWith, marked) => ("endsWith", *marked),
                (TextMatch::Regex, marked) => ("matches", *marked),
            };
            push(out, format_args!(" {word} "));
            put(out, pattern, Binding::Concat);
            if marked {
                out.push_str(" insensitive");
            }
        }
        Expr::In { operand, list, negated } => {
            put(out, operand, Binding::Concat);
            out.push_str(if *negated { " not in " } else { " in " });
            put(out, list, Binding::Concat);
        }
        Expr::List(items) => {
            out.push('[');
            put_list(out, items);
            out.push(']');
        }
        Expr::Between { operand, low, high, negated } => {
            put(out, operand, Binding::Concat);
            out.push_str(if *negated { " not between " } else { " between " });
            put(out, low, Binding::Concat);
            out.push_str(" and ");
            put(out, high, Binding::Concat);
        }
        Expr::IsNull { operand, negated } => {
            put(out, operand, Binding::Concat);
            out.push_str(if *negated { " is not null" } else { " is null" });
        }
        Expr::And(items) => put_junction(out, items, " and ", "true", Binding::Not),
        Expr::Or(items) => put_junction(out, items, " or ", "false", Binding::And),
        Expr::Call { function, args, .. } => {
            push(out, format_args!("{function}("));
            put_list(out, args);
            out.push(')');
        }
        Expr::Related { path, quantifier, filter, .. } => {
            put_path(out, path);
            out.push_str(match quantifier {
                Quantifier::Some => " some",
                Quantifier::Every => " every",
                Quantifier::None => " none",
                Quantifier::Is => " is",
                Quantifier::IsNot => " is not",
            });
            let always = matches!(&**filter, Expr::And(items) if items.is_empty());
            if !always || matches!(quantifier, Quantifier::Is | Quantifier::IsNot) {
                out.push_str(" (");
                put(out, filter, Binding::Or);
                out.push(')');
            }
        }
        Expr::Aggregate(aggregate) => {
            out.push_str(match aggregate.function {
                AggregateFunction::Count => "count(",
                AggregateFunction::Sum => "sum(",
                AggregateFunction::Avg => "avg(",
                AggregateFunction::Min => "min(",
                AggregateFunction::Max => "max(",
            });
            if aggregate.distinct {
                out.push_str("distinct ");
            }
            put_path(out, &aggregate.relation);
            match &aggregate.value {
                Some(value) if aggregate.relation.is_empty() => {
                    // A path alone would read as that of a relation.
                    let of_rows = aggregate.function == AggregateFunction::Count && !aggregate.distinct;
                    let is_path = matches!(value, Expr::Path { path, .. } if path.len() > 1 || of_rows);
                    out.push_str(if is_path { "(" } else { "" });
                    put(out, value, Binding::Or);
                    out.push_str(if is_path { ")" } else { "" });
                }
                // The short form, but for a count, where it would read as a count of rows.
                Some(Expr::Path { path, .. })
                    if path.len() == 1
                        && (aggregate.function != AggregateFunction::Count || aggregate.distinct) =>
                {
                    out.push('.');
                    put_path(out, path);
                }
                Some(value) => {
                    out.push_str(": ");
                    put(out, value, Binding::Or);
                }
                None => {}
            }
            if let Some(filter) = &aggregate.filter {
                out.push_str(if out.ends_with('(') { "where " } else { " where " });
                put(out, filter, Binding::Or);
            }
            out.push(')');
        }
    }
}

fn put_binary(out: &mut String, op: BinaryOp, left: &Expr, right: &Expr) {
    let (symbol, left_place, right_place) = match op {
        BinaryOp::Equal => ("=", Binding::Concat, Binding::Concat),
        BinaryOp::NotEqual => ("!=", Binding::Concat, Binding::Concat),
        BinaryOp::Less => ("<", Binding::Concat, Binding::Concat),
        BinaryOp::LessOrEqual => ("<=", Binding::Concat, Binding::Concat),
        BinaryOp::Greater => (">", Binding::Concat, Binding::Concat),
        BinaryOp::GreaterOrEqual => (">=", Binding::Concat, Binding::Concat),
        BinaryOp::Concat => ("||", Binding::Concat, Binding::Sum),
        BinaryOp::Add => ("+", Binding::Sum, Binding::Product),
        BinaryOp::Subtract => ("-", Binding::Sum, Binding::Product),
        BinaryOp::Multiply => ("*", Binding::Product, Binding::Sign),
        BinaryOp::Divide => ("/", Binding::Product, Binding::Sign),
        BinaryOp::Remainder => ("%", Binding::Product, Binding::Sign),
    };
    put(out, left, left_place);
    push(out, format_args!(" {symbol} "));
    put(out, right, right_place);
}

fn put_junction(out: &mut String, items: &[Expr], word: &str, of_none: &str, place: Binding) {
    match items {
        [] => out.push_str(of_none),
        [one] => put_bare(out, one),
        _ => {
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push_str(word);
                }
                put(out, item, place);
            }
        }
    }
}

fn put_list(out: &mut String, items: &[Expr]) {
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            out.push_str(", ");
        }
        put(out, item, Binding::Or);
    }
}

fn put_path(out: &mut String, path: &[String]) {
    for (i, name) in path.iter().enumerate() {
        if i > 0 {
            out.push('.');
        }
        out.push_str(&print_name(name));
    }
}
