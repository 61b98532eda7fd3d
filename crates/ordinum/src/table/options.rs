//! What a table is built with.

/// How blocks are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Compression {
    /// Not at all.
    None,
    /// LZ4 block format; a block that it does not shrink by an eighth is stored as it is.
    #[default]
    Lz4,
    /// Zstandard: smaller, and several times as slow to read and to write. For levels that are seldom read. A block that it
    /// does not shrink by an eighth is stored as it is.
    Zstd,
}

/// What a table is built with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TableOptions {
    /// A data block is closed once it has this many bytes, before compression.
    pub(crate) block_bytes: usize,
    /// An index partition is closed once it has this many bytes, before compression.
    pub(crate) index_block_bytes: usize,
    /// How blocks are compressed.
    pub(crate) compression: Compression,
    /// Bits of the filter for each key; 0 writes no filter.
    pub(crate) filter_bits_per_key: u32,
}

impl Default for TableOptions {
    fn default() -> TableOptions {
        TableOptions {
            block_bytes: 4096,
            index_block_bytes: 16 * 1024,
            compression: Compression::default(),
            filter_bits_per_key: 10,
        }
    }
}
