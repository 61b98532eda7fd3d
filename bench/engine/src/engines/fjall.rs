//! fjall: one keyspace with its own filters and its own shape of levels, LZ4 at every level.

use std::path::Path;

use fjall::config::{BlockSizePolicy, CompressionPolicy};
use fjall::{CompressionType, Database, Keyspace, KeyspaceCreateOptions, PersistMode, Snapshot};

use super::{Direction, Engine, Pinned, Result, Tuning, show_range};
use crate::keys::Key;

const WORKERS: usize = 2;

pub(crate) struct Fjall {
    database: Database,
    keyspace: Keyspace,
}

impl Fjall {
    pub(crate) fn open(directory: &Path, tuning: &Tuning) -> Result<Fjall> {
        let database =
            Database::builder(directory).cache_size(tuning.cache_bytes).worker_threads(WORKERS).open()?;
        let keyspace = database.keyspace("bench", || {
            let options = KeyspaceCreateOptions::default()
                .max_memtable_size(tuning.write_buffer_bytes)
                .data_block_compression_policy(CompressionPolicy::all(CompressionType::Lz4));
            match tuning.block_bytes {
                Some(bytes) => options.data_block_size_policy(BlockSizePolicy::all(bytes)),
                None => options,
            }
        })?;
        Ok(Fjall { database, keyspace })
    }
}

impl Pinned for Snapshot {}

impl Engine for Fjall {
    fn put(&self, key: &[u8], value: &[u8]) -> Result<()> {
        Ok(self.keyspace.insert(key, value)?)
    }

    fn put_synced(&self, key: &[u8], value: &[u8]) -> Result<()> {
        self.keyspace.insert(key, value)?;
        Ok(self.database.persist(PersistMode::SyncData)?)
    }

    fn put_batch(&self, entries: &[(Key, Vec<u8>)]) -> Result<()> {
        let mut batch = self.database.batch();
        for (key, value) in entries {
            batch.insert(&self.keyspace, key.as_slice(), value.as_slice());
        }
        Ok(batch.commit()?)
    }

    fn delete(&self, key: &[u8]) -> Result<()> {
        Ok(self.keyspace.remove(key)?)
    }

    fn pin(&self) -> Result<Option<Box<dyn Pinned + '_>>> {
        Ok(Some(Box::new(self.database.snapshot())))
    }

    fn get(&self, key: &[u8], found: &mut dyn FnMut(&[u8])) -> Result<bool> {
        let value = self.keyspace.get(key)?;
        if let Some(value) = &value {
            found(value);
        }
        Ok(value.is_some())
    }

    fn scan(
        &self,
        start: Option<&[u8]>,
        direction: Direction,
        limit: usize,
        visit: &mut dyn FnMut(&[u8], &[u8]),
    ) -> Result<usize> {
        let range = match (direction, start) {
            (Direction::Forward, Some(key)) => self.keyspace.range(key..),
            (Direction::Back, Some(key)) => self.keyspace.range(..=key),
            (_, None) => self.keyspace.iter(),
        };
        show_range(range, direction, limit, |guard| {
            let (key, value) = guard.into_inner()?;
            visit(&key, &value);
            Ok(())
        })
    }

    fn flush(&self) -> Result<()> {
        Ok(self.keyspace.rotate_memtable_and_wait()?)
    }

    fn is_busy(&self) -> bool {
        self.database.active_compactions() > 0 || self.database.outstanding_flushes() > 0
    }
}
