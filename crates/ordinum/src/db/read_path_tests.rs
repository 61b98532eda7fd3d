//! What reads and logs cost, as far as it can be counted: pieces that are read ahead, blocks that are shared, values that are not
//! copied, files that are written over.

#![allow(clippy::cast_possible_truncation, reason = "test data")]

use std::os::unix::fs::MetadataExt;
use std::sync::Arc;

use super::*;
use crate::entropy::Entropy;
use crate::fs::{FaultFs, Fs, MemoryFs, OsFs};
use crate::options::{Background, LogWriting};
use crate::table::Compression;
use crate::version::LEVELS;

const BLOCK_BYTES: usize = 4 << 10;

fn options(fs: &FaultFs, compression: [Compression; LEVELS]) -> Options {
    let family_defaults = FamilyOptions { compression, block_bytes: BLOCK_BYTES, ..FamilyOptions::default() };
    Options {
        fs: Arc::new(fs.clone()),
        background: Background::Manual,
        family_defaults,
        ..Options::default()
    }
}

fn key(n: u32) -> [u8; 4] {
    n.to_be_bytes()
}

/// A family with one table of the keys below `keys`, each with a value of a hundred bytes.
fn table_of(db: &Db, keys: u32) -> ColumnFamily {
    let family = db.default_column_family();
    let mut batch = Batch::new();
    for n in 0..keys {
        batch.put(&family, &key(n), format!("{n:0100}").as_bytes()).unwrap();
    }
    db.write(batch, Durability::Buffered).unwrap();
    db.flush(&family).unwrap();
    family
}

/// A database that was opened anew: nothing of its table of so many keys is in memory.
fn opened(keys: u32, change: impl Fn(&mut Options)) -> (FaultFs, Db, ColumnFamily) {
    let fs = FaultFs::new(Arc::new(MemoryFs::new()));
    let mut options = options(&fs, [Compression::None; LEVELS]);
    change(&mut options);
    table_of(&Db::open("/db", options.clone()).unwrap(), keys);
    let db = Db::open("/db", options).unwrap();
    let family = db.default_column_family();
    (fs, db, family)
}

/// The reads of files that `work` takes.
fn reads(fs: &FaultFs, work: impl FnOnce()) -> u64 {
    let before = fs.reads();
    work();
    fs.reads() - before
}

#[test]
fn scans_read_ahead_both_ways_and_gets_do_not() {
    const KEYS: u32 = 20_000;
    let blocks = u64::from(KEYS) * 110 / BLOCK_BYTES as u64;
    for is_back in [false, true] {
        let (fs, db, family) = opened(KEYS, |_| {});
        let mut cursor = db.cursor(&family, KeyRange::all()).unwrap();
        let scan = reads(&fs, || {
            let mut more = if is_back { cursor.last() } else { cursor.first() }.unwrap();
            let mut seen = 0;
            while more {
                seen += 1;
                more = if is_back { cursor.prev() } else { cursor.next() }.unwrap();
            }
            assert_eq!(seen, KEYS);
        });
        assert!(scan < blocks / 8, "back {is_back}: {scan} reads of {blocks} blocks");
    }
    let (fs, db, family) = opened(KEYS, |_| {});
    let gets = reads(&fs, || {
        for n in (0..KEYS).step_by(200) {
            assert!(db.get(&family, &key(n)).unwrap().is_some());
        }
    });
    assert!((100..=120).contains(&gets), "{gets} reads of 100 blocks and a few of the index");
}

#[test]
fn of_a_long_index_only_the_parts_that_are_asked_for_are_read() {
    let (fs, db, family) = opened(60_000, |options| {
        options.family_defaults.block_bytes = 256;
        options.family_defaults.filter_bits_per_key = 0;
    });
    let get = |n: u32| reads(&fs, || assert!(db.get(&family, &key(n)).unwrap().is_some()));
    assert!(get(0) > 2, "the table is opened");
    assert_eq!(get(59_000), 2, "a part of the index and a block");
    assert_eq!(get(58_990), 1, "a block");
    assert_eq!(get(58_990), 0);
}

#[test]
fn a_long_scan_leaves_the_cache_to_others() {
    let (_, db, family) = opened(40_000, |options| options.block_cache_bytes = 2 << 20);
    let mut cursor = db.cursor(&family, KeyRange::all()).unwrap();
    let mut more = cursor.first().unwrap();
    while more {
        more = cursor.next().unwrap();
    }
    let scanned = db.stats().cache_bytes;
    assert!((64 << 10..=320 << 10).contains(&scanned), "{scanned}");
    for n in (0..40_000).step_by(7) {
        assert!(db.get(&family, &key(n)).unwrap().is_some());
    }
    let stats = db.stats();
    let all = stats.cache_bytes + stats.cache_pinned_bytes;
    assert!((1 << 20..=(2 << 20) + (64 << 10)).contains(&all), "as much as the option says: {stats:?}");
}

