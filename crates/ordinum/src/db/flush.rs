//! Memtables to tables, and logs that are not needed any more.
//!
//! Invariants:
//! (1) before the edit that installs a table, the log is synced through the newest sequence number in it: no table is
//!     ahead of the log;
//! (2) sealed memtables of a family are flushed oldest first, so that everything up to the newest sequence number of the
//!     last one is in tables;
//! (3) a table that could not be written changes nothing: the memtable stays, and is flushed again later;
//! (4) versions that nobody can see any more are left out; the newest one of a key only if a range tombstone stands for it;
//! (5) a log is removed after the edit that says so is durable, and only if no memtable has its first entry in it or
//!     in a log before it, and nothing in it is above the horizon.

use std::cell::RefCell;
use std::sync::Arc;

use super::core::Core;
use crate::compaction::unix_ms;
use crate::error::{Error, Result};
use crate::family::ColumnFamily;
use crate::file_name::{self, FileKind, FileNumber};
use crate::iter::InternalIterator;
use crate::key::{self, Kind, SeqNo};
use crate::listener::Notice;
use crate::log::SpareLog;
use crate::manifest::{self, Edit, Manifest};
use crate::memtable::{Memtable, MemtableIter};
use crate::merge_operator::{Operator, Pending};
use crate::planted::{Bug, planted};
use crate::range_delete::KeptTombstones;
use crate::rate_limiter::Haste;
use crate::sync::atomic::Ordering;
use crate::table::TableBuilder;
use crate::value_log::{Separation, ValueLogMeta};
use crate::version::{FileMeta, LiveTable, LiveValueLog, TableStore};

/// A log is long when it has this part of a full segment.
const TRIMMED_PART: u64 = 32;

impl Core {
    /// Makes the edits durable; a failure poisons.
    pub(super) fn install(&self, manifest: &mut Manifest, edits: &[Edit]) -> Result<()> {
        self.check_writable()?;
        let mut edits = edits.to_vec();
        edits.extend(self.horizon_edits(manifest.state()));
        let features = manifest.missing_features(&edits);
        let ready = if features == 0 { Ok(()) } else { self.succeed(manifest, features) };
        ready.and_then(|()| manifest.install(&edits)).map_err(|error| self.poisoned_by(error))
    }

    /// Goes on in a manifest that tells its readers of more features.
    fn succeed(&self, manifest: &mut Manifest, features: u64) -> Result<()> {
        let (fs, directory) = (&*self.options.fs, &self.directory);
        let next = manifest.successor(fs, directory, self.new_file_number(), features)?;
        manifest::write_current(fs, directory, next.number())?;
        let before = std::mem::replace(manifest, next);
        // A file that stays is removed when the database is opened next.
        drop(fs.remove(&file_name::path(directory, FileKind::Manifest, before.number())));
        Ok(())
    }

    /// Writes what the family has in memory to tables, and gives back the space of logs that nothing is needed of then.
    pub(super) fn flush(&self, family: &ColumnFamily) -> Result<()> {
        self.flush_family(family)?;
        self.trim_log()
    }

    pub(super) fn flush_family(&self, family: &ColumnFamily) -> Result<()> {
        self.check_writable()?;
        self.check_family(family)?;
        let through = {
            let commits = self.commits.lock();
            if !family.family.view.load().active.is_empty() {
                self.seal(&family.family, 0);
            }
            commits.last
        };
        loop {
            let _flushing = self.flushing.lock();
            let oldest = family.family.view.load().sealed.last().cloned();
            match oldest.filter(|memtable| memtable.newest() <= through) {
                Some(memtable) => self.flush_memtable(family, &memtable)?,
                None => return Ok(()),
            }
        }
    }

    /// Flushes the oldest sealed memtable of the family that has the most; whether there was one.
    pub(super) fn flush_step(&self) -> Result<bool> {
        let _flushing = self.flushing.lock();
        self.seal_for_old_logs();
        let sealed = |family: &&ColumnFamily| family.family.view.load().sealed.len();
        let fullest = self.families.read().values().max_by_key(sealed).cloned();
        let Some(family) = &fullest else { return Ok(false) };
        let oldest = family.family.view.load().sealed.last().cloned();
        match oldest {
            Some(memtable) => self.flush_memtable(family, &memtable).map(|()| true),
            None => Ok(false),
        }
    }

