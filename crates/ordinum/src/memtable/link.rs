//! Linking entries that were written into the list.
//!
//! Those of a batch are linked in their order and some together: they look for their places in the index side by side, so that the
//! memory that one waits for comes in while the others go on, as those do that are looked up together.

use smallvec::SmallVec;

use super::arena::At;
use super::index::{Place, hint_of, target};
use super::{Looked, Memtable, Position, Unlinked};
use crate::sync::atomic::Ordering;

/// So many nodes are linked together.
const GROUP: usize = 8;

/// The most groups that go the whole way before the leaf of the last one is looked into again.
const GROUPS_APART_MAX: u32 = 16;

/// Where sorted entries go on: in the leaf in which the last of a group came to stand, if those before did.
#[derive(Default)]
struct Onward {
    leaf: At,
    /// So many groups are not looked for there, and so many were not when the last one was.
    pause: u32,
    paused: u32,
}

impl Onward {
    /// The leaf to look into, if there is one.
    fn leaf(&mut self) -> Option<At> {
        if self.pause > 0 {
            self.pause -= 1;
            return None;
        }
        (self.leaf != 0).then_some(self.leaf)
    }

    /// Takes note of whether a group was there.
    fn took(&mut self, was_there: bool) {
        self.paused = if was_there { 0 } else { (2 * self.paused).clamp(1, GROUPS_APART_MAX) };
        self.pause = self.paused;
    }
}

impl Memtable {
    /// Inserts entries that were written. In their order, a search mostly ends near where the last one did.
    pub(crate) fn insert_sorted(&self, written: &mut [Unlinked]) {
        // By hint; those that share one are few, mostly.
        written.sort_unstable();
        for same in written.chunk_by_mut(|a, b| hint_of(a.0) == hint_of(b.0)) {
            same.sort_unstable_by(|a, b| self.compare(target(a.0), &self.position_of(b.0)));
        }
        let mut onward = Onward::default();
        for (at, group) in written.chunks(GROUP).enumerate() {
            for Unlinked(soon) in written.iter().skip((at + 1) * GROUP).take(GROUP) {
                self.arena.prefetch(target(*soon));
            }
            self.link_onward(group, &mut onward);
        }
        self.entries.fetch_add(written.len() as u64, Ordering::Relaxed);
    }

    /// Links a node that was written.
    pub(super) fn link(&self, node: Unlinked) {
        self.link_onward(&[node], &mut Onward::default());
    }

    /// Links nodes that were written, in their order, behind those where it goes on.
    fn link_onward(&self, group: &[Unlinked], onward: &mut Onward) {
        let positions: SmallVec<[Position<'_>; GROUP]> =
            group.iter().map(|Unlinked(link)| self.position_of(*link)).collect();
        let sought: SmallVec<[Looked<'_>; GROUP]> =
            positions.iter().map(|position| self.sought(position)).collect();
        let mut places: SmallVec<[Place; GROUP]> = SmallVec::from_elem(Place::default(), group.len());
        let leaf = onward.leaf();
        let is_there = leaf.is_some_and(|leaf| self.index.place_each_in(leaf, &sought, &mut places));
        if leaf.is_some() {
            onward.took(is_there);
        }
        if !is_there {
            self.index.place_each(&sought, &mut places);
        }
        if group.len() > 1 && !is_there {
            places.iter().for_each(|place| self.arena.prefetch(place.before));
        }
        // Where the last one looked, and the node that it linked.
        let mut last = (0, 0);
        for ((Unlinked(new), sought), place) in group.iter().zip(&sought).zip(&places) {
            let node = target(*new);
            // Between the two stands nothing that the index knows, but the last one.
            let mut before = if place.before == last.0 { last.1 } else { place.before };
            last = (place.before, node);
            loop {
                let link;
                (before, link) = self.follow(before, sought.position);
                self.arena.set(node, link);
                let word = self.arena.word(before);
                if word.compare_exchange(link, *new, Ordering::Release, Ordering::Relaxed).is_ok() {
                    break;
                }
            }
        }
        let nodes = group.iter().map(|Unlinked(link)| target(*link));
        onward.leaf = self.index.insert_each(nodes, &places, &sought, self);
    }
}