#[test]
fn what_is_read_lies_where_it_lay() {
    let (_, db, family) = opened(100, |_| {});
    let [one, two] = [(); 2].map(|()| db.get(&family, &key(7)).unwrap().unwrap());
    assert_eq!(one.as_ptr(), two.as_ptr(), "in its block");
    assert_eq!(db.multi_get(&family, &[&key(7)]).unwrap()[0].as_ref().unwrap().as_ptr(), one.as_ptr());
    let mut batch = Batch::new();
    batch.put(&family, b"large", &[b'v'; 5000]).unwrap();
    db.write(batch, Durability::Buffered).unwrap();
    let [large, again] = [(); 2].map(|()| db.get(&family, b"large").unwrap().unwrap());
    assert_eq!(large.as_ptr(), again.as_ptr(), "in the memtable");
    // It stays there whatever becomes of the memtable, the table and the database.
    db.flush_all().unwrap();
    db.compact_range(&family, KeyRange::all()).unwrap();
    db.close().unwrap();
    drop((db, family));
    assert_eq!(one.as_ref(), format!("{:0100}", 7).as_bytes());
    assert_eq!(large.as_ref(), [b'v'; 5000]);
}

#[test]
fn each_level_is_compressed_as_its_option_says() {
    let sizes = |level0: Compression, deepest: Compression| {
        let mut compression = [Compression::None; LEVELS];
        (compression[0], compression[LEVELS - 1]) = (level0, deepest);
        let fs = FaultFs::new(Arc::new(MemoryFs::new()));
        let db = Db::open("/db", options(&fs, compression)).unwrap();
        let family = table_of(&db, 5000);
        let bytes = |level: usize| db.stats().families[0].levels[level].bytes;
        let flushed = bytes(0);
        db.compact_range(&family, KeyRange::all()).unwrap();
        (flushed, bytes(LEVELS - 1))
    };
    let (plain, zstd) = sizes(Compression::None, Compression::Zstd);
    let (lz4, plain_below) = sizes(Compression::Lz4, Compression::None);
    assert!(plain > 500_000 && plain_below > 500_000, "{plain} {plain_below}");
    assert!(lz4 < plain / 3 && zstd < lz4, "{plain} {lz4} {zstd}");
}

/// Logs in a directory of the operating system: their file numbers there, and what each takes on the disk.
fn logs(directory: &Path) -> Vec<(u64, u64)> {
    let names = OsFs.list(directory).unwrap();
    let logs = names.iter().filter(|name| name.ends_with(".log"));
    let metadata = logs.map(|name| std::fs::metadata(directory.join(name)).unwrap());
    metadata.map(|metadata| (metadata.ino(), 512 * metadata.blocks())).collect()
}

#[test]
fn logs_have_room_ahead_and_are_written_over() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("db");
    let options =
        Options { background: Background::Manual, log_segment_bytes: 256 << 10, ..Options::default() };
    let db = Db::open(&path, options).unwrap();
    let family = db.default_column_family();
    let put = |n: u32| {
        let mut batch = Batch::new();
        batch.put(&family, &key(n), &[b'v'; 1000]).unwrap();
        db.write(batch, Durability::Buffered).unwrap();
    };
    put(0);
    let [(_, bytes)] = logs(&path)[..] else { panic!("one log") };
    assert!(bytes >= 64 << 10, "{bytes} for a kilobyte");
    let mut files = std::collections::BTreeSet::new();
    for n in 1..3000 {
        put(n);
        if n % 300 == 0 {
            // As the background does it: the log is not left before it is full.
            db.core().flush_family(&family).unwrap();
        }
        files.extend(logs(&path).iter().map(|(file, _)| *file));
    }
    assert!((2..=5).contains(&files.len()), "three megabytes in logs of 256 KiB: {files:?}");
}

#[test]
fn a_log_is_mapped_if_the_option_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let probe = OsFs.create(&directory.path().join("probe")).unwrap();
    probe.make_room(1 << 20).unwrap();
    let can_map = probe.map(1 << 20);
    for log_writing in [LogWriting::Calls, LogWriting::Mapped] {
        let path = directory.path().join(format!("{log_writing:?}"));
        let db = Db::open(&path, Options { log_writing, ..Options::default() }).unwrap();
        let mut batch = Batch::new();
        batch.put(&db.default_column_family(), b"key", b"value").unwrap();
        db.write(batch, Durability::Buffered).unwrap();
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        let is_mapped =
            maps.lines().any(|line| line.contains(path.to_str().unwrap()) && line.ends_with(".log"));
        assert_eq!(is_mapped, can_map && log_writing == LogWriting::Mapped, "{log_writing:?}");
    }
}

/// Always the same.
#[derive(Debug)]
struct Fixed(u8);

impl Entropy for Fixed {
    fn fill(&self, bytes: &mut [u8]) -> Result<()> {
        bytes.fill(self.0);
        Ok(())
    }
}

#[test]
fn random_bytes_are_those_of_the_option() {
    let history = |n: u8| {
        let fs = Arc::new(MemoryFs::new());
        let options =
            Options { fs, entropy: Arc::new(Fixed(n)), background: Background::Manual, ..Options::default() };
        Db::open("/db", options).unwrap().history()
    };
    assert_eq!(history(1), history(1));
    assert_ne!(history(1), history(2));
}
