//! The file system seam: every file access of the engine goes through [`Fs`].
//!
//! Invariants that an implementation keeps:
//! (1) what was appended before a [`WritableFile::sync`] that returned `Ok` survives a power loss, once the name of
//!     the file is durable too;
//! (2) a created, renamed or removed name is durable only after [`Fs::sync_dir`] of its directory;
//! (3) appends to one file are in order, and an append that failed may have left any prefix of its bytes;
//! (4) a removed file stays readable through the handles that are open.
//!
//! [`OsFs`] is the operating system. [`MemoryFs`] keeps everything in memory and can lose power; [`FaultFs`] wraps any
//! of them and makes chosen operations fail.

mod fault;
mod memory;
mod os;
mod window;

use std::fmt::Debug;
use std::io;
use std::path::Path;
use std::sync::Arc;

pub use fault::{Fault, FaultFs, ReadFault};
pub use memory::{MemoryFs, PowerLoss};
pub use os::OsFs;

use crate::error::{Error, Result};
use crate::planted::{Bug, planted};

/// A file system.
pub trait Fs: Send + Sync + Debug {
    /// Creates an empty file to append to; an existing one is emptied.
    fn create(&self, path: &Path) -> Result<Box<dyn WritableFile>>;
    /// Opens an existing file to append to.
    fn open_append(&self, path: &Path) -> Result<Box<dyn WritableFile>>;
    /// Opens a file to read at any offset.
    fn open(&self, path: &Path) -> Result<Arc<dyn RandomAccessFile>>;
    /// Gives a file a new name and opens it to be written over from its start. What it held stays behind what was written.
    /// Nobody reads it any more, or has it under another name: else a new file is created in its place.
    fn reuse(&self, from: &Path, to: &Path) -> Result<Box<dyn WritableFile>> {
        self.remove(from)?;
        self.create(to)
    }
    /// Gives the file a new name, replacing the file that has it.
    fn rename(&self, from: &Path, to: &Path) -> Result<()>;
    /// Gives a file that does not change any more a second name, which no file has; whether it could. Where it cannot, as across
    /// file systems, nothing happened.
    fn link(&self, _from: &Path, _to: &Path) -> Result<bool> {
        Ok(false)
    }
    /// Removes the name of a file.
    fn remove(&self, path: &Path) -> Result<()>;
    /// Whether a file or a directory has this name.
    fn exists(&self, path: &Path) -> Result<bool>;
    /// The names of the files in the directory, sorted.
    fn list(&self, directory: &Path) -> Result<Vec<String>>;
    /// Creates the directory and those above it, unless they exist.
    fn create_dir_all(&self, directory: &Path) -> Result<()>;
    /// Makes the names in the directory durable.
    fn sync_dir(&self, directory: &Path) -> Result<()>;
    /// Takes the exclusive lock on the file at `path`, creating it; it is held until the returned value is dropped.
    ///
    /// # Errors
    /// [`crate::Error::Locked`] if another handle, of this process or of another, holds it.
    fn lock(&self, path: &Path) -> Result<Box<dyn FileLock>>;
}

/// A file that grows at its end.
pub trait WritableFile: Send + Sync + Debug {
    /// Appends the bytes. The caller orders the calls.
    fn append(&self, bytes: &[u8]) -> Result<()>;
    /// Makes room up to the offset `end`: until then an append finds space on the disk, and its sync has no lengths to write.
    /// Bytes behind what was appended read as zeros, or the file ends before them. Does nothing where that is not known.
    ///
    /// # Errors
    /// [`crate::Error::Io`] if there is no such space; the file is as before.
    fn make_room(&self, _end: u64) -> Result<()> {
        Ok(())
    }
    /// Writes zeros from the end of what was appended up to the offset `end`, for which room was made; appends go over them. The
    /// blocks are there from then on: the sync of an append has nothing to write but its bytes. Does nothing where that is not known.
    ///
    /// # Errors
    /// [`crate::Error::Io`]; what was appended is as before.
    fn fill(&self, _end: u64) -> Result<()> {
        Ok(())
    }
    /// Maps the file from its end up to the offset `end`, for which room was made: such appends copy into memory that is the
    /// file's, and are as safe from the end of the process as any. Whether it could; where it cannot, appends write.
    fn map(&self, _end: u64) -> bool {
        false
    }
    /// Makes everything appended before the call durable. May run beside an append.
    fn sync(&self) -> Result<()>;
}

/// A file that is read at any offset, from any number of threads.
pub trait RandomAccessFile: Send + Sync + Debug {
    /// Fills `buffer` from `offset` on.
    ///
    /// # Errors
    /// [`crate::Error::Corrupt`] if the file ends before.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<()>;
    /// The length of the file in bytes.
    fn len(&self) -> Result<u64>;
    /// Whether the file has no bytes.
    fn is_empty(&self) -> Result<bool> {
        Ok(self.len()? == 0)
    }
}

/// A lock on a file; dropping it gives the lock back.
pub trait FileLock: Send + Sync + Debug {}

/// Creates the directory and those above it, unless they exist, and makes their names durable: each before the next, so that a
/// process that is killed leaves at most one whose name is not.
pub(crate) fn create_directory(fs: &dyn Fs, directory: &Path) -> Result<()> {
    let mut missing = Vec::new();
    let mut above = Some(directory).filter(|path| !path.as_os_str().is_empty());
    while let Some(path) = above
        && !fs.exists(path)?
    {
        missing.push(path);
        above = path.parent().filter(|path| !path.as_os_str().is_empty());
    }
    if let Some(existing) = above
        && (!missing.is_empty() || fs.list(existing)?.is_empty())
    {
        // It may be the one that a process left. What may not be read above it is not ours.
        sync_name(fs, existing).or_else(|error| match error {
            Error::Io { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => Ok(()),
            error => Err(error),
        })?;
    }
    missing.into_iter().rev().try_for_each(|path| {
        fs.create_dir_all(path)?;
        sync_name(fs, path)
    })
}

/// Makes the name of the directory durable.
fn sync_name(fs: &dyn Fs, directory: &Path) -> Result<()> {
    match directory.parent() {
        _ if planted(Bug::SkipParentSync) => Ok(()),
        Some(parent) if parent.as_os_str().is_empty() => fs.sync_dir(Path::new(".")),
        Some(parent) => fs.sync_dir(parent),
        None => Ok(()),
    }
}

/// The whole file, read through the seam.
pub(crate) fn read_whole(fs: &dyn Fs, path: &Path) -> Result<Vec<u8>> {
    let file = fs.open(path)?;
    let len = usize::try_from(file.len()?).map_err(|_| Error::Corrupt {
        file: path.to_path_buf(),
        offset: 0,
        expected: "a file that fits in memory".to_owned(),
        found: "a longer one".to_owned(),
    })?;
    let mut bytes = vec![0; len];
    file.read_at(0, &mut bytes)?;
    Ok(bytes)
}

/// How much is copied at a time.
const COPIED_BYTES: u64 = 1 << 20;

/// Copies the first bytes of a file to a new one, durably.
pub(crate) fn copy(fs: &dyn Fs, from: &Path, to: &Path, bytes: u64) -> Result<()> {
    let source = fs.open(from)?;
    let copy = fs.create(to)?;
    let mut at = 0;
    let mut buffer = Vec::new();
    while at < bytes {
        let piece = COPIED_BYTES.min(bytes - at);
        buffer.resize(usize::try_from(piece).unwrap_or(0), 0);
        source.read_at(at, &mut buffer)?;
        copy.append(&buffer)?;
        at += piece;
    }
    copy.sync()
}

#[cfg(test)]
mod tests;
