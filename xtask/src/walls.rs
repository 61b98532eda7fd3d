//! The walls of the project: which crate may know which, and the rules over the sources that can be counted.
//!
//! Invariants: (1) a rule reads the tree and reports, it changes nothing; (2) every exception to a rule stands in a
//! table beside the rule, and an entry that names a file which is gone is itself a finding; (3) every rule has a test
//! that plants a violation.

mod arrows;
mod lexer;
mod links;
mod seams;
mod shape;
mod tree;
mod words;

use std::fmt;
use std::io;
use std::path::Path;

pub(crate) use tree::{Kind, TextFile, Tree};

/// One violation of one rule.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    rule: &'static str,
    path: String,
    /// Counted from 1; 0 where the whole file is meant.
    line: usize,
    message: String,
}

impl Finding {
    fn at(rule: &'static str, path: &str, line: usize, message: impl Into<String>) -> Self {
        Self { rule, path: path.to_owned(), line, message: message.into() }
    }

    fn whole(rule: &'static str, path: &str, message: impl Into<String>) -> Self {
        Self::at(rule, path, 0, message)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path)?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        write!(f, ": {}: {}", self.rule, self.message)
    }
}

/// What a check of the whole tree found.
pub(crate) struct Report {
    pub(crate) files: usize,
    pub(crate) findings: Vec<Finding>,
}

/// Checks every rule over the workspace at `root`.
pub(crate) fn check(root: &Path) -> io::Result<Report> {
    let tree = Tree::load(root)?;
    let mut findings = check_sources(&tree);
    let crates = arrows::Crates::of_workspace(root)?;
    findings.extend(crates.check());
    Ok(Report { files: tree.files().len(), findings })
}

fn check_sources(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.files() {
        shape::check(file, &mut findings);
        words::check(file, &mut findings);
        seams::check(file, &mut findings);
        seams::check_decoder(tree, file, &mut findings);
        links::check(tree, file, &mut findings);
    }
    seams::check_tables(tree, &mut findings);
    findings
}

#[cfg(test)]
mod tests;
