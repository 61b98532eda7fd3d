//! Options of a family as the manifest keeps them, once they were changed while the database was open.
//!
//! ```text
//! options   for each: its number (1 byte), a varint
//! ```
//!
//! All that a number can tell are there. What is code is not, nor what is laid down with the family: the opening says that.

#![deny(clippy::indexing_slicing)]

use super::FamilyOptions;
use crate::table::Compression;
use crate::varint::{push_u64, take_u64};

/// The number of the first of the compressions, one for each level.
const COMPRESSION: u8 = 64;

impl FamilyOptions {
    /// The options as bytes.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut put = |number: u8, value: u64| {
            out.push(number);
            push_u64(&mut out, value);
        };
        put(1, self.write_buffer_bytes);
        put(2, self.immutable_memtables_max as u64);
        put(3, self.block_bytes as u64);
        put(4, self.separate_values_from_bytes.map_or(0, u64::from));
        put(5, compression_number(self.value_compression));
        put(6, u64::from(self.value_garbage_percent));
        put(7, u64::from(self.filter_bits_per_key));
        put(8, self.level0_tables_trigger as u64);
        put(9, self.level0_tables_busy as u64);
        put(10, self.level0_tables_slowdown as u64);
        put(11, self.level0_tables_max as u64);
        put(12, self.pending_bytes_slowdown);
        put(13, self.pending_bytes_max);
        put(14, u64::from(self.garbage_percent));
        put(15, self.level_base_bytes);
        put(16, self.table_bytes_target);
        for (number, compression) in (COMPRESSION..).zip(self.compression) {
            put(number, compression_number(compression));
        }
        out
    }

    /// These options with those that the bytes tell in their place, or none if the bytes do not tell options.
    pub(crate) fn with_stored(&self, mut bytes: &[u8]) -> Option<FamilyOptions> {
        let mut options = self.clone();
        while let Some((&number, rest)) = bytes.split_first() {
            bytes = rest;
            let value = take_u64(&mut bytes)?;
            let size = || usize::try_from(value).ok();
            let small = || u32::try_from(value).ok();
            match number {
                1 => options.write_buffer_bytes = value,
                2 => options.immutable_memtables_max = size()?,
                3 => options.block_bytes = size()?,
                4 => options.separate_values_from_bytes = Some(small()?).filter(|from| *from > 0),
                5 => options.value_compression = compression(value)?,
                6 => options.value_garbage_percent = small()?,
                7 => options.filter_bits_per_key = small()?,
                8 => options.level0_tables_trigger = size()?,
                9 => options.level0_tables_busy = size()?,
                10 => options.level0_tables_slowdown = size()?,
                11 => options.level0_tables_max = size()?,
                12 => options.pending_bytes_slowdown = value,
                13 => options.pending_bytes_max = value,
                14 => options.garbage_percent = small()?,
                15 => options.level_base_bytes = value,
                16 => options.table_bytes_target = value,
                _ => {
                    let level = usize::from(number.checked_sub(COMPRESSION)?);
                    *options.compression.get_mut(level)? = compression(value)?;
                }
            }
        }
        options.check().is_ok().then_some(options)
    }
}

fn compression_number(compression: Compression) -> u64 {
    match compression {
        Compression::None => 0,
        Compression::Lz4 => 1,
        Compression::Zstd => 2,
    }
}

fn compression(number: u64) -> Option<Compression> {
    match number {
        0 => Some(Compression::None),
        1 => Some(Compression::Lz4),
        2 => Some(Compression::Zstd),
        _ => None,
    }
}
