//! The query language: text to statements of the IR.

use ormdb_proto::error::Span;
use ormdb_proto::ir::{DeletedRows, Explain, Expr, Statement};
use ormdb_proto::outcome::Explanation;
use ormdb_proto::{Error, ErrorCode, Result};

use super::cursor::{Cursor, Want};
use super::expr;
use super::lexer::{Lexed, Lexeme, lex};

mod control;
mod fetch;
mod group;
mod mutation;

/// A statement, and whether its plan is asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct ParsedStatement {
    /// `explain` or `explain analyze`, where it stands before the statement.
    pub explain: Option<Explain>,
    /// How the plan is shown, where one is asked for.
    pub plan_format: PlanFormat,
    /// The statement.
    pub statement: Statement,
    /// Where it stands.
    pub span: Span,
}

/// How a plan is shown to a person.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PlanFormat {
    /// A step on each line, with what is known of it below.
    #[default]
    Text,
    /// The document that tools get: `explain json`.
    Json,
}

impl ParsedStatement {
    /// An explanation, shown as the statement asks for.
    pub fn shown(&self, explanation: Explanation) -> Explanation {
        self.plan_format.shown(explanation)
    }
}

impl PlanFormat {
    /// An explanation, shown so.
    pub(crate) fn shown(self, explanation: Explanation) -> Explanation {
        match self {
            PlanFormat::Text => explanation,
            PlanFormat::Json => explanation.with_json_text(),
        }
    }
}

/// Reads exactly one statement; a semicolon may end it.
///
/// # Errors
/// `SyntaxError` where the text does not follow the grammar, `UnsupportedFeature` for what the language has but this
/// version does not, `LimitExceeded` for a text too long or nested too deep.
pub fn parse_statement(text: &str) -> Result<ParsedStatement> {
    let lexed = tokens(text)?;
    let mut cursor = Cursor::new(&lexed.tokens);
    let parsed = statement(&mut cursor)?;
    if cursor.eat_symbol(";") && !cursor.at_end() {
        let message = "one statement was expected, and another one follows";
        return Err(Error::new(ErrorCode::SyntaxError, message).span(cursor.peek().span));
    }
    if !cursor.at_end() {
        return Err(behind(&cursor, &parsed.statement));
    }
    Ok(parsed)
}

/// Reads statements with semicolons between; none in an empty text.
///
/// # Errors
/// As [`parse_statement`]: the first error.
pub fn parse_statements(text: &str) -> Result<Vec<ParsedStatement>> {
    let lexed = tokens(text)?;
    let mut cursor = Cursor::new(&lexed.tokens);
    let mut statements = Vec::new();
    loop {
        while cursor.eat_symbol(";") {}
        if cursor.at_end() {
            return Ok(statements);
        }
        let parsed = statement(&mut cursor)?;
        if !cursor.at_end() && !cursor.is_symbol(";") {
            return Err(behind(&cursor, &parsed.statement));
        }
        statements.push(parsed);
    }
}

/// Reads an expression.
///
/// # Errors
/// As [`parse_statement`].
pub fn parse_expr(text: &str) -> Result<Expr> {
    let lexed = tokens(text)?;
    let mut cursor = Cursor::new(&lexed.tokens);
    let parsed = expr::expr(&mut cursor)?;
    if !cursor.at_end() {
        return Err(cursor.unexpected(&[Want::A("the end of the expression")]));
    }
    Ok(parsed)
}

/// Whether every bracket is closed, so that a line that a person types may be the last of its statement.
pub fn is_complete(text: &str) -> bool {
    let Ok(lexed) = lex(text) else { return true };
    let mut open = 0i64;
    for token in &lexed.tokens {
        match token.lexeme {
            Lexeme::Symbol("(" | "[" | "{") => open += 1,
            Lexeme::Symbol(")" | "]" | "}") => open -= 1,
            _ => {}
        }
    }
    open <= 0
}

fn tokens(text: &str) -> Result<Lexed> {
    let mut lexed = lex(text)?;
    if lexed.errors.is_empty() { Ok(lexed) } else { Err(lexed.errors.swap_remove(0)) }
}

