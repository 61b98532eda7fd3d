//! RocksDB, through its interface in C: a Bloom filter of 10 bits a key, an LRU block cache, two background jobs, LZ4 at
//! every level; the shape of its levels is its own default.
//!
//! Invariants: (1) the pointers of a `RocksDb` are valid until it is dropped, and only it frees them; (2) what RocksDB
//! lends is not used after the call that ends the loan.

#![allow(unsafe_code, reason = "RocksDB is called in C")]

use std::ffi::{CStr, CString, c_char};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr::NonNull;
use std::sync::OnceLock;

use super::rocksdb_c::*;
use super::{Direction, Engine, Follower, Pinned, Result, Tuning};
use crate::keys::Key;

/// `rocksdb_lz4_compression`.
const LZ4: i32 = 4;
const FILTER_BITS_PER_KEY: f64 = 10.0;
const BACKGROUND_JOBS: i32 = 2;
/// How long what is followed is kept.
const LOG_KEPT_SECONDS: u64 = 3600;

/// Where values are kept apart from their keys, they are from this length on; what RocksDB takes garbage back by is its default.
const SEPARATED_FROM_BYTES: u64 = 1024;

/// Properties that are above 0 while RocksDB works in the background.
const BUSY: [&CStr; 4] = [
    c"rocksdb.mem-table-flush-pending",
    c"rocksdb.num-running-flushes",
    c"rocksdb.compaction-pending",
    c"rocksdb.num-running-compactions",
];

pub(crate) struct RocksDb {
    db: NonNull<rocksdb_t>,
    read: NonNull<rocksdb_readoptions_t>,
    write: NonNull<rocksdb_writeoptions_t>,
    write_synced: NonNull<rocksdb_writeoptions_t>,
    flush: NonNull<rocksdb_flushoptions_t>,
    options: NonNull<rocksdb_options_t>,
    families: OnceLock<Families>,
}

/// Families that were created, each with its handle.
struct Families(Vec<NonNull<rocksdb_column_family_handle_t>>);

// SAFETY: handles may be used by any thread.
unsafe impl Send for Families {}
// SAFETY: handles are only read.
unsafe impl Sync for Families {}

// SAFETY: RocksDB's database and options may be used by any thread.
unsafe impl Send for RocksDb {}
// SAFETY: RocksDB's calls on a database are safe to make at the same time, and the options are only read.
unsafe impl Sync for RocksDb {}

impl RocksDb {
    pub(crate) fn open(directory: &Path, tuning: &Tuning) -> Result<RocksDb> {
        RocksDb::open_with(directory, tuning, 0)
    }

    /// Opens a database in which so many families were created.
    pub(crate) fn open_with(directory: &Path, tuning: &Tuning, families: usize) -> Result<RocksDb> {
        let names = (0..families).map(|n| Ok(CString::new(format!("family {n}"))?));
        let names: Vec<CString> =
            std::iter::once(Ok(CString::from(c"default"))).chain(names).collect::<Result<_>>()?;
        let name = CString::new(directory.as_os_str().as_bytes())?;
        let cache_bytes = usize::try_from(tuning.cache_bytes)?;
        let write_buffer_bytes = usize::try_from(tuning.write_buffer_bytes)?;
        let write_buffers = i32::try_from(tuning.write_buffers)?;
        // SAFETY: the options are made here, given only to calls that take them, and freed once; the cache and the
        // filter policy are owned by the table options from then on, which the factory copies.
        unsafe {
            let table = rocksdb_block_based_options_create();
            let cache = rocksdb_cache_create_lru(cache_bytes);
            rocksdb_block_based_options_set_block_cache(table, cache);
            rocksdb_cache_destroy(cache);
            if let Some(bytes) = tuning.block_bytes {
                rocksdb_block_based_options_set_block_size(table, usize::try_from(bytes)?);
            }
            let filter = rocksdb_filterpolicy_create_bloom_full(FILTER_BITS_PER_KEY);
            rocksdb_block_based_options_set_filter_policy(table, filter);

            let options = rocksdb_options_create();
            rocksdb_options_set_create_if_missing(options, 1);
            rocksdb_options_set_write_buffer_size(options, write_buffer_bytes);
            rocksdb_options_set_max_write_buffer_number(options, write_buffers);
            rocksdb_options_set_max_background_jobs(options, BACKGROUND_JOBS);
            rocksdb_options_set_compression(options, LZ4);
            if tuning.separates_values {
                rocksdb_options_set_enable_blob_files(options, 1);
                rocksdb_options_set_min_blob_size(options, SEPARATED_FROM_BYTES);
                rocksdb_options_set_enable_blob_gc(options, 1);
            }
            if tuning.log_kept {
                rocksdb_options_set_WAL_ttl_seconds(options, LOG_KEPT_SECONDS);
            }
            rocksdb_options_set_block_based_table_factory(options, table);
            rocksdb_block_based_options_destroy(table);

            let opened = OnceLock::new();
            let db = match families {
                0 => checked(|error| rocksdb_open(options, name.as_ptr(), error)),
                _ => {
                    let count = i32::try_from(names.len())?;
                    let names: Vec<*const c_char> = names.iter().map(|name| name.as_ptr()).collect();
                    let each = vec![options.cast_const(); names.len()];
                    let mut handles = vec![std::ptr::null_mut(); names.len()];
                    let (name, names, each) = (name.as_ptr(), names.as_ptr(), each.as_ptr());
                    let to = handles.as_mut_ptr();
                    let db = checked(|error| {
                        rocksdb_open_column_families(options, name, count, names, each, to, error)
                    })?;
                    let mut handles = handles.into_iter().map(made);
                    // That of the default family is another one of what the database has.
                    if let Some(default) = handles.next() {
                        rocksdb_column_family_handle_destroy(default?.as_ptr());
                    }
                    opened.get_or_init(|| Families(handles.flatten().collect()));
                    Ok(db)
                }
            };
            let write_synced = rocksdb_writeoptions_create();
            rocksdb_writeoptions_set_sync(write_synced, 1);
            let flush = rocksdb_flushoptions_create();
            rocksdb_flushoptions_set_wait(flush, 1);
            Ok(RocksDb {
                db: made(db?)?,
                read: made(rocksdb_readoptions_create())?,
                write: made(rocksdb_writeoptions_create())?,
                write_synced: made(write_synced)?,
                flush: made(flush)?,
                options: made(options)?,
                families: opened,
            })
        }
    }

