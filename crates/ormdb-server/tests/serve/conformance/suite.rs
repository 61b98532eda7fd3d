//! The files of the suite: read strictly, and written again.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value as Json;

/// Columns of a written file.
const WIDTH: usize = 130;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SuiteFile {
    #[serde(rename = "about")]
    _about: String,
    pub(super) schema: Vec<String>,
    pub(super) steps: Vec<Step>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Step {
    #[serde(rename = "about")]
    _about: Option<String>,
    pub(super) run: Option<String>,
    pub(super) params: BTreeMap<String, Json>,
    #[serde(rename = "in")]
    pub(super) within: Option<String>,
    pub(super) save: BTreeMap<String, Json>,
    pub(super) begin: Option<String>,
    pub(super) isolation: Option<String>,
    pub(super) access: Option<String>,
    pub(super) commit: Option<String>,
    pub(super) rollback: Option<String>,
    pub(super) savepoint: Option<String>,
    pub(super) rollback_to: Option<String>,
    pub(super) release: Option<String>,
    pub(super) apply: Option<Vec<String>>,
    pub(super) show_schema: Option<bool>,
    pub(super) expect: Option<Json>,
}

impl Step {
    /// What is expected where nothing is said.
    pub(super) fn may_be_silent(&self) -> bool {
        [&self.begin, &self.savepoint, &self.rollback_to, &self.release, &self.rollback]
            .iter()
            .any(|kind| kind.is_some())
    }

    /// Checks that it is of one kind, and has no member of another.
    fn check(&self) {
        let kinds = [
            self.run.is_some(),
            self.begin.is_some(),
            self.commit.is_some(),
            self.rollback.is_some(),
            self.savepoint.is_some(),
            self.rollback_to.is_some(),
            self.release.is_some(),
            self.apply.is_some(),
            self.show_schema == Some(true),
        ];
        assert_eq!(kinds.iter().filter(|kind| **kind).count(), 1, "of one kind: {self:?}");
        let about_savepoint =
            self.savepoint.is_some() || self.rollback_to.is_some() || self.release.is_some();
        let run = self.run.is_some();
        assert!(self.within.is_some() <= (run || about_savepoint), "{self:?}");
        assert!(self.within.is_some() >= about_savepoint, "{self:?}");
        assert!(run || (self.params.is_empty() && self.save.is_empty()), "{self:?}");
        assert!(self.begin.is_some() || (self.isolation.is_none() && self.access.is_none()), "{self:?}");
    }
}

/// The lines of a schema as its text.
pub(super) fn text_of(lines: &[String]) -> String {
    lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect()
}

/// Where the suite lies.
pub(super) fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conformance")
}

/// The files of the suite, by name.
pub(super) fn paths() -> Vec<PathBuf> {
    let suite = directory().join("suite");
    let mut paths: Vec<_> = std::fs::read_dir(suite).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(!paths.is_empty());
    paths
}

/// Reads a file; also as it stands, to write it again.
pub(super) fn read(path: &Path) -> (SuiteFile, Json) {
    let text = std::fs::read_to_string(path).unwrap();
    let json: Json = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let file = SuiteFile::deserialize(&json).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    file.steps.iter().for_each(Step::check);
    (file, json)
}

/// A file with every step on lines of its own.
pub(super) fn write(path: &Path, json: &Json) {
    let mut text = String::new();
    lay_out(json, 0, 0, &mut text);
    text.push('\n');
    std::fs::write(path, text).unwrap();
}

/// On one line where it fits, else a line for each part.
fn lay_out(json: &Json, indent: usize, used: usize, out: &mut String) {
    let compact = on_one_line(json);
    if indent > 0 && used + compact.chars().count() < WIDTH {
        out.push_str(&compact);
        return;
    }
    let inner = indent + 2;
    let line = |out: &mut String, at: usize| {
        out.push_str(if at == 0 { "" } else { "," });
        out.push('\n');
        out.push_str(&" ".repeat(inner));
    };
    match json {
        Json::Array(items) if !items.is_empty() => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                line(out, at);
                lay_out(item, inner, inner + 1, out);
            }
            out.push('\n');
            out.push_str(&" ".repeat(indent));
            out.push(']');
        }
        Json::Object(members) if !members.is_empty() => {
            out.push('{');
            for (at, (name, member)) in members.iter().enumerate() {
                line(out, at);
                let name = format!("{}: ", Json::String(name.clone()));
                out.push_str(&name);
                lay_out(member, inner, inner + name.chars().count() + 1, out);
            }
            out.push('\n');
            out.push_str(&" ".repeat(indent));
            out.push('}');
        }
        _ => out.push_str(&compact),
    }
}

fn on_one_line(json: &Json) -> String {
    match json {
        Json::Array(items) => format!("[{}]", items.iter().map(on_one_line).collect::<Vec<_>>().join(", ")),
        Json::Object(members) => {
            let members = members
                .iter()
                .map(|(name, member)| format!("{}: {}", Json::String(name.clone()), on_one_line(member)));
            format!("{{{}}}", members.collect::<Vec<_>>().join(", "))
        }
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => json.to_string(),
    }
}
