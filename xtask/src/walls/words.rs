//! Rules on words: unfinished work, code kept as a comment, paths of one machine, names of package registries.

use super::lexer::has_word;
use super::{Finding, Kind, TextFile};

/// Marks of unfinished work. They are put together here so that this file passes its own rule.
const UNFINISHED: &[&str] = &[concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];

/// Beginnings of paths that exist on one machine only.
const MACHINE_PATHS: &[&str] =
    &[concat!("/wo", "rk/"), concat!("/ho", "me/"), concat!("/ro", "ot/"), concat!("/Us", "ers/")];

/// A directory beside the repository.
const OUTSIDE: &[&str] = &[concat!("../", "shared")];

/// Hosts of package registries: a mirror must be able to stand in for them.
const REGISTRIES: &[&str] = &[
    concat!("crates", ".io"),
    concat!("pypi", ".org"),
    concat!("python", "hosted.org"),
    concat!("npmjs", ".org"),
    concat!("npmjs", ".com"),
    concat!("proxy.", "golang.org"),
];

pub(crate) fn check(file: &TextFile, findings: &mut Vec<Finding>) {
    for (index, line) in file.text.lines().enumerate() {
        let number = index + 1;
        if let Some(path) = MACHINE_PATHS.iter().find(|path| begins_a_path(line, path)) {
            let message = format!("`{path}` is a path of one machine");
            findings.push(Finding::at("machine path", &file.path, number, message));
        }
        if let Some(path) = OUTSIDE.iter().find(|path| line.contains(*path)) {
            let message = format!("`{path}` is outside the repository");
            findings.push(Finding::at("outside path", &file.path, number, message));
        }
        if let Some(host) = REGISTRIES.iter().find(|host| line.contains(*host)) {
            findings.push(Finding::at("registry host", &file.path, number, format!("names `{host}`")));
        }
    }
    check_unfinished(file, findings);
    check_code_in_comments(file, findings);
}

/// True where `path` stands in `line` as the beginning of an absolute path, not inside a longer one.
fn begins_a_path(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(at, _)| {
        let before = line.get(..at).and_then(|text| text.chars().next_back());
        !before.is_some_and(|c| c.is_alphanumeric() || "_-.~/}>$".contains(c))
    })
}

fn check_unfinished(file: &TextFile, findings: &mut Vec<Finding>) {
    let text = if file.kind == Kind::Rust { &file.comments } else { &file.text };
    for (index, line) in text.lines().enumerate() {
        let line = if file.kind == Kind::Markdown { without_code_spans(line) } else { line.to_owned() };
        if let Some(mark) = UNFINISHED.iter().find(|mark| has_word(&line, mark)) {
            let message = format!("{mark}: finish it, or write down why not as a sentence");
            findings.push(Finding::at("unfinished", &file.path, index + 1, message));
        }
    }
}

fn without_code_spans(line: &str) -> String {
    line.split('`').step_by(2).collect::<Vec<_>>().join(" ")
}

fn check_code_in_comments(file: &TextFile, findings: &mut Vec<Finding>) {
    for (index, line) in file.comments.lines().enumerate() {
        let Some(text) = line.trim().strip_prefix("//") else { continue };
        if !text.starts_with(['/', '!']) && reads_as_code(text.trim()) {
            let message = "code kept as a comment; the history keeps it";
            findings.push(Finding::at("commented-out code", &file.path, index + 1, message));
        }
    }
}

/// True for what is surely a statement or an item; sentences that end in `;` are none.
fn reads_as_code(text: &str) -> bool {
    let ends = |endings: &[char]| text.ends_with(endings);
    let begins = |words: &[&str]| words.iter().any(|word| text.starts_with(word));
    let is_binding = begins(&["let "]) && text.contains(" = ") && ends(&[';', '{', '(']);
    let is_import = begins(&["use ", "pub use "]) && text.contains("::") && ends(&[';', '{']);
    let is_item =
        begins(&["fn ", "pub fn ", "pub(crate) ", "impl ", "impl<", "struct ", "pub struct ", "mod "])
            && ends(&[';', '{', '}']);
    let is_attribute = begins(&["#[", "#!["]) && ends(&[']']);
    let is_call = text.ends_with(");") && text.split('(').next().is_some_and(|name| !name.contains(' '));
    is_binding || is_import || is_item || is_attribute || is_call
}
