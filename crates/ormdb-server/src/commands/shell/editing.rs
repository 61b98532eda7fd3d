//! What the line editor asks: how a word may end, and whether a statement is complete.

use ormdb::text;
use rustyline::completion::Completer;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{Context, Helper, Highlighter, Hinter, Result};

/// Completion and validation for the line editor.
#[derive(Debug, Helper, Highlighter, Hinter)]
pub(super) struct ShellHelper {
    words: Vec<String>,
}

impl ShellHelper {
    pub(super) const fn new(words: Vec<String>) -> ShellHelper {
        ShellHelper { words }
    }

    /// Takes other words to complete.
    pub(super) fn learn(&mut self, words: Vec<String>) {
        self.words = words;
    }

    /// Where the word before `pos` begins, and how it may go on.
    fn completions(&self, line: &str, pos: usize) -> (usize, Vec<String>) {
        let before = line.get(..pos).unwrap_or(line);
        // A member of a struct and a name behind a namespace are known with their points.
        let dotted = self.starting_with(before, |c| c == '.');
        if dotted.1.is_empty() { self.starting_with(before, |_| false) } else { dotted }
    }

    /// As [`completions`](Self::completions), where words have such characters too.
    fn starting_with(&self, before: &str, also: impl Fn(char) -> bool) -> (usize, Vec<String>) {
        let begins = |(_, c): &(usize, char)| !(c.is_alphanumeric() || matches!(c, '_' | '\\') || also(*c));
        let start = before.char_indices().rev().find(begins).map_or(0, |(at, c)| at + c.len_utf8());
        let word = before.get(start..).unwrap_or("");
        if word.is_empty() {
            return (start, Vec::new());
        }
        let exact: Vec<String> = self.words.iter().filter(|w| w.starts_with(word)).cloned().collect();
        if !exact.is_empty() {
            return (start, exact);
        }
        let fits = |candidate: &&String| {
            candidate.get(..word.len()).is_some_and(|head| head.eq_ignore_ascii_case(word))
        };
        (start, self.words.iter().filter(fits).cloned().collect())
    }
}

impl Completer for ShellHelper {
    type Candidate = String;

    fn complete(&self, line: &str, pos: usize, _: &Context<'_>) -> Result<(usize, Vec<String>)> {
        Ok(self.completions(line, pos))
    }
}

impl Validator for ShellHelper {
    fn validate(&self, context: &mut ValidationContext<'_>) -> Result<ValidationResult> {
        let input = context.input();
        if input.trim_start().starts_with('\\') || text::is_complete(input) {
            Ok(ValidationResult::Valid(None))
        } else {
            Ok(ValidationResult::Incomplete)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::ShellHelper;

    #[test]
    fn completes_the_word_before_the_cursor() {
        let words = ["Album", "Artist", "artistId", "home", "home.city", "where", "\\schema"]
            .map(str::to_owned)
            .to_vec();
        let helper = ShellHelper::new(words);
        let complete = |line: &str| helper.completions(line, line.len());
        assert_eq!(complete("Ar"), (0, vec!["Artist".to_owned()]));
        assert_eq!(complete("AR"), (0, vec!["Artist".to_owned(), "artistId".to_owned()]));
        assert_eq!(complete("Album wh"), (6, vec!["where".to_owned()]));
        assert_eq!(complete("Album { é.arti"), (11, vec!["artistId".to_owned()]));
        assert_eq!(complete("User { home.c"), (7, vec!["home.city".to_owned()]));
        assert_eq!(complete("\\sc"), (0, vec!["\\schema".to_owned()]));
        assert_eq!(complete("Album "), (6, Vec::<String>::new()));
    }
}
