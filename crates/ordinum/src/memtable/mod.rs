//! The entries of a family that are not in tables yet: a list in one arena, with an index.
//!
//! Invariants:
//! (1) the space of a batch is given out in the ordered section of a commit ([`Memtable::reserve`]); writers then insert
//!     side by side, each into its own space, without a lock;
//! (2) a node is linked into the list by a compare-and-swap, and never unlinked, so that an iterator stays where it is while
//!     others insert; the list is the truth, and the index says where in it to begin ([`index`]);
//! (3) nodes ascend by (user key, sequence number descending, ordinal descending); the ordinal orders the operations of
//!     one batch, and readers see only the last operation of a batch on a key: iterators and `get` fold the others away.
//!
//! ```text
//! node, in words of 8 bytes
//!   0     link: the next node, 32 bits | hint of its key, 32 bits
//!   1     trailer
//!   2     key length, 16 bits | zero, 16 bits | value length, 32 bits
//!   3     ordinal, 4 bytes; key bytes, value bytes, and padding to a word
//! hint    the four bytes of the key that come behind what the keys of the memtable before all began with, as a big-endian
//!         number; 0 for keys before those that begin so, and the largest number for those behind
//! ```

mod arena;
mod estimate;
mod filter;
mod hint;
mod index;
mod iter;
mod link;
mod multi_get;
mod ranges;

use std::cmp::Ordering as Order;
use std::sync::Arc;

use arena::{Arena, At, WORD_BYTES};
use filter::Filter;
use hint::{Lens, Shared, Skip};
use index::{Index, Keys, Near, SHOWN_AHEAD, Sought, hint_of, link_to, target};
pub(crate) use iter::MemtableIter;
use ranges::Ranges;

use crate::file_name::FileNumber;
use crate::key::{self, Kind, SeqNo};
use crate::range_delete::{RangeTombstone, RangeTombstones};
use crate::slice::{Holder, Slice};
use crate::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use crate::table::hash_key;

/// Where the head stands, which is a link only: word 0 is kept free, so that 0 can mean nowhere.
const HEAD: At = 1;
/// The first word behind the head.
const FIRST_FREE: At = HEAD + 1;
/// Words of a node before its bytes.
const FIXED_WORDS: u32 = 3;
/// The link of the last node: no key has a hint above it.
const END: u64 = (u32::MAX as u64) << 32;
/// Bytes of the ordinal.
const ORDINAL_BYTES: usize = 4;
/// Values up to this length are copied out for who gets one of them; longer ones are pinned with the memtable.
const COPIED_VALUE_BYTES_MAX: usize = 1024;
/// The most words of an arena.
const ARENA_WORDS_MAX: u64 = u32::MAX as u64 - 1;

/// The words that an entry takes.
pub(crate) fn node_words(key_len: usize, value_len: usize) -> u64 {
    u64::from(FIXED_WORDS) + (ORDINAL_BYTES + key_len + value_len).div_ceil(WORD_BYTES) as u64
}

/// The bytes of so many words.
pub(crate) fn bytes_of(words: u64) -> u64 {
    words.saturating_mul(WORD_BYTES as u64)
}

/// Space in a memtable that belongs to one batch.
#[derive(Debug)]
pub(crate) struct Reservation {
    next: At,
    end: At,
}

/// An entry that was written, and is not in the list yet.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Unlinked(u64);

/// One entry to insert.
pub(crate) struct Entry<'a> {
    pub(crate) key: &'a [u8],
    pub(crate) value: &'a [u8],
    pub(crate) seqno: SeqNo,
    pub(crate) kind: Kind,
    pub(crate) ordinal: u32,
}

/// The position of an entry in the order of the list.
#[derive(Clone, Copy)]
struct Position<'a> {
    hint: u32,
    key: &'a [u8],
    seqno: u64,
    ordinal: u32,
}

