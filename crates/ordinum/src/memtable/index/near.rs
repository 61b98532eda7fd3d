//! Where in the list to begin, for readers: a node before what is looked for, not far from it.
//!
//! No node of the list is looked at for it as a rule: who follows the list from there looks at them anyway, and has them fetched at
//! once.

use super::{At, Found, Header, Index, LINE_WORDS, NODE_WORDS, SLOTS_MAX, Sought, hint_of, target};
use crate::sync::atomic::Ordering;

/// So many nodes behind the one that is found are shown for who goes on.
pub(in crate::memtable) const SHOWN_AHEAD: u32 = 4;

/// A node of the list before what was looked for, with its place in a leaf: what is looked for next and lies ahead, but in the same leaf,
/// is found from here without a way down the tree.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::memtable) struct Near {
    leaf: At,
    slot: u32,
    /// The node.
    pub(in crate::memtable) node: At,
}

/// How what is looked for together is sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::memtable) enum Sorting {
    /// Each comes behind the one before, or is the same.
    Ascending,
    /// In any way.
    Any,
}

impl Near {
    /// The place of so many slots behind.
    pub(in crate::memtable) const fn behind(self, slots: u32) -> Near {
        Near { slot: self.slot + slots, ..self }
    }
}

impl Index {
    /// A node before what is looked for; shows it and the nodes that come next, `ahead` of them, as far as the leaf tells.
    pub(in crate::memtable) fn near(&self, sought: &impl Sought, ahead: u32, show: impl Fn(At)) -> Near {
        let root = self.root.load(Ordering::Acquire);
        let mut leaf = target(root);
        for level in (1..=hint_of(root)).rev() {
            leaf = target(self.slot(leaf, self.last_slot(leaf, level, sought)));
        }
        let slot = self.near_slot(leaf, sought);
        (slot..SLOTS_MAX.min(slot + 1 + ahead)).for_each(|next| show(target(self.slot(leaf, next))));
        Near { leaf, slot, node: target(self.slot(leaf, slot)) }
    }

    /// As [`Index::near`], of what lies ahead of what was found there; none if it is not in the same leaf, as far as hints tell, nor, if
    /// that is looked into too, in the one behind.
    #[inline]
    pub(in crate::memtable) fn near_ahead(
        &self,
        from: &Near,
        sought: &impl Sought,
        looks_behind: bool,
        show: impl Fn(At),
    ) -> Option<Near> {
        let Near { leaf, slot, .. } = *from;
        if leaf == 0 {
            return None;
        }
        let header = self.header(leaf);
        if let Some(near) = self.near_in(leaf, slot, header, sought, &show) {
            return Some(near);
        }
        let Header { count, next, .. } = header;
        // A leaf of which a copy is in use has no slots, and leads on to that.
        if !looks_behind || next == 0 || slot >= count || !sought.is_behind(self.first(next)) {
            return None;
        }
        self.near_in(next, 0, self.header(next), sought, &show)
    }

    /// As [`Index::near_ahead`], in a leaf with this header, from a slot that is before what is looked for.
    #[inline]
    fn near_in(
        &self,
        leaf: At,
        mut at: u32,
        header: Header,
        sought: &impl Sought,
        show: &impl Fn(At),
    ) -> Option<Near> {
        let (count, sought_hint) = (header.count, sought.hint(self.lens(leaf, header)));
        if at + 1 >= count || hint_of(self.slot(leaf, count - 1)) < sought_hint {
            return None;
        }
        let mut next = self.slot(leaf, at + 1);
        while hint_of(next) < sought_hint {
            at += 1;
            if at + 1 >= count {
                break;
            }
            next = self.slot(leaf, at + 1);
        }
        let node = target(self.slot(leaf, at));
        show(node);
        show(target(next));
        // Who goes ahead once goes on, and about as far.
        (at + 2..count.min(at + 1 + SHOWN_AHEAD)).for_each(|slot| show(target(self.slot(leaf, slot))));
        Some(Near { leaf, slot: at, node })
    }

    /// Shows the node that comes next, as far as leaves tell, for who walks there: the list alone tells no more than one at a time.
    #[inline]
    pub(in crate::memtable) fn show_next(&self, shown: &mut Near, show: impl Fn(At)) {
        if shown.leaf == 0 {
            return;
        }
        let Header { count, next, .. } = self.header(shown.leaf);
        shown.slot += 1;
        if shown.slot >= count {
            *shown = Near { leaf: next, slot: 0, node: 0 };
            if next == 0 {
                return;
            }
        }
        show(target(self.slot(shown.leaf, shown.slot)));
    }

    /// For each of a few that are looked for, what [`Index::near`] finds and, as far as the leaf tells, the node behind. They go down
    /// side by side: while one is compared, what the others need next is fetched.
    pub(in crate::memtable) fn near_each(
        &self,
        sought: &[impl Sought],
        sorting: Sorting,
        ends: &mut [(Near, At)],
    ) {
        let root = self.root.load(Ordering::Acquire);
        ends.fill((Near { leaf: 0, slot: 0, node: target(root) }, 0));
        for level in (0..=hint_of(root)).rev() {
            let (mut last, mut last_child) = (Found::default(), 0);
            for (sought, end) in sought.iter().zip(ends.iter_mut()) {
                let leaf = end.0.node;
                let slot = match level {
                    0 => self.near_slot(leaf, sought),
                    level => self.last_slot_from(last, leaf, level, sought),
                };
                if sorting == Sorting::Ascending {
                    last = Found { node: leaf, slot };
                }
                let behind = (slot + 1 < SLOTS_MAX).then(|| target(self.slot(leaf, slot + 1)));
                *end = (Near { leaf, slot, node: target(self.slot(leaf, slot)) }, behind.unwrap_or(0));
                if level > 0 && end.0.node != last_child {
                    last_child = end.0.node;
                    let lines = (0..NODE_WORDS).step_by(LINE_WORDS);
                    lines.for_each(|word| self.arena.prefetch(last_child + word));
                }
            }
        }
    }

    /// A slot of a leaf before what is looked for, the last one as a rule or the one before that. No node of the list is looked at for
    /// it, unless several have the hint that is looked for.
    #[inline]
    fn near_slot(&self, leaf: At, sought: &impl Sought) -> u32 {
        let header = self.header(leaf);
        let sought_hint = sought.hint(self.lens(leaf, header));
        let slot = self.first_slot_from(leaf, header.count, sought_hint) - 1;
        let is_next = |slot| slot < header.count && hint_of(self.slot(leaf, slot)) == sought_hint;
        if is_next(slot + 1) && is_next(slot + 2) { self.last_slot(leaf, 0, sought) } else { slot }
    }
}
