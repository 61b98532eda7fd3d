//! Compactions: which run, and how their results take effect.
//!
//! Invariants:
//! (1) compactions that run at the same time do not conflict; flushes run beside them and only add tables to level 0;
//! (2) what may be read is asked after the levels were taken: whoever reads these levels, or later ones, at a sequence
//!     number that is not pinned, reads at that horizon or above;
//! (3) inputs are given up only after the edit that drops them is durable;
//! (4) what a filter or a time to live takes away goes only if it takes effect while no pin sees it: the pins are asked
//!     again, and none is given, until the view is replaced.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::compactions::Turn;
use super::core::Core;
use crate::compaction::{
    Compaction, CompactionFilter, CompactionOutcome, Job, Method, Mood, Picking, pick, pick_range, unix_ms,
};
use crate::error::Result;
use crate::family::ColumnFamily;
use crate::file_name::FileNumber;
use crate::key::SeqNo;
use crate::manifest::Edit;
use crate::options::Background;
use crate::reader::KeyRange;
use crate::version::LiveTable;

/// Whether a result took effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Installed {
    Yes,
    /// No: a pin came that sees what it takes away.
    Pinned,
}

impl Core {
    /// Runs the most urgent compaction of a family; the families take turns. Whether one had any.
    pub(super) fn compact_step(&self, mood: Mood) -> Result<bool> {
        let families: Vec<ColumnFamily> = self.families.read().values().cloned().collect();
        let unix_ms = unix_ms(&*self.options.clock);
        let turn = self.compactions.turn(families, |family, levels, claims| {
            let options = &family.family.options.compaction();
            pick(&Picking { levels, options, claims, mood, retention: &self.retention(), unix_ms })
        });
        match turn {
            Some(turn) => self.compact(&turn).map(|()| true),
            None => Ok(false),
        }
    }

    /// Flushes the family, and merges everything in the range down to one level, where only versions stay that
    /// somebody can still see.
    pub(super) fn compact_range(&self, family: &ColumnFamily, range: &KeyRange) -> Result<()> {
        self.flush(family)?;
        let meets = |smallest: &[u8], largest: &[u8]| !range.before(largest) && !range.behind(smallest);
        let options = family.family.options.compaction();
        let mut from = 0;
        loop {
            self.check_family(family)?;
            let turn = self.compactions.turn_of(family, |levels| pick_range(levels, &options, from, &meets));
            let Some((turn, next)) = turn else { return Ok(()) };
            self.compact(&turn)?;
            from = next;
        }
    }

    fn compact(&self, turn: &Turn<'_>) -> Result<()> {
        self.check_writable()?;
        let (family, compaction) = (&turn.family, &turn.compaction);
        let installed = match compaction.method {
            Method::Move => self.install_compacted(family, compaction, compaction.inputs.clone(), None)?,
            Method::Drop => {
                let since = compaction.inputs.iter().map(|table| table.meta().min_seqno).min();
                self.install_compacted(family, compaction, Vec::new(), since)?
            }
            Method::Merge => self.merge_and_install(turn)?,
        };
        if installed == Installed::Yes {
            self.counters.compactions.fetch_add(1, Ordering::Relaxed);
            *self.counters.last_compaction.lock() = Some(format!("{}: {}", family.name(), compaction.reason));
        }
        self.room.changed();
        Ok(())
    }

    fn merge_and_install(&self, turn: &Turn<'_>) -> Result<Installed> {
        let (family, compaction) = (&turn.family, &turn.compaction);
        let filter = family.family.options.compaction_filter.as_deref();
        let (filtered, since) = self.merge(turn, filter)?;
        let installed = self.install_compacted(family, compaction, filtered, since)?;
        if installed == Installed::Yes {
            return Ok(installed);
        }
        // A pin came meanwhile and sees what the filter removed. This time nothing is removed.
        let (all, _) = self.merge(turn, None)?;
        self.install_compacted(family, compaction, all, None)
    }

