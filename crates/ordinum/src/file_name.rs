//! File numbers and the names made of them.
//!
//! Invariant: a number names one file of one kind, and is never used again.

use std::fmt;
use std::path::{Path, PathBuf};

/// The number of a log, table, value-log file or manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct FileNumber(pub(crate) u64);

impl fmt::Display for FileNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:06}", self.0)
    }
}

/// What a name in the database directory stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileKind {
    /// A log segment.
    Log,
    /// A sorted table.
    Table,
    /// A part of the value log.
    ValueLog,
    /// A manifest.
    Manifest,
    /// The replacement of CURRENT, before it has its name.
    Temporary,
}

/// The name of the file that names the live manifest.
pub(crate) const CURRENT: &str = "CURRENT";
/// The name of the file that is locked while the database is open.
pub(crate) const LOCK: &str = "LOCK";

/// The name of the file that a checkpoint has until it is finished.
pub(crate) const CHECKPOINT: &str = "CHECKPOINT";

/// The path of the file.
pub(crate) fn path(directory: &Path, kind: FileKind, number: FileNumber) -> PathBuf {
    directory.join(match kind {
        FileKind::Log => format!("{number}.log"),
        FileKind::Table => format!("{number}.sst"),
        FileKind::ValueLog => format!("{number}.val"),
        FileKind::Manifest => format!("MANIFEST-{number}"),
        FileKind::Temporary => format!("{number}.tmp"),
    })
}

/// Kind and number of a name, or none if it is not one of ours.
pub(crate) fn parse(name: &str) -> Option<(FileKind, FileNumber)> {
    let (kind, digits) = if let Some(digits) = name.strip_prefix("MANIFEST-") {
        (FileKind::Manifest, digits)
    } else if let Some(digits) = name.strip_suffix(".log") {
        (FileKind::Log, digits)
    } else if let Some(digits) = name.strip_suffix(".sst") {
        (FileKind::Table, digits)
    } else if let Some(digits) = name.strip_suffix(".val") {
        (FileKind::ValueLog, digits)
    } else {
        (FileKind::Temporary, name.strip_suffix(".tmp")?)
    };
    if digits.len() < 6 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some((kind, FileNumber(digits.parse().ok()?)))
}
