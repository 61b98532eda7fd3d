//! Reads statements about transactions: `begin isolation snapshot read only`, `commit`, `rollback to a`, `savepoint a`, …

use ormdb_proto::ir::{ConstraintTiming, Control};
use ormdb_proto::{Access, Error, ErrorCode, Isolation, Result};

use crate::text::cursor::{Cursor, Want};

/// The words that such statements begin with.
pub(super) const WORDS: [&str; 6] = ["begin", "commit", "rollback", "savepoint", "release", "set"];

/// Reads one, if one stands here. A word that is an entity's name has something else behind it.
pub(super) fn control(cursor: &mut Cursor<'_>) -> Result<Option<Control>> {
    let Some(word) = cursor.word().and_then(|word| WORDS.into_iter().find(|known| *known == word)) else {
        return Ok(None);
    };
    let ends = cursor.ends_statement_at(1);
    let named = cursor.is_name_at(1) && cursor.ends_statement_at(2);
    match word {
        "begin" if ends || ["isolation", "read"].into_iter().any(|next| cursor.is_word_at(1, next)) => {
            begin(cursor).map(Some)
        }
        "commit" if ends => {
            cursor.advance();
            Ok(Some(Control::Commit))
        }
        "rollback" if ends => {
            cursor.advance();
            Ok(Some(Control::Rollback))
        }
        "rollback" if cursor.is_word_at(1, "to") => {
            cursor.advance();
            cursor.advance();
            Ok(Some(Control::RollbackTo { name: cursor.name("a savepoint")?.text }))
        }
        "savepoint" if named => {
            cursor.advance();
            Ok(Some(Control::Savepoint { name: cursor.name("a savepoint")?.text }))
        }
        "release" if named => {
            cursor.advance();
            Ok(Some(Control::Release { name: cursor.name("a savepoint")?.text }))
        }
        "set" if cursor.is_word_at(1, "constraints") => set_constraints(cursor).map(Some),
        _ => Ok(None),
    }
}

fn begin(cursor: &mut Cursor<'_>) -> Result<Control> {
    cursor.advance();
    let isolation = if cursor.eat_word("isolation") {
        let level = cursor.name("a level of isolation")?;
        Some(level.text.parse::<Isolation>().map_err(|error| {
            error.span(level.span).suggest(&level.text, Isolation::ALL.map(Isolation::name))
        })?)
    } else {
        None
    };
    let access = if cursor.eat_word("read") {
        match cursor.word() {
            Some("only") => Access::ReadOnly,
            Some("write") => Access::ReadWrite,
            _ => return Err(cursor.unexpected(&[Want::Is("only"), Want::Is("write")])),
        }
    } else {
        return Ok(Control::Begin { isolation, access: Access::default() });
    };
    cursor.advance();
    Ok(Control::Begin { isolation, access })
}

fn set_constraints(cursor: &mut Cursor<'_>) -> Result<Control> {
    cursor.advance();
    cursor.advance();
    let names = if cursor.is_word("all") && ["deferred", "immediate"].iter().any(|w| cursor.is_word_at(1, w))
    {
        cursor.advance();
        Vec::new()
    } else {
        let mut names = vec![cursor.dotted("a constraint")?.text];
        while cursor.eat_symbol(",") {
            names.push(cursor.dotted("a constraint")?.text);
        }
        names
    };
    let timing = match cursor.word() {
        Some("deferred") => ConstraintTiming::Deferred,
        Some("immediate") => ConstraintTiming::Immediate,
        _ => {
            let error = cursor.unexpected(&[Want::Is(","), Want::Is("deferred"), Want::Is("immediate")]);
            return Err(error);
        }
    };
    cursor.advance();
    Ok(Control::SetConstraints { names, timing })
}

/// A statement of a transaction cannot be explained.
pub(super) fn not_explained(cursor: &Cursor<'_>) -> Error {
    Error::new(ErrorCode::InvalidQuery, "only fetches can be explained").span(cursor.peek().span)
}
