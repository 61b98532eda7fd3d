//! Turns text into tokens with spans, and comments beside them.
//!
//! Invariants: (1) spans lie on character boundaries and ascend; (2) the last token is `End`, and stands nowhere else;
//! (3) a comment never becomes a token: it keeps the number of the token that follows it.

use ormdb_proto::error::{Limit, Span};
use ormdb_proto::{Error, ErrorCode, Result};

/// The longest text of a schema or a query, in bytes.
pub const TEXT_BYTES_MAX: usize = 16 << 20;

/// What a token is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Lexeme {
    /// A name or a keyword.
    Word(String),
    /// A name in backticks, never a keyword.
    Quoted(String),
    /// `$name`
    Param(String),
    /// Digits.
    Integer(String),
    /// Digits with a point.
    Decimal(String),
    /// Digits with an exponent.
    Float(String),
    /// A string, its escapes resolved.
    Text(String),
    /// `x"00ff"`
    Bytes(Vec<u8>),
    /// Punctuation, as written.
    Symbol(&'static str),
    /// The end of the text.
    End,
}

/// A token and its place.
#[derive(Clone, Debug)]
pub(super) struct Token {
    pub(super) lexeme: Lexeme,
    pub(super) span: Span,
    /// Whether it is the first of its line.
    pub(super) first_of_line: bool,
    /// Whether an empty line stands above it, or above the comments directly above it.
    pub(super) blank_before: bool,
}

/// A comment and its place.
#[derive(Clone, Debug)]
pub(super) struct LexedComment {
    /// The text with its slashes, without trailing spaces.
    pub(super) text: String,
    /// The number of the token that follows.
    pub(super) before_token: usize,
    /// Whether nothing stands before it on its line.
    pub(super) own_line: bool,
    /// Whether an empty line stands above it.
    pub(super) blank_before: bool,
}

/// A text as tokens.
#[derive(Debug)]
pub(super) struct Lexed {
    pub(super) tokens: Vec<Token>,
    pub(super) comments: Vec<LexedComment>,
    /// What is no token; the tokens go on behind it.
    pub(super) errors: Vec<Error>,
}

/// Longest first, so that the first that fits is the right one.
const SYMBOLS: [&str; 33] = [
    "@@", "->", "!=", "<>", "<=", ">=", "==", "||", "&&", "+=", "-=", "*=", "/=", "(", ")", "[", "]", "{",
    "}", ",", ":", ";", ".", "=", "<", ">", "+", "-", "*", "/", "%", "@", "?",
];

/// Words that mean something where an expression stands, so that a name of this spelling needs backticks there.
const EXPRESSION_WORDS: [&str; 12] =
    ["and", "or", "not", "true", "false", "null", "in", "is", "between", "where", "distinct", "insensitive"];

/// Whether a name of this spelling must stand in backticks inside an expression.
pub fn is_keyword(word: &str) -> bool {
    EXPRESSION_WORDS.contains(&word)
}

/// Whether the text can stand as a name without backticks.
pub(super) fn is_plain_name(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(starts_name) && chars.all(continues_name)
}

fn starts_name(c: char) -> bool {
    c.is_alphabetic() || c == '_'
}

fn continues_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The tokens of a text.
pub(super) fn lex(text: &str) -> Result<Lexed> {
    if text.len() > TEXT_BYTES_MAX {
        let message = format!("the text has {} bytes; at most {TEXT_BYTES_MAX} are read", text.len());
        let mut error = Error::new(ErrorCode::LimitExceeded, message);
        error.detail.limit = Some(Limit {
            name: "text_bytes_max".to_owned(),
            allowed: TEXT_BYTES_MAX as u64,
            asked: text.len() as u64,
        });
        return Err(error);
    }
    let mut lexer = Lexer::new(text);
    lexer.run();
    Ok(Lexed { tokens: lexer.tokens, comments: lexer.comments, errors: lexer.errors })
}

/// A place in the text.
#[derive(Clone, Copy)]
struct Mark {
    at: usize,
    line: u32,
    column: u32,
}

struct Lexer<'t> {
    text: &'t str,
    mark: Mark,
    /// Line breaks since the last token or comment.
    breaks: u32,
    tokens: Vec<Token>,
    comments: Vec<LexedComment>,
    errors: Vec<Error>,
    /// Whether a token or comment stands on this line already.
    line_begun: bool,
}

