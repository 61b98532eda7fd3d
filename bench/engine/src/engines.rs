//! The engines, each behind the same few calls.
//!
//! Invariants: (1) one call of `put`, `delete` or `put_batch` is one write of the engine, logged where the engine has a
//! log, and not synced; (2) `get` and `scan` see every write that returned before; (3) an adapter adds no cache, no
//! buffer and no thread of its own.

#[cfg(feature = "fjall")]
mod fjall;
#[cfg(feature = "lmdb")]
mod lmdb;
mod ordinum;
#[cfg(feature = "redb")]
mod redb;
#[cfg(feature = "rocksdb")]
mod rocksdb;
#[cfg(feature = "rocksdb")]
mod rocksdb_c;
#[cfg(feature = "sled")]
mod sled;

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::keys::Key;

/// Whatever went wrong; the program shows it and ends.
pub(crate) type Error = Box<dyn std::error::Error + Send + Sync>;
/// A result with any error.
pub(crate) type Result<T> = std::result::Result<T, Error>;

/// What every engine is given.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tuning {
    /// Memory for blocks that were read.
    pub(crate) cache_bytes: u64,
    /// Memory of one memtable.
    pub(crate) write_buffer_bytes: u64,
    /// Memtables in memory, the one that is written to included.
    pub(crate) write_buffers: usize,
    /// Bytes of a data block before compression, if it is not the engine's default.
    pub(crate) block_bytes: Option<u32>,
    /// Whether the engine is to keep values apart from their keys, where it can.
    pub(crate) separates_values: bool,
    /// Whether every commit is synced, for engines that decide so when they open.
    pub(crate) commits_synced: bool,
    /// Whether the log is kept for those that follow.
    pub(crate) log_kept: bool,
}

/// Which way a scan goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Forward,
    Back,
}

/// Shows up to `limit` entries of a range, from the end that a scan in this direction begins at; how many there were.
fn show_range<T>(
    range: impl DoubleEndedIterator<Item = T>,
    direction: Direction,
    limit: usize,
    mut show: impl FnMut(T) -> Result<()>,
) -> Result<usize> {
    let mut entries = 0;
    let counted = |entry| {
        entries += 1;
        show(entry)
    };
    match direction {
        Direction::Forward => range.take(limit).try_for_each(counted)?,
        Direction::Back => range.rev().take(limit).try_for_each(counted)?,
    }
    Ok(entries)
}

/// What follows the writes of an engine.
pub(crate) trait Follower {
    /// Returns when there is another durable write, and it was read.
    fn next(&mut self) -> Result<()>;
}

/// A state of an engine that stays readable until it is dropped.
pub(crate) trait Pinned: Send {}

/// An open engine.
pub(crate) trait Engine: Send + Sync {
    /// Writes one entry, not synced.
    fn put(&self, key: &[u8], value: &[u8]) -> Result<()>;
    /// Writes one entry, synced when the call returns.
    fn put_synced(&self, key: &[u8], value: &[u8]) -> Result<()>;
    /// Writes the entries at once, not synced.
    fn put_batch(&self, entries: &[(Key, Vec<u8>)]) -> Result<()>;
    /// Deletes one entry, not synced.
    fn delete(&self, key: &[u8]) -> Result<()>;
    /// Deletes the keys from `start` on and before `end` at once, not synced; for engines that say that they can.
    fn delete_range(&self, _start: &[u8], _end: &[u8]) -> Result<()> {
        Err("it deletes no ranges".into())
    }
    /// Shows the value of the key to `found`; whether there is one.
    fn get(&self, key: &[u8], found: &mut dyn FnMut(&[u8])) -> Result<bool>;
    /// Shows up to `limit` entries from `start` on, or from the end of the data; how many there were.
    fn scan(
        &self,
        start: Option<&[u8]>,
        direction: Direction,
        limit: usize,
        visit: &mut dyn FnMut(&[u8], &[u8]),
    ) -> Result<usize>;
    /// Begins to move what is in memory to where it stays, and waits for that as far as the engine can.
    fn flush(&self) -> Result<()>;
    /// Bytes that it wrote to its log so far, if it tells.
    fn log_bytes(&self) -> Option<u64> {
        None
    }
    /// Follows what is written from now on; none if the engine cannot.
    fn follow(&self) -> Result<Option<Box<dyn Follower + '_>>> {
        Ok(None)
    }
    /// Pins what there is now; none if the engine cannot, or not for other threads.
    fn pin(&self) -> Result<Option<Box<dyn Pinned + '_>>> {
        Ok(None)
    }
    /// Makes a copy in this directory, which is not there, that can be opened; whether the engine can.
    fn checkpoint(&self, _to: &Path) -> Result<bool> {
        Ok(false)
    }
    /// Creates so many families; whether the engine can.
    fn create_families(&self, _count: usize) -> Result<bool> {
        Ok(false)
    }
    /// Whether families were created.
    fn has_families(&self) -> bool {
        false
    }
    /// Writes one entry to a family that was created, not synced.
    fn put_in(&self, _family: usize, _key: &[u8], _value: &[u8]) -> Result<()> {
        Err("no families".into())
    }
    /// Whether a family has the key.
    fn has_in(&self, _family: usize, _key: &[u8]) -> Result<bool> {
        Err("no families".into())
    }
    /// Whether the engine says that it works in the background.
    fn is_busy(&self) -> bool {
        false
    }
}

