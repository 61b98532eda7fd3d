//! Merges iterators into one, in both directions.
//!
//! Invariants:
//! (1) no two children hold the same (user key, trailer);
//! (2) going forward, the current child stands on the smallest entry, and every other at or after it; going backward,
//!     on the largest, and every other at or before it: so a change of direction moves the others across first.
//!
//! The children that stand on an entry are a binary heap of indexes; the current one is its root. While it stays ahead of
//! the second, a step compares those two only.

use std::cmp::Ordering;
use std::ops::ControlFlow;

use crate::error::Result;
use crate::iter::{InternalIterator, next_key_by_steps};
use crate::key::{SeqNo, compare, same};
use crate::slice::Slice;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    Forward,
    Backward,
}

/// One iterator over the entries of all children.
pub(crate) struct MergeIter<I> {
    children: Vec<I>,
    /// Indexes of the children that stand on an entry, as a heap.
    heap: Vec<usize>,
    /// The first of the others in the heap.
    second: Option<usize>,
    direction: Direction,
}

impl<I: InternalIterator> MergeIter<I> {
    /// An iterator that stands nowhere.
    pub(crate) fn new(children: Vec<I>) -> MergeIter<I> {
        let heap = Vec::with_capacity(children.len());
        MergeIter { heap, children, second: None, direction: Direction::Forward }
    }

    #[inline]
    fn current(&self) -> Option<&I> {
        self.heap.first().and_then(|index| self.children.get(*index))
    }

    /// Whether child `a` comes before child `b` in the direction that is gone.
    #[inline]
    fn before(&self, a: usize, b: usize) -> bool {
        let (Some(a), Some(b)) = (self.children.get(a), self.children.get(b)) else {
            return false;
        };
        let order = compare((a.user_key(), a.trailer()), (b.user_key(), b.trailer()));
        match self.direction {
            Direction::Forward => order == Ordering::Less,
            Direction::Backward => order == Ordering::Greater,
        }
    }

    /// Moves every child, and makes the heap of those that stand on an entry.
    fn restart(
        &mut self,
        direction: Direction,
        mut go: impl FnMut(usize, &mut I) -> Result<bool>,
    ) -> Result<bool> {
        self.direction = direction;
        self.heap.clear();
        self.second = None;
        let mut standing = std::mem::take(&mut self.heap);
        for (index, child) in self.children.iter_mut().enumerate() {
            if go(index, child)? {
                standing.push(index);
            }
        }
        self.heap = standing;
        for at in (0..self.heap.len() / 2).rev() {
            self.sift_down(at);
        }
        self.find_second();
        Ok(!self.heap.is_empty())
    }

    fn find_second(&mut self) {
        self.second = match *self.heap.as_slice() {
            [_, a, b, ..] => Some(if self.before(b, a) { b } else { a }),
            [_, a] => Some(a),
            [_] | [] => None,
        };
    }

    fn sift_down(&mut self, mut at: usize) {
        loop {
            let mut best = at;
            for child in [2 * at + 1, 2 * at + 2] {
                if let (Some(&a), Some(&b)) = (self.heap.get(child), self.heap.get(best))
                    && self.before(a, b)
                {
                    best = child;
                }
            }
            if best == at {
                return;
            }
            self.heap.swap(at, best);
            at = best;
        }
    }

    /// Moves the current child on, and restores the heap.
    #[inline]
    fn advance(&mut self, go: impl FnOnce(&mut I) -> Result<bool>) -> Result<bool> {
        let Some(&current) = self.heap.first() else { return Ok(false) };
        let Some(child) = self.children.get_mut(current) else { return Ok(false) };
        match go(child) {
            Ok(true) if self.second.is_none_or(|second| self.before(current, second)) => return Ok(true),
            Ok(true) => {}
            Ok(false) => {
                self.heap.swap_remove(0);
            }
            Err(error) => {
                self.heap.clear();
                self.second = None;
                return Err(error);
            }
        }
        self.sift_down(0);
        self.find_second();
        Ok(!self.heap.is_empty())
    }

    /// Turns round: moves every other child across the current entry, and the current one off it.
    fn turn(&mut self, direction: Direction) -> Result<bool> {
        let (Some(&current), Some((user_key, trailer))) =
            (self.heap.first(), self.current().map(|child| (child.user_key().to_vec(), child.trailer())))
        else {
            return Ok(false);
        };
        self.restart(direction, |index, child| match (direction, index == current) {
            (Direction::Forward, true) => child.next(),
            (Direction::Forward, false) => child.seek(&user_key, trailer),
            (Direction::Backward, true) => child.prev(),
            (Direction::Backward, false) => child.seek_before(&user_key, trailer),
        })
    }
}