pub(crate) struct Memtable {
    arena: Arena,
    index: Index,
    filter: Filter,
    ranges: Ranges,
    words: u32,
    used: AtomicU32,
    entries: AtomicU64,
    /// The log that holds its first entry, or zero while it has none.
    first_log: AtomicU64,
    /// The newest sequence number that was given space here.
    newest: AtomicU64,
    /// What the keys of the memtable before all began with.
    shared: Shared,
}

impl Memtable {
    /// An empty memtable of about `bytes`, and of at least `words_needed` words for entries.
    pub(crate) fn new(bytes: u64, words_needed: u64) -> Memtable {
        Memtable::with_shared(bytes, words_needed, Shared::default())
    }

    /// An empty memtable for keys like those of this one.
    pub(crate) fn successor(&self, bytes: u64, words_needed: u64) -> Memtable {
        let (first, last) = (self.next(HEAD), self.last());
        let is_empty = first == 0 || last == HEAD;
        let shared = if is_empty { self.shared.clone() } else { Shared::of(self.key(first), self.key(last)) };
        Memtable::with_shared(bytes, words_needed, shared)
    }

    /// For a memtable that nothing was written to, and that will not have more bytes than this: a filter of that size, which
    /// takes that much less memory.
    pub(crate) fn expecting(mut self, bytes: u64) -> Memtable {
        self.filter = Filter::new(bytes);
        self
    }

    fn with_shared(bytes: u64, words_needed: u64, shared: Shared) -> Memtable {
        let wanted = (bytes / WORD_BYTES as u64).max(words_needed) + u64::from(FIRST_FREE);
        let words = u32::try_from(wanted.min(ARENA_WORDS_MAX)).unwrap_or(u32::MAX);
        let arena = Arena::new(words);
        arena.set(HEAD, END);
        Memtable {
            arena,
            index: Index::new(u64::from(words) / node_words(0, 0), HEAD),
            filter: Filter::new(u64::from(words) * WORD_BYTES as u64),
            ranges: Ranges::default(),
            words,
            used: AtomicU32::new(FIRST_FREE),
            entries: AtomicU64::new(0),
            first_log: AtomicU64::new(0),
            newest: AtomicU64::new(0),
            shared,
        }
    }

    /// Space for a batch of `words`, or none if it does not fit. Called in the ordered section only.
    pub(crate) fn reserve(&self, words: u64) -> Option<Reservation> {
        let next = self.used.load(Ordering::Relaxed);
        let end = u32::try_from(u64::from(next) + words).ok().filter(|end| *end <= self.words)?;
        self.used.store(end, Ordering::Relaxed);
        Some(Reservation { next, end })
    }

    /// Whether a batch of `words` fits.
    pub(crate) fn has_room(&self, words: u64) -> bool {
        u64::from(self.used.load(Ordering::Relaxed)) + words <= u64::from(self.words)
    }

    /// Notes which log and sequence number the batch has that was given space last. Called in the ordered section only.
    pub(crate) fn note(&self, log: FileNumber, seqno: SeqNo) {
        if self.first_log.load(Ordering::Relaxed) == 0 {
            self.first_log.store(log.0, Ordering::Release);
        }
        self.newest.store(seqno.get(), Ordering::Release);
    }

    /// The log that holds the first entry, or none if there is no entry.
    pub(crate) fn first_log(&self) -> Option<FileNumber> {
        let log = self.first_log.load(Ordering::Acquire);
        (log != 0).then_some(FileNumber(log))
    }

    /// The newest sequence number that was given space.
    pub(crate) fn newest(&self) -> SeqNo {
        SeqNo::new(self.newest.load(Ordering::Acquire)).unwrap_or(SeqNo::MAX)
    }

    /// Whether no batch was given space.
    pub(crate) fn is_empty(&self) -> bool {
        self.used.load(Ordering::Relaxed) == FIRST_FREE
    }

