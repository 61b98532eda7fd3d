//! The way into the list of a memtable: a tree whose leaves hold a link to each node of the list, in the list's order.
//!
//! A link holds, beside the place of the node that it leads to, a hint: four bytes of its key. Mostly they tell which
//! comes first, so that a search touches a few dense lines of the tree and the node that it ends at, where a skip list would
//! touch a node a level. Which four bytes is a matter of the tree node: it leaves out what all keys that may come into it
//! begin with, which is what its first key and that of the node behind it have in common (prefix truncation and key heads,
//! Graefe, "Modern B-Tree Techniques", 2011, 3.5 and 3.6). A split looks whether hints of its halves are equal, and only
//! then leaves out more, as for that it has to look at their keys.
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
//! (5) how many bytes a node leaves out never changes, nor does what is behind it come nearer than it was; a search for a
//!     key that does not begin so comes into the node too early, and then any slot is before what it looks for;
//! (6) to leave out more, a node is replaced by a copy. The old one stays for those who read it, without slots.
//!
//! ```text
//! tree node, in words of 8 bytes
//!   0     number of slots, 8 bits | zero, 8 bits | bytes left out of hints, 16 bits | the next node of the level, 32 bits, or 0
//!   1     the first node of the list below
//!   2..   slots: in a leaf, links to nodes of the list; above, links to tree nodes, with the hint of their word 1
//! link    place, 32 bits | hint, 32 bits
//! ```

mod near;

use std::hint::select_unpredictable;

use super::arena::{Arena, At};
use super::hint::Skip;
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicU32, AtomicU64, Ordering};

pub(super) use near::{Near, SHOWN_AHEAD};

/// Words of a tree node.
const NODE_WORDS: u32 = 32;
/// Words of a line of the processor's cache.
const LINE_WORDS: usize = 8;
/// Words before the slots.
const HEADER_WORDS: u32 = 2;
/// The most slots of a node.
const SLOTS_MAX: u32 = NODE_WORDS - HEADER_WORDS;
/// The most levels. A node is split when it is full, and halves are left: enough for any arena.
const LEVELS_MAX: u32 = 10;
/// For each half of a node that is split off there may be a copy of the other.
const NODES_PER_HALF: u64 = 2;
/// The most nodes that an insertion adds: two a level.
const NODES_PER_INSERTION: u32 = 2 * LEVELS_MAX;
/// Nodes that are more than what the entries need: those of one insertion, and the place of none.
const NODES_SPARE: u64 = NODES_PER_INSERTION as u64 + 2;

/// What is put into a level: a node of the list, or a tree node of the level below and where it begins.
#[derive(Clone, Copy)]
struct New {
    first: At,
    place: At,
}

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
    /// The hint of a node of the list in a place that leaves so many bytes out.
    fn hint(&self, node: At, skip: Skip) -> u32;
    /// How many bytes the keys of two nodes of the list, and of all between them, have in common at their beginning.
    fn shared_bytes(&self, first: At, last: At) -> Skip;
}

/// What is looked for.
pub(super) trait Sought {
    /// Its hint in a place that leaves so many bytes out.
    fn hint(&self, skip: Skip) -> u32;
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
        let _leaf = index.add_node(0, head, Header { count: 1, skip: 0, next: 0 }, &[link_to(head, 0)]);
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

    /// Of each of a few that are looked for the place where [`Index::last_before`] ends, for who inserts there. They go down side by
    /// side, as those of [`Index::near_each`] do.
    pub(super) fn place_each(&self, sought: &[impl Sought], places: &mut [Place]) {
        let root = self.root.load(Ordering::Acquire);
        places.iter_mut().for_each(|place| place.leaf = target(root));
        let is_alone = sought.len() == 1;
        for level in (1..=hint_of(root)).rev() {
            for (sought, place) in sought.iter().zip(places.iter_mut()) {
                place.leaf = target(self.slot(place.leaf, self.last_slot(place.leaf, level, sought)));
                if !is_alone {
                    let lines = (0..NODE_WORDS).step_by(LINE_WORDS);
                    lines.for_each(|word| self.arena.prefetch(place.leaf + word));
                }
            }
        }
        for (sought, place) in sought.iter().zip(places.iter_mut()) {
            // Before the slots, so that whatever changes them meanwhile is told by it.
            place.header = self.header(place.leaf).word();
            place.slot = self.last_slot(place.leaf, 0, sought);
            place.before = target(self.slot(place.leaf, place.slot));
        }
    }