    fn family(&self, family: usize) -> Result<NonNull<rocksdb_column_family_handle_t>> {
        let families = self.families.get().map_or(&[][..], |families| &families.0);
        families.get(family).copied().ok_or_else(|| "no such family".into())
    }

    fn put_with(&self, key: &[u8], value: &[u8], options: NonNull<rocksdb_writeoptions_t>) -> Result<()> {
        // SAFETY: invariant 1; RocksDB copies the key and the value before it returns.
        checked(|error| unsafe {
            rocksdb_put(
                self.db.as_ptr(),
                options.as_ptr(),
                key.as_ptr().cast(),
                key.len(),
                value.as_ptr().cast(),
                value.len(),
                error,
            );
        })
    }
}

impl Drop for RocksDb {
    fn drop(&mut self) {
        // SAFETY: invariant 1; nothing uses them after this.
        unsafe {
            for family in self.families.get().iter().flat_map(|families| &families.0) {
                rocksdb_column_family_handle_destroy(family.as_ptr());
            }
            rocksdb_close(self.db.as_ptr());
            rocksdb_readoptions_destroy(self.read.as_ptr());
            rocksdb_writeoptions_destroy(self.write.as_ptr());
            rocksdb_writeoptions_destroy(self.write_synced.as_ptr());
            rocksdb_flushoptions_destroy(self.flush.as_ptr());
            rocksdb_options_destroy(self.options.as_ptr());
        }
    }
}

impl Engine for RocksDb {
    fn put(&self, key: &[u8], value: &[u8]) -> Result<()> {
        self.put_with(key, value, self.write)
    }

    fn put_synced(&self, key: &[u8], value: &[u8]) -> Result<()> {
        self.put_with(key, value, self.write_synced)
    }

    fn put_batch(&self, entries: &[(Key, Vec<u8>)]) -> Result<()> {
        // SAFETY: the batch is made and freed here; RocksDB copies what is put into it.
        unsafe {
            let batch = rocksdb_writebatch_create();
            for (key, value) in entries {
                let (key_at, value_at) = (key.as_ptr().cast(), value.as_ptr().cast());
                rocksdb_writebatch_put(batch, key_at, key.len(), value_at, value.len());
            }
            let written = checked(|error| rocksdb_write(self.db.as_ptr(), self.write.as_ptr(), batch, error));
            rocksdb_writebatch_destroy(batch);
            written
        }
    }

    fn delete(&self, key: &[u8]) -> Result<()> {
        // SAFETY: invariant 1; RocksDB copies the key before it returns.
        checked(|error| unsafe {
            let at = key.as_ptr().cast();
            rocksdb_delete(self.db.as_ptr(), self.write.as_ptr(), at, key.len(), error);
        })
    }

    fn delete_range(&self, start: &[u8], end: &[u8]) -> Result<()> {
        // SAFETY: invariant 1; the batch is freed here, and copies both keys.
        unsafe {
            let batch = rocksdb_writebatch_create();
            let (from, to) = (start.as_ptr().cast(), end.as_ptr().cast());
            rocksdb_writebatch_delete_range(batch, from, start.len(), to, end.len());
            let written = checked(|error| rocksdb_write(self.db.as_ptr(), self.write.as_ptr(), batch, error));
            rocksdb_writebatch_destroy(batch);
            written
        }
    }

