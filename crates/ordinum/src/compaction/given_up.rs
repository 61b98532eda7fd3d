//! Which value-log files are given up: those whose values move when a merge comes by, so that the files can go.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use crate::file_name::FileNumber;
use crate::value_log::ValueOptions;
use crate::version::Levels;

/// The files to give up: those with the greatest part of garbage, as many as it takes until what is left has no more of it
/// than it may.
pub(crate) fn given_up(levels: &Levels, options: &ValueOptions) -> BTreeSet<FileNumber> {
    let values = levels.values();
    let (mut bytes, mut garbage) = (values.bytes(), values.garbage_bytes());
    let mut files: Vec<(u64, u64, FileNumber)> = values
        .iter()
        .map(|used| (used.garbage_bytes(), used.file.meta().bytes, used.file.meta().number))
        .collect();
    files.sort_by_key(|(garbage, bytes, number)| {
        (Reverse(garbage.saturating_mul(1000) / bytes.max(&1)), *number)
    });
    let mut given_up = BTreeSet::new();
    for (of_garbage, _, number) in files {
        let allowed = bytes / 100 * u64::from(options.garbage_percent);
        if garbage <= allowed || of_garbage == 0 {
            break;
        }
        garbage = garbage.saturating_sub(of_garbage);
        bytes = bytes.saturating_sub(of_garbage);
        given_up.insert(number);
    }
    given_up
}
