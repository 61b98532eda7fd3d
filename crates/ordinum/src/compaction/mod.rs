//! Compaction: merges tables into the next level, and drops what nobody can see any more.
//!
//! Invariants:
//! (1) a version is dropped only if no pinned sequence number, and none at or above the horizon, sees it;
//! (2) a deletion is dropped only if, besides, no older version of its key is kept and no deeper level may hold the key;
//! (3) every version of a user key goes to one output, so the tables of a level stay disjoint in user keys;
//! (4) a compaction never jumps over a level that has tables;
//! (5) outputs, and their names, are durable when the job returns; installing them, and dropping the inputs, is one
//!     edit of the caller, who runs at most one compaction of a family at a time.
//!
//! The picker decides what to merge from sizes alone; the job does it and knows nothing of sizes.

mod job;
mod picker;
mod retention;

pub(crate) use job::{CompactionOutcome, Job};
pub(crate) use picker::{pick, pick_range};
pub(crate) use retention::Retention;

use std::sync::Arc;

use crate::table::{Compression, TableOptions};
use crate::version::{LEVELS, LiveTable};

/// What rules the shape of the levels of a family.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CompactionOptions {
    /// Level 0 is merged once it has this many tables.
    pub(crate) level0_tables_trigger: usize,
    /// The target of the first level below 0 that is in use.
    pub(crate) level_base_bytes: u64,
    /// A table is closed once it has this many bytes.
    pub(crate) table_bytes_target: u64,
    /// How tables are built, but for their compression.
    pub(crate) table: TableOptions,
    /// How the tables of each level are compressed.
    pub(crate) compression: [Compression; LEVELS],
}

impl CompactionOptions {
    /// What a table of the level is built with.
    pub(crate) fn table_options(&self, level: usize) -> TableOptions {
        let compression = self.compression.get(level).copied().unwrap_or(self.table.compression);
        TableOptions { compression, ..self.table }
    }
}

/// How a compaction is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    /// The inputs become tables of the output level as they are: an edit and no I/O.
    Move,
    /// The inputs and what they overlap in the output level are merged into new tables.
    Merge,
}

/// A compaction that was picked.
#[derive(Clone, Debug)]
pub(crate) struct Compaction {
    /// The level of the inputs.
    pub(crate) level: usize,
    /// The level of the outputs; the same as `level` when tables are rewritten where they are.
    pub(crate) output_level: usize,
    /// Tables of `level`.
    pub(crate) inputs: Vec<Arc<LiveTable>>,
    /// Tables of `output_level` that are merged with them.
    pub(crate) overlapping: Vec<Arc<LiveTable>>,
    /// How it is done.
    pub(crate) method: Method,
    /// Why it was picked, in one line.
    pub(crate) reason: String,
}

#[cfg(test)]
mod tests;