    /// While too many logs are kept: seals the memtables that need the oldest of them.
    fn seal_for_old_logs(&self) {
        // With many families, looking at all of them is not for nothing.
        let closed = self.manifest.lock().state().logs.values().filter(|log| log.end.is_some()).count();
        if closed <= self.options.closed_logs_max {
            return;
        }
        let families = self.live_families();
        let Some(oldest) = families.iter().filter_map(first_log).min() else { return };
        let needed =
            self.manifest.lock().state().logs.range(oldest..).filter(|(_, log)| log.end.is_some()).count();
        if needed <= self.options.closed_logs_max {
            return;
        }
        // In the ordered section nobody else seals, or is given space.
        let _commits = self.commits.lock();
        for family in &families {
            if family.family.view.load().active.first_log() == Some(oldest) {
                self.seal(&family.family, 0);
            }
        }
    }

    /// Writes the oldest sealed memtable of the family to a table. Under the lock `flushing`.
    pub(super) fn flush_memtable(&self, family: &ColumnFamily, memtable: &Arc<Memtable>) -> Result<()> {
        self.check_writable()?;
        // Commits that were given space before the memtable was sealed may still insert.
        self.publication.wait_for(memtable.newest());
        if memtable.entries() == 0 && memtable.range_tombstones_count() == 0 {
            forget_sealed(family, memtable);
            self.weigh(&family.family);
            self.weigh_sealed();
            return Ok(());
        }
        let begun = self.options.clock.monotonic();
        let entries = memtable.entries();
        let notices = &self.store.notices;
        notices.add(|| Notice::FlushBegun { family: family.name().to_owned(), entries });
        let created = RefCell::new(Vec::new());
        let begin_file = |kind| {
            let number = self.new_file_number();
            created.borrow_mut().push((kind, number));
            number
        };
        let written = self.write_table(family, memtable, &begin_file).and_then(|written| {
            if !planted(Bug::InstallAheadOfLog) {
                self.sync_through(memtable.newest())?;
            }
            Ok(written)
        });
        let written = match written {
            Ok(written) => written,
            Err(error) => {
                created.into_inner().into_iter().for_each(|(kind, number)| self.store.remove(kind, number));
                return Err(error);
            }
        };
        let value_bytes: u64 = written.values.iter().map(|file| file.bytes).sum();
        self.counters.flushes.fetch_add(1, Ordering::Relaxed);
        self.counters.flush_bytes.fetch_add(written.table.bytes + value_bytes, Ordering::Relaxed);
        let (number, entries) = (written.table.number, written.table.entries);
        let bytes = written.table.bytes + value_bytes;
        self.install_flushed(family, memtable, written)?;
        let took = self.options.clock.monotonic().saturating_sub(begun);
        self.histograms.flush.record(took);
        notices.add(|| Notice::FlushEnded {
            family: family.name().to_owned(),
            table: self.store.path(number),
            entries,
            bytes,
            took,
        });
        self.room.changed();
        Ok(())
    }

    fn write_table(
        &self,
        family: &ColumnFamily,
        memtable: &Arc<Memtable>,
        begin_file: &dyn Fn(FileKind) -> FileNumber,
    ) -> Result<Flushed> {
        let options = family.options().compaction();
        let number = begin_file(FileKind::Table);
        let operator = family.family.operator();
        let mut builder = self.store.create(number, &options.table_options(0), Haste::Urgent)?;
        builder.set_family(family.family.id, family.name());
        let mut writing = Writing {
            builder,
            separation: Separation::new(&self.store, &options.values, Haste::Urgent, || {
                begin_file(FileKind::ValueLog)
            }),
            shadowed: 0,
            is_written: false,
        };
        let mut entries = MemtableIter::new(Arc::clone(memtable));
        let retention = self.retention();
        let mut tombstones = KeptTombstones::new(memtable.range_tombstones().unwrap_or_default());
        // The key that the last entry had, and its sequence number: that of the next newer version.
        let (mut key, mut newer) = (Vec::new(), None);
        let mut pending: Option<Pending> = None;
        let mut found = entries.first()?;
        while found {
            let (seqno, kind) = key::split_trailer(entries.trailer());
            if newer.is_none() || key != entries.user_key() {
                writing.settle(pending.take(), operator, &key)?;
                key.clear();
                key.extend_from_slice(entries.user_key());
                (newer, writing.is_written) = (None, false);
            }
            let mut keeps =
                retention.keeps(seqno, newer.replace(seqno)) && !tombstones.hides(&key, seqno, &retention);
            if let Some(mut merged) = pending.take() {
                if tombstones.newest(&key, merged.seqno) > seqno {
                    merged.end();
                } else if !keeps && merged.has_room(entries.value().len()) {
                    merged.take(operator, &key, read_kind(kind)?, entries.value_slice())?;
                    if !merged.is_ready() {
                        pending = Some(merged);
                        found = entries.next()?;
                        continue;
                    }
                } else {
                    // What stands above needs it, whether somebody else reads it or not.
                    keeps = true;
                }
                writing.settle(Some(merged), operator, &key)?;
            }
            if keeps && kind == Kind::Merge as u8 {
                let merged = Pending::new(operator, &key, seqno, entries.value_slice())?;
                if merged.is_ready() {
                    writing.settle(Some(merged), operator, &key)?;
                } else {
                    pending = Some(merged);
                }
            } else if keeps {
                writing.write(&key, seqno, kind, entries.value())?;
            }
            found = entries.next()?;
        }
        writing.settle(pending, operator, &key)?;
        let Writing { mut builder, separation, shadowed, .. } = writing;
        let values = separation.finish()?;
        builder.set_range_tombstones(tombstones.written(&retention));
        let summary = builder.finish()?;
        if !planted(Bug::SkipDirectorySync) {
            self.options.fs.sync_dir(&self.directory)?;
        }
        let table = FileMeta::new(number, summary, shadowed, unix_ms(&*self.options.clock));
        Ok(Flushed { table, values })
    }

