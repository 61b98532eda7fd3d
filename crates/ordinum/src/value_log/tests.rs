#![allow(clippy::cast_possible_truncation, reason = "test data")]

use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::error::Error;
use crate::fs::{Fs, MemoryFs};
use crate::table::BlockHandle;

const NUMBER: FileNumber = FileNumber(7);

fn path() -> &'static Path {
    Path::new("/000007.val")
}

fn write(fs: &MemoryFs, values: &[Vec<u8>], compression: Compression) -> (ValueLogMeta, Vec<ValuePointer>) {
    let mut writer = ValueLogWriter::new(fs.create(path()).unwrap(), NUMBER, compression);
    let pointers = values.iter().map(|value| writer.add(value).unwrap()).collect();
    (writer.finish().unwrap(), pointers)
}

fn open(fs: &MemoryFs) -> crate::Result<ValueLogReader> {
    ValueLogReader::open(fs.open(path()).unwrap(), NUMBER, path().into())
}

fn values(seed: u64) -> Vec<Vec<u8>> {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut value = |len: usize| {
        let repeated = rng.bool();
        (0..len).map(|at| if repeated { at as u8 / 64 } else { rng.u8(..) }).collect()
    };
    [0, 1, 100, 4096, 70_000, 300_000, 17].into_iter().map(&mut value).collect()
}

#[test]
fn values_come_back_however_they_are_compressed() {
    for compression in [Compression::None, Compression::Lz4, Compression::Zstd] {
        let fs = MemoryFs::new();
        let values = values(1);
        let (meta, pointers) = write(&fs, &values, compression);
        let reader = open(&fs).unwrap();
        for (pointer, value) in pointers.iter().zip(&values) {
            assert_eq!(ValuePointer::parse(&pointer.encode()), Some(*pointer));
            assert_eq!(*reader.read(pointer.handle).unwrap(), **value);
        }
        assert_eq!(reader.verify(&meta).unwrap(), meta.bytes);
        let records: u64 = pointers.iter().map(|pointer| pointer.record_bytes()).sum();
        assert_eq!(records + 64, meta.bytes, "records cover the file behind its header");
    }
}

#[test]
fn every_flipped_bit_is_found_where_it_is() {
    let fs = MemoryFs::new();
    let values: Vec<Vec<u8>> = vec![b"first value".repeat(9), b"second".repeat(3), vec![7; 200]];
    let (meta, pointers) = write(&fs, &values, Compression::Lz4);
    for at in 0..meta.bytes {
        fs.flip_byte(path(), at).unwrap();
        match open(&fs).and_then(|reader| reader.verify(&meta)) {
            Err(Error::Corrupt { file, offset, .. }) => {
                assert_eq!(file, path());
                assert!(offset <= at || at < 64, "byte {at} is told as {offset}");
            }
            Err(Error::UnknownFormat { file, .. }) => assert_eq!(file, path()),
            other => panic!("byte {at}: {other:?}"),
        }
        // A value is what was written, or damage.
        if let Ok(reader) = open(&fs) {
            for (pointer, value) in pointers.iter().zip(&values) {
                match reader.read(pointer.handle) {
                    Ok(read) => assert_eq!(*read, **value),
                    Err(Error::Corrupt { offset, .. }) => assert_eq!(offset, pointer.handle.offset),
                    Err(other) => panic!("byte {at}: {other}"),
                }
            }
        }
        fs.flip_byte(path(), at).unwrap();
    }
}

#[test]
fn a_record_does_not_pass_for_that_of_another_place_or_file() {
    let fs = MemoryFs::new();
    let value = vec![5; 100];
    let (_, pointers) = write(&fs, &[value.clone(), value], Compression::None);
    let reader = open(&fs).unwrap();
    let handle = pointers[0].handle;
    for handle in [
        BlockHandle { offset: handle.offset + 1, ..handle },
        BlockHandle { payload_bytes: handle.payload_bytes - 1, ..handle },
        BlockHandle { offset: u64::MAX, ..handle },
        BlockHandle { payload_bytes: u64::MAX, ..handle },
    ] {
        assert!(matches!(reader.read(handle), Err(Error::Corrupt { .. })), "{handle:?}");
    }
    let other = ValueLogReader::open(fs.open(path()).unwrap(), FileNumber(8), Arc::from(path()));
    assert!(matches!(other, Err(Error::Corrupt { .. })));
}

#[test]
fn shares_are_counted_by_file_and_come_back() {
    let pointer = |file, payload_bytes| ValuePointer {
        file: FileNumber(file),
        handle: BlockHandle { offset: 68, payload_bytes },
    };
    let mut shares = Vec::new();
    for (file, bytes) in [(9, 10), (4, 20), (9, 30)] {
        count(&mut shares, pointer(file, bytes));
    }
    assert_eq!(
        shares,
        [
            ValueShare { file: FileNumber(4), entries: 1, bytes: 29 },
            ValueShare { file: FileNumber(9), entries: 2, bytes: 58 }
        ]
    );
    let mut bytes = Vec::new();
    push_shares(&mut bytes, &shares);
    assert_eq!(take_shares(&mut bytes.as_slice()), Some(shares));
    for len in 0..bytes.len() {
        assert_eq!(take_shares(&mut &bytes[..len]), None);
    }
    assert_eq!(take_shares(&mut [2, 9, 1, 1, 4, 1, 1].as_slice()), None, "files must ascend");
}
