//! The way into the list of a memtable: a tree whose leaves hold a link to each node of the list, in the list's order.
//!
//! A link holds, beside the place of the node that it leads to, a hint: four bytes of its key. Mostly they tell which
//! comes first, so that a search touches a few dense lines of the tree and the node that it ends at, where a skip list would
//! touch a node a level. Which four bytes is a matter of the tree node: it leaves out what all keys that may come into it
//! begin with, which is what its first key and that of the node behind it have in common (prefix truncation and key heads,
//! Graefe, "Modern B-Tree Techniques", 2011, 3.5 and 3.6). Where that is too little, since keys of another kind begin in the node
//! or nothing is behind it, it leaves out what most of its keys begin with, and a search looks whether its key begins so too ([`Lens`]).
//! A split looks whether hints of its halves are equal, and only then leaves out more, as for that it has to look at their keys.
//!
//! The tree only advises. A search must end at a node before what is looked for; from there the list is followed, and the
//! list alone is the truth. So it does no harm that a search runs beside an insertion, sees half a shift or a split, and
//! ends some nodes too early.
//!
//! Invariants:
//! (1) the first slot of a tree node never changes, and everything that is ever put into the node comes behind it; a search
//!     goes into a node only if that first slot is before what is looked for. So it always ends before it;
//! (2) slots are whole numbers, stored after what they lead to: whatever a search reads leads to something complete;
//! (3) insertions hold a lock; what is in the list but not yet here is what is being inserted;
//! (4) hints ascend with keys, but not strictly: equal ones decide nothing;
//! (5) how a node makes its hints never changes, nor does what is behind it come nearer than it was; where it has no pivot, a search
//!     for a key that does not begin so comes into the node too early, and then any slot is before what it looks for;
//! (6) to make them otherwise, a node is replaced by a copy. The old one stays for those who read it, without slots.
//!
//! ```text
//! tree node, in words of 8 bytes
//!   0     number of slots, 8 bits | zero, 8 bits | bytes left out of hints, 16 bits | the next node of the level, 32 bits, or 0
//!   1     the first node of the list below, 32 bits | the pivot of the hints, 32 bits, or 0
//!   2..   slots: in a leaf, links to nodes of the list; above, links to tree nodes, with the hint of their word 1
//! link    place, 32 bits | hint, 32 bits
//! ```

mod insert;
mod near;

use std::cmp::Ordering as Order;
use std::hint::select_unpredictable;

use super::arena::{Arena, At};
use super::hint::{Lens, Skip};
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicU32, AtomicU64, Ordering};

pub(super) use near::{Near, SHOWN_AHEAD, Sorting};

/// Words of a tree node.
const NODE_WORDS: u32 = 64;
/// Words of a line of the processor's cache.
const LINE_WORDS: usize = 8;
/// Words before the slots.
const HEADER_WORDS: u32 = 2;
/// The most slots of a node.
const SLOTS_MAX: u32 = NODE_WORDS - HEADER_WORDS;
/// So many slots are looked at one after the other before a node is searched.
const STEPS_MAX: u32 = 4;
/// The most levels. A node is split when it is full, and halves are left: enough for any arena.
const LEVELS_MAX: u32 = 10;
/// For each half of a node that is split off there may be a copy of the other; above the leaves, there may be three more.
const NODES_PER_HALF: u64 = 3;
/// The most nodes that an insertion adds: two a level, and a copy.
const NODES_PER_INSERTION: u32 = 2 * LEVELS_MAX + 1;
/// Nodes that are more than what the entries need: those of one insertion, and the place of none.
const NODES_SPARE: u64 = NODES_PER_INSERTION as u64 + 2;

/// The link to a node.
pub(super) fn link_to(node: At, hint: u32) -> u64 {
    u64::from(hint) << 32 | u64::from(node)
}

/// The node that a link leads to, or 0.
pub(super) fn target(link: u64) -> At {
    (link & 0xffff_ffff) as At
}

/// The hint of a link.
pub(super) fn hint_of(link: u64) -> u32 {
    (link >> 32) as u32
}

/// The list that the tree leads into.
pub(super) trait Keys {
    /// The hint of a node of the list.
    fn hint(&self, node: At, lens: Lens) -> u32;
    /// How many bytes the keys of two nodes of the list, and of all between them, have in common at their beginning; no more than leave
    /// them enough for a hint.
    fn skip(&self, first: At, last: At) -> Skip;
}

/// What is looked for.
pub(super) trait Sought {
    /// Its hint.
    fn hint(&self, lens: Lens) -> u32;
    /// Whether it comes behind a node of the list that has the same hint.
    fn is_behind(&self, node: At) -> bool;
}

/// What heads a tree node.
#[derive(Clone, Copy)]
struct Header {
    count: u32,
    skip: Skip,
    next: At,
}

impl Header {
    fn word(self) -> u64 {
        u64::from(self.count) | u64::from(self.skip) << 16 | u64::from(self.next) << 32
    }

    #[inline]
    fn of(word: u64) -> Header {
        Header { count: (word & 0xff) as u32, skip: ((word >> 16) & 0xffff) as Skip, next: hint_of(word) }
    }
}

