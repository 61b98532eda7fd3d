//! What was written to keys, sorted: most keys are written in ascending order, and then it is a list.
//!
//! Invariants: (1) the list ascends; (2) a key is in the list or in the map, never in both.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::iter::Peekable;
use std::ops::Bound;

use super::overlay::Written;
use crate::key::KeptKey;

/// What was written to the keys of a family.
#[derive(Default)]
pub(super) struct Keys {
    /// Of keys that came behind all that were there.
    list: Vec<(KeptKey, Written)>,
    /// Of the others.
    map: BTreeMap<KeptKey, Written>,
}

impl Keys {
    pub(super) fn len(&self) -> usize {
        self.list.len() + self.map.len()
    }

    pub(super) fn get(&self, key: &KeptKey) -> Option<&Written> {
        match self.list_place(key) {
            Ok(at) => self.list.get(at).map(|(_, written)| written),
            Err(_) => self.in_map(key).then(|| self.map.get(key)).flatten(),
        }
    }

    /// Whether the key lies between the first and the last of the map: what is looked for often lies outside.
    fn in_map(&self, key: &KeptKey) -> bool {
        let ends = self.map.first_key_value().zip(self.map.last_key_value());
        ends.is_some_and(|((first, _), (last, _))| first <= key && key <= last)
    }

    /// Where the key is in the list, or belongs.
    fn list_place(&self, key: &KeptKey) -> Result<usize, usize> {
        let (Some((first, _)), Some((last, _))) = (self.list.first(), self.list.last()) else {
            return Err(0);
        };
        match key.cmp(last) {
            Ordering::Greater => Err(self.list.len()),
            Ordering::Equal => Ok(self.list.len() - 1),
            Ordering::Less if key < first => Err(0),
            Ordering::Less => self.list.binary_search_by(|(known, _)| known.cmp(key)),
        }
    }

    /// Sets what was written to the key, and returns what was before.
    pub(super) fn insert(&mut self, key: KeptKey, written: Written) -> Option<Written> {
        match self.list_place(&key) {
            Ok(at) => self.list.get_mut(at).map(|(_, place)| std::mem::replace(place, written)),
            Err(at) if at == self.list.len() && !self.in_map(&key) => {
                self.list.push((key, written));
                None
            }
            Err(_) => self.map.insert(key, written),
        }
    }

    pub(super) fn remove(&mut self, key: &KeptKey) -> Option<Written> {
        match self.list_place(key) {
            Ok(at) if at + 1 == self.list.len() => self.list.pop().map(|(_, written)| written),
            Ok(_) => {
                self.leave_list();
                self.map.remove(key)
            }
            Err(_) => self.map.remove(key),
        }
    }

    /// Takes out what is in the range, ascending.
    pub(super) fn take_range(&mut self, bounds: (Bound<&[u8]>, Bound<&[u8]>)) -> Vec<(KeptKey, Written)> {
        let (start, end) = self.list_range(bounds);
        if start < end && end < self.list.len() {
            self.leave_list();
        }
        let mut taken =
            if start < end { self.list.split_off(start.min(self.list.len())) } else { Vec::new() };
        let of_map: Vec<KeptKey> = self.map.range::<[u8], _>(bounds).map(|(key, _)| key.clone()).collect();
        taken.extend(of_map.iter().filter_map(|key| self.map.remove_entry(key)));
        taken.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        taken
    }

    /// Moves everything into the map: what is taken out of the middle of a long list would move all behind it each time.
    fn leave_list(&mut self) {
        self.map.extend(self.list.drain(..));
    }

    /// Which part of the list is in the range.
    fn list_range(&self, (start, end): (Bound<&[u8]>, Bound<&[u8]>)) -> (usize, usize) {
        let before = |is_before: &dyn Fn(&[u8]) -> bool| self.list.partition_point(|(key, _)| is_before(key));
        let start = match start {
            Bound::Included(start) => before(&|key| key < start),
            Bound::Excluded(start) => before(&|key| key <= start),
            Bound::Unbounded => 0,
        };
        let end = match end {
            Bound::Included(end) => before(&|key| key <= end),
            Bound::Excluded(end) => before(&|key| key < end),
            Bound::Unbounded => self.list.len(),
        };
        (start, end.max(start))
    }

    /// Everything, ascending.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&KeptKey, &Written)> {
        merged(self.list.iter().map(|(key, written)| (key, written)), self.map.iter())
    }

    /// What is in the range, ascending. It has a key, or may have.
    pub(super) fn range(
        &self,
        bounds: (Bound<&[u8]>, Bound<&[u8]>),
    ) -> impl Iterator<Item = (&KeptKey, &Written)> {
        let (start, end) = self.list_range(bounds);
        let list = self.list.get(start..end).unwrap_or_default();
        merged(list.iter().map(|(key, written)| (key, written)), self.map.range::<[u8], _>(bounds))
    }
}

/// Two that ascend and have no key in common, as one.
struct Merged<A: Iterator, B: Iterator> {
    list: Peekable<A>,
    map: Peekable<B>,
}

fn merged<'a, A, B>(list: A, map: B) -> Merged<A, B>
where
    A: Iterator<Item = (&'a KeptKey, &'a Written)>,
    B: Iterator<Item = (&'a KeptKey, &'a Written)>,
{
    Merged { list: list.peekable(), map: map.peekable() }
}

impl<'a, A, B> Iterator for Merged<A, B>
where
    A: Iterator<Item = (&'a KeptKey, &'a Written)>,
    B: Iterator<Item = (&'a KeptKey, &'a Written)>,
{
    type Item = (&'a KeptKey, &'a Written);

    fn next(&mut self) -> Option<Self::Item> {
        match (self.list.peek(), self.map.peek()) {
            (Some((a, _)), Some((b, _))) if b < a => self.map.next(),
            (Some(_), _) => self.list.next(),
            (None, _) => self.map.next(),
        }
    }
}

#[cfg(test)]
mod tests;
