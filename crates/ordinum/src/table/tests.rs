#![allow(clippy::cast_possible_truncation, reason = "test data")]

use std::path::Path;
use std::sync::Arc;

use fastrand::Rng;

use super::*;
use crate::cache::{BlockCache, CacheUse};
use crate::error::{Error, Result};
use crate::file_name::FileNumber;
use crate::fs::{Fs, MemoryFs};
use crate::iter::InternalIterator;
use crate::iter::model::{Entry, check, random_entries, random_key};
use crate::key::{Kind, compare, seek_trailer, split_trailer};

const NUMBER: FileNumber = FileNumber(7);

fn build(entries: &[Entry], options: &TableOptions) -> (Vec<u8>, TableSummary) {
    let fs = MemoryFs::new();
    let path = Path::new("/t");
    let mut builder = TableBuilder::new(fs.create(path).unwrap(), NUMBER, options);
    for (key, trailer, value) in entries {
        builder.add(key, *trailer, value).unwrap();
    }
    let summary = builder.finish().unwrap();
    (crate::fs::read_whole(&fs, path).unwrap(), summary)
}

fn open_as(bytes: &[u8], number: FileNumber) -> Result<Arc<TableReader>> {
    let fs = MemoryFs::new();
    let path = Path::new("/t");
    fs.create(path).unwrap().append(bytes).unwrap();
    let cache = Arc::new(BlockCache::new(1 << 20));
    TableReader::open(fs.open(path).unwrap(), number, path.into(), cache).map(Arc::new)
}

/// A block of these entries.
pub(crate) fn block_of(entries: &[(&[u8], u64, &[u8])], path: &Path) -> Block {
    let mut builder = block_builder::BlockBuilder::new();
    for (key, trailer, value) in entries {
        builder.add(key, *trailer, value);
    }
    Block::parse(builder.finish().to_vec(), path.into(), 0).unwrap()
}

fn open(bytes: &[u8]) -> Result<Arc<TableReader>> {
    open_as(bytes, NUMBER)
}

fn random_options(rng: &mut Rng) -> TableOptions {
    TableOptions {
        block_bytes: rng.usize(1..2000),
        index_block_bytes: rng.usize(1..2000),
        compression: rng.choice([Compression::None, Compression::Lz4, Compression::Zstd]).unwrap(),
        filter_bits_per_key: rng.u32(..12),
    }
}

fn get(table: &TableReader, key: &[u8], trailer: u64) -> Option<(u64, Vec<u8>)> {
    let found = table.get(key, trailer, hash_key(key)).unwrap();
    found.map(|(kind, seqno, value)| (crate::key::trailer(seqno, kind), value.to_vec()))
}

/// What `get` must return.
fn model_get(entries: &[Entry], key: &[u8], trailer: u64) -> Option<(u64, Vec<u8>)> {
    let at = entries.partition_point(|entry| compare((&entry.0, entry.1), (key, trailer)).is_lt());
    entries.get(at).filter(|entry| entry.0 == key).map(|entry| (entry.1, entry.2.clone()))
}

#[test]
fn a_table_returns_what_was_added() {
    for seed in 0..60 {
        println!("seed {seed}");
        let mut rng = Rng::with_seed(seed);
        let count = rng.usize(1..2000);
        let entries = random_entries(&mut rng, count);
        let (bytes, summary) = build(&entries, &random_options(&mut rng));
        let table = open(&bytes).unwrap();
        assert_eq!(table.verify().unwrap() as usize, bytes.len() - footer::FOOTER_BYTES);
        assert_eq!(summary.entries as usize, entries.len());
        assert_eq!(summary.bytes as usize, bytes.len());
        let seqnos = entries.iter().map(|entry| split_trailer(entry.1).0);
        assert_eq!(Some(summary.min_seqno), seqnos.clone().min());
        assert_eq!(Some(summary.max_seqno), seqnos.max());
        let deletions = entries.iter().filter(|entry| split_trailer(entry.1).1 == Kind::Delete as u8);
        assert_eq!(summary.deletions as usize, deletions.count());
        check(&mut table.iter(CacheUse::Fill), &entries, &mut rng, 2000);
        for entry in &entries {
            assert_eq!(get(&table, &entry.0, entry.1), Some((entry.1, entry.2.clone())));
        }
        for _ in 0..500 {
            let (key, trailer) = (random_key(&mut rng), rng.u64(..256 * 200));
            assert_eq!(get(&table, &key, trailer), model_get(&entries, &key, trailer));
        }
    }
}

#[test]
fn a_block_returns_what_was_added() {
    for seed in 0..60 {
        println!("seed {seed}");
        let mut rng = Rng::with_seed(seed);
        let count = rng.usize(1..300);
        let entries = random_entries(&mut rng, count);
        let mut builder = block_builder::BlockBuilder::new();
        for (key, trailer, value) in &entries {
            builder.add(key, *trailer, value);
        }
        let block = Block::parse(builder.finish().to_vec(), Path::new("/t").into(), 0).unwrap();
        check(&mut BlockIter::new(Arc::new(block)), &entries, &mut rng, 3000);
    }
}

