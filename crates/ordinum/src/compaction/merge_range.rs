//! Merges one slice of the keys: reads the inputs in order, drops what retention allows, and hands the rest to the outputs.

use std::sync::Arc;

use super::CompactionOutcome;
use super::deeper::Deeper;
use super::filter::{FilterDecision, FilteredEntry};
use super::job::Shared;
use super::outputs::Outputs;
use super::ranges::RangesLeft;
use super::slices::KeySlice;
use crate::cache::CacheUse;
use crate::error::{Error, Result};
use crate::file_name::FileKind;
use crate::iter::InternalIterator;
use crate::key::{self, Kind, SeqNo, seek_trailer, split_trailer};
use crate::merge::MergeIter;
use crate::merge_operator::Pending;
use crate::part::Part;
use crate::planted::{Bug, planted};
use crate::range_delete::KeptTombstones;
use crate::rate_limiter::Haste;
use crate::slice::Slice;
use crate::value_log::{Separation, ValuePointer};
use crate::version::{Level, LiveTable, level_iter};

/// The flag that stops a job is read once for this many entries.
const ENTRIES_PER_STOP_CHECK: u64 = 1024;

/// The merge of one slice.
pub(super) struct MergeRange<'a> {
    shared: &'a Shared<'a>,
    slice: KeySlice,
    outputs: Outputs<'a>,
    separation: Separation<'a>,
    key: CurrentKey,
    tombstones: KeptTombstones,
    deeper: Deeper,
    outcome: CompactionOutcome,
}

/// The user key that is being merged. Its buffers are used again for the next.
#[derive(Default)]
struct CurrentKey {
    user_key: Vec<u8>,
    /// Whether there is one.
    is_some: bool,
    /// The sequence number of the last version read, which is the next newer one of the version that follows.
    newer: Option<SeqNo>,
    /// Deletions that are written only if an older version of the key is: no deeper table may hold it.
    held_deletions: Vec<u64>,
    /// Whether a version was written.
    is_written: bool,
    /// A merge entry, while it is not known what stands below it.
    pending: Option<Pending>,
}

