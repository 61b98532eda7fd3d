//! Reads the attributes of fields and entities: what begins with `@` and `@@`.

use ormdb_proto::error::Span;
use ormdb_proto::schema::{Deferrable, Generator, NullsDistinct, ReferentialAction};
use ormdb_proto::{Error, ErrorCode, Result};

use super::ast::{
    CheckDecl, DefaultDecl, EntityAttribute, EntityAttributeKind, ExprText, FieldAttribute,
    FieldAttributeKind, ForeignKeyDecl, IndexColumnDecl, IndexDecl, Name, Notes, RelationDecl,
    SoftDeleteDecl, ThroughDecl,
};
use crate::text::cursor::{Cursor, Want};
use crate::text::expr;
use crate::text::lexer::Lexeme;

const FIELD_ATTRIBUTES: [&str; 10] =
    ["id", "default", "unique", "check", "updatedAt", "stored", "was", "map", "relation", "through"];
const ENTITY_ATTRIBUTES: [&str; 8] = ["id", "unique", "index", "check", "map", "was", "order", "softDelete"];

/// Reads `@…`.
pub(super) fn field_attribute(cursor: &mut Cursor<'_>) -> Result<FieldAttribute> {
    let start = cursor.expect_symbol("@")?;
    let word = cursor.name("the name of an attribute")?;
    let kind = match word.as_str() {
        "id" => FieldAttributeKind::Id,
        "default" => FieldAttributeKind::Default(default(cursor)?),
        "unique" => unique(cursor)?,
        "check" => FieldAttributeKind::Check(check(cursor)?),
        "updatedAt" => FieldAttributeKind::UpdatedAt,
        "stored" => FieldAttributeKind::Stored,
        "was" => FieldAttributeKind::Was(one_string(cursor, "the former name, as a string")?),
        "map" => FieldAttributeKind::Map(one_string(cursor, "the name outside, as a string")?),
        "relation" => FieldAttributeKind::Relation(relation(cursor)?),
        "through" => FieldAttributeKind::Through(through(cursor)?),
        other => {
            let error = unknown(&format!("a field has no attribute `@{other}`"), cursor.span_since(start));
            if ENTITY_ATTRIBUTES.contains(&other) {
                return Err(
                    error.hint(format!("`@@{other}` is an attribute of the entity, on a line of its own"))
                );
            }
            return Err(suggest(error, "@", other, &FIELD_ATTRIBUTES));
        }
    };
    Ok(FieldAttribute { kind, span: cursor.span_since(start) })
}

/// Reads `@@…`; its notes are the caller's.
pub(super) fn entity_attribute(cursor: &mut Cursor<'_>) -> Result<EntityAttribute> {
    let start = cursor.expect_symbol("@@")?;
    let word = cursor.name("the name of an attribute")?;
    let kind = match word.as_str() {
        "id" => EntityAttributeKind::Id(cursor.names_in_parentheses("a field")?),
        "unique" => {
            let (index, nulls) = index(cursor)?;
            EntityAttributeKind::Unique { index, nulls: nulls.unwrap_or(NullsDistinct::Distinct) }
        }
        "index" => {
            let (index, nulls) = index(cursor)?;
            if nulls.is_some() {
                let message = "an index that is not unique keeps every null";
                return Err(Error::new(ErrorCode::InvalidSchema, message)
                    .span(cursor.span_since(start))
                    .hint("`nulls not distinct` belongs to `@@unique`"));
            }
            EntityAttributeKind::Index(index)
        }
        "check" => EntityAttributeKind::Check(check(cursor)?),
        "map" => EntityAttributeKind::Map(one_string(cursor, "the name outside, as a string")?),
        "was" => EntityAttributeKind::Was(one_string(cursor, "the former name, as a string")?),
        "order" => {
            cursor.expect_symbol("(")?;
            let keys = cursor.bracketed(|cursor| cursor.separated(")", expr::order_key))?;
            EntityAttributeKind::Order(keys)
        }
        "softDelete" => EntityAttributeKind::SoftDelete(soft_delete(cursor)?),
        other => {
            let error = unknown(&format!("an entity has no attribute `@@{other}`"), cursor.span_since(start));
            if FIELD_ATTRIBUTES.contains(&other) {
                return Err(
                    error.hint(format!("`@{other}` is an attribute of a field, behind it on its line"))
                );
            }
            return Err(suggest(error, "@@", other, &ENTITY_ATTRIBUTES));
        }
    };
    Ok(EntityAttribute { notes: Notes::default(), kind, span: cursor.span_since(start) })
}

