//! The contents of a block, and how an entry is found in them: every entry within reach, keys compressed by block and group.
//!
//! Invariants: (1) entries ascend by [`crate::key::compare`]; (2) every user key begins with the prefix of the block;
//! (3) if there are buckets, every user key of the block is in one. The reader relies on none of them for memory
//! safety: a block that breaks them gives [`Error::Corrupt`] or wrong answers, never a panic, and every move ends.
//!
//! ```text
//! block   | prefix | entry … | group u32 … | three columns | head u32 … | bucket u8 … | tail, 19 bytes |
//! entry   | trailer - base, of the tail's width | tail of the key, but for what is shared | value |
//!
//! key     | prefix of the block | head, four bytes or what there is | tail |
//! head    the bytes as a big-endian number, as if zeros stood behind the key
//! columns bytes of each entry; bytes of each key behind the prefix; bytes of its tail that are shared with the tail of the
//!         first key of its group. A column has one, two or four bytes an entry, or once four bytes if all are the same
//! group   where the first entry of the group begins; left out if all entries have the same bytes
//! bucket  of a hash: the number of the first entry of the user key; 254: of several keys; 255: of none
//!
//! tail
//!   0  base of the trailers u64
//!   8  number of entries u32
//!  12  bytes of the prefix u16
//!  14  number of buckets u16
//!  16  entries of a group, as a power of two, u8
//!  17  bytes of the columns: bits 0 and 1, 2 and 3, 4 and 5; 0: all the same, 1: one, 2: two, 3: four
//!  18  bits 0 to 3: bytes of a trailer, 0 to 8; bit 4: kinds are the same, and left out of trailers
//! ```
//! A search by halves touches the heads, which lie side by side, and then one entry, or a few of the same head. What is
//! often the same in all entries stands in columns, where it takes no space.
#![deny(clippy::indexing_slicing)]

use std::cmp::Ordering;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::key;
use crate::prefetch::prefetch;
use crate::slice::Slice;
use crate::table::{heads, spare_buffers};

/// Bytes of the tail.
pub(super) const TAIL_BYTES: usize = 19;
/// Bytes of a head.
pub(super) const HEAD_BYTES: usize = 4;
/// So many bytes come into the processor's cache together.
pub(super) const LINE_BYTES: usize = 64;
/// So many lines of heads are fetched ahead, at most.
const HEAD_LINES_PREFETCHED_MAX: usize = 16;
/// So many lines of an entry are fetched ahead before it is known how long it is.
const VALUE_LINES_PREFETCHED: usize = 2;
/// Bytes that say where a group begins.
const GROUP_BYTES: usize = 4;
/// In the last byte of the tail: trailers have no kinds.
pub(super) const SAME_KINDS: u8 = 1 << 4;
/// A bucket that no key is in.
pub(super) const BUCKET_EMPTY: u8 = 255;
/// A bucket that several keys are in.
pub(super) const BUCKET_SHARED: u8 = 254;

/// The bytes of a block, verified and decompressed, and where they came from.
#[derive(Debug)]
pub(crate) struct Block {
    bytes: Vec<u8>,
    layout: Layout,
    path: Arc<Path>,
    offset: u64,
}

impl Drop for Block {
    fn drop(&mut self) {
        spare_buffers::give_back(std::mem::take(&mut self.bytes));
    }
}

/// What the tail says, and where it follows that the parts begin. Every part lies in the block.
#[derive(Clone, Copy, Debug, Default)]
struct Layout {
    entries: usize,
    prefix_end: usize,
    entries_end: usize,
    entry_bytes: Column,
    rest_bytes: Column,
    shared_bytes: Column,
    heads_at: usize,
    buckets_at: usize,
    buckets: usize,
    base: u64,
    trailer_bytes: usize,
    trailer_shift: u32,
    group_log2: u32,
}

/// A number for each entry.
#[derive(Clone, Copy, Debug, Default)]
struct Column {
    at: usize,
    width: usize,
    /// The number of every entry, if `width` is 0.
    same: usize,
}

