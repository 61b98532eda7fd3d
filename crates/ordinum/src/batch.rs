//! A batch: operations that happen together, under one sequence number, across column families.
//!
//! ```text
//! payload of a log record of a batch
//!   varint  length of the header, and the header: opaque bytes of the caller
//!   varint  number of operations, and for each:
//!     1       kind: 0 delete, 1 put, 2 merge operand, 3 range delete
//!     varint  column family
//!     varint  length of the key, and the key; of a range delete: where it begins
//!     varint  length of the value, and the value (put) or operand (merge operand); where it ends, which is not deleted (range
//!             delete)
//! ```

#![deny(clippy::indexing_slicing)]

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::family::{ColumnFamily, FamilyId};
use crate::few::Few;
use crate::key::{KEY_BYTES_MAX, Kind, VALUE_BYTES_MAX};
use crate::memtable;
use crate::merge_operator::{Merging, reserved_value_bytes};
use crate::range_delete::Folding;
use crate::varint::{self, Varint};

/// The most bytes of a batch, its header included.
pub const BATCH_BYTES_MAX: usize = (1 << 30) + (256 << 20);

/// The longest operand, in bytes: an entry has room for it and for what stands before it.
pub const OPERAND_BYTES_MAX: usize = VALUE_BYTES_MAX / 2;

/// The most bytes of an operation beside its key and value.
pub(crate) const OPERATION_OVERHEAD_BYTES: usize = 16;

/// The most room that is made before operations come.
const ROOM_AHEAD_BYTES_MAX: usize = 4 << 20;

/// What a batch needs of a family.
#[derive(Clone, Debug)]
pub(crate) struct Share {
    pub(crate) family: ColumnFamily,
    /// Words of a memtable.
    pub(crate) words: u64,
    /// Whether there are range deletes.
    pub(crate) deletes_ranges: bool,
    /// Whether there are merge operands.
    pub(crate) merges: bool,
}

/// Operations that are applied together or not at all.
///
/// Of several operations on one key the last one counts.
///
/// ```
/// use ordinum::{Batch, Db, Durability, Options, Reader};
///
/// # fn main() -> ordinum::Result<()> {
/// # let directory = tempfile::tempdir().unwrap();
/// # let db = Db::open(directory.path().join("data"), Options::default())?;
/// # let family = db.default_column_family();
/// let mut batch = Batch::new();
/// batch.put(&family, b"user/1/name", b"Ada")?;
/// batch.delete_range(&family, b"user/2/", b"user/20")?;
/// batch.put(&family, b"user/2/name", b"Grace")?;
/// db.write(batch, Durability::Synced)?;
///
/// // What was written behind the range delete is there.
/// assert_eq!(db.get(&family, b"user/2/name")?.as_deref(), Some(&b"Grace"[..]));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Batch {
    operations: Vec<u8>,
    count: u32,
    header: Vec<u8>,
    shares: Few<Share>,
}

impl Default for Batch {
    fn default() -> Batch {
        Batch::new()
    }
}

impl Batch {
    /// An empty batch.
    pub fn new() -> Batch {
        let (operations, header, shares) = (Vec::new(), Vec::new(), Few::new());
        Batch { operations, count: 0, header, shares }
    }

    /// An empty batch with room for operations of so many bytes, but not for more than a few megabytes ahead.
    pub(crate) fn with_capacity(bytes: usize) -> Batch {
        Batch { operations: Vec::with_capacity(bytes.min(ROOM_AHEAD_BYTES_MAX)), ..Batch::new() }
    }

    /// Gives the key a value.
    ///
    /// # Errors
    /// [`Error::LimitExceeded`] if the key, the value or the batch grows too long; the batch is as before then.
    pub fn put(&mut self, family: &ColumnFamily, key: &[u8], value: &[u8]) -> Result<()> {
        within("a value", value.len(), VALUE_BYTES_MAX)?;
        self.push(family, Kind::Put, key, value)
    }

