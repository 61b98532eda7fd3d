//! Reads fetches: root, clauses, selections and includes.

use std::collections::HashSet;

use ormdb_proto::ir::{
    DeletedRows, End, Expr, Fetch, Include, KeyPart, Literal, LockStrength, LockWait, Place, RowLock,
    SelectItem, Selection, Side,
};
use ormdb_proto::{Error, ErrorCode, Result, Value};

use crate::text::ast::Name;
use crate::text::cursor::{Cursor, Want};
use crate::text::expr;

/// The words that begin a clause.
pub(super) const CLAUSES: [&str; 12] = [
    "with",
    "where",
    "distinct",
    "order",
    "after",
    "from",
    "before",
    "until",
    "limit",
    "last",
    "offset",
    "recursive",
];

/// Reads `User[email: "a@b.c"] where … order by … limit … offset … { … }`.
pub(super) fn fetch(cursor: &mut Cursor<'_>) -> Result<Fetch> {
    if !cursor.is_name_at(0) {
        return Err(cursor.unexpected(&[
            Want::A("an entity"),
            Want::Is("create"),
            Want::Is("update"),
            Want::Is("upsert"),
            Want::Is("delete"),
            Want::Is("explain"),
        ]));
    }
    let entity = cursor.dotted("an entity")?;
    let key = if cursor.is_symbol("[") { Some(key(cursor)?) } else { None };
    let mut of = Of::Root(RootClauses::default());
    let selection = selection(cursor, &mut of)?;
    let RootClauses { lock, as_of } = of.root_clauses();
    Ok(Fetch { entity: entity.text, span: Some(entity.span), key, selection, group: None, lock, as_of })
}

/// Reads `[5]`, `[email: "a@b.c"]`, `[userId: 1, postId: $post]`.
pub(super) fn key(cursor: &mut Cursor<'_>) -> Result<Vec<KeyPart>> {
    let start = cursor.expect_symbol("[")?;
    let parts = cursor.bracketed(|cursor| cursor.separated("]", key_part))?;
    let span = cursor.span_since(start);
    if parts.len() > 1 && parts.iter().any(|part| part.field.is_none()) {
        return Err(Error::new(ErrorCode::SyntaxError, "a key of several fields names each of them")
            .span(span)
            .hint("as in `Like[userId: 1, postId: 2]`"));
    }
    let mut seen = HashSet::new();
    if let Some(part) = parts.iter().find(|part| !seen.insert(part.field.as_deref())) {
        let message = format!("`{}` stands twice in the key", part.field.as_deref().unwrap_or(""));
        return Err(Error::new(ErrorCode::DuplicateName, message).span(span));
    }
    Ok(parts)
}

fn key_part(cursor: &mut Cursor<'_>) -> Result<KeyPart> {
    let names = cursor.dotted_len(0);
    let field = if names > 0 && cursor.is_symbol_at(names, ":") {
        let field = cursor.dotted("a field")?;
        cursor.advance();
        Some(field.text)
    } else {
        None
    };
    Ok(KeyPart { field, value: expr::expr(cursor)? })
}

/// What a selection is of.
pub(super) enum Of {
    Root(RootClauses),
    /// Of a relation, and on how many levels.
    Include {
        recursive: Option<Expr>,
    },
}

/// The clauses that only a root has.
#[derive(Default)]
pub(super) struct RootClauses {
    pub(super) lock: Option<RowLock>,
    pub(super) as_of: Option<Expr>,
}

impl Of {
    pub(super) fn root_clauses(self) -> RootClauses {
        match self {
            Of::Root(clauses) => clauses,
            Of::Include { .. } => RootClauses::default(),
        }
    }
}

