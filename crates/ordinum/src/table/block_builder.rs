//! Builds the bytes of one block; block.rs has the diagram.

use crate::table::block::{BUCKET_EMPTY, BUCKET_SHARED, HEAD_BYTES, SAME_KINDS, TAIL_BYTES, bucket_of, head};

/// Entries of a group, as a power of two.
const GROUP_LOG2: u8 = 4;
/// About what an entry takes beside the parts of key and value that are its own: trailer and columns.
const ENTRY_OVERHEAD_BYTES: usize = 6;
/// There are this many buckets for three user keys.
const BUCKETS_PER_3_KEYS: usize = 4;

/// Builds one block at a time.
#[derive(Debug, Default)]
pub(crate) struct BlockBuilder {
    /// Keys and values as they were added, one after the other.
    added: Vec<u8>,
    entries: Vec<Added>,
    /// Hash and first entry of each user key that was told of.
    hashes: Vec<(u64, usize)>,
    /// How many bytes all user keys share.
    prefix_bytes: usize,
    /// The finished block.
    out: Vec<u8>,
}

/// An entry that was added; its value stands behind its key.
#[derive(Debug)]
struct Added {
    key_at: usize,
    key_end: usize,
    value_end: usize,
    trailer: u64,
}

impl BlockBuilder {
    /// A builder of blocks.
    pub(crate) fn new() -> BlockBuilder {
        BlockBuilder::default()
    }

    /// Puts the user key of the next entry, which is the first one of it, into a bucket. If one user key of a block is told
    /// of, all must be.
    pub(crate) fn hash_next(&mut self, key_hash: u64) {
        self.hashes.push((key_hash, self.entries.len()));
    }

    /// Appends an entry, which must be after the last one.
    pub(crate) fn add(&mut self, user_key: &[u8], trailer: u64, value: &[u8]) {
        self.prefix_bytes = match self.entries.first() {
            Some(first) => {
                let shared = self.key(first).get(..self.prefix_bytes).unwrap_or_default();
                common_prefix(shared, user_key)
            }
            None => user_key.len(),
        };
        let key_at = self.added.len();
        self.added.extend_from_slice(user_key);
        let key_end = self.added.len();
        self.added.extend_from_slice(value);
        self.entries.push(Added { key_at, key_end, value_end: self.added.len(), trailer });
    }

    fn key(&self, entry: &Added) -> &[u8] {
        self.added.get(entry.key_at..entry.key_end).unwrap_or_default()
    }

    /// The key of an entry without what all keys share.
    fn rest(&self, entry: &Added) -> &[u8] {
        self.added.get(entry.key_at + self.prefix_bytes..entry.key_end).unwrap_or_default()
    }

    /// The key of an entry without prefix and head.
    fn tail(&self, entry: &Added) -> &[u8] {
        self.rest(entry).get(HEAD_BYTES..).unwrap_or_default()
    }

    /// How many entries it has.
    pub(crate) fn entries(&self) -> usize {
        self.entries.len()
    }

    /// How many bytes all user keys share.
    pub(crate) fn prefix_bytes(&self) -> usize {
        self.prefix_bytes
    }

    /// Whether the heads of keys would lie before all that tells the present keys from each other, if this key was added.
    pub(crate) fn would_be_blunted_by(&self, user_key: &[u8]) -> bool {
        let Some(first) = self.entries.first() else { return false };
        let shared = self.key(first).get(..self.prefix_bytes).unwrap_or_default();
        common_prefix(shared, user_key) + HEAD_BYTES <= self.prefix_bytes
    }

    /// Whether the block has no entry.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// About how many bytes the block would have now.
    pub(crate) fn len(&self) -> usize {
        let entries = self.entries.len();
        let saved = self.prefix_bytes * entries.saturating_sub(1);
        let buckets = self.hashes.len() * BUCKETS_PER_3_KEYS / 3;
        (self.added.len() - saved) + ENTRY_OVERHEAD_BYTES * entries + buckets + TAIL_BYTES
    }

    /// The bytes of the block, which stay until [`BlockBuilder::clear`].
    pub(crate) fn finish(&mut self) -> &[u8] {
        let mut out = std::mem::take(&mut self.out);
        out.clear();
        if let Some(first) = self.entries.first() {
            out.extend_from_slice(self.key(first).get(..self.prefix_bytes).unwrap_or_default());
        }
        let trailers = Trailers::of(&self.entries);
        let columns = self.push_entries(&mut out, &trailers);
        if !all_the_same(&columns.entry_bytes) {
            for group in &columns.groups {
                out.extend_from_slice(&group.to_le_bytes());
            }
        }
        let mut codes = 0;
        for (at, column) in
            [&columns.entry_bytes, &columns.rest_bytes, &columns.shared_bytes].iter().enumerate()
        {
            codes |= push_column(&mut out, column) << (2 * at);
        }
        for entry in &self.entries {
            out.extend_from_slice(&head(self.rest(entry)).to_le_bytes());
        }
        let buckets = self.push_buckets(&mut out);
        out.extend_from_slice(&trailers.base.to_le_bytes());
        out.extend_from_slice(&number(self.entries.len()).to_le_bytes());
        out.extend_from_slice(&u16::try_from(self.prefix_bytes).unwrap_or(u16::MAX).to_le_bytes());
        out.extend_from_slice(&buckets.to_le_bytes());
        out.extend_from_slice(&[GROUP_LOG2, codes, trailers.code()]);
        self.out = out;
        &self.out
    }

