//! redb: copy-on-write B+trees in one file, so there is no log and no compression; the cache gets the memory of the
//! others' cache and memtables together.
//!
//! Each write is a transaction of its own, and each read one as well. A write that is not synced lives in memory: the
//! end of the process loses it, unlike with the other engines.

use std::path::Path;

use redb::{Database, Durability, ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction};

use super::{Direction, Engine, Result, Tuning, show_range};
use crate::keys::Key;

const TABLE: TableDefinition<&[u8], &[u8]> = TableDefinition::new("bench");

pub(crate) struct Redb {
    database: Database,
}

impl Redb {
    pub(crate) fn open(directory: &Path, tuning: &Tuning) -> Result<Redb> {
        let memory_bytes = usize::try_from(tuning.cache_bytes + tuning.write_buffer_bytes)?;
        let database =
            Database::builder().set_cache_size(memory_bytes).create(directory.join("bench.redb"))?;
        let redb = Redb { database };
        let transaction = redb.begin(Durability::Immediate)?;
        transaction.open_table(TABLE)?;
        transaction.commit()?;
        Ok(redb)
    }

    fn begin(&self, durability: Durability) -> Result<WriteTransaction> {
        let mut transaction = self.database.begin_write()?;
        transaction.set_durability(durability)?;
        Ok(transaction)
    }

    fn put_with(&self, key: &[u8], value: &[u8], durability: Durability) -> Result<()> {
        let transaction = self.begin(durability)?;
        transaction.open_table(TABLE)?.insert(key, value)?;
        Ok(transaction.commit()?)
    }
}

impl Engine for Redb {
    fn put(&self, key: &[u8], value: &[u8]) -> Result<()> {
        self.put_with(key, value, Durability::None)
    }

    fn put_synced(&self, key: &[u8], value: &[u8]) -> Result<()> {
        self.put_with(key, value, Durability::Immediate)
    }

    fn put_batch(&self, entries: &[(Key, Vec<u8>)]) -> Result<()> {
        let transaction = self.begin(Durability::None)?;
        {
            let mut table = transaction.open_table(TABLE)?;
            for (key, value) in entries {
                table.insert(key.as_slice(), value.as_slice())?;
            }
        }
        Ok(transaction.commit()?)
    }

    fn delete(&self, key: &[u8]) -> Result<()> {
        let transaction = self.begin(Durability::None)?;
        transaction.open_table(TABLE)?.remove(key)?;
        Ok(transaction.commit()?)
    }

    fn get(&self, key: &[u8], found: &mut dyn FnMut(&[u8])) -> Result<bool> {
        let transaction = self.database.begin_read()?;
        let value = transaction.open_table(TABLE)?.get(key)?;
        if let Some(value) = &value {
            found(value.value());
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
        let transaction = self.database.begin_read()?;
        let table = transaction.open_table(TABLE)?;
        let range = match (direction, start) {
            (Direction::Forward, Some(key)) => table.range(key..)?,
            (Direction::Back, Some(key)) => table.range(..=key)?,
            (_, None) => table.iter()?,
        };
        show_range(range, direction, limit, |entry| {
            let (key, value) = entry?;
            visit(key.value(), value.value());
            Ok(())
        })
    }

    fn flush(&self) -> Result<()> {
        Ok(self.begin(Durability::Immediate)?.commit()?)
    }
}
