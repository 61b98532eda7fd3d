#![allow(clippy::cast_possible_truncation, reason = "test data")]

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::error::Error;
use crate::file_name::FileNumber;
use crate::fs::{MemoryFs, PowerLoss, RandomAccessFile, read_whole};
use crate::key::SeqNo;
use crate::options::LogWriting;

const NUMBER: FileNumber = FileNumber(7);

/// A log of three records; the first is durable when the second is written.
fn log() -> (Vec<u8>, Vec<u64>) {
    let fs = MemoryFs::new();
    let mut writer =
        LogWriter::create(&fs, Path::new("/d"), NUMBER, SeqNo::new(4).unwrap(), None, LogWriting::Calls)
            .unwrap();
    let mut ends = vec![writer.end()];
    for n in 5..8 {
        let payload = Payload::new(RecordKind::Batch, [b"pay", b"load", b"", b""]).unwrap();
        writer.append(&payload, SeqNo::new(n).unwrap()).unwrap();
        ends.push(writer.end());
        writer.hand_over().unwrap();
        if n == 5 {
            writer.segment().sync().unwrap();
            writer.segment().attest(writer.end());
        }
    }
    (read_whole(&fs, Path::new("/d/000007.log")).unwrap(), ends)
}

fn seqnos(bytes: &[u8], end: LogEnd) -> Result<Vec<u64>, Error> {
    let (records, _) = read_log(bytes, NUMBER, Path::new("000007.log"), end)?;
    assert!(records.iter().all(|record| &bytes[record.payload.clone()] == b"payload"));
    Ok(records.iter().map(|record| record.seqno.get()).collect())
}

#[test]
fn a_log_torn_anywhere_behind_the_durable_part_ends_there() {
    let (bytes, ends) = log();
    assert_eq!(seqnos(&bytes, LogEnd::Cut).unwrap(), [5, 6, 7]);
    for len in ends[1] as usize..bytes.len() {
        let whole = ends[1..].iter().filter(|end| **end <= len as u64).count();
        assert_eq!(seqnos(&bytes[..len], LogEnd::Cut).unwrap().len(), whole);
        assert!(seqnos(&bytes[..len], LogEnd::At(bytes.len() as u64)).is_err());
    }
}

#[test]
fn a_flipped_bit_below_a_durable_offset_is_damage_with_its_place() {
    let (bytes, ends) = log();
    for at in 0..bytes.len() {
        let mut bad = bytes.clone();
        bad[at] ^= 0x10;
        let result = seqnos(&bad, LogEnd::Cut);
        if at < ends[0] as usize {
            assert!(matches!(result, Err(Error::Corrupt { .. } | Error::UnknownFormat { .. })), "byte {at}");
        } else if at < ends[1] as usize {
            assert!(matches!(result, Err(Error::Corrupt { offset, .. }) if offset == ends[0]), "byte {at}");
        } else {
            assert!(result.unwrap().len() < 3, "byte {at}");
        }
    }
}

#[test]
fn a_record_of_another_log_or_place_is_not_a_record() {
    let (bytes, ends) = log();
    let path = Path::new("000008.log");
    assert!(matches!(
        read_log(&bytes, FileNumber(8), path, LogEnd::Cut),
        Err(Error::Corrupt { offset: 20, .. })
    ));
    let mut moved = bytes[..ends[2] as usize].to_vec();
    moved.extend_from_slice(&bytes[ends[1] as usize..ends[2] as usize]);
    assert_eq!(seqnos(&moved, LogEnd::Cut).unwrap(), [5, 6]);
}

/// A log of as many records, each of them synced or none.
fn long_log(fs: &MemoryFs, records: u64, synced: bool) -> LogWriter {
    let base = SeqNo::new(4).unwrap();
    let mut writer = LogWriter::create(fs, Path::new("/d"), NUMBER, base, None, LogWriting::Calls).unwrap();
    for n in 5..5 + records {
        let payload = Payload::new(RecordKind::Batch, [b"pay", b"load", b"", b""]).unwrap();
        writer.make_room(payload.record_bytes()).unwrap();
        writer.append(&payload, SeqNo::new(n).unwrap()).unwrap();
        if synced {
            writer.hand_over().unwrap();
            writer.segment().sync().unwrap();
            writer.segment().attest(writer.end());
        }
    }
    writer
}