    /// Writes the entries, and returns what stands in columns.
    fn push_entries(&self, out: &mut Vec<u8>, trailers: &Trailers) -> Columns {
        let mut columns = Columns::default();
        for group in self.entries.chunks(1 << GROUP_LOG2) {
            let first = group.first().map_or(&[][..], |first| self.tail(first));
            columns.groups.push(number(out.len()));
            for (at, entry) in group.iter().enumerate() {
                let start = out.len();
                let tail = self.tail(entry);
                let shared = if at == 0 { 0 } else { common_prefix(first, tail) };
                trailers.push(out, entry.trailer);
                out.extend_from_slice(tail.get(shared..).unwrap_or_default());
                out.extend_from_slice(self.added.get(entry.key_end..entry.value_end).unwrap_or_default());
                columns.entry_bytes.push(number(out.len() - start));
                columns.rest_bytes.push(number(self.rest(entry).len()));
                columns.shared_bytes.push(number(shared));
            }
        }
        columns
    }

    /// Writes the buckets, and returns how many there are: none if an entry has a number that a bucket cannot hold.
    fn push_buckets(&self, out: &mut Vec<u8>) -> u16 {
        if self.hashes.is_empty() || self.entries.len() > usize::from(BUCKET_SHARED) {
            return 0;
        }
        let buckets = (self.hashes.len() * BUCKETS_PER_3_KEYS).div_ceil(3);
        let Ok(count) = u16::try_from(buckets) else { return 0 };
        let at = out.len();
        out.resize(at + buckets, BUCKET_EMPTY);
        for &(hash, entry) in &self.hashes {
            if let Some(bucket) = out.get_mut(at + bucket_of(hash, buckets)) {
                *bucket = match (*bucket, u8::try_from(entry)) {
                    (BUCKET_EMPTY, Ok(entry)) => entry,
                    _ => BUCKET_SHARED,
                };
            }
        }
        count
    }

    /// Begins the next block.
    pub(crate) fn clear(&mut self) {
        self.added.clear();
        self.entries.clear();
        self.hashes.clear();
        self.prefix_bytes = 0;
    }
}

/// What a block says of each entry beside it.
#[derive(Default)]
struct Columns {
    entry_bytes: Vec<u32>,
    rest_bytes: Vec<u32>,
    shared_bytes: Vec<u32>,
    /// Where the groups begin.
    groups: Vec<u32>,
}

/// How the trailers of a block are written.
struct Trailers {
    base: u64,
    bytes: usize,
    shift: u32,
}

impl Trailers {
    fn of(entries: &[Added]) -> Trailers {
        let all = || entries.iter().map(|entry| entry.trailer);
        let base = all().min().unwrap_or(0);
        let shift = if all().all(|trailer| (trailer ^ base) & 0xff == 0) { 8 } else { 0 };
        let spread = (all().max().unwrap_or(0) - base) >> shift;
        Trailers { base, bytes: 8 - usize::try_from(spread.leading_zeros() / 8).unwrap_or(0), shift }
    }

    fn push(&self, out: &mut Vec<u8>, trailer: u64) {
        let delta = ((trailer - self.base) >> self.shift).to_le_bytes();
        out.extend_from_slice(delta.get(..self.bytes).unwrap_or_default());
    }

    fn code(&self) -> u8 {
        u8::try_from(self.bytes).unwrap_or(8) | if self.shift == 0 { 0 } else { SAME_KINDS }
    }
}

fn all_the_same(column: &[u32]) -> bool {
    column.windows(2).all(|pair| pair.first() == pair.last())
}

/// Writes a column, and returns the code of its width.
fn push_column(out: &mut Vec<u8>, column: &[u32]) -> u8 {
    let most = column.iter().copied().max().unwrap_or(0);
    let (width, code) = match most {
        _ if all_the_same(column) => {
            out.extend_from_slice(&most.to_le_bytes());
            return 0;
        }
        ..=0xff => (1, 1),
        0x100..=0xffff => (2, 2),
        _ => (4, 3),
    };
    for number in column {
        out.extend_from_slice(number.to_le_bytes().get(..width).unwrap_or_default());
    }
    code
}

fn number(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

/// How many leading bytes `a` and `b` share.
pub(crate) fn common_prefix(a: &[u8], b: &[u8]) -> usize {
    let (words_a, words_b) = (a.as_chunks::<8>().0, b.as_chunks::<8>().0);
    let same = 8 * words_a.iter().zip(words_b).take_while(|(a, b)| a == b).count();
    let (rest_a, rest_b) = (a.get(same..).unwrap_or_default(), b.get(same..).unwrap_or_default());
    same + rest_a.iter().zip(rest_b).take_while(|(a, b)| a == b).count()
}
