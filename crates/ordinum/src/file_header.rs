//! The header that logs and manifests begin with.
//!
//! ```text
//!  0   8  magic
//!  8   4  format version
//! 12   8  feature bits: a reader refuses bits that it does not know for this kind of file
//! 20   8  file number
//! 28   8  last sequence number before the file (logs), zero (manifests)
//! 36  24  the version that wrote the file, padded with zeros
//! 60   4  CRC-32C of bytes 0..60
//! ```

#![deny(clippy::indexing_slicing)]

use std::path::Path;

use crate::error::{Error, Result};
use crate::file_name::FileNumber;
use crate::key::SeqNo;

/// The length of the header.
pub(crate) const HEADER_BYTES: usize = 64;
/// The format version that this version writes and reads.
const FORMAT_VERSION: u32 = 1;
/// The room for the name of the writing version.
const WRITTEN_BY_BYTES: usize = 24;

/// A kind of file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileType {
    /// The first bytes of its files.
    pub(crate) magic: [u8; 8],
    /// The feature bits that this version knows of.
    pub(crate) features: u64,
}

/// What stands in a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileHeader {
    pub(crate) number: FileNumber,
    pub(crate) base: SeqNo,
}

impl FileHeader {
    /// The header as bytes, of a file that needs readers to know of `features`.
    pub(crate) fn encode(&self, file_type: FileType, features: u64) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEADER_BYTES);
        out.extend_from_slice(&file_type.magic);
        out.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
        out.extend_from_slice(&features.to_le_bytes());
        out.extend_from_slice(&self.number.0.to_le_bytes());
        out.extend_from_slice(&self.base.get().to_le_bytes());
        let written_by = concat!("ordinum ", env!("CARGO_PKG_VERSION")).bytes();
        out.extend(written_by.chain(std::iter::repeat(0)).take(WRITTEN_BY_BYTES));
        let checksum = crc32c::crc32c(&out);
        out.extend_from_slice(&checksum.to_le_bytes());
        out
    }

    /// The header at the front of `bytes`, which must belong to the file of this type and number.
    pub(crate) fn decode(
        bytes: &[u8],
        file_type: FileType,
        number: FileNumber,
        path: &Path,
    ) -> Result<FileHeader> {
        let damaged = |offset: u64, expected: &str, found: String| Error::Corrupt {
            file: path.to_path_buf(),
            offset,
            expected: expected.to_owned(),
            found,
        };
        let short = || damaged(bytes.len() as u64, "a file header", "the end of the file".to_owned());
        let header: &[u8; HEADER_BYTES] = bytes.first_chunk().ok_or_else(short)?;
        let (body, checksum) = header.split_last_chunk::<4>().ok_or_else(short)?;
        if !body.starts_with(&file_type.magic) {
            return Err(damaged(
                0,
                "the magic of this kind of file",
                body.get(..8).unwrap_or_default().escape_ascii().to_string(),
            ));
        }
        let (expected, found) = (crc32c::crc32c(body), u32::from_le_bytes(*checksum));
        if expected != found {
            return Err(damaged(60, &format!("header checksum {expected:08x}"), format!("{found:08x}")));
        }
        let u64_at = |at: usize| {
            let field = body.get(at..).and_then(|rest| rest.first_chunk::<8>());
            field.map(|field| u64::from_le_bytes(*field)).ok_or_else(short)
        };
        let version = u32::try_from(u64_at(8)? & u64::from(u32::MAX)).unwrap_or(u32::MAX);
        let features = u64_at(12)?;
        let unknown = features & !file_type.features;
        if version != FORMAT_VERSION || unknown != 0 {
            let what = if version == FORMAT_VERSION {
                format!("feature bits {unknown:#x}")
            } else {
                format!("format version {version}")
            };
            let written_by = body.get(36..).unwrap_or_default();
            let written_by = String::from_utf8_lossy(written_by).trim_end_matches('\0').to_owned();
            return Err(Error::UnknownFormat { file: path.to_path_buf(), what, written_by });
        }
        if u64_at(20)? != number.0 {
            return Err(damaged(20, &format!("file number {}", number.0), u64_at(20)?.to_string()));
        }
        let base = SeqNo::new(u64_at(28)?);
        let base = base.ok_or_else(|| damaged(28, "a sequence number", "a larger number".to_owned()))?;
        Ok(FileHeader { number, base })
    }
}
