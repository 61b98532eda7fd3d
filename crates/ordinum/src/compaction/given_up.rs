//! Which value-log files are given up: their values move to new files when a merge comes by, so that they can go.
//!
//! What is dead of a file is known once merges have dropped the pointers into it. The files with the greatest part of garbage
//! cost the least for the space that they give back. Cleaning begins while the garbage is still below what it may be: then
//! merges that are made anyway find something to move, and few have to be made for it alone.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use crate::file_name::FileNumber;
use crate::value_log::ValueOptions;
use crate::version::{Levels, LiveTable, ValueLogs};

/// Files are given up until the garbage that is left is this part of what it may be, in percent.
const REST_PERCENT: u64 = 75;

/// Writers are slowed down once there is too much garbage by this part of what may not be garbage, in thousandths...
const SLOWDOWN_FROM: u64 = 50;
/// ...and are slowest from this part on.
const SLOWEST_FROM: u64 = 250;

/// The files to give up, of those that the tables point into.
pub(crate) fn given_up(levels: &Levels, options: &ValueOptions) -> BTreeSet<FileNumber> {
    let values = levels.values();
    let mut given_up = BTreeSet::new();
    let (mut bytes, mut garbage) = (values.bytes(), values.garbage_bytes());
    let is_enough =
        |garbage: u64, bytes: u64| garbage <= allowed(bytes, options).saturating_mul(REST_PERCENT) / 100;
    if is_enough(garbage, bytes) {
        return given_up;
    }
    let mut files: Vec<(u64, u64, FileNumber)> = values
        .iter()
        .map(|used| (used.garbage_bytes(), used.file.meta().bytes, used.file.meta().number))
        .collect();
    files.sort_by_key(|&(garbage, bytes, number)| {
        (Reverse(garbage.saturating_mul(1000) / bytes.max(1)), number)
    });
    for (of_file, _, number) in files {
        if of_file == 0 || is_enough(garbage, bytes) {
            break;
        }
        // Its live values are written again: what goes is the garbage.
        garbage = garbage.saturating_sub(of_file);
        bytes = bytes.saturating_sub(of_file);
        given_up.insert(number);
    }
    given_up
}

/// Whether more than what may be of the value log is garbage, if `more` bytes of it are besides what is known.
pub(super) fn has_too_much_garbage(values: &ValueLogs, options: &ValueOptions, more: u64) -> bool {
    !values.is_empty() && values.garbage_bytes().saturating_add(more) > allowed(values.bytes(), options)
}

/// How far cleaning is behind, in thousandths of the way from more garbage than there should ever be to writers that may no
/// longer make it: what level 0 may hide counts once there is garbage to speak of.
pub(crate) fn cleaning_behind(levels: &Levels, options: &ValueOptions) -> u64 {
    let values = levels.values();
    let (bytes, known) = (values.bytes(), values.garbage_bytes());
    let allowed = allowed(bytes, options);
    if known <= allowed.saturating_mul(REST_PERCENT) / 100 {
        return 0;
    }
    let hidden: u64 = levels.level(0).iter().map(|table| value_bytes(table)).sum();
    let over = known.saturating_add(hidden).saturating_sub(allowed).saturating_mul(1000);
    let rest = bytes.saturating_sub(allowed).max(1);
    (over / rest).saturating_sub(SLOWDOWN_FROM) * 1000 / (SLOWEST_FROM - SLOWDOWN_FROM)
}

/// The bytes of values that the table points to.
pub(super) fn value_bytes(table: &LiveTable) -> u64 {
    table.meta().values.iter().map(|share| share.bytes).sum()
}

fn allowed(bytes: u64, options: &ValueOptions) -> u64 {
    bytes.saturating_mul(u64::from(options.garbage_percent)) / 100
}