impl<'t> Lexer<'t> {
    fn new(text: &'t str) -> Lexer<'t> {
        Lexer {
            text,
            mark: Mark { at: 0, line: 1, column: 1 },
            breaks: 0,
            tokens: Vec::new(),
            comments: Vec::new(),
            errors: Vec::new(),
            line_begun: false,
        }
    }

    fn rest(&self) -> &'t str {
        self.text.get(self.mark.at..).unwrap_or("")
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn bump(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.mark.at += c.len_utf8();
        if c == '\n' {
            self.mark.line = self.mark.line.saturating_add(1);
            self.mark.column = 1;
            self.breaks += 1;
            self.line_begun = false;
        } else {
            self.mark.column = self.mark.column.saturating_add(1);
        }
        Some(c)
    }

    fn bump_while(&mut self, wanted: impl Fn(char) -> bool) -> &'t str {
        let start = self.mark.at;
        while self.peek().is_some_and(&wanted) {
            self.bump();
        }
        self.text.get(start..self.mark.at).unwrap_or("")
    }

    fn span_from(&self, start: Mark) -> Span {
        // Texts are at most TEXT_BYTES_MAX long, so that places fit.
        let place = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        Span { start: place(start.at), end: place(self.mark.at), line: start.line, column: start.column }
    }

    fn push(&mut self, start: Mark, lexeme: Lexeme) {
        let (first_of_line, blank_before) = self.layout();
        let span = self.span_from(start);
        self.tokens.push(Token { lexeme, span, first_of_line, blank_before });
    }

    /// Whether the thing that begins here is the first of its line, and whether an empty line stands above it.
    fn layout(&mut self) -> (bool, bool) {
        let layout = (!self.line_begun, self.breaks > 1);
        self.line_begun = true;
        self.breaks = 0;
        layout
    }

    fn fail(&mut self, start: Mark, message: impl Into<String>) -> &mut Error {
        let error = Error::new(ErrorCode::SyntaxError, message).span(self.span_from(start));
        self.errors.push(error);
        let last = self.errors.len() - 1;
        &mut self.errors[last]
    }

    fn run(&mut self) {
        if self.rest().starts_with('\u{feff}') {
            self.bump();
            self.mark.column = 1;
        }
        loop {
            self.bump_while(char::is_whitespace);
            let start = self.mark;
            let Some(c) = self.peek() else { break };
            if self.rest().starts_with("//") {
                self.comment();
            } else if c == 'x' && self.rest().starts_with("x\"") {
                self.bump();
                self.bytes(start);
            } else if starts_name(c) {
                let word = self.bump_while(continues_name).to_owned();
                self.push(start, Lexeme::Word(word));
            } else if c.is_ascii_digit() {
                self.number(start);
            } else {
                match c {
                    '"' => self.string(start),
                    '`' => self.quoted(start),
                    '$' => self.param(start),
                    _ => self.symbol(start, c),
                }
            }
        }
        // The end stands behind the last token, where something is missing, not behind line breaks and comments.
        let (first_of_line, blank_before) = self.layout();
        let span = self.tokens.last().map_or(self.span_from(self.mark), |last| {
            let text = self.text.get(last.span.start as usize..last.span.end as usize).unwrap_or("");
            let width = u32::try_from(text.chars().count()).unwrap_or(u32::MAX);
            let column = last.span.column.saturating_add(width);
            Span { start: last.span.end, column, ..last.span }
        });
        self.tokens.push(Token { lexeme: Lexeme::End, span, first_of_line, blank_before });
    }

    fn comment(&mut self) {
        let text = self.bump_while(|c| c != '\n').trim_end().to_owned();
        let (own_line, blank_before) = self.layout();
        self.comments.push(LexedComment { text, before_token: self.tokens.len(), own_line, blank_before });
    }

    fn number(&mut self, start: Mark) {
        self.bump_while(|c| c.is_ascii_digit());
        let mut kind: fn(String) -> Lexeme = Lexeme::Integer;
        let mut ahead = self.rest().chars();
        if ahead.next() == Some('.') && ahead.next().is_some_and(|c| c.is_ascii_digit()) {
            self.bump();
            self.bump_while(|c| c.is_ascii_digit());
            kind = Lexeme::Decimal;
        }
        let mut ahead = self.rest().chars();
        if matches!(ahead.next(), Some('e' | 'E')) {
            let sign_or_digit = ahead.next();
            let signed = matches!(sign_or_digit, Some('+' | '-'));
            let digit = if signed { ahead.next() } else { sign_or_digit };
            if digit.is_some_and(|c| c.is_ascii_digit()) {
                self.bump();
                if signed {
                    self.bump();
                }
                self.bump_while(|c| c.is_ascii_digit());
                kind = Lexeme::Float;
            }
        }
        let text = self.text.get(start.at..self.mark.at).unwrap_or("").to_owned();
        if self.peek().is_some_and(starts_name) {
            self.bump_while(continues_name);
            let found = self.text.get(start.at..self.mark.at).unwrap_or("").to_owned();
            self.fail(start, format!("`{found}` is neither a number nor a name"));
        }
        self.push(start, kind(text));
    }

