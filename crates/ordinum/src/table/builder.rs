//! Writes a table, entry by entry, in order.

use crate::error::{Error, Result};
use crate::family::FamilyId;
use crate::file_name::FileNumber;
use crate::fs::WritableFile;
use crate::key::{self, Kind, SeqNo, compare, push_internal, split_trailer};
use crate::planted::{Bug, planted};
use crate::range_delete::RangeTombstone;
use crate::table::block::HEAD_BYTES;
use crate::table::block_builder::{BlockBuilder, common_prefix};
use crate::table::block_file::{TAIL_BYTES, push_block};
use crate::table::filter;
use crate::table::footer::{FEATURE_RANGE_TOMBSTONES, FEATURE_VALUE_LOG, Footer, TableFormat};
use crate::table::handle::BlockHandle;
use crate::table::key_hashes::KeyHashes;
use crate::table::options::{Compression, TableOptions};
use crate::table::properties::{Properties, TableFamily};
use crate::table::range_block;
use crate::value_log::{self, ValuePointer, ValueShare};

/// Blocks are gathered up to this many bytes before they go to the file.
const APPEND_BYTES: usize = 256 * 1024;
/// An index partition of fewer entries is not closed because of what its keys share.
pub(super) const PARTITION_ENTRIES_MIN: usize = 16;

/// What a finished table holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TableSummary {
    /// The first internal key.
    pub(crate) smallest: Vec<u8>,
    /// The last internal key.
    pub(crate) largest: Vec<u8>,
    /// Number of entries.
    pub(crate) entries: u64,
    /// Number of entries that are deletions.
    pub(crate) deletions: u64,
    /// Number of range tombstones.
    pub(crate) range_tombstones: u64,
    /// Length of the file.
    pub(crate) bytes: u64,
    /// The smallest sequence number.
    pub(crate) min_seqno: SeqNo,
    /// The largest sequence number.
    pub(crate) max_seqno: SeqNo,
    /// What of which value-log files the entries point to.
    pub(crate) values: Vec<ValueShare>,
}

/// Writes one table.
#[derive(Debug)]
pub(crate) struct TableBuilder {
    file: Box<dyn WritableFile>,
    number: FileNumber,
    options: TableOptions,
    /// Blocks that are not in the file yet.
    pending: Vec<u8>,
    /// Where in the file `pending` begins.
    appended_bytes: u64,
    data: BlockBuilder,
    partition: BlockBuilder,
    /// The separator that was added to the index last.
    last_separator: (Vec<u8>, u64),
    partitions: Vec<FinishedPartition>,
    /// The data block that waits for its separator, which depends on the next key.
    closed: Option<BlockHandle>,
    /// How many bytes all user keys of that block share.
    closed_prefix_bytes: usize,
    last_key: Vec<u8>,
    last_trailer: u64,
    hashes: KeyHashes,
    range_tombstones: Vec<RangeTombstone>,
    properties: Properties,
}

/// An index partition, and the separator behind it.
#[derive(Debug)]
struct FinishedPartition {
    contents: Vec<u8>,
    separator: Vec<u8>,
    trailer: u64,
}

impl TableBuilder {
    /// Begins table `number` in an empty file.
    pub(crate) fn new(
        file: Box<dyn WritableFile>,
        number: FileNumber,
        options: &TableOptions,
    ) -> TableBuilder {
        TableBuilder {
            file,
            number,
            options: *options,
            pending: Vec::new(),
            appended_bytes: 0,
            data: BlockBuilder::new(),
            partition: BlockBuilder::new(),
            last_separator: (Vec::new(), 0),
            partitions: Vec::new(),
            closed: None,
            closed_prefix_bytes: 0,
            last_key: Vec::new(),
            last_trailer: u64::MAX,
            hashes: KeyHashes::default(),
            range_tombstones: Vec::new(),
            properties: Properties { min_seqno: SeqNo::MAX, ..Properties::default() },
        }
    }