    fn install_flushed(
        &self,
        family: &ColumnFamily,
        memtable: &Arc<Memtable>,
        written: Flushed,
    ) -> Result<()> {
        let Flushed { table: meta, values } = written;
        let mut manifest = self.manifest.lock();
        let id = family.family.id;
        let table = LiveTable::new(meta.clone(), Arc::clone(&self.store));
        let value_logs = live_value_logs(&values, &self.store);
        if !manifest.state().families.contains_key(&id) {
            // The family was dropped meanwhile.
            table.mark_obsolete();
            value_logs.iter().for_each(|file| file.mark_obsolete());
            return Ok(());
        }
        let through = memtable.newest();
        let mut edits: Vec<Edit> =
            values.into_iter().map(|meta| Edit::AddValueLog { family: id, meta }).collect();
        edits.push(Edit::AddTable { family: id, level: 0, meta });
        edits.push(Edit::Flushed { family: id, through });
        self.install(&mut manifest, &edits)?;
        family.family.view.update(|view| {
            let mut view = view.clone();
            view.sealed.retain(|sealed| !Arc::ptr_eq(sealed, memtable));
            let levels = Arc::make_mut(&mut view.levels);
            levels.add_values(value_logs.iter().cloned());
            levels.apply(&[], vec![(0, Arc::clone(&table))]);
            view
        });
        self.weigh(&family.family);
        self.weigh_sealed();
        self.remove_old_logs(&mut manifest)
    }

    /// Removes the logs that no memtable needs and that hold nothing above the horizon.
    pub(super) fn remove_old_logs(&self, manifest: &mut Manifest) -> Result<()> {
        if self.checkpoints.keep_logs() || manifest.state().logs.values().all(|log| log.end.is_none()) {
            return Ok(());
        }
        let horizon = self.retention().horizon();
        let needed = self.families.read().values().filter_map(first_log).min();
        let old = manifest
            .state()
            .logs_through(horizon)
            .filter(|log| needed.is_none_or(|needed| *log < needed) || planted(Bug::RemoveLogTooEarly));
        let old: Vec<FileNumber> = old.collect();
        if old.is_empty() {
            return Ok(());
        }
        let edits: Vec<Edit> = old.iter().map(|number| Edit::RemoveLog { number: *number }).collect();
        let ends: Vec<u64> = old
            .iter()
            .map(|log| manifest.state().logs.get(log).and_then(|log| log.end).unwrap_or(0))
            .collect();
        self.install(manifest, &edits)?;
        for (number, bytes) in old.into_iter().zip(ends) {
            let mut spare = self.spare_log.lock();
            let is_free = !self.log_readers.has(number);
            if is_free && spare.is_none() && bytes >= self.options.log_segment_bytes {
                *spare = Some(SpareLog { number, bytes });
            } else {
                self.remove_log(number);
            }
        }
        Ok(())
    }

