//! The entries of a memtable in internal order, in both directions, while others insert.

use std::cmp::Ordering;
use std::ops::ControlFlow;
use std::sync::{Arc, OnceLock};

use super::index::{Near, SHOWN_AHEAD};
use super::{At, HEAD, Memtable};
use crate::error::Result;
use crate::iter::{InternalIterator, STEPS_BEFORE_SEEK, Stride};
use crate::key::{self, KeptKey, Kind, SeqNo};
use crate::slice::{Holder, Slice};

/// An iterator over a memtable. It shows the last operation of each batch on a key, and hides those before.
pub(crate) struct MemtableIter {
    memtable: Arc<Memtable>,
    /// The node it stands on, or 0.
    node: At,
    /// What the values that it gives lie in, once it gave one.
    holder: OnceLock<Arc<dyn Holder>>,
    /// A node before the one that it stands on, from where what lies ahead is found; none where it moved back.
    near: Near,
    /// The last node that was fetched ahead.
    shown: Near,
    /// Keys that will be sought, in this order, with a node before each.
    announced: std::vec::IntoIter<(KeptKey, Near)>,
    /// Whether what is sought ahead is near as a rule.
    stride: Stride,
}

impl MemtableIter {
    pub(crate) fn new(memtable: Arc<Memtable>) -> MemtableIter {
        let (holder, announced) = (OnceLock::new(), Vec::new().into_iter());
        let (near, shown) = (Near::default(), Near::default());
        MemtableIter { memtable, node: 0, holder, near, shown, announced, stride: Stride::new() }
    }

    /// The node before the key that was found when it was announced. Those announced before it are not sought any more.
    fn announced(&mut self, user_key: &[u8]) -> Option<Near> {
        while let Some((key, before)) = self.announced.as_slice().first() {
            match key::order(key, user_key) {
                Ordering::Less => drop(self.announced.next()),
                Ordering::Equal => return Some(*before),
                Ordering::Greater => break,
            }
        }
        None
    }

    /// Another node is fetched ahead.
    #[inline]
    fn show_next(&mut self) {
        let Memtable { index, arena, .. } = &*self.memtable;
        index.show_next(&mut self.shown, |node| arena.prefetch(node));
    }

    /// Where what lies ahead is found from, and how many nodes behind it were fetched.
    fn begin_at(&mut self, near: Near, shown_ahead: u32) {
        (self.near, self.shown) = (near, near.behind(shown_ahead));
    }

    fn stand(&mut self, node: At) -> Result<bool> {
        self.node = if node == HEAD { 0 } else { node };
        if self.node != 0 {
            // Whoever steps through comes there next.
            self.memtable.arena.prefetch(self.memtable.next(self.node));
        }
        Ok(self.node != 0)
    }

    /// The first node behind the operations of the batch and key that `node` belongs to.
    fn behind_batch(&self, node: At) -> At {
        let seqno = key::split_trailer(self.memtable.trailer(node)).0;
        let mut next = self.memtable.next(node);
        while next != 0
            && key::split_trailer(self.memtable.trailer(next)).0 == seqno
            && key::same(self.memtable.key(next), self.memtable.key(node))
        {
            next = self.memtable.next(next);
        }
        next
    }

    /// The last operation of the batch and key that `node` belongs to.
    fn last_of_batch(&self, node: At) -> At {
        if node == HEAD {
            return node;
        }
        let seqno = key::split_trailer(self.memtable.trailer(node)).0;
        self.memtable.at_or_after(&self.memtable.position(self.memtable.key(node), seqno, u32::MAX))
    }
}

impl InternalIterator for MemtableIter {
    fn first(&mut self) -> Result<bool> {
        self.near = Near::default();
        self.stand(self.memtable.next(HEAD))
    }

    fn last(&mut self) -> Result<bool> {
        self.near = Near::default();
        let last = self.last_of_batch(self.memtable.last());
        self.stand(last)
    }

    fn seek(&mut self, user_key: &[u8], trailer: u64) -> Result<bool> {
        let seqno = key::split_trailer(trailer).0;
        let announced = self.announced(user_key);
        let position = self.memtable.position(user_key, seqno, u32::MAX);
        let (near, mut node, shown) = match announced {
            Some(near) => (near, self.memtable.at_or_after_behind(&near, &position), 1),
            None => {
                let (near, node) = self.memtable.at_or_after_to_walk(&position);
                (near, node, SHOWN_AHEAD)
            }
        };
        self.begin_at(near, shown);
        if node != 0 && self.memtable.trailer(node) > trailer && key::same(self.memtable.key(node), user_key)
        {
            node = self.behind_batch(node);
        }
        self.stand(node)
    }

