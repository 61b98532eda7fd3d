//! A checkpoint: a directory that is a database of its own, with the commits up to one sequence number.
//!
//! Invariants:
//! (1) the log that is written, and the state of the manifest, are taken in the ordered section: together they have the
//!     commits up to the newest one, and no other;
//! (2) until the directory is complete, no table is unlinked that the state has, and no log is given up;
//! (3) the directory has a mark from before its first file until after its CURRENT, both durable: one that has the mark and no
//!     CURRENT is no database, and is refused; everything in it can be removed;
//! (4) the log that is written is copied up to where it was synced. What does not change any more, tables and closed logs, gets
//!     a second name where the file system can give one, and is copied elsewhere.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::core::Core;
use super::recovery::apply;
use crate::error::{Error, Result};
use crate::file_name::{self, CHECKPOINT, CURRENT, FileKind, FileNumber, LOCK};
use crate::fs::{self, Fs};
use crate::history::HistoryId;
use crate::key::SeqNo;
use crate::manifest::{self, Edit, Manifest, State};
use crate::planted::{Bug, planted};
use crate::super_version::SuperVersion;
use crate::sync::atomic::{AtomicUsize, Ordering};

/// The checkpoints that are made: logs are kept meanwhile.
#[derive(Debug, Default)]
pub(super) struct Checkpoints {
    running: AtomicUsize,
}

/// A checkpoint that is made; dropping it lets logs go again.
struct Running<'a> {
    checkpoints: &'a Checkpoints,
}

impl Checkpoints {
    fn begin(&self) -> Running<'_> {
        self.running.fetch_add(1, Ordering::SeqCst);
        Running { checkpoints: self }
    }

    /// Whether logs have to be kept. To be asked under the lock of the manifest.
    pub(super) fn keep_logs(&self) -> bool {
        self.running.load(Ordering::SeqCst) > 0
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.checkpoints.running.fetch_sub(1, Ordering::SeqCst);
    }
}

/// What a checkpoint has.
struct Contents {
    state: State,
    last: SeqNo,
    /// The log that was written, and where it ended.
    written: FileNumber,
    end: u64,
    /// They keep the files.
    _views: Vec<Arc<SuperVersion>>,
}

impl Core {
    pub(super) fn checkpoint(&self, to: &Path) -> Result<SeqNo> {
        let fs = &*self.options.fs;
        fs::create_directory(fs, to)?;
        clear_unfinished(fs, to)?;
        let _running = self.checkpoints.begin();
        let contents = self.contents()?;
        if !planted(Bug::SkipCheckpointLog) {
            self.sync_through(contents.last)?;
        }
        fs.create(&to.join(CHECKPOINT))?.sync()?;
        fs.sync_dir(to)?;
        let filled = self.fill(to, &contents);
        if filled.is_err() {
            // What stays is refused by an opening, and cleared by the next checkpoint.
            drop(clear_unfinished(fs, to));
        }
        filled?;
        fs.remove(&to.join(CHECKPOINT))?;
        fs.sync_dir(to)?;
        Ok(contents.last)
    }

    fn contents(&self) -> Result<Contents> {
        // No family is half created or dropped, and nothing half ingested.
        let _changing = self.family_changes.lock();
        let mut commits = self.commits.lock();
        self.check_writable()?;
        commits.log.hand_over().map_err(|error| self.poisoned_by(error))?;
        let manifest = self.manifest.lock();
        let families = self.families.read();
        Ok(Contents {
            state: manifest.state().clone(),
            last: commits.last,
            written: commits.log.number(),
            end: commits.log.end(),
            _views: families.values().map(|family| family.family.view.load()).collect(),
        })
    }

    /// Fills the directory: files first, then the manifest, and CURRENT last.
    fn fill(&self, to: &Path, contents: &Contents) -> Result<()> {
        let fs = &*self.options.fs;
        let Contents { state, last, written, end, .. } = contents;
        for (kind, number) in state.files().filter(|(kind, _)| *kind != FileKind::Log) {
            self.bring(to, kind, number)?;
        }
        for (&number, log) in &state.logs {
            match log.end {
                Some(_) => self.bring(to, FileKind::Log, number)?,
                None if number == *written => {
                    let [from, to] = [&self.directory, to]
                        .map(|directory: &Path| file_name::path(directory, FileKind::Log, number));
                    fs::copy(fs, &from, &to, *end)?;
                }
                None => {
                    let message = format!("log {number} is open and not written");
                    return Err(Error::Bug { message });
                }
            }
        }
        let mut state = state.clone();
        let number = FileNumber(state.next_file.max(self.new_file_number().0));
        apply(
            &mut state,
            &[
                Edit::CloseLog { number: *written, end: *end },
                Edit::NextFile { number: number.0.saturating_add(1) },
                Edit::ReserveSeqNos { through: *last },
                // Two databases go on from here.
                Edit::BeginHistory { id: HistoryId::random(&*self.options.entropy)?, behind: *last },
            ],
        )?;
        // This syncs the directory, with the names of all files in it.
        Manifest::create(fs, to, number, state)?;
        manifest::write_current(fs, to, number)
    }

    /// Brings a file that does not change any more.
    fn bring(&self, to: &Path, kind: FileKind, number: FileNumber) -> Result<()> {
        let fs = &*self.options.fs;
        let [from, to] =
            [&self.directory, to].map(|directory: &Path| file_name::path(directory, kind, number));
        if fs.link(&from, &to)? {
            return Ok(());
        }
        let bytes = fs.open(&from)?.len()?;
        fs::copy(fs, &from, &to, bytes)
    }
}

/// Empties a directory in which a checkpoint was begun and not finished.
///
/// # Errors
/// [`Error::InvalidArgument`] if there is anything else in it.
fn clear_unfinished(fs: &dyn Fs, directory: &Path) -> Result<()> {
    let names = fs.list(directory)?;
    let is_ours =
        |name: &String| [CHECKPOINT, LOCK].contains(&name.as_str()) || file_name::parse(name).is_some();
    let is_unfinished = names.iter().any(|name| name == CHECKPOINT) && names.iter().all(is_ours);
    if !names.is_empty() && !is_unfinished {
        let message =
            format!("{} is not empty: a checkpoint needs a directory of its own", directory.display());
        return Err(Error::InvalidArgument { message });
    }
    // The mark goes last.
    let files = names.iter().filter(|name| *name != CHECKPOINT).map(|name| directory.join(name));
    let files: Vec<PathBuf> = files.collect();
    files.iter().try_for_each(|file| fs.remove(file))?;
    if is_unfinished {
        fs.sync_dir(directory)?;
        fs.remove(&directory.join(CHECKPOINT))?;
    }
    Ok(())
}

/// Refuses a directory in which a checkpoint was begun and not finished.
pub(super) fn refuse_unfinished(directory: &Path, names: &std::collections::BTreeSet<String>) -> Result<()> {
    if names.contains(CHECKPOINT) && !names.contains(CURRENT) {
        let file = directory.join(CURRENT);
        return Err(Error::MissingFile { file, why: "the checkpoint was not finished".to_owned() });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