    /// Appends an entry, which must be after the last one in internal order.
    pub(crate) fn add(&mut self, user_key: &[u8], trailer: u64, value: &[u8]) -> Result<()> {
        let is_first = self.properties.entries == 0;
        if !is_first && compare((&self.last_key, self.last_trailer), (user_key, trailer)).is_ge() {
            let message = format!("entry {} of a table is not after the one before", self.properties.entries);
            return Err(Error::Bug { message });
        }
        if let Some(handle) = self.closed.take() {
            let last = (self.last_key.as_slice(), self.last_trailer);
            let (separator, separator_trailer) = separator(last, user_key, self.closed_prefix_bytes);
            self.add_to_index(&separator, separator_trailer, handle);
        }
        if is_first {
            push_internal(&mut self.properties.smallest, user_key, trailer);
        }
        if is_first || self.last_key != user_key {
            let hash = filter::hash_key(user_key);
            self.data.hash_next(hash);
            let is_forgotten = planted(Bug::ForgetInFilter) && self.hashes.len() == 15;
            if self.options.filter_bits_per_key > 0 && !is_forgotten {
                self.hashes.push(hash);
            }
        } else if self.data.is_empty() {
            self.data.hash_next(filter::hash_key(user_key));
        }
        self.data.add(user_key, trailer, value);
        self.count(user_key, trailer, value)?;
        self.last_key.clear();
        self.last_key.extend_from_slice(user_key);
        self.last_trailer = trailer;
        if self.data.len() >= self.options.block_bytes {
            self.close_data_block()?;
        }
        Ok(())
    }

    fn count(&mut self, user_key: &[u8], trailer: u64, value: &[u8]) -> Result<()> {
        let (seqno, kind) = split_trailer(trailer);
        let properties = &mut self.properties;
        properties.entries += 1;
        properties.deletions += u64::from(kind == Kind::Delete as u8);
        properties.key_bytes += len_u64(user_key.len());
        properties.value_bytes += len_u64(value.len());
        properties.min_seqno = properties.min_seqno.min(seqno);
        properties.max_seqno = properties.max_seqno.max(seqno);
        if kind == Kind::Pointer as u8 {
            let pointer = ValuePointer::parse(value)
                .ok_or_else(|| Error::Bug { message: "a table entry with a malformed pointer".to_owned() })?;
            value_log::count(&mut properties.values, pointer);
        }
        Ok(())
    }

    /// The user key of the last entry; empty before the first.
    pub(crate) fn last_key(&self) -> &[u8] {
        &self.last_key
    }

    /// Gives the table range tombstones: ascending by start, and of one start the newest first. Each hides only what is
    /// older than it, in this table and in others.
    pub(crate) fn set_range_tombstones(&mut self, tombstones: Vec<RangeTombstone>) {
        self.range_tombstones = tombstones;
    }

    /// Has the table say which family it is of.
    pub(crate) fn set_family(&mut self, id: FamilyId, name: &str) {
        self.properties.family = Some(TableFamily { id, name: name.to_owned() });
    }

    /// About how long the file would be if it were finished now.
    pub(crate) fn bytes_so_far(&self) -> u64 {
        self.offset() + len_u64(self.data.len() + self.partition.len())
    }

    /// Writes index, filter, properties and footer, and makes the file durable. Its name is the caller's to sync.
    pub(crate) fn finish(mut self) -> Result<TableSummary> {
        let range_tombstones = std::mem::take(&mut self.range_tombstones);
        if self.properties.entries == 0
            && let Some(first) = range_tombstones.first()
        {
            // A table has an entry at the least: one that says no more than the tombstone does.
            self.add(&first.start, key::trailer(first.seqno, Kind::Delete), &[])?;
        }
        if self.properties.entries == 0 {
            return Err(Error::Bug { message: "a table without entries".to_owned() });
        }
        if !self.data.is_empty() {
            self.close_data_block()?;
        }
        if let Some(handle) = self.closed.take() {
            let last_key = std::mem::take(&mut self.last_key);
            self.add_to_index(&last_key, 0, handle);
            self.last_key = last_key;
        }
        if !self.partition.is_empty() {
            let last_key = std::mem::take(&mut self.last_key);
            self.close_partition(&last_key, 0);
            self.last_key = last_key;
        }

        let mut top = BlockBuilder::new();
        for partition in std::mem::take(&mut self.partitions) {
            let handle = self.push(&partition.contents, self.options.compression)?;
            let mut value = Vec::new();
            handle.push(&mut value);
            top.add(&partition.separator, partition.trailer, &value);
        }
        let top_index = self.push(top.finish(), self.options.compression)?;
        let filter = if self.options.filter_bits_per_key > 0 {
            let bytes = filter::build(&std::mem::take(&mut self.hashes), self.options.filter_bits_per_key);
            Some(self.push(&bytes, Compression::None)?)
        } else {
            None
        };
        self.finish_range_tombstones(&range_tombstones)?;
        let properties = self.push(&self.properties.encode(), Compression::None)?;
        let values = if self.properties.values.is_empty() { 0 } else { FEATURE_VALUE_LOG };
        let ranges = if range_tombstones.is_empty() { 0 } else { FEATURE_RANGE_TOMBSTONES };
        let (format, features) = (TableFormat::default(), values | ranges);
        let footer =
            Footer { properties, top_index, filter, format, features }.encode(self.number, self.offset());
        self.pending.extend_from_slice(&footer);
        self.append_pending()?;
        if !planted(Bug::SkipTableSync) {
            self.file.sync()?;
        }
        let properties = self.properties;
        Ok(TableSummary {
            smallest: properties.smallest,
            largest: properties.largest,
            entries: properties.entries,
            deletions: properties.deletions,
            range_tombstones: len_u64(range_tombstones.len()),
            bytes: self.appended_bytes,
            min_seqno: properties.min_seqno,
            max_seqno: properties.max_seqno,
            values: properties.values,
        })
    }

