//! What can be read from: the database, a snapshot, a transaction.

use std::ops::Bound;

use crate::cursor::Cursor;
use crate::error::Result;
use crate::family::ColumnFamily;
use crate::key::{self, SeqNo};
use crate::slice::Slice;

/// A range of keys, bytewise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRange {
    /// Where it begins.
    pub start: Bound<Vec<u8>>,
    /// Where it ends.
    pub end: Bound<Vec<u8>>,
}

impl KeyRange {
    /// Every key.
    pub fn all() -> KeyRange {
        KeyRange { start: Bound::Unbounded, end: Bound::Unbounded }
    }

    /// This key alone.
    pub fn only(key: &[u8]) -> KeyRange {
        KeyRange { start: Bound::Included(key.to_vec()), end: Bound::Included(key.to_vec()) }
    }

    /// The keys that begin with `prefix`.
    pub fn prefix(prefix: &[u8]) -> KeyRange {
        let mut end = prefix.to_vec();
        while end.last() == Some(&0xff) {
            end.pop();
        }
        let end = match end.last_mut() {
            Some(last) => {
                *last += 1;
                Bound::Excluded(end)
            }
            None => Bound::Unbounded,
        };
        KeyRange { start: Bound::Included(prefix.to_vec()), end }
    }

    /// The keys from `start` on and before `end`.
    pub fn half_open(start: &[u8], end: &[u8]) -> KeyRange {
        KeyRange { start: Bound::Included(start.to_vec()), end: Bound::Excluded(end.to_vec()) }
    }

    /// Whether the key is in the range.
    pub fn contains(&self, key: &[u8]) -> bool {
        !self.before(key) && !self.behind(key)
    }

    /// Whether the key lies before the range.
    #[inline]
    pub fn before(&self, key: &[u8]) -> bool {
        match &self.start {
            Bound::Included(start) => key::order(key, start).is_lt(),
            Bound::Excluded(start) => key::order(key, start).is_le(),
            Bound::Unbounded => false,
        }
    }

    /// Whether the key lies behind the range.
    #[inline]
    pub fn behind(&self, key: &[u8]) -> bool {
        match &self.end {
            Bound::Included(end) => key::order(key, end).is_gt(),
            Bound::Excluded(end) => key::order(key, end).is_ge(),
            Bound::Unbounded => false,
        }
    }

    /// Whether no key can be in the range.
    pub fn is_empty(&self) -> bool {
        match (&self.start, &self.end) {
            (Bound::Unbounded, _) => self.end == Bound::Excluded(Vec::new()),
            (_, Bound::Unbounded) => false,
            (Bound::Included(start), Bound::Included(end)) => start > end,
            (Bound::Included(start) | Bound::Excluded(start), Bound::Excluded(end))
            | (Bound::Excluded(start), Bound::Included(end)) => start >= end,
        }
    }
}

/// Reads at one sequence number. The database itself reads at the newest one, call by call.
///
/// ```
/// use ordinum::{Batch, Db, Durability, Options, Reader};
///
/// # fn main() -> ordinum::Result<()> {
/// # let directory = tempfile::tempdir().unwrap();
/// # let db = Db::open(directory.path().join("data"), Options::default())?;
/// # let family = db.default_column_family();
/// let mut batch = Batch::new();
/// batch.put(&family, b"ada", b"1815")?;
/// batch.put(&family, b"grace", b"1906")?;
/// db.write(batch, Durability::Buffered)?;
///
/// /// Whatever it reads from: the newest state, a snapshot, or a transaction with its own writes.
/// fn born(reader: &impl Reader, family: &ordinum::ColumnFamily) -> ordinum::Result<usize> {
///     // All at one sequence number; blocks that several keys lie in are read once.
///     let found = reader.multi_get(family, &[b"ada", b"charles", b"grace"])?;
///     Ok(found.iter().flatten().count())
/// }
/// assert_eq!(born(&db, &family)?, 2);
/// assert_eq!(born(&db.snapshot(), &family)?, 2);
/// let mut transaction = db.transaction();
/// transaction.put(&family, b"charles", b"1791")?;
/// assert_eq!(born(&transaction, &family)?, 3);
/// # Ok(())
/// # }
/// ```
pub trait Reader {
    /// The value of the key, or none if it is absent.
    fn get(&self, family: &ColumnFamily, key: &[u8]) -> Result<Option<Slice>> {
        Ok(self.get_versioned(family, key)?.map(|(value, _)| value))
    }

    /// The value of the key and the sequence number of the commit that wrote it. A transaction's own write has none
    /// yet: it shows [`SeqNo::MAX`].
    fn get_versioned(&self, family: &ColumnFamily, key: &[u8]) -> Result<Option<(Slice, SeqNo)>>;

    /// The values of the keys, in the order of `keys`, all read at one sequence number. They may lie in blocks or memtables, as
    /// [`Cursor::value_slice`] tells.
    fn multi_get(&self, family: &ColumnFamily, keys: &[&[u8]]) -> Result<Vec<Option<Slice>>>;

    /// A cursor over the keys in the range. It stands nowhere until it is moved, and stays at the sequence number (and,
    /// in a transaction, at the own writes) of this call.
    fn cursor(&self, family: &ColumnFamily, range: KeyRange) -> Result<Cursor>;

    /// About how many entries the range has, told without reading data: by what is known of the tables, the index of those
    /// that the range cuts, and a walk over the memtables, which beyond 4096 entries of one is a sample.
    ///
    /// Versions and deletions count, whether they are visible or not, and the writes of a transaction on top; a
    /// transaction does not remember it as a read. Each table that the range cuts adds an error of about two blocks
    /// and counts at least one entry. An empty range has none.
    ///
    /// # Errors
    /// [`crate::Error::FamilyDropped`], [`crate::Error::Closed`]; [`crate::Error::Io`] and [`crate::Error::Corrupt`] if an
    /// index cannot be read.
    fn approximate_entries(&self, family: &ColumnFamily, range: &KeyRange) -> Result<u64>;

    /// The sequence number that it reads at.
    fn seqno(&self) -> SeqNo;
}
