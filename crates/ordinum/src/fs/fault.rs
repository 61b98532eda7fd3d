//! A wrapper that makes chosen file operations fail.
//!
//! Invariants:
//! (1) every operation that changes the file system (create, append, sync, rename, remove, sync of a directory) takes the
//!     next number, from 1, so that a deterministic run can be repeated and cut at each number;
//! (2) so does every read, and every opening of a file to be read;
//! (3) a full disk does not fail appends for which room was made before;
//! (4) once a [`Fault::PowerCut`] has struck, every operation fails: the process is as good as dead.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{FileLock, Fs, RandomAccessFile, WritableFile};
use crate::error::{Error, Result};
use crate::sync::Mutex;

/// How an operation fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// This operation, and every one after it, fails; an append leaves half of its bytes.
    PowerCut,
    /// This operation fails with an input/output error.
    IoError,
    /// If this operation is an append, it leaves half of its bytes and says that the disk is full; so does every append
    /// and create after it, until [`FaultFs::clear`].
    DiskFull,
    /// The next sync from this operation on fails, and has synced nothing.
    FailedSync,
}

/// How a read fails, once. Opening a file may fail too, but there are no bits in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadFault {
    /// With an input/output error.
    IoError,
    /// The file seems to end in the middle of what is read.
    Short,
    /// This bit of what is read is wrong, counted from the first and around behind the last.
    FlippedBit(u64),
}

#[derive(Debug, Default)]
struct Plan {
    operations: u64,
    reads: u64,
    armed_read: Option<(u64, ReadFault)>,
    armed: Option<(u64, Fault)>,
    dead: bool,
    full: bool,
    read_faults: Vec<PathBuf>,
    /// Ends of the names of files for which there is no space.
    full_for: Vec<String>,
}

/// A file system whose operations fail on demand; clones share the plan.
#[derive(Clone, Debug)]
pub struct FaultFs {
    inner: Arc<dyn Fs>,
    plan: Arc<Mutex<Plan>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Operation {
    Create,
    Append,
    /// An append where there is room.
    Fill,
    Sync,
    Name,
}

impl FaultFs {
    /// Wraps `inner`; nothing fails yet.
    pub fn new(inner: Arc<dyn Fs>) -> FaultFs {
        FaultFs { inner, plan: Arc::default() }
    }

    /// The number of operations so far.
    pub fn operations(&self) -> u64 {
        self.plan.lock().operations
    }

    /// Makes the operation `after` operations from now fail; 1 is the next one. Replaces an earlier plan.
    pub fn fail_after(&self, after: u64, fault: Fault) {
        let mut plan = self.plan.lock();
        plan.armed = Some((plan.operations + after, fault));
    }

    /// Whether the power was cut, and nothing works any more.
    pub fn is_dead(&self) -> bool {
        let plan = self.plan.lock();
        let is_due = |(at, fault)| fault == Fault::PowerCut && at <= plan.operations + 1;
        plan.dead || plan.armed.is_some_and(is_due)
    }

    /// The number of reads and openings so far.
    pub fn reads(&self) -> u64 {
        self.plan.lock().reads
    }

    /// Makes the read, or the opening, `after` of them from now fail, and no other; 1 is the next one. Replaces an earlier plan.
    pub fn fail_read_after(&self, after: u64, fault: ReadFault) {
        let mut plan = self.plan.lock();
        plan.armed_read = Some((plan.reads + after, fault));
    }

    /// Makes every creation of a file, and every append to one, whose name ends like this say that the disk is full.
    pub fn fill_for(&self, suffix: &str) {
        self.plan.lock().full_for.push(suffix.to_owned());
    }

    /// Makes every read of the file fail.
    pub fn fail_reads_of(&self, path: &Path) {
        self.plan.lock().read_faults.push(path.to_path_buf());
    }

    /// Forgets every fault: the disk works again.
    pub fn clear(&self) {
        let mut plan = self.plan.lock();
        *plan = Plan { operations: plan.operations, reads: plan.reads, ..Plan::default() };
    }

