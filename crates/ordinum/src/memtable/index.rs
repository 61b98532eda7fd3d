//! The way into the list of a memtable: a tree whose leaves hold a link to each node of the list, in the list's order.
//!
//! A link holds, beside the place of the node that it leads to, that node's hint: four bytes of its key. Mostly they tell which
//! comes first, so that a search touches a few dense lines of the tree and the node that it ends at, where a skip list would
//! touch a node a level.
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
//! (4) hints ascend with keys, but not strictly: equal ones decide nothing.
//!
//! ```text
//! tree node, in words of 8 bytes
//!   0     number of slots, 32 bits | the next node of the level, 32 bits, or 0
//!   1     link to the first node of the list below
//!   2..   slots: in a leaf, links to nodes of the list; above, links to tree nodes, with the hint of their word 1
//! link    place, 32 bits | hint, 32 bits
//! ```

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use parking_lot::Mutex;

use super::arena::{Arena, At};

/// Words of a tree node.
const NODE_WORDS: u32 = 32;
/// Words before the slots.
const HEADER_WORDS: u32 = 2;
/// The most slots of a node.
const SLOTS_MAX: u32 = NODE_WORDS - HEADER_WORDS;
/// The most levels. A node is split when it is full, and halves are left: enough for any arena.
const LEVELS_MAX: u32 = 10;
/// Nodes that are more than what the entries need: one a level, and the place of none.
const NODES_SPARE: u64 = LEVELS_MAX as u64 + 2;

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

/// What is looked for, as the tree sees it.
pub(super) struct Sought<F> {
    pub(super) hint: u32,
    /// Whether a node of the list that has this hint comes before.
    pub(super) is_before: F,
}

pub(super) struct Index {
    arena: Arena,
    /// The root, and its level in the upper half: 0 is a leaf's.
    root: AtomicU64,
    /// The nodes of each level.
    nodes: [AtomicU32; LEVELS_MAX as usize],
    /// The first word that no node has, and the first behind all.
    free: Mutex<(At, At)>,
}

impl Index {
    /// An index for up to so many entries, which has the head of the list.
    pub(super) fn new(entries_max: u64, head: At) -> Index {
        let nodes = entries_max / u64::from(SLOTS_MAX / 2 - 1) + NODES_SPARE;
        let words = u32::try_from(nodes * u64::from(NODE_WORDS)).unwrap_or(u32::MAX);
        let index = Index {
            arena: Arena::new(words),
            root: AtomicU64::new(u64::from(NODE_WORDS)),
            nodes: [const { AtomicU32::new(0) }; LEVELS_MAX as usize],
            free: Mutex::new((NODE_WORDS, words)),
        };
        let first = link_to(head, 0);
        let _leaf = index.add_node(&mut index.free.lock().0, 0, first, 0, &[first]);
        index
    }

    /// Bytes of the nodes.
    pub(super) fn bytes(&self) -> u64 {
        let nodes = self.nodes.iter().map(|nodes| u64::from(nodes.load(Ordering::Relaxed)));
        nodes.sum::<u64>() * u64::from(NODE_WORDS) * 8
    }

    /// A node of the list before what is looked for, mostly the last one.
    pub(super) fn last_before(&self, sought: &Sought<impl Fn(At) -> bool>) -> At {
        let root = self.root.load(Ordering::Acquire);
        let mut node = target(root);
        for level in (0..=hint_of(root)).rev() {
            node = target(self.slot(node, self.last_slot(node, level, sought)));
        }
        node
    }

    /// The last slot that leads to something before what is looked for.
    #[inline]
    fn last_slot(&self, node: At, level: u32, sought: &Sought<impl Fn(At) -> bool>) -> u32 {
        self.last_slot_that(node, |link| {
            let hint = hint_of(link);
            hint < sought.hint || (hint == sought.hint && (sought.is_before)(self.entry_of(link, level)))
        })
    }

    /// The last slot of which `is_before` is true; it is of the first.
    #[inline]
    fn last_slot_that(&self, node: At, is_before: impl Fn(u64) -> bool) -> u32 {
        let (mut low, mut high) = (1, self.count(node));
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
        target(if level == 0 { link } else { self.first(target(link)) })
    }

