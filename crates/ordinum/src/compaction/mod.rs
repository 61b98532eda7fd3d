//! Compaction: merges tables into deeper levels, and drops what nobody can see any more.
//!
//! Invariants:
//! (1) a version is dropped only if no pinned sequence number, and none at or above the horizon, sees it; what a
//!     caller's filter or a time to live takes away is the one exception, and only if no pin sees it;
//! (2) a deletion is dropped only if, besides, no older version of its key is kept and no deeper table may hold the key;
//! (3) every version of a user key goes to one output, and range tombstones are cut where outputs end, so the tables of a
//!     level stay disjoint in user keys;
//! (4) a compaction never jumps over a level that has tables, and takes along what is older in level 0;
//! (5) outputs, and their names, are durable when the job returns; installing them, and dropping the inputs, is one
//!     edit of the caller;
//! (6) compactions of one family that run at the same time hold claims that do not conflict ([`Claim`]).
//!
//! The picker decides what to merge from metadata alone; the job does it and knows nothing of targets.

mod claims;
mod deeper;
mod filter;
mod given_up;
mod job;
mod merge_range;
mod outputs;
mod picker;
mod ranges;
mod retention;
mod side_by_side;
mod slices;
mod targets;

pub(crate) use claims::Claim;
pub use filter::{CompactionFilter, FilterDecision, FilteredEntry};
pub(crate) use given_up::{cleaning_behind, given_up};
pub(crate) use job::{CompactionOutcome, Job};
pub(crate) use outputs::unix_ms;
pub(crate) use picker::{Mood, Picking, pick, pick_range};
pub(crate) use retention::Retention;
pub(crate) use targets::pending_bytes;

use std::sync::Arc;
use std::time::Duration;

use crate::table::{Compression, TableOptions};
use crate::value_log::ValueOptions;
use crate::version::{LEVELS, LiveTable};

/// Which tables a family gathers, and which it lets go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum CompactionStyle {
    /// Levels, each larger than the one above; old versions and deleted keys give their space back when they are merged.
    #[default]
    Leveled,
    /// Tables stay as they were flushed, and go as a whole once everything in them is older than `time_to_live`, by
    /// [`crate::clock::Clock::unix`]. For events that are written once, in about the order of their keys, and looked at
    /// for a while. A table that a snapshot or transaction may read stays until that is gone.
    Fifo {
        /// How long what was written stays, at the least.
        time_to_live: Duration,
    },
}

/// What rules the shape of the levels of a family.
#[derive(Clone, Debug)]
pub(crate) struct CompactionOptions {
    /// Levels, or a queue of tables.
    pub(crate) style: CompactionStyle,
    /// Level 0 is merged once it has this many tables, while little is written.
    pub(crate) level0_tables_trigger: usize,
    /// Level 0 is merged once it has this many tables, while much is written.
    pub(crate) level0_tables_busy: usize,
    /// The target of the first level below 0 that is in use.
    pub(crate) level_base_bytes: u64,
    /// A table is closed once it has this many bytes.
    pub(crate) table_bytes_target: u64,
    /// A table is compacted once this part of its entries is garbage that can go; above 100: never.
    pub(crate) garbage_percent: u32,
    /// How tables are built, but for their compression.
    pub(crate) table: TableOptions,
    /// How the tables of each level are compressed.
    pub(crate) compression: [Compression; LEVELS],
    /// Which values go to the value log, and when their garbage is taken back.
    pub(crate) values: ValueOptions,
}

impl CompactionOptions {
    /// What a table of the level is built with.
    pub(crate) fn table_options(&self, level: usize) -> TableOptions {
        TableOptions { compression: self.compression_of(level), ..self.table }
    }

    fn compression_of(&self, level: usize) -> Compression {
        self.compression.get(level).copied().unwrap_or(self.table.compression)
    }
}

/// How a compaction is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    /// The inputs become tables of the output level as they are: an edit and no I/O.
    Move,
    /// The inputs and what they overlap in the output level are merged into new tables.
    Merge,
    /// The inputs go, with all that is in them: they have outlived their time.
    Drop,
    /// The inputs go, with all that is in them: range deletes hide it from everybody.
    DropHidden,
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

impl Compaction {
    /// The bytes of values that it may find out to be dead: what comes from level 0 hides what is deeper.
    pub(crate) fn may_uncover_bytes(&self) -> u64 {
        if self.level > 0 || self.output_level == 0 {
            return 0;
        }
        self.inputs.iter().map(|table| given_up::value_bytes(table)).sum()
    }

    /// Every table that it reads.
    pub(crate) fn tables(&self) -> impl Iterator<Item = &Arc<LiveTable>> {
        self.inputs.iter().chain(&self.overlapping)
    }
}

#[cfg(test)]
mod tests;