#[test]
fn a_log_that_is_synced_record_by_record_is_filled_ahead() {
    let fs = MemoryFs::new();
    let path = Path::new("/d/000007.log");
    let writer = long_log(&fs, 2000, true);
    let bytes = read_whole(&fs, path).unwrap();
    let (records, behind) = bytes.split_at(writer.end() as usize);
    assert!(behind.len() > 100 && behind.iter().all(|byte| *byte == 0), "{}", behind.len());
    assert!(!records.ends_with(&[0; 16]));
    assert_eq!(seqnos(&bytes, LogEnd::Cut).unwrap(), (5..2005).collect::<Vec<_>>());
    for seed in 0..20 {
        let fs = MemoryFs::new();
        let mut writer = long_log(&fs, 1000 + seed, true);
        let payload = Payload::new(RecordKind::Batch, [b"pay", b"load", b"", b""]).unwrap();
        writer.make_room(payload.record_bytes()).unwrap();
        writer.append(&payload, SeqNo::new(1005 + seed).unwrap()).unwrap();
        writer.hand_over().unwrap();
        fs.lose_power(PowerLoss::Tear { seed });
        let found = seqnos(&read_whole(&fs, path).unwrap(), LogEnd::Cut).unwrap();
        assert!([1000 + seed, 1001 + seed].contains(&(found.len() as u64)), "seed {seed}");
    }
}

#[test]
fn a_log_that_nobody_syncs_is_filled_once() {
    let fs = MemoryFs::new();
    let mut writer = long_log(&fs, 5000, false);
    writer.hand_over().unwrap();
    let bytes = read_whole(&fs, Path::new("/d/000007.log")).unwrap();
    assert_eq!(bytes.len() as u64, writer.end());
    assert_eq!(seqnos(&bytes, LogEnd::Cut).unwrap().len(), 5000);
}

/// A file that counts what is read of it.
#[derive(Debug)]
struct Counted {
    bytes: Vec<u8>,
    read: AtomicUsize,
}

impl RandomAccessFile for Counted {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), Error> {
        self.read.fetch_add(buffer.len(), Ordering::Relaxed);
        buffer.copy_from_slice(&self.bytes[offset as usize..][..buffer.len()]);
        Ok(())
    }

    fn len(&self) -> Result<u64, Error> {
        Ok(self.bytes.len() as u64)
    }
}

/// Whatever is cut or wrong: what is found is the first record of a scan, and nothing behind it is read.
#[test]
fn the_first_record_is_found_without_the_others() {
    let path = Path::new("000007.log");
    let check = |bytes: Vec<u8>, most: usize| {
        let scan = scan_log(&bytes, NUMBER, path, LogEnd::Cut).ok();
        let expected = scan.and_then(|scan| scan.records.first().map(|record| (record.offset, record.seqno)));
        let file = Counted { bytes, read: AtomicUsize::new(0) };
        let first = first_record(&file, NUMBER, path).unwrap();
        assert_eq!(first, expected);
        assert!(file.read.into_inner() <= most);
        first.is_some()
    };
    let (bytes, ends) = log();
    let most = ends[1] as usize;
    assert!(check([bytes.as_slice(), &[0; 10_000]].concat(), most));
    for len in 0..bytes.len() {
        assert_eq!(check(bytes[..len].to_vec(), most), len >= most, "{len} bytes");
    }
    for at in 0..bytes.len() {
        let mut bad = bytes.clone();
        bad[at] ^= 0x10;
        assert_eq!(check(bad, most), at >= most, "byte {at}");
    }
    // Records of another log do not count, nor do zeros.
    let file = Counted { bytes: bytes.clone(), read: AtomicUsize::new(0) };
    assert_eq!(first_record(&file, FileNumber(8), path).unwrap(), None);
    let header = bytes[..ends[0] as usize].to_vec();
    assert!(!check([header, vec![0; 10_000]].concat(), most));
}
