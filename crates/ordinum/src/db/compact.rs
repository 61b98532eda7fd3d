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

use super::compactions::Turn;
use super::core::Core;
use super::flush::live_value_logs;
use crate::compaction::{
    Compaction, CompactionFilter, CompactionOutcome, Job, Method, Mood, Picking, given_up, pick, pick_range,
    unix_ms,
};
use crate::error::Result;
use crate::family::ColumnFamily;
use crate::file_name::FileNumber;
use crate::key::SeqNo;
use crate::listener::Notice;
use crate::manifest::Edit;
use crate::options::Background;
use crate::reader::KeyRange;
use crate::super_version::SuperVersion;
use crate::sync::atomic::Ordering;
use crate::version::{Levels, LiveTable, LiveValueLog};

/// Whether a result took effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Installed {
    Yes,
    /// No: a pin came that sees what it takes away.
    Pinned,
}

/// What a compaction puts in the place of its inputs.
#[derive(Default)]
struct Merged {
    tables: Vec<Arc<LiveTable>>,
    /// The new value-log files that the tables point into.
    values: Vec<Arc<LiveValueLog>>,
    /// The oldest commit of which a filter or a time to live takes something away.
    filtered_since: Option<SeqNo>,
}

impl Merged {
    /// It is not used after all.
    fn mark_obsolete(&self) {
        self.tables.iter().for_each(|table| table.mark_obsolete());
        self.values.iter().for_each(|file| file.mark_obsolete());
    }
}

impl Core {
    /// Runs the most urgent compaction of a family; the families take turns. Whether one had any.
    pub(super) fn compact_step(&self, mood: Mood) -> Result<bool> {
        // With many families, looking at all of them is not for nothing.
        let all = mood == Mood::Quiet || self.is_time_for_all();
        let changed = |family: &&ColumnFamily| all || family.family.changed.load(Ordering::Acquire);
        let families: Vec<ColumnFamily> = self.families.read().values().filter(changed).cloned().collect();
        let unix_ms = unix_ms(&*self.options.clock);
        let turn = self.compactions.turn(families, |family, levels, claims| {
            let options = &family.options().compaction();
            let index = self.range_index(family);
            let hidden_by = index.as_deref().and_then(|index| Some((index, self.flushed_through(family)?)));
            let retention = &self.retention();
            pick(&Picking { levels, options, claims, mood, retention, hidden_by, unix_ms })
        });
        match turn {
            Some(turn) => self.compact(&turn).map(|()| true),
            None => Ok(false),
        }
    }

    /// Whether to look for something to compact in every family, changed or not: pins go, and time passes.
    fn is_time_for_all(&self) -> bool {
        match self.options.background {
            Background::Manual => true,
            Background::Threads => self.compactions.is_time_for_all(self.options.clock.monotonic()),
        }
    }

    /// Flushes the family, and merges everything in the range down to one level, where only versions stay that
    /// somebody can still see.
    pub(super) fn compact_range(&self, family: &ColumnFamily, range: &KeyRange) -> Result<()> {
        self.flush(family)?;
        let meets = |smallest: &[u8], largest: &[u8]| !range.before(largest) && !range.behind(smallest);
        let options = family.options().compaction();
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
        let begun = self.options.clock.monotonic();
        let (name, reason) = (|| family.name().to_owned(), || compaction.reason.clone());
        self.store.notices.add(|| Notice::CompactionBegun {
            family: name(),
            reason: reason(),
            tables: compaction.tables().count(),
            bytes: compaction.tables().map(|table| table.meta().bytes).sum(),
        });
        let (installed, merged) = match compaction.method {
            Method::Move => {
                let moved = Merged { tables: compaction.inputs.clone(), ..Merged::default() };
                (self.install_compacted(family, compaction, &moved)?, moved)
            }
            Method::Drop => {
                let filtered_since = compaction.inputs.iter().map(|table| table.meta().min_seqno).min();
                let nothing = Merged { filtered_since, ..Merged::default() };
                (self.install_compacted(family, compaction, &nothing)?, nothing)
            }
            Method::DropHidden => {
                let tables = compaction.inputs.len() as u64;
                self.counters.tables_dropped_unread.fetch_add(tables, Ordering::Relaxed);
                (self.install_compacted(family, compaction, &Merged::default())?, Merged::default())
            }
            Method::Merge => self.merge_and_install(turn)?,
        };
        if installed == Installed::Yes {
            self.counters.compactions.fetch_add(1, Ordering::Relaxed);
            *self.counters.last_compaction.lock() = Some(format!("{}: {}", family.name(), compaction.reason));
        }
        let took = self.options.clock.monotonic().saturating_sub(begun);
        self.histograms.compaction.record(took);
        let tables = if installed == Installed::Yes { merged.tables.as_slice() } else { &[] };
        self.store.notices.add(|| Notice::CompactionEnded {
            family: name(),
            reason: reason(),
            tables: tables.len(),
            bytes: tables.iter().map(|table| table.meta().bytes).sum(),
            took,
        });
        self.room.changed();
        Ok(())
    }

