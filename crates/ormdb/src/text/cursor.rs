//! A place in a sequence of tokens, with the words for what was expected there.

use ormdb_proto::error::{Limit, Span};
use ormdb_proto::ir::DEPTH_MAX;
use ormdb_proto::{Error, ErrorCode, Result};

use super::ast::Name;
use super::lexer::{Lexeme, Token};

/// What could stand at a place.
#[derive(Clone, Copy, Debug)]
pub(super) enum Want {
    /// This symbol or keyword.
    Is(&'static str),
    /// Something of this kind, with its article.
    A(&'static str),
}

/// A place in a sequence of tokens.
pub(super) struct Cursor<'t> {
    tokens: &'t [Token],
    end: Token,
    at: usize,
    /// How deep expressions, includes and nested writes are nested here.
    depth: usize,
    /// Whether an expression ends where a line does, outside of brackets.
    pub(super) ends_with_line: bool,
}

impl<'t> Cursor<'t> {
    pub(super) fn new(tokens: &'t [Token]) -> Cursor<'t> {
        let nowhere = Span { start: 0, end: 0, line: 1, column: 1 };
        let end = tokens.last().cloned().unwrap_or(Token {
            lexeme: Lexeme::End,
            span: nowhere,
            first_of_line: true,
            blank_before: false,
        });
        Cursor { tokens, end, at: 0, depth: 0, ends_with_line: false }
    }

    /// The number of the token at hand.
    pub(super) const fn position(&self) -> usize {
        self.at
    }

    /// Whether what stands `ahead` places on ends the path of an aggregate.
    pub(super) fn ends_path_at(&self, ahead: usize) -> bool {
        [")", ":"].into_iter().any(|symbol| self.is_symbol_at(ahead, symbol))
            || self.word_at(ahead).is_some_and(|word| ["where", "with"].contains(&word))
    }

    pub(super) fn peek(&self) -> &Token {
        self.peek_at(0)
    }

    /// The token `ahead` places on.
    pub(super) fn peek_at(&self, ahead: usize) -> &Token {
        self.tokens.get(self.at + ahead).unwrap_or(&self.end)
    }

    /// Passes over the token at hand; the end is never passed.
    pub(super) fn advance(&mut self) -> Token {
        let token = self.peek().clone();
        if token.lexeme != Lexeme::End {
            self.at += 1;
        }
        token
    }

    pub(super) fn at_end(&self) -> bool {
        self.peek().lexeme == Lexeme::End
    }

    /// The span of the last token that was passed over.
    pub(super) fn last_span(&self) -> Span {
        self.at.checked_sub(1).and_then(|at| self.tokens.get(at)).unwrap_or(&self.end).span
    }

    /// From `start` to the last token that was passed over.
    pub(super) fn span_since(&self, start: Span) -> Span {
        Span { end: self.last_span().end.max(start.end), ..start }
    }

    pub(super) fn is_symbol(&self, symbol: &str) -> bool {
        self.is_symbol_at(0, symbol)
    }

    pub(super) fn is_symbol_at(&self, ahead: usize, symbol: &str) -> bool {
        matches!(self.peek_at(ahead).lexeme, Lexeme::Symbol(s) if s == symbol)
    }

    pub(super) fn is_word(&self, word: &str) -> bool {
        self.is_word_at(0, word)
    }

    /// Whether a statement ends `ahead` places on.
    pub(super) fn ends_statement_at(&self, ahead: usize) -> bool {
        self.peek_at(ahead).lexeme == Lexeme::End || self.is_symbol_at(ahead, ";")
    }

    pub(super) fn is_word_at(&self, ahead: usize, word: &str) -> bool {
        matches!(&self.peek_at(ahead).lexeme, Lexeme::Word(w) if w == word)
    }

    /// The word at hand, if it is one and not in backticks.
    pub(super) fn word(&self) -> Option<&str> {
        self.word_at(0)
    }

    pub(super) fn word_at(&self, ahead: usize) -> Option<&str> {
        match &self.peek_at(ahead).lexeme {
            Lexeme::Word(word) => Some(word),
            Lexeme::Quoted(_)
            | Lexeme::Param(_)
            | Lexeme::Integer(_)
            | Lexeme::Decimal(_)
            | Lexeme::Float(_)
            | Lexeme::Text(_)
            | Lexeme::Bytes(_)
            | Lexeme::Symbol(_)
            | Lexeme::End => None,
        }
    }

    /// Whether a name stands `ahead` places on.
    pub(super) fn is_name_at(&self, ahead: usize) -> bool {
        matches!(self.peek_at(ahead).lexeme, Lexeme::Word(_) | Lexeme::Quoted(_))
    }

    pub(super) fn eat_symbol(&mut self, symbol: &str) -> bool {
        let found = self.is_symbol(symbol);
        if found {
            self.at += 1;
        }
        found
    }

    pub(super) fn eat_word(&mut self, word: &str) -> bool {
        let found = self.is_word(word);
        if found {
            self.at += 1;
        }
        found
    }

    pub(super) fn expect_symbol(&mut self, symbol: &'static str) -> Result<Span> {
        if self.is_symbol(symbol) {
            Ok(self.advance().span)
        } else {
            Err(self.unexpected(&[Want::Is(symbol)]))
        }
    }

    pub(super) fn expect_word(&mut self, word: &'static str) -> Result<Span> {
        if self.is_word(word) { Ok(self.advance().span) } else { Err(self.unexpected(&[Want::Is(word)])) }
    }

    /// A name; `what` says of what, with its article.
    pub(super) fn name(&mut self, what: &'static str) -> Result<Name> {
        if !self.is_name_at(0) {
            return Err(self.unexpected(&[Want::A(what)]));
        }
        let token = self.advance();
        match token.lexeme {
            Lexeme::Word(text) | Lexeme::Quoted(text) => Ok(Name { text, span: token.span }),
            _ => Err(self.unexpected(&[Want::A(what)])),
        }
    }

    /// Names with points between, as one name: a member of a struct, or a name behind its namespace.
    pub(super) fn dotted(&mut self, what: &'static str) -> Result<Name> {
        let mut name = self.name(what)?;
        while self.is_symbol(".") && self.is_name_at(1) {
            self.advance();
            let part = self.name(what)?;
            name.text.push('.');
            name.text.push_str(&part.text);
            name.span = self.span_since(name.span);
        }
        Ok(name)
    }

    /// How many tokens the dotted name that stands `ahead` places on has; 0 if there is none.
    pub(super) fn dotted_len(&self, ahead: usize) -> usize {
        if !self.is_name_at(ahead) {
            return 0;
        }
        let mut len = 1;
        while self.is_symbol_at(ahead + len, ".") && self.is_name_at(ahead + len + 1) {
            len += 2;
        }
        len
    }

    /// A string; `what` says which, with its article.
    pub(super) fn text(&mut self, what: &'static str) -> Result<Name> {
        let span = self.peek().span;
        match &self.peek().lexeme {
            Lexeme::Text(text) => {
                let text = text.clone();
                self.at += 1;
                Ok(Name { text, span })
            }
            _ => Err(self.unexpected(&[Want::A(what)])),
        }
    }

    /// Names in parentheses, at least one.
    pub(super) fn names_in_parentheses(&mut self, what: &'static str) -> Result<Vec<Name>> {
        self.expect_symbol("(")?;
        self.separated(")", |cursor| cursor.dotted(what))
    }

    /// At least one of what `item` reads, between commas, up to the closing symbol; a last comma is allowed.
    pub(super) fn separated<T>(
        &mut self,
        close: &'static str,
        mut item: impl FnMut(&mut Self) -> Result<T>,
    ) -> Result<Vec<T>> {
        let mut items = Vec::new();
        loop {
            items.push(item(self)?);
            let comma = self.eat_symbol(",");
            if self.eat_symbol(close) {
                return Ok(items);
            }
            if !comma {
                return Err(self.unexpected(&[Want::Is(","), Want::Is(close)]));
            }
        }
    }

    /// The error that something else was expected here.
    pub(super) fn unexpected(&self, wants: &[Want]) -> Error {
        let token = self.peek();
        let mut listed: Vec<String> = wants
            .iter()
            .map(|want| match want {
                Want::Is(exact) => format!("`{exact}`"),
                Want::A(kind) => (*kind).to_owned(),
            })
            .collect();
        let last = listed.pop().unwrap_or_default();
        let expected = if listed.is_empty() { last } else { format!("{} or {last}", listed.join(", ")) };
        let message = format!("expected {expected}, found {}", describe(&token.lexeme));
        let mut error = Error::new(ErrorCode::SyntaxError, message).span(token.span);
        if let Lexeme::Word(word) = &token.lexeme {
            let words = wants.iter().filter_map(|want| match want {
                Want::Is(exact) if exact.starts_with(char::is_alphabetic) => Some(*exact),
                Want::Is(_) | Want::A(_) => None,
            });
            error = error.suggest(word, words);
        }
        error
    }

    /// Whether `with deleted` stands here.
    pub(super) fn is_with_deleted(&self) -> bool {
        self.is_word("with") && self.is_word_at(1, "deleted")
    }

    /// The error of a `with deleted` where only live rows are seen.
    pub(super) fn no_deleted(&self, place: &str) -> Error {
        let message = format!("`with deleted` is for the rows of a level, and not for {place}");
        Error::new(ErrorCode::UnsupportedFeature, message).span(self.peek().span)
    }

    /// Reads something nested one level deeper.
    pub(super) fn nested<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.check_height(1)?;
        self.depth += 1;
        let result = read(self);
        self.depth -= 1;
        result
    }

