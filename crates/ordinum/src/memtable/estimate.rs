//! About how many entries of a memtable lie in a range of keys.

use std::ops::Bound;

use super::Memtable;
use crate::key::SeqNo;
use crate::reader::KeyRange;

/// The most entries that are counted one by one.
pub(super) const ENTRIES_WALKED_MAX: u64 = 4096;
/// The most nodes of a level of the index that are looked at.
const INDEX_NODES_WALKED_MAX: u32 = 256;

impl Memtable {
    /// The entries in the range, exactly if there are at most [`ENTRIES_WALKED_MAX`], and else to within a few percent.
    /// Entries that a later one of their batch hides count too.
    pub(crate) fn approximate_entries(&self, range: &KeyRange) -> u64 {
        let start = match &range.start {
            Bound::Included(key) => self.position(key, SeqNo::MAX, u32::MAX),
            Bound::Excluded(key) => self.position(key, SeqNo::ZERO, 0),
            Bound::Unbounded => self.position(&[], SeqNo::MAX, u32::MAX),
        };
        let is_behind = |node| range.behind(self.key(node));
        let (mut entries, mut node) = (0, self.at_or_after(&start));
        while node != 0 && !is_behind(node) {
            entries += 1;
            if entries > ENTRIES_WALKED_MAX {
                let sought = self.sought(&start);
                return self.index.approximate_entries(
                    self.entries(),
                    &sought,
                    is_behind,
                    INDEX_NODES_WALKED_MAX,
                );
            }
            node = self.next(node);
        }
        entries
    }
}
