//! Runs a merge: reads the inputs in order, drops what retention allows, and writes tables of the target size.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{Compaction, CompactionOptions, Retention};
use crate::cache::CacheUse;
use crate::error::{Error, Result};
use crate::file_name::FileNumber;
use crate::iter::InternalIterator;
use crate::key::{Kind, SeqNo, split_trailer};
use crate::merge::MergeIter;
use crate::table::{TableBuilder, TableSummary};
use crate::version::{FileMeta, LEVELS, Levels, LiveTable, TableStore, level_iter};

/// The flag that stops a job is read once for this many entries.
const ENTRIES_PER_STOP_CHECK: u64 = 1024;

/// What a merge did.
#[derive(Clone, Debug, Default)]
pub(crate) struct CompactionOutcome {
    /// The new tables, ascending; durable.
    pub(crate) outputs: Vec<FileMeta>,
    /// Entries read.
    pub(crate) entries_read: u64,
    /// Entries that nobody can see any more.
    pub(crate) entries_dropped: u64,
    /// Bytes of the tables read.
    pub(crate) bytes_read: u64,
    /// Bytes of the tables written.
    pub(crate) bytes_written: u64,
}

/// A merge to run.
pub(crate) struct Job<'a> {
    /// Where tables lie.
    pub(crate) store: &'a TableStore,
    /// What to merge.
    pub(crate) compaction: &'a Compaction,
    /// The levels that it was picked from.
    pub(crate) levels: &'a Levels,
    /// What may be read.
    pub(crate) retention: &'a Retention,
    /// How outputs are built.
    pub(crate) options: &'a CompactionOptions,
    /// Gives the numbers of the outputs.
    pub(crate) next_number: &'a dyn Fn() -> FileNumber,
    /// Set by whoever wants the job to end early.
    pub(crate) stop: &'a AtomicBool,
}

impl Job<'_> {
    /// Merges.
    ///
    /// # Errors
    /// [`Error::Closed`] if it was stopped. After any error the tables that it wrote are gone, or left for the next
    /// opening to remove.
    pub(crate) fn run(&self) -> Result<CompactionOutcome> {
        let mut run = Run {
            job: self,
            builder: None,
            created: Vec::new(),
            outcome: CompactionOutcome { bytes_read: self.bytes_read(), ..CompactionOutcome::default() },
        };
        match run.merge() {
            Ok(()) => Ok(run.outcome),
            Err(error) => {
                run.builder = None;
                for number in run.created {
                    drop(self.store.fs.remove(&self.store.path(number)));
                }
                Err(error)
            }
        }
    }

    fn bytes_read(&self) -> u64 {
        let tables = self.compaction.inputs.iter().chain(&self.compaction.overlapping);
        tables.map(|table| table.meta().bytes).sum()
    }

    fn input(&self) -> Result<MergeIter<Box<dyn InternalIterator>>> {
        let mut children: Vec<Box<dyn InternalIterator>> = Vec::new();
        if self.compaction.level == 0 {
            for table in &self.compaction.inputs {
                children.push(Box::new(table.reader()?.iter(CacheUse::Peek)));
            }
        } else {
            children.push(level_child(&self.compaction.inputs));
        }
        children.push(level_child(&self.compaction.overlapping));
        Ok(MergeIter::new(children))
    }

    /// Whether a level below the outputs may hold the key.
    fn may_be_deeper(&self, user_key: &[u8]) -> bool {
        (self.compaction.output_level + 1..LEVELS)
            .any(|level| self.levels.table_of(level, user_key).is_some())
    }
}

fn level_child(tables: &[Arc<LiveTable>]) -> Box<dyn InternalIterator> {
    Box::new(level_iter(tables.to_vec(), CacheUse::Peek))
}

/// A merge that runs.
struct Run<'a> {
    job: &'a Job<'a>,
    builder: Option<(FileNumber, TableBuilder)>,
    created: Vec<FileNumber>,
    outcome: CompactionOutcome,
}

/// The user key that is being merged.
#[derive(Default)]
struct CurrentKey {
    user_key: Vec<u8>,
    /// The sequence number of the last version read, which is the next newer one of the version that follows.
    newer: Option<SeqNo>,
    /// Deletions that are written only if an older version of the key is: no deeper level may hold it.
    held_deletions: Vec<u64>,
}

impl Run<'_> {
    fn merge(&mut self) -> Result<()> {
        let mut input = self.job.input()?;
        let mut key: Option<CurrentKey> = None;
        let mut more = input.first()?;
        while more {
            if self.outcome.entries_read.is_multiple_of(ENTRIES_PER_STOP_CHECK)
                && self.job.stop.load(Ordering::Relaxed)
            {
                return Err(Error::Closed);
            }
            self.outcome.entries_read += 1;
            let mut current = match key.take() {
                Some(current) if current.user_key == input.user_key() => current,
                previous => {
                    self.end_key(previous)?;
                    CurrentKey { user_key: input.user_key().to_vec(), ..CurrentKey::default() }
                }
            };
            self.version(&mut current, input.trailer(), input.value())?;
            key = Some(current);
            more = input.next()?;
        }
        self.end_key(key)?;
        self.finish_table()?;
        if !self.created.is_empty() {
            self.job.store.fs.sync_dir(&self.job.store.directory)?;
        }
        Ok(())
    }

    /// Takes one version of the current key; versions come newest first.
    fn version(&mut self, key: &mut CurrentKey, trailer: u64, value: &[u8]) -> Result<()> {
        let (seqno, kind) = split_trailer(trailer);
        let newer = key.newer.replace(seqno);
        if !self.job.retention.keeps(seqno, newer) {
            self.outcome.entries_dropped += 1;
            return Ok(());
        }
        if kind == Kind::Delete as u8 && !self.job.may_be_deeper(&key.user_key) {
            key.held_deletions.push(trailer);
            return Ok(());
        }
        for deletion in std::mem::take(&mut key.held_deletions) {
            self.write(&key.user_key, deletion, &[])?;
        }
        self.write(&key.user_key, trailer, value)
    }

    /// After the last version of a key: the deletions that hide nothing are dropped, and a full table is closed.
    fn end_key(&mut self, key: Option<CurrentKey>) -> Result<()> {
        let held = key.map_or(0, |key| key.held_deletions.len());
        self.outcome.entries_dropped += u64::try_from(held).unwrap_or(u64::MAX);
        let target = self.job.options.table_bytes_target;
        if self.builder.as_ref().is_some_and(|(_, builder)| builder.bytes_so_far() >= target) {
            self.finish_table()?;
        }
        Ok(())
    }

    fn write(&mut self, user_key: &[u8], trailer: u64, value: &[u8]) -> Result<()> {
        let (_, builder) = match &mut self.builder {
            Some(open) => open,
            none => {
                let number = (self.job.next_number)();
                let options = self.job.options.table_options(self.job.compaction.output_level);
                self.created.push(number);
                none.insert((number, self.job.store.create(number, &options)?))
            }
        };
        builder.add(user_key, trailer, value)
    }

    fn finish_table(&mut self) -> Result<()> {
        let Some((number, builder)) = self.builder.take() else { return Ok(()) };
        let summary = builder.finish()?;
        self.outcome.bytes_written += summary.bytes;
        self.outcome.outputs.push(file_meta(number, summary));
        Ok(())
    }
}

pub(super) fn file_meta(number: FileNumber, summary: TableSummary) -> FileMeta {
    let TableSummary { smallest, largest, entries, deletions: _, bytes, min_seqno, max_seqno } = summary;
    FileMeta { number, bytes, entries, smallest, largest, min_seqno, max_seqno }
}
