//! The versions of each key of a family, over all of its tables: key after key, and of each key the newest version first.
//!
//! Invariant: memory holds a block of each table, and the versions of one key that make its value.

#![deny(clippy::indexing_slicing)]

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use super::losses::Losses;
use super::table::TableEntries;
use crate::key::{Kind, SeqNo, compare, split_trailer};
use crate::merge_operator::{Base, Entry};

/// A version of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Version {
    pub(super) seqno: SeqNo,
    pub(super) kind: Kind,
    pub(super) value: Vec<u8>,
    /// Which of the tables has it.
    pub(super) table: usize,
}

impl Version {
    /// Whether older versions make no difference.
    pub(super) fn is_complete(&self) -> bool {
        self.kind != Kind::Merge || Entry::parse(&self.value).is_none_or(|entry| entry.base != Base::Below)
    }
}

/// A key, and what is known of it.
#[derive(Debug, Default)]
pub(super) struct Versions {
    pub(super) key: Vec<u8>,
    /// The newest first, down to one that needs no older ones.
    pub(super) versions: Vec<Version>,
    /// Whether two tables have different operands for one commit: one of them has others folded in.
    pub(super) is_ambiguous: bool,
}

/// The entry that a table stands on; the first in order is the greatest.
#[derive(Debug, PartialEq, Eq)]
struct Standing {
    key: Vec<u8>,
    trailer: u64,
    table: usize,
}

impl Ord for Standing {
    fn cmp(&self, other: &Standing) -> Ordering {
        let order = compare((&other.key, other.trailer), (&self.key, self.trailer));
        order.then_with(|| other.table.cmp(&self.table))
    }
}

impl PartialOrd for Standing {
    fn partial_cmp(&self, other: &Standing) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The keys of several tables.
#[derive(Debug)]
pub(super) struct Keys {
    tables: Vec<TableEntries>,
    heap: BinaryHeap<Standing>,
}

impl Keys {
    pub(super) fn new(tables: Vec<TableEntries>, losses: &mut Losses) -> Keys {
        let mut keys = Keys { heap: BinaryHeap::with_capacity(tables.len()), tables };
        (0..keys.tables.len()).for_each(|table| keys.step(table, losses));
        keys
    }

    fn step(&mut self, table: usize, losses: &mut Losses) {
        let Some(entries) = self.tables.get_mut(table) else { return };
        if entries.next(losses) {
            let (key, trailer, _) = entries.entry();
            self.heap.push(Standing { key: key.to_vec(), trailer, table });
        }
    }

    /// The next key, in the place of the one before; whether there is one.
    pub(super) fn next(&mut self, found: &mut Versions, losses: &mut Losses) -> bool {
        found.versions.clear();
        found.is_ambiguous = false;
        let Some(first) = self.heap.peek() else { return false };
        found.key.clone_from(&first.key);
        while self.heap.peek().is_some_and(|first| first.key == found.key) {
            let Some(standing) = self.heap.pop() else { break };
            if let Some(entries) = self.tables.get(standing.table) {
                found.take(standing.trailer, entries.entry().2, standing.table);
            }
            self.step(standing.table, losses);
        }
        true
    }
}

impl Versions {
    /// Takes the next entry of the key. Tables may have the same version twice: what a merge has read, and what it has made of it.
    fn take(&mut self, trailer: u64, value: &[u8], table: usize) {
        let (seqno, kind) = split_trailer(trailer);
        // A newer version of the engine wrote another kind: the reader of its format would have refused the table.
        let Some(kind) = Kind::from_byte(kind) else { return };
        let version = || Version { seqno, kind, value: value.to_vec(), table };
        match self.versions.last_mut() {
            Some(last) if last.seqno == seqno => match (last.kind, kind) {
                // What operands came to is as good as they.
                (Kind::Merge, Kind::Put | Kind::Pointer | Kind::Delete) => *last = version(),
                (Kind::Merge, Kind::Merge) if last.value != value => self.is_ambiguous = true,
                // A value that is here need not be looked for in the value log.
                (Kind::Pointer, Kind::Put) => *last = version(),
                _ => {}
            },
            Some(last) if last.is_complete() => {}
            Some(_) | None => self.versions.push(version()),
        }
    }
}
