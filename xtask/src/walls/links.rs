//! A document or a comment that names a file names one that exists.

use super::{Finding, Kind, TextFile, Tree};

pub(crate) fn check(tree: &Tree, file: &TextFile, findings: &mut Vec<Finding>) {
    match file.kind {
        Kind::Markdown => {
            check_markdown_links(tree, file, findings);
            check_document_names(tree, file, &file.text, findings);
        }
        Kind::Rust => check_document_names(tree, file, &file.comments, findings),
        Kind::Other => {}
    }
}

/// `[text](target)`: the target is a page elsewhere, a heading of the same page, or a path from this file.
fn check_markdown_links(tree: &Tree, file: &TextFile, findings: &mut Vec<Finding>) {
    let mut in_code_block = false;
    for (index, line) in file.text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            in_code_block = !in_code_block;
        }
        if in_code_block {
            continue;
        }
        for target in link_targets(line) {
            let path = target.split('#').next().unwrap_or(target);
            if path.is_empty() || target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            if !resolve(&file.path, path).is_some_and(|path| path.is_empty() || tree.has(&path)) {
                let message = format!("links to `{target}`, which does not exist");
                findings.push(Finding::at("link", &file.path, index + 1, message));
            }
        }
    }
}

fn link_targets(line: &str) -> impl Iterator<Item = &str> {
    // Code spans are the odd parts between backticks; a link's target never stands in one.
    line.split('`').step_by(2).flat_map(|part| {
        part.split("](").skip(1).filter_map(|rest| rest.split(')').next()).map(|target| target.trim())
    })
}

/// The path that `target` means when it stands in the file `from`; None if it leaves the repository.
fn resolve(from: &str, target: &str) -> Option<String> {
    let mut parts: Vec<&str> = if target.starts_with('/') { Vec::new() } else { from.split('/').collect() };
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

/// A path of a document below `docs/` in prose means a file from the root, or from the crate that the prose stands in.
fn check_document_names(tree: &Tree, file: &TextFile, prose: &str, findings: &mut Vec<Finding>) {
    for (index, line) in prose.lines().enumerate() {
        for name in document_names(line) {
            let beside = file.path.split_once("/docs/").map(|(above, _)| format!("{above}/{name}"));
            if !tree.has(name) && !beside.is_some_and(|path| tree.has(&path)) {
                let message = format!("names `{name}`, which does not exist");
                findings.push(Finding::at("link", &file.path, index + 1, message));
            }
        }
    }
}

fn document_names(line: &str) -> impl Iterator<Item = &str> {
    let part_of_path = |c: char| c.is_ascii_alphanumeric() || "_-./".contains(c);
    line.split(move |c| !part_of_path(c))
        .map(|word| word.trim_end_matches('.'))
        .filter(|word| word.starts_with("docs/") && word.ends_with(".md"))
}
