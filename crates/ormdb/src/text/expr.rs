//! Expressions of both languages, by precedence climbing.
//!
//! From loose to tight: `or`, `and`, `not`, then one predicate (comparison, `in`, `between`, `is`, a text match, a
//! quantifier), `||`, `+ -`, `* / %`, unary minus. Predicates do not chain.
//!
//! Invariant: no tree is higher than `DEPTH_MAX`, counted from the root of the statement; chains of one operator count
//! each operator, because they nest to the left.

use ormdb_proto::error::Span;
use ormdb_proto::ir::{
    BinaryOp, Expr, Literal, Nulls, OrderBy, Quantifier, SortDirection, TextMatch, UnaryOp,
};
use ormdb_proto::{Error, ErrorCode, Result};

use super::cursor::{Cursor, Want};
use super::lexer::Lexeme;
use super::literal::number;
use super::operand::{list, primary};

/// An expression and its height.
pub(super) struct Tree {
    pub(super) expr: Expr,
    pub(super) height: usize,
}

impl Tree {
    pub(super) const fn leaf(expr: Expr) -> Tree {
        Tree { expr, height: 1 }
    }
}

/// The words that may follow an operand, for suggestions.
const PREDICATES: [Want; 18] = [
    Want::Is("and"),
    Want::Is("or"),
    Want::Is("in"),
    Want::Is("not"),
    Want::Is("is"),
    Want::Is("between"),
    Want::Is("like"),
    Want::Is("ilike"),
    Want::Is("contains"),
    Want::Is("startsWith"),
    Want::Is("endsWith"),
    Want::Is("matches"),
    Want::Is("insensitive"),
    Want::Is("some"),
    Want::Is("every"),
    Want::Is("none"),
    Want::Is("asc"),
    Want::Is("desc"),
];

/// The words that may follow an operand in an expression.
pub(super) fn predicate_words() -> impl Iterator<Item = &'static str> {
    PREDICATES.iter().filter_map(|want| match want {
        Want::Is(word) => Some(*word),
        Want::A(_) => None,
    })
}

/// Reads an expression.
pub(super) fn expr(cursor: &mut Cursor<'_>) -> Result<Expr> {
    Ok(or(cursor)?.expr)
}

/// Reads the keys of an order, after `order by` or `@@order`: at least one.
pub(super) fn order_key(cursor: &mut Cursor<'_>) -> Result<OrderBy> {
    let key = expr(cursor)?;
    let direction = if cursor.eat_word("desc") {
        SortDirection::Descending
    } else {
        cursor.eat_word("asc");
        SortDirection::Ascending
    };
    let nulls = if cursor.eat_word("nulls") {
        if cursor.eat_word("first") {
            Some(Nulls::First)
        } else if cursor.eat_word("last") {
            Some(Nulls::Last)
        } else {
            return Err(cursor.unexpected(&[Want::Is("first"), Want::Is("last")]));
        }
    } else {
        None
    };
    Ok(OrderBy { expr: key, direction, nulls })
}

/// Whether the token at hand may go on with an expression, or begins the next line where lines end expressions.
pub(super) fn goes_on(cursor: &Cursor<'_>) -> bool {
    !(cursor.ends_with_line && cursor.peek().first_of_line)
}

fn eat_word(cursor: &mut Cursor<'_>, word: &str) -> bool {
    goes_on(cursor) && cursor.eat_word(word)
}

pub(super) fn or(cursor: &mut Cursor<'_>) -> Result<Tree> {
    let first = and(cursor)?;
    junction(cursor, first, "or", and, Expr::Or)
}

fn and(cursor: &mut Cursor<'_>) -> Result<Tree> {
    let first = not(cursor)?;
    junction(cursor, first, "and", not, Expr::And)
}

