//! A file system in memory that can lose power.
//!
//! Invariants:
//! (1) a directory has two sets of names: the current one, and the durable one that `sync_dir` copies from it; between them lies
//!     the journal of what changed. A directory is such a name too, and one that is lost takes along what is in it; one that
//!     nobody created, but in which a file was, was always there;
//! (2) a file has durable bytes: what `sync` covered. A power loss keeps those; what happens to the rest a seed says ([`torn`]);
//! (3) handles opened before a power loss, or before the end of a process, are dead: they fail, and so cannot reach into
//!     the next life;
//! (4) two names of one file stay names of one file.

mod torn;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{FileLock, Fs, RandomAccessFile, WritableFile};
use crate::error::{Error, Result};
use crate::sync::Mutex;
use torn::{Random, torn, torn_names};

/// What a power loss does to what was written and not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PowerLoss {
    /// It is gone.
    LoseUnsynced,
    /// The seed chooses a state that a disk may be left in. Of each file by itself: all that was written, nothing, the front of
    /// it, or any of its sectors of 512 bytes, with zeros where the length went ahead of them, and sometimes with a damaged
    /// byte. Of the changes of names: all, none, the first ones, or any of them.
    Tear {
        /// Chooses; the same seed does the same.
        seed: u64,
    },
}

#[derive(Debug, Default)]
struct FileBytes {
    bytes: Vec<u8>,
    durable: Vec<u8>,
    /// From here on the bytes may differ from the durable ones.
    changed_from: usize,
}

impl FileBytes {
    fn all_durable(bytes: Vec<u8>) -> FileBytes {
        FileBytes { durable: bytes.clone(), changed_from: bytes.len(), bytes }
    }

    fn sync(&mut self) {
        self.durable.truncate(self.changed_from);
        self.durable.extend_from_slice(self.bytes.get(self.changed_from..).unwrap_or_default());
        self.changed_from = self.bytes.len();
    }

    fn write(&mut self, at: usize, bytes: &[u8]) {
        let end = at + bytes.len();
        self.bytes.resize(self.bytes.len().max(end), 0);
        if let Some(place) = self.bytes.get_mut(at..end) {
            place.copy_from_slice(bytes);
        }
        self.changed_from = self.changed_from.min(at);
    }

    fn empty(&mut self) {
        self.bytes.clear();
        self.changed_from = 0;
    }
}

/// A change of the names of one directory.
#[derive(Clone, Debug)]
enum NameChange {
    Set(PathBuf, FileRef),
    Remove(PathBuf),
    Rename { from: PathBuf, to: PathBuf, file: FileRef },
    Directory(PathBuf),
}

impl NameChange {
    fn directory(&self) -> Option<&Path> {
        let (NameChange::Set(path, _)
        | NameChange::Remove(path)
        | NameChange::Rename { to: path, .. }
        | NameChange::Directory(path)) = self;
        path.parent()
    }

    fn apply(&self, names: &mut Names) {
        match self {
            NameChange::Set(path, file) => drop(names.files.insert(path.clone(), Arc::clone(file))),
            NameChange::Remove(path) => drop(names.files.remove(path)),
            NameChange::Rename { from, to, file } => {
                names.files.remove(from);
                names.files.insert(to.clone(), Arc::clone(file));
            }
            NameChange::Directory(path) => drop(names.directories.insert(path.clone())),
        }
    }
}

/// Names of files, and the directories that were created.
#[derive(Clone, Debug, Default)]
struct Names {
    files: BTreeMap<PathBuf, FileRef>,
    directories: BTreeSet<PathBuf>,
}

impl Names {
    /// Whether there is such a directory.
    fn has_directory(&self, path: &Path) -> bool {
        let behind = (Bound::Excluded(path), Bound::Unbounded);
        let is_parent = || {
            let next = self.files.range::<Path, _>(behind).next();
            next.is_some_and(|(file, _)| file.starts_with(path))
        };
        path.parent().is_none() || self.directories.contains(path) || is_parent()
    }

    /// Takes away what is in directories that are lost.
    fn lose(&mut self, lost: &BTreeSet<PathBuf>) {
        let stays = |path: &PathBuf| !path.ancestors().any(|above| lost.contains(above));
        self.files.retain(|path, _| stays(path));
        self.directories.retain(stays);
    }
}

type FileRef = Arc<Mutex<FileBytes>>;

#[derive(Debug, Default)]
struct State {
    life: u64,
    current: Names,
    durable: Names,
    /// What changed the durable names to the current ones, in order.
    journal: Vec<NameChange>,
    locks: BTreeSet<PathBuf>,
}

impl State {
    fn change(&mut self, change: NameChange) {
        change.apply(&mut self.current);
        self.journal.push(change);
    }