impl<I: InternalIterator> InternalIterator for MergeIter<I> {
    fn first(&mut self) -> Result<bool> {
        self.restart(Direction::Forward, |_, child| child.first())
    }

    fn last(&mut self) -> Result<bool> {
        self.restart(Direction::Backward, |_, child| child.last())
    }

    fn seek(&mut self, user_key: &[u8], trailer: u64) -> Result<bool> {
        self.restart(Direction::Forward, |_, child| child.seek(user_key, trailer))
    }

    #[inline]
    fn seek_on(&mut self, user_key: &[u8], trailer: u64) -> Result<bool> {
        if self.direction == Direction::Backward {
            return self.seek(user_key, trailer);
        }
        // Children that stand at the target or behind it stay there: what they have before that was passed.
        loop {
            let is_alone = self.second.is_none();
            let found = self.advance(|child| child.seek_on(user_key, trailer))?;
            if is_alone || !found {
                return Ok(found);
            }
            let here = (self.user_key(), self.trailer());
            if compare(here, (user_key, trailer)) != Ordering::Less {
                return Ok(true);
            }
        }
    }

    fn announce(&mut self, user_key: &[u8]) {
        for index in &self.heap {
            if let Some(child) = self.children.get_mut(*index)
                && child.user_key() < user_key
            {
                child.announce(user_key);
            }
        }
    }

    fn announce_each(&mut self, user_keys: &[&[u8]]) {
        self.children.iter_mut().for_each(|child| child.announce_each(user_keys));
    }

    fn seek_before(&mut self, user_key: &[u8], trailer: u64) -> Result<bool> {
        self.restart(Direction::Backward, |_, child| child.seek_before(user_key, trailer))
    }

    #[inline]
    fn next(&mut self) -> Result<bool> {
        match self.direction {
            Direction::Forward => self.advance(InternalIterator::next),
            Direction::Backward => self.turn(Direction::Forward),
        }
    }

    #[inline]
    fn next_key(&mut self) -> Result<bool> {
        let (Some(current), Direction::Forward) = (self.current(), self.direction) else {
            let left = self.user_key().to_vec();
            return next_key_by_steps(self, &left);
        };
        let second = self.second.and_then(|index| self.children.get(index));
        if second.is_none_or(|second| !same(second.user_key(), current.user_key())) {
            return self.advance(InternalIterator::next_key);
        }
        let left = current.user_key().to_vec();
        next_key_by_steps(self, &left)
    }

    #[inline]
    fn show_on(
        &mut self,
        end: &[u8],
        newest: SeqNo,
        see: &mut impl FnMut(&[u8]) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>> {
        let (Some(&current), Direction::Forward) = (self.heap.first(), self.direction) else {
            return Ok(ControlFlow::Continue(()));
        };
        // The current child shows what it has before the second one.
        match self.second {
            None => match self.children.get_mut(current) {
                Some(child) => child.show_on(end, newest, see),
                None => Ok(ControlFlow::Continue(())),
            },
            Some(second) => match self.children.get_disjoint_mut([current, second]) {
                Ok([child, second]) => child.show_on(end.min(second.user_key()), newest, see),
                Err(_) => Ok(ControlFlow::Continue(())),
            },
        }
    }

    fn skip_on(&mut self, end: Option<&[u8]>, seqno: SeqNo) -> Result<bool> {
        match self.direction {
            Direction::Forward => self.advance(|child| child.skip_on(end, seqno)),
            Direction::Backward => self.next(),
        }
    }

    fn skip_back(&mut self, start: &[u8], seqno: SeqNo) -> Result<bool> {
        match self.direction {
            Direction::Forward => self.prev(),
            Direction::Backward => self.advance(|child| child.skip_back(start, seqno)),
        }
    }

    #[inline]
    fn prev(&mut self) -> Result<bool> {
        match self.direction {
            Direction::Forward => self.turn(Direction::Backward),
            Direction::Backward => self.advance(InternalIterator::prev),
        }
    }

    fn valid(&self) -> bool {
        !self.heap.is_empty()
    }

    #[inline]
    fn user_key(&self) -> &[u8] {
        match self.current() {
            Some(child) => child.user_key(),
            None => &[],
        }
    }

    #[inline]
    fn trailer(&self) -> u64 {
        match self.current() {
            Some(child) => child.trailer(),
            None => 0,
        }
    }

    #[inline]
    fn value(&self) -> &[u8] {
        match self.current() {
            Some(child) => child.value(),
            None => &[],
        }
    }

    fn value_slice(&self) -> Slice {
        self.current().map_or_else(|| Slice::from(Vec::new()), InternalIterator::value_slice)
    }
}

#[cfg(test)]
mod tests;