    /// Writes the range tombstones, and tells the keys and sequence numbers of the table with them.
    fn finish_range_tombstones(&mut self, tombstones: &[RangeTombstone]) -> Result<()> {
        let first = std::mem::take(&mut self.properties.smallest);
        let first = key::split_internal(&first).unwrap_or_default();
        let entries = (first, (self.last_key.as_slice(), self.last_trailer));
        let (smallest, largest) = range_block::hull(entries, tombstones);
        let properties = &mut self.properties;
        push_internal(&mut properties.smallest, smallest.0, smallest.1);
        push_internal(&mut properties.largest, largest.0, largest.1);
        for tombstone in tombstones {
            properties.min_seqno = properties.min_seqno.min(tombstone.seqno);
            properties.max_seqno = properties.max_seqno.max(tombstone.seqno);
        }
        if !tombstones.is_empty() {
            let handle = self.push(&range_block::encode(tombstones), self.options.compression)?;
            self.properties.range_tombstones = Some((len_u64(tombstones.len()), handle));
        }
        Ok(())
    }

    fn offset(&self) -> u64 {
        self.appended_bytes + len_u64(self.pending.len())
    }

    fn close_data_block(&mut self) -> Result<()> {
        let offset = self.offset();
        let contents = self.data.finish();
        let handle = push_block(&mut self.pending, contents, self.options.compression, self.number, offset);
        self.closed_prefix_bytes = self.data.prefix_bytes();
        self.data.clear();
        self.properties.data_blocks += 1;
        self.closed = Some(handle);
        self.append_if_full()
    }

    fn add_to_index(&mut self, separator: &[u8], trailer: u64, handle: BlockHandle) {
        let mut value = Vec::with_capacity(2 * TAIL_BYTES);
        handle.push(&mut value);
        // Where keys begin to be of another kind, heads behind what both kinds share would tell none of either from the next.
        if self.partition.entries() >= PARTITION_ENTRIES_MIN && self.partition.would_be_blunted_by(separator)
        {
            let (last, trailer) = std::mem::take(&mut self.last_separator);
            self.close_partition(&last, trailer);
        }
        self.partition.add(separator, trailer, &value);
        self.last_separator = (separator.to_vec(), trailer);
        if self.partition.len() >= self.options.index_block_bytes {
            self.close_partition(separator, trailer);
        }
    }

    fn close_partition(&mut self, separator: &[u8], trailer: u64) {
        let contents = self.partition.finish().to_vec();
        self.partition.clear();
        self.partitions.push(FinishedPartition { contents, separator: separator.to_vec(), trailer });
    }

    fn push(&mut self, contents: &[u8], compression: Compression) -> Result<BlockHandle> {
        let offset = self.offset();
        let handle = push_block(&mut self.pending, contents, compression, self.number, offset);
        self.append_if_full()?;
        Ok(handle)
    }

    fn append_if_full(&mut self) -> Result<()> {
        if self.pending.len() >= APPEND_BYTES { self.append_pending() } else { Ok(()) }
    }

    fn append_pending(&mut self) -> Result<()> {
        self.file.append(&self.pending)?;
        self.appended_bytes += len_u64(self.pending.len());
        self.pending.clear();
        Ok(())
    }
}

/// A short internal key at or after (`last`, `trailer`) and before every entry of the user key `next` or later ones.
///
/// Wherever the user key changes, the trailer is 0, which is behind every version: an index whose trailers are the same
/// takes no space for them.
fn separator((last, trailer): (&[u8], u64), next: &[u8], block_prefix_bytes: usize) -> (Vec<u8>, u64) {
    if last == next {
        return (last.to_vec(), trailer);
    }
    let common = common_prefix(last, next);
    // A short one that has little of what all of the block begin with would stand apart from the separators before it.
    let is_alike = common + HEAD_BYTES > block_prefix_bytes;
    match next.get(..=common) {
        Some(short) if is_alike && short.len() < last.len().min(next.len()) => (short.to_vec(), 0),
        Some(_) | None => (last.to_vec(), 0),
    }
}

fn len_u64(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}
