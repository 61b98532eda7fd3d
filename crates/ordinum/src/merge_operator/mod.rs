//! Merge operators: a write that says how a value changes, without reading it.
//!
//! Invariants:
//! (1) the value of a key is what its newest put or deletion left, and all operands behind it, in the order of commits;
//! (2) two operands become one entry only where nobody reads between them, and then nothing calls the operator that could
//!     fail: what it refuses stays side by side, and is told to whoever reads the key;
//! (3) the name of a family's operator is in the manifest before an operand of the family can be in a log.
//!
//! ```text
//! value of a merge entry, in memtables and tables
//!   | base | operand … |              oldest first, at least one
//! base      0: what stands below | 1: the key is absent | 2, varint length, value
//! operand   varint length, bytes
//! ```

#![deny(clippy::indexing_slicing)]

mod batch;
mod chain;
mod operands;
mod pending;

use std::fmt;

pub(crate) use batch::{Merging, check_merged_bytes, reserved_value_bytes};
pub(crate) use chain::{Chain, Operator};
pub(crate) use operands::{Base, Entry, encode, is_merge_entry};
pub(crate) use pending::Pending;

/// The longest name of an operator, in bytes.
pub const MERGE_OPERATOR_NAME_BYTES_MAX: usize = 255;

/// Why an operator could not merge: what does not fit, for a person to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MergeFailed(pub String);

/// What [`crate::Batch::merge`] means in a column family.
///
/// The contract:
///
/// - The answers depend on the arguments only, and stay the same for the life of the data: an operator that means something
///   else has another name.
/// - `merge(k, v, [a, b])` is `merge(k, Some(merge(k, v, [a])), [b])`, and the same as with what `join` makes of `a` and `b`.
/// - It is called on threads that read and on those of the database, on several at a time. It must not call the database.
///
/// ```
/// use std::sync::Arc;
///
/// use ordinum::{Batch, Db, Durability, FamilyOptions, MergeFailed, MergeOperator, Options, Reader};
///
/// /// Adds numbers of eight bytes.
/// #[derive(Debug)]
/// struct Sum;
///
/// fn number(bytes: &[u8]) -> Result<u64, MergeFailed> {
///     let bytes = bytes.try_into().map_err(|_| MergeFailed("a number has eight bytes".to_owned()))?;
///     Ok(u64::from_le_bytes(bytes))
/// }
///
/// impl MergeOperator for Sum {
///     fn name(&self) -> &str {
///         "sum"
///     }
///
///     fn merge(&self, _key: &[u8], existing: Option<&[u8]>, operands: &[&[u8]]) -> Result<Vec<u8>, MergeFailed> {
///         let mut sum = existing.map_or(Ok(0), number)?;
///         for operand in operands {
///             sum = sum.wrapping_add(number(operand)?);
///         }
///         Ok(sum.to_le_bytes().to_vec())
///     }
/// }
///
/// # fn main() -> ordinum::Result<()> {
/// # let directory = tempfile::tempdir().unwrap();
/// let counting = FamilyOptions { merge_operator: Some(Arc::new(Sum)), ..FamilyOptions::default() };
/// let db = Db::open(directory.path().join("data"), Options::default())?;
/// let counters = db.create_column_family("counters", counting)?;
/// for _ in 0..3 {
///     let mut batch = Batch::new();
///     batch.merge(&counters, b"visits", &1u64.to_le_bytes())?;
///     db.write(batch, Durability::Buffered)?;
/// }
/// assert_eq!(db.get(&counters, b"visits")?.as_deref(), Some(&3u64.to_le_bytes()[..]));
/// # Ok(())
/// # }
/// ```
pub trait MergeOperator: fmt::Debug + Send + Sync {
    /// Its name, up to [`MERGE_OPERATOR_NAME_BYTES_MAX`] bytes. The directory remembers it.
    fn name(&self) -> &str;

    /// The value behind the operands, of which there is at least one, oldest first.
    ///
    /// # Errors
    /// What does not fit. Reads of the key fail with it until the key is put or deleted.
    fn merge(
        &self,
        key: &[u8],
        existing: Option<&[u8]>,
        operands: &[&[u8]],
    ) -> std::result::Result<Vec<u8>, MergeFailed>;

    /// One operand that does what these do, oldest first; none if there is none, or they do not fit: they stay side by side
    /// then.
    fn join(&self, _key: &[u8], _operands: &[&[u8]]) -> Option<Vec<u8>> {
        None
    }
}

#[cfg(test)]
mod tests;
