//! Compactions: which run, and how their results take effect.
//!
//! Invariants:
//! (1) at most one compaction runs at a time; flushes run beside it and only add tables to level 0;
//! (2) what may be read is asked after the levels were taken: whoever reads these levels, or later ones, at a sequence
//!     number that is not pinned, reads at that horizon or above;
//! (3) inputs are given up only after the edit that drops them is durable.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::core::Core;
use crate::compaction::{Compaction, CompactionOutcome, Job, Method, pick, pick_range};
use crate::error::Result;
use crate::family::ColumnFamily;
use crate::file_name::FileNumber;
use crate::manifest::Edit;
use crate::reader::KeyRange;
use crate::version::{Levels, LiveTable};

impl Core {
    /// Runs the most urgent compaction of a family; the families take turns. Whether one had any.
    pub(super) fn compact_step(&self) -> Result<bool> {
        let mut last_turn = self.compacting.lock();
        let mut families: Vec<ColumnFamily> = self.families.read().values().cloned().collect();
        let behind = families.partition_point(|family| family.family.id <= *last_turn);
        families.rotate_left(behind);
        for family in families {
            let levels = Arc::clone(&family.family.view.load().levels);
            if let Some(compaction) = pick(&levels, &family.family.options.compaction()) {
                self.compact(&family, &levels, &compaction)?;
                *last_turn = family.family.id;
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Flushes the family, and merges everything in the range down to one level, where only versions stay that
    /// somebody can still see.
    pub(super) fn compact_range(&self, family: &ColumnFamily, range: &KeyRange) -> Result<()> {
        self.flush(family)?;
        let meets = |smallest: &[u8], largest: &[u8]| !range.before(largest) && !range.behind(smallest);
        let mut from = 0;
        loop {
            let _compacting = self.compacting.lock();
            self.check_family(family)?;
            let levels = Arc::clone(&family.family.view.load().levels);
            let picked = pick_range(&levels, &family.family.options.compaction(), from, &meets);
            let Some((compaction, next)) = picked else { return Ok(()) };
            self.compact(family, &levels, &compaction)?;
            from = next;
        }
    }

    /// Runs a compaction that was picked from `levels`. Under the lock `compacting`.
    fn compact(&self, family: &ColumnFamily, levels: &Levels, compaction: &Compaction) -> Result<()> {
        self.check_writable()?;
        let added = match compaction.method {
            Method::Move => compaction.inputs.clone(),
            Method::Merge => {
                let outcome = self.merge(family, levels, compaction)?;
                self.count(&outcome);
                let outputs = outcome.outputs.into_iter();
                outputs.map(|meta| LiveTable::new(meta, Arc::clone(&self.store))).collect()
            }
        };
        self.install_compacted(family, compaction, added)?;
        *self.counters.last_compaction.lock() = Some(format!("{}: {}", family.name(), compaction.reason));
        self.room.changed();
        Ok(())
    }

    fn merge(
        &self,
        family: &ColumnFamily,
        levels: &Levels,
        compaction: &Compaction,
    ) -> Result<CompactionOutcome> {
        let job = Job {
            store: &self.store,
            compaction,
            levels,
            retention: &self.retention(),
            options: &family.family.options.compaction(),
            next_number: &|| self.new_file_number(),
            stop: &self.stopping,
        };
        job.run()
    }

    fn install_compacted(
        &self,
        family: &ColumnFamily,
        compaction: &Compaction,
        added: Vec<Arc<LiveTable>>,
    ) -> Result<()> {
        let mut manifest = self.manifest.lock();
        let id = family.family.id;
        if !manifest.state().families.contains_key(&id) {
            // The family was dropped meanwhile, and its tables with it.
            added.iter().for_each(|table| table.mark_obsolete());
            return Ok(());
        }
        let inputs = compaction.inputs.iter().map(|table| (compaction.level, table));
        let dropped =
            inputs.chain(compaction.overlapping.iter().map(|table| (compaction.output_level, table)));
        let dropped: Vec<(usize, &Arc<LiveTable>)> = dropped.collect();
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
        let numbers: Vec<FileNumber> = dropped.iter().map(|(_, table)| table.meta().number).collect();
        family.family.view.update(|view| {
            let mut view = view.clone();
            let added = added.iter().map(|table| (level, Arc::clone(table))).collect();
            Arc::make_mut(&mut view.levels).apply(&numbers, added);
            view
        });
        match compaction.method {
            Method::Move => {}
            Method::Merge => dropped.iter().for_each(|(_, table)| table.mark_obsolete()),
        }
        Ok(())
    }

    fn count(&self, outcome: &CompactionOutcome) {
        self.counters.compactions.fetch_add(1, Ordering::Relaxed);
        self.counters.compaction_bytes_read.fetch_add(outcome.bytes_read, Ordering::Relaxed);
        self.counters.compaction_bytes_written.fetch_add(outcome.bytes_written, Ordering::Relaxed);
    }
}
