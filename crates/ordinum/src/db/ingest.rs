//! Ingesting sorted files: tables that were written outside become part of a family, all at once.
//!
//! Invariants:
//! (1) the files have their names in the directory, durably, before the record in the log names them; the record is durable before
//!     the manifest has them, and replay repeats what a crash cut off between them;
//! (2) with the record the memtable is sealed, and everything in it is in tables before the ingested ones are: what is
//!     newer in time is found first. The ingestion is visible when it is in the view;
//! (3) a table goes to the deepest level such that nothing above it or in it overlaps it, and no compaction is about to bring
//!     something there; else to level 0;
//! (4) a failure before the record changes nothing; one behind it poisons: the next opening repeats the record.

use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;

use super::Db;
use super::commit::Numbering;
use super::core::Core;
use super::publication::Turn;
use crate::cache::BlockCache;
use crate::compaction::{Claim, CompactionStyle, unix_ms};
use crate::error::{Error, Result};
use crate::event::Ingested;
use crate::family::{ColumnFamily, FamilyId};
use crate::file_name::FileNumber;
use crate::fs;
use crate::ingestion::{IngestedTable, Ingestion};
use crate::key::{SeqNo, split_internal};
use crate::log::{Payload, RecordKind};
use crate::manifest::{Edit, FEATURE_INGESTION};
use crate::planted::{Bug, planted};
use crate::reader::{KeyRange, Reader};
use crate::sorted_file::{SortedFile, TableWriter};
use crate::table::TableReader;
use crate::version::{FileMeta, LEVELS, Levels, LiveTable};

impl Core {
    /// Ingests the files, and returns the sequence number of what they have.
    pub(super) fn ingest(
        &self,
        family: &ColumnFamily,
        files: &[&Path],
        numbering: Numbering,
    ) -> Result<SeqNo> {
        self.check_writable()?;
        self.check_family(family)?;
        if files.is_empty() {
            return Err(Error::InvalidArgument { message: "there is no file to ingest".to_owned() });
        }
        let mut found = files
            .iter()
            .map(|file| Ok((self.examine(file)?, *file)))
            .collect::<Result<Vec<(IngestedTable, &Path)>>>()?;
        found.sort_by(|(a, _), (b, _)| a.smallest.cmp(&b.smallest));
        for [(a, _), (b, file)] in found.array_windows() {
            if b.smallest <= a.largest {
                return Err(unfit(file, "its keys overlap those of another file"));
            }
        }
        let mut tables = Vec::new();
        let brought = found.into_iter().try_for_each(|(mut table, file)| {
            table.number = self.new_file_number();
            let brought = self.bring_in(file, table.number);
            tables.push(table);
            brought
        });
        let ingestion = Ingestion { family: family.family.id, tables };
        let brought = brought.and_then(|()| self.options.fs.sync_dir(&self.directory));
        // No family is dropped from here on, and no checkpoint begun.
        let _changing = self.family_changes.lock();
        let recorded = brought
            .and_then(|()| self.use_ingestions())
            // So that little is left to do while commits wait to become visible.
            .and_then(|()| if planted(Bug::IngestUnderMemory) { Ok(()) } else { self.flush_family(family) })
            .and_then(|()| self.record(family, &ingestion, numbering));
        match recorded {
            Ok(seqno) => Ok(seqno),
            Err(error) => {
                if self.poison.get().is_none() {
                    for table in &ingestion.tables {
                        // A file that stays is removed when the database is opened next.
                        drop(self.options.fs.remove(&self.store.path(table.number)));
                    }
                }
                Err(error)
            }
        }
    }