/// Reads clauses in any order, each at most once, then the items in braces, if any.
fn selection(cursor: &mut Cursor<'_>, of: &mut Of) -> Result<Selection> {
    let mut selection = Selection::default();
    while clause(cursor, &mut selection, of)? {}
    if let Some(error) = misplaced_clause(cursor) {
        return Err(error);
    }
    if cursor.is_symbol("{") {
        selection.items = items(cursor)?;
        if let Some(word) = cursor.word().filter(|word| CLAUSES.contains(word)) {
            let message = format!("`{word}` stands behind the braces");
            return Err(Error::new(ErrorCode::SyntaxError, message)
                .span(cursor.peek().span)
                .hint(format!("clauses stand before the braces: `{word} … {{ … }}`")));
        }
    }
    Ok(selection)
}

/// Reads one clause, if one stands here.
pub(super) fn clause(cursor: &mut Cursor<'_>, selection: &mut Selection, of: &mut Of) -> Result<bool> {
    if root_clause(cursor, of)? {
        return Ok(true);
    }
    let span = cursor.peek().span;
    let word = cursor.word().unwrap_or("");
    let Some(word) = CLAUSES.into_iter().find(|clause| *clause == word) else { return Ok(false) };
    cursor.advance();
    let given_before = match word {
        "with" => {
            cursor.expect_word("deleted")?;
            std::mem::replace(&mut selection.deleted, DeletedRows::Shown) == DeletedRows::Shown
        }
        "where" => selection.filter.replace(expr::expr(cursor)?).is_some(),
        "order" => {
            cursor.expect_word("by")?;
            let before = !selection.order.is_empty();
            selection.order.push(expr::order_key(cursor)?);
            while cursor.eat_symbol(",") {
                selection.order.push(expr::order_key(cursor)?);
            }
            before
        }
        "distinct" => {
            cursor.expect_word("by")?;
            let before = !selection.distinct.is_empty();
            selection.distinct.push(expr::expr(cursor)?);
            while cursor.eat_symbol(",") {
                selection.distinct.push(expr::expr(cursor)?);
            }
            before
        }
        "after" | "from" | "before" | "until" => {
            let side = match word {
                "after" => Side::After,
                "from" => Side::From,
                "before" => Side::Before,
                _ => Side::Until,
            };
            selection.cursor.replace(Place { side, key: key(cursor)? }).is_some()
        }
        "limit" => selection.limit.replace(count(cursor)?).is_some(),
        "last" => {
            selection.end = End::Last;
            selection.limit.replace(count(cursor)?).is_some()
        }
        "recursive" => match of {
            Of::Include { recursive } => recursive.replace(count(cursor)?).is_some(),
            Of::Root(_) => {
                let message = "`recursive` stands behind a relation to the same entity";
                return Err(Error::new(ErrorCode::SyntaxError, message)
                    .span(span)
                    .hint("as in `Person { name, reports recursive 3 { name } }`"));
            }
        },
        _ => selection.offset.replace(count(cursor)?).is_some(),
    };
    if given_before {
        let message = format!("`{word}` stands here twice");
        return Err(Error::new(ErrorCode::SyntaxError, message).span(span));
    }
    Ok(true)
}

/// Reads `with deleted`, if it stands here.
pub(super) fn with_deleted(cursor: &mut Cursor<'_>) -> Result<DeletedRows> {
    if !cursor.eat_word("with") {
        return Ok(DeletedRows::Hidden);
    }
    cursor.expect_word("deleted")?;
    Ok(DeletedRows::Shown)
}

/// Reads the number of a limit or offset: a literal or a parameter.
pub(super) fn count(cursor: &mut Cursor<'_>) -> Result<Expr> {
    let start = cursor.peek().span;
    let count = expr::expr(cursor)?;
    if matches!(count, Expr::Param { .. } | Expr::Literal(Literal { value: Value::Int64(0..), .. })) {
        return Ok(count);
    }
    let message = "expected a whole number or a parameter";
    Err(Error::new(ErrorCode::SyntaxError, message).span(cursor.span_since(start)))
}