/// Every change of one byte is found by `verify`, and no read before that gives a wrong answer or panics.
#[test]
fn every_flipped_byte_is_detected() {
    let mut rng = Rng::with_seed(1);
    let entries = random_entries(&mut rng, 60);
    let options = TableOptions { block_bytes: 200, index_block_bytes: 60, ..TableOptions::default() };
    let (good, _) = build(&entries, &options);
    for at in 0..good.len() {
        let mut bytes = good.clone();
        bytes[at] ^= 1 << rng.u32(..8);
        let Ok(table) = open(&bytes) else { continue };
        assert!(matches!(table.verify(), Err(Error::Corrupt { .. })), "byte {at} of {}", good.len());
        let mut iter = table.iter(CacheUse::Fill);
        let mut more = iter.first();
        let mut index = 0;
        while let Ok(true) = more {
            assert_eq!((iter.user_key(), iter.value()), (&entries[index].0[..], &entries[index].2[..]));
            index += 1;
            more = iter.next();
        }
        assert!(more.is_err() || index == entries.len());
        for entry in &entries {
            if let Ok(found) = table.get(&entry.0, entry.1, hash_key(&entry.0)) {
                assert_eq!(found.map(|(_, _, value)| value.to_vec()), Some(entry.2.clone()));
            }
        }
    }
}

#[test]
fn a_truncated_or_foreign_file_is_refused() {
    let entries = random_entries(&mut Rng::with_seed(2), 100);
    let (good, _) = build(&entries, &TableOptions::default());
    for len in 0..good.len() {
        assert!(matches!(open(&good[..len]), Err(Error::Corrupt { .. })), "{len} bytes");
    }
    assert!(matches!(open_as(&good, FileNumber(8)), Err(Error::Corrupt { .. })));
    // The tail of the file is right, but its blocks stand elsewhere.
    assert!(open(&[&[0; 5], &good[..]].concat()).is_err());
}

#[test]
fn a_newer_format_is_refused_by_the_name_of_its_writer() {
    let entries = random_entries(&mut Rng::with_seed(3), 10);
    let (good, _) = build(&entries, &TableOptions::default());
    for field in [56, 80] {
        let mut bytes = good.clone();
        let footer_at = bytes.len() - footer::FOOTER_BYTES;
        bytes[footer_at + field] ^= 0x80;
        bytes[footer_at + 64..footer_at + 80].copy_from_slice(b"9.8.7\0\0\0\0\0\0\0\0\0\0\0");
        let sum = block_file::checksum(NUMBER, footer_at as u64, &[&bytes[footer_at..footer_at + 100]])
            .to_le_bytes();
        bytes[footer_at + 100..footer_at + 104].copy_from_slice(&sum);
        let Err(Error::UnknownFormat { written_by, .. }) = open(&bytes) else { panic!("field {field}") };
        assert_eq!(written_by, "9.8.7");
    }
}

#[test]
fn filters_have_few_false_positives_and_no_false_negatives() {
    for (bits_per_key, limit_percent) in [(1, 75.0), (5, 12.0), (10, 1.5), (16, 0.25)] {
        let hash = |number: u64| hash_key(&number.to_be_bytes());
        let mut hashes = key_hashes::KeyHashes::default();
        (0..50_000).map(hash).for_each(|hash| hashes.push(hash));
        assert!(hashes.len() == 50_000 && hashes.iter().eq((0..50_000).map(hash)));
        let filter = filter::Filter::parse(filter::build(&hashes, bits_per_key)).unwrap();
        assert!(hashes.iter().all(|hash| filter.may_contain(hash)));
        let wrong = (50_000..150_000).filter(|number| filter.may_contain(hash(*number))).count();
        let percent = wrong as f64 / 1000.0;
        println!("{bits_per_key} bits a key: {percent} % false positives");
        assert!(percent < limit_percent);
    }
}

#[test]
fn the_filter_spares_reading_blocks() {
    let entries = random_entries(&mut Rng::with_seed(4), 1000);
    for (filter_bits_per_key, reads_expected) in [(0, true), (20, false)] {
        let options = TableOptions { filter_bits_per_key, ..TableOptions::default() };
        let (bytes, _) = build(&entries, &options);
        let fs = MemoryFs::new();
        fs.create(Path::new("/t")).unwrap().append(&bytes).unwrap();
        let cache = Arc::new(BlockCache::new(1 << 20));
        let file = fs.open(Path::new("/t")).unwrap();
        let table = TableReader::open(file, NUMBER, Path::new("/t").into(), Arc::clone(&cache)).unwrap();
        assert_eq!(get(&table, b"aaaaaaaaaaaaaaaa", seek_trailer(crate::key::SeqNo::MAX)), None);
        assert_eq!(cache.stats().misses > 0, reads_expected);
    }
}

