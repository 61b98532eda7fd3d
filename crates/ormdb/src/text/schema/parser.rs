//! Reads a schema text: goes on behind an error, so that one run tells of all of them.

use std::collections::HashSet;

use ormdb_proto::error::Span;
use ormdb_proto::schema::{SCALAR_NAMES, ScalarType};
use ormdb_proto::value::PRECISION_MAX;
use ormdb_proto::{Error, ErrorCode, Result};

use super::ast::{
    Comment, EntityDecl, EnumDecl, ExprText, FieldAttribute, FieldDecl, Item, LabelDecl, Member, Name,
    NamespaceDecl, Notes, SchemaAst, TypeName, TypeRef,
};
use super::attribute;
use crate::text::cursor::{Cursor, Want, describe};
use crate::text::expr;
use crate::text::lexer::{Lexed, LexedComment, Lexeme, Token, lex};

/// The most errors that one parse tells of.
const ERRORS_MAX: usize = 50;
/// The words that begin a declaration.
const DECLARATIONS: [&str; 4] = ["entity", "enum", "struct", "namespace"];

/// Reads a schema text.
///
/// # Errors
/// Every error that was found, in the order of the text, at most 50 of them: `SyntaxError`, `DuplicateName` for an
/// attribute that stands twice, `UnsupportedFeature`, `LimitExceeded`.
pub fn parse_schema(text: &str) -> std::result::Result<SchemaAst, Vec<Error>> {
    let Lexed { tokens, comments, errors } = lex(text).map_err(|error| vec![error])?;
    let mut parser = Parser { cursor: Cursor::new(&tokens), comments: &comments, comment_at: 0, errors };
    let ast = parser.schema();
    let mut errors = parser.errors;
    if errors.is_empty() {
        return Ok(ast);
    }
    errors.sort_by_key(|error| error.detail.span.map_or(0, |span| span.start));
    errors.truncate(ERRORS_MAX);
    Err(errors)
}

pub(super) struct Parser<'t> {
    pub(super) cursor: Cursor<'t>,
    comments: &'t [LexedComment],
    /// The number of the first comment that nothing has taken yet.
    comment_at: usize,
    errors: Vec<Error>,
}