impl AsRef<[u8]> for Block {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// One entry as it lies in a block.
pub(super) struct RawEntry {
    /// The first bytes of the key behind the prefix.
    head: [u8; HEAD_BYTES],
    /// The bytes of the key behind the prefix.
    rest_bytes: usize,
    /// How many bytes of the tail of the group's first key come before the own ones.
    pub(super) shared: usize,
    /// Where the own bytes of the tail lie.
    pub(super) tail: Range<usize>,
    pub(super) trailer: u64,
    /// Where the value lies.
    pub(super) value: Range<usize>,
}

impl RawEntry {
    /// How many bytes the key has behind the prefix.
    pub(super) const fn rest_bytes(&self) -> usize {
        self.rest_bytes
    }

    /// The bytes of the key between prefix and tail.
    pub(super) fn head(&self) -> &[u8] {
        self.head.get(..self.rest_bytes).unwrap_or(&self.head)
    }
}

/// The version of a key that a lookup found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) trailer: u64,
    /// Where the value lies in the block.
    pub(crate) value: Range<usize>,
}

impl Block {
    /// The block with this added to the trailers of its entries.
    pub(crate) fn with_trailers_raised(mut self, by: u64) -> Block {
        self.layout.base = self.layout.base.wrapping_add(by);
        self
    }

    /// Takes the bytes of a block of the file at `path`, from `offset` on.
    pub(crate) fn parse(bytes: Vec<u8>, path: Arc<Path>, offset: u64) -> Result<Block> {
        let layout = Layout::of(&bytes);
        let block = Block { bytes, layout: layout.unwrap_or_default(), path, offset };
        if layout.is_none() {
            return Err(block.malformed("a tail that fits its block"));
        }
        Ok(block)
    }

