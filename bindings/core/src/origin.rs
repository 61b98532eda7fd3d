//! The process that something was opened in.
//!
//! Invariant: what a parent opened is never used, closed or flushed by its forked child: the threads behind it exist in the
//! parent only, and its files and sockets are the parent's.

use std::sync::Arc;

use ormdb_proto::{Error, ErrorCode, Result};
use parking_lot::Mutex;

/// Something that belongs to the process that made it. In a forked child it can neither be used nor dropped.
#[derive(Debug)]
pub(crate) struct Origin<T> {
    process: u32,
    /// Taken out by the drop alone.
    owned: Option<T>,
}

impl<T> Origin<T> {
    pub(crate) fn new(owned: T) -> Origin<T> {
        Origin { process: std::process::id(), owned: Some(owned) }
    }

    /// What is owned, unless this is a forked child.
    pub(crate) fn get(&self) -> Result<&T> {
        match &self.owned {
            Some(owned) if self.is_here() => Ok(owned),
            Some(_) | None => Err(forked()),
        }
    }

    /// Whether this is the process that made it.
    pub(crate) fn is_here(&self) -> bool {
        self.process == std::process::id()
    }
}

impl<T> Drop for Origin<T> {
    fn drop(&mut self) {
        if !self.is_here() {
            std::mem::forget(self.owned.take());
        }
    }
}

/// One of a kind in a process, made when it is first asked for. A forked child makes its own.
#[derive(Debug)]
pub(crate) struct PerProcess<T>(Mutex<Option<(u32, Arc<T>)>>);

impl<T> PerProcess<T> {
    pub(crate) const fn new() -> PerProcess<T> {
        PerProcess(Mutex::new(None))
    }

    /// The one of this process.
    pub(crate) fn get(&self, make: impl FnOnce() -> Result<T>) -> Result<Arc<T>> {
        let mut held = self.0.lock();
        let process = std::process::id();
        if let Some((of, one)) = &*held
            && *of == process
        {
            return Ok(Arc::clone(one));
        }
        let made = Arc::new(make()?);
        // What the parent made must not be dropped here.
        std::mem::forget(held.replace((process, Arc::clone(&made))));
        Ok(made)
    }
}

fn forked() -> Error {
    let message =
        "the connection was opened by the parent of this process, and cannot be used in a forked child";
    Error::new(ErrorCode::DatabaseLocked, message)
        .hint("open a connection in the child; several processes share a database through `ormdb serve`")
}
