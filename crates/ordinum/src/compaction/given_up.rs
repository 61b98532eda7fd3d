//! Which value-log files are given up: their values move to new files when a merge comes by, so that they can go.
//!
//! What is dead of a file is known once merges have dropped the pointers into it. The files with the greatest part of garbage
//! cost the least for the space that they give back: the longer a file is left alone, the more of it dies by itself. So files
//! are given up late, a few at a time, and as many as make up for what the merge itself is about to uncover: then the garbage
//! stays where it is, and what is written besides the files that it takes the place of is little at any moment.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use crate::file_name::FileNumber;
use crate::value_log::ValueOptions;
use crate::version::{LEVELS, Levels, LiveTable, ValueLogs};

/// Files are given up until the garbage that is left is this part of what it may be, in percent.
const REST_PERCENT: u64 = 95;
/// A file is not given up before this part of what may be garbage of all is garbage of it, in percent.
const WORTH_PERCENT: u64 = 50;
/// A merge moves about this part of the value log at the most, or one file: what it writes stands beside what it takes the
/// place of until it ends.
const MOVED_PART: u64 = 32;

/// While less than this part of what may be garbage is known to be, in percent, writers are not slowed down for it.
const SPEAKS_FROM_PERCENT: u64 = 50;
/// Writers are slowest once there is too much garbage by this part of what may not be garbage, in thousandths.
const SLOWEST_FROM: u64 = 100;
/// What level 0 may hide, and may not, slows them down by no more than this, in thousandths: it is for merges to find out, and one
/// that is not worth it yet needs more writes.
const SUSPECTED_MAX: u64 = 500;
/// What level 0 points to is not held against writers up to this many times the bytes of a merge that finds out what it
/// hides: a little less than what makes such a merge cheap.
const HIDING_PER_MERGED_BYTE: u64 = 6;

/// The files to give up, of those that the tables point into, in a merge of tables of `level` that may find out that
/// `uncovered` bytes of values are dead. Into which files level 0 alone points is nothing that a merge below it meets: they
/// would stand before those that it could move, as long as level 0 stays.
pub(crate) fn given_up(
    levels: &Levels,
    options: &ValueOptions,
    level: usize,
    uncovered: u64,
) -> BTreeSet<FileNumber> {
    let values = levels.values();
    let mut given_up = BTreeSet::new();
    let mut bytes = values.bytes();
    let mut garbage = values.garbage_bytes().saturating_add(uncovered);
    let is_enough =
        |garbage: u64, bytes: u64| garbage <= allowed(bytes, options).saturating_mul(REST_PERCENT) / 100;
    if is_enough(garbage, bytes) {
        return given_up;
    }
    let may_move = bytes / MOVED_PART;
    let worth = u64::from(options.garbage_percent) * WORTH_PERCENT / 10;
    let below_0: BTreeSet<FileNumber> = (1..LEVELS)
        .flat_map(|level| levels.level(level))
        .flat_map(|table| table.meta().values.iter().map(|share| share.file))
        .collect();
    let mut files: Vec<_> = values
        .iter()
        .filter(|used| level == 0 || below_0.contains(&used.file.meta().number))
        .map(|used| (used.garbage_bytes().saturating_mul(1000) / used.file.meta().bytes.max(1), used))
        .filter(|(thousandths, _)| *thousandths >= worth.max(1))
        .collect();
    files.sort_by_key(|(thousandths, used)| (Reverse(*thousandths), used.file.meta().number));
    let mut moved = 0u64;
    for (_, used) in files {
        let of_file = used.garbage_bytes();
        moved = moved.saturating_add(used.bytes);
        if is_enough(garbage, bytes) || (moved > may_move && !given_up.is_empty()) {
            break;
        }
        // Its live values are written again: what goes is the garbage.
        garbage = garbage.saturating_sub(of_file);
        bytes = bytes.saturating_sub(of_file);
        given_up.insert(used.file.meta().number);
    }
    given_up
}

/// Whether more than what may be of the value log is garbage, if `more` bytes of it are besides what is known.
pub(super) fn has_too_much_garbage(values: &ValueLogs, options: &ValueOptions, more: u64) -> bool {
    !values.is_empty() && values.garbage_bytes().saturating_add(more) > allowed(values.bytes(), options)
}

/// How far cleaning is behind, in thousandths of the way from more garbage than there should be to writers that may no
/// longer make it: what level 0 may hide counts once there is garbage to speak of, and more hidden than a merge wants.
pub(crate) fn cleaning_behind(levels: &Levels, options: &ValueOptions) -> u64 {
    let values = levels.values();
    let (bytes, known) = (values.bytes(), values.garbage_bytes());
    let allowed = allowed(bytes, options);
    if known <= allowed.saturating_mul(SPEAKS_FROM_PERCENT) / 100 {
        return 0;
    }
    let below = (1..LEVELS).map(|level| levels.bytes(level)).find(|bytes| *bytes > 0);
    let merged = levels.bytes(0).saturating_add(below.unwrap_or(0));
    let hidden: u64 = levels.level(0).iter().map(|table| value_bytes(table)).sum();
    let hidden = hidden.saturating_sub(merged.saturating_mul(HIDING_PER_MERGED_BYTE));
    let rest = bytes.saturating_sub(allowed).max(1);
    let thousandths = |garbage: u64| {
        let over = garbage.saturating_sub(allowed).saturating_mul(1000) / rest;
        over.saturating_mul(1000) / SLOWEST_FROM
    };
    thousandths(known).max(thousandths(known.saturating_add(hidden)).min(SUSPECTED_MAX))
}

/// The bytes of values that the table points to.
pub(super) fn value_bytes(table: &LiveTable) -> u64 {
    table.meta().values.iter().map(|share| share.bytes).sum()
}

fn allowed(bytes: u64, options: &ValueOptions) -> u64 {
    bytes.saturating_mul(u64::from(options.garbage_percent)) / 100
}