    /// If nothing is in memory, nothing of the log is needed: a long one is left for an empty one, and the spare one goes.
    /// For times in which little is written; otherwise segments are left when they are full, and written over.
    pub(super) fn trim_log(&self) -> Result<()> {
        self.check_writable()?;
        let families = self.live_families();
        {
            let mut commits = self.commits.lock();
            let is_long = commits.log.end() > self.options.log_segment_bytes / TRIMMED_PART;
            if !is_long || families.iter().any(|family| first_log(family).is_some()) {
                return Ok(());
            }
            self.remove_spare_log();
            self.rotate_log(&mut commits)?;
        }
        self.remove_old_logs(&mut self.manifest.lock())?;
        self.remove_spare_log();
        Ok(())
    }

    fn remove_spare_log(&self) {
        if let Some(spare) = self.spare_log.lock().take() {
            self.remove_log(spare.number);
        }
    }

    fn remove_log(&self, number: FileNumber) {
        // A file that stays is removed when the database is opened next.
        drop(self.options.fs.remove(&file_name::path(&self.directory, FileKind::Log, number)));
    }

    /// Makes everything durable, and gives the lock back.
    pub(super) fn close(&self) -> Result<()> {
        if self.closed.load(Ordering::Acquire) {
            return Ok(());
        }
        let result = self.close_log();
        self.closed.store(true, Ordering::Release);
        self.families.read().values().for_each(|family| family.family.view.expire());
        self.locks.close();
        self.stop_work();
        // Who opens the directory next must not meet files that somebody here still writes.
        drop((self.family_changes.lock(), self.flushing.lock()));
        self.compactions.wait_for_end();
        self.remove_spare_log();
        drop(self.lock.lock().take());
        self.arrivals.tell();
        result
    }

    fn close_log(&self) -> Result<()> {
        let mut commits = self.commits.lock();
        self.check_writable()?;
        let end = commits.log.end();
        commits.log.hand_over().map_err(|error| self.poisoned_by(error))?;
        self.sync_log(commits.log.segment(), end, commits.last)?;
        // Nothing more is given: the next opening goes on right behind.
        let through = commits.last;
        self.install(&mut self.manifest.lock(), &[Edit::ReserveSeqNos { through }])?;
        commits.reserved = through;
        // Still in the ordered section, so that no commit comes between.
        self.closed.store(true, Ordering::Release);
        Ok(())
    }
}

/// What a memtable became.
struct Flushed {
    table: FileMeta,
    /// The value-log files that the table points into.
    values: Vec<ValueLogMeta>,
}

/// The files that were just written, for the version that is to have them.
pub(super) fn live_value_logs(files: &[ValueLogMeta], store: &Arc<TableStore>) -> Vec<Arc<LiveValueLog>> {
    files.iter().map(|meta| LiveValueLog::new(*meta, Arc::clone(store))).collect()
}

/// The first log that a memtable of the family needs.
pub(super) fn first_log(family: &ColumnFamily) -> Option<FileNumber> {
    let view = family.family.view.load();
    let memtables = std::iter::once(&view.active).chain(&view.sealed);
    memtables.filter_map(|memtable| memtable.first_log()).min()
}

/// Takes a memtable that holds nothing out of the view.
fn forget_sealed(family: &ColumnFamily, memtable: &Arc<Memtable>) {
    family.family.view.update(|view| {
        let mut view = view.clone();
        view.sealed.retain(|sealed| !Arc::ptr_eq(sealed, memtable));
        view
    });
}

/// The table that a flush writes.
struct Writing<'a> {
    builder: TableBuilder,
    separation: Separation<'a>,
    /// Entries with a newer version of their key before them.
    shadowed: u64,
    /// Whether a version of the key was written.
    is_written: bool,
}

impl Writing<'_> {
    fn write(&mut self, key: &[u8], seqno: SeqNo, kind: u8, value: &[u8]) -> Result<()> {
        let is_put = kind == Kind::Put as u8;
        match if is_put { self.separation.place(value)? } else { None } {
            Some(pointer) => {
                self.builder.add(key, key::trailer(seqno, Kind::Pointer), &pointer.encode())?;
            }
            None => self.builder.add(key, key::trailer_of(seqno, kind), value)?,
        }
        self.shadowed += u64::from(std::mem::replace(&mut self.is_written, true));
        Ok(())
    }

    /// Writes what merge entries came to.
    fn settle(&mut self, pending: Option<Pending>, operator: Operator<'_>, key: &[u8]) -> Result<()> {
        let Some(pending) = pending else { return Ok(()) };
        let (kind, value) = pending.entry(operator, key);
        self.write(key, pending.seqno, kind as u8, &value)
    }
}

fn read_kind(kind: u8) -> Result<Kind> {
    Kind::from_byte(kind)
        .ok_or_else(|| Error::Bug { message: format!("a memtable holds an entry of kind {kind}") })
}