    /// What a power loss leaves.
    fn survivors(&self, how: PowerLoss) -> Names {
        let mut random = match how {
            PowerLoss::LoseUnsynced => None,
            PowerLoss::Tear { seed } => Some(Random(seed)),
        };
        let mut names = self.durable.clone();
        if let Some(random) = &mut random {
            torn_names(&self.journal, random, &mut names);
        }
        let lost = self.current.directories.difference(&names.directories).cloned().collect();
        names.lose(&lost);
        // By the file, so that its other names stay names of it.
        let mut kept: Vec<(FileRef, FileRef)> = Vec::new();
        let mut survive = |file: &FileRef| {
            if let Some((_, survivor)) = kept.iter().find(|(other, _)| Arc::ptr_eq(other, file)) {
                return Arc::clone(survivor);
            }
            let bytes = match &mut random {
                None => file.lock().durable.clone(),
                Some(random) => torn(&file.lock(), random),
            };
            let survivor = Arc::new(Mutex::new(FileBytes::all_durable(bytes)));
            kept.push((Arc::clone(file), Arc::clone(&survivor)));
            survivor
        };
        names.files.values_mut().for_each(|file| *file = survive(file));
        names
    }
}

/// A file system in memory; clones share it.
#[derive(Clone, Debug, Default)]
pub struct MemoryFs {
    state: Arc<Mutex<State>>,
}

impl MemoryFs {
    /// An empty file system.
    pub fn new() -> MemoryFs {
        MemoryFs::default()
    }

    /// Loses power and comes up again: handles are dead, locks are free, and what was not synced is gone or torn.
    pub fn lose_power(&self, how: PowerLoss) {
        let mut state = self.state.lock();
        let survivors = state.survivors(how);
        let life = state.life + 1;
        *state = State { life, durable: survivors.clone(), current: survivors, ..State::default() };
    }

    /// Another file system, as this one would come up if it lost power now; this one goes on.
    pub fn after_power_loss(&self, how: PowerLoss) -> MemoryFs {
        let survivors = self.state.lock().survivors(how);
        let state = State { durable: survivors.clone(), current: survivors, ..State::default() };
        MemoryFs { state: Arc::new(Mutex::new(state)) }
    }

    /// Ends the process and starts another: handles are dead and locks are free, and all that was appended is there.
    pub fn kill_process(&self) {
        let mut state = self.state.lock();
        state.life += 1;
        state.locks.clear();
    }

    /// Changes the byte at `offset` of a file, as a failing disk would.
    pub fn flip_byte(&self, path: &Path, offset: u64) -> Result<()> {
        let state = self.state.lock();
        let file = find(&state, path)?;
        let mut file = file.lock();
        let at = usize::try_from(offset).unwrap_or(usize::MAX);
        *file.bytes.get_mut(at).ok_or_else(|| not_found(path))? ^= 0x40;
        if let Some(byte) = file.durable.get_mut(at) {
            *byte ^= 0x40;
        }
        Ok(())
    }

    fn handle(&self, state: &State, file: FileRef, path: &Path, at: usize) -> MemoryFile {
        let at = AtomicUsize::new(at);
        MemoryFile { fs: self.clone(), life: state.life, file, path: path.to_path_buf(), at }
    }
}

fn not_found(path: &Path) -> Error {
    Error::Io { operation: "open", path: path.to_path_buf(), source: io::ErrorKind::NotFound.into() }
}

fn find(state: &State, path: &Path) -> Result<FileRef> {
    state.current.files.get(path).cloned().ok_or_else(|| not_found(path))
}

impl Fs for MemoryFs {
    fn create(&self, path: &Path) -> Result<Box<dyn WritableFile>> {
        let mut state = self.state.lock();
        if let Some(file) = state.current.files.get(path).cloned() {
            file.lock().empty();
            return Ok(Box::new(self.handle(&state, file, path, 0)));
        }
        let file = FileRef::default();
        state.change(NameChange::Set(path.to_path_buf(), Arc::clone(&file)));
        Ok(Box::new(self.handle(&state, file, path, 0)))
    }

    fn open_append(&self, path: &Path) -> Result<Box<dyn WritableFile>> {
        let state = self.state.lock();
        let file = find(&state, path)?;
        let end = file.lock().bytes.len();
        Ok(Box::new(self.handle(&state, file, path, end)))
    }

    fn reuse(&self, from: &Path, to: &Path) -> Result<Box<dyn WritableFile>> {
        let is_linked = {
            let state = self.state.lock();
            let file = find(&state, from)?;
            state.current.files.values().filter(|other| Arc::ptr_eq(other, &file)).count() > 1
        };
        if is_linked {
            self.remove(from)?;
            return self.create(to);
        }
        self.rename(from, to)?;
        let state = self.state.lock();
        let file = find(&state, to)?;
        Ok(Box::new(self.handle(&state, file, to, 0)))
    }

    fn open(&self, path: &Path) -> Result<Arc<dyn RandomAccessFile>> {
        let state = self.state.lock();
        let file = find(&state, path)?;
        Ok(Arc::new(self.handle(&state, file, path, 0)))
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        let mut state = self.state.lock();
        let file = find(&state, from)?;
        state.change(NameChange::Rename { from: from.to_path_buf(), to: to.to_path_buf(), file });
        Ok(())
    }