/// `(deletedAt)`, `(deletedAt, retention: "30 days")`
fn soft_delete(cursor: &mut Cursor<'_>) -> Result<SoftDeleteDecl> {
    if !cursor.is_symbol("(") {
        let wants = [Want::Is("(")];
        return Err(cursor
            .unexpected(&wants)
            .hint("as in `@@softDelete(deletedAt, retention: \"30 days\")`"));
    }
    cursor.advance();
    let field = cursor.name("the datetime field that a delete sets")?;
    let mut retention = None;
    if cursor.eat_symbol(",") && !cursor.is_symbol(")") {
        let option = cursor.name("`retention:`")?;
        if option.text != "retention" {
            let error = unknown(&format!("`@@softDelete` has no option `{option}`"), option.span);
            return Err(error.suggest(&option.text, ["retention"]));
        }
        cursor.expect_symbol(":")?;
        retention = Some(cursor.text("how long deleted rows are kept, as in `\"30 days\"`")?);
        cursor.eat_symbol(",");
    }
    cursor.expect_symbol(")")?;
    Ok(SoftDeleteDecl { field, retention })
}

fn unknown(message: &str, span: Span) -> Error {
    Error::new(ErrorCode::UnknownName, message).span(span)
}

/// Suggests the nearest attribute, as it is written.
fn suggest(error: Error, sign: &str, unknown: &str, known: &[&str]) -> Error {
    let mut error = error.suggest(unknown, known.iter().copied());
    error.detail.suggestion = error.detail.suggestion.map(|name| format!("{sign}{name}"));
    error
}

/// `("…")`
pub(super) fn one_string(cursor: &mut Cursor<'_>, what: &'static str) -> Result<Name> {
    cursor.expect_symbol("(")?;
    let text = cursor.text(what)?;
    cursor.expect_symbol(")")?;
    if text.text.is_empty() {
        return Err(Error::new(ErrorCode::InvalidSchema, "a name may not be empty").span(text.span));
    }
    Ok(text)
}

fn default(cursor: &mut Cursor<'_>) -> Result<DefaultDecl> {
    cursor.expect_symbol("(")?;
    let value = match generator(cursor) {
        Some(generator) => DefaultDecl::Generated(generator),
        None => DefaultDecl::Expr(expr_text(cursor)?),
    };
    cursor.expect_symbol(")")?;
    Ok(value)
}

/// Passes over `now()` and the like, if the whole default is one.
fn generator(cursor: &mut Cursor<'_>) -> Option<Generator> {
    if !cursor.is_symbol_at(1, "(") {
        return None;
    }
    let version = match &cursor.peek_at(2).lexeme {
        Lexeme::Integer(digits) => Some(digits.as_str()),
        _ => None,
    };
    let close = if version.is_some() { 3 } else { 2 };
    if !(cursor.is_symbol_at(close, ")") && cursor.is_symbol_at(close + 1, ")")) {
        return None;
    }
    let generator = match (cursor.word()?, version) {
        ("autoincrement", None) => Generator::Autoincrement,
        ("uuidv4", None) | ("uuid", Some("4")) => Generator::UuidV4,
        ("uuidv7" | "uuid", None) | ("uuid", Some("7")) => Generator::UuidV7,
        ("cuid", None) => Generator::Cuid,
        ("ulid", None) => Generator::Ulid,
        ("nanoid", None) => Generator::Nanoid,
        ("now", None) => Generator::Now,
        _ => return None,
    };
    for _ in 0..=close {
        cursor.advance();
    }
    Some(generator)
}

fn expr_text(cursor: &mut Cursor<'_>) -> Result<ExprText> {
    let start = cursor.peek().span;
    let expr = cursor.bracketed(expr::expr)?;
    Ok(ExprText { expr, span: cursor.span_since(start) })
}

fn unique(cursor: &mut Cursor<'_>) -> Result<FieldAttributeKind> {
    let mut nulls = None;
    let mut name = None;
    if cursor.eat_symbol("(") {
        cursor.separated(")", |cursor| {
            if !index_option(cursor, &mut nulls, &mut name)? {
                return Err(cursor.unexpected(&[Want::Is("nulls"), Want::Is("name")]));
            }
            Ok(())
        })?;
    }
    Ok(FieldAttributeKind::Unique { nulls: nulls.unwrap_or(NullsDistinct::Distinct), name })
}

