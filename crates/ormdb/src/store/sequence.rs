//! Sequences: the numbers of autoincrement fields.
//!
//! Invariants: (1) a number is given out once, also across a crash: the end of a block of numbers is in the log before
//! the first of them is used, and the log recovers a prefix; (2) sequences never roll back; (3) a number is greater
//! than every one that the field was given explicitly through [`Sequences::pass`].
//!
//! ```text
//! system family   | 's' | entity id u32 BE | field id u32 BE |  ->  the first number not yet reserved, i64 LE
//! ```

#![deny(clippy::indexing_slicing)]

use std::collections::BTreeMap;

use ordinum::{Batch, ColumnFamily, Db, Durability, Reader};
use ormdb_proto::schema::{EntityId, FieldId};
use ormdb_proto::value::ValueRef;
use ormdb_proto::{Error, ErrorCode, Result};
use parking_lot::Mutex;

use super::{corrupt, layout};
use crate::engine::EngineResult;
use crate::planted::{Bug, planted};

/// How many numbers the first block of a sequence has: what a crash may skip.
const BLOCK_MIN: i64 = 32;
/// How many numbers a block of a busy sequence has.
const BLOCK_MAX: i64 = 8192;

/// The sequences of a database.
#[derive(Debug)]
pub(crate) struct Sequences {
    db: Db,
    family: ColumnFamily,
    open: Mutex<BTreeMap<(EntityId, FieldId), Sequence>>,
}

#[derive(Clone, Copy, Debug)]
struct Sequence {
    /// The next number.
    next: i64,
    /// The first number that is not reserved.
    reserved: i64,
    /// How many numbers the next block has.
    block: i64,
}

impl Sequences {
    /// The sequences that are kept in `family`.
    pub(crate) fn new(db: Db, family: ColumnFamily) -> Sequences {
        Sequences { db, family, open: Mutex::default() }
    }

    /// The next number of a field.
    ///
    /// # Errors
    /// `NumericOverflow` at the end of the 64-bit integers, and errors of the engine.
    pub(crate) fn next(&self, entity: EntityId, field: FieldId) -> Result<i64> {
        let mut open = self.open.lock();
        let mut sequence = self.opened(&mut open, entity, field)?;
        let number = sequence.next;
        sequence.next = number
            .checked_add(1)
            .ok_or_else(|| Error::new(ErrorCode::NumericOverflow, "the sequence has no more numbers"))?;
        if sequence.next > sequence.reserved {
            self.reserve(entity, field, &mut sequence)?;
        }
        open.insert((entity, field), sequence);
        Ok(number)
    }

    /// Makes later numbers greater than `number`.
    ///
    /// # Errors
    /// Errors of the engine.
    pub(crate) fn pass(&self, entity: EntityId, field: FieldId, number: i64) -> Result<()> {
        let mut open = self.open.lock();
        let mut sequence = self.opened(&mut open, entity, field)?;
        if number < sequence.next {
            return Ok(());
        }
        sequence.next = number.saturating_add(1);
        if sequence.next > sequence.reserved {
            self.reserve(entity, field, &mut sequence)?;
        }
        open.insert((entity, field), sequence);
        Ok(())
    }

    /// Gives back the numbers that were reserved and not used, so that the next opening goes on without a gap.
    ///
    /// # Errors
    /// Errors of the engine.
    pub(crate) fn settle(&self) -> Result<()> {
        let mut open = self.open.lock();
        for ((entity, field), sequence) in open.iter_mut() {
            if sequence.reserved != sequence.next {
                self.store(*entity, *field, sequence.next)?;
                sequence.reserved = sequence.next;
            }
        }
        Ok(())
    }

    fn opened(
        &self,
        open: &mut BTreeMap<(EntityId, FieldId), Sequence>,
        entity: EntityId,
        field: FieldId,
    ) -> Result<Sequence> {
        if let Some(sequence) = open.get(&(entity, field)) {
            return Ok(*sequence);
        }
        let stored = self.db.get(&self.family, &layout::sequence_key(entity, field)).engine()?;
        let next = match stored {
            None => 1,
            Some(bytes) => bytes
                .first_chunk::<8>()
                .map(|bytes| i64::from_le_bytes(*bytes))
                .ok_or_else(|| corrupt("a sequence has no number"))?,
        };
        let sequence = Sequence { next, reserved: next, block: BLOCK_MIN };
        open.insert((entity, field), sequence);
        Ok(sequence)
    }

    fn reserve(&self, entity: EntityId, field: FieldId, sequence: &mut Sequence) -> Result<()> {
        let reserved = sequence.next.saturating_add(sequence.block);
        if !planted(Bug::ReissueNumbers) {
            self.store(entity, field, reserved)?;
        }
        sequence.reserved = reserved;
        sequence.block = (sequence.block * 2).min(BLOCK_MAX);
        Ok(())
    }

    /// Buffered is enough: a row that uses a number comes later in the same log.
    fn store(&self, entity: EntityId, field: FieldId, reserved: i64) -> Result<()> {
        let mut batch = Batch::new();
        batch.put(&self.family, &layout::sequence_key(entity, field), &reserved.to_le_bytes()).engine()?;
        self.db.write(batch, Durability::Buffered).engine()?;
        Ok(())
    }
}

/// The number that a value of an autoincrement field is; none if it is null.
pub(crate) fn number_of(value: &ValueRef<'_>) -> Option<i64> {
    match value {
        ValueRef::Int16(v) => Some(i64::from(*v)),
        ValueRef::Int32(v) => Some(i64::from(*v)),
        ValueRef::Int64(v) => Some(*v),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
