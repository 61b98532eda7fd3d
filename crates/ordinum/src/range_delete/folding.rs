//! The order inside a batch: which of its operations a later range delete of the same batch takes away, and the union of its
//! range deletes.

use super::RangeTombstone;
use super::skyline::Skyline;
use crate::batch::Operations;
use crate::family::FamilyId;
use crate::few::Few;
use crate::key::{Kind, SeqNo};

/// What the range deletes of one family do inside their batch.
#[derive(Debug)]
struct OfFamily {
    family: FamilyId,
    /// For every key the last range delete: its ordinal, and one more.
    last: Skyline,
}

/// What the range deletes of a batch do inside it.
#[derive(Debug)]
pub(crate) struct Folding {
    families: Few<OfFamily>,
}

impl Folding {
    /// Of the batch with these operations.
    pub(crate) fn of(mut operations: Operations<'_>) -> Folding {
        let mut families: Few<OfFamily> = Few::new();
        let mut ordinal = 0;
        while let Some(Ok(operation)) = operations.next_operation() {
            if operation.kind == Kind::RangeDelete && operation.key < operation.value {
                if families.find_mut(|of| of.family == operation.family).is_none() {
                    families.push(OfFamily { family: operation.family, last: Skyline::default() });
                }
                if let Some(of) = families.find_mut(|of| of.family == operation.family) {
                    of.last.assign(operation.key, operation.value, number(ordinal));
                }
            }
            ordinal += 1;
        }
        Folding { families }
    }

    /// Whether a range delete behind the operation with this ordinal takes it away.
    pub(crate) fn hides(&self, family: FamilyId, key: &[u8], ordinal: u32) -> bool {
        let of_family = self.families.iter().find(|of| of.family == family);
        of_family.is_some_and(|of| of.last.span(key).seqno > number(ordinal))
    }

    /// The tombstones of the batch in the family: disjoint, ascending.
    pub(crate) fn tombstones(&self, family: FamilyId, seqno: SeqNo) -> Vec<RangeTombstone> {
        let of_family = self.families.iter().find(|of| of.family == family);
        let union = of_family.map(|of| of.last.union()).unwrap_or_default();
        union.iter().map(|(start, end)| RangeTombstone::new(start, end, seqno)).collect()
    }
}

fn number(ordinal: u32) -> SeqNo {
    SeqNo::new(u64::from(ordinal) + 1).unwrap_or(SeqNo::MAX)
}
