//! Decides what to compact next, from what is known of tables without opening them.
//!
//! - `level0.rs` what leaves level 0, and what is merged inside it;
//! - `deeper.rs` levels above their target, and tables full of garbage;
//! - `values.rs` what gives back the space of dead values;
//! - `range.rs` the steps of compacting a range that was asked for;
//! - `expiry.rs` tables that have outlived their time;
//! - `hidden.rs` tables that range deletes cover.
//!
//! The level that is furthest above what it may hold comes first; what a running compaction claims is left alone. Why a
//! compaction was picked stands in one line with it.

mod deeper;
mod expiry;
mod hidden;
mod level0;
mod range;
mod values;

use std::sync::Arc;

pub(crate) use range::pick_range;

use super::targets::{DEEPEST, Targets};
use super::{Claim, Compaction, CompactionOptions, CompactionStyle, Method, Retention};
use crate::key::SeqNo;
use crate::range_delete::RangeTombstones;
use crate::version::{Levels, LiveTable, user_range};

/// How eager the choice is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    /// Much is written: what is cheap a byte goes first, and level 0 may grow.
    Busy,
    /// Little is written: readers get few tables to look into, and stale versions give their space back.
    Quiet,
}

/// What a choice is made from.
pub(crate) struct Picking<'a> {
    /// The tables.
    pub(crate) levels: &'a Levels,
    /// The shape that they are to have.
    pub(crate) options: &'a CompactionOptions,
    /// What is worked on already.
    pub(crate) claims: &'a [Claim],
    /// How eager to be.
    pub(crate) mood: Mood,
    /// Who reads what.
    pub(crate) retention: &'a Retention,
    /// The range deletes that are in tables, and through which sequence number: what is newer may be lost in a crash.
    pub(crate) hidden_by: Option<(&'a RangeTombstones, SeqNo)>,
    /// The time, for what expires.
    pub(crate) unix_ms: u64,
}

/// The most urgent compaction that does not conflict with a running one, or none.
pub(crate) fn pick(picking: &Picking<'_>) -> Option<Compaction> {
    if let Some(hidden) = hidden::pick(picking) {
        return Some(hidden);
    }
    match picking.options.style {
        CompactionStyle::Leveled => picking.leveled(),
        CompactionStyle::Fifo { time_to_live } => expiry::pick(picking, time_to_live),
    }
}

impl Picking<'_> {
    fn leveled(&self) -> Option<Compaction> {
        let targets = Targets::of(self.levels, self.options);
        let mut urgencies: Vec<(u64, usize)> =
            (1..DEEPEST).map(|level| (self.urgency(&targets, level), level)).collect();
        urgencies.push((level0::urgency(self, &targets), 0));
        // The most urgent first; of equals the upper level, whose tables every read meets.
        urgencies.sort_unstable_by_key(|&(urgency, level)| (std::cmp::Reverse(urgency), level));
        let over = urgencies.into_iter().filter(|(urgency, _)| *urgency >= URGENT);
        let mut picks = over.filter_map(|(_, level)| match level {
            0 => level0::pick(self, &targets),
            // A level that is full exactly to its target may stay.
            _ if self.levels.bytes(level) <= targets.of_level(level) => None,
            _ => deeper::over_target(self, &targets, level),
        });
        picks.next().or_else(|| values::pick(self)).or_else(|| deeper::garbage(self))
    }

    /// How urgent a level below 0 is: [`URGENT`] is at its target.
    fn urgency(&self, targets: &Targets, level: usize) -> u64 {
        let is_free = |table: &&Arc<LiveTable>| !self.is_claimed(table);
        let bytes: u64 =
            self.levels.level(level).iter().filter(is_free).map(|table| table.meta().bytes).sum();
        match (bytes, targets.of_level(level)) {
            (0, _) => 0,
            // A level that drains is as urgent as one just above its target.
            (_, 0) => URGENT + 1,
            (bytes, target) => bytes.saturating_mul(URGENT) / target,
        }
    }

    fn is_claimed(&self, table: &LiveTable) -> bool {
        self.claims.iter().any(|claim| claim.has(table))
    }

    /// The compaction, unless it conflicts with a running one.
    fn free(&self, compaction: Compaction) -> Option<Compaction> {
        let claim = Claim::of(&compaction);
        (!self.claims.iter().any(|running| running.conflicts(&claim))).then_some(compaction)
    }

    /// Whether tables of one level can become tables of another as they are: the same compression, and what lies below
    /// the new place is not so much that moving them on would be dear.
    fn may_move(&self, inputs: &[Arc<LiveTable>], level: usize, output_level: usize) -> bool {
        let below_max = self.options.table_bytes_target.saturating_mul(GRANDPARENT_TABLES_MAX);
        self.options.compression_of(level) == self.options.compression_of(output_level)
            && inputs.iter().all(|table| {
                let (smallest, largest) = user_range(table);
                total_bytes(&self.levels.overlapping(output_level + 1, smallest, largest)) <= below_max
            })
    }
}