/// An engine by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "the names say it")]
pub(crate) enum EngineName {
    Ordinum,
    Rocksdb,
    Fjall,
    Lmdb,
    Redb,
    Sled,
}

impl EngineName {
    pub(crate) const ALL: [EngineName; 6] = [
        EngineName::Ordinum,
        EngineName::Rocksdb,
        EngineName::Fjall,
        EngineName::Lmdb,
        EngineName::Redb,
        EngineName::Sled,
    ];

    /// Whether this program was built with it.
    pub(crate) fn is_built(self) -> bool {
        match self {
            EngineName::Ordinum => true,
            EngineName::Rocksdb => cfg!(feature = "rocksdb"),
            EngineName::Fjall => cfg!(feature = "fjall"),
            EngineName::Lmdb => cfg!(feature = "lmdb"),
            EngineName::Redb => cfg!(feature = "redb"),
            EngineName::Sled => cfg!(feature = "sled"),
        }
    }

    /// Whether it deletes a range at once.
    pub(crate) fn deletes_ranges(self) -> bool {
        matches!(self, EngineName::Ordinum | EngineName::Rocksdb)
    }

    /// Opens the engine's database in `directory`, which exists.
    pub(crate) fn open(self, directory: &Path, tuning: &Tuning) -> Result<Box<dyn Engine>> {
        match self {
            EngineName::Ordinum => Ok(Box::new(ordinum::Ordinum::open(directory, tuning)?)),
            #[cfg(feature = "rocksdb")]
            EngineName::Rocksdb => Ok(Box::new(rocksdb::RocksDb::open(directory, tuning)?)),
            #[cfg(feature = "fjall")]
            EngineName::Fjall => Ok(Box::new(fjall::Fjall::open(directory, tuning)?)),
            #[cfg(feature = "lmdb")]
            EngineName::Lmdb => Ok(Box::new(lmdb::Lmdb::open(directory, tuning)?)),
            #[cfg(feature = "redb")]
            EngineName::Redb => Ok(Box::new(redb::Redb::open(directory, tuning)?)),
            #[cfg(feature = "sled")]
            EngineName::Sled => Ok(Box::new(sled::Sled::open(directory, tuning)?)),
            #[allow(unreachable_patterns, reason = "reachable where a feature is off")]
            other => Err(format!("built without {other}").into()),
        }
    }
}

impl EngineName {
    /// Opens the engine's database, in which so many families were created before; none if the engine has no families.
    pub(crate) fn open_families(
        self,
        directory: &Path,
        tuning: &Tuning,
        count: usize,
    ) -> Result<Option<Box<dyn Engine>>> {
        match self {
            EngineName::Ordinum => Ok(Some(Box::new(ordinum::Ordinum::open_with(directory, tuning, count)?))),
            #[cfg(feature = "rocksdb")]
            EngineName::Rocksdb => Ok(Some(Box::new(rocksdb::RocksDb::open_with(directory, tuning, count)?))),
            _ => Ok(None),
        }
    }
}

impl fmt::Display for EngineName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            EngineName::Ordinum => "ordinum",
            EngineName::Rocksdb => "rocksdb",
            EngineName::Fjall => "fjall",
            EngineName::Lmdb => "lmdb",
            EngineName::Redb => "redb",
            EngineName::Sled => "sled",
        })
    }
}

impl FromStr for EngineName {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<EngineName, String> {
        EngineName::ALL
            .into_iter()
            .find(|name| name.to_string() == text)
            .ok_or_else(|| format!("no engine is called `{text}`"))
    }
}
