//! Ordinum: one column family, unsynced writes handed to the operating system as the others' are.

use std::path::Path;
use std::sync::OnceLock;

use ordinum::{
    Batch, Change, ColumnFamily, Compression, Db, Durability, FamilyOptions, KeyRange, LEVELS, Options,
    Reader, RetentionWindow, Snapshot, Tail,
};

use super::{Direction, Engine, Follower, Pinned, Result, Tuning};
use crate::keys::Key;

/// Where values are kept apart from their keys, they are from this length on.
const SEPARATED_FROM_BYTES: u32 = 1024;
/// How long what is followed is kept.
const LOG_KEPT: std::time::Duration = std::time::Duration::from_secs(3600);

pub(crate) struct Ordinum {
    db: Db,
    family: ColumnFamily,
    families: OnceLock<Vec<ColumnFamily>>,
}

impl Ordinum {
    pub(crate) fn open(directory: &Path, tuning: &Tuning) -> Result<Ordinum> {
        let family_defaults = FamilyOptions {
            write_buffer_bytes: tuning.write_buffer_bytes,
            immutable_memtables_max: tuning.write_buffers.saturating_sub(1).max(1),
            compression: [Compression::Lz4; LEVELS],
            separate_values_from_bytes: tuning.separates_values.then_some(SEPARATED_FROM_BYTES),
            value_compression: Compression::None,
            ..FamilyOptions::default()
        };
        let family_defaults = match tuning.block_bytes {
            Some(bytes) => FamilyOptions { block_bytes: usize::try_from(bytes)?, ..family_defaults },
            None => family_defaults,
        };
        let options =
            Options { block_cache_bytes: tuning.cache_bytes, family_defaults, ..Options::default() };
        // What is followed is kept meanwhile.
        let options = match tuning.log_kept {
            true => Options { retention: Some(RetentionWindow::of_age(LOG_KEPT)), ..options },
            false => options,
        };
        let db = Db::open(directory, options)?;
        let family = db.default_column_family();
        Ok(Ordinum { db, family, families: OnceLock::new() })
    }

    /// Opens a database in which so many families were created.
    pub(crate) fn open_with(directory: &Path, tuning: &Tuning, families: usize) -> Result<Ordinum> {
        let opened = Ordinum::open(directory, tuning)?;
        let find = |n| opened.db.column_family(&format!("family {n}"));
        let found: Option<Vec<ColumnFamily>> = (0..families).map(find).collect();
        let found = found.ok_or("a family is missing")?;
        opened.families.set(found).map_err(|_| "the families were found before")?;
        Ok(opened)
    }

    fn family(&self, family: usize) -> Result<&ColumnFamily> {
        self.families.get().and_then(|families| families.get(family)).ok_or("no such family".into())
    }

    fn put_with(&self, key: &[u8], value: &[u8], durability: Durability) -> Result<()> {
        let mut batch = Batch::new();
        batch.put(&self.family, key, value)?;
        self.db.write(batch, durability)?;
        Ok(())
    }
}

impl Pinned for Snapshot {}

impl Follower for Tail {
    fn next(&mut self) -> Result<()> {
        match Tail::next(self)?.change {
            Change::Batch(batch) => std::hint::black_box(batch.writes().count()),
            _ => return Err("a change that is no batch".into()),
        };
        Ok(())
    }
}

impl Engine for Ordinum {
    fn put(&self, key: &[u8], value: &[u8]) -> Result<()> {
        self.put_with(key, value, Durability::Buffered)
    }

    fn put_synced(&self, key: &[u8], value: &[u8]) -> Result<()> {
        self.put_with(key, value, Durability::Synced)
    }

    fn put_batch(&self, entries: &[(Key, Vec<u8>)]) -> Result<()> {
        let mut batch = Batch::new();
        for (key, value) in entries {
            batch.put(&self.family, key, value)?;
        }
        self.db.write(batch, Durability::Buffered)?;
        Ok(())
    }

    fn delete(&self, key: &[u8]) -> Result<()> {
        let mut batch = Batch::new();
        batch.delete(&self.family, key)?;
        self.db.write(batch, Durability::Buffered)?;
        Ok(())
    }

    fn delete_range(&self, start: &[u8], end: &[u8]) -> Result<()> {
        self.db.delete_range(&self.family, start, end, Durability::Buffered)?;
        Ok(())
    }

    fn get(&self, key: &[u8], found: &mut dyn FnMut(&[u8])) -> Result<bool> {
        let value = self.db.get(&self.family, key)?;
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
        let mut cursor = self.db.cursor(&self.family, KeyRange::all())?;
        let mut found = match (direction, start) {
            (Direction::Forward, Some(key)) => cursor.seek(key)?,
            (Direction::Forward, None) => cursor.first()?,
            (Direction::Back, Some(key)) => cursor.seek_back(key)?,
            (Direction::Back, None) => cursor.last()?,
        };
        let mut entries = 0;
        while found {
            visit(cursor.key(), cursor.value()?);
            entries += 1;
            if entries == limit {
                break;
            }
            found = match direction {
                Direction::Forward => cursor.next()?,
                Direction::Back => cursor.prev()?,
            };
        }
        Ok(entries)
    }

    fn flush(&self) -> Result<()> {
        Ok(self.db.flush_all()?)
    }

    fn follow(&self) -> Result<Option<Box<dyn Follower + '_>>> {
        Ok(Some(Box::new(self.db.tail(self.db.last_seqno())?)))
    }

    fn pin(&self) -> Result<Option<Box<dyn Pinned + '_>>> {
        Ok(Some(Box::new(self.db.snapshot())))
    }

    fn checkpoint(&self, to: &Path) -> Result<bool> {
        self.db.checkpoint(to)?;
        Ok(true)
    }

    fn create_families(&self, count: usize) -> Result<bool> {
        let options = FamilyOptions::clone(&self.family.options());
        let create = |n| self.db.create_column_family(&format!("family {n}"), options.clone());
        let families: ordinum::Result<Vec<ColumnFamily>> = (0..count).map(create).collect();
        self.families.set(families?).map_err(|_| "the families were created before")?;
        Ok(true)
    }

    fn has_families(&self) -> bool {
        self.families.get().is_some()
    }

    fn put_in(&self, family: usize, key: &[u8], value: &[u8]) -> Result<()> {
        let mut batch = Batch::new();
        batch.put(self.family(family)?, key, value)?;
        self.db.write(batch, Durability::Buffered)?;
        Ok(())
    }

    fn has_in(&self, family: usize, key: &[u8]) -> Result<bool> {
        Ok(self.db.get(self.family(family)?, key)?.is_some())
    }

    fn log_bytes(&self) -> Option<u64> {
        Some(self.db.stats().log_bytes)
    }
}