    /// The bytes that are given out, and those of the index.
    pub(crate) fn bytes(&self) -> u64 {
        let given = self.used.load(Ordering::Relaxed) - FIRST_FREE;
        if given == 0 {
            return 0;
        }
        u64::from(given) * WORD_BYTES as u64 + self.index.bytes()
    }

    /// The entries inserted.
    pub(crate) fn entries(&self) -> u64 {
        self.entries.load(Ordering::Relaxed)
    }

    /// Adds range tombstones that are newer than those before. Called in the ordered section only. Their words were
    /// reserved with those of their batch, to be counted; they are not written to.
    pub(crate) fn delete_ranges(&self, tombstones: &[RangeTombstone]) {
        self.ranges.add(tombstones);
    }

    /// The range tombstones, if there are any.
    pub(crate) fn range_tombstones(&self) -> Option<Arc<RangeTombstones>> {
        self.ranges.load()
    }

    /// How many range tombstones there are.
    pub(crate) fn range_tombstones_count(&self) -> u64 {
        self.ranges.count()
    }

    /// Inserts the entry into the space of its batch. No entry with the same key, sequence number and ordinal is there.
    pub(crate) fn insert(&self, space: &mut Reservation, entry: &Entry<'_>) {
        let written = self.write(space, entry);
        self.link(written);
        self.entries.fetch_add(1, Ordering::Relaxed);
    }

    /// Writes the entry into the space of its batch, where nobody finds it yet.
    pub(crate) fn write(&self, space: &mut Reservation, entry: &Entry<'_>) -> Unlinked {
        // What the filter has of the key comes in while the node is written.
        let key_hash = hash_key(entry.key);
        self.filter.prefetch(key_hash);
        let node = self.write_node(space, entry);
        self.filter.add(key_hash);
        Unlinked(link_to(node, self.shared.hint(entry.key)))
    }

    #[allow(unsafe_code, reason = "the bytes of a new node are written into its own space")]
    fn write_node(&self, space: &mut Reservation, entry: &Entry<'_>) -> At {
        let node = space.next;
        let words = node_words(entry.key.len(), entry.value.len());
        let end = u32::try_from(u64::from(node) + words).unwrap_or(u32::MAX);
        assert!(end <= space.end, "a batch was given less space than it needs");
        space.next = end;
        let key_len = u16::try_from(entry.key.len()).ok();
        let value_len = u32::try_from(entry.value.len()).ok();
        let lengths = key_len.zip(value_len).map(|(key, value)| u64::from(value) << 32 | u64::from(key));
        let Some(lengths) = lengths else { unreachable!("batches refuse longer keys and values") };
        self.arena.set(node + 1, key::trailer(entry.seqno, entry.kind));
        self.arena.set(node + 2, lengths);
        // SAFETY: the space was given to this batch alone, and the node is linked only after this.
        unsafe {
            self.arena.write(node + FIXED_WORDS, 0, &entry.ordinal.to_le_bytes());
            self.arena.write(node + FIXED_WORDS, ORDINAL_BYTES, entry.key);
            self.arena.write(node + FIXED_WORDS, ORDINAL_BYTES + entry.key.len(), entry.value);
        }
        node
    }