    /// What the file has, if it can be ingested. It is read once, whole.
    fn examine(&self, file: &Path) -> Result<IngestedTable> {
        let fs = &self.options.fs;
        let open = fs.open(file)?;
        let bytes = open.len()?;
        let sealed_as = TableReader::sealed_as(&*open, file)?;
        // Blocks of it must not be taken for those of a table with that number.
        let cache = Arc::new(BlockCache::new(0));
        let table = TableReader::open(open, sealed_as, file.into(), cache)?;
        let properties = &table.properties;
        let is_apart = !properties.values.is_empty() || properties.range_tombstones.is_some();
        if properties.max_seqno != SeqNo::ZERO || properties.deletions != 0 || is_apart {
            return Err(unfit(file, "it is a table of a database, and not a sorted file"));
        }
        table.verify()?;
        let user_key = |key: &[u8]| split_internal(key).map_or_else(Vec::new, |(key, _)| key.to_vec());
        Ok(IngestedTable {
            number: FileNumber(0),
            sealed_as,
            bytes,
            entries: properties.entries,
            smallest: user_key(&properties.smallest),
            largest: user_key(&properties.largest),
        })
    }

    /// Makes sure, before the first ingestion of the database stands in a log, that the manifest tells of them.
    fn use_ingestions(&self) -> Result<()> {
        let mut manifest = self.manifest.lock();
        if manifest.state().features & FEATURE_INGESTION != 0 {
            return Ok(());
        }
        self.install(&mut manifest, &[Edit::Use { features: FEATURE_INGESTION }])
    }

    fn bring_in(&self, file: &Path, number: FileNumber) -> Result<()> {
        let (fs, to) = (&*self.options.fs, self.store.path(number));
        if fs.link(file, &to)? {
            // Who wrote it may not have synced it.
            return fs.open_append(&to)?.sync();
        }
        let bytes = fs.open(file)?.len()?;
        fs::copy(fs, file, &to, bytes)
    }

    /// Gives the ingestion its place in the log, and makes it visible.
    fn record(&self, family: &ColumnFamily, ingestion: &Ingestion, numbering: Numbering) -> Result<SeqNo> {
        // Before the ordered section: nobody else flushes, and whoever waits for that holds nothing that this needs.
        let flushing = self.flushing.lock();
        let turn = {
            let mut commits = self.commits.lock();
            self.check_family(family)?;
            let payload = ingestion.encode();
            let payload = Payload::new(RecordKind::Ingest, [&payload, &[], &[], &[]])?;
            let turn = self.append_alone(&mut commits, &payload, numbering)?;
            let ranges = ingestion.tables.iter().map(|table| (&*table.smallest, &*table.largest));
            commits.recent.remember_ranges(turn.seqno, turn.before, family.family.id, ranges);
            if !family.family.view.load().active.is_empty() {
                self.seal(&family.family, 0);
            }
            let end = commits.log.end();
            // Here, because the flush below must not wait for a commit that waits for this one.
            commits.log.hand_over().map_err(|error| self.poisoned_by(error))?;
            self.sync_log(commits.log.segment(), end, turn.seqno)?;
            turn
        };
        let installed = self.put_in_place(family, ingestion, turn);
        drop(flushing);
        // Also after a failure, so that nobody waits for ever: nothing is written any more then.
        self.publication.applied(turn);
        self.publication.wait_for(turn.seqno);
        self.arrivals.tell();
        installed.map_err(|error| self.poisoned_by(error))?;
        self.room.changed();
        Ok(turn.seqno)
    }

    /// Does what the log has of ingestions and the manifest has not: while the database is opened.
    pub(super) fn repeat_ingestions(&self, ingestions: &[(SeqNo, Ingestion)]) -> Result<()> {
        ingestions.iter().try_for_each(|(seqno, ingestion)| {
            let family = self.families.read().get(&ingestion.family).cloned();
            let family =
                family.ok_or_else(|| Error::Bug { message: "an ingestion without a family".to_owned() })?;
            let _flushing = self.flushing.lock();
            self.flush_before(&family, *seqno)?;
            self.install_ingested(&family, ingestion, *seqno)
        })
    }

