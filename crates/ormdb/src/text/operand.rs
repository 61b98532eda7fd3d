//! The operands of expressions: literals, parameters, paths, calls, lists, aggregates and parentheses.

use ormdb_proto::error::Span;
use ormdb_proto::ir::{AggregateFunction, Expr, Literal, RelationAggregate};
use ormdb_proto::{Error, ErrorCode, Result, Value};

use super::cursor::{Cursor, Want};
use super::expr::{Tree, goes_on, or};
use super::lexer::{Lexeme, is_keyword};
use super::literal::{number, typed_literal};

/// Reads what has no operator of its own.
pub(super) fn primary(cursor: &mut Cursor<'_>) -> Result<Tree> {
    cursor.check_height(1)?;
    if !goes_on(cursor) {
        let message = "the expression ends with its line, and a value is missing";
        return Err(Error::new(ErrorCode::SyntaxError, message)
            .span(cursor.last_span())
            .hint("an expression of several lines stands in parentheses"));
    }
    let span = cursor.peek().span;
    let literal = |value| Expr::Literal(Literal { value, span: Some(span) });
    if let Some(value) = number(cursor, "")? {
        return Ok(Tree::leaf(literal(value)));
    }
    let leaf = match &cursor.peek().lexeme {
        Lexeme::Text(text) => literal(Value::String(text.clone())),
        Lexeme::Bytes(bytes) => literal(Value::Bytes(bytes.clone())),
        Lexeme::Param(name) => Expr::Param { name: name.clone(), span: Some(span) },
        Lexeme::Symbol("(") => {
            cursor.advance();
            let inner = cursor.bracketed(or)?;
            if cursor.is_symbol(",") {
                let message = "a list stands in square brackets, or behind `in`";
                return Err(Error::new(ErrorCode::SyntaxError, message).span(cursor.peek().span));
            }
            cursor.expect_symbol(")")?;
            return Ok(inner);
        }
        Lexeme::Symbol("[") => {
            cursor.advance();
            return list(cursor, "]");
        }
        Lexeme::Word(word) => match word.as_str() {
            "true" => literal(Value::Bool(true)),
            "false" => literal(Value::Bool(false)),
            "null" => literal(Value::Null),
            word if is_keyword(word) => return Err(no_operand(cursor)),
            _ => return path_or_call(cursor),
        },
        Lexeme::Quoted(_) => return path_or_call(cursor),
        Lexeme::Integer(_) | Lexeme::Decimal(_) | Lexeme::Float(_) | Lexeme::Symbol(_) | Lexeme::End => {
            return Err(no_operand(cursor));
        }
    };
    cursor.advance();
    Ok(Tree::leaf(leaf))
}

fn no_operand(cursor: &Cursor<'_>) -> Error {
    let error = cursor.unexpected(&[Want::A("a value")]);
    match cursor.word() {
        Some(word) => {
            let hint = format!("a name that is spelled like a keyword stands in backticks: `` `{word}` ``");
            error.hint(hint)
        }
        None => error,
    }
}

/// The rest of a list, behind its opening bracket.
pub(super) fn list(cursor: &mut Cursor<'_>, close: &'static str) -> Result<Tree> {
    cursor.bracketed(|cursor| {
        let mut height = 0;
        let mut items = Vec::new();
        if !cursor.eat_symbol(close) {
            items = cursor.separated(close, |cursor| {
                let item = or(cursor)?;
                height = height.max(item.height);
                Ok(item.expr)
            })?;
        }
        Ok(Tree { expr: Expr::List(items), height: height + 1 })
    })
}

fn path_or_call(cursor: &mut Cursor<'_>) -> Result<Tree> {
    let start = cursor.peek().span;
    if cursor.is_symbol_at(1, "(")
        && let Some(word) = cursor.word()
    {
        let function = word.to_owned();
        cursor.advance();
        cursor.advance();
        return cursor.bracketed(|cursor| match aggregate_function(&function) {
            Some(aggregate) => relation_aggregate(cursor, aggregate, start),
            None => call(cursor, function, start),
        });
    }
    if let Some(value) = typed_literal(cursor)? {
        let span = Some(cursor.span_since(start));
        return Ok(Tree::leaf(Expr::Literal(Literal { value, span })));
    }
    let path = path(cursor)?;
    Ok(Tree::leaf(Expr::Path { path, span: Some(cursor.span_since(start)) }))
}

/// Names with points between.
fn path(cursor: &mut Cursor<'_>) -> Result<Vec<String>> {
    let mut path = vec![cursor.name("a name")?.text];
    while cursor.eat_symbol(".") {
        path.push(cursor.name("a name")?.text);
    }
    Ok(path)
}

fn call(cursor: &mut Cursor<'_>, function: String, start: Span) -> Result<Tree> {
    let mut height = 0;
    let mut args = Vec::new();
    if !cursor.eat_symbol(")") {
        args = cursor.separated(")", |cursor| {
            let arg = or(cursor)?;
            height = height.max(arg.height);
            Ok(arg.expr)
        })?;
    }
    Ok(Tree { height: height + 1, expr: Expr::Call { function, args, span: Some(cursor.span_since(start)) } })
}

/// The aggregate of a name.
fn aggregate_function(name: &str) -> Option<AggregateFunction> {
    match name {
        "count" => Some(AggregateFunction::Count),
        "sum" => Some(AggregateFunction::Sum),
        "avg" => Some(AggregateFunction::Avg),
        "min" => Some(AggregateFunction::Min),
        "max" => Some(AggregateFunction::Max),
        _ => None,
    }
}

/// `count(albums where …)`, `sum(lines.price)`, `sum(lines: price * quantity where …)`, and of the rows of a group
/// `count()`, `sum(price * quantity where …)`; behind the parenthesis.
fn relation_aggregate(cursor: &mut Cursor<'_>, function: AggregateFunction, start: Span) -> Result<Tree> {
    let distinct = cursor.eat_word("distinct");
    let of_rows = function == AggregateFunction::Count && !distinct;
    let mut height = 1;
    let mut relation = Vec::new();
    let names = cursor.dotted_len(0);
    let is_path = names > 0 && cursor.ends_path_at(names) && !cursor.is_word("where");
    if is_path {
        relation = path(cursor)?;
    }
    if cursor.is_with_deleted() {
        return Err(cursor.no_deleted("an aggregate"));
    }
    let value = if !is_path && of_rows && (cursor.is_symbol(")") || cursor.is_word("where")) {
        None
    } else if !is_path || cursor.eat_symbol(":") {
        let value = or(cursor)?;
        height = height.max(value.height);
        Some(value.expr)
    } else if of_rows {
        None
    } else {
        let field = relation.pop();
        field.map(|field| Expr::Path { path: vec![field], span: Some(cursor.last_span()) })
    };
    let filter = if cursor.eat_word("where") {
        let filter = or(cursor)?;
        height = height.max(filter.height);
        Some(filter.expr)
    } else {
        None
    };
    if !cursor.eat_symbol(")") {
        return Err(cursor.unexpected(if filter.is_some() {
            &[Want::Is(")"), Want::Is("and"), Want::Is("or")]
        } else {
            &[Want::Is(")"), Want::Is("where"), Want::Is(":")]
        }));
    }
    let span = Some(cursor.span_since(start));
    let aggregate = RelationAggregate { function, distinct, relation, value, filter, span };
    Ok(Tree { height: height + 1, expr: Expr::Aggregate(Box::new(aggregate)) })
}
