//! The file system of the operating system.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::window::Window;
use super::{FileLock, Fs, RandomAccessFile, WritableFile};
use crate::error::{Error, Result};
use crate::sync::Mutex;

/// The flag of an opening that leaves the time of the last read as it is.
#[cfg(target_os = "linux")]
const NOATIME: i32 = rustix::fs::OFlags::NOATIME.bits().cast_signed();

/// The file system of the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsFs;

fn failed(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_path_buf();
    move |source| Error::Io { operation, path, source }
}

/// Opens a file to be read. When it was read last is not noted where the system does without, which costs each read something.
fn open_to_read(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(target_os = "linux")]
    {
        let unnoted = options.clone().custom_flags(NOATIME).open(path);
        // Only the owner of a file may ask for that.
        if !matches!(&unnoted, Err(error) if error.kind() == io::ErrorKind::PermissionDenied) {
            return unnoted;
        }
    }
    options.open(path)
}

#[derive(Debug)]
struct OsFile {
    file: File,
    path: PathBuf,
    tail: Mutex<Tail>,
}

/// Where the next append goes.
#[derive(Debug, Default)]
struct Tail {
    at: u64,
    window: Option<Window>,
}

impl OsFile {
    fn new(file: File, path: &Path) -> OsFile {
        OsFile { file, path: path.to_path_buf(), tail: Mutex::default() }
    }
}

impl WritableFile for OsFile {
    fn append(&self, bytes: &[u8]) -> Result<()> {
        let mut tail = self.tail.lock();
        let at = tail.at;
        if !tail.window.as_mut().is_some_and(|window| window.write(at, bytes)) {
            self.file.write_all_at(bytes, at).map_err(failed("append to", &self.path))?;
        }
        tail.at += bytes.len() as u64;
        Ok(())
    }

    fn map(&self, end: u64) -> bool {
        let mut tail = self.tail.lock();
        // The one before goes first: both would count.
        tail.window = None;
        tail.window = Window::open(&self.file, tail.at, end);
        tail.window.is_some()
    }

    fn make_room(&self, end: u64) -> Result<()> {
        use rustix::fs::FallocateFlags;
        use rustix::io::Errno;
        match rustix::fs::fallocate(&self.file, FallocateFlags::empty(), 0, end) {
            Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => Ok(()),
            Err(errno) => Err(failed("make room in", &self.path)(errno.into())),
        }
    }

    fn fill(&self, end: u64) -> Result<()> {
        let at = self.tail.lock().at;
        let zeros = vec![0; usize::try_from(end.saturating_sub(at)).unwrap_or(0)];
        self.file.write_all_at(&zeros, at).map_err(failed("fill", &self.path))
    }

    fn sync(&self) -> Result<()> {
        self.file.sync_data().map_err(failed("sync", &self.path))?;
        let mut tail = self.tail.lock();
        let at = tail.at;
        // The sync may have taken the page at the end; where it cannot be had again, appends write from now on.
        tail.window.take_if(|window| !window.refresh(at));
        Ok(())
    }
}

impl RandomAccessFile for OsFile {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<()> {
        self.file.read_exact_at(buffer, offset).map_err(|source| {
            if source.kind() == io::ErrorKind::UnexpectedEof {
                Error::Corrupt {
                    file: self.path.clone(),
                    offset,
                    expected: format!("{} bytes", buffer.len()),
                    found: "the end of the file".to_owned(),
                }
            } else {
                Error::Io { operation: "read", path: self.path.clone(), source }
            }
        })
    }

    fn len(&self) -> Result<u64> {
        Ok(self.file.metadata().map_err(failed("measure", &self.path))?.len())
    }
}

/// A lock on a file. It is given back in words: whoever is being started at that moment has the file too, until it runs its program.
#[derive(Debug)]
struct HeldLock {
    file: File,
    /// Who took it: it is not a forked child's to give back.
    process: u32,
}

impl FileLock for HeldLock {}

impl Drop for HeldLock {
    fn drop(&mut self) {
        if self.process == std::process::id() {
            // Where that fails, it goes with the file.
            self.file.unlock().unwrap_or_default();
        }
    }
}

impl Fs for OsFs {
    fn create(&self, path: &Path) -> Result<Box<dyn WritableFile>> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(path)
            .map_err(failed("create", path))?;
        Ok(Box::new(OsFile::new(file, path)))
    }

    fn open_append(&self, path: &Path) -> Result<Box<dyn WritableFile>> {
        let file = OpenOptions::new().write(true).open(path).map_err(failed("open", path))?;
        let at = file.metadata().map_err(failed("measure", path))?.len();
        let file = OsFile::new(file, path);
        file.tail.lock().at = at;
        Ok(Box::new(file))
    }

    fn open(&self, path: &Path) -> Result<Arc<dyn RandomAccessFile>> {
        let file = open_to_read(path).map_err(failed("open", path))?;
        Ok(Arc::new(OsFile::new(file, path)))
    }

    fn reuse(&self, from: &Path, to: &Path) -> Result<Box<dyn WritableFile>> {
        let file = OpenOptions::new().read(true).write(true).open(from).map_err(failed("open", from))?;
        if file.metadata().map_err(failed("measure", from))?.nlink() > 1 {
            self.remove(from)?;
            return self.create(to);
        }
        self.rename(from, to)?;
        Ok(Box::new(OsFile::new(file, to)))
    }

    #[allow(clippy::disallowed_methods, reason = "this is the seam")]
    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        std::fs::rename(from, to).map_err(failed("rename", from))
    }

    fn link(&self, from: &Path, to: &Path) -> Result<bool> {
        match std::fs::hard_link(from, to) {
            Ok(()) => Ok(true),
            Err(error) => match error.kind() {
                // Another file system, one without such names, or too many of them.
                io::ErrorKind::CrossesDevices
                | io::ErrorKind::Unsupported
                | io::ErrorKind::PermissionDenied
                | io::ErrorKind::TooManyLinks => Ok(false),
                _ => Err(failed("link", from)(error)),
            },
        }
    }

    fn remove(&self, path: &Path) -> Result<()> {
        std::fs::remove_file(path).map_err(failed("remove", path))
    }

    fn exists(&self, path: &Path) -> Result<bool> {
        path.try_exists().map_err(failed("look for", path))
    }

    fn list(&self, directory: &Path) -> Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(directory).map_err(failed("list", directory))? {
            let entry = entry.map_err(failed("list", directory))?;
            if let Ok(name) = entry.file_name().into_string() {
                names.push(name);
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    fn create_dir_all(&self, directory: &Path) -> Result<()> {
        std::fs::create_dir_all(directory).map_err(failed("create", directory))
    }

    fn sync_dir(&self, directory: &Path) -> Result<()> {
        let handle = OpenOptions::new().read(true).open(directory).map_err(failed("open", directory))?;
        handle.sync_all().map_err(failed("sync", directory))
    }

    fn lock(&self, path: &Path) -> Result<Box<dyn FileLock>> {
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(failed("create", path))?;
        match file.try_lock() {
            Ok(()) => Ok(Box::new(HeldLock { file, process: std::process::id() })),
            Err(TryLockError::WouldBlock) => Err(Error::Locked { path: path.to_path_buf() }),
            Err(TryLockError::Error(source)) => Err(failed("lock", path)(source)),
        }
    }
}

#[cfg(test)]
mod tests;
