//! The part of `rocksdb/c.h` that the benchmark calls; the interface is stable over the versions of RocksDB.

#![allow(unsafe_code, reason = "an interface in C")]
#![allow(non_camel_case_types, reason = "the names of the interface")]

use std::ffi::{c_char, c_double, c_int, c_uchar};

macro_rules! opaque {
    ($($name:ident),*) => { $(
        #[repr(C)]
        pub(crate) struct $name {
            private: [u8; 0],
        }
    )* };
}

opaque!(
    rocksdb_t,
    rocksdb_options_t,
    rocksdb_block_based_table_options_t,
    rocksdb_cache_t,
    rocksdb_filterpolicy_t,
    rocksdb_readoptions_t,
    rocksdb_writeoptions_t,
    rocksdb_flushoptions_t,
    rocksdb_writebatch_t,
    rocksdb_iterator_t,
    rocksdb_snapshot_t,
    rocksdb_pinnableslice_t,
    rocksdb_checkpoint_t,
    rocksdb_column_family_handle_t,
    rocksdb_wal_iterator_t,
    rocksdb_wal_readoptions_t
);

unsafe extern "C" {
    pub(crate) fn rocksdb_open(
        options: *const rocksdb_options_t,
        name: *const c_char,
        error: *mut *mut c_char,
    ) -> *mut rocksdb_t;
    pub(crate) fn rocksdb_open_column_families(
        options: *const rocksdb_options_t,
        name: *const c_char,
        count: c_int,
        names: *const *const c_char,
        family_options: *const *const rocksdb_options_t,
        handles: *mut *mut rocksdb_column_family_handle_t,
        error: *mut *mut c_char,
    ) -> *mut rocksdb_t;
    pub(crate) fn rocksdb_close(db: *mut rocksdb_t);
    pub(crate) fn rocksdb_free(memory: *mut std::ffi::c_void);

    pub(crate) fn rocksdb_options_create() -> *mut rocksdb_options_t;
    pub(crate) fn rocksdb_options_destroy(options: *mut rocksdb_options_t);
    pub(crate) fn rocksdb_options_set_create_if_missing(options: *mut rocksdb_options_t, on: c_uchar);
    pub(crate) fn rocksdb_options_set_write_buffer_size(options: *mut rocksdb_options_t, bytes: usize);
    pub(crate) fn rocksdb_options_set_max_write_buffer_number(options: *mut rocksdb_options_t, count: c_int);
    pub(crate) fn rocksdb_options_set_max_background_jobs(options: *mut rocksdb_options_t, count: c_int);
    pub(crate) fn rocksdb_options_set_compression(options: *mut rocksdb_options_t, kind: c_int);
    pub(crate) fn rocksdb_options_set_enable_blob_files(options: *mut rocksdb_options_t, on: c_uchar);
    pub(crate) fn rocksdb_options_set_min_blob_size(options: *mut rocksdb_options_t, bytes: u64);
    pub(crate) fn rocksdb_options_set_enable_blob_gc(options: *mut rocksdb_options_t, on: c_uchar);
    pub(crate) fn rocksdb_options_set_block_based_table_factory(
        options: *mut rocksdb_options_t,
        table: *mut rocksdb_block_based_table_options_t,
    );

    pub(crate) fn rocksdb_block_based_options_create() -> *mut rocksdb_block_based_table_options_t;
    pub(crate) fn rocksdb_block_based_options_destroy(options: *mut rocksdb_block_based_table_options_t);
    pub(crate) fn rocksdb_block_based_options_set_block_size(
        options: *mut rocksdb_block_based_table_options_t,
        bytes: usize,
    );
    pub(crate) fn rocksdb_block_based_options_set_filter_policy(
        options: *mut rocksdb_block_based_table_options_t,
        policy: *mut rocksdb_filterpolicy_t,
    );
    pub(crate) fn rocksdb_block_based_options_set_block_cache(
        options: *mut rocksdb_block_based_table_options_t,
        cache: *mut rocksdb_cache_t,
    );
    pub(crate) fn rocksdb_filterpolicy_create_bloom_full(
        bits_per_key: c_double,
    ) -> *mut rocksdb_filterpolicy_t;
    pub(crate) fn rocksdb_cache_create_lru(bytes: usize) -> *mut rocksdb_cache_t;
    pub(crate) fn rocksdb_cache_destroy(cache: *mut rocksdb_cache_t);

    pub(crate) fn rocksdb_readoptions_create() -> *mut rocksdb_readoptions_t;
    pub(crate) fn rocksdb_readoptions_destroy(options: *mut rocksdb_readoptions_t);
    pub(crate) fn rocksdb_writeoptions_create() -> *mut rocksdb_writeoptions_t;
    pub(crate) fn rocksdb_writeoptions_destroy(options: *mut rocksdb_writeoptions_t);
    pub(crate) fn rocksdb_writeoptions_set_sync(options: *mut rocksdb_writeoptions_t, on: c_uchar);
    pub(crate) fn rocksdb_flushoptions_create() -> *mut rocksdb_flushoptions_t;
    pub(crate) fn rocksdb_flushoptions_destroy(options: *mut rocksdb_flushoptions_t);
    pub(crate) fn rocksdb_flushoptions_set_wait(options: *mut rocksdb_flushoptions_t, on: c_uchar);

    pub(crate) fn rocksdb_put(
        db: *mut rocksdb_t,
        options: *const rocksdb_writeoptions_t,
        key: *const c_char,
        key_bytes: usize,
        value: *const c_char,
        value_bytes: usize,
        error: *mut *mut c_char,
    );
    pub(crate) fn rocksdb_delete(
        db: *mut rocksdb_t,
        options: *const rocksdb_writeoptions_t,
        key: *const c_char,
        key_bytes: usize,
        error: *mut *mut c_char,
    );
    pub(crate) fn rocksdb_write(
        db: *mut rocksdb_t,
        options: *const rocksdb_writeoptions_t,
        batch: *mut rocksdb_writebatch_t,
        error: *mut *mut c_char,
    );
    pub(crate) fn rocksdb_writebatch_create() -> *mut rocksdb_writebatch_t;
    pub(crate) fn rocksdb_writebatch_destroy(batch: *mut rocksdb_writebatch_t);
    pub(crate) fn rocksdb_writebatch_put(
        batch: *mut rocksdb_writebatch_t,
        key: *const c_char,
        key_bytes: usize,
        value: *const c_char,
        value_bytes: usize,
    );
    pub(crate) fn rocksdb_writebatch_delete_range(
        batch: *mut rocksdb_writebatch_t,
        start: *const c_char,
        start_bytes: usize,
        end: *const c_char,
        end_bytes: usize,
    );
    pub(crate) fn rocksdb_flush(
        db: *mut rocksdb_t,
        options: *const rocksdb_flushoptions_t,
        error: *mut *mut c_char,
    );

    pub(crate) fn rocksdb_get_pinned(
        db: *mut rocksdb_t,
        options: *const rocksdb_readoptions_t,
        key: *const c_char,
        key_bytes: usize,
        error: *mut *mut c_char,
    ) -> *mut rocksdb_pinnableslice_t;
    pub(crate) fn rocksdb_pinnableslice_value(
        slice: *const rocksdb_pinnableslice_t,
        bytes: *mut usize,
    ) -> *const c_char;
    pub(crate) fn rocksdb_pinnableslice_destroy(slice: *mut rocksdb_pinnableslice_t);

    pub(crate) fn rocksdb_create_iterator(
        db: *mut rocksdb_t,
        options: *const rocksdb_readoptions_t,
    ) -> *mut rocksdb_iterator_t;
    pub(crate) fn rocksdb_iter_destroy(iterator: *mut rocksdb_iterator_t);
    pub(crate) fn rocksdb_iter_valid(iterator: *const rocksdb_iterator_t) -> c_uchar;
    pub(crate) fn rocksdb_iter_seek_to_first(iterator: *mut rocksdb_iterator_t);
    pub(crate) fn rocksdb_iter_seek_to_last(iterator: *mut rocksdb_iterator_t);
    pub(crate) fn rocksdb_iter_seek(iterator: *mut rocksdb_iterator_t, key: *const c_char, key_bytes: usize);
    pub(crate) fn rocksdb_iter_seek_for_prev(
        iterator: *mut rocksdb_iterator_t,
        key: *const c_char,
        key_bytes: usize,
    );
    pub(crate) fn rocksdb_iter_next(iterator: *mut rocksdb_iterator_t);
    pub(crate) fn rocksdb_iter_prev(iterator: *mut rocksdb_iterator_t);
    pub(crate) fn rocksdb_iter_key(iterator: *const rocksdb_iterator_t, bytes: *mut usize) -> *const c_char;
    pub(crate) fn rocksdb_iter_value(iterator: *const rocksdb_iterator_t, bytes: *mut usize)
    -> *const c_char;
    pub(crate) fn rocksdb_iter_get_error(iterator: *const rocksdb_iterator_t, error: *mut *mut c_char);

    pub(crate) fn rocksdb_options_set_WAL_ttl_seconds(options: *mut rocksdb_options_t, seconds: u64);
    pub(crate) fn rocksdb_get_latest_sequence_number(db: *mut rocksdb_t) -> u64;
    pub(crate) fn rocksdb_get_updates_since(
        db: *mut rocksdb_t,
        number: u64,
        options: *const rocksdb_wal_readoptions_t,
        error: *mut *mut c_char,
    ) -> *mut rocksdb_wal_iterator_t;
    pub(crate) fn rocksdb_wal_iter_next(iterator: *mut rocksdb_wal_iterator_t);
    pub(crate) fn rocksdb_wal_iter_valid(iterator: *const rocksdb_wal_iterator_t) -> c_uchar;
    pub(crate) fn rocksdb_wal_iter_get_batch(
        iterator: *const rocksdb_wal_iterator_t,
        number: *mut u64,
    ) -> *mut rocksdb_writebatch_t;
    pub(crate) fn rocksdb_wal_iter_destroy(iterator: *const rocksdb_wal_iterator_t);
    pub(crate) fn rocksdb_writebatch_count(batch: *mut rocksdb_writebatch_t) -> c_int;

    pub(crate) fn rocksdb_create_snapshot(db: *mut rocksdb_t) -> *const rocksdb_snapshot_t;
    pub(crate) fn rocksdb_release_snapshot(db: *mut rocksdb_t, snapshot: *const rocksdb_snapshot_t);

    pub(crate) fn rocksdb_checkpoint_object_create(
        db: *mut rocksdb_t,
        error: *mut *mut c_char,
    ) -> *mut rocksdb_checkpoint_t;
    pub(crate) fn rocksdb_checkpoint_create(
        checkpoint: *mut rocksdb_checkpoint_t,
        directory: *const c_char,
        log_bytes_for_flush: u64,
        error: *mut *mut c_char,
    );
    pub(crate) fn rocksdb_checkpoint_object_destroy(checkpoint: *mut rocksdb_checkpoint_t);

    pub(crate) fn rocksdb_create_column_family(
        db: *mut rocksdb_t,
        options: *const rocksdb_options_t,
        name: *const c_char,
        error: *mut *mut c_char,
    ) -> *mut rocksdb_column_family_handle_t;
    pub(crate) fn rocksdb_column_family_handle_destroy(family: *mut rocksdb_column_family_handle_t);
    pub(crate) fn rocksdb_put_cf(
        db: *mut rocksdb_t,
        options: *const rocksdb_writeoptions_t,
        family: *mut rocksdb_column_family_handle_t,
        key: *const c_char,
        key_bytes: usize,
        value: *const c_char,
        value_bytes: usize,
        error: *mut *mut c_char,
    );
    pub(crate) fn rocksdb_get_pinned_cf(
        db: *mut rocksdb_t,
        options: *const rocksdb_readoptions_t,
        family: *mut rocksdb_column_family_handle_t,
        key: *const c_char,
        key_bytes: usize,
        error: *mut *mut c_char,
    ) -> *mut rocksdb_pinnableslice_t;

    pub(crate) fn rocksdb_property_int(db: *mut rocksdb_t, name: *const c_char, value: *mut u64) -> c_int;
}