    fn link(&self, from: &Path, to: &Path) -> Result<bool> {
        let mut state = self.state.lock();
        let file = find(&state, from)?;
        state.change(NameChange::Set(to.to_path_buf(), file));
        Ok(true)
    }

    fn remove(&self, path: &Path) -> Result<()> {
        let mut state = self.state.lock();
        find(&state, path)?;
        state.change(NameChange::Remove(path.to_path_buf()));
        Ok(())
    }

    fn exists(&self, path: &Path) -> Result<bool> {
        let state = self.state.lock();
        Ok(state.current.files.contains_key(path) || state.current.has_directory(path))
    }

    fn list(&self, directory: &Path) -> Result<Vec<String>> {
        let state = self.state.lock();
        let inside = state.current.files.keys().filter(|path| path.parent() == Some(directory));
        Ok(inside.filter_map(|path| path.file_name()?.to_str().map(str::to_owned)).collect())
    }

    fn create_dir_all(&self, directory: &Path) -> Result<()> {
        let mut state = self.state.lock();
        for path in directory.ancestors().collect::<Vec<_>>().into_iter().rev() {
            if !state.current.has_directory(path) {
                state.change(NameChange::Directory(path.to_path_buf()));
            }
        }
        Ok(())
    }

    fn sync_dir(&self, directory: &Path) -> Result<()> {
        let mut state = self.state.lock();
        let State { current, durable, journal, .. } = &mut *state;
        journal.retain(|change| change.directory() != Some(directory));
        durable.files.retain(|path, _| path.parent() != Some(directory));
        let inside = current.files.iter().filter(|(path, _)| path.parent() == Some(directory));
        durable.files.extend(inside.map(|(path, file)| (path.clone(), Arc::clone(file))));
        let inside = current.directories.iter().filter(|path| path.parent() == Some(directory));
        durable.directories.extend(inside.cloned());
        Ok(())
    }

    fn lock(&self, path: &Path) -> Result<Box<dyn FileLock>> {
        let mut state = self.state.lock();
        if !state.locks.insert(path.to_path_buf()) {
            return Err(Error::Locked { path: path.to_path_buf() });
        }
        if !state.current.files.contains_key(path) {
            state.change(NameChange::Set(path.to_path_buf(), FileRef::default()));
        }
        Ok(Box::new(MemoryLock { fs: self.clone(), life: state.life, path: path.to_path_buf() }))
    }
}

#[derive(Debug)]
struct MemoryFile {
    fs: MemoryFs,
    life: u64,
    file: FileRef,
    path: PathBuf,
    /// Where the next append goes.
    at: AtomicUsize,
}

impl MemoryFile {
    fn alive(&self, operation: &'static str) -> Result<()> {
        if self.fs.state.lock().life == self.life {
            return Ok(());
        }
        let source = io::Error::other("the file was opened in an earlier life");
        Err(Error::Io { operation, path: self.path.clone(), source })
    }
}

impl WritableFile for MemoryFile {
    fn append(&self, bytes: &[u8]) -> Result<()> {
        self.alive("append to")?;
        let at = self.at.fetch_add(bytes.len(), Ordering::Relaxed);
        self.file.lock().write(at, bytes);
        Ok(())
    }

    fn fill(&self, end: u64) -> Result<()> {
        self.alive("fill")?;
        let at = self.at.load(Ordering::Relaxed);
        let end = usize::try_from(end).unwrap_or(at);
        self.file.lock().write(at, &vec![0; end.saturating_sub(at)]);
        Ok(())
    }

    fn map(&self, _end: u64) -> bool {
        // What is appended is in the file at once in any case.
        true
    }

    fn sync(&self) -> Result<()> {
        self.alive("sync")?;
        self.file.lock().sync();
        Ok(())
    }
}

impl RandomAccessFile for MemoryFile {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<()> {
        self.alive("read")?;
        let file = self.file.lock();
        let at = usize::try_from(offset).unwrap_or(usize::MAX);
        let bytes = at.checked_add(buffer.len()).and_then(|end| file.bytes.get(at..end));
        buffer.copy_from_slice(bytes.ok_or_else(|| Error::Corrupt {
            file: self.path.clone(),
            offset,
            expected: format!("{} bytes", buffer.len()),
            found: "the end of the file".to_owned(),
        })?);
        Ok(())
    }

    fn len(&self) -> Result<u64> {
        self.alive("measure")?;
        Ok(u64::try_from(self.file.lock().bytes.len()).unwrap_or(u64::MAX))
    }
}

#[derive(Debug)]
struct MemoryLock {
    fs: MemoryFs,
    life: u64,
    path: PathBuf,
}

impl FileLock for MemoryLock {}

impl Drop for MemoryLock {
    fn drop(&mut self) {
        let mut state = self.fs.state.lock();
        if state.life == self.life {
            state.locks.remove(&self.path);
        }
    }
}