    fn merge_and_install(&self, turn: &Turn<'_>) -> Result<(Installed, Merged)> {
        let (family, compaction) = (&turn.family, &turn.compaction);
        let filter = family.options().compaction_filter.clone();
        let filtered = self.merge(turn, filter.as_deref())?;
        let installed = self.install_compacted(family, compaction, &filtered)?;
        if installed == Installed::Yes {
            return Ok((installed, filtered));
        }
        // A pin came meanwhile and sees what the filter removed. This time nothing is removed.
        let all = self.merge(turn, None)?;
        Ok((self.install_compacted(family, compaction, &all)?, all))
    }

    fn merge(&self, turn: &Turn<'_>, filter: Option<&dyn CompactionFilter>) -> Result<Merged> {
        let slices_max = match self.options.background {
            Background::Threads => self.options.compaction_slices_max,
            // One seed replays one order of file operations.
            Background::Manual => 1,
        };
        let options = &turn.family.options().compaction();
        let level = turn.compaction.level;
        let job = Job {
            store: &self.store,
            compaction: &turn.compaction,
            levels: &turn.levels,
            retention: &self.retention(),
            options,
            given_up: &given_up(&turn.levels, &options.values, level, turn.compaction.may_uncover_bytes()),
            family: turn.family.family.id,
            operator: turn.family.family.operator(),
            filter,
            slices_max,
            next_number: &|| self.new_file_number(),
            stop: &self.stopping,
        };
        let outcome = job.run()?;
        self.count(&outcome);
        let outputs = outcome.outputs.into_iter();
        let tables = outputs.map(|meta| LiveTable::new(meta, Arc::clone(&self.store))).collect();
        let values = live_value_logs(&outcome.value_logs, &self.store);
        Ok(Merged { tables, values, filtered_since: outcome.filtered_since })
    }

    /// Replaces the inputs by what was merged. If something was filtered or expired, only if no pin sees it.
    fn install_compacted(
        &self,
        family: &ColumnFamily,
        compaction: &Compaction,
        merged: &Merged,
    ) -> Result<Installed> {
        let held_off = match merged.filtered_since.map(|since| self.pins.hold_off(since)) {
            None => None,
            Some(Some(held_off)) => Some(held_off),
            Some(None) => {
                merged.mark_obsolete();
                return Ok(Installed::Pinned);
            }
        };
        let installed = self.install_tables(family, compaction, merged);
        drop(held_off);
        installed?;
        // Behind that, for it needs the ordered section of commits, in which others wait for a pin.
        self.trim_range_index(family);
        Ok(Installed::Yes)
    }

    fn install_tables(&self, family: &ColumnFamily, compaction: &Compaction, merged: &Merged) -> Result<()> {
        let mut manifest = self.manifest.lock();
        let id = family.family.id;
        if !manifest.state().families.contains_key(&id) {
            // The family was dropped meanwhile, and its tables with it.
            merged.mark_obsolete();
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
        let values = merged.values.iter().map(|file| Edit::AddValueLog { family: id, meta: *file.meta() });
        let additions = merged.tables.iter().map(|table| Edit::AddTable {
            family: id,
            level,
            meta: table.meta().clone(),
        });
        let mut edits: Vec<Edit> = removals.chain(values).chain(additions).collect();
        let numbers: Vec<(usize, FileNumber)> =
            dropped.iter().map(|(level, table)| (*level, table.meta().number)).collect();
        // Under the lock of the manifest nobody else changes the tables of the view.
        let mut levels = Levels::clone(&family.family.view.load().levels);
        levels.add_values(merged.values.iter().cloned());
        levels.apply(&numbers, merged.tables.iter().map(|table| (level, Arc::clone(table))).collect());
        let dead = levels.take_dead_values();
        edits.extend(dead.iter().map(|file| Edit::RemoveValueLog { family: id, number: file.meta().number }));
        self.install(&mut manifest, &edits)?;
        let levels = Arc::new(levels);
        family.family.view.update(|view| SuperVersion { levels, ..view.clone() });
        drop(manifest);
        self.weigh(&family.family);
        dead.iter().for_each(|file| file.mark_obsolete());
        match compaction.method {
            Method::Move => {}
            Method::Merge | Method::Drop | Method::DropHidden => {
                dropped.iter().for_each(|(_, table)| table.mark_obsolete());
                self.store.forget(dropped.iter().map(|(_, table)| *table));
            }
        }
        Ok(())
    }

    fn count(&self, outcome: &CompactionOutcome) {
        let counters = &self.counters;
        counters.compaction_bytes_read.fetch_add(outcome.bytes_read, Ordering::Relaxed);
        counters.compaction_bytes_written.fetch_add(outcome.bytes_written, Ordering::Relaxed);
        counters.value_bytes_moved.fetch_add(outcome.value_bytes_moved, Ordering::Relaxed);
        counters.tables_dropped_unread.fetch_add(outcome.tables_unread as u64, Ordering::Relaxed);
        counters.compaction_slices.fetch_add(outcome.slices as u64, Ordering::Relaxed);
        counters.entries_compacted.fetch_add(outcome.entries_read, Ordering::Relaxed);
        counters.entries_dropped.fetch_add(outcome.entries_dropped, Ordering::Relaxed);
        counters.entries_filtered.fetch_add(outcome.entries_filtered, Ordering::Relaxed);
    }
}