    /// What the block occupies in memory.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.capacity() + size_of::<Block>()
    }

    /// An error that names this block.
    pub(crate) fn malformed(&self, expected: &str) -> Error {
        Error::corrupt(&self.path, self.offset, expected, "a malformed block")
    }

    /// How many entries there are: at least one.
    pub(crate) fn entries(&self) -> usize {
        self.layout.entries
    }

    /// What all user keys begin with.
    pub(super) fn prefix(&self) -> &[u8] {
        self.bytes.get(..self.layout.prefix_end).unwrap_or_default()
    }

    /// The bytes of a range; none if it does not lie in the block.
    pub(super) fn range(&self, range: &Range<usize>) -> &[u8] {
        self.bytes.get(range.clone()).unwrap_or_default()
    }

    /// The number of the first entry of the group that the entry is in.
    pub(super) fn group_of(&self, index: usize) -> usize {
        index >> self.layout.group_log2 << self.layout.group_log2
    }

    /// The entry with this number.
    pub(super) fn entry(&self, index: usize) -> Result<RawEntry> {
        let entry = self.entry_at(index).and_then(|at| self.raw_entry(index, at));
        entry.ok_or_else(|| self.malformed("an entry"))
    }

    /// The entry with this number, which begins where the one before ends.
    #[inline(always)]
    pub(super) fn entry_behind(&self, index: usize, before: &Range<usize>) -> Result<RawEntry> {
        self.raw_entry(index, before.end).ok_or_else(|| self.malformed("an entry"))
    }

    /// The value of the entry with this number.
    pub(crate) fn value(&self, index: usize) -> Result<&[u8]> {
        Ok(self.range(&self.entry(index)?.value))
    }

    /// A value, without a copy.
    pub(crate) fn pin(self: Arc<Block>, value: Range<usize>) -> Slice {
        let len = value.len();
        Slice::pinned(self, value.start, len).unwrap_or_default()
    }

    /// Where the entry begins.
    fn entry_at(&self, index: usize) -> Option<usize> {
        let Layout { entry_bytes, prefix_end, entries_end, group_log2, .. } = &self.layout;
        if entry_bytes.width == 0 {
            return prefix_end.checked_add(entry_bytes.same.checked_mul(index)?);
        }
        let group =
            self.bytes.get(entries_end + GROUP_BYTES * (index >> group_log2)..)?.first_chunk::<4>()?;
        let at = usize::try_from(u32::from_le_bytes(*group)).ok()?;
        at.checked_add(entry_bytes.sum(&self.bytes, self.group_of(index)..index)?)
    }

    /// The entry with this number, which begins at `at`. Who walks over many entries looks at few of its parts.
    #[inline(always)]
    fn raw_entry(&self, index: usize, at: usize) -> Option<RawEntry> {
        let layout = &self.layout;
        let end = at.checked_add(layout.entry_bytes.get(&self.bytes, index)?)?;
        let rest_bytes = layout.rest_bytes.get(&self.bytes, index)?;
        let shared = layout.shared_bytes.get(&self.bytes, index)?;
        let tail_at = at + layout.trailer_bytes;
        let value_at = tail_at.checked_add(rest_bytes.saturating_sub(HEAD_BYTES).checked_sub(shared)?)?;
        if value_at > end || end > layout.entries_end {
            return None;
        }
        // The tail stands behind every entry, so that eight bytes can be read wherever a trailer begins.
        let wide = u64::from_le_bytes(*self.bytes.get(at..)?.first_chunk::<8>()?);
        let unused_bits = u64::BITS - 8 * u32::try_from(layout.trailer_bytes).ok()?;
        let delta = wide & u64::MAX.checked_shr(unused_bits).unwrap_or(0);
        let trailer = layout.base.wrapping_add(delta << layout.trailer_shift);
        let head = u32::from_le_bytes(*self.heads().get(index)?).to_be_bytes();
        Some(RawEntry { head, rest_bytes, shared, tail: tail_at..value_at, trailer, value: value_at..end })
    }

    /// The bytes of the tail of an entry's key that stand with the first key of its group.
    fn shared_tail(&self, index: usize, entry: &RawEntry) -> Result<&[u8]> {
        if entry.shared == 0 {
            return Ok(&[]);
        }
        let first = self.entry(self.group_of(index))?;
        self.range(&first.tail)
            .get(..entry.shared)
            .ok_or_else(|| self.malformed("an entry that shares no more than there is"))
    }

    /// Whether two entries of one group have the same user key; none if that takes a look at the group.
    #[inline]
    pub(super) fn are_alike(&self, a: &RawEntry, b: &RawEntry) -> Option<bool> {
        if a.head != b.head || a.rest_bytes != b.rest_bytes {
            return Some(false);
        }
        (a.shared == b.shared).then(|| key::same(self.range(&a.tail), self.range(&b.tail)))
    }

    /// Compares the user key of an entry with one that goes on behind the prefix with `rest`, whose head is the same.
    fn compare_tail(&self, index: usize, entry: &RawEntry, rest: &[u8]) -> Result<Ordering> {
        let by_length = entry.rest_bytes.cmp(&rest.len());
        let Some(wanted) = rest.get(HEAD_BYTES..).filter(|wanted| !wanted.is_empty()) else {
            return Ok(by_length);
        };
        if entry.shared == 0 {
            return Ok(key::order(self.range(&entry.tail), wanted).then(by_length));
        }
        let shared = self.shared_tail(index, entry)?;
        let (front, back) = wanted.split_at(shared.len().min(wanted.len()));
        Ok(key::order(shared, front).then_with(|| key::order(self.range(&entry.tail), back)).then(by_length))
    }

    fn heads(&self) -> &[[u8; HEAD_BYTES]] {
        self.bytes.get(self.layout.heads_at..self.layout.buckets_at).unwrap_or_default().as_chunks().0
    }

    /// How many entries stand before (`user_key`, `trailer`) in internal order.
    pub(crate) fn lower_bound(&self, user_key: &[u8], trailer: u64) -> Result<usize> {
        let Some(rest) = user_key.strip_prefix(self.prefix()) else {
            return Ok(if user_key < self.prefix() { 0 } else { self.layout.entries });
        };
        let wanted = head(rest);
        let heads = self.heads();
        let mut low = heads::below(heads, wanted);
        let equal = |head: &[u8; HEAD_BYTES]| u32::from_le_bytes(*head) == wanted;
        let same = match heads.get(low..) {
            // As a rule no head of an index is the wanted one, and one of an entry that is there: nothing else is touched.
            Some([first, ..]) if !equal(first) => 0,
            Some([_, second, ..]) if !equal(second) => 1,
            Some(behind) => behind.partition_point(equal),
            None => 0,
        };
        let mut high = low + same;
        while low < high {
            let middle = low + (high - low) / 2;
            let entry = self.entry(middle)?;
            let order = self.compare_tail(middle, &entry, rest)?.then_with(|| trailer.cmp(&entry.trailer));
            if order == Ordering::Less {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(low)
    }

    /// The newest version of `user_key`, whose hash is `key_hash`, at or below `trailer`.
    pub(crate) fn find(&self, user_key: &[u8], trailer: u64, key_hash: u64) -> Result<Option<Found>> {
        let Some(rest) = user_key.strip_prefix(self.prefix()) else { return Ok(None) };
        let mut index = match self.bucket(key_hash) {
            Some(BUCKET_EMPTY) => return Ok(None),
            Some(BUCKET_SHARED) | None => self.lower_bound(user_key, trailer)?,
            Some(first) => usize::from(first),
        };
        while index < self.layout.entries {
            let entry = self.entry(index)?;
            let same_head = u32::from_be_bytes(entry.head) == head(rest) && entry.rest_bytes == rest.len();
            if !same_head || self.compare_tail(index, &entry, rest)? != Ordering::Equal {
                break;
            }
            if entry.trailer <= trailer {
                return Ok(Some(Found { trailer: entry.trailer, value: entry.value }));
            }
            index += 1;
        }
        Ok(None)
    }

    /// Asks the processor for what a search for a key with this hash begins with.
    pub(super) fn prefetch_bucket(&self, key_hash: u64) {
        self.bytes.first().into_iter().for_each(prefetch);
        self.bytes.get(self.bucket_at(key_hash)).into_iter().for_each(prefetch);
    }

    /// Asks the processor for what a search by halves looks at.
    pub(super) fn prefetch_heads(&self) {
        self.bytes.first().into_iter().for_each(prefetch);
        let heads = self.bytes.get(self.layout.heads_at..self.layout.buckets_at).unwrap_or_default();
        heads.chunks(LINE_BYTES).take(HEAD_LINES_PREFETCHED_MAX).for_each(prefetch);
    }

    /// Asks the processor for what tells of the entry of a key with this hash, unless it is one of several.
    pub(super) fn prefetch_entry(&self, key_hash: u64) {
        let first = match self.bucket(key_hash) {
            Some(BUCKET_EMPTY) => return,
            Some(BUCKET_SHARED) | None => return self.prefetch_heads(),
            Some(first) => first,
        };
        let (index, layout) = (usize::from(first), &self.layout);
        let columns = [layout.entry_bytes, layout.rest_bytes, layout.shared_bytes];
        let of_columns = columns.map(|column| column.at + column.width * index);
        let group = layout.entries_end + GROUP_BYTES * (index >> layout.group_log2);
        let head = layout.heads_at + HEAD_BYTES * index;
        of_columns.into_iter().chain([group, head]).filter_map(|at| self.bytes.get(at)).for_each(prefetch);
    }

    /// Asks the processor for the bytes of the entry of a key with this hash, unless it is one of several.
    pub(super) fn prefetch_value(&self, key_hash: u64) {
        let first = self.bucket(key_hash).filter(|bucket| *bucket < BUCKET_SHARED);
        let at = first.and_then(|first| self.entry_at(usize::from(first)));
        let bytes = at.and_then(|at| self.bytes.get(at..)).unwrap_or_default();
        bytes.chunks(LINE_BYTES).take(VALUE_LINES_PREFETCHED).for_each(prefetch);
    }

    fn bucket_at(&self, key_hash: u64) -> usize {
        self.layout.buckets_at + bucket_of(key_hash, self.layout.buckets)
    }

    /// The bucket of a hash, if the block has buckets.
    fn bucket(&self, key_hash: u64) -> Option<u8> {
        if self.layout.buckets == 0 {
            return None;
        }
        self.bytes.get(self.bucket_at(key_hash)).copied()
    }
}

impl Column {
    /// The column of `entries` numbers that begins at `at`, and where it ends. `code` says its width.
    fn of(bytes: &[u8], at: usize, code: u8, entries: usize) -> Option<(Column, usize)> {
        let width = match code & 3 {
            0 => {
                let same = usize::try_from(u32::from_le_bytes(*bytes.get(at..)?.first_chunk::<4>()?)).ok()?;
                return Some((Column { at, width: 0, same }, at + 4));
            }
            1 => 1,
            2 => 2,
            _ => 4,
        };
        Some((Column { at, width, same: 0 }, at.checked_add(entries.checked_mul(width)?)?))
    }

    /// The sum of the numbers of these entries.
    #[inline]
    fn sum(&self, bytes: &[u8], entries: Range<usize>) -> Option<usize> {
        let numbers =
            |width: usize| bytes.get(self.at + width * entries.start..self.at + width * entries.end);
        let sum = match self.width {
            0 => return self.same.checked_mul(entries.len()),
            1 => numbers(1)?.iter().map(|number| u64::from(*number)).sum::<u64>(),
            2 => numbers(2)?.as_chunks().0.iter().map(|number| u64::from(u16::from_le_bytes(*number))).sum(),
            _ => numbers(4)?.as_chunks().0.iter().map(|number| u64::from(u32::from_le_bytes(*number))).sum(),
        };
        usize::try_from(sum).ok()
    }

    #[inline]
    fn get(&self, bytes: &[u8], index: usize) -> Option<usize> {
        match self.width {
            0 => Some(self.same),
            1 => bytes.get(self.at + index).map(|number| usize::from(*number)),
            2 => {
                let number = bytes.get(self.at + 2 * index..)?.first_chunk::<2>()?;
                Some(usize::from(u16::from_le_bytes(*number)))
            }
            _ => {
                let number = bytes.get(self.at + 4 * index..)?.first_chunk::<4>()?;
                usize::try_from(u32::from_le_bytes(*number)).ok()
            }
        }
    }
}

impl Layout {
    fn of(bytes: &[u8]) -> Option<Layout> {
        let (body, tail) = bytes.split_last_chunk::<TAIL_BYTES>()?;
        let (base, rest) = tail.split_first_chunk::<8>()?;
        let (entries, rest) = rest.split_first_chunk::<4>()?;
        let (prefix, rest) = rest.split_first_chunk::<2>()?;
        let (buckets, rest) = rest.split_first_chunk::<2>()?;
        let &[group_log2, columns, trailers] = rest else { return None };
        let entries = usize::try_from(u32::from_le_bytes(*entries)).ok()?;
        let buckets = usize::from(u16::from_le_bytes(*buckets));
        let prefix_end = usize::from(u16::from_le_bytes(*prefix));
        let trailer_bytes = usize::from(trailers & !SAME_KINDS);
        if entries == 0 || trailer_bytes > 8 || group_log2 >= 16 || columns >= 1 << 6 {
            return None;
        }
        let buckets_at = body.len().checked_sub(buckets)?;
        let heads_at = buckets_at.checked_sub(entries.checked_mul(HEAD_BYTES)?)?;
        // The parts before the heads are found from their end, by what they take.
        let column_bytes =
            |code: u8| if code & 3 == 0 { Some(4) } else { entries.checked_mul(1 << ((code & 3) - 1)) };
        let all_columns = column_bytes(columns)?
            .checked_add(column_bytes(columns >> 2)?)?
            .checked_add(column_bytes(columns >> 4)?)?;
        let columns_at = heads_at.checked_sub(all_columns)?;
        let groups = if columns & 3 == 0 { 0 } else { entries.div_ceil(1 << group_log2) };
        let entries_end = columns_at.checked_sub(groups.checked_mul(GROUP_BYTES)?)?;
        let (entry_bytes, at) = Column::of(bytes, columns_at, columns, entries)?;
        let (rest_bytes, at) = Column::of(bytes, at, columns >> 2, entries)?;
        let (shared_bytes, _) = Column::of(bytes, at, columns >> 4, entries)?;
        (prefix_end <= entries_end).then_some(Layout {
            entries,
            prefix_end,
            entries_end,
            entry_bytes,
            rest_bytes,
            shared_bytes,
            heads_at,
            buckets_at,
            buckets,
            base: u64::from_le_bytes(*base),
            trailer_bytes,
            trailer_shift: if trailers & SAME_KINDS == 0 { 0 } else { 8 },
            group_log2: u32::from(group_log2),
        })
    }
}

/// The head of a user key that goes on behind the prefix with `rest`.
pub(super) fn head(rest: &[u8]) -> u32 {
    if let Some(first) = rest.first_chunk::<HEAD_BYTES>() {
        return u32::from_be_bytes(*first);
    }
    rest.iter().zip([24, 16, 8]).fold(0, |head, (byte, shift)| head | u32::from(*byte) << shift)
}

/// Which of so many buckets a hash belongs to.
pub(super) fn bucket_of(key_hash: u64, buckets: usize) -> usize {
    let buckets = u64::try_from(buckets).unwrap_or(u64::MAX);
    usize::try_from(((key_hash & 0xffff_ffff) * buckets) >> 32).unwrap_or(0)
}
