//! What running compactions work on, so that others keep off.
//!
//! Invariants: of two compactions that run at the same time
//! (1) no table is an input of both;
//! (2) if they read or write a level below 0 in common, the keys of one are all before those of the other: so the
//!     outputs of both fit into the level, and a key that one of them moves down does not pass the other.

use std::ops::RangeInclusive;

use super::Compaction;
use crate::file_name::FileNumber;
use crate::version::{LiveTable, user_range};

/// What one compaction works on.
#[derive(Clone, Debug)]
pub(crate) struct Claim {
    tables: Vec<FileNumber>,
    /// The levels below 0 that it reads, writes or passes; empty for one that stays in level 0.
    levels: RangeInclusive<usize>,
    smallest: Vec<u8>,
    largest: Vec<u8>,
}

impl Claim {
    /// What the compaction works on.
    pub(crate) fn of(compaction: &Compaction) -> Claim {
        let tables = || compaction.inputs.iter().chain(&compaction.overlapping);
        let smallest = tables().map(|table| user_range(table).0).min().unwrap_or_default();
        let largest = tables().map(|table| user_range(table).1).max().unwrap_or_default();
        Claim {
            tables: tables().map(|table| table.meta().number).collect(),
            levels: compaction.level.max(1)..=compaction.output_level,
            smallest: smallest.to_vec(),
            largest: largest.to_vec(),
        }
    }

    /// The keys from `smallest` to `largest` of one level.
    pub(crate) fn of_level(level: usize, smallest: &[u8], largest: &[u8]) -> Claim {
        let (smallest, largest) = (smallest.to_vec(), largest.to_vec());
        Claim { tables: Vec::new(), levels: level..=level, smallest, largest }
    }

    /// Whether the table is worked on.
    pub(crate) fn has(&self, table: &LiveTable) -> bool {
        self.tables.contains(&table.meta().number)
    }

    /// Whether the two may not run at the same time.
    pub(crate) fn conflicts(&self, other: &Claim) -> bool {
        if self.tables.iter().any(|table| other.tables.contains(table)) {
            return true;
        }
        let levels_meet = !self.levels.is_empty()
            && !other.levels.is_empty()
            && self.levels.start() <= other.levels.end()
            && other.levels.start() <= self.levels.end();
        levels_meet && self.smallest <= other.largest && other.smallest <= self.largest
    }
}
