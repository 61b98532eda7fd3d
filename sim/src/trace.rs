//! A digest of everything that is done to a file system: two runs that are the same have the same one.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ordinum::Result;
use ordinum::fs::{FileLock, Fs, RandomAccessFile, WritableFile};

/// FNV-1a, over one run's operations.
#[derive(Clone, Debug)]
pub struct Digest {
    hash: Arc<AtomicU64>,
}

impl Default for Digest {
    fn default() -> Digest {
        Digest { hash: Arc::new(AtomicU64::new(0xcbf2_9ce4_8422_2325)) }
    }
}

impl Digest {
    /// Adds bytes, and their length.
    pub fn add(&self, bytes: &[u8]) {
        let mut hash = self.hash.load(Ordering::Relaxed);
        for byte in (bytes.len() as u64).to_le_bytes().iter().chain(bytes) {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
        self.hash.store(hash, Ordering::Relaxed);
    }

    /// The digest of all that was added.
    pub fn value(&self) -> u64 {
        self.hash.load(Ordering::Relaxed)
    }

    fn note(&self, verb: &str, path: &Path, bytes: &[u8]) {
        self.add(verb.as_bytes());
        self.add(path.as_os_str().as_encoded_bytes());
        self.add(bytes);
    }
}

/// Hands everything on, and takes its digest.
#[derive(Debug)]
pub struct TracingFs {
    inner: Arc<dyn Fs>,
    digest: Digest,
}

impl TracingFs {
    /// Traces what is done to `inner`.
    pub fn new(inner: Arc<dyn Fs>, digest: Digest) -> TracingFs {
        TracingFs { inner, digest }
    }

    fn writable(&self, path: &Path, inner: Box<dyn WritableFile>) -> Box<dyn WritableFile> {
        Box::new(TracedFile { inner, path: path.to_path_buf(), digest: self.digest.clone() })
    }
}

impl Fs for TracingFs {
    fn create(&self, path: &Path) -> Result<Box<dyn WritableFile>> {
        self.digest.note("create", path, &[]);
        Ok(self.writable(path, self.inner.create(path)?))
    }

    fn open_append(&self, path: &Path) -> Result<Box<dyn WritableFile>> {
        self.digest.note("open to append", path, &[]);
        Ok(self.writable(path, self.inner.open_append(path)?))
    }

    fn open(&self, path: &Path) -> Result<Arc<dyn RandomAccessFile>> {
        self.digest.note("open", path, &[]);
        self.inner.open(path)
    }

    fn reuse(&self, from: &Path, to: &Path) -> Result<Box<dyn WritableFile>> {
        self.digest.note("reuse", from, to.as_os_str().as_encoded_bytes());
        Ok(self.writable(to, self.inner.reuse(from, to)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        self.digest.note("rename", from, to.as_os_str().as_encoded_bytes());
        self.inner.rename(from, to)
    }

    fn link(&self, from: &Path, to: &Path) -> Result<bool> {
        self.digest.note("link", from, to.as_os_str().as_encoded_bytes());
        self.inner.link(from, to)
    }

    fn remove(&self, path: &Path) -> Result<()> {
        self.digest.note("remove", path, &[]);
        self.inner.remove(path)
    }

    fn exists(&self, path: &Path) -> Result<bool> {
        self.inner.exists(path)
    }

    fn list(&self, directory: &Path) -> Result<Vec<String>> {
        self.inner.list(directory)
    }

    fn create_dir_all(&self, directory: &Path) -> Result<()> {
        self.inner.create_dir_all(directory)
    }

    fn sync_dir(&self, directory: &Path) -> Result<()> {
        self.digest.note("sync", directory, &[]);
        self.inner.sync_dir(directory)
    }

    fn lock(&self, path: &Path) -> Result<Box<dyn FileLock>> {
        self.digest.note("lock", path, &[]);
        self.inner.lock(path)
    }
}

#[derive(Debug)]
struct TracedFile {
    inner: Box<dyn WritableFile>,
    path: std::path::PathBuf,
    digest: Digest,
}

impl WritableFile for TracedFile {
    fn append(&self, bytes: &[u8]) -> Result<()> {
        self.digest.note("append", &self.path, bytes);
        self.inner.append(bytes)
    }

    fn make_room(&self, end: u64) -> Result<()> {
        self.inner.make_room(end)
    }

    fn map(&self, end: u64) -> bool {
        self.inner.map(end)
    }

    fn sync(&self) -> Result<()> {
        self.digest.note("sync", &self.path, &[]);
        self.inner.sync()
    }
}
