#![allow(clippy::cast_possible_truncation, reason = "test data")]

use super::*;
use crate::compaction::CompactionStyle;
use crate::fs::{Fault, FaultFs, Fs, MemoryFs, PowerLoss};
use crate::version::LiveTable;
use crate::{Background, Batch, Compression, Db, Durability, KeyRange, Reader, SeqNo};

fn options(fs: impl Fs + 'static) -> Options {
    Options {
        fs: Arc::new(fs),
        background: Background::Manual,
        log_segment_bytes: 16 << 10,
        ..Options::default()
    }
}

fn put(db: &Db, family: &ColumnFamily, key: u32, value: &[u8]) -> Result<SeqNo> {
    let mut batch = Batch::new();
    batch.put(family, &key.to_be_bytes(), value)?;
    db.write(batch, Durability::Synced)
}

/// What a family looks like after some entries were written to it, flushed and compacted.
#[derive(Debug)]
struct Seen {
    bytes: u64,
    data_blocks: u64,
    tables: usize,
    filters: usize,
    value_logs: usize,
    flushes: u64,
    log_moves: bool,
}

fn see(change: impl Fn(&mut FamilyOptions)) -> Seen {
    let fs = MemoryFs::new();
    let db = Db::open("/db", options(fs.clone())).unwrap();
    let family = db.default_column_family();
    let mut options = FamilyOptions::clone(&family.options());
    change(&mut options);
    db.set_family_options(&family, options).unwrap();
    for key in 0..400 {
        put(&db, &family, key, &[b'v'; 100]).unwrap();
        while db.run_background_step().unwrap() {}
    }
    let flushes = db.stats().flushes;
    let log_moves =
        fs.list(Path::new("/db")).unwrap().iter().filter(|name| name.ends_with(".log")).count() < 3;
    db.compact_range(&family, KeyRange::all()).unwrap();
    let levels = Arc::clone(&family.family.view.load().levels);
    let readers = || levels.tables().map(|table: &Arc<LiveTable>| table.reader().unwrap());
    Seen {
        bytes: levels.tables().map(|table| table.meta().bytes).sum(),
        data_blocks: readers().map(|reader| reader.properties.data_blocks).sum(),
        tables: levels.tables().count(),
        filters: readers().filter(|reader| reader.filter.is_some()).count(),
        value_logs: fs.list(Path::new("/db")).unwrap().iter().filter(|name| name.ends_with(".val")).count(),
        flushes,
        log_moves,
    }
}

#[test]
fn what_is_written_from_then_on_has_the_options() {
    let before = see(|_| {});
    assert!(before.tables == 1 && before.filters == 1 && before.flushes == 0 && !before.log_moves);
    assert!(see(|options| options.compression = [Compression::None; 7]).bytes > 2 * before.bytes);
    assert!(see(|options| options.filter_bits_per_key = 0).filters == 0);
    assert!(see(|options| options.block_bytes = 512).data_blocks > 4 * before.data_blocks);
    assert!(see(|options| options.separate_values_from_bytes = Some(100)).value_logs > before.value_logs);
    let cut = see(|options| {
        options.table_bytes_target = 4 << 10;
        options.compression = [Compression::None; 7];
    });
    assert!(cut.tables > 5, "{cut:?}");
    // The memtable that is written has the size at once.
    let small = see(|options| options.write_buffer_bytes = 8 << 10);
    assert!(small.flushes > 3, "{small:?}");
    assert!(small.log_moves, "its logs go: {small:?}");
}

#[test]
fn writes_are_held_back_as_the_options_say() {
    let held_back = |change: &dyn Fn(&mut FamilyOptions)| {
        let db = Db::open("/db", options(MemoryFs::new())).unwrap();
        let family = db.default_column_family();
        let mut options = FamilyOptions { write_buffer_bytes: 8 << 10, ..FamilyOptions::default() };
        options.immutable_memtables_max = 60;
        change(&mut options);
        db.set_family_options(&family, options).unwrap();
        for key in 0..1500 {
            put(&db, &family, key, &[b'v'; 100]).unwrap();
        }
        (db.stats().stalls, db.stats().compactions)
    };
    assert_eq!(held_back(&|_| {}).0, 0);
    assert!(held_back(&|options| options.immutable_memtables_max = 1).0 > 5);
}