/// Reads a version token: its text or a parameter.
pub(super) fn token(cursor: &mut Cursor<'_>) -> Result<Expr> {
    let start = cursor.peek().span;
    let token = expr::expr(cursor)?;
    if matches!(token, Expr::Param { .. } | Expr::Literal(Literal { value: Value::String(_), .. })) {
        return Ok(token);
    }
    let message = "expected the text of a version token, or a parameter";
    Err(Error::new(ErrorCode::SyntaxError, message).span(cursor.span_since(start)))
}

/// A clause that only a root has.
#[derive(Clone, Copy, PartialEq, Eq)]
enum RootClause {
    Lock,
    AsOf,
}

/// Which of those stands here, if one does.
fn root_clause_at(cursor: &Cursor<'_>) -> Option<RootClause> {
    match (cursor.word()?, cursor.word_at(1)?) {
        ("for", "update" | "no" | "share" | "key") => Some(RootClause::Lock),
        ("as", "of") => Some(RootClause::AsOf),
        _ => None,
    }
}

/// The error about such a clause where it has no place, if one stands here.
pub(super) fn misplaced_clause(cursor: &Cursor<'_>) -> Option<Error> {
    let message = match root_clause_at(cursor)? {
        RootClause::Lock => "only the rows of the root can be locked, before its braces",
        RootClause::AsOf => "`as of` is for a whole fetch, and stands before its braces",
    };
    let hint = "as in `Job where done = false limit 1 for update skip locked { id }`";
    Some(Error::new(ErrorCode::SyntaxError, message).span(cursor.peek().span).hint(hint))
}

/// Reads `for update nowait` or `as of $token`, if one stands here and may.
fn root_clause(cursor: &mut Cursor<'_>, of: &mut Of) -> Result<bool> {
    let (Some(clause), Of::Root(clauses)) = (root_clause_at(cursor), of) else { return Ok(false) };
    let start = cursor.peek().span;
    cursor.advance();
    let given_before = match clause {
        RootClause::Lock => clauses.lock.replace(row_lock(cursor)?).is_some(),
        RootClause::AsOf => {
            cursor.advance();
            clauses.as_of.replace(token(cursor)?).is_some()
        }
    };
    if given_before {
        let word = if clause == RootClause::Lock { "for" } else { "as of" };
        let message = format!("`{word}` stands here twice");
        return Err(Error::new(ErrorCode::SyntaxError, message).span(start));
    }
    Ok(true)
}

/// Reads what stands behind `for`.
fn row_lock(cursor: &mut Cursor<'_>) -> Result<RowLock> {
    let strength = if cursor.eat_word("no") {
        cursor.expect_word("key")?;
        cursor.expect_word("update")?;
        LockStrength::NoKeyUpdate
    } else if cursor.eat_word("key") {
        cursor.expect_word("share")?;
        LockStrength::KeyShare
    } else if cursor.eat_word("share") {
        LockStrength::Share
    } else {
        cursor.expect_word("update")?;
        LockStrength::Update
    };
    let wait = if cursor.eat_word("nowait") {
        LockWait::Never
    } else if cursor.eat_word("skip") {
        cursor.expect_word("locked")?;
        LockWait::SkipLocked
    } else if cursor.eat_word("wait") {
        let start = cursor.peek().span;
        match count(cursor)? {
            Expr::Literal(Literal { value: Value::Int64(ms), .. }) => {
                LockWait::AtMost { ms: u64::try_from(ms).unwrap_or(0) }
            }
            _ => {
                let message = "expected a whole number of milliseconds";
                return Err(Error::new(ErrorCode::SyntaxError, message).span(cursor.span_since(start)));
            }
        }
    } else {
        LockWait::Session
    };
    Ok(RowLock { strength, wait })
}

