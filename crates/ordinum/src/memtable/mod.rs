//! The entries of a family that are not in tables yet: a skip list in one arena.
//!
//! Invariants:
//! (1) the space of a batch is given out in the ordered section of a commit ([`Memtable::reserve`]); writers then insert
//!     side by side, each into its own space, without a lock;
//! (2) a node is linked from the bottom up, and never unlinked, so that an iterator stays where it is while others insert;
//! (3) nodes ascend by (user key, sequence number descending, ordinal descending); the ordinal orders the operations of
//!     one batch, and readers see only the last operation of a batch on a key: iterators and `get` fold the others away.
//!
//! ```text
//! node, in words of 4 bytes; what a search looks at comes first, and mostly lies in one cache line
//!   0     key length, 16 bits | height, 16 bits
//!   1..   one link a level
//!         key bytes, and padding to a word
//!   +0    trailer, 2 words
//!   +2    ordinal
//!   +3    value length
//!   +4    value bytes, and padding, so that the next node starts at a multiple of 16 bytes
//! ```

mod arena;
mod estimate;
mod filter;
mod iter;

use std::cmp::Ordering as Order;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use arena::{Arena, At, WORD_BYTES};
use filter::Filter;
pub(crate) use iter::MemtableIter;

use crate::file_name::FileNumber;
use crate::key::{self, Kind, SeqNo};
use crate::slice::Slice;
use crate::table::hash_key;

/// The most levels of a tower: with one node in four rising, enough for a billion nodes.
const HEIGHT_MAX: u32 = 15;
/// Words before the links.
const LINKS: u32 = 1;
/// Words between the key and the value.
const MIDDLE_WORDS: u32 = 4;
/// A node starts at a multiple of so many words.
const NODE_ALIGN_WORDS: u32 = 4;
/// Where the head stands: word 0 is kept free, so that 0 can mean nowhere.
const HEAD: At = NODE_ALIGN_WORDS;
/// The first word behind the head, which has links only.
const FIRST_FREE: At = (HEAD + LINKS + HEIGHT_MAX).next_multiple_of(NODE_ALIGN_WORDS);
/// Values up to this length are copied out; longer ones are pinned with the memtable.
const COPIED_VALUE_BYTES_MAX: usize = 1024;
/// The most words of an arena.
const ARENA_WORDS_MAX: u64 = u32::MAX as u64 - 1;

/// The height of the tower of the `ordinal`-th operation of a batch with this salt. Known before the batch is placed,
/// so that its space is known too.
pub(crate) fn tower_height(salt: u64, ordinal: u32) -> u32 {
    let mut z = salt.wrapping_add(u64::from(ordinal).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^= z >> 31;
    (1 + z.trailing_zeros() / 2).min(HEIGHT_MAX)
}

/// The words that an entry takes.
pub(crate) fn node_words(height: u32, key_len: usize, value_len: usize) -> u64 {
    let bytes = (key_len.div_ceil(WORD_BYTES) + value_len.div_ceil(WORD_BYTES)) as u64;
    (u64::from(LINKS + height + MIDDLE_WORDS) + bytes).next_multiple_of(u64::from(NODE_ALIGN_WORDS))
}

/// The words that a key takes.
fn words_of(key_len: u32) -> u32 {
    key_len.div_ceil(4)
}

/// Space in a memtable that belongs to one batch.
#[derive(Debug)]
pub(crate) struct Reservation {
    next: At,
    end: At,
}

/// One entry to insert.
pub(crate) struct Entry<'a> {
    pub(crate) key: &'a [u8],
    pub(crate) value: &'a [u8],
    pub(crate) seqno: SeqNo,
    pub(crate) kind: Kind,
    pub(crate) ordinal: u32,
    pub(crate) height: u32,
}

/// The position of an entry in the order of the list.
#[derive(Clone, Copy)]
struct Position<'a> {
    key: &'a [u8],
    seqno: u64,
    ordinal: u32,
}

