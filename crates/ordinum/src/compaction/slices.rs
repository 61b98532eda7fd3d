//! Cuts the keys of a merge into slices of about the same work.

use super::Job;
use super::ranges::MergedRanges;
use crate::error::Result;

/// A slice has at least as many bytes of inputs as this many full tables.
const SLICE_TABLES_MIN: u64 = 2;

/// The keys from `start` on, before `end`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct KeySlice {
    pub(super) start: Option<Vec<u8>>,
    pub(super) end: Option<Vec<u8>>,
}

/// The slices of the merge, in order; together they are all keys.
pub(super) fn slices(job: &Job<'_>, ranges: &MergedRanges) -> Result<Vec<KeySlice>> {
    let count = slice_count(job, ranges);
    let mut slices = Vec::with_capacity(count);
    let mut start = None;
    for cut in cuts(job, ranges, count)? {
        slices.push(KeySlice { start: start.replace(cut.clone()), end: Some(cut) });
    }
    slices.push(KeySlice { start, end: None });
    Ok(slices)
}

fn slice_count(job: &Job<'_>, ranges: &MergedRanges) -> usize {
    // Level 0 wants one table for many.
    if job.compaction.output_level == 0 {
        return 1;
    }
    let read = job.compaction.tables().filter(|table| ranges.reads(table));
    let bytes: u64 = read.map(|table| table.meta().bytes).sum();
    let least = job.options.table_bytes_target.saturating_mul(SLICE_TABLES_MIN).max(1);
    usize::try_from(bytes / least).unwrap_or(usize::MAX).clamp(1, job.slices_max.max(1))
}

/// Up to `count` - 1 keys, ascending, that have about the same bytes of tables between them.
fn cuts(job: &Job<'_>, ranges: &MergedRanges, count: usize) -> Result<Vec<Vec<u8>>> {
    if count < 2 {
        return Ok(Vec::new());
    }
    // Every anchor of a table stands for the bytes before it.
    let mut anchors: Vec<(Vec<u8>, u64)> = Vec::new();
    for table in job.compaction.tables().filter(|table| ranges.reads(table)) {
        let keys = table.reader()?.anchors()?;
        let each = table.meta().bytes / u64::try_from(keys.len().max(1)).unwrap_or(1);
        // Right behind a key: a range tombstone that is cut there ends at that key.
        anchors.extend(keys.into_iter().map(|key| ([key.as_slice(), &[0]].concat(), each)));
    }
    anchors.sort_unstable();
    let parts = u64::try_from(count).unwrap_or(1);
    let total: u64 = anchors.iter().map(|(_, bytes)| bytes).sum();
    let mut cuts: Vec<Vec<u8>> = Vec::new();
    let mut before = 0u64;
    let mut part = 1;
    for (key, bytes) in anchors {
        before = before.saturating_add(bytes);
        if part < parts && before >= total / parts * part && cuts.last() != Some(&key) {
            cuts.push(key);
            part += 1;
        }
    }
    Ok(cuts)
}
