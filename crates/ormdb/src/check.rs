//! Whether everything that is stored agrees with itself: files with their checksums, rows with their layouts, index
//! entries with their rows and rows with their entries, foreign keys with the rows that they refer to.
//!
//! Reads one snapshot, while others read and write, in memory that does not grow with the data.
//!
//! Invariants: (1) the check changes nothing; (2) a damage in one place does not hide those in others: what cannot be
//! read is a finding, and the check goes on behind it.

use std::fmt;

use ordinum::{Db, Snapshot};
use ormdb_proto::{Error, Result};

use crate::catalog::{Catalog, store};
use crate::engine::EngineResult;
use crate::store::Families;

mod entries;
mod lookups;
mod rows;
mod unknown;

/// What the check read, and what is wrong.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CheckReport {
    /// The version of the catalog that everything was compared with.
    pub catalog_version: u64,
    /// The files of the storage engine that were read.
    pub files: u64,
    /// The bytes of these files.
    pub bytes: u64,
    /// The rows that were read.
    pub rows: u64,
    /// The index entries that were read.
    pub entries: u64,
    /// The references of foreign keys that were followed.
    pub references: u64,
    /// How many findings there are.
    pub findings_total: u64,
    /// The first findings.
    pub findings: Vec<Finding>,
    findings_max: usize,
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// What.
    pub kind: FindingKind,
    /// The entity, where there is one.
    pub entity: Option<String>,
    /// The index, constraint or field, where there is one.
    pub subject: Option<String>,
    /// The primary key of the row, where it can be read; else the key's bytes.
    pub key: Option<String>,
    /// What is wrong, in words.
    pub message: String,
}

/// What can be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FindingKind {
    /// A file fails its checksum, or cannot be read.
    DamagedFile,
    /// A stored version of the catalog cannot be read.
    DamagedCatalog,
    /// A row cannot be decoded.
    UndecodableRow,
    /// A row lies under another key than its primary key's.
    MisplacedRow,
    /// A row of an entity that the catalog does not have.
    UnknownEntity,
    /// A required field has no value.
    MissingValue,
    /// A row fails a check.
    FailedCheck,
    /// A stored computed field has another value than its expression.
    WrongComputed,
    /// A row has no entry in an index that it belongs in.
    MissingEntry,
    /// The entry of a row says something else than the row.
    WrongEntry,
    /// Another row owns the unique key of a row.
    DuplicateKey,
    /// An entry of no row, or of a row that does not belong there.
    StrayEntry,
    /// Entries of an index that the catalog never had.
    UnknownIndex,
    /// A foreign key refers to a row that is not there.
    MissingParent,
}

impl CheckReport {
    /// Whether nothing is wrong.
    pub const fn is_clean(&self) -> bool {
        self.findings_total == 0
    }

    fn find(&mut self, finding: Finding) {
        self.findings_total += 1;
        if self.findings.len() < self.findings_max {
            self.findings.push(finding);
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if let Some(key) = &self.key {
            write!(f, " [{key}]")?;
        }
        Ok(())
    }
}

impl Finding {
    fn new(kind: FindingKind, message: impl Into<String>) -> Finding {
        Finding { kind, entity: None, subject: None, key: None, message: message.into() }
    }

    fn entity(mut self, name: &str) -> Finding {
        self.entity = Some(name.to_owned());
        self
    }

    fn subject(mut self, name: &str) -> Finding {
        self.subject = Some(name.to_owned());
        self
    }

    fn key(mut self, key: impl Into<String>) -> Finding {
        self.key = Some(key.into());
        self
    }

    fn of_error(kind: FindingKind, error: &Error) -> Finding {
        Finding::new(kind, error.message.clone())
    }
}

/// What the parts of the check share.
struct Checker<'a> {
    snapshot: &'a Snapshot,
    families: &'a Families,
    catalog: &'a Catalog,
    report: CheckReport,
}

/// Checks a database, and keeps the first `findings_max` findings.
///
/// # Errors
/// Those of the engine that leave nothing to check. What is damaged is in the report.
pub(crate) fn check(engine: &Db, families: &Families, findings_max: usize) -> Result<CheckReport> {
    let mut report = CheckReport { findings_max, ..CheckReport::default() };
    let verified = engine.verify().engine()?;
    report.files = verified.files;
    report.bytes = verified.bytes;
    for damage in verified.damages {
        report.find(Finding::new(FindingKind::DamagedFile, damage.to_string()));
    }
    let snapshot = engine.snapshot();
    if let Err(error) = store::history(&snapshot, families) {
        report.find(Finding::of_error(FindingKind::DamagedCatalog, &error));
    }
    let catalog = match store::load(&snapshot, families) {
        Ok(catalog) => catalog,
        Err(error) => {
            report.find(Finding::of_error(FindingKind::DamagedCatalog, &error));
            return Ok(report);
        }
    };
    report.catalog_version = catalog.version();
    let mut checker = Checker { snapshot: &snapshot, families, catalog: &catalog, report };
    checker.rows();
    checker.entries();
    checker.unknown();
    Ok(checker.report)
}

/// Bytes of a key that cannot be read, for people.
fn hex(bytes: &[u8]) -> String {
    const BYTES_MAX: usize = 32;
    let mut text: String = bytes.iter().take(BYTES_MAX).map(|b| format!("{b:02x}")).collect();
    if bytes.len() > BYTES_MAX {
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests;