#[test]
fn they_are_durable_and_an_opening_that_names_the_family_has_its_own() {
    let fs = MemoryFs::new();
    let chosen = FamilyOptions {
        write_buffer_bytes: 123 << 10,
        immutable_memtables_max: 7,
        block_bytes: 1000,
        compression: std::array::from_fn(|level| {
            [Compression::None, Compression::Lz4, Compression::Zstd][level % 3]
        }),
        separate_values_from_bytes: Some(777),
        value_compression: Compression::Zstd,
        value_garbage_percent: 33,
        filter_bits_per_key: 11,
        level0_tables_trigger: 5,
        level0_tables_busy: 9,
        level0_tables_slowdown: 19,
        level0_tables_max: 39,
        pending_bytes_slowdown: 5 << 30,
        pending_bytes_max: 17 << 30,
        garbage_percent: 44,
        level_base_bytes: 55 << 20,
        table_bytes_target: 66 << 20,
        compaction_style: CompactionStyle::Fifo { time_to_live: std::time::Duration::from_millis(1234) },
        range_index: false,
        ..FamilyOptions::default()
    };
    let text = |options: &FamilyOptions| format!("{options:?}");
    {
        let db = Db::open("/db", options(fs.clone())).unwrap();
        let family = db.create_column_family("changed", FamilyOptions::default()).unwrap();
        db.create_column_family("other", FamilyOptions::default()).unwrap();
        db.set_family_options(&family, chosen.clone()).unwrap();
        assert_eq!(text(&family.options()), text(&chosen));
        db.checkpoint("/copy").unwrap();
    }
    for directory in ["/db", "/db", "/copy"] {
        let db = Db::open(directory, options(fs.clone())).unwrap();
        assert_eq!(text(&db.column_family("changed").unwrap().options()), text(&chosen));
        assert_eq!(text(&db.column_family("other").unwrap().options()), text(&FamilyOptions::default()));
    }
    let named = FamilyOptions { block_bytes: 2222, ..FamilyOptions::default() };
    let naming = Options { families: [("changed".to_owned(), named)].into(), ..options(fs.clone()) };
    assert_eq!(
        Db::open("/db", naming).unwrap().column_family("changed").unwrap().options().block_bytes,
        2222
    );
    assert_eq!(
        Db::open("/db", options(fs)).unwrap().column_family("changed").unwrap().options().block_bytes,
        1000
    );
}

#[test]
fn what_cannot_change_is_refused() {
    let db = Db::open("/db", options(MemoryFs::new())).unwrap();
    let family = db.create_column_family("family", FamilyOptions::default()).unwrap();
    for refused in [
        FamilyOptions { block_bytes: 1, ..FamilyOptions::default() },
        FamilyOptions { value_garbage_percent: 0, ..FamilyOptions::default() },
        FamilyOptions { level0_tables_max: 1, ..FamilyOptions::default() },
    ] {
        assert!(matches!(db.set_family_options(&family, refused), Err(Error::InvalidArgument { .. })));
    }
    db.drop_column_family(&family).unwrap();
    let dropped = db.set_family_options(&family, FamilyOptions::default());
    assert!(matches!(dropped, Err(Error::FamilyDropped { .. })));
}

#[test]
fn a_crash_leaves_the_old_options_or_the_new_ones() {
    for seed in 0..24u64 {
        let memory = MemoryFs::new();
        let faults = FaultFs::new(Arc::new(memory.clone()));
        let db = Db::open("/db", options(faults.clone())).unwrap();
        let family = db.default_column_family();
        put(&db, &family, 1, b"value").unwrap();
        faults.fail_after(1 + seed % 12, Fault::PowerCut);
        let chosen = FamilyOptions { block_bytes: 999, ..FamilyOptions::default() };
        let set = db.set_family_options(&family, chosen);
        drop((db, family));
        faults.clear();
        memory.lose_power(PowerLoss::Tear { seed });
        let db = Db::open("/db", options(faults)).unwrap();
        let found = db.default_column_family().options().block_bytes;
        assert!(found == 999 || set.is_err() && found == FamilyOptions::default().block_bytes, "seed {seed}");
        assert!(db.get(&db.default_column_family(), &1u32.to_be_bytes()).unwrap().is_some());
    }
}
