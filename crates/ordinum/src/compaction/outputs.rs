//! The tables that a slice of a merge writes: begun when there is something to write, closed where it is best.
//!
//! A table is closed when it has its bytes; from half of them on where a table of the level below the outputs ends, so
//! that later merges cut fewer tables through; and when it overlaps so much of that level that merging it would be dear.

use std::sync::Arc;

use super::CompactionOutcome;
use super::job::Shared;
use super::picker::GRANDPARENT_TABLES_MAX;
use super::ranges::RangesLeft;
use crate::clock::Clock;
use crate::error::Result;
use crate::file_name::{FileKind, FileNumber};
use crate::range_delete::RangeTombstone;
use crate::rate_limiter::Haste;
use crate::table::{TableBuilder, TableSummary};
use crate::version::{FileMeta, LiveTable, Tally, user_range};

/// The table that is being written, and those that are.
pub(super) struct Outputs<'a> {
    shared: &'a Shared<'a>,
    ranges: RangesLeft<'a>,
    open: Option<Open>,
    /// Bytes from which on the table is closed.
    target: u64,
    /// The level below the outputs.
    grandparents: Vec<Arc<LiveTable>>,
    /// How many of them end before the key that was written last.
    passed: usize,
    /// Bytes of those of them that the open table has passed.
    passed_bytes: u64,
    /// When the newest entry of the inputs was first in a table.
    written_unix_ms: u64,
}

struct Open {
    number: FileNumber,
    builder: TableBuilder,
    shadowed: u64,
}

impl<'a> Outputs<'a> {
    pub(super) fn new(shared: &'a Shared<'a>, ranges: RangesLeft<'a>) -> Outputs<'a> {
        let job = shared.job;
        let level = job.compaction.output_level;
        let target = if level == 0 { u64::MAX } else { job.options.table_bytes_target };
        let grandparents = if level == 0 { Vec::new() } else { job.levels.level(level + 1).to_vec() };
        let written = job.compaction.tables().map(|table| table.meta().tally.written_unix_ms).max();
        let written_unix_ms = written.unwrap_or(0);
        Outputs {
            shared,
            ranges,
            open: None,
            target,
            grandparents,
            passed: 0,
            passed_bytes: 0,
            written_unix_ms,
        }
    }

    /// Says that what follows has this key, which is greater than those before.
    pub(super) fn begin_key(&mut self, user_key: &[u8], outcome: &mut CompactionOutcome) -> Result<()> {
        let passed = self.passed;
        while let Some(table) =
            self.grandparents.get(self.passed).filter(|table| user_range(table).1 < user_key)
        {
            self.passed += 1;
            self.passed_bytes = self.passed_bytes.saturating_add(table.meta().bytes);
        }
        let Some(open) = &self.open else {
            self.passed_bytes = 0;
            return Ok(());
        };
        let bytes = open.builder.bytes_so_far();
        let is_boundary = self.passed > passed && bytes >= self.target / 2;
        let is_dear =
            self.passed > passed && self.passed_bytes > self.target.saturating_mul(GRANDPARENT_TABLES_MAX);
        if bytes >= self.target || is_boundary || is_dear { self.finish(outcome) } else { Ok(()) }
    }

    /// Writes an entry; `is_shadowed` says that a newer version of its key was written before.
    pub(super) fn write(
        &mut self,
        user_key: &[u8],
        trailer: u64,
        value: &[u8],
        is_shadowed: bool,
    ) -> Result<()> {
        let open = match &mut self.open {
            Some(open) => open,
            none => none.insert(open(self.shared)?),
        };
        open.shadowed += u64::from(is_shadowed);
        open.builder.add(user_key, trailer, value)
    }

    /// Closes the open table, if there is one; range tombstones that are left begin one.
    pub(super) fn finish_last(&mut self, outcome: &mut CompactionOutcome) -> Result<()> {
        let ranges = self.ranges.take(None);
        if self.open.is_none() && !ranges.is_empty() {
            self.open = Some(open(self.shared)?);
        }
        self.finish_with(ranges, outcome)
    }

    /// Closes the open table, if there is one, with the range tombstones up to its last key.
    fn finish(&mut self, outcome: &mut CompactionOutcome) -> Result<()> {
        let ranges = match &self.open {
            Some(open) => self.ranges.take(Some(open.builder.last_key())),
            None => Vec::new(),
        };
        self.finish_with(ranges, outcome)
    }

    fn finish_with(&mut self, ranges: Vec<RangeTombstone>, outcome: &mut CompactionOutcome) -> Result<()> {
        let Some(Open { number, mut builder, shadowed }) = self.open.take() else { return Ok(()) };
        builder.set_range_tombstones(ranges);
        let summary = builder.finish()?;
        self.passed_bytes = 0;
        outcome.bytes_written += summary.bytes;
        let written_unix_ms = self.written_unix_ms;
        outcome.outputs.push(FileMeta::new(number, summary, shadowed, written_unix_ms));
        Ok(())
    }
}

fn open(shared: &Shared<'_>) -> Result<Open> {
    let number = shared.begin_file(FileKind::Table);
    let job = shared.job;
    let options = job.options.table_options(job.compaction.output_level);
    let mut builder = job.store.create(number, &options, Haste::Patient)?;
    builder.set_family(job.family, job.operator.family);
    Ok(Open { number, builder, shadowed: 0 })
}

impl FileMeta {
    /// What is known of a table that was just written.
    pub(crate) fn new(
        number: FileNumber,
        summary: TableSummary,
        shadowed: u64,
        written_unix_ms: u64,
    ) -> FileMeta {
        let TableSummary {
            smallest,
            largest,
            entries,
            deletions,
            range_tombstones,
            bytes,
            min_seqno,
            max_seqno,
            values,
        } = summary;
        let tally = Tally { deletions, shadowed, written_unix_ms };
        FileMeta {
            number,
            bytes,
            entries,
            smallest,
            largest,
            min_seqno,
            max_seqno,
            tally,
            range_tombstones,
            values,
            origin: None,
        }
    }
}

/// The time as tables tell it.
pub(crate) fn unix_ms(clock: &dyn Clock) -> u64 {
    u64::try_from(clock.unix().as_millis()).unwrap_or(u64::MAX)
}