impl<'a> MergeRange<'a> {
    pub(super) fn new(shared: &'a Shared<'a>, slice: KeySlice) -> MergeRange<'a> {
        let job = shared.job;
        let begin_file = || shared.begin_file(FileKind::ValueLog);
        let ranges = RangesLeft::new(shared.ranges.of_slice(&slice), Deeper::of(shared), job.retention);
        MergeRange {
            shared,
            slice,
            outputs: Outputs::new(shared, ranges),
            separation: Separation::new(job.store, &job.options.values, Haste::Patient, begin_file),
            tombstones: KeptTombstones::new(Arc::clone(&shared.ranges.all)),
            key: CurrentKey::default(),
            deeper: Deeper::of(shared),
            outcome: CompactionOutcome::default(),
        }
    }

    pub(super) fn run(mut self) -> Result<CompactionOutcome> {
        let mut input = self.input()?;
        let mut more = match &self.slice.start {
            Some(start) => input.seek(start, seek_trailer(SeqNo::MAX))?,
            None => input.first()?,
        };
        while more {
            if self.outcome.entries_read.is_multiple_of(ENTRIES_PER_STOP_CHECK) && self.shared.is_stopped() {
                return Err(Error::Closed);
            }
            let user_key = input.user_key();
            if !self.key.is_some || self.key.user_key != user_key {
                if self.slice.end.as_ref().is_some_and(|end| user_key >= end.as_slice()) {
                    break;
                }
                self.begin_key(user_key)?;
            }
            self.outcome.entries_read += 1;
            self.version(input.trailer(), input.value())?;
            more = input.next()?;
        }
        self.end_key()?;
        self.outputs.finish_last(&mut self.outcome)?;
        self.outcome.value_logs = self.separation.finish()?;
        self.outcome.bytes_written += self.outcome.value_logs.iter().map(|file| file.bytes).sum::<u64>();
        Ok(self.outcome)
    }

    fn input(&self) -> Result<MergeIter<Part>> {
        let compaction = self.shared.job.compaction;
        let mut children = Vec::new();
        if compaction.level == 0 {
            for table in compaction.inputs.iter().filter(|table| self.shared.ranges.reads(table)) {
                children.push(Part::Table(table.reader()?.iter(CacheUse::Peek)));
            }
        } else {
            children.push(self.level_child(&compaction.inputs));
        }
        if !compaction.overlapping.is_empty() {
            children.push(self.level_child(&compaction.overlapping));
        }
        Ok(MergeIter::new(children))
    }

    fn level_child(&self, tables: &[Arc<LiveTable>]) -> Part {
        let read = tables.iter().filter(|table| self.shared.ranges.reads(table)).cloned();
        Part::Level(level_iter(Arc::new(Level::new(read.collect())), CacheUse::Peek))
    }

    fn begin_key(&mut self, user_key: &[u8]) -> Result<()> {
        self.end_key()?;
        self.key.user_key.clear();
        self.key.user_key.extend_from_slice(user_key);
        self.key.is_some = true;
        self.key.is_written = false;
        self.key.newer = None;
        self.outputs.begin_key(user_key, &mut self.outcome)
    }

    /// After the last version of a key: operands that stand on nothing become a value, and deletions that hide nothing are
    /// dropped.
    fn end_key(&mut self) -> Result<()> {
        if let Some(mut pending) = self.key.pending.take() {
            let is_hidden = self.tombstones.newest(&self.key.user_key, pending.seqno) > SeqNo::ZERO;
            if is_hidden || !self.deeper.may_hold(&self.key.user_key) {
                pending.end();
            }
            self.settle(&pending)?;
        }
        let held = self.key.held_deletions.len();
        self.outcome.entries_dropped += u64::try_from(held).unwrap_or(u64::MAX);
        self.key.held_deletions.clear();
        Ok(())
    }

    /// Makes the next older version part of the pending merge entry, or writes that; whether the version is done with.
    #[cold]
    fn merge(
        &mut self,
        mut pending: Pending,
        seqno: SeqNo,
        kind: u8,
        value: &[u8],
        keeps: bool,
    ) -> Result<bool> {
        if self.tombstones.newest(&self.key.user_key, pending.seqno) > seqno {
            pending.end();
            self.settle(&pending)?;
            return Ok(!keeps);
        }
        if keeps || !pending.has_room(value.len()) {
            self.settle(&pending)?;
            return Ok(false);
        }
        let job = self.shared.job;
        let kind = Kind::from_byte(kind)
            .ok_or_else(|| Error::Bug { message: format!("a table holds an entry of kind {kind}") })?;
        let value = match kind {
            Kind::Pointer => job.levels.values().read(value, job.store)?,
            Kind::Put | Kind::Delete | Kind::Merge | Kind::RangeDelete => Slice::from(value),
        };
        pending.take(job.operator, &self.key.user_key, kind, value)?;
        self.hold(pending)?;
        Ok(true)
    }

    /// Keeps a merge entry until it is known what stands below it.
    fn hold(&mut self, pending: Pending) -> Result<()> {
        if pending.is_ready() {
            return self.settle(&pending);
        }
        self.key.pending = Some(pending);
        Ok(())
    }

    /// Writes what merge entries came to.
    fn settle(&mut self, pending: &Pending) -> Result<()> {
        let (kind, value) = pending.entry(self.shared.job.operator, &self.key.user_key);
        self.write_held_deletions()?;
        let is_shadowed = std::mem::replace(&mut self.key.is_written, true);
        match kind {
            Kind::Put => self.place(pending.seqno, &value, is_shadowed),
            Kind::Delete | Kind::Merge | Kind::RangeDelete | Kind::Pointer => {
                let trailer = key::trailer(pending.seqno, kind);
                self.outputs.write(&self.key.user_key, trailer, &value, is_shadowed)
            }
        }
    }

    fn write_held_deletions(&mut self) -> Result<()> {
        for deletion in self.key.held_deletions.drain(..) {
            self.outputs.write(&self.key.user_key, deletion, &[], self.key.is_written)?;
            self.key.is_written = true;
        }
        Ok(())
    }

    /// Takes one version of the current key; versions come newest first.
    fn version(&mut self, trailer: u64, value: &[u8]) -> Result<()> {
        let (seqno, kind) = split_trailer(trailer);
        let newer = self.key.newer.replace(seqno);
        let retention = self.shared.job.retention;
        let mut keeps =
            retention.keeps(seqno, newer) && !self.tombstones.hides(&self.key.user_key, seqno, retention);
        if let Some(pending) = self.key.pending.take() {
            if self.merge(pending, seqno, kind, value, keeps)? {
                self.outcome.entries_dropped += 1;
                return Ok(());
            }
            // What was written above it needs it.
            keeps = true;
        }
        if !keeps {
            self.outcome.entries_dropped += 1;
            return Ok(());
        }
        if kind == Kind::Delete as u8 {
            return self.deletion(trailer);
        }
        if newer.is_none() && self.is_filtered(seqno, kind, value)? {
            return self.deletion(key::trailer(seqno, Kind::Delete));
        }
        if kind == Kind::Merge as u8 {
            let key = &self.key.user_key;
            return self.hold(Pending::new(self.shared.job.operator, key, seqno, Slice::from(value))?);
        }
        self.write_held_deletions()?;
        let is_shadowed = std::mem::replace(&mut self.key.is_written, true);
        if kind == Kind::Pointer as u8 && self.is_given_up(value) {
            return self.move_value(seqno, value, is_shadowed);
        }
        self.outputs.write(&self.key.user_key, trailer, value, is_shadowed)
    }

    /// Whether the pointer leads into a file that is to go.
    fn is_given_up(&self, pointer: &[u8]) -> bool {
        let given_up = self.shared.job.given_up;
        !given_up.is_empty()
            && ValuePointer::parse(pointer).is_some_and(|pointer| given_up.contains(&pointer.file))
    }

    /// Writes an entry with its value in a new place, at the same sequence number.
    fn move_value(&mut self, seqno: SeqNo, pointer: &[u8], is_shadowed: bool) -> Result<()> {
        let job = self.shared.job;
        let value = job.levels.values().read(pointer, job.store)?;
        self.outcome.value_bytes_moved += u64::try_from(value.len()).unwrap_or(u64::MAX);
        self.place(seqno, &value, is_shadowed)
    }

    /// Writes a value to where the options want it.
    fn place(&mut self, seqno: SeqNo, value: &[u8], is_shadowed: bool) -> Result<()> {
        let user_key = &self.key.user_key;
        match self.separation.place(value)? {
            Some(pointer) => {
                let trailer = key::trailer(seqno, Kind::Pointer);
                self.outputs.write(user_key, trailer, &pointer.encode(), is_shadowed)
            }
            // The options ask for values of this length in tables by now.
            None => self.outputs.write(user_key, key::trailer(seqno, Kind::Put), value, is_shadowed),
        }
    }

    fn deletion(&mut self, trailer: u64) -> Result<()> {
        if self.deeper.may_hold(&self.key.user_key) && !planted(Bug::DropDeletionTooEarly) {
            let is_shadowed = std::mem::replace(&mut self.key.is_written, true);
            return self.outputs.write(&self.key.user_key, trailer, &[], is_shadowed);
        }
        self.key.held_deletions.push(trailer);
        Ok(())
    }

    fn is_filtered(&mut self, seqno: SeqNo, kind: u8, value: &[u8]) -> Result<bool> {
        let job = self.shared.job;
        let Some(filter) = job.filter else { return Ok(false) };
        let is_pointer = kind == Kind::Pointer as u8;
        if !(kind == Kind::Put as u8 || is_pointer) || !job.retention.may_expire(seqno) {
            return Ok(false);
        }
        let separated =
            if is_pointer { job.levels.values().read(value, job.store)? } else { Slice::default() };
        let value = if is_pointer { &separated } else { value };
        let level = job.compaction.output_level;
        match filter.filter(&FilteredEntry { key: &self.key.user_key, value, seqno, level }) {
            FilterDecision::Keep => Ok(false),
            FilterDecision::Remove => {
                self.outcome.entries_filtered += 1;
                let since = &mut self.outcome.filtered_since;
                *since = Some(since.map_or(seqno, |before| before.min(seqno)));
                Ok(true)
            }
        }
    }
}