    fn get(&self, key: &[u8], found: &mut dyn FnMut(&[u8])) -> Result<bool> {
        // SAFETY: invariants 1 and 2; the value is shown before the slice is freed.
        unsafe {
            let at = key.as_ptr().cast();
            let slice = checked(|error| {
                rocksdb_get_pinned(self.db.as_ptr(), self.read.as_ptr(), at, key.len(), error)
            })?;
            if slice.is_null() {
                return Ok(false);
            }
            let mut bytes = 0;
            let value = rocksdb_pinnableslice_value(slice, &mut bytes);
            found(lent(value, bytes));
            rocksdb_pinnableslice_destroy(slice);
            Ok(true)
        }
    }

    fn scan(
        &self,
        start: Option<&[u8]>,
        direction: Direction,
        limit: usize,
        visit: &mut dyn FnMut(&[u8], &[u8]),
    ) -> Result<usize> {
        // SAFETY: the iterator is made and freed here; invariant 2: an entry is shown before the next move.
        unsafe {
            let iterator = rocksdb_create_iterator(self.db.as_ptr(), self.read.as_ptr());
            match (direction, start) {
                (Direction::Forward, Some(key)) => {
                    rocksdb_iter_seek(iterator, key.as_ptr().cast(), key.len());
                }
                (Direction::Forward, None) => rocksdb_iter_seek_to_first(iterator),
                (Direction::Back, Some(key)) => {
                    rocksdb_iter_seek_for_prev(iterator, key.as_ptr().cast(), key.len());
                }
                (Direction::Back, None) => rocksdb_iter_seek_to_last(iterator),
            }
            let mut entries = 0;
            while rocksdb_iter_valid(iterator) != 0 {
                let (mut key_bytes, mut value_bytes) = (0, 0);
                let key = rocksdb_iter_key(iterator, &mut key_bytes);
                let value = rocksdb_iter_value(iterator, &mut value_bytes);
                visit(lent(key, key_bytes), lent(value, value_bytes));
                entries += 1;
                if entries == limit {
                    break;
                }
                match direction {
                    Direction::Forward => rocksdb_iter_next(iterator),
                    Direction::Back => rocksdb_iter_prev(iterator),
                }
            }
            let ended = checked(|error| rocksdb_iter_get_error(iterator, error));
            rocksdb_iter_destroy(iterator);
            ended?;
            Ok(entries)
        }
    }

    fn flush(&self) -> Result<()> {
        // SAFETY: invariant 1.
        checked(|error| unsafe { rocksdb_flush(self.db.as_ptr(), self.flush.as_ptr(), error) })
    }

    fn follow(&self) -> Result<Option<Box<dyn Follower + '_>>> {
        // SAFETY: invariant 1.
        let newest = unsafe { rocksdb_get_latest_sequence_number(self.db.as_ptr()) };
        Ok(Some(Box::new(RocksDbFollower { db: self, next: newest + 1, updates: None })))
    }

    fn pin(&self) -> Result<Option<Box<dyn Pinned + '_>>> {
        // SAFETY: invariant 1; whoever gets it releases it.
        let snapshot = unsafe { rocksdb_create_snapshot(self.db.as_ptr()) };
        Ok(Some(Box::new(RocksDbSnapshot { db: self, snapshot })))
    }

    fn checkpoint(&self, to: &Path) -> Result<bool> {
        let name = CString::new(to.as_os_str().as_bytes())?;
        // SAFETY: invariant 1; the object is made and freed here. The log is copied, and not flushed first.
        unsafe {
            let object = checked(|error| rocksdb_checkpoint_object_create(self.db.as_ptr(), error))?;
            let made = checked(|error| rocksdb_checkpoint_create(object, name.as_ptr(), u64::MAX, error));
            rocksdb_checkpoint_object_destroy(object);
            made.map(|()| true)
        }
    }

    fn create_families(&self, count: usize) -> Result<bool> {
        let create = |n| {
            let name = CString::new(format!("family {n}"))?;
            let (db, options) = (self.db.as_ptr(), self.options.as_ptr());
            // SAFETY: invariant 1; the handle is freed when the database is dropped.
            made(checked(|error| unsafe { rocksdb_create_column_family(db, options, name.as_ptr(), error) })?)
        };
        let families: Result<Vec<_>> = (0..count).map(create).collect();
        self.families.set(Families(families?)).map_err(|_| "the families were created before")?;
        Ok(true)
    }

    fn has_families(&self) -> bool {
        self.families.get().is_some()
    }

    fn put_in(&self, family: usize, key: &[u8], value: &[u8]) -> Result<()> {
        let family = self.family(family)?;
        // SAFETY: invariant 1; RocksDB copies the key and the value before it returns.
        checked(|error| unsafe {
            rocksdb_put_cf(
                self.db.as_ptr(),
                self.write.as_ptr(),
                family.as_ptr(),
                key.as_ptr().cast(),
                key.len(),
                value.as_ptr().cast(),
                value.len(),
                error,
            );
        })
    }

    fn has_in(&self, family: usize, key: &[u8]) -> Result<bool> {
        let (family, read) = (self.family(family)?.as_ptr(), self.read.as_ptr());
        // SAFETY: invariant 1; what is found is freed here.
        unsafe {
            let slice = checked(|error| {
                rocksdb_get_pinned_cf(self.db.as_ptr(), read, family, key.as_ptr().cast(), key.len(), error)
            })?;
            if slice.is_null() {
                return Ok(false);
            }
            rocksdb_pinnableslice_destroy(slice);
            Ok(true)
        }
    }

    fn is_busy(&self) -> bool {
        BUSY.iter().any(|name| {
            let mut value = 0;
            // SAFETY: invariant 1; the name is a literal and the number outlives the call.
            let known = unsafe { rocksdb_property_int(self.db.as_ptr(), name.as_ptr(), &mut value) };
            known == 0 && value > 0
        })
    }
}

