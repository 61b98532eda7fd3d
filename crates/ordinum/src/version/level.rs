//! The tables of one level, and what tells which of them may hold a key.
//!
//! Invariant: `firsts` and `lasts` are the heads of the smallest and of the largest user key of each table: the eight bytes
//! behind the prefix that all those keys share, as a big-endian number, as if zeros stood behind the key. Keys whose heads
//! differ are in the order of their heads, so that only tables whose bound has the head of the key are asked themselves.
#![deny(clippy::indexing_slicing)]

use std::ops::Deref;
use std::sync::Arc;

use crate::key::{compare, split_internal};
use crate::version::LiveTable;

/// The tables of a level.
#[derive(Debug, Default)]
pub(crate) struct Level {
    tables: Vec<Arc<LiveTable>>,
    prefix: Vec<u8>,
    firsts: Vec<u64>,
    lasts: Vec<u64>,
    range_tombstones: u64,
}

/// First and last user key of a table.
pub(crate) fn user_range(table: &LiveTable) -> (&[u8], &[u8]) {
    let user_key = |internal| split_internal(internal).map_or(&[][..], |(user_key, _)| user_key);
    (user_key(&table.meta().smallest), user_key(&table.meta().largest))
}

/// The last internal key of a table.
pub(super) fn largest(table: &LiveTable) -> (&[u8], u64) {
    split_internal(&table.meta().largest).unwrap_or((&[], 0))
}

/// Where the head of a key stands among those of a level.
#[derive(Clone, Copy)]
enum Place {
    Before,
    Behind,
    Head(u64),
}

impl Level {
    /// The level of these tables, in their order.
    pub(crate) fn new(tables: Vec<Arc<LiveTable>>) -> Level {
        let ranges = || tables.iter().map(|table| user_range(table));
        let mut prefix = ranges().next().map_or(&[][..], |(first, _)| first);
        for key in ranges().flat_map(|(first, last)| [first, last]) {
            let shared = prefix.iter().zip(key).take_while(|(a, b)| a == b).count();
            prefix = prefix.get(..shared).unwrap_or_default();
        }
        let prefix = prefix.to_vec();
        let head_of = |key: &[u8]| head(key.get(prefix.len()..).unwrap_or_default());
        let firsts = ranges().map(|(first, _)| head_of(first)).collect();
        let lasts = ranges().map(|(_, last)| head_of(last)).collect();
        let range_tombstones = tables.iter().map(|table| table.meta().range_tombstones).sum();
        Level { firsts, lasts, prefix, tables, range_tombstones }
    }

    /// How many range tombstones its tables have.
    pub(crate) fn range_tombstones(&self) -> u64 {
        self.range_tombstones
    }

    fn place(&self, user_key: &[u8]) -> Place {
        // Comparing no bytes is slow where the prefix is an empty vector, which points nowhere.
        if self.prefix.is_empty() {
            return Place::Head(head(user_key));
        }
        match user_key.strip_prefix(self.prefix.as_slice()) {
            Some(rest) => Place::Head(head(rest)),
            None if user_key < self.prefix.as_slice() => Place::Before,
            None => Place::Behind,
        }
    }

    /// The tables, in their order, that may hold the key, by their bounds.
    pub(crate) fn holding(&self, user_key: &[u8]) -> impl Iterator<Item = &Arc<LiveTable>> {
        let place = self.place(user_key);
        let bounds = self.firsts.iter().zip(&self.lasts);
        self.tables.iter().zip(bounds).filter_map(move |(table, (first, last))| match place {
            Place::Head(head) if *first < head && head < *last => Some(table),
            Place::Head(head) if *first <= head && head <= *last => {
                let (first, last) = user_range(table);
                (first <= user_key && user_key <= last).then_some(table)
            }
            Place::Head(_) | Place::Before | Place::Behind => None,
        })
    }

    /// The one table that may hold the key, of tables that are disjoint and ascend.
    pub(crate) fn only_holding(&self, user_key: &[u8]) -> Option<&Arc<LiveTable>> {
        if self.tables.is_empty() {
            return None;
        }
        let Place::Head(head) = self.place(user_key) else { return None };
        let mut at = self.lasts.partition_point(|last| *last < head);
        while self.lasts.get(at) == Some(&head)
            && self.tables.get(at).is_some_and(|table| user_range(table).1 < user_key)
        {
            at += 1;
        }
        let (table, first) = (self.tables.get(at)?, *self.firsts.get(at)?);
        (first < head || first == head && user_range(table).0 <= user_key).then_some(table)
    }

    /// How many tables end before (`user_key`, `trailer`), of tables that are disjoint and ascend.
    pub(crate) fn ending_before(&self, user_key: &[u8], trailer: u64) -> usize {
        let head = match self.place(user_key) {
            Place::Before => return 0,
            Place::Behind => return self.tables.len(),
            Place::Head(head) => head,
        };
        let mut at = self.lasts.partition_point(|last| *last < head);
        while self.lasts.get(at) == Some(&head)
            && self.tables.get(at).is_some_and(|table| compare(largest(table), (user_key, trailer)).is_lt())
        {
            at += 1;
        }
        at
    }
}

impl Deref for Level {
    type Target = [Arc<LiveTable>];

    fn deref(&self) -> &[Arc<LiveTable>] {
        &self.tables
    }
}

/// The first eight bytes as a big-endian number, as if zeros stood behind them.
fn head(rest: &[u8]) -> u64 {
    if let Some(first) = rest.first_chunk::<8>() {
        return u64::from_be_bytes(*first);
    }
    let mut first = [0; 8];
    first.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
    u64::from_be_bytes(first)
}

#[cfg(test)]
mod tests;