/// Passes over `nulls [not] distinct` or `name: "…"`, if one stands here.
fn index_option(
    cursor: &mut Cursor<'_>,
    nulls: &mut Option<NullsDistinct>,
    name: &mut Option<Name>,
) -> Result<bool> {
    let start = cursor.peek().span;
    if cursor.is_word("nulls") && (cursor.is_word_at(1, "not") || cursor.is_word_at(1, "distinct")) {
        cursor.advance();
        let kind = if cursor.eat_word("not") { NullsDistinct::NotDistinct } else { NullsDistinct::Distinct };
        cursor.expect_word("distinct")?;
        return once(nulls, kind, "nulls", cursor.span_since(start));
    }
    if let Some(given) = named(cursor)? {
        return once(name, given, "name", cursor.span_since(start));
    }
    Ok(false)
}

/// Keeps an option that may stand once; true.
fn once<T>(slot: &mut Option<T>, value: T, what: &str, span: Span) -> Result<bool> {
    if slot.replace(value).is_some() {
        return Err(Error::new(ErrorCode::DuplicateName, format!("`{what}` stands here twice")).span(span));
    }
    Ok(true)
}

/// Passes over `name: "…"`, if it stands here.
fn named(cursor: &mut Cursor<'_>) -> Result<Option<Name>> {
    if !(cursor.is_word("name") && cursor.is_symbol_at(1, ":")) {
        return Ok(None);
    }
    cursor.advance();
    cursor.advance();
    cursor.text("a name, as a string").map(Some)
}

fn check(cursor: &mut Cursor<'_>) -> Result<CheckDecl> {
    cursor.expect_symbol("(")?;
    let expr = expr_text(cursor)?;
    let mut name = None;
    if cursor.eat_symbol(",") {
        name = named(cursor)?;
        if name.is_none() {
            return Err(cursor.unexpected(&[Want::Is("name:")]));
        }
    }
    cursor.expect_symbol(")")?;
    Ok(CheckDecl { expr, name })
}

fn index(cursor: &mut Cursor<'_>) -> Result<(IndexDecl, Option<NullsDistinct>)> {
    let start = cursor.expect_symbol("(")?;
    let mut nulls = None;
    let mut name = None;
    let mut columns = Vec::new();
    cursor.separated(")", |cursor| {
        if !index_option(cursor, &mut nulls, &mut name)? {
            let field = cursor.dotted("a field")?;
            let descending = cursor.eat_word("desc");
            if !descending {
                cursor.eat_word("asc");
            }
            columns.push(IndexColumnDecl { field, descending });
        }
        Ok(())
    })?;
    if columns.is_empty() {
        return Err(
            Error::new(ErrorCode::InvalidSchema, "an index needs a field").span(cursor.span_since(start))
        );
    }
    let covering =
        if cursor.eat_word("covering") { cursor.names_in_parentheses("a field")? } else { Vec::new() };
    let mut filter = None;
    if cursor.eat_word("where") {
        let start = cursor.peek().span;
        let expr = expr::expr(cursor)?;
        filter = Some(ExprText { expr, span: cursor.span_since(start) });
    }
    Ok((IndexDecl { columns, covering, filter, name }, nulls))
}

fn through(cursor: &mut Cursor<'_>) -> Result<ThroughDecl> {
    cursor.expect_symbol("(")?;
    let edge = cursor.dotted("the name of the edge entity")?;
    let mut near = None;
    let mut far = None;
    if cursor.eat_symbol(",") {
        near = Some(cursor.name("the relation of the edge entity that leads back here")?);
        cursor.expect_symbol("->")?;
        far = Some(cursor.name("the relation of the edge entity that leads on")?);
    }
    cursor.expect_symbol(")")?;
    Ok(ThroughDecl { edge, near, far })
}

fn relation(cursor: &mut Cursor<'_>) -> Result<RelationDecl> {
    let start = cursor.expect_symbol("(")?;
    let mut decl = RelationDecl {
        name: None,
        key: None,
        inverse: None,
        on_delete: None,
        on_update: None,
        deferrable: None,
    };
    cursor.separated(")", |cursor| relation_part(cursor, &mut decl))?;
    let span = cursor.span_since(start);
    let wrong = |message: &str| Err(Error::new(ErrorCode::InvalidSchema, message).span(span));
    if decl.key.is_none() && (decl.on_delete.is_some() || decl.on_update.is_some()) {
        return wrong("`onDelete` and `onUpdate` stand where the foreign key does");
    }
    if decl.key.is_none() && decl.deferrable.is_some() {
        return wrong("`deferrable` stands where the foreign key does");
    }
    if decl.inverse.is_some() && (decl.key.is_some() || decl.name.is_some()) {
        return wrong("`inverse` stands alone: the other side has the name and the foreign key");
    }
    Ok(decl)
}

