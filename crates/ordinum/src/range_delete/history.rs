//! All range tombstones in the order of their sequence numbers, for those who read at an older one.
//!
//! Tombstones are gathered in trees of 16, 32, 64... of them, at most one tree of each size, like the bits of a number.
//! Whoever asks for a sequence number goes over the trees from the newest to the oldest: those that are too new as a whole
//! are left out, those that are old enough answer with their skyline, and of the one that is cut the halves are asked. A
//! skyline is made when it is first needed, so that what nobody asks about costs nothing. An answer takes O(log² n) steps.

use std::sync::{Arc, OnceLock};

use super::skyline::Skyline;
use super::{RangeTombstone, Span};
use crate::key::SeqNo;

/// Tombstones of the smallest tree.
const LEAF_TOMBSTONES: usize = 16;

#[derive(Debug)]
enum Contents {
    /// Ascending by sequence number.
    Leaf(Vec<RangeTombstone>),
    /// The older half, and the newer.
    Halves(Arc<Tree>, Arc<Tree>),
}

#[derive(Debug)]
struct Tree {
    contents: Contents,
    tombstones: usize,
    oldest: SeqNo,
    newest: SeqNo,
    skyline: OnceLock<Skyline>,
}

impl Tree {
    fn for_each(&self, visit: &mut impl FnMut(&RangeTombstone)) {
        match &self.contents {
            Contents::Leaf(tombstones) => tombstones.iter().for_each(visit),
            Contents::Halves(older, newer) => {
                older.for_each(visit);
                newer.for_each(visit);
            }
        }
    }

    fn skyline(&self) -> &Skyline {
        self.skyline.get_or_init(|| {
            let mut skyline = Skyline::default();
            self.for_each(&mut |tombstone| {
                skyline.assign(&tombstone.start, &tombstone.end, tombstone.seqno);
            });
            skyline
        })
    }

    /// Narrows `span` down to what holds at `seqno` around the key; whether a tombstone was found.
    fn narrow<'a>(&'a self, span: &mut Span<'a>, key: &[u8], seqno: SeqNo) -> bool {
        if self.oldest > seqno {
            return false;
        }
        if self.newest <= seqno {
            let found = self.skyline().span(key);
            span.narrow(&found);
            return found.seqno != SeqNo::ZERO;
        }
        match &self.contents {
            Contents::Leaf(tombstones) => narrow_one_by_one(tombstones, span, key, seqno),
            Contents::Halves(older, newer) => {
                newer.narrow(span, key, seqno) || older.narrow(span, key, seqno)
            }
        }
    }
}

/// As [`Tree::narrow`], over tombstones in the order of their numbers.
fn narrow_one_by_one<'a>(
    tombstones: &'a [RangeTombstone],
    span: &mut Span<'a>,
    key: &[u8],
    seqno: SeqNo,
) -> bool {
    let old_enough = tombstones.iter().rev().filter(|tombstone| tombstone.seqno <= seqno);
    for RangeTombstone { start, end, seqno } in old_enough {
        if key < &**start {
            span.narrow(&Span { start: &[], end: Some(start), seqno: SeqNo::ZERO });
        } else if key >= &**end {
            span.narrow(&Span { start: end, end: None, seqno: SeqNo::ZERO });
        } else {
            span.narrow(&Span { start, end: Some(end), seqno: *seqno });
            return true;
        }
    }
    false
}

/// The tombstones. A copy costs little.
#[derive(Clone, Debug, Default)]
pub(super) struct History {
    /// Oldest first, each smaller than the one before.
    trees: Vec<Arc<Tree>>,
    /// The newest: not enough for a tree.
    rest: Vec<RangeTombstone>,
}

impl History {
    /// Adds a tombstone that is not older than those before.
    pub(super) fn push(&mut self, tombstone: RangeTombstone) {
        self.rest.push(tombstone);
        if self.rest.len() < LEAF_TOMBSTONES {
            return;
        }
        let rest = std::mem::take(&mut self.rest);
        let of = |tombstone: Option<&RangeTombstone>| tombstone.map_or(SeqNo::ZERO, |of| of.seqno);
        let (oldest, newest) = (of(rest.first()), of(rest.last()));
        let (tombstones, contents) = (rest.len(), Contents::Leaf(rest));
        let mut tree = Tree { contents, tombstones, oldest, newest, skyline: OnceLock::new() };
        while let Some(before) = self.trees.pop_if(|before| before.tombstones == tree.tombstones) {
            let (oldest, newest) = (before.oldest, tree.newest);
            let tombstones = 2 * tree.tombstones;
            let contents = Contents::Halves(before, Arc::new(tree));
            tree = Tree { contents, tombstones, oldest, newest, skyline: OnceLock::new() };
        }
        self.trees.push(Arc::new(tree));
    }

    /// The newest tombstone at or below `seqno` that covers the key.
    pub(super) fn span(&self, key: &[u8], seqno: SeqNo) -> Span<'_> {
        let mut span = Span::NOTHING;
        if !narrow_one_by_one(&self.rest, &mut span, key, seqno) {
            self.trees.iter().rev().any(|tree| tree.narrow(&mut span, key, seqno));
        }
        span
    }

    /// Calls `visit` with every tombstone, oldest first.
    pub(super) fn for_each(&self, mut visit: impl FnMut(&RangeTombstone)) {
        self.trees.iter().for_each(|tree| tree.for_each(&mut visit));
        self.rest.iter().for_each(visit);
    }
}