    /// Counts the operation; the error it must return if it is to fail.
    fn step(&self, operation: Operation, verb: &'static str, path: &Path) -> Result<()> {
        let mut plan = self.plan.lock();
        plan.operations += 1;
        let struck = plan.armed.filter(|(at, _)| *at <= plan.operations).map(|(_, fault)| fault);
        let kind = match struck {
            Some(Fault::PowerCut) => {
                plan.dead = true;
                None
            }
            Some(Fault::IoError) => Some(io::ErrorKind::Other),
            Some(Fault::DiskFull) if matches!(operation, Operation::Append | Operation::Create) => {
                plan.full = true;
                None
            }
            Some(Fault::FailedSync) if operation == Operation::Sync => Some(io::ErrorKind::Other),
            Some(Fault::DiskFull | Fault::FailedSync) | None => {
                return self.standing(&plan, operation, verb, path);
            }
        };
        plan.armed = None;
        match kind {
            Some(kind) => Err(failure(verb, path, kind)),
            None => self.standing(&plan, operation, verb, path),
        }
    }

    fn standing(&self, plan: &Plan, operation: Operation, verb: &'static str, path: &Path) -> Result<()> {
        if plan.dead {
            return Err(failure(verb, path, io::ErrorKind::Other));
        }
        let full =
            || plan.full || plan.full_for.iter().any(|end| path.to_string_lossy().ends_with(end.as_str()));
        if matches!(operation, Operation::Append | Operation::Create) && full() {
            return Err(failure(verb, path, io::ErrorKind::StorageFull));
        }
        Ok(())
    }

    fn readable(&self, path: &Path) -> Result<()> {
        let plan = self.plan.lock();
        if plan.dead || plan.read_faults.iter().any(|faulty| faulty == path) {
            return Err(failure("read", path, io::ErrorKind::Other));
        }
        Ok(())
    }

    /// Counts the read; how it is to fail.
    fn next_read(&self) -> Option<ReadFault> {
        let mut plan = self.plan.lock();
        plan.reads += 1;
        let reads = plan.reads;
        plan.armed_read.take_if(|(at, _)| *at <= reads).map(|(_, fault)| fault)
    }

    fn writable(&self, inner: Box<dyn WritableFile>, path: &Path) -> Box<dyn WritableFile> {
        let (end, room) = (AtomicU64::new(0), AtomicU64::new(0));
        Box::new(FaultWritable { fs: self.clone(), inner, path: path.to_path_buf(), end, room })
    }
}

fn failure(operation: &'static str, path: &Path, kind: io::ErrorKind) -> Error {
    Error::Io { operation, path: path.to_path_buf(), source: kind.into() }
}

impl Fs for FaultFs {
    fn create(&self, path: &Path) -> Result<Box<dyn WritableFile>> {
        self.step(Operation::Create, "create", path)?;
        Ok(self.writable(self.inner.create(path)?, path))
    }

    fn open_append(&self, path: &Path) -> Result<Box<dyn WritableFile>> {
        self.readable(path)?;
        Ok(self.writable(self.inner.open_append(path)?, path))
    }

    fn open(&self, path: &Path) -> Result<Arc<dyn RandomAccessFile>> {
        self.readable(path)?;
        if let Some(ReadFault::IoError | ReadFault::Short) = self.next_read() {
            return Err(failure("open", path, io::ErrorKind::Other));
        }
        let inner = self.inner.open(path)?;
        Ok(Arc::new(FaultReadable { fs: self.clone(), inner, path: path.to_path_buf() }))
    }

    fn reuse(&self, from: &Path, to: &Path) -> Result<Box<dyn WritableFile>> {
        self.step(Operation::Name, "rename", from)?;
        Ok(self.writable(self.inner.reuse(from, to)?, to))
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        self.step(Operation::Name, "rename", from)?;
        self.inner.rename(from, to)
    }

    fn link(&self, from: &Path, to: &Path) -> Result<bool> {
        self.step(Operation::Name, "link", from)?;
        self.inner.link(from, to)
    }

