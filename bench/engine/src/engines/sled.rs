//! sled: a log-structured tree of its own kind, without LZ4, so without compression; the cache gets the memory of the
//! others' cache and memtables together.
//!
//! A write that is not synced waits in a buffer of the process for up to half a second: the end of the process loses it.

use std::path::Path;

use sled::{Batch, Config, Db};

use super::{Direction, Engine, Result, Tuning, show_range};
use crate::keys::Key;

pub(crate) struct Sled {
    db: Db,
}

impl Sled {
    pub(crate) fn open(directory: &Path, tuning: &Tuning) -> Result<Sled> {
        let memory_bytes = tuning.cache_bytes + tuning.write_buffer_bytes;
        let db = Config::new().path(directory).cache_capacity(memory_bytes).open()?;
        Ok(Sled { db })
    }
}

impl Engine for Sled {
    fn put(&self, key: &[u8], value: &[u8]) -> Result<()> {
        self.db.insert(key, value)?;
        Ok(())
    }

    fn put_synced(&self, key: &[u8], value: &[u8]) -> Result<()> {
        self.db.insert(key, value)?;
        self.flush()
    }

    fn put_batch(&self, entries: &[(Key, Vec<u8>)]) -> Result<()> {
        let mut batch = Batch::default();
        for (key, value) in entries {
            batch.insert(key.as_slice(), value.as_slice());
        }
        Ok(self.db.apply_batch(batch)?)
    }

    fn delete(&self, key: &[u8]) -> Result<()> {
        self.db.remove(key)?;
        Ok(())
    }

    fn get(&self, key: &[u8], found: &mut dyn FnMut(&[u8])) -> Result<bool> {
        let value = self.db.get(key)?;
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
            (Direction::Forward, Some(key)) => self.db.range(key..),
            (Direction::Back, Some(key)) => self.db.range(..=key),
            (_, None) => self.db.iter(),
        };
        show_range(range, direction, limit, |entry| {
            let (key, value) = entry?;
            visit(&key, &value);
            Ok(())
        })
    }

    fn flush(&self) -> Result<()> {
        self.db.flush()?;
        Ok(())
    }
}
