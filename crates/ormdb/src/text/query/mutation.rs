//! Reads writes: create, update, upsert, delete, and what is nested in them.

use std::collections::HashSet;

use ormdb_proto::ir::{
    AssignOp, Assignment, Create, Delete, DeletedRows, Expr, KeyPart, NestedWrite, RecordInput, Removal,
    Selection, Target, Update, Upsert,
};
use ormdb_proto::{Error, ErrorCode, Result};

use super::fetch;
use crate::text::cursor::{Cursor, Want};
use crate::text::expr;

/// The words that begin a nested write.
const NESTED: [&str; 8] =
    ["create", "connect", "connectOrCreate", "disconnect", "set", "update", "upsert", "delete"];

/// Reads `create Artist { … }`, `create Artist [{ … }, { … }] skip duplicates`, each with `return { … }`.
pub(super) fn create(cursor: &mut Cursor<'_>) -> Result<Create> {
    cursor.advance();
    let entity = cursor.dotted("an entity")?;
    let rows = records(cursor)?;
    let skip_duplicates = skip_duplicates(cursor)?;
    let returning = returning(cursor)?;
    Ok(Create { entity: entity.text, span: Some(entity.span), rows, skip_duplicates, returning })
}

fn skip_duplicates(cursor: &mut Cursor<'_>) -> Result<bool> {
    let skips = cursor.eat_word("skip");
    if skips {
        cursor.expect_word("duplicates")?;
    }
    Ok(skips)
}

/// Reads `update Track[5] set { … }`, `update Track with deleted where … limit … set { … }`, each with `return { … }`.
pub(super) fn update(cursor: &mut Cursor<'_>) -> Result<Update> {
    cursor.advance();
    let entity = cursor.dotted("an entity")?;
    let mut deleted = fetch::with_deleted(cursor)?;
    let target = target(cursor)?;
    if deleted == DeletedRows::Hidden {
        deleted = fetch::with_deleted(cursor)?;
    }
    let expected = expected(cursor)?;
    if !cursor.is_word("set") {
        return Err(cursor.unexpected(match target {
            Target::Key(_) => &[Want::Is("with"), Want::Is("set")],
            Target::Filter { .. } => {
                &[Want::Is("["), Want::Is("with"), Want::Is("where"), Want::Is("limit"), Want::Is("set")]
            }
        }));
    }
    cursor.advance();
    let set = record(cursor)?;
    let returning = returning(cursor)?;
    let span = Some(entity.span);
    Ok(Update { entity: entity.text, span, target, deleted, expected, set, returning })
}

/// Reads `upsert User[email: "a@b.c"] create { … } update { … }` with `return { … }`.
pub(super) fn upsert(cursor: &mut Cursor<'_>) -> Result<Upsert> {
    cursor.advance();
    let entity = cursor.dotted("an entity")?;
    let key = fetch::key(cursor)?;
    let (create, update) = create_and_update(cursor)?;
    let returning = returning(cursor)?;
    Ok(Upsert { entity: entity.text, span: Some(entity.span), key, create, update, returning })
}

/// Reads `delete Track[5]`, `delete permanently Track where … limit …`, each with `return { … }`.
pub(super) fn delete(cursor: &mut Cursor<'_>) -> Result<Delete> {
    cursor.advance();
    // An entity of this name has a clause or nothing behind it.
    let clause =
        cursor.word_at(1).is_some_and(|word| ["where", "limit", "return", "expected"].contains(&word));
    let removal = if cursor.is_word("permanently") && cursor.is_name_at(1) && !clause {
        cursor.advance();
        Removal::Permanent
    } else {
        Removal::AsDeclared
    };
    let entity = cursor.dotted("an entity")?;
    if cursor.is_with_deleted() {
        let message = "a delete is for rows that are not deleted yet";
        let error = Error::new(ErrorCode::SyntaxError, message).span(cursor.peek().span);
        return Err(error.hint("`delete permanently` removes deleted rows as well"));
    }
    let target = target(cursor)?;
    let expected = expected(cursor)?;
    let returning = returning(cursor)?;
    Ok(Delete { entity: entity.text, span: Some(entity.span), target, removal, expected, returning })
}