impl<'a> Position<'a> {
    fn new(key: &'a [u8], seqno: SeqNo, ordinal: u32) -> Position<'a> {
        Position { key, seqno: seqno.get(), ordinal }
    }
}

/// The order of two keys, eight bytes at a time.
#[inline]
fn compare_keys(mut a: &[u8], mut b: &[u8]) -> Order {
    while let (Some((x, rest_a)), Some((y, rest_b))) =
        (a.split_first_chunk::<8>(), b.split_first_chunk::<8>())
    {
        if x != y {
            return u64::from_be_bytes(*x).cmp(&u64::from_be_bytes(*y));
        }
        (a, b) = (rest_a, rest_b);
    }
    if a.is_empty() || b.is_empty() { a.len().cmp(&b.len()) } else { a.cmp(b) }
}

pub(crate) struct Memtable {
    arena: Arena,
    filter: Filter,
    words: u32,
    used: AtomicU32,
    height: AtomicU32,
    entries: AtomicU64,
    /// The log that holds its first entry, or zero while it has none.
    first_log: AtomicU64,
    /// The newest sequence number that was given space here.
    newest: AtomicU64,
    /// The node that was inserted last, and whether it stood right behind the one before it: while keys ascend, most are
    /// placed without a search.
    last_inserted: AtomicU32,
    ascends: AtomicBool,
}

impl Memtable {
    /// An empty memtable of about `bytes`, and of at least `words_needed` words for entries.
    pub(crate) fn new(bytes: u64, words_needed: u64) -> Memtable {
        let wanted = (bytes / WORD_BYTES as u64).max(words_needed) + u64::from(FIRST_FREE);
        let words = u32::try_from(wanted.min(ARENA_WORDS_MAX)).unwrap_or(u32::MAX);
        let arena = Arena::new(words);
        arena.set(HEAD, HEIGHT_MAX << 16);
        Memtable {
            arena,
            filter: Filter::new(u64::from(words) * WORD_BYTES as u64),
            words,
            used: AtomicU32::new(FIRST_FREE),
            height: AtomicU32::new(1),
            entries: AtomicU64::new(0),
            first_log: AtomicU64::new(0),
            newest: AtomicU64::new(0),
            last_inserted: AtomicU32::new(0),
            ascends: AtomicBool::new(false),
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

    /// The bytes that are given out.
    pub(crate) fn bytes(&self) -> u64 {
        u64::from(self.used.load(Ordering::Relaxed) - FIRST_FREE) * WORD_BYTES as u64
    }

    /// The entries inserted.
    pub(crate) fn entries(&self) -> u64 {
        self.entries.load(Ordering::Relaxed)
    }

    /// Inserts the entry into the space of its batch. No entry with the same key, sequence number and ordinal is there.
    pub(crate) fn insert(&self, space: &mut Reservation, entry: &Entry<'_>) {
        self.filter.add(hash_key(entry.key));
        let node = self.write_node(space, entry);
        let position = Position::new(entry.key, entry.seqno, entry.ordinal);
        let last = self.last_inserted.load(Ordering::Acquire);
        if !self.insert_behind(last, node, entry.height, &position) {
            let before = self.insert_by_search(node, entry.height, &position);
            self.ascends.store(before == last, Ordering::Relaxed);
        }
        self.last_inserted.store(node, Ordering::Release);
        self.entries.fetch_add(1, Ordering::Relaxed);
    }

    /// Inserts a node of one level right behind `last`, if it belongs there. It is not tried while keys do not ascend.
    fn insert_behind(&self, last: At, node: At, height: u32, position: &Position<'_>) -> bool {
        if height > 1 || last == 0 || !self.ascends.load(Ordering::Relaxed) {
            return false;
        }
        if self.compare(last, position).is_ge() {
            return false;
        }
        let next = self.next(last, 0);
        if next != 0 && self.compare(next, position).is_lt() {
            return false;
        }
        self.link(node, 0).store(next, Ordering::Relaxed);
        self.link(last, 0).compare_exchange(next, node, Ordering::Release, Ordering::Relaxed).is_ok()
    }

    /// Inserts a node where it belongs, and returns the one before it.
    fn insert_by_search(&self, node: At, height: u32, position: &Position<'_>) -> At {
        if height > self.height.load(Ordering::Relaxed) {
            self.height.fetch_max(height, Ordering::Relaxed);
        }
        let mut before = [HEAD; HEIGHT_MAX as usize];
        let mut after = [0; HEIGHT_MAX as usize];
        let (mut at, mut behind) = (HEAD, 0);
        for level in (0..self.height.load(Ordering::Relaxed)).rev() {
            (at, behind) = self.descend(at, behind, level, position);
            before[level as usize] = at;
            after[level as usize] = behind;
        }
        for level in 0..height {
            let (mut left, mut right) = (before[level as usize], after[level as usize]);
            loop {
                self.link(node, level).store(right, Ordering::Relaxed);
                let link = self.link(left, level);
                if link.compare_exchange(right, node, Ordering::Release, Ordering::Relaxed).is_ok() {
                    break;
                }
                (left, right) = self.descend(left, 0, level, position);
            }
        }
        before[0]
    }

    #[allow(unsafe_code, reason = "the bytes of a new node are written into its own space")]
    fn write_node(&self, space: &mut Reservation, entry: &Entry<'_>) -> At {
        let node = space.next;
        let words = node_words(entry.height, entry.key.len(), entry.value.len());
        let end = u32::try_from(u64::from(node) + words).unwrap_or(u32::MAX);
        assert!(end <= space.end, "a batch was given less space than it needs");
        space.next = end;
        let key_len = u32::try_from(entry.key.len()).unwrap_or(u32::MAX);
        let value_len = u32::try_from(entry.value.len()).unwrap_or(u32::MAX);
        assert!(key_len <= u32::from(u16::MAX), "batches refuse longer keys");
        self.arena.set(node, key_len | entry.height << 16);
        let key_at = node + LINKS + entry.height;
        let middle = key_at + words_of(key_len);
        self.arena.set_u64(middle, key::trailer(entry.seqno, entry.kind));
        self.arena.set(middle + 2, entry.ordinal);
        self.arena.set(middle + 3, value_len);
        // SAFETY: the space was given to this batch alone, and the node is linked only after this.
        unsafe {
            self.arena.write(key_at, entry.key);
            self.arena.write(middle + MIDDLE_WORDS, entry.value);
        }
        node
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
        let node = self.at_or_after(&Position::new(key, seqno, u32::MAX));
        if node == 0 || self.key(node) != key {
            return None;
        }
        let (seqno, kind) = key::split_trailer(self.trailer(node));
        Some((Kind::from_byte(kind)?, seqno, self.value_slice(node)))
    }

    fn link(&self, node: At, level: u32) -> &AtomicU32 {
        self.arena.word(node + LINKS + level)
    }

    fn next(&self, node: At, level: u32) -> At {
        self.link(node, level).load(Ordering::Acquire)
    }

    /// From `at` along `level`: the last node before the position, and the one behind it. `behind` is known to be behind
    /// the position, or is 0.
    fn descend(&self, mut at: At, behind: At, level: u32, position: &Position<'_>) -> (At, At) {
        loop {
            let next = self.next(at, level);
            if next == behind || next == 0 || self.compare(next, position).is_ge() {
                return (at, next);
            }
            at = next;
        }
    }

    /// The last node before the position, or the head, and the one behind it, or 0.
    fn around(&self, position: &Position<'_>) -> (At, At) {
        let (mut at, mut behind) = (HEAD, 0);
        for level in (0..self.height.load(Ordering::Relaxed)).rev() {
            (at, behind) = self.descend(at, behind, level, position);
        }
        (at, behind)
    }

    /// The last node before the position, or the head.
    fn before(&self, position: &Position<'_>) -> At {
        self.around(position).0
    }

    /// The first node at or after the position, or 0.
    fn at_or_after(&self, position: &Position<'_>) -> At {
        self.around(position).1
    }

    /// The last node, or the head.
    fn last(&self) -> At {
        let mut at = HEAD;
        for level in (0..self.height.load(Ordering::Relaxed)).rev() {
            loop {
                let next = self.next(at, level);
                if next == 0 {
                    break;
                }
                at = next;
            }
        }
        at
    }

    #[inline]
    fn compare(&self, node: At, position: &Position<'_>) -> Order {
        compare_keys(self.key(node), position.key).then_with(|| {
            let seqno = self.trailer(node) >> 8;
            position.seqno.cmp(&seqno).then_with(|| position.ordinal.cmp(&self.ordinal(node)))
        })
    }

    fn ordinal(&self, node: At) -> u32 {
        self.arena.get(self.middle(node) + 2)
    }

    fn trailer(&self, node: At) -> u64 {
        self.arena.get_u64(self.middle(node))
    }

    /// Where the key of the node starts, and its length.
    #[inline]
    fn key_layout(&self, node: At) -> (At, u32) {
        let word = self.arena.get(node);
        (node + LINKS + (word >> 16), word & 0xffff)
    }

    /// Where the words between key and value start.
    fn middle(&self, node: At) -> At {
        let (key_at, key_len) = self.key_layout(node);
        key_at + words_of(key_len)
    }

    #[inline]
    #[allow(unsafe_code, reason = "reads the bytes of a published node")]
    fn key(&self, node: At) -> &[u8] {
        let (key_at, key_len) = self.key_layout(node);
        // SAFETY: `node` was reached through an acquire load of a link, or of the last node inserted, so it is published
        // (arena invariant 1).
        unsafe { self.arena.bytes(key_at, key_len as usize) }
    }

    #[allow(unsafe_code, reason = "reads the bytes of a published node")]
    fn value(&self, node: At) -> &[u8] {
        let middle = self.middle(node);
        let value_len = self.arena.get(middle + 3) as usize;
        // SAFETY: as in `key`.
        unsafe { self.arena.bytes(middle + MIDDLE_WORDS, value_len) }
    }

    fn value_slice(self: &Arc<Self>, node: At) -> Slice {
        let value = self.value(node);
        let len = value.len();
        if len > COPIED_VALUE_BYTES_MAX
            && let Some(slice) = Slice::pinned(Arc::new(Pin { memtable: Arc::clone(self), node }), 0, len)
        {
            return slice;
        }
        Slice::from(value)
    }
}

/// A value that stays where it lies.
struct Pin {
    memtable: Arc<Memtable>,
    node: At,
}

impl AsRef<[u8]> for Pin {
    fn as_ref(&self) -> &[u8] {
        self.memtable.value(self.node)
    }
}

#[cfg(test)]
mod tests;
