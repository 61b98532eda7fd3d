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
    last: Last,
}

/// The last range delete of every key.
#[derive(Debug)]
enum Last {
    /// There is one only.
    One { range: RangeTombstone, ordinal: u32 },
    /// By their ordinals, and one more.
    Of(Skyline),
}

impl Last {
    /// With one that comes behind.
    fn and(self, start: &[u8], end: &[u8], ordinal: u32) -> Last {
        let mut skyline = match self {
            Last::One { range, ordinal } => {
                let mut skyline = Skyline::default();
                skyline.assign(&range.start, &range.end, number(ordinal));
                skyline
            }
            Last::Of(skyline) => skyline,
        };
        skyline.assign(start, end, number(ordinal));
        Last::Of(skyline)
    }

    fn hides(&self, key: &[u8], before: u32) -> bool {
        match self {
            Last::One { range, ordinal } => before < *ordinal && *range.start <= *key && *key < *range.end,
            Last::Of(skyline) => skyline.span(key).seqno > number(before),
        }
    }
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
                let range = RangeTombstone::new(operation.key, operation.value, SeqNo::ZERO);
                match families.find_mut(|of| of.family == operation.family) {
                    Some(of) => {
                        let before = std::mem::replace(&mut of.last, Last::Of(Skyline::default()));
                        of.last = before.and(&range.start, &range.end, ordinal);
                    }
                    None => {
                        let last = Last::One { range, ordinal };
                        families.push(OfFamily { family: operation.family, last });
                    }
                }
            }
            ordinal += 1;
        }
        Folding { families }
    }

    /// Whether a range delete behind the operation with this ordinal takes it away.
    pub(crate) fn hides(&self, family: FamilyId, key: &[u8], ordinal: u32) -> bool {
        let of_family = self.families.iter().find(|of| of.family == family);
        of_family.is_some_and(|of| of.last.hides(key, ordinal))
    }

    /// The tombstones of the batch in the family: disjoint, ascending.
    pub(crate) fn tombstones(&self, family: FamilyId, seqno: SeqNo) -> Vec<RangeTombstone> {
        let of_family = self.families.iter().find(|of| of.family == family);
        match of_family.map(|of| &of.last) {
            None => Vec::new(),
            Some(Last::One { range, .. }) => vec![RangeTombstone { seqno, ..range.clone() }],
            Some(Last::Of(skyline)) => {
                let union = skyline.union();
                union.iter().map(|(start, end)| RangeTombstone::new(start, end, seqno)).collect()
            }
        }
    }
}

fn number(ordinal: u32) -> SeqNo {
    SeqNo::new(u64::from(ordinal) + 1).unwrap_or(SeqNo::MAX)
}
