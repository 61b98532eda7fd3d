//! Which keys the logs have settled: whatever is missing below the last put or deletion of a key makes no difference to it.

use std::collections::BTreeMap;

use crate::family::FamilyId;
use crate::key::{Kind, SeqNo};
use crate::range_delete::{RangeTombstone, RangeTombstones};

/// The last puts and deletions of families that have operands and lost something.
#[derive(Debug, Default)]
pub(super) struct Settled {
    keys: BTreeMap<FamilyId, BTreeMap<Vec<u8>, SeqNo>>,
    ranges: BTreeMap<FamilyId, RangeTombstones>,
}

impl Settled {
    /// Notes an operation that is no operand.
    pub(super) fn write(&mut self, family: FamilyId, kind: Kind, key: &[u8], end: &[u8], seqno: SeqNo) {
        if kind == Kind::RangeDelete {
            self.ranges.entry(family).or_default().insert(RangeTombstone::new(key, end, seqno));
        } else {
            self.keys.entry(family).or_default().insert(key.to_vec(), seqno);
        }
    }

    /// The commit that settled the key last, or zero.
    pub(super) fn at(&self, family: FamilyId, key: &[u8]) -> SeqNo {
        let written = self.keys.get(&family).and_then(|keys| keys.get(key)).copied();
        let deleted = self.ranges.get(&family).map(|ranges| ranges.newest(key, SeqNo::MAX));
        written.max(deleted).unwrap_or(SeqNo::ZERO)
    }
}