/// Reads `expected $token`, if it stands here.
fn expected(cursor: &mut Cursor<'_>) -> Result<Option<Expr>> {
    if !cursor.eat_word("expected") {
        return Ok(None);
    }
    fetch::token(cursor).map(Some)
}

fn target(cursor: &mut Cursor<'_>) -> Result<Target> {
    if cursor.is_symbol("[") {
        return Ok(Target::Key(fetch::key(cursor)?));
    }
    let filter = filter(cursor)?;
    let limit = if cursor.eat_word("limit") { Some(fetch::count(cursor)?) } else { None };
    Ok(Target::Filter { filter, limit })
}

fn filter(cursor: &mut Cursor<'_>) -> Result<Option<Expr>> {
    if cursor.eat_word("where") { expr::expr(cursor).map(Some) } else { Ok(None) }
}

fn returning(cursor: &mut Cursor<'_>) -> Result<Option<Selection>> {
    if !cursor.eat_word("return") {
        return Ok(None);
    }
    Ok(Some(Selection { items: fetch::items(cursor)?, ..Selection::default() }))
}

fn create_and_update(cursor: &mut Cursor<'_>) -> Result<(RecordInput, RecordInput)> {
    cursor.expect_word("create")?;
    let create = record(cursor)?;
    cursor.expect_word("update")?;
    Ok((create, record(cursor)?))
}

/// One record, or a list of them.
fn records(cursor: &mut Cursor<'_>) -> Result<Vec<RecordInput>> {
    if cursor.is_symbol("{") {
        return Ok(vec![record(cursor)?]);
    }
    if !cursor.eat_symbol("[") {
        return Err(cursor.unexpected(&[Want::Is("{"), Want::Is("[")]));
    }
    if cursor.eat_symbol("]") {
        return Ok(Vec::new());
    }
    cursor.bracketed(|cursor| cursor.separated("]", record))
}

/// Reads `{ name: "Ann", plays += 1, albums: create { … } }`.
fn record(cursor: &mut Cursor<'_>) -> Result<RecordInput> {
    cursor.expect_symbol("{")?;
    if cursor.eat_symbol("}") {
        return Ok(RecordInput::default());
    }
    let mut taken = HashSet::new();
    let assignments = cursor.bracketed(|cursor| {
        cursor.separated("}", |cursor| {
            let assignment = assignment(cursor)?;
            if !taken.insert(assignment.name.clone()) {
                let message = format!("`{}` is assigned twice", assignment.name);
                let mut error = Error::new(ErrorCode::DuplicateName, message);
                error.detail.span = assignment.span;
                return Err(error
                    .hint("several writes along a relation stand in parentheses: `(create …, connect …)`"));
            }
            Ok(assignment)
        })
    })?;
    Ok(RecordInput { assignments })
}

fn assignment(cursor: &mut Cursor<'_>) -> Result<Assignment> {
    let name = cursor.dotted("a field or relation")?;
    let sets = cursor.is_symbol(":") || cursor.is_symbol("=");
    let make: fn(Expr) -> AssignOp = if cursor.eat_symbol(":") || cursor.eat_symbol("=") {
        AssignOp::Set
    } else if cursor.eat_symbol("+=") {
        AssignOp::Increment
    } else if cursor.eat_symbol("-=") {
        AssignOp::Decrement
    } else if cursor.eat_symbol("*=") {
        AssignOp::Multiply
    } else if cursor.eat_symbol("/=") {
        AssignOp::Divide
    } else {
        let wants = [":", "=", "+=", "-=", "*=", "/="].map(Want::Is);
        return Err(cursor.unexpected(&wants));
    };
    let span = Some(name.span);
    let op = match nested_writes(cursor)? {
        Some(writes) => AssignOp::Nested(writes),
        None if cursor.is_symbol("{") && sets => AssignOp::Struct(record(cursor)?),
        None => make(expr::expr(cursor)?),
    };
    Ok(Assignment { name: name.text, span, op })
}

