//! Runs a merge: cuts its keys into slices, merges each on a thread of its own, and joins what they wrote.
//!
//! Invariant: after an error, nothing that the merge wrote is used, and its files are gone or left for the next opening
//! to remove.

use crate::sync::atomic::{AtomicBool, Ordering};
use std::collections::BTreeSet;

use super::merge_range::MergeRange;
use super::ranges::MergedRanges;
use super::side_by_side::side_by_side;
use super::slices::{KeySlice, slices};
use super::{Compaction, CompactionFilter, CompactionOptions, Retention};
use crate::error::{Error, Result};
use crate::family::FamilyId;
use crate::file_name::{FileKind, FileNumber};
use crate::key::SeqNo;
use crate::merge_operator::Operator;
use crate::sync::Mutex;
use crate::value_log::ValueLogMeta;
use crate::version::{FileMeta, Levels, TableStore};

/// What a merge did.
#[derive(Clone, Debug, Default)]
pub(crate) struct CompactionOutcome {
    /// The new tables, ascending; durable.
    pub(crate) outputs: Vec<FileMeta>,
    /// The new value-log files, that some of them point into; durable.
    pub(crate) value_logs: Vec<ValueLogMeta>,
    /// Entries read.
    pub(crate) entries_read: u64,
    /// Entries that nobody can see any more.
    pub(crate) entries_dropped: u64,
    /// Entries that the filter removed.
    pub(crate) entries_filtered: u64,
    /// The oldest commit of which the filter removed something: if a pin is at or above it by now, the outcome must not
    /// be used.
    pub(crate) filtered_since: Option<SeqNo>,
    /// Tables that were not read, because range deletes cover all of them.
    pub(crate) tables_unread: usize,
    /// Bytes of the tables read.
    pub(crate) bytes_read: u64,
    /// Bytes of the tables and value-log files written.
    pub(crate) bytes_written: u64,
    /// Bytes of values that were moved to new places.
    pub(crate) value_bytes_moved: u64,
    /// The slices that the keys were cut into.
    pub(crate) slices: usize,
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
    /// The value-log files whose values move to new places, so that the files can go.
    pub(crate) given_up: &'a BTreeSet<FileNumber>,
    /// The family whose tables they are.
    pub(crate) family: FamilyId,
    /// Its name, and what its merge entries mean.
    pub(crate) operator: Operator<'a>,
    /// What is asked about entries.
    pub(crate) filter: Option<&'a dyn CompactionFilter>,
    /// Into how many slices the keys may be cut; each has a thread.
    pub(crate) slices_max: usize,
    /// Gives the numbers of the outputs.
    pub(crate) next_number: &'a (dyn Fn() -> FileNumber + Sync),
    /// Set by whoever wants the job to end early.
    pub(crate) stop: &'a AtomicBool,
}

/// What the slices of a merge share.
pub(super) struct Shared<'a> {
    pub(super) job: &'a Job<'a>,
    pub(super) ranges: MergedRanges,
    /// The files that were begun.
    created: Mutex<Vec<(FileKind, FileNumber)>>,
    /// Set when a slice failed, so that the others end early.
    failed: AtomicBool,
}

impl<'a> Shared<'a> {
    pub(super) fn new(job: &'a Job<'a>, ranges: MergedRanges) -> Shared<'a> {
        Shared { job, ranges, created: Mutex::default(), failed: AtomicBool::new(false) }
    }

    /// A number for a file that is begun now.
    pub(super) fn begin_file(&self, kind: FileKind) -> FileNumber {
        let number = (self.job.next_number)();
        self.created.lock().push((kind, number));
        number
    }

    /// Whether to end early.
    pub(super) fn is_stopped(&self) -> bool {
        self.job.stop.load(Ordering::Relaxed) || self.failed.load(Ordering::Relaxed)
    }

    pub(super) fn run(&self, slice: KeySlice) -> Result<CompactionOutcome> {
        let result = MergeRange::new(self, slice).run();
        if result.is_err() {
            self.failed.store(true, Ordering::Relaxed);
        }
        result
    }
}

impl Job<'_> {
    /// Merges.
    ///
    /// # Errors
    /// [`Error::Closed`] if it was stopped.
    pub(crate) fn run(&self) -> Result<CompactionOutcome> {
        let shared = Shared::new(self, MergedRanges::of(self)?);
        let run = |slices| self.join(&shared.ranges, side_by_side(slices, |slice| shared.run(slice)));
        let merged = slices(self, &shared.ranges).and_then(run);
        let created = shared.created.into_inner();
        let durable = merged.and_then(|outcome| {
            if !created.is_empty() {
                self.store.fs.sync_dir(&self.store.directory)?;
            }
            Ok(outcome)
        });
        if durable.is_err() {
            created.into_iter().for_each(|(kind, number)| self.store.remove(kind, number));
        }
        durable
    }

    /// The outcome of the whole merge: outputs of the slices in their order, and everything else summed up.
    fn join(
        &self,
        ranges: &MergedRanges,
        parts: Vec<Result<CompactionOutcome>>,
    ) -> Result<CompactionOutcome> {
        let read = self.compaction.tables().filter(|table| ranges.reads(table));
        let mut whole = CompactionOutcome {
            bytes_read: read.map(|table| table.meta().bytes).sum(),
            tables_unread: ranges.tables_unread(),
            slices: parts.len(),
            ..CompactionOutcome::default()
        };
        let mut stopped = None;
        for part in parts {
            match part {
                Ok(part) => {
                    whole.outputs.extend(part.outputs);
                    whole.value_logs.extend(part.value_logs);
                    whole.value_bytes_moved += part.value_bytes_moved;
                    whole.entries_read += part.entries_read;
                    whole.entries_dropped += part.entries_dropped;
                    whole.entries_filtered += part.entries_filtered;
                    whole.filtered_since =
                        [whole.filtered_since, part.filtered_since].into_iter().flatten().min();
                    whole.bytes_written += part.bytes_written;
                }
                // The slice that failed tells why; the others were only stopped by it.
                Err(Error::Closed) => stopped = Some(Error::Closed),
                Err(error) => return Err(error),
            }
        }
        stopped.map_or(Ok(whole), Err)
    }
}