/// Reads `{ *, name, alias: expr, albums where … { … } }`.
pub(super) fn items(cursor: &mut Cursor<'_>) -> Result<Vec<SelectItem>> {
    let start = cursor.expect_symbol("{")?;
    if cursor.is_symbol("}") {
        return Err(Error::new(ErrorCode::SyntaxError, "nothing is selected")
            .span(start)
            .hint("`*` selects every field"));
    }
    let mut taken = HashSet::new();
    cursor.bracketed(|cursor| {
        cursor.separated("}", |cursor| {
            let span = cursor.peek().span;
            let item = item(cursor)?;
            let name = match &item {
                SelectItem::All { .. } => "*",
                SelectItem::Field { name, .. } => name,
                SelectItem::Computed { alias, .. } => alias,
                SelectItem::Include(include) => include.alias.as_ref().unwrap_or(&include.relation),
            };
            if !taken.insert(name.to_owned()) {
                let message = format!("`{name}` stands twice in the selection");
                return Err(Error::new(ErrorCode::DuplicateName, message)
                    .span(span)
                    .hint("give one of them another name: `other: …`"));
            }
            Ok(item)
        })
    })
}

fn item(cursor: &mut Cursor<'_>) -> Result<SelectItem> {
    if cursor.eat_symbol("*") {
        let except =
            if cursor.eat_word("except") { cursor.names_in_parentheses("a field")? } else { Vec::new() };
        return Ok(SelectItem::All { except: except.into_iter().map(|name| name.text).collect() });
    }
    if !cursor.is_name_at(0) {
        let wants = [Want::A("a field"), Want::A("a relation"), Want::Is("*"), Want::Is("}")];
        return Err(cursor.unexpected(&wants));
    }
    if cursor.is_symbol_at(1, ":") {
        let alias = cursor.name("a name")?.text;
        cursor.advance();
        let names = cursor.dotted_len(0);
        if names > 0 && begins_include(cursor, names) {
            let relation = cursor.dotted("a relation")?;
            return include(cursor, Some(alias), relation);
        }
        return Ok(SelectItem::Computed { alias, expr: expr::expr(cursor)? });
    }
    let names = cursor.dotted_len(0);
    if begins_include(cursor, names) {
        let relation = cursor.dotted("a relation")?;
        return include(cursor, None, relation);
    }
    if cursor.is_symbol_at(names, ",") || cursor.is_symbol_at(names, "}") {
        let name = cursor.dotted("a field")?;
        return Ok(SelectItem::Field { name: name.text, span: Some(name.span) });
    }
    if [".", "(", "+", "-", "*", "/", "%", "||", "="].into_iter().any(|symbol| cursor.is_symbol_at(1, symbol))
    {
        let start = cursor.peek().span;
        expr::expr(cursor)?;
        return Err(Error::new(ErrorCode::SyntaxError, "an expression in a selection needs a name")
            .span(cursor.span_since(start))
            .hint("write `name: expression`"));
    }
    cursor.advance();
    let wants = [Want::Is(","), Want::Is("}"), Want::Is(":"), Want::Is("{"), Want::A("a clause")];
    let error = misplaced_clause(cursor).unwrap_or_else(|| cursor.unexpected(&wants));
    Err(match cursor.word() {
        Some(word) => error.suggest(word, CLAUSES),
        None => error,
    })
}

/// Whether what stands `ahead` places on makes an include of the name before it.
fn begins_include(cursor: &Cursor<'_>, ahead: usize) -> bool {
    cursor.is_symbol_at(ahead, "{") || cursor.word_at(ahead).is_some_and(|word| CLAUSES.contains(&word))
}

fn include(cursor: &mut Cursor<'_>, alias: Option<String>, relation: Name) -> Result<SelectItem> {
    let mut of = Of::Include { recursive: None };
    let selection = selection(cursor, &mut of)?;
    let Of::Include { recursive } = of else { return Err(cursor.unexpected(&[Want::A("a relation")])) };
    let include = Include { alias, relation: relation.text, span: Some(relation.span), recursive, selection };
    Ok(SelectItem::Include(Box::new(include)))
}
