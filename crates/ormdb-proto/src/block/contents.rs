//! What is known of a block beside its buffers, and how that stands in front of them on the wire.
//!
//! Invariant: of a block that was built in this process nothing of this is in bytes until it leaves the process: within it nobody reads
//! a checksum.

use std::sync::atomic::{AtomicBool, Ordering};

use smallvec::SmallVec;

use super::ColumnType;
use super::layout::{
    self, BlockKind, BufferEntry, ColumnEntry, ENTRY_LEN, HEADER_CRC_AT, HEADER_LEN, padded, saved,
};

/// Those of most blocks need no memory of their own.
pub(super) type OpenColumns = SmallVec<[OpenColumn; 4]>;
/// As [`OpenColumns`].
pub(super) type OpenBuffers = SmallVec<[OpenBuffer; 6]>;

#[derive(Debug)]
pub(super) struct OpenColumn {
    pub(super) ty: ColumnType,
    pub(super) entry: ColumnEntry,
    /// Of a list column, the entry of its elements.
    pub(super) elements: Option<ColumnEntry>,
}

/// Where a buffer lies in the bytes of its block.
#[derive(Debug)]
pub(super) struct OpenBuffer {
    pub(super) start: usize,
    /// Without padding.
    pub(super) len: usize,
    /// The checksum, of one that came from outside.
    pub(super) crc: u32,
    verified: AtomicBool,
}

/// What a block has beside the bytes of its buffers.
#[derive(Debug)]
pub(super) struct Contents {
    pub(super) kind: BlockKind,
    pub(super) slot: u32,
    pub(super) rows: usize,
    pub(super) columns: OpenColumns,
    pub(super) buffers: OpenBuffers,
}

impl OpenBuffer {
    /// A buffer that this process wrote.
    pub(super) const fn built(start: usize, len: usize) -> OpenBuffer {
        OpenBuffer { start, len, crc: 0, verified: AtomicBool::new(true) }
    }

    /// A buffer that came from outside, with its checksum.
    pub(super) const fn outside(start: usize, len: usize, crc: u32) -> OpenBuffer {
        OpenBuffer { start, len, crc, verified: AtomicBool::new(false) }
    }

    /// The buffer with its padding, in the bytes of its block; none if it lies outside of these.
    pub(super) fn whole<'a>(&self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        bytes.get(self.start..self.start.saturating_add(padded(self.len)))
    }

    /// Whether the checksum fits these bytes, the buffer with its padding. They are looked at once.
    pub(super) fn verify(&self, whole: &[u8]) -> bool {
        // Relaxed: the flag only saves work; verifying twice is harmless.
        if !self.verified.load(Ordering::Relaxed) {
            if crc32c::crc32c(whole) != self.crc {
                return false;
            }
            self.verified.store(true, Ordering::Relaxed);
        }
        true
    }
}

impl Contents {
    /// How many entries the directory has for columns.
    pub(super) fn column_entries(&self) -> usize {
        self.columns.iter().map(|column| 1 + usize::from(column.elements.is_some())).sum()
    }

    /// The bytes of header and directory.
    pub(super) fn head_len(&self) -> usize {
        HEADER_LEN + (self.column_entries() + self.buffers.len()) * ENTRY_LEN
    }

    /// Header and directory of a block with these buffers, as they stand in front of them on the wire.
    pub(super) fn head(&self, buffers: &[u8]) -> Vec<u8> {
        let head_len = self.head_len();
        let mut out = Vec::with_capacity(head_len);
        out.extend_from_slice(&layout::MAGIC);
        out.extend_from_slice(&layout::VERSION.to_le_bytes());
        out.extend_from_slice(&[self.kind.code(), 0]);
        let counts = [self.rows, self.column_entries(), self.buffers.len()].map(saved);
        let lengths = [self.slot, saved(head_len + buffers.len()), 0];
        counts.into_iter().chain(lengths).for_each(|word| out.extend_from_slice(&word.to_le_bytes()));
        let mut entry = [0; ENTRY_LEN];
        for column in self.columns.iter().flat_map(|column| [Some(column.entry), column.elements]).flatten() {
            column.write(&mut entry);
            out.extend_from_slice(&entry);
        }
        for buffer in &self.buffers {
            let crc = crc32c::crc32c(buffer.whole(buffers).unwrap_or_default());
            let (offset, length) = (saved(head_len + buffer.start), saved(buffer.len));
            BufferEntry { offset, length, crc }.write(&mut entry);
            out.extend_from_slice(&entry);
        }
        let crc = header_crc(&out, head_len - HEADER_LEN);
        if let Some(at) = out.get_mut(HEADER_CRC_AT..HEADER_LEN) {
            at.copy_from_slice(&crc.to_le_bytes());
        }
        out
    }
}

/// The checksum over a block's header, but for the checksum itself, and its directory.
pub(crate) fn header_crc(block: &[u8], directory_len: usize) -> u32 {
    let header = crc32c::crc32c(block.get(..HEADER_CRC_AT).unwrap_or_default());
    let directory = block.get(HEADER_LEN..HEADER_LEN.saturating_add(directory_len)).unwrap_or_default();
    crc32c::crc32c_append(header, directory)
}
