//! Garbage in the value log: what is done so that it becomes known, and that its space comes back.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Picking, compaction, size, total_bytes};
use crate::compaction::given_up::{given_up, has_too_much_garbage, value_bytes};
use crate::compaction::{Compaction, Method};
use crate::file_name::FileNumber;
use crate::version::{LEVELS, LiveTable};

/// Level 0 goes down for the values that its tables may hide if it points to this many times the bytes that are merged.
const VALUES_PER_MERGED_BYTE: u64 = 8;

/// Whether so much of what level 0 points to may hide older values that there could be too much garbage.
pub(super) fn may_hide_garbage(picking: &Picking<'_>) -> bool {
    let hiding: u64 = picking.levels.level(0).iter().map(|table| value_bytes(table)).sum();
    hiding > 0 && has_too_much_garbage(picking.levels.values(), &picking.options.values, hiding)
}

/// Whether it is cheap, for the values that they point to, to merge the tables.
pub(super) fn is_cheap(compaction: &Compaction) -> bool {
    let hiding: u64 = compaction.inputs.iter().map(|table| value_bytes(table)).sum();
    let merged = total_bytes(&compaction.inputs) + total_bytes(&compaction.overlapping);
    hiding >= merged.saturating_mul(VALUES_PER_MERGED_BYTE)
}

/// Rewrites the table that points to most of the files that are given up, if there is too much garbage.
pub(super) fn pick(picking: &Picking<'_>) -> Option<Compaction> {
    let (values, options) = (picking.levels.values(), &picking.options.values);
    if !has_too_much_garbage(values, options, 0) {
        return None;
    }
    // The same of each level below 0.
    let files = given_up(picking.levels, options, 1, 0);
    let mut tables: Vec<(u64, usize, &Arc<LiveTable>)> = (1..LEVELS)
        .flat_map(|level| picking.levels.level(level).iter().map(move |table| (level, table)))
        .filter(|(_, table)| !picking.is_claimed(table))
        .map(|(level, table)| (bytes_in(table, &files), level, table))
        .filter(|(bytes, ..)| *bytes > 0)
        .collect();
    tables.sort_by_key(|(bytes, _, table)| (std::cmp::Reverse(*bytes), table.meta().number));
    let why =
        format!("the value log has {} of garbage in {}", size(values.garbage_bytes()), size(values.bytes()));
    tables.into_iter().find_map(|(bytes, level, table)| {
        let why = format!("{why}, {} move", size(bytes));
        picking.free(compaction(level, level, vec![Arc::clone(table)], Vec::new(), Method::Merge, &why))
    })
}

/// The bytes of values that the table points to in the files.
fn bytes_in(table: &LiveTable, files: &BTreeSet<FileNumber>) -> u64 {
    let shares = table.meta().values.iter().filter(|share| files.contains(&share.file));
    shares.map(|share| share.bytes).sum()
}