    /// Adds a node of the list, which is linked there, where it is looked for.
    pub(super) fn insert(&self, entry: At, sought: &Sought<impl Fn(At) -> bool>) {
        let mut free = self.free.lock();
        let root = self.root.load(Ordering::Acquire);
        let (mut node, top) = (target(root), hint_of(root));
        let mut way = [(0, 0); LEVELS_MAX as usize];
        for level in (0..=top).rev() {
            let slot = self.last_slot(node, level, sought);
            way[level as usize] = (node, slot);
            node = target(self.slot(node, slot));
        }
        if u64::from(free.1 - free.0) < u64::from(NODE_WORDS * LEVELS_MAX) {
            // Without it, a search ends at the one before.
            return;
        }
        let (mut first, mut link) = (link_to(entry, sought.hint), link_to(entry, sought.hint));
        for level in 0..=top {
            let (node, slot) = way[level as usize];
            if self.count(node) < SLOTS_MAX {
                self.shift_in(node, slot + 1, link);
                return;
            }
            let new = self.split(&mut free.0, level, node, slot, first, link);
            first = self.first(new);
            link = link_to(new, hint_of(first));
        }
        let level = top + 1;
        let old = link_to(target(root), 0);
        let new = self.add_node(&mut free.0, level, self.first(target(root)), 0, &[old, link]);
        self.root.store(link_to(new, level), Ordering::Release);
    }

    /// Splits a full node, and puts the link, which leads to what begins with `first`, behind the slot. Returns the new node,
    /// which comes behind.
    fn split(&self, free: &mut At, level: u32, node: At, slot: u32, first: u64, link: u64) -> At {
        let next = self.next(node);
        if slot + 1 == SLOTS_MAX && next == 0 {
            // Keys that ascend leave full nodes behind.
            let new = self.add_node(free, level, first, 0, &[link]);
            self.set_header(node, SLOTS_MAX, new);
            return new;
        }
        let kept = SLOTS_MAX / 2;
        let mut moved = [0; (SLOTS_MAX - SLOTS_MAX / 2) as usize];
        for (moved, slot) in moved.iter_mut().zip(kept..) {
            *moved = self.slot(node, slot);
        }
        let [head, ..] = moved;
        let new_first = if level == 0 { head } else { self.first(target(head)) };
        let new = self.add_node(free, level, new_first, next, &moved);
        self.set_header(node, kept, new);
        if slot < kept {
            self.shift_in(node, slot + 1, link);
        } else {
            self.shift_in(new, slot + 1 - kept, link);
        }
        new
    }

    /// Puts the link into the slot; those from there on move back, the last one first, so that none is ever missing.
    fn shift_in(&self, node: At, slot: u32, link: u64) {
        let count = self.count(node);
        for to in (slot + 1..=count).rev() {
            self.set_slot(node, to, self.slot(node, to - 1));
        }
        self.set_slot(node, slot, link);
        self.set_header(node, count + 1, self.next(node));
    }

    fn add_node(&self, free: &mut At, level: u32, first: u64, next: At, slots: &[u64]) -> At {
        let node = *free;
        *free += NODE_WORDS;
        self.arena.set(node + 1, first);
        let mut count = 0;
        for link in slots {
            self.set_slot(node, count, *link);
            count += 1;
        }
        self.set_header(node, count, next);
        self.nodes[level as usize].fetch_add(1, Ordering::Relaxed);
        node
    }

    #[inline]
    fn slot(&self, node: At, slot: u32) -> u64 {
        self.arena.word(node + HEADER_WORDS + slot).load(Ordering::Acquire)
    }

    fn set_slot(&self, node: At, slot: u32, link: u64) {
        self.arena.word(node + HEADER_WORDS + slot).store(link, Ordering::Release);
    }

    /// The link to the first node of the list below.
    #[inline]
    fn first(&self, node: At) -> u64 {
        self.arena.get(node + 1)
    }

    #[inline]
    fn count(&self, node: At) -> u32 {
        target(self.arena.word(node).load(Ordering::Acquire))
    }

    fn next(&self, node: At) -> At {
        hint_of(self.arena.word(node).load(Ordering::Acquire))
    }

    fn set_header(&self, node: At, count: u32, next: At) {
        self.arena.word(node).store(link_to(count, next), Ordering::Release);
    }
}

/// Counting.
impl Index {
    /// About how many of the `entries` of the list lie between what is looked for and the first that `is_behind`: they are
    /// counted on the lowest level where that means no more than `nodes_max` nodes.
    pub(super) fn approximate_entries(
        &self,
        entries: u64,
        start: &Sought<impl Fn(At) -> bool>,
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
        start: &Sought<impl Fn(At) -> bool>,
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
            let next = self.next(node);
            if next == 0 || is_behind(target(self.first(next))) {
                let last = self.last_slot_that(node, |link| !is_behind(self.entry_of(link, level)));
                return Some(slots + u64::from((last + 1).saturating_sub(from)));
            }
            slots += u64::from(self.count(node).saturating_sub(from));
            (node, from) = (next, 0);
        }
        None
    }
}

#[cfg(test)]
mod tests;
