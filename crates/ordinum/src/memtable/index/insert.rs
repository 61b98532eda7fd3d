//! Insertions: links are shifted into their nodes, nodes are split, and those whose hints tell too little get others.

use super::{
    At, HEADER_WORDS, Header, Index, Keys, LEVELS_MAX, Lens, NODE_WORDS, NODES_PER_INSERTION, Place,
    SLOTS_MAX, Sought, hint_of, link_to, target,
};
use crate::sync::atomic::Ordering;

/// Above the leaves, a node that came to have a multiple of so many slots looks whether its hints still tell them apart.
const SLOTS_PER_LOOK: u32 = 8;
/// So many slots stay in a node that is split in the middle.
const SLOTS_KEPT: u32 = SLOTS_MAX / 2;

/// What is put into a level: a node of the list, or a tree node of the level below and where it begins.
#[derive(Clone, Copy)]
struct New {
    first: At,
    place: At,
}

/// On each level the node that a search went through, and the slot where it went on.
type Way = [(At, u32); LEVELS_MAX as usize];

impl Index {
    /// Adds nodes of the list, which are linked there and ascend, where they are looked for; their places were found before. Returns
    /// the leaf that the last one stands in; 0 if there is no room for it.
    pub(in crate::memtable) fn insert_each(
        &self,
        entries: impl Iterator<Item = At>,
        places: &[Place],
        sought: &[impl Sought],
        keys: &impl Keys,
    ) -> At {
        let _insertion = self.insertion.lock();
        // So many of these were put into the leaf of the last one.
        let (mut leaf, mut put) = (0, 0);
        for ((entry, place), sought) in entries.zip(places).zip(sought) {
            let place = if place.leaf == leaf { place.behind(put) } else { *place };
            let into = self.insert(entry, &place, sought, keys);
            put = if into == leaf { put + 1 } else { 1 };
            leaf = into;
        }
        leaf
    }

    fn insert(&self, entry: At, place: &Place, sought: &impl Sought, keys: &impl Keys) -> At {
        if let Some((header, slot)) = self.slot_in(place, sought) {
            let link = link_to(entry, keys.hint(entry, self.lens(place.leaf, header)));
            self.shift_in(place.leaf, slot + 1, link);
            return place.leaf;
        }
        let root = self.root.load(Ordering::Acquire);
        let (mut node, top) = (target(root), hint_of(root));
        let mut way: Way = [(0, 0); LEVELS_MAX as usize];
        for level in (0..=top).rev() {
            let slot = self.last_slot(node, level, sought);
            way[level as usize] = (node, slot);
            node = target(self.slot(node, slot));
        }
        if self.words - self.free.load(Ordering::Relaxed) < NODE_WORDS * NODES_PER_INSERTION {
            // Without it, a search ends at the one before.
            return 0;
        }
        let mut new = New { first: entry, place: entry };
        let (mut left, mut leaf) = (0, way[0].0);
        for level in 0..=top {
            let (node, slot) = way[level as usize];
            let header = self.header(node);
            if header.count < SLOTS_MAX {
                let hint = keys.hint(new.first, self.lens(node, header));
                self.shift_in(node, slot + 1, link_to(new.place, hint));
                if level > 0 && (header.count + 1).is_multiple_of(SLOTS_PER_LOOK) {
                    left = self.sharpened(level, node, header.next, keys);
                    if level < top {
                        self.lead_to(left, level, &way);
                    } else {
                        self.root.store(link_to(left, top), Ordering::Release);
                    }
                }
                return leaf;
            }
            let right = self.split(level, node, slot, new, keys);
            left = self.sharpened(level, node, right, keys);
            if level == 0 {
                leaf = if slot < SLOTS_KEPT { left } else { right };
            }
            if level < top {
                self.lead_to(left, level, &way);
            }
            new = New { first: self.first(right), place: right };
        }
        let first = self.first(left);
        let lens = self.lens_at_end(first, new.first, Lens::default(), keys);
        let slots =
            [(left, first), (new.place, new.first)].map(|(to, first)| link_to(to, keys.hint(first, lens)));
        let node = self.add_node(top + 1, first, 0, lens, &slots);
        self.root.store(link_to(node, top + 1), Ordering::Release);
        leaf
    }

    /// Has the level above lead to this node instead of the one that it went to.
    fn lead_to(&self, node: At, level: u32, way: &Way) {
        let (was, _) = way[level as usize];
        if node != was {
            let (parent, slot) = way[level as usize + 1];
            self.set_slot(parent, slot, link_to(node, hint_of(self.slot(parent, slot))));
        }
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
        let header = self.header(node);
        let lens = self.lens(node, header);
        if slot + 1 == SLOTS_MAX && header.next == 0 {
            // Keys that ascend leave full nodes behind. What comes next begins as they do, most likely.
            let late = self.entry_of(self.slot(node, SLOTS_MAX / 2), level);
            let lens = self.lens_at_end(late, new.first, lens, keys);
            let link = link_to(new.place, keys.hint(new.first, lens));
            let right = self.add_node(level, new.first, 0, lens, &[link]);
            self.set_header(node, Header { next: right, ..header });
            return right;
        }
        let mut moved = [0; (SLOTS_MAX - SLOTS_KEPT) as usize];
        for (moved, slot) in moved.iter_mut().zip(SLOTS_KEPT..) {
            *moved = self.slot(node, slot);
        }
        let [head, ..] = moved;
        let first = self.entry_of(head, level);
        let sharp = self.sharp(level, (first, header.next), &moved, lens, keys);
        if sharp != lens {
            moved.iter_mut().for_each(|link| *link = self.rehinted(*link, level, sharp, keys));
        }
        let right = self.add_node(level, first, header.next, sharp, &moved);
        self.set_header(node, Header { count: SLOTS_KEPT, next: right, ..header });
        let (into, slot, lens) = match slot.checked_sub(SLOTS_KEPT) {
            None => (node, slot, lens),
            Some(slot) => (right, slot, sharp),
        };
        self.shift_in(into, slot + 1, link_to(new.place, keys.hint(new.first, lens)));
        right
    }