    fn remove(&self, path: &Path) -> Result<()> {
        self.step(Operation::Name, "remove", path)?;
        self.inner.remove(path)
    }

    fn exists(&self, path: &Path) -> Result<bool> {
        self.readable(path)?;
        self.inner.exists(path)
    }

    fn list(&self, directory: &Path) -> Result<Vec<String>> {
        self.readable(directory)?;
        self.inner.list(directory)
    }

    fn create_dir_all(&self, directory: &Path) -> Result<()> {
        self.step(Operation::Name, "create", directory)?;
        self.inner.create_dir_all(directory)
    }

    fn sync_dir(&self, directory: &Path) -> Result<()> {
        self.step(Operation::Sync, "sync", directory)?;
        self.inner.sync_dir(directory)
    }

    fn lock(&self, path: &Path) -> Result<Box<dyn FileLock>> {
        self.readable(path)?;
        self.inner.lock(path)
    }
}

#[derive(Debug)]
struct FaultWritable {
    fs: FaultFs,
    inner: Box<dyn WritableFile>,
    path: PathBuf,
    /// What was appended through this handle, and up to where there is room.
    end: AtomicU64,
    room: AtomicU64,
}

impl WritableFile for FaultWritable {
    fn append(&self, bytes: &[u8]) -> Result<()> {
        let was_dead = self.fs.plan.lock().dead;
        let end = self.end.fetch_add(bytes.len() as u64, Ordering::Relaxed) + bytes.len() as u64;
        let fits = end <= self.room.load(Ordering::Relaxed);
        let operation = if fits { Operation::Fill } else { Operation::Append };
        match self.fs.step(operation, "append to", &self.path) {
            Ok(()) => self.inner.append(bytes),
            Err(error) => {
                if !was_dead {
                    self.inner.append(bytes.get(..bytes.len() / 2).unwrap_or_default())?;
                }
                Err(error)
            }
        }
    }

    fn make_room(&self, end: u64) -> Result<()> {
        self.fs.standing(&self.fs.plan.lock(), Operation::Append, "make room in", &self.path)?;
        self.inner.make_room(end)?;
        self.room.fetch_max(end, Ordering::Relaxed);
        Ok(())
    }

    fn fill(&self, end: u64) -> Result<()> {
        self.fs.standing(&self.fs.plan.lock(), Operation::Append, "fill", &self.path)?;
        self.inner.fill(end)
    }

    fn map(&self, end: u64) -> bool {
        self.inner.map(end)
    }

    fn sync(&self) -> Result<()> {
        self.fs.step(Operation::Sync, "sync", &self.path)?;
        self.inner.sync()
    }
}

#[derive(Debug)]
struct FaultReadable {
    fs: FaultFs,
    inner: Arc<dyn RandomAccessFile>,
    path: PathBuf,
}

impl RandomAccessFile for FaultReadable {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<()> {
        self.fs.readable(&self.path)?;
        match self.fs.next_read() {
            None => self.inner.read_at(offset, buffer),
            Some(ReadFault::IoError) => Err(failure("read", &self.path, io::ErrorKind::Other)),
            Some(ReadFault::Short) => {
                let (expected, found) = (format!("{} bytes", buffer.len()), "the end of the file");
                let half = buffer.len() / 2;
                self.inner.read_at(offset, buffer.get_mut(..half).unwrap_or_default())?;
                Err(Error::corrupt(&self.path, offset, &expected, found))
            }
            Some(ReadFault::FlippedBit(bit)) => {
                self.inner.read_at(offset, buffer)?;
                let bits = u64::try_from(buffer.len()).unwrap_or(u64::MAX).saturating_mul(8).max(1);
                let at = usize::try_from(bit % bits / 8).unwrap_or(0);
                if let Some(byte) = buffer.get_mut(at) {
                    *byte ^= 1 << (bit % 8);
                }
                Ok(())
            }
        }
    }

    fn len(&self) -> Result<u64> {
        self.fs.readable(&self.path)?;
        self.inner.len()
    }
}