    /// Reads something in brackets, where lines may break anywhere.
    pub(super) fn bracketed<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let outer = std::mem::replace(&mut self.ends_with_line, false);
        let result = self.nested(read);
        self.ends_with_line = outer;
        result
    }

    /// Fails if a tree of this height does not fit here.
    pub(super) fn check_height(&self, height: usize) -> Result<()> {
        let asked = self.depth + height;
        if asked <= DEPTH_MAX {
            return Ok(());
        }
        let message = format!("nested more than {DEPTH_MAX} deep");
        let mut error = Error::new(ErrorCode::LimitExceeded, message).span(self.peek().span);
        error.detail.limit =
            Some(Limit { name: "depth_max".to_owned(), allowed: DEPTH_MAX as u64, asked: asked as u64 });
        Err(error)
    }

    /// Passes over tokens until `stop` says so or the text ends.
    pub(super) fn skip_until(&mut self, stop: impl Fn(&Token) -> bool) {
        while !self.at_end() && !stop(self.peek()) {
            self.at += 1;
        }
    }
}

/// A token in the words of an error.
pub(super) fn describe(lexeme: &Lexeme) -> String {
    match lexeme {
        Lexeme::Word(word) => format!("`{word}`"),
        Lexeme::Quoted(name) => format!("the name `{name}`"),
        Lexeme::Param(name) => format!("`${name}`"),
        Lexeme::Integer(digits) | Lexeme::Decimal(digits) | Lexeme::Float(digits) => format!("`{digits}`"),
        Lexeme::Text(_) => "a string".to_owned(),
        Lexeme::Bytes(_) => "bytes".to_owned(),
        Lexeme::Symbol(symbol) => format!("`{symbol}`"),
        Lexeme::End => "the end of the text".to_owned(),
    }
}