    /// Makes the key absent.
    ///
    /// # Errors
    /// [`Error::LimitExceeded`] if the key or the batch grows too long; the batch is as before then.
    pub fn delete(&mut self, family: &ColumnFamily, key: &[u8]) -> Result<()> {
        self.push(family, Kind::Delete, key, &[])
    }

    /// Makes the keys from `start` on and before `end` absent, at the cost of one operation. What the batch wrote to them
    /// before goes too; what it writes to them from here on stays. From `start` to `start` there is nothing, and
    /// nothing happens.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if `end` is before `start`; [`Error::LimitExceeded`] if one of them or the batch grows too
    /// long. The batch is as before then.
    pub fn delete_range(&mut self, family: &ColumnFamily, start: &[u8], end: &[u8]) -> Result<()> {
        check_range(start, end)?;
        if start == end {
            return Ok(());
        }
        self.push(family, Kind::RangeDelete, start, end)
    }

    /// Has the operator of the family change the value of the key, whatever it is then: nothing is read now. What the batch gives
    /// one key, operands and value together, is at most [`VALUE_BYTES_MAX`] long, or the batch is refused when it is written.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if the family has no operator; otherwise as [`Batch::put`].
    pub fn merge(&mut self, family: &ColumnFamily, key: &[u8], operand: &[u8]) -> Result<()> {
        check_merge(family, operand)?;
        self.push(family, Kind::Merge, key, operand)
    }

    /// Sets bytes that stand in the log beside the operations, for the caller's own use. The engine does not look at them.
    ///
    /// # Errors
    /// [`Error::LimitExceeded`] if the batch grows too long.
    pub fn set_header(&mut self, header: Vec<u8>) -> Result<()> {
        within("a batch", self.operations.len().saturating_add(header.len()), BATCH_BYTES_MAX)?;
        self.header = header;
        Ok(())
    }

    /// The number of operations.
    pub fn len(&self) -> usize {
        self.count as usize
    }

    /// Whether there is no operation.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The bytes of operations and header.
    pub fn bytes(&self) -> usize {
        self.operations.len() + self.header.len()
    }

    pub(crate) fn push(&mut self, family: &ColumnFamily, kind: Kind, key: &[u8], value: &[u8]) -> Result<()> {
        within("a key", key.len(), KEY_BYTES_MAX)?;
        if kind == Kind::Merge {
            check_merge(family, value)?;
        }
        within("a batch", self.bytes().saturating_add(key.len() + value.len() + 16), BATCH_BYTES_MAX)?;
        let next = self.count.checked_add(1);
        let limit = u64::from(u32::MAX);
        self.count =
            next.ok_or(Error::LimitExceeded { what: "the operations of a batch", actual: limit + 1, limit })?;
        self.operations.reserve(key.len() + value.len() + OPERATION_OVERHEAD_BYTES);
        self.operations.push(kind as u8);
        varint::push_u32(&mut self.operations, family.family.id.0);
        varint::push_bytes(&mut self.operations, key);
        match kind {
            Kind::Put | Kind::Merge | Kind::RangeDelete => varint::push_bytes(&mut self.operations, value),
            Kind::Delete | Kind::Pointer => {}
        }
        let (deletes_ranges, merges) = (kind == Kind::RangeDelete, kind == Kind::Merge);
        let words = memtable::node_words(key.len(), reserved_value_bytes(kind, value.len()));
        match self.shares.find_mut(|share| Arc::ptr_eq(&share.family.family, &family.family)) {
            Some(share) => {
                share.words += words;
                share.deletes_ranges |= deletes_ranges;
                share.merges |= merges;
            }
            None => self.shares.push(Share { family: family.clone(), words, deletes_ranges, merges }),
        }
        Ok(())
    }

    /// What each family must have room for.
    pub(crate) fn shares(&self) -> impl Iterator<Item = &Share> {
        self.shares.iter()
    }

    /// What its range deletes do inside it; none if it has none.
    pub(crate) fn folding(&self) -> Option<Folding> {
        self.shares().any(|share| share.deletes_ranges).then(|| Folding::of(self.operations()))
    }

