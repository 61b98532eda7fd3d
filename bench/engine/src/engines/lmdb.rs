//! LMDB, through heed: a mapped B+tree, so there is no cache to size, no log, no compression and nothing to settle.
//!
//! Each write is a transaction of its own, and each read one as well, as a caller without a longer transaction has it.

#![allow(unsafe_code, reason = "opening a mapped file is unsafe: nobody else may change it meanwhile")]

use std::path::Path;

use heed::types::Bytes;
use heed::{CommitOrAbort, Database, Env, EnvFlags, EnvOpenOptions, WithTls};

use super::{Direction, Engine, Result, Tuning};
use crate::keys::Key;

/// Address space for the map; the file grows as it is written.
const MAP_BYTES: usize = 1 << 36;

pub(crate) struct Lmdb {
    env: Env<WithTls>,
    database: Database<'static, Bytes, Bytes>,
}

impl Lmdb {
    pub(crate) fn open(directory: &Path, tuning: &Tuning) -> Result<Lmdb> {
        let mut options = EnvOpenOptions::new();
        options.map_size(MAP_BYTES).max_readers(64);
        // SAFETY: the directory belongs to this process alone. Without syncs, a crash of the machine may leave a broken
        // file, which no workload opens again.
        let env = unsafe {
            if !tuning.commits_synced {
                options.flags(EnvFlags::NO_SYNC);
            }
            options.open(directory)?
        };
        let transaction = env.write_txn()?;
        let database = env
            .create_databases_and_commit(transaction, |options, transaction| {
                options.create_database(transaction, None).map(CommitOrAbort::<_, ()>::Commit)
            })?
            .unwrap_commit();
        Ok(Lmdb { env, database })
    }
}

impl Engine for Lmdb {
    fn put(&self, key: &[u8], value: &[u8]) -> Result<()> {
        let mut transaction = self.env.write_txn()?;
        self.database.put(&mut transaction, key, value)?;
        Ok(transaction.commit()?)
    }

    /// The environment of the synced workloads was opened to sync every commit.
    fn put_synced(&self, key: &[u8], value: &[u8]) -> Result<()> {
        self.put(key, value)
    }

    fn put_batch(&self, entries: &[(Key, Vec<u8>)]) -> Result<()> {
        let mut transaction = self.env.write_txn()?;
        for (key, value) in entries {
            self.database.put(&mut transaction, key, value)?;
        }
        Ok(transaction.commit()?)
    }

    fn delete(&self, key: &[u8]) -> Result<()> {
        let mut transaction = self.env.write_txn()?;
        self.database.delete(&mut transaction, key)?;
        Ok(transaction.commit()?)
    }

    fn get(&self, key: &[u8], found: &mut dyn FnMut(&[u8])) -> Result<bool> {
        let transaction = self.env.read_txn()?;
        let value = self.database.get(&transaction, key)?;
        if let Some(value) = value {
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
        use std::ops::Bound::{Included, Unbounded};
        let transaction = self.env.read_txn()?;
        let mut entries = 0;
        let mut show = |entry: heed::Result<(&[u8], &[u8])>| -> Result<()> {
            let (key, value) = entry?;
            visit(key, value);
            entries += 1;
            Ok(())
        };
        match direction {
            Direction::Forward => {
                let bounds = (start.map_or(Unbounded, Included), Unbounded);
                self.database.range(&transaction, &bounds)?.take(limit).try_for_each(&mut show)?;
            }
            Direction::Back => {
                let bounds = (Unbounded, start.map_or(Unbounded, Included));
                self.database.rev_range(&transaction, &bounds)?.take(limit).try_for_each(&mut show)?;
            }
        }
        Ok(entries)
    }

    fn flush(&self) -> Result<()> {
        Ok(self.env.force_sync()?)
    }
}
