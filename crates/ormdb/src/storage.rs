//! The files of a database below rows and schema: for those who look for a damage, or mend one.

use std::ops::ControlFlow;
use std::path::Path;

use ormdb_proto::{Error, Result};

use crate::engine::{EngineResult, engine_error};

pub use ordinum::inspect::FileContents;
pub use ordinum::rescue::{Loss, Lost, Report, RescuedFamily};

/// What verifying the files of a directory found.
#[derive(Debug)]
pub struct Verified {
    /// The files that were read.
    pub files: u64,
    /// The bytes that were read.
    pub bytes: u64,
    /// The first damage of each damaged file.
    pub damages: Vec<Error>,
}

/// Tells what a file holds, line by line, until `line` breaks off. The database need not be open, and nothing is changed.
///
/// # Errors
/// [`crate::ErrorCode::Corrupt`] with file and offset at the first damage, behind the lines that stand before it;
/// [`crate::ErrorCode::InvalidValue`] if the name is not one of such a file.
pub fn dump(contents: FileContents, file: &Path, line: impl FnMut(&str) -> ControlFlow<()>) -> Result<()> {
    match ordinum::inspect::dump(&ordinum::fs::OsFs, contents, file, line) {
        Err(ordinum::Error::InvalidArgument { message }) => {
            Err(Error::new(crate::ErrorCode::InvalidValue, message))
        }
        done => done.engine(),
    }
}

/// Reads every file of the database in the directory, and verifies every checksum. Nothing is asked of what the files mean:
/// [`crate::Database::check`] does that besides.
///
/// # Errors
/// As [`crate::Database::open`]; damages of single files are in what is returned.
pub fn verify(directory: &Path) -> Result<Verified> {
    let options = ordinum::Options { create_if_missing: false, ..ordinum::Options::default() };
    let engine = ordinum::Db::open(directory, options).engine()?;
    let report = engine.verify().engine()?;
    let damages = report.damages.into_iter().map(engine_error).collect();
    Ok(Verified { files: report.files, bytes: report.bytes, damages })
}

/// Makes a new database in `to`, which is empty or not there, of all that is intact of the one in `from`, which nobody has open and which
/// is not changed. What was lost is in the report. Rows and index entries come over each for themselves: where something was lost,
/// [`crate::Database::check`] tells which of them have no partner in the new database.
///
/// # Errors
/// [`crate::ErrorCode::InvalidValue`] if there is no file of a database in `from`, or something in `to`;
/// [`crate::ErrorCode::DatabaseLocked`]; [`crate::ErrorCode::IncompatibleFormat`] of a newer version; [`crate::ErrorCode::Io`] if the new
/// database cannot be written: what is in `to` is incomplete then.
pub fn rescue(from: &Path, to: &Path) -> Result<Report> {
    match ordinum::rescue::rescue(from, to, &crate::Options::default().engine) {
        Err(ordinum::Error::InvalidArgument { message }) => {
            Err(Error::new(crate::ErrorCode::InvalidValue, message))
        }
        done => done.engine(),
    }
}
