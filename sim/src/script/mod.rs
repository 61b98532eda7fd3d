//! Scripts: what is done to a database, operation by operation, in text.
//!
//! Invariants: (1) a script says everything: what it does depends on nothing else, so that it can be kept; (2) an operation that
//! has nothing to work on (a cursor that was never opened) does nothing, so that any part of a script is a script.

mod text;

use std::collections::BTreeMap;

use crate::settings::Settings;

/// A key: a number and how long it is padded, or the empty one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// None for the empty key.
    pub number: Option<u16>,
    /// It is at least so long.
    pub padded: u16,
}

impl Key {
    /// The bytes.
    pub fn bytes(self) -> Vec<u8> {
        let Some(number) = self.number else { return Vec::new() };
        let mut bytes = format!("key{number}").into_bytes();
        bytes.resize(bytes.len().max(usize::from(self.padded)), b'x');
        bytes
    }
}

/// A value, which no other write of the script has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Value {
    /// What is repeated.
    pub seed: u32,
    /// How long it is.
    pub len: u32,
}

impl Value {
    /// The bytes.
    pub fn bytes(self) -> Vec<u8> {
        let word = format!("{}.", self.seed).into_bytes();
        word.into_iter().cycle().take(usize::try_from(self.len).unwrap_or(0)).collect()
    }
}

/// What an operation does to its key, or from its key on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// The key has this value.
    Put(Value),
    /// The key is absent.
    Delete,
    /// The value grows by this.
    Merge(Value),
    /// The keys before this one are absent.
    DeleteRange(Key),
}

/// A write to one key or range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Write {
    /// The place of the family.
    pub family: u8,
    /// The key, or where the range begins.
    pub key: Key,
    /// What is done.
    pub effect: Effect,
}

/// How durable a commit is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lasting {
    /// It survives a power loss.
    Synced,
    /// It survives the end of the process.
    Buffered,
    /// Synced in the background within a second.
    Interval,
}

/// Where a range of keys begins or ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edge {
    /// Nowhere.
    Open,
    /// At the key, which is inside.
    At(Key),
    /// At the key, which is outside.
    Beside(Key),
}

/// A range of keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// Where it begins.
    pub start: Edge,
    /// Where it ends.
    pub end: Edge,
}

/// How a cursor is moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    /// To the first row.
    First,
    /// To the last row.
    Last,
    /// One row on.
    Next,
    /// One row back.
    Prev,
    /// To the first row at or behind the key.
    Seek(Key),
    /// To the last row at or before the key.
    SeekBack(Key),
}

/// Which way a scan goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From the first row.
    Forward,
    /// From the last row.
    Back,
}

/// What goes wrong with a change of the file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The power goes.
    Power,
    /// An input/output error.
    Io,
    /// No space.
    Full,
    /// A sync that fails.
    Sync,
}

/// What goes wrong with a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadTrouble {
    /// An input/output error.
    Io,
    /// The file ends too early.
    Short,
    /// A wrong bit.
    Flip(u16),
}

/// How a process ends that did not close its database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It is killed.
    Killed,
    /// The machine loses power, and nothing stays that was not synced.
    Lost,
    /// The machine loses power; the seed says what stays.
    Torn(u32),
}

/// What a transaction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Optimistic, and serializable.
    Serializable,
    /// Optimistic; what it wrote is validated.
    Snapshot,
    /// Locks what it writes, and is serializable.
    Locking,
}

/// One operation.
#[allow(missing_docs, reason = "the text of a variant tells what its fields are")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// Opens the database; what was open is closed before.
    Open(Settings),
    /// A batch. Its sequence number leaves so many out.
    Write { lasting: Lasting, gap: u16, writes: Vec<Write> },
    /// Begins a transaction.
    Begin { slot: u8, kind: Kind },
    /// Writes in a transaction.
    Tx { slot: u8, writes: Vec<Write> },
    /// Writes in a transaction, and rolls them back.
    Undo { slot: u8, writes: Vec<Write> },
    /// Reads keys in a transaction.
    Look { slot: u8, family: u8, keys: Vec<Key> },
    /// Reads a family in a transaction.
    Walk { slot: u8, family: u8, way: Way },
    /// Commits a transaction.
    Commit { slot: u8, lasting: Lasting },
    /// Rolls a transaction back.
    Rollback { slot: u8 },
    /// Ingests rows, cut into two files before the key with this place.
    Ingest { family: u8, cut: u8, rows: Vec<(Key, Value)> },
    /// Takes a snapshot.
    Snapshot { slot: u8 },
    /// Lets go of a snapshot.
    Release { slot: u8 },
    /// Reads keys, in a snapshot if there is one in the slot.
    Get { slot: u8, family: u8, keys: Vec<Key> },
    /// Reads all rows of a family.
    Scan { slot: u8, family: u8, way: Way },
    /// Opens a cursor, on a snapshot if there is one in the slot.
    Cursor { cursor: u8, slot: u8, family: u8, range: Range },
    /// Moves a cursor.
    Move { cursor: u8, moves: Vec<Move> },
    /// Flushes a family.
    Flush { family: u8 },
    /// Flushes all of them.
    FlushAll,
    /// Merges a range.
    Compact { family: u8, range: Range },
    /// Does so many pieces of background work.
    Work { steps: u8 },
    /// Changes the options of a family.
    Set { family: u8, settings: Settings },
    /// Drops the family and creates one of the same name.
    Replace { family: u8 },
    /// Makes a checkpoint, opens it and compares.
    Checkpoint(Settings),
    /// Reads at a commit of the past, so many before the newest.
    Past { back: u16, family: u8 },
    /// Follows the log and compares what it tells.
    Follow,
    /// Reads every file and checks it.
    Verify,
    /// Moves the clock.
    Wait { ms: u32 },
    /// The change of the file system so many from now goes wrong. If that stops an operation, the process ends like this.
    Arm { after: u16, trouble: Trouble, end: End },
    /// The read so many from now goes wrong.
    ArmRead { after: u16, trouble: ReadTrouble },
    /// The process ends, and the next one opens the database. Of a torn end, so many states are tried besides; and
    /// the opening itself is cut off at a change of the file system, if that is not zero.
    Crash { end: End, states: u8, again: u16, settings: Settings },
}

/// A list of operations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Script {
    /// In their order.
    pub ops: Vec<Op>,
}

impl Script {
    /// The rows of an ingestion, in order and each key once.
    pub fn rows(rows: &[(Key, Value)]) -> BTreeMap<Vec<u8>, Value> {
        rows.iter().map(|(key, value)| (key.bytes(), *value)).collect()
    }
}

#[cfg(test)]
mod tests;