/// One nested write, or several in parentheses, if they stand here.
fn nested_writes(cursor: &mut Cursor<'_>) -> Result<Option<Vec<NestedWrite>>> {
    if cursor.is_symbol("(") && begins_nested(cursor, 1) {
        cursor.advance();
        return cursor.bracketed(|cursor| cursor.separated(")", nested_write)).map(Some);
    }
    if begins_nested(cursor, 0) {
        return nested_write(cursor).map(|write| Some(vec![write]));
    }
    Ok(None)
}

/// Whether a nested write begins `ahead` places on, and not an expression over a field of such a name.
fn begins_nested(cursor: &Cursor<'_>, ahead: usize) -> bool {
    let Some(word) = cursor.word_at(ahead) else { return false };
    let next = ahead + 1;
    let bare = matches!(word, "disconnect" | "delete")
        && [",", "}", ")"].into_iter().any(|symbol| cursor.is_symbol_at(next, symbol));
    NESTED.contains(&word)
        && (bare
            || cursor.is_symbol_at(next, "{")
            || cursor.is_symbol_at(next, "[")
            || cursor.is_name_at(next))
}

fn nested_write(cursor: &mut Cursor<'_>) -> Result<NestedWrite> {
    let word = cursor.word().and_then(|word| NESTED.into_iter().find(|nested| *nested == word));
    let Some(word) = word else { return Err(cursor.unexpected(&NESTED.map(Want::Is))) };
    cursor.advance();
    match word {
        "create" => {
            let rows = records(cursor)?;
            Ok(NestedWrite::Create { rows, skip_duplicates: skip_duplicates(cursor)? })
        }
        "connect" => keys(cursor).map(NestedWrite::Connect),
        "connectOrCreate" => {
            let key = nested_key(cursor)?;
            Ok(NestedWrite::ConnectOrCreate { key, create: record(cursor)? })
        }
        "disconnect" if !cursor.is_symbol("[") && !cursor.is_name_at(0) => {
            Ok(NestedWrite::Disconnect(Vec::new()))
        }
        "disconnect" => keys(cursor).map(NestedWrite::Disconnect),
        "set" if cursor.is_symbol("[") && cursor.is_symbol_at(1, "]") => {
            cursor.advance();
            cursor.advance();
            Ok(NestedWrite::Replace(Vec::new()))
        }
        "set" => keys(cursor).map(NestedWrite::Replace),
        "update" => {
            let (key, filter) = which(cursor)?;
            cursor.expect_word("set")?;
            Ok(NestedWrite::Update { key, filter, set: record(cursor)? })
        }
        "upsert" => {
            let key = if cursor.is_symbol("[") { Some(fetch::key(cursor)?) } else { None };
            let (create, update) = create_and_update(cursor)?;
            Ok(NestedWrite::Upsert { key, create, update })
        }
        _ => {
            let (key, filter) = which(cursor)?;
            Ok(NestedWrite::Delete { key, filter })
        }
    }
}

/// The key of one row, or a filter, or neither.
fn which(cursor: &mut Cursor<'_>) -> Result<(Option<Vec<KeyPart>>, Option<Expr>)> {
    let chosen =
        if cursor.is_symbol("[") { (Some(fetch::key(cursor)?), None) } else { (None, filter(cursor)?) };
    if cursor.is_with_deleted() {
        let hint = "update deleted rows by a statement of their own: `update Post with deleted … set { … }`";
        return Err(cursor.no_deleted("a nested write").hint(hint));
    }
    Ok(chosen)
}

fn nested_key(cursor: &mut Cursor<'_>) -> Result<Vec<KeyPart>> {
    if cursor.is_name_at(0) && cursor.is_symbol_at(1, "[") {
        return Err(Error::new(ErrorCode::SyntaxError, "the relation says which entity it is")
            .span(cursor.peek().span)
            .hint("write the key alone: `connect [7]`"));
    }
    fetch::key(cursor)
}

/// Keys with commas between: a comma belongs here if a key follows it.
fn keys(cursor: &mut Cursor<'_>) -> Result<Vec<Vec<KeyPart>>> {
    let mut keys = vec![nested_key(cursor)?];
    while cursor.is_symbol(",") && cursor.is_symbol_at(1, "[") {
        cursor.advance();
        keys.push(nested_key(cursor)?);
    }
    Ok(keys)
}