    /// The last slot that leads to something before what is looked for.
    #[inline]
    fn last_slot(&self, node: At, level: u32, sought: &impl Sought) -> u32 {
        let header = self.header(node);
        let sought_hint = sought.hint(header.skip);
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

    /// Adds a node of the list, which is linked there, where it is looked for; its place was found before.
    pub(super) fn insert(&self, entry: At, place: &Place, sought: &impl Sought, keys: &impl Keys) {
        let _insertion = self.insertion.lock();
        if let Some((header, slot)) = self.slot_in(place, sought) {
            let link = link_to(entry, keys.hint(entry, header.skip));
            self.shift_in(place.leaf, slot + 1, link);
            return;
        }
        let root = self.root.load(Ordering::Acquire);
        let (mut node, top) = (target(root), hint_of(root));
        let mut way = [(0, 0); LEVELS_MAX as usize];
        for level in (0..=top).rev() {
            let slot = self.last_slot(node, level, sought);
            way[level as usize] = (node, slot);
            node = target(self.slot(node, slot));
        }
        if self.words - self.free.load(Ordering::Relaxed) < NODE_WORDS * NODES_PER_INSERTION {
            // Without it, a search ends at the one before.
            return;
        }
        let mut new = New { first: entry, place: entry };
        let mut left = 0;
        for level in 0..=top {
            let (node, slot) = way[level as usize];
            let Header { count, skip, .. } = self.header(node);
            if count < SLOTS_MAX {
                self.shift_in(node, slot + 1, link_to(new.place, keys.hint(new.first, skip)));
                return;
            }
            let right = self.split(level, node, slot, new, keys);
            left = self.sharpened(level, node, right, keys);
            if left != node && level < top {
                let (parent, slot) = way[level as usize + 1];
                self.set_slot(parent, slot, link_to(left, hint_of(self.slot(parent, slot))));
            }
            new = New { first: self.first(right), place: right };
        }
        let old = link_to(left, 0);
        let link = link_to(new.place, keys.hint(new.first, 0));
        let header = Header { count: 2, skip: 0, next: 0 };
        let node = self.add_node(top + 1, self.first(left), header, &[old, link]);
        self.root.store(link_to(node, top + 1), Ordering::Release);
    }

    /// The slot of a place by now, if its leaf has room and ends where it did. Who looked while it was split may have come into it
    /// instead of the one behind.
    fn slot_in(&self, place: &Place, sought: &impl Sought) -> Option<(Header, u32)> {
        let (then, now) = (Header::of(place.header), self.header(place.leaf));
        if now.next != then.next || !(1..SLOTS_MAX).contains(&now.count) {
            return None;
        }
        let slot = if now.count == then.count { place.slot } else { self.last_slot(place.leaf, 0, sought) };
        let is_within = slot + 1 < now.count || now.next == 0 || !sought.is_behind(self.first(now.next));
        is_within.then_some((now, slot))
    }

    /// Splits a full node, and puts what is new behind the slot. Returns the new node, which comes behind.
    fn split(&self, level: u32, node: At, slot: u32, new: New, keys: &impl Keys) -> At {
        let Header { skip, next, .. } = self.header(node);
        let link = link_to(new.place, keys.hint(new.first, skip));
        if slot + 1 == SLOTS_MAX && next == 0 {
            // Keys that ascend leave full nodes behind.
            let right = self.add_node(level, new.first, Header { count: 1, skip, next }, &[link]);
            self.set_header(node, Header { count: SLOTS_MAX, skip, next: right });
            return right;
        }
        let kept = SLOTS_MAX / 2;
        let mut moved = [0; (SLOTS_MAX - SLOTS_MAX / 2) as usize];
        for (moved, slot) in moved.iter_mut().zip(kept..) {
            *moved = self.slot(node, slot);
        }
        let [head, ..] = moved;
        let first = self.entry_of(head, level);
        let sharp = self.sharp(first, next, &moved, skip, keys);
        if sharp != skip {
            moved.iter_mut().for_each(|link| *link = self.rehinted(*link, level, sharp, keys));
        }
        let header = Header { count: SLOTS_MAX - kept, skip: sharp, next };
        let right = self.add_node(level, first, header, &moved);
        self.set_header(node, Header { count: kept, skip, next: right });
        if slot < kept {
            self.shift_in(node, slot + 1, link);
        } else {
            self.shift_in(right, slot + 1 - kept, link_to(new.place, keys.hint(new.first, sharp)));
        }
        right
    }

    /// The node, which came to end at the one to the right; or, where its hints are equal, a copy of it with others.
    fn sharpened(&self, level: u32, node: At, right: At, keys: &impl Keys) -> At {
        let Header { count, skip, next } = self.header(node);
        let mut slots = [0; SLOTS_MAX as usize];
        for (link, slot) in slots.iter_mut().zip(0..count) {
            *link = self.slot(node, slot);
        }
        let slots = &mut slots[..count as usize];
        let first = self.first(node);
        let sharp = self.sharp(first, right, slots, skip, keys);
        if sharp == skip {
            return node;
        }
        slots.iter_mut().for_each(|link| *link = self.rehinted(*link, level, sharp, keys));
        let copy = self.add_node(level, first, Header { count, skip: sharp, next }, slots);
        self.nodes[level as usize].fetch_sub(1, Ordering::Relaxed);
        self.set_header(node, Header { count: 0, skip, next: copy });
        copy
    }

    /// How many bytes to leave out of the hints of a node that begins with `first`, before the node `next`: more than now
    /// if two of them are equal.
    fn sharp(&self, first: At, next: At, slots: &[u64], skip: Skip, keys: &impl Keys) -> Skip {
        let decide = slots.windows(2).all(|pair| matches!(pair, [a, b] if hint_of(*a) < hint_of(*b)));
        if decide || next == 0 {
            return skip;
        }
        keys.shared_bytes(first, self.first(next)).max(skip)
    }

    fn rehinted(&self, link: u64, level: u32, skip: Skip, keys: &impl Keys) -> u64 {
        link_to(target(link), keys.hint(self.entry_of(link, level), skip))
    }

    /// Puts the link into the slot; those from there on move back, the last one first, so that none is ever missing.
    fn shift_in(&self, node: At, slot: u32, link: u64) {
        let header = self.header(node);
        for to in (slot + 1..=header.count).rev() {
            self.set_slot(node, to, self.slot(node, to - 1));
        }
        self.set_slot(node, slot, link);
        self.set_header(node, Header { count: header.count + 1, ..header });
    }

    fn add_node(&self, level: u32, first: At, header: Header, slots: &[u64]) -> At {
        let node = self.free.load(Ordering::Relaxed);
        self.free.store(node + NODE_WORDS, Ordering::Relaxed);
        self.arena.set(node + 1, u64::from(first));
        for (slot, link) in (0..).zip(slots) {
            self.set_slot(node, slot, *link);
        }
        self.set_header(node, header);
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

    /// The first node of the list below.
    #[inline]
    fn first(&self, node: At) -> At {
        target(self.arena.get(node + 1))
    }

    #[inline]
    fn header(&self, node: At) -> Header {
        Header::of(self.arena.word(node).load(Ordering::Acquire))
    }

    fn set_header(&self, node: At, header: Header) {
        self.arena.word(node).store(header.word(), Ordering::Release);
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