    fn seek_on(&mut self, user_key: &[u8], trailer: u64) -> Result<bool> {
        if self.node == 0 || trailer != u64::MAX {
            return self.seek(user_key, trailer);
        }
        // Where seeks lead far, a look at the next leaf is a wait for nothing.
        let looks_behind = !self.stride.is_short();
        let found = self.memtable.at_or_after_ahead(&self.near, user_key, looks_behind);
        self.stride.took(found.is_some());
        match found {
            Some((near, node)) => {
                self.begin_at(near, SHOWN_AHEAD);
                self.stand(node)
            }
            None => self.seek(user_key, trailer),
        }
    }

    fn announce_each(&mut self, user_keys: &[&[u8]]) {
        if !self.stride.is_short() {
            // What is near is found from where this stands.
            return;
        }
        self.announced = self.memtable.places_before(user_keys).into_iter();
    }

    fn seek_before(&mut self, user_key: &[u8], trailer: u64) -> Result<bool> {
        self.near = Near::default();
        let seqno = key::split_trailer(trailer).0;
        let position = self.memtable.position(user_key, seqno, u32::MAX);
        let at = self.memtable.at_or_after(&position);
        let same =
            at != 0 && self.memtable.trailer(at) > trailer && key::same(self.memtable.key(at), user_key);
        let node = if same { at } else { self.last_of_batch(self.memtable.before(&position)) };
        self.stand(node)
    }

    fn next(&mut self) -> Result<bool> {
        if self.node == 0 {
            return Ok(false);
        }
        self.show_next();
        let next = self.behind_batch(self.node);
        self.stand(next)
    }

    fn next_key(&mut self) -> Result<bool> {
        let left = self.node;
        if left == 0 {
            return Ok(false);
        }
        self.show_next();
        // Nodes stay where they are, so that the key that is left needs no copy.
        let left_key = self.memtable.key(left);
        let (mut node, mut steps) = (self.memtable.next(left), 0u32);
        while node != 0 && key::same(self.memtable.key(node), left_key) {
            steps += 1;
            node = if steps.is_multiple_of(STEPS_BEFORE_SEEK) {
                self.memtable.at_or_after(&self.memtable.position(left_key, SeqNo::ZERO, 0))
            } else {
                self.memtable.next(node)
            };
        }
        self.stand(node)
    }

    #[inline]
    fn show_on(
        &mut self,
        end: &[u8],
        newest: SeqNo,
        see: &mut impl FnMut(&[u8]) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>> {
        let mut left = self.node;
        let mut shown = ControlFlow::Continue(());
        while left != 0 && shown.is_continue() {
            let node = self.memtable.next(left);
            if node == 0
                || key::order(self.memtable.key(node), end).is_ge()
                || key::same(self.memtable.key(node), self.memtable.key(left))
            {
                break;
            }
            let (seqno, kind) = key::split_trailer(self.memtable.trailer(node));
            if seqno > newest || kind != Kind::Put as u8 {
                break;
            }
            self.memtable.arena.prefetch(self.memtable.next(node));
            self.show_next();
            shown = see(self.memtable.value(node));
            left = node;
        }
        self.stand(left)?;
        Ok(shown)
    }

    fn skip_on(&mut self, end: Option<&[u8]>, seqno: SeqNo) -> Result<bool> {
        // What comes in meanwhile is newer than what the reader sees.
        match end {
            _ if self.memtable.newest() >= seqno => self.next(),
            Some(end) => self.seek(end, u64::MAX),
            None => self.stand(0),
        }
    }

    fn skip_back(&mut self, start: &[u8], seqno: SeqNo) -> Result<bool> {
        if self.memtable.newest() >= seqno { self.prev() } else { self.seek_before(start, u64::MAX) }
    }

    fn prev(&mut self) -> Result<bool> {
        self.near = Near::default();
        if self.node == 0 {
            return Ok(false);
        }
        let seqno = key::split_trailer(self.memtable.trailer(self.node)).0;
        let before =
            self.memtable.before(&self.memtable.position(self.memtable.key(self.node), seqno, u32::MAX));
        let node = self.last_of_batch(before);
        self.stand(node)
    }

    fn valid(&self) -> bool {
        self.node != 0
    }

    fn user_key(&self) -> &[u8] {
        if self.node == 0 { &[] } else { self.memtable.key(self.node) }
    }

    fn trailer(&self) -> u64 {
        if self.node == 0 { key::seek_trailer(SeqNo::ZERO) } else { self.memtable.trailer(self.node) }
    }

    fn value(&self) -> &[u8] {
        if self.node == 0 { &[] } else { self.memtable.value(self.node) }
    }

    fn value_slice(&self) -> Slice {
        if self.node == 0 {
            return Slice::default();
        }
        Slice::held(Arc::clone(self.holder.get_or_init(|| self.memtable.pinned())), self.node)
    }
}
