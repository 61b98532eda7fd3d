//! About how many entries of a memtable lie in a range of keys.
//!
//! One node in four rises to the next level of the list: where a level has too many nodes in the range to walk over, those
//! of the level above are counted, each for four.

use std::ops::Bound;
use std::sync::atomic::Ordering;

use super::{HEAD, Memtable, Position};
use crate::key::SeqNo;
use crate::reader::KeyRange;

/// The most nodes of one level that are walked over.
pub(super) const NODES_WALKED_MAX: u64 = 4096;

impl Memtable {
    /// The entries in the range, exactly if there are at most [`NODES_WALKED_MAX`], and else to within a few percent:
    /// from a sample that is about a quarter of that or larger. Entries that a later one of their batch hides count too.
    pub(crate) fn approximate_entries(&self, range: &KeyRange) -> u64 {
        let height = self.height.load(Ordering::Relaxed);
        let mut each = 1u64;
        for level in 0..height {
            let top = level + 1 == height;
            if let Some(nodes) = self.nodes_of(level, range, if top { u64::MAX } else { NODES_WALKED_MAX }) {
                return nodes.saturating_mul(each);
            }
            each *= 4;
        }
        0
    }

    /// How many nodes of a level are in the range; none if there are more than `nodes_max`.
    fn nodes_of(&self, level: u32, range: &KeyRange, nodes_max: u64) -> Option<u64> {
        let start = match &range.start {
            Bound::Included(key) => Position::new(key, SeqNo::MAX, u32::MAX),
            Bound::Excluded(key) => Position::new(key, SeqNo::ZERO, 0),
            Bound::Unbounded => Position::new(&[], SeqNo::MAX, u32::MAX),
        };
        let (mut at, mut node) = (HEAD, 0);
        for level in (level..self.height.load(Ordering::Relaxed)).rev() {
            (at, node) = self.descend(at, node, level, &start);
        }
        let mut nodes = 0;
        while node != 0 && !range.behind(self.key(node)) {
            nodes += 1;
            if nodes > nodes_max {
                return None;
            }
            node = self.next(node, level);
        }
        Some(nodes)
    }
}
