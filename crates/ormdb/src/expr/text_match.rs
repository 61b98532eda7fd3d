//! Matches of text: contains, starts with, ends with, like, regex, each with or without regard to case.
//!
//! Invariants: (1) a match takes time linear in the text, but for `like`, which takes the product of text and pattern
//! at worst; (2) a regular expression is compiled within [`REGEX_BYTES_MAX`].

use std::borrow::Cow;

use ormdb_proto::ir::TextMatch;
use ormdb_proto::{Error, ErrorCode, Result};
use regex::{Regex, RegexBuilder};

use super::node::Node;

/// The most memory that a compiled regular expression may take.
const REGEX_BYTES_MAX: usize = 1 << 20;

/// A match of text with a pattern that is compiled, or known for each row only.
#[derive(Clone, Debug)]
pub(crate) enum Matcher {
    /// The pattern is the same for every row.
    Constant(Pattern),
    /// The pattern is an expression of the row.
    PerRow { op: TextMatch, insensitive: bool, pattern: Box<Node> },
    /// The pattern is null, and so is every match.
    Null,
}

/// A compiled pattern.
#[derive(Clone, Debug)]
pub(crate) enum Pattern {
    /// The text has it somewhere.
    Contains { needle: String, insensitive: bool },
    /// The text begins with it.
    StartsWith { needle: String, insensitive: bool },
    /// The text ends with it.
    EndsWith { needle: String, insensitive: bool },
    /// The text as a whole matches.
    Like { parts: Vec<LikePart>, insensitive: bool },
    /// The text matches somewhere.
    Regex(Regex),
}

/// One part of a `like` pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LikePart {
    /// This character.
    Char(char),
    /// Any one character.
    One,
    /// Any characters.
    Any,
}

impl Matcher {
    /// The pattern's expression, where it is one of the row.
    pub(crate) fn pattern(&self) -> Option<&Node> {
        match self {
            Matcher::PerRow { pattern, .. } => Some(pattern),
            Matcher::Constant(_) | Matcher::Null => None,
        }
    }
}

impl Pattern {
    /// Compiles a pattern.
    pub(crate) fn compile(op: TextMatch, insensitive: bool, pattern: &str) -> Result<Pattern> {
        let needle = || if insensitive { pattern.to_lowercase() } else { pattern.to_owned() };
        Ok(match op {
            TextMatch::Contains => Pattern::Contains { needle: needle(), insensitive },
            TextMatch::StartsWith => Pattern::StartsWith { needle: needle(), insensitive },
            TextMatch::EndsWith => Pattern::EndsWith { needle: needle(), insensitive },
            TextMatch::Like => Pattern::Like { parts: like_parts(&needle())?, insensitive },
            TextMatch::Regex => {
                let built = RegexBuilder::new(pattern)
                    .case_insensitive(insensitive)
                    .size_limit(REGEX_BYTES_MAX)
                    .dfa_size_limit(REGEX_BYTES_MAX)
                    .build();
                Pattern::Regex(built.map_err(|error| {
                    Error::new(
                        ErrorCode::InvalidValue,
                        format!("`{pattern}` is no regular expression: {error}"),
                    )
                })?)
            }
        })
    }

    /// Whether a text matches.
    pub(crate) fn matches(&self, text: &str) -> bool {
        match self {
            Pattern::Contains { needle, insensitive } => fold(text, *insensitive).contains(needle.as_str()),
            Pattern::StartsWith { needle, insensitive } => {
                fold(text, *insensitive).starts_with(needle.as_str())
            }
            Pattern::EndsWith { needle, insensitive } => fold(text, *insensitive).ends_with(needle.as_str()),
            Pattern::Like { parts, insensitive } => like(&fold(text, *insensitive), parts),
            Pattern::Regex(regex) => regex.is_match(text),
        }
    }

    /// The text that every match begins with, where case matters and the pattern says so.
    pub(crate) fn prefix(&self) -> Option<String> {
        match self {
            Pattern::StartsWith { needle, insensitive: false } if !needle.is_empty() => Some(needle.clone()),
            Pattern::Like { parts, insensitive: false } => {
                let prefix: String = parts
                    .iter()
                    .map_while(|part| match part {
                        LikePart::Char(c) => Some(*c),
                        LikePart::One | LikePart::Any => None,
                    })
                    .collect();
                (!prefix.is_empty()).then_some(prefix)
            }
            Pattern::StartsWith { .. }
            | Pattern::Like { .. }
            | Pattern::Contains { .. }
            | Pattern::EndsWith { .. }
            | Pattern::Regex(_) => None,
        }
    }
}

/// The text in lower case, where case is ignored.
fn fold(text: &str, insensitive: bool) -> Cow<'_, str> {
    if insensitive { Cow::Owned(text.to_lowercase()) } else { Cow::Borrowed(text) }
}

/// The parts of a `like` pattern.
fn like_parts(pattern: &str) -> Result<Vec<LikePart>> {
    let mut parts = Vec::with_capacity(pattern.len());
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        match c {
            '%' if parts.last() == Some(&LikePart::Any) => {}
            '%' => parts.push(LikePart::Any),
            '_' => parts.push(LikePart::One),
            '\\' => {
                let escaped = chars.next().ok_or_else(|| {
                    Error::new(ErrorCode::InvalidValue, "a `like` pattern must not end with the escape `\\`")
                })?;
                parts.push(LikePart::Char(escaped));
            }
            other => parts.push(LikePart::Char(other)),
        }
    }
    Ok(parts)
}

/// Whether the whole text matches. Goes back to the last `%` only, which suffices.
fn like(text: &str, parts: &[LikePart]) -> bool {
    let mut rest = text.chars();
    let mut at = 0;
    let mut retry: Option<(std::str::Chars<'_>, usize)> = None;
    loop {
        if parts.get(at) == Some(&LikePart::Any) {
            at += 1;
            retry = Some((rest.clone(), at));
            continue;
        }
        let mut ahead = rest.clone();
        let matched = match (ahead.next(), parts.get(at)) {
            (None, None) => return true,
            (Some(c), Some(LikePart::Char(wanted))) => c == *wanted,
            (Some(_), Some(LikePart::One)) => true,
            (None, Some(_)) | (Some(_), None | Some(LikePart::Any)) => false,
        };
        if matched {
            rest = ahead;
            at += 1;
            continue;
        }
        let Some((from, after)) = &mut retry else { return false };
        if from.next().is_none() {
            return false;
        }
        rest = from.clone();
        at = *after;
    }
}
