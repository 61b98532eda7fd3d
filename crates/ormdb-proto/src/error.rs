//! The one error of ormDB: a stable code, a kind that says what to do, a message in plain words, and details that a
//! program can read.

use std::borrow::Cow;

use rkyv::{Archive, Deserialize, Serialize};

mod code;
mod nearest;
#[cfg(test)]
mod tests;

pub use code::{ErrorCode, ErrorKind};
pub use nearest::nearest;

/// So many characters of a line are shown at most.
const SHOWN_MAX: usize = 120;

/// The result of an ormDB operation.
pub type Result<T> = std::result::Result<T, Error>;

/// An error of ormDB, the same embedded and on the wire.
#[derive(
    Clone,
    Debug,
    PartialEq,
    thiserror::Error,
    Archive,
    Serialize,
    Deserialize,
    serde::Serialize,
    serde::Deserialize,
)]
#[error("{message}")]
pub struct Error {
    /// What went wrong, stable over versions.
    pub code: ErrorCode,
    /// What went wrong in plain words, with what to do.
    pub message: String,
    /// What a program can read of it.
    pub detail: Box<Detail>,
}

/// Machine-readable parts of an error; absent where they do not apply.
#[derive(
    Clone, Debug, Default, PartialEq, Archive, Serialize, Deserialize, serde::Serialize, serde::Deserialize,
)]
pub struct Detail {
    /// The entity.
    pub entity: Option<String>,
    /// The field or relation.
    pub field: Option<String>,
    /// The constraint or index.
    pub constraint: Option<String>,
    /// The key of the offending value or row, as text.
    pub key: Option<String>,
    /// The name that was probably meant.
    pub suggestion: Option<String>,
    /// Where in the text that was given.
    pub span: Option<Span>,
    /// What was to be done about it, or how to raise a limit.
    pub hint: Option<String>,
    /// The limit or budget, with its numbers.
    pub limit: Option<Limit>,
    /// The file of a damaged database.
    pub file: Option<String>,
    /// Of a lost connection: whether the request may have been executed all the same.
    pub maybe_executed: Option<bool>,
}

/// A range of bytes in a text, with the line and column of its start.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Archive, Serialize, Deserialize, serde::Serialize, serde::Deserialize,
)]
pub struct Span {
    /// The first byte.
    pub start: u32,
    /// The byte behind the last one.
    pub end: u32,
    /// The line of the first byte, from 1.
    pub line: u32,
    /// The column of the first byte in characters, from 1.
    pub column: u32,
}

/// A limit that was met.
#[derive(
    Clone, Debug, PartialEq, Eq, Archive, Serialize, Deserialize, serde::Serialize, serde::Deserialize,
)]
pub struct Limit {
    /// Its name, as in the options.
    pub name: String,
    /// How much is allowed.
    pub allowed: u64,
    /// How much was asked for.
    pub asked: u64,
}

impl Error {
    /// An error with this code and message, and no details yet.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Error {
        Error { code, message: message.into(), detail: Box::default() }
    }

    /// What the caller should do.
    pub fn kind(&self) -> ErrorKind {
        self.code.kind()
    }

    /// The SQLSTATE of the code.
    pub fn sqlstate(&self) -> &'static str {
        self.code.sqlstate()
    }

    /// With the entity.
    #[must_use]
    pub fn entity(mut self, name: impl Into<String>) -> Error {
        self.detail.entity = Some(name.into());
        self
    }

    /// With the field or relation.
    #[must_use]
    pub fn field(mut self, name: impl Into<String>) -> Error {
        self.detail.field = Some(name.into());
        self
    }

    /// With the constraint or index.
    #[must_use]
    pub fn constraint(mut self, name: impl Into<String>) -> Error {
        self.detail.constraint = Some(name.into());
        self
    }

    /// With the key of the offending value.
    #[must_use]
    pub fn key(mut self, key: impl Into<String>) -> Error {
        self.detail.key = Some(key.into());
        self
    }

    /// With the place in the text.
    #[must_use]
    pub fn span(mut self, span: Span) -> Error {
        self.detail.span = Some(span);
        self
    }

    /// With what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Error {
        self.detail.hint = Some(hint.into());
        self
    }

    /// With the name that was probably meant, chosen among `known`, if one is near `unknown`.
    #[must_use]
    pub fn suggest<'a>(mut self, unknown: &str, known: impl IntoIterator<Item = &'a str>) -> Error {
        self.detail.suggestion = nearest(unknown, known).map(str::to_owned);
        self
    }

    /// The message, the suggestion, and the line of `source` with a caret under the place.
    pub fn render(&self, source: Option<&str>) -> String {
        let mut out = format!("error[{}]: {}", self.code.name(), self.message);
        if let (Some(span), Some(source)) = (self.detail.span, source) {
            let line_no = usize::try_from(span.line).unwrap_or(usize::MAX);
            if let Some(line) = source.lines().nth(line_no.saturating_sub(1)) {
                let margin = span.line.to_string().len();
                let column = usize::try_from(span.column).unwrap_or(1).saturating_sub(1);
                let place = |at: u32| usize::try_from(at).unwrap_or(usize::MAX);
                let marked = source.get(place(span.start)..place(span.end)).unwrap_or("");
                let width = marked.chars().count().max(1);
                let (line, column) = excerpt(line, column);
                let carets = width.min(line.chars().count().saturating_sub(column).max(1));
                let pad: String =
                    line.chars().take(column).map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
                out.push_str(&format!(
                    "\n{:margin$} --> line {}, column {}\n{:margin$} |\n{} | {line}\n{:margin$} | {pad}{}",
                    "",
                    span.line,
                    span.column,
                    "",
                    span.line,
                    "",
                    "^".repeat(carets),
                ));
            }
        }
        if let Some(suggestion) = &self.detail.suggestion {
            out.push_str(&format!("\n  did you mean `{suggestion}`?"));
        }
        if let Some(hint) = &self.detail.hint {
            out.push_str(&format!("\n  hint: {hint}"));
        }
        out
    }
}

/// The part of a line around a column that is shown, and where the column stands in it: a line that a program wrote may have
/// thousands of values.
fn excerpt(line: &str, column: usize) -> (Cow<'_, str>, usize) {
    let characters = line.chars().count();
    if characters <= SHOWN_MAX {
        return (line.into(), column);
    }
    let first = column.saturating_sub(SHOWN_MAX / 2).min(characters - SHOWN_MAX);
    let front = if first > 0 { "…" } else { "" };
    let back = if first + SHOWN_MAX < characters { "…" } else { "" };
    let shown: String = line.chars().skip(first).take(SHOWN_MAX).collect();
    (format!("{front}{shown}{back}").into(), column - first + front.chars().count())
}
