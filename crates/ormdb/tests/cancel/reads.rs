//! A disk in memory that counts what is read of it, and cancels a statement at a read.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use ordinum::Result;
use ordinum::fs::{FileLock, Fs, MemoryFs, RandomAccessFile, WritableFile};
use ormdb::CancelHandle;

#[derive(Debug, Default)]
struct Counter {
    reads: AtomicU64,
    cancel: Mutex<Option<(u64, CancelHandle)>>,
}

#[derive(Debug, Default)]
pub struct CountingFs {
    inner: MemoryFs,
    counter: Arc<Counter>,
}

impl CountingFs {
    /// Counts from 0, and cancels at this read.
    pub fn cancel_at(&self, read: u64, handle: CancelHandle) {
        self.taken();
        *self.counter.cancel.lock().unwrap() = Some((read, handle));
    }

    /// The reads so far; counts from 0 again.
    pub fn taken(&self) -> u64 {
        *self.counter.cancel.lock().unwrap() = None;
        self.counter.reads.swap(0, Ordering::SeqCst)
    }
}

#[derive(Debug)]
struct CountedFile {
    inner: Arc<dyn RandomAccessFile>,
    counter: Arc<Counter>,
}

impl RandomAccessFile for CountedFile {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<()> {
        let read = self.counter.reads.fetch_add(1, Ordering::SeqCst) + 1;
        if let Some((at, handle)) = &*self.counter.cancel.lock().unwrap()
            && read == *at
        {
            handle.cancel();
        }
        self.inner.read_at(offset, buffer)
    }

    fn len(&self) -> Result<u64> {
        self.inner.len()
    }
}

impl Fs for CountingFs {
    fn create(&self, path: &Path) -> Result<Box<dyn WritableFile>> {
        self.inner.create(path)
    }

    fn open_append(&self, path: &Path) -> Result<Box<dyn WritableFile>> {
        self.inner.open_append(path)
    }

    fn open(&self, path: &Path) -> Result<Arc<dyn RandomAccessFile>> {
        let inner = self.inner.open(path)?;
        Ok(Arc::new(CountedFile { inner, counter: Arc::clone(&self.counter) }))
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        self.inner.rename(from, to)
    }

    fn remove(&self, path: &Path) -> Result<()> {
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
        self.inner.sync_dir(directory)
    }

    fn lock(&self, path: &Path) -> Result<Box<dyn FileLock>> {
        self.inner.lock(path)
    }
}