struct RocksDbSnapshot<'a> {
    db: &'a RocksDb,
    snapshot: *const rocksdb_snapshot_t,
}

// SAFETY: a snapshot may be released by any thread.
unsafe impl Send for RocksDbSnapshot<'_> {}

impl Pinned for RocksDbSnapshot<'_> {}

impl Drop for RocksDbSnapshot<'_> {
    fn drop(&mut self) {
        // SAFETY: it was made by this database, and is released once.
        unsafe { rocksdb_release_snapshot(self.db.db.as_ptr(), self.snapshot) };
    }
}

/// Follows the log: what is written and, unlike the others, need not be durable yet. At the end of what is there, RocksDB has
/// to be asked anew.
struct RocksDbFollower<'a> {
    db: &'a RocksDb,
    next: u64,
    updates: Option<NonNull<rocksdb_wal_iterator_t>>,
}

impl RocksDbFollower<'_> {
    fn end(&mut self) {
        if let Some(updates) = self.updates.take() {
            // SAFETY: it was made by `next`, and is freed once.
            unsafe { rocksdb_wal_iter_destroy(updates.as_ptr()) };
        }
    }
}

impl Drop for RocksDbFollower<'_> {
    fn drop(&mut self) {
        self.end();
    }
}

impl Follower for RocksDbFollower<'_> {
    fn next(&mut self) -> Result<()> {
        let db = self.db.db.as_ptr();
        // SAFETY: invariant 1; a batch is freed before the next move.
        unsafe {
            loop {
                let Some(updates) = self.updates else {
                    if rocksdb_get_latest_sequence_number(db) < self.next {
                        std::thread::yield_now();
                        continue;
                    }
                    let updates =
                        checked(|error| rocksdb_get_updates_since(db, self.next, std::ptr::null(), error));
                    self.updates = Some(made(updates?)?);
                    continue;
                };
                if rocksdb_wal_iter_valid(updates.as_ptr()) == 0 {
                    self.end();
                    continue;
                }
                let mut number = 0;
                let batch = rocksdb_wal_iter_get_batch(updates.as_ptr(), &mut number);
                let count = u64::try_from(rocksdb_writebatch_count(batch))?;
                rocksdb_writebatch_destroy(batch);
                rocksdb_wal_iter_next(updates.as_ptr());
                if number >= self.next {
                    self.next = number + count;
                    return Ok(());
                }
            }
        }
    }
}

/// Makes the call with a place for an error, and returns the error if it left one.
fn checked<T>(call: impl FnOnce(*mut *mut c_char) -> T) -> Result<T> {
    let mut error: *mut c_char = std::ptr::null_mut();
    let returned = call(&mut error);
    if error.is_null() {
        return Ok(returned);
    }
    // SAFETY: RocksDB leaves a text that ends in a zero and that the caller frees.
    let message = unsafe {
        let message = CStr::from_ptr(error).to_string_lossy().into_owned();
        rocksdb_free(error.cast());
        message
    };
    Err(message.into())
}

fn made<T>(pointer: *mut T) -> Result<NonNull<T>> {
    NonNull::new(pointer).ok_or_else(|| "RocksDB made nothing".into())
}

/// What RocksDB lends; see invariant 2.
///
/// # Safety
/// `at` points to `bytes` bytes that stay for as long as the caller uses them.
unsafe fn lent<'a>(at: *const c_char, bytes: usize) -> &'a [u8] {
    // SAFETY: the caller's promise.
    unsafe { std::slice::from_raw_parts(at.cast(), bytes) }
}
