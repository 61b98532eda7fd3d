//! The text files of the repository, read once for all rules.
//!
//! Invariants: paths are relative to the root with `/` between their parts, in ascending order; build output, data
//! and what git never sees are left out.

use std::io;
use std::path::Path;

use super::lexer;

/// What a file is, as far as the rules care.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Rust,
    Markdown,
    /// Manifests, scripts, schemas.
    Other,
}

/// One file with its text in the shapes that rules ask for.
pub(crate) struct TextFile {
    pub(crate) path: String,
    pub(crate) kind: Kind,
    pub(crate) text: String,
    /// Rust only: code without comments, literals and items under `#[cfg(test)]`.
    pub(crate) shipped_code: String,
    /// Rust only: comments alone.
    pub(crate) comments: String,
}

impl TextFile {
    pub(crate) fn new(path: &str, text: String) -> Self {
        let kind = match path.rsplit_once('.') {
            Some((_, "rs")) => Kind::Rust,
            Some((_, "md")) => Kind::Markdown,
            _ => Kind::Other,
        };
        let (shipped_code, comments) = if kind == Kind::Rust {
            let split = lexer::split(&text);
            (lexer::without_tests(&split.code), split.comments)
        } else {
            (String::new(), String::new())
        };
        Self { path: path.to_owned(), kind, text, shipped_code, comments }
    }

    /// The file's name without directory and ending.
    pub(crate) fn stem(&self) -> &str {
        let name = self.path.rsplit('/').next().unwrap_or(&self.path);
        name.split('.').next().unwrap_or(name)
    }

    /// Rust that is compiled for tests only.
    pub(crate) fn is_test(&self) -> bool {
        let stem = self.stem();
        stem == "tests" || stem.ends_with("_tests") || self.path.split('/').any(|part| part == "tests")
    }

    /// Rust that a user of the crates runs.
    pub(crate) fn is_shipped_rust(&self) -> bool {
        self.kind == Kind::Rust && !self.is_test()
    }
}

/// Every text file of the repository.
pub(crate) struct Tree {
    files: Vec<TextFile>,
    /// Every path, directories and files without text included.
    paths: Vec<String>,
}

/// Directories that hold data, and so are not read; their files may be linked to.
const DATA_DIRECTORIES: &[&str] = &["examples/chinook/data", "fuzz/corpus"];

/// Directories that are made by running things.
const MADE_DIRECTORIES: &[&str] = &["bindings/node/native", "bindings/node/node_modules", "fuzz/findings"];

/// Hidden entries are left out, except these.
const HIDDEN_KEPT: &[&str] = &[".ci", ".cargo", ".gitignore"];

/// Made by tools; read by the rule that is meant for it.
const MADE_FILES: &[&str] = &["Cargo.lock"];

impl Tree {
    pub(crate) fn load(root: &Path) -> io::Result<Self> {
        let mut tree = Self { files: Vec::new(), paths: Vec::new() };
        tree.read_directory(root, "")?;
        tree.files.sort_by(|a, b| a.path.cmp(&b.path));
        tree.paths.sort();
        Ok(tree)
    }

    pub(crate) fn files(&self) -> &[TextFile] {
        &self.files
    }

    pub(crate) fn has(&self, path: &str) -> bool {
        self.paths.binary_search_by(|known| known.as_str().cmp(path)).is_ok()
    }

    pub(crate) fn file(&self, path: &str) -> Option<&TextFile> {
        self.files.iter().find(|file| file.path == path)
    }

    fn read_directory(&mut self, root: &Path, directory: &str) -> io::Result<()> {
        for entry in std::fs::read_dir(root.join(directory))? {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            if name.starts_with('.') && !HIDDEN_KEPT.contains(&name.as_str()) {
                continue;
            }
            let path = if directory.is_empty() { name } else { format!("{directory}/{name}") };
            if entry.file_type()?.is_dir() {
                if !is_made(&entry.path(), &path) {
                    self.paths.push(path.clone());
                    self.read_directory(root, &path)?;
                }
            } else {
                self.read_file(root, &path)?;
            }
        }
        Ok(())
    }

    fn read_file(&mut self, root: &Path, path: &str) -> io::Result<()> {
        self.paths.push(path.to_owned());
        let name = path.rsplit('/').next().unwrap_or(path);
        let is_data = DATA_DIRECTORIES.iter().any(|data| path.starts_with(data));
        if is_data || MADE_FILES.contains(&name) {
            return Ok(());
        }
        if let Ok(text) = String::from_utf8(std::fs::read(root.join(path))?) {
            self.files.push(TextFile::new(path, text));
        }
        Ok(())
    }

    #[cfg(test)]
    pub(crate) fn planted(files: &[(&str, &str)]) -> Self {
        let mut tree = Self { files: Vec::new(), paths: Vec::new() };
        for (path, text) in files {
            tree.paths.push((*path).to_owned());
            tree.files.push(TextFile::new(path, (*text).to_owned()));
        }
        tree.paths.sort();
        tree
    }
}

/// Cargo marks its target directories by a tag; a database directory has a file `LOCK`.
fn is_made(directory: &Path, path: &str) -> bool {
    MADE_DIRECTORIES.contains(&path)
        || path == "target"
        || ["CACHEDIR.TAG", "LOCK", "CURRENT"].iter().any(|tag| directory.join(tag).exists())
}