fn statement(cursor: &mut Cursor<'_>) -> Result<ParsedStatement> {
    let start = cursor.peek().span;
    // A word that begins a statement is an entity's name only where no name follows.
    let mut eat = |word: &str| {
        let is_there = cursor.is_word(word) && cursor.is_name_at(1);
        if is_there {
            cursor.advance();
        }
        is_there
    };
    let (mut explain, mut plan_format) = (None, PlanFormat::Text);
    if eat("explain") {
        explain = Some(if eat("analyze") { Explain::Analyze } else { Explain::Plan });
        if eat("json") {
            plan_format = PlanFormat::Json;
        }
    }
    if let Some(control) = control::control(cursor)? {
        if explain.is_some() {
            return Err(control::not_explained(cursor));
        }
        let statement = Statement::Control(control);
        return Ok(ParsedStatement { explain, plan_format, statement, span: cursor.span_since(start) });
    }
    let word = if cursor.is_name_at(1) { cursor.word().unwrap_or("").to_owned() } else { String::new() };
    let statement = match word.as_str() {
        "create" => Statement::Create(mutation::create(cursor)?),
        "update" => Statement::Update(mutation::update(cursor)?),
        "upsert" => Statement::Upsert(mutation::upsert(cursor)?),
        "delete" => Statement::Delete(mutation::delete(cursor)?),
        "group" => Statement::Fetch(group::group(cursor)?),
        "watch" => return Err(unsupported(cursor, "`watch` (live queries)")),
        _ => Statement::Fetch(fetch::fetch(cursor)?),
    };
    Ok(ParsedStatement { explain, plan_format, statement, span: cursor.span_since(start) })
}

fn unsupported(cursor: &Cursor<'_>, what: &str) -> Error {
    Error::new(ErrorCode::UnsupportedFeature, format!("{what} is not in this version"))
        .span(cursor.peek().span)
}

/// Whether a word looks like a slip of `permanently`.
fn near_permanently(word: &str) -> bool {
    let error = Error::new(ErrorCode::SyntaxError, "").suggest(word, ["permanently"]);
    error.detail.suggestion.is_some()
}

/// The error about what stands behind a whole statement.
fn behind(cursor: &Cursor<'_>, statement: &Statement) -> Error {
    if let Some(error) = fetch::misplaced_clause(cursor) {
        return error;
    }
    let mut words: Vec<&str> = expr::predicate_words().collect();
    let wants: &[Want] = match statement {
        Statement::Fetch(fetch) => {
            words.extend(fetch::CLAUSES.into_iter().chain(["for", "as"]));
            if let Some(word) = cursor.word()
                && matches!(
                    fetch.entity.as_str(),
                    "select" | "SELECT" | "insert" | "INSERT" | "UPDATE" | "DELETE"
                )
            {
                return Error::new(ErrorCode::SyntaxError, format!("`{} {word}` is no query", fetch.entity))
                    .span(fetch.span.unwrap_or_else(|| cursor.peek().span))
                    .hint("a query begins with the entity: `User where name = \"Ann\" { id, name }`");
            }
            let quantifier = ["some", "every", "none", "is"].into_iter().any(|word| cursor.is_word(word));
            if quantifier && fetch.selection.deleted == DeletedRows::Shown {
                return cursor.no_deleted("a condition");
            }
            if fetch.selection.items.is_empty() {
                &[Want::A("a clause"), Want::Is("{"), Want::Is(";"), Want::A("the end of the query")]
            } else {
                &[Want::Is(";"), Want::A("the end of the query")]
            }
        }
        Statement::Create(_) => {
            words.extend(["skip", "return"]);
            &[Want::Is("skip"), Want::Is("return"), Want::Is(";"), Want::A("the end of the statement")]
        }
        Statement::Update(_) if cursor.is_with_deleted() => {
            let message = "`with deleted` stands behind the record";
            return Error::new(ErrorCode::SyntaxError, message)
                .span(cursor.peek().span)
                .hint("it stands before `set`: `update User[1] with deleted set { … }`");
        }
        // A word that was meant for `permanently` has been taken for the entity.
        Statement::Delete(delete) if cursor.is_name_at(0) && near_permanently(&delete.entity) => {
            let message = format!("`delete {}` is no statement", delete.entity);
            return Error::new(ErrorCode::SyntaxError, message)
                .span(delete.span.unwrap_or_else(|| cursor.peek().span))
                .suggest(&delete.entity, ["permanently"]);
        }
        Statement::Update(_) | Statement::Upsert(_) | Statement::Delete(_) => {
            words.extend(["return", "where", "limit", "with", "expected"]);
            &[Want::Is("return"), Want::Is(";"), Want::A("the end of the statement")]
        }
        Statement::Control(_) => &[Want::Is(";"), Want::A("the end of the statement")],
    };
    let error = cursor.unexpected(wants);
    match cursor.word() {
        Some(word) => error.suggest(word, words),
        None => error,
    }
}