fn relation_part(cursor: &mut Cursor<'_>, decl: &mut RelationDecl) -> Result<()> {
    let start = cursor.peek().span;
    if matches!(cursor.peek().lexeme, Lexeme::Text(_)) {
        let name = cursor.text("the name of the relation")?;
        once(&mut decl.name, name, "the name of the relation", start)?;
        return Ok(());
    }
    if cursor.is_symbol_at(1, ":") {
        let option = cursor.name("an option")?;
        cursor.advance();
        match option.as_str() {
            "name" => once(&mut decl.name, cursor.text("a name, as a string")?, "name", start)?,
            "inverse" => once(&mut decl.inverse, cursor.name("a relation of the target")?, "inverse", start)?,
            "onDelete" => once(&mut decl.on_delete, action(cursor)?, "onDelete", start)?,
            "onUpdate" => once(&mut decl.on_update, action(cursor)?, "onUpdate", start)?,
            "deferrable" => once(&mut decl.deferrable, deferrable(cursor)?, "deferrable", start)?,
            other => {
                let error = unknown(&format!("a relation has no option `{other}`"), option.span);
                return Err(error.suggest(other, ["name", "inverse", "onDelete", "onUpdate", "deferrable"]));
            }
        };
        return Ok(());
    }
    let key = foreign_key(cursor)?;
    once(&mut decl.key, key, "the foreign key", cursor.span_since(start))?;
    Ok(())
}

/// `a -> T.x`, `(a, b) -> T.(x, y)`
fn foreign_key(cursor: &mut Cursor<'_>) -> Result<ForeignKeyDecl> {
    let start = cursor.peek().span;
    let fields = if cursor.is_symbol("(") {
        cursor.names_in_parentheses("a field of this entity")?
    } else {
        vec![cursor.dotted("a field of this entity")?]
    };
    cursor.expect_symbol("->")?;
    let mut target = cursor.dotted("the entity that is referred to")?;
    let references = if cursor.is_symbol(".") && cursor.is_symbol_at(1, "(") {
        cursor.advance();
        cursor.names_in_parentheses("a field of the target")?
    } else {
        // Which of the names are the entity's is decided where entities are known; here the last is the field's.
        let Some((entity, field)) = target.text.rsplit_once('.') else {
            let hint = format!("as in `{} -> {target}.id`", names(&fields));
            return Err(cursor.unexpected(&[Want::Is(".")]).hint(hint));
        };
        let (entity, field) = (entity.to_owned(), field.to_owned());
        let last = cursor.last_span();
        target = Name { text: entity, span: Span { end: last.start.saturating_sub(1), ..target.span } };
        vec![Name { text: field, span: last }]
    };
    let span = cursor.span_since(start);
    if fields.len() != references.len() {
        let message =
            format!("{} fields cannot refer to {}: each needs its own", fields.len(), references.len());
        return Err(Error::new(ErrorCode::InvalidSchema, message).span(span));
    }
    Ok(ForeignKeyDecl { fields, target, references, span })
}

fn names(fields: &[Name]) -> String {
    let list = fields.iter().map(Name::as_str).collect::<Vec<_>>().join(", ");
    if fields.len() == 1 { list } else { format!("({list})") }
}

fn deferrable(cursor: &mut Cursor<'_>) -> Result<Deferrable> {
    let deferrable = match cursor.word() {
        Some("initiallyImmediate") => Deferrable::InitiallyImmediate,
        Some("initiallyDeferred") => Deferrable::InitiallyDeferred,
        _ => return Err(cursor.unexpected(&[Want::Is("initiallyImmediate"), Want::Is("initiallyDeferred")])),
    };
    cursor.advance();
    Ok(deferrable)
}

fn action(cursor: &mut Cursor<'_>) -> Result<ReferentialAction> {
    let action = match cursor.word() {
        Some("restrict") => ReferentialAction::Restrict,
        Some("noAction") => ReferentialAction::NoAction,
        Some("cascade") => ReferentialAction::Cascade,
        Some("setNull") => ReferentialAction::SetNull,
        Some("setDefault") => ReferentialAction::SetDefault,
        _ => {
            return Err(cursor.unexpected(&[
                Want::Is("restrict"),
                Want::Is("noAction"),
                Want::Is("cascade"),
                Want::Is("setNull"),
                Want::Is("setDefault"),
            ]));
        }
    };
    cursor.advance();
    Ok(action)
}
