//! Versions: which tables a column family consists of, level by level.
//!
//! Invariants:
//! (1) level 0 is newest first, and its tables may overlap; the tables of every other level are disjoint and ascend;
//! (2) for one user key, every entry of a level is newer than every entry of a deeper one, and so are the entries of
//!     a level-0 table than those of the tables behind it.

use crate::file_name::FileNumber;
use crate::key::SeqNo;
use crate::table::Origin;
use crate::value_log::ValueShare;

/// The number of levels.
pub const LEVELS: usize = 7;

/// What is known of a table without opening it. The keys are internal keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FileMeta {
    pub(crate) number: FileNumber,
    pub(crate) bytes: u64,
    pub(crate) entries: u64,
    pub(crate) smallest: Vec<u8>,
    pub(crate) largest: Vec<u8>,
    pub(crate) min_seqno: SeqNo,
    pub(crate) max_seqno: SeqNo,
    pub(crate) tally: Tally,
    /// What of which value-log files its entries point to, ascending by file.
    pub(crate) values: Vec<ValueShare>,
    /// Number of range tombstones; they are not counted as entries.
    pub(crate) range_tombstones: u64,
    /// Where it was written, if not in this database.
    pub(crate) origin: Option<Origin>,
}

/// What the choice of compactions has to know of a table beyond its keys. All zero in what older versions wrote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Entries that are deletions.
    pub(crate) deletions: u64,
    /// Entries with a newer version of their key in the same table: kept for a pin, and garbage when it goes.
    pub(crate) shadowed: u64,
    /// When the newest of its entries became part of a table, in milliseconds since the Unix epoch.
    pub(crate) written_unix_ms: u64,
}

mod level;
mod level_iter;
mod levels;
mod live_table;
mod value_logs;

pub(crate) use level::{Level, user_range};
pub(crate) use level_iter::{LevelIter, level_iter};
pub(crate) use levels::Levels;
pub(crate) use live_table::{LiveTable, TableStore, ValuesRead};
pub(crate) use value_logs::{LiveValueLog, SeparatedValues, ValueLogs};
