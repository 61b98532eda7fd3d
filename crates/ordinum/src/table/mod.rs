//! Sorted tables: immutable files of internal entries in order.
//!
//! Invariants:
//! (1) entries ascend strictly by [`crate::key::compare`];
//! (2) every byte of a file is under a checksum that binds the file number and the offset, so that a block that was
//!     read from the wrong place, or belongs to another file, is never taken for the right one;
//! (3) nothing is used before its checksum was verified; what a checksum covers is still parsed with care;
//! (4) the separator of a block in an index is at or after its last entry and before the first entry of the next.
//!
//! ```text
//! table   | data block … | index partition … | top index | filter? | range tombstones? | properties | footer |
//! block   | payload | compression u8 | CRC32C u32 of (file number, offset, payload, compression) |
//! payload | bytes as they are (compression 0), or length u32 and LZ4 block (1), or length u32 and Zstandard frame (2) |
//! footer  see footer.rs; contents of a block see block.rs, and block_v1.rs for tables of the first format
//! ```
//!
//! A table knows nothing of levels, or of which versions are still visible; of column families it has the name and number of its
//! own, for those who find it without a manifest.

mod block;
mod block_builder;
mod block_file;
mod block_iter;
mod block_v1;
mod builder;
mod concat;
mod estimate;
mod filter;
mod footer;
mod handle;
mod heads;
mod key_hashes;
mod lookup;
mod options;
mod origin;
mod properties;
mod range_block;
mod read_ahead;
mod reader;
mod spare_buffers;
mod table_iter;
mod verify;

pub(crate) use block::Block;
pub(crate) use block_file::{BlockFile, TAIL_BYTES, checksum as block_checksum, push_block};
pub(crate) use block_iter::BlockIter;
pub(crate) use block_v1::rewrite as rewrite_former;
pub(crate) use builder::{TableBuilder, TableSummary};
pub(crate) use concat::{Concat, Opener};
pub(crate) use filter::hash_key;
pub(crate) use footer::{FEATURE_RANGE_TOMBSTONES, FEATURE_VALUE_LOG, FOOTER_BYTES, Footer, TableFormat};
pub(crate) use handle::BlockHandle;
pub(crate) use lookup::{Lookup, look_up_all};
pub use options::Compression;
pub(crate) use options::TableOptions;
pub(crate) use origin::Origin;
pub(crate) use properties::Properties;
pub(crate) use range_block::decode as decode_range_tombstones;
pub(crate) use reader::TableReader;
pub(crate) use table_iter::TableIter;

#[cfg(test)]
pub(crate) mod tests;