impl Parser<'_> {
    fn schema(&mut self) -> SchemaAst {
        let mut items = Vec::new();
        while !self.cursor.at_end() {
            match self.item() {
                Ok(item) => items.push(item),
                Err(error) => {
                    self.errors.push(error);
                    self.skip_to_item();
                }
            }
        }
        SchemaAst { items, tail: self.comments_above() }
    }

    /// Passes over tokens up to a line that begins a declaration.
    fn skip_to_item(&mut self) {
        let others = ["type", "embedded", "model", "table", "class", "schema"];
        let begins = |word: &str| DECLARATIONS.contains(&word) || others.contains(&word);
        self.cursor.skip_until(
            |token| matches!(&token.lexeme, Lexeme::Word(w) if token.first_of_line && begins(w.as_str())),
        );
    }

    fn item(&mut self) -> Result<Item> {
        let notes = self.notes_above();
        if self.cursor.is_word("enum") && self.cursor.is_name_at(1) {
            return Ok(Item::Enum(self.enum_decl(notes)?));
        }
        if self.cursor.is_word("entity") && self.cursor.is_name_at(1) {
            return Ok(Item::Entity(self.entity_decl(notes, "entity")?));
        }
        if self.cursor.is_word("struct") && self.cursor.is_name_at(1) {
            return Ok(Item::Struct(self.entity_decl(notes, "struct")?));
        }
        if self.cursor.is_word("namespace") && self.cursor.is_name_at(1) {
            return Ok(Item::Namespace(self.namespace_decl(notes)?));
        }
        let error = match self.cursor.word() {
            Some(word) if DECLARATIONS.contains(&word) => {
                let what = match word {
                    "enum" => "the name of the enum",
                    "struct" => "the name of the struct",
                    "namespace" => "the name of the namespace",
                    _ => "the name of the entity",
                };
                self.cursor.advance();
                self.cursor.unexpected(&[Want::A(what)])
            }
            word => {
                let meant = match word {
                    Some("model" | "table" | "class") => Some("entity"),
                    Some("type" | "embedded") => Some("struct"),
                    Some("schema") => Some("namespace"),
                    _ => None,
                };
                let mut error = self.cursor.unexpected(&DECLARATIONS.map(Want::Is));
                if let Some(meant) = meant {
                    error.detail.suggestion = Some(meant.to_owned());
                }
                error
            }
        };
        self.cursor.advance();
        Err(error)
    }

    fn enum_decl(&mut self, mut notes: Notes) -> Result<EnumDecl> {
        self.cursor.advance();
        let name = self.cursor.name("the name of the enum")?;
        self.cursor.expect_symbol("{")?;
        let mut decl =
            EnumDecl { notes: Notes::default(), name, was: None, labels: Vec::new(), tail: Vec::new() };
        while !self.cursor.is_symbol("}") && !self.cursor.at_end() {
            let before = self.cursor.position();
            if let Err(error) = self.enum_member(&mut decl) {
                self.errors.push(error);
                self.skip_member(before);
            }
        }
        decl.tail = self.comments_above();
        self.cursor.expect_symbol("}")?;
        notes.beside = self.comment_beside();
        notes.above.append(&mut decl.notes.above);
        decl.notes = notes;
        if decl.labels.is_empty() {
            let message = format!("enum `{}` has no labels", decl.name);
            self.errors.push(Error::new(ErrorCode::InvalidSchema, message).span(decl.name.span));
        }
        Ok(decl)
    }

    fn enum_member(&mut self, decl: &mut EnumDecl) -> Result<()> {
        let mut notes = self.notes_above();
        if self.cursor.eat_symbol("@@") {
            let start = self.cursor.last_span();
            self.cursor.expect_word("was")?;
            let was = attribute::one_string(&mut self.cursor, "the former name, as a string")?;
            if decl.was.replace(was).is_some() {
                return Err(twice("@@was", self.cursor.span_since(start)));
            }
            self.cursor.eat_symbol(",");
            // The attribute has no notes of its own: its comments go to the end of the enum.
            decl.notes.above.append(&mut notes.above);
            return Ok(());
        }
        let name = self.cursor.name("a label")?;
        let mut was = None;
        if self.cursor.eat_symbol("@") {
            self.cursor.expect_word("was")?;
            was = Some(attribute::one_string(&mut self.cursor, "the former label, as a string")?);
        }
        if decl.labels.iter().any(|label| label.name.text == name.text) {
            let message = format!("label `{name}` stands twice in enum `{}`", decl.name);
            return Err(Error::new(ErrorCode::DuplicateName, message).span(name.span));
        }
        if !self.cursor.eat_symbol(",") && !self.cursor.is_symbol("}") && !self.cursor.peek().first_of_line {
            return Err(self.cursor.unexpected(&[Want::Is(","), Want::Is("}")]));
        }
        self.finish_notes(&mut notes);
        decl.labels.push(LabelDecl { notes, name, was });
        Ok(())
    }

    fn namespace_decl(&mut self, mut notes: Notes) -> Result<NamespaceDecl> {
        self.cursor.advance();
        let name = self.cursor.name("the name of the namespace")?;
        self.cursor.expect_symbol("{")?;
        let mut items = Vec::new();
        while !self.cursor.is_symbol("}") && !self.cursor.at_end() {
            let start = self.cursor.peek().span;
            if self.cursor.is_word("namespace") && self.cursor.is_name_at(1) {
                let message = format!("namespace `{name}` holds another namespace");
                return Err(Error::new(ErrorCode::InvalidSchema, message)
                    .span(start)
                    .hint("namespaces stand beside each other; a `}` may be missing before this line"));
            }
            match self.item() {
                Ok(item) => items.push(item),
                Err(error) => {
                    self.errors.push(error);
                    self.skip_to_item();
                }
            }
        }
        let tail = self.comments_above();
        if self.cursor.at_end() {
            let message = format!("namespace `{name}` is not closed");
            return Err(Error::new(ErrorCode::SyntaxError, message).span(name.span).hint("a `}` is missing"));
        }
        self.cursor.expect_symbol("}")?;
        notes.beside = self.comment_beside();
        Ok(NamespaceDecl { notes, name, items, tail })
    }

    /// Reads an entity, or a struct, which is written alike; `word` says which.
    fn entity_decl(&mut self, mut notes: Notes, word: &str) -> Result<EntityDecl> {
        self.cursor.advance();
        let name = self.cursor.name("the name of the declaration")?;
        self.cursor.expect_symbol("{")?;
        let mut members = Vec::new();
        while !self.cursor.is_symbol("}") && !self.cursor.at_end() {
            let before = self.cursor.position();
            match self.member() {
                Ok(member) => members.push(member),
                Err(error) => {
                    self.errors.push(error);
                    self.skip_member(before);
                }
            }
        }
        let tail = self.comments_above();
        if self.cursor.at_end() {
            let message = format!("{word} `{name}` is not closed");
            return Err(Error::new(ErrorCode::SyntaxError, message).span(name.span).hint("a `}` is missing"));
        }
        self.cursor.expect_symbol("}")?;
        notes.beside = self.comment_beside();
        Ok(EntityDecl { notes, name, members, tail })
    }

    /// Passes over tokens up to the next line, or the end of the declaration: at least over the one at `before`.
    fn skip_member(&mut self, before: usize) {
        if self.cursor.position() == before {
            self.cursor.advance();
        }
        self.cursor.skip_until(|token: &Token| token.first_of_line || token.lexeme == Lexeme::Symbol("}"));
        self.comment_at = self.comments.partition_point(|c| c.before_token < self.cursor.position());
    }

    fn member(&mut self) -> Result<Member> {
        let mut notes = self.notes_above();
        self.cursor.ends_with_line = true;
        let start = self.cursor.peek().span;
        if self.cursor.is_symbol("@@") {
            let mut attribute = attribute::entity_attribute(&mut self.cursor)?;
            self.finish_notes(&mut notes);
            attribute.notes = notes;
            return Ok(Member::Attribute(attribute));
        }
        if self.cursor.is_symbol("@") {
            let message = "this attribute belongs to no field";
            return Err(Error::new(ErrorCode::SyntaxError, message).span(start).hint(
                "attributes of a field stand behind it on its line; those of an entity begin with `@@`",
            ));
        }
        if self.cursor.word().is_some_and(|word| DECLARATIONS.contains(&word))
            && self.cursor.is_symbol_at(2, "{")
        {
            let message = "the declaration above is not closed";
            let error = Error::new(ErrorCode::SyntaxError, message)
                .span(start)
                .hint("a `}` is missing before this line");
            // Reading goes on as if it were there.
            match self.item() {
                Ok(_) => return Err(error),
                Err(inner) => {
                    self.errors.push(error);
                    return Err(inner);
                }
            }
        }
        let mut field = self.field()?;
        self.finish_notes(&mut notes);
        field.notes = notes;
        Ok(Member::Field(field))
    }

    fn field(&mut self) -> Result<FieldDecl> {
        if !self.cursor.is_name_at(0) {
            return Err(self.cursor.unexpected(&[Want::A("a field"), Want::Is("@@"), Want::Is("}")]));
        }
        let name = self.cursor.name("a field")?;
        if self.cursor.is_symbol(":") {
            return Err(Error::new(ErrorCode::SyntaxError, "a field has no colon before its type")
                .span(self.cursor.peek().span)
                .hint(format!("as in `{name} string`")));
        }
        if self.cursor.peek().first_of_line {
            let message = format!("field `{name}` has no type");
            return Err(Error::new(ErrorCode::SyntaxError, message)
                .span(name.span)
                .hint(format!("as in `{name} string`")));
        }
        let ty = self.type_ref()?;
        let mut computed = None;
        if self.cursor.is_symbol("=") && !self.cursor.peek().first_of_line {
            self.cursor.advance();
            let start = self.cursor.peek().span;
            let expr = expr::expr(&mut self.cursor)?;
            computed = Some(ExprText { expr, span: self.cursor.span_since(start) });
        }
        let mut attributes: Vec<FieldAttribute> = Vec::new();
        let mut seen = HashSet::new();
        while self.cursor.is_symbol("@") {
            let attribute = attribute::field_attribute(&mut self.cursor)?;
            let word = attribute.kind.word();
            if !seen.insert(word) && word != "check" {
                self.errors.push(twice(&format!("@{word}"), attribute.span));
            }
            attributes.push(attribute);
        }
        let next = self.cursor.peek();
        if !next.first_of_line && !matches!(next.lexeme, Lexeme::Symbol("}" | "@@") | Lexeme::End) {
            let found = describe(&next.lexeme);
            let message = format!("expected an attribute or the end of the line, found {found}");
            return Err(Error::new(ErrorCode::SyntaxError, message).span(next.span));
        }
        Ok(FieldDecl { notes: Notes::default(), name, ty, computed, attributes })
    }

    fn type_ref(&mut self) -> Result<TypeRef> {
        let name = self.cursor.dotted("a type")?;
        let start = name.span;
        let mut args = Vec::new();
        if self.cursor.eat_symbol("(") {
            args = self.cursor.separated(")", |cursor| {
                let span = cursor.peek().span;
                match &cursor.peek().lexeme {
                    Lexeme::Integer(digits) => {
                        let number: u32 = digits.parse().map_err(|_| {
                            Error::new(ErrorCode::InvalidSchema, "the number is too large").span(span)
                        })?;
                        cursor.advance();
                        Ok(number)
                    }
                    _ => Err(cursor.unexpected(&[Want::A("a number")])),
                }
            })?;
        }
        let type_span = self.cursor.span_since(start);
        let name = type_name(name, &args, type_span)?;
        let mut array = false;
        let mut optional = self.cursor.eat_symbol("?");
        if self.cursor.eat_symbol("[") {
            self.cursor.expect_symbol("]")?;
            array = true;
            if optional {
                return Err(Error::new(
                    ErrorCode::SyntaxError,
                    "the elements of an array may always be null",
                )
                .span(self.cursor.span_since(start))
                .hint("`T[]?` is an optional array"));
            }
            optional = self.cursor.eat_symbol("?");
        }
        Ok(TypeRef { name, array, optional, span: self.cursor.span_since(start) })
    }

    /// The comments that stand above the token at hand.
    fn comments_above(&mut self) -> Vec<Comment> {
        self.comments_before(self.cursor.position())
    }

    /// The comments before a token that nothing has taken yet.
    fn comments_before(&mut self, token: usize) -> Vec<Comment> {
        let mut taken = Vec::new();
        while let Some(comment) = self.comments.get(self.comment_at).filter(|c| c.before_token <= token) {
            taken.push(Comment { text: comment.text.clone(), blank_before: comment.blank_before });
            self.comment_at += 1;
        }
        taken
    }

    /// The comments above the token at hand, and whether an empty line stands above it.
    fn notes_above(&mut self) -> Notes {
        let above = self.comments_above();
        Notes { above, blank_before: self.cursor.peek().blank_before, beside: None }
    }

    /// The comment on the line of the last token.
    fn comment_beside(&mut self) -> Option<String> {
        let comment = self.comments.get(self.comment_at)?;
        if comment.before_token != self.cursor.position() || comment.own_line {
            return None;
        }
        self.comment_at += 1;
        Some(comment.text.clone())
    }

    /// Takes the comments inside of what was just read, and the one beside it.
    fn finish_notes(&mut self, notes: &mut Notes) {
        if let Some(last) = self.cursor.position().checked_sub(1) {
            let inside = self.comments_before(last);
            if !inside.is_empty() && notes.blank_before {
                notes.blank_before = false;
            }
            notes.above.extend(inside.into_iter().map(|c| Comment { blank_before: false, ..c }));
        }
        notes.beside = self.comment_beside();
    }
}