    /// What its operands come to; none if it has none.
    pub(crate) fn merging(&self) -> Option<Merging<'_>> {
        if self.shares().any(|share| share.merges) { Merging::of(&self.operations()) } else { None }
    }

    /// The operations in order.
    pub(crate) fn operations(&self) -> Operations<'_> {
        Operations { rest: &self.operations, left: self.count }
    }

    /// The payload of the log record, in parts: the header's length, the header, the number of operations, and they.
    pub(crate) fn encode<'a>(&'a self, numbers: &'a mut [Varint; 2]) -> [&'a [u8]; 4] {
        let [header_len, count] = numbers;
        *header_len = Varint::new(self.header.len() as u64);
        *count = Varint::new(u64::from(self.count));
        [header_len.bytes(), &self.header, count.bytes(), &self.operations]
    }
}

/// Refuses an operand that nobody understands.
pub(crate) fn check_merge(family: &ColumnFamily, operand: &[u8]) -> Result<()> {
    within("an operand", operand.len(), OPERAND_BYTES_MAX)?;
    if family.family.merge_operator.is_some() {
        return Ok(());
    }
    let message = format!("column family {:?} has no merge operator", family.name());
    Err(Error::InvalidArgument { message })
}

/// Refuses a range delete that no range of keys stands for.
pub(crate) fn check_range(start: &[u8], end: &[u8]) -> Result<()> {
    within("a key", start.len().max(end.len()), KEY_BYTES_MAX)?;
    if start <= end {
        return Ok(());
    }
    Err(Error::InvalidArgument { message: "a range to delete ends before it begins".to_owned() })
}

fn within(what: &'static str, actual: usize, limit: usize) -> Result<()> {
    if actual <= limit {
        return Ok(());
    }
    Err(Error::LimitExceeded { what, actual: actual as u64, limit: limit as u64 })
}

/// An operation of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Operation<'a> {
    pub(crate) kind: Kind,
    pub(crate) family: FamilyId,
    pub(crate) key: &'a [u8],
    pub(crate) value: &'a [u8],
}

/// The operations of a batch, decoded one by one.
#[derive(Clone, Debug)]
pub(crate) struct Operations<'a> {
    rest: &'a [u8],
    left: u32,
}

impl<'a> Operations<'a> {
    /// The operations in the payload of a log record, or none if it does not begin as one.
    pub(crate) fn decode(payload: &'a [u8]) -> Option<Operations<'a>> {
        let mut rest = payload;
        varint::take_bytes(&mut rest)?;
        let left = varint::take_u32(&mut rest)?;
        Some(Operations { rest, left })
    }

    /// The next operation: none at the end, an error if the bytes are not an operation.
    pub(crate) fn next_operation(&mut self) -> Option<std::result::Result<Operation<'a>, Malformed>> {
        if self.left == 0 {
            // Told once: who goes on after an error comes to an end.
            return (!std::mem::take(&mut self.rest).is_empty()).then_some(Err(Malformed));
        }
        self.left -= 1;
        let operation = self.take();
        if operation.is_none() {
            (self.rest, self.left) = (&[], 0);
        }
        Some(operation.ok_or(Malformed))
    }

    fn take(&mut self) -> Option<Operation<'a>> {
        let (&kind, rest) = self.rest.split_first()?;
        self.rest = rest;
        let kind = Kind::from_byte(kind)?;
        let family = FamilyId(varint::take_u32(&mut self.rest)?);
        let key = varint::take_bytes(&mut self.rest)?;
        let value = match kind {
            Kind::Put | Kind::Merge => varint::take_bytes(&mut self.rest)?,
            // Memtables and tables rely on it that a range has keys.
            Kind::RangeDelete => {
                varint::take_bytes(&mut self.rest).filter(|end| key < *end && end.len() <= KEY_BYTES_MAX)?
            }
            Kind::Delete => &[],
            Kind::Pointer => return None,
        };
        (key.len() <= KEY_BYTES_MAX).then_some(Operation { kind, family, key, value })
    }
}

/// The bytes are not an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;