    fn position<'a>(&self, key: &'a [u8], seqno: SeqNo, ordinal: u32) -> Position<'a> {
        Position { hint: self.shared.hint(key), key, seqno: seqno.get(), ordinal }
    }

    /// The newest entry of `key`, whose hash is `key_hash`, at or below `seqno`.
    pub(crate) fn get(
        self: &Arc<Self>,
        key: &[u8],
        key_hash: u64,
        seqno: SeqNo,
    ) -> Option<(Kind, SeqNo, Slice)> {
        if !self.filter.may_contain(key_hash) {
            return None;
        }
        let node = self.at_or_after(&self.position(key, seqno, u32::MAX));
        self.entry(node, key, |node| self.value_slice(node))
    }

    /// What stands at a node, if there is one, and it is of the key.
    #[inline]
    fn entry(&self, node: At, key: &[u8], value: impl FnOnce(At) -> Slice) -> Option<(Kind, SeqNo, Slice)> {
        if node == 0 || !key::same(self.key(node), key) {
            return None;
        }
        let (seqno, kind) = key::split_trailer(self.trailer(node));
        Some((Kind::from_byte(kind)?, seqno, value(node)))
    }

    /// The position of the node that the link leads to.
    fn position_of(&self, link: u64) -> Position<'_> {
        let node = target(link);
        let (key, seqno) = (self.key(node), self.trailer(node) >> 8);
        Position { hint: hint_of(link), key, seqno, ordinal: self.ordinal(node) }
    }

    #[inline]
    fn hint_through(&self, key: &[u8], lens: Lens) -> u32 {
        match lens.pivot {
            0 => self.shared.hint_behind(key, lens.skip),
            pivot => hint::hint_beside(key, self.key(pivot), lens.skip),
        }
    }

    fn sought<'a>(&'a self, position: &'a Position<'a>) -> Looked<'a> {
        Looked { memtable: self, position }
    }

    /// From `at` along the list: the last node before the position, and the link from there.
    fn follow(&self, mut at: At, position: &Position<'_>) -> (At, u64) {
        loop {
            let link = self.arena.word(at).load(Ordering::Acquire);
            let next = target(link);
            let is_before = match hint_of(link).cmp(&position.hint) {
                Order::Equal => next != 0 && self.compare(next, position).is_lt(),
                order => order.is_lt(),
            };
            if !is_before {
                return (at, link);
            }
            at = next;
        }
    }

    /// The last node before the position, or the head, and the link from there.
    fn around(&self, position: &Position<'_>) -> (At, u64) {
        self.follow(self.near(position, 1).node, position)
    }

    /// The node behind this one, or 0.
    fn next(&self, node: At) -> At {
        target(self.arena.word(node).load(Ordering::Acquire))
    }

    /// The last node before the position, or the head.
    fn before(&self, position: &Position<'_>) -> At {
        self.around(position).0
    }

    /// The first node at or after the position, or 0.
    fn at_or_after(&self, position: &Position<'_>) -> At {
        target(self.around(position).1)
    }

    /// As [`Memtable::at_or_after`], for who goes on from there: the next nodes are fetched ahead, all at once.
    fn at_or_after_to_walk(&self, position: &Position<'_>) -> (Near, At) {
        let near = self.near(position, SHOWN_AHEAD);
        (near, self.at_or_after_behind(&near, position))
    }

    /// As [`Memtable::at_or_after`], from a node before the position.
    fn at_or_after_behind(&self, near: &Near, position: &Position<'_>) -> At {
        target(self.follow(near.node, position).1)
    }

    /// A node before the position, not far from it; it and those that come next are fetched ahead.
    fn near(&self, position: &Position<'_>, ahead: u32) -> Near {
        self.index.near(&self.sought(position), ahead, |node| self.arena.prefetch(node))
    }

    /// As [`Memtable::at_or_after`], of the first entry of a key that lies ahead of what was found there: if that is in the same leaf of
    /// the index, or in the one behind if that is looked into, and a few nodes away.
    #[inline]
    fn at_or_after_ahead(&self, from: &Near, user_key: &[u8], looks_behind: bool) -> Option<(Near, At)> {
        let position = self.position(user_key, SeqNo::MAX, u32::MAX);
        let sought = self.sought(&position);
        let near = self.index.near_ahead(from, &sought, looks_behind, |node| self.arena.prefetch(node))?;
        let mut node = near.node;
        for _ in 0..SHOWN_AHEAD {
            node = self.next(node);
            if node == 0 || key::order(self.key(node), user_key).is_ge() {
                return Some((near, node));
            }
        }
        None
    }

    /// The last node, or the head.
    fn last(&self) -> At {
        let mut at = self.index.last_before(&Behind);
        loop {
            match self.next(at) {
                0 => return at,
                next => at = next,
            }
        }
    }

    fn compare(&self, node: At, position: &Position<'_>) -> Order {
        key::order(self.key(node), position.key).then_with(|| {
            let seqno = self.trailer(node) >> 8;
            position.seqno.cmp(&seqno).then_with(|| position.ordinal.cmp(&self.ordinal(node)))
        })
    }

    fn trailer(&self, node: At) -> u64 {
        self.arena.get(node + 1)
    }

    fn key_len(&self, node: At) -> usize {
        (self.arena.get(node + 2) & 0xffff) as usize
    }

    #[allow(unsafe_code, reason = "reads the bytes of a published node")]
    fn ordinal(&self, node: At) -> u32 {
        // SAFETY: as in `key`.
        let bytes = unsafe { self.arena.bytes(node + FIXED_WORDS, 0, ORDINAL_BYTES) };
        bytes.first_chunk().map_or(0, |ordinal| u32::from_le_bytes(*ordinal))
    }

    #[inline]
    #[allow(unsafe_code, reason = "reads the bytes of a published node")]
    fn key(&self, node: At) -> &[u8] {
        // SAFETY: `node` was reached through an acquire load of a link, in the list or the index, so it is published (arena
        // invariant 1); or this thread has written it and links it now.
        unsafe { self.arena.bytes(node + FIXED_WORDS, ORDINAL_BYTES, self.key_len(node)) }
    }

    #[allow(unsafe_code, reason = "reads the bytes of a published node")]
    fn value(&self, node: At) -> &[u8] {
        let (key_len, value_len) = (self.key_len(node), (self.arena.get(node + 2) >> 32) as usize);
        // SAFETY: as in `key`.
        unsafe { self.arena.bytes(node + FIXED_WORDS, ORDINAL_BYTES + key_len, value_len) }
    }

    /// The value for who gets it alone: readers on many threads would count in one place who holds the memtable.
    fn value_slice(self: &Arc<Self>, node: At) -> Slice {
        let value = self.value(node);
        if value.len() > COPIED_VALUE_BYTES_MAX {
            Slice::held(self.pinned(), node)
        } else {
            Slice::from(value)
        }
    }

    /// The memtable as one reader holds it: that values are taken from it and given back is counted apart from other readers.
    fn pinned(self: &Arc<Self>) -> Arc<dyn Holder> {
        Arc::new(Pin(Arc::clone(self)))
    }
}