/// The error that an attribute stands twice.
fn twice(attribute: &str, span: Span) -> Error {
    Error::new(ErrorCode::DuplicateName, format!("`{attribute}` stands here twice")).span(span)
}

/// The type of a name and its arguments.
fn type_name(name: Name, args: &[u32], span: Span) -> Result<TypeName> {
    let wrong = |message: String| Err(Error::new(ErrorCode::InvalidSchema, message).span(span));
    let scalar = match name.as_str() {
        "bool" => ScalarType::Bool,
        "int16" => ScalarType::Int16,
        "int32" => ScalarType::Int32,
        "int64" => ScalarType::Int64,
        "float32" => ScalarType::Float32,
        "float64" => ScalarType::Float64,
        "bytes" => ScalarType::Bytes,
        "uuid" => ScalarType::Uuid,
        "datetime" => ScalarType::DateTime,
        "local_datetime" => ScalarType::LocalDateTime,
        "date" => ScalarType::Date,
        "time" => ScalarType::Time,
        "interval" => ScalarType::Interval,
        "json" => ScalarType::Json,
        "string" => {
            return match args {
                [] => Ok(TypeName::Scalar(ScalarType::String { chars_max: None })),
                [0] => wrong("a string of at most 0 characters holds nothing".to_owned()),
                [max] => Ok(TypeName::Scalar(ScalarType::String { chars_max: Some(*max) })),
                _ => wrong("`string` takes one number: the most characters".to_owned()),
            };
        }
        "decimal" => {
            let (precision, scale) = match args {
                [precision] => (*precision, 0),
                [precision, scale] => (*precision, *scale),
                _ => {
                    return wrong(
                        "`decimal` takes its digits and its scale, as in `decimal(12, 2)`".to_owned(),
                    );
                }
            };
            return match (u8::try_from(precision), u8::try_from(scale)) {
                (Ok(precision @ 1..=PRECISION_MAX), Ok(scale)) if scale <= precision => {
                    Ok(TypeName::Scalar(ScalarType::Decimal { precision, scale }))
                }
                _ => wrong(format!(
                    "a decimal has 1 to {PRECISION_MAX} digits, and at most as many behind the point"
                )),
            };
        }
        _ if args.is_empty() => return Ok(TypeName::Named(name)),
        other => {
            let message = format!("type `{other}` takes no numbers");
            return Err(Error::new(ErrorCode::UnknownName, message).span(span).suggest(other, SCALAR_NAMES));
        }
    };
    if args.is_empty() {
        Ok(TypeName::Scalar(scalar))
    } else {
        wrong(format!("type `{name}` takes no numbers"))
    }
}
