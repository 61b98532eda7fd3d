//! Reads a value-log file: single values, and all of it to check it.

#![deny(clippy::indexing_slicing)]

use std::path::Path;
use std::sync::Arc;

use super::writer::record_end;
use super::{LENGTH_BYTES, VALUE_LOG_FILE, ValueLogMeta};
use crate::error::{Error, Result};
use crate::file_header::{FileHeader, HEADER_BYTES};
use crate::file_name::FileNumber;
use crate::fs::RandomAccessFile;
use crate::slice::Slice;
use crate::table::{BlockFile, BlockHandle, Origin, TableFormat};

/// An open value-log file.
#[derive(Debug)]
pub(crate) struct ValueLogReader {
    records: BlockFile,
}

impl ValueLogReader {
    /// Opens value-log file `number`, whose bytes are `file` at `path`; verifies its header.
    pub(crate) fn open(
        file: Arc<dyn RandomAccessFile>,
        number: FileNumber,
        path: Arc<Path>,
    ) -> Result<ValueLogReader> {
        let blocks_end = file.len()?;
        let mut header = [0; HEADER_BYTES];
        if blocks_end < HEADER_BYTES as u64 {
            return Err(Error::corrupt(&path, 0, "a file header", &format!("{blocks_end} bytes")));
        }
        file.read_at(0, &mut header)?;
        FileHeader::decode(&header, VALUE_LOG_FILE, number, &path)?;
        let origin = Origin::here(number);
        Ok(ValueLogReader {
            records: BlockFile { file, number, origin, path, blocks_end, format: TableFormat::V2 },
        })
    }

    /// The value that the handle of a pointer names, verified.
    pub(crate) fn read(&self, handle: BlockHandle) -> Result<Slice> {
        self.records.read_owned(handle).map(Slice::from)
    }

    /// Reads every record and checks it, and that the file is as long, and has as many, as the manifest says; returns the
    /// bytes that it read.
    ///
    /// # Errors
    /// The first damage.
    pub(crate) fn verify(&self, meta: &ValueLogMeta) -> Result<u64> {
        let path = &self.records.path;
        let entries = self.walk(&mut |_, _| ())?;
        let (said, found) = ((meta.bytes, meta.entries), (self.records.blocks_end, entries));
        if said != found {
            let (said, found) = (format!("(bytes, records) = {said:?}"), format!("{found:?}"));
            return Err(Error::corrupt(path, 0, &said, &found));
        }
        Ok(self.records.blocks_end)
    }

    /// Goes over the records in their order, verifies each, and counts them; `visit` is told where each begins, and its value.
    pub(crate) fn walk(&self, visit: &mut dyn FnMut(u64, &[u8])) -> Result<u64> {
        let records = &self.records;
        let (mut at, mut entries) = (HEADER_BYTES as u64, 0);
        while at < records.blocks_end {
            let short = || Error::corrupt(&records.path, at, "a record", "the end of the file");
            if records.blocks_end - at < LENGTH_BYTES {
                return Err(short());
            }
            let mut length = [0; 4];
            records.file.read_at(at, &mut length)?;
            let payload_bytes = u64::from(u32::from_le_bytes(length));
            let end = record_end(at, payload_bytes).filter(|end| *end <= records.blocks_end);
            let end = end.ok_or_else(short)?;
            visit(at, &records.read_owned(BlockHandle { offset: at + LENGTH_BYTES, payload_bytes })?);
            entries += 1;
            at = end;
        }
        Ok(entries)
    }
}
