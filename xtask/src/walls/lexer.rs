//! Splits a Rust source into its code and its comments, so that a rule does not trip over a string.
//!
//! Invariants: both texts are as long as the source, byte by byte, and have their line breaks where the source has
//! them; what belongs to the other text, and what stands inside a literal, is blank.

/// A source in two texts of the same shape.
pub(crate) struct Split {
    pub(crate) code: String,
    pub(crate) comments: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Code,
    Comment,
    Literal,
}

/// Splits `source`. A source that does not end what it opens is blank from there on.
pub(crate) fn split(source: &str) -> Split {
    let mut split =
        Split { code: String::with_capacity(source.len()), comments: String::with_capacity(source.len()) };
    let mut rest = source;
    let mut previous = ' ';
    while let Some(first) = rest.chars().next() {
        let (class, length) = token(rest, first, previous);
        let (text, after) = rest.split_at(length);
        push(&mut split.code, text, class == Class::Code);
        push(&mut split.comments, text, class == Class::Comment);
        previous = text.chars().next_back().unwrap_or(' ');
        rest = after;
    }
    split
}

fn push(out: &mut String, text: &str, visible: bool) {
    if visible {
        out.push_str(text);
    } else {
        out.extend(text.bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }));
    }
}

/// The class and the length in bytes of what `rest` begins with.
fn token(rest: &str, first: char, previous: char) -> (Class, usize) {
    if rest.starts_with("//") {
        return (Class::Comment, rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return (Class::Comment, block_comment(rest));
    }
    if first == '"' {
        return (Class::Literal, quoted(rest, '"'));
    }
    if first == '\'' {
        return character_or_lifetime(rest);
    }
    let inside_word = previous.is_alphanumeric() || previous == '_';
    if !inside_word && let Some(length) = raw_string(rest) {
        return (Class::Literal, length);
    }
    (Class::Code, first.len_utf8())
}

fn block_comment(rest: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(tail) = rest.get(at..) {
        if tail.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if tail.starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            let Some(next) = tail.chars().next() else { break };
            at += next.len_utf8();
        }
    }
    rest.len()
}

/// The length of a literal that opens and closes with `quote`, escapes skipped.
fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        if escaped {
            escaped = false;
        } else if c == '\\' {
            escaped = true;
        } else if c == quote {
            return at + c.len_utf8();
        }
    }
    rest.len()
}

fn character_or_lifetime(rest: &str) -> (Class, usize) {
    let mut chars = rest.chars().skip(1);
    let (second, third) = (chars.next(), chars.next());
    if second == Some('\\') || third == Some('\'') {
        return (Class::Literal, quoted(rest, '\''));
    }
    (Class::Code, 1)
}

/// `r"…"`, `r#"…"#`, with a `b` or `c` before it; None if `rest` does not begin with one.
fn raw_string(rest: &str) -> Option<usize> {
    let body = rest.strip_prefix(['b', 'c']).unwrap_or(rest);
    let body = body.strip_prefix('r')?;
    let hashes = body.len() - body.trim_start_matches('#').len();
    let text = body.trim_start_matches('#').strip_prefix('"')?;
    let close = format!("\"{}", "#".repeat(hashes));
    let opened = rest.len() - text.len();
    Some(text.find(&close).map_or(rest.len(), |at| opened + at + close.len()))
}

/// Blanks every item that stands under `#[cfg(test)]`, so that a rule sees shipped code only.
pub(crate) fn without_tests(code: &str) -> String {
    const MARK: &str = "#[cfg(test)]";
    let mut out = String::with_capacity(code.len());
    let mut rest = code;
    while let Some(at) = rest.find(MARK) {
        let (before, item) = rest.split_at(at);
        out.push_str(before);
        let (item, after) = item.split_at(item_length(item));
        push(&mut out, item, false);
        rest = after;
    }
    out.push_str(rest);
    out
}

/// Up to the first `;`, or to the end of the first pair of braces.
fn item_length(item: &str) -> usize {
    let mut depth = 0_usize;
    for (at, c) in item.char_indices() {
        match c {
            ';' if depth == 0 => return at + 1,
            '{' => depth += 1,
            '}' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return at + 1;
                }
            }
            _ => {}
        }
    }
    item.len()
}

/// True where `word` stands in `line` with no letter, digit or underscore beside it.
pub(crate) fn has_word(line: &str, word: &str) -> bool {
    let part_of_word = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line.get(..at).and_then(|text| text.chars().next_back());
        let after = line.get(at + word.len()..).and_then(|text| text.chars().next());
        !before.is_some_and(part_of_word) && !after.is_some_and(part_of_word)
    })
}

#[cfg(test)]
mod tests;