/// A place in a leaf. As long as the leaf has as many slots as this header says, it is the place: slots only come, and where some
/// go, a node comes behind. As long as the same node comes behind, the leaf is the one.
#[derive(Clone, Copy, Default)]
pub(super) struct Place {
    leaf: At,
    header: u64,
    slot: u32,
    /// The node of the list that the slot leads to.
    pub(super) before: At,
}

impl Place {
    /// The same place when so many were put into the leaf before it.
    const fn behind(self, put: u32) -> Place {
        Place { header: self.header + put as u64, slot: self.slot + put, ..self }
    }
}

/// Where what was looked for last was found.
#[derive(Clone, Copy, Default)]
struct Found {
    node: At,
    slot: u32,
}

pub(super) struct Index {
    arena: Arena,
    words: u32,
    /// The root, and its level in the upper half: 0 is a leaf's.
    root: AtomicU64,
    /// The nodes of each level.
    nodes: [AtomicU32; LEVELS_MAX as usize],
    /// The first word that no node has.
    free: AtomicU32,
    /// Held by insertions.
    insertion: Mutex<()>,
}

impl Index {
    /// An index for up to so many entries, which has the head of the list.
    pub(super) fn new(entries_max: u64, head: At) -> Index {
        let nodes = entries_max * NODES_PER_HALF / u64::from(SLOTS_MAX / 2 - 1) + NODES_SPARE;
        let words = u32::try_from(nodes * u64::from(NODE_WORDS)).unwrap_or(u32::MAX);
        let index = Index {
            arena: Arena::new(words),
            words,
            root: AtomicU64::new(u64::from(NODE_WORDS)),
            nodes: [const { AtomicU32::new(0) }; LEVELS_MAX as usize],
            free: AtomicU32::new(NODE_WORDS),
            insertion: Mutex::new(()),
        };
        let _leaf = index.add_node(0, head, 0, Lens::default(), &[link_to(head, 0)]);
        index
    }

    /// Bytes of the nodes.
    pub(super) fn bytes(&self) -> u64 {
        u64::from(self.free.load(Ordering::Relaxed) - NODE_WORDS) * 8
    }

    /// A node of the list before what is looked for, mostly the last one.
    pub(super) fn last_before(&self, sought: &impl Sought) -> At {
        let root = self.root.load(Ordering::Acquire);
        let mut node = target(root);
        for level in (0..=hint_of(root)).rev() {
            node = target(self.slot(node, self.last_slot(node, level, sought)));
        }
        node
    }

    /// Of each of a few that ascend the place where [`Index::last_before`] ends, for who inserts there. They go down side by side, as
    /// those of [`Index::near_each`] do.
    pub(super) fn place_each(&self, sought: &[impl Sought], places: &mut [Place]) {
        let root = self.root.load(Ordering::Acquire);
        places.iter_mut().for_each(|place| place.leaf = target(root));
        let is_alone = sought.len() == 1;
        for level in (1..=hint_of(root)).rev() {
            let (mut last, mut last_child) = (Found::default(), 0);
            for (sought, place) in sought.iter().zip(places.iter_mut()) {
                let slot = self.last_slot_from(last, place.leaf, level, sought);
                last = Found { node: place.leaf, slot };
                place.leaf = target(self.slot(place.leaf, slot));
                if !is_alone && place.leaf != last_child {
                    last_child = place.leaf;
                    let lines = (0..NODE_WORDS).step_by(LINE_WORDS);
                    lines.for_each(|word| self.arena.prefetch(place.leaf + word));
                }
            }
        }
        self.places_in(sought, places);
    }

    /// As [`Index::place_each`], of what comes behind something in this leaf, if all of it belongs there.
    pub(super) fn place_each_in(&self, leaf: At, sought: &[impl Sought], places: &mut [Place]) -> bool {
        let Header { count, next, .. } = self.header(leaf);
        let is_behind = |sought: &_| next != 0 && Sought::is_behind(sought, self.first(next));
        if count == 0 || sought.last().is_none_or(is_behind) {
            return false;
        }
        places.iter_mut().for_each(|place| place.leaf = leaf);
        self.places_in(sought, places);
        true
    }

    /// The places of what ascends, whose leaves are known.
    fn places_in(&self, sought: &[impl Sought], places: &mut [Place]) {
        let mut last = Found::default();
        for (sought, place) in sought.iter().zip(places) {
            let leaf = place.leaf;
            // Before the slots, so that whatever changes them meanwhile is told by it.
            let header = self.header(leaf).word();
            let slot = self.last_slot_from(last, leaf, 0, sought);
            last = Found { node: leaf, slot };
            *place = Place { leaf, header, slot, before: target(self.slot(leaf, slot)) };
        }
    }