impl Keys for Memtable {
    fn hint(&self, node: At, lens: Lens) -> u32 {
        if node == HEAD { 0 } else { self.hint_through(self.key(node), lens) }
    }

    fn skip(&self, first: At, last: At) -> Skip {
        // The head is before every key, so that there is nothing to have in common.
        let skip = if first == HEAD { 0 } else { hint::skip(self.key(first), self.key(last)) };
        Skip::try_from(skip).unwrap_or(0)
    }
}

/// A position that is looked for.
struct Looked<'a> {
    memtable: &'a Memtable,
    position: &'a Position<'a>,
}

impl Sought for Looked<'_> {
    #[inline]
    fn hint(&self, lens: Lens) -> u32 {
        match lens {
            Lens { skip: 0, pivot: 0 } => self.position.hint,
            lens => self.memtable.hint_through(self.position.key, lens),
        }
    }

    #[inline]
    fn is_behind(&self, node: At) -> bool {
        self.memtable.compare(node, self.position).is_lt()
    }
}

/// What is behind all.
struct Behind;

impl Sought for Behind {
    fn hint(&self, _lens: Lens) -> u32 {
        u32::MAX
    }

    fn is_behind(&self, _node: At) -> bool {
        true
    }
}

/// A memtable whose values stay where they lie; their places are its nodes.
struct Pin(Arc<Memtable>);

impl Holder for Pin {
    fn value(&self, node: At) -> &[u8] {
        self.0.value(node)
    }
}

#[cfg(test)]
mod tests;
