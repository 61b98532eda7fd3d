//! What a caller lets compactions remove.

use std::fmt::Debug;

use crate::key::SeqNo;

/// A version of a key that a compaction asks about.
#[derive(Clone, Copy, Debug)]
pub struct FilteredEntry<'a> {
    /// The key.
    pub key: &'a [u8],
    /// The value.
    pub value: &'a [u8],
    /// The commit that wrote it.
    pub seqno: SeqNo,
    /// The level that the compaction writes to.
    pub level: usize,
}

/// What becomes of a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FilterDecision {
    /// It stays.
    Keep,
    /// It goes, as if the key had been deleted by the commit that wrote it.
    Remove,
}

/// Removes entries that have outlived their use, while compactions rewrite them anyway.
///
/// The contract:
///
/// - It is asked only about the newest version of a key, only if that is a value, and only if no snapshot, transaction
///   or other pinned reader sees it. Versions that one of them sees stay as they are.
/// - What is removed is gone for reads that begin later. Cursors that are open go on seeing it.
/// - When, and whether, an entry is asked about is not promised: flushes, and compactions that move tables as they are,
///   ask nothing. An entry that was kept is asked about again by later compactions. [`crate::Db::compact_range`] asks
///   about every entry of the range that its contract allows.
/// - A value that is in the value log is read for it.
/// - An older version of a removed key never comes back: a deletion takes its place while there may be one.
/// - It is called on threads of the database, on several at a time, with no lock held. It must not call the database,
///   and should answer the same for the same entry and time. A panic ends the compaction's thread.
///
/// ```
/// use std::sync::Arc;
///
/// use ordinum::{
///     Batch, CompactionFilter, Db, Durability, FamilyOptions, FilterDecision, FilteredEntry, KeyRange, Options, Reader,
/// };
///
/// #[derive(Debug)]
/// struct Expired;
///
/// impl CompactionFilter for Expired {
///     fn filter(&self, entry: &FilteredEntry<'_>) -> FilterDecision {
///         if entry.value == b"expired" { FilterDecision::Remove } else { FilterDecision::Keep }
///     }
/// }
///
/// # fn main() -> ordinum::Result<()> {
/// # let directory = tempfile::tempdir().unwrap();
/// let filtered = FamilyOptions { compaction_filter: Some(Arc::new(Expired)), ..FamilyOptions::default() };
/// let db = Db::open(directory.path().join("data"), Options::default())?;
/// let sessions = db.create_column_family("sessions", filtered)?;
/// let mut batch = Batch::new();
/// batch.put(&sessions, b"1815", b"expired")?;
/// batch.put(&sessions, b"1906", b"open")?;
/// db.write(batch, Durability::Buffered)?;
///
/// db.compact_range(&sessions, KeyRange::all())?;
/// assert_eq!(db.get(&sessions, b"1815")?, None);
/// assert!(db.get(&sessions, b"1906")?.is_some());
/// # Ok(())
/// # }
/// ```
pub trait CompactionFilter: Debug + Send + Sync {
    /// What becomes of the version.
    fn filter(&self, entry: &FilteredEntry<'_>) -> FilterDecision;
}