/// The urgency from which on something is done.
const URGENT: u64 = 100;
/// An output may overlap the level below its own by as much as this many full tables.
pub(super) const GRANDPARENT_TABLES_MAX: u64 = 10;

fn compaction(
    level: usize,
    output_level: usize,
    inputs: Vec<Arc<LiveTable>>,
    overlapping: Vec<Arc<LiveTable>>,
    method: Method,
    why: &str,
) -> Compaction {
    let total = |tables: &[Arc<LiveTable>]| {
        let numbers: Vec<String> = tables.iter().map(|table| table.meta().number.to_string()).collect();
        format!("{} ({})", numbers.join(" "), size(total_bytes(tables)))
    };
    let what = match method {
        Method::Move => format!("move {} to level {output_level}", total(&inputs)),
        Method::Drop | Method::DropHidden => format!("drop {} of level {level}", total(&inputs)),
        Method::Merge if level == output_level && level == 0 => format!("merge {} in place", total(&inputs)),
        Method::Merge if level == output_level => format!("rewrite {}", total(&inputs)),
        Method::Merge if overlapping.is_empty() => {
            format!("merge {} to level {output_level}", total(&inputs))
        }
        Method::Merge => {
            format!("merge {} with {} of level {output_level}", total(&inputs), total(&overlapping))
        }
    };
    Compaction { level, output_level, inputs, overlapping, method, reason: format!("{why}: {what}") }
}

/// The tables of `level` whose keys lie between the smallest and the largest of `inputs`.
fn overlapping_all(levels: &Levels, level: usize, inputs: &[Arc<LiveTable>]) -> Vec<Arc<LiveTable>> {
    match hull(inputs) {
        Some((smallest, largest)) => levels.overlapping(level, smallest, largest),
        None => Vec::new(),
    }
}

/// The smallest and the largest user key of the tables.
fn hull(tables: &[Arc<LiveTable>]) -> Option<(&[u8], &[u8])> {
    let smallest = tables.iter().map(|table| user_range(table).0).min()?;
    let largest = tables.iter().map(|table| user_range(table).1).max()?;
    Some((smallest, largest))
}

fn are_disjoint(tables: &[Arc<LiveTable>]) -> bool {
    let mut ranges: Vec<_> = tables.iter().map(|table| user_range(table)).collect();
    ranges.sort_unstable();
    ranges.array_windows().all(|[a, b]| a.1 < b.0)
}

fn total_bytes(tables: &[Arc<LiveTable>]) -> u64 {
    tables.iter().map(|table| table.meta().bytes).sum()
}

/// Which part of the table's entries would go, in percent, if all that may be garbage is: deletions, and versions that
/// a newer one shadows.
fn garbage_percent(table: &LiveTable) -> u64 {
    let meta = table.meta();
    let garbage = meta.tally.deletions.saturating_add(meta.tally.shadowed);
    garbage.saturating_mul(100) / meta.entries.max(1)
}

/// A size for people.
fn size(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..1_048_576 => format!("{} KiB", bytes / 1024),
        _ => format!("{} MiB", bytes / 1_048_576),
    }
}
