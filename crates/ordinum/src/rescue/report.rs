//! What a rescue tells: what came over, and what did not.

use std::fmt;
use std::path::PathBuf;

/// The most losses that are told one by one; all are counted.
pub const LOSSES_TOLD_MAX: usize = 1000;
/// The most bytes of a key that are shown.
const KEY_BYTES_SHOWN: usize = 32;

/// What a rescue found and did.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The column families of the new database.
    pub families: Vec<RescuedFamily>,
    /// What was lost, or may have been: the first [`LOSSES_TOLD_MAX`].
    pub losses: Vec<Loss>,
    /// How many losses there were.
    pub losses_total: u64,
    /// The tables that were read.
    pub tables: u64,
    /// The logs that were read.
    pub logs: u64,
    /// Tables and logs that were read although nothing intact names them, for nothing intact says that they were dropped: what they
    /// have may have been deleted since.
    pub unnamed: Vec<PathBuf>,
    /// Whether some of these may have been dropped: records of the manifest are lost that tell so. Then keys may be back that were
    /// deleted since, and values that operands make of those are left out.
    pub may_have_dropped: bool,
    /// Tables and logs that were not read: the manifest has dropped them, or does not have them.
    pub left_out: Vec<PathBuf>,
}

impl Report {
    /// Whether all of the database came over.
    pub fn is_whole(&self) -> bool {
        self.losses_total == 0
    }
}

/// What came over of a column family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RescuedFamily {
    /// Its number, the same as before.
    pub id: u32,
    /// Its name.
    pub name: String,
    /// Whether nothing that is intact tells its name, so that this one was made up.
    pub is_name_lost: bool,
    /// The keys that came from tables.
    pub keys: u64,
    /// The operations that came from logs behind them.
    pub operations: u64,
}

/// What kind of thing was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lost {
    /// The file that names the manifest.
    Current,
    /// A part of a manifest: nothing but what it said of options, names, or which files are dropped.
    Manifest,
    /// A whole table.
    Table,
    /// Blocks of a table: entries with keys in the range.
    Entries,
    /// The range deletes of a table: what they deleted may be back.
    RangeDeletes,
    /// A value of the value log. The key is left out.
    Value,
    /// The rest of a log, from the offset on.
    Log,
    /// An operation of a log, or the value of a key, that cannot be told without what was lost, or without its merge operator. What
    /// the key had before is there still, if anything.
    Operand,
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Lost::Current => "the name of the manifest",
            Lost::Manifest => "a part of the manifest",
            Lost::Table => "a table",
            Lost::Entries => "entries of a table",
            Lost::RangeDeletes => "range deletes of a table",
            Lost::Value => "a value",
            Lost::Log => "the rest of a log",
            Lost::Operand => "operands",
        })
    }
}

/// Something that was lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// What.
    pub lost: Lost,
    /// The file that had it.
    pub file: PathBuf,
    /// Where in the file the damage begins; zero if the file is gone.
    pub offset: u64,
    /// The column family, if it is known and only one.
    pub family: Option<String>,
    /// The first and the last key that may be affected, if they are known.
    pub keys: Option<(Vec<u8>, Vec<u8>)>,
    /// What is wrong there.
    pub damage: String,
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.lost)?;
        if let Some(family) = &self.family {
            write!(f, " of {family:?}")?;
        }
        if let Some((first, last)) = &self.keys {
            if first == last {
                write!(f, ", key {}", Key(first))?;
            } else {
                write!(f, ", keys {} to {}", Key(first), Key(last))?;
            }
        }
        write!(f, ": {}", self.damage)?;
        let (file, damage) = (self.file.display().to_string(), &self.damage);
        if damage.contains(&file) { Ok(()) } else { write!(f, " ({file}, byte {})", self.offset) }
    }
}

/// A key as it is shown.
struct Key<'a>(&'a [u8]);

impl fmt::Display for Key<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.get(..KEY_BYTES_SHOWN) {
            Some(start) if self.0.len() > KEY_BYTES_SHOWN => write!(f, "\"{}\"…", start.escape_ascii()),
            Some(_) | None => write!(f, "\"{}\"", self.0.escape_ascii()),
        }
    }
}
