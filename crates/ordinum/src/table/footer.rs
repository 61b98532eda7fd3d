//! The last bytes of a table. Their layout is frozen: every version can read who wrote a file and what it needs.
//!
//! ```text
//! footer, 112 bytes, little-endian
//!   0  properties: offset u64, payload bytes u64
//!  16  top index:  offset u64, payload bytes u64
//!  32  filter:     offset u64, payload bytes u64; both 0 if there is none
//!  48  file number u64
//!  56  feature bits u64: a reader refuses bits that it does not know; bit 0: there is a block of range tombstones
//!  64  version of the writer, 16 bytes of text, padded with zeros
//!  80  format version u32: 1 or 2
//!  84  reserved, 16 bytes of zeros
//! 100  CRC32C u32 of (file number, offset of the footer, bytes 0..100)
//! 104  magic, 8 bytes
//! ```
#![deny(clippy::indexing_slicing)]

use std::path::Path;

use crate::error::{Error, Result};
use crate::file_name::FileNumber;
use crate::table::block_file::checksum;
use crate::table::handle::BlockHandle;

/// Bytes of a footer.
pub(crate) const FOOTER_BYTES: usize = 112;
const CHECKED_BYTES: usize = 100;
const MAGIC: [u8; 8] = *b"ORDTABLE";
/// The table has a block of range tombstones.
pub(crate) const FEATURE_RANGE_TOMBSTONES: u64 = 1 << 0;
/// Entries may point into the value log.
pub(crate) const FEATURE_VALUE_LOG: u64 = 1 << 1;
const KNOWN_FEATURES: u64 = FEATURE_RANGE_TOMBSTONES | FEATURE_VALUE_LOG;
const WRITER_BYTES: usize = 16;

/// A form that tables have, or had. The numbers are a disk format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(u32)]
pub(crate) enum TableFormat {
    /// Blocks whose keys are compressed against the key before.
    V1 = 1,
    /// Blocks whose every entry is within reach.
    #[default]
    V2 = 2,
}

/// What the footer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Footer {
    pub(crate) properties: BlockHandle,
    pub(crate) top_index: BlockHandle,
    pub(crate) filter: Option<BlockHandle>,
    pub(crate) format: TableFormat,
    /// The feature bits that a reader must know of.
    pub(crate) features: u64,
}

impl Footer {
    /// The bytes of the footer of file `number`, to stand at `offset`.
    pub(crate) fn encode(&self, number: FileNumber, offset: u64) -> Vec<u8> {
        let mut out = Vec::with_capacity(FOOTER_BYTES);
        let no_filter = BlockHandle { offset: 0, payload_bytes: 0 };
        for handle in [self.properties, self.top_index, self.filter.unwrap_or(no_filter)] {
            out.extend_from_slice(&handle.offset.to_le_bytes());
            out.extend_from_slice(&handle.payload_bytes.to_le_bytes());
        }
        out.extend_from_slice(&number.0.to_le_bytes());
        out.extend_from_slice(&self.features.to_le_bytes());
        out.extend(env!("CARGO_PKG_VERSION").bytes().chain(std::iter::repeat(0)).take(WRITER_BYTES));
        out.extend_from_slice(&(self.format as u32).to_le_bytes());
        out.resize(CHECKED_BYTES, 0);
        seal(out, number, offset)
    }

    /// The bytes that a checksum is of.
    pub(crate) const CHECKED_BYTES: usize = CHECKED_BYTES;

    /// A footer of any bytes, with a number, a checksum and a magic that are right: for fuzzing.
    pub(crate) fn sealed(bytes: &[u8], number: FileNumber, offset: u64) -> Vec<u8> {
        let mut out = bytes.to_vec();
        out.resize(CHECKED_BYTES, 0);
        if let Some(place) = out.get_mut(48..).and_then(|rest| rest.first_chunk_mut::<8>()) {
            *place = number.0.to_le_bytes();
        }
        seal(out, number, offset)
    }

    /// The file number that a footer tells.
    pub(crate) fn file_number(bytes: &[u8]) -> Option<FileNumber> {
        let number = bytes.get(48..)?.first_chunk::<8>()?;
        Some(FileNumber(u64::from_le_bytes(*number)))
    }

    /// Reads the footer that stands at `offset` of the file at `path`, which must be file `number`.
    pub(crate) fn decode(bytes: &[u8], number: FileNumber, offset: u64, path: &Path) -> Result<Footer> {
        let damaged = |expected: &str, found: String| Error::corrupt(path, offset, expected, &found);
        let Some((body, magic)) = bytes.split_last_chunk::<8>() else {
            return Err(damaged("a footer", format!("{} bytes", bytes.len())));
        };
        if *magic != MAGIC {
            return Err(damaged("the magic of a table", format!("\"{}\"", magic.escape_ascii())));
        }
        let Some((checked, sum)) =
            body.split_last_chunk::<4>().filter(|(rest, _)| rest.len() == CHECKED_BYTES)
        else {
            return Err(damaged("a footer", format!("{} bytes", bytes.len())));
        };
        let mut fields = Fields(checked);
        let mut handle =
            || Some(BlockHandle { offset: fields.take_u64()?, payload_bytes: fields.take_u64()? });
        let parsed = (|| {
            let (properties, top_index, filter) = (handle()?, handle()?, handle()?);
            Some((properties, top_index, filter))
        })();
        let rest = (|| {
            Some((
                fields.take_u64()?,
                fields.take_u64()?,
                fields.take::<WRITER_BYTES>()?,
                fields.take::<4>()?,
            ))
        })();
        let (Some((properties, top_index, filter)), Some((stored_number, features, writer, version))) =
            (parsed, rest)
        else {
            return Err(damaged("a footer", "too few bytes".to_owned()));
        };
        let found = u32::from_le_bytes(*sum);
        // The sum binds the number that the file says it has; that it is ours is the next question.
        let expected = checksum(FileNumber(stored_number), offset, &[checked]);
        if found != expected {
            return Err(damaged(&format!("checksum {expected:08x}"), format!("{found:08x}")));
        }
        let version = u32::from_le_bytes(version);
        let unknown_features = features & !KNOWN_FEATURES;
        let format = match version {
            1 => Ok(TableFormat::V1),
            2 => Ok(TableFormat::V2),
            other => Err(format!("table format {other}")),
        };
        let format = match format {
            Ok(_) if unknown_features != 0 => Err(format!("feature bits {unknown_features:#x}")),
            other => other,
        };
        let format = format.map_err(|what| {
            let written_by = String::from_utf8_lossy(&writer).trim_end_matches('\0').to_owned();
            Error::UnknownFormat { file: path.to_path_buf(), what, written_by }
        })?;
        if stored_number != number.0 {
            return Err(damaged(&format!("file number {}", number.0), stored_number.to_string()));
        }
        let filter = (filter.payload_bytes != 0).then_some(filter);
        Ok(Footer { properties, top_index, filter, format, features })
    }
}

fn seal(mut checked: Vec<u8>, number: FileNumber, offset: u64) -> Vec<u8> {
    let sum = checksum(number, offset, &[&checked]);
    checked.extend_from_slice(&sum.to_le_bytes());
    checked.extend_from_slice(&MAGIC);
    checked
}

/// Takes fixed-width fields from the front of bytes.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (field, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*field)
    }

    fn take_u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }
}