    fn param(&mut self, start: Mark) {
        self.bump();
        let name = self.bump_while(continues_name).to_owned();
        if name.is_empty() {
            self.fail(start, "a parameter needs a name").detail.hint = Some("as in `$name`".to_owned());
        }
        self.push(start, Lexeme::Param(name));
    }

    fn quoted(&mut self, start: Mark) {
        self.bump();
        let name = self.bump_while(|c| c != '`' && c != '\n').to_owned();
        if self.peek() == Some('`') {
            self.bump();
        } else {
            self.fail(start, "the name in backticks does not end on its line");
        }
        if name.is_empty() {
            self.fail(start, "a name in backticks may not be empty");
        } else if name.split('.').any(str::is_empty) {
            // A point stands between names, here too.
            self.fail(start, "a point in backticks has a name on each side");
        }
        self.push(start, Lexeme::Quoted(name));
    }

    /// The text between double quotes, its escapes resolved.
    fn between_quotes(&mut self, start: Mark) -> String {
        self.bump();
        let mut out = String::new();
        loop {
            match self.peek() {
                None | Some('\n') => {
                    self.fail(start, "the string does not end on its line").detail.hint =
                        Some("a line break in a string is written `\\n`".to_owned());
                    return out;
                }
                Some('"') => {
                    self.bump();
                    return out;
                }
                Some('\\') => {
                    if let Some(c) = self.escape() {
                        out.push(c);
                    }
                }
                Some(c) => {
                    self.bump();
                    out.push(c);
                }
            }
        }
    }

    fn escape(&mut self) -> Option<char> {
        let start = self.mark;
        self.bump();
        let kind = self.peek()?;
        if kind == '\n' {
            return None;
        }
        self.bump();
        match kind {
            'n' => Some('\n'),
            't' => Some('\t'),
            'r' => Some('\r'),
            '0' => Some('\0'),
            '\\' | '"' | '/' => Some(kind),
            'u' => self.unicode_escape(start),
            other => {
                self.fail(start, format!("`\\{other}` is no escape")).detail.hint =
                    Some(r#"escapes are \n \t \r \0 \\ \" and \u{1f600}"#.to_owned());
                None
            }
        }
    }

    fn unicode_escape(&mut self, start: Mark) -> Option<char> {
        let mut found = None;
        if self.peek() == Some('{') {
            self.bump();
            let digits = self.bump_while(|c| c.is_ascii_hexdigit());
            if self.peek() == Some('}') {
                self.bump();
                found = u32::from_str_radix(digits, 16).ok().and_then(char::from_u32);
            }
        }
        if found.is_none() {
            self.fail(start, "the escape names no character").detail.hint =
                Some("as in `\\u{e9}`".to_owned());
        }
        found
    }

    fn string(&mut self, start: Mark) {
        let text = self.between_quotes(start);
        self.push(start, Lexeme::Text(text));
    }

    fn bytes(&mut self, start: Mark) {
        let text = self.between_quotes(start);
        let bytes = hex(&text).unwrap_or_else(|| {
            self.fail(start, "bytes are written as pairs of hexadecimal digits").detail.hint =
                Some("as in `x\"00ff\"`".to_owned());
            Vec::new()
        });
        self.push(start, Lexeme::Bytes(bytes));
    }

    fn symbol(&mut self, start: Mark, c: char) {
        if let Some(symbol) = SYMBOLS.iter().copied().find(|s| self.rest().starts_with(s)) {
            for _ in symbol.chars() {
                self.bump();
            }
            self.push(start, Lexeme::Symbol(symbol));
            return;
        }
        self.bump();
        self.line_begun = true;
        let hint = match c {
            '\'' | '“' | '”' | '„' | '‘' | '’' => {
                Some("strings stand between double quotes: \"…\"")
            }
            '#' => Some("a comment begins with `//`"),
            '!' => Some("write `not`"),
            '&' => Some("write `and`"),
            '|' => Some("write `or`; text is joined by `||`"),
            _ => None,
        };
        let shown = if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
        let error = self.fail(start, format!("`{shown}` has no meaning here"));
        error.detail.hint = hint.map(str::to_owned);
        if c == '\'' {
            // The rest of such a string would only give more errors.
            self.bump_while(|c| c != '\'' && c != '\n');
            self.bump();
            let end = self.mark;
            self.push(Mark { at: end.at, ..start }, Lexeme::Text(String::new()));
        }
    }
}

/// The bytes of pairs of hexadecimal digits.
fn hex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> =
        text.chars().map(|c| c.to_digit(16).and_then(|d| u8::try_from(d).ok())).collect::<Option<_>>()?;
    let (pairs, rest) = digits.as_chunks::<2>();
    rest.is_empty().then(|| pairs.iter().map(|[high, low]| high << 4 | low).collect())
}