    /// The merged tables, and since when the filter removed something.
    fn merge(
        &self,
        turn: &Turn<'_>,
        filter: Option<&dyn CompactionFilter>,
    ) -> Result<(Vec<Arc<LiveTable>>, Option<SeqNo>)> {
        let slices_max = match self.options.background {
            Background::Threads => self.options.compaction_slices_max,
            // One seed replays one order of file operations.
            Background::Manual => 1,
        };
        let job = Job {
            store: &self.store,
            compaction: &turn.compaction,
            levels: &turn.levels,
            retention: &self.retention(),
            options: &turn.family.family.options.compaction(),
            filter,
            slices_max,
            next_number: &|| self.new_file_number(),
            stop: &self.stopping,
        };
        let outcome = job.run()?;
        self.count(&outcome);
        let outputs = outcome.outputs.into_iter();
        let tables = outputs.map(|meta| LiveTable::new(meta, Arc::clone(&self.store))).collect();
        Ok((tables, outcome.filtered_since))
    }

    /// Replaces the inputs by `added`. If `expired_since` is given, only if no pin is at or above it.
    fn install_compacted(
        &self,
        family: &ColumnFamily,
        compaction: &Compaction,
        added: Vec<Arc<LiveTable>>,
        expired_since: Option<SeqNo>,
    ) -> Result<Installed> {
        let held_off = match expired_since.map(|since| self.pins.hold_off(since)) {
            None => None,
            Some(Some(held_off)) => Some(held_off),
            Some(None) => {
                added.iter().for_each(|table| table.mark_obsolete());
                return Ok(Installed::Pinned);
            }
        };
        let installed = self.install_tables(family, compaction, &added);
        drop(held_off);
        installed.map(|()| Installed::Yes)
    }

    fn install_tables(
        &self,
        family: &ColumnFamily,
        compaction: &Compaction,
        added: &[Arc<LiveTable>],
    ) -> Result<()> {
        let mut manifest = self.manifest.lock();
        let id = family.family.id;
        if !manifest.state().families.contains_key(&id) {
            // The family was dropped meanwhile, and its tables with it.
            added.iter().for_each(|table| table.mark_obsolete());
            return Ok(());
        }
        let inputs = compaction.inputs.iter().map(|table| (compaction.level, table));
        let overlapping = compaction.overlapping.iter().map(|table| (compaction.output_level, table));
        let dropped: Vec<(usize, &Arc<LiveTable>)> = inputs.chain(overlapping).collect();
        let removals = dropped.iter().map(|&(level, table)| Edit::RemoveTable {
            family: id,
            level,
            number: table.meta().number,
        });
        let level = compaction.output_level;
        let additions =
            added.iter().map(|table| Edit::AddTable { family: id, level, meta: table.meta().clone() });
        let edits: Vec<Edit> = removals.chain(additions).collect();
        self.install(&mut manifest, &edits)?;
        let numbers: Vec<(usize, FileNumber)> =
            dropped.iter().map(|(level, table)| (*level, table.meta().number)).collect();
        family.family.view.update(|view| {
            let mut view = view.clone();
            let added = added.iter().map(|table| (level, Arc::clone(table))).collect();
            Arc::make_mut(&mut view.levels).apply(&numbers, added);
            view
        });
        drop(manifest);
        self.weigh(&family.family);
        match compaction.method {
            Method::Move => {}
            Method::Merge | Method::Drop => dropped.iter().for_each(|(_, table)| table.mark_obsolete()),
        }
        Ok(())
    }

    fn count(&self, outcome: &CompactionOutcome) {
        let counters = &self.counters;
        counters.compaction_bytes_read.fetch_add(outcome.bytes_read, Ordering::Relaxed);
        counters.compaction_bytes_written.fetch_add(outcome.bytes_written, Ordering::Relaxed);
        counters.compaction_slices.fetch_add(outcome.slices as u64, Ordering::Relaxed);
        counters.entries_compacted.fetch_add(outcome.entries_read, Ordering::Relaxed);
        counters.entries_dropped.fetch_add(outcome.entries_dropped, Ordering::Relaxed);
        counters.entries_filtered.fetch_add(outcome.entries_filtered, Ordering::Relaxed);
    }
}
