//! A file system in memory that can lose power.
//!
//! Invariants:
//! (1) a directory has two sets of names: the current one, and the durable one that `sync_dir` copies from it; between them lies
//!     the journal of what changed;
//! (2) a file has durable bytes: what `sync` covered. A power loss keeps those; what happens to the rest a seed says ([`torn`]);
//! (3) handles opened before a power loss, or before the end of a process, are dead: they fail, and so cannot reach into
//!     the next life;
//! (4) two names of one file stay names of one file.

mod torn;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
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
}

impl NameChange {
    fn directory(&self) -> Option<&Path> {
        let (NameChange::Set(path, _) | NameChange::Remove(path) | NameChange::Rename { to: path, .. }) =
            self;
        path.parent()
    }

    fn apply(&self, names: &mut BTreeMap<PathBuf, FileRef>) {
        match self {
            NameChange::Set(path, file) => drop(names.insert(path.clone(), Arc::clone(file))),
            NameChange::Remove(path) => drop(names.remove(path)),
            NameChange::Rename { from, to, file } => {
                names.remove(from);
                names.insert(to.clone(), Arc::clone(file));
            }
        }
    }
}

type FileRef = Arc<Mutex<FileBytes>>;

#[derive(Debug, Default)]
struct State {
    life: u64,
    current: BTreeMap<PathBuf, FileRef>,
    durable: BTreeMap<PathBuf, FileRef>,
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
    fn survivors(&self, how: PowerLoss) -> BTreeMap<PathBuf, FileRef> {
        let mut random = match how {
            PowerLoss::LoseUnsynced => None,
            PowerLoss::Tear { seed } => Some(Random(seed)),
        };
        let mut names = self.durable.clone();
        if let Some(random) = &mut random {
            torn_names(&self.journal, random, &mut names);
        }
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
        names.iter().map(|(path, file)| (path.clone(), survive(file))).collect()
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
    state.current.get(path).cloned().ok_or_else(|| not_found(path))
}

impl Fs for MemoryFs {
    fn create(&self, path: &Path) -> Result<Box<dyn WritableFile>> {
        let mut state = self.state.lock();
        if let Some(file) = state.current.get(path).cloned() {
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
            state.current.values().filter(|other| Arc::ptr_eq(other, &file)).count() > 1
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
        Ok(self.state.lock().current.contains_key(path))
    }

    fn list(&self, directory: &Path) -> Result<Vec<String>> {
        let state = self.state.lock();
        let inside = state.current.keys().filter(|path| path.parent() == Some(directory));
        Ok(inside.filter_map(|path| path.file_name()?.to_str().map(str::to_owned)).collect())
    }

    fn create_dir_all(&self, _directory: &Path) -> Result<()> {
        Ok(())
    }

    fn sync_dir(&self, directory: &Path) -> Result<()> {
        let mut state = self.state.lock();
        let State { current, durable, journal, .. } = &mut *state;
        journal.retain(|change| change.directory() != Some(directory));
        durable.retain(|path, _| path.parent() != Some(directory));
        let inside = current.iter().filter(|(path, _)| path.parent() == Some(directory));
        durable.extend(inside.map(|(path, file)| (path.clone(), Arc::clone(file))));
        Ok(())
    }

    fn lock(&self, path: &Path) -> Result<Box<dyn FileLock>> {
        let mut state = self.state.lock();
        if !state.locks.insert(path.to_path_buf()) {
            return Err(Error::Locked { path: path.to_path_buf() });
        }
        if !state.current.contains_key(path) {
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