#[test]
fn the_cache_keeps_its_bound_and_pinned_values_stay() {
    let entries: Vec<Entry> =
        (0..5000_u32).map(|n| (n.to_be_bytes().to_vec(), 256 + 1, vec![n as u8; 100])).collect();
    let (bytes, _) =
        build(&entries, &TableOptions { compression: Compression::None, ..TableOptions::default() });
    let fs = MemoryFs::new();
    fs.create(Path::new("/t")).unwrap().append(&bytes).unwrap();
    let cache = Arc::new(BlockCache::new(100_000));
    let file = fs.open(Path::new("/t")).unwrap();
    let table = TableReader::open(file, NUMBER, Path::new("/t").into(), Arc::clone(&cache)).unwrap();
    let values: Vec<_> = entries
        .iter()
        .map(|entry| table.get(&entry.0, u64::MAX, hash_key(&entry.0)).unwrap().unwrap().2)
        .collect();
    let stats = cache.stats();
    assert!(stats.bytes <= 100_000);
    assert!(stats.hits > stats.misses);
    for (value, entry) in values.iter().zip(&entries) {
        assert_eq!(**value, entry.2);
    }
}

#[test]
fn entries_out_of_order_are_a_bug_of_the_caller() {
    let fs = MemoryFs::new();
    let file = fs.create(Path::new("/t")).unwrap();
    let mut builder = TableBuilder::new(file, NUMBER, &TableOptions::default());
    builder.add(b"b", 512, b"").unwrap();
    assert!(matches!(builder.add(b"b", 512, b""), Err(Error::Bug { .. })));
    assert!(matches!(builder.add(b"a", 256, b""), Err(Error::Bug { .. })));
    builder.add(b"b", 256, b"").unwrap();
}

/// Damage that checksums do not cover, as a file that was made to hurt has it: blocks are parsed with care anyway.
#[test]
fn a_malformed_block_never_panics() {
    for seed in 0..300 {
        let mut rng = Rng::with_seed(seed);
        let count = rng.usize(1..40);
        let mut builder = block_builder::BlockBuilder::new();
        for (key, trailer, value) in random_entries(&mut rng, count) {
            builder.add(&key, trailer, &value);
        }
        let mut bytes = builder.finish().to_vec();
        for _ in 0..rng.usize(1..4) {
            let at = rng.usize(..bytes.len());
            bytes[at] = if rng.bool() { rng.u8(..) } else { bytes[at] ^ 1 };
        }
        bytes.truncate(rng.usize(bytes.len() / 2..=bytes.len()));
        drop(crate::fuzz_targets::fuzz_block(&bytes));
    }
}

/// The example of docs/FORMAT.md, byte for byte.
#[test]
fn the_documented_block() {
    let mut builder = block_builder::BlockBuilder::new();
    builder.add(b"apple", 9 << 8 | 1, b"red");
    builder.add(b"apple", 7 << 8, b"");
    builder.add(b"apply", 8 << 8 | 1, b"green");
    let documented: &[&[u8]] = &[
        b"appl",
        b"\x01\x02red",
        b"\x00\x00",
        b"\x01\x01green",
        b"\x04\0\0\0",
        b"\x05\x02\x07",
        b"\x01\0\0\0",
        b"\0\0\0\0",
        b"\0\0\0e\0\0\0e\0\0\0y",
        b"\x00\x07\0\0\0\0\0\0\x03\0\0\0\x04\0\0\0\x04\x01\x02",
    ];
    assert_eq!(builder.finish().escape_ascii().to_string(), documented.concat().escape_ascii().to_string());
}

/// A block of these keys, which are looked up by their hashes.
fn hashed_block(keys: &[String]) -> (Vec<u8>, Block) {
    let mut builder = block_builder::BlockBuilder::new();
    for key in keys {
        builder.hash_next(hash_key(key.as_bytes()));
        builder.add(key.as_bytes(), 9 << 8 | 1, b"");
    }
    let bytes = builder.finish().to_vec();
    let block = Block::parse(bytes.clone(), Path::new("/t").into(), 0).unwrap();
    (bytes, block)
}

#[test]
fn a_key_is_looked_for_where_its_hash_says() {
    let keys: Vec<String> = (0..48).map(|n| format!("key {n:02}")).collect();
    let (_, block) = hashed_block(&keys);
    let finds = |key: &str, hash| block.find(key.as_bytes(), u64::MAX, hash).unwrap().is_some();
    assert!(keys.iter().all(|key| finds(key, hash_key(key.as_bytes()))));
    // Under the hash of another key it is found only where several keys share a bucket, which sends to a search.
    let elsewhere = (0..1000u32).filter(|n| finds(&keys[7], hash_key(&n.to_le_bytes()))).count();
    assert!(elsewhere < 500, "{elsewhere} of 1000");
}

