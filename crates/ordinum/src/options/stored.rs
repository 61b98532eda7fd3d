//! Options of a family as the manifest keeps them, once they were changed while the database was open.
//!
//! ```text
//! options   for each: its number (1 byte), a varint
//! ```
//!
//! All that a number can tell are there; what is code is not. Options that older versions did not store (17 and 18) are those
//! of the opening where they are missing.

#![deny(clippy::indexing_slicing)]

use std::time::Duration;

use super::FamilyOptions;
use crate::compaction::CompactionStyle;
use crate::table::Compression;
use crate::varint::{push_u64, take_u64};

/// The number of the first of the compressions, one for each level.
const COMPRESSION: u8 = 64;
/// The number of the style: 0 is leveled, others are the milliseconds to live and one.
const STYLE: u8 = 17;
const RANGE_INDEX: u8 = 18;

/// What the numbers before those of the compressions stand for, from 1 on.
const NAMES: [&str; 18] = [
    "write_buffer_bytes",
    "immutable_memtables_max",
    "block_bytes",
    "separate_values_from_bytes",
    "value_compression",
    "value_garbage_percent",
    "filter_bits_per_key",
    "level0_tables_trigger",
    "level0_tables_busy",
    "level0_tables_slowdown",
    "level0_tables_max",
    "pending_bytes_slowdown",
    "pending_bytes_max",
    "garbage_percent",
    "level_base_bytes",
    "table_bytes_target",
    "compaction_style",
    "range_index",
];

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
        put(STYLE, style_number(self.compaction_style));
        put(RANGE_INDEX, u64::from(self.range_index));
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
                STYLE => options.compaction_style = style(value),
                RANGE_INDEX => options.range_index = flag(value)?,
                _ => {
                    let level = usize::from(number.checked_sub(COMPRESSION)?);
                    *options.compression.get_mut(level)? = compression(value)?;
                }
            }
        }
        options.check().is_ok().then_some(options)
    }

    /// Whether the bytes tell options that versions before the feature bit of them do not know.
    pub(crate) fn stored_is_extended(mut bytes: &[u8]) -> bool {
        while let Some((&number, rest)) = bytes.split_first() {
            bytes = rest;
            if number == STYLE || number == RANGE_INDEX {
                return true;
            }
            if take_u64(&mut bytes).is_none() {
                break;
            }
        }
        false
    }

    /// What the bytes tell, in words, or none if they do not tell options.
    pub(crate) fn stored_in_words(mut bytes: &[u8]) -> Option<String> {
        let mut words = Vec::new();
        while let Some((&number, rest)) = bytes.split_first() {
            bytes = rest;
            let value = take_u64(&mut bytes)?;
            let name = usize::from(number).checked_sub(1).and_then(|at| NAMES.get(at));
            words.push(match (number, name) {
                (4, Some(name)) if value == 0 => format!("{name} none"),
                (5, Some(name)) => format!("{name} {:?}", compression(value)?),
                (STYLE, Some(name)) => format!("{name} {:?}", style(value)),
                (RANGE_INDEX, Some(name)) => format!("{name} {}", flag(value)?),
                (_, Some(name)) => format!("{name} {value}"),
                (_, None) => {
                    let level = number.checked_sub(COMPRESSION)?;
                    format!("compression of level {level} {:?}", compression(value)?)
                }
            });
        }
        Some(words.join(", "))
    }
}

fn style_number(style: CompactionStyle) -> u64 {
    match style {
        CompactionStyle::Leveled => 0,
        CompactionStyle::Fifo { time_to_live } => {
            u64::try_from(time_to_live.as_millis()).unwrap_or(u64::MAX).saturating_add(1)
        }
    }
}

fn style(number: u64) -> CompactionStyle {
    match number.checked_sub(1) {
        None => CompactionStyle::Leveled,
        Some(milliseconds) => CompactionStyle::Fifo { time_to_live: Duration::from_millis(milliseconds) },
    }
}

fn flag(number: u64) -> Option<bool> {
    match number {
        0 => Some(false),
        1 => Some(true),
        _ => None,
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