    /// The node, which came to end at the one to the right, if there is one; or, where its hints are equal, a copy of it with others.
    fn sharpened(&self, level: u32, node: At, right: At, keys: &impl Keys) -> At {
        let header = self.header(node);
        let lens = self.lens(node, header);
        let mut slots = [0; SLOTS_MAX as usize];
        for (link, slot) in slots.iter_mut().zip(0..header.count) {
            *link = self.slot(node, slot);
        }
        let slots = &mut slots[..header.count as usize];
        let first = self.first(node);
        let sharp = self.sharp(level, (first, right), slots, lens, keys);
        if sharp == lens {
            return node;
        }
        slots.iter_mut().for_each(|link| *link = self.rehinted(*link, level, sharp, keys));
        let copy = self.add_node(level, first, header.next, sharp, slots);
        self.nodes[level as usize].fetch_sub(1, Ordering::Relaxed);
        self.set_header(node, Header { count: 0, next: copy, ..header });
        copy
    }

    /// How a node that begins with `first`, before the node `next`, is to make its hints: as it does, unless two of them are equal.
    fn sharp(
        &self,
        level: u32,
        (first, next): (At, At),
        slots: &[u64],
        lens: Lens,
        keys: &impl Keys,
    ) -> Lens {
        let entry = |slot: usize| slots.get(slot).map(|link| self.entry_of(*link, level));
        let tell_apart = |hints: &[u32]| hints.windows(2).all(|pair| matches!(pair, [a, b] if a < b));
        let mut hints = [0; SLOTS_MAX as usize];
        let hints = &mut hints[..slots.len()];
        hints.iter_mut().zip(slots).for_each(|(hint, link)| *hint = hint_of(*link));
        if tell_apart(hints) {
            return lens;
        }
        // What all that may come into it begin with.
        let skip = if next == 0 { 0 } else { keys.skip(first, self.first(next)) };
        let alike = Lens { skip, pivot: 0 };
        for (hint, slot) in hints.iter_mut().zip(0..) {
            *hint = entry(slot).map_or(0, |entry| keys.hint(entry, alike));
        }
        // The most that half of those that are there begin with.
        let half = slots.len() / 2;
        let half_from = |slot| entry(slot).zip(entry(slot + half));
        let of_half = (0..half).filter_map(half_from);
        let of_half = of_half.map(|(low, high)| Lens { skip: keys.skip(low, high), pivot: high });
        match of_half.max_by_key(|lens| lens.skip) {
            Some(most) if most.skip > alike.skip && !tell_apart(hints) => {
                // Another pivot that begins alike changes nothing.
                let is_same = most.skip == lens.skip
                    && lens.pivot != 0
                    && keys.skip(lens.pivot, most.pivot) >= lens.skip;
                if is_same { lens } else { most }
            }
            _ => alike,
        }
    }

    /// How a node with nothing behind it is to make its hints, of which only the first key is known, and one not far before it.
    fn lens_at_end(&self, before: At, first: At, otherwise: Lens, keys: &impl Keys) -> Lens {
        let lens = Lens { skip: keys.skip(before, first), pivot: first };
        if lens.skip > otherwise.skip || otherwise.pivot != 0 && lens.skip > 0 { lens } else { otherwise }
    }

    fn rehinted(&self, link: u64, level: u32, lens: Lens, keys: &impl Keys) -> u64 {
        link_to(target(link), keys.hint(self.entry_of(link, level), lens))
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

    /// A new node with these slots.
    pub(super) fn add_node(&self, level: u32, first: At, next: At, lens: Lens, slots: &[u64]) -> At {
        let node = self.free.load(Ordering::Relaxed);
        self.free.store(node + NODE_WORDS, Ordering::Relaxed);
        self.arena.set(node + 1, link_to(first, lens.pivot));
        let mut count = 0;
        for link in slots {
            self.set_slot(node, count, *link);
            count += 1;
        }
        self.set_header(node, Header { count, skip: lens.skip, next });
        self.nodes[level as usize].fetch_add(1, Ordering::Relaxed);
        node
    }

    fn set_slot(&self, node: At, slot: u32, link: u64) {
        self.arena.word(node + HEADER_WORDS + slot).store(link, Ordering::Release);
    }

    fn set_header(&self, node: At, header: Header) {
        self.arena.word(node).store(header.word(), Ordering::Release);
    }
}