#[test]
fn what_the_keys_of_a_group_share_is_written_once() {
    let keys: Vec<String> = (0..64).map(|n| format!("{:04}{:x<100}{:02}", n / 16, "", n % 16)).collect();
    let (bytes, block) = hashed_block(&keys);
    assert!(
        keys.iter()
            .all(|key| { block.find(key.as_bytes(), u64::MAX, hash_key(key.as_bytes())).unwrap().is_some() })
    );
    assert!(bytes.len() < 64 * 25, "{} bytes for 64 keys of 106", bytes.len());
}

/// The example that docs/FORMAT.md had for the first format.
#[test]
fn blocks_of_the_first_format_are_read() {
    let former: &[&[u8]] = &[
        b"\x00\x05\x03\x01\x09\0\0\0\0\0\0applered",
        b"\x05\x00\x00\x00\x07\0\0\0\0\0\0",
        b"\x04\x01\x05\x01\x08\0\0\0\0\0\0ygreen",
        b"\0\0\0\0\x01\0\0\0",
    ];
    let former = former.concat();
    let block = Block::parse(block_v1::rewrite(&former).unwrap(), Path::new("/t").into(), 0).unwrap();
    let model: Vec<Entry> = vec![
        (b"apple".to_vec(), 9 << 8 | 1, b"red".to_vec()),
        (b"apple".to_vec(), 7 << 8, Vec::new()),
        (b"apply".to_vec(), 8 << 8 | 1, b"green".to_vec()),
    ];
    check(&mut BlockIter::new(Arc::new(block)), &model, &mut Rng::with_seed(5), 1000);
    for len in 0..former.len() {
        drop(block_v1::rewrite(&former[..len]));
    }
}

/// The option is not ignored, and contents that shrink beyond what a reader believes are kept readable.
#[test]
fn what_compression_says_is_done() {
    let mut rng = Rng::with_seed(6);
    // Text that LZ4 finds no repetition in, and a code of variable length shrinks.
    let value: Vec<u8> = (0..2000).map(|_| b"aaaaaaaabcdefghi"[rng.usize(..16)]).collect();
    let entries: Vec<Entry> = (0..50_u8).map(|n| (vec![n], 1 << 8 | 1, value.clone())).collect();
    let len = |compression| {
        let options = TableOptions { compression, block_bytes: 1, ..TableOptions::default() };
        let (bytes, _) = build(&entries, &options);
        open(&bytes).unwrap().verify().unwrap();
        bytes.len()
    };
    let [none, lz4, zstd] = [Compression::None, Compression::Lz4, Compression::Zstd].map(len);
    assert!(lz4 < none, "{lz4} {none}");
    assert!(zstd < lz4 * 4 / 5, "{zstd} {lz4}");
    let zeros: Vec<Entry> = vec![(vec![1], 1 << 8 | 1, vec![0; 1 << 20])];
    let (bytes, _) =
        build(&zeros, &TableOptions { compression: Compression::Zstd, ..TableOptions::default() });
    open(&bytes).unwrap().verify().unwrap();
    assert!(bytes.len() < 10_000);
}

/// Keys of an entity share what comes before the last bytes of their numbers; those of two share next to nothing, and then no head tells
/// one separator from another.
#[test]
fn index_partitions_end_where_keys_of_another_kind_begin() {
    let options = TableOptions { block_bytes: 256, ..TableOptions::default() };
    let keys = || (2..5_u32).flat_map(|kind| (0..2000_u64).map(move |number| (kind, number)));
    let key_of = |(kind, number): (u32, u64)| [&kind.to_be_bytes()[..], &number.to_be_bytes()].concat();
    let entries: Vec<Entry> = keys().map(|key| (key_of(key), 1 << 8, b"value".to_vec())).collect();
    let table = open(&build(&entries, &options).0).unwrap();
    let partitions = table.top_index.entries();
    assert_eq!(partitions, 3);
    for number in 0..partitions {
        let partition = table.partition(number).unwrap();
        assert!(partition.entries() > builder::PARTITION_ENTRIES_MIN);
        assert!(partition.prefix().len() >= 10, "partition {number} begins with {:?}", partition.prefix());
    }
    for key in keys() {
        assert!(get(&table, &key_of(key), u64::MAX).is_some(), "{key:?}");
    }
    // A few of each kind are no partition.
    let few: Vec<Entry> =
        keys().filter(|(_, number)| *number < 100).map(|key| (key_of(key), 1 << 8, vec![])).collect();
    assert_eq!(open(&build(&few, &options).0).unwrap().top_index.entries(), 1);
}