    /// As [`Index::last_slot`], of what comes behind that which was found before; mostly it is not far from there.
    #[inline]
    fn last_slot_from(&self, from: Found, node: At, level: u32, sought: &impl Sought) -> u32 {
        if from.node != node {
            return self.last_slot(node, level, sought);
        }
        // Slots only come, and a split leaves what it moves: what the slot leads to is before what is looked for still.
        let mut slot = from.slot;
        let header = self.header(node);
        let sought_hint = sought.hint(self.lens(node, header));
        for _ in 0..STEPS_MAX {
            let next = slot + 1;
            if next >= header.count {
                return slot;
            }
            let link = self.slot(node, next);
            let is_before = match hint_of(link).cmp(&sought_hint) {
                Order::Equal => sought.is_behind(self.entry_of(link, level)),
                order => order.is_lt(),
            };
            if !is_before {
                return slot;
            }
            slot = next;
        }
        self.last_slot(node, level, sought)
    }

    /// The last slot that leads to something before what is looked for.
    #[inline]
    fn last_slot(&self, node: At, level: u32, sought: &impl Sought) -> u32 {
        let header = self.header(node);
        let sought_hint = sought.hint(self.lens(node, header));
        let behind = self.first_slot_from(node, header.count, sought_hint);
        if behind >= header.count || hint_of(self.slot(node, behind)) != sought_hint {
            return behind - 1;
        }
        self.last_slot_that(node, header.count, |link| {
            let hint = hint_of(link);
            hint < sought_hint || (hint == sought_hint && sought.is_behind(self.entry_of(link, level)))
        })
    }

    /// The first slot behind the first one whose hint is not below this, or the number of slots. Which half a step of the search goes on in
    /// is anybody's guess, so that it is computed instead of branched on.
    #[inline]
    fn first_slot_from(&self, node: At, count: u32, hint: u32) -> u32 {
        let (mut low, mut left) = (1, count.max(1) - 1);
        while left > 1 {
            let half = left / 2;
            let is_before = hint_of(self.slot(node, low + half - 1)) < hint;
            low = select_unpredictable(is_before, low + half, low);
            left -= half;
        }
        low + u32::from(left == 1 && hint_of(self.slot(node, low)) < hint)
    }

    /// The last of the first slots of which `is_before` is true; it is of the first one.
    #[inline]
    fn last_slot_that(&self, node: At, count: u32, is_before: impl Fn(u64) -> bool) -> u32 {
        let (mut low, mut high) = (1, count);
        while low < high {
            let middle = low.midpoint(high);
            if is_before(self.slot(node, middle)) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low - 1
    }

    /// The first node of the list that a slot of the level leads to.
    #[inline]
    fn entry_of(&self, link: u64, level: u32) -> At {
        if level == 0 { target(link) } else { self.first(target(link)) }
    }

    #[inline]
    fn slot(&self, node: At, slot: u32) -> u64 {
        self.arena.word(node + HEADER_WORDS + slot).load(Ordering::Acquire)
    }

    /// The first node of the list below.
    #[inline]
    fn first(&self, node: At) -> At {
        target(self.arena.get(node + 1))
    }

    /// How the hints of a node with this header are made.
    #[inline]
    fn lens(&self, node: At, header: Header) -> Lens {
        Lens { skip: header.skip, pivot: hint_of(self.arena.get(node + 1)) }
    }

    #[inline]
    fn header(&self, node: At) -> Header {
        Header::of(self.arena.word(node).load(Ordering::Acquire))
    }
}

/// Counting.
impl Index {
    /// About how many of the `entries` of the list lie between what is looked for and the first that `is_behind`: they are
    /// counted on the lowest level where that means no more than `nodes_max` nodes.
    pub(super) fn approximate_entries(
        &self,
        entries: u64,
        start: &impl Sought,
        is_behind: impl Fn(At) -> bool,
        nodes_max: u32,
    ) -> u64 {
        let top = hint_of(self.root.load(Ordering::Acquire));
        // The slots of a level.
        let mut slots = entries.max(1);
        for level in 0..=top {
            let limit = if level == top { u32::MAX } else { nodes_max };
            if let Some(found) = self.slots_between(level, start, &is_behind, limit) {
                return u64::try_from(u128::from(found) * u128::from(entries) / u128::from(slots))
                    .unwrap_or(u64::MAX);
            }
            slots = u64::from(self.nodes[level as usize].load(Ordering::Relaxed)).max(1);
        }
        0
    }

    /// The slots of a level in the range; none if they are in more than `nodes_max` nodes.
    fn slots_between(
        &self,
        level: u32,
        start: &impl Sought,
        is_behind: &impl Fn(At) -> bool,
        nodes_max: u32,
    ) -> Option<u64> {
        let root = self.root.load(Ordering::Acquire);
        let mut node = target(root);
        for level in (level + 1..=hint_of(root)).rev() {
            node = target(self.slot(node, self.last_slot(node, level, start)));
        }
        let mut from = self.last_slot(node, level, start) + 1;
        let mut slots = 0;
        for _ in 0..nodes_max {
            let Header { count, next, .. } = self.header(node);
            if next == 0 || is_behind(self.first(next)) {
                let last = self.last_slot_that(node, count, |link| !is_behind(self.entry_of(link, level)));
                return Some(slots + u64::from((last + 1).saturating_sub(from)));
            }
            slots += u64::from(count.saturating_sub(from));
            (node, from) = (next, 0);
        }
        None
    }
}

#[cfg(test)]
mod tests;
