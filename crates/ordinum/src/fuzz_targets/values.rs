//! Files of the value log, and what points into them.

use std::path::Path;

use crate::error::Result;
use crate::file_header::{FileHeader, HEADER_BYTES};
use crate::file_name::FileNumber;
use crate::fs::{Fs, MemoryFs};
use crate::key::SeqNo;
use crate::table::{BlockHandle, block_checksum};
use crate::value_log::{self, VALUE_LOG_FILE, ValueLogMeta, ValueLogReader, ValuePointer};

const NUMBER: FileNumber = FileNumber(1);

/// Reads `bytes` as a file of the value log, as a pointer into it, and as shares of such files.
///
/// # Errors
/// What opening or verifying the file found.
pub fn fuzz_value_log(bytes: &[u8]) -> Result<()> {
    if let Some(pointer) = ValuePointer::parse(bytes) {
        assert_eq!(ValuePointer::parse(&pointer.encode()), Some(pointer), "a pointer reads back");
    }
    if let Some(shares) = value_log::take_shares(&mut &*bytes) {
        let mut again = Vec::new();
        value_log::push_shares(&mut again, &shares);
        assert_eq!(value_log::take_shares(&mut again.as_slice()), Some(shares), "shares read back");
    }
    read(bytes)
}

/// Makes a file of the value log of `bytes` whose checksums are right, so that what stands behind them is reached, and does
/// with it what [`fuzz_value_log`] does.
///
/// ```text
/// bytes   | compression u8, length u8, payload | … |
/// ```
///
/// # Errors
/// What verifying the file found.
pub fn fuzz_sealed_value_log(mut bytes: &[u8]) -> Result<()> {
    let mut file = FileHeader { number: NUMBER, base: SeqNo::ZERO }.encode(VALUE_LOG_FILE, 0);
    while let Some((&[compression, length], rest)) = bytes.split_first_chunk::<2>() {
        let (payload, rest) = rest.split_at(usize::from(length).min(rest.len()));
        bytes = rest;
        file.extend_from_slice(&u32::try_from(payload.len()).unwrap_or(u32::MAX).to_le_bytes());
        let sum = block_checksum(NUMBER, file.len() as u64, &[payload, &[compression]]);
        file.extend_from_slice(payload);
        file.push(compression);
        file.extend_from_slice(&sum.to_le_bytes());
    }
    read(&file)
}

fn read(bytes: &[u8]) -> Result<()> {
    let fs = MemoryFs::new();
    let path = Path::new("/values");
    fs.create(path)?.append(bytes)?;
    let reader = ValueLogReader::open(fs.open(path)?, NUMBER, path.into())?;
    let offset = HEADER_BYTES as u64;
    let handles = [BlockHandle { offset, payload_bytes: 9 }, BlockHandle { offset, payload_bytes: u64::MAX }];
    // Damage is an answer.
    handles.into_iter().for_each(|handle| drop(reader.read(handle)));
    let meta = ValueLogMeta { number: NUMBER, bytes: bytes.len() as u64, entries: 0 };
    reader.verify(&meta).map(drop)
}
