//! Rescue: makes a new database of what is intact in a directory, whatever is damaged there.
//!
//! An opening relies on the manifest, on every table that it names and on the logs behind them, and a salvage cuts only what stands at
//! the end. A rescue relies on nothing: it reads what has a right checksum, and tells what has not.
//!
//! Invariants:
//! (1) nothing is written into the directory, and nobody else has it open meanwhile;
//! (2) a key of the new database has a value that it had once; where nothing is damaged that has something of the key, it has the newest;
//! (3) what a file that is intact says was deleted stays deleted, the manifest's records of dropped files included;
//! (4) what may be missing is told: file, offset, and the keys, where they are known.
//!
//! - `known.rs` what the intact records of the manifests say;
//! - `survey.rs` which files are taken, and for which families;
//! - `table.rs` what is left of a table, `values.rs` of the value log, `logs.rs` of the logs;
//! - `keys.rs` the versions of each key, over all tables;
//! - `transfer.rs` what becomes of them, with `settled.rs`;
//! - `output.rs` the new database;
//! - `losses.rs` and `report.rs` what is told.

mod keys;
mod known;
mod logs;
mod losses;
mod output;
mod report;
mod settled;
mod survey;
mod table;
mod transfer;
mod values;

use std::path::Path;

use crate::error::{Error, Result};
use crate::file_name::{self, LOCK};
use crate::fs::{FileLock, Fs, create_directory};
use crate::options::Options;
use losses::Losses;
use output::Output;
pub use report::{LOSSES_TOLD_MAX, Loss, Lost, Report, RescuedFamily};
use survey::Survey;
use transfer::Transfer;

/// Makes a new database in `to`, which is empty or not there, of all that is intact in the database in `from`, which nobody has open and
/// which is not changed. Both lie in the file system of the options; the new one has these options, with the operators of its families.
///
/// The newest intact version of each key comes over, older ones do not. The new database has the families of the old one, with their
/// names, numbers and options, as far as they are known; it has a history of its own, and its sequence numbers go on behind the old ones. It
/// is durable when the call returns.
///
/// ```
/// # use ordinum::{Batch, Db, Durability, Options, Reader, rescue};
/// # fn main() -> ordinum::Result<()> {
/// # let directory = tempfile::tempdir().unwrap();
/// # let (old, new) = (directory.path().join("old"), directory.path().join("new"));
/// # let db = Db::open(&old, Options::default())?;
/// # let family = db.default_column_family();
/// # let mut batch = Batch::new();
/// # batch.put(&family, b"apple", b"red")?;
/// # db.write(batch, Durability::Synced)?;
/// # drop((db, family));
/// std::fs::remove_file(old.join("CURRENT")).unwrap();
/// let report = rescue::rescue(&old, &new, &Options::default())?;
/// assert!(!report.is_whole(), "CURRENT is missing");
///
/// let db = Db::open(&new, Options::default())?;
/// assert_eq!(db.get(&db.default_column_family(), b"apple")?.as_deref(), Some(&b"red"[..]));
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error::NoDatabase`] if there is no file of a database; [`Error::Locked`] if it is open; [`Error::InvalidArgument`] if `to` is not
/// empty, or an option is out of range; [`Error::UnknownFormat`] of a manifest that a newer version wrote; [`Error::Io`] if the directory
/// cannot be listed or the new database not be written, which is incomplete then and to be removed. What cannot be read of a file of the old
/// one is no error: it is told in the report.
pub fn rescue(from: impl AsRef<Path>, to: impl AsRef<Path>, options: &Options) -> Result<Report> {
    let (from, to, fs) = (from.as_ref(), to.as_ref(), &*options.fs);
    options.check()?;
    let names = fs.list(from)?;
    if !names.iter().any(|name| file_name::parse(name).is_some()) {
        return Err(Error::NoDatabase { directory: from.to_path_buf() });
    }
    let _lock = hold(fs, from, &names)?;
    create_directory(fs, to)?;
    if !fs.list(to)?.is_empty() {
        let message = format!("{} is not empty: a rescue makes a new database", to.display());
        return Err(Error::InvalidArgument { message });
    }
    let mut losses = Losses::default();
    let mut survey = Survey::of(fs, from, &names, &mut losses)?;
    let mut output = Output::begin(to, options, &survey)?;
    survey.logs.tell_losses(&survey.known, &mut losses);
    let tables = std::mem::take(&mut survey.tables);
    let mut report = Report {
        tables: tables.values().map(|tables| tables.len() as u64).sum(),
        logs: survey.logs.logs.len() as u64,
        unnamed: std::mem::take(&mut survey.unnamed),
        left_out: std::mem::take(&mut survey.left_out),
        may_have_dropped: survey.known.is_in_doubt,
        ..Report::default()
    };
    let mut transfer = Transfer::new(fs, from, &mut losses, &mut output, survey.known.is_in_doubt);
    tables.into_iter().try_for_each(|(id, tables)| transfer.tables(id, tables))?;
    transfer.logs(&survey)?;
    report.families = output.finish()?;
    (report.losses, report.losses_total) = losses.into_told();
    Ok(report)
}

/// Holds the directory, if it was ever opened: where no lock is nothing is created.
fn hold(fs: &dyn Fs, directory: &Path, names: &[String]) -> Result<Option<Box<dyn FileLock>>> {
    if !names.iter().any(|name| name == LOCK) {
        return Ok(None);
    }
    match fs.lock(&directory.join(LOCK)) {
        Ok(lock) => Ok(Some(lock)),
        Err(error @ Error::Locked { .. }) => Err(error),
        // A directory that cannot be written to is read all the same.
        Err(_) => Ok(None),
    }
}

#[cfg(test)]
mod tests;
