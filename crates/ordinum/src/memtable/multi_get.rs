//! Several keys looked up at once: they go side by side, so that the memory that one waits for comes in while the others go on.
//!
//! A search in a memtable that is larger than the processor's caches mostly waits: for the filter's word, a tree node a level, the
//! node of the list. One after the other these waits add up; side by side they overlap (group prefetching: Chen, Ailamaki,
//! Gibbons and Mowry, "Improving Hash Join Performance through Prefetching", 2004).

use std::sync::Arc;

use smallvec::SmallVec;

use super::arena::{At, WORD_BYTES};
use super::index::{Near, Sorting};
use super::{FIXED_WORDS, Looked, Memtable, Position, target};
use crate::key::{self, KeptKey, SeqNo};
use crate::slice::{Holder, Slice};
use crate::table::Lookup;

/// How many go side by side: as many as there are misses that a processor core waits for at once.
const GROUP: usize = 12;
/// Words that come into the processor's cache together.
const WORDS_OF_LINE: usize = 8;
/// So many lines of a value are fetched ahead, at most.
const LINES_PREFETCHED_MAX: usize = 8;

fn sorting(positions: &[Position<'_>]) -> Sorting {
    let ascends = positions.is_sorted_by(|a, b| key::order(a.key, b.key).is_le());
    if ascends { Sorting::Ascending } else { Sorting::Any }
}

impl Memtable {
    /// What [`Memtable::get`] finds, of each that nothing was found of yet.
    pub(crate) fn multi_get(self: &Arc<Self>, lookups: &mut [Lookup<'_>], seqno: SeqNo) {
        if self.is_empty() {
            return;
        }
        let mut holder = None;
        for group in lookups.chunks_mut(GROUP) {
            group.iter().for_each(|lookup| self.filter.prefetch(lookup.key_hash));
            let may_be =
                |lookup: &&mut Lookup<'_>| lookup.found.is_none() && self.filter.may_contain(lookup.key_hash);
            let mut group: SmallVec<[&mut Lookup<'_>; GROUP]> = group.iter_mut().filter(may_be).collect();
            self.get_group(&mut group, seqno, &mut holder);
        }
    }

    fn get_group(
        self: &Arc<Self>,
        group: &mut [&mut Lookup<'_>],
        seqno: SeqNo,
        holder: &mut Option<Arc<dyn Holder>>,
    ) {
        let positions: SmallVec<[Position<'_>; GROUP]> =
            group.iter().map(|lookup| self.position(lookup.user_key, seqno, u32::MAX)).collect();
        let sought: SmallVec<[Looked<'_>; GROUP]> =
            positions.iter().map(|position| self.sought(position)).collect();
        let mut ends: SmallVec<[(Near, At); GROUP]> = SmallVec::from_elem(Default::default(), sought.len());
        self.index.near_each(&sought, sorting(&positions), &mut ends);
        for (before, behind) in &ends {
            self.arena.prefetch(before.node);
            self.arena.prefetch(*behind);
        }
        for ((lookup, position), (before, _)) in group.iter_mut().zip(&positions).zip(&ends) {
            let (_, link) = self.follow(before.node, position);
            let value = |node| {
                self.prefetch_value(node);
                Slice::held(Arc::clone(holder.get_or_insert_with(|| self.pinned())), node)
            };
            lookup.found = self.entry(target(link), position.key, value);
        }
    }

    /// Of each of these keys a node not far before all its entries. These nodes and those behind them are fetched.
    pub(super) fn places_before(&self, keys: &[&[u8]]) -> Vec<(KeptKey, Near)> {
        let mut places = Vec::with_capacity(keys.len());
        for keys in keys.chunks(GROUP) {
            let positions: SmallVec<[Position<'_>; GROUP]> =
                keys.iter().map(|key| self.position(key, SeqNo::MAX, u32::MAX)).collect();
            let sought: SmallVec<[Looked<'_>; GROUP]> =
                positions.iter().map(|position| self.sought(position)).collect();
            let mut ends: SmallVec<[(Near, At); GROUP]> =
                SmallVec::from_elem(Default::default(), sought.len());
            self.index.near_each(&sought, sorting(&positions), &mut ends);
            for (key, (near, behind)) in keys.iter().zip(ends) {
                self.arena.prefetch(near.node);
                self.arena.prefetch(behind);
                places.push((KeptKey::new(key), near));
            }
        }
        places
    }

    /// Who asks for several values looks at them next, one behind the other.
    fn prefetch_value(&self, node: At) {
        let lines = self.value(node).len() / (WORDS_OF_LINE * WORD_BYTES);
        let first = node + FIXED_WORDS;
        for line in 1..=lines.min(LINES_PREFETCHED_MAX) {
            // The lines lie within the node, for they are no more than its value has.
            self.arena.prefetch(first + u32::try_from(line * WORDS_OF_LINE).unwrap_or(0));
        }
    }
}