fn junction(
    cursor: &mut Cursor<'_>,
    first: Tree,
    word: &str,
    operand: fn(&mut Cursor<'_>) -> Result<Tree>,
    make: fn(Vec<Expr>) -> Expr,
) -> Result<Tree> {
    if !(goes_on(cursor) && cursor.is_word(word)) {
        return Ok(first);
    }
    let mut height = first.height;
    let mut operands = vec![first.expr];
    while eat_word(cursor, word) {
        let next = operand(cursor)?;
        height = height.max(next.height);
        operands.push(next.expr);
    }
    cursor.check_height(height + 1)?;
    Ok(Tree { expr: make(operands), height: height + 1 })
}

fn not(cursor: &mut Cursor<'_>) -> Result<Tree> {
    if !cursor.is_word("not") {
        return predicate(cursor);
    }
    cursor.advance();
    let operand = cursor.nested(not)?;
    Ok(Tree {
        height: operand.height + 1,
        expr: Expr::Unary { op: UnaryOp::Not, operand: Box::new(operand.expr) },
    })
}

fn predicate(cursor: &mut Cursor<'_>) -> Result<Tree> {
    let start = cursor.peek().span;
    let left = concat(cursor)?;
    if !goes_on(cursor) {
        return Ok(left);
    }
    if let Some(op) = comparison(cursor)? {
        let right = concat(cursor)?;
        let (left, right) = match case(cursor, op)? {
            Some(span) => (lowered(left, span), lowered(right, span)),
            None => (left, right),
        };
        let tree = binary(cursor, op, left, right)?;
        if goes_on(cursor) && comparison(cursor)?.is_some() {
            let message = "comparisons do not chain";
            return Err(Error::new(ErrorCode::SyntaxError, message)
                .span(cursor.last_span())
                .hint("join two comparisons with `and`, or use `between`"));
        }
        return Ok(tree);
    }
    let negated = cursor.is_word("not");
    let word = cursor.word_at(usize::from(negated)).unwrap_or("").to_owned();
    let text_match = match word.as_str() {
        "like" => Some((TextMatch::Like, false)),
        "ilike" => Some((TextMatch::Like, true)),
        "contains" => Some((TextMatch::Contains, false)),
        "startsWith" => Some((TextMatch::StartsWith, false)),
        "endsWith" => Some((TextMatch::EndsWith, false)),
        "matches" => Some((TextMatch::Regex, false)),
        _ => None,
    };
    if text_match.is_some() || matches!(word.as_str(), "in" | "between") {
        if negated {
            cursor.advance();
        }
        cursor.advance();
        return match text_match {
            Some((op, insensitive)) => matches_text(cursor, left, op, insensitive, negated),
            None if word == "in" => in_list(cursor, left, negated),
            None => between(cursor, left, negated),
        };
    }
    if negated {
        cursor.advance();
        return Err(cursor.unexpected(&[
            Want::Is("in"),
            Want::Is("between"),
            Want::Is("like"),
            Want::Is("ilike"),
            Want::Is("contains"),
            Want::Is("startsWith"),
            Want::Is("endsWith"),
            Want::Is("matches"),
        ]));
    }
    match word.as_str() {
        "is" => {
            cursor.advance();
            is(cursor, left, start)
        }
        "some" => related(cursor, left, Quantifier::Some, start),
        "every" => related(cursor, left, Quantifier::Every, start),
        "none" => related(cursor, left, Quantifier::None, start),
        _ => Ok(left),
    }
}

fn comparison(cursor: &mut Cursor<'_>) -> Result<Option<BinaryOp>> {
    let Lexeme::Symbol(symbol) = cursor.peek().lexeme else { return Ok(None) };
    let op = match symbol {
        "=" => BinaryOp::Equal,
        "!=" | "<>" => BinaryOp::NotEqual,
        "<" => BinaryOp::Less,
        "<=" => BinaryOp::LessOrEqual,
        ">" => BinaryOp::Greater,
        ">=" => BinaryOp::GreaterOrEqual,
        "==" | "&&" => {
            let (message, meant) = if symbol == "==" {
                ("equality is written `=`", "=")
            } else {
                ("`&&` has no meaning here", "and")
            };
            let mut error = Error::new(ErrorCode::SyntaxError, message).span(cursor.peek().span);
            error.detail.suggestion = Some(meant.to_owned());
            return Err(error);
        }
        _ => return Ok(None),
    };
    cursor.advance();
    Ok(Some(op))
}

/// Where `insensitive` stands behind a comparison: what is compared is then in lower case.
fn case(cursor: &mut Cursor<'_>, op: BinaryOp) -> Result<Option<Span>> {
    if !eat_word(cursor, "insensitive") {
        return Ok(None);
    }
    let span = cursor.last_span();
    if matches!(op, BinaryOp::Equal | BinaryOp::NotEqual) {
        return Ok(Some(span));
    }
    let message = "`insensitive` stands behind `=`, `!=`, `in` and matches of text";
    Err(Error::new(ErrorCode::SyntaxError, message).span(span).hint("compare what `lower` makes of both"))
}

fn lowered(tree: Tree, span: Span) -> Tree {
    Tree { height: tree.height + 1, expr: Expr::call("lower", vec![tree.expr], span) }
}

fn binary(cursor: &Cursor<'_>, op: BinaryOp, left: Tree, right: Tree) -> Result<Tree> {
    let height = left.height.max(right.height) + 1;
    cursor.check_height(height)?;
    Ok(Tree { height, expr: Expr::binary(op, left.expr, right.expr) })
}

fn negate(tree: Tree, negated: bool) -> Tree {
    if !negated {
        return tree;
    }
    Tree { height: tree.height + 1, expr: Expr::Unary { op: UnaryOp::Not, operand: Box::new(tree.expr) } }
}

fn matches_text(
    cursor: &mut Cursor<'_>,
    text: Tree,
    op: TextMatch,
    insensitive: bool,
    negated: bool,
) -> Result<Tree> {
    let pattern = concat(cursor)?;
    let insensitive = eat_word(cursor, "insensitive") || insensitive;
    let height = text.height.max(pattern.height) + 1;
    cursor.check_height(height + 1)?;
    let expr = Expr::Match { op, insensitive, text: Box::new(text.expr), pattern: Box::new(pattern.expr) };
    Ok(negate(Tree { expr, height }, negated))
}

fn in_list(cursor: &mut Cursor<'_>, operand: Tree, negated: bool) -> Result<Tree> {
    let mut list = if cursor.eat_symbol("(") { list(cursor, ")")? } else { concat(cursor)? };
    let mut operand = operand;
    if eat_word(cursor, "insensitive") {
        let span = cursor.last_span();
        let Expr::List(items) = list.expr else {
            let message = "only a list whose values stand there can be `insensitive`";
            let error = Error::new(ErrorCode::SyntaxError, message).span(span);
            return Err(error.hint("give the values in lower case, and ask `lower(…) in $values`"));
        };
        operand = lowered(operand, span);
        let items = items.into_iter().map(|item| Expr::call("lower", vec![item], span));
        list = Tree { height: list.height + 1, expr: Expr::List(items.collect()) };
    }
    let height = operand.height.max(list.height) + 1;
    cursor.check_height(height)?;
    Ok(Tree {
        height,
        expr: Expr::In { operand: Box::new(operand.expr), list: Box::new(list.expr), negated },
    })
}

fn between(cursor: &mut Cursor<'_>, operand: Tree, negated: bool) -> Result<Tree> {
    let low = concat(cursor)?;
    cursor.expect_word("and")?;
    let high = concat(cursor)?;
    let height = operand.height.max(low.height).max(high.height) + 1;
    cursor.check_height(height)?;
    let [operand, low, high] = [operand, low, high].map(|tree| Box::new(tree.expr));
    Ok(Tree { height, expr: Expr::Between { operand, low, high, negated } })
}

/// `is null`, `is not null`, `is distinct from …`, and for a to-one relation `is (…)`, `is not (…)`.
fn is(cursor: &mut Cursor<'_>, operand: Tree, start: Span) -> Result<Tree> {
    let negated = cursor.eat_word("not");
    if cursor.eat_word("null") {
        let height = operand.height + 1;
        cursor.check_height(height)?;
        return Ok(Tree { height, expr: Expr::IsNull { operand: Box::new(operand.expr), negated } });
    }
    if cursor.eat_word("distinct") {
        return is_distinct(cursor, operand, negated, start);
    }
    if !cursor.is_symbol("(") {
        let condition = Want::A("a condition in parentheses");
        let (null, not, distinct) = (Want::Is("null"), Want::Is("not"), Want::Is("distinct"));
        return Err(if negated {
            cursor.unexpected(&[null, distinct, condition])
        } else {
            cursor.unexpected(&[null, not, distinct, condition])
        });
    }
    relation_condition(cursor, operand, if negated { Quantifier::IsNot } else { Quantifier::Is }, start)
}

/// The rest of `a is distinct from b`, which is never null: `not coalesce(a = b, a is null and b is null)`.
fn is_distinct(cursor: &mut Cursor<'_>, left: Tree, negated: bool, start: Span) -> Result<Tree> {
    cursor.expect_word("from")?;
    let right = concat(cursor)?;
    let height = left.height.max(right.height) + 4;
    cursor.check_height(height)?;
    let is_null = |expr: &Expr| Expr::IsNull { operand: Box::new(expr.clone()), negated: false };
    let nulls = Expr::And(vec![is_null(&left.expr), is_null(&right.expr)]);
    let equal = Expr::binary(BinaryOp::Equal, left.expr, right.expr);
    let same = Expr::call("coalesce", vec![equal, nulls], cursor.span_since(start));
    Ok(negate(Tree { expr: same, height }, !negated))
}

fn related(cursor: &mut Cursor<'_>, relation: Tree, quantifier: Quantifier, start: Span) -> Result<Tree> {
    cursor.advance();
    relation_condition(cursor, relation, quantifier, start)
}

/// The condition behind a quantifier; without parentheses there is none, which is always true.
fn relation_condition(
    cursor: &mut Cursor<'_>,
    relation: Tree,
    quantifier: Quantifier,
    start: Span,
) -> Result<Tree> {
    let Expr::Path { path, span } = relation.expr else {
        let message = "only a relation can be asked for `some`, `every`, `none` or `is`";
        return Err(Error::new(ErrorCode::SyntaxError, message).span(start));
    };
    let filter = if goes_on(cursor) && cursor.eat_symbol("(") {
        let filter = cursor.bracketed(or)?;
        cursor.expect_symbol(")")?;
        filter
    } else {
        Tree::leaf(Expr::And(Vec::new()))
    };
    let height = filter.height + 1;
    cursor.check_height(height)?;
    Ok(Tree { height, expr: Expr::Related { path, quantifier, filter: Box::new(filter.expr), span } })
}

/// A chain of operators of one precedence, which nests to the left.
fn chain(
    cursor: &mut Cursor<'_>,
    op: fn(&str) -> Option<BinaryOp>,
    operand: fn(&mut Cursor<'_>) -> Result<Tree>,
) -> Result<Tree> {
    let mut left = operand(cursor)?;
    while goes_on(cursor) {
        let Lexeme::Symbol(symbol) = cursor.peek().lexeme else { break };
        let Some(op) = op(symbol) else { break };
        cursor.advance();
        let right = operand(cursor)?;
        left = binary(cursor, op, left, right)?;
    }
    Ok(left)
}

fn concat(cursor: &mut Cursor<'_>) -> Result<Tree> {
    chain(cursor, |symbol| (symbol == "||").then_some(BinaryOp::Concat), sum)
}

fn sum(cursor: &mut Cursor<'_>) -> Result<Tree> {
    let op = |symbol: &str| match symbol {
        "+" => Some(BinaryOp::Add),
        "-" => Some(BinaryOp::Subtract),
        _ => None,
    };
    chain(cursor, op, product)
}

fn product(cursor: &mut Cursor<'_>) -> Result<Tree> {
    let op = |symbol: &str| match symbol {
        "*" => Some(BinaryOp::Multiply),
        "/" => Some(BinaryOp::Divide),
        "%" => Some(BinaryOp::Remainder),
        _ => None,
    };
    chain(cursor, op, signed)
}

fn signed(cursor: &mut Cursor<'_>) -> Result<Tree> {
    let start = cursor.peek().span;
    if !cursor.eat_symbol("-") {
        return primary(cursor);
    }
    if let Some(value) = number(cursor, "-")? {
        let span = Some(cursor.span_since(start));
        return Ok(Tree::leaf(Expr::Literal(Literal { value, span })));
    }
    let operand = cursor.nested(signed)?;
    Ok(Tree {
        height: operand.height + 1,
        expr: Expr::Unary { op: UnaryOp::Negate, operand: Box::new(operand.expr) },
    })
}
