//! Rules on a file's shape: its length, its header, its name, and one condition per assertion.

use super::{Finding, Kind, TextFile};

/// Lines that a Rust file may have, its tests not counted.
const FILE_LINES_MAX: usize = 500;

/// Names that say nothing about what a file holds.
const EMPTY_NAMES: &[&str] = &["util", "utils", "common", "helper", "helpers", "misc", "manager", "managers"];

pub(crate) fn check(file: &TextFile, findings: &mut Vec<Finding>) {
    check_names(file, findings);
    if file.is_shipped_rust() {
        check_length(file, findings);
        check_header(file, findings);
        check_assertions(file, findings);
    }
}

/// Two conditions in one assertion leave open which of them failed.
fn check_assertions(file: &TextFile, findings: &mut Vec<Finding>) {
    for (index, line) in file.shipped_code.lines().enumerate() {
        let asserted = line.split_once("assert!(").map_or("", |(_, condition)| condition);
        if asserted.contains(" && ") && !asserted.contains(" || ") && !asserted.contains('{') {
            let message = "`assert!(a && b)` does not tell which failed; assert each";
            findings.push(Finding::at("assertion", &file.path, index + 1, message));
        }
    }
}

fn check_names(file: &TextFile, findings: &mut Vec<Finding>) {
    if file.kind != Kind::Rust {
        return;
    }
    for part in file.path.split('/') {
        let stem = part.split('.').next().unwrap_or(part);
        if EMPTY_NAMES.contains(&stem) {
            findings.push(Finding::whole(
                "file name",
                &file.path,
                format!("`{stem}` does not name what the file holds"),
            ));
        }
    }
}

fn check_length(file: &TextFile, findings: &mut Vec<Finding>) {
    let all = file.text.lines().count();
    let tests = file
        .text
        .lines()
        .zip(file.shipped_code.lines().zip(file.comments.lines()))
        .filter(|(text, (code, comment))| is_blanked(text, code, comment))
        .count();
    let lines = all - tests;
    if lines > FILE_LINES_MAX {
        let message = format!("{lines} lines, more than {FILE_LINES_MAX}; split it by concept");
        findings.push(Finding::whole("file length", &file.path, message));
    }
}

/// A line that has text, but neither code nor comment left: it was a test's (or the inside of a literal).
fn is_blanked(text: &str, code: &str, comment: &str) -> bool {
    !text.trim().is_empty() && code.trim().is_empty() && comment.trim().is_empty()
}

fn check_header(file: &TextFile, findings: &mut Vec<Finding>) {
    let first = file.text.lines().find(|line| !line.trim().is_empty()).unwrap_or("");
    let words = first.strip_prefix("//!").unwrap_or("").split_whitespace().count();
    if words == 0 {
        findings.push(Finding::at("module header", &file.path, 1, "the file does not open with `//!`"));
    }
}
