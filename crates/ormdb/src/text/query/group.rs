//! Reads groups: `group Track where … by genre.name having count() > 9 order by … limit … { genre.name, n: count() }`.

use ormdb_proto::ir::{Fetch, Grouping, Selection};
use ormdb_proto::{Error, ErrorCode, Result};

use super::fetch::{self, Of, RootClauses};
use crate::text::cursor::{Cursor, Want};
use crate::text::expr;

/// Reads a fetch of groups.
pub(super) fn group(cursor: &mut Cursor<'_>) -> Result<Fetch> {
    cursor.expect_word("group")?;
    let entity = cursor.dotted("an entity")?;
    let (mut selection, mut group) = (Selection::default(), Grouping::default());
    let mut of = Of::Root(RootClauses::default());
    loop {
        let span = cursor.peek().span;
        let given_before = if cursor.eat_word("by") {
            let before = !group.by.is_empty();
            group.by.push(expr::expr(cursor)?);
            while cursor.eat_symbol(",") {
                group.by.push(expr::expr(cursor)?);
            }
            before
        } else if cursor.eat_word("having") {
            group.having.replace(expr::expr(cursor)?).is_some()
        } else if fetch::clause(cursor, &mut selection, &mut of)? {
            false
        } else {
            break;
        };
        if given_before {
            return Err(Error::new(ErrorCode::SyntaxError, "the clause stands here twice").span(span));
        }
    }
    if !cursor.is_symbol("{") {
        let error = cursor.unexpected(&[Want::A("a clause"), Want::Is("{")]);
        return Err(match cursor.word() {
            Some(word) => error.suggest(word, fetch::CLAUSES.into_iter().chain(["by", "having"])),
            None => error,
        });
    }
    selection.items = fetch::items(cursor)?;
    let RootClauses { lock, as_of } = of.root_clauses();
    let (span, group) = (Some(entity.span), Some(group));
    Ok(Fetch { entity: entity.text, span, key: None, selection, group, lock, as_of })
}