    /// Writes what an ingestion brought to a sorted file.
    pub(super) fn export_ingested(
        &self,
        db: &Db,
        seqno: SeqNo,
        ingested: &Ingested,
        to: &Path,
    ) -> Result<SortedFile> {
        let family = self.family_here(FamilyId(ingested.family()))?;
        let snapshot = db.snapshot_at(seqno)?;
        let (first, last) = ingested.range();
        let range = KeyRange { start: Bound::Included(first.to_vec()), end: Bound::Included(last.to_vec()) };
        let mut writer = TableWriter::create(to, &self.options, &family.options())?;
        let mut cursor = snapshot.cursor(&family, range)?;
        let mut more = cursor.first()?;
        while more {
            if cursor.seqno() == seqno {
                writer.put(cursor.key(), cursor.value()?)?;
            }
            more = cursor.next()?;
        }
        let file = writer.finish()?;
        if file.entries() != ingested.entries() {
            return Err(unfit(to, "a filter of compactions took entries of it away"));
        }
        Ok(file)
    }

    fn put_in_place(&self, family: &ColumnFamily, ingestion: &Ingestion, turn: Turn) -> Result<()> {
        self.flush_before(family, turn.seqno)?;
        self.install_ingested(family, ingestion, turn.seqno)
    }

    /// Flushes the sealed memtables that are older than this sequence number. Under the lock `flushing`.
    pub(super) fn flush_before(&self, family: &ColumnFamily, seqno: SeqNo) -> Result<()> {
        if planted(Bug::IngestUnderMemory) {
            return Ok(());
        }
        loop {
            let oldest = family.family.view.load().sealed.last().cloned();
            match oldest.filter(|memtable| memtable.newest() < seqno) {
                Some(memtable) => self.flush_memtable(family, &memtable)?,
                None => return Ok(()),
            }
        }
    }

    /// Adds the tables to the family; everything older of it is in tables.
    pub(super) fn install_ingested(
        &self,
        family: &ColumnFamily,
        ingestion: &Ingestion,
        seqno: SeqNo,
    ) -> Result<()> {
        let written = unix_ms(&*self.options.clock);
        let style = family.options().compaction_style;
        self.compactions.with_claims(family, |claims| {
            let mut manifest = self.manifest.lock();
            let levels = Arc::clone(&family.family.view.load().levels);
            let place = |table: &IngestedTable| {
                let meta = table.meta(seqno, written);
                (level_for(table, &levels, claims, style), meta)
            };
            let placed: Vec<(usize, FileMeta)> = ingestion.tables.iter().map(place).collect();
            let id = family.family.id;
            let mut edits: Vec<Edit> = placed
                .iter()
                .map(|(level, meta)| Edit::AddTable { family: id, level: *level, meta: meta.clone() })
                .collect();
            edits.push(Edit::Flushed { family: id, through: seqno });
            self.install(&mut manifest, &edits)?;
            let live = |meta| LiveTable::new(meta, Arc::clone(&self.store));
            let tables: Vec<_> = placed.into_iter().map(|(level, meta)| (level, live(meta))).collect();
            family.family.view.update(|view| {
                let mut view = view.clone();
                Arc::make_mut(&mut view.levels).apply(&[], tables.clone());
                view
            });
            Ok(())
        })?;
        self.weigh(&family.family);
        Ok(())
    }
}

/// The deepest level that the table can go to.
fn level_for(table: &IngestedTable, levels: &Levels, claims: &[Claim], style: CompactionStyle) -> usize {
    match style {
        CompactionStyle::Leveled => {}
        CompactionStyle::Fifo { .. } => return 0,
    }
    let overlaps = |level: &usize| !levels.overlapping(*level, &table.smallest, &table.largest).is_empty();
    let level = (0..LEVELS).find(overlaps).map_or(LEVELS - 1, |met| met.saturating_sub(1));
    let claim = Claim::of_level(level, &table.smallest, &table.largest);
    if claims.iter().any(|other| other.conflicts(&claim)) { 0 } else { level }
}

fn unfit(file: &Path, why: &str) -> Error {
    Error::NotIngestible { file: file.to_path_buf(), why: why.to_owned() }
}

#[cfg(test)]
mod tests;
