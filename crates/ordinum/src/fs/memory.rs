//! A file system in memory that can lose power.
//!
//! Invariants:
//! (1) a directory has two sets of names: the current one, and the durable one that `sync_dir` copies from it;
//! (2) a file has durable bytes: what `sync` covered. A power loss keeps those; of what was written since it keeps nothing,
//!     a prefix, or a torn prefix, as a seed says;
//! (3) handles opened before a power loss, or before the end of a process, are dead: they fail, and so cannot reach into
//!     the next life.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;

use super::{FileLock, Fs, RandomAccessFile, WritableFile};
use crate::error::{Error, Result};

/// What a power loss does to bytes that were appended and not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PowerLoss {
    /// They are gone.
    LoseUnsynced,
    /// The seed chooses for each file how many of them stay, and damages some of those; it also chooses whether names
    /// that were not synced took effect.
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
}

type FileRef = Arc<Mutex<FileBytes>>;

#[derive(Debug, Default)]
struct State {
    life: u64,
    current: BTreeMap<PathBuf, FileRef>,
    durable: BTreeMap<PathBuf, FileRef>,
    locks: BTreeSet<PathBuf>,
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
        state.life += 1;
        state.locks.clear();
        let mut random = match how {
            PowerLoss::LoseUnsynced => None,
            PowerLoss::Tear { seed } => Some(Random(seed)),
        };
        let mut names = state.durable.clone();
        if let Some(random) = &mut random {
            // Directory changes reach the disk in order: a prefix in name order would not be one, so take all or none.
            if random.below(2) == 0 {
                names = state.current.clone();
            }
        }
        let mut survivors = BTreeMap::new();
        for (path, file) in names {
            let file = file.lock();
            let kept = match &mut random {
                None => file.durable.clone(),
                Some(random) => torn(&file, random),
            };
            survivors.insert(path, Arc::new(Mutex::new(FileBytes::all_durable(kept))));
        }
        state.durable = survivors.clone();
        state.current = survivors;
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

/// The durable bytes with a part of what changed: a prefix of it, damaged in one byte half of the time.
fn torn(file: &FileBytes, random: &mut Random) -> Vec<u8> {
    let changed = file.bytes.get(file.changed_from..).unwrap_or_default();
    let kept_changed = random.below(changed.len() + 1);
    let end = file.changed_from + kept_changed;
    let mut kept = file.bytes.get(..end).unwrap_or_default().to_vec();
    kept.extend_from_slice(file.durable.get(end..).unwrap_or_default());
    if kept_changed > 0 && random.below(2) == 0 {
        let at = file.changed_from + random.below(kept_changed);
        if let Some(byte) = kept.get_mut(at) {
            *byte ^= 0x5a;
        }
    }
    kept
}

/// SplitMix64: enough to choose where a file tears.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let bound = u64::try_from(bound).unwrap_or(u64::MAX).max(1);
        usize::try_from((z ^ (z >> 31)) % bound).unwrap_or(0)
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
        let file = FileRef::default();
        state.current.insert(path.to_path_buf(), Arc::clone(&file));
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
        let file = state.current.remove(from).ok_or_else(|| not_found(from))?;
        state.current.insert(to.to_path_buf(), file);
        Ok(())
    }

    fn link(&self, from: &Path, to: &Path) -> Result<bool> {
        let mut state = self.state.lock();
        let file = find(&state, from)?;
        state.current.insert(to.to_path_buf(), file);
        Ok(true)
    }

    fn remove(&self, path: &Path) -> Result<()> {
        let mut state = self.state.lock();
        state.current.remove(path).map(drop).ok_or_else(|| not_found(path))
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
        let State { current, durable, .. } = &mut *state;
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
        state.current.entry(path.to_path_buf()).or_default();
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
