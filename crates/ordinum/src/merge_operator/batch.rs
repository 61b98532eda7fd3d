//! What the operations of one batch on one key come to, if there are operands among them: one entry.

use std::collections::BTreeMap;

use super::operands::{Base, encode, encoded_bytes};
use crate::batch::Operations;
use crate::error::{Error, Result};
use crate::family::FamilyId;
use crate::key::{Kind, VALUE_BYTES_MAX};

/// The most bytes of an entry's value beside those of one operand, or of the value that it is applied to: the base, and two
/// lengths.
const OVERHEAD_BYTES: usize = 12;

/// The most bytes of a value and operands that one batch gives one key, with their lengths: they become one entry. Little in
/// tests of this crate, so that they get there.
pub(crate) const MERGED_BYTES_MAX: usize = if cfg!(test) { 1 << 20 } else { VALUE_BYTES_MAX };

/// Refuses a merge entry that is too long.
pub(crate) fn check_merged_bytes(bytes: usize) -> Result<()> {
    if bytes <= MERGED_BYTES_MAX {
        return Ok(());
    }
    let (actual, limit) = (bytes as u64, MERGED_BYTES_MAX as u64);
    Err(Error::LimitExceeded { what: "the operands of a batch on one key", actual, limit })
}

/// The bytes of a value that a batch needs room for, for one operation.
pub(crate) fn reserved_value_bytes(kind: Kind, value_len: usize) -> usize {
    match kind {
        Kind::Merge => value_len + OVERHEAD_BYTES,
        Kind::Put | Kind::Delete | Kind::RangeDelete | Kind::Pointer => value_len,
    }
}

/// What a batch does to a key, so far.
struct Written<'a> {
    base: Base<'a>,
    operands: Vec<&'a [u8]>,
    /// The last operation on the key.
    ordinal: u32,
}

/// The keys of a batch that have operands, and what becomes of them.
pub(crate) struct Merging<'a> {
    keys: BTreeMap<(FamilyId, &'a [u8]), Written<'a>>,
}

impl<'a> Merging<'a> {
    /// What the operations come to; none if there is no operand among them.
    pub(crate) fn of(operations: &Operations<'a>) -> Option<Merging<'a>> {
        let mut keys = BTreeMap::new();
        let mut look = operations.clone();
        while let Some(Ok(operation)) = look.next_operation() {
            if operation.kind == Kind::Merge {
                let written = Written { base: Base::Below, operands: Vec::new(), ordinal: 0 };
                keys.insert((operation.family, operation.key), written);
            }
        }
        if keys.is_empty() {
            return None;
        }
        let (mut operations, mut ordinal) = (operations.clone(), 0);
        while let Some(Ok(operation)) = operations.next_operation() {
            if operation.kind == Kind::RangeDelete {
                let (start, end) = ((operation.family, operation.key), (operation.family, operation.value));
                for (_, written) in keys.range_mut(start..end) {
                    (written.base, written.operands) = (Base::Absent, Vec::new());
                }
            } else if let Some(written) = keys.get_mut(&(operation.family, operation.key)) {
                written.ordinal = ordinal;
                match operation.kind {
                    Kind::Merge => written.operands.push(operation.value),
                    Kind::Put | Kind::Pointer => {
                        (written.base, written.operands) = (Base::Value(operation.value), Vec::new());
                    }
                    Kind::Delete | Kind::RangeDelete => {
                        (written.base, written.operands) = (Base::Absent, Vec::new())
                    }
                }
            }
            ordinal += 1;
        }
        Some(Merging { keys })
    }

    /// Refuses a batch with more operands on one key than an entry may have.
    pub(crate) fn check(&self) -> Result<()> {
        let several = self.keys.values().filter(|written| !written.operands.is_empty());
        several
            .map(|written| encoded_bytes(written.base, written.operands.iter().copied()))
            .try_for_each(check_merged_bytes)
    }

    /// Whether another operation of the batch says what becomes of the key.
    pub(crate) fn hides(&self, family: FamilyId, key: &[u8], ordinal: u32) -> bool {
        self.keys.get(&(family, key)).is_some_and(|written| written.ordinal != ordinal)
    }

    /// Whether there are operands behind the last put or deletion of the key.
    pub(crate) fn has_operands(&self, family: FamilyId, key: &[u8]) -> bool {
        self.keys.get(&(family, key)).is_some_and(|written| !written.operands.is_empty())
    }

    /// The value of the merge entry that stands for all operations on the key; none if the last one says it alone.
    pub(crate) fn value(&self, family: FamilyId, key: &[u8]) -> Option<Vec<u8>> {
        let written = self.keys.get(&(family, key)).filter(|written| !written.operands.is_empty())?;
        Some(encode(written.base, written.operands.iter().copied()))
    }
}
